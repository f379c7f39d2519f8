"""Match detected beats to reference beats and score detection and beat classes by the rules of EC57.

References
----------
ANSI/AAMI EC57:2012, "Testing and reporting performance results of cardiac rhythm and ST segment
measurement algorithms", clause 4.3. G. B. Moody, "bxb", WFDB Applications Guide.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ecgfeat.errors import UsageError, fault
from ecgfeat.store.schemas import BEAT_CLASSES

MATCH_WINDOW_S = 0.15
"""EC57: a test beat belongs to a reference beat at most 150 ms away."""

LEARNING_S = 300.0
"""EC57 leaves the first five minutes of a record out."""

FLUTTER = "VFL"
"""Rhythm in which EC57 counts no beats."""

DETECTION_SCORES = ("sensitivity", "positive_predictivity", "f1")

_Samples = NDArray[np.int64]


def match_beats(reference: _Samples, test: _Samples, window_samples: int) -> tuple[_Samples, _Samples]:
    """Pair reference beats with test beats, one to one, as the beat-by-beat comparison of EC57 does.

    Parameters
    ----------
    reference, test : ndarray of int64, shape (L,)
        Beat positions in samples of one and the same rate, ascending.
    window_samples : int
        Largest distance of a pair, itself included: 150 ms in EC57.

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
    * Both lists are walked through in time. The earlier of the two current beats is paired with the current
      beat of the other list if that lies within the window and is nearer to it than to the beat that follows in
      the earlier one's own list; otherwise it stays alone.
    * It is paired, too, where the two following beats are nearer to each other than the current later one is to
      its rival: the rival is then taken. ``bxb`` has had this rule since 2002; without it the reference beats 96
      and 160 and the test beats 128 and 185 would make one pair less in a window of 37 samples.
    * Beats with no rival within the window, nearly all of a usual record, are paired without a loop.
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
        found = _walk(reference[r : r + n].tolist(), test[t : t + m].tolist(), window_samples)
        pair.extend((r + i, t + j) for i, j in found)
    contested_pair = np.array(pair, dtype=np.int64).reshape(-1, 2)
    reference_index = np.concatenate([first_reference[lone_pair], contested_pair[:, 0]])
    test_index = np.concatenate([first_test[lone_pair], contested_pair[:, 1]])
    ascending = np.argsort(reference_index, kind="stable")
    return reference_index[ascending], test_index[ascending]


