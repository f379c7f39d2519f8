"""Follow the height of beats, and of the noise between them, along the slope of a lead.

Shape suffixes: P places in a block of 8 samples (62 ms), N blocks, W windows.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import percentile_filter

BLOCK_SAMPLES = 8
FLOOR_MV = 0.003
"""Slope above that of a flat lead with a flickering last bit, in mV per two samples."""

_WINDOW_BLOCKS = 20  # 1.25 s: holds a beat down to 48 per minute
_MEDIAN_WINDOWS = 7  # 8.75 s
_MEDIAN_SWAPS = ((0, 5), (0, 3), (1, 6), (2, 4), (0, 1), (3, 5), (2, 6), (2, 3), (3, 6), (4, 5), (1, 4), (1, 3), (3, 4))
"""Pairs of places to put in order, one after another: the median of seven ends in the middle."""

_LONG_WINDOWS = 97  # two minutes
_LONG_PERCENT, _LONG_SHARE = 80, 0.2  # of a heart at 15 per minute, one window in three has a beat

_Floats = NDArray[np.float32]

_LINE_2N: _Floats = np.ones((2, _WINDOW_BLOCKS), dtype=np.float32)  # by which a start and a step become a straight line
_LINE_2N[1] = (np.arange(_WINDOW_BLOCKS, dtype=np.float32) + 0.5) / _WINDOW_BLOCKS


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
    level, noise = _running_medians(np.stack([largest, between]))
    # In a pause of the heart, and below 24 beats per minute, the short median falls to the noise. Most leads have no
    # level that low.
    if _LONG_SHARE * largest.max() > level.min():
        usual = percentile_filter(largest, _LONG_PERCENT, _LONG_WINDOWS, mode="reflect")
        level = np.maximum(level, _LONG_SHARE * usual)
    # Straight lines from the middle of one window that is alive to that of the next.
    alive = np.flatnonzero(is_alive)
    level_N, noise_N = (_to_blocks(np.interp(every, alive, values), height_N.size) for values in (level, noise))
    is_alive_N = np.repeat(is_alive, _WINDOW_BLOCKS)[: height_N.size]
    return Levels(height_N, level_N, noise_N, is_alive_N)


def _running_medians(value_RW: _Floats) -> _Floats:
    """Return the median of the seven values around each, of each row; the ends are mirrored.

    The same pairs are compared in all windows, whatever their values. So whole rows are compared at once, which is
    several times as fast as a running median that decides value by value.
    """
    num, half = value_RW.shape[1], _MEDIAN_WINDOWS // 2
    around = np.arange(-half, num + half) % (2 * num)
    mirrored = value_RW.take(np.minimum(around, 2 * num - 1 - around), axis=1)
    place = [mirrored[:, first : first + num] for first in range(_MEDIAN_WINDOWS)]
    for low, high in _MEDIAN_SWAPS:
        place[low], place[high] = np.minimum(place[low], place[high]), np.maximum(place[low], place[high])
    return place[half]


def _to_blocks(value_W: NDArray[np.float64], num_blocks: int) -> _Floats:
    """Draw straight lines between the middles of the windows, held at both ends, (N,)."""
    held_W = np.empty(value_W.size + 2, dtype=np.float32)
    held_W[1:-1], held_W[0], held_W[-1] = value_W, value_W[0], value_W[-1]
    line_W2 = np.empty((value_W.size + 1, 2), dtype=np.float32)
    line_W2[:, 0], line_W2[:, 1] = held_W[:-1], held_W[1:] - held_W[:-1]
    line_WN = line_W2 @ _LINE_2N
    half = _WINDOW_BLOCKS // 2
    return line_WN.reshape(-1)[half : half + num_blocks]
