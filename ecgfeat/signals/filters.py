"""Filters of the QRS detector: band-pass 4-21 Hz, absolute slope, smoothing, of all leads at once.

Each filter is one matrix product over overlapped frames, which on a CPU is some ten times faster than a convolution.

All that is read of the slope is read of blocks of 8 samples: their largest, their energy, their sum over leads. So it
is laid out by the place in the block, in rows as long as the record: numpy takes the largest of 8 long rows many times
faster than that of 8 samples side by side.

Shape suffixes: C leads, S samples, F frames, P places in a block, N blocks.

References
----------
J. Pan, W. J. Tompkins, "A real-time QRS detection algorithm", IEEE Trans Biomed Eng 32, 1985 (band-pass and slope).
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from ecgfeat.signals.levels import BLOCK_SAMPLES, Levels, follow_levels
from ecgfeat.signals.resample import fill_invalid

DETECTOR_FS_HZ: Final = 128
"""The only rate that the constants of the detector hold for; :mod:`ecgfeat.signals.rpeaks` resamples other signals."""

BAND_HZ: Final = (4.0, 21.0)
BAND_TAPS: Final = 33
_SMOOTHER_TAPS = 7
_FRAME_SAMPLES = 32
_PIECE_FRAMES = 1 << 13
_HALO_SAMPLES = BAND_TAPS // 2 + 1 + _SMOOTHER_TAPS // 2  # reach of both filters and the slope

_Floats = NDArray[np.float32]


@dataclass(frozen=True)
class FilteredLeads:
    """Leads at 128 Hz and what the detector reads of them.

    Attributes
    ----------
    valid : ndarray of bool, (C, S)
        False where the signal is a bridge: no beat is placed there.
    filled : ndarray of float32, (C, S)
        The leads in mV, bridged where invalid.
    band : ndarray of float32, (C, S)
        Band-passed leads.
    slope : ndarray of float32, (C, P, N)
        Smoothed absolute slope, 0 where invalid and beyond the end: that of sample ``8 n + p`` is ``slope[:, p, n]``.
    """

    valid: NDArray[np.bool_]
    filled: _Floats
    band: _Floats
    slope: _Floats

    @cached_property
    def levels(self) -> list[Levels]:
        """Levels of the slope of each lead."""
        return [follow_levels(slope_PN) for slope_PN in self.slope]


def filter_leads(
    signal_mv_CS: _Floats, device: str | torch.device = "cpu", valid_CS: NDArray[np.bool_] | None = None
) -> FilteredLeads:
    """Filter the leads of a record, piece by piece.

    Parameters
    ----------
    signal_mv_CS : ndarray of float32, (C, S)
        Leads in mV at 128 Hz, one per row, NaN where invalid; at least one valid sample each.
    device : str or torch.device
        Where the matrix products run.
    valid_CS : ndarray of bool, (C, S), optional
        Which samples are valid, where the caller knows.

    Returns
    -------
    FilteredLeads

    Notes
    -----
    * The result does not depend on the size of the pieces: each includes all samples that its filters reach.
    """
    num_leads, total = signal_mv_CS.shape
    band_matrix, smoother = (matrix.to(device) for matrix in _front_matrices())
    num_frames = -(-total // _FRAME_SAMPLES)
    reach = len(band_matrix)
    filled_CS = signal_mv_CS
    if valid_CS is None:
        valid_CS = np.isfinite(signal_mv_CS)
    if not valid_CS.all():
        filled_CS = np.stack([fill_invalid(lead_S) for lead_S in signal_mv_CS])
    # The smoother reaches beyond the last frame, so the band-pass gives one frame more.
    padded_CS = np.empty((num_leads, num_frames * _FRAME_SAMPLES + reach), dtype=np.float32)
    # The level is subtracted first: float32 would round small waves on a large offset.
    level_C1 = filled_CS.mean(axis=1, keepdims=True)
    filled_CS = np.subtract(filled_CS, level_C1, out=padded_CS[:, _HALO_SAMPLES : _HALO_SAMPLES + total])
    padded_CS[:, :_HALO_SAMPLES] = filled_CS[:, :1]
    padded_CS[:, _HALO_SAMPLES + total :] = filled_CS[:, -1:]
    wide_CS = np.empty((num_leads, (num_frames + 1) * _FRAME_SAMPLES), dtype=np.float32)
    slope_CPN = np.empty((num_leads, BLOCK_SAMPLES, -(-total // BLOCK_SAMPLES)), dtype=np.float32)
    piece, rest = _PIECE_FRAMES * _FRAME_SAMPLES, len(smoother) - _FRAME_SAMPLES
    steep = torch.empty(min(piece, num_frames * _FRAME_SAMPLES) + _FRAME_SAMPLES, device=device)
    smooth_S = np.empty(min(piece, num_frames * _FRAME_SAMPLES), dtype=np.float32)
    for padded_S, wide_S, slope_PN in zip(padded_CS, wide_CS, slope_CPN, strict=True):
        for start in range(0, total, piece):
            stop = min(start + piece, num_frames * _FRAME_SAMPLES)
            part_S = torch.from_numpy(padded_S[start : stop + reach]).to(device)
            band_S = _apply(band_matrix, part_S, wide_S[start : stop + _FRAME_SAMPLES])
            steep_S = torch.sub(band_S[2:], band_S[:-2], out=steep[: len(band_S) - 2]).abs_()
            _apply(smoother, steep_S[: stop - start + rest], smooth_S[: stop - start])
            part_PN = slope_PN[:, start // BLOCK_SAMPLES : stop // BLOCK_SAMPLES]
            part_PN[:] = smooth_S.reshape(-1, BLOCK_SAMPLES)[: part_PN.shape[1]].T
    edge = 1 + _SMOOTHER_TAPS // 2
    slope_CPN[:, (total - 1) % BLOCK_SAMPLES + 1 :, -1] = 0
    if not valid_CS.all():
        lead, sample = np.nonzero(~valid_CS)
        slope_CPN[lead, sample % BLOCK_SAMPLES, sample // BLOCK_SAMPLES] = 0
    return FilteredLeads(valid_CS, filled_CS, wide_CS[:, edge : edge + total], slope_CPN)


@lru_cache(maxsize=8)
def _front_matrices() -> tuple[torch.Tensor, torch.Tensor]:
    """Write the band-pass and the smoother as matrices from an overlapped frame to a frame of output."""
    from scipy.signal import firwin  # its import takes half a second

    band = firwin(BAND_TAPS, BAND_HZ, pass_zero=False, fs=DETECTOR_FS_HZ)
    window = np.hamming(BAND_TAPS)
    band -= window * (band.sum() / window.sum())  # or so short a filter would pass an offset
    smoother = np.hanning(_SMOOTHER_TAPS + 2)[1:-1]
    return _toeplitz(band), _toeplitz(smoother / smoother.sum())


def _toeplitz(taps: NDArray[np.float64]) -> torch.Tensor:
    """Return the matrix that filters a frame: column s holds the taps from row s on. Both filters are even."""
    matrix = np.zeros((_FRAME_SAMPLES + taps.size - 1, _FRAME_SAMPLES), dtype=np.float32)
    for column in range(_FRAME_SAMPLES):
        matrix[column : column + taps.size, column] = taps
    return torch.from_numpy(matrix)


def _apply(matrix: torch.Tensor, signal_S: torch.Tensor, out_S: _Floats) -> torch.Tensor:
    """Filter as many whole frames as the signal holds; the result is also copied to `out_S`."""
    length, filtered_S = len(matrix), torch.from_numpy(out_S)
    if signal_S.device != filtered_S.device:
        filtered_S = filtered_S.to(signal_S.device)
    frame_FS, filtered_FS = signal_S.unfold(0, length, _FRAME_SAMPLES), filtered_S.view(-1, _FRAME_SAMPLES)
    # Frames overlap, and a matrix product copies rows that do: those of every few frames do not.
    apart = -(-length // _FRAME_SAMPLES)
    for first in range(min(apart, len(frame_FS))):
        torch.mm(frame_FS[first::apart], matrix, out=filtered_FS[first::apart])
    if signal_S.device.type != "cpu":
        out_S[:] = filtered_S.cpu().numpy()
    return filtered_S