def _walk(reference: list[int], test: list[int], window_samples: int) -> list[tuple[int, int]]:
    """Pair the beats of one cluster in time order."""
    # Beyond the last beat there is no rival: farther from every beat of the cluster than any other.
    nowhere = max(reference[-1], test[-1]) + 2 * window_samples + 1
    r, t = [*reference, nowhere], [*test, nowhere + window_samples + 1]
    pairs, i, j = [], 0, 0
    while i < len(reference) and j < len(test):
        distance = abs(r[i] - t[j])
        # The rival is the beat after the earlier one, which the later one might suit better.
        rival = abs(r[i] - t[j + 1]) if t[j] < r[i] else abs(t[j] - r[i + 1])
        is_rival_taken = abs(r[i + 1] - t[j + 1]) < rival
        if distance <= window_samples and (distance < rival or is_rival_taken):
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
        Rate that both are counted in.
    window_s : float
        Largest distance of a pair in seconds; rounded down to samples.
    skip_s : float
        Learning period in seconds: pairs and misses count from this time of the reference beat on, false
        detections from this time of the test beat on. EC57 skips 300.
    ignored_spans : ndarray of int64, shape (n, 2), optional
        Spans [start, stop) in samples, such as ventricular flutter, in which unmatched detections are not
        counted and reference beats neither.

    Returns
    -------
    dict
        ``true_positive``, ``false_negative``, ``false_positive`` (counts) and ``offset_s``, the median of test
        minus reference over the counted pairs in seconds (NaN without a pair).
    """
    window_samples = int(np.floor(window_s * fs_hz + 1e-9))
    skip_samples = int(np.ceil(skip_s * fs_hz - 1e-9))
    if ignored_spans is not None:
        reference = reference[~_is_inside(reference, ignored_spans)]
    reference_index, test_index = match_beats(reference, test, window_samples)
    counted = reference[reference_index] >= skip_samples
    alone = np.ones(test.size, dtype=bool)
    alone[test_index] = False
    if ignored_spans is not None:
        alone &= ~_is_inside(test, ignored_spans)
    error = (test[test_index] - reference[reference_index])[counted]
    true_positive = int(counted.sum())
    return {
        "true_positive": true_positive,
        "false_negative": int((reference >= skip_samples).sum()) - true_positive,
        "false_positive": int((alone & (test >= skip_samples)).sum()),
        "offset_s": float(np.median(error)) / fs_hz if error.size else float("nan"),
    }


def detection_scores(counts: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Pool the counts of several records into sensitivity, positive predictivity and F1.

    Parameters
    ----------
    counts : sequence of mapping
        One :func:`count_detections` result per record.

    Returns
    -------
    dict
        ``sensitivity``, ``positive_predictivity``, ``f1`` in [0, 1], gross (over all beats of all records);
        the same names with ``average_`` in front: mean over records, those without the denominator left out;
        the pooled counts; ``offset_s``, the median over records of their median signed error.
    """
    keys = ("true_positive", "false_negative", "false_positive")
    table = np.array([[count[key] for key in keys] for count in counts], dtype=np.float64).reshape(-1, 3)
    offset = np.array([count["offset_s"] for count in counts], dtype=np.float64)
    offset = offset[np.isfinite(offset)]
    pooled = table.sum(axis=0)
    gross = detection_ratios(pooled)
    each = detection_ratios(table)
    scores: dict[str, float] = dict(zip(DETECTION_SCORES, gross.tolist(), strict=True))
    for name, value in zip(DETECTION_SCORES, each.T, strict=True):
        known = value[np.isfinite(value)]
        scores[f"average_{name}"] = float(known.mean()) if known.size else float("nan")
    scores.update({key: int(total) for key, total in zip(keys, pooled, strict=True)})
    scores["offset_s"] = float(np.median(offset)) if offset.size else float("nan")
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
        AAMI classes N, S, V, F or Q, beat by beat; an empty string as prediction is a missed beat, as
        reference an extra detection.
    counting : {'plain', 'bxb'}
        'plain': every beat called c that is not a c is a false positive of c.
        'bxb', as in EC57: F and Q called V are no false positives of V, Q called S none of S, Q called N
        none of N.

    Returns
    -------
    dict
        For c in n, s, v: ``c_sensitivity``, ``c_positive_predictivity``, ``c_f1``,
        ``c_false_positive_rate`` in [0, 1] (NaN where undefined) and ``c_support`` (reference beats).

    Raises
    ------
    UsageError
        If `counting` is neither of the two.
    ValueError
        If the lengths differ.

    Notes
    -----
    * EC57 scores ventricular and supraventricular ectopic beats only; N is added by the same pattern.
    * The false-positive rate is FP / (TN + FP), where TN counts all beats of other classes that were not
      called c, excused ones (F or Q called V under 'bxb') left out, extra detections of other classes included.
    """
    if counting not in ("plain", "bxb"):
        raise UsageError("counting", found=repr(counting), expected="'plain' or 'bxb'")
    reference_aami, predicted_aami = np.asarray(reference_aami), np.asarray(predicted_aami)
    if reference_aami.shape != predicted_aami.shape:
        raise ValueError(
            fault("beat classes", f"{reference_aami.size} and {predicted_aami.size} beats", "equal lengths")
        )
    excused = {"N": ("Q",), "S": ("Q",), "V": ("F", "Q")} if counting == "bxb" else {}
    scores: dict[str, float] = {}
    for name in BEAT_CLASSES:
        is_class, is_called = reference_aami == name, predicted_aami == name
        counted = ~np.isin(reference_aami, excused.get(name, ()))
        true_positive = int((is_class & is_called).sum())
        false_negative = int((is_class & ~is_called).sum())
        false_positive = int((~is_class & is_called & counted).sum())
        # A missed beat of another class was not called anything: EC57 counts it in no cell of class c.
        true_negative = int((~is_class & ~is_called & (predicted_aami != "")).sum())
        ratios = detection_ratios(np.array([true_positive, false_negative, false_positive], dtype=np.float64))
        scores |= {f"{name.lower()}_{key}": value for key, value in zip(DETECTION_SCORES, ratios.tolist(), strict=True)}
        negatives = true_negative + false_positive
        rate = false_positive / negatives if negatives else float("nan")
        scores[f"{name.lower()}_false_positive_rate"] = rate
        scores[f"{name.lower()}_support"] = int(is_class.sum())
    return scores


def _is_inside(sample: _Samples, spans: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell which samples lie in one of the half-open spans."""
    inside = np.zeros(sample.size, dtype=bool)
    for start, stop in np.asarray(spans).reshape(-1, 2).tolist():
        inside |= (sample >= start) & (sample < stop)
    return inside


def detection_ratios(count: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn counts of hits and errors into scores.

    Parameters
    ----------
    count : ndarray of float64, shape (..., 3)
        True positives, false negatives, false positives.

    Returns
    -------
    ndarray of float64, shape (..., 3)
        In the order of `DETECTION_SCORES`, in [0, 1]; NaN where undefined.
    """
    hit, missed, false = count[..., 0], count[..., 1], count[..., 2]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.stack([hit / (hit + missed), hit / (hit + false), 2 * hit / (2 * hit + missed + false)], axis=-1)
