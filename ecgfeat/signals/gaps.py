"""Find where a lead holds no signal: invalid samples, flat stretches, and the steps into them."""

import numpy as np
from numpy.typing import NDArray

_FLAT_S = 2.0
_FLAT_MV_PER_S = 0.2
_STEP_MV = 0.1
_STEP_S = 0.125

_Lead = NDArray[np.float32]


def clear_invalid(signal_S: _Lead, fs_hz: float) -> _Lead:
    """Set invalid and flat stretches of one lead, and the steps into them, to NaN.

    Parameters
    ----------
    signal_S : ndarray of float32, shape (S,)
        One lead in mV.
    fs_hz : float
        Sampling frequency in Hz.

    Returns
    -------
    ndarray of float32, shape (S,)
        A copy with NaN wherever no beat can be.
    """
    cleared_S = np.array(signal_S, dtype=np.float32)
    if not np.isfinite(cleared_S).all():
        cleared_S[np.isinf(cleared_S)] = np.nan
    limit_mv = _FLAT_MV_PER_S / fs_hz
    if not _may_be_flat(cleared_S, limit_mv, max(1, int(_FLAT_S * fs_hz / 2))):
        return cleared_S
    # A difference of NaN compares as false: runs end at invalid samples.
    is_still = np.abs(np.diff(cleared_S)) <= limit_mv
    run = find_runs(is_still)
    run = run[run[:, 1] - run[:, 0] >= _FLAT_S * fs_hz]
    second, step = max(1, round(fs_hz)), round(_STEP_S * fs_hz)
    source_S = cleared_S.copy() if run.size else cleared_S
    for start, stop in run:
        level = source_S[start]
        beyond = stop + 1
        if _is_apart(source_S[max(0, start - second) : start], level):
            start = max(0, start - step)
        if _is_apart(source_S[beyond : beyond + second], level):
            beyond += step
        cleared_S[start:beyond] = np.nan
    return cleared_S


def find_runs(is_true_S: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return first index and the one after the last of each run of True, (R, 2)."""
    is_edge = np.concatenate([is_true_S[:1], is_true_S[1:] != is_true_S[:-1], is_true_S[-1:]])
    return np.flatnonzero(is_edge).reshape(-1, 2)


def _may_be_flat(signal_S: _Lead, limit_mv: float, stretch: int) -> bool:
    """Return whether any whole stretch is flat: a quick test, since a flat run of twice the length contains one."""
    # Within a flat stretch no two samples are far apart: most signals are seen not to be flat by every eighth of one.
    step = max(1, stretch // 8)
    coarse = np.abs(np.diff(signal_S[::step])) <= 1.01 * step * limit_mv
    pair = coarse[:-1] & coarse[1:]
    four = pair[:-2] & pair[2:]
    if step > 1 and not (four[:-4] & four[4:]).any():
        return False
    piece = 1024 * stretch
    for start in range(0, signal_S.size - stretch, piece):
        step_S = np.abs(np.diff(signal_S[start : start + piece + 1]))
        whole = step_S[: step_S.size // stretch * stretch].reshape(-1, stretch)
        # The largest step of a stretch with an invalid sample is NaN, which is not small.
        if (whole.max(axis=1) <= limit_mv).any():
            return True
    return False


def _is_apart(neighbour_S: _Lead, level: float) -> bool:
    """Return whether the signal next to a flat stretch has another level."""
    valid_S = neighbour_S[np.isfinite(neighbour_S)]
    return bool(valid_S.size and abs(np.median(valid_S) - level) > _STEP_MV)
