"""Signal quality of each second and lead: usable, noisy or absent.

A second is absent if some of it is invalid or part of a flat line. A logistic function of two figures of the ten
seconds around it tells noisy from usable: agreement of two detectors, and likeness of the beats. A third, the share of
the energy of a beat that is in the band of QRS complexes, refuses what beats and is no ECG: mains hum, breathing, a
pressure wave. None of them depends on the unit or the polarity of the lead. Weights and threshold were learnt by
``python -m benchmarks.quality`` on half of the records of cinc2017, class noisy against the others.

Shape suffixes: C leads, S samples, T seconds, L beats, W samples of a beat, F figures, N blocks of four samples.

References
----------
Q. Li, R. G. Mark, G. D. Clifford, "Robust heart rate estimation from multiple asynchronous noisy sources using signal
quality indices and a Kalman filter", Physiol Meas 29, 2008 (agreement of detectors, share of the QRS band).
C. Orphanidou et al., "Signal-quality indices for the electrocardiogram and photoplethysmogram", IEEE J Biomed Health
Inform 19, 2015 (correlation with the median beat). M. Elgendi, "Fast QRS detection with an optimized knowledge-based
method", PLoS ONE 8, 2013 (the second detector).
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from ecgfeat.signals.filters import DETECTOR_FS_HZ, FilteredLeads, filter_leads
from ecgfeat.signals.gaps import clear_invalid, find_runs
from ecgfeat.signals.leads import pick_lead
from ecgfeat.signals.levels import BLOCK_SAMPLES
from ecgfeat.signals.qrs import find_qrs
from ecgfeat.signals.qrs_rules import distance_to_nearest, keep_largest
from ecgfeat.signals.windows import cut_windows

USABLE: Final = 0
NOISY: Final = 1
ABSENT: Final = 2

FIGURES = ("agreement", "likeness", "qrs_share")
"""Of the ten seconds around a second: share of beats on which two detectors agree; mean correlation of each beat with
the neighbour that is most like it; mean share of the energy of a beat in the band of QRS complexes."""

WEIGHT: Final = (-7.104, -14.515)
OFFSET: Final = 18.204
"""Of the logistic function of the first two: ``python -m benchmarks.quality`` prints them."""

THRESHOLD: Final = 0.56
"""Probability above which a second is noisy."""

LEAST_QRS_SHARE: Final = 0.08
"""Below it the waves are no QRS complexes: 0.14 is the least median of a lead of mitdb, a pressure wave has 0.03."""

_FS_HZ = DETECTOR_FS_HZ
_CONTEXT_S = 10
_PRESENT_SHARE = 0.85  # a gap that falls into two seconds and into neither by this is shorter than 0.3 s
_MATCH_SAMPLES = 13  # 0.1 s
_BLOCKS_PER_SECOND = _FS_HZ // BLOCK_SAMPLES
_QUIET_SHARE, _QUIET_RANGE = 0.2, 0.5  # of the usual height of beats, and of the usual range of the lead
_LONGEST_PAUSE_S = 30
_PAUSE_BEATS_S = 6
_BEFORE_SAMPLES, _AFTER_SAMPLES = 26, 38  # of the beat that is correlated
_MOST_BEATS = 256  # of which the median beat is made
_NEIGHBOURS = 4
_BLOCK_SAMPLES = 4
_QRS_BLOCKS, _BEAT_BLOCKS, _BACKGROUND_BLOCKS = 3, 20, 128  # the moving averages of the second detector
_BACKGROUND_SHARE = 0.08

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
    * A second is absent if less than 0.85 of its samples are valid, where a flat line of two seconds or more is not.
    """
    num_seconds = -(-len(signal_mv_SC) // _FS_HZ)
    state_TC = np.full((num_seconds, signal_mv_SC.shape[1]), ABSENT, dtype=np.int8)
    for lead in range(signal_mv_SC.shape[1]):
        cleared_S = clear_invalid(np.ascontiguousarray(signal_mv_SC[:, lead]), _FS_HZ)
        if np.isfinite(cleared_S).any():
            leads = filter_leads(cleared_S[None], device)
            state_TC[:, lead] = states_of(leads, noise_of(leads, find_alone(leads)))[:, 0]
    return state_TC


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
    is_present_CT = np.stack([_is_present(valid_S) for valid_S in leads.valid])
    is_usable_CT = is_present_CT & (noise_CT <= THRESHOLD)
    for lead, (is_usable_T, is_present_T) in enumerate(zip(is_usable_CT, is_present_CT, strict=True)):
        is_usable_T |= _is_pause(is_usable_T, is_present_T, leads, lead)
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
    height_T = np.pad(height_N, (0, -height_N.size % _BLOCKS_PER_SECOND)).reshape(-1, _BLOCKS_PER_SECOND).max(axis=1)
    is_quiet_T = height_T < _QUIET_SHARE * np.median(height_T[is_usable_T])
    if not (is_quiet_T & candidate_T).any():
        return is_pause_T
    range_T = np.ptp(np.pad(filled_S, (0, -filled_S.size % _FS_HZ), mode="edge").reshape(-1, _FS_HZ), axis=1)
    # Mains hum is quiet in the band of QRS complexes alone.
    is_quiet_T &= range_T < _QUIET_RANGE * np.median(range_T[is_usable_T])
    for start, stop in find_runs(candidate_T):
        is_between = start > 0 and stop < is_usable_T.size and is_usable_T[start - 1] and is_usable_T[stop]
        # Beats at the edge of the run are the reason why its first and last seconds are not quiet.
        quiet = np.flatnonzero(is_quiet_T[start:stop])
        is_most = quiet.size >= stop - start - 2 * (_CONTEXT_S - _PAUSE_BEATS_S)
        if (
            is_between
            and stop - start <= _LONGEST_PAUSE_S
            and quiet.size
            and is_most
            and np.ptp(quiet) + 1 == quiet.size
        ):
            is_pause_T[start:stop] = True
    return is_pause_T


def figures_of(leads: FilteredLeads, lead: int, beat: _Samples) -> _Reals:
    """Compute the figures of every second of one lead.

    Parameters
    ----------
    leads : FilteredLeads
        Leads of a record.
    lead : int
        Which.
    beat : ndarray of int64, (L,)
        Its QRS complexes.

    Returns
    -------
    ndarray of float64, (T, F)
        `FIGURES` of the ten seconds around each second; at the ends of the record, of its first and last ten.
    """
    valid_S = leads.valid[lead]
    num_seconds = -(-valid_S.size // _FS_HZ)
    other = find_energy_peaks(leads.slope[lead])
    is_agreed = distance_to_nearest(beat, other[valid_S[other]]) <= _MATCH_SAMPLES
    likeness_L, qrs_share_L = compare_beats(leads.filled[lead], leads.band[lead], beat)

    first_T = np.clip(np.arange(num_seconds) - _CONTEXT_S // 2, 0, max(0, num_seconds - _CONTEXT_S))
    edge_2T = np.stack([first_T, first_T + _CONTEXT_S]) * _FS_HZ
    (first, last), (first_other, last_other) = np.searchsorted(beat, edge_2T), np.searchsorted(other, edge_2T)
    num_beats, num_other = last - first, last_other - first_other
    sums = [_cumulate(value_L) for value_L in (is_agreed, likeness_L, qrs_share_L)]
    num_agreed, likeness, qrs_share = (total[last] - total[first] for total in sums)
    either, least_one = np.maximum(1, num_beats + num_other - num_agreed), np.maximum(1, num_beats)
    return np.stack([num_agreed / either, likeness / least_one, qrs_share / least_one], axis=1)


def noise_probability(figure_TF: _Reals) -> _Reals:
    """Return the probability that a second is noisy, (T,), from its figures; 1 without QRS complexes."""
    probability_T = 1 / (1 + np.exp(-(figure_TF[:, :2] @ np.array(WEIGHT) + OFFSET)))
    return np.where(figure_TF[:, 2] < LEAST_QRS_SHARE, 1.0, probability_T)


def find_energy_peaks(slope_S: NDArray[np.float32]) -> _Samples:
    """Find QRS complexes by another principle than `ecgfeat.signals.qrs`: energy of the slope above moving averages.

    Parameters
    ----------
    slope_S : ndarray of float32, (S,)
        Smoothed absolute slope of a lead at 128 Hz.

    Returns
    -------
    ndarray of int64, (L,)
        Samples of the largest energy to within two, ascending.
    """
    energy_N = _block_energy(slope_S)
    num_blocks = energy_N.size
    if not num_blocks:
        return np.empty(0, dtype=np.int64)
    narrow_N, broad_N, background_N = _moving_averages(energy_N, (_QRS_BLOCKS, _BEAT_BLOCKS, _BACKGROUND_BLOCKS))
    is_high_N = narrow_N > broad_N + _BACKGROUND_SHARE * background_N
    run = find_runs(is_high_N)
    start, stop = run[run[:, 1] - run[:, 0] >= _QRS_BLOCKS].T
    if not start.size:
        return np.empty(0, dtype=np.int64)
    edges = np.stack([start, stop], axis=1).ravel()
    edges = edges[:-1] if edges[-1] == num_blocks else edges
    height = np.maximum.reduceat(energy_N, edges)[::2]
    length = stop - start
    run_of = np.repeat(np.arange(start.size), length)
    inside = np.arange(length.sum()) + np.repeat(start - np.cumsum(length) + length, length)
    top = np.flatnonzero(energy_N[inside] == height[run_of])
    top = top[np.diff(run_of[top], prepend=-1) > 0]
    peak = inside[top] * _BLOCK_SAMPLES + _BLOCK_SAMPLES // 2
    return np.asarray(peak[keep_largest(peak, height)], dtype=np.int64)


def compare_beats(lead_S: NDArray[np.float32], band_S: NDArray[np.float32], beat: _Samples) -> tuple[_Reals, _Reals]:
    """Correlate each beat with the one that is most like it of its neighbours and the median beat of the lead.

    Parameters
    ----------
    lead_S : ndarray of float32, (S,)
        The lead without gaps.
    band_S : ndarray of float32, (S,)
        The lead in the band of QRS complexes.
    beat : ndarray of int64, (L,)
        R-peaks.

    Returns
    -------
    likeness_L : ndarray of float64, (L,)
        Pearson's correlation over half a second, without offset and slope of the baseline; 0 in a lead of fewer than
        three beats, and at its very ends.
    qrs_share_L : ndarray of float64, (L,)
        Energy over the same half second that is in the band; 0 where there is no correlation.

    Notes
    -----
    * Neighbours are the four beats before and the four after: in bigeminy a beat is like the second from it, and unlike
      the median beat.
    """
    like_L, qrs_share_L = np.zeros((2, beat.size))
    num_samples = _BEFORE_SAMPLES + _AFTER_SAMPLES
    inside = np.flatnonzero((beat >= _BEFORE_SAMPLES) & (beat + _AFTER_SAMPLES <= lead_S.size))
    if inside.size < 3:
        return like_L, qrs_share_L
    # Every other sample will do: what is lost lies above 32 Hz.
    start = beat[inside] - _BEFORE_SAMPLES
    window_LW, band_LW = (
        np.ascontiguousarray(cut_windows(signal_S, start, num_samples)[:, ::2]) for signal_S in (lead_S, band_S)
    )
    ramp_W = np.linspace(-1, 1, num_samples // 2, dtype=np.float32)
    ramp_W /= np.linalg.norm(ramp_W)
    window_LW -= window_LW.mean(axis=1, keepdims=True)
    window_LW -= (window_LW @ ramp_W)[:, None] * ramp_W
    median_W = np.median(np.ascontiguousarray(window_LW[:: -(-inside.size // _MOST_BEATS)].T), axis=1)
    size_L = np.linalg.norm(window_LW, axis=1)
    window_LW /= np.maximum(size_L, 1e-9)[:, None]
    best_L = window_LW @ (median_W / max(float(np.linalg.norm(median_W)), 1e-9))
    for distance in range(1, min(_NEIGHBOURS, inside.size - 1) + 1):
        pair_L = np.einsum("lw,lw->l", window_LW[:-distance], window_LW[distance:])
        best_L[distance:] = np.maximum(best_L[distance:], pair_L)
        best_L[:-distance] = np.maximum(best_L[:-distance], pair_L)
    like_L[inside] = best_L
    qrs_share_L[inside] = np.einsum("lw,lw->l", band_LW, band_LW) / np.maximum(np.square(size_L), 1e-9)
    return like_L, qrs_share_L


def _block_energy(signal_S: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the sum of squares of each whole block of four samples, (N,)."""
    num_blocks = signal_S.size // _BLOCK_SAMPLES
    energy_S = np.square(signal_S[: num_blocks * _BLOCK_SAMPLES])
    pair = energy_S[0::2] + energy_S[1::2]
    return np.asarray(pair[0::2] + pair[1::2])


def _moving_averages(value_N: NDArray[np.float32], widths: Sequence[int]) -> list[_Reals]:
    """Average over each width around each value, where the first and the last go on beyond the ends."""
    edge = max(widths)
    total = _cumulate(np.concatenate([np.repeat(value_N[:1], edge), value_N, np.repeat(value_N[-1:], edge)]))
    starts = [edge - width // 2 for width in widths]
    num = value_N.size
    return [
        (total[start + width : start + width + num] - total[start : start + num]) / width
        for start, width in zip(starts, widths, strict=True)
    ]


def _cumulate(value_L: NDArray[np.generic]) -> _Reals:
    """Return the sum of the values before each, and of all."""
    total = np.zeros(value_L.size + 1)
    np.cumsum(value_L, dtype=np.float64, out=total[1:])
    return total


def _is_present(valid_S: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return for each second whether its samples are valid but for a few; the last one counts those it has."""
    if valid_S.all():
        return np.ones(-(-valid_S.size // _FS_HZ), dtype=bool)
    starts = np.arange(0, valid_S.size, _FS_HZ)
    share_T = np.add.reduceat(valid_S, starts, dtype=np.int64) / np.diff(np.append(starts, valid_S.size))
    return np.asarray(share_T >= _PRESENT_SHARE)
