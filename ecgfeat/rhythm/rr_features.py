"""Figures of the RR intervals around a beat: what the baselines without a network read.

Shape suffixes: L beats of a record, D features.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import median_filter, percentile_filter

from ecgfeat.rhythm.features import MAX_RR_S

MIN_RR_S = 0.15
"""Shorter intervals are false detections, not rhythm, and count as this long."""

USUAL_RR_S = 0.8
"""Taken where a record has no interval at all."""

RULES_BEATS = 31
"""Beats whose rate and irregularity the rules read."""

WINDOWS_BEATS = (11, 61)
NEIGHBOURHOOD_FEATURES = (
    "log_median_rr", "log_spread", "log_rmssd", "log_median_change", "pnn50", "turning_rate", "repeat_1", "repeat_2",
)  # fmt: skip
BEAT_FEATURES = ("log_ratio_before", "log_ratio_own", "log_ratio_next")
FEATURES = tuple(f"{name}_{n}" for n in WINDOWS_BEATS for name in NEIGHBOURHOOD_FEATURES) + BEAT_FEATURES
FLOOR = 0.01
"""Added to ratios before their logarithm: intervals are read to 1/128 s, one per cent of a second."""


def fill_rr(rr_s: ArrayLike) -> NDArray[np.float64]:
    """Fill and clip the intervals of a record.

    Parameters
    ----------
    rr_s : array_like, (L,)
        Interval to the beat before in seconds; NaN where there is none, as at the first beat.

    Returns
    -------
    ndarray, (L,) float64
        In [0.15, 3] s. An unknown interval is that of its neighbours; a record without any is at 75/min.
    """
    rr = np.asarray(rr_s, dtype=np.float64)
    at = np.flatnonzero(np.isfinite(rr))
    filled = np.interp(np.arange(len(rr)), at, rr[at]) if len(at) else np.full(len(rr), USUAL_RR_S)
    return np.clip(filled, MIN_RR_S, MAX_RR_S)


class _Neighbourhood:
    """Figures over the ``num_beats`` beats around each beat; near the ends of a record over its nearest such beats."""

    def __init__(self, num_beats: int, size: int) -> None:
        self.width = min(num_beats, (size - 1) // 2 * 2 + 1)
        half = self.width // 2
        self.centre = np.clip(np.arange(size), half, size - 1 - half)

    def mean(self, value_L: NDArray[np.float64]) -> NDArray[np.float64]:
        total = np.concatenate([[0.0], np.cumsum(value_L)])
        start = self.centre - self.width // 2
        return (total[start + self.width] - total[start]) / self.width

    def median(self, value_L: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(median_filter(value_L, self.width)[self.centre], dtype=np.float64)

    def spread(self, value_L: NDArray[np.float64]) -> NDArray[np.float64]:
        high, low = (percentile_filter(value_L, percent, self.width) for percent in (75, 25))
        return np.asarray((high - low)[self.centre], dtype=np.float64)


def rr_features(rr_s: ArrayLike) -> NDArray[np.float32]:
    """Describe each beat of one record by the intervals around it.

    Parameters
    ----------
    rr_s : array_like, (L,)
        Interval to the beat before in seconds; NaN at the first beat.

    Returns
    -------
    ndarray, (L, 19) float32
        The columns `FEATURES`. Over 11 and over 61 beats: logarithms of the median interval (s) and, each over the
        median or mean interval, of the quartile range, of the root mean square and of the median of the changes from
        beat to beat; share of changes above 50 ms; share of turning points; correlation of the intervals with those
        one and two beats later (-1 and 1 in bigeminy). Of the beat: logarithm of the interval before, of its own and
        of the next over the median of 11.
    """
    rr = fill_rr(rr_s)
    size = len(rr)
    if not size:
        return np.zeros((0, len(FEATURES)), dtype=np.float32)
    change = np.diff(rr, prepend=rr[:1])
    step = np.abs(change)
    turns = np.zeros(size)
    turns[1:-1] = change[1:-1] * change[2:] < 0
    columns, medians = [], []
    for num_beats in WINDOWS_BEATS:
        around = _Neighbourhood(num_beats, size)
        median, mean = around.median(rr), around.mean(rr)
        medians.append(median)
        variance = around.mean(rr**2) - mean**2 + FLOOR**2
        following = [shifted(rr, lag) for lag in (1, 2)]
        columns += [
            np.log(median),
            np.log(around.spread(rr) / median + FLOOR),
            np.log(np.sqrt(np.maximum(around.mean(change**2), 0)) / mean + FLOOR),
            np.log(around.median(step) / median + FLOOR),
            around.mean((step > 0.05).astype(np.float64)),
            around.mean(turns),
            *((around.mean(rr * later) - mean * around.mean(later)) / variance for later in following),
        ]
    columns += [np.log(shifted(rr, lag) / medians[0]) for lag in (-1, 0, 1)]
    return np.stack(columns, axis=1).astype(np.float32)


def shifted(value_L: NDArray[np.float64], lag: int) -> NDArray[np.float64]:
    """Return the value ``lag`` beats later; the nearest there is at the ends."""
    return value_L[np.clip(np.arange(len(value_L)) + lag, 0, len(value_L) - 1)]


def rule_figures(rr_s: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the figures that the rules read.

    Parameters
    ----------
    rr_s : array_like, (L,)
        Interval to the beat before in seconds; NaN at the first beat.

    Returns
    -------
    rate_per_min : ndarray, (L,) float64
        60 s over the median interval of 31 beats.
    irregularity : ndarray, (L,) float64
        Median change of the interval from beat to beat over the median interval, in the same beats. Medians, so that a
        few ectopic beats do not make a sinus rhythm irregular.
    """
    rr = fill_rr(rr_s)
    if not len(rr):
        return rr, rr
    around = _Neighbourhood(RULES_BEATS, len(rr))
    median = around.median(rr)
    return 60.0 / median, around.median(np.abs(np.diff(rr, prepend=rr[:1]))) / median
