"""Warn of a recording that cannot be as its header or its caller says: rate of beats, size of the signal."""

import numpy as np
from numpy.typing import NDArray

from ecgfeat.records.reader import Signal
from ecgfeat.signals.baseline import remove_baseline

RATE_PER_MIN = (20.0, 250.0)
LONGEST_RR_S = 5.0
SIZE_MV = (0.02, 30.0)
"""Of the largest one per cent of the deflections of a lead: between the least ECG and the largest."""


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
    left_mv_SC, _ = remove_baseline(signal.signal_mv_SC, signal.fs_hz)
    for name, lead_S in zip(signal.leads, left_mv_SC.T, strict=True):
        size_S = np.abs(lead_S[np.isfinite(lead_S)])
        size_mv = float(np.quantile(size_S, 0.99)) if size_S.size else 0.0
        if 0 < size_mv < SIZE_MV[0]:
            small.append(f"{name} {size_mv:.2g} mV")
        elif size_mv > SIZE_MV[1]:
            large.append(f"{name} {size_mv:.2g} mV")
    lines = []
    if small:
        lines.append(f"deflections of {', '.join(small)}: too small for an ECG. Are they volts? Multiply by 1000.")
    if large:
        lines.append(f"deflections of {', '.join(large)}: too large for an ECG. Are they microvolts? Divide by 1000.")
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
