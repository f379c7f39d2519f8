"""Read and write WFDB records strictly: what a header does not say is refused, never guessed.

Physical units are millivolts, invalid samples NaN, positions int64 at the record's own rate, leads known by position
and by name. wfdb itself reads a header without sampling frequency as 250 Hz and without gain as 200 per mV, accepts a
cut signal file until the cut is reached, and verifies no checksum.

References
----------
Moody, WFDB Applications Guide: header(5), signal(5), annot(5), https://wfdb.io/mit_wfdb/spec/.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import wfdb

from ecgfeat.errors import DataError, fault
from ecgfeat.mitformat import (
    BITS,
    INVALID,
    INVALID_ELSEWHERE,
    bytes_of_samples,
    decode_annotations,
    decode_signal,
    encode_annotations,
    samples_of_bytes,
)

MILLIVOLTS = {"mV": 1.0, "uV": 1e-3, "µV": 1e-3, "nV": 1e-6, "V": 1e3}


@dataclass(frozen=True)
class Lead:
    """One signal line of a header: where its samples are and what they mean."""

    name: str
    file: str
    fmt: str
    byte_offset: int
    gain: float | None  # digital units per physical unit; None: the header does not say
    baseline: int
    unit: str
    checksum: int | None


@dataclass(frozen=True)
class Header:
    """A header that states everything needed to read its record.

    Attributes
    ----------
    record : str
        Name, with its folder below the corpus where it has one.
    fs_hz : float
        Sampling frequency in hertz.
    num_samples : int
        Samples per lead; taken from the size of the signal file where the header leaves it out.
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


@dataclass(frozen=True)
class Signal:
    """Samples of one record.

    Attributes
    ----------
    record : str
        Name.
    fs_hz : float
        Sampling frequency in hertz.
    leads : tuple of str, length C
        Names by position.
    signal_mv_SC : ndarray of float32, shape (S, C)
        Millivolts; NaN where the record has no valid sample.
    """

    record: str
    fs_hz: float
    leads: tuple[str, ...]
    signal_mv_SC: npt.NDArray[np.float32]  # noqa: N815 (shape suffix)

    def lead(self, which: str | int) -> npt.NDArray[np.float32]:
        """Return one lead by position or, where it is unique, by name.

        Parameters
        ----------
        which : str or int
            Position from 0, or name in any case.

        Returns
        -------
        ndarray of float32, shape (S,)
            Millivolts, NaN where invalid.

        Raises
        ------
        DataError
            If there is no such lead, or the name fits several.
        """
        return self.signal_mv_SC[:, find_lead(self.record, self.leads, which)]


@dataclass(frozen=True)
class Annotations:
    """Annotations of one record, in time order; the file's order on equal samples.

    Attributes
    ----------
    record, extension : str
        Where they were read from.
    sample : ndarray of int64, shape (n,)
        Positions at the record's own rate.
    symbol : ndarray of str, shape (n,)
        WFDB symbols.
    aux : ndarray of object, shape (n,)
        Notes (str) as stored, with the NUL some files end them in; empty if none.
    num_beyond : int
        Annotations that were left out because they lie beyond the end of the signal.
    """

    record: str
    extension: str
    sample: npt.NDArray[np.int64]
    symbol: npt.NDArray[np.str_]
    aux: npt.NDArray[np.object_]
    num_beyond: int = 0


