"""Posteriors of the timeline head for every beat of whole records, by overlapping chunks.

Shape suffixes: N beats of all records, M chunks, L beats in a chunk, V views, K classes, D features.
"""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ecgfeat.models.rhythm_timeline import RhythmTimeline
from ecgfeat.rhythm.chunks import chunk_weights, cover_record, place_chunks

MARGIN_BEATS = 64
"""A beat counts only where its chunk has at least so many beats on either side of it, or the record ends."""


def beat_posteriors(
    model: RhythmTimeline,
    offset: NDArray[np.int64],
    feature_ND: Tensor,
    *,
    chunk_beats: int,
    margin_beats: int = MARGIN_BEATS,
    num_views: int,
    batch_size: int = 64,
    device: torch.device | str = "cpu",
    on_beats: Callable[[int], None] | None = None,
) -> NDArray[np.float32]:
    """Return the rhythm posterior of every beat.

    Parameters
    ----------
    model : RhythmTimeline
        In evaluation mode, on ``device``.
    offset : ndarray, (R + 1,) int64
        Record r has the beats ``[offset[r], offset[r + 1])``; no chunk sees beats of two records.
    feature_ND : Tensor, (N, D) float32
        Features of the beats.
    chunk_beats, margin_beats : int
        As `ecgfeat.rhythm.chunks.cover_record` takes them.
    num_views : int
        Each view lays its chunks ``1 / num_views`` of their distance further to the left.
    batch_size : int
        Chunks per step. Another size may change the last bits.
    device : torch.device or str
        Where to compute.
    on_beats : callable, optional
        Called with the number of beats done, of one view, since the last call.

    Returns
    -------
    ndarray, (V, N, K) float32
        One posterior per view and beat; rows add up to 1.
    """
    hop = (chunk_beats - 2 * margin_beats) // 2
    views = []
    for view in range(num_views):
        posterior_NK = torch.zeros(int(offset[-1]), model.num_classes)
        for low, high in pairwise(offset.tolist()):
            start_M = cover_record(high - low, chunk_beats, margin_beats, view * hop // num_views)
            posterior_NK[low:high] = _one_record(
                model, feature_ND[low:high], start_M, chunk_beats, margin_beats, batch_size, device
            )
            if on_beats is not None:
                on_beats(high - low)
        views.append(posterior_NK.numpy())
    return np.stack(views)


def _one_record(
    model: RhythmTimeline,
    feature_LD: Tensor,
    start_M: NDArray[np.int64],
    chunk_beats: int,
    margin_beats: int,
    batch_size: int,
    device: torch.device | str,
) -> Tensor:
    """Average the posteriors of all chunks over one record."""
    assert not model.training, "model.eval() first"
    num_beats = len(feature_LD)
    weight_L1 = torch.from_numpy(chunk_weights(chunk_beats, margin_beats))[:, None]
    # The last row takes the posteriors of places outside the record.
    sum_NK = torch.zeros(num_beats + 1, model.num_classes)
    with torch.inference_mode():
        for first in range(0, len(start_M) if num_beats else 0, batch_size):
            inputs, row_ML = gather_chunks(feature_LD, start_M[first : first + batch_size], 0, num_beats, chunk_beats)
            posterior_MLK = model(*(tensor.to(device) for tensor in inputs)).softmax(-1).cpu()
            place_ML = torch.where(inputs[1], row_ML, num_beats)
            sum_NK.index_add_(0, place_ML.flatten(), (posterior_MLK * weight_L1).flatten(0, 1))
    return sum_NK[:num_beats] / sum_NK[:num_beats].sum(dim=1, keepdim=True)


def gather_chunks(
    feature_ND: Tensor,
    start_M: NDArray[np.int64],
    low_M: NDArray[np.int64] | int,
    high_M: NDArray[np.int64] | int,
    chunk_beats: int,
) -> tuple[tuple[Tensor, Tensor], Tensor]:
    """Gather the features of some chunks.

    Parameters
    ----------
    feature_ND : Tensor, (N, D) float32
        Features of all beats.
    start_M : ndarray, (M,) int64
        Row each chunk begins with.
    low_M, high_M : ndarray, (M,) int64, or int
        Rows of the record each chunk lies in, half-open.
    chunk_beats : int
        L.

    Returns
    -------
    inputs : (Tensor (M, L, D) float32, Tensor (M, L) bool)
        Features, zero outside the record, and which places lie inside.
    row_ML : Tensor, (M, L) int64
        Row of each place; outside the record that of its first or last beat.
    """
    row, valid_ML = (torch.from_numpy(of_ML) for of_ML in place_chunks(start_M, low_M, high_M, chunk_beats))
    feature_MLD = feature_ND[row].masked_fill_(~valid_ML[..., None], 0.0)
    return (feature_MLD, valid_ML), row


def run_lengths(label_BL: Tensor) -> Tensor:
    """Return how many beats in a row have a beat's label, within its chunk.

    Parameters
    ----------
    label_BL : Tensor, (B, L) int64
        Labels.

    Returns
    -------
    Tensor, (B, L) float32
        At least 1.
    """
    begins = torch.ones_like(label_BL, dtype=torch.bool)
    begins[:, 1:] = label_BL[:, 1:] != label_BL[:, :-1]
    run_N = begins.flatten().cumsum(0) - 1
    return torch.bincount(run_N).to(torch.float32)[run_N].view(label_BL.shape)
