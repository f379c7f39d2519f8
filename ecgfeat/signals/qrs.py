"""Find QRS complexes at 128 Hz: a batched torch front end and a vectorised decision on blocks of 62 ms.

The front end filters every sample: band-pass 4-21 Hz, absolute slope, smoothing, each filter one matrix product
over overlapped frames. Its output is the largest slope of each block of 8 samples, and where that is. The decision
works on these blocks of the whole record at once: thresholds that follow signal and noise, a refractory time, a veto
for T waves, and a search for small beats in long gaps. All constants were tuned on the 22 mitdb records of DS1,
unchanged and with noise of 5-60 Hz added at 6 and 0 dB.

Shape suffixes: C leads, S samples, N blocks.

References
----------
J. Pan, W. J. Tompkins, "A real-time QRS detection algorithm", IEEE Trans Biomed Eng 32, 1985 (band-pass,
slope, search-back). P. de Chazal et al., "Automatic classification of heartbeats", IEEE Trans Biomed Eng 51,
2004 (the list DS1).
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import median_filter
from scipy.signal import firwin

DETECTOR_FS_HZ = 128
"""The only rate the constants hold for; :mod:`ecgfeat.signals.rpeaks` resamples other signals."""

_Floats = npt.NDArray[np.float32]
_Samples = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_BLOCK_SAMPLES = 8
_FRAME_SAMPLES = 64
_PIECE_SAMPLES = 1 << 16
_BAND_HZ = (4.0, 21.0)
_BAND_TAPS = 33
_SMOOTHER_TAPS = 7
_HALO_SAMPLES = _BAND_TAPS // 2 + 1 + _SMOOTHER_TAPS // 2  # reach of both filters and the slope

_WINDOW_BLOCKS = 20  # 1.25 s: holds a beat down to 48 per minute
_MEDIAN_WINDOWS = 7  # 8.75 s
_LONG_WINDOWS = 97  # two minutes
_LONG_SHARE = 0.2
_STAND_OUT = 1.75  # times the noise level: the largest waves of a pause are no beats
_FLOOR_MV = 0.003  # above the slope of a flat lead with a flickering last bit
_HIGH = 0.5  # of the running median of window maxima
_HIGH_NOISE = 0.5  # added: this much of the running noise level
_LOW = 0.2  # the same pair for the search in long gaps
_LOW_NOISE = 1.0
_REFRACTORY_SAMPLES = 30
_T_WAVE_SAMPLES = 51
_T_WAVE_SHARE = (0.6, 0.4)  # of the slope before it, at the refractory time and at the end of the veto
_GAP_RATIO = 1.1
_GAP_MEDIAN_BEATS = 45
_GAP_PASSES = 2
_AFTER_BEAT_SAMPLES = 45
_BEFORE_BEAT_SAMPLES = 32
_BEFORE_BEAT_SHARE = 0.5  # of the usual RR interval
_REFINE_SAMPLES = 10


def find_qrs(signal_mv_CS: _Floats, valid_CS: Flags, device: str | torch.device = "cpu") -> _Samples:
    """Find the QRS complexes of a record in all given leads together.

    Parameters
    ----------
    signal_mv_CS : ndarray of float32, shape (C, S)
        Leads in mV at 128 Hz without NaN; invalid samples are bridged.
    valid_CS : ndarray of bool, shape (C, S)
        False where the signal is a bridge: no beat is placed there.
    device : str or torch.device
        Where the front end runs; the decision, on an eighth of the data, runs on the CPU.

    Returns
    -------
    ndarray of int64, shape (L,)
        R-peak positions in samples, ascending, at least one sample apart: for each complex the largest
        deflection of the band-passed signal, up or down.

    Notes
    -----
    * Several leads are joined before the decision: their slopes are added, each divided by its threshold level and
      weighted by its signal-to-noise ratio.
    * The result does not depend on the size of the pieces in which the front end works: each piece includes all
      samples that its filters reach, and the decision uses the whole record.
    """
    if signal_mv_CS.shape[1] < _BAND_TAPS:
        return np.empty(0, dtype=np.int64)
    band_CS, slope_CS = _filter(signal_mv_CS, valid_CS, device)
    if len(signal_mv_CS) > 1:
        band_S, slope_S = _join_leads(band_CS, slope_CS)
    else:
        band_S, slope_S = band_CS[0].abs(), slope_CS[0]
    block = _blocks(slope_S)
    height_N = block.amax(dim=1).cpu().numpy()
    level_N, noise_N, is_alive_N = _levels(height_N)
    if not is_alive_N.any():
        return np.empty(0, dtype=np.int64)
    # A candidate is higher than the blocks on both sides.
    before_N, after_N = np.pad(height_N, (1, 0))[:-1], np.pad(height_N, (0, 1))[1:]
    is_top_N = (height_N >= before_N) & (height_N > after_N) & (height_N > _FLOOR_MV)
    is_high_N = height_N > np.maximum(_HIGH * level_N + _HIGH_NOISE * noise_N, _STAND_OUT * noise_N)
    is_low_N = height_N > np.maximum(_LOW * level_N + _LOW_NOISE * noise_N, _STAND_OUT * noise_N)
    top = np.flatnonzero(is_top_N & (is_high_N | is_low_N))
    inner = block[torch.from_numpy(top).to(block.device)].cpu().numpy().argmax(axis=1)
    top_sample, top_height = top * _BLOCK_SAMPLES + inner, height_N[top]
    is_high, is_low = is_high_N[top], is_low_N[top]
    sample, height = _veto_t_waves(*keep_largest(top_sample[is_high], top_height[is_high]))
    for _ in range(_GAP_PASSES):
        sample, height = _fill_gaps(sample, height, top_sample[is_low], top_height[is_low])
    return _refine(sample, band_S, np.logical_or.reduce(valid_CS, axis=0))


@lru_cache(maxsize=8)
def _front_matrices() -> tuple[torch.Tensor, torch.Tensor]:
    """Write the band-pass and the smoother as matrices from an overlapped frame to a frame of output."""
    band = firwin(_BAND_TAPS, _BAND_HZ, pass_zero=False, fs=DETECTOR_FS_HZ)
    window = np.hamming(_BAND_TAPS)
    band -= window * (band.sum() / window.sum())  # or so short a filter would pass an offset
    smoother = np.hanning(_SMOOTHER_TAPS + 2)[1:-1]
    return _toeplitz(band), _toeplitz(smoother / smoother.sum())


def _toeplitz(taps: npt.NDArray[np.float64]) -> torch.Tensor:
    """Return the matrix that filters a frame: column s holds the taps from row s on. Both filters are even."""
    matrix = np.zeros((_FRAME_SAMPLES + taps.size - 1, _FRAME_SAMPLES), dtype=np.float32)
    for column in range(_FRAME_SAMPLES):
        matrix[column : column + taps.size, column] = taps
    return torch.from_numpy(matrix)


def _apply(matrix: torch.Tensor, signal_CS: torch.Tensor) -> torch.Tensor:
    """Filter as many whole frames as the signal holds."""
    frame_CFS = signal_CS.unfold(-1, matrix.shape[0], _FRAME_SAMPLES)
    return torch.matmul(frame_CFS, matrix).flatten(-2)


def _filter(signal_mv_CS: _Floats, valid_CS: Flags, device: str | torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Band-pass the leads and take their smoothed absolute slope (0 where invalid), piece by piece."""
    num_leads, total = signal_mv_CS.shape
    band_matrix, smoother = (matrix.to(device) for matrix in _front_matrices())
    piece = min(_PIECE_SAMPLES, -(-total // _FRAME_SAMPLES) * _FRAME_SAMPLES)
    num_pieces = -(-total // piece)
    # The smoother reaches beyond the piece, so the band-pass gives one frame more.
    reach = band_matrix.shape[0]
    # The level is subtracted first: float32 would round small waves on a large offset.
    level_C1 = signal_mv_CS.mean(axis=1, keepdims=True)
    band_CS = torch.empty((num_leads, num_pieces * piece), dtype=torch.float32, device=device)
    slope_CS = torch.empty_like(band_CS)
    edge = 1 + _SMOOTHER_TAPS // 2
    for start in range(0, num_pieces * piece, piece):
        low, high = start - _HALO_SAMPLES, start + piece + reach - _HALO_SAMPLES
        part_CS = signal_mv_CS[:, max(low, 0) : high] - level_C1
        beyond = (max(-low, 0), max(high - total, 0))
        if any(beyond):
            part_CS = np.pad(part_CS, ((0, 0), beyond), mode="edge")
        wide_CS = _apply(band_matrix, torch.from_numpy(part_CS).to(device))
        band_CS[:, start : start + piece] = wide_CS[:, edge : edge + piece]
        steep_CS = (wide_CS[:, 2:] - wide_CS[:, :-2]).abs()
        slope_CS[:, start : start + piece] = _apply(smoother, steep_CS[:, : piece + 2 * edge - 2])
        valid = torch.from_numpy(valid_CS[:, start : start + piece]).to(device)
        slope_CS[:, start : start + valid.shape[1]] *= valid
    return band_CS[:, :total], slope_CS[:, :total]


def _blocks(slope_S: torch.Tensor) -> torch.Tensor:
    """Lay the slope out as one row per block."""
    missing = -slope_S.shape[0] % _BLOCK_SAMPLES
    return torch.nn.functional.pad(slope_S, (0, missing)).view(-1, _BLOCK_SAMPLES)


def _levels(height_N: _Floats) -> tuple[_Floats, _Floats, Flags]:
    """Follow the height of beats and of the noise between them.

    Both are running medians over windows of 1.25 s: of the largest and of the middle block of each. Windows without
    signal are left out, so that a gap of any length leaves both levels as they were.
    """
    num_windows = -(-height_N.size // _WINDOW_BLOCKS)
    window = np.pad(height_N, (0, num_windows * _WINDOW_BLOCKS - height_N.size)).reshape(num_windows, -1)
    window = np.sort(window, axis=1)
    is_alive = window[:, -1] > _FLOOR_MV
    if not is_alive.any():
        return np.zeros_like(height_N), np.zeros_like(height_N), np.zeros(height_N.size, dtype=bool)
    # Blocks of height 0 have no signal and are sorted first: the median is that of the others.
    num_empty = (window == 0).sum(axis=1, keepdims=True)
    upper, lower = (_WINDOW_BLOCKS + num_empty) // 2, (_WINDOW_BLOCKS + num_empty - 1) // 2
    last = _WINDOW_BLOCKS - 1
    middle = [np.take_along_axis(window, np.minimum(i, last), axis=1)[:, 0] for i in (lower, upper)]
    centre = (np.flatnonzero(is_alive) + 0.5) * _WINDOW_BLOCKS
    block = np.arange(height_N.size) + 0.5
    largest, between = window[is_alive, -1], ((middle[0] + middle[1]) / 2)[is_alive]
    level = median_filter(largest, _MEDIAN_WINDOWS, mode="reflect")
    # In a pause of the heart the short median falls to the noise within seconds.
    level = np.maximum(level, _LONG_SHARE * median_filter(largest, _LONG_WINDOWS, mode="reflect"))
    level_N = np.interp(block, centre, level)
    noise_N = np.interp(block, centre, median_filter(between, _MEDIAN_WINDOWS, mode="reflect"))
    is_alive_N = np.repeat(is_alive, _WINDOW_BLOCKS)[: height_N.size]
    return level_N.astype(np.float32), noise_N.astype(np.float32), is_alive_N


def _join_leads(band_CS: torch.Tensor, slope_CS: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Add the leads up, each in units of its own level and weighted by its signal-to-noise ratio."""
    levels, weights = [], []
    for slope_S in slope_CS:
        level_N, noise_N, is_alive_N = _levels(_blocks(slope_S).amax(dim=1).cpu().numpy())
        level_N = np.maximum(level_N, _FLOOR_MV)
        levels.append(level_N)
        weights.append(is_alive_N * level_N / np.maximum(noise_N, level_N / 1000))
    level_CN, weight_CN = np.stack(levels), np.stack(weights)
    weight_CN /= np.maximum(weight_CN.sum(axis=0), 1e-9)
    # The mean level scales the sum back to mV, the unit of the floor.
    gain_CN = weight_CN / level_CN * (weight_CN * level_CN).sum(axis=0)
    gain_CS = torch.from_numpy(gain_CN.astype(np.float32)).to(slope_CS.device)
    gain_CS = gain_CS.repeat_interleave(_BLOCK_SAMPLES, dim=1)[:, : slope_CS.shape[1]]
    return (band_CS.abs() * gain_CS).sum(dim=0), (slope_CS * gain_CS).sum(dim=0)


def keep_largest(sample: _Samples, height: _Floats) -> tuple[_Samples, _Floats]:
    """Keep the largest of candidates closer than the refractory time; of equal ones the first."""
    while True:
        is_close = np.diff(sample) < _REFRACTORY_SAMPLES
        if not is_close.any():
            return sample, height
        first_wins = height[:-1] >= height[1:]
        loses = np.zeros(sample.size, dtype=bool)
        loses[1:] |= is_close & first_wins
        loses[:-1] |= is_close & ~first_wins
        # A candidate that lost only to another loser may still be a beat: remove only the neighbours of winners.
        removed = np.zeros(sample.size, dtype=bool)
        removed[1:] |= is_close & ~loses[:-1]
        removed[:-1] |= is_close & ~loses[1:]
        sample, height = sample[~removed], height[~removed]


def _veto_t_waves(sample: _Samples, height: _Floats) -> tuple[_Samples, _Floats]:
    """Drop candidates that closely follow another candidate and are much less steep."""
    for _ in range(2):
        distance = np.diff(sample)
        share = np.interp(distance, (_REFRACTORY_SAMPLES, _T_WAVE_SAMPLES), _T_WAVE_SHARE)
        is_t_wave = (distance < _T_WAVE_SAMPLES) & (height[1:] < share * height[:-1])
        keep = np.concatenate([np.ones(min(1, sample.size), dtype=bool), ~is_t_wave])
        sample, height = sample[keep], height[keep]
    return sample, height


def _fill_gaps(
    sample: _Samples, height: _Floats, low_sample: _Samples, low_height: _Floats
) -> tuple[_Samples, _Floats]:
    """Add the largest low candidate in each long RR interval, unless it is a T or P wave."""
    if sample.size < 4:
        return sample, height
    rr = np.diff(sample)
    usual_rr = median_filter(rr, min(_GAP_MEDIAN_BEATS, rr.size), mode="nearest")
    gap = np.searchsorted(sample, low_sample, side="right") - 1
    inside = (gap >= 0) & (gap < rr.size)
    gap, low_sample, low_height = gap[inside], low_sample[inside], low_height[inside]
    free_before = np.maximum(_BEFORE_BEAT_SAMPLES, _BEFORE_BEAT_SHARE * usual_rr[gap])
    fits = (
        (rr[gap] > _GAP_RATIO * usual_rr[gap])
        & (low_sample - sample[gap] >= _AFTER_BEAT_SAMPLES)
        & (sample[gap + 1] - low_sample >= free_before)
    )
    gap, low_sample, low_height = gap[fits], low_sample[fits], low_height[fits]
    order = np.lexsort((low_sample, -low_height, gap))
    is_largest = np.diff(gap[order], prepend=-1) > 0
    chosen = order[is_largest]
    sample, height = np.append(sample, low_sample[chosen]), np.append(height, low_height[chosen])
    order = np.argsort(sample, kind="stable")
    return sample[order], height[order]


def _refine(sample: _Samples, band_S: torch.Tensor, valid_S: Flags) -> _Samples:
    """Move each beat to the largest valid deflection nearby."""
    index = sample[:, None] + np.arange(-_REFINE_SAMPLES, _REFINE_SAMPLES + 1)
    inside = np.clip(index, 0, valid_S.size - 1)
    size = band_S[torch.from_numpy(inside).to(band_S.device)].cpu().numpy()
    size[~valid_S[inside] | (inside != index)] = -1
    return np.unique(sample + size.argmax(axis=1) - _REFINE_SAMPLES).astype(np.int64)
