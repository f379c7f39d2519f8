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
from ecgfeat.signals.filters import DETECTOR_FS_HZ, filter_leads
from ecgfeat.signals.gaps import clear_in_place
from ecgfeat.signals.leads import join_leads, place_rpeaks
from ecgfeat.signals.qrs import find_qrs
from ecgfeat.signals.quality import ABSENT, USABLE, find_alone, noise_of, states_of
from ecgfeat.signals.resample import fill_invalid, resample

Method = Literal["ecgfeat", "neurokit", "xqrs"]
_Samples = npt.NDArray[np.int64]
_Lead = npt.NDArray[np.float32]
_Flags = npt.NDArray[np.bool_]

_SHORTEST_S = 1.0
_CONTEXT_S = 10.0
_REFRACTORY_S = 0.2
_PIECE_S, _PIECE_CONTEXT_S = 6 * 3600, 300


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
    state : ndarray of int8, (T, len(leads)), or None
        Quality of each second of these leads, where the own detector computed it.
    """

    sample: _Samples
    leads: tuple[int, ...]
    reason: str = ""
    state: npt.NDArray[np.int8] | None = None


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
    found = find_rpeaks(signal_mv_SC, fs_hz, method=method, lead=lead, device=device, block_s=block_s, has_state=False)
    return found.sample


def find_rpeaks(
    signal_mv_SC: npt.NDArray[np.float32],
    fs_hz: float,
    *,
    method: Method,
    lead: int | Literal["all"],
    device: str | torch.device = "cpu",
    block_s: float = 600.0,
    has_state: bool = True,
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
        Column to read; 'all' joins all leads by their quality. The other detectors then read the first lead that has a
        signal.
    device : str or torch.device
        Where the own detector filters. The others run on the CPU.
    block_s : float
        Length of the blocks given to NeuroKit2, in seconds. Its thresholds depend on it.
    has_state : bool
        Whether the quality of a single lead is wanted. Leads are not joined without.

    Returns
    -------
    RPeaks
        Positions in samples at `fs_hz`. Records shorter than 1 s have none.

    Raises
    ------
    UsageError
        If `method` or `lead` is unknown, or `block_s` is below 30.
    DataError
        If the signal is not two-dimensional or `fs_hz` not positive.

    Notes
    -----
    * Invalid samples, and flat stretches in which the lead is off or at a rail (`ecgfeat.signals.gaps`), are bridged by
      straight lines and hold no beat. If such a stretch differs by more than 0.1 mV from the signal next to it (a gap
      of zeros), 125 ms on that side are bridged too: the step is no QRS complex.
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
    # The own detector works at 128 Hz.
    at_hz = float(DETECTOR_FS_HZ) if method == "ecgfeat" else fs_hz
    resampled_SC = signal_mv_SC if fs_hz == at_hz else resample(signal_mv_SC, fs_hz, at_hz, device)
    num_wanted = len(order) if lead == "all" and method == "ecgfeat" else 1
    cleared_CS = np.empty((num_wanted, len(resampled_SC)), dtype=np.float32)
    valid_CS = np.empty(cleared_CS.shape, dtype=bool)
    used: list[int] = []
    for column in order:
        if len(used) == num_wanted:
            break
        row = len(used)
        cleared_CS[row] = resampled_SC[:, column]
        valid_CS[row] = clear_in_place(cleared_CS[row], at_hz)
        if np.count_nonzero(valid_CS[row]) >= max(1, round(_SHORTEST_S * at_hz)):
            used.append(column)
    if not used:
        return RPeaks(np.empty(0, dtype=np.int64), (), "every lead is flat, invalid or shorter than 1 s")
    leads, reason = tuple(used), ""
    if lead != "all" and lead not in used:
        reason = f"lead {lead} is flat or invalid: lead {leads[0]} was read"
    state_TC = None
    if method == "ecgfeat":
        sample, state_TC = _detect_ecgfeat(
            cleared_CS[: len(used)], valid_CS[: len(used)], device, has_state or len(used) > 1
        )
        if fs_hz != at_hz:
            back = np.rint(sample * (fs_hz / at_hz)).astype(np.int64)
            sample = np.unique(np.minimum(back, signal_mv_SC.shape[0] - 1))
    elif method == "neurokit":
        sample = _detect_neurokit(cleared_CS[0], fs_hz, block_s)
    else:
        sample = _detect_xqrs(cleared_CS[0], fs_hz)
    if not sample.size and not reason:
        reason = "no beat was found"
    return RPeaks(sample, leads, reason, state_TC)


def _check_options(method: str, lead: int | str, num_leads: int, block_s: float) -> None:
    """Refuse unknown options."""
    if method not in get_args(Method):
        raise UsageError("method", found=repr(method), expected="one of " + ", ".join(get_args(Method)))
    if lead != "all" and not (isinstance(lead, int | np.integer) and 0 <= lead < num_leads):
        raise UsageError("lead", found=repr(lead), expected=f"'all' or 0 to {num_leads - 1}")
    if block_s < 3 * _CONTEXT_S:
        raise UsageError("block_s", found=str(block_s), expected=f"at least {3 * _CONTEXT_S:g} seconds")


def _detect_ecgfeat(
    signal_mv_CS: _Lead, valid_CS: _Flags, device: str | torch.device, has_state: bool
) -> tuple[_Samples, npt.NDArray[np.int8] | None]:
    """Run the own detector on leads at 128 Hz, and assess their quality; a long record piece by piece."""
    total, piece, context = signal_mv_CS.shape[1], _PIECE_S * DETECTOR_FS_HZ, _PIECE_CONTEXT_S * DETECTOR_FS_HZ
    samples, states = [], []
    # A rest is joined to the piece before: levels follow the signal, and need some of it.
    starts = list(range(0, max(1, total - piece // 2), piece))
    for start, stop in zip(starts, [*starts[1:], total], strict=True):
        low, high = max(0, start - context), min(total, stop + context)
        sample, state_TC = _detect_piece(signal_mv_CS[:, low:high], valid_CS[:, low:high], device, has_state)
        inside = (sample + low >= start) & (sample + low < stop)
        samples.append(sample[inside] + low)
        seconds = slice((start - low) // DETECTOR_FS_HZ, -(-(stop - low) // DETECTOR_FS_HZ))
        states.append(state_TC[seconds])
    return np.concatenate(samples), np.concatenate(states) if has_state else None


def _detect_piece(
    signal_mv_CS: _Lead, valid_CS: _Flags, device: str | torch.device, has_state: bool
) -> tuple[_Samples, npt.NDArray[np.int8]]:
    """Run the detector on a piece, in which some leads may be invalid throughout; one lead may go unassessed."""
    has_signal_C = np.array([valid_S.any() for valid_S in valid_CS])
    if not has_signal_C.all():
        num_seconds = -(-signal_mv_CS.shape[1] // DETECTOR_FS_HZ)
        state_TC = np.full((num_seconds, len(signal_mv_CS)), ABSENT, dtype=np.int8)
        if not has_signal_C.any():
            return np.empty(0, dtype=np.int64), state_TC
        present = signal_mv_CS[has_signal_C], valid_CS[has_signal_C]
        sample, state_TC[:, has_signal_C] = _detect_piece(*present, device, has_state)
        return sample, state_TC
    leads = filter_leads(signal_mv_CS, device, valid_CS)
    alone = find_alone(leads)
    if not has_state:
        state_TC = np.full((-(-signal_mv_CS.shape[1] // DETECTOR_FS_HZ), 1), USABLE, dtype=np.int8)
        return place_rpeaks(alone[0], leads, alone, (state_TC == USABLE).T), state_TC
    noise_CT = noise_of(leads, alone)
    state_TC = states_of(leads, noise_CT)
    sample = alone[0] if len(alone) == 1 else find_qrs(join_leads(leads, noise_CT))
    return place_rpeaks(sample, leads, alone, (state_TC == USABLE).T), state_TC


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
