"""Score diagnoses of whole records: one class per record, or any number of them.

Shape suffixes: N records, K classes, G subjects, R resamples, Q distinct probabilities.

Notes
-----
* A class that no record has is left out of every mean and named in ``absent``; one of fewer than 5 subjects keeps its
  scores, is named in ``not_estimable`` and gets no interval.
* What is unknown is masked: in a table of several classes entry by entry, in one of a single class by the record.
* Every interval comes from one bootstrap over subjects; equal seeds draw equal subjects, so intervals are paired.

References
----------
Clifford GD et al. AF classification from a short single lead ECG recording: the PhysioNet/Computing in Cardiology
Challenge 2017. Comput Cardiol 2017;44:065-469 (F1 of N, A and O). Fawcett T. An introduction to ROC analysis. Pattern
Recognit Lett 2006;27:861-874.
"""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecgfeat.scoring.calibration import brier_score, calibration_intervals, expected_calibration_error
from ecgfeat.scoring.intervals import MIN_SUBJECTS, bootstrap_subjects, draw_subjects, percentile_interval
from ecgfeat.scoring.layout import ScoreArray, ScoreLayout
from ecgfeat.scoring.ranking import rank_scores
from ecgfeat.scoring.rhythm import class_f1, ratio, subject_confusion

NUM_BINS = 15
THRESHOLD = 0.5
# Resamples times records that are ranked together: some tens of megabytes.
MAX_CELLS = 1 << 22


