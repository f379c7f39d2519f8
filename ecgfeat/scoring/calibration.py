"""Calibration of predicted probabilities: expected calibration error, Brier score, reliability curve.

References
----------
Guo C et al. On calibration of modern neural networks. ICML 2017 (expected calibration error).
Brier GW. Verification of forecasts expressed in terms of probability. Mon Weather Rev 1950;78:1-3.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgfeat.scoring.intervals import bootstrap_subjects, name_bounds
from ecgfeat.scoring.rhythm import ratio

NUM_BINS = 15
"""Bins of equal width that the calibration error is computed over, as by Guo et al."""


@dataclass(frozen=True)
class Reliability:
    """Reliability curve: units in bins by the probability of their predicted class.

    Attributes
    ----------
    confidence : ndarray of float64, shape (num_bins,)
        Mean probability of the predicted class in each bin, in [0, 1]; NaN in empty bins.
    accuracy : ndarray of float64, shape (num_bins,)
        Fraction of correct predictions in each bin, in [0, 1]; NaN in empty bins.
    count : ndarray of int64, shape (num_bins,)
        Number of units in each bin.
    """

    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    count: NDArray[np.int64]


def _checked(
    reference: NDArray[np.integer], probability_BK: NDArray[np.floating]
) -> tuple[NDArray[np.integer], NDArray[np.float64]]:
    """Refuse values that are not probabilities: their calibration would have no meaning."""
    probability = np.asarray(probability_BK, dtype=np.float64)
    if probability.ndim != 2 or len(reference) != len(probability):
        raise ValueError(
            f"probability: shape {probability.shape}; expected one row for each of {len(reference)} references"
        )
    if not (np.abs(probability.sum(axis=1) - 1) < 1e-3).all():
        raise ValueError("probability: a row does not sum to 1; expected softmax output, not logits")
    return np.asarray(reference), probability


def reliability_curve(
    reference: NDArray[np.integer], probability_BK: NDArray[np.floating], num_bins: int = NUM_BINS
) -> Reliability:
    """Sort units into bins of equal width by the probability of their predicted class.

    Parameters
    ----------
    reference : ndarray of int, shape (B,)
        Index of the reference class, in [0, K).
    probability_BK : ndarray of float, shape (B, K)
        Probability of each class; rows sum to 1.
    num_bins : int, default 15
        Number of bins; bin i is the half-open (i / num_bins, (i + 1) / num_bins].

    Returns
    -------
    Reliability
        Confidence, accuracy and count of each bin.

    Raises
    ------
    ValueError
        If lengths differ or rows do not sum to 1.
    """
    code, probability = _checked(reference, probability_BK)
    confidence = probability.max(axis=1, initial=0.0)
    correct = probability.argmax(axis=1) == code
    index = bin_index(confidence, num_bins)
    count = np.bincount(index, minlength=num_bins).astype(np.int64)
    divisor = np.where(count > 0, count, np.nan)
    return Reliability(
        confidence=np.bincount(index, weights=confidence, minlength=num_bins) / divisor,
        accuracy=np.bincount(index, weights=correct, minlength=num_bins) / divisor,
        count=count,
    )


def expected_calibration_error(
    reference: NDArray[np.integer], probability_BK: NDArray[np.floating], num_bins: int = NUM_BINS
) -> float:
    """Return the mean gap between confidence and accuracy, weighted by the units in each bin.

    Parameters
    ----------
    reference : ndarray of int, shape (B,)
        Index of the reference class.
    probability_BK : ndarray of float, shape (B, K)
        Probability of each class; rows sum to 1.
    num_bins : int, default 15
        Number of bins of equal width.

    Returns
    -------
    float
        Error in [0, 1]; 0 is perfect; NaN without units.

    Raises
    ------
    ValueError
        If lengths differ or rows do not sum to 1.
    """
    curve = reliability_curve(reference, probability_BK, num_bins)
    if not curve.count.sum():
        return float("nan")
    gap = np.nan_to_num(np.abs(curve.accuracy - curve.confidence))
    return float((gap * curve.count).sum() / curve.count.sum())


def brier_score(reference: NDArray[np.integer], probability_BK: NDArray[np.floating]) -> float:
    """Return the mean squared distance between the probabilities and the one-hot reference.

    The sum is over all classes, as in the paper of Brier: 0 is perfect, 2 is the worst. It is not halved.

    Parameters
    ----------
    reference : ndarray of int, shape (B,)
        Index of the reference class.
    probability_BK : ndarray of float, shape (B, K)
        Probability of each class; rows sum to 1.

    Returns
    -------
    float
        Score in [0, 2]; NaN without units.

    Raises
    ------
    ValueError
        If lengths differ or rows do not sum to 1.
    """
    code, probability = _checked(reference, probability_BK)
    if not len(code):
        return float("nan")
    squared = (probability**2).sum(axis=1)
    of_reference = probability[np.arange(len(code)), code]
    return float((squared - 2 * of_reference + 1).mean())


def calibration_intervals(
    subject: NDArray[np.integer],
    squared_error: NDArray[np.floating],
    confidence: NDArray[np.floating],
    correct: NDArray[np.bool_],
    *,
    num_subjects: int,
    num_resamples: int,
    seed: int,
) -> dict[str, dict[str, float]]:
    """Bootstrap the Brier score and the calibration error over subjects.

    Parameters
    ----------
    subject : ndarray of int, shape (B,)
        Subject of each unit, in [0, `num_subjects`).
    squared_error : ndarray of float, shape (B,)
        Contribution of each unit to the Brier score.
    confidence : ndarray of float, shape (B,)
        Probability of the predicted class.
    correct : ndarray of bool, shape (B,)
        Whether the prediction is correct.
    num_subjects : int
        Number of subjects.
    num_resamples, seed : int
        See `ecgfeat.scoring.intervals.bootstrap_subjects`.

    Returns
    -------
    dict
        Interval of ``brier`` and of ``ece``.
    """
    cell, size = subject * NUM_BINS + bin_index(confidence, NUM_BINS), num_subjects * NUM_BINS
    bins = [np.bincount(cell, weights=of, minlength=size) for of in (np.ones(len(cell)), confidence, correct)]
    squares_G = np.bincount(subject, weights=squared_error, minlength=num_subjects)
    # One row for each subject with its part of every sum: a resample is then a weighted sum of rows.
    sums_G = np.concatenate([squares_G[:, None], np.stack(bins, axis=-1).reshape(num_subjects, -1)], axis=1)

    def statistic(total: NDArray[np.float64]) -> NDArray[np.float64]:
        number, confidences, hits = np.moveaxis(total[:, 1:].reshape(-1, NUM_BINS, 3), -1, 0)
        units = number.sum(axis=-1)
        return np.stack([ratio(total[:, 0], units), ratio(np.abs(hits - confidences).sum(axis=-1), units)], axis=-1)

    low, high = bootstrap_subjects(sums_G, statistic, num_resamples=num_resamples, seed=seed)
    return name_bounds(("brier", "ece"), low, high)


def bin_index(confidence: NDArray[np.floating], num_bins: int = NUM_BINS) -> NDArray[np.int64]:
    """Return the bin of each probability: bin i is the half-open (i / num_bins, (i + 1) / num_bins].

    Parameters
    ----------
    confidence : ndarray of float, shape (B,)
        In [0, 1].
    num_bins : int, default 15
        Number of bins of equal width.

    Returns
    -------
    ndarray of int64, shape (B,)
    """
    return np.clip(np.ceil(confidence * num_bins).astype(np.int64) - 1, 0, num_bins - 1)
