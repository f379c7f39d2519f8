"""Segments for the rhythm head: one drawn around each episode and epoch, or a fixed grid over whole records.

Shape suffixes: R records, N beats of all records, E episodes, M segments, L beats in a segment.

The draw is that of the original LTAFDB system, number for number, so that its published figures may be compared.
It needs to know where the episodes are, which a user does not; `grid_segments` does without.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgfeat.rhythm.tables import BeatTable, EpisodeTable, beat_bounds, label_share

SEED_STRIDE = 1_000_003
BASE_SEEDS = {"train": 42, "validation": 43, "test": 44}
"""Base seed of the draw in each split."""


@dataclass(frozen=True)
class Segments:
    """Segments of records and their beats.

    Attributes
    ----------
    episode : ndarray, (M,) int64
        The episode a segment was drawn around, as a row of the episode table; -1 in a grid.
    record : ndarray, (M,) int64
        Record.
    start, stop : ndarray, (M,) int64
        Half-open interval.
    label : ndarray, (M,) int64
        Class, -1 where nothing of the task is annotated.
    purity : ndarray, (M,) float32
        Share of the segment that carries its label, in [0, 1].
    num_beats : ndarray, (M,) int64
        Beats of the segment, before thinning.
    beats : ndarray, (M, L) int64
        Rows of the beats that are kept, -1 padding behind them.
    """

    episode: NDArray[np.int64]
    record: NDArray[np.int64]
    start: NDArray[np.int64]
    stop: NDArray[np.int64]
    label: NDArray[np.int64]
    purity: NDArray[np.float32]
    num_beats: NDArray[np.int64]
    beats: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of segments."""
        return len(self.start)

    def select(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> "Segments":
        """Return a selection of the segments.

        Parameters
        ----------
        rows : ndarray
            A mask or row numbers.

        Returns
        -------
        Segments
            In the order of ``rows``.
        """
        return Segments(**{name: array[rows] for name, array in vars(self).items()})


def draw_starts(
    start_E: Sequence[int] | NDArray[np.int64],
    stop_E: Sequence[int] | NDArray[np.int64],
    num_samples: int,
    window_samples: int,
    rng: random.Random,
) -> NDArray[np.int64]:
    """Draw a segment around each episode of one record.

    A segment overlaps its episode by at least half of its length, or by the whole episode if that is shorter.

    Parameters
    ----------
    start_E, stop_E : sequence of int, (E,)
        Episodes in order of time, half-open, in samples.
    num_samples : int
        Length of the record.
    window_samples : int
        Length of a segment at the same rate.
    rng : random.Random
        Python's own generator, as in the published draw; one number is taken per valid episode.

    Returns
    -------
    ndarray, (E,) int64
        Start of each segment; -1 where none fits.
    """
    drawn = np.full(len(start_E), -1, dtype=np.int64)
    for row, (start, stop) in enumerate(zip(start_E, stop_E, strict=True)):
        overlap = min(window_samples // 2, int(stop) - int(start))
        first = max(0, int(start) - window_samples + overlap)
        last = min(num_samples - window_samples, int(stop) - overlap)
        if first <= last:
            drawn[row] = rng.randint(first, last)
    return drawn


def draw_segments(
    beats: BeatTable,
    episodes: EpisodeTable,
    *,
    base_seed: int,
    epoch: int,
    window_samples: int,
    max_beats: int,
) -> Segments:
    """Draw one segment per episode of the task: view number ``epoch`` of the published protocol.

    Parameters
    ----------
    beats, episodes : BeatTable, EpisodeTable
        Records. Their order decides which random numbers each episode gets.
    base_seed : int
        42 for training, 43 for validation, 44 for test records: `BASE_SEEDS`.
    epoch : int
        Number of the draw.
    window_samples : int
        Length of a segment.
    max_beats : int
        Segments with more beats keep this many, evenly spaced.

    Returns
    -------
    Segments
        In the order of the episodes. Episodes outside the task are passed over before anything is drawn, those
        without room for a segment after it. Segments with few beats are included: see ``num_beats``.

    Notes
    -----
    * On LTAFDB with at least 4 beats, epoch 0 gives 39,351 training and 3,709 test windows, as published.
    """
    rng = random.Random(base_seed * SEED_STRIDE + epoch)
    in_task_E = np.flatnonzero(episodes.label >= 0)
    start_M = np.full(len(in_task_E), -1, dtype=np.int64)
    bounds_R1 = np.searchsorted(episodes.record[in_task_E], np.arange(len(beats.num_samples) + 1))
    for record, num_samples in enumerate(beats.num_samples):
        part = slice(bounds_R1[record], bounds_R1[record + 1])
        rows = in_task_E[part]
        start_M[part] = draw_starts(episodes.start[rows], episodes.stop[rows], int(num_samples), window_samples, rng)
    kept = start_M >= 0
    episode_M, start_M = in_task_E[kept], start_M[kept]
    record_M, label_M = episodes.record[episode_M], episodes.label[episode_M]
    purity_M = label_share(episodes, record_M, start_M, window_samples, label_M)
    # The published rule includes an R-peak that lies exactly one segment length after the start.
    num_beats_M, beat_ML = beats_in_segments(beats, record_M, start_M, start_M + window_samples + 1, max_beats)
    return Segments(episode_M, record_M, start_M, start_M + window_samples, label_M, purity_M, num_beats_M, beat_ML)


def grid_segments(
    beats: BeatTable,
    episodes: EpisodeTable,
    *,
    window_samples: int,
    num_classes: int = 6,
    max_beats: int,
    shift_samples: int = 0,
) -> Segments:
    """Cut every record into segments of equal length, which needs no annotation.

    Parameters
    ----------
    beats, episodes : BeatTable, EpisodeTable
        The records. Episodes only label the segments; without any, all labels are -1.
    window_samples : int
        Length of a segment. A rest shorter than this at the end of a record is left out.
    num_classes : int
        Classes of the task.
    max_beats : int
        Segments with more beats keep this many, evenly spaced.
    shift_samples : int
        Look for the beats this much later, as far as the record goes: another view of the same segments.

    Returns
    -------
    Segments
        In order of record and time; ``start`` and ``stop`` are those of the view. A label is the rhythm that covers
        most of the unmoved segment, of the task or not; -1 where it is none of the task. The first class wins a tie.

    Notes
    -----
    * Unlike in the drawn segments, a beat belongs to exactly one segment.
    """
    count_R = beats.num_samples // window_samples
    record_M = np.repeat(np.arange(len(count_R)), count_R)
    first_R = np.cumsum(count_R) - count_R
    start_M = (np.arange(len(record_M)) - first_R[record_M]) * window_samples
    # Column 0 is everything outside the task: annotated otherwise, or not at all.
    share_MK = np.stack(
        [
            label_share(episodes, record_M, start_M, window_samples, np.full(len(record_M), label))
            for label in range(num_classes)
        ],
        axis=1,
    )
    outside_M1 = np.maximum(0.0, 1.0 - share_MK.sum(1, keepdims=True))
    label_M = np.argmax(np.concatenate([share_MK, outside_M1], axis=1), axis=1)
    label_M[label_M == num_classes] = -1
    purity_M = np.where(label_M >= 0, np.take_along_axis(share_MK, np.maximum(label_M, 0)[:, None], 1)[:, 0], 0)
    view_M = np.clip(start_M + shift_samples, 0, beats.num_samples[record_M] - window_samples)
    num_beats_M, beat_ML = beats_in_segments(beats, record_M, view_M, view_M + window_samples, max_beats)
    return Segments(
        np.full(len(record_M), -1),
        record_M,
        view_M,
        view_M + window_samples,
        label_M,
        purity_M.astype(np.float32),
        num_beats_M,
        beat_ML,
    )


def tile_segments(
    sample: NDArray[np.int64], num_samples: int, window_samples: int, max_beats: int
) -> tuple[Segments, NDArray[np.int64]]:
    """Cover a record with segments of equal length, its end included.

    Parameters
    ----------
    sample : ndarray of int64, (L,)
        R-peaks.
    num_samples : int
        Length of the record, at least one segment.
    window_samples : int
        Length of a segment.
    max_beats : int
        Beats kept of a segment; more are thinned evenly.

    Returns
    -------
    segments : Segments
        Those of `grid_segments` and, where a rest is left over, one more that ends with the record.
    edges : ndarray of int64, (M + 1,)
        The rhythm of segment m holds in ``[edges[m], edges[m + 1])``.
    """
    assert num_samples >= window_samples, "shorter than a segment"
    start_M = np.arange(0, num_samples - window_samples + 1, window_samples, dtype=np.int64)
    edges = np.append(start_M, start_M[-1] + window_samples)
    if edges[-1] < num_samples:
        start_M, edges = np.append(start_M, num_samples - window_samples), np.append(edges, num_samples)
    stop_M, zero_M = start_M + window_samples, np.zeros(len(start_M), dtype=np.int64)
    table = BeatTable(sample, np.array([0, len(sample)]), np.array([num_samples]))
    num_beats_M, beat_ML = beats_in_segments(table, zero_M, start_M, stop_M, max_beats)
    unknown_M = zero_M - 1
    purity_M = np.zeros(len(start_M), dtype=np.float32)
    return Segments(unknown_M, zero_M, start_M, stop_M, unknown_M, purity_M, num_beats_M, beat_ML), edges


def beats_in_segments(
    beats: BeatTable,
    record_M: NDArray[np.int64],
    start_M: NDArray[np.int64],
    stop_M: NDArray[np.int64],
    max_beats: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find the beats of each segment, thinned where there are too many.

    Parameters
    ----------
    beats : BeatTable
        All beats.
    record_M, start_M, stop_M : ndarray, (M,) int64
        Segments, half-open.
    max_beats : int
        Most beats kept; more are thinned to evenly spaced ones, first and last included.

    Returns
    -------
    num_beats_M : ndarray, (M,) int64
        Beats in the segment.
    beat_ML : ndarray, (M, max_beats) int64
        Rows of those that are kept, then -1.
    """
    first_M, last_M = beat_bounds(beats, record_M, start_M, stop_M)
    num_beats_M = last_M - first_M
    place_L = np.arange(max_beats)
    beat_ML = np.where(place_L < num_beats_M[:, None], first_M[:, None] + place_L, -1)
    for segment in np.flatnonzero(num_beats_M > max_beats):
        picks = np.linspace(0, num_beats_M[segment] - 1, max_beats).round().astype(np.int64)
        beat_ML[segment] = first_M[segment] + picks
    return num_beats_M, beat_ML


def needed_beats(draws: Iterable[Segments], num_beats: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find the beats of some segments, so that only their features need to be in memory.

    Parameters
    ----------
    draws : iterable of Segments
        All draws that will be made of one table.
    num_beats : int
        N, the beats of the table.

    Returns
    -------
    beat : ndarray, (n,) int64
        The beats, ascending: the rows to gather features of.
    row_of_beat_N : ndarray, (N,) int64
        Their rows among the gathered features; -1 for the beats that are not needed.
    """
    needed_N = np.zeros(num_beats, dtype=np.bool_)
    for draw in draws:
        needed_N[draw.beats[draw.beats >= 0]] = True
    beat = np.flatnonzero(needed_N)
    row_of_beat_N = np.full(num_beats, -1, dtype=np.int64)
    row_of_beat_N[beat] = np.arange(len(beat))
    return beat, row_of_beat_N
