"""Describe a whole record: a row of the table ``record_features``.

No model is read: R-peaks are those of the detector, and quality enters by its figures and not by its threshold, which
was learnt on labels of cinc2017.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from ecgfeat.diagnosis.intervals import FEWEST_INTERVALS, describe_all_intervals, mark_early
from ecgfeat.diagnosis.noise import describe_residue, describe_signal
from ecgfeat.diagnosis.shapes import FEWEST_BEATS, describe_shapes, read_beats
from ecgfeat.signals.figures import figures_of
from ecgfeat.signals.filters import filter_leads
from ecgfeat.signals.gaps import clear_invalid
from ecgfeat.signals.leads import place_rpeaks
from ecgfeat.signals.quality import find_alone
from ecgfeat.signals.resample import resample
from ecgfeat.store.record_feature_columns import RECORD_FEATURE_NAMES
from ecgfeat.store.schemas import COMMON_FS_HZ

_RATE = int(COMMON_FS_HZ)


def describe_record(
    signal_mv_S: NDArray[np.float32], fs_hz: float, *, device: str | torch.device = "cpu"
) -> dict[str, float]:
    """Describe a record of one lead.

    Parameters
    ----------
    signal_mv_S : ndarray of float32, (S,)
        The lead in mV at its own rate, NaN where invalid.
    fs_hz : float
        Its rate.
    device : str or torch.device
        Where to resample and to measure waves.

    Returns
    -------
    dict of str to float
        All of `RECORD_FEATURE_NAMES` in order; NaN where there is none.

    Notes
    -----
    * All R-peaks count, also those in noise: how noisy a record is, is one of the figures.
    """
    at_128_S = resample(np.ascontiguousarray(signal_mv_S[:, None]), fs_hz, COMMON_FS_HZ, device=device)[:, 0]
    cleared_S = clear_invalid(at_128_S, COMMON_FS_HZ)
    is_valid_S = np.isfinite(cleared_S)
    figures: dict[str, float] = {"duration_s": len(at_128_S) / COMMON_FS_HZ, "invalid_share": 1 - is_valid_S.mean()}
    if is_valid_S.sum() >= _RATE:
        figures |= _describe_lead(cleared_S, device)
    assert set(figures) <= set(RECORD_FEATURE_NAMES), set(figures) - set(RECORD_FEATURE_NAMES)
    return {name: float(figures.get(name, np.nan)) for name in RECORD_FEATURE_NAMES}


def _describe_lead(lead_S: NDArray[np.float32], device: str | torch.device) -> dict[str, float]:
    """Describe a lead at 128 Hz with a second of signal or more."""
    leads = filter_leads(lead_S[None], device)
    alone = find_alone(leads)
    everywhere_1T = np.ones((1, -(-lead_S.size // _RATE)), dtype=np.bool_)
    sample_L = place_rpeaks(alone[0], leads, alone, everywhere_1T)
    filled_S = leads.filled[0].astype(np.float64)
    rr_s = np.diff(sample_L) / COMMON_FS_HZ
    figures: dict[str, float] = {"beats_per_s": len(sample_L) / (lead_S.size / COMMON_FS_HZ)}
    figures |= describe_all_intervals(rr_s) | describe_signal(filled_S, figures_of(leads, 0, alone[0]))
    if len(sample_L) < FEWEST_BEATS:
        return figures
    beats = read_beats(leads.filled[0], sample_L, device)
    is_early_L = np.zeros(len(sample_L), dtype=np.bool_)
    if len(rr_s) >= FEWEST_INTERVALS:
        is_early_L[1:] = mark_early(rr_s)[0]
    figures |= describe_shapes(beats, is_early_L)
    return figures | describe_residue(filled_S, sample_L, beats.median_mv, beats.size_mv)
