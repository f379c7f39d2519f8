"""An open record: lowest and highest sample of each stretch, at several lengths, so that any part is read at once.

Samples are kept as whole steps in memory-mapped files of a private folder. Level 0 has the samples; each further level
has the lowest and highest of 16, 64, 256 ... samples. A column of a picture is put together from whole stretches of one
level, so it keeps the true extremes of its samples.

Shape suffixes: C leads, S samples, N columns.
"""

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from ecgfeat.errors import DataError
from ecgfeat.files import open_ecg
from ecgfeat.files.reading import EcgFile
from ecgfeat.records.reader import EcgSource
from ecgfeat.view.marks import Marks, read_reference
from ecgfeat.view.security import PrivateFolder

INVALID: Final = -32768
"""Step of a sample that is invalid, and of a column without a valid one."""

_LARGEST: Final = 32767
_FIRST_BLOCK, _RATIO = 16, 4
_PIECE_SAMPLES = 1 << 20
_LARGEST_OFFSET_MV = 16.0
_Steps = NDArray[np.int16]


@dataclass(frozen=True)
class Part:
    """A part of a record, as columns of a picture.

    Attributes
    ----------
    start : int
        First sample of the first column.
    column_samples : int
        Samples in a column; the last may have fewer. With 1, ``low`` and ``high`` are the samples.
    low, high : ndarray of int16, shape (C, N)
        Lowest and highest valid step in each column; -32768 where none is valid.
    uv_per_step : tuple of float, length C
        Microvolts of one step.
    offset_mv : tuple of float, length C
        Millivolts of step 0.
    """

    start: int
    column_samples: int
    low: _Steps
    high: _Steps
    uv_per_step: tuple[float, ...]
    offset_mv: tuple[float, ...]


