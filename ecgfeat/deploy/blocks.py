"""Bring an endless signal to the rate and band of a system, block by block, as the whole record would be.

Shape suffixes: S samples, C leads.
"""

import math
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ecgfeat.deploy.preparation import Preparation
from ecgfeat.errors import DataError
from ecgfeat.signals.resample import resampling_ratio
from ecgfeat.store.schemas import LIMIT_UV

BLOCK_S = 1.0
"""Least length of a block: longer ones are named later, shorter ones filter the same samples more often."""

STEP_MV = 10.0
"""How far the signal beyond a margin may be displaced without moving a prepared sample by more than a microvolt."""

FIRST_GUESS_S = 16.0

MAX_PERIOD_S = 60.0
"""Longest time between samples of both rates that fall together."""


class SignalBlocks:
    """Bring an endless signal to the rate and band of a system, block by block.

    Parameters
    ----------
    preparation : Preparation
        What to do with it.
    fs_hz : float
        Rate of the source.

    Raises
    ------
    DataError
        If samples of the two rates do not fall together within a minute.

    Notes
    -----
    * Each block is prepared with a margin on both sides, which is cut off again. Samples are those of the whole record
      to within a microvolt, at both ends of the signal too. Beside a gap longer than the margin they may differ by
      more: a gap is bridged, and its other side is not known yet.
    * Memory is a block and two margins of the source, however long the signal.
    """

    def __init__(self, preparation: Preparation, fs_hz: float) -> None:
        self.preparation, self.fs_hz = preparation, fs_hz
        between_hz = preparation.filter_hz or fs_hz
        first = Fraction(*resampling_ratio(fs_hz, between_hz))
        self._ratio = first * Fraction(*resampling_ratio(between_hz, preparation.fs_hz))
        # Blocks begin where samples of both rates, and of the one between, fall together: the polyphase filter of a
        # block then is in the phase it has in the whole record.
        period = math.lcm(first.denominator, self._ratio.denominator)
        if period > MAX_PERIOD_S * fs_hz:
            raise DataError(
                "stream",
                found=f"{fs_hz:g} Hz, which meets {preparation.fs_hz:g} Hz every {period / fs_hz:g} s",
                expected=f"rates that meet within {MAX_PERIOD_S:g} s",
                remedy="Resample the signal beforehand.",
            )
        self.block_samples, self.margin_samples = (
            period * math.ceil(length_s * fs_hz / period) for length_s in (BLOCK_S, find_reach(preparation, fs_hz))
        )
        self.delay_s = (self.block_samples + self.margin_samples) / fs_hz
        """Longest time from a sample fed until its block is prepared."""
        capacity = self.block_samples + 2 * self.margin_samples
        self._buffer_SC = np.zeros((capacity, preparation.num_leads), dtype=np.float32)
        # Of the source: first sample in the buffer, samples in it, first sample of the next block.
        self._first = self._filled = self._next = 0
        self._is_closed = False

    def feed(self, chunk_mv_SC: NDArray[np.floating]) -> list[NDArray[np.int16]]:
        """Take the next samples and prepare every block whose margin is there.

        Parameters
        ----------
        chunk_mv_SC : ndarray of float, (S, C)
            Millivolts at the rate of the source, NaN where invalid.

        Returns
        -------
        list of ndarray of int16, (C, S')
            Microvolts at the rate of the system, -32768 where invalid.

        Raises
        ------
        DataError
            If the chunk has another shape, or values that cannot be millivolts.
        ValueError
            If it comes after `flush`.
        """
        if self._is_closed:
            raise ValueError("the stream was flushed; open another one")
        chunk_mv_SC = np.asarray(chunk_mv_SC)
        if chunk_mv_SC.ndim != 2 or chunk_mv_SC.shape[1] != self._buffer_SC.shape[1]:
            raise DataError(
                "stream",
                found=f"a chunk of shape {chunk_mv_SC.shape}",
                expected=f"(samples, {self._buffer_SC.shape[1]} leads)",
            )
        prepared, done = [], 0
        while done < len(chunk_mv_SC):
            due = self._next + self.block_samples + self.margin_samples - self._first - self._filled
            piece_SC = chunk_mv_SC[done : done + due]
            self._buffer_SC[self._filled : self._filled + len(piece_SC)] = piece_SC
            self._filled += len(piece_SC)
            done += len(piece_SC)
            if len(piece_SC) == due:
                prepared.append(self._prepare(self.block_samples))
                self._forget()
        return prepared

    def flush(self) -> list[NDArray[np.int16]]:
        """End the signal and prepare what is left of it.

        Returns
        -------
        list of ndarray of int16, (C, S')
            One piece, or none where no sample was fed.

        Raises
        ------
        ValueError
            If it was flushed before.
        """
        if self._is_closed:
            raise ValueError("the stream was flushed before")
        self._is_closed = True
        return [self._prepare(None)] if self._filled else []

    def _prepare(self, num_samples: int | None) -> NDArray[np.int16]:
        """Prepare the next samples of the source, or all that are left, with what the buffer holds around them."""
        held_SC = self._buffer_SC[: self._filled]
        for held_S in held_SC.T:
            valid_S = held_S[np.isfinite(held_S)]
            # Electrodes may leave any offset.
            size = np.abs(valid_S - np.median(valid_S)) if valid_S.size else valid_S
            if size.size and np.percentile(size, 99) > LIMIT_UV / 1000:
                found = f"values up to {size.max():.0f} from their median"
                raise DataError("stream", found=found, expected="mV, below 33", remedy="Divide microvolts by 1000.")
        prepared_CS = self.preparation.prepare(held_SC, self.fs_hz)
        start = (self._next - self._first) * self._ratio
        stop = None if num_samples is None else int(start + num_samples * self._ratio)
        return prepared_CS[:, int(start) : stop]

    def _forget(self) -> None:
        """Go on to the next block and let go of what lies before its margin."""
        self._next += self.block_samples
        first = max(0, self._next - self.margin_samples)
        kept_SC = self._buffer_SC[first - self._first : self._filled].copy()
        self._buffer_SC[: len(kept_SC)] = kept_SC
        self._first, self._filled = first, len(kept_SC)


def find_reach(preparation: Preparation, fs_hz: float) -> float:
    """Measure how far the filters of a system feel.

    Parameters
    ----------
    preparation : Preparation
        The filters.
    fs_hz : float
        Rate of the source.

    Returns
    -------
    float
        Seconds before a step of 10 mV from which on it moves a prepared sample by a microvolt: 0 where nothing is
        filtered or resampled.

    Notes
    -----
    * The filters have no phase, so that they feel as far back as ahead. It is the lower edge that counts: with 0.5 Hz
      some 7 s, with 0.05 Hz ten times that.
    """
    half_s = FIRST_GUESS_S
    while True:
        step_SC = np.zeros((2 * round(half_s * fs_hz), preparation.num_leads), dtype=np.float32)
        step_SC[len(step_SC) // 2 :] = STEP_MV
        prepared_S = preparation.prepare(step_SC, fs_hz)[0]
        # The step lies at the same time in both rates.
        reach_s = len(step_SC) / 2 / fs_hz - int(np.argmax(prepared_S != 0)) / preparation.fs_hz
        if reach_s < half_s / 2:
            return max(0.0, reach_s)
        half_s *= 2