def find_lead(record: str, leads: Sequence[str], which: str | int) -> int:
    """Return the position of a lead given by position or name; a name that fits several leads is refused.

    Parameters
    ----------
    record : str
        For the message.
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
            raise DataError(fault(record, f"no lead at position {which}", f"0 to {len(leads) - 1}"))
        return which
    fits = [i for i, name in enumerate(leads) if name == which]
    fits = fits or [i for i, name in enumerate(leads) if name.lower() == which.lower()]
    if len(fits) != 1:
        found = f"{len(fits)} leads called {which!r}" if fits else f"no lead called {which!r}"
        raise DataError(fault(record, found, f"one of {', '.join(leads)}", "Name the lead by position, from 0."))
    return fits[0]


def _where(folder: Path, record: str) -> str:
    return f"{Path(folder).name}/{record}"


def _number(text: str) -> float | None:
    """Read a decimal number strictly: nothing that only Python calls a number."""
    return float(text) if re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", text) else None


def read_header(folder: Path, record: str) -> Header:
    """Read a header file.

    Parameters
    ----------
    folder : Path
        Folder of the corpus.
    record : str
        Record name below it, without ``.hea``.

    Returns
    -------
    Header
        What the header states. The length is taken from the signal file if the header leaves it out.

    Raises
    ------
    DataError
        If the file is missing or malformed, states no sampling frequency, several sampling frequencies, a number of
        leads or segments it does not list, or no length while no signal file gives one.
    """
    folder, where = Path(folder), _where(folder, record)
    path = folder / f"{record}.hea"
    try:
        text = path.read_bytes().decode("utf-8", errors="replace")
    except FileNotFoundError:
        raise DataError(fault(where, f"no header {path.name}", f"it in {path.parent}")) from None
    lines = [line.strip() for line in text.splitlines()]
    comments = tuple(line.lstrip("# ") for line in lines if line.startswith("#"))
    lines = [line for line in lines if line and not line.startswith("#")]
    fields = lines[0].split() if lines else []
    name = re.fullmatch(r"([-\w.]+)(?:/(\d+))?", fields[0]) if fields else None
    if name is None or len(fields) < 2 or not fields[1].isdigit():
        found = f"record line {lines[0]!r}" if lines else "an empty header"
        raise DataError(fault(where, found, "name, number of leads, sampling frequency, number of samples"))
    fs_hz = _number(re.split(r"[/(]", fields[2])[0]) if len(fields) > 2 else None
    if fs_hz is None or not 0 < fs_hz < 1e6:
        found = f"sampling frequency {fields[2]!r} in the header" if len(fields) > 2 else "a header without fs"
        remedy = "The rate is never guessed: write it behind the number of leads."
        raise DataError(fault(where, found, "the sampling frequency in hertz", remedy))
    stated = fields[3] if len(fields) > 3 else "0"
    if not stated.isdigit():
        raise DataError(fault(where, f"length {stated!r} in the header", "a number of samples"))
    num_samples, num_leads = int(stated), int(fields[1])
    base_time = " ".join(fields[4:6])
    if name.group(2):
        segments, names, units = _segments(folder, record, lines[1:], int(name.group(2)), num_samples, fs_hz)
        return Header(record, fs_hz, num_samples, names, units, (), segments, base_time, comments)
    if len(lines) - 1 != num_leads:
        raise DataError(fault(where, f"{len(lines) - 1} signal lines", f"{num_leads}, as the header states"))
    signals = tuple(_signal_line(where, line) for line in lines[1:])
    if num_samples == 0:
        num_samples = _length_of_files(folder, record, signals)
    names, units = tuple(one.name for one in signals), tuple(one.unit for one in signals)
    return Header(record, fs_hz, num_samples, names, units, signals, (), base_time, comments)


def _signal_line(where: str, line: str) -> Lead:
    """Parse one signal line; what is not stated stays unknown."""
    fields = line.split(None, 8)
    fmt = re.fullmatch(r"(\d+)(?:x(\d+))?(?::(\d+))?(?:\+(\d+))?", fields[1]) if len(fields) > 1 else None
    if fmt is None:
        raise DataError(fault(where, f"signal line {line!r}", "a file name and a format"))
    if int(fmt.group(2) or 1) != 1:
        found = f"lead {fields[0]} with {fmt.group(2)} samples per frame"
        raise DataError(fault(where, found, "one sampling frequency for all leads"))
    if int(fmt.group(3) or 0) != 0:
        raise DataError(fault(where, f"lead {fields[0]} skewed by {fmt.group(3)} samples", "leads without skew"))
    if Path(fields[0]).name != fields[0]:
        raise DataError(fault(where, f"signal file {fields[0]!r}", "a file name without folder"))
    scale = re.fullmatch(r"([^(/]+)(?:\((-?\d+)\))?(?:/(\S+))?", fields[2]) if len(fields) > 2 else None
    gain = _number(scale.group(1)) if scale else None
    whole = [int(one) if re.fullmatch(r"[-+]?\d+", one) else None for one in fields[3:8]]
    whole += [None] * (5 - len(whole))
    zero = whole[1] or 0
    return Lead(
        name=fields[8] if len(fields) > 8 else "",
        file=fields[0],
        fmt=fmt.group(1),
        byte_offset=int(fmt.group(4) or 0),
        gain=gain if gain else None,
        baseline=int(scale.group(2)) if scale and scale.group(2) else zero,
        unit=(scale.group(3) if scale else None) or "mV",
        checksum=whole[3],
    )


def _length_of_files(folder: Path, record: str, signals: tuple[Lead, ...]) -> int:
    """Return the length that the signal files imply, where all of them imply the same."""
    lengths = set()
    for file in {one.file for one in signals}:
        inside = [one for one in signals if one.file == file]
        path = (folder / record).parent / file
        if inside[0].fmt not in BITS or not path.is_file():
            continue
        values = samples_of_bytes(inside[0].fmt, path.stat().st_size - inside[0].byte_offset)
        lengths.add(values / len(inside))
    length = lengths.pop() if len(lengths) == 1 else 0.0
    if length < 1 or length != int(length):
        found = "a header without length and no signal file that gives one"
        raise DataError(fault(_where(folder, record), found, "the number of samples in the header"))
    return int(length)


def _segments(
    folder: Path, record: str, lines: list[str], num_segments: int, num_samples: int, fs_hz: float
) -> tuple[tuple[tuple[str, int], ...], tuple[str, ...], tuple[str, ...]]:
    """Parse the segment lines; return the segments and the leads of the layout or of the first segment."""
    where = _where(folder, record)
    found = [line.split() for line in lines]
    segments = tuple((one[0], int(one[1])) for one in found if len(one) == 2 and one[1].isdigit())
    if len(segments) != len(lines) or len(segments) != num_segments:
        raise DataError(fault(where, f"{len(segments)} segments", f"{num_segments}, as the header states"))
    if sum(length for _, length in segments) != num_samples:
        total = sum(length for _, length in segments)
        raise DataError(fault(where, f"segments of {total} samples in all", f"{num_samples}, as the header states"))
    first = next((one for one, _ in segments if one != "~"), None)
    if first is None or Path(first).name != first:
        raise DataError(fault(where, "no segment with a header of its own", "one at least"))
    path = (folder / record).parent / f"{first}.hea"
    if segments[0][1] == 0 and path.is_file():  # variable layout: a header without samples that lists all leads
        body = [one for one in path.read_text("utf-8").splitlines() if one.strip() and not one.startswith("#")]
        signals = tuple(_signal_line(where, line) for line in body[1:])
        return segments, tuple(one.name for one in signals), tuple(one.unit for one in signals)
    inner = read_header(folder, _beside(record, first))
    if inner.fs_hz != fs_hz:
        raise DataError(fault(where, f"segment {first} at {inner.fs_hz:g} Hz", f"{fs_hz:g} Hz"))
    return segments, inner.leads, inner.units


def _beside(record: str, name: str) -> str:
    """Return the record `name` in the folder of `record`."""
    return str(Path(record).parent / name) if "/" in record else name


def read_signal(folder: Path, record: str, *, verify: bool = True) -> Signal:
    """Read all samples of a record in millivolts.

    Parameters
    ----------
    folder : Path
        Folder of the corpus.
    record : str
        Record name below it.
    verify : bool
        Compare the header's checksums with the samples.

    Returns
    -------
    Signal
        All leads in the order of the header.

    Raises
    ------
    DataError
        If a file is missing or shorter than the header says, a checksum differs, or a lead has no gain, another
        unit than volts or an unknown format.

    Notes
    -----
    * Segments of a multi-segment record are placed one behind the other; gaps and leads that a segment lacks are NaN.
    """
    folder = Path(folder)
    header = read_header(folder, record)
    signal_mv_SC = np.empty((header.num_samples, len(header.leads)), np.float32)
    if header.segments:
        signal_mv_SC.fill(np.nan)
        _read_segments(folder, header, signal_mv_SC, verify)
        return Signal(record, header.fs_hz, header.leads, signal_mv_SC)
    where = _where(folder, record)
    if not header.signals:
        raise DataError(fault(where, "a header without leads", "at least one", "The corpus has no signal for it."))
    for at, lead in enumerate(header.signals):
        if lead.gain is None:
            remedy = "The gain is never guessed: write it behind the format."
            raise DataError(fault(where, f"no gain for lead {at} ({lead.name})", "digital units per mV", remedy))
        if lead.unit not in MILLIVOLTS:
            raise DataError(fault(where, f"unit {lead.unit} of lead {at} ({lead.name})", " or ".join(MILLIVOLTS)))
    for file in dict.fromkeys(lead.file for lead in header.signals):
        columns = [i for i, lead in enumerate(header.signals) if lead.file == file]
        digital_SC = _read_digital(folder, header, columns)
        for at, column in enumerate(columns):
            lead, digital_S = header.signals[column], digital_SC[:, at]
            if verify and lead.checksum is not None:
                found = int(np.sum(digital_S, dtype=np.int64)) & 0xFFFF
                if found != lead.checksum & 0xFFFF:
                    numbers = f"checksum {found} of lead {column} ({lead.name}) in {lead.file}"
                    raise DataError(fault(where, numbers, f"{lead.checksum & 0xFFFF}", "Acquire the record again."))
            physical_S = signal_mv_SC[:, column]
            np.subtract(digital_S, np.float32(lead.baseline), out=physical_S, casting="same_kind", dtype=np.float32)
            assert lead.gain is not None
            physical_S *= np.float32(MILLIVOLTS[lead.unit] / lead.gain)
            invalid = INVALID.get(lead.fmt, INVALID_ELSEWHERE.get(lead.fmt))
            if invalid is not None:
                physical_S[digital_S == invalid] = np.nan
    return Signal(record, header.fs_hz, header.leads, signal_mv_SC)


def _read_digital(folder: Path, header: Header, columns: list[int]) -> npt.NDArray[np.int16] | npt.NDArray[np.int32]:
    """Read the leads that share one file, as stored, shape (S, leads of the file)."""
    where, lead = _where(folder, header.record), header.signals[columns[0]]
    path = (folder / header.record).parent / lead.file
    if not path.is_file():
        raise DataError(fault(where, f"no signal file {lead.file} in {path.parent}", "it beside the header"))
    if any(header.signals[i].fmt != lead.fmt for i in columns):
        raise DataError(fault(where, f"several formats in {lead.file}", "one format per file"))
    num_values = header.num_samples * len(columns)
    if lead.fmt in BITS:
        expected = lead.byte_offset + bytes_of_samples(lead.fmt, num_values)
        found = path.stat().st_size
        if found < expected:
            remedy = "The file is cut short: acquire the record again."
            raise DataError(fault(where, f"{lead.file} has {found} bytes", f"{expected}", remedy))
        raw = np.fromfile(path, np.uint8, count=expected - lead.byte_offset, offset=lead.byte_offset)
        return decode_signal(raw, lead.fmt, num_values).reshape(header.num_samples, len(columns))
    if lead.fmt not in INVALID_ELSEWHERE:
        known = ", ".join([*BITS, *INVALID_ELSEWHERE])
        raise DataError(fault(where, f"signal format {lead.fmt}", f"one of {known}"))
    try:
        read = wfdb.rdrecord(str(folder / header.record), physical=False, channels=columns)
    except Exception as error:  # wfdb raises what its decoders meet: IndexError, ValueError, soundfile's own
        found_here = f"{lead.file} that wfdb cannot read ({type(error).__name__}: {error})"
        raise DataError(fault(where, found_here, f"{header.num_samples} samples in format {lead.fmt}")) from error
    digital_SC: npt.NDArray[np.int32] = np.asarray(read.d_signal)
    if len(digital_SC) != header.num_samples:
        raise DataError(fault(where, f"{len(digital_SC)} samples in {lead.file}", f"{header.num_samples}"))
    return digital_SC


def _read_segments(folder: Path, header: Header, signal_mv_SC: npt.NDArray[np.float32], verify: bool) -> None:
    """Read the segments into their place, leads by name where the layout varies and by position otherwise."""
    where, start = _where(folder, header.record), 0
    varies = header.segments[0][1] == 0
    if varies and len(set(header.leads)) != len(header.leads):
        raise DataError(fault(where, f"leads {', '.join(header.leads)} in a variable layout", "one name per lead"))
    for name, length in header.segments:
        if name != "~" and length:
            one = read_signal(folder, _beside(header.record, name), verify=verify)
            if len(one.signal_mv_SC) != length or one.fs_hz != header.fs_hz:
                found = f"segment {name} of {len(one.signal_mv_SC)} samples at {one.fs_hz:g} Hz"
                raise DataError(fault(where, found, f"{length} at {header.fs_hz:g} Hz"))
            if not varies and one.leads != header.leads:
                found = f"segment {name} with leads {', '.join(one.leads)}"
                raise DataError(fault(where, found, ", ".join(header.leads)))
            for at, lead in enumerate(one.leads):
                if lead not in header.leads:
                    raise DataError(fault(where, f"segment {name} with lead {lead}", ", ".join(header.leads)))
                column = header.leads.index(lead) if varies else at
                signal_mv_SC[start : start + length, column] = one.signal_mv_SC[:, at]
        start += length


def read_annotations(
    folder: Path,
    record: str,
    extension: str,
    num_samples: int | None,
    *,
    fs_hz: float | None = None,
    allow_empty: bool = False,
) -> Annotations:
    """Read a WFDB annotation file, whole.

    Parameters
    ----------
    folder : Path
        Folder of the corpus.
    record : str
        Record name below it.
    extension : str
        Extension of the file, such as ``atr``.
    num_samples : int or None
        Length of the signal: annotations from there on are left out and counted. None: keep all.
    fs_hz : float, optional
        Rate of the record; a file that states another one is refused.
    allow_empty : bool
        Accept a well-formed file without annotations.

    Returns
    -------
    Annotations
        In time order; the file's order on equal samples.

    Raises
    ------
    DataError
        If the file is absent, empty or truncated (each with its own message), holds an unknown code or a negative
        position, or states another rate than `fs_hz`.
    """
    folder, where = Path(folder), _where(folder, record)
    path = folder / f"{record}.{extension}"
    again = "Acquire the record again."
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise DataError(fault(where, f"no annotation file {path.name}", f"it in {path.parent}", again)) from None
    if not raw:
        raise DataError(fault(where, f"annotation file {path.name} is empty (0 bytes)", "annotations", again))
    try:
        decoded = decode_annotations(raw)
    except ValueError as error:
        expected = "a whole WFDB annotation file"
        raise DataError(fault(where, f"annotation file {path.name}: {error}", expected, again)) from None
    if len(decoded.sample) == 0 and not allow_empty:
        raise DataError(fault(where, f"no annotations in {path.name} (only its end mark)", "one at least", again))
    if fs_hz is not None and decoded.fs_hz not in (None, fs_hz):
        raise DataError(fault(where, f"{path.name} at {decoded.fs_hz:g} Hz", f"{fs_hz:g} Hz"))
    if len(decoded.sample) and decoded.sample.min() < 0:
        raise DataError(fault(where, f"position {decoded.sample.min()} in {path.name}", "0 or more", again))
    order = np.argsort(decoded.sample, kind="stable")
    inside = order if num_samples is None else order[decoded.sample[order] < num_samples]
    return Annotations(
        record,
        extension,
        decoded.sample[inside],
        decoded.symbol[inside],
        decoded.aux[inside],
        num_beyond=len(order) - len(inside),
    )


def write_record(
    folder: Path,
    record: str,
    signal_uv_SC: npt.NDArray[np.int16],
    fs_hz: float,
    leads: Sequence[str],
    comments: Sequence[str] = (),
) -> None:
    """Write samples as a WFDB record: format 16, one unit per microvolt, checksums.

    Parameters
    ----------
    folder : Path
        Existing folder.
    record : str
        Record name.
    signal_uv_SC : ndarray of int16, shape (S, C)
        Microvolts; -32768 marks an invalid sample.
    fs_hz : float
        Sampling frequency.
    leads : sequence of str, length C
        Names by position.
    comments : sequence of str
        Comment lines without ``#``.

    Raises
    ------
    ValueError
        If the array is not int16 of shape (S, C), or a name or comment would break the header.
    """
    if signal_uv_SC.dtype != np.int16 or signal_uv_SC.ndim != 2 or signal_uv_SC.shape[1] != len(leads):
        raise ValueError(f"signal: {signal_uv_SC.dtype} {signal_uv_SC.shape}; expected int16, {len(leads)} leads.")
    if len(signal_uv_SC) == 0 or not fs_hz > 0:
        raise ValueError(f"signal: {len(signal_uv_SC)} samples at {fs_hz} Hz; expected some at a positive rate.")
    if any(not text.strip() or "\n" in text for text in (record, *leads)) or any("\n" in text for text in comments):
        raise ValueError("record, leads, comments: an empty name or a line break; expected one line each.")
    name = Path(record).name
    np.ascontiguousarray(signal_uv_SC, dtype="<i2").tofile(Path(folder) / f"{record}.dat")
    lines = [f"{name} {len(leads)} {fs_hz:.12g} {len(signal_uv_SC)}"]
    for at, lead in enumerate(leads):
        checksum = (int(np.sum(signal_uv_SC[:, at], dtype=np.int64)) + (1 << 15)) % (1 << 16) - (1 << 15)
        lines.append(f"{name}.dat 16 1000(0)/mV 16 0 {signal_uv_SC[0, at]} {checksum} 0 {lead}")
    lines += [f"# {text}" for text in comments]
    # The header comes last: a record whose writing was interrupted has none.
    (Path(folder) / f"{record}.hea").write_bytes(("\n".join(lines) + "\n").encode())


def write_annotations(
    folder: Path,
    record: str,
    extension: str,
    sample: npt.ArrayLike,
    symbol: Sequence[str] | npt.NDArray[np.str_],
    aux: Sequence[str] | None,
    fs_hz: float,
) -> None:
    """Write annotations as a WFDB annotation file.

    Parameters
    ----------
    folder : Path
        Existing folder.
    record : str
        Record name.
    extension : str
        Extension, such as ``atr``.
    sample : array_like of int, shape (n,)
        Positions in ascending order.
    symbol : sequence of str, shape (n,)
        WFDB symbols.
    aux : sequence of str, shape (n,), or None
        Notes; empty: none.
    fs_hz : float
        Rate of the positions; the file states it.

    Raises
    ------
    ValueError
        If positions descend, or a symbol or note cannot be written.
    """
    (Path(folder) / f"{record}.{extension}").write_bytes(encode_annotations(sample, symbol, aux, fs_hz))