class Pyramid:
    """Samples of a record on disk, with the extremes of their stretches.

    Parameters
    ----------
    folder : Path
        Existing folder for its files, some 2.5 bytes for each sample and lead.
    num_leads, num_samples : int
        Size of the record.

    Raises
    ------
    DataError
        If the disk has no room for its files.

    Notes
    -----
    * A step is a microvolt. Where samples of a lead lie further than 32.767 mV from its offset, steps double until they
      hold them; samples before may then be off by one step.
    * A lead that starts far from zero has an offset, so that its steps stay small.
    """

    def __init__(self, folder: Path, num_leads: int, num_samples: int) -> None:
        self.num_leads, self.num_samples = num_leads, num_samples
        self._samples_CS = _map(folder / "samples.npy", (num_leads, num_samples))
        self._blocks: list[int] = []
        self._levels: list[_Steps] = []
        block = _FIRST_BLOCK
        while not self._blocks or self._levels[-1].shape[2] > _RATIO:
            shape = (num_leads, 2, -(-num_samples // block))
            self._levels.append(_map(folder / f"extremes-{block}.npy", shape))
            self._blocks.append(block)
            block *= _RATIO
        self._uv_per_step = [1.0] * num_leads
        self._offset_mv: list[float | None] = [None] * num_leads
        self._num_written = [0] * num_leads
        self._lock = threading.Lock()
        self.is_cancelled = False  # set, it ends `fill` after its next block
        self.is_fill_ended = False  # once set, no further samples will come

    @property
    def num_ready(self) -> int:
        """Samples, from the start, that are there of every lead."""
        return min(self._num_written, default=self.num_samples)

    def fill(self, signal: EcgSource) -> None:
        """Read all leads of a record side by side, so that its start is there at once, until it is cancelled.

        Parameters
        ----------
        signal : EcgSource
            Record of this size.

        Raises
        ------
        DataError
            If its file is damaged; what was read until then stays.
        """
        blocks = {lead: signal.lead_blocks(lead) for lead in range(self.num_leads)}
        while blocks and not self.is_cancelled:
            for lead, lead_blocks in list(blocks.items()):
                block_mv_S = next(lead_blocks, None)
                if block_mv_S is None:
                    del blocks[lead]
                else:
                    self.append(lead, block_mv_S)

    def append(self, lead: int, block_mv_S: NDArray[np.float32]) -> None:
        """Add the next samples of a lead.

        Parameters
        ----------
        lead : int
            Position.
        block_mv_S : ndarray of float32, shape (S,)
            Millivolts; not finite where invalid.
        """
        for at in range(0, len(block_mv_S), _PIECE_SAMPLES):
            piece_S = block_mv_S[at : at + _PIECE_SAMPLES]
            with self._lock:
                self._append_piece(lead, piece_S)

    def _append_piece(self, lead: int, piece_mv_S: NDArray[np.float32]) -> None:
        is_valid_S = np.isfinite(piece_mv_S)
        valid_S = piece_mv_S[is_valid_S]
        if valid_S.size and self._offset_mv[lead] is None:
            middle_mv = float(np.median(valid_S[:: max(1, valid_S.size // 1000)]))
            self._offset_mv[lead] = middle_mv if abs(middle_mv) > _LARGEST_OFFSET_MV else 0.0
        step_S = np.full(len(piece_mv_S), INVALID, np.int16)
        if valid_S.size:
            offset_uv_S = (valid_S.astype(np.float64) - (self._offset_mv[lead] or 0.0)) * 1000
            self._widen(lead, float(np.abs(offset_uv_S).max()))
            step_S[is_valid_S] = np.rint(offset_uv_S / self._uv_per_step[lead])
        start = self._num_written[lead]
        stop = start + len(step_S)
        self._samples_CS[lead, start:stop] = step_S
        self._num_written[lead] = stop
        for level, (block, extremes) in enumerate(zip(self._blocks, self._levels, strict=True)):
            is_last = stop == self.num_samples
            first, last = start // block, -(-stop // block) if is_last else stop // block
            if level == 0:
                low = high = self._samples_CS[lead, first * block : last * block]
                size = block
            else:
                low, high = self._levels[level - 1][lead, :, first * _RATIO : last * _RATIO]
                size = _RATIO
            extremes[lead, :, first:last] = _extremes(low, high, size)

    def _widen(self, lead: int, largest_uv: float) -> None:
        """Double the step of a lead until it holds a value."""
        ratio = 1.0
        while largest_uv > _LARGEST * self._uv_per_step[lead] * ratio:
            ratio *= 2
        if ratio > 1:
            self._uv_per_step[lead] *= ratio
            for stored in (self._samples_CS[lead, : self._num_written[lead]], *(of[lead] for of in self._levels)):
                for rows in np.atleast_2d(stored):
                    for at in range(0, len(rows), _PIECE_SAMPLES):
                        piece = rows[at : at + _PIECE_SAMPLES]
                        piece[:] = np.where(piece == INVALID, INVALID, np.rint(piece / ratio))

    def is_ready(self, stop: int) -> bool:
        """Return whether all leads are there up to a sample, or no more will come."""
        return self.is_fill_ended or self.num_ready >= min(stop, self.num_samples)

    def read(self, start: int, stop: int, num_columns: int, leads: list[int]) -> Part:
        """Read a part of the record as columns.

        Parameters
        ----------
        start, stop : int
            Half-open part, in samples; it is cut to what is there.
        num_columns : int
            At least as many are returned, unless there are fewer samples; less than twice as many and two.
        leads : list of int
            Positions.

        Returns
        -------
        Part
            It begins at a whole column at or before `start`, and ends after `stop`.
        """
        with self._lock:
            num_ready = self.num_ready
            start, stop = max(0, min(start, num_ready)), max(0, min(stop, num_ready))
            wanted = max(1, (stop - start) // max(1, num_columns))
            level = sum(block <= wanted for block in self._blocks) - 1
            block = self._blocks[level] if level >= 0 else 1
            column_samples = wanted // block * block
            first = start // column_samples * column_samples
            last = min(num_ready, -(-stop // column_samples) * column_samples)
            lows, highs = [], []
            for lead in leads:
                if level < 0:
                    low = high = self._samples_CS[lead, first:last]
                else:
                    # The last stretch may not be whole yet: its samples are read themselves.
                    whole = last // block if last < self.num_samples else -(-last // block)
                    low, high = self._levels[level][lead, :, first // block : whole]
                    if whole * block < last:
                        rest = self._samples_CS[lead, whole * block : last]
                        ends = _extremes(rest, rest, block)
                        low, high = np.append(low, ends[0]), np.append(high, ends[1])
                if column_samples != block:
                    low, high = _extremes(low, high, column_samples // block)
                lows.append(low)
                highs.append(high)
            uv_per_step = tuple(self._uv_per_step[lead] for lead in leads)
            offset_mv = tuple(self._offset_mv[lead] or 0.0 for lead in leads)
        none = np.zeros((0, 0), np.int16)
        return Part(
            first,
            column_samples,
            np.stack(lows) if lows else none,
            np.stack(highs) if highs else none,
            uv_per_step,
            offset_mv,
        )


@dataclass
class Opened:
    """An open record.

    Attributes
    ----------
    signal : EcgFile
        Its file.
    pyramid : Pyramid
        Its samples; they are being read.
    reference : Marks or None
        Annotation beside it; it is being read.
    faults : list of str
        Why samples or reference could not be read completely.
    """

    signal: EcgFile
    pyramid: Pyramid
    folder: PrivateFolder
    faults: list[str] = field(default_factory=list)
    reference: Marks | None = None
    is_reference_read: bool = False

    @property
    def duration_s(self) -> float:
        """Length of the record in seconds."""
        return self.signal.num_samples / self.signal.fs_hz

    def close(self) -> None:
        """Stop reading, and remove its files."""
        self.pyramid.is_cancelled = True
        self.folder.close()


def open_record(path: Path, options: Mapping[str, Any]) -> Opened:
    """Open a record. Its samples and its reference are read in the background: neither delays the first strip.

    Parameters
    ----------
    path : Path
        The record.
    options : mapping
        How `ecgfeat.files.open_ecg` is to read it.

    Returns
    -------
    Opened

    Raises
    ------
    DataError, UsageError
        If it cannot be read, or the disk has no room for its samples.
    """
    signal = open_ecg(path, **options)
    folder = PrivateFolder()
    try:
        pyramid = Pyramid(folder.path, len(signal.leads), signal.num_samples)
    except DataError:
        folder.close()
        raise
    opened = Opened(signal, pyramid, folder)

    def fill() -> None:
        try:
            pyramid.fill(signal)
        except (DataError, OSError, ValueError) as error:
            opened.faults.append(str(error))
        finally:
            pyramid.is_fill_ended = True

    def refer() -> None:
        try:
            opened.reference = read_reference(path, signal)
        except DataError as error:
            opened.faults.append(str(error))
        finally:
            opened.is_reference_read = True  # the page waits for it no longer, whatever has happened

    for work in (fill, refer):
        threading.Thread(target=work, daemon=True).start()
    return opened


def _map(path: Path, shape: tuple[int, ...]) -> _Steps:
    """Return a new file of steps as an array."""
    try:
        steps: _Steps = open_memmap(path, "w+", np.int16, shape)
        if hasattr(os, "posix_fallocate"):
            # Without its room on disk, a write to memory of a full disk would end the process.
            with path.open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    except OSError as error:
        found = f"{error.strerror or error} for {2 * np.prod(shape, dtype=np.int64) / 1e6:.0f} MB of samples"
        remedy = "Free some space, or set TMPDIR to a folder of another disk."
        raise DataError(str(path.parent), found=found, expected="room on the disk", remedy=remedy) from error
    return steps


def _extremes(low: _Steps, high: _Steps, size: int) -> _Steps:
    """Return the lowest and highest step of each `size` stretches, shape (2, n); the last may have fewer."""
    padding = -len(low) % size
    low = np.where(low == INVALID, np.int16(_LARGEST), low)
    low = np.pad(low, (0, padding), constant_values=_LARGEST).reshape(-1, size).min(axis=1)
    high = np.pad(high, (0, padding), constant_values=INVALID).reshape(-1, size).max(axis=1)
    return np.stack([np.where(high == INVALID, np.int16(INVALID), low), high])
