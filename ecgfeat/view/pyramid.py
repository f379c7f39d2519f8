"""Lowest and highest sample of every stretch of a record, at several lengths: any part of a day is read at once.

Samples are kept as whole steps in memory-mapped files of a private folder. Level 0 has the samples; each further level
has the lowest and highest of 16, 64, 256 ... samples. A column of a picture is put together from whole stretches of one
level, so it keeps the true extremes of its samples.

Shape suffixes: C leads, S samples, N columns.
"""

import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from ecgfeat.errors import DataError
from ecgfeat.records.reader import EcgSource

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
        self._changed = threading.Condition()
        self._is_cancelled = False
        self.is_fill_ended = False

    @property
    def num_ready(self) -> int:
        """Samples, from the start, that are there of every lead."""
        return min(self._num_written, default=self.num_samples)

    def fill(self, signal: EcgSource) -> None:
        """Read all leads of a record side by side, so that its start is there at once.

        Parameters
        ----------
        signal : EcgSource
            Record of this size.

        Raises
        ------
        DataError
            If its file is damaged; what was read until then stays.

        Notes
        -----
        It ends early once it is cancelled.
        """
        blocks = {lead: signal.lead_blocks(lead) for lead in range(self.num_leads)}
        while blocks and not self._is_cancelled:
            for lead, lead_blocks in list(blocks.items()):
                block_mv_S = next(lead_blocks, None)
                if block_mv_S is None:
                    del blocks[lead]
                else:
                    self.append(lead, block_mv_S)

    def cancel(self) -> None:
        """Have `fill` end after its next block."""
        self._is_cancelled = True

    def end_fill(self) -> None:
        """Say that no further samples will come, whether all are there or not."""
        with self._changed:
            self.is_fill_ended = True
            self._changed.notify_all()

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
            with self._changed:
                self._append_piece(lead, piece_S)
                self._changed.notify_all()

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

    def wait(self, stop: int, timeout_s: float) -> bool:
        """Wait until all leads are there up to a sample, or no more will come, and return whether it is so."""
        wanted = min(stop, self.num_samples)
        with self._changed:
            return self._changed.wait_for(lambda: self.num_ready >= wanted or self.is_fill_ended, timeout_s)

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
        with self._changed:
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
                both = (
                    np.stack([low, high]) if column_samples == block else _extremes(low, high, column_samples // block)
                )
                lows.append(both[0])
                highs.append(both[1])
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
