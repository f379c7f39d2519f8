"""The one reader: recognise a file by its content, find its ECG leads, and return them in millivolts.

Whatever bytes come in, a `DataError` goes out or a result; the faults of libraries are converted here and nowhere else.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgfeat.errors import DataError, UsageError, need_extras, printable
from ecgfeat.files.ecg_channels import choose_channels
from ecgfeat.files.folders import source_digest
from ecgfeat.files.formats import Format, recognise
from ecgfeat.files.recording import Blocks, Recording
from ecgfeat.records.reader import Signal, calibration_note, source_repr


def open_recording(path: Path | str, *, fs_hz: float | None = None, unit: str | None = None) -> Recording:
    """Open a recording of any format.

    Parameters
    ----------
    path : Path or str
        A file, or a WFDB record with or without the ending of its header.
    fs_hz : float, optional
        Sampling frequency, for a format that states none.
    unit : str, optional
        Unit of voltage of the samples, for a file that states none.

    Returns
    -------
    Recording
        Its channels; their samples are read when they are needed.

    Raises
    ------
    UsageError
        If `fs_hz` or `unit` is missing where the file has none, or given where it has one.
    DataError
        If there is no such file, or it is damaged or of no known format.
    """
    path = Path(path)
    if fs_hz is not None and not (np.isfinite(fs_hz) and fs_hz > 0):
        raise UsageError("--fs", found=f"{fs_hz:g}", expected="a positive number of Hz")
    kind = recognise(path)
    with _one_line(path, kind):
        recording = kind.open(path, fs_hz=fs_hz, unit=unit)
    for channel in recording.channels:
        if not (np.isfinite(channel.fs_hz) and channel.fs_hz > 0):
            found = f"{channel.fs_hz} Hz of channel {channel.name}"
            raise DataError(recording.record, found=found, expected="a positive sampling frequency")

    def read_blocks(channels: Sequence[int]) -> Blocks:
        with _one_line(path, kind):
            yield from recording.read_blocks(channels)

    channels = tuple(
        type(channel)(printable(channel.name), printable(channel.unit), channel.fs_hz, channel.num_samples)
        for channel in recording.channels
    )
    return Recording(
        printable(recording.record),
        recording.format,
        channels,
        read_blocks,
        recording.start,
        tuple(printable(note) for note in recording.notes),
        tuple(printable(name) for name in recording.uncalibrated),
    )


@dataclass(frozen=True, repr=False)
class EcgFile:
    """The ECG leads of an open recording, which are read when they are needed: an `EcgSource`.

    Attributes
    ----------
    record, fs_hz, leads, num_samples, uncalibrated, start, notes
        As of `ecgfeat.records.reader.Signal`.
    recording : Recording
        The file.
    columns : tuple of int
        Positions of the leads among its channels.
    """

    record: str
    fs_hz: float
    leads: tuple[str, ...]
    num_samples: int
    uncalibrated: tuple[str, ...]
    start: datetime | None
    notes: tuple[str, ...]
    recording: Recording
    columns: tuple[int, ...]

    @property
    def calibration_note(self) -> str:
        """A sentence about the uncalibrated leads; empty where all have a gain."""
        return calibration_note(self.uncalibrated)

    def lead_blocks(self, lead: int) -> Iterator[NDArray[np.float32]]:
        """Yield the samples of one lead from start to end: float32, mV, NaN where invalid."""
        for block_SC in self.recording.read_blocks([self.columns[lead]]):
            yield np.ascontiguousarray(block_SC[:, 0])

    def __repr__(self) -> str:
        return source_repr(self)

    def load(self) -> Signal:
        """Read all leads into memory.

        Raises
        ------
        DataError
            If the file is damaged, or too large for the memory.
        """
        try:
            signal_mv_SC = np.empty((self.num_samples, len(self.leads)), np.float32)
        except (MemoryError, ValueError):
            found = f"{self.num_samples} samples of {len(self.leads)} leads"
            raise DataError(self.record, found=found, expected="as many as fit into memory") from None
        start = 0
        for block_SC in self.recording.read_blocks(self.columns):
            signal_mv_SC[start : start + len(block_SC)] = block_SC
            start += len(block_SC)
        return Signal(self.record, self.fs_hz, self.leads, signal_mv_SC, self.uncalibrated, self.start, self.notes)


def open_ecg(
    path: Path | str,
    *,
    fs_hz: float | None = None,
    leads: Sequence[str | int] | None = None,
    unit: str | None = None,
) -> EcgFile:
    """Open the ECG leads of a recording of any format, without reading their samples.

    Parameters and errors are those of `read`.

    Returns
    -------
    EcgFile
    """
    recording = open_recording(path, fs_hz=fs_hz, unit=unit)
    chosen = choose_channels(recording, leads)
    channels = [recording.channels[at] for at in chosen.columns]
    names = tuple(channel.name or f"lead {at + 1}" for at, channel in enumerate(channels))
    uncalibrated = tuple(name for name in names if name in recording.uncalibrated)
    return EcgFile(
        recording.record,
        channels[0].fs_hz,
        names,
        channels[0].num_samples,
        uncalibrated,
        recording.start,
        (*recording.notes, *chosen.notes),
        recording,
        chosen.columns,
    )


def read(
    path: Path | str,
    *,
    fs_hz: float | None = None,
    leads: Sequence[str | int] | None = None,
    unit: str | None = None,
) -> Signal:
    """Read the ECG leads of a recording of any format.

    Parameters
    ----------
    path : Path or str
        A file, or a WFDB record with or without the ending of its header.
    fs_hz : float, optional
        Sampling frequency, for a format that states none.
    leads : sequence of str or int, optional
        Names or positions (from 0) of the leads to read; by default all ECG leads, found by name, unit and signal.
    unit : str, optional
        Unit of voltage of the samples, for a file that states none: ``mV``, ``uV``, ``V``.

    Returns
    -------
    Signal
        Millivolts, float32, shape (samples, leads); NaN where invalid. Its notes name the channels that were left
        aside.

    Raises
    ------
    UsageError
        If an option is missing, superfluous, or names no lead.
    DataError
        If the file is missing, damaged or of no known format, or has no ECG lead.
    """
    signal = open_ecg(path, fs_hz=fs_hz, leads=leads, unit=unit).load()
    return replace(signal, origin=source_digest(Path(path)))


@contextmanager
def _one_line(path: Path, kind: Format) -> Iterator[None]:
    """Turn every fault of a library into one line that names the file and its format."""
    where = printable(path.name)
    try:
        with warnings.catch_warnings(), need_extras():
            warnings.simplefilter("ignore")  # the modules of the formats catch those that a user must know
            yield
    except (DataError, UsageError, GeneratorExit, ModuleNotFoundError):
        raise
    except MemoryError as error:
        raise DataError(where, found=f"{kind.name} that does not fit into memory", expected="a shorter file") from error
    except OSError as error:
        raise DataError(where, found=error.strerror or str(error), expected=f"a readable {kind.name}") from error
    except Exception as error:
        reason = f"{type(error).__name__}: {str(error)[:200]}"
        raise DataError(where, found=f"{kind.name} that cannot be read ({reason})", expected="a whole file") from error
