"""Warn of a recording that cannot be as its header or its caller says: rate of beats, size of the signal."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

RATE_PER_MIN = (20.0, 250.0)
LONGEST_RR_S = 5.0
SIZE_MV = (0.02, 30.0)
"""Of the deflections of a lead: between the least ECG and the largest."""

_SIZE_S = 5.0


class SizeMeter:
    """Measure the deflections of a lead that comes block by block: half of its range within five seconds, typically.

    Parameters
    ----------
    num_samples : int
        Length of the lead.
    fs_hz : float
        Its rate.
    """

    def __init__(self, num_samples: int, fs_hz: float) -> None:
        self._row = max(1, min(round(_SIZE_S * fs_hz), num_samples))
        self._num_left = num_samples
        self._rest_S = np.empty(0, np.float32)
        self._ranges: list[NDArray[np.float32]] = []

    def add(self, block_S: NDArray[np.float32]) -> None:
        """Take in the next block."""
        joined_S = np.concatenate([self._rest_S, block_S])
        whole = joined_S.size // self._row * self._row
        rows, self._rest_S = joined_S[:whole].reshape(-1, self._row), joined_S[whole:]
        rows = rows[np.isfinite(rows).any(axis=1)]
        if rows.size:
            self._ranges.append(np.nanmax(rows, axis=1) - np.nanmin(rows, axis=1))

    def watch(self, blocks: Iterable[NDArray[np.float32]]) -> Iterable[NDArray[np.float32]]:
        """Pass the blocks of a lead on, and measure them the first time: a lead is read more than once."""
        for block_S in blocks:
            if self._num_left > 0:
                self._num_left -= block_S.size
                self.add(block_S)
            yield block_S

    @property
    def size_mv(self) -> float:
        """Half of the median range in mV; 0 without a valid sample."""
        return float(np.median(np.concatenate(self._ranges))) / 2 if self._ranges else 0.0


def warn_of_size(leads: Sequence[str], sizes_mv: Sequence[float]) -> list[str]:
    """Return a line for leads whose deflections are those of volts or microvolts.

    Parameters
    ----------
    leads : sequence of str
        Names.
    sizes_mv : sequence of float
        `SizeMeter.size_mv` of each.

    Returns
    -------
    list of str
        At most two lines.
    """
    small = [f"{name} {size:.2g} mV" for name, size in zip(leads, sizes_mv, strict=True) if 0 < size < SIZE_MV[0]]
    large = [f"{name} {size:.2g} mV" for name, size in zip(leads, sizes_mv, strict=True) if size > SIZE_MV[1]]
    lines = []
    # A lead that is off beside one that is on has no unit to be wrong.
    if small and len(small) == len(leads):
        lines.append(f"deflections of {', '.join(small)}: too small for an ECG. Are they volts? Then add: --unit V")
    if large:
        lines.append(
            f"deflections of {', '.join(large)}: too large for an ECG. Are they microvolts? Then add: --unit uV"
        )
    return lines


def warn_of_rate(rr_s: NDArray[np.float64], start_s: NDArray[np.float64]) -> list[str]:
    """Return a line for a rate that no heart has, and one for a long time without a beat.

    Parameters
    ----------
    rr_s, start_s : ndarray, (L,)
        Interval to the R-peak before, NaN where there is none in the same usable stretch; and where it begins.

    Returns
    -------
    list of str
        At most two lines.
    """
    known = np.isfinite(rr_s)
    if not known.any():
        return []
    lines = []
    rate = 60 / float(np.median(rr_s[known]))
    if not RATE_PER_MIN[0] <= rate <= RATE_PER_MIN[1]:
        lines.append(f"{rate:.0f} beats per minute: is the sampling rate (--fs, or that of the header) right?")
    longest = int(np.nanargmax(np.where(known, rr_s, 0)))
    if rr_s[longest] >= LONGEST_RR_S:
        from_s = float(start_s[longest])
        lines.append(
            f"no beat for {rr_s[longest]:.1f} s from {from_s:.1f} s on: a pause, or beats too small to be found. "
            "Look at the signal there."
        )
    return lines
