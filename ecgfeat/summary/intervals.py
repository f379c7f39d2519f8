"""Numbers of RR intervals: heart rate, pauses, variability.

Shape suffix: L beats. ``rr_s[i]`` is the interval that ends at beat i; NaN where beat i is the first of a usable
stretch, so that no number crosses a gap.

References
----------
Task Force of the ESC and NASPE, "Heart rate variability", Circulation 93:1043-65, 1996 (SDNN, RMSSD of NN intervals).
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

RATE_INTERVALS: Final = 8
"""RR intervals in a row whose mean is the highest or the lowest heart rate."""

PAUSE_OVER_S: Final = 2.0
"""A longer RR interval is listed as a pause."""

SINUS_RHYTHMS: Final = ("NSR", "SBR")
"""Rhythms whose beats of class N start in the sinus node one after another."""


@dataclass(frozen=True)
class RateAt:
    """A heart rate and when it was.

    Attributes
    ----------
    per_min : float
        Beats per minute.
    start_s : float
        Time of the first R-peak of its intervals, in seconds from the start of the record.
    """

    per_min: float
    start_s: float


@dataclass(frozen=True)
class IntervalAt:
    """An RR interval and when it was.

    Attributes
    ----------
    rr_s : float
        Its length in seconds.
    start_s : float
        Time of the R-peak that it begins with, in seconds from the start of the record.
    """

    rr_s: float
    start_s: float


@dataclass(frozen=True)
class Variability:
    """Variability of NN intervals: RR intervals between two N beats of sinus rhythm.

    Attributes
    ----------
    num_intervals : int
        NN intervals.
    sdnn_ms : float or None
        Their standard deviation; None for fewer than two.
    rmssd_ms : float or None
        Root mean square of the differences between neighbours; None where no two NN intervals are neighbours.
    """

    num_intervals: int
    sdnn_ms: float | None
    rmssd_ms: float | None


def mean_rate(rr_s: NDArray[np.float64]) -> float | None:
    """Return the mean heart rate in beats per minute: the number of RR intervals by their time.

    None where there is no interval.
    """
    known = rr_s[np.isfinite(rr_s)]
    return 60 * len(known) / float(known.sum()) if len(known) else None


def extreme_rates(time_s: NDArray[np.float64], rr_s: NDArray[np.float64]) -> tuple[RateAt, RateAt] | None:
    """Find the lowest and the highest heart rate over `RATE_INTERVALS` RR intervals in a row.

    Parameters
    ----------
    time_s : ndarray of float64, (L,)
        R-peaks in seconds from the start of the record, ascending.
    rr_s : ndarray of float64, (L,)
        Interval that ends at each, in seconds.

    Returns
    -------
    (RateAt, RateAt) or None
        Lowest, highest; the first of equal ones. None where no usable stretch has so many intervals.
    """
    if len(rr_s) <= RATE_INTERVALS:
        return None
    sum_s = np.lib.stride_tricks.sliding_window_view(rr_s, RATE_INTERVALS).sum(axis=1)
    if not np.isfinite(sum_s).any():
        return None
    slowest, fastest = int(np.nanargmax(sum_s)), int(np.nanargmin(sum_s))

    def rate_at(first: int) -> RateAt:
        return RateAt(60 * RATE_INTERVALS / float(sum_s[first]), float(time_s[first - 1]))

    return rate_at(slowest), rate_at(fastest)


def find_pauses(time_s: NDArray[np.float64], rr_s: NDArray[np.float64]) -> tuple[IntervalAt, ...]:
    """Return the RR intervals longer than `PAUSE_OVER_S`, in order of time. Parameters are those of `extreme_rates`."""
    return tuple(_interval_at(time_s, rr_s, beat) for beat in np.flatnonzero(rr_s > PAUSE_OVER_S).tolist())


def longest_interval(time_s: NDArray[np.float64], rr_s: NDArray[np.float64]) -> IntervalAt | None:
    """Return the longest RR interval, the first of equal ones; None where there is none."""
    return _interval_at(time_s, rr_s, int(np.nanargmax(rr_s))) if np.isfinite(rr_s).any() else None


def _interval_at(time_s: NDArray[np.float64], rr_s: NDArray[np.float64], beat: int) -> IntervalAt:
    return IntervalAt(float(rr_s[beat]), float(time_s[beat - 1]))


def measure_variability(rr_s: NDArray[np.float64], aami: NDArray[Any], rhythm: NDArray[Any]) -> Variability:
    """Measure SDNN and RMSSD of the NN intervals of a record.

    Parameters
    ----------
    rr_s : ndarray of float64, (L,)
        Interval that ends at each beat, in seconds.
    aami : ndarray of str, (L,)
        Class of each beat.
    rhythm : ndarray of str, (L,)
        Rhythm at each beat.

    Returns
    -------
    Variability

    Notes
    -----
    The values are those of ``neurokit2.hrv_time``, which takes seconds to import; a test compares the two. Intervals
    are not corrected: a missed beat among N beats makes one long interval.
    """
    is_sinus_L = (aami == "N") & np.isin(rhythm, SINUS_RHYTHMS)
    is_nn_L = np.isfinite(rr_s) & is_sinus_L & np.append(False, is_sinus_L[:-1])[: len(rr_s)]
    nn_ms = 1000 * rr_s[is_nn_L]
    change_ms = 1000 * np.diff(rr_s)[is_nn_L[1:] & is_nn_L[:-1]]
    return Variability(
        len(nn_ms),
        float(nn_ms.std(ddof=1)) if len(nn_ms) > 1 else None,
        float(np.sqrt(np.mean(change_ms**2))) if len(change_ms) else None,
    )
