"""Match detected beats to reference beats and score detection and beat classes by the rules of EC57.

References
----------
ANSI/AAMI EC57:2012, "Testing and reporting performance results of cardiac rhythm and ST segment
measurement algorithms", clause 4.3. G. B. Moody, "bxb", WFDB Applications Guide.
"""

from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ecgfeat.errors import UsageError, fault
from ecgfeat.scoring.rhythm import ratio
from ecgfeat.store.schemas import BEAT_CLASSES

MATCH_WINDOW_S = 0.15
"""EC57: a test beat belongs to a reference beat at most 150 ms away."""

LEARNING_S = 300.0
"""EC57 does not score the first five minutes of a record."""

FLUTTER = "VFL"
"""Rhythm in which EC57 counts no beats."""

EXCUSED: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "plain": {},
    "bxb": {"N": ("Q",), "S": ("Q",), "V": ("F", "Q")},
}
"""By way of counting: beats that may be called a class without being a false positive of it."""

DETECTION_COUNTS = ("true_positives", "false_negatives", "false_positives")
DETECTION_SCORES = ("sensitivity", "positive_predictivity", "f1")

_Samples = NDArray[np.int64]


def match_beats(reference: _Samples, test: _Samples, window_samples: int) -> tuple[_Samples, _Samples]:
    """Pair reference beats with test beats, one to one, as the beat-by-beat comparison of EC57 does.

    Parameters
    ----------
    reference, test : ndarray of int64, shape (L,)
        Beat positions in samples at the same rate, ascending.
    window_samples : int
        Largest distance of a pair, inclusive: 150 ms in EC57.

    Returns
    -------
    reference_index, test_index : ndarray of int64, shape (number of pairs,)
        Pair i joins ``reference[reference_index[i]]`` and ``test[test_index[i]]``; both ascend.

    Raises
    ------
    ValueError
        If a list of beats does not ascend or the window is negative.

    Notes
    -----
    * Both lists are read in order of time. At each step there is one current beat in each list. The earlier of
      the two forms a pair with the later one if the distance is within the window, and if the later one is not
      nearer to its rival. The rival is the next beat of the earlier one's list. Otherwise the earlier beat stays
      without a partner.
    * They also form a pair if the rival has a nearer partner itself: the next beat of the other list. ``bxb`` has
      this rule since 2002. Without it, the reference beats 96 and 160 and the test beats 128 and 185 would make
      one pair less in a window of 37 samples.
    * Beats without a rival within the window (almost all beats of a usual record) are paired without a loop.
    """
    reference, test = np.asarray(reference, dtype=np.int64), np.asarray(test, dtype=np.int64)
    if window_samples < 0:
        raise ValueError(fault("match_beats", f"a window of {window_samples} samples", "0 or more"))
    for name, beat in (("reference beats", reference), ("test beats", test)):
        if beat.ndim != 1 or np.any(np.diff(beat) < 0):
            raise ValueError(fault(name, "positions out of order", "an ascending list", "Sort them."))
    if not reference.size or not test.size:
        return np.empty(0, np.int64), np.empty(0, np.int64)

    # Beats of both lists that follow each other within the window form a cluster; no pair crosses clusters.
    position = np.concatenate([reference, test])
    order = np.argsort(position, kind="stable")
    cluster_start = np.flatnonzero(
        np.diff(position[order], prepend=position[order[0]] - window_samples - 1) > window_samples
    )
    is_reference = order < reference.size
    num_reference = np.add.reduceat(is_reference, cluster_start, dtype=np.int64)
    num_test = np.add.reduceat(~is_reference, cluster_start, dtype=np.int64)
    first_reference = np.cumsum(num_reference) - num_reference
    first_test = np.cumsum(num_test) - num_test

    lone_pair = (num_reference == 1) & (num_test == 1)
    contested = np.flatnonzero((num_reference > 0) & (num_test > 0) & ~lone_pair)
    pair: list[tuple[int, int]] = []
    for r, t, n, m in zip(
        *(array[contested].tolist() for array in (first_reference, first_test, num_reference, num_test)), strict=True
    ):
        pairs = _pair_cluster(reference[r : r + n].tolist(), test[t : t + m].tolist(), window_samples)
        pair.extend((r + i, t + j) for i, j in pairs)
    contested_pair = np.array(pair, dtype=np.int64).reshape(-1, 2)
    reference_index = np.concatenate([first_reference[lone_pair], contested_pair[:, 0]])
    test_index = np.concatenate([first_test[lone_pair], contested_pair[:, 1]])
    ascending = np.argsort(reference_index, kind="stable")
    return reference_index[ascending], test_index[ascending]


