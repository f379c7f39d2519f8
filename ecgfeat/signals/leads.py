"""Join leads for the QRS detector, each with a weight for its quality, and place R-peaks in one of them.

Shape suffixes: C leads, S samples, T seconds, N blocks, L beats, W samples around a beat.
"""

import numpy as np
from numpy.typing import NDArray

from ecgfeat.signals.filters import DETECTOR_FS_HZ, FilteredLeads
from ecgfeat.signals.qrs import BLOCK_SAMPLES, FLOOR_MV, QrsSignal, block_heights, levels

_LEAST_ODDS = 1e-3
_PLACE_SAMPLES = 14
_PLACE_SHARE = 0.8

_Samples = NDArray[np.int64]
_Floats = NDArray[np.float32]


def pick_lead(leads: FilteredLeads, lead: int) -> QrsSignal:
    """Return what the detector reads of one lead alone.

    Parameters
    ----------
    leads : FilteredLeads
        Leads of the record.
    lead : int
        Which.

    Returns
    -------
    QrsSignal
    """
    one = slice(lead, lead + 1)
    band_CS = leads.band[one]
    return QrsSignal(leads.slope[lead], np.abs(band_CS[0]), band_CS, leads.valid[lead])


def join_leads(leads: FilteredLeads, noise_CT: NDArray[np.float64]) -> QrsSignal:
    """Add the leads up, each in units of its own level and with a weight.

    Parameters
    ----------
    leads : FilteredLeads
        Leads of the record.
    noise_CT : ndarray of float64, (C, T)
        Probability that a second of a lead is noisy; 1 where it is absent.

    Returns
    -------
    QrsSignal

    Notes
    -----
    * The weight of a lead is its signal-to-noise ratio times the square root of the odds that it is not noisy. It
      follows the lead second by second: where one comes off, the others take over.
    """
    odds_CT = (1 - noise_CT + _LEAST_ODDS) / (noise_CT + _LEAST_ODDS)
    blocks_per_second = DETECTOR_FS_HZ // BLOCK_SAMPLES
    level_CN, gain_CN = [], []
    for slope_S, odds_T in zip(leads.slope, odds_CT, strict=True):
        level_N, noise_N, is_alive_N = levels(block_heights(slope_S)[0])
        level_N = np.maximum(level_N, FLOOR_MV)
        quality_N = np.repeat(np.sqrt(odds_T), blocks_per_second)[: level_N.size]
        level_CN.append(level_N)
        gain_CN.append(is_alive_N * quality_N * level_N / np.maximum(noise_N, level_N / 1000))
    weight_CN, stacked_CN = np.stack(gain_CN), np.stack(level_CN)
    weight_CN /= np.maximum(weight_CN.sum(axis=0), 1e-9)
    # The mean level scales the sum back to mV, the unit of the floor.
    scale_CN = weight_CN / stacked_CN * (weight_CN * stacked_CN).sum(axis=0)
    num_samples = leads.slope.shape[1]
    scale_CS = np.repeat(scale_CN.astype(np.float32), BLOCK_SAMPLES, axis=1)[:, :num_samples]
    return QrsSignal(
        slope=np.einsum("cs,cs->s", leads.slope, scale_CS),
        deflection=np.einsum("cs,cs->s", np.abs(leads.band), scale_CS),
        band=leads.band * np.sqrt(scale_CS),
        valid=np.asarray(leads.valid.any(axis=0)),
    )


def place_rpeaks(sample: _Samples, leads: FilteredLeads, is_usable_CT: NDArray[np.bool_]) -> _Samples:
    """Place each R-peak by one rule, whatever the lead and its polarity.

    Parameters
    ----------
    sample : ndarray of int64, (L,)
        Beats that were found in the leads together.
    leads : FilteredLeads
        The leads.
    is_usable_CT : ndarray of bool, (C, T)
        Which seconds of which leads are usable.

    Returns
    -------
    ndarray of int64, (L,)
        Strictly ascending, at valid samples.

    Notes
    -----
    * The lead is the first by position that is usable in that second; where none is, the first that is valid.
    * The place is the first deflection of the band-passed lead, up or down, that reaches 0.8 of the largest within
      0.11 s: of the two deflections of a broad complex, the earlier unless it is much smaller.
    """
    if not sample.size:
        return sample
    second_L = np.minimum(sample // DETECTOR_FS_HZ, is_usable_CT.shape[1] - 1)
    is_usable_CL, is_valid_CL = is_usable_CT[:, second_L], leads.valid[:, sample]
    lead_L = np.where((is_usable_CL & is_valid_CL).any(axis=0), (is_usable_CL & is_valid_CL).argmax(axis=0), -1)
    lead_L = np.where(lead_L < 0, is_valid_CL.argmax(axis=0), lead_L)
    index_LW = sample[:, None] + np.arange(-_PLACE_SAMPLES, _PLACE_SAMPLES + 1)
    inside_LW = np.clip(index_LW, 0, leads.band.shape[1] - 1)
    size_LW = np.abs(leads.band[lead_L[:, None], inside_LW])
    size_LW[~leads.valid[lead_L[:, None], inside_LW] | (inside_LW != index_LW)] = -1
    largest_L1 = size_LW.max(axis=1, keepdims=True)
    is_top_LW = (size_LW >= np.pad(size_LW, ((0, 0), (1, 0)))[:, :-1]) & (
        size_LW >= np.pad(size_LW, ((0, 0), (0, 1)))[:, 1:]
    )
    is_top_LW[:, [0, -1]] = False  # a slope of the beat before or after
    is_large_LW = is_top_LW & (size_LW >= _PLACE_SHARE * largest_L1)
    is_large_LW |= (size_LW == largest_L1) & ~is_large_LW.any(axis=1, keepdims=True)
    return np.unique(sample + is_large_LW.argmax(axis=1) - _PLACE_SAMPLES).astype(np.int64)
