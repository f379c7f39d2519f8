"""Tables of text: CSV and TSV of any delimiter, with or without heading, units and time column.

Where a column is time, the rate follows from it, and missing times are a gap.

Shape suffixes: S samples, C columns.
"""

import io
import re
from datetime import datetime
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgfeat.errors import DataError, UsageError, printable
from ecgfeat.files.recording import Channel, Recording
from ecgfeat.files.text_layout import CLOCK, ZONE, Layout, find_layout, split_line
from ecgfeat.files.unitless import choose_rate, column_blocks
from ecgfeat.records.headers import LONGEST_S
from ecgfeat.records.text import decode_text
from ecgfeat.records.units import millivolts_per

_READ_LINES = 400
_TIME_NAME = re.compile(
    r"(elapsed[ _]?)?(time|times|t|timestamp\w*|zeit|temps|tiempo|tempo|tijd|tid|czas|zaman|aika|время|时间|sec|secs|"
    r"seconds?|ms|millis\w*)([ _].*)?"
)
_INDEX_NAME = re.compile(r"(samples?|index|idx|nr|no|number|n|#|row|unnamed.*)?\s*#?")
_SECONDS_PER: Final = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds", "sek"), 1.0),
    **dict.fromkeys(("ms", "msec", "millisecond", "milliseconds"), 1e-3),
    **{"us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ns": 1e-9, "min": 60.0},
}
_LEAST_RATE_HZ = 20.0
_MOST_JITTER, _MOST_GAPS = 0.75, 0.05


def open_table(path: Path, *, fs_hz: float | None, unit: str | None) -> Recording:
    """Open a table of text."""
    where = printable(path.name)
    text = decode_text(path.read_bytes())
    layout = find_layout(where, text.split("\n", _READ_LINES + 1)[:_READ_LINES])
    values_SC, start = _parse(where, text, layout)
    del text
    names, units = list(layout.names), list(layout.units)
    time_s, at = None, _time_column(layout, values_SC, has_clock=start is not None)
    if at is not None:
        time_s = _seconds(where, layout, at, values_SC[:, at], fs_hz)
        values_SC = np.delete(values_SC, at, axis=1)
        del names[at], units[at]
    # A delimiter at the end of every line makes a column of nothing.
    is_kept = [bool(name) or bool(np.isfinite(values_SC[:, column]).any()) for column, name in enumerate(names)]
    values_SC = values_SC[:, is_kept]
    names, units = ([of for of, kept in zip(texts, is_kept, strict=True) if kept] for texts in (names, units))
    if not names:
        raise DataError(where, found="a table with a time column and no other", expected="at least one lead")
    stated = {f"its heading ({rate_hz:g} Hz)": rate_hz for rate_hz in layout.rates_hz}
    if time_s is not None:
        stated["its time column"] = _rate_of(where, layout, time_s)
    rate_hz = choose_rate(where, fs_hz, stated)
    notes: tuple[str, ...] = ()
    if time_s is not None:
        values_SC, notes = _fill_gaps(where, time_s, values_SC, rate_hz)
    if start is None or start == datetime.min:
        start = _start_in(layout.preamble)
    channels = tuple(
        Channel(name, stated_unit, rate_hz, len(values_SC)) for name, stated_unit in zip(names, units, strict=True)
    )
    blocks = column_blocks(where, [values_SC[:, column] for column in range(len(names))], channels, unit)
    return Recording(path.stem, "table of text", channels, blocks, start, notes)


