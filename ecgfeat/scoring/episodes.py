"""Compare the episodes of one rhythm, and the time spent in it, as ``epicmp`` compares those of atrial fibrillation.

References
----------
ANSI/AAMI EC57:2012, clause 5 (episode and duration sensitivity and positive predictivity). G. B. Moody, "epicmp",
WFDB Applications Guide.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfeat.scoring.rhythm import ratio

MAX_GAP_S = 2.0
"""A longer gap between two units ends an episode, because the rhythm in the gap is not known."""


def episode_scores(
    is_reference: NDArray[np.bool_],
    is_predicted: NDArray[np.bool_],
    record: NDArray[np.integer],
    start_s: NDArray[np.floating],
    stop_s: NDArray[np.floating],
    *,
    is_excluded: NDArray[np.bool_] | None = None,
) -> dict[str, Any]:
    """Compare the episodes of one rhythm and the time spent in it.

    An episode starts with the first unit in the rhythm. It ends at a unit in another rhythm or without a rhythm, at a
    gap, or at the end of the record. It is detected if any part of it overlaps an episode of the other side.

    Parameters
    ----------
    is_reference, is_predicted : ndarray of bool, shape (B,)
        Whether each unit is in the rhythm. Units are sorted by record and time.
    record : ndarray of int, shape (B,)
        Record of each unit.
    start_s, stop_s : ndarray of float, shape (B,)
        Half-open extent of each unit in seconds.
    is_excluded : ndarray of bool, shape (B,), optional
        Units that do not count for the predicted episodes: their time is not predicted time, and a predicted episode
        that consists of such units only is not counted.

    Returns
    -------
    dict
        ``episode_sensitivity, episode_positive_predictivity, duration_sensitivity, duration_positive_predictivity``
        in [0, 1] or NaN; ``num_reference_episodes, num_predicted_episodes``.

    Notes
    -----
    * ``epicmp`` does not count atrial flutter in the positive predictivity of atrial fibrillation. `is_excluded` is
      for this.
    * ``epicmp`` skips the first five minutes. Here nothing is skipped: a rhythm is predicted from the first beat on.
    """
    breaks = _breaks(record, start_s, stop_s)
    duration_s = stop_s - start_s
    counted = is_predicted if is_excluded is None else is_predicted & ~is_excluded
    both_s = float(duration_s[is_reference & is_predicted].sum())
    reference_runs = find_value_runs(is_reference, breaks)
    predicted_runs = find_value_runs(is_predicted, breaks)
    predicted_runs = predicted_runs[_overlaps(predicted_runs, counted)]
    num_detected = int(_overlaps(reference_runs, is_predicted).sum())
    num_correct = int(_overlaps(predicted_runs, is_reference).sum())
    return {
        "episode_sensitivity": float(ratio(num_detected, len(reference_runs))),
        "episode_positive_predictivity": float(ratio(num_correct, len(predicted_runs))),
        "duration_sensitivity": float(ratio(both_s, duration_s[is_reference].sum())),
        "duration_positive_predictivity": float(ratio(both_s, duration_s[counted].sum())),
        "num_reference_episodes": len(reference_runs),
        "num_predicted_episodes": len(predicted_runs),
    }


def burden_error(
    is_reference: NDArray[np.bool_],
    is_predicted: NDArray[np.bool_],
    record: NDArray[np.integer],
    duration_s: NDArray[np.floating],
) -> float:
    """Return the error of the share of time in a rhythm: mean over records of the absolute difference.

    Parameters
    ----------
    is_reference, is_predicted : ndarray of bool, shape (B,)
        Whether each unit is in the rhythm.
    record : ndarray of int, shape (B,)
        Record of each unit.
    duration_s : ndarray of float, shape (B,)
        Duration of each unit in seconds.

    Returns
    -------
    float
        In [0, 1]; NaN without units.
    """
    total_s = np.bincount(record, weights=duration_s)
    difference_s = np.bincount(record, weights=duration_s * (is_predicted.astype(np.float64) - is_reference))
    error = np.abs(ratio(difference_s, total_s))
    error = error[~np.isnan(error)]
    return float(error.mean()) if len(error) else float("nan")


def _breaks(
    record: NDArray[np.integer], start_s: NDArray[np.floating], stop_s: NDArray[np.floating]
) -> NDArray[np.bool_]:
    """Return which units do not continue the unit before."""
    breaks = np.ones(len(record), dtype=bool)
    breaks[1:] = (record[1:] != record[:-1]) | (start_s[1:] - stop_s[:-1] > MAX_GAP_S)
    return breaks


def find_value_runs(is_inside: NDArray[np.bool_], breaks: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Find the runs of neighbouring units with a value of True.

    Parameters
    ----------
    is_inside : ndarray of bool, shape (B,)
        The values.
    breaks : ndarray of bool, shape (B,)
        Which units do not continue the unit before.

    Returns
    -------
    ndarray of int64, shape (runs, 2)
        Index of the first unit of each run, and of the unit after its last.
    """
    continues = np.zeros(len(is_inside) + 1, dtype=bool)
    continues[1:-1] = is_inside[:-1] & is_inside[1:] & ~breaks[1:]
    start = np.flatnonzero(is_inside & ~continues[:-1])
    stop = np.flatnonzero(is_inside & ~continues[1:]) + 1
    return np.stack([start, stop], axis=1)


def _overlaps(runs: NDArray[np.int64], is_inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which runs contain a unit with a value of True."""
    count = np.concatenate([[0], np.cumsum(is_inside)])
    return count[runs[:, 1]] > count[runs[:, 0]]
