"""A recording in any file format: its channels, and their samples stretch by stretch.

Shape suffixes: S samples, C channels.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

Blocks = Iterator[NDArray[np.float32]]
ARRAY_BLOCK_SAMPLES = 1 << 18


@dataclass(frozen=True)
class Channel:
    """One signal of a file, an ECG lead or not.

    Attributes
    ----------
    name : str
        As in the file; empty where it has none.
    unit : str
        As in the file; empty where it states none.
    fs_hz : float
        Sampling frequency in hertz.
    num_samples : int
        Samples from start to end, with gaps.
    """

    name: str
    unit: str
    fs_hz: float
    num_samples: int


@dataclass(frozen=True)
class Recording:
    """An open file of any format.

    Attributes
    ----------
    record : str
        Name without folder and ending.
    format : str
        Name of the file format, such as ``EDF+``.
    channels : tuple of Channel
        All signals of the file, in its order.
    read_blocks : callable
        Given positions of channels of one rate, yields their samples from start to end: ndarray of float32, shape
        (S, C), in millivolts, NaN where invalid. Only channels in a unit of voltage can be read.
    start : datetime or None
        When the recording began, as the file states it.
    notes : tuple of str
        What a reader must know of how the file was read.
    uncalibrated : tuple of str
        Channels without a gain: their amplitudes are relative.
    """

    record: str
    format: str
    channels: tuple[Channel, ...]
    read_blocks: Callable[[Sequence[int]], Blocks]
    start: datetime | None = None
    notes: tuple[str, ...] = ()
    uncalibrated: tuple[str, ...] = ()


def array_blocks(columns_CS: Sequence[NDArray[Any]], factors: Sequence[float]) -> Callable[[Sequence[int]], Blocks]:
    """Return the `Recording.read_blocks` of channels that are in memory.

    Parameters
    ----------
    columns_CS : sequence of ndarray, length C
        Samples of each channel in its own unit; NaN where invalid.
    factors : sequence of float, length C
        Millivolts per unit of each channel; NaN for a channel that is not in a unit of voltage.
    """

    def read_blocks(channels: Sequence[int]) -> Blocks:
        num_samples = len(columns_CS[channels[0]])
        for start in range(0, num_samples, ARRAY_BLOCK_SAMPLES):
            stop = min(start + ARRAY_BLOCK_SAMPLES, num_samples)
            block_SC = np.empty((stop - start, len(channels)), np.float32)
            for at, channel in enumerate(channels):
                block_SC[:, at] = columns_CS[channel][start:stop] * factors[channel]
            block_SC[~np.isfinite(block_SC)] = np.nan
            yield block_SC

    return read_blocks
