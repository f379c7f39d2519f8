"""How well probabilities rank records with a class above records without it, for many weightings at once.

Shape suffixes: N records, R weightings, Q distinct probabilities.

References
----------
Fawcett T. An introduction to ROC analysis. Pattern Recognit Lett 2006;27:861-874 (ties); Davis J, Goadrich M. The
relationship between precision-recall and ROC curves. ICML 2006 (no straight lines between points).
"""

import numpy as np
from numpy.typing import NDArray

from ecgfeat.scoring.rhythm import ratio


def rank_scores(
    is_positive: NDArray[np.bool_], probability: NDArray[np.floating], weight_RN: NDArray[np.generic]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the areas under the ROC curve and under the precision-recall curve.

    Parameters
    ----------
    is_positive : ndarray of bool, shape (N,)
        Whether the record has the class.
    probability : ndarray of float, shape (N,)
        Predicted probability of the class.
    weight_RN : ndarray of number, shape (R, N)
        How often each record counts, for example in each resample of a bootstrap.

    Returns
    -------
    auroc : ndarray of float64, shape (R,)
        Probability that a positive ranks above a negative; ties count half. NaN without positives or negatives.
    auprc : ndarray of float64, shape (R,)
        Average precision: the sum of precision times the step in recall; NaN without positives.
    """
    order = np.argsort(-probability, kind="stable")
    first = np.flatnonzero(np.diff(probability[order], prepend=np.inf))
    positive = is_positive[order].astype(np.float64)
    if not len(order):
        return np.full(len(weight_RN), np.nan), np.full(len(weight_RN), np.nan)
    weight = weight_RN[:, order].astype(np.float64)
    # Records of equal probability are one step of the curves.
    hit_RQ = np.add.reduceat(weight * positive, first, axis=1)
    false_RQ = np.add.reduceat(weight * (1 - positive), first, axis=1)
    hits, falses = np.cumsum(hit_RQ, axis=1), np.cumsum(false_RQ, axis=1)
    num_hit, num_false = hits[:, -1], falses[:, -1]
    below = num_false[:, None] - falses
    precision = np.nan_to_num(ratio(hits, hits + falses))
    auroc = ratio((hit_RQ * (below + false_RQ / 2)).sum(axis=1), num_hit * num_false)
    return auroc, ratio((hit_RQ * precision).sum(axis=1), num_hit)
