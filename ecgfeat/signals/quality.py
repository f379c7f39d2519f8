"""Signal quality of each second and lead: usable, noisy or absent.

A second is absent if some of it is invalid or part of a flat line. A logistic function of two figures of the ten
seconds around it tells noisy from usable: agreement of two detectors, and likeness of the beats. A third, the share of
the energy of a beat that is in the band of QRS complexes, refuses what beats and is no ECG: mains hum, breathing, a
pressure wave. None of them depends on the unit or the polarity of the lead. Weights and threshold were learnt by
``python -m benchmarks.quality`` on half of the records of cinc2017, class noisy against the others.

Shape suffixes: C leads, S samples, T seconds, F figures.
"""

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import max_pool1d

from ecgfeat.signals.figures import figures_of
from ecgfeat.signals.filters import DETECTOR_FS_HZ, FilteredLeads, filter_leads
from ecgfeat.signals.gaps import LONGEST_PAUSE_S, clear_in_place, find_runs
from ecgfeat.signals.leads import pick_lead
from ecgfeat.signals.levels import BLOCK_SAMPLES
from ecgfeat.signals.qrs import find_qrs

USABLE: Final = 0
NOISY: Final = 1
ABSENT: Final = 2

WEIGHT: Final = (-7.332, -14.242)
OFFSET: Final = 18.295
"""Of the logistic function of the first two: ``python -m benchmarks.quality`` prints them."""

THRESHOLD: Final = 0.57
"""Probability above which a second is noisy."""

LEAST_QRS_SHARE: Final = 0.08
"""Below it the waves are no QRS complexes: 0.13 is the least median of a lead of mitdb, a pressure wave has 0.03."""

_FS_HZ = DETECTOR_FS_HZ
_PRESENT_SHARE = 0.85  # a gap that falls into two seconds and into neither by this is shorter than 0.3 s
_BLOCKS_PER_SECOND = _FS_HZ // BLOCK_SAMPLES
_QUIET_SHARE, _QUIET_RANGE = 0.2, 0.5  # of the usual height of beats, and of the usual range of the lead
_BEAT_QUANTILE = 0.8
_PAUSE_EDGE_S = 4
_Samples = NDArray[np.int64]
_Reals = NDArray[np.float64]


