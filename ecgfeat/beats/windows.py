"""Cut beat windows around R-peaks and z-score them for the beat embedder.

Shape suffixes: B batch, L beats, S samples, C leads.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from numpy.typing import NDArray

from ecgfeat.errors import DataError
from ecgfeat.signals.windows import cut_windows
from ecgfeat.store.schemas import INVALID_UV

EPSILON_MV = 1e-6


def cut_beats(
    signal_uv_SC: npt.NDArray[np.int16], sample: npt.NDArray[np.int64], *, num_samples: int, num_leads: int
) -> npt.NDArray[np.int16]:
    """Cut one window per beat, centred on its R-peak.

    Parameters
    ----------
    signal_uv_SC : ndarray of int16, shape (S, C)
        Signal in microvolts, -32768 invalid.
    sample : ndarray of int64, shape (L,)
        R-peak positions in [0, S).
    num_samples : int
        Samples per window; the window of R-peak r covers [r - num_samples // 2, r + ceil(num_samples / 2)).
    num_leads : int
        Leads per window, the first ones by position.

    Returns
    -------
    ndarray of int16, shape (L, num_leads, num_samples)
        Microvolts; -32768 beyond the ends of the record, and throughout a lead that the record lacks.

    Raises
    ------
    DataError
        If the signal is not two-dimensional or an R-peak lies outside of it.
    """
    if signal_uv_SC.ndim != 2:
        raise DataError("signal", found=f"an array of shape {signal_uv_SC.shape}", expected="(samples, leads)")
    total, available_leads = signal_uv_SC.shape
    outside = (sample < 0) | (sample >= total)
    if outside.any():
        raise DataError("R-peaks", found=f"sample {sample[outside][0]}", expected=f"samples in [0, {total})")
    half = num_samples // 2
    window_uv_LCS = np.full((sample.size, num_leads, num_samples), INVALID_UV, dtype=np.int16)
    for lead in range(min(num_leads, available_leads)):
        padded_S = np.full(total + num_samples, INVALID_UV, dtype=np.int16)
        padded_S[half : half + total] = signal_uv_SC[:, lead]
        window_uv_LCS[:, lead] = cut_windows(padded_S, sample, num_samples)
    return window_uv_LCS


def normalise(window_uv_BCS: npt.NDArray[np.int16] | torch.Tensor, device: str | torch.device = "cpu") -> torch.Tensor:
    """Z-score each lead of each window over its valid samples.

    Parameters
    ----------
    window_uv_BCS : ndarray or tensor of int16, shape (B, C, S)
        Microvolts, -32768 invalid.
    device : str or torch.device
        Where the result is computed and stays.

    Returns
    -------
    tensor of float32, shape (B, C, S)
        Mean 0 and standard deviation 1 over the valid samples; 0 where invalid, and all 0 for a lead that
        is flat or has no valid sample.

    Notes
    -----
    * The deviation is that of the population (divided by n), in mV, plus 1e-6 mV.
    * Sums of up to 512 int16 values are exact in float32 in any order, so the mean of a beat window does not depend
      on the device or on the batch. Of the longer windows of other systems it may, in its last bits.
    """
    raw_BCS = torch.as_tensor(window_uv_BCS).to(device)
    valid_BCS = raw_BCS != INVALID_UV
    value_BCS = torch.where(valid_BCS, raw_BCS, 0).to(torch.float32)
    count_BC1 = valid_BCS.sum(dim=-1, keepdim=True).clamp(min=1)
    mean_BC1 = value_BCS.sum(dim=-1, keepdim=True) / count_BC1
    centred_BCS = torch.where(valid_BCS, value_BCS - mean_BC1, 0.0)
    deviation_BC1 = (centred_BCS.square().sum(dim=-1, keepdim=True) / count_BC1).sqrt()
    return centred_BCS / (deviation_BC1 + 1000 * EPSILON_MV)


@dataclass(frozen=True)
class BeatRecord:
    """The beats of one record.

    Parameters
    ----------
    windows : array or Zarr array
        (N, C, S) int16 microvolts; rows [start, stop) are this record's, so that records may share one array.
    start, stop : int
        Rows of the record.
    rr_s : ndarray
        (stop - start,) float32 seconds from the beat before, NaN for the first.
    aami : ndarray
        (stop - start,) of ``N S V F Q``; other classes than N, S and V are neither trained on nor part of the history.
    """

    windows: Any
    start: int
    stop: int
    rr_s: NDArray[np.float32]
    aami: NDArray[np.str_]

    def read(self) -> NDArray[np.int16]:
        """Return the record's windows, (L, C, S) int16."""
        return np.asarray(self.windows[self.start : self.stop])
