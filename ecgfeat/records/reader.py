"""Read WFDB records strictly: what is missing is refused, or stated with the record.

Samples are in millivolts, invalid ones NaN; positions are int64 at the record's own rate; leads have a position and a
name. wfdb itself reads a shortened signal file without an error, and verifies no checksum.

References
----------
Moody, WFDB Applications Guide: header(5), signal(5), annot(5), https://wfdb.io/mit_wfdb/spec/.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ecgfeat.clock import clock
from ecgfeat.errors import DataError
from ecgfeat.records.formats import decode_annotations
from ecgfeat.records.headers import Header, Lead, name_of, read_header
from ecgfeat.records.leads import find_lead
from ecgfeat.records.samples import COPY_AGAIN, DEFAULT_GAIN, open_samples

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


@dataclass(frozen=True, repr=False)
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
    start : datetime or None
        When the recording began, where its file states it.
    notes : tuple of str
        What a reader must know of how it was read, such as channels that were left aside.
    origin : str
        Digest of the recording that it was read from; empty for a signal that was made in memory.
    """

    record: str
    fs_hz: float
    leads: tuple[str, ...]
    signal_mv_SC: npt.NDArray[np.float32]  # noqa: N815 (shape suffix)
    uncalibrated: tuple[str, ...] = ()
    start: datetime | None = None
    notes: tuple[str, ...] = ()
    origin: str = ""

    @property
    def num_samples(self) -> int:
        """Samples of each lead."""
        return len(self.signal_mv_SC)

    @property
    def calibration_note(self) -> str:
        """A sentence about the uncalibrated leads; empty where all have a gain."""
        return calibration_note(self.uncalibrated)

    def lead_blocks(self, lead: int) -> Iterator[npt.NDArray[np.float32]]:
        """Yield the samples of one lead, all at once."""
        yield np.ascontiguousarray(self.signal_mv_SC[:, lead])

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

    def __repr__(self) -> str:
        return source_repr(self)


class EcgSource(Protocol):
    """What a record is read from lead by lead: a `Signal` in memory, or an open file of any format.

    Its attributes are those of `Signal`, without the samples.
    """

    @property
    def record(self) -> str: ...
    @property
    def fs_hz(self) -> float: ...
    @property
    def leads(self) -> tuple[str, ...]: ...
    @property
    def num_samples(self) -> int: ...
    @property
    def uncalibrated(self) -> tuple[str, ...]: ...
    @property
    def start(self) -> datetime | None: ...
    @property
    def notes(self) -> tuple[str, ...]: ...
    @property
    def calibration_note(self) -> str: ...

    def lead_blocks(self, lead: int) -> Iterator[npt.NDArray[np.float32]]:
        """Yield the samples of one lead from start to end: float32, mV, NaN where invalid."""
        ...


def source_repr(source: EcgSource) -> str:
    """Write a record in one short line: name, leads, rate, length."""
    leads = ", ".join(source.leads[:4]) + f" and {len(source.leads) - 4} more" * (len(source.leads) > 4)
    start = f", from {source.start:%Y-%m-%d %H:%M:%S}" if source.start else ""
    return f"<{source.record}: {leads}; {source.fs_hz:g} Hz, {clock(source.num_samples / source.fs_hz)}{start}>"


def calibration_note(uncalibrated: Sequence[str]) -> str:
    """Return a sentence about leads without a gain; empty where all have one."""
    if not uncalibrated:
        return ""
    leads = f"lead{'s' * (len(uncalibrated) > 1)} {', '.join(uncalibrated)}"
    return f"{leads} without a gain: {DEFAULT_GAIN:g} units per mV assumed, so amplitudes are relative"


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
        If a file is absent or shorter than the header states, a checksum differs, a lead has no unit of voltage or an
        unknown format, or the record is too large for the memory.

    Notes
    -----
    * A lead without a gain is read with `DEFAULT_GAIN` per mV and listed as uncalibrated.
    * Segments of a multi-segment record are joined in order; gaps and leads that a segment lacks are NaN.
    """
    samples = open_samples(Path(folder), record)
    header, columns = samples.header, range(len(samples.header.leads))
    try:
        signal_mv_SC = np.empty((header.num_samples, len(columns)), np.float32)
    except MemoryError:
        found = f"{header.num_samples} samples of {len(columns)} leads"
        remedy = "Cut the record into parts."
        raise DataError(name_of(folder, record), found=found, expected="as many as fit", remedy=remedy) from None
    start = 0
    for block_mv_SC in samples.blocks(columns, verify=verify):
        signal_mv_SC[start : start + len(block_mv_SC)] = block_mv_SC
        start += len(block_mv_SC)
    return Signal(record, header.fs_hz, header.leads, signal_mv_SC, samples.uncalibrated)


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
        Rate of the record; positions of a file that states another rate are brought to it, rounded half up, as the
        WFDB library does.
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
        If the file is absent, empty or truncated (each with its own message), goes on behind its end mark, or has an
        unknown code or a negative position.
    """
    folder, where = Path(folder), name_of(folder, record)
    path = folder / f"{record}.{extension}"
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise DataError(where, found=f"no annotation file {path.name}", expected=f"the file in {path.parent}") from None
    if not raw:
        found = f"annotation file {path.name} is empty (0 bytes)"
        raise DataError(where, found=found, expected="annotations", remedy=COPY_AGAIN)
    try:
        decoded = decode_annotations(raw)
    except ValueError as error:
        found, expected = f"annotation file {path.name}: {error}", "a whole WFDB annotation file"
        raise DataError(where, found=found, expected=expected, remedy=COPY_AGAIN) from None
    if len(decoded.sample) == 0 and not allow_empty:
        found = f"no annotations in {path.name} (only its end mark)"
        raise DataError(where, found=found, expected="at least one annotation", remedy=COPY_AGAIN)
    sample = decoded.sample
    if fs_hz is not None and decoded.fs_hz not in (None, fs_hz):
        sample = np.floor(sample * (fs_hz / decoded.fs_hz) + 0.5).astype(np.int64)
    num_before = int((sample < 0).sum())
    if num_before and not drop_before_start:
        found = f"position {sample.min()} in {path.name}"
        raise DataError(where, found=found, expected="0 or more", remedy=COPY_AGAIN)
    order = np.argsort(sample, kind="stable")[num_before:]
    inside = order if num_samples is None else order[sample[order] < num_samples]
    return Annotations(
        record,
        extension,
        sample[inside],
        decoded.symbol[inside],
        decoded.aux[inside],
        num_beyond=len(order) - len(inside),
        num_before=num_before,
    )