def _parse(where: str, text: str, layout: Layout) -> tuple[NDArray[np.float64], datetime | None]:
    """Read the numbers, and where the first column has clock times, the first of them (`datetime.min` without date)."""
    import pyarrow as pa
    from pyarrow import csv

    begin = 0
    for _ in range(layout.first_line):
        begin = text.index("\n", begin) + 1
    body = text[begin:]
    if layout.delimiter == " ":
        body = "\n".join(" ".join(line.split()) for line in body.split("\n"))
    names = [f"c{column}" for column in range(len(layout.names))]
    first = split_line(body.split("\n", 1)[0], layout.delimiter)[0]
    has_clock = CLOCK.fullmatch(first) is not None
    types = dict.fromkeys(names, pa.float64()) | ({names[0]: pa.string()} if has_clock else {})
    options = csv.ConvertOptions(
        column_types=types,
        decimal_point=layout.decimal,
        null_values=["", "NaN", "nan", "NA", "N/A", "n/a", "null", "NULL", "-"],
    )
    try:
        table = csv.read_csv(
            io.BytesIO(body.encode()),
            read_options=csv.ReadOptions(column_names=names),
            parse_options=csv.ParseOptions(delimiter=layout.delimiter),
            convert_options=options,
        )
    except pa.ArrowInvalid as error:
        reason = str(error).split("\n")[0][:160]
        expected = f"{len(names)} numbers on every line from line {layout.first_line + 1} on"
        raise DataError(where, found=f"a line that does not fit ({reason})", expected=expected) from None
    if not table.num_rows:
        raise DataError(where, found="a table without a line", expected="one line per sample")
    start = None
    arrays = [table.column(name).to_numpy(zero_copy_only=False) for name in names[1 if has_clock else 0 :]]
    if has_clock:
        seconds, start = _parse_clock(where, table.column(names[0]).to_pylist())
        arrays.insert(0, seconds)
    return np.stack([np.asarray(array, dtype=np.float64) for array in arrays], axis=1), start


def _parse_clock(where: str, texts: list[str | None]) -> tuple[NDArray[np.float64], datetime]:
    """Turn clock times, with or without a date, into seconds."""
    # One zone holds for all; times are those of the clock that made them.
    cleaned = [re.sub(f"{ZONE}$", "", (text or "").strip("\"' []").replace(",", ".")) for text in texts]
    try:
        if "-" in cleaned[0]:
            stamps = np.array([np.datetime64(text.replace(" ", "T")) for text in cleaned], dtype="datetime64[us]")
            return (stamps - stamps[0]) / np.timedelta64(1, "s"), stamps[0].astype(datetime)
        parts = np.array([[float(part) for part in text.split(":")] for text in cleaned])
    except (ValueError, IndexError):
        raise DataError(where, found="times of several notations", expected="one, such as 0:00:01.250") from None
    weights = np.array([3600.0, 60.0, 1.0])[-parts.shape[1] :] if parts.shape[1] > 2 else np.array([60.0, 1.0])
    seconds = parts @ weights
    # Past midnight the clock begins anew.
    return seconds + 86400.0 * np.cumsum(np.diff(seconds, prepend=seconds[0]) < -43200), datetime.min


def _time_column(layout: Layout, values_SC: NDArray[np.float64], *, has_clock: bool) -> int | None:
    """Return which column is the time or a running number: by its name or unit, or because it rises evenly."""
    if has_clock:
        return 0
    for at, (name, unit) in enumerate(zip(layout.names, layout.units, strict=True)):
        lower = name.strip().casefold()
        if millivolts_per(unit) is not None:
            continue
        if unit.casefold() in _SECONDS_PER or ":" in unit or (lower and _is_time_name(lower)):
            return at
    first_S = values_SC[:, 0]
    if values_SC.shape[1] < 2 or len(first_S) < 3 or millivolts_per(layout.units[0]) is not None:
        return None
    steps = np.diff(first_S)
    rises = bool((steps > 0).all()) and float(np.mean(np.abs(steps / np.median(steps) - 1) < 0.6)) > 0.9
    return 0 if rises else None


def _is_time_name(lower: str) -> bool:
    return _TIME_NAME.fullmatch(lower) is not None or _INDEX_NAME.fullmatch(lower) is not None


