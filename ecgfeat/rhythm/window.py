"""Posteriors of the window head: single views, their mean over seven draws, and a grid over whole records.

Shape suffixes: N beats, M windows or episodes, V views, K classes, D features.
"""

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ecgfeat.rhythm.sampling import Segments
from ecgfeat.rhythm.tables import BeatTable, EpisodeTable
from ecgfeat.rhythm.views import NUM_VIEWS, Views, drawn_views, grid_views


def window_posteriors(
    model: nn.Module,
    windows: Segments,
    feature_ND: Tensor,
    prior_K: Sequence[float] | NDArray[np.float64],
    *,
    row_of_beat_N: NDArray[np.int64] | None = None,
    sample_N: NDArray[np.int64] | None = None,
    batch_size: int = 256,
    device: torch.device | str = "cpu",
    on_batch: Callable[[int], None] | None = None,
) -> NDArray[np.float32]:
    """Ask the head for the rhythm of each window.

    Parameters
    ----------
    model : nn.Module
        A `RhythmWindow` in evaluation mode, on ``device``.
    windows : Segments
        What to name. A window with fewer beats than training asked for is named from those it has.
    feature_ND : Tensor, (N, D) float32
        Features of the beats.
    prior_K : sequence of float, (K,)
        Predicted for a window without any beat, such as the class shares in training; adds up to 1.
    row_of_beat_N : ndarray, (N,) int64, optional
        Row of ``feature_ND`` for each beat, where it holds only those that are needed.
    sample_N : ndarray, (N,) int64, optional
        Positions of the beats, for a head that was trained with their place in the window.
    batch_size : int
        Segments per step. Another size may change the last bits.
    device : torch.device or str
        Where to compute.
    on_batch : callable, optional
        Called with the number of windows done since the last call.

    Returns
    -------
    ndarray, (M, K) float32
        Softmax of the logits; rows add up to 1.
    """
    assert not model.training, "model.eval() first"
    posterior_MK = np.tile(np.asarray(prior_K, dtype=np.float32), (len(windows), 1))
    with_beats = np.flatnonzero(windows.num_beats > 0)
    # Segments of like length share a batch, which leaves little padding to compute.
    with_beats = with_beats[np.argsort(windows.num_beats[with_beats], kind="stable")]
    done = 0
    with torch.no_grad():
        batches = segment_batches(
            windows.select(with_beats),
            feature_ND,
            batch_size=batch_size,
            row_of_beat_N=row_of_beat_N,
            sample_N=sample_N,
        )
        for inputs, label_B in batches:
            logits_BK = model(*(tensor.to(device) for tensor in inputs))
            rows = with_beats[done : done + len(label_B)]
            posterior_MK[rows] = logits_BK.softmax(1).cpu().numpy()
            done += len(label_B)
            if on_batch is not None:
                on_batch(len(label_B))
    return posterior_MK


def view_posteriors(
    model: nn.Module,
    beats: BeatTable,
    episodes: EpisodeTable,
    feature_ND: Tensor,
    prior_K: Sequence[float] | NDArray[np.float64],
    *,
    base_seed: int,
    num_views: int = NUM_VIEWS,
    window_samples: int = 1280,
    max_beats: int = 32,
    row_of_beat_N: NDArray[np.int64] | None = None,
    is_placed: bool = False,
    batch_size: int = 256,
    device: torch.device | str = "cpu",
    on_batch: Callable[[int], None] | None = None,
) -> Views:
    """Name every episode once per view, each view being another draw of the seed protocol.

    Parameters
    ----------
    model, feature_ND, prior_K, row_of_beat_N, batch_size, device, on_batch
        As `window_posteriors` takes them.
    beats, episodes : BeatTable, EpisodeTable
        The records, in the order of their list.
    base_seed : int
        44 for test records, 43 for validation records.
    num_views : int
        Draws 0 to num_views - 1.
    window_samples, max_beats : int
        As `draw_windows` takes them.
    is_placed : bool
        The head was trained with the place of each beat in the window.

    Returns
    -------
    Views
        Every episode of the task that a window fits to, whatever its number of beats: 3,716 of the LTAFDB test records.

    Notes
    -----
    * The original left out the windows with fewer than 4 beats, another set of episodes in each view (3,709 in one
      draw). Here they are named from the beats they have, or by the prior if they have none, so that every view
      and every mean is scored on the same episodes.
    """
    views = drawn_views(
        beats,
        episodes,
        base_seed=base_seed,
        num_views=num_views,
        window_samples=window_samples,
        max_beats=max_beats,
    )
    ask = functools.partial(
        window_posteriors,
        model,
        feature_ND=feature_ND,
        prior_K=prior_K,
        row_of_beat_N=row_of_beat_N,
        sample_N=beats.sample if is_placed else None,
        batch_size=batch_size,
        device=device,
        on_batch=on_batch,
    )
    return Views(views, np.stack([ask(windows) for windows in views]))


