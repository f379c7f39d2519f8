"""Heart rate over a record, and the ectopic beats of each stretch."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgfeat.summary.intervals import RATE_INTERVALS
from ecgfeat.view.marks import Marks

MOST_POINTS: Final = 1440
"""A minute each for a day."""

_SHORTEST_S = 2.0


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
        Of each stretch: ``middle_s``; ``rate_bpm``, from the RR intervals that end in it; ``lowest_bpm`` and
        ``highest_bpm`` over eight intervals in a row, as in the summary, by the last of them; NaN where there are none.
        Numbers of S and V beats, ``num_s`` and ``num_v``.
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
    if len(marks.rr_s) >= RATE_INTERVALS:
        sum_s = np.lib.stride_tricks.sliding_window_view(marks.rr_s, RATE_INTERVALS).sum(axis=1)
        is_whole = np.isfinite(sum_s)
        last = place[RATE_INTERVALS - 1 :][is_whole]
        np.minimum.at(lowest, last, 60 * RATE_INTERVALS / sum_s[is_whole])
        np.maximum.at(highest, last, 60 * RATE_INTERVALS / sum_s[is_whole])
    columns = {
        "middle_s": (np.arange(num_points) + 0.5) * length_s,
        "rate_bpm": np.where(count > 0, rate, np.nan),
        "lowest_bpm": np.where(np.isfinite(lowest), lowest, np.nan),
        "highest_bpm": np.where(np.isfinite(highest), highest, np.nan),
        "num_s": np.bincount(place[marks.label == "S"], minlength=num_points),
        "num_v": np.bincount(place[marks.label == "V"], minlength=num_points),
    }
    return {name: column.astype(np.float32) for name, column in columns.items()}
