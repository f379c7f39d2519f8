"""Follow the height of beats, and of the noise between them, along the slope of a lead.

Shape suffixes: S samples, N blocks of 8 samples (62 ms).
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import median_filter

BLOCK_SAMPLES = 8
FLOOR_MV = 0.003
"""Slope above that of a flat lead with a flickering last bit, in mV per two samples."""

_WINDOW_BLOCKS = 20  # 1.25 s: holds a beat down to 48 per minute
_MEDIAN_WINDOWS = 7  # 8.75 s
_LONG_WINDOWS = 97  # two minutes
_LONG_SHARE = 0.2

_Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Levels:
    """Height of each block of a slope, and the levels around it.

    Attributes
    ----------
    height : ndarray of float32, (N,)
        Largest slope of the block.
    beat, noise : ndarray of float32, (N,)
        Running medians over windows of 1.25 s: of the largest and of the middle block of each.
    is_alive : ndarray of bool, (N,)
        False in windows without signal. They are left out of the medians, so that a gap of any length leaves both
        levels as they were.
    """

    height: _Floats
    beat: _Floats
    noise: _Floats
    is_alive: NDArray[np.bool_]


def cut_blocks(slope_S: _Floats) -> _Floats:
    """Lay the slope out as one row per block, (N, 8)."""
    missing = -slope_S.size % BLOCK_SAMPLES
    return (np.pad(slope_S, (0, missing)) if missing else slope_S).reshape(-1, BLOCK_SAMPLES)


def follow_levels(slope_S: _Floats) -> Levels:
    """Measure the levels of a lead.

    Parameters
    ----------
    slope_S : ndarray of float32, (S,)
        Smoothed absolute slope, 0 where invalid; at least one sample.

    Returns
    -------
    Levels
    """
    height_N = np.asarray(torch.from_numpy(cut_blocks(slope_S)).amax(dim=1).numpy())
    num_windows = -(-height_N.size // _WINDOW_BLOCKS)
    window = np.pad(height_N, (0, num_windows * _WINDOW_BLOCKS - height_N.size)).reshape(num_windows, -1)
    window = np.sort(window, axis=1)
    is_alive = window[:, -1] > FLOOR_MV
    if not is_alive.any():
        zero_N = np.zeros_like(height_N)
        return Levels(height_N, zero_N, zero_N, np.zeros(height_N.size, dtype=bool))
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
    return Levels(height_N, level_N.astype(np.float32), noise_N.astype(np.float32), is_alive_N)