def _pair_cluster(reference: list[int], test: list[int], window_samples: int) -> list[tuple[int, int]]:
    """Pair the beats of one cluster in time order."""
    # After the last beat there is no rival: a position that is farther away than any beat of the cluster.
    beyond = max(reference[-1], test[-1]) + 2 * window_samples + 1
    r, t = [*reference, beyond], [*test, beyond + window_samples + 1]
    pairs, i, j = [], 0, 0
    while i < len(reference) and j < len(test):
        distance = abs(r[i] - t[j])
        # The rival of the earlier beat is the next beat of its own list: it may be nearer to the later beat.
        rival = abs(r[i] - t[j + 1]) if t[j] < r[i] else abs(t[j] - r[i + 1])
        has_rival_partner = abs(r[i + 1] - t[j + 1]) < rival
        if distance <= window_samples and (distance < rival or has_rival_partner):
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif t[j] < r[i]:
            j += 1
        else:
            i += 1
    return pairs


def count_detections(
    reference: _Samples,
    test: _Samples,
    fs_hz: float,
    *,
    window_s: float = MATCH_WINDOW_S,
    skip_s: float = 0.0,
    ignored_spans: NDArray[np.int64] | None = None,
) -> dict[str, float]:
    """Count the hits and errors of a detector on one record.

    Parameters
    ----------
    reference, test : ndarray of int64, shape (L,)
        Reference and detected beats, ascending, in samples at `fs_hz`.
    fs_hz : float
        Sampling rate of both.
    window_s : float
        Largest distance of a pair in seconds; rounded down to samples.
    skip_s : float
        Learning period in seconds. Pairs and missed beats count if the reference beat is not before this time,
        false detections if the test beat is not. EC57 skips 300 s.
    ignored_spans : ndarray of int64, shape (n, 2), optional
        Spans [start, stop) in samples, such as ventricular flutter. Their reference beats and their unmatched
        detections are not counted.

    Returns
    -------
    dict
        ``true_positives``, ``false_negatives``, ``false_positives`` (counts), and ``offset_s``: median of test
        minus reference over the counted pairs in seconds (NaN without a pair).
    """
    window_samples = int(np.floor(window_s * fs_hz + 1e-9))
    skip_samples = int(np.ceil(skip_s * fs_hz - 1e-9))
    if ignored_spans is not None:
        reference = reference[~_is_inside(reference, ignored_spans)]
    reference_index, test_index = match_beats(reference, test, window_samples)
    counted = reference[reference_index] >= skip_samples
    is_unmatched = np.ones(test.size, dtype=bool)
    is_unmatched[test_index] = False
    if ignored_spans is not None:
        is_unmatched &= ~_is_inside(test, ignored_spans)
    error = (test[test_index] - reference[reference_index])[counted]
    true_positives = int(counted.sum())
    return {
        "true_positives": true_positives,
        "false_negatives": int((reference >= skip_samples).sum()) - true_positives,
        "false_positives": int((is_unmatched & (test >= skip_samples)).sum()),
        "offset_s": float(np.median(error)) / fs_hz if error.size else float("nan"),
    }


def detection_scores(count: NDArray[np.integer], suffix: str = "") -> dict[str, float]:
    """Pool the counts of several records into sensitivity, positive predictivity and F1.

    Parameters
    ----------
    count : ndarray of int, shape (records, 3)
        Counts of each record, in the order of `DETECTION_COUNTS`.
    suffix : str, optional
        Added to every name, such as ``_after_5min``.

    Returns
    -------
    dict
        The summed counts, under the names of `DETECTION_COUNTS`; ``sensitivity``, ``positive_predictivity``,
        ``f1`` in [0, 1], gross (over all beats of all records); the same with ``_record_mean`` at the end: mean
        over the records in which the score is defined. NaN where undefined.
    """
    total = count.sum(axis=0)
    gross, by_record = detection_ratios(total), detection_ratios(count)
    scores: dict[str, float] = {
        f"{name}{suffix}": number for name, number in zip(DETECTION_COUNTS, total.tolist(), strict=True)
    }
    for index, name in enumerate(DETECTION_SCORES):
        defined = by_record[:, index][~np.isnan(by_record[:, index])]
        scores[f"{name}{suffix}"] = float(gross[index])
        scores[f"{name}{suffix}_record_mean"] = float(defined.mean()) if len(defined) else float("nan")
    return scores


