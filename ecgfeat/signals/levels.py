"""Follow the height of beats, and of the noise between them, along the slope of a lead.

Shape suffixes: P places in a block of 8 samples (62 ms), N blocks, W windows.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter, percentile_filter

BLOCK_SAMPLES = 8
FLOOR_MV = 0.003
"""Slope above that of a flat lead with a flickering last bit, in mV per two samples."""

_WINDOW_BLOCKS = 20  # 1.25 s: holds a beat down to 48 per minute
_MEDIAN_WINDOWS = 7  # 8.75 s
_LONG_WINDOWS = 97  # two minutes
_LONG_PERCENT, _LONG_SHARE = 80, 0.2  # of a heart at 15 per minute, one window in three has a beat

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


def follow_levels(slope_PN: _Floats) -> Levels:
    """Measure the levels of a lead.

    Parameters
    ----------
    slope_PN : ndarray of float32, (P, N)
        Smoothed absolute slope, 0 where invalid and beyond the end; at least one block.

    Returns
    -------
    Levels
    """
    height_N = slope_PN.max(axis=0)
    num_windows = -(-height_N.size // _WINDOW_BLOCKS)
    window = np.zeros((num_windows, _WINDOW_BLOCKS), dtype=np.float32)
    window.reshape(-1)[: height_N.size] = height_N
    window.sort(axis=1)
    is_alive = window[:, -1] > FLOOR_MV
    if not is_alive.any():
        zero_N = np.zeros_like(height_N)
        return Levels(height_N, zero_N, zero_N, np.zeros(height_N.size, dtype=bool))
    # Blocks of height 0 have no signal and are sorted first: the median is that of the others.
    every, last = np.arange(num_windows), _WINDOW_BLOCKS - 1
    num_empty = np.zeros(num_windows, dtype=np.int64)
    some = np.flatnonzero(window[:, 0] == 0)
    num_empty[some] = (window[some] == 0).sum(axis=1)
    upper, lower = (_WINDOW_BLOCKS + num_empty) // 2, (_WINDOW_BLOCKS + num_empty - 1) // 2
    middle = [window[every, np.minimum(i, last)] for i in (lower, upper)]
    largest, between = window[is_alive, -1], ((middle[0] + middle[1]) / 2)[is_alive]
    level = median_filter(largest, _MEDIAN_WINDOWS, mode="reflect")
    # In a pause of the heart, and below 24 beats per minute, the short median falls to the noise.
    level = np.maximum(level, _LONG_SHARE * percentile_filter(largest, _LONG_PERCENT, _LONG_WINDOWS, mode="reflect"))
    noise = median_filter(between, _MEDIAN_WINDOWS, mode="reflect")
    # Straight lines from the middle of one window that is alive to that of the next.
    alive = np.flatnonzero(is_alive)
    level_N, noise_N = (
        _to_blocks(np.interp(every, alive, values).astype(np.float32), height_N.size) for values in (level, noise)
    )
    is_alive_N = np.repeat(is_alive, _WINDOW_BLOCKS)[: height_N.size]
    return Levels(height_N, level_N, noise_N, is_alive_N)


def _to_blocks(value_W: _Floats, num_blocks: int) -> _Floats:
    """Draw straight lines between the middles of the windows, held at both ends, (N,)."""
    held_W = np.concatenate([value_W[:1], value_W, value_W[-1:]])
    share_N = (np.arange(_WINDOW_BLOCKS, dtype=np.float32) + 0.5) / _WINDOW_BLOCKS
    line_WN = np.stack([held_W[:-1], np.diff(held_W)], axis=1) @ np.stack([np.ones_like(share_N), share_N])
    half = _WINDOW_BLOCKS // 2
    return line_WN.reshape(-1)[half : half + num_blocks]
