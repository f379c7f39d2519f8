"""Read WFDB records strictly: what is missing is refused, or stated with the record.

Samples are in millivolts, invalid ones NaN; positions are int64 at the record's own rate; leads have a position and a
name. wfdb itself reads a shortened signal file without an error, and verifies no checksum.

References
----------
Moody, WFDB Applications Guide: header(5), signal(5), annot(5), https://wfdb.io/mit_wfdb/spec/.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ecgfeat.errors import DataError
from ecgfeat.records.formats import (
    BITS,
    INVALID,
    INVALID_ELSEWHERE,
    bytes_of_samples,
    decode_annotations,
    decode_signal,
)
from ecgfeat.records.headers import Header, Lead, beside, find_lead, name_of, read_header

__all__ = [
    "Annotations",
    "Header",
    "Lead",
    "Signal",
    "find_lead",
    "read_annotations",
    "read_header",
    "read_signal",
]

_REMEDY = "Copy or download the file again."
DEFAULT_GAIN = 200.0
"""Digital units per mV of a lead without a gain, as WFDB defines it. Such a lead is uncalibrated."""

MILLIVOLTS = {"mV": 1.0, "uV": 1e-3, "µV": 1e-3, "nV": 1e-6, "V": 1e3}


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
    uncalibrated : tuple of str
        Leads without a gain in their header, read with `DEFAULT_GAIN`: their amplitudes are relative.
    """

    record: str
    fs_hz: float
    leads: tuple[str, ...]
    signal_mv_SC: npt.NDArray[np.float32]  # noqa: N815 (shape suffix)
    uncalibrated: tuple[str, ...] = ()

    @property
    def calibration_note(self) -> str:
        """A sentence about the uncalibrated leads; empty where all have a gain."""
        if not self.uncalibrated:
            return ""
        leads = f"lead{'s' * (len(self.uncalibrated) > 1)} {', '.join(self.uncalibrated)}"
        return f"{leads} without a gain: {DEFAULT_GAIN:g} units per mV assumed, so amplitudes are relative"

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
        Notes (str) as stored, with the NUL at the end that some files have; empty if none.
    num_beyond, num_before : int
        Annotations left out because they are after the end of the signal, or before its start.
    """

    record: str
    extension: str
    sample: npt.NDArray[np.int64]
    symbol: npt.NDArray[np.str_]
    aux: npt.NDArray[np.object_]
    num_beyond: int = 0
    num_before: int = 0


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
        If a file is absent or shorter than the header states, a checksum differs, or a lead has no unit of voltage or
        an unknown format.

    Notes
    -----
    * A lead without a gain is read with `DEFAULT_GAIN` per mV and listed as uncalibrated.
    * Segments of a multi-segment record are joined in order; gaps and leads that a segment lacks are NaN.
    """
    folder = Path(folder)
    header = read_header(folder, record)
    signal_mv_SC = np.empty((header.num_samples, len(header.leads)), np.float32)
    if header.segments:
        signal_mv_SC.fill(np.nan)
        uncalibrated = _read_segments(folder, header, signal_mv_SC, verify)
        return Signal(record, header.fs_hz, header.leads, signal_mv_SC, uncalibrated)
    where = name_of(folder, record)
    if not header.signals:
        remedy = "The record has annotations only."
        raise DataError(where, found="a header without leads", expected="at least one lead", remedy=remedy)
    for at, lead in enumerate(header.signals):
        if lead.unit not in MILLIVOLTS:
            raise DataError(
                where, found=f"unit {lead.unit} of lead {at} ({lead.name})", expected=" or ".join(MILLIVOLTS)
            )
    for file in dict.fromkeys(lead.file for lead in header.signals):
        columns = [i for i, lead in enumerate(header.signals) if lead.file == file]
        digital_SC = _read_digital(folder, header, columns)
        for at, column in enumerate(columns):
            lead, digital_S = header.signals[column], digital_SC[:, at]
            if verify and lead.checksum is not None:
                checksum = int(np.sum(digital_S, dtype=np.int64)) & 0xFFFF
                if checksum != lead.checksum & 0xFFFF:
                    numbers = f"checksum {checksum} of lead {column} ({lead.name}) in {lead.file}"
                    raise DataError(where, found=numbers, expected=f"{lead.checksum & 0xFFFF}", remedy=_REMEDY)
            physical_S = signal_mv_SC[:, column]
            np.subtract(digital_S, np.float32(lead.baseline), out=physical_S, casting="same_kind", dtype=np.float32)
            # The assumed gain is one per mV, whatever unit the header names.
            physical_S *= np.float32(MILLIVOLTS[lead.unit] / lead.gain if lead.gain else 1 / DEFAULT_GAIN)
            invalid = INVALID.get(lead.fmt, INVALID_ELSEWHERE.get(lead.fmt))
            if invalid is not None:
                physical_S[digital_S == invalid] = np.nan
    uncalibrated = tuple(lead.name or f"lead {at}" for at, lead in enumerate(header.signals) if not lead.gain)
    return Signal(record, header.fs_hz, header.leads, signal_mv_SC, uncalibrated)


