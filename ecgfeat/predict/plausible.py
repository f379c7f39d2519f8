"""Warn of a recording that cannot be as its header or its caller says: rate of beats, size of the signal."""

import numpy as np
from numpy.typing import NDArray

from ecgfeat.records.reader import Signal

RATE_PER_MIN = (20.0, 250.0)
LONGEST_RR_S = 5.0
SIZE_MV = (0.02, 30.0)
"""Of the deflections of a lead: between the least ECG and the largest."""

_SIZE_S = 5.0


def warn_of_size(signal: Signal) -> list[str]:
    """Return a line for leads whose deflections are those of volts or microvolts.

    Parameters
    ----------
    signal : Signal
        The record; one without a gain has no unit to be wrong.

    Returns
    -------
    list of str
        At most two lines.
    """
    if signal.uncalibrated:
        return []
    small, large = [], []
    for name, lead_S in zip(signal.leads, signal.signal_mv_SC.T, strict=True):
        size_mv = _size(lead_S, signal.fs_hz)
        if 0 < size_mv < SIZE_MV[0]:
            small.append(f"{name} {size_mv:.2g} mV")
        elif size_mv > SIZE_MV[1]:
            large.append(f"{name} {size_mv:.2g} mV")
    lines = []
    # A lead that is off beside one that is on has no unit to be wrong.
    if small and len(small) == len(signal.leads):
        lines.append(f"deflections of {', '.join(small)}: too small for an ECG. Are they volts? Multiply by 1000.")
    if large:
        lines.append(f"deflections of {', '.join(large)}: too large for an ECG. Are they microvolts? Divide by 1000.")
    return lines


def _size(lead_S: NDArray[np.float32], fs_hz: float) -> float:
    """Return half of the range of a lead within five seconds, typically, in mV; 0 without a valid sample."""
    block = max(1, min(round(_SIZE_S * fs_hz), lead_S.size))
    rows = lead_S[: lead_S.size // block * block].reshape(-1, block)
    rows = rows[np.isfinite(rows).any(axis=1)]
    return float(np.median(np.nanmax(rows, axis=1) - np.nanmin(rows, axis=1))) / 2 if rows.size else 0.0


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
