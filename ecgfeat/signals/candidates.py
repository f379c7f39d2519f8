"""Deflections that may be beats, and how they lie to each other.

Shape suffixes: K candidates.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

REFRACTORY_SAMPLES = 28  # 0.22 s
_USUAL_BEATS = 45
_FEW = 8  # times as many medians one by one take as long as the running median

_Floats = NDArray[np.float32]
_Samples = NDArray[np.int64]
_Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Candidates:
    """Deflections that may be beats, in order.

    Attributes
    ----------
    sample : ndarray of int64, (K,)
        Places at 128 Hz.
    height : ndarray of float32, (K,)
        Smoothed absolute slope.
    frequency : ndarray of float32, (K,)
        Of a sine that is as steep for its size, in Hz.
    """

    sample: _Samples
    height: _Floats
    frequency: _Floats

    def __getitem__(self, index: NDArray[np.generic] | slice) -> "Candidates":
        if isinstance(index, np.ndarray) and index.dtype == bool:
            index = np.flatnonzero(index)  # once for all three
        return Candidates(self.sample[index], self.height[index], self.frequency[index])

    @cached_property
    def rr(self) -> _Samples:
        """RR intervals."""
        return np.diff(self.sample)

    @cached_property
    def usual_rr(self) -> _Samples:
        """Running median of the RR intervals, one per interval."""
        rr = self.rr
        return np.asarray(median_filter(rr, min(_USUAL_BEATS, rr.size), mode="nearest") if rr.size else rr)

    def usual_rr_at(self, interval: _Samples) -> _Samples:
        """Return `usual_rr` of some intervals; indices beyond the ends are those of the first and the last."""
        if not interval.size:
            return interval
        rr = self.rr
        interval = np.minimum(np.maximum(interval, 0), rr.size - 1)
        if _FEW * interval.size > rr.size:
            return self.usual_rr[interval]
        width = min(_USUAL_BEATS, rr.size)
        around = rr.take(interval[:, None] + np.arange(width) - width // 2, mode="clip")
        return np.partition(around, width // 2, axis=1)[:, width // 2]

    def drop(self, is_dropped: _Flags) -> "Candidates":
        """Return the others."""
        return self[np.flatnonzero(~is_dropped)] if is_dropped.any() else self

    def without(self, row: _Samples) -> "Candidates":
        """Return the others than those in some rows."""
        return self[np.delete(np.arange(self.sample.size), row)] if row.size else self

    def join(self, other: "Candidates") -> "Candidates":
        """Return both in order."""
        if not other.sample.size:
            return self
        order = np.argsort(np.concatenate([self.sample, other.sample]), kind="stable")
        return Candidates(
            np.concatenate([self.sample, other.sample])[order],
            np.concatenate([self.height, other.height])[order],
            np.concatenate([self.frequency, other.frequency])[order],
        )


def keep_largest(sample: _Samples, height: NDArray[np.floating], apart: int = REFRACTORY_SAMPLES) -> _Samples:
    """Return the rows of the largest of candidates that are less than so many samples apart; of equals the first."""
    kept = np.arange(sample.size)
    while True:
        is_close = sample[1:] - sample[:-1] < apart
        if not is_close.any():
            return kept
        first_wins = height[:-1] >= height[1:]
        loses = np.zeros(kept.size, dtype=bool)
        loses[1:] |= is_close & first_wins
        loses[:-1] |= is_close & ~first_wins
        # A candidate that lost only to another loser may still be a beat: remove only the neighbours of winners.
        removed = np.zeros(kept.size, dtype=bool)
        removed[1:] |= is_close & ~loses[:-1]
        removed[:-1] |= is_close & ~loses[1:]
        left = np.flatnonzero(~removed)
        kept, sample, height = kept[left], sample[left], height[left]


def is_first_of_equals(ordered: _Samples) -> _Flags:
    """Return which of ordered numbers differ from the one before.

    Parameters
    ----------
    ordered : ndarray of int64, (N,)
        Numbers, those that are equal side by side.

    Returns
    -------
    ndarray of bool, (N,)
    """
    is_first = np.ones(ordered.size, dtype=bool)
    np.not_equal(ordered[1:], ordered[:-1], out=is_first[1:])
    return is_first


def distance_to_nearest(sample: _Samples, other: _Samples) -> _Samples:
    """Return for each sample the distance to the nearest of the others; very large where there are none."""
    edge = 1 << 40
    padded = np.concatenate([[-edge], other, [edge]])
    after = np.searchsorted(padded, sample)
    return np.asarray(np.minimum(padded[after] - sample, sample - padded[after - 1]))
