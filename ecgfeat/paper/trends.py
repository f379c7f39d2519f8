"""What is drawn of a day: heart rate, ectopic beats and time of each kind, by stretches of it.

Shape suffixes: L beats, T stretches, E episodes, K kinds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgfeat.summary.intervals import RATE_INTERVALS

_SHORT_S = 10.0
_ROUND_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 14400, 21600, 43200, 86400, 172800)


@dataclass(frozen=True)
class Rates:
    """Heart rate by stretches of equal length.

    Attributes
    ----------
    edges_s : ndarray of float64, shape (T + 1,)
        Stretch t is ``[edges_s[t], edges_s[t + 1])``.
    mean, least, most : ndarray of float64, shape (T,)
        Beats per minute: of the whole stretch, and of the slowest and fastest eight RR intervals that reach into it, or
        the mean where that is lower or higher. NaN where there are none.
    """

    edges_s: NDArray[np.float64]
    mean: NDArray[np.float64]
    least: NDArray[np.float64]
    most: NDArray[np.float64]


def round_step(least_s: float) -> int:
    """Return the shortest usual step of time, in seconds, that is at least so long."""
    return next((step for step in _ROUND_S if step >= least_s), int(-(-least_s // 604_800)) * 604_800)


def heart_rates(
    time_s: NDArray[np.float64], rr_s: NDArray[np.float64], duration_s: float, *, max_stretches: int = 480
) -> Rates:
    """Compute the heart rate of a record by stretches.

    Parameters
    ----------
    time_s : ndarray of float64, shape (L,)
        R-peaks in seconds from the start of the record, ascending.
    rr_s : ndarray of float64, shape (L,)
        Interval to the R-peak before; NaN for the first of a usable stretch.
    duration_s : float
        Length of the record.
    max_stretches : int, default 480
        How many stretches there may be; each has at least 10 s, in a record of less than 10 min a sixtieth of it.

    Returns
    -------
    Rates
        Mean, lowest and highest as `ecgfeat.summary` defines them, of each stretch. An interval belongs to the stretch
        in which it ends; eight in a row to every one that they reach into.
    """
    width_s = max(duration_s / max_stretches, min(_SHORT_S, max(duration_s / 60, 2.0)))
    num_stretches = max(1, int(np.ceil(duration_s / width_s - 1e-9)))

    def stretch_of(at_s: NDArray[np.float64]) -> NDArray[np.int64]:
        return np.clip((at_s / width_s).astype(np.int64), 0, num_stretches - 1)

    is_interval = np.isfinite(rr_s)
    of = stretch_of(time_s[is_interval])
    count = np.bincount(of, minlength=num_stretches)
    total_s = np.bincount(of, weights=rr_s[is_interval], minlength=num_stretches)
    mean = np.full(num_stretches, np.nan)
    np.divide(60.0 * count, total_s, out=mean, where=count > 0)
    least, most = np.full(num_stretches, np.inf), np.full(num_stretches, -np.inf)
    if len(rr_s) > RATE_INTERVALS:
        sum_s = np.lib.stride_tricks.sliding_window_view(rr_s, RATE_INTERVALS).sum(axis=1)
        rows = np.flatnonzero(np.isfinite(sum_s))
        stop_s = time_s[rows + RATE_INTERVALS - 1]
        first, last = stretch_of(stop_s - sum_s[rows]), stretch_of(stop_s)
        rate = 60 * RATE_INTERVALS / sum_s[rows]
        for further in range(int((last - first).max(initial=-1)) + 1):
            reaches = first + further <= last
            np.minimum.at(least, (first + further)[reaches], rate[reaches])
            np.maximum.at(most, (first + further)[reaches], rate[reaches])
    edges_s = np.minimum(np.arange(num_stretches + 1) * width_s, duration_s)
    # A stretch of fewer than eight intervals may have a mean outside what eight of them have.
    least, most = (np.where(np.isfinite(side), side, np.nan) for side in (least, most))
    return Rates(edges_s, mean, np.fmin(least, mean), np.fmax(most, mean))


def seconds_of_kinds(
    edges_s: NDArray[np.float64],
    start_s: NDArray[np.float64],
    stop_s: NDArray[np.float64],
    kind: Sequence[str],
    kinds: Sequence[str],
) -> NDArray[np.float64]:
    """Compute how long each kind lasts in each stretch.

    Parameters
    ----------
    edges_s : ndarray of float64, shape (T + 1,)
        Borders of the stretches.
    start_s, stop_s : ndarray of float64, shape (E,)
        Half-open episodes in time order, without overlap.
    kind : sequence of str, length E
        Kind of each.
    kinds : sequence of str, length K
        Those to return.

    Returns
    -------
    ndarray of float64, shape (T, K)
        Seconds.
    """
    names = np.array(kind, dtype=object)
    seconds = np.zeros((len(edges_s) - 1, len(kinds)))
    for k, name in enumerate(kinds):
        rows = np.flatnonzero(names == name)
        if len(rows):
            knots_s = np.stack([start_s[rows], stop_s[rows]], axis=1).ravel()
            length_s = np.cumsum(stop_s[rows] - start_s[rows])
            total_s = np.stack([np.append(0, length_s[:-1]), length_s], axis=1).ravel()
            seconds[:, k] = np.diff(np.interp(edges_s, knots_s, total_s))
    return seconds
