"""RR intervals of a beat and of the beats around it.

All figures are of one usable stretch: no interval reaches over a gap. Ratios and shares have no unit, so that none
depends on the rate of sampling; of a stretch of fewer beats than a neighbourhood has, they are of all its beats.

Shape suffixes: L beats of a stretch.

References
----------
P. de Chazal et al., "Automatic classification of heartbeats using ECG morphology and heartbeat interval features", IEEE
Trans Biomed Eng 51, 2004 (intervals over their means). K. Tateno, L. Glass, "Automatic detection of atrial fibrillation
using the coefficient of variation and density histograms of RR and dRR intervals", Med Biol Eng Comput 39, 2001.
"""

from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ecgfeat.store.feature_names import AROUND_BEATS, BEFORE_BEATS

IRREGULAR_SHARE = 0.1
"""A change of the interval above this share of the mean interval counts as irregular."""

LONGEST_RR_S = 3.0
"""Longer intervals are pauses and count as this long, or one of them would hide all others in a mean."""

_SHORTEST_RR_S = 0.15
_LAGS = (1, 2, 3)  # in bigeminy the interval two beats later is the same, and the next one is not
_FEW_WINDOWS = 64  # so many are sorted sooner than scipy is called
_FLOOR = 0.01  # of the mean: intervals are read to 1/128 s

_Reals = NDArray[np.float64]


def describe_intervals(rr_s: _Reals, usual_s: tuple[float, float]) -> dict[str, _Reals]:
    """Describe each beat of a stretch by its RR intervals.

    Parameters
    ----------
    rr_s : ndarray of float64, (L,)
        Seconds from the R-peak before; NaN for the first.
    usual_s : tuple of float
        Mean and median interval of the whole record, by `usual_interval`.

    Returns
    -------
    dict of str to ndarray of float64, (L,)
        The columns of the group ``intervals`` of `ecgfeat.store.feature_names`; NaN where there is no such interval.
    """
    columns: dict[str, _Reals] = {}
    before = np.clip(rr_s, _SHORTEST_RR_S, LONGEST_RR_S)
    after = shift(before, 1)
    columns["rr_before_s"], columns["rr_after_s"] = before, after
    columns["rr_change"] = np.log(before / shift(before, -1))
    columns["rr_after_change"] = np.log(after / before)
    mean_s, median_s = usual_s
    columns["rr_over_record_mean"] = np.log(before / mean_s)
    columns["rr_over_record_median"] = np.log(before / median_s)
    columns["rr_pair_over_record_mean"] = np.log((before + after) / (2 * mean_s))
    sums, stop = sum_up(before[None]), np.arange(1, len(before) + 1)
    for num_beats in BEFORE_BEATS:
        mean = mean_between(sums, np.maximum(stop - num_beats, 0), stop)[0]
        columns[f"rr_over_mean_before_{num_beats}"] = np.log(before / mean)
    series = _Series(before)
    for num_beats in AROUND_BEATS:
        columns |= {f"{name}_{num_beats}": value for name, value in series.describe(num_beats)}
    return columns


def usual_interval(rr_s: _Reals) -> tuple[float, float]:
    """Return mean and median of the intervals of a record in seconds, clipped as here; NaN where it has none."""
    rr = np.clip(rr_s[np.isfinite(rr_s)], _SHORTEST_RR_S, LONGEST_RR_S)
    return (float(rr.mean()), float(np.median(rr))) if rr.size else (float("nan"), float("nan"))


def mean_interval(rr_s: _Reals, num_beats: int) -> _Reals:
    """Return the column ``rr_mean_s`` of so many beats alone, (L,), of intervals as `describe_intervals` takes them."""
    before = np.clip(rr_s, _SHORTEST_RR_S, LONGEST_RR_S)
    return Neighbourhood(len(before), num_beats).mean(sum_up(before[None]))[0]


