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

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from ecgfeat.signals.filters import DETECTOR_FS_HZ, FilteredLeads, filter_leads
from ecgfeat.signals.gaps import clear_invalid, find_runs
from ecgfeat.signals.leads import distance_to_nearest, pick_lead
from ecgfeat.signals.levels import BLOCK_SAMPLES
from ecgfeat.signals.qrs import find_qrs
from ecgfeat.signals.qrs_rules import keep_largest

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
_MOST_BEATS = 512  # of which the median beat is made
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
    range_T = np.ptp(np.pad(filled_S, (0, -filled_S.size % _FS_HZ), mode="edge").reshape(-1, _FS_HZ), axis=1)
    # Mains hum is quiet in the band of QRS complexes alone.
    is_quiet_T = (height_T < _QUIET_SHARE * np.median(height_T[is_usable_T])) & (
        range_T < _QUIET_RANGE * np.median(range_T[is_usable_T])
    )
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
    valid_S, band_S = leads.valid[lead], leads.band[lead]
    num_seconds = -(-valid_S.size // _FS_HZ)
    other = find_energy_peaks(leads.slope[lead])
    is_agreed = distance_to_nearest(beat, other[valid_S[other]]) <= _MATCH_SAMPLES
    likeness_L, energy_L = compare_beats(leads.filled[lead], beat)
    total_N = np.concatenate([[0.0], np.cumsum(_block_energy(band_S), dtype=np.float64)])
    edge_2L = (beat + np.array([[-_BEFORE_SAMPLES], [_AFTER_SAMPLES]])) // _BLOCK_SAMPLES
    edge_2L = np.clip(edge_2L, 0, total_N.size - 1)
    qrs_share_L = (total_N[edge_2L[1]] - total_N[edge_2L[0]]) / np.maximum(energy_L, 1e-9)

    first_T = np.clip(np.arange(num_seconds) - _CONTEXT_S // 2, 0, max(0, num_seconds - _CONTEXT_S))
    edge_2T = np.stack([first_T, first_T + _CONTEXT_S]) * _FS_HZ
    num_beats, num_other = (np.diff(np.searchsorted(peak, edge_2T), axis=0)[0] for peak in (beat, other))
    num_agreed, likeness, qrs_share = (
        _sum_between(value, beat, edge_2T) for value in (is_agreed, likeness_L, qrs_share_L)
    )
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
    narrow_N, broad_N, background_N = (
        uniform_filter1d(energy_N, width, mode="nearest") for width in (_QRS_BLOCKS, _BEAT_BLOCKS, _BACKGROUND_BLOCKS)
    )
    is_high_N = narrow_N > broad_N + _BACKGROUND_SHARE * background_N
    run = np.flatnonzero(np.diff(is_high_N.astype(np.int8), prepend=0, append=0)).reshape(-1, 2)
    start, stop = run[run[:, 1] - run[:, 0] >= _QRS_BLOCKS].T
    if not start.size:
        return np.empty(0, dtype=np.int64)
    edges = np.stack([start, stop], axis=1).ravel()
    edges = edges[:-1] if edges[-1] == num_blocks else edges
    height = np.maximum.reduceat(energy_N, edges)[::2]
    length = stop - start
    run_of = np.repeat(np.arange(start.size), length)
    inside = np.arange(length.sum()) + np.repeat(start - np.cumsum(length) + length, length)
    is_top = energy_N[inside] == height[run_of]
    first_top = np.unique(run_of[is_top], return_index=True)[1]
    peak = inside[is_top][first_top] * _BLOCK_SAMPLES + _BLOCK_SAMPLES // 2
    return np.asarray(peak[keep_largest(peak, height)], dtype=np.int64)


def compare_beats(lead_S: NDArray[np.float32], beat: _Samples) -> tuple[_Reals, _Reals]:
    """Correlate each beat with the one that is most like it of its neighbours and the median beat of the lead.

    Parameters
    ----------
    lead_S : ndarray of float32, (S,)
        The lead without gaps.
    beat : ndarray of int64, (L,)
        R-peaks.

    Returns
    -------
    likeness_L : ndarray of float64, (L,)
        Pearson's correlation over half a second, without offset and slope of the baseline; 0 in a lead of fewer than
        three beats, and at its very ends.
    energy_L : ndarray of float64, (L,)
        Sum of squares over the same half second; infinite where there is no correlation.

    Notes
    -----
    * Neighbours are the four beats before and the four after: in bigeminy a beat is like the second from it, and unlike
      the median beat.
    """
    like_L, energy_L = np.zeros(beat.size), np.full(beat.size, np.inf)
    num_samples = _BEFORE_SAMPLES + _AFTER_SAMPLES
    inside = np.flatnonzero((beat >= _BEFORE_SAMPLES) & (beat + _AFTER_SAMPLES <= lead_S.size))
    if inside.size < 3:
        return like_L, energy_L
    all_windows = np.lib.stride_tricks.sliding_window_view(lead_S, num_samples)
    # Every other sample will do: what is lost lies above 32 Hz.
    window_LW = all_windows[beat[inside] - _BEFORE_SAMPLES, ::2].astype(np.float32)
    ramp_W = np.linspace(-1, 1, num_samples // 2, dtype=np.float32)
    ramp_W /= np.linalg.norm(ramp_W)
    window_LW -= window_LW.mean(axis=1, keepdims=True)
    window_LW -= (window_LW @ ramp_W)[:, None] * ramp_W
    median_W = np.median(window_LW[:: -(-inside.size // _MOST_BEATS)], axis=0)
    size_L = np.linalg.norm(window_LW, axis=1)
    window_LW /= np.maximum(size_L, 1e-9)[:, None]
    best_L = window_LW @ (median_W / max(float(np.linalg.norm(median_W)), 1e-9))
    for distance in range(1, min(_NEIGHBOURS, inside.size - 1) + 1):
        pair_L = np.einsum("lw,lw->l", window_LW[:-distance], window_LW[distance:])
        best_L[distance:] = np.maximum(best_L[distance:], pair_L)
        best_L[:-distance] = np.maximum(best_L[:-distance], pair_L)
    like_L[inside], energy_L[inside] = best_L, 2 * np.square(size_L, dtype=np.float64)
    return like_L, energy_L


def _block_energy(signal_S: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the sum of squares of each whole block of four samples, (N,)."""
    num_blocks = signal_S.size // _BLOCK_SAMPLES
    block_NS = signal_S[: num_blocks * _BLOCK_SAMPLES].reshape(num_blocks, _BLOCK_SAMPLES)
    return np.asarray(np.einsum("ns,ns->n", block_NS, block_NS))


def _sum_between(value_L: NDArray[np.generic], sample: _Samples, edge_2T: _Samples) -> NDArray[np.float64]:
    """Sum the values of the samples between the edges."""
    total = np.concatenate([[0.0], np.cumsum(value_L, dtype=np.float64)])
    low, high = np.searchsorted(sample, edge_2T)
    return np.asarray(total[high] - total[low])


def _is_present(valid_S: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return for each second whether its samples are valid but for a few; the last one counts those it has."""
    starts = np.arange(0, valid_S.size, _FS_HZ)
    share_T = np.add.reduceat(valid_S, starts, dtype=np.int64) / np.diff(np.append(starts, valid_S.size))
    return np.asarray(share_T >= _PRESENT_SHARE)
