"""Posteriors of the window head: one view of some segments, or several views of them.

Shape suffixes: N beats, M segments, V views, B segments of a batch, L beats in a segment, K classes, D features.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ecgfeat.rhythm.records import RhythmData
from ecgfeat.rhythm.sampling import Segments
from ecgfeat.rhythm.views import Views


def window_posteriors(
    model: nn.Module,
    segments: Segments,
    data: RhythmData,
    prior_K: Sequence[float] | NDArray[np.float64],
    *,
    batch_size: int = 256,
    device: torch.device | str = "cpu",
    on_batch: Callable[[int], None] | None = None,
) -> NDArray[np.float32]:
    """Return the rhythm posterior of each segment.

    Parameters
    ----------
    model : nn.Module
        A `RhythmWindow` in evaluation mode, on ``device``.
    segments : Segments
        Of the records in ``data``. A segment with fewer beats than those of the training is named from those it has.
    data : RhythmData
        Features of the beats, as `ecgfeat.rhythm.describe.gather_window_data` gathers them.
    prior_K : sequence of float, (K,)
        Predicted for a segment without any beat, such as the class shares in training; adds up to 1.
    batch_size : int
        Segments per step. Another size may change the last bits.
    device : torch.device or str
        Where to compute.
    on_batch : callable, optional
        Called with the number of segments done since the last call.

    Returns
    -------
    ndarray, (M, K) float32
        Softmax of the logits; rows add up to 1.
    """
    assert not model.training, "model.eval() first"
    posterior_MK = np.tile(np.asarray(prior_K, dtype=np.float32), (len(segments), 1))
    with_beats = np.flatnonzero(segments.num_beats > 0)
    # Segments of like length share a batch, which leaves little padding to compute.
    with_beats = with_beats[np.argsort(segments.num_beats[with_beats], kind="stable")]
    done = 0
    with torch.no_grad():
        for inputs, label_B in segment_batches(segments.select(with_beats), data, batch_size=batch_size):
            logits_BK = model(*(tensor.to(device) for tensor in inputs))
            rows = with_beats[done : done + len(label_B)]
            posterior_MK[rows] = logits_BK.softmax(1).cpu().numpy()
            done += len(label_B)
            if on_batch is not None:
                on_batch(len(label_B))
    return posterior_MK


def view_posteriors(
    model: nn.Module,
    views: tuple[Segments, ...],
    data: RhythmData,
    prior_K: Sequence[float] | NDArray[np.float64],
    *,
    device: torch.device | str = "cpu",
    on_batch: Callable[[int], None] | None = None,
) -> Views:
    """Name every segment once per view.

    Parameters
    ----------
    model, data, prior_K, device, on_batch
        As `window_posteriors` takes them.
    views : tuple of Segments
        As `ecgfeat.rhythm.views.drawn_views` or ``grid_views`` lay them.

    Returns
    -------
    Views
        Every unit of the views, whatever its number of beats: of drawn views 3,716 of the LTAFDB test records.

    Notes
    -----
    * The original left out the segments with fewer than 4 beats, another set of episodes in each view (3,709 in one
      draw). Here they are named from the beats they have, or by the prior if they have none, so that every view
      and every mean is scored on the same episodes.
    """
    posteriors = [
        window_posteriors(model, segments, data, prior_K, device=device, on_batch=on_batch) for segments in views
    ]
    return Views(views, np.stack(posteriors))


def segment_batches(
    segments: Segments, data: RhythmData, *, batch_size: int, rng: np.random.Generator | None = None
) -> Iterator[tuple[tuple[Tensor, Tensor], Tensor]]:
    """Gather the features of segments, batch by batch, padded to the longest segment of each batch.

    Parameters
    ----------
    segments : Segments
        What to gather; every segment needs at least one beat.
    data : RhythmData
        The records they lie in. With ``is_placed`` a last column tells where in its segment a beat lies, from -1 to 1.
        An episode that is cut by the end of a segment fills at least half of it, so the position carries some
        information on the label.
    batch_size : int
        Segments per batch; the last batch may be smaller.
    rng : numpy.random.Generator, optional
        Shuffles the segments; without it they keep their order.

    Yields
    ------
    inputs : (Tensor (B, L, D) float32, Tensor (B, L) bool)
        Features, zero in the padding, and which rows are beats.
    label_B : Tensor, (B,) int64
        Classes.
    """
    order_M = np.arange(len(segments)) if rng is None else rng.permutation(len(segments))
    for begin in range(0, len(order_M), batch_size):
        rows = order_M[begin : begin + batch_size]
        beat_BL = segments.beats[rows]
        beat_BL = beat_BL[:, : int((beat_BL >= 0).sum(1).max())]
        valid_BL = beat_BL >= 0
        beat_BL = np.maximum(beat_BL, 0)
        position_BL = None
        if data.is_placed:
            length_B1 = (segments.stop - segments.start)[rows, None]
            position_BL = 2.0 * (data.beats.sample[beat_BL] - segments.start[rows, None]) / length_B1 - 1.0
        if data.row_of_beat is not None:
            beat_BL = data.row_of_beat[beat_BL]
            # Row -1 would be another beat's features: the segments must be of the draws these were gathered for.
            assert (beat_BL[valid_BL] >= 0).all(), "a segment has a beat whose features were not gathered"
        valid = torch.from_numpy(valid_BL)
        feature_BLD = data.features[torch.from_numpy(beat_BL)]
        if position_BL is not None:
            position_BL1 = torch.from_numpy(position_BL.astype(np.float32))[..., None]
            feature_BLD = torch.cat([feature_BLD, position_BL1], dim=2)
        feature_BLD = feature_BLD.masked_fill_(~valid[..., None], 0.0)
        yield (feature_BLD, valid), torch.from_numpy(segments.label[rows])
