"""Folds of a cross-validation over records with one set of diagnoses each: a number from 0 for each record."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import StratifiedGroupKFold

from ecgfeat.corpora.splits import FOLD_SEED
from ecgfeat.errors import UsageError

OFFICIAL_FOLDS = 10
MAX_DRAWN_FOLDS = 100


def draw_stratified_folds(
    subjects: Sequence[str], labels: Sequence[Sequence[str]], num_folds: int
) -> npt.NDArray[np.int8]:
    """Assign records to folds: all records of a subject to one fold, each class spread evenly.

    Parameters
    ----------
    subjects : sequence of str, length n
        Subject of each record.
    labels : sequence of sequences of str, length n
        Classes of each record, at least one.
    num_folds : int
        Folds to make, 2 or more.

    Returns
    -------
    ndarray of int8, shape (n,)
        Fold of each record, 0 to ``num_folds - 1``. No fold is empty.

    Raises
    ------
    UsageError
        If there are fewer than two folds or more folds than subjects, or a fold would be empty.

    Notes
    -----
    * A record with several classes counts as the rarest of them, which is the hardest to spread. A class with fewer
      records than folds counts as the commonest.
    """
    num_subjects = len(set(subjects))
    if not 2 <= num_folds <= min(num_subjects, MAX_DRAWN_FOLDS):
        raise UsageError(
            "folds",
            found=f"{num_folds} folds of {num_subjects} subjects",
            expected=f"2 to {min(num_subjects, MAX_DRAWN_FOLDS)}",
        )
    count = Counter(label for row in labels for label in row)
    rarest = [min(row, key=lambda label: (count[label], label)) for row in labels]
    strata = Counter(rarest)
    commonest = max(strata, key=lambda label: (strata[label], label))
    stratum = [label if strata[label] >= num_folds else commonest for label in rarest]
    folds = StratifiedGroupKFold(num_folds, shuffle=True, random_state=FOLD_SEED)
    fold = np.full(len(stratum), -1, np.int8)
    for number, (_, test) in enumerate(folds.split(np.zeros(len(stratum)), stratum, subjects)):
        fold[test] = number
    if len(set(fold.tolist())) < num_folds:
        raise UsageError("folds", found=f"an empty fold among {num_folds}", expected="fewer folds or more subjects")
    return fold


def join_official_folds(official: Sequence[int], num_folds: int) -> npt.NDArray[np.int8]:
    """Join the ten official folds of a corpus to fewer, neighbours first.

    Parameters
    ----------
    official : sequence of int, length n
        Fold of each record, 1 to 10.
    num_folds : int
        Folds to make, 2 to 10.

    Returns
    -------
    ndarray of int8, shape (n,)
        ``(official - 1) * num_folds // 10``, from 0.

    Raises
    ------
    UsageError
        If `num_folds` is out of range.
    """
    if not 2 <= num_folds <= OFFICIAL_FOLDS:
        raise UsageError("folds", found=f"{num_folds} of a corpus with ten of its own", expected="2 to 10")
    return ((np.asarray(official, dtype=np.int64) - 1) * num_folds // OFFICIAL_FOLDS).astype(np.int8)
