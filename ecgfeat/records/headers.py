"""Read WFDB headers strictly: a missing value is refused or stays unknown, and none is guessed in silence.

wfdb itself reads a header without sampling frequency as 250 Hz.

References
----------
Moody, WFDB Applications Guide: header(5), https://wfdb.io/mit_wfdb/spec/.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ecgfeat.errors import DataError
from ecgfeat.records.formats import BITS, samples_of_bytes


@dataclass(frozen=True)
class Lead:
    """One signal line of a header: file, format, gain and unit of a lead."""

    name: str
    file: str
    fmt: str
    byte_offset: int
    gain: float | None  # digital units per physical unit; None: not stated
    baseline: int
    unit: str
    checksum: int | None


@dataclass(frozen=True)
class Header:
    """A header with everything needed to read its record.

    Attributes
    ----------
    record : str
        Name, with its folder below the corpus where it has one.
    fs_hz : float
        Sampling frequency in hertz.
    num_samples : int
        Samples per lead; from the size of the signal file where the header does not state it.
    leads : tuple of str
        Names by position. Two leads can share a name.
    units : tuple of str
        Physical unit of each lead.
    signals : tuple of Lead
        The signal lines; empty for a multi-segment record.
    segments : tuple of (str, int)
        Name and length in samples of each segment; ``~`` is a gap. Empty for a record of one piece.
    base_time : str
        Time and date as written, with ``/`` or ``-``; empty if not stated.
    comments : tuple of str
        Comment lines without ``#``.
    """

    record: str
    fs_hz: float
    num_samples: int
    leads: tuple[str, ...]
    units: tuple[str, ...]
    signals: tuple[Lead, ...] = ()
    segments: tuple[tuple[str, int], ...] = ()
    base_time: str = ""
    comments: tuple[str, ...] = ()


def name_of(folder: Path, record: str) -> str:
    """Return the name of a record in messages: its corpus folder and its name."""
    return f"{Path(folder).name}/{record}"


def find_lead(record: str, leads: Sequence[str], which: str | int) -> int:
    """Return the position of a lead given by position or name; refuse a name that fits several leads.

    Parameters
    ----------
    record : str
        Record, for messages.
    leads : sequence of str
        Names by position.
    which : str or int
        Position from 0, or name in any case.

    Returns
    -------
    int
        Position from 0.

    Raises
    ------
    DataError
        If there is no such lead, or the name fits several.
    """
    if isinstance(which, int):
        if not 0 <= which < len(leads):
            raise DataError(record, found=f"no lead at position {which}", expected=f"0 to {len(leads) - 1}")
        return which
    fits = [i for i, name in enumerate(leads) if name == which]
    fits = fits or [i for i, name in enumerate(leads) if name.lower() == which.lower()]
    if len(fits) != 1:
        found = f"{len(fits)} leads called {which!r}" if fits else f"no lead called {which!r}"
        raise DataError(
            record, found=found, expected=f"one of {', '.join(leads)}", remedy="Name the lead by position, from 0."
        )
    return fits[0]


def choose_lead(record: str, leads: Sequence[str], which: str | int) -> int | Literal["all"]:
    """Return the lead that beats are looked for in, as somebody wrote it: ``all``, a name, or a position from 0.

    Parameters
    ----------
    record, leads, which
        As `find_lead` takes them; digits that are no name are a position.

    Returns
    -------
    int or 'all'

    Raises
    ------
    DataError
        If there is no such lead, or the name fits several.
    """
    if which == "all":
        return "all"
    is_position = isinstance(which, str) and which.isdecimal() and which not in leads
    return find_lead(record, leads, int(which) if is_position else which)


def _number(text: str) -> float | None:
    """Read a decimal number, without the other notations of Python (``1_000``, ``nan``)."""
    return float(text) if re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", text) else None


def read_header(folder: Path, record: str, *, is_segment: bool = False) -> Header:
    """Read a header file.

    Parameters
    ----------
    folder : Path
        Folder of the corpus.
    record : str
        Record name below it, without ``.hea``.
    is_segment : bool
        The record is a segment of another record, and may have no segments of its own.

    Returns
    -------
    Header
        As stated; the length from the signal file if the header does not state it.

    Raises
    ------
    DataError
        If the file is absent or malformed; if it states no sampling frequency or several; if the numbers of leads or
        segments differ from its lines; if neither it nor a signal file gives the length.
    """
    folder, where = Path(folder), name_of(folder, record)
    path = folder / f"{record}.hea"
    try:
        text = path.read_bytes().decode("utf-8", errors="replace")
    except FileNotFoundError:
        raise DataError(where, found=f"no header {path.name}", expected=f"the file in {path.parent}") from None
    lines = [line.strip() for line in text.splitlines()]
    comments = tuple(line.lstrip("# ") for line in lines if line.startswith("#"))
    lines = [line for line in lines if line and not line.startswith("#")]
    fields = lines[0].split() if lines else []
    name = re.fullmatch(r"([-\w.]+)(?:/(\d+))?", fields[0]) if fields else None
    if name is None or len(fields) < 2 or not fields[1].isdigit():
        found = f"record line {lines[0]!r}" if lines else "an empty header"
        raise DataError(where, found=found, expected="name, number of leads, sampling frequency, number of samples")
    fs_hz = _number(re.split(r"[/(]", fields[2])[0]) if len(fields) > 2 else None
    if fs_hz is None or not 0 < fs_hz < 1e6:
        found = f"sampling frequency {fields[2]!r} in the header" if len(fields) > 2 else "a header without fs"
        remedy = "The rate is never guessed: write it after the number of leads."
        raise DataError(where, found=found, expected="the sampling frequency in hertz", remedy=remedy)
    stated = fields[3] if len(fields) > 3 else "0"
    if not stated.isdigit():
        raise DataError(where, found=f"length {stated!r} in the header", expected="a number of samples")
    num_samples, num_leads = int(stated), int(fields[1])
    base_time = " ".join(fields[4:6])
    if name.group(2) and is_segment:
        raise DataError(where, found="a segment with segments", expected="a segment with samples")
    if name.group(2):
        segments, names, units = _segments(folder, record, lines[1:], int(name.group(2)), num_samples, fs_hz)
        return Header(record, fs_hz, num_samples, names, units, (), segments, base_time, comments)
    if len(lines) - 1 != num_leads:
        raise DataError(where, found=f"{len(lines) - 1} signal lines", expected=f"{num_leads}, as the header states")
    signals = tuple(_signal_line(where, line) for line in lines[1:])
    if num_samples == 0:
        num_samples = _length_of_files(folder, record, signals)
    names, units = tuple(lead.name for lead in signals), tuple(lead.unit for lead in signals)
    return Header(record, fs_hz, num_samples, names, units, signals, (), base_time, comments)


def _signal_line(where: str, line: str) -> Lead:
    """Parse one signal line; missing fields stay unknown."""
    fields = line.split(None, 8)
    fmt = re.fullmatch(r"(\d+)(?:x(\d+))?(?::(\d+))?(?:\+(\d+))?", fields[1]) if len(fields) > 1 else None
    if fmt is None:
        raise DataError(where, found=f"signal line {line!r}", expected="a file name and a format")
    if int(fmt.group(2) or 1) != 1:
        found = f"lead {fields[0]} with {fmt.group(2)} samples per frame"
        raise DataError(where, found=found, expected="one sampling frequency for all leads")
    if int(fmt.group(3) or 0) != 0:
        raise DataError(
            where, found=f"lead {fields[0]} skewed by {fmt.group(3)} samples", expected="leads without skew"
        )
    if Path(fields[0]).name != fields[0]:
        raise DataError(where, found=f"signal file {fields[0]!r}", expected="a file name without folder")
    scale = re.fullmatch(r"([^(/]+)(?:\((-?\d+)\))?(?:/(\S+))?", fields[2]) if len(fields) > 2 else None
    gain = _number(scale.group(1)) if scale else None
    numbers = [int(field) if re.fullmatch(r"[-+]?\d+", field) else None for field in fields[3:8]]
    _, zero, _, checksum, _ = numbers + [None] * (5 - len(numbers))
    return Lead(
        name=fields[8] if len(fields) > 8 else "",
        file=fields[0],
        fmt=fmt.group(1),
        byte_offset=int(fmt.group(4) or 0),
        gain=gain if gain else None,
        baseline=int(scale.group(2)) if scale and scale.group(2) else zero or 0,
        unit=(scale.group(3) if scale else None) or "mV",
        checksum=checksum or None,  # writers that compute none state 0, as in all of cinc2017
    )


def _length_of_files(folder: Path, record: str, signals: tuple[Lead, ...]) -> int:
    """Return the length that the sizes of the signal files give, if they all give the same."""
    lengths = set()
    for file in {lead.file for lead in signals}:
        inside = [lead for lead in signals if lead.file == file]
        path = (folder / record).parent / file
        if inside[0].fmt not in BITS or not path.is_file():
            continue
        values = samples_of_bytes(inside[0].fmt, path.stat().st_size - inside[0].byte_offset)
        lengths.add(values / len(inside))
    length = lengths.pop() if len(lengths) == 1 else 0.0
    if length < 1 or length != int(length):
        found = "a header without length and no signal file that gives one"
        raise DataError(name_of(folder, record), found=found, expected="the number of samples in the header")
    return int(length)


def _segments(
    folder: Path, record: str, lines: list[str], num_segments: int, num_samples: int, fs_hz: float
) -> tuple[tuple[tuple[str, int], ...], tuple[str, ...], tuple[str, ...]]:
    """Parse the segment lines; return the segments and the leads of the layout or of the first segment."""
    where = name_of(folder, record)
    fields = [line.split() for line in lines]
    segments = tuple((pair[0], int(pair[1])) for pair in fields if len(pair) == 2 and pair[1].isdigit())
    if len(segments) != len(lines) or len(segments) != num_segments:
        raise DataError(where, found=f"{len(segments)} segments", expected=f"{num_segments}, as the header states")
    total = sum(length for _, length in segments)
    if total != num_samples:
        found = f"segments of {total} samples in all"
        raise DataError(where, found=found, expected=f"{num_samples}, as the header states")
    first = next((name for name, _ in segments if name != "~"), None)
    if first is None or Path(first).name != first:
        raise DataError(where, found="no segment with a header of its own", expected="at least one")
    path = (folder / record).parent / f"{first}.hea"
    if segments[0][1] == 0 and path.is_file():  # variable layout: a header without samples that lists all leads
        body = [line for line in path.read_text("utf-8").splitlines() if line.strip() and not line.startswith("#")]
        signals = tuple(_signal_line(where, line) for line in body[1:])
        return segments, tuple(lead.name for lead in signals), tuple(lead.unit for lead in signals)
    inner = read_header(folder, beside(record, first), is_segment=True)
    if inner.fs_hz != fs_hz:
        raise DataError(where, found=f"segment {first} at {inner.fs_hz:g} Hz", expected=f"{fs_hz:g} Hz")
    return segments, inner.leads, inner.units


def beside(record: str, name: str) -> str:
    """Return the record `name` in the folder of `record`."""
    return str(Path(record).parent / name) if "/" in record else name
