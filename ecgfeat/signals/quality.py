"""Signal quality of each second and lead: usable, noisy or absent.

A second is absent if it has no valid sample or is part of a flat line. A logistic function of four figures of the ten
seconds around it tells noisy from usable. None of them depends on the unit or the polarity of the lead. Its weights and
its threshold were learnt by ``python -m benchmarks.quality`` on half of the records of cinc2017, class noisy against
the others.

Shape suffixes: C leads, S samples, T seconds, L beats, W samples of a beat or of the ten seconds, F figures.

References
----------
Q. Li, R. G. Mark, G. D. Clifford, "Robust heart rate estimation from multiple asynchronous noisy sources using signal
quality indices and a Kalman filter", Physiol Meas 29, 2008 (agreement of detectors, spectral shares).
C. Orphanidou et al., "Signal-quality indices for the electrocardiogram and photoplethysmogram", IEEE J Biomed Health
Inform 19, 2015 (correlation with the median beat). M. Elgendi, "Fast QRS detection with an optimized knowledge-based
method", PLoS ONE 8, 2013 (the second detector).
"""

from functools import lru_cache
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.signal import firwin

from ecgfeat.signals.qrs import DETECTOR_FS_HZ, find_qrs, keep_largest
from ecgfeat.signals.resample import fill_invalid
from ecgfeat.signals.rpeaks import clear_invalid

USABLE: Final = 0
NOISY: Final = 1
ABSENT: Final = 2

FIGURES = ("agreement", "high_share", "qrs_share", "correlation")
"""Of the ten seconds around a second: share of beats on which two detectors agree; logarithm of the share of the power
above 40 Hz; share of the power in 5-20 Hz; mean correlation of each beat with the neighbour that is most like it."""

WEIGHT: Final = (-6.663, 0.056, -1.124, -13.346)
OFFSET: Final = 17.360
"""Of the logistic function: ``python -m benchmarks.quality`` prints them."""

THRESHOLD: Final = 0.57
"""Probability above which a second is noisy."""

_FS_HZ = DETECTOR_FS_HZ
_CONTEXT_S = 10
_SHORT_NOISE_S = 2
_MATCH_SAMPLES = 13  # 0.1 s
_BEFORE_SAMPLES, _AFTER_SAMPLES = 26, 38  # of the beat that is correlated
_MOST_BEATS = 4096  # of which the median beat is made
_NEIGHBOURS = 4
_QRS_SAMPLES, _BEAT_SAMPLES = 12, 78  # the two moving averages of the second detector
_BACKGROUND_SAMPLES, _BACKGROUND_SHARE = 512, 0.08
_SECONDS_PER_PIECE = 1024