def assess_quality(signal_mv_SC: NDArray[np.float32], device: str | torch.device = "cpu") -> NDArray[np.int8]:
    """Assess every second of every lead.

    Parameters
    ----------
    signal_mv_SC : ndarray of float32, (S, C)
        Leads at 128 Hz in any unit that is about mV, NaN where invalid.
    device : str or torch.device
        Where to filter.

    Returns
    -------
    ndarray of int8, (T, C)
        `USABLE`, `NOISY` or `ABSENT`; T is S / 128, rounded up.

    Notes
    -----
    * A second is absent if less than 0.85 of its samples are valid. Those of a lead that is off or at a rail are not.
    """
    num_seconds = -(-len(signal_mv_SC) // _FS_HZ)
    # One lead at a time: what is filtered of a day is large.
    seconds_3CT = np.zeros((3, signal_mv_SC.shape[1], num_seconds), dtype=bool)
    for lead in range(signal_mv_SC.shape[1]):
        cleared_S = np.array(signal_mv_SC[:, lead], dtype=np.float32)
        valid_S = clear_in_place(cleared_S, _FS_HZ)
        if valid_S.any():
            leads = filter_leads(cleared_S[None], device, valid_S[None])
            seconds_3CT[:, lead] = _sort_seconds(leads, noise_of(leads, find_alone(leads)))[:, 0]
    return _name_states(*seconds_3CT)


def find_alone(leads: FilteredLeads) -> list[_Samples]:
    """Find the QRS complexes of each lead by itself."""
    return [find_qrs(pick_lead(leads, lead)) for lead in range(len(leads.slope))]


def noise_of(leads: FilteredLeads, beats: list[_Samples]) -> _Reals:
    """Compute how probably each second of each lead is noisy.

    Parameters
    ----------
    leads : FilteredLeads
        Leads of a record.
    beats : list of ndarray of int64
        QRS complexes of each, by `find_alone`.

    Returns
    -------
    ndarray of float64, (C, T)
        Probability; 1 without QRS complexes, and where the second is absent.
    """
    noise_CT = [noise_probability(figures_of(leads, lead, beat)) for lead, beat in enumerate(beats)]
    return np.where([_is_present(valid_S) for valid_S in leads.valid], noise_CT, 1.0)


def states_of(leads: FilteredLeads, noise_CT: _Reals) -> NDArray[np.int8]:
    """Return the states of filtered leads, (T, C), from the probabilities that `noise_of` gives."""
    return _name_states(*_sort_seconds(leads, noise_CT))


def _sort_seconds(leads: FilteredLeads, noise_CT: _Reals) -> NDArray[np.bool_]:
    """Return which seconds have signal, which of them are usable by their figures, and which may be a pause."""
    is_present_CT = np.stack([_is_present(valid_S) for valid_S in leads.valid])
    is_usable_CT = is_present_CT & (noise_CT <= THRESHOLD)
    is_pause_CT = np.stack(
        [_is_pause(*rows, leads, lead) for lead, rows in enumerate(zip(is_usable_CT, is_present_CT, strict=True))]
    )
    return np.stack([is_present_CT, is_usable_CT, is_pause_CT])


def _name_states(
    is_present_CT: NDArray[np.bool_], is_usable_CT: NDArray[np.bool_], is_pause_CT: NDArray[np.bool_]
) -> NDArray[np.int8]:
    """Return the states of all leads of a record, (T, C)."""
    # While another lead has beats, a quiet one is off.
    is_usable_CT = is_usable_CT | (is_pause_CT & ~is_usable_CT.any(axis=0))
    state_CT = np.where(is_usable_CT, USABLE, np.where(is_present_CT, NOISY, ABSENT))
    return np.ascontiguousarray(state_CT.T.astype(np.int8))


def _is_pause(
    is_usable_T: NDArray[np.bool_], is_present_T: NDArray[np.bool_], leads: FilteredLeads, lead: int
) -> NDArray[np.bool_]:
    """Return which seconds are of a pause of the heart: quiet, between usable ones. The figures see no beats there."""
    is_pause_T = np.zeros(is_usable_T.size, dtype=bool)
    candidate_T = is_present_T & ~is_usable_T
    if not is_usable_T.any() or not candidate_T.any():
        return is_pause_T
    height_N, filled_S = leads.levels[lead].height, leads.filled[lead]
    height_T = max_pool1d(torch.from_numpy(height_N)[None], _BLOCKS_PER_SECOND, ceil_mode=True)[0].numpy()
    # A slow heart has no beat in most seconds.
    is_quiet_T = height_T < _QUIET_SHARE * np.quantile(height_T[is_usable_T], _BEAT_QUANTILE)
    run_R2, num_quiet = find_runs(candidate_T), np.append(0, is_quiet_T.cumsum())
    # Hardly any run is half quiet: what else a pause needs is looked at in those that are.
    run_R2 = run_R2[2 * np.diff(num_quiet[run_R2])[:, 0] >= np.diff(run_R2)[:, 0]]
    runs = [(start, stop) for start, stop in run_R2.tolist() if _is_quiet(start, stop, is_usable_T, is_quiet_T)]
    if not runs:
        return is_pause_T
    range_T = np.ptp(np.pad(filled_S, (0, -filled_S.size % _FS_HZ), mode="edge").reshape(-1, _FS_HZ), axis=1)
    # Mains hum is quiet in the band of QRS complexes alone.
    is_quiet_T &= range_T < _QUIET_RANGE * np.quantile(range_T[is_usable_T], _BEAT_QUANTILE)
    for start, stop in runs:
        is_pause_T[start:stop] = _is_quiet(start, stop, is_usable_T, is_quiet_T)
    return is_pause_T


def _is_quiet(start: int, stop: int, is_usable_T: NDArray[np.bool_], is_quiet_T: NDArray[np.bool_]) -> bool:
    """Return whether a run of seconds is quiet, between usable ones, and not too long for a pause."""
    is_between = start > 0 and stop < is_usable_T.size and is_usable_T[start - 1] and is_usable_T[stop]
    if not is_between or stop - start > LONGEST_PAUSE_S:
        return False
    # Beats at the edges of the run are the reason why its first and last seconds are not quiet.
    inner_T = is_quiet_T[start + _PAUSE_EDGE_S : max(0, stop - _PAUSE_EDGE_S)]
    return bool(inner_T.all() and is_quiet_T[start:stop].mean() >= 0.5)


def noise_probability(figure_TF: _Reals) -> _Reals:
    """Return the probability that a second is noisy, (T,), from its figures; 1 without QRS complexes."""
    probability_T = 1 / (1 + np.exp(-(figure_TF[:, :2] @ np.array(WEIGHT) + OFFSET)))
    return np.where(figure_TF[:, 2] < LEAST_QRS_SHARE, 1.0, probability_T)


def _is_present(valid_S: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return for each second whether its samples are valid but for a few; the last one counts those it has."""
    if valid_S.all():
        return np.ones(-(-valid_S.size // _FS_HZ), dtype=bool)
    starts = np.arange(0, valid_S.size, _FS_HZ)
    share_T = np.add.reduceat(valid_S, starts, dtype=np.int64) / np.diff(np.append(starts, valid_S.size))
    return np.asarray(share_T >= _PRESENT_SHARE)