class _Series:
    """The intervals of a stretch, their changes and products, summed once for neighbourhoods of any size."""

    def __init__(self, rr: _Reals) -> None:
        self.rr, self.after = rr, shift(rr, 1)
        change = rr - shift(rr, -1)
        self.step = np.abs(change)
        turns = np.where(np.isnan(change + shift(change, 1)), np.nan, change * shift(change, 1) < 0)
        values = {"rr": rr, "square": rr**2, "change_square": change**2, "turning": turns}
        values |= {f"product_{lag}": rr * shift(rr, lag) for lag in _LAGS}
        self.names, self.sums = list(values), sum_up(np.stack(list(values.values())))

    def describe(self, num_beats: int) -> Iterator[tuple[str, _Reals]]:
        """Yield the figures of the beats around each beat."""
        around = Neighbourhood(len(self.rr), num_beats)
        means = dict(zip(self.names, around.mean(self.sums), strict=True))
        mean, median = means["rr"], around.median(self.rr)
        is_irregular = np.where(np.isnan(self.step), np.nan, self.step > IRREGULAR_SHARE * mean)
        variance = means["square"] - mean**2
        yield "rr_over_mean", np.log(self.rr / mean)
        yield "rr_over_median", np.log(self.rr / median)
        yield "rr_after_over_mean", np.log(self.after / mean)
        yield "rr_mean_s", mean
        yield "rr_irregular", around.mean(sum_up(is_irregular[None]))[0]
        yield "rr_variation", np.sqrt(np.maximum(variance, 0)) / mean
        yield "rr_rmssd", np.sqrt(means["change_square"]) / mean
        yield "rr_median_change", around.median(self.step) / median
        yield "rr_turning", means["turning"]
        for lag in _LAGS:
            covariance = means[f"product_{lag}"] - mean**2
            yield f"rr_repeat_{lag}", np.clip(covariance / (variance + (_FLOOR * mean) ** 2), -1, 1)


class Neighbourhood:
    """The beats around each beat of a stretch; near its ends, the nearest so many.

    Parameters
    ----------
    size : int
        Beats of the stretch.
    num_beats : int
        Odd number of beats.
    """

    def __init__(self, size: int, num_beats: int) -> None:
        self.width = min(num_beats, max(1, (size - 1) // 2 * 2 + 1))
        half = self.width // 2
        self.start = np.clip(np.arange(-half, size - half), 0, max(0, size - self.width))

    def mean(self, sums: tuple[_Reals, _Reals]) -> _Reals:
        """Return the means of the values that are there, (K, L), from their sums by `sum_up`."""
        total, number = (value[:, self.width :] - value[:, : -self.width] for value in sums)
        return _divide(total, number).take(self.start, axis=1)

    def median(self, value_L: _Reals) -> _Reals:
        """Return the medians of the values that are there, (L,), NaN where there are none."""
        # Imported here: who has the columns already, as where models run from ONNX files, needs no scipy.
        from scipy.ndimage import median_filter

        if not len(value_L):
            return value_L
        window_NW, is_missing = sliding_window_view(value_L, self.width), np.isnan(value_L)
        if len(window_NW) <= _FEW_WINDOWS:
            return _medians(window_NW).take(self.start)
        # A NaN makes scipy's running median wrong far beyond the windows that hold it: it is given none.
        half = self.width // 2
        median_N = median_filter(np.where(is_missing, 0, value_L), self.width)[half : len(value_L) - half]
        missing = np.append(0, np.cumsum(is_missing))
        lacking = np.flatnonzero(missing[self.width :] > missing[: -self.width])
        median_N[lacking] = _medians(window_NW[lacking])
        return np.asarray(median_N.take(self.start), dtype=np.float64)


def _medians(value_NW: _Reals) -> _Reals:
    """Return the median of each row, (N,), without what is missing."""
    rows, number = np.arange(len(value_NW)), np.isfinite(value_NW).sum(axis=1)
    sorted_NW = np.sort(value_NW, axis=1)  # what is missing comes last
    return np.asarray((sorted_NW[rows, (number - 1) // 2] + sorted_NW[rows, number // 2]) / 2)


def sum_up(value_KL: _Reals) -> tuple[_Reals, _Reals]:
    """Return sums and numbers of the values that are there before each beat and in all, both (K, L + 1)."""
    is_there = np.isfinite(value_KL)
    total, number = np.zeros((2, value_KL.shape[0], value_KL.shape[1] + 1))
    np.cumsum(np.where(is_there, value_KL, 0), axis=1, out=total[:, 1:])
    np.cumsum(is_there, axis=1, out=number[:, 1:])
    return total, number


def mean_between(sums: tuple[_Reals, _Reals], start: NDArray[np.int64], stop: NDArray[np.int64]) -> _Reals:
    """Return the means of the values from start to stop (exclusive), NaN where there are none."""
    total, number = (value.take(stop, axis=1) - value.take(start, axis=1) for value in sums)
    return _divide(total, number)


def _divide(total: _Reals, number: _Reals) -> _Reals:
    return np.asarray(np.where(number > 0, total / np.maximum(number, 1), np.nan))


def shift(value_L: _Reals, lag: int) -> _Reals:
    """Return the value so many beats later, (L,); NaN beyond the ends."""
    shifted = np.full(len(value_L), np.nan)
    if abs(lag) < len(value_L):
        shifted[max(0, -lag) : len(value_L) - max(0, lag)] = value_L[max(0, lag) : len(value_L) - max(0, -lag)]
    return shifted
