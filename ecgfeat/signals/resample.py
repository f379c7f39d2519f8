"""Bring signals to the common rate and to int16 microvolts, keeping track of which samples are valid.

The filters are in `ecgfeat.signals.resample_filters`. A lead may come block by block: its gaps are bridged first, for
which only the samples at their edges are kept, and then it is filtered stretch by stretch.

Shape suffixes: S samples, C leads.
"""

from collections.abc import Callable, Iterable
from fractions import Fraction
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from ecgfeat.errors import DataError
from ecgfeat.signals.resample_filters import Interpolator, Polyphase
from ecgfeat.store.schemas import INVALID_UV, LIMIT_UV

_MAX_FACTOR = 4096


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
    num_samples, num_leads = signal_mv_SC.shape
    output_SC = np.empty((num_resampled(num_samples, fs_hz, to_hz), num_leads), dtype=np.float32)
    for lead in range(num_leads):
        lead_S = np.ascontiguousarray(signal_mv_SC[:, lead], dtype=np.float32)
        output_SC[:, lead] = resample_lead(partial(iter, [lead_S]), num_samples, fs_hz, to_hz, device)
    return output_SC


def resample_lead(
    read_blocks: Callable[[], Iterable[npt.NDArray[np.float32]]],
    num_samples: int,
    fs_hz: float,
    to_hz: float,
    device: str | torch.device = "cpu",
) -> npt.NDArray[np.float32]:
    """Resample one lead that is read block by block, twice, and is never in memory as a whole.

    Parameters
    ----------
    read_blocks : callable
        Returns the blocks of the lead from start to end: ndarray of float32, mV, NaN (or an infinity) where invalid.
    num_samples : int
        Samples in all blocks, at least 1.
    fs_hz, to_hz, device
        As of `resample`.

    Returns
    -------
    ndarray of float32, shape (ceil(num_samples * to_hz / fs_hz),)
        Bit for bit what `resample` returns for the whole lead.

    Raises
    ------
    DataError
        If a frequency is not positive, or the blocks have another number of samples.
    """
    up, down = resampling_ratio(fs_hz, to_hz)
    num_out = num_resampled(num_samples, fs_hz, to_hz)
    if up == down:
        parts = [np.where(np.isfinite(block_S), block_S, np.nan).astype(np.float32) for block_S in read_blocks()]
        return np.concatenate(parts)
    output_S = np.full(num_out, np.nan, dtype=np.float32)
    edges = _find_edges(read_blocks(), num_samples)
    if edges is None:
        return output_S
    resampler: Polyphase | Interpolator
    small = max(up, down) <= _MAX_FACTOR
    resampler = Polyphase(up, down, device) if small else Interpolator(fs_hz / to_hz, device)
    window = _Window(read_blocks(), num_samples, edges)
    for start in range(0, num_out, resampler.outputs_per_piece):
        stop = min(start + resampler.outputs_per_piece, num_out)
        first, last = resampler.reach(start, stop)
        lead_S, valid_S = window.move(first, last)
        filtered_S = resampler.filter(lead_S, start, stop)
        if not valid_S.all():
            filtered_S[resampler.support(valid_S.astype(np.float32), start, stop) < 0.5] = np.nan
        output_S[start:stop] = filtered_S
    return output_S


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
    edges = _find_edges([signal_S], len(signal_S))
    assert edges is not None, "a lead without a valid sample cannot be filled"
    filled_S = signal_S.copy()
    _bridge(filled_S, np.isfinite(signal_S), 0, edges)
    return filled_S


class _Edges(NamedTuple):
    """The valid samples next to invalid ones: a long record with few gaps has few of them."""

    position: npt.NDArray[np.int64]
    value: npt.NDArray[np.float32]


def _find_edges(blocks: Iterable[npt.NDArray[np.float32]], num_samples: int) -> _Edges | None:
    """Return the edges of a lead; None if no sample is valid."""
    position, value, start, has_valid = [], [], 0, False
    before: np.float32 | None = None  # last sample of the block before
    for block_S in blocks:
        valid_S = np.isfinite(block_S)
        has_valid |= bool(valid_S.any())
        if before is not None and block_S.size and np.isfinite(before) != valid_S[0]:
            at = start - 1 if np.isfinite(before) else start
            position.append(np.array([at]))
            value.append(np.array([before if np.isfinite(before) else block_S[0]], dtype=np.float32))
        if not valid_S.all():
            inner_S = valid_S.copy()
            inner_S[1:] &= valid_S[:-1]
            inner_S[:-1] &= valid_S[1:]
            inside = np.flatnonzero(valid_S & ~inner_S)
            position.append(inside + start)
            value.append(block_S[inside])
        start += block_S.size
        before = block_S[-1] if block_S.size else before
    if start != num_samples:
        raise DataError("signal", found=f"{start} samples", expected=f"{num_samples}")
    if not has_valid:
        return None
    if not position:
        return _Edges(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32))
    unique, first = np.unique(np.concatenate(position), return_index=True)
    return _Edges(unique, np.concatenate(value)[first])


def _bridge(block_S: npt.NDArray[np.float32], valid_S: npt.NDArray[np.bool_], start: int, edges: _Edges) -> None:
    """Fill the invalid samples of a block that begins at a sample of its lead, in place."""
    if not valid_S.all():
        block_S[~valid_S] = np.interp(np.flatnonzero(~valid_S) + start, edges.position, edges.value)


class _Window:
    """The stretch of a lead that a filter reads next: bridged, and held beyond both ends of the lead."""

    def __init__(self, blocks: Iterable[npt.NDArray[np.float32]], num_samples: int, edges: _Edges) -> None:
        self._blocks, self._num_samples, self._edges = iter(blocks), num_samples, edges
        self._start = self._read = 0
        self._lead_S, self._valid_S = np.empty(0, np.float32), np.empty(0, np.bool_)

    def move(self, first: int, last: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        """Return samples ``[first, last)`` and which of them are valid; `first` never descends."""
        inside = min(last, self._num_samples)
        if self._read < inside:
            kept = min(max(first - self._start, 0), self._lead_S.size)
            lead, valid = [self._lead_S[kept:]], [self._valid_S[kept:]]
            self._start += kept
            while self._read < inside:
                block_S = np.array(next(self._blocks), dtype=np.float32)
                valid_S = np.isfinite(block_S)
                _bridge(block_S, valid_S, self._read, self._edges)
                self._read += block_S.size
                lead.append(block_S)
                valid.append(valid_S)
            self._lead_S, self._valid_S = np.concatenate(lead), np.concatenate(valid)
        low, high = max(first, 0) - self._start, max(inside, 1) - self._start
        # A filter that reads beyond the end alone reads the last sample.
        low = min(low, high - 1)
        pads = (max(-first, 0), max(last - self._num_samples, 0))
        if first > self._num_samples - 1:
            pads = (0, last - first - 1)
        lead_S, valid_S = self._lead_S[low:high], self._valid_S[low:high]
        if any(pads):
            lead_S, valid_S = np.pad(lead_S, pads, mode="edge"), np.pad(valid_S, pads, mode="edge")
        return lead_S, valid_S


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
