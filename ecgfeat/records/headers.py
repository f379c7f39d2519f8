"""Read WFDB headers strictly: a missing value is refused or stays unknown, and none is guessed in silence.

wfdb itself reads a header without sampling frequency as 250 Hz.

References
----------
Moody, WFDB Applications Guide: header(5), https://wfdb.io/mit_wfdb/spec/.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ecgfeat.errors import DataError
from ecgfeat.records.formats import BITS, samples_of_bytes
from ecgfeat.records.text import decode_text, parse_integer, parse_number

LONGEST_S: Final = 62 * 24 * 3600
"""Longest record that is read. A longer one has a faulty length, or a gap of months between two recordings."""

_LARGEST_HEADER_BYTES = 1 << 24
_LONGEST_NAME = 250
_NAME = re.compile(r"[-+\w.]{1,200}")
_FORMAT = re.compile(r"([0-9]{1,9})(?:x([0-9]{1,9}))?(?::([0-9]{1,9}))?(?:\+([0-9]{1,9}))?")
_MOST_WORDS = 9
_NUMBERS = ("resolution", "ADC zero", "initial value", "checksum", "block size")


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
    samples_per_frame: int = 1


@dataclass(frozen=True)
class Header:
    """A header with everything needed to read its record.

    Attributes
    ----------
    record : str
        Name, with its folder below the corpus where it has one.
    fs_hz : float
        Sampling frequency in hertz; frames per second, where leads have several samples per frame.
    num_samples : int
        Samples per lead, or frames; from the size of the signal file where the header does not state it.
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
    name = Path(folder).name
    return f"{name}/{record}" if name else record


def find_file(path: Path) -> Path:
    """Return the path of a file that may be spelt in another case, as in ``X.HEA``; the same if there is none."""
    if path.exists() or not path.parent.is_dir():
        return path
    stems, endings = ((part, part.upper(), part.lower()) for part in (path.stem, path.suffix))
    spellings = {path.with_name(stem + ending) for stem in stems for ending in endings}
    alike = [spelling for spelling in spellings if spelling.exists()]
    return alike[0] if len(alike) == 1 else path


def _header_lines(folder: Path, record: str) -> tuple[list[str], tuple[str, ...]]:
    """Read a header file; return its lines without blank ones, and its comments without ``#``."""
    where = name_of(folder, record)
    if "\0" in record or len(Path(record).name.encode(errors="surrogateescape")) > _LONGEST_NAME:
        raise DataError(where, found="a name that no file can have", expected="up to 250 characters without NUL")
    path = find_file(folder / f"{record}.hea")
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST_HEADER_BYTES + 1)
    except FileNotFoundError:
        raise DataError(where, found=f"no header {path.name}", expected=f"the file in {path.parent}") from None
    except OSError as error:
        raise DataError(where, found=f"{path.name}: {error.strerror}", expected="a readable header") from error
    if len(raw) > _LARGEST_HEADER_BYTES:
        raise DataError(where, found=f"{path.name} of more than 16 MB", expected="a header, which is a short text")
    lines = [line.strip() for line in decode_text(raw).split("\n")]
    comments = tuple(line.lstrip("# ") for line in lines if line.startswith("#"))
    return [line for line in lines if line and not line.startswith("#")], comments


