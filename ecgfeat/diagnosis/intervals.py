"""Figures of the RR intervals of a whole record.

Shape suffixes: L R-peaks, R intervals.

References
----------
D. E. Lake, J. R. Moorman, "Accurate estimation of entropy in very short physiological time series", Am J Physiol Heart
Circ Physiol 300, 2011 (coefficient of sample entropy). S. Sarkar et al., "A detector for a chronic implantable atrial
tachyarrhythmia monitor", IEEE Trans Biomed Eng 55, 2008 (plot of changes). M. Brennan et al., IEEE Trans Biomed Eng 48,
2001 (SD1, SD2).
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter
from scipy.stats import kurtosis, skew

from ecgfeat.features.intervals import IRREGULAR_SHARE
from ecgfeat.store.record_feature_columns import IRREGULAR_SHARES, LAGS, QUANTILES

EARLY, LATE = 0.85, 1.15
"""Of the median of the intervals around: shorter ones are early, longer ones late."""

FEWEST_INTERVALS = 4
"""Of a record whose intervals are described."""

_VERY_EARLY, _PAUSE = 0.75, 1.7
_AROUND = 9
_WINDOW = 11
_FLOOR = 0.01  # of the mean: intervals are read to 1/128 s
_NEAR_S, _CELL_S, _FAR_S = 0.02, 0.04, 0.6

_Reals = NDArray[np.float64]


def describe_all_intervals(rr_s: _Reals) -> dict[str, float]:
    """Describe the intervals of a record.

    Parameters
    ----------
    rr_s : ndarray of float64, (R,)
        Seconds between R-peaks that follow each other, all of the record.

    Returns
    -------
    dict of str to float
        Columns of `ecgfeat.store.record_feature_columns` that can be computed; none with fewer than four intervals.
    """
    if len(rr_s) < FEWEST_INTERVALS:
        return {}
    return _describe_rates(rr_s) | _describe_changes(rr_s) | _describe_order(rr_s) | _describe_local(rr_s)


def mark_early(rr_s: _Reals) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which intervals are early and which are late, each (R,)."""
    ratio = rr_s / _usual_around(rr_s)
    return ratio < EARLY, ratio > LATE


def _usual_around(rr_s: _Reals) -> _Reals:
    """Return the median of the nine intervals around each; near the ends the record is continued in reverse."""
    return np.asarray(median_filter(rr_s, _AROUND, mode="mirror"))


def _describe_rates(rr_s: _Reals) -> dict[str, float]:
    """Describe how the intervals are distributed."""
    median, mean = float(np.median(rr_s)), float(rr_s.mean())
    fast, slow = np.percentile(rr_s, (10, 90))
    figures = {
        "rate_per_min": 60 / median,
        "rate_mean_per_min": 60 / mean,
        "rate_fast_per_min": 60 / fast,
        "rate_slow_per_min": 60 / slow,
        "rr_shortest": rr_s.min() / median,
        "rr_longest": rr_s.max() / median,
        "rr_shortest_s": rr_s.min(),
        "rr_longest_s": rr_s.max(),
        "rr_spread": rr_s.std() / mean,
        "rr_median_deviation": np.median(np.abs(rr_s - median)) / median,
    }
    figures |= {f"rr_quantile_{q}": value / median for q, value in zip(QUANTILES, _quantiles(rr_s), strict=True)}
    if np.ptp(rr_s) > 0:
        figures |= {"rr_skewness": skew(rr_s), "rr_kurtosis": kurtosis(rr_s)}
    count = np.histogram(np.clip(rr_s / median, 0.4, 1.799), bins=28, range=(0.4, 1.8))[0]
    share = count[count > 0] / len(rr_s)
    figures["rr_histogram_entropy"] = -(share * np.log(share)).sum()
    figures["rr_histogram_top"] = share.max()
    figures["rr_histogram_bins"] = len(share) / np.sqrt(len(rr_s))
    for tolerance_s in (0.03, 0.1):
        entropy, name = sample_entropy(rr_s, 1, tolerance_s), f"{1000 * tolerance_s:.0f}ms"
        figures[f"rr_sample_entropy_{name}"] = entropy
        figures[f"rr_entropy_rate_{name}"] = entropy + np.log(2 * tolerance_s) - np.log(mean)
    figures["rr_sample_entropy_relative"] = sample_entropy(rr_s / median, 2, 0.1)
    return figures


def _quantiles(rr_s: _Reals) -> list[float]:
    return [float(value) for value in np.percentile(rr_s, QUANTILES)]


def sample_entropy(value_R: _Reals, length: int, tolerance: float) -> float:
    """Return the sample entropy of a short series.

    Parameters
    ----------
    value_R : ndarray of float64, (R,)
        The series.
    length : int
        Values of a pattern.
    tolerance : float
        Patterns are alike where no value differs by more.

    Returns
    -------
    float
        In nat: minus the logarithm of the share of pairs of alike patterns that stay alike one value longer. Half a
        pair is added to those, and one to the others, so that it is finite.
    """
    patterns = np.lib.stride_tricks.sliding_window_view(value_R, length + 1)
    apart = np.abs(patterns[:, None] - patterns[None]) <= tolerance
    short, long = apart[..., :length].all(axis=-1), apart.all(axis=-1)
    num_short, num_long = ((pairs.sum() - len(patterns)) / 2 for pairs in (short, long))
    return float(-np.log((num_long + 0.5) / (num_short + 1)))