def _read_digital(folder: Path, header: Header, columns: list[int]) -> npt.NDArray[np.int16] | npt.NDArray[np.int32]:
    """Read the leads that share one file, as stored, shape (S, leads of the file)."""
    where, lead = name_of(folder, header.record), header.signals[columns[0]]
    path = (folder / header.record).parent / lead.file
    if not path.is_file():
        raise DataError(
            where, found=f"no signal file {lead.file} in {path.parent}", expected="the file beside the header"
        )
    if any(header.signals[i].fmt != lead.fmt for i in columns):
        raise DataError(where, found=f"several formats in {lead.file}", expected="one format per file")
    num_values = header.num_samples * len(columns)
    if lead.fmt in BITS:
        expected = lead.byte_offset + bytes_of_samples(lead.fmt, num_values)
        size = path.stat().st_size
        if size < expected:
            remedy = f"The file is cut short. {_REMEDY}"
            raise DataError(where, found=f"{lead.file} has {size} bytes", expected=f"{expected}", remedy=remedy)
        raw = np.fromfile(path, np.uint8, count=expected - lead.byte_offset, offset=lead.byte_offset)
        return decode_signal(raw, lead.fmt, num_values).reshape(header.num_samples, len(columns))
    if lead.fmt not in INVALID_ELSEWHERE:
        formats = ", ".join([*BITS, *INVALID_ELSEWHERE])
        raise DataError(where, found=f"signal format {lead.fmt}", expected=f"one of {formats}")
    import wfdb  # slow to import, and needed for rare formats only

    try:
        read = wfdb.rdrecord(str(folder / header.record), physical=False, channels=columns)
    except Exception as error:  # wfdb passes on every error of its decoders: IndexError, ValueError, soundfile's own
        unreadable = f"{lead.file} that wfdb cannot read ({type(error).__name__}: {error})"
        expected_samples = f"{header.num_samples} samples in format {lead.fmt}"
        raise DataError(where, found=unreadable, expected=expected_samples) from error
    digital_SC: npt.NDArray[np.int32] = np.asarray(read.d_signal)
    if len(digital_SC) != header.num_samples:
        raise DataError(where, found=f"{len(digital_SC)} samples in {lead.file}", expected=f"{header.num_samples}")
    return digital_SC


