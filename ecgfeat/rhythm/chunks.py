"""Chunks of beats for the timeline head: drawn so that rare rhythms occur, or laid over a whole record.

Shape suffixes: R records, N beats of all records, E episodes, M chunks, B chunks of a batch, L beats in a chunk, K
classes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgfeat.rhythm.tables import BeatTable, EpisodeTable, beat_bounds


@dataclass(frozen=True)
class BeatRuns:
    """Runs of beats in one episode, and the rhythm of every beat.

    Attributes
    ----------
    beat_label : ndarray, (N,) int64
        Rhythm of each beat as an index into the classes of the task; -1 outside the task or unlabelled.
    first, stop : ndarray, (E,) int64
        Rows of the beats of each episode of the task that has any, half-open.
    label : ndarray, (E,) int64
        Their rhythms.
    """

    beat_label: NDArray[np.int64]
    first: NDArray[np.int64]
    stop: NDArray[np.int64]
    label: NDArray[np.int64]


def find_beat_runs(beats: BeatTable, episodes: EpisodeTable) -> BeatRuns:
    """Find the beats of each episode.

    Parameters
    ----------
    beats, episodes : BeatTable, EpisodeTable
        The records; episodes do not overlap.

    Returns
    -------
    BeatRuns
        A beat belongs to the episode ``[start, stop)`` that its R-peak lies in.
    """
    first_E, stop_E = beat_bounds(beats, episodes.record, episodes.start, episodes.stop)
    label_N = np.full(len(beats.sample), -1, dtype=np.int64)
    in_task = (episodes.label >= 0) & (stop_E > first_E)
    first, stop, label = first_E[in_task], stop_E[in_task], episodes.label[in_task]
    count = stop - first
    # Row numbers of the beats of all episodes, one episode after the other.
    rows_N = np.repeat(first - np.append(0, np.cumsum(count)[:-1]), count) + np.arange(count.sum())
    label_N[rows_N] = np.repeat(label, count)
    return BeatRuns(label_N, first, stop, label)


def draw_chunks(
    beats: BeatTable,
    runs: BeatRuns,
    *,
    num_chunks: int,
    chunk_beats: int,
    rarity_power: float,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Draw chunks that hold a random beat of a random episode, short episodes as often as long ones.

    Parameters
    ----------
    beats : BeatTable
        All beats.
    runs : BeatRuns
        Their episodes; at least one.
    num_chunks, chunk_beats : int
        How many chunks, and how long.
    rarity_power : float
        An episode of a class with n episodes is drawn with a weight of ``n ** -rarity_power``: 0 draws all episodes
        alike, 1 all classes.
    rng : numpy.random.Generator
        Draws.

    Returns
    -------
    ndarray, (num_chunks,) int64
        Row of the first beat of each chunk. A chunk lies within its record where that is long enough, and begins with
        it where it is not.
    """
    weight_E = np.bincount(runs.label)[runs.label].astype(np.float64) ** -rarity_power
    episode_M = rng.choice(len(runs.label), size=num_chunks, p=weight_E / weight_E.sum())
    beat_M = rng.integers(runs.first[episode_M], runs.stop[episode_M])
    start_M = beat_M - rng.integers(0, chunk_beats, size=num_chunks)
    record_M = np.searchsorted(beats.offset, beat_M, side="right") - 1
    low_M, high_M = beats.offset[record_M], beats.offset[record_M + 1]
    return np.maximum(low_M, np.minimum(start_M, high_M - chunk_beats))


def cover_record(num_beats: int, chunk_beats: int, margin_beats: int, shift_beats: int = 0) -> NDArray[np.int64]:
    """Lay overlapping chunks over a record so that every beat lies in the middle of two of them.

    Parameters
    ----------
    num_beats : int
        Beats of the record.
    chunk_beats : int
        Length of a chunk; the middle, of even length, is what the margins leave.
    margin_beats : int
        Beats at either end of a chunk that only serve as context.
    shift_beats : int
        Moves the whole grid to the left, by less than half a middle.

    Returns
    -------
    ndarray, (M,) int64
        Beat each chunk begins with; negative ones, and ones beyond the end, are outside the record.
    """
    hop = (chunk_beats - 2 * margin_beats) // 2
    assert hop > 0, "the margins leave no middle"
    assert 0 <= shift_beats < hop, "a shift beyond the hop is another grid"
    # The first middle begins a hop before the record and the last ends a hop behind it.
    return np.arange(-hop - shift_beats, num_beats, hop, dtype=np.int64) - margin_beats


def place_chunks(
    start_M: NDArray[np.int64],
    low_M: NDArray[np.int64] | int,
    high_M: NDArray[np.int64] | int,
    chunk_beats: int,
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the rows of the places of some chunks.

    Parameters
    ----------
    start_M : ndarray, (M,) int64
        Row each chunk begins with.
    low_M, high_M : ndarray, (M,) int64, or int
        Rows of the record each chunk lies in, half-open.
    chunk_beats : int
        L.

    Returns
    -------
    row_ML : ndarray, (M, L) int64
        Row of each place; outside the record that of its first or last beat.
    is_inside_ML : ndarray, (M, L) bool
        Which places lie inside.
    """
    low, high = (np.broadcast_to(np.asarray(bound), start_M.shape)[:, None] for bound in (low_M, high_M))
    row_ML = start_M[:, None] + np.arange(chunk_beats)
    return np.clip(row_ML, low, high - 1), (row_ML >= low) & (row_ML < high)


def chunk_weights(chunk_beats: int, margin_beats: int) -> NDArray[np.float32]:
    """Return the weight of the posterior at each place of a chunk.

    Parameters
    ----------
    chunk_beats, margin_beats : int
        As `cover_record` takes them.

    Returns
    -------
    ndarray, (L,) float32
        0 in the margins, rising to the centre and falling again: the weights of the chunks over a beat add up to 1.
    """
    hop = (chunk_beats - 2 * margin_beats) // 2
    ramp = (np.arange(hop) + 0.5) / hop
    weight = np.zeros(chunk_beats, dtype=np.float32)
    weight[margin_beats : margin_beats + 2 * hop] = np.concatenate([ramp, ramp[::-1]])
    return weight


def mean_of_runs(
    posterior_NK: NDArray[np.float32], first: NDArray[np.int64], stop: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Average posteriors over half-open runs of beats.

    Parameters
    ----------
    posterior_NK : ndarray, (N, K) float32
        Posterior of each beat.
    first, stop : ndarray, (E,) int64
        Runs.

    Returns
    -------
    ndarray, (E, K) float64
        Means; NaN for an empty run.
    """
    total_NK = np.concatenate([np.zeros((1, posterior_NK.shape[1])), posterior_NK.cumsum(axis=0, dtype=np.float64)])
    count_E1 = np.asarray(stop - first, dtype=np.float64)[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        return (total_NK[stop] - total_NK[first]) / count_E1
