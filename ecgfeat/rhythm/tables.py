"""Beats and episodes of many records in memory, record after record: segments and chunks are drawn from them.

Shape suffixes: R records, N beats of all records, E episodes, M intervals of time.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class BeatTable:
    """Beats of many records, record after record, in order of time.

    Attributes
    ----------
    sample : ndarray, (N,) int64
        Position of each R-peak in its record, ascending within a record.
    offset : ndarray, (R + 1,) int64
        Record r has the beats ``[offset[r], offset[r + 1])``.
    num_samples : ndarray, (R,) int64
        Length of each record.

    Notes
    -----
    * All positions of a table, of its episodes and of its segments are at one rate.
    * A head reads all beats of a table; other beats are left out of it.
    """

    sample: NDArray[np.int64]
    offset: NDArray[np.int64]
    num_samples: NDArray[np.int64]

    def __post_init__(self) -> None:
        assert len(self.offset) == len(self.num_samples) + 1, "one offset more than records"
        assert self.offset[0] == 0, "the first record begins at 0"
        assert self.offset[-1] == len(self.sample), "the last record ends at the last beat"


@dataclass(frozen=True)
class EpisodeTable:
    """Episodes of the same records, in order of record and time; half-open intervals.

    Attributes
    ----------
    record : ndarray, (E,) int64
        Index of the record in the beat table, ascending.
    start, stop : ndarray, (E,) int64
        First sample, and first sample after the end.
    label : ndarray, (E,) int64
        Rhythm as an index into the classes of the task; -1 outside the task.
    """

    record: NDArray[np.int64]
    start: NDArray[np.int64]
    stop: NDArray[np.int64]
    label: NDArray[np.int64]

    def __post_init__(self) -> None:
        assert len({len(self.record), len(self.start), len(self.stop), len(self.label)}) == 1
        assert np.all(np.diff(self.record) >= 0), "episodes must be in the order of the records"


def beat_bounds(
    beats: BeatTable, record_M: NDArray[np.int64], start_M: NDArray[np.int64], stop_M: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find the beats of intervals of time.

    Parameters
    ----------
    beats : BeatTable
        All beats.
    record_M, start_M, stop_M : ndarray, (M,) int64
        Intervals, half-open, in samples.

    Returns
    -------
    tuple of ndarray, (M,) int64
        Rows of their beats, half-open.
    """
    first_M, last_M = np.empty_like(start_M), np.empty_like(stop_M)
    for record in np.unique(record_M):
        rows = np.flatnonzero(record_M == record)
        low, high = beats.offset[record], beats.offset[record + 1]
        first_M[rows] = low + np.searchsorted(beats.sample[low:high], start_M[rows])
        last_M[rows] = low + np.searchsorted(beats.sample[low:high], stop_M[rows])
    return first_M, last_M


def label_share(
    episodes: EpisodeTable,
    record_M: NDArray[np.int64],
    start_M: NDArray[np.int64],
    window_samples: int,
    label_M: NDArray[np.int64],
) -> NDArray[np.float32]:
    """Measure how much of each segment carries a label, in all episodes together.

    Parameters
    ----------
    episodes : EpisodeTable
        Episodes that do not overlap.
    record_M, start_M : ndarray, (M,) int64
        Segments.
    window_samples : int
        Their length.
    label_M : ndarray, (M,) int64
        The label of each segment.

    Returns
    -------
    ndarray, (M,) float32
        Share in [0, 1].
    """
    share_M = np.zeros(len(record_M), dtype=np.float32)
    for record in np.unique(record_M):
        low, high = np.searchsorted(episodes.record, [record, record + 1])
        of_record = np.flatnonzero(record_M == record)
        for label in np.unique(label_M[of_record]):
            segments = of_record[label_M[of_record] == label]
            rows = low + np.flatnonzero(episodes.label[low:high] == label)
            start, stop = episodes.start[rows], episodes.stop[rows]
            covered = covered_before(start, stop, start_M[segments])
            covered_end = covered_before(start, stop, start_M[segments] + window_samples)
            share_M[segments] = (covered_end - covered) / window_samples
    return share_M


def covered_before(
    start_E: NDArray[np.int64], stop_E: NDArray[np.int64], time_M: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Count the samples before a time that lie in one of some intervals.

    Parameters
    ----------
    start_E, stop_E : ndarray, (E,) int64
        Half-open intervals in order, without overlap.
    time_M : ndarray, (M,) int64
        Times.

    Returns
    -------
    ndarray, (M,) int64
        Samples in ``[0, time)`` that are covered.
    """
    if len(start_E) == 0:
        return np.zeros(len(time_M), dtype=np.int64)
    total_E1 = np.concatenate([[0], np.cumsum(stop_E - start_E)])
    begun_M = np.searchsorted(start_E, time_M, side="right")
    # Of the last interval begun, what lies after the time is not covered yet.
    rest_M = np.where(begun_M > 0, np.maximum(0, stop_E[begun_M - 1] - time_M), 0)
    return total_E1[begun_M] - rest_M


def keep_first_classes(episodes: EpisodeTable, num_classes: int) -> EpisodeTable:
    """Put all classes but the first ones outside the task: 2 leaves NSR and AFIB.

    Parameters
    ----------
    episodes : EpisodeTable
        Episodes of any class.
    num_classes : int
        Classes that stay.

    Returns
    -------
    EpisodeTable
        The same episodes; labels from ``num_classes`` on are -1.
    """
    return replace(episodes, label=np.where(episodes.label < num_classes, episodes.label, -1))
