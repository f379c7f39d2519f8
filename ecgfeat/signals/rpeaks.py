"""Detect R-peaks with the project's own detector, NeuroKit2 or wfdb's xqrs.

For every method, invalid and flat stretches are bridged before filtering and never hold a beat, and a lead without
any signal is replaced by another lead.

References
----------
D. Makowski et al., "NeuroKit2", Behav Res Methods 53, 2021, doi:10.3758/s13428-020-01516-y. C. Xie et al.,
"Waveform Database Software Package for Python", PhysioNet, doi:10.13026/9njx-6322 (xqrs).
"""

import warnings
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import torch

from ecgfeat.errors import DataError, UsageError
from ecgfeat.signals import qrs
from ecgfeat.signals.resample import fill_invalid, resample

Method = Literal["ecgfeat", "neurokit", "xqrs"]
_Samples = npt.NDArray[np.int64]
_Lead = npt.NDArray[np.float32]

_FLAT_S = 2.0
_FLAT_MV_PER_S = 0.2
_STEP_MV = 0.1
_STEP_S = 0.125
_SHORTEST_S = 1.0
_CONTEXT_S = 10.0
_REFRACTORY_S = 0.2


@dataclass(frozen=True)
class RPeaks:
    """R-peaks of a record and where they come from.

    Attributes
    ----------
    sample : ndarray of int64, shape (L,)
        Positions, ascending.
    leads : tuple of int
        Columns of the signal that were read.
    reason : str
        Why another lead was read than requested, or why there is no beat; else empty.
    """

    sample: _Samples
    leads: tuple[int, ...]
    reason: str = ""


def detect_rpeaks(
    signal_mv_SC: npt.NDArray[np.float32],
    fs_hz: float,
    *,
    method: Method,
    lead: int | Literal["all"],
    device: str | torch.device = "cpu",
    block_s: float = 600.0,
) -> _Samples:
    """Detect the R-peaks of a record.

    Parameters and errors are those of :func:`find_rpeaks`, which also returns the leads it read.

    Returns
    -------
    ndarray of int64, shape (L,)
        R-peak positions in samples at `fs_hz`, ascending.
    """
    return find_rpeaks(signal_mv_SC, fs_hz, method=method, lead=lead, device=device, block_s=block_s).sample


def find_rpeaks(
    signal_mv_SC: npt.NDArray[np.float32],
    fs_hz: float,
    *,
    method: Method,
    lead: int | Literal["all"],
    device: str | torch.device = "cpu",
    block_s: float = 600.0,
) -> RPeaks:
    """Detect the R-peaks of a record and report the leads they come from.

    Parameters
    ----------
    signal_mv_SC : ndarray of float32, shape (S, C)
        Signal in mV, NaN where invalid.
    fs_hz : float
        Sampling frequency in Hz.
    method : {'ecgfeat', 'neurokit', 'xqrs'}
        Own detector (:mod:`ecgfeat.signals.qrs`), ``neurokit2.ecg_peaks``' default method, or ``wfdb.processing.XQRS``.
    lead : int or 'all'
        Column to read; 'all' combines all usable leads (own detector only).
    device : str or torch.device
        Where the own detector filters. The others run on the CPU.
    block_s : float
        Length of the blocks given to NeuroKit2, in seconds. Its thresholds depend on it.

    Returns
    -------
    RPeaks
        Positions in samples at `fs_hz`. Records shorter than 1 s have none.

    Raises
    ------
    UsageError
        If `method` or `lead` is unknown, 'all' is combined with another method, or `block_s` is below 30.
    DataError
        If the signal is not two-dimensional or `fs_hz` not positive.

    Notes
    -----
    * Invalid samples, and stretches of at least 2 s with a slope below 0.2 mV/s, are bridged by straight lines and
      hold no beat. If such a stretch differs by more than 0.1 mV from the signal next to it (a gap of zeros), 125 ms
      on that side are bridged too: the step is no QRS complex.
    * A lead without 1 s of usable signal is replaced by the first lead that has it.
    * The own detector works at 128 Hz; at other rates its peaks are exact to half a sample of 128 Hz.
    """
    if signal_mv_SC.ndim != 2:
        raise DataError("signal", found=f"an array of shape {signal_mv_SC.shape}", expected="(samples, leads)")
    if not (np.isfinite(fs_hz) and fs_hz > 0):
        raise DataError("fs_hz", found=str(fs_hz), expected="a positive number of Hz")
    _check_options(method, lead, signal_mv_SC.shape[1], block_s)
    order = list(range(signal_mv_SC.shape[1]))
    if lead != "all":
        order.insert(0, order.pop(lead))
    used: dict[int, _Lead] = {}
    for column in order:
        cleared_S = clear_invalid(signal_mv_SC[:, column], fs_hz)
        if np.isfinite(cleared_S).sum() >= max(1, round(_SHORTEST_S * fs_hz)):
            used[column] = cleared_S
            if lead != "all":
                break
    if not used:
        return RPeaks(np.empty(0, dtype=np.int64), (), "every lead is flat, invalid or shorter than 1 s")
    leads, reason = tuple(used), ""
    if lead != "all" and lead not in used:
        reason = f"lead {lead} is flat or invalid: lead {leads[0]} was read"
    used_SC = np.stack(list(used.values()), axis=1)
    if method == "ecgfeat":
        sample = _detect_ecgfeat(used_SC, fs_hz, device)
    elif method == "neurokit":
        sample = _detect_neurokit(used_SC[:, 0], fs_hz, block_s)
    else:
        sample = _detect_xqrs(used_SC[:, 0], fs_hz)
    if not sample.size and not reason:
        reason = "no beat was found"
    return RPeaks(sample, leads, reason)


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
    cleared_S[np.isinf(cleared_S)] = np.nan
    limit_mv = _FLAT_MV_PER_S / fs_hz
    if not _may_be_flat(cleared_S, limit_mv, max(1, int(_FLAT_S * fs_hz / 2))):
        return cleared_S
    # A difference of NaN compares as false: runs end at invalid samples.
    is_still = np.abs(np.diff(cleared_S)) <= limit_mv
    run = np.flatnonzero(np.diff(is_still.astype(np.int8), prepend=0, append=0)).reshape(-1, 2)
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