def read_header(folder: Path, record: str, *, is_segment: bool = False, many_rates: bool = False) -> Header:
    """Read a header file.

    Parameters
    ----------
    folder : Path
        Folder of the corpus.
    record : str
        Record name below it, without ``.hea``.
    is_segment : bool
        The record is a segment of another record, and may have no segments of its own.
    many_rates : bool
        Accept leads with several samples per frame.

    Returns
    -------
    Header
        As stated; the length from the signal file if the header does not state it.

    Raises
    ------
    DataError
        If the file is absent, unreadable or malformed; if it states no sampling frequency, or several without
        `many_rates`; if the numbers of leads or segments differ from its lines; if neither it nor a signal file gives
        the length; if the record is longer than `LONGEST_S`.
    """
    folder, where = Path(folder), name_of(folder, record)
    lines, comments = _header_lines(folder, record)
    fields = lines[0].split() if lines else []
    stem, _, last = fields[0].rpartition("/") if fields else ("", "", "")
    # `med/100` is record 100 with the folder that somebody kept it in; `100/3` is a record of three segments.
    own_name = Path(record).name
    has_segments = bool(stem) and last.isascii() and last.isdecimal() and (last != own_name or stem == own_name)
    num_leads = parse_integer(fields[1]) if len(fields) > 1 else None
    if num_leads is None or num_leads < 0 or not _NAME.fullmatch(stem.rpartition("/")[2] if has_segments else last):
        found = f"record line {lines[0][:120]!r}" if lines else "an empty header"
        raise DataError(where, found=found, expected="name, number of leads, sampling frequency, number of samples")
    fs_hz = parse_number(re.split(r"[/(]", fields[2])[0]) if len(fields) > 2 else None
    if fs_hz is None or not 0 < fs_hz < 1e6:
        found = f"sampling frequency {fields[2][:40]!r} in the header" if len(fields) > 2 else "a header without fs"
        remedy = "The rate is never guessed: write it after the number of leads, with a decimal point."
        raise DataError(where, found=found, expected="the sampling frequency in hertz", remedy=remedy)
    num_samples = parse_integer(fields[3]) if len(fields) > 3 else 0
    if num_samples is None or num_samples < 0:
        raise DataError(where, found=f"length {fields[3][:40]!r} in the header", expected="a number of samples")
    base_time = " ".join(fields[4:6])
    if has_segments and is_segment:
        raise DataError(where, found="a segment with segments", expected="a segment with samples")
    if has_segments:
        segments, names, units = _segments(folder, record, lines[1:], parse_integer(last), num_samples, fs_hz)
        _check_length(where, num_samples, fs_hz)
        return Header(record, fs_hz, num_samples, names, units, (), segments, base_time, comments)
    if len(lines) - 1 != num_leads:
        raise DataError(where, found=f"{len(lines) - 1} signal lines", expected=f"{num_leads}, as the header states")
    signals = tuple(_signal_line(where, line, many_rates) for line in lines[1:])
    if num_samples == 0:
        num_samples = _length_of_files(folder, record, signals)
    _check_length(where, num_samples, fs_hz)
    names, units = tuple(lead.name for lead in signals), tuple(lead.unit for lead in signals)
    return Header(record, fs_hz, num_samples, names, units, signals, (), base_time, comments)


def _check_length(where: str, num_samples: int, fs_hz: float) -> None:
    if num_samples > LONGEST_S * fs_hz:
        found = f"{num_samples} samples, which are {num_samples / fs_hz / 86400:.3g} days"
        remedy = "Cut the record, or correct the length in its header."
        raise DataError(where, found=found, expected=f"at most {LONGEST_S // 86400} days", remedy=remedy)


def _signal_line(where: str, line: str, many_rates: bool = False) -> Lead:
    """Parse one signal line; missing fields stay unknown, malformed ones are refused."""
    fields = line.split()
    fmt = None
    for words in range(1, min(len(fields), _MOST_WORDS)):  # a file name may have blanks in it
        if (fmt := _FORMAT.fullmatch(fields[words])) is not None:
            fields = [" ".join(fields[:words]), *line.split(None, words + 7)[words:]]
            break
    if fmt is None:
        raise DataError(where, found=f"signal line {line[:120]!r}", expected="a file name and a format")
    file, samples_per_frame = fields[0][:80], int(fmt.group(2) or 1)
    if samples_per_frame < 1 or (samples_per_frame != 1 and not many_rates):
        found = f"lead {file} with {samples_per_frame} samples per frame"
        raise DataError(where, found=found, expected="one sampling frequency for all leads")
    if int(fmt.group(3) or 0) != 0:
        raise DataError(where, found=f"lead {file} skewed by {fmt.group(3)} samples", expected="leads without skew")
    scale = re.fullmatch(r"([^(/]+)(?:\(([^()/]+)\))?(?:/(\S+))?", fields[2]) if len(fields) > 2 else None
    gain = parse_number(scale.group(1)) if scale else None
    baseline = parse_integer(scale.group(2)) if scale and scale.group(2) else None
    if len(fields) > 2 and (gain is None or (scale is not None and scale.group(2) and baseline is None)):
        expected, remedy = "gain(baseline)/unit, such as 200(1024)/mV", "Write numbers with a decimal point."
        raise DataError(where, found=f"gain {fields[2][:80]!r} of {file}", expected=expected, remedy=remedy)
    numbers: list[int | None] = [None] * 5
    for at, (field, kind) in enumerate(zip(fields[3:8], _NUMBERS, strict=False)):
        numbers[at] = parse_integer(field)
        if numbers[at] is None:
            raise DataError(where, found=f"{kind} {field[:80]!r} of {file}", expected="a whole number")
    _, zero, _, checksum, _ = numbers
    return Lead(
        name=fields[8] if len(fields) > 8 else "",
        file=_file_beside(where, fields[0]),
        fmt=str(int(fmt.group(1))),
        byte_offset=int(fmt.group(4) or 0),
        gain=gain if gain else None,
        baseline=(zero or 0) if baseline is None else baseline,
        unit=(scale.group(3) if scale else None) or "mV",
        checksum=checksum or None,  # writers that compute none state 0, as in all of cinc2017
        samples_per_frame=samples_per_frame,
    )