def grid_posteriors(
    model: nn.Module,
    beats: BeatTable,
    episodes: EpisodeTable,
    feature_ND: Tensor,
    prior_K: Sequence[float] | NDArray[np.float64],
    *,
    num_views: int = NUM_VIEWS,
    window_samples: int = 1280,
    max_beats: int = 32,
    is_placed: bool = False,
    device: torch.device | str = "cpu",
    on_batch: Callable[[int], None] | None = None,
) -> Views:
    """Name every window of a fixed grid once per view, each view looking a little earlier or later.

    Needs to know nothing of the record but its R-peaks; the episodes only say what was right.

    Parameters
    ----------
    model, feature_ND, prior_K, device, on_batch
        As `window_posteriors` takes them.
    beats, episodes, window_samples, max_beats
        As `grid_windows` takes them.
    num_views : int
        View 0 is the grid itself; the others are moved by 1, -1, 2, -2 ... eighths of a window.
    is_placed : bool
        The head was trained with the place of each beat in the window.

    Returns
    -------
    Views
        Every window of the grid.
    """
    views = grid_views(
        beats,
        episodes,
        num_views=num_views,
        window_samples=window_samples,
        num_classes=len(prior_K),
        max_beats=max_beats,
    )
    ask = functools.partial(
        window_posteriors,
        model,
        feature_ND=feature_ND,
        prior_K=prior_K,
        sample_N=beats.sample if is_placed else None,
        device=device,
        on_batch=on_batch,
    )
    return Views(views, np.stack([ask(windows) for windows in views]))


def segment_batches(
    windows: Segments,
    feature_ND: Tensor,
    *,
    batch_size: int,
    rng: np.random.Generator | None = None,
    row_of_beat_N: NDArray[np.int64] | None = None,
    sample_N: NDArray[np.int64] | None = None,
) -> Iterator[tuple[tuple[Tensor, Tensor], Tensor]]:
    """Gather the features of windows, batch by batch, padded to the longest window of each batch.

    Parameters
    ----------
    windows : Segments
        What to gather; every window needs at least one beat.
    feature_ND : Tensor, (N, D) float32
        One row per beat of the table the windows were drawn from.
    batch_size : int
        Segments per batch; the last batch may be smaller.
    rng : numpy.random.Generator, optional
        Shuffles the windows; without it they keep their order.
    row_of_beat_N : ndarray, (N,) int64, optional
        Row of ``feature_ND`` for each beat, where it holds only the beats that are needed.
    sample_N : ndarray, (N,) int64, optional
        Positions of the beats. If given, a last column says where in its window a beat stands, from -1 to 1. An
        episode that is cut by the end of a window fills at least half of it, so place tells something of the label.

    Yields
    ------
    inputs : (Tensor (B, L, D) float32, Tensor (B, L) bool)
        Features, zero in the padding, and which rows are beats.
    label_B : Tensor, (B,) int64
        Classes.
    """
    order_M = np.arange(len(windows)) if rng is None else rng.permutation(len(windows))
    for begin in range(0, len(order_M), batch_size):
        rows = order_M[begin : begin + batch_size]
        beat_BL = windows.beats[rows]
        beat_BL = beat_BL[:, : int((beat_BL >= 0).sum(1).max())]
        valid_BL = beat_BL >= 0
        beat_BL = np.maximum(beat_BL, 0)
        place_BL = None
        if sample_N is not None:
            length_B1 = (windows.stop - windows.start)[rows, None]
            place_BL = 2.0 * (sample_N[beat_BL] - windows.start[rows, None]) / length_B1 - 1.0
        if row_of_beat_N is not None:
            beat_BL = row_of_beat_N[beat_BL]
            # Row -1 would be another beat's features: the windows must be of the draws these were gathered for.
            assert (beat_BL[valid_BL] >= 0).all(), "a window shows a beat whose features were not gathered"
        valid = torch.from_numpy(valid_BL)
        feature_BLD = feature_ND[torch.from_numpy(beat_BL)]
        if place_BL is not None:
            place_BL1 = torch.from_numpy(place_BL.astype(np.float32))[..., None]
            feature_BLD = torch.cat([feature_BLD, place_BL1], dim=2)
        feature_BLD = feature_BLD.masked_fill_(~valid[..., None], 0.0)
        yield (feature_BLD, valid), torch.from_numpy(windows.label[rows])


def needed_beats(windows: Iterable[Segments], num_beats: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find the beats that some windows show, so that only their features need to be in memory.

    Parameters
    ----------
    windows : iterable of Segments
        All draws that will be made of one table.
    num_beats : int
        N, the beats of the table.

    Returns
    -------
    beat : ndarray, (n,) int64
        The beats, ascending: the rows to gather features of.
    row_of_beat_N : ndarray, (N,) int64
        Their rows in what was gathered; -1 for the beats that are not needed.
    """
    needed_N = np.zeros(num_beats, dtype=np.bool_)
    for draw in windows:
        needed_N[draw.beats[draw.beats >= 0]] = True
    beat = np.flatnonzero(needed_N)
    row_of_beat_N = np.full(num_beats, -1, dtype=np.int64)
    row_of_beat_N[beat] = np.arange(len(beat))
    return beat, row_of_beat_N