def _seconds(
    where: str, layout: Layout, at: int, column_S: NDArray[np.float64], fs_hz: float | None
) -> NDArray[np.float64] | None:
    """Return the times of a column in seconds; None for a running number, and where `fs_hz` says what its steps are."""
    name, unit = layout.names[at].strip().casefold(), layout.units[at].strip().casefold()
    steps = np.diff(column_S)
    if unit == "" and ("ms" in re.split(r"[ _]", name) or name.startswith("milli")):
        unit = "ms"
    if unit in _SECONDS_PER:
        return column_S * _SECONDS_PER[unit]
    step = float(np.median(steps)) if len(steps) else 1.0
    is_whole = bool((column_S == np.rint(column_S)).all())
    if is_whole and step == 1 and not (name and _TIME_NAME.fullmatch(name)):
        return None
    if step > 1 / _LEAST_RATE_HZ:
        # Whole milliseconds, or a running number, under a name that says seconds.
        if fs_hz is not None and abs(step * fs_hz / 1000 - 1) < 0.01:
            return column_S * 1e-3
        if fs_hz is not None and step == 1:
            return None
        found = f"times that rise by {step:g} and state no unit"
        expected = f"seconds, at {_LEAST_RATE_HZ:g} Hz or more"
        remedy = "If they are milliseconds, call the column time_ms; if it only counts, call it sample and add --fs HZ."
        raise UsageError(where, found=found, expected=expected, remedy=remedy)
    return column_S


def _rate_of(where: str, layout: Layout, time_s: NDArray[np.float64]) -> float:
    """Return the rate of rising times that are rounded to some digits, from the longest run without a gap."""
    steps = np.diff(time_s)
    is_wrong = ~np.isfinite(time_s)
    is_wrong[1:] |= ~(steps > 0)
    if not len(steps) or is_wrong.any():
        at = layout.first_line + 1 + int(np.argmax(is_wrong))
        raise DataError(where, found=f"a time column that does not rise at line {at}", expected="rising times")
    median = float(np.median(steps))
    jumps = np.flatnonzero(steps > 1.5 * median + 1e-9)
    edges = np.concatenate([[0], jumps + 1, [len(time_s)]])
    longest = int(np.argmax(np.diff(edges)))
    low, high = int(edges[longest]), int(edges[longest + 1]) - 1
    rate_hz = (high - low) / (time_s[high] - time_s[low]) if high > low else 1 / median
    # Times of three digits fix the rate to a few parts in a million after minutes: take a whole number if it is near.
    near = round(rate_hz)
    error = median / max(time_s[high] - time_s[low], median)
    return float(near) if near and abs(rate_hz - near) <= max(near * error * 0.2, 1e-6 * near) else float(rate_hz)


def _fill_gaps(
    where: str, time_s: NDArray[np.float64], values_SC: NDArray[np.float64], rate_hz: float
) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Put each line where its time says; what is missing between is invalid."""
    steps = np.diff(time_s) * rate_hz
    added = np.where(steps > 1.5, np.rint(steps) - 1, 0).astype(np.int64)
    place = np.arange(len(time_s)) + np.concatenate([[0], np.cumsum(added)])
    away = np.abs(time_s * rate_hz - place - np.median(time_s * rate_hz - place))
    num_gaps = int(np.count_nonzero(added))
    if np.percentile(away, 95) > _MOST_JITTER + 0.5 * num_gaps or num_gaps > 1 + _MOST_GAPS * len(added):
        found = f"times that are uneven by {np.percentile(away, 95):.2f} samples"
        raise DataError(where, found=found, expected="samples at even times", remedy="Resample the signal first.")
    if not num_gaps:
        return values_SC, ()
    total = len(values_SC) + int(added.sum())
    if total > LONGEST_S * rate_hz:
        found = f"times over {total / rate_hz / 86400:.3g} days"
        raise DataError(where, found=found, expected=f"at most {LONGEST_S // 86400} days", remedy="Cut the table.")
    filled_SC = np.full((total, values_SC.shape[1]), np.nan)
    filled_SC[place] = values_SC
    lost_s = float(added.sum() / rate_hz)
    return filled_SC, (f"{num_gaps} gap{'s' * (num_gaps > 1)} of {lost_s:.3g} s in all in its time column",)


def _start_in(preamble: str) -> datetime | None:
    match = re.search(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?", preamble)
    try:
        return datetime.fromisoformat(match.group(0)) if match else None
    except ValueError:
        return None
