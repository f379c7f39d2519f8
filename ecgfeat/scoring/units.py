"""Score labelled units (beats, segments, episodes). Each counts once, or by its duration.

Shape suffixes: B units (beats, segments or episodes), G subjects, K classes.

Notes
-----
* A class without reference units has no F1. Macro F1 and balanced accuracy are means over the other classes, and
  ``absent`` names it. A unit that is wrongly predicted as this class still counts as an error of its reference class.
* A class of fewer than 5 subjects keeps its F1. ``not_estimable`` names it, and it has no interval.
* The same holds in every resample of an interval: if no subject of a class was drawn, macro F1 is the mean over the
  other classes. If few subjects have a class, intervals of macro F1 are therefore wide and skewed.
* Units whose reference is none of the classes (such as VT) are not scored; ``num_outside`` counts them.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecgfeat.scoring.calibration import brier_score, expected_calibration_error
from ecgfeat.scoring.intervals import MIN_SUBJECTS, bootstrap_subjects
from ecgfeat.scoring.rhythm import (
    NAMED_SCORES,
    class_codes,
    class_f1,
    confusion_matrix,
    overall_scores,
    ratio,
    subject_confusion,
)


def rhythm_scores(
    reference: ArrayLike,
    predicted: ArrayLike,
    subjects: ArrayLike,
    classes: Sequence[str],
    *,
    probability_BK: ArrayLike | None = None,
    duration_s: ArrayLike | None = None,
    num_resamples: int,
    seed: int,
) -> dict[str, Any]:
    """Score labelled units: beats, segments or episodes.

    Parameters
    ----------
    reference : array of str or int, shape (B,)
        Reference class of each unit, as a name or as an index into `classes` (-1: outside the task).
    predicted : array of str or int, shape (B,)
        Predicted class, as a name or an index. It need not be the most probable one.
    subjects : array, shape (B,)
        Subject of each unit.
    classes : sequence of str
        Names of the K classes.
    probability_BK : array of float, shape (B, K), optional
        Probability of each class; adds the calibration scores.
    duration_s : array of float, shape (B,), optional
        Duration of each unit in seconds; adds the scores weighted by time.
    num_resamples : int
        Resamples of the bootstrap over subjects; 0: no intervals.
    seed : int
        Seed of the bootstrap.

    Returns
    -------
    dict
        ``macro_f1, accuracy, balanced_accuracy, num_units, num_subjects, num_outside`` (numbers);
        ``f1, sensitivity, positive_predictivity, support, subjects`` (by class); ``absent, not_estimable`` (lists of
        classes); with `probability_BK` also ``ece, brier``; with `duration_s` also ``hours`` (by class) and
        ``macro_f1_hours, accuracy_hours``; with resamples ``interval``, of the same layout with ``low`` and ``high``
        for each score.

    Raises
    ------
    ValueError
        If the lengths differ, a scored unit has a prediction that is none of the classes, or the probabilities do not
        sum to 1.
    """
    code, call, subject, scored = _scored_units(reference, predicted, subjects, classes)
    num_subjects = int(subject.max(initial=-1)) + 1
    count = subject_confusion(code, call, subject, len(classes), num_subjects)
    support = count.sum(axis=(0, 2))
    subjects_of = dict(zip(classes, (count.sum(axis=2) > 0).sum(axis=0).tolist(), strict=True))
    present = [name for name, units in zip(classes, support, strict=True) if units]
    rare = [name for name in present if subjects_of[name] < MIN_SUBJECTS]
    scores = _class_scores(count, classes)
    scores |= {
        "support": dict(zip(classes, support.astype(np.int64).tolist(), strict=True)),
        "subjects": subjects_of,
        "num_units": len(code),
        "num_subjects": num_subjects,
        "num_outside": int((~scored).sum()),
        "absent": [name for name in classes if name not in present],
        "not_estimable": rare,
    }
    if probability_BK is not None:
        probability = np.asarray(probability_BK)
        if len(probability) != len(scored):
            raise ValueError(f"rhythm scores: {len(probability)} rows of probabilities for {len(scored)} units")
        probability = probability[scored]
        scores |= {"ece": expected_calibration_error(code, probability), "brier": brier_score(code, probability)}
    if duration_s is not None:
        hours = np.asarray(duration_s, dtype=np.float64)[scored] / 3600
        weighed = confusion_matrix(code, call, len(classes), hours)
        macro_f1, accuracy, _ = overall_scores(weighed).tolist()
        of_class = dict(zip(classes, weighed.sum(axis=1).tolist(), strict=True))
        scores |= {"hours": of_class, "macro_f1_hours": macro_f1, "accuracy_hours": accuracy}
    if num_resamples:
        scores["interval"] = _intervals(count, classes, rare, num_resamples, seed) if len(count) else {"f1": {}}
    return scores


def time_scores(
    reference: ArrayLike,
    predicted: ArrayLike,
    subjects: ArrayLike,
    classes: Sequence[str],
    *,
    duration_s: ArrayLike,
    num_resamples: int,
    seed: int,
) -> dict[str, Any]:
    """Score the time of labelled units: every second counts once, at any heart rate.

    Parameters
    ----------
    reference, predicted, subjects, classes, num_resamples, seed
        As `rhythm_scores` takes them.
    duration_s : array of float, shape (B,)
        Duration of each unit in seconds.

    Returns
    -------
    dict
        ``macro_f1, accuracy, balanced_accuracy`` (numbers), ``f1, sensitivity, positive_predictivity, hours`` (by
        class), and with resamples ``interval``: subjects are drawn with all their time.

    Raises
    ------
    ValueError
        If the lengths differ or a scored unit has a prediction that is none of the classes.
    """
    code, call, subject, scored = _scored_units(reference, predicted, subjects, classes)
    hours = np.asarray(duration_s, dtype=np.float64)[scored] / 3600
    count = subject_confusion(code, call, subject, len(classes), int(subject.max(initial=-1)) + 1, hours)
    scores = _class_scores(count, classes)
    scores["hours"] = dict(zip(classes, count.sum(axis=(0, 2)).tolist(), strict=True))
    if num_resamples:
        subjects_of = (count.sum(axis=2) > 0).sum(axis=0)
        rare = [name for name, num in zip(classes, subjects_of, strict=True) if num < MIN_SUBJECTS]
        scores["interval"] = _intervals(count, classes, rare, num_resamples, seed) if len(count) else {"f1": {}}
    return scores


def _scored_units(
    reference: ArrayLike, predicted: ArrayLike, subjects: ArrayLike, classes: Sequence[str]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Return reference class, predicted class and subject number of the scored units, and which units are scored."""
    sides = [np.asarray(side) for side in (reference, predicted)]
    code, call = (side if side.dtype.kind in "iu" else class_codes(side, classes) for side in sides)
    subject = np.asarray(subjects)
    if not len(code) == len(call) == len(subject):
        raise ValueError(
            f"rhythm scores: {len(code)} references, {len(call)} predictions, {len(subject)} subjects; "
            "expected equal numbers"
        )
    scored = code >= 0
    code, call = code[scored], call[scored]
    if (call < 0).any():
        raise ValueError(f"rhythm scores: {int((call < 0).sum())} predictions outside {', '.join(classes)}")
    number = np.unique(subject[scored], return_inverse=True)[1]
    return code.astype(np.int64), call.astype(np.int64), number.astype(np.int64), scored


def _class_scores(count_GKK: NDArray[np.float64], classes: Sequence[str]) -> dict[str, Any]:
    """Return the overall scores, and those of each class that has reference units."""
    confusion = count_GKK.sum(axis=0)
    hit, support = np.diagonal(confusion), confusion.sum(axis=1)

    def of_present(value: NDArray[np.float64]) -> dict[str, float]:
        return {name: float(value[k]) for k, name in enumerate(classes) if support[k]}

    return dict(zip(NAMED_SCORES, overall_scores(confusion).tolist(), strict=True)) | {
        "f1": of_present(class_f1(confusion)),
        "sensitivity": of_present(ratio(hit, support)),
        "positive_predictivity": of_present(ratio(hit, confusion.sum(axis=0))),
    }


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
