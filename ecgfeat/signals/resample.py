"""Bring signals to the common rate and to int16 microvolts, keeping track of which samples are valid.

Resampling is polyphase filtering as one matrix product over overlapped frames: a frame of input samples times a
fixed matrix gives a frame of output samples. Filter and result are those of :func:`scipy.signal.resample_poly`
(Kaiser window, beta 5). Where no small integers have the ratio of the rates, as with a measured rate of 511.123 Hz,
every output sample has taps of its own, read from a table of the same filter.

Shape suffixes: S samples, C leads, F frames, T taps, P phases.

References
----------
R. E. Crochiere, L. R. Rabiner, "Multirate Digital Signal Processing", 1983, section 3.3. J. O. Smith, P. Gossett, "A
flexible sampling-rate conversion method", ICASSP 1984 (the table of taps).
"""

import math
from fractions import Fraction
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from scipy.signal import firwin

from ecgfeat.errors import DataError
from ecgfeat.store.schemas import INVALID_UV, LIMIT_UV

_FRAMES_PER_PRODUCT = 2048
_MAX_FACTOR = 4096
_ZERO_CROSSINGS = 10
_KAISER_BETA = 5.0
_PHASES = 512
_OUTPUTS_PER_PIECE = 1 << 15
_MIN_FRAME_SAMPLES = 64


def resample(
    signal_mv_SC: npt.NDArray[np.float32], fs_hz: float, to_hz: float, device: str | torch.device = "cpu"
) -> npt.NDArray[np.float32]:
    """Resample all leads of a signal and carry its invalid samples along.

    Parameters
    ----------
    signal_mv_SC : ndarray of float32, shape (S, C)
        Signal in mV; NaN (or an infinity) marks an invalid sample.
    fs_hz, to_hz : float
        Sampling frequency of the input and of the output, in Hz.
    device : str or torch.device
        Where the matrix products run.

    Returns
    -------
    ndarray of float32, shape (ceil(S * to_hz / fs_hz), C)
        Signal in mV, NaN where invalid. Sample i is at i / to_hz seconds: there is no delay.

    Raises
    ------
    DataError
        If the signal is not two-dimensional or a frequency is not positive.

    Notes
    -----
    * Invalid samples are bridged by a straight line (held at the ends of the record) before filtering, so
      that a gap causes no ringing beside it. An output sample is invalid where more than half of the energy
      of its impulse response falls on bridged samples: from 360 to 128 Hz a single lost sample is repaired,
      a gap of 10 ms or more is kept as a gap of the same length to within one output sample.
    * Before and after the record its first and last sample are held (``padtype="edge"`` of scipy): zeros, scipy's
      default, would turn a baseline offset into two false deflections.
    * Where the two rates are equal the samples are copied unchanged.
    * A ratio with terms above 4096 has a filter for every output sample: its place is exact to a microsecond in a day.
    """
    if signal_mv_SC.ndim != 2:
        raise DataError(
            "signal",
            found=f"an array of shape {signal_mv_SC.shape}",
            expected="(samples, leads)",
            remedy="Add a lead axis.",
        )
    up, down = resampling_ratio(fs_hz, to_hz)
    valid_SC = np.isfinite(signal_mv_SC)
    if up == down:
        return np.where(valid_SC, signal_mv_SC, np.float32(np.nan)).astype(np.float32)
    num_out = num_resampled(signal_mv_SC.shape[0], fs_hz, to_hz)
    output_SC = np.full((num_out, signal_mv_SC.shape[1]), np.nan, dtype=np.float32)
    resampler: _Polyphase | _Interpolator
    if max(up, down) <= _MAX_FACTOR:
        resampler = _Polyphase(up, down, num_out, device)
    else:
        resampler = _Interpolator(fs_hz / to_hz, num_out, device)
    for lead in range(signal_mv_SC.shape[1]):
        valid_S = valid_SC[:, lead]
        if not valid_S.any():
            continue
        lead_S = fill_invalid(np.ascontiguousarray(signal_mv_SC[:, lead], dtype=np.float32))
        filtered_S = resampler.filter(lead_S)
        if not valid_S.all():
            filtered_S[resampler.support(valid_S.astype(np.float32)) < 0.5] = np.nan
        output_SC[:, lead] = filtered_S
    return output_SC


