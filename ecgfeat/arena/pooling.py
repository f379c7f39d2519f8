"""Where the slices of a record start, and how to pool the probabilities of slices or views into those of a record.

Shape suffixes: N slices, K classes, R records.
"""

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp

from ecgfeat.errors import DataError, UsageError

MOST_SLICES = 6
_SMALLEST = 1e-6

_Floats = npt.NDArray[np.float32]
Probabilities = npt.NDArray[np.float64]


def slice_starts(
    num_samples: int,
    slice_samples: int,
    stride_samples: int,
    most: int = MOST_SLICES,
) -> list[int]:
    """Return where the slices of a record start.

    Parameters
    ----------
    num_samples : int
        Samples of the record.
    slice_samples, stride_samples : int
        Length of a slice, and the distance between two starts, in samples.
    most : int
        Slices at most; the first ones are kept.

    Returns
    -------
    list of int
        Starts of the whole slices. A record that is shorter than a slice has one, at 0. What follows the last slice is
        in none.

    Raises
    ------
    UsageError
        If a number is below 1.
    """
    numbers = {"num_samples": num_samples, "slice_samples": slice_samples, "stride_samples": stride_samples}
    for name, value in {**numbers, "most": most}.items():
        if value < 1:
            raise UsageError(name, found=str(value), expected="at least 1")
    return list(range(0, max(1, num_samples - slice_samples + 1), stride_samples))[:most]


def power_mean(probability: npt.ArrayLike, exponent: float, *, axis: int = 0) -> Probabilities:
    """Pool probabilities by their power mean.

    Parameters
    ----------
    probability : array_like of float
        Probabilities in [0, 1].
    exponent : float
        1 is the mean; towards infinity, which is allowed, it is the maximum; 0 is the geometric mean; towards minus
        infinity it is the minimum.
    axis : int
        The axis of the slices or views, which has at least one entry.

    Returns
    -------
    ndarray of float64
        ``mean(p ** exponent) ** (1 / exponent)``, without `axis`, in [1e-6, 1 - 1e-6].

    Raises
    ------
    DataError
        If there is nothing to pool, or a value that is no probability.
    UsageError
        If the exponent is NaN.

    Notes
    -----
    * Probabilities are kept 1e-6 away from 0 and 1, as in the source.
    * The published scores come from ``exp(mean(exponent * log p) / exponent)``, which is the geometric mean whatever
      the exponent. This is the formula that was meant: 0.1, 0.5 and 0.9 pool to 0.6581 with exponent 3.
    """
    probability = np.asarray(probability, dtype=np.float64)
    if np.isnan(exponent):
        raise UsageError("exponent", found="nan", expected="a number")
    if not probability.ndim or not probability.shape[axis]:
        raise DataError("probabilities", found=f"shape {probability.shape}", expected="one slice or view at least")
    if not ((probability >= 0) & (probability <= 1)).all():
        raise DataError("probabilities", found="values outside", expected="numbers in [0, 1]")
    probability = probability.clip(_SMALLEST, 1 - _SMALLEST)
    if np.isinf(exponent):
        return probability.max(axis=axis) if exponent > 0 else probability.min(axis=axis)
    log_p = np.log(probability)
    # Very small exponents lose the sum's digits when they divide; the limit is as near as they are.
    if abs(exponent) < 1e-8:
        return np.exp(log_p.mean(axis=axis))
    num = probability.shape[axis]
    pooled: Probabilities = np.exp((logsumexp(exponent * log_p, axis=axis) - np.log(num)) / exponent)
    return pooled


def pool_records(
    probability_NK: npt.ArrayLike, record_N: npt.ArrayLike, exponent: float
) -> tuple[npt.NDArray[np.int64], Probabilities]:
    """Pool the slices or views of each record.

    Parameters
    ----------
    probability_NK : array_like of float, shape (N, K)
        Probabilities of slices or views, in any order.
    record_N : array_like of int, shape (N,)
        The record each is of.
    exponent : float
        See `power_mean`.

    Returns
    -------
    record_R : ndarray of int64, shape (R,)
        The records, ascending.
    probability_RK : ndarray of float64, shape (R, K)
        Their probabilities.

    Raises
    ------
    DataError
        If the two differ in length, or as `power_mean`.
    """
    probability_NK = np.asarray(probability_NK, dtype=np.float64)
    record_N = np.asarray(record_N, dtype=np.int64)
    if probability_NK.ndim != 2 or record_N.shape != probability_NK.shape[:1]:
        found = f"{probability_NK.shape} probabilities of {record_N.shape} records"
        raise DataError("slices", found=found, expected="one record per row")
    record_R, first_R = np.unique(np.sort(record_N), return_index=True)
    groups = np.split(probability_NK[np.argsort(record_N, kind="stable")], first_R[1:]) if len(record_R) else []
    pooled = [power_mean(group_NK, exponent) for group_NK in groups]
    return record_R, np.array(pooled, dtype=np.float64).reshape(len(record_R), probability_NK.shape[1])