def _may_be_flat(signal_S: _Lead, limit_mv: float, stretch: int) -> bool:
    """Return whether any whole stretch is flat: a quick test, since a flat run of twice the length contains one."""
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


def _check_options(method: str, lead: int | str, num_leads: int, block_s: float) -> None:
    """Refuse unknown options."""
    if method not in get_args(Method):
        raise UsageError("method", found=repr(method), expected="one of " + ", ".join(get_args(Method)))
    if lead == "all":
        if method != "ecgfeat":
            raise UsageError(
                "lead", found=f"'all' with method {method}", expected="a lead number", remedy="Or use ecgfeat."
            )
    elif not (isinstance(lead, int | np.integer) and 0 <= lead < num_leads):
        raise UsageError("lead", found=repr(lead), expected=f"'all' or 0 to {num_leads - 1}")
    if block_s < 3 * _CONTEXT_S:
        raise UsageError("block_s", found=str(block_s), expected=f"at least {3 * _CONTEXT_S:g} seconds")


def _detect_ecgfeat(signal_mv_SC: _Lead, fs_hz: float, device: str | torch.device) -> _Samples:
    """Run the own detector, at 128 Hz."""
    at_128_SC = (
        signal_mv_SC if fs_hz == qrs.DETECTOR_FS_HZ else resample(signal_mv_SC, fs_hz, qrs.DETECTOR_FS_HZ, device)
    )
    valid_CS = np.isfinite(at_128_SC.T)
    if not valid_CS.any(axis=1).all():
        return np.empty(0, dtype=np.int64)
    filled_CS = np.stack([fill_invalid(lead_S) for lead_S in at_128_SC.T])
    sample = qrs.find_qrs(filled_CS, valid_CS, device)
    if fs_hz == qrs.DETECTOR_FS_HZ:
        return sample
    back = np.rint(sample * (fs_hz / qrs.DETECTOR_FS_HZ)).astype(np.int64)
    return np.unique(np.minimum(back, signal_mv_SC.shape[0] - 1))


def _detect_neurokit(signal_mv_S: _Lead, fs_hz: float, block_s: float) -> _Samples:
    """Run NeuroKit2 on blocks with 10 s of context on both sides, of which only the middle is kept."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its import and its empty averages raise warnings
        import neurokit2

        total, block, context = signal_mv_S.size, round(block_s * fs_hz), round(_CONTEXT_S * fs_hz)
        filled_S = fill_invalid(signal_mv_S)
        parts: list[_Samples] = [np.empty(0, dtype=np.int64)]
        # Detection needs a few beats: a short last block is joined to the one before.
        starts = list(range(0, max(1, total - context), block))
        for start, stop in zip(starts, [*starts[1:], total], strict=True):
            low, high = max(0, start - context), min(total, stop + context)
            if np.isfinite(signal_mv_S[low:high]).sum() < _SHORTEST_S * fs_hz:
                continue
            piece_S = filled_S[low:high].astype(np.float64)
            try:
                clean_S = neurokit2.ecg_clean(piece_S, sampling_rate=fs_hz, method="neurokit")
                info = neurokit2.ecg_findpeaks(clean_S, sampling_rate=fs_hz, method="neurokit")
            except (ValueError, IndexError, ZeroDivisionError):
                continue  # NeuroKit2 raises where a block is too short or too quiet to hold a peak
            peak_or_nan = np.asarray(info["ECG_R_Peaks"], dtype=np.float64)
            peak = peak_or_nan[np.isfinite(peak_or_nan)].astype(np.int64) + low
            parts.append(peak[(peak >= start) & (peak < stop)])
    return _tidy(np.concatenate(parts), signal_mv_S, fs_hz)


def _detect_xqrs(signal_mv_S: _Lead, fs_hz: float) -> _Samples:
    """Run xqrs on the whole lead."""
    from wfdb.processing import XQRS

    detector = XQRS(sig=fill_invalid(signal_mv_S).astype(np.float64), fs=fs_hz)
    try:
        with np.errstate(divide="ignore", invalid="ignore"):  # it divides by the norm of its flat segments
            detector.detect(verbose=False)
    except (ValueError, IndexError, ZeroDivisionError):
        return np.empty(0, dtype=np.int64)  # it raises where its filters are longer than the signal
    return _tidy(np.asarray(detector.qrs_inds, dtype=np.int64), signal_mv_S, fs_hz)


def _tidy(sample: _Samples, signal_mv_S: _Lead, fs_hz: float) -> _Samples:
    """Sort peaks; drop peaks on invalid samples, and the second of a pair found by two blocks."""
    sample = np.unique(sample)
    sample = sample[np.isfinite(signal_mv_S[sample])]
    return sample[np.diff(sample, prepend=-signal_mv_S.size) >= _REFRACTORY_S * fs_hz]
