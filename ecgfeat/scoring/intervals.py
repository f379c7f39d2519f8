"""95 % intervals from a bootstrap over subjects.

Beats, segments and episodes of one subject are not independent: an interval over them would be much too narrow.
Here subjects are drawn with replacement, each with all its units. Every statistic is a function of sums over subjects
(confusion matrices, counts of matched beats). A resample is therefore one row of a matrix product; no loop is needed.

References
----------
Efron B, Tibshirani RJ. An Introduction to the Bootstrap. Chapman & Hall, 1993, chapter 13 (percentile interval).
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

MIN_SUBJECTS = 5
"""A class of fewer subjects is "not estimable" and has no interval."""

LEVEL = 0.95
"""Coverage of every interval."""


def draw_subjects(num_subjects: int, num_resamples: int, seed: int) -> NDArray[np.int64]:
    """Draw how often each subject occurs in each resample.

    Parameters
    ----------
    num_subjects : int
        Number of subjects, at least 1.
    num_resamples : int
        Number of resamples, at least 1.
    seed : int
        Seed of the generator; the same seed gives the same draws.

    Returns
    -------
    ndarray of int64, shape (num_resamples, num_subjects)
        Counts; each row sums to ``num_subjects``.
    """
    rng = np.random.default_rng(seed)
    chance = np.full(num_subjects, 1.0 / num_subjects)
    return rng.multinomial(num_subjects, chance, size=num_resamples).astype(np.int64)


def percentile_interval(value: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the central 95 % interval of each column, over the resamples in which the statistic is defined.

    Parameters
    ----------
    value : ndarray of float64, shape (num_resamples, ...)
        Statistics of the resamples, NaN where undefined.

    Returns
    -------
    low, high : ndarray of float64, shape (...)
        Bounds; NaN where the statistic is undefined in every resample.
    """
    flat = value.reshape(len(value), -1)
    bounds = np.full((2, flat.shape[1]), np.nan)
    for column in range(flat.shape[1]):
        defined = flat[:, column][~np.isnan(flat[:, column])]
        if len(defined):
            bounds[:, column] = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    low, high = bounds.reshape(2, *value.shape[1:])
    return low, high


def bootstrap_subjects(
    count: NDArray[np.generic],
    statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    *,
    num_resamples: int,
    seed: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Bootstrap a statistic of summed counts over subjects.

    Parameters
    ----------
    count : ndarray, shape (num_subjects, ...)
        Counts of each subject: a confusion matrix, or true positives, false negatives and false positives.
    statistic : callable
        Function from summed counts, shape (num_resamples, ...), to statistics, shape (num_resamples, ...); NaN where
        undefined.
    num_resamples : int
        Number of resamples.
    seed : int
        Seed. The same seed draws the same subjects for every statistic, so that intervals are paired.

    Returns
    -------
    low, high : ndarray of float64
        Bounds of the percentile interval; NaN everywhere below `MIN_SUBJECTS` subjects.
    """
    flat = np.asarray(count, dtype=np.float64).reshape(len(count), -1)
    if len(count) < MIN_SUBJECTS:
        undefined = np.full_like(statistic(flat.sum(axis=0).reshape(1, *count.shape[1:]))[0], np.nan)
        return undefined, undefined.copy()
    total = draw_subjects(len(count), num_resamples, seed).astype(np.float64) @ flat
    return percentile_interval(statistic(total.reshape(num_resamples, *count.shape[1:])))


def sum_by_subject(subject: NDArray[np.integer], count: NDArray[np.generic], num_subjects: int) -> NDArray[np.float64]:
    """Sum the counts of units over their subjects.

    Parameters
    ----------
    subject : ndarray of int, shape (B,)
        Subject of each unit, in [0, num_subjects).
    count : ndarray, shape (B, ...)
        Counts of each unit.
    num_subjects : int
        Number of subjects.

    Returns
    -------
    ndarray of float64, shape (subjects with units, ...)
        Sums of the subjects that have units.
    """
    columns = np.asarray(count).reshape(len(count), -1).T
    total = np.stack([np.bincount(subject, weights=column, minlength=num_subjects) for column in columns], axis=1)
    has_units = np.bincount(subject, minlength=num_subjects) > 0
    return np.asarray(total.reshape(num_subjects, *count.shape[1:])[has_units], dtype=np.float64)


def name_bounds(
    names: Sequence[str], low: NDArray[np.float64], high: NDArray[np.float64]
) -> dict[str, dict[str, float]]:
    """Return the bounds by name of the score.

    Parameters
    ----------
    names : sequence of str
        Names of the scores.
    low, high : ndarray of float64, shape (scores,)
        Bounds; NaN: the score has no interval.

    Returns
    -------
    dict
        ``low`` and ``high`` by name; a score without an interval has no entry.
    """
    pairs = zip(names, low.tolist(), high.tolist(), strict=True)
    return {name: {"low": a, "high": b} for name, a, b in pairs if a == a}
