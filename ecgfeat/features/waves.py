"""Waves of each beat: QRS complex, P wave and T wave, lead by lead, and how alike they are to those of other beats.

Every figure is relative to the record's own median beat, so that neither gain nor polarity of a lead matters.

Beats come last in memory where waves are measured: a sum over the few samples of a wave is then one of long rows, which
takes a small part of the time.

Shape suffixes: B beats of a batch, L of a record, C leads, S samples of a beat, W samples of a wave, K shifts.

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
    value_BCS = raw_BCS.to(torch.float32).div_(1000)
    # The mark of an invalid sample is the least of all numbers; few beats have one.
    rows_B = (raw_BCS.amin(dim=(1, 2)) == INVALID_UV).nonzero()[:, 0]
    if not len(rows_B):
        return _smooth(value_BCS)
    is_invalid_BCS = raw_BCS[rows_B] == INVALID_UV
    value_BCS[rows_B] = value_BCS[rows_B].masked_fill_(is_invalid_BCS, 0.0)
    smooth_BCS = _smooth(value_BCS)
    is_lost_BC1 = is_invalid_BCS.float().mean(dim=-1, keepdim=True) >= LOST_SHARE
    some_BCS = smooth_BCS[rows_B].masked_fill_(is_invalid_BCS[..., 2:-2], 0.0)
    smooth_BCS[rows_B] = some_BCS.masked_fill_(is_lost_BC1, torch.nan)
    return smooth_BCS


def _smooth(value_BCS: torch.Tensor) -> torch.Tensor:
    """Weaken what is faster than 40 Hz; two samples fewer on either side."""
    size = value_BCS.shape[-1]
    smooth_BCS = LOW_PASS[0] * value_BCS[..., 2:-2]
    for lag in (1, 2):
        smooth_BCS.add_(value_BCS[..., 2 - lag : size - 2 - lag], alpha=LOW_PASS[lag])
        smooth_BCS.add_(value_BCS[..., 2 + lag : size - 2 + lag], alpha=LOW_PASS[lag])
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
    some_CSB = beat_BCS[torch.from_numpy(rows)].permute(1, 2, 0).contiguous()
    beat_CS1 = some_CSB.nanmedian(dim=2, keepdim=True).values
    high_CB, low_CB, area_CB, slope_CB = _measure_size(_without_ramp(_cut(some_CSB, WIDE_QRS)))
    high_C1, low_C1, _, _ = _measure_size(_without_ramp(_cut(beat_CS1, WIDE_QRS)))
    sign_C = torch.where(high_C1 >= -low_C1, 1.0, -1.0)[:, 0]
    usual = [value_CB.nanmedian(dim=1).values.clamp(min=TINY_MV) for value_CB in (high_CB - low_CB, area_CB, slope_CB)]
    return MedianBeat(beat_CS1[..., 0], sign_C, *usual)


def follow_beats(beat_CSL: torch.Tensor, start: int, stop: int) -> torch.Tensor:
    """Follow the beats of a record by the median of medians of the nine beats before each.

    Parameters
    ----------
    beat_CSL : tensor of float32, (C, S, L)
        Of `prepare_beats`, all beats of the record, beats last.
    start, stop : int
        First beat of those wanted, and the one after the last.

    Returns
    -------
    tensor of float32, (C, S, stop - start)
        NaN at the first beat of the record. The next eight see the first beat more than once.
    """
    part_CSB = beat_CSL[..., max(start - _BEATS_BEFORE, 0) : stop - 1]
    missing = stop - start + _BEATS_BEFORE - 1 - part_CSB.shape[-1]
    if missing:
        part_CSB = torch.cat([beat_CSL[..., :1].expand(-1, -1, missing), part_CSB], dim=-1)
    of_three_CSB = _median_of_three(part_CSB[..., :-2], part_CSB[..., 1:-1], part_CSB[..., 2:])
    running_CSB = _median_of_three(of_three_CSB[..., :-6], of_three_CSB[..., 3:-3], of_three_CSB[..., 6:])
    if start == 0:
        running_CSB[..., 0] = torch.nan
    return running_CSB


def describe_waves(
    beat_CSB: torch.Tensor, running_CSB: torch.Tensor, median: MedianBeat, rr_after_s: NDArray[np.float32]
) -> dict[str, torch.Tensor]:
    """Describe the waves of each beat, lead by lead.

    Parameters
    ----------
    beat_CSB, running_CSB : tensor of float32, (C, S, B)
        Of `prepare_beats` and `follow_beats`, beats last.
    median : MedianBeat
        Of the record.
    rr_after_s : ndarray of float32, (B,)
        Seconds to the next R-peak, NaN where there is none: the T wave ends before it.

    Returns
    -------
    dict of str to tensor of float32, (C, B)
        The columns of the group ``waves`` of `ecgfeat.store.feature_columns` without the number of the lead; NaN where
        there is no signal.
    """
    columns = _describe_qrs(beat_CSB, median)
    end_B = torch.from_numpy(np.nan_to_num(rr_after_s, nan=9.0) * COMMON_FS_HZ - _BEFORE_NEXT_SAMPLES)
    is_before_WB = (torch.arange(*WAVES["t"])[:, None] < end_B).to(beat_CSB)
    p_CWB, t_CWB = (_without_ramp(_cut(beat_CSB, WAVES[wave])) for wave in ("p", "t"))
    columns |= _describe_wave("p", p_CWB, median) | _describe_wave("t", t_CWB.mul_(is_before_WB), median)
    for wave, bounds in WAVES.items():
        part_CWB = _centre(_cut(beat_CSB, bounds))
        own_CB = part_CWB.square().sum(dim=1)
        most = _SHIFT_SAMPLES if wave == "qrs" else 0
        shifted_CKW = torch.stack(
            [_centre(_cut(median.beat, (bounds[0] + lag, bounds[1] + lag))) for lag in range(-most, most + 1)], dim=1
        )
        product_CKB, usual_CK1 = shifted_CKW @ part_CWB, shifted_CKW.square().sum(dim=2, keepdim=True)
        size_CKB = (own_CB[:, None] * usual_CK1).sqrt_().clamp_(min=TINY_MV**2)
        columns[f"{wave}_likeness"] = (product_CKB / size_CKB).amax(dim=1)
        # The difference itself is squared: a² + b² - 2ab of a beat that is nearly the median would be rounding alone.
        apart = [(part_CWB - shift_CW[..., None]).square_().sum(dim=1) for shift_CW in shifted_CKW.unbind(dim=1)]
        columns[f"{wave}_distance"] = _log_distance(torch.stack(apart).amin(dim=0), usual_CK1[:, most])
        before_CWB = _centre(_cut(running_CSB, bounds))
        before_CB, product_CB = before_CWB.square().sum(dim=1), (before_CWB * part_CWB).sum(dim=1)
        columns[f"{wave}_likeness_before"] = product_CB / (own_CB * before_CB).sqrt_().clamp_(min=TINY_MV**2)
        columns[f"{wave}_distance_before"] = _log_distance(before_CWB.sub_(part_CWB).square_().sum(dim=1), before_CB)
    return columns


def _log_distance(apart_CB: torch.Tensor, size_CB: torch.Tensor) -> torch.Tensor:
    """Return the logarithm of a distance over a size, of their squares."""
    return ((apart_CB / size_CB.clamp(min=TINY_MV**2)).sqrt_() + _FLOOR).log_()


def _describe_qrs(beat_CSB: torch.Tensor, median: MedianBeat) -> dict[str, torch.Tensor]:
    """Measure the QRS complexes, and the noise outside of them."""
    qrs_CWB = _without_ramp(_cut(beat_CSB, WIDE_QRS))
    high_CB, low_CB, area_CB, slope_CB = _measure_size(qrs_CWB)
    size_CB = high_CB - low_CB
    steep_CWB = (qrs_CWB[:, 2:] - qrs_CWB[:, :-2]).abs_()
    is_steep_CWB = steep_CWB >= _EDGE_SHARE * steep_CWB.amax(dim=1, keepdim=True)
    width_CB = (_find_last(is_steep_CWB) - _find_first(is_steep_CWB) + 1) / COMMON_FS_HZ
    # Outside of the QRS complex a wave bends slowly.
    bend_CB = torch.zeros_like(size_CB)
    for rest_CWB in (beat_CSB[:, : BEFORE_SAMPLES - 20], beat_CSB[:, BEFORE_SAMPLES + 20 :]):
        bend_CB += (rest_CWB[:, 2:] - 2 * rest_CWB[:, 1:-1]).add_(rest_CWB[:, :-2]).abs_().mean(dim=1) / 2
    amplitude_C1, area_C1, slope_C1 = (value_C[:, None] for value_C in (median.amplitude, median.area, median.slope))
    return {
        "qrs_width_s": torch.where(size_CB.isnan(), torch.nan, width_CB),
        "qrs_amplitude": (size_CB / amplitude_C1 + _FLOOR).log(),
        "qrs_area": (area_CB / area_C1 + _FLOOR).log(),
        "qrs_slope": (slope_CB / slope_C1 + _FLOOR).log(),
        "qrs_polarity": median.sign[:, None] * (high_CB + low_CB) / size_CB.clamp(min=TINY_MV),
        "noise": (bend_CB / amplitude_C1 + _FLOOR).log(),
    }


def _describe_wave(wave: str, part_CWB: torch.Tensor, median: MedianBeat) -> dict[str, torch.Tensor]:
    """Measure the largest deflection of a P or T wave from the line between its ends, and where it is."""
    size_CWB = part_CWB.abs()
    at_CB = _find_first(size_CWB == size_CWB.amax(dim=1, keepdim=True))
    height_CB = part_CWB.gather(1, at_CB[:, None])[:, 0]
    time_CB = (at_CB + WAVES[wave][0]) / COMMON_FS_HZ
    amplitude_C1 = median.amplitude[:, None]
    return {
        f"{wave}_amplitude": median.sign[:, None] * height_CB / amplitude_C1,
        f"{wave}_time_s": torch.where(height_CB.isnan(), torch.nan, time_CB),
        f"{wave}_size": (part_CWB.square().mean(dim=1).sqrt_() / amplitude_C1 + _FLOOR).log_(),
    }


def _measure_size(qrs_CWB: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Return the highest and the lowest value, mean size and steepest slope, each (C, B)."""
    steepest_CB = (qrs_CWB[:, 1:] - qrs_CWB[:, :-1]).abs_().amax(dim=1)
    return qrs_CWB.amax(dim=1), qrs_CWB.amin(dim=1), qrs_CWB.abs().mean(dim=1), steepest_CB


