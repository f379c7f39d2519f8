"""Filters of the QRS detector: band-pass 4-21 Hz, absolute slope, smoothing, of all leads at once.

Each filter is one matrix product over overlapped frames, which on a CPU is some ten times faster than a convolution.

Shape suffixes: C leads, S samples, F frames.

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

from ecgfeat.signals.levels import Levels, follow_levels
from ecgfeat.signals.resample import fill_invalid

DETECTOR_FS_HZ: Final = 128
"""The only rate that the constants of the detector hold for; :mod:`ecgfeat.signals.rpeaks` resamples other signals."""

BAND_HZ: Final = (4.0, 21.0)
BAND_TAPS: Final = 33
_SMOOTHER_TAPS = 7
_FRAME_SAMPLES = 32
_PIECE_SAMPLES = 1 << 18
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
    band, slope : ndarray of float32, (C, S)
        Band-passed leads, and their smoothed absolute slope; the slope is 0 where invalid.
    """

    valid: NDArray[np.bool_]
    filled: _Floats
    band: _Floats
    slope: _Floats

    @cached_property
    def levels(self) -> list[Levels]:
        """Levels of the slope of each lead."""
        return [follow_levels(slope_S) for slope_S in self.slope]


def filter_leads(signal_mv_CS: _Floats, device: str | torch.device = "cpu") -> FilteredLeads:
    """Filter the leads of a record, piece by piece.

    Parameters
    ----------
    signal_mv_CS : ndarray of float32, (C, S)
        Leads in mV at 128 Hz, one per row, NaN where invalid; at least one valid sample each.
    device : str or torch.device
        Where the matrix products run.

    Returns
    -------
    FilteredLeads

    Notes
    -----
    * The result does not depend on the size of the pieces: each includes all samples that its filters reach.
    """
    num_leads, total = signal_mv_CS.shape
    band_matrix, smoother = (matrix.to(device) for matrix in _front_matrices())
    reach = band_matrix.shape[0]
    piece = min(_PIECE_SAMPLES, -(-total // _FRAME_SAMPLES) * _FRAME_SAMPLES)
    num_pieces = -(-total // piece)
    # The smoother reaches beyond the piece, so the band-pass gives one frame more.
    padded_CS = np.empty((num_leads, num_pieces * piece + reach), dtype=np.float32)
    filled_CS = padded_CS[:, _HALO_SAMPLES : _HALO_SAMPLES + total]
    filled_CS[:] = signal_mv_CS
    valid_CS = np.isfinite(filled_CS)
    for lead, valid_S in enumerate(valid_CS):
        if not valid_S.all():
            filled_CS[lead] = fill_invalid(filled_CS[lead])
    # The level is subtracted first: float32 would round small waves on a large offset.
    filled_CS -= filled_CS.mean(axis=1, keepdims=True)
    padded_CS[:, :_HALO_SAMPLES] = filled_CS[:, :1]
    padded_CS[:, _HALO_SAMPLES + total :] = filled_CS[:, -1:]
    band_CS, slope_CS = np.empty((2, num_leads, total), dtype=np.float32)
    edge = 1 + _SMOOTHER_TAPS // 2
    for start in range(0, total, piece):
        part_CS = torch.from_numpy(padded_CS[:, start : start + piece + reach]).to(device)
        wide_CS = _apply(band_matrix, part_CS)
        steep_CS = (wide_CS[:, 2:] - wide_CS[:, :-2]).abs_()
        stop = min(start + piece, total)
        band_CS[:, start:stop] = wide_CS[:, edge : edge + stop - start].cpu().numpy()
        smooth_CS = _apply(smoother, steep_CS[:, : piece + 2 * edge - 2])[:, : stop - start]
        slope_CS[:, start:stop] = smooth_CS.cpu().numpy()
    if not valid_CS.all():
        slope_CS[~valid_CS] = 0
    return FilteredLeads(valid_CS, filled_CS, band_CS, slope_CS)


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


def _apply(matrix: torch.Tensor, signal_CS: torch.Tensor) -> torch.Tensor:
    """Filter as many whole frames as the signal holds."""
    num_leads, length = len(signal_CS), matrix.shape[0]
    frame_CFS = signal_CS.unfold(-1, length, _FRAME_SAMPLES)
    filtered_CFS = signal_CS.new_empty(num_leads, frame_CFS.shape[1], matrix.shape[1])
    # Frames overlap, and a matrix product copies rows that do: those of every few frames do not.
    apart = -(-length // _FRAME_SAMPLES)
    for lead in range(num_leads):
        for first in range(apart):
            torch.mm(frame_CFS[lead, first::apart], matrix, out=filtered_CFS[lead, first::apart])
    return filtered_CFS.flatten(-2)
