"""Posteriors of the timeline head for every beat of whole records, by overlapping chunks.

Shape suffixes: N beats of all records, M chunks, L beats in a chunk, V views, K classes, D features.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
    batch_size: int = 16,
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
        Chunks per step: no more than the cache holds. Another size may change the last bits.
    device : torch.device or str
        Where to compute.
    on_beats : callable, optional
        Called with the number of beats done, of one view, since the last call.

    Returns
    -------
    ndarray, (V, N, K) float32
        One posterior per view and beat; rows add up to 1.
    """
    assert not model.training, "model.eval() first"
    hop = (chunk_beats - 2 * margin_beats) // 2
    weight_L = torch.from_numpy(chunk_weights(chunk_beats, margin_beats))
    posterior_VNK = torch.zeros(num_views, int(offset[-1]), model.num_classes)
    for low, high in pairwise(offset.tolist()):
        if high == low:
            continue
        grids = [
            cover_record(high - low, chunk_beats, margin_beats, view * hop // num_views) for view in range(num_views)
        ]
        posterior_VNK[:, low:high] = _one_record(model, feature_ND[low:high].to(device), grids, weight_L, batch_size)
        if on_beats is not None:
            on_beats(high - low)
    return posterior_VNK.numpy()


@dataclass
class _Span:
    """Beats of a record that a chunk covers, and the chunks (view, first place) that cover just these."""

    first: int
    stop: int
    chunks: list[tuple[int, int]]

    def middle(self, margin_beats: int, chunk_beats: int) -> tuple[int, int]:
        """Return first and last place + 1 of the span that count in one of its chunks."""
        starts = [start - self.first for _, start in self.chunks]
        last = max(starts) + chunk_beats - margin_beats
        return max(0, min(starts) + margin_beats), min(self.stop - self.first, last)


def _one_record(
    model: RhythmTimeline, feature_LD: Tensor, grids: Sequence[NDArray[np.int64]], weight_L: Tensor, batch_size: int
) -> Tensor:
    """Average the posteriors of all chunks over one record, view by view, (V, L, K)."""
    num_beats, chunk_beats = len(feature_LD), len(weight_L)
    margin_beats = int(weight_L.nonzero()[0])
    spans: dict[tuple[int, int], _Span] = {}
    for view, start_M in enumerate(grids):
        for start in start_M.tolist():
            first, stop = max(0, start), min(num_beats, start + chunk_beats)
            spans.setdefault((first, stop), _Span(first, stop, [])).chunks.append((view, start))
    # Of one batch are spans of one length: none needs a mask. All but those at the ends are as long as a chunk.
    alike: dict[tuple[int, int, int], list[_Span]] = {}
    for span in spans.values():
        length, middle = span.stop - span.first, span.middle(margin_beats, chunk_beats)
        alike.setdefault((length, *middle), []).append(span)
    sum_VLK = torch.zeros(len(grids), num_beats, model.num_classes)
    with torch.inference_mode():
        token_LD = model.project(feature_LD)
        for (_, low, high), group in alike.items():
            for begin in range(0, len(group), batch_size):
                batch = group[begin : begin + batch_size]
                token_BLD = torch.stack([token_LD[span.first : span.stop] for span in batch])
                posterior_BLK = model.name_middle(token_BLD, slice(low, high)).softmax(-1).cpu()
                for span, posterior_LK in zip(batch, posterior_BLK, strict=True):
                    rows = slice(span.first + low, span.first + high)
                    for view, start in span.chunks:
                        sum_VLK[view, rows] += posterior_LK * weight_L[rows.start - start : rows.stop - start, None]
    return sum_VLK / sum_VLK.sum(dim=-1, keepdim=True)


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