_Samples = NDArray[np.int64]


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
    * A second is absent if less than half of its samples are valid, where a flat line of two seconds or more is not.
    """
    num_seconds = -(-len(signal_mv_SC) // _FS_HZ)
    state_TC = np.full((num_seconds, signal_mv_SC.shape[1]), ABSENT, dtype=np.int8)
    for lead in range(signal_mv_SC.shape[1]):
        cleared_S = clear_invalid(np.ascontiguousarray(signal_mv_SC[:, lead]), _FS_HZ)
        is_present_T = _share_by_second(np.isfinite(cleared_S)) >= 0.5
        if is_present_T.any():
            is_noisy_T = noise_probability(figures_of(cleared_S, device)) > THRESHOLD
            state_TC[:, lead] = np.where(is_present_T, np.where(is_noisy_T, NOISY, USABLE), ABSENT)
    return state_TC


def find_stretches(state_TC: NDArray[np.int8], least_s: int) -> list[tuple[int, int]]:
    """Find the stretches of time in which some lead is usable.

    Parameters
    ----------
    state_TC : ndarray of int8, (T, C)
        Of `assess_quality`.
    least_s : int
        Shorter stretches are left out, unless the whole record is shorter.

    Returns
    -------
    list of (int, int)
        First second and the one after the last of each.

    Notes
    -----
    * Noise of up to two seconds does not end a stretch: the ten seconds around a usable second contain it too. Absent
      signal does, however short: what lies on either side of it is not one interval.
    """
    is_usable_T = (state_TC == USABLE).any(axis=1)
    is_absent_T = (state_TC == ABSENT).all(axis=1)
    for start, stop in _runs(~is_usable_T):
        is_inside = start > 0 and stop < len(is_usable_T)
        if is_inside and stop - start <= _SHORT_NOISE_S and not is_absent_T[start:stop].any():
            is_usable_T[start:stop] = True
    return [run for run in _runs(is_usable_T) if run[1] - run[0] >= min(least_s, len(is_usable_T))]


def _runs(is_true_T: NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(is_true_T.astype(np.int8), prepend=0, append=0)).reshape(-1, 2)
    return [(int(start), int(stop)) for start, stop in edges]


def figures_of(cleared_S: NDArray[np.float32], device: str | torch.device = "cpu") -> NDArray[np.float64]:
    """Compute the figures of every second of one lead.

    Parameters
    ----------
    cleared_S : ndarray of float32, (S,)
        A lead at 128 Hz, NaN where invalid or flat, with at least one valid sample.
    device : str or torch.device
        Where to filter.

    Returns
    -------
    ndarray of float64, (T, F)
        `FIGURES` of the ten seconds around each second; at the ends of the record, of its first and last ten.
    """
    num_seconds = -(-cleared_S.size // _FS_HZ)
    valid_S = np.isfinite(cleared_S)
    filled_S = fill_invalid(cleared_S)
    filled_S -= np.median(filled_S)
    lead_S = torch.from_numpy(filled_S).to(device)
    beat = find_qrs(filled_S[None], valid_S[None], device)
    other = find_energy_peaks(lead_S)
    other = other[valid_S[other]]
    is_agreed = _distance_to_nearest(beat, other) <= _MATCH_SAMPLES
    correlation_L = correlate_with_like_beat(_filter(lead_S, _wide_taps()).cpu().numpy(), beat)

    first_T = np.clip(np.arange(num_seconds) - _CONTEXT_S // 2, 0, max(0, num_seconds - _CONTEXT_S))
    edge_2T = np.stack([first_T, first_T + _CONTEXT_S]) * _FS_HZ
    num_beats, num_other = (np.diff(np.searchsorted(peak, edge_2T), axis=0)[0] for peak in (beat, other))
    num_agreed, sum_correlation = (_sum_between(value, beat, edge_2T) for value in (is_agreed, correlation_L))
    high_T, qrs_T = _spectral_shares(lead_S, first_T)
    agreement_T = num_agreed / np.maximum(1, num_beats + num_other - num_agreed)
    return np.stack([agreement_T, high_T, qrs_T, sum_correlation / np.maximum(1, num_beats)], axis=1)


def noise_probability(figure_TF: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the probability that a second is noisy, (T,), from its figures."""
    return np.asarray(1 / (1 + np.exp(-(figure_TF @ np.array(WEIGHT) + OFFSET))))


def find_energy_peaks(lead_S: torch.Tensor) -> _Samples:
    """Find QRS complexes by another principle than `ecgfeat.signals.qrs`: energy in 8-20 Hz above its moving average.

    Parameters
    ----------
    lead_S : Tensor, (S,)
        A lead at 128 Hz without NaN.

    Returns
    -------
    ndarray of int64, (L,)
        Samples of the largest energy, ascending.
    """
    energy_S = _filter(lead_S, _qrs_taps()).square().cpu().numpy().astype(np.float64)
    narrow_S, broad_S, background_S = (
        _moving_average(energy_S, width) for width in (_QRS_SAMPLES, _BEAT_SAMPLES, _BACKGROUND_SAMPLES)
    )
    is_high = narrow_S > broad_S + _BACKGROUND_SHARE * background_S
    start, stop = np.flatnonzero(np.diff(is_high.astype(np.int8), prepend=0, append=0)).reshape(-1, 2).T
    is_long = stop - start >= _QRS_SAMPLES - 2
    start, stop = start[is_long], stop[is_long]
    if not start.size:
        return np.empty(0, dtype=np.int64)
    position = np.arange(energy_S.size)
    edges = np.stack([start, stop], axis=1).ravel()
    edges = edges[:-1] if edges[-1] == energy_S.size else edges
    height = np.maximum.reduceat(energy_S, edges)[::2]
    of_S = np.repeat(np.arange(start.size), stop - start)
    inside = np.concatenate([position[low:high] for low, high in zip(start, stop, strict=True)])
    is_top = energy_S[inside] == height[of_S]
    peak = inside[is_top][np.unique(of_S[is_top], return_index=True)[1]]
    return keep_largest(peak.astype(np.int64), height.astype(np.float32))[0]


