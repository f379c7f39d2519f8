"""Figures of signal quality: how well two detectors agree, how alike the beats are, how much of them is QRS complex.

None of them depends on the unit or the polarity of the lead.

Shape suffixes: S samples, T seconds, L beats, W samples of a beat, F figures, N blocks of four samples.

References
----------
Q. Li, R. G. Mark, G. D. Clifford, "Robust heart rate estimation from multiple asynchronous noisy sources using signal
quality indices and a Kalman filter", Physiol Meas 29, 2008 (agreement of detectors, share of the QRS band).
C. Orphanidou et al., "Signal-quality indices for the electrocardiogram and photoplethysmogram", IEEE J Biomed Health
Inform 19, 2015 (correlation with the median beat). M. Elgendi, "Fast QRS detection with an optimized knowledge-based
method", PLoS ONE 8, 2013 (the second detector).
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from ecgfeat.signals.candidates import distance_to_nearest, is_first_of_equals, keep_largest
from ecgfeat.signals.filters import DETECTOR_FS_HZ, FilteredLeads
from ecgfeat.signals.gaps import find_runs
from ecgfeat.signals.windows import cut_windows

FIGURES = ("agreement", "likeness", "qrs_share")
"""Of the ten seconds around a second: share of beats on which two detectors agree; mean correlation of each beat with
the neighbour that is most like it; mean share of the energy of a beat in the band of QRS complexes."""

_CONTEXT_S = 10
_MATCH_SAMPLES = 13  # 0.1 s
_BEFORE_SAMPLES, _AFTER_SAMPLES = 26, 38  # of the beat that is correlated
_MOST_BEATS = 256  # of which the median beat is made
_NEIGHBOURS = 4
_ENERGY_SAMPLES = 4
_QRS_BLOCKS, _BEAT_BLOCKS, _BACKGROUND_BLOCKS = 3, 20, 128  # the moving averages of the second detector
_BACKGROUND_SHARE = 0.08
_FAR_BELOW = 0.05  # of the energy of the beats beside: a fifth of their slope
_NEAR_SAMPLES = 256

_Samples = NDArray[np.int64]
_Reals = NDArray[np.float64]


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
    num_seconds = -(-valid_S.size // DETECTOR_FS_HZ)
    other, height = find_energy_peaks(leads.slope[lead], valid_S.size)
    other, height = other[valid_S[other]], height[valid_S[other]]
    is_agreed = distance_to_nearest(beat, other) <= _MATCH_SAMPLES
    # Where beats are far apart, the second detector also sees P waves and noise between them.
    is_beat = distance_to_nearest(other, beat) <= _MATCH_SAMPLES
    other = np.delete(other, _find_far_below(other, height, is_beat))
    likeness_L, qrs_share_L = compare_beats(leads.filled[lead], leads.band[lead], beat)

    first_T = np.clip(np.arange(num_seconds) - _CONTEXT_S // 2, 0, max(0, num_seconds - _CONTEXT_S))
    edge_2T = np.stack([first_T, first_T + _CONTEXT_S])
    counts = (np.bincount(peak // DETECTOR_FS_HZ, minlength=max(num_seconds, _CONTEXT_S)) for peak in (beat, other))
    (first, last), (first_other, last_other) = (np.append(0, count.cumsum())[edge_2T] for count in counts)
    num_beats, num_other = last - first, last_other - first_other
    sums = [np.append(0, np.cumsum(value_L)) for value_L in (is_agreed, likeness_L, qrs_share_L)]
    num_agreed, likeness, qrs_share = (total[last] - total[first] for total in sums)
    either, least_one = np.maximum(1, num_beats + num_other - num_agreed), np.maximum(1, num_beats)
    return np.stack([num_agreed / either, likeness / least_one, qrs_share / least_one], axis=1)


def _find_far_below(peak: _Samples, height: NDArray[np.float32], is_beat: NDArray[np.bool_]) -> _Samples:
    """Find peaks that are much lower than the beats next to them, and near one: a lead that is off has only such."""
    beat, other = np.flatnonzero(is_beat), np.flatnonzero(~is_beat)
    if not beat.size:
        return beat
    after = np.searchsorted(beat, other)
    beside = np.stack([beat.take(after - 1, mode="clip"), beat.take(after, mode="clip")])
    is_near = np.abs(peak[other] - peak[beside]).min(axis=0) <= _NEAR_SAMPLES
    return other[is_near & (height[other] < _FAR_BELOW * height[beside].min(axis=0))]


def find_energy_peaks(slope_PN: NDArray[np.float32], num_samples: int) -> tuple[_Samples, NDArray[np.float32]]:
    """Find QRS complexes by another principle than `ecgfeat.signals.qrs`: energy of the slope above moving averages.

    Parameters
    ----------
    slope_PN : ndarray of float32, (P, N)
        Smoothed absolute slope of a lead at 128 Hz, as in `FilteredLeads`.
    num_samples : int
        Length of the lead.

    Returns
    -------
    peak : ndarray of int64, (L,)
        Samples of the largest energy to within two, ascending.
    height : ndarray of float32, (L,)
        Energy there.
    """
    none = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
    energy_N = _block_energy(slope_PN)[: num_samples // _ENERGY_SAMPLES]
    if not energy_N.size:
        return none
    narrow_N, broad_N, background_N = _moving_sums(energy_N, (_QRS_BLOCKS, _BEAT_BLOCKS, _BACKGROUND_BLOCKS))
    # Averages are compared: the sums are brought to the width of the narrow one.
    broad_N *= _QRS_BLOCKS / _BEAT_BLOCKS
    background_N *= _BACKGROUND_SHARE * _QRS_BLOCKS / _BACKGROUND_BLOCKS
    broad_N += background_N
    start, stop = find_runs(narrow_N > broad_N).T
    is_long = stop - start >= _QRS_BLOCKS
    start, stop = start[is_long], stop[is_long]
    if not start.size:
        return none
    length = stop - start
    first = np.cumsum(length) - length
    inside = np.arange(length.sum()) + np.repeat(start - first, length)
    inside_N = energy_N[inside]
    height = np.maximum.reduceat(inside_N, first)
    run_of = np.repeat(np.arange(start.size), length)
    top = np.flatnonzero(inside_N == height[run_of])
    top = top[is_first_of_equals(run_of[top])]
    peak = inside[top] * _ENERGY_SAMPLES + _ENERGY_SAMPLES // 2
    kept = keep_largest(peak, height)
    return peak[kept], height[kept]


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
    # Means of two samples will do: above 32 Hz there is more mains hum than QRS complex.
    start = beat[inside] - _BEFORE_SAMPLES
    window_LW, band_LW = (_mean_of_pairs(cut_windows(signal_S, start, num_samples)) for signal_S in (lead_S, band_S))
    # Offset and slope are taken out by a matrix product: numpy adds short rows up slowly.
    line_2W = _offset_and_slope(num_samples // 2)
    window_LW -= window_LW @ line_2W.T @ line_2W
    ordered_WL = np.sort(np.ascontiguousarray(window_LW[:: -(-inside.size // _MOST_BEATS)].T), axis=1)
    median_W = (ordered_WL[:, (ordered_WL.shape[1] - 1) // 2] + ordered_WL[:, ordered_WL.shape[1] // 2]) / 2
    size_L = np.sqrt(np.einsum("lw,lw->l", window_LW, window_LW))
    window_LW /= np.maximum(size_L, 1e-9)[:, None]
    best_L = window_LW @ (median_W / max(float(np.linalg.norm(median_W)), 1e-9))
    for distance in range(1, min(_NEIGHBOURS, inside.size - 1) + 1):
        pair_L = np.einsum("lw,lw->l", window_LW[:-distance], window_LW[distance:])
        best_L[distance:] = np.maximum(best_L[distance:], pair_L)
        best_L[:-distance] = np.maximum(best_L[:-distance], pair_L)
    like_L[inside] = best_L
    qrs_share_L[inside] = np.einsum("lw,lw->l", band_LW, band_LW) / np.maximum(np.square(size_L), 1e-9)
    return like_L, qrs_share_L


@lru_cache(maxsize=1)
def _offset_and_slope(num_samples: int) -> NDArray[np.float32]:
    """Return a constant and a straight line about zero, each of norm 1: rows of (2, W)."""
    line_2W = np.stack([np.ones(num_samples), np.linspace(-1, 1, num_samples)]).astype(np.float32)
    line_2W /= np.linalg.norm(line_2W, axis=1, keepdims=True)
    return line_2W


def _mean_of_pairs(window_LW: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean of each two samples, by a matrix product: numpy reads every other sample slowly."""
    half = np.full(2, 0.5, dtype=np.float32)
    return np.asarray((window_LW.reshape(-1, 2) @ half).reshape(len(window_LW), -1))


def _block_energy(slope_PN: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the sum of squares of each four samples: two in a block of the slope."""
    square_PN = np.square(slope_PN)
    pair_PN = square_PN[0::2]
    pair_PN += square_PN[1::2]
    energy_N = np.empty(2 * slope_PN.shape[1], dtype=np.float32)
    np.add(pair_PN[0], pair_PN[1], out=energy_N[0::2])
    np.add(pair_PN[2], pair_PN[3], out=energy_N[1::2])
    return energy_N


def _moving_sums(value_N: NDArray[np.float32], widths: Sequence[int]) -> list[_Reals]:
    """Add up over each width around each value, where the first and the last go on beyond the ends."""
    edge = max(widths)
    wide_N = np.concatenate([np.repeat(value_N[:1], edge), value_N, np.repeat(value_N[-1:], edge)])
    # torch adds up some three times as fast as numpy.
    total = np.zeros(wide_N.size + 1)
    torch.cumsum(torch.from_numpy(wide_N), 0, dtype=torch.float64, out=torch.from_numpy(total)[1:])
    starts = [edge - width // 2 for width in widths]
    num = value_N.size
    return [
        total[start + width : start + width + num] - total[start : start + num]
        for start, width in zip(starts, widths, strict=True)
    ]
