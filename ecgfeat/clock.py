"""Times of a recording in words: counted from its start, and of the day where it states when it began."""

from datetime import datetime, timedelta


def clock(at_s: float) -> str:
    """Write a time of a record as hours, minutes and seconds.

    Parameters
    ----------
    at_s : float
        Seconds from the start of the record.

    Returns
    -------
    str
        ``h:mm:ss``, or ``m:ss`` in the first hour.
    """
    minutes, seconds = divmod(round(at_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def seconds_text(at_s: float) -> str:
    """Write a time of a record in seconds, to hundredths and without an exponent, as names of files hold it."""
    return f"{at_s:.2f}".rstrip("0").rstrip(".")


def time_of_day(start: datetime | None, at_s: float) -> str:
    """Write when something was, on the clock of the patient.

    Parameters
    ----------
    start : datetime or None
        When the recording began; None where its file does not state it.
    at_s : float
        Seconds from the start of the record.

    Returns
    -------
    str
        ``hh:mm:ss``, from the second day on with ``day 2`` before it; empty where the start is unknown.
    """
    if start is None:
        return ""
    at = start + timedelta(seconds=round(at_s))
    days = (at.date() - start.date()).days
    return f"day {days + 1}, {at:%H:%M:%S}" if days else f"{at:%H:%M:%S}"
