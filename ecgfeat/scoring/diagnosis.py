"""Score diagnoses of whole records: one class per record, or any number of them.

Shape suffixes: N records, K classes, G subjects, R resamples, Q distinct probabilities.

Notes
-----
* A class that no record has is not part of any mean and is named in ``absent``. A class of fewer than 5 subjects keeps
  its scores, is named in ``not_estimable`` and has no interval.
* Unknown references are masked: with several classes entry by entry, with one class the whole record.
* All intervals come from one bootstrap over subjects. Equal seeds draw equal subjects, so intervals are paired.

References
----------
Clifford GD et al. AF classification from a short single lead ECG recording: the PhysioNet/Computing in Cardiology
Challenge 2017. Comput Cardiol 2017;44:065-469 (F1 of N, A and O). Fawcett T. An introduction to ROC analysis. Pattern
Recognit Lett 2006;27:861-874.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecgfeat.scoring.calibration import brier_score, calibration_intervals, expected_calibration_error
from ecgfeat.scoring.intervals import MIN_SUBJECTS, bootstrap_subjects, draw_subjects, name_bounds, percentile_interval
from ecgfeat.scoring.ranking import rank_scores
from ecgfeat.scoring.rhythm import class_f1, ratio, subject_confusion

THRESHOLD = 0.5
"""Probability from which a class is predicted, where a record may have several."""
# Resamples times records that are ranked together: some tens of megabytes.
MAX_CELLS = 1 << 22

ScoreArray = NDArray[np.float64]


class _ScoreLayout:
    """Names of the scores in one array, so that one bootstrap serves all: overall scores, then scores of each class."""

    def __init__(self, overall: Sequence[str], by_class: Sequence[str], classes: Sequence[str]) -> None:
        self.overall, self.by_class, self.classes = overall, by_class, classes

    def name(self, value: ScoreArray) -> dict[str, Any]:
        """Return the scores by name; a class in which a score is undefined has no entry."""
        scores: dict[str, Any] = {name: float(score) for name, score in zip(self.overall, value, strict=False)}
        parts = value[len(self.overall) :].reshape(len(self.by_class), len(self.classes))
        for name, part in zip(self.by_class, parts.tolist(), strict=True):
            scores[name] = {key: score for key, score in zip(self.classes, part, strict=True) if score == score}
        return scores

    def name_bounds(self, low: ScoreArray, high: ScoreArray, subjects: Mapping[str, int]) -> dict[str, Any]:
        """Return the intervals by name; a class of too few subjects has none."""
        num = len(self.overall)
        bounds: dict[str, Any] = dict(name_bounds(self.overall, low[:num], high[:num]))
        parts = [side[num:].reshape(len(self.by_class), len(self.classes)) for side in (low, high)]
        for name, *sides in zip(self.by_class, *parts, strict=True):
            of_class = name_bounds(self.classes, *sides)
            bounds[name] = {key: bound for key, bound in of_class.items() if subjects[key] >= MIN_SUBJECTS}
        return bounds


def diagnosis_scores(
    reference_NK: ArrayLike,
    probability_NK: ArrayLike,
    subjects: ArrayLike,
    classes: Sequence[str],
    *,
    task: Literal["single", "multi"],
    scored: Sequence[str] | None = None,
    num_resamples: int,
    seed: int,
) -> dict[str, Any]:
    """Score the diagnoses of records.

    Parameters
    ----------
    reference_NK : array of number, shape (N, K)
        1 for a class that the record has, 0 for a class that it does not have, -1 or NaN for unknown.
    probability_NK : array of float, shape (N, K)
        Probability of each class, in [0, 1]; rows sum to 1 where `task` is ``single``.
    subjects : array, shape (N,)
        Subject of each record.
    classes : sequence of str
        Names of the K classes.
    task : {'single', 'multi'}
        Whether a record has exactly one class (the most probable class is predicted) or any number of classes (each
        class with a probability of at least 0.5 is predicted).
    scored : sequence of str, optional
        Classes of the means; all by default.
    num_resamples : int
        Resamples of the bootstrap over subjects; 0: no intervals.
    seed : int
        Seed of the bootstrap.

    Returns
    -------
    dict
        ``task, scored``; ``macro_f1, brier, ece`` and, with one class per record, ``accuracy``, with several
        ``micro_f1, macro_auroc, macro_auprc`` (numbers); ``f1, sensitivity, positive_predictivity`` and, with several,
        ``auroc, auprc`` (by class); ``support, subjects`` (records and subjects that have the class) and, with several,
        ``negatives, unknown`` (records); ``confusion`` (a table, rows the reference; with several classes one table of
        absent and present for each class); ``num_records, num_subjects, num_outside`` (records without a reference);
        ``absent, not_estimable`` (lists of scored classes); with resamples ``interval``, of the same layout with
        ``low`` and ``high`` for each score that has an interval.

    Raises
    ------
    ValueError
        If shapes do not fit, a reference is none of 1, 0, -1 and NaN, a record of task ``single`` has several classes,
        a value is no probability, or a scored class is none of the classes.

    Notes
    -----
    * F1 is twice the hits over the sum of a row and a column of the whole table. A record of a class that is not scored
      therefore counts as an error if a scored class is predicted. The mean over N, A and O of the four classes is the
      official score of the Challenge of 2017.
    * With one class per record, the Brier score is in [0, 2], as in the paper of Brier. With several classes it is the
      mean square over single probabilities, in [0, 1], and the calibration error pools the entries of all scored
      classes.
    """
    reference, probability, subject = _checked(reference_NK, probability_NK, subjects, classes, task)
    means_over = list(classes) if scored is None else list(scored)
    if not means_over or not set(means_over) <= set(classes):
        found = ", ".join(means_over) or "nothing"
        raise ValueError(f"diagnosis scores: scored {found}; expected some of {list(classes)}")
    at = [list(classes).index(name) for name in means_over]
    has_reference = (reference == 1).any(axis=1) if task == "single" else (reference[:, at] >= 0).any(axis=1)
    names, number = np.unique(subject[has_reference], return_inverse=True)
    parts = _single if task == "single" else _multi
    scores: dict[str, Any] = {
        "task": task,
        "scored": means_over,
        "num_records": int(has_reference.sum()),
        "num_subjects": len(names),
        "num_outside": int((~has_reference).sum()),
    }
    if num_resamples:
        scores["interval"] = {}
    # Without subjects there is nothing to draw from.
    draws = num_resamples if len(names) else 0
    return scores | parts(
        reference[has_reference], probability[has_reference], number, classes, means_over, draws, seed
    )


def _checked(
    reference_NK: ArrayLike, probability_NK: ArrayLike, subjects: ArrayLike, classes: Sequence[str], task: str
) -> tuple[NDArray[np.int64], ScoreArray, NDArray[Any]]:
    reference = np.asarray(reference_NK, dtype=np.float64)
    probability, subject = np.asarray(probability_NK, dtype=np.float64), np.asarray(subjects)
    shape = (len(subject), len(classes))
    if reference.shape != shape or probability.shape != shape:
        found = f"reference {reference.shape}, probability {probability.shape}"
        raise ValueError(f"diagnosis scores: {found}; expected {shape}: subjects by classes")
    reference = np.where(np.isnan(reference), -1, reference)
    if not np.isin(reference, (-1, 0, 1)).all():
        raise ValueError("diagnosis scores: a reference other than 1, 0, -1 and NaN")
    if not ((probability >= 0) & (probability <= 1 + 1e-6)).all():
        raise ValueError("diagnosis scores: a probability outside 0 to 1; expected probabilities, not logits")
    if task not in ("single", "multi"):
        raise ValueError(f"diagnosis scores: task {task!r}; expected single or multi")
    if task == "single" and ((reference == 1).sum(axis=1) > 1).any():
        raise ValueError("diagnosis scores: a record with several classes; expected one, or task multi")
    return reference.astype(np.int64), probability, subject


def _single(
    reference: NDArray[np.int64],
    probability: ScoreArray,
    subject: NDArray[np.int64],
    classes: Sequence[str],
    scored: list[str],
    num_resamples: int,
    seed: int,
) -> dict[str, Any]:
    """Score records of one class each."""
    num, num_subjects = len(classes), int(subject.max(initial=-1)) + 1
    at = [list(classes).index(name) for name in scored]
    code = reference.argmax(axis=1)
    call = probability.argmax(axis=1)
    confusion_GKK = subject_confusion(code, call, subject, num, num_subjects)
    error_N = ((probability - np.eye(num)[code]) ** 2).sum(axis=1)

    def statistic(confusion: ScoreArray) -> ScoreArray:
        f1 = class_f1(confusion)
        hit = np.diagonal(confusion, axis1=-2, axis2=-1)
        accuracy = ratio(hit.sum(axis=-1), confusion.sum(axis=(-2, -1)))
        sensitivity, predictivity = ratio(hit, confusion.sum(axis=-1)), ratio(hit, confusion.sum(axis=-2))
        overall = np.stack([_mean(f1[..., at]), accuracy], axis=-1)
        return np.concatenate([overall, f1, sensitivity, np.where(np.isnan(f1), np.nan, predictivity)], axis=-1)

    total = confusion_GKK.sum(axis=0)
    layout = _ScoreLayout(("macro_f1", "accuracy"), ("f1", "sensitivity", "positive_predictivity"), classes)
    scores = layout.name(statistic(total))
    scores |= _class_counts(confusion_GKK.sum(axis=2), classes, scored)
    scores |= {"confusion": total.astype(np.int64).tolist()}
    scores |= {"brier": brier_score(code, probability), "ece": expected_calibration_error(code, probability)}
    if num_resamples:
        bounds = bootstrap_subjects(confusion_GKK, statistic, num_resamples=num_resamples, seed=seed)
        scores["interval"] = layout.name_bounds(*bounds, scores["subjects"])
        scores["interval"] |= calibration_intervals(
            subject,
            error_N,
            probability.max(axis=1),
            call == code,
            num_subjects=num_subjects,
            num_resamples=num_resamples,
            seed=seed,
        )
    return scores


def _multi(
    reference: NDArray[np.int64],
    probability: ScoreArray,
    subject: NDArray[np.int64],
    classes: Sequence[str],
    scored: list[str],
    num_resamples: int,
    seed: int,
) -> dict[str, Any]:
    """Score records of any number of classes."""
    num_subjects = int(subject.max(initial=-1)) + 1
    at = [list(classes).index(name) for name in scored]
    called = probability >= THRESHOLD
    # For each class a confusion matrix of absent and present; unknown entries are not counted.
    confusion_GK22 = np.stack(
        [
            subject_confusion(
                truth[truth >= 0], call[truth >= 0].astype(np.int64), subject[truth >= 0], 2, num_subjects
            )
            for truth, call in zip(reference.T, called.T, strict=True)
        ],
        axis=1,
    )

    def statistic(confusion: ScoreArray) -> ScoreArray:
        f1 = class_f1(confusion)[..., 1]
        hit, missed, false = confusion[..., 1, 1], confusion[..., 1, 0], confusion[..., 0, 1]
        # The means are over classes that occur. The pooled F1 must be too: both then ignore a class without a case.
        occurs = (hit + missed) > 0
        pooled = [np.where(occurs, part, 0)[..., at].sum(axis=-1) for part in (hit, missed, false)]
        micro = ratio(2 * pooled[0], 2 * pooled[0] + pooled[1] + pooled[2])
        predictivity = np.where(occurs, ratio(hit, hit + false), np.nan)
        overall = np.stack([_mean(f1[..., at]), micro], axis=-1)
        return np.concatenate([overall, f1, ratio(hit, hit + missed), predictivity], axis=-1)

    total = confusion_GK22.sum(axis=0)
    layout = _ScoreLayout(("macro_f1", "micro_f1"), ("f1", "sensitivity", "positive_predictivity"), classes)
    ranks = _ScoreLayout(("macro_auroc", "macro_auprc"), ("auroc", "auprc"), classes)
    scores = layout.name(statistic(total)) | ranks.name(
        _ranks(reference, probability, np.ones((1, len(reference))), at)[0]
    )
    scores |= _class_counts(confusion_GK22.sum(axis=3)[..., 1], classes, scored)
    scores |= {
        "negatives": _by_class(total[:, 0].sum(axis=-1), classes),
        "unknown": _by_class((reference < 0).sum(axis=0), classes),
        "confusion": {name: table.astype(np.int64).tolist() for name, table in zip(classes, total, strict=True)},
    }
    # The column for "present" comes first, so that the class is predicted at a probability of exactly 0.5.
    row, column = np.nonzero(reference[:, at] >= 0)
    truth, chance = reference[:, at][row, column], probability[:, at][row, column]
    pair = np.stack([chance, 1 - chance], axis=1)
    scores |= {"brier": brier_score(1 - truth, pair) / 2, "ece": expected_calibration_error(1 - truth, pair)}
    if num_resamples:
        sides = bootstrap_subjects(confusion_GK22, statistic, num_resamples=num_resamples, seed=seed)
        bounds = layout.name_bounds(*sides, scores["subjects"])
        if num_subjects >= MIN_SUBJECTS:
            weight_RG = draw_subjects(num_subjects, num_resamples, seed)
            # Weights of all resamples at once would be gigabytes in a large corpus.
            pieces = np.array_split(weight_RG, 1 + num_resamples * len(subject) // MAX_CELLS)
            value = np.concatenate([_ranks(reference, probability, of[:, subject], at) for of in pieces])
            bounds |= ranks.name_bounds(*percentile_interval(value), scores["subjects"])
        bounds |= calibration_intervals(
            subject[row],
            (chance - truth) ** 2,
            pair.max(axis=1),
            (chance >= THRESHOLD) == (truth == 1),
            num_subjects=num_subjects,
            num_resamples=num_resamples,
            seed=seed,
        )
        scores["interval"] = bounds
    return scores


def _ranks(
    reference: NDArray[np.int64], probability: ScoreArray, weight_RN: NDArray[np.generic], at: list[int]
) -> ScoreArray:
    """Return macro AUROC and AUPRC, then both of each class, shape (R, 2 + 2 K)."""
    by_class = []
    for truth, chance in zip(reference.T, probability.T, strict=True):
        is_known = truth >= 0
        by_class.append(rank_scores(truth[is_known] == 1, chance[is_known], weight_RN[:, is_known]))
    auroc, auprc = (np.stack([pair[k] for pair in by_class], axis=-1) for k in (0, 1))
    overall = np.stack([_mean(auroc[..., at]), _mean(auprc[..., at])], axis=-1)
    return np.concatenate([overall, auroc, auprc], axis=-1)


def _mean(value: ScoreArray) -> ScoreArray:
    """Return the mean over the last axis of the defined values."""
    defined = ~np.isnan(value)
    return ratio(np.where(defined, value, 0).sum(axis=-1), defined.sum(axis=-1))


def _by_class(count: NDArray[np.generic], classes: Sequence[str]) -> dict[str, int]:
    return {name: int(number) for name, number in zip(classes, count.tolist(), strict=True)}


def _class_counts(support_GK: ScoreArray, classes: Sequence[str], scored: list[str]) -> dict[str, Any]:
    """Count the records and subjects that have each class, and name the classes with none or too few."""
    support, subjects = (_by_class(count.sum(axis=0), classes) for count in (support_GK, support_GK > 0))
    return {
        "support": support,
        "subjects": subjects,
        "absent": [name for name in scored if not support[name]],
        "not_estimable": [name for name in scored if 0 < subjects[name] < MIN_SUBJECTS],
    }
