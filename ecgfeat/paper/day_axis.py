"""The axis of time of a day: where its ticks stand, on the clock of the patient if that is known, and what they say."""

from datetime import datetime, timedelta

from ecgfeat.clock import clock
from ecgfeat.paper.trends import round_step

MOST_TICKS = 13
_DAY_S = 86_400


def choose_ticks(duration_s: float, start: datetime | None) -> list[tuple[float, str]]:
    """Choose where ticks stand.

    Parameters
    ----------
    duration_s : float
        Length of the record.
    start : datetime or None
        When it began.

    Returns
    -------
    list of (float, str)
        Seconds from the start of the record, at whole hours of the day or such, and the text under each. At midnight it
        has a second line, the number of the day, the first being 1.
    """
    step_s = round_step(duration_s / MOST_TICKS)
    into_day_s = 0.0
    if start is not None:
        into_day_s = 3600 * start.hour + 60 * start.minute + start.second + start.microsecond / 1e6
    first_s = -into_day_s % step_s
    num_ticks = int((duration_s - first_s) // step_s) + 1 if duration_s >= first_s else 0
    return [(at_s, _text(at_s, start, step_s)) for at_s in (first_s + step_s * tick for tick in range(num_ticks))]


def _text(at_s: float, start: datetime | None, step_s: int) -> str:
    """Return what a tick says."""
    if start is None:
        return clock(at_s)
    # Ticks are whole seconds of the day; half a second takes out what rounding left.
    at = start + timedelta(seconds=at_s + 1e-3)
    day = f"day {(at.date() - start.date()).days + 1}"
    if step_s >= _DAY_S:
        return day
    text = f"{at:%H:%M:%S}" if step_s < 60 else f"{at:%H:%M}"
    return f"{text}\n{day}" if (at.hour, at.minute, at.second) == (0, 0, 0) else text


def time_axis_label(start: datetime | None) -> str:
    """Return what the ticks count."""
    return "time of day" if start else "time from start"
