"""Features of the beats of one record: an embedding with its history, or RR intervals and beat labels alone.

Shape suffixes: L beats of a record, D features, K beat classes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

MAX_RR_S = 3.0
"""Longer intervals are gaps, not rhythm, and count as this long."""

WINDOW_NEIGHBOURS = 5
"""Beats on either side that the window head reads one by one where it reads no embeddings."""


@dataclass(frozen=True)
class FeatureLayout:
    """Columns of the features of a beat, from left to right.

    Attributes
    ----------
    num_embedded : int
        Embedding and encoded history; 0 without a signal.
    num_intervals : int
        RR intervals, and their ratios to the median.
    num_labels : int
        Beat labels.
    num_positions : int
        1 for a head that also reads where in its segment a beat lies; added when segments are gathered.
    """

    num_embedded: int
    num_intervals: int
    num_labels: int
    num_positions: int = 0

    @property
    def num_features(self) -> int:
        """Number of columns."""
        return self.num_embedded + self.num_intervals + self.num_labels + self.num_positions

    @property
    def embedded(self) -> slice:
        """Columns of embedding and history."""
        return slice(0, self.num_embedded)

    @property
    def labels(self) -> slice:
        """Columns of the beat labels."""
        first = self.num_embedded + self.num_intervals
        return slice(first, first + self.num_labels)


def timeline_layout(num_beats: int, num_classes: int, *, num_embedded: int) -> FeatureLayout:
    """Return the layout of `timeline_features`.

    Parameters
    ----------
    num_beats : int
        Neighbours described one by one, on either side.
    num_classes : int
        Beat classes, K.
    num_embedded : int
        Width of embedding and history together; 0 without a signal.

    Returns
    -------
    FeatureLayout
    """
    span = 2 * num_beats + 1
    return FeatureLayout(num_embedded, 2 * span, num_classes * span)


def window_layout(num_classes: int, *, num_embedded: int) -> FeatureLayout:
    """Return the layout of `embedding_features`, or of `annotation_features` and the position in the segment.

    Parameters
    ----------
    num_classes : int
        Beat classes, K.
    num_embedded : int
        Width of embedding and history together; 0 without a signal.

    Returns
    -------
    FeatureLayout
    """
    if num_embedded:
        return FeatureLayout(num_embedded, 1, 0)
    span = 2 * WINDOW_NEIGHBOURS + 1
    return FeatureLayout(0, 2 * span, num_classes * span, num_positions=1)


def clipped_rr(rr_s: ArrayLike) -> NDArray[np.float32]:
    """Clip RR intervals to the range of a rhythm.

    Parameters
    ----------
    rr_s : array_like, (L,)
        Interval to the beat before, of any class, in seconds; NaN where there is none.

    Returns
    -------
    ndarray, (L,) float32
        In [0, 3] s; 0 for NaN.

    Notes
    -----
    * This is the interval to the previous beat of the **record**. The original took the previous beat it had
      kept: leaving out an unclassifiable beat, or thinning a segment, made one interval out of two or more.
    """
    rr = np.nan_to_num(np.asarray(rr_s, dtype=np.float32), nan=0.0, posinf=MAX_RR_S)
    return np.clip(rr, 0.0, MAX_RR_S)


def embedding_features(
    embedding_LD: ArrayLike, history_LD: ArrayLike, rr_s: ArrayLike, *, is_rr_used: bool
) -> NDArray[np.float32]:
    """Join a beat's embedding, its encoded history and its RR interval.

    Parameters
    ----------
    embedding_LD : array_like, (L, 512)
        Time and frequency features.
    history_LD : array_like, (L, 64)
        History features.
    rr_s : array_like, (L,)
        Interval to the beat before in seconds, NaN at the first.
    is_rr_used : bool
        Without it the last column is zero: the ablation of the RR side feature.

    Returns
    -------
    ndarray, (L, 577) float32
        The window head's input.
    """
    return np.concatenate(
        [
            np.asarray(embedding_LD, dtype=np.float32),
            np.asarray(history_LD, dtype=np.float32),
            clipped_rr(rr_s)[:, None] * np.float32(is_rr_used),
        ],
        axis=1,
    )


def annotation_features(
    rr_s: ArrayLike,
    label: ArrayLike,
    *,
    num_beats: int = WINDOW_NEIGHBOURS,
    num_classes: int = 3,
    is_rr_used: bool,
    rows: ArrayLike | None = None,
) -> NDArray[np.float32]:
    """Describe the beats of one record without its signal.

    Parameters
    ----------
    rr_s : array_like, (L,)
        Interval from the beat before to this one, in seconds; NaN at the first beat.
    label : array_like, (L,) int64
        Class of each beat in [0, num_classes), or -1 where it is unknown.
    num_beats : int
        Neighbours described one by one, on either side.
    num_classes : int
        Classes of beats.
    is_rr_used : bool
        Without it all that comes from intervals is zero: the ablation that leaves only labels.
    rows : array_like, (n,) int64, optional
        Beats to describe, where not all are needed.

    Returns
    -------
    ndarray, (L, D) or (n, D) float32
        The columns of `neighbour_features`, 55 by default.

    Notes
    -----
    * The neighbours lie on both sides of a beat, so a head that reads these features sees the labels of a few
      beats beyond its segment.
    * Averages over 15 to 60 beats, and finely coded intervals, were tried and left out: they fitted the training
      subjects better and the validation subjects worse.
    """
    rr = clipped_rr(rr_s) * np.float32(is_rr_used)
    label_LK = one_hot_labels(label, num_classes)
    assert len(rr) == len(label_LK), "one interval and one label per beat"
    beat = np.arange(len(rr)) if rows is None else np.asarray(rows, dtype=np.int64)
    return neighbour_features(rr, label_LK, beat, num_beats)


def one_hot_labels(label: ArrayLike, num_classes: int = 3) -> NDArray[np.float32]:
    """Turn beat labels into certain probabilities.

    Parameters
    ----------
    label : array_like, (L,) int64
        Class of each beat in [0, num_classes), or -1 where it is unknown.
    num_classes : int
        K.

    Returns
    -------
    ndarray, (L, K) float32
        One-hot rows; zeros for an unknown label.
    """
    # Label -1 picks the last row.
    table = np.vstack([np.eye(num_classes, dtype=np.float32), np.zeros((1, num_classes), np.float32)])
    return table[np.asarray(label, dtype=np.int64)]


def timeline_features(
    rr_s: ArrayLike,
    label_LK: NDArray[np.float32],
    *,
    num_beats: int,
    is_rr_used: bool,
    embedding_LD: ArrayLike | None = None,
    history_LD: ArrayLike | None = None,
) -> NDArray[np.float32]:
    """Describe the beats of one record for the timeline head.

    Parameters
    ----------
    rr_s : array_like, (L,)
        Interval from the beat before to this one, in seconds; NaN at the first beat.
    label_LK : ndarray, (L, K) float32
        Probability of each beat class; zeros where it is unknown.
    num_beats : int
        Neighbours described one by one, on either side: the RR intervals before and after a beat among them.
    is_rr_used : bool
        Without it all that comes from intervals is zero.
    embedding_LD : array_like, (L, 512), optional
        Time and frequency features, where there is a signal.
    history_LD : array_like, (L, 64), optional
        Encoded history, with ``embedding_LD``.

    Returns
    -------
    ndarray, (L, D) float32
        Embedding and history where they are given, then the columns of `neighbour_features`: see `timeline_layout`.
    """
    rr = clipped_rr(rr_s) * np.float32(is_rr_used)
    neighbours_LD = neighbour_features(rr, label_LK, np.arange(len(rr)), num_beats)
    if embedding_LD is None or history_LD is None:
        return neighbours_LD
    parts = [np.asarray(part, dtype=np.float32) for part in (embedding_LD, history_LD)]
    return np.concatenate([*parts, neighbours_LD], axis=1)


def neighbour_features(
    rr_s: NDArray[np.float32], label_LK: NDArray[np.float32], beat: NDArray[np.int64], num_beats: int
) -> NDArray[np.float32]:
    """Describe each neighbour of a beat.

    Parameters
    ----------
    rr_s : ndarray, (L,) float32
        Clipped intervals, 0 unknown.
    label_LK : ndarray, (L, K) float32
        Probability of each beat class; zeros where it is unknown.
    beat : ndarray, (n,) int64
        Beats to describe.
    num_beats : int
        Neighbours on either side.

    Returns
    -------
    ndarray, (n, (2 num_beats + 1) (2 + K)) float32
        The interval before each beat of the neighbourhood, in seconds; each of these as the natural logarithm of its
        ratio to their median; the label of each of these beats. A missing beat is zeros.
    """
    span = np.arange(-num_beats, num_beats + 1)
    # Row L is the missing beat, before the first or after the last.
    at = beat[:, None] + span
    at = np.where((at >= 0) & (at < len(rr_s)), at, len(rr_s))
    missing = np.zeros((1, label_LK.shape[1]), dtype=np.float32)
    label_LD = np.concatenate([label_LK, missing])[at].reshape(len(beat), len(span) * label_LK.shape[1])
    rr_LD = np.append(rr_s, np.float32(0))[at]
    has_rr = rr_LD > 0
    # The median of the intervals that exist: they are sorted to the front.
    ordered_LD = np.sort(np.where(has_rr, rr_LD, np.inf), axis=1)
    count = np.maximum(has_rr.sum(axis=1, keepdims=True), 1)
    low, high = (np.take_along_axis(ordered_LD, place, axis=1) for place in ((count - 1) // 2, count // 2))
    ratio_LD = np.zeros_like(rr_LD)
    np.divide(rr_LD, (low + high) / 2, out=ratio_LD, where=has_rr)
    np.log(ratio_LD, out=ratio_LD, where=has_rr)
    return np.concatenate([rr_LD, ratio_LD, label_LD], axis=1).astype(np.float32)
