"""Rhythm scores: confusion in units and in hours, F1 per class, macro F1, AF episodes and burden.

Shape suffixes: B units (windows, beats or episodes), G subjects, K classes.

Notes
-----
* A class without a single reference unit has no F1: it is left out of macro F1 and of balanced accuracy, and named in
  ``absent``. What was wrongly called that class still counts as an error of the class it belongs to.
* A class of fewer than 5 subjects keeps its F1 but is named in ``not_estimable``, and gets no interval.
* The same rule holds in every resample of an interval: where none of a class's subjects was drawn, macro F1 is the mean
  over the other classes. Intervals of macro F1 are therefore wide, and skewed, where a class hangs on few subjects.
* Units whose reference is outside the classes (such as VT) are not scored; ``num_outside`` counts them.

References
----------
ANSI/AAMI EC57:2012, clause 5 (episode and duration sensitivity and positive predictivity).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecgfeat.scoring.calibration import brier_score, expected_calibration_error
from ecgfeat.scoring.intervals import MIN_SUBJECTS, bootstrap_subjects

NAMED_SCORES = ("macro_f1", "accuracy", "balanced_accuracy")


def ratio(part: ArrayLike, whole: ArrayLike) -> NDArray[np.float64]:
    """Divide, giving NaN where the divisor is 0.

    Parameters
    ----------
    part, whole : array of numbers
        Dividend and divisor, of shapes that broadcast.

    Returns
    -------
    ndarray of float64
        ``part / whole``.
    """
    dividend, divisor = np.broadcast_arrays(np.asarray(part, np.float64), np.asarray(whole, np.float64))
    return np.divide(dividend, divisor, out=np.full(dividend.shape, np.nan), where=divisor > 0)


def class_codes(reference: ArrayLike, classes: Sequence[str]) -> NDArray[np.int64]:
    """Turn class names into their index in `classes`.

    Parameters
    ----------
    reference : array of str, shape (B,)
        Class names.
    classes : sequence of str
        The K classes of the task, in order.

    Returns
    -------
    ndarray of int64, shape (B,)
        Index in [0, K), or -1 for a name outside the task.
    """
    reference = np.asarray(reference)
    code = np.full(reference.shape, -1, dtype=np.int64)
    for index, name in enumerate(classes):
        code[reference == name] = index
    return code


def subject_confusion(
    reference: NDArray[np.integer],
    predicted: NDArray[np.integer],
    subject: NDArray[np.integer],
    num_classes: int,
    num_subjects: int,
    weight: NDArray[np.floating] | None = None,
) -> NDArray[np.float64]:
    """Count a confusion matrix for each subject.

    Parameters
    ----------
    reference, predicted, subject : ndarray of int, shape (B,)
        Class indices in [0, num_classes) and subject index in [0, num_subjects).
    num_classes, num_subjects : int
        K and G.
    weight : ndarray of float, shape (B,), optional
        Weight of each unit, such as its duration in hours; 1 by default.

    Returns
    -------
    ndarray of float64, shape (G, K, K)
        Rows are the reference, columns the prediction.
    """
    cell = (np.asarray(subject) * num_classes + reference) * num_classes + predicted
    size = num_subjects * num_classes * num_classes
    count = np.bincount(cell, weights=weight, minlength=size).astype(np.float64)
    return count.reshape(num_subjects, num_classes, num_classes)


def confusion_matrix(
    reference: NDArray[np.integer],
    predicted: NDArray[np.integer],
    num_classes: int,
    weight: NDArray[np.floating] | None = None,
) -> NDArray[np.float64]:
    """Count, or weigh, how often each class was given each label.

    Parameters
    ----------
    reference, predicted : ndarray of int, shape (B,)
        Class indices; units with a reference of -1 (outside the task) are left out.
    num_classes : int
        K.
    weight : ndarray of float, shape (B,), optional
        Weight of each unit, such as its duration in hours; 1 by default.

    Returns
    -------
    ndarray of float64, shape (K, K)
        Rows are the reference, columns the prediction.
    """
    reference, predicted = np.asarray(reference), np.asarray(predicted)
    scored = reference >= 0
    kept = None if weight is None else np.asarray(weight)[scored]
    nobody = np.zeros(int(scored.sum()), dtype=np.int64)
    return subject_confusion(reference[scored], predicted[scored], nobody, num_classes, 1, kept)[0]


def class_f1(confusion: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the F1 of each class; NaN for a class without reference units.

    Parameters
    ----------
    confusion : ndarray of float, shape (..., K, K)
        Confusion matrices, rows the reference.

    Returns
    -------
    ndarray of float64, shape (..., K)
        F1 in [0, 1].
    """
    hit = np.diagonal(confusion, axis1=-2, axis2=-1)
    support, called = confusion.sum(axis=-1), confusion.sum(axis=-2)
    return np.where(support > 0, ratio(2 * hit, support + called), np.nan)