def _describe_changes(rr_s: _Reals) -> dict[str, float]:
    """Describe the changes from interval to interval."""
    median, mean = float(np.median(rr_s)), float(rr_s.mean())
    change = np.diff(rr_s)
    size = np.abs(change)
    sd1 = change.std() / np.sqrt(2)
    sd2 = np.sqrt(max(0.0, 2 * rr_s.var() - sd1**2))
    quartiles = np.percentile(size, (25, 75, 90)) / median
    figures = {
        "rr_rmssd": np.sqrt(np.mean(change**2)) / mean,
        "rr_median_change": np.median(size) / median,
        "rr_change_above_50ms": (size > 0.05).mean(),
        "poincare_sd1": sd1 / mean,
        "poincare_sd2": sd2 / mean,
        "poincare_ratio": sd1 / (sd2 + _FLOOR * mean),
    }
    figures |= {f"rr_change_quantile_{q}": value for q, value in zip((25, 75, 90), quartiles, strict=True)}
    figures |= {f"rr_irregular_{round(100 * share)}": (size > share * mean).mean() for share in IRREGULAR_SHARES}
    point = np.stack([rr_s[1:], rr_s[:-1]], axis=1) / median
    apart = np.linalg.norm(point[:, None] - point[None], axis=-1)
    np.fill_diagonal(apart, np.inf)
    nearest = apart.min(axis=1)
    figures |= {"poincare_nearest": np.median(nearest), "poincare_loneliest": np.percentile(nearest, 90)}
    pair = np.stack([change[1:], change[:-1]])
    cell = np.floor((np.clip(pair, -_FAR_S, _FAR_S) + _FAR_S) / _CELL_S)
    figures["lorenz_origin"] = (np.abs(pair) < _NEAR_S).all(axis=0).mean()
    figures["lorenz_cells"] = np.unique(cell, axis=1).shape[1] / pair.shape[1]
    return figures


def _describe_order(rr_s: _Reals) -> dict[str, float]:
    """Describe in which order intervals follow each other, and how that differs along the record."""
    median, mean, change = float(np.median(rr_s)), float(rr_s.mean()), np.diff(rr_s)
    deviation = rr_s - mean
    variance = np.mean(deviation**2) + (_FLOOR * mean) ** 2
    figures = {
        f"rr_repeat_{lag}": (deviation[lag:] * deviation[:-lag]).sum() / (len(rr_s) * variance)
        for lag in LAGS
        if lag < len(rr_s)
    }
    is_turning = change[:-1] * change[1:] < 0
    is_large = np.abs(change) > 0.05 * median
    figures["rr_turning"] = is_turning.mean()
    figures["rr_turning_large"] = (is_turning & is_large[:-1] & is_large[1:]).mean()
    width = min(_WINDOW, len(change))
    for name, value in (("irregular", np.abs(change) > IRREGULAR_SHARE * median), ("change", np.abs(change) / median)):
        means = np.convolve(value, np.full(width, 1 / width), "valid")
        figures |= {f"rr_{name}_most": means.max(), f"rr_{name}_least": means.min()}
    return figures


def _describe_local(rr_s: _Reals) -> dict[str, float]:
    """Describe early and late intervals, and the others."""
    around, median = _usual_around(rr_s), float(np.median(rr_s))
    ratio, (is_early, is_late) = rr_s / around, mark_early(rr_s)
    is_pair = is_early[:-1] & is_late[1:]
    is_usual = ~is_early & ~is_late
    figures = {
        "early_share": is_early.mean(),
        "very_early_share": (ratio < _VERY_EARLY).mean(),
        "early_count": is_early.sum(),
        "late_share": is_late.mean(),
        "pause_share": (ratio > _PAUSE).mean(),
        "early_then_late": is_pair.mean(),
        "early_then_late_of_early": is_pair.sum() / max(1, is_early.sum()),
        "early_other_beat": (is_early[:-2] & ~is_early[1:-1] & is_early[2:]).mean(),
        "early_run": (is_early[:-1] & is_early[1:]).mean(),
        "rr_local_least": ratio.min(),
        "rr_local_most": ratio.max(),
        "rr_local_spread": ratio.std(),
        "usual_share": is_usual.mean(),
        "trend_spread": around.std() / median,
        "trend_fast_per_min": 60 / around.min(),
        "trend_slow_per_min": 60 / around.max(),
    }
    if is_pair.any():
        both = (rr_s[:-1] + rr_s[1:]) / (around[:-1] + around[1:])
        figures["compensation"] = np.median(both[is_pair])
    if is_usual.sum() > 2:
        figures["usual_spread"] = rr_s[is_usual].std() / rr_s[is_usual].mean()
    change = np.diff(rr_s)[is_usual[:-1] & is_usual[1:]]
    if len(change) > 2:
        figures["usual_change"] = np.median(np.abs(change)) / median
        figures["usual_rmssd"] = np.sqrt(np.mean(change**2)) / median
    return figures
