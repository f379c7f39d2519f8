"""Heart rate over a record, and the ectopic beats of each stretch."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgfeat.view.marks import Marks

MOST_POINTS: Final = 1440
"""A minute each for a day."""

_SHORTEST_S = 2.0
_MEDIAN_BEATS = 5


def rate_trend(marks: Marks, duration_s: float) -> dict[str, NDArray[np.float32]]:
    """Summarise the heart rate in stretches of equal length.

    Parameters
    ----------
    marks : Marks
        Beats of the record.
    duration_s : float
        Length of the record.

    Returns
    -------
    dict of str to ndarray of float32
        Of each stretch: ``middle_s``; ``rate_bpm``, 60 over the mean RR interval, and its ``lowest_bpm`` and
        ``highest_bpm``, each over the median of five intervals, so that one ectopic beat is no peak (NaN without a
        beat); numbers of S and V beats, ``num_s`` and ``num_v``.
    """
    num_points = int(np.clip(np.ceil(duration_s / _SHORTEST_S), 1, MOST_POINTS))
    length_s = duration_s / num_points
    place = np.minimum((marks.time_s / length_s).astype(np.int64), num_points - 1)
    is_known = np.isfinite(marks.rr_s) & (marks.rr_s > 0)
    at, rr_s = place[is_known], marks.rr_s[is_known]
    count = np.bincount(at, minlength=num_points)
    with np.errstate(invalid="ignore", divide="ignore"):
        rate = 60 * count / np.bincount(at, rr_s, num_points)
    lowest, highest = np.full(num_points, np.inf), np.full(num_points, -np.inf)
    smooth_bpm = 60 / _running_median(rr_s)
    np.minimum.at(lowest, at, smooth_bpm)
    np.maximum.at(highest, at, smooth_bpm)
    empty = count == 0
    columns = {
        "middle_s": (np.arange(num_points) + 0.5) * length_s,
        "rate_bpm": np.where(empty, np.nan, rate),
        "lowest_bpm": np.where(empty, np.nan, lowest),
        "highest_bpm": np.where(empty, np.nan, highest),
        "num_s": np.bincount(place[marks.label == "S"], minlength=num_points),
        "num_v": np.bincount(place[marks.label == "V"], minlength=num_points),
    }
    return {name: column.astype(np.float32) for name, column in columns.items()}


def _running_median(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the median of each value and its neighbours, fewer at the ends."""
    if len(values) < _MEDIAN_BEATS:
        return np.full(len(values), np.median(values)) if len(values) else values
    half = _MEDIAN_BEATS // 2
    padded = np.pad(values, half, mode="reflect")
    return np.asarray(np.median(np.lib.stride_tricks.sliding_window_view(padded, _MEDIAN_BEATS), axis=1))
