"""Waves of each beat: QRS complex, P wave and T wave, lead by lead, and how alike they are to those of other beats.

Every figure is relative to the record's own median beat, so that neither gain nor polarity of a lead matters.

Shape suffixes: B beats of a batch, C leads, S samples of a beat, W samples of a wave.

References
----------
P. Laguna, R. Jane, P. Caminal, "Automatic detection of wave boundaries in multilead ECG signals", Comput Biomed Res 27,
1994 (boundaries by share of the steepest slope). J. W. Tukey, "The ninther", Contributions to Survey Sampling, 1978.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ecgfeat.features.beat_parts import AFTER_SAMPLES, BEFORE_SAMPLES, LOST_SHARE, LOW_PASS, TINY_MV, WIDE_QRS
from ecgfeat.store.schemas import COMMON_FS_HZ, INVALID_UV

WAVES = {"qrs": (-13, 14), "p": (-33, -10), "t": (15, 67)}
"""First sample of each wave after the R-peak, and the one after its last."""

_EDGE_SHARE = 0.15  # of the steepest slope, at the ends of a QRS complex
_SHIFT_SAMPLES = 2  # R-peaks are placed to within so much
_BEFORE_NEXT_SAMPLES = 25  # where the next beat begins, the T wave has ended
_BEATS_BEFORE = 9
_FLOOR = 0.01  # added to a ratio before its logarithm


@dataclass(frozen=True)
class MedianBeat:
    """The median beat of a record, and the usual size of its QRS complexes.

    Attributes
    ----------
    beat : tensor of float32, (C, S)
        In mV; NaN in a lead without signal.
    sign : tensor of float32, (C,)
        1, or -1 where the largest deflection of its QRS complex is downwards.
    amplitude, area, slope : tensor of float32, (C,)
        Medians over the QRS complexes of peak-to-peak amplitude (mV), mean size (mV) and steepest slope (mV a sample).
    """

    beat: torch.Tensor
    sign: torch.Tensor
    amplitude: torch.Tensor
    area: torch.Tensor
    slope: torch.Tensor


def prepare_beats(window_uv_BCS: NDArray[np.int16], device: str | torch.device = "cpu") -> torch.Tensor:
    """Smooth beat windows.

    Parameters
    ----------
    window_uv_BCS : ndarray of int16, (B, C, 256)
        Microvolts at 128 Hz with the R-peak at sample 128; -32768 invalid.
    device : str or torch.device
        Where to compute.

    Returns
    -------
    tensor of float32, (B, C, 144)
        mV with the R-peak at sample 64; NaN throughout a beat and lead of which a fifth or more is invalid.
    """
    middle = window_uv_BCS.shape[-1] // 2
    part = window_uv_BCS[:, :, middle - BEFORE_SAMPLES - 2 : middle + AFTER_SAMPLES + 2]
    raw_BCS = torch.from_numpy(np.ascontiguousarray(part)).to(device)
    is_invalid_BCS = raw_BCS == INVALID_UV
    value_BCS = raw_BCS.to(torch.float32) / 1000
    any_invalid = bool(is_invalid_BCS.any())
    if any_invalid:
        value_BCS = value_BCS.masked_fill(is_invalid_BCS, 0.0)
    size = value_BCS.shape[-1]
    smooth_BCS = LOW_PASS[0] * value_BCS[..., 2:-2]
    for lag in (1, 2):
        smooth_BCS.add_(value_BCS[..., 2 - lag : size - 2 - lag], alpha=LOW_PASS[lag])
        smooth_BCS.add_(value_BCS[..., 2 + lag : size - 2 + lag], alpha=LOW_PASS[lag])
    if any_invalid:
        is_lost_BC = is_invalid_BCS.float().mean(dim=-1) >= LOST_SHARE
        smooth_BCS[is_invalid_BCS[..., 2:-2]] = 0
        smooth_BCS[is_lost_BC] = torch.nan
    return smooth_BCS


def find_median_beat(beat_BCS: torch.Tensor, is_used_B: NDArray[np.bool_], most_beats: int) -> MedianBeat:
    """Find the median beat of a record.

    Parameters
    ----------
    beat_BCS : tensor of float32, (B, C, S)
        Of `prepare_beats`, all beats of the record.
    is_used_B : ndarray of bool, (B,)
        Beats in usable time; where there is none, all count.
    most_beats : int
        At most so many of them, evenly spread.

    Returns
    -------
    MedianBeat
    """
    rows = np.flatnonzero(is_used_B) if is_used_B.any() else np.arange(len(beat_BCS))
    rows = rows[:: max(1, -(-len(rows) // most_beats))]
    # Of an even number torch takes the lower of the two in the middle, which is the upper one of a lead upside down.
    rows = rows[: len(rows) - 1 + len(rows) % 2]
    some_BCS = beat_BCS[torch.from_numpy(rows)]
    beat_CS = some_BCS.nanmedian(dim=0).values
    size_BC, area_BC, slope_BC = _measure_size(_without_ramp(_cut(some_BCS, WIDE_QRS)))
    qrs_CW = _without_ramp(_cut(beat_CS, WIDE_QRS))
    sign_C = torch.where(qrs_CW.amax(dim=-1) >= -qrs_CW.amin(dim=-1), 1.0, -1.0)
    usual = [value_BC.nanmedian(dim=0).values.clamp(min=TINY_MV) for value_BC in (size_BC, area_BC, slope_BC)]
    return MedianBeat(beat_CS, sign_C, *usual)


def follow_beats(beat_BCS: torch.Tensor, start: int, stop: int) -> torch.Tensor:
    """Follow the beats of a record by the median of medians of the nine beats before each.

    Parameters
    ----------
    beat_BCS : tensor of float32, (B, C, S)
        Of `prepare_beats`, all beats of the record.
    start, stop : int
        First beat of those wanted, and the one after the last.

    Returns
    -------
    tensor of float32, (stop - start, C, S)
        NaN at the first beat of the record. The next eight see the first beat more than once.
    """
    part_BCS = beat_BCS[max(start - _BEATS_BEFORE, 0) : stop - 1]
    missing = stop - start + _BEATS_BEFORE - 1 - len(part_BCS)
    if missing:
        part_BCS = torch.cat([beat_BCS[:1].expand(missing, -1, -1), part_BCS])
    of_three_BCS = _median_of_three(part_BCS[:-2], part_BCS[1:-1], part_BCS[2:])
    running_BCS = _median_of_three(of_three_BCS[:-6], of_three_BCS[3:-3], of_three_BCS[6:])
    if start == 0:
        running_BCS[0] = torch.nan
    return running_BCS


def describe_waves(
    beat_BCS: torch.Tensor, running_BCS: torch.Tensor, median: MedianBeat, rr_after_s: NDArray[np.float32]
) -> dict[str, torch.Tensor]:
    """Describe the waves of each beat, lead by lead.

    Parameters
    ----------
    beat_BCS, running_BCS : tensor of float32, (B, C, S)
        Of `prepare_beats` and `follow_beats`.
    median : MedianBeat
        Of the record.
    rr_after_s : ndarray of float32, (B,)
        Seconds to the next R-peak, NaN where there is none: the T wave ends before it.

    Returns
    -------
    dict of str to tensor of float32, (B, C)
        The columns of the group ``waves`` of `ecgfeat.store.feature_columns` without the number of the lead; NaN where
        there is no signal.
    """
    columns = _describe_qrs(beat_BCS, median)
    first, last = WAVES["t"]
    end_B = torch.from_numpy(np.nan_to_num(rr_after_s, nan=9.0) * COMMON_FS_HZ - _BEFORE_NEXT_SAMPLES)
    is_after_B1W = torch.arange(first, last) >= end_B[:, None, None]
    for wave in ("p", "t"):
        part_BCW = _without_ramp(_cut(beat_BCS, WAVES[wave]))
        if wave == "t":
            part_BCW = part_BCW.masked_fill(is_after_B1W.to(part_BCW.device), 0.0)
        columns |= _describe_wave(wave, part_BCW, median)
    for wave, bounds in WAVES.items():
        part_BCW = _centre(_cut(beat_BCS, bounds))
        most = _SHIFT_SAMPLES if wave == "qrs" else 0
        shifted_KCW = torch.stack(
            [_centre(_cut(median.beat, (bounds[0] + lag, bounds[1] + lag))) for lag in range(-most, most + 1)]
        )
        product_BCK = torch.einsum("bcw,kcw->bck", part_BCW, shifted_KCW)
        own_BC, usual_KC = part_BCW.square().sum(dim=-1), shifted_KCW.square().sum(dim=-1)
        size_BCK = (own_BC[:, :, None] * usual_KC.T).sqrt().clamp(min=TINY_MV**2)
        columns[f"{wave}_likeness"] = (product_BCK / size_BCK).amax(dim=-1)
        apart_BC = (own_BC[:, :, None] + usual_KC.T - 2 * product_BCK).clamp(min=0).amin(dim=-1)
        usual_C = usual_KC[most].clamp(min=TINY_MV**2)
        columns[f"{wave}_distance"] = ((apart_BC / usual_C).sqrt() + _FLOOR).log()
        before_BCW = _centre(_cut(running_BCS, bounds))
        before_BC = before_BCW.square().sum(dim=-1)
        product_BC = (part_BCW * before_BCW).sum(dim=-1)
        columns[f"{wave}_likeness_before"] = product_BC / (own_BC * before_BC).sqrt().clamp(min=TINY_MV**2)
        apart_BC = (own_BC + before_BC - 2 * product_BC).clamp(min=0)
        columns[f"{wave}_distance_before"] = ((apart_BC / before_BC.clamp(min=TINY_MV**2)).sqrt() + _FLOOR).log()
    return columns


def _describe_qrs(beat_BCS: torch.Tensor, median: MedianBeat) -> dict[str, torch.Tensor]:
    """Measure the QRS complexes, and the noise outside of them."""
    qrs_BCW = _without_ramp(_cut(beat_BCS, WIDE_QRS))
    size_BC, area_BC, slope_BC = _measure_size(qrs_BCW)
    high_BC, low_BC = qrs_BCW.amax(dim=-1), qrs_BCW.amin(dim=-1)
    steep_BCW = (qrs_BCW[..., 2:] - qrs_BCW[..., :-2]).abs_()
    is_steep_BCW = (steep_BCW >= _EDGE_SHARE * steep_BCW.amax(dim=-1, keepdim=True)).to(torch.uint8)
    num_before_BC = is_steep_BCW.argmax(dim=-1)
    num_after_BC = is_steep_BCW.flip(-1).argmax(dim=-1)
    width_BC = (steep_BCW.shape[-1] - num_before_BC - num_after_BC) / COMMON_FS_HZ
    # Outside of the QRS complex a wave bends slowly.
    bend_BC = torch.zeros_like(size_BC)
    for rest_BCW in (beat_BCS[..., : BEFORE_SAMPLES - 20], beat_BCS[..., BEFORE_SAMPLES + 20 :]):
        bend_BC += (rest_BCW[..., 2:] - 2 * rest_BCW[..., 1:-1] + rest_BCW[..., :-2]).abs_().mean(dim=-1) / 2
    polarity_BC = median.sign * (high_BC + low_BC) / size_BC.clamp(min=TINY_MV)
    return {
        "qrs_width_s": torch.where(size_BC.isnan(), torch.nan, width_BC),
        "qrs_amplitude": (size_BC / median.amplitude + _FLOOR).log(),
        "qrs_area": (area_BC / median.area + _FLOOR).log(),
        "qrs_slope": (slope_BC / median.slope + _FLOOR).log(),
        "qrs_polarity": polarity_BC,
        "noise": (bend_BC / median.amplitude + _FLOOR).log(),
    }


def _describe_wave(wave: str, part_BCW: torch.Tensor, median: MedianBeat) -> dict[str, torch.Tensor]:
    """Measure the largest deflection of a P or T wave from the line between its ends, and where it is."""
    at_BC = part_BCW.abs().argmax(dim=-1, keepdim=True)
    height_BC = part_BCW.gather(-1, at_BC)[..., 0]
    time_BC = (at_BC[..., 0] + WAVES[wave][0]) / COMMON_FS_HZ
    return {
        f"{wave}_amplitude": median.sign * height_BC / median.amplitude,
        f"{wave}_time_s": torch.where(height_BC.isnan(), torch.nan, time_BC),
        f"{wave}_size": (part_BCW.square().mean(dim=-1).sqrt() / median.amplitude + _FLOOR).log(),
    }


def _measure_size(qrs_BCW: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return peak-to-peak amplitude, mean size and steepest slope, each (B, C)."""
    steepest_BC = (qrs_BCW[..., 1:] - qrs_BCW[..., :-1]).abs_().amax(dim=-1)
    return qrs_BCW.amax(dim=-1) - qrs_BCW.amin(dim=-1), qrs_BCW.abs().mean(dim=-1), steepest_BC


def _cut(beat_S: torch.Tensor, bounds: tuple[int, int]) -> torch.Tensor:
    """Return a part of beats by its bounds in samples after the R-peak."""
    return beat_S[..., BEFORE_SAMPLES + bounds[0] : BEFORE_SAMPLES + bounds[1]]


def _centre(part_W: torch.Tensor) -> torch.Tensor:
    return part_W - part_W.mean(dim=-1, keepdim=True)


def _without_ramp(part_BCW: torch.Tensor) -> torch.Tensor:
    """Subtract the line between the means of the first and the last three samples."""
    first_BC1, last_BC1 = (part.mean(dim=-1, keepdim=True) for part in (part_BCW[..., :3], part_BCW[..., -3:]))
    return (
        part_BCW - first_BC1 - (last_BC1 - first_BC1) * torch.linspace(0, 1, part_BCW.shape[-1], device=part_BCW.device)
    )


def _median_of_three(one: torch.Tensor, two: torch.Tensor, three: torch.Tensor) -> torch.Tensor:
    return torch.maximum(torch.minimum(one, two), torch.minimum(torch.maximum(one, two), three))