def _cut(beat_CS: torch.Tensor, bounds: tuple[int, int]) -> torch.Tensor:
    """Return a part of beats by its bounds in samples after the R-peak."""
    return beat_CS[:, BEFORE_SAMPLES + bounds[0] : BEFORE_SAMPLES + bounds[1]]


def _centre(part_CW: torch.Tensor) -> torch.Tensor:
    return part_CW - part_CW.mean(dim=1, keepdim=True)


def _without_ramp(part_CWB: torch.Tensor) -> torch.Tensor:
    """Subtract the line between the means of the first and the last three samples."""
    first_C1B, last_C1B = (part.mean(dim=1, keepdim=True) for part in (part_CWB[:, :3], part_CWB[:, -3:]))
    line_W1 = torch.linspace(0, 1, part_CWB.shape[1], device=part_CWB.device)[:, None]
    return (part_CWB - first_C1B).sub_((last_C1B - first_C1B) * line_W1)


def _median_of_three(one: torch.Tensor, two: torch.Tensor, three: torch.Tensor) -> torch.Tensor:
    low, high = torch.minimum(one, two), torch.maximum(one, two)
    return torch.maximum(low, torch.minimum(high, three, out=high), out=low)


def _find_last(is_one_CWB: torch.Tensor) -> torch.Tensor:
    """Return the last place at which it is so, (C, B) int64; 0 where it is nowhere."""
    place_W1 = torch.arange(is_one_CWB.shape[1], dtype=torch.uint8, device=is_one_CWB.device)[:, None]
    return (is_one_CWB * place_W1).amax(dim=1).long()


def _find_first(is_one_CWB: torch.Tensor) -> torch.Tensor:
    """Return the first place at which it is so, (C, B) int64; the last of all where it is nowhere."""
    return is_one_CWB.shape[1] - 1 - _find_last(is_one_CWB.flip(1))