def beat_class_scores(
    reference_aami: NDArray[np.str_],
    predicted_aami: NDArray[np.str_],
    counting: Literal["plain", "bxb"] = "plain",
) -> dict[str, float]:
    """Score beat classes N, S, V over paired, missed and extra beats.

    Parameters
    ----------
    reference_aami, predicted_aami : ndarray of str, shape (L,)
        AAMI classes N, S, V, F or Q, beat by beat. An empty predicted class is a missed beat. An empty
        reference class is an extra detection.
    counting : {'plain', 'bxb'}
        'plain': every beat that is classified as c and is not a c is a false positive of c.
        'bxb', as in EC57: F or Q classified as V is no false positive of V, Q classified as S none of S, Q
        classified as N none of N.

    Returns
    -------
    dict
        For c in n, s, v: ``c_sensitivity``, ``c_positive_predictivity``, ``c_f1``,
        ``c_false_positive_rate`` in [0, 1] (NaN where undefined) and ``c_support`` (reference beats).

    Raises
    ------
    UsageError
        If `counting` is another word.
    ValueError
        If the lengths differ.

    Notes
    -----
    * EC57 scores ventricular and supraventricular ectopic beats only; N is scored here in the same way.
    * The false-positive rate is FP / (TN + FP). TN counts all beats of other classes that were not classified as
      c, with extra detections of other classes. A beat that 'bxb' does not count as an error (F or Q classified as
      V) is in neither.
    """
    if counting not in ("plain", "bxb"):
        raise UsageError("counting", found=repr(counting), expected="'plain' or 'bxb'")
    reference_aami, predicted_aami = np.asarray(reference_aami), np.asarray(predicted_aami)
    if reference_aami.shape != predicted_aami.shape:
        raise ValueError(
            fault("beat classes", f"{reference_aami.size} and {predicted_aami.size} beats", "equal lengths")
        )
    excused = EXCUSED[counting]
    scores: dict[str, float] = {}
    for name in BEAT_CLASSES:
        is_class, is_called = reference_aami == name, predicted_aami == name
        counted = ~np.isin(reference_aami, excused.get(name, ()))
        true_positive = int((is_class & is_called).sum())
        false_negative = int((is_class & ~is_called).sum())
        false_positive = int((~is_class & is_called & counted).sum())
        # A missed beat of another class has no predicted class: EC57 counts it in no cell of class c.
        true_negative = int((~is_class & ~is_called & (predicted_aami != "")).sum())
        ratios = detection_ratios(np.array([true_positive, false_negative, false_positive], dtype=np.float64))
        scores |= {f"{name.lower()}_{key}": value for key, value in zip(DETECTION_SCORES, ratios.tolist(), strict=True)}
        negatives = true_negative + false_positive
        rate = false_positive / negatives if negatives else float("nan")
        scores[f"{name.lower()}_false_positive_rate"] = rate
        scores[f"{name.lower()}_support"] = int(is_class.sum())
    return scores


def _is_inside(sample: _Samples, spans: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which samples lie in one of the half-open spans."""
    inside = np.zeros(sample.size, dtype=bool)
    for start, stop in np.asarray(spans).reshape(-1, 2).tolist():
        inside |= (sample >= start) & (sample < stop)
    return inside


def detection_ratios(count: NDArray[np.generic]) -> NDArray[np.float64]:
    """Return sensitivity, positive predictivity and F1 of counts.

    Parameters
    ----------
    count : ndarray of number, shape (..., 3)
        Counts, in the order of `DETECTION_COUNTS`.

    Returns
    -------
    ndarray of float64, shape (..., 3)
        In the order of `DETECTION_SCORES`, in [0, 1]; NaN where undefined.
    """
    hit, missed, false = np.moveaxis(np.asarray(count, dtype=np.float64), -1, 0)
    return np.stack(
        [ratio(hit, hit + missed), ratio(hit, hit + false), ratio(2 * hit, 2 * hit + missed + false)], axis=-1
    )
