"""Folds of a cross-validation by subject in which every class is spread evenly.

References
----------
scikit-learn, ``StratifiedGroupKFold``; Wagner et al., Scientific Data 7:154, 2020 (``strat_fold``).
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import StratifiedGroupKFold

from ecgfeat.errors import UsageError, fault

FOLD_SEED = 42
OFFICIAL_FOLDS = 10


def draw_stratified_folds(
    subjects: Sequence[str], labels: Sequence[Sequence[str]], num_folds: int
) -> npt.NDArray[np.int8]:
    """Assign records to folds, all records of a subject to one.

    Parameters
    ----------
    subjects : sequence of str, length n
        Subject of each record.
    labels : sequence of sequences of str, length n
        Classes of each record, one at least.
    num_folds : int
        Folds to make, 2 or more.

    Returns
    -------
    ndarray of int8, shape (n,)
        Fold of each record, 0 to ``num_folds - 1``. None is empty.

    Raises
    ------
    UsageError
        If there are fewer than two folds, or more than subjects.

    Notes
    -----
    * A record with several classes counts as the rarest of them, which is the one that is hard to spread. A class with
      fewer records than folds counts as the commonest.
    """
    num_subjects = len(set(subjects))
    if not 2 <= num_folds <= min(num_subjects, 100):
        raise UsageError(fault("folds", f"{num_folds} folds of {num_subjects} subjects", "2 to as many as subjects"))
    count = Counter(one for row in labels for one in row)
    rarest = [min(row, key=lambda one: (count[one], one)) for row in labels]
    strata = Counter(rarest)
    commonest = max(strata, key=lambda one: (strata[one], one))
    stratum = [one if strata[one] >= num_folds else commonest for one in rarest]
    folds = StratifiedGroupKFold(num_folds, shuffle=True, random_state=FOLD_SEED)
    fold = np.full(len(stratum), -1, np.int8)
    for number, (_, test) in enumerate(folds.split(np.zeros(len(stratum)), stratum, subjects)):
        fold[test] = number
    if len(set(fold.tolist())) < num_folds:
        raise UsageError(fault("folds", f"an empty one among {num_folds}", "fewer folds, or more subjects"))
    return fold


def join_official_folds(official: Sequence[int], num_folds: int) -> npt.NDArray[np.int8]:
    """Join the ten folds of a corpus to fewer, each to its neighbour.

    Parameters
    ----------
    official : sequence of int, length n
        Fold of each record, 1 to 10.
    num_folds : int
        Folds to make, 2 to 10.

    Returns
    -------
    ndarray of int8, shape (n,)
        ``(official - 1) * num_folds // 10``.

    Raises
    ------
    UsageError
        If ten folds cannot be joined to as many.
    """
    if not 2 <= num_folds <= OFFICIAL_FOLDS:
        raise UsageError(fault("folds", f"{num_folds} of a corpus with ten of its own", "2 to 10"))
    return ((np.asarray(official, dtype=np.int64) - 1) * num_folds // OFFICIAL_FOLDS).astype(np.int8)
