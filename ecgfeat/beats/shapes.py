"""What the beat classifier sees of each beat: its window as it is, and as it differs from the record's median beat.

Leads are seen one by one, each scaled by its usual QRS complex and turned so that this points up: neither gain, nor
polarity, nor the order of leads can change an answer.

Shape suffixes: B beats of a batch, L beats of a record, C leads, S samples, W wave features of a lead, I others.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ecgfeat.beats.scale import BEAT_COLUMNS, LIMIT, WAVE_COLUMNS, Scales
from ecgfeat.features.beat_parts import TINY_QRS_MV
from ecgfeat.features.waves import MedianBeat, find_median_beat, prepare_beats
from ecgfeat.store.feature_columns import NUM_LEADS


@dataclass(frozen=True)
class BeatShapes:
    """The beats of a record in usable time.

    Attributes
    ----------
    window_uv : ndarray of int16, (L, C, 256)
        Beat windows.
    median : MedianBeat
        Of the record.
    wave : ndarray of float32, (L, C, W)
        Columns `WAVE_COLUMNS` lead by lead; NaN is missing.
    beat : ndarray of float32, (L, I)
        Columns `BEAT_COLUMNS`; NaN is missing.
    """

    window_uv: NDArray[np.int16]
    median: MedianBeat
    wave: NDArray[np.float32]
    beat: NDArray[np.float32]

    def __len__(self) -> int:
        """Return the number of beats."""
        return len(self.window_uv)


def gather_shapes(
    window_uv_LCS: NDArray[np.int16], feature: Mapping[str, NDArray[np.float32]], *, median_beats: int
) -> BeatShapes:
    """Gather what the classifier reads of the beats of a record.

    Parameters
    ----------
    window_uv_LCS : ndarray of int16, (L, C, 256)
        Their windows, L > 0.
    feature : mapping of str to ndarray of float32, (L,)
        Their beat features, by `ecgfeat.features.record.describe_beats`.
    median_beats : int
        Beats of which the record's median beat is made.

    Returns
    -------
    BeatShapes
    """
    num_leads = min(NUM_LEADS, window_uv_LCS.shape[1])
    rows = np.arange(len(window_uv_LCS))[:: max(1, -(-len(window_uv_LCS) // median_beats))]
    some_BCS = prepare_beats(window_uv_LCS[rows, :num_leads])
    wave = [[feature[f"{name}_{lead}"] for name in WAVE_COLUMNS] for lead in range(1, num_leads + 1)]
    return BeatShapes(
        window_uv_LCS[:, :num_leads],
        find_median_beat(some_BCS, np.ones(len(rows), dtype=np.bool_), median_beats),
        np.asarray(wave, dtype=np.float32).transpose(2, 0, 1),
        np.ascontiguousarray(np.array([feature[name] for name in BEAT_COLUMNS], dtype=np.float32).T),
    )


def draw_windows(shapes: BeatShapes, rows: slice) -> tuple[torch.Tensor, torch.Tensor]:
    """Scale and turn the windows of some beats.

    Parameters
    ----------
    shapes : BeatShapes
        Of a record.
    rows : slice
        Which of its beats.

    Returns
    -------
    window_BC2S : tensor of float32, (B, C, 2, 144)
        Window, and window less the median beat, in units of the usual QRS complex, within 4; 0 without signal.
    is_there_BC : tensor of bool, (B, C)
        Whether the lead has a signal at that beat.
    """
    median = shapes.median
    factor_C1 = (median.sign / median.amplitude.clamp(min=TINY_QRS_MV))[:, None]
    window_BCS = prepare_beats(shapes.window_uv[rows]) * factor_C1
    both_BC2S = torch.stack([window_BCS, window_BCS - median.beat * factor_C1], dim=2)
    # Where a beat or the median beat is missing, all of it is.
    is_there_BC = torch.isfinite(both_BC2S[..., 0]).all(dim=2)
    return both_BC2S.clamp_(-LIMIT, LIMIT).nan_to_num_(0.0), is_there_BC


def read_chunk(shapes: BeatShapes, rows: slice, scales: Scales) -> tuple[torch.Tensor, ...]:
    """Return the inputs of a network for some beats of a record, each without the dimension of the batch.

    Parameters
    ----------
    shapes : BeatShapes
        The record.
    rows : slice
        Which beats.
    scales : Scales
        Of the features.

    Returns
    -------
    tuple of tensor
        As `ecgfeat.models.beat_net.BeatNet.forward` takes them.
    """
    window, is_there = draw_windows(shapes, rows)
    return window, is_there, *read_features(shapes, rows, scales), torch.ones(len(window), dtype=torch.bool)


def read_features(shapes: BeatShapes, rows: slice, scales: Scales) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the standardised features of some beats: of the leads, (L, C, W), and of all leads together, (L, I)."""
    wave = torch.from_numpy(scales.wave.apply(shapes.wave[rows]))
    return wave, torch.from_numpy(scales.beat.apply(shapes.beat[rows]))
