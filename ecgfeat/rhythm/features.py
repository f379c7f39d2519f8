"""What the rhythm head knows of each beat: an embedding with its history, or RR intervals and beat labels alone.

Shape suffixes: L beats of a record, D features.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

MAX_RR_S = 3.0
"""Longer intervals are gaps, not rhythm, and count as this long."""

NUM_EMBEDDING_FEATURES = 577
"""512 of the beat window, 64 of the history, one RR interval."""


def clipped_rr(rr_s: ArrayLike) -> NDArray[np.float32]:
    """Clip RR intervals to what a rhythm can hold.

    Parameters
    ----------
    rr_s : array_like, (L,)
        Interval to the beat before, whichever beat that is, in seconds; NaN where there is none.

    Returns
    -------
    ndarray, (L,) float32
        In [0, 3] s; 0 for NaN.

    Notes
    -----
    * This is the interval to the previous beat of the **record**. The original took the previous beat it had
      kept: leaving out an unclassifiable beat, or thinning a window, made one interval out of two or more.
    """
    rr = np.nan_to_num(np.asarray(rr_s, dtype=np.float32), nan=0.0, posinf=MAX_RR_S)
    return np.clip(rr, 0.0, MAX_RR_S)


def embedding_features(
    embedding_LD: ArrayLike, history_LD: ArrayLike, rr_s: ArrayLike, *, is_rr_used: bool = True
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
    num_beats: int = 5,
    num_classes: int = 3,
    is_rr_used: bool = True,
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
        What `neighbour_features` says of each beat, 55 figures by default.

    Notes
    -----
    * The neighbours stand on both sides of a beat, so a head that reads these features sees the labels of a few
      beats beyond its window.
    * Averages over 15 to 60 beats, and intervals coded finely, were tried and left out: they fitted the training
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
    is_rr_used: bool = True,
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
        Embedding and history where they are given, then what `neighbour_features` says; the last
        ``(2 num_beats + 1) K`` columns are the labels.
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
    # Row L stands for a beat before the first or after the last.
    at = beat[:, None] + span
    at = np.where((at >= 0) & (at < len(rr_s)), at, len(rr_s))
    nobody = np.zeros((1, label_LK.shape[1]), dtype=np.float32)
    label_LD = np.concatenate([label_LK, nobody])[at].reshape(len(beat), len(span) * label_LK.shape[1])
    rr_LD = np.append(rr_s, np.float32(0))[at]
    known = rr_LD > 0
    # The median of the known ones: they are sorted to the front.
    ordered_LD = np.sort(np.where(known, rr_LD, np.inf), axis=1)
    count = np.maximum(known.sum(axis=1, keepdims=True), 1)
    low, high = (np.take_along_axis(ordered_LD, place, axis=1) for place in ((count - 1) // 2, count // 2))
    ratio_LD = np.zeros_like(rr_LD)
    np.divide(rr_LD, (low + high) / 2, out=ratio_LD, where=known)
    np.log(ratio_LD, out=ratio_LD, where=known)
    return np.concatenate([rr_LD, ratio_LD, label_LD], axis=1).astype(np.float32)
