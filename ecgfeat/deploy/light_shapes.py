"""What the beat classifier sees of each beat, by numpy alone: `ecgfeat.beats.shapes` does the same by torch.

Shape suffixes: B beats of a batch, L beats of a record, C leads, S samples, W samples of a QRS complex.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgfeat.beats.scale import LIMIT
from ecgfeat.features.beat_parts import (
    AFTER_SAMPLES,
    BEFORE_SAMPLES,
    LOST_SHARE,
    LOW_PASS,
    TINY_MV,
    TINY_QRS_MV,
    WIDE_QRS,
)
from ecgfeat.store.names import INVALID_UV

_Reals = NDArray[np.float32]


@dataclass(frozen=True)
class Reference:
    """What the windows of a record are set against.

    Attributes
    ----------
    beat : ndarray of float32, (C, S)
        Median beat in mV; NaN in a lead without signal.
    factor : ndarray of float32, (C,)
        What a window is multiplied by: 1 over the usual QRS complex, negative where that points down.
    """

    beat: _Reals
    factor: _Reals


def prepare_beats(window_uv_BCS: NDArray[np.int16]) -> _Reals:
    """Smooth beat windows as `ecgfeat.features.waves.prepare_beats` does, (B, C, 144) float32 in mV."""
    middle = window_uv_BCS.shape[-1] // 2
    part_BCS = window_uv_BCS[:, :, middle - BEFORE_SAMPLES - 2 : middle + AFTER_SAMPLES + 2]
    is_invalid_BCS = part_BCS == INVALID_UV
    value_BCS = np.where(is_invalid_BCS, 0, part_BCS).astype(np.float32) / np.float32(1000)
    size = value_BCS.shape[-1]
    smooth_BCS = np.float32(LOW_PASS[0]) * value_BCS[..., 2:-2]
    for lag in (1, 2):
        both_BCS = value_BCS[..., 2 - lag : size - 2 - lag] + value_BCS[..., 2 + lag : size - 2 + lag]
        smooth_BCS += np.float32(LOW_PASS[lag]) * both_BCS
    smooth_BCS[is_invalid_BCS[..., 2:-2]] = 0
    smooth_BCS[is_invalid_BCS.mean(axis=-1) >= LOST_SHARE] = np.nan
    return smooth_BCS


def find_reference(window_uv_LCS: NDArray[np.int16], median_beats: int) -> Reference:
    """Find the median beat of a record as `ecgfeat.beats.shapes.gather_shapes` does.

    Parameters
    ----------
    window_uv_LCS : ndarray of int16, (L, C, 256)
        Windows of its beats, L > 0.
    median_beats : int
        At most so many of them, evenly spread.

    Returns
    -------
    Reference
    """
    rows = np.arange(len(window_uv_LCS))[:: max(1, -(-len(window_uv_LCS) // median_beats))]
    # An odd number, or the middle one of a lead upside down would be another.
    beat_BCS = prepare_beats(window_uv_LCS[rows[: len(rows) - 1 + len(rows) % 2]])
    beat_CS = _lower_median(beat_BCS)
    size_BC = np.ptp(_cut_qrs(beat_BCS), axis=-1)
    amplitude_C = np.maximum(_lower_median(size_BC), np.float32(TINY_MV))
    qrs_CW = _cut_qrs(beat_CS)
    sign_C = np.where(qrs_CW.max(axis=-1) >= -qrs_CW.min(axis=-1), 1, -1)
    factor_C = sign_C / np.maximum(amplitude_C, np.float32(TINY_QRS_MV))
    return Reference(beat_CS, factor_C.astype(np.float32))


def draw_windows(window_uv_BCS: NDArray[np.int16], reference: Reference) -> tuple[_Reals, NDArray[np.bool_]]:
    """Scale and turn windows as `ecgfeat.beats.shapes.draw_windows` does.

    Parameters
    ----------
    window_uv_BCS : ndarray of int16, (B, C, 256)
        Some windows of a record.
    reference : Reference
        Of the record.

    Returns
    -------
    window_BC2S : ndarray of float32, (B, C, 2, 144)
        Window, and window less the median beat; 0 without signal.
    is_there_BC : ndarray of bool, (B, C)
        Whether the lead has a signal at that beat.
    """
    factor_C1 = reference.factor[:, None]
    window_BCS = prepare_beats(window_uv_BCS) * factor_C1
    both_BC2S = np.stack([window_BCS, window_BCS - reference.beat * factor_C1], axis=2)
    is_there_BC = np.isfinite(both_BC2S).all(axis=(2, 3))
    return np.nan_to_num(both_BC2S.clip(-LIMIT, LIMIT), nan=0.0), is_there_BC


def _lower_median(value_B: _Reals) -> _Reals:
    """Return the median over the first axis without NaN, of an even number the lower one in the middle, as torch."""
    middle = np.maximum(np.isfinite(value_B).sum(axis=0) - 1, 0) // 2
    return np.take_along_axis(np.sort(value_B, axis=0), middle[None], axis=0)[0]


def _cut_qrs(beat_S: _Reals) -> _Reals:
    """Return the QRS complexes without the line between the means of their first and last three samples."""
    qrs_W = beat_S[..., BEFORE_SAMPLES + WIDE_QRS[0] : BEFORE_SAMPLES + WIDE_QRS[1]]
    first_1, last_1 = (part.mean(axis=-1, keepdims=True) for part in (qrs_W[..., :3], qrs_W[..., -3:]))
    return qrs_W - first_1 - (last_1 - first_1) * np.linspace(0, 1, qrs_W.shape[-1], dtype=np.float32)
