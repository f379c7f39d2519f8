"""Find where a lead holds no signal: invalid samples, flat stretches, and the steps into them."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgfeat.signals.windows import cut_windows

LONGEST_PAUSE_S: Final = 30.0
"""A longer time without a beat is no pause of the heart, in whatever signal."""

_FLAT_MV_PER_S = 0.2
_HELD_S = 0.25  # a flat stretch at another level is a lead at the rail of its amplifier, or off
_STILL_S = 0.5  # a flat stretch at the same level, in a lead with noise
_FLAT_S = 2.0
_STEP_MV = 0.1
_STEP_S = 0.125
_AROUND_S = 5
_SMOOTH_MV = 0.004  # third difference, of samples rounded to microvolts too; white noise of 1 uV reaches it

_Lead = NDArray[np.float32]


def clear_invalid(signal_S: _Lead, fs_hz: float) -> _Lead:
    """Return a copy of a lead with NaN wherever no beat can be: see `clear_in_place`.

    Parameters
    ----------
    signal_S : ndarray of float32, shape (S,)
        One lead in mV.
    fs_hz : float
        Sampling frequency in Hz.

    Returns
    -------
    ndarray of float32, shape (S,)
    """
    cleared_S = np.array(signal_S, dtype=np.float32)
    clear_in_place(cleared_S, fs_hz)
    return cleared_S


def clear_in_place(cleared_S: _Lead, fs_hz: float) -> NDArray[np.bool_]:
    """Set stretches of one lead in which it is off or at a rail, and the steps into them, to NaN.

    Parameters
    ----------
    cleared_S : ndarray of float32, shape (S,)
        One lead in mV; changed.
    fs_hz : float
        Sampling frequency in Hz.

    Returns
    -------
    ndarray of bool, shape (S,)
        False where the lead is NaN now.

    Notes
    -----
    * Flat is a slope below 0.2 mV/s. A flat stretch is cleared if it lasts 0.25 s and lies more than 0.1 mV from the
      signal on both sides, if it lasts 2 s and does so on one side, and if it lasts 0.5 s in a lead with noise, which
      is never still. In a lead without any, as simulators make, a flat stretch of up to 30 s is a pause of the heart.
    """
    valid_S = np.isfinite(cleared_S)
    if not valid_S.all():
        cleared_S[~valid_S] = np.nan
    limit_mv = _FLAT_MV_PER_S / fs_hz
    if not _may_be_flat(cleared_S, limit_mv, int(_HELD_S * fs_hz)):
        return valid_S
    # A difference of NaN compares as false: runs end at invalid samples.
    slope_mv = np.abs(np.diff(cleared_S))
    run = find_runs(slope_mv <= limit_mv)
    run = run[run[:, 1] - run[:, 0] >= _HELD_S * fs_hz]
    second, step = max(1, round(fs_hz)), round(_STEP_S * fs_hz)
    source_S = cleared_S.copy() if len(run) else cleared_S
    for start, stop in run:
        level = source_S[start]
        beyond = stop + 1
        is_apart = [
            _is_apart(source_S[max(0, start - second) : start], level),
            _is_apart(source_S[beyond : beyond + second], level),
        ]
        if not _is_lost(source_S, start, stop, is_apart, fs_hz):
            continue
        if is_apart[0]:
            start = max(0, start - step)
        if is_apart[1]:
            beyond += step
        cleared_S[start:beyond] = np.nan
        valid_S[start:beyond] = False
    return valid_S


def find_runs(is_true_S: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return first index and the one after the last of each run of True, (R, 2)."""
    is_edge = np.concatenate([is_true_S[:1], is_true_S[1:] != is_true_S[:-1], is_true_S[-1:]])
    return np.flatnonzero(is_edge).reshape(-1, 2)


def _is_lost(signal_S: _Lead, start: int, stop: int, is_apart: list[bool], fs_hz: float) -> bool:
    """Return whether the lead is off, or at a rail, in a flat stretch."""
    duration_s = (stop - start) / fs_hz
    if all(is_apart):
        return True
    if any(is_apart) or duration_s > LONGEST_PAUSE_S:
        return duration_s >= _FLAT_S
    if duration_s < _STILL_S:
        return False
    around = round(_AROUND_S * fs_hz)
    jerk_mv, moves = [], []
    for beside_S in (signal_S[max(0, start - around) : start], signal_S[stop + 1 : stop + 1 + around]):
        jerk_mv.append(np.abs(np.diff(beside_S, n=3)))
        moves.append(np.abs(np.diff(beside_S))[2:] > _FLAT_MV_PER_S / fs_hz)
    moving_mv = np.concatenate(jerk_mv)[np.concatenate(moves)]
    moving_mv = moving_mv[np.isfinite(moving_mv)]
    return not moving_mv.size or float(np.median(moving_mv)) > _SMOOTH_MV


def _may_be_flat(signal_S: _Lead, limit_mv: float, shortest: int) -> bool:
    """Return whether any run of so many samples may be flat: quick, since hardly any signal has one."""
    # Within a flat run no two samples are far apart: most signals are seen not to be flat by every eighth of it.
    # Wherever such a run begins, six of its eighths lie between samples that are looked at.
    step = shortest // 8
    if not step:
        return True
    is_near = np.abs(np.diff(signal_S[::step])) <= 1.01 * step * limit_mv
    pair = is_near[:-1] & is_near[1:]
    start = np.flatnonzero(pair[:-4] & pair[2:-2] & pair[4:]) * step
    if not start.size:
        return False
    # The largest slope of a window with an invalid sample is NaN, which is not small.
    slope_LS = np.abs(np.diff(cut_windows(signal_S, start, 6 * step + 1), axis=1))
    return bool((slope_LS.max(axis=1) <= limit_mv).any())


def _is_apart(neighbour_S: _Lead, level: float) -> bool:
    """Return whether the signal next to a flat stretch has another level."""
    valid_S = neighbour_S[np.isfinite(neighbour_S)]
    return bool(valid_S.size and abs(np.median(valid_S) - level) > _STEP_MV)