def resampling_ratio(fs_hz: float, to_hz: float) -> tuple[int, int]:
    """Return the smallest integers ``(up, down)`` with ``to_hz / fs_hz = up / down``.

    Parameters
    ----------
    fs_hz, to_hz : float
        Sampling frequencies in Hz; their decimal digits are taken at face value.

    Returns
    -------
    tuple of int
        Such as (16, 45) for 360 to 128 Hz.

    Raises
    ------
    DataError
        If a frequency is not positive and finite, or one is more than 4096 times the other.
    """
    for name, value in (("fs_hz", fs_hz), ("to_hz", to_hz)):
        if not (np.isfinite(value) and value > 0):
            raise DataError(name, found=str(value), expected="a positive number of Hz")
    ratio = Fraction(str(float(to_hz))) / Fraction(str(float(fs_hz)))
    if not 1 / _MAX_FACTOR <= ratio <= _MAX_FACTOR:
        expected = f"between {to_hz / _MAX_FACTOR:g} and {to_hz * _MAX_FACTOR:g} Hz"
        raise DataError("fs_hz", found=f"{fs_hz:g}", expected=expected)
    return ratio.numerator, ratio.denominator


def num_resampled(num_samples: int, fs_hz: float, to_hz: float) -> int:
    """Return the number of samples after resampling ``num_samples``."""
    up, down = resampling_ratio(fs_hz, to_hz)
    return -(-num_samples * up // down)


def fill_invalid(signal_S: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Bridge the non-finite samples of one lead by straight lines, held at both ends.

    Parameters
    ----------
    signal_S : ndarray of float32, shape (S,)
        One lead, any unit, with at least one finite sample.

    Returns
    -------
    ndarray of float32, shape (S,)
        A copy without NaN.
    """
    filled_S = signal_S.copy()
    valid_S = np.isfinite(signal_S)
    if not valid_S.all():
        # Only the valid samples next to a gap matter; a long record with few gaps has few of them.
        inner_S = valid_S.copy()
        inner_S[1:] &= valid_S[:-1]
        inner_S[:-1] &= valid_S[1:]
        position = np.flatnonzero(valid_S & ~inner_S)
        assert position.size, "a lead without a valid sample cannot be filled"
        filled_S[~valid_S] = np.interp(np.flatnonzero(~valid_S), position, signal_S[position])
    return filled_S


def to_microvolts(signal_mv: npt.NDArray[np.float32]) -> npt.NDArray[np.int16]:
    """Round mV to int16 microvolts.

    Parameters
    ----------
    signal_mv : ndarray of float, any shape
        Signal in mV; NaN or an infinity marks an invalid sample.

    Returns
    -------
    ndarray of int16, same shape
        Microvolts in [-32767, 32767], saturated at both ends; -32768 where invalid.
    """
    signal_uv = np.rint(np.asarray(signal_mv, dtype=np.float32) * np.float32(1000))
    signal_uv = np.clip(signal_uv, -LIMIT_UV, LIMIT_UV)
    signal_uv[~np.isfinite(signal_mv)] = INVALID_UV
    return signal_uv.astype(np.int16)


def to_millivolts(signal_uv: npt.NDArray[np.int16]) -> npt.NDArray[np.float32]:
    """Turn int16 microvolts into mV.

    Parameters
    ----------
    signal_uv : ndarray of int16, any shape
        Microvolts; -32768 marks an invalid sample.

    Returns
    -------
    ndarray of float32, same shape
        Millivolts, NaN where invalid.
    """
    signal_mv = np.asarray(signal_uv, dtype=np.float32) / np.float32(1000)
    signal_mv[np.asarray(signal_uv) == INVALID_UV] = np.nan
    return signal_mv


def pad_leads(signal_uv_SC: npt.NDArray[np.int16], num_leads: int) -> npt.NDArray[np.int16]:
    """Add invalid leads after those of a record that has fewer than its corpus.

    Parameters
    ----------
    signal_uv_SC : ndarray of int16, shape (S, C)
        Microvolts.
    num_leads : int
        Leads in the result, at least C.

    Returns
    -------
    ndarray of int16, shape (S, num_leads)
        The added leads are -32768 throughout.
    """
    missing = num_leads - signal_uv_SC.shape[1]
    return np.pad(signal_uv_SC, ((0, 0), (0, missing)), constant_values=INVALID_UV)


class _Polyphase:
    """Filter leads by the matrix of a ratio of small integers."""

    def __init__(self, up: int, down: int, num_out: int, device: str | torch.device) -> None:
        matrix, energy, self._hop, self._before = _frame_matrices(up, down)
        self._matrix, self._energy, self._num_out = matrix.to(device), energy.to(device), num_out

    def filter(self, lead_S: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return the lead at the new rate."""
        return _frame_product(lead_S, self._matrix, self._hop, self._before, self._num_out)

    def support(self, valid_S: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return the share of the energy of each output sample that falls on valid samples."""
        return _frame_product(valid_S, self._energy, self._hop, self._before, self._num_out)


class _Interpolator:
    """Filter leads with taps for each output sample, between two phases of a table."""

    def __init__(self, step_samples: float, num_out: int, device: str | torch.device) -> None:
        self._step_samples, self._num_out, self._device = step_samples, num_out, torch.device(device)
        self._half = math.ceil(_ZERO_CROSSINGS * max(1.0, step_samples))
        cutoff = 1 / max(1.0, step_samples)
        phase_P = np.arange(_PHASES + 1) / _PHASES
        # Tap t of an output sample a phase after input sample n reads input sample n - half + 1 + t.
        distance_PT = np.arange(2 * self._half) - self._half + 1 - phase_P[:, None]
        inside_PT = np.clip(1 - (distance_PT * cutoff / _ZERO_CROSSINGS) ** 2, 0, None)
        taps_PT = np.sinc(cutoff * distance_PT) * np.i0(_KAISER_BETA * np.sqrt(inside_PT)) * (inside_PT > 0)
        taps_PT /= taps_PT.sum(axis=1, keepdims=True)
        self._taps_PT = torch.from_numpy(taps_PT.astype(np.float32)).to(device)

    def filter(self, lead_S: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return the lead at the new rate."""
        return self._product(lead_S, self._taps_PT)

    def support(self, valid_S: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return the share of the energy of each output sample that falls on valid samples."""
        energy_PT = self._taps_PT.square()
        return self._product(valid_S, energy_PT / energy_PT.sum(dim=1, keepdim=True))

    def _product(self, signal_S: npt.NDArray[np.float32], table_PT: torch.Tensor) -> npt.NDArray[np.float32]:
        padded_S = torch.from_numpy(np.pad(signal_S, self._half, mode="edge")).to(self._device)
        frame_ST = padded_S.unfold(0, 2 * self._half, 1)
        output_S = torch.empty(self._num_out, dtype=torch.float32, device=self._device)
        for start in range(0, self._num_out, _OUTPUTS_PER_PIECE):
            stop = min(start + _OUTPUTS_PER_PIECE, self._num_out)
            position = torch.arange(start, stop, dtype=torch.float64, device=self._device) * self._step_samples
            sample = position.floor()
            place = (position - sample) * _PHASES
            phase = place.floor().clamp(max=_PHASES - 1)
            share = (place - phase).to(torch.float32)
            phase = phase.to(torch.int64)
            # Frame n + 1 of the padded lead begins half - 1 samples before input sample n.
            piece_ST = frame_ST[sample.to(torch.int64) + 1]
            before, after = ((piece_ST * table_PT[phase + k]).sum(dim=1) for k in (0, 1))
            output_S[start:stop] = torch.lerp(before, after, share)
        return np.asarray(output_S.cpu().numpy())


@lru_cache(maxsize=32)
def _frame_matrices(up: int, down: int) -> tuple[torch.Tensor, torch.Tensor, int, int]:
    """Write the polyphase filter as a matrix from one input frame to one output frame.

    Returns the matrix, its squares with columns that sum to 1 (the share of an output sample's energy that
    each input sample carries), the input samples per frame step, and how many samples a frame reaches back.
    """
    half = _ZERO_CROSSINGS * max(up, down)
    taps = firwin(2 * half + 1, 1 / max(up, down), window=("kaiser", _KAISER_BETA)) * up
    # Short periods are joined into one frame: a matrix of 16 columns would be slow.
    periods = -(-_MIN_FRAME_SAMPLES // up)
    columns, hop = up * periods, down * periods
    before, after = half // up, half // up + 1
    rows = before + hop + after
    # Output m reads input n through tap half + m * down - n * up, all counted from the start of the frame.
    tap = half + np.arange(columns)[None, :] * down - (np.arange(rows)[:, None] - before) * up
    inside = (tap >= 0) & (tap < taps.size)
    matrix = np.where(inside, taps[np.clip(tap, 0, taps.size - 1)], 0.0)
    energy = matrix**2 / np.sum(matrix**2, axis=0)
    as_float32 = [torch.from_numpy(array.astype(np.float32)) for array in (matrix, energy)]
    return as_float32[0], as_float32[1], hop, before


def _frame_product(
    signal_S: npt.NDArray[np.float32], matrix: torch.Tensor, hop: int, before: int, num_out: int
) -> npt.NDArray[np.float32]:
    """Apply a frame matrix to one lead, a few thousand frames at a time to stay in the cache."""
    rows, columns = matrix.shape
    num_frames = -(-num_out // columns)
    after = max(0, (num_frames - 1) * hop + rows - before - signal_S.size)
    padded_S = torch.from_numpy(np.pad(signal_S, (before, after), mode="edge")).to(matrix.device)
    frame_FS = padded_S.unfold(0, rows, hop)[:num_frames]
    output_FS = torch.empty((num_frames, columns), dtype=torch.float32, device=matrix.device)
    for start in range(0, num_frames, _FRAMES_PER_PRODUCT):
        stop = start + _FRAMES_PER_PRODUCT
        torch.mm(frame_FS[start:stop], matrix, out=output_FS[start:stop])
    return np.asarray(output_FS.reshape(-1)[:num_out].cpu().numpy())