def diagnosis_scores(
    reference_NK: ArrayLike,
    probability_NK: ArrayLike,
    subjects: ArrayLike,
    classes: Sequence[str],
    *,
    task: Literal["single", "multi"],
    scored: Sequence[str] | None = None,
    num_resamples: int = 0,
    seed: int = 0,
) -> dict[str, Any]:
    """Score the diagnoses of records.

    Parameters
    ----------
    reference_NK : array of number, shape (N, K)
        1 for a class that the record has, 0 for one it has not, -1 or NaN for one of which nothing is known.
    probability_NK : array of float, shape (N, K)
        Probability of each class, in [0, 1]; rows sum to 1 where `task` is ``single``.
    subjects : array, shape (N,)
        Subject of each record.
    classes : sequence of str
        Names of the K classes.
    task : {'single', 'multi'}
        Whether a record has exactly one class (the most probable is called) or any number of them (each is called from
        a probability of 0.5 on).
    scored : sequence of str, optional
        Classes that the means are taken over; all by default.
    num_resamples : int, default 0
        Resamples of the bootstrap over subjects; 0 gives no intervals.
    seed : int, default 0
        Seed of the bootstrap.

    Returns
    -------
    dict
        ``task, scored``; ``macro_f1, brier, ece`` and, of one class per record ``accuracy``, of several ``micro_f1,
        macro_auroc, macro_auprc`` (numbers); ``f1, sensitivity, positive_predictivity`` and, of several, ``auroc,
        auprc`` (by class); ``support, subjects`` (records and subjects that have the class) and, of several,
        ``negatives, unknown`` (records); ``confusion`` (a table, rows the reference; of several one table of absent
        and present for each class); ``num_records, num_subjects, num_outside`` (records of which nothing is known);
        ``absent, not_estimable`` (lists of scored classes); with resamples ``interval``, of the same layout with
        ``low`` and ``high`` for each score that has one.

    Raises
    ------
    ValueError
        If shapes do not fit, a reference is none of 1, 0, -1 and NaN, a record of a single class has several, a value
        is no probability, or a scored class is none of the classes.

    Notes
    -----
    * F1 is twice the hits over the sum of a row and a column of the whole table: records of a class that is not scored
      count as errors where they are called a scored one. Over N, A and O of four classes the mean is the official
      score of the Challenge of 2017.
    * The Brier score of one class per record runs to 2, as Brier wrote it; of several it is the mean square of one
      probability, which runs to 1. The calibration error of several pools the entries of all scored classes.
    """
    reference, probability, subject = _checked(reference_NK, probability_NK, subjects, classes, task)
    wanted = list(classes) if scored is None else list(scored)
    if not wanted or not set(wanted) <= set(classes):
        raise ValueError(f"diagnosis scores: scored {', '.join(wanted) or 'nothing'}; expected some of {list(classes)}")
    at = [list(classes).index(name) for name in wanted]
    known = (reference == 1).any(axis=1) if task == "single" else (reference[:, at] >= 0).any(axis=1)
    names, number = np.unique(subject[known], return_inverse=True)
    parts = _single if task == "single" else _multi
    scores: dict[str, Any] = {
        "task": task,
        "scored": wanted,
        "num_records": int(known.sum()),
        "num_subjects": len(names),
    }
    scores |= {"num_outside": int((~known).sum())}
    if num_resamples:
        scores["interval"] = {}
    # Nobody can be drawn from no subjects.
    draws = num_resamples if len(names) else 0
    return scores | parts(reference[known], probability[known], number, classes, wanted, draws, seed)


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
    layout = ScoreLayout(("macro_f1", "accuracy"), ("f1", "sensitivity", "positive_predictivity"), classes)
    scores = layout.name(statistic(total))
    scores |= _people(confusion_GKK.sum(axis=2), classes, scored)
    scores |= {"confusion": total.astype(np.int64).tolist()}
    scores |= {"brier": brier_score(code, probability), "ece": expected_calibration_error(code, probability, NUM_BINS)}
    if num_resamples:
        bounds = bootstrap_subjects(confusion_GKK, statistic, num_resamples=num_resamples, seed=seed)
        scores["interval"] = layout.name_bounds(*bounds, scores["subjects"])
        scores["interval"] |= calibration_intervals(
            subject,
            error_N,
            probability.max(axis=1),
            call == code,
            NUM_BINS,
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
    # For each class a confusion matrix of absent and present; entries of which nothing is known are in none.
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
        # Means are over classes that occur; so is the pooled F1, or a class without a case would lower one of the two.
        occurs = (hit + missed) > 0
        pooled = [np.where(occurs, part, 0)[..., at].sum(axis=-1) for part in (hit, missed, false)]
        micro = ratio(2 * pooled[0], 2 * pooled[0] + pooled[1] + pooled[2])
        predictivity = np.where(occurs, ratio(hit, hit + false), np.nan)
        overall = np.stack([_mean(f1[..., at]), micro], axis=-1)
        return np.concatenate([overall, f1, ratio(hit, hit + missed), predictivity], axis=-1)

    total = confusion_GK22.sum(axis=0)
    layout = ScoreLayout(("macro_f1", "micro_f1"), ("f1", "sensitivity", "positive_predictivity"), classes)
    ranks = ScoreLayout(("macro_auroc", "macro_auprc"), ("auroc", "auprc"), classes)
    scores = layout.name(statistic(total)) | ranks.name(
        _ranks(reference, probability, np.ones((1, len(reference))), at)[0]
    )
    scores |= _people(confusion_GK22.sum(axis=3)[..., 1], classes, scored)
    scores |= {
        "negatives": _by_class(total[:, 0].sum(axis=-1), classes),
        "unknown": _by_class((reference < 0).sum(axis=0), classes),
        "confusion": {name: table.astype(np.int64).tolist() for name, table in zip(classes, total, strict=True)},
    }
    # Of two columns the one for "present" comes first, so that a probability of exactly 0.5 counts as called.
    row, column = np.nonzero(reference[:, at] >= 0)
    truth, chance = reference[:, at][row, column], probability[:, at][row, column]
    pair = np.stack([chance, 1 - chance], axis=1)
    scores |= {"brier": brier_score(1 - truth, pair) / 2, "ece": expected_calibration_error(1 - truth, pair, NUM_BINS)}
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
            NUM_BINS,
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
    each = []
    for truth, chance in zip(reference.T, probability.T, strict=True):
        known = truth >= 0
        each.append(rank_scores(truth[known] == 1, chance[known], weight_RN[:, known]))
    auroc, auprc = (np.stack([pair[k] for pair in each], axis=-1) for k in (0, 1))
    overall = np.stack([_mean(auroc[..., at]), _mean(auprc[..., at])], axis=-1)
    return np.concatenate([overall, auroc, auprc], axis=-1)


def _mean(value: ScoreArray) -> ScoreArray:
    """Return the mean over the last axis without what is undefined."""
    defined = ~np.isnan(value)
    return ratio(np.where(defined, value, 0).sum(axis=-1), defined.sum(axis=-1))


def _by_class(count: NDArray[np.generic], classes: Sequence[str]) -> dict[str, int]:
    return {name: int(one) for name, one in zip(classes, count.tolist(), strict=True)}


def _people(support_GK: ScoreArray, classes: Sequence[str], scored: list[str]) -> dict[str, Any]:
    """Count the records and subjects that have each class, and name the classes with none or too few."""
    support, subjects = (_by_class(count.sum(axis=0), classes) for count in (support_GK, support_GK > 0))
    return {
        "support": support,
        "subjects": subjects,
        "absent": [name for name in scored if not support[name]],
        "not_estimable": [name for name in scored if 0 < subjects[name] < MIN_SUBJECTS],
    }