def _read_segments(
    folder: Path, header: Header, signal_mv_SC: npt.NDArray[np.float32], verify: bool
) -> tuple[str, ...]:
    """Read each segment into its place, leads by name or else by position, and return the uncalibrated leads."""
    where, start = name_of(folder, header.record), 0
    uncalibrated: dict[str, None] = {}
    varies = header.segments[0][1] == 0
    if varies and len(set(header.leads)) != len(header.leads):
        raise DataError(
            where, found=f"leads {', '.join(header.leads)} in a variable layout", expected="one name per lead"
        )
    for name, length in header.segments:
        if name != "~" and length:
            read_header(folder, beside(header.record, name), is_segment=True)
            segment = read_signal(folder, beside(header.record, name), verify=verify)
            uncalibrated |= dict.fromkeys(segment.uncalibrated)
            if len(segment.signal_mv_SC) != length or segment.fs_hz != header.fs_hz:
                found = f"segment {name} of {len(segment.signal_mv_SC)} samples at {segment.fs_hz:g} Hz"
                raise DataError(where, found=found, expected=f"{length} at {header.fs_hz:g} Hz")
            if not varies and segment.leads != header.leads:
                found = f"segment {name} with leads {', '.join(segment.leads)}"
                raise DataError(where, found=found, expected=", ".join(header.leads))
            for at, lead in enumerate(segment.leads):
                if lead not in header.leads:
                    raise DataError(where, found=f"segment {name} with lead {lead}", expected=", ".join(header.leads))
                column = header.leads.index(lead) if varies else at
                signal_mv_SC[start : start + length, column] = segment.signal_mv_SC[:, at]
        start += length
    return tuple(uncalibrated)


def read_annotations(
    folder: Path,
    record: str,
    extension: str,
    num_samples: int | None,
    *,
    fs_hz: float | None = None,
    allow_empty: bool = False,
    drop_before_start: bool = False,
) -> Annotations:
    """Read a whole WFDB annotation file.

    Parameters
    ----------
    folder : Path
        Folder of the corpus.
    record : str
        Record name below it.
    extension : str
        Extension of the file, such as ``atr``.
    num_samples : int or None
        Length of the signal; later annotations are left out and counted. None: keep all.
    fs_hz : float, optional
        Rate of the record; a file that states another rate is refused.
    allow_empty : bool
        Accept a well-formed file without annotations.
    drop_before_start : bool
        Leave out and count annotations at negative positions, instead of refusing the file.

    Returns
    -------
    Annotations
        In time order; the file's order on equal samples.

    Raises
    ------
    DataError
        If the file is absent, empty or truncated (each with its own message), has an unknown code or a negative
        position, or states another rate than `fs_hz`.
    """
    folder, where = Path(folder), name_of(folder, record)
    path = folder / f"{record}.{extension}"
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise DataError(where, found=f"no annotation file {path.name}", expected=f"the file in {path.parent}") from None
    if not raw:
        found = f"annotation file {path.name} is empty (0 bytes)"
        raise DataError(where, found=found, expected="annotations", remedy=_REMEDY)
    try:
        decoded = decode_annotations(raw)
    except ValueError as error:
        found, expected = f"annotation file {path.name}: {error}", "a whole WFDB annotation file"
        raise DataError(where, found=found, expected=expected, remedy=_REMEDY) from None
    if len(decoded.sample) == 0 and not allow_empty:
        found = f"no annotations in {path.name} (only its end mark)"
        raise DataError(where, found=found, expected="at least one annotation", remedy=_REMEDY)
    if fs_hz is not None and decoded.fs_hz not in (None, fs_hz):
        raise DataError(where, found=f"{path.name} at {decoded.fs_hz:g} Hz", expected=f"{fs_hz:g} Hz")
    num_before = int((decoded.sample < 0).sum())
    if num_before and not drop_before_start:
        found = f"position {decoded.sample.min()} in {path.name}"
        raise DataError(where, found=found, expected="0 or more", remedy=_REMEDY)
    order = np.argsort(decoded.sample, kind="stable")[num_before:]
    inside = order if num_samples is None else order[decoded.sample[order] < num_samples]
    return Annotations(
        record,
        extension,
        decoded.sample[inside],
        decoded.symbol[inside],
        decoded.aux[inside],
        num_beyond=len(order) - len(inside),
        num_before=num_before,
    )
