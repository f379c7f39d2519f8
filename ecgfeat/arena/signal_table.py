"""Signals of many records in memory at the rate of one system, and segments of them, z-scored.

Shape suffixes: B batch, C leads, S samples, M segments.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.signal import butter, sosfiltfilt
from torch import Tensor

from ecgfeat.beats.windows import normalise
from ecgfeat.errors import DataError
from ecgfeat.signals.resample import fill_invalid, resample, to_microvolts, to_millivolts
from ecgfeat.store.schemas import INVALID_UV

FILTER_ORDER = 4


@dataclass(frozen=True)
class Band:
    """Rate and band of frequencies that a system reads.

    Attributes
    ----------
    fs_hz : float
        Rate it works at.
    low_hz, high_hz : float
        Edges of the band; 0 leaves that side open.
    """

    fs_hz: float
    low_hz: float
    high_hz: float

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> "Band":
        """Take them from a section of params, such as the ``settings`` of a ``system.json``."""
        return cls(*(float(settings[key]) for key in ("fs_hz", "low_hz", "high_hz")))


def prepare_signal(signal_uv_SC: NDArray[np.int16], fs_hz: float, band: Band) -> NDArray[np.int16]:
    """Bring a record to the rate and band of a system.

    Parameters
    ----------
    signal_uv_SC : ndarray of int16, (S, C)
        Microvolts, -32768 invalid.
    fs_hz : float
        Its rate.
    band : Band
        Rate it shall have, and the edges of a Butterworth band-pass of order 4, forward and backward.

    Returns
    -------
    ndarray of int16, (C, S')
        Microvolts at ``band.fs_hz``, one contiguous row per lead; -32768 where the record was invalid.

    Raises
    ------
    DataError
        If the lower edge is at or above the half of the record's rate.

    Notes
    -----
    * Filtered at the record's own rate, before resampling, in one way for all systems. An upper edge at or above
      the half of that rate filters nothing and is left open.
    * Gaps are bridged for the filter and marked again afterwards.
    """
    return prepare_millivolts(to_millivolts(signal_uv_SC), fs_hz, band)


def prepare_millivolts(signal_mv_SC: NDArray[np.float32], fs_hz: float, band: Band) -> NDArray[np.int16]:
    """Bring a record in mV, NaN where invalid, to the rate and band of a system: as `prepare_signal`.

    Only what the filter leaves is rounded to int16, so that an electrode offset may be of any size where the band has
    a lower edge.
    """
    signal_mv_SC = signal_mv_SC.copy()
    low_hz, high_hz = band.low_hz, band.high_hz
    if low_hz >= fs_hz / 2:
        raise DataError(
            "record", found=f"{fs_hz:g} Hz for a band from {low_hz:g} Hz", expected="more than twice that edge"
        )
    edges = [low_hz or None, high_hz if 0 < high_hz < fs_hz / 2 else None]
    if any(edges):
        kind = {(True, True): "bandpass", (True, False): "highpass", (False, True): "lowpass"}
        cutoffs = [edge for edge in edges if edge]
        shape = kind[edges[0] is not None, edges[1] is not None]
        sos = butter(FILTER_ORDER, cutoffs if len(cutoffs) == 2 else cutoffs[0], shape, fs=fs_hz, output="sos")
        for lead in range(signal_mv_SC.shape[1]):
            valid_S = np.isfinite(signal_mv_SC[:, lead])
            # The forward-backward filter mirrors three times its length at each end.
            if valid_S.any() and len(valid_S) > 12 * FILTER_ORDER:
                filtered_S = sosfiltfilt(sos, fill_invalid(signal_mv_SC[:, lead]))
                signal_mv_SC[:, lead] = np.where(valid_S, filtered_S, np.nan)
    if fs_hz != band.fs_hz:
        signal_mv_SC = resample(signal_mv_SC, fs_hz, band.fs_hz)
    return np.ascontiguousarray(to_microvolts(signal_mv_SC).T)


@dataclass(frozen=True)
class SignalTable:
    """Records at one rate.

    Attributes
    ----------
    signal : sequence of ndarray of int16, (C, S)
        Microvolts of each record, as `prepare_signal` gives them; the same leads in all.
    fs_hz : float
        Their rate.
    """

    signal: Sequence[NDArray[np.int16]]
    fs_hz: float

    @property
    def num_leads(self) -> int:
        """Leads of every record."""
        return self.signal[0].shape[0]

    def segments(
        self,
        record_M: NDArray[np.int64],
        start_M: NDArray[np.int64],
        num_samples: int,
        device: torch.device | str = "cpu",
    ) -> Tensor:
        """Cut segments and z-score each lead of each.

        Parameters
        ----------
        record_M : ndarray, (M,) int64
            Rows of `signal`.
        start_M : ndarray, (M,) int64
            First sample at `fs_hz`; a segment may reach beyond either end of its record.
        num_samples : int
            S, their length.
        device : torch.device or str
            Where the result is made.

        Returns
        -------
        Tensor, (M, C, S) float32
            Mean 0 and standard deviation 1 over the valid samples of a lead, 0 where invalid or outside the record.
        """
        segment_uv_MCS = np.full((len(record_M), self.num_leads, num_samples), INVALID_UV, dtype=np.int16)
        for row, (record, start) in enumerate(zip(record_M.tolist(), start_M.tolist(), strict=True)):
            signal_CS = self.signal[record]
            first, stop = max(start, 0), min(start + num_samples, signal_CS.shape[1])
            if first < stop:
                segment_uv_MCS[row, :, first - start : stop - start] = signal_CS[:, first:stop]
        return normalise(segment_uv_MCS, device)