def correlate_with_like_beat(wide_S: NDArray[np.float32], beat: _Samples) -> NDArray[np.float64]:
    """Correlate each beat with the one that is most like it of its neighbours and the median beat of the lead.

    Parameters
    ----------
    wide_S : ndarray of float32, (S,)
        The lead in 0.5-40 Hz.
    beat : ndarray of int64, (L,)
        R-peaks.

    Returns
    -------
    ndarray of float64, (L,)
        Pearson's correlation over half a second; 0 in a lead of fewer than three beats, and at its very ends.

    Notes
    -----
    * Neighbours are the four beats before and the four after: in bigeminy a beat is like the second from it, and unlike
      the median beat.
    """
    like_L = np.zeros(beat.size)
    inside = np.flatnonzero((beat >= _BEFORE_SAMPLES) & (beat + _AFTER_SAMPLES <= wide_S.size))
    if inside.size < 3:
        return like_L
    window_LW = wide_S[beat[inside, None] + np.arange(-_BEFORE_SAMPLES, _AFTER_SAMPLES)]
    window_LW -= window_LW.mean(axis=1, keepdims=True)
    median_W = np.median(window_LW[:: -(-inside.size // _MOST_BEATS)], axis=0)
    window_LW /= np.maximum(np.linalg.norm(window_LW, axis=1, keepdims=True), 1e-9)
    best_L = window_LW @ (median_W / max(float(np.linalg.norm(median_W)), 1e-9))
    for distance in range(1, min(_NEIGHBOURS, inside.size - 1) + 1):
        pair_L = np.einsum("lw,lw->l", window_LW[:-distance], window_LW[distance:])
        best_L[distance:] = np.maximum(best_L[distance:], pair_L)
        best_L[:-distance] = np.maximum(best_L[:-distance], pair_L)
    like_L[inside] = best_L
    return like_L


def _spectral_shares(lead_S: torch.Tensor, first_T: _Samples) -> NDArray[np.float64]:
    """Return the logarithm of the share of the power above 40 Hz, and the share in 5-20 Hz, (2, T)."""
    width = _CONTEXT_S * _FS_HZ
    missing = max(0, int(first_T[-1]) * _FS_HZ + width - lead_S.shape[0])
    context_TW = torch.nn.functional.pad(lead_S, (0, missing)).unfold(0, width, _FS_HZ)
    taper_W = torch.hann_window(width, periodic=False, device=lead_S.device)
    frequency = torch.arange(width // 2 + 1, device=lead_S.device) / _CONTEXT_S
    whole, qrs, high = ((frequency >= low) & (frequency < top) for low, top in ((0.5, 63), (5, 20), (40, 63)))
    shares = []
    for part in np.array_split(first_T, -(-first_T.size // _SECONDS_PER_PIECE)):
        part_TW = context_TW[torch.from_numpy(part).to(lead_S.device)]
        power = torch.fft.rfft((part_TW - part_TW.mean(dim=1, keepdim=True)) * taper_W).abs().square()
        total_T = power[:, whole].sum(dim=1) + 1e-12
        high_T, qrs_T = (power[:, band].sum(dim=1) / total_T for band in (high, qrs))
        shares.append(torch.stack([torch.log(high_T + 1e-6), qrs_T]))
    return np.asarray(torch.cat(shares, dim=1).double().cpu().numpy())


def _filter(signal_S: torch.Tensor, taps: NDArray[np.float32]) -> torch.Tensor:
    """Filter by even taps, the ends held."""
    kernel = torch.from_numpy(taps).to(signal_S.device)[None, None]
    half = len(taps) // 2
    padded = torch.nn.functional.pad(signal_S[None, None], (half, half), mode="replicate")
    return torch.nn.functional.conv1d(padded, kernel)[0, 0]


@lru_cache(maxsize=1)
def _wide_taps() -> NDArray[np.float32]:
    return firwin(257, (0.5, 40.0), pass_zero=False, fs=_FS_HZ).astype(np.float32)


@lru_cache(maxsize=1)
def _qrs_taps() -> NDArray[np.float32]:
    return firwin(65, (8.0, 20.0), pass_zero=False, fs=_FS_HZ).astype(np.float32)


def _moving_average(value_S: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Average over the samples around each sample; at the ends over those that are there."""
    total = np.concatenate([[0.0], np.cumsum(value_S)])
    index = np.arange(value_S.size)
    low, high = np.maximum(index - width // 2, 0), np.minimum(index - width // 2 + width, value_S.size)
    return np.asarray((total[high] - total[low]) / (high - low))


def _distance_to_nearest(sample: _Samples, other: _Samples) -> _Samples:
    """Return for each sample the distance to the nearest of the others; very large where there are none."""
    edge = 1 << 40
    padded = np.concatenate([[-edge], other, [edge]])
    after = np.searchsorted(padded, sample)
    return np.minimum(padded[after] - sample, sample - padded[after - 1])


def _sum_between(value_L: NDArray[np.generic], sample: _Samples, edge_2T: _Samples) -> NDArray[np.float64]:
    """Sum the values of the samples between the edges."""
    total = np.concatenate([[0.0], np.cumsum(value_L, dtype=np.float64)])
    low, high = np.searchsorted(sample, edge_2T)
    return np.asarray(total[high] - total[low])


def _share_by_second(valid_S: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the share of valid samples of each second; the last one counts those it has."""
    starts = np.arange(0, valid_S.size, _FS_HZ)
    return np.add.reduceat(valid_S, starts, dtype=np.int64) / np.diff(np.append(starts, valid_S.size))