def _file_beside(where: str, name: str) -> str:
    """Return the name of a file beside the header, without the folder that somebody kept it in."""
    last = name.replace("\\", "/").rpartition("/")[2]
    if not last.isprintable() or last in ("", ".", "..") or len(last.encode(errors="replace")) > _LONGEST_NAME:
        raise DataError(where, found=f"signal file {name[:80]!r}", expected="the name of a file beside the header")
    return last


def _length_of_files(folder: Path, record: str, signals: tuple[Lead, ...]) -> int:
    """Return the length that the sizes of the signal files give, if they all give the same."""
    lengths = set()
    for file in {lead.file for lead in signals}:
        inside = [lead for lead in signals if lead.file == file]
        path = find_file((folder / record).parent / file)
        if inside[0].fmt not in BITS or not path.is_file():
            continue
        values = samples_of_bytes(inside[0].fmt, path.stat().st_size - inside[0].byte_offset)
        lengths.add(values / sum(lead.samples_per_frame for lead in inside))
    length = lengths.pop() if len(lengths) == 1 else 0.0
    if length < 1 or length != int(length):
        found = "a header without length and no signal file that gives one"
        raise DataError(name_of(folder, record), found=found, expected="the number of samples in the header")
    return int(length)


def _segments(
    folder: Path, record: str, lines: list[str], num_segments: int | None, num_samples: int, fs_hz: float
) -> tuple[tuple[tuple[str, int], ...], tuple[str, ...], tuple[str, ...]]:
    """Parse the segment lines; return the segments and the leads of the layout or of the first segment."""
    where = name_of(folder, record)
    segments = []
    for line in lines:
        name, *stated = line.split()
        length = parse_integer(stated[0]) if len(stated) == 1 else None
        if length is None or length < 0 or (name != "~" and not _is_segment_name(name)):
            expected = "a name without folder and a number of samples"
            raise DataError(where, found=f"segment line {line[:120]!r}", expected=expected)
        segments.append((name, length))
    if len(segments) != num_segments:
        raise DataError(where, found=f"{len(segments)} segments", expected=f"{num_segments}, as the header states")
    total = sum(length for _, length in segments)
    if total != num_samples:
        found = f"segments of {total} samples in all"
        raise DataError(where, found=found, expected=f"{num_samples}, as the header states")
    first = next((name for name, _ in segments if name != "~"), None)
    if first is None:
        raise DataError(where, found="no segment with a header of its own", expected="at least one")
    if segments[0][1] == 0 and (folder / f"{beside(record, first)}.hea").is_file():
        # Variable layout: a header without samples that lists all leads.
        body, _ = _header_lines(folder, beside(record, first))
        signals = tuple(_signal_line(where, line) for line in body[1:])
        return tuple(segments), tuple(lead.name for lead in signals), tuple(lead.unit for lead in signals)
    inner = read_header(folder, beside(record, first), is_segment=True)
    if inner.fs_hz != fs_hz:
        raise DataError(where, found=f"segment {first} at {inner.fs_hz:g} Hz", expected=f"{fs_hz:g} Hz")
    return tuple(segments), inner.leads, inner.units


def _is_segment_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None and not name.startswith(".")


def beside(record: str, name: str) -> str:
    """Return the record `name` in the folder of `record`."""
    return str(Path(record).parent / name) if "/" in record else name