def overall_scores(confusion: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return macro F1, accuracy and balanced accuracy over the classes that have reference units.

    Parameters
    ----------
    confusion : ndarray of float, shape (..., K, K)
        Confusion matrices, rows the reference.

    Returns
    -------
    ndarray of float64, shape (..., 3)
        In the order of `NAMED_SCORES`; NaN without units.
    """
    hit = np.diagonal(confusion, axis1=-2, axis2=-1)
    support = confusion.sum(axis=-1)
    num_present = (support > 0).sum(axis=-1)
    macro = ratio(np.nan_to_num(class_f1(confusion)).sum(axis=-1), num_present)
    balanced = ratio(np.nan_to_num(ratio(hit, support)).sum(axis=-1), num_present)
    accuracy = ratio(hit.sum(axis=-1), support.sum(axis=-1))
    return np.stack([macro, accuracy, balanced], axis=-1)


def rhythm_scores(
    reference: ArrayLike,
    probability_BK: ArrayLike,
    subjects: ArrayLike,
    classes: Sequence[str],
    *,
    duration_s: ArrayLike | None = None,
    num_resamples: int = 0,
    seed: int = 0,
) -> dict[str, Any]:
    """Score labelled units: windows, beats or episodes.

    Parameters
    ----------
    reference : array of str or int, shape (B,)
        Reference class of each unit, as a name or as an index into `classes` (-1: outside the task).
    probability_BK : array of float, shape (B, K)
        Probability of each class; the prediction is the largest, the first on a tie.
    subjects : array, shape (B,)
        Subject of each unit.
    classes : sequence of str
        Names of the K classes.
    duration_s : array of float, shape (B,), optional
        Duration of each unit in seconds; adds the scores weighted by time.
    num_resamples : int, default 0
        Resamples of the bootstrap over subjects; 0 gives no intervals.
    seed : int, default 0
        Seed of the bootstrap.

    Returns
    -------
    dict
        ``macro_f1, accuracy, balanced_accuracy, ece, brier, num_units, num_subjects, num_outside`` (numbers);
        ``f1, sensitivity, positive_predictivity, support, subjects`` (by class); ``absent, not_estimable`` (lists of
        classes); with `duration_s` also ``hours`` (by class) and ``macro_f1_hours, accuracy_hours``; with resamples
        ``interval``, of the same layout with ``low`` and ``high`` for each score.

    Raises
    ------
    ValueError
        If the lengths differ or the probabilities do not sum to 1.
    """
    reference, probability = np.asarray(reference), np.asarray(probability_BK)
    named_subject = np.asarray(subjects)
    if not len(reference) == len(probability) == len(named_subject):
        raise ValueError(
            f"rhythm scores: {len(reference)} references, {len(probability)} rows of probabilities, "
            f"{len(named_subject)} subjects; expected equal numbers"
        )
    code = reference if reference.dtype.kind in "iu" else class_codes(reference, classes)
    scored = code >= 0
    code, probability = code[scored], probability[scored]
    subject_names, subject = np.unique(named_subject[scored], return_inverse=True)
    num_classes, num_subjects = len(classes), len(subject_names)
    predicted = probability.argmax(axis=1)
    count = subject_confusion(code, predicted, subject, num_classes, num_subjects)
    confusion = count.sum(axis=0)
    support, called = confusion.sum(axis=1), confusion.sum(axis=0)
    subjects_of = (count.sum(axis=2) > 0).sum(axis=0)
    present = [name for name, units in zip(classes, support, strict=True) if units]

    def by_class(value: NDArray[np.generic]) -> dict[str, Any]:
        return dict(zip(classes, value.tolist(), strict=True))

    def of_present(value: NDArray[np.generic]) -> dict[str, Any]:
        return {name: value for name, value in by_class(value).items() if name in present}

    scores: dict[str, Any] = dict(zip(NAMED_SCORES, overall_scores(confusion).tolist(), strict=True))
    scores |= {
        "ece": expected_calibration_error(code, probability),
        "brier": brier_score(code, probability),
        "f1": of_present(class_f1(confusion)),
        "sensitivity": of_present(ratio(np.diagonal(confusion), support)),
        "positive_predictivity": of_present(ratio(np.diagonal(confusion), called)),
        "support": by_class(support.astype(np.int64)),
        "subjects": by_class(subjects_of),
        "num_units": len(code),
        "num_subjects": num_subjects,
        "num_outside": int((~scored).sum()),
        "absent": [name for name in classes if name not in present],
        "not_estimable": [n for n, of in by_class(subjects_of).items() if n in present and of < MIN_SUBJECTS],
    }
    if duration_s is not None:
        hours = np.asarray(duration_s, dtype=np.float64)[scored] / 3600
        weighed = confusion_matrix(code, predicted, num_classes, hours)
        macro_f1, accuracy, _ = overall_scores(weighed).tolist()
        scores |= {"hours": by_class(weighed.sum(axis=1)), "macro_f1_hours": macro_f1, "accuracy_hours": accuracy}
    if num_resamples:
        scores["interval"] = _intervals(count, classes, scores["not_estimable"], num_resamples, seed)
    return scores


def _intervals(
    count: NDArray[np.float64], classes: Sequence[str], not_estimable: list[str], num_resamples: int, seed: int
) -> dict[str, Any]:
    """Bootstrap every score; a score without an interval (too few subjects) has no entry."""

    def statistic(confusion: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.concatenate([overall_scores(confusion), class_f1(confusion)], axis=-1)

    low, high = bootstrap_subjects(count, statistic, num_resamples=num_resamples, seed=seed)
    bounds = [{"low": a, "high": b} for a, b in zip(low.tolist(), high.tolist(), strict=True)]
    interval: dict[str, Any] = {
        name: bound for name, bound in zip(NAMED_SCORES, bounds, strict=False) if bound["low"] == bound["low"]
    }
    interval["f1"] = {
        name: bound
        for name, bound in zip(classes, bounds[len(NAMED_SCORES) :], strict=True)
        if bound["low"] == bound["low"] and name not in not_estimable
    }
    return interval


def _runs(is_inside: NDArray[np.bool_], breaks: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the index of the first unit of each run, and of the unit after its last, as (start, stop) rows."""
    before = np.concatenate([[False], is_inside[:-1]])
    after = np.concatenate([is_inside[1:], [False]])
    broken_after = np.concatenate([breaks[1:], [True]])
    start = np.flatnonzero(is_inside & (~before | breaks))
    stop = np.flatnonzero(is_inside & (~after | broken_after)) + 1
    return np.stack([start, stop], axis=1)


def episode_scores(
    is_reference: NDArray[np.bool_],
    is_predicted: NDArray[np.bool_],
    record: NDArray[np.integer],
    start_s: NDArray[np.floating],
    stop_s: NDArray[np.floating],
    *,
    max_gap_s: float = 2.0,
) -> dict[str, Any]:
    """Compare the episodes of one rhythm (atrial fibrillation) and the time spent in it.

    An episode is a run of units in the rhythm; it ends at a unit in any other rhythm, at the end of the record, or at
    a gap. It counts as found if any part of it overlaps an episode on the other side.

    Parameters
    ----------
    is_reference, is_predicted : ndarray of bool, shape (B,)
        Whether each unit is in the rhythm. Units are sorted by record and time.
    record : ndarray of int, shape (B,)
        Record of each unit.
    start_s, stop_s : ndarray of float, shape (B,)
        Half-open extent of each unit in seconds.
    max_gap_s : float, default 2.0
        A longer gap between two units ends an episode.

    Returns
    -------
    dict
        ``episode_sensitivity, episode_positive_predictivity, duration_sensitivity, duration_positive_predictivity``
        in [0, 1] or NaN; ``num_reference_episodes, num_predicted_episodes``; ``burden_error``, the mean over records of
        the absolute difference of the fractions of time in the rhythm.
    """
    if not len(record):
        raise ValueError("episode scores: no units; expected at least one")
    breaks = np.concatenate([[True], (record[1:] != record[:-1]) | (start_s[1:] - stop_s[:-1] > max_gap_s)])
    duration_s = stop_s - start_s
    both_s = float(duration_s[is_reference & is_predicted].sum())

    def found(inside: NDArray[np.bool_], other: NDArray[np.bool_]) -> tuple[int, float]:
        runs = _runs(inside, breaks)
        seen = np.concatenate([[0], np.cumsum(other)])
        hits = int((seen[runs[:, 1]] > seen[runs[:, 0]]).sum())
        return len(runs), hits / len(runs) if len(runs) else float("nan")

    num_reference, sensitivity = found(is_reference, is_predicted)
    num_predicted, predictivity = found(is_predicted, is_reference)
    _, index = np.unique(record, return_inverse=True)
    total_s = np.bincount(index, weights=duration_s)
    difference_s = np.bincount(index, weights=duration_s * (is_predicted.astype(float) - is_reference))
    return {
        "episode_sensitivity": sensitivity,
        "episode_positive_predictivity": predictivity,
        "duration_sensitivity": float(ratio(both_s, duration_s[is_reference].sum())),
        "duration_positive_predictivity": float(ratio(both_s, duration_s[is_predicted].sum())),
        "num_reference_episodes": num_reference,
        "num_predicted_episodes": num_predicted,
        "burden_error": float(np.abs(ratio(difference_s, total_s)).mean()),
    }
