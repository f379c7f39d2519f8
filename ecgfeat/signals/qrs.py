"""Find the QRS complexes of a lead, or of several leads joined.

The slope is cut into blocks of 62 ms. A block that is higher than its neighbours is a candidate, placed at the largest
band-passed sample nearby and described by its height and its frequency. `ecgfeat.signals.qrs_rules` decides which
candidates are beats, by levels of signal and noise that are followed here.

Shape suffixes: S samples, C leads, N blocks, K candidates, L beats.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from ecgfeat.signals.filters import BAND_TAPS, DETECTOR_FS_HZ
from ecgfeat.signals.qrs_rules import Candidates, choose_beats

BLOCK_SAMPLES = 8
FLOOR_MV = 0.003
"""Slope above that of a flat lead with a flickering last bit, in mV per two samples."""

_Floats = NDArray[np.float32]
_Samples = NDArray[np.int64]
_Flags = NDArray[np.bool_]

_WINDOW_BLOCKS = 20  # 1.25 s: holds a beat down to 48 per minute
_MEDIAN_WINDOWS = 7  # 8.75 s
_LONG_WINDOWS = 97  # two minutes
_LONG_SHARE = 0.2
_LEAST = 0.1
_REFINE_SAMPLES = 10
_FREQUENCY_SAMPLES = 8


@dataclass(frozen=True)
class QrsSignal:
    """A signal at 128 Hz in which QRS complexes stand out: one lead, or several joined.

    Attributes
    ----------
    slope : ndarray of float32, (S,)
        Smoothed absolute slope; 0 where invalid.
    deflection : ndarray of float32, (S,)
        Absolute band-passed signal.
    band : ndarray of float32, (C, S)
        Band-passed leads, each with its weight.
    valid : ndarray of bool, (S,)
        False where no lead is valid.
    """

    slope: _Floats
    deflection: _Floats
    band: _Floats
    valid: _Flags


def find_qrs(signal: QrsSignal) -> _Samples:
    """Find the QRS complexes of a record.

    Parameters
    ----------
    signal : QrsSignal
        Made by `ecgfeat.signals.leads`.

    Returns
    -------
    ndarray of int64, (L,)
        Samples of the largest deflection of each, ascending.
    """
    none = np.empty(0, dtype=np.int64)
    if signal.slope.size < BAND_TAPS:
        return none
    height_N, inner_N = block_heights(signal.slope)
    level_N, noise_N, is_alive_N = levels(height_N)
    if not is_alive_N.any():
        return none
    # A candidate is higher than the blocks on both sides.
    before_N, after_N = np.pad(height_N, (1, 0))[:-1], np.pad(height_N, (0, 1))[1:]
    is_top_N = (height_N >= before_N) & (height_N > after_N)
    top = np.flatnonzero(is_top_N & (height_N > np.maximum(FLOOR_MV, np.maximum(_LEAST * level_N, noise_N))))
    sample = _to_largest(top * BLOCK_SAMPLES + inner_N[top], signal)
    # Two slopes of one broad complex have one largest deflection: the higher slope stays.
    order = np.lexsort((-height_N[top], sample))
    order = order[np.diff(sample[order], prepend=-1) > 0]
    sample, top = sample[order], top[order]
    candidates = Candidates(sample, height_N[top], _frequency(signal.band, sample))
    return choose_beats(candidates, level_N[top], noise_N[top]).sample


def block_heights(slope_S: _Floats) -> tuple[_Floats, _Samples]:
    """Return the largest slope of each block of 8 samples, and where in the block it is, both (N,)."""
    missing = -slope_S.size % BLOCK_SAMPLES
    block = torch.nn.functional.pad(torch.from_numpy(slope_S), (0, missing)).view(-1, BLOCK_SAMPLES)
    height_N, inner_N = block.max(dim=1)
    return height_N.numpy(), inner_N.numpy()


def levels(height_N: _Floats) -> tuple[_Floats, _Floats, _Flags]:
    """Follow the height of beats and of the noise between them.

    Parameters
    ----------
    height_N : ndarray of float32, (N,)
        Of `block_heights`.

    Returns
    -------
    level_N, noise_N : ndarray of float32, (N,)
        Running medians over windows of 1.25 s: of the largest and of the middle block of each.
    is_alive_N : ndarray of bool, (N,)
        False in windows without signal. They are left out of the medians, so that a gap of any length leaves both
        levels as they were.
    """
    num_windows = -(-height_N.size // _WINDOW_BLOCKS)
    window = np.pad(height_N, (0, num_windows * _WINDOW_BLOCKS - height_N.size)).reshape(num_windows, -1)
    window = np.sort(window, axis=1)
    is_alive = window[:, -1] > FLOOR_MV
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


def _to_largest(sample: _Samples, signal: QrsSignal) -> _Samples:
    """Move each candidate to the largest valid deflection nearby."""
    index = sample[:, None] + np.arange(-_REFINE_SAMPLES, _REFINE_SAMPLES + 1)
    inside = np.clip(index, 0, signal.valid.size - 1)
    size = np.where(signal.valid[inside] & (inside == index), signal.deflection[inside], -1)
    return sample + size.argmax(axis=1) - _REFINE_SAMPLES


def _frequency(band_CS: _Floats, sample: _Samples) -> _Floats:
    """Return the frequency of a sine that is as steep for its size as each deflection, in Hz."""
    around = np.arange(-_FREQUENCY_SAMPLES, _FREQUENCY_SAMPLES + 1)
    wave = band_CS[:, np.clip(sample[:, None] + around, 0, band_CS.shape[1] - 1)]
    step = np.diff(wave, axis=2)
    power, steepness = np.einsum("cks,cks->k", wave, wave), np.einsum("cks,cks->k", step, step)
    return np.asarray(np.sqrt(steepness / np.maximum(power, 1e-12)) * (DETECTOR_FS_HZ / (2 * np.pi)), dtype=np.float32)
