"""Posteriors of the window head: single views, their mean over seven draws, and a grid over whole records.

Shape suffixes: N beats, M windows or episodes, V views, K classes, D features.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ecgfeat.sampling import BeatTable, EpisodeTable, Windows, draw_windows, window_batches

NUM_VIEWS = 7


@dataclass(frozen=True)
class EpisodeViews:
    """What the head says of each episode, view by view.

    Attributes
    ----------
    views : tuple of Windows
        View v is draw number v; all hold the same M episodes in the same order.
    probability : ndarray, (V, M, K) float32
        Posterior of each view.
    """

    views: tuple[Windows, ...]
    probability: NDArray[np.float32]

    def mean(self) -> NDArray[np.float32]:
        """Return the mean posterior over all views, (M, K) float32: test-time augmentation."""
        return self.probability.mean(axis=0, dtype=np.float64).astype(np.float32)


def window_posteriors(
    model: nn.Module,
    windows: Windows,
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
    windows : Windows
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
        Windows per step. Another size may change the last bits.
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
    # Windows of like length share a batch, which leaves little padding to compute.
    with_beats = with_beats[np.argsort(windows.num_beats[with_beats], kind="stable")]
    done = 0
    with torch.no_grad():
        batches = window_batches(
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
) -> EpisodeViews:
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
    EpisodeViews
        Every episode of the task that a window fits to, whatever its number of beats: 3,716 of the LTAFDB test records.

    Notes
    -----
    * The original left out the windows with fewer than 4 beats, another set of episodes in each view (3,709 in one
      draw). Here they are named from the beats they have, or by the prior if they have none, so that every view
      and every mean is scored on the same episodes.
    """
    views, posteriors = [], []
    for view in range(num_views):
        windows = draw_windows(
            beats, episodes, base_seed=base_seed, epoch=view, window_samples=window_samples, max_beats=max_beats
        )
        posteriors.append(
            window_posteriors(
                model,
                windows,
                feature_ND,
                prior_K,
                row_of_beat_N=row_of_beat_N,
                sample_N=beats.sample if is_placed else None,
                batch_size=batch_size,
                device=device,
                on_batch=on_batch,
            )
        )
        views.append(windows)
        assert np.array_equal(windows.episode, views[0].episode), "views must hold the same episodes"
    return EpisodeViews(tuple(views), np.stack(posteriors))


def episode_columns(
    result: EpisodeViews, episodes: EpisodeTable, classes: Sequence[str], *, max_beats: int = 32
) -> dict[str, NDArray]:  # type: ignore[type-arg]
    """Lay the views of episodes out as rows of the table of predictions.

    Parameters
    ----------
    result : EpisodeViews
        What `view_posteriors` returned.
    episodes : EpisodeTable
        The episodes it was asked for.
    classes : sequence of str, (K,)
        Names of the classes.
    max_beats : int
        Most beats of a window that the head was shown.

    Returns
    -------
    dict of ndarray
        ``record_index, protocol, view, start_sample, stop_sample, reference, purity, num_beats, p_<class>...``, one
        row per episode and view: ``single`` (the first view), ``view0`` ... and, of two views or more, ``tta<V>``,
        their mean.
        Start and stop are those of the episode. Purity is the share of the window that carries the reference, in the
        mean row its mean; ``num_beats`` there is that of the poorest view.
    """
    first = result.views[0]
    purity_VM = np.stack([windows.purity for windows in result.views])
    num_beats_VM = np.minimum(np.stack([windows.num_beats for windows in result.views]), max_beats)
    blocks = [("single", purity_VM[0], num_beats_VM[0], result.probability[0])]
    for view in range(len(result.views)):
        blocks.append((f"view{view}", purity_VM[view], num_beats_VM[view], result.probability[view]))
    if len(result.views) > 1:
        blocks.append((f"tta{len(result.views)}", purity_VM.mean(0), num_beats_VM.min(0), result.mean()))
    num = len(first)
    probability = np.concatenate([block[3] for block in blocks])
    return {
        "record_index": np.tile(first.record, len(blocks)),
        "protocol": np.full(num * len(blocks), "episode"),
        "view": np.repeat([block[0] for block in blocks], num),
        "start_sample": np.tile(episodes.start[first.episode], len(blocks)),
        "stop_sample": np.tile(episodes.stop[first.episode], len(blocks)),
        "reference": np.tile(class_names(first.label, classes), len(blocks)),
        "purity": np.concatenate([block[1] for block in blocks]).astype(np.float32),
        "num_beats": np.concatenate([block[2] for block in blocks]).astype(np.int32),
        **{f"p_{name}": probability[:, column] for column, name in enumerate(classes)},
    }


def grid_columns(
    windows: Windows, probability_MK: NDArray[np.float32], classes: Sequence[str], *, max_beats: int = 32
) -> dict[str, NDArray]:  # type: ignore[type-arg]
    """Lay the windows of a grid out as rows of the table of predictions.

    Parameters
    ----------
    windows : Windows
        What `grid_windows` returned.
    probability_MK : ndarray, (M, K) float32
        What `window_posteriors` said of them.
    classes : sequence of str, (K,)
        Names of the classes.
    max_beats : int
        Most beats of a window that the head was shown.

    Returns
    -------
    dict of ndarray
        The columns of `episode_columns`; ``protocol`` is ``grid``, ``view`` is ``single``, and ``reference`` is empty
        where most of a window carries none of the classes.
    """
    return {
        "record_index": windows.record,
        "protocol": np.full(len(windows), "grid"),
        "view": np.full(len(windows), "single"),
        "start_sample": windows.start,
        "stop_sample": windows.stop,
        "reference": class_names(windows.label, classes),
        "purity": windows.purity,
        "num_beats": np.minimum(windows.num_beats, max_beats).astype(np.int32),
        **{f"p_{name}": probability_MK[:, column] for column, name in enumerate(classes)},
    }


def class_names(label_M: NDArray[np.int64], classes: Sequence[str]) -> NDArray[np.str_]:
    """Name classes; an empty name for -1.

    Parameters
    ----------
    label_M : ndarray, (M,) int64
        Indices in [-1, K).
    classes : sequence of str, (K,)
        Names.

    Returns
    -------
    ndarray, (M,) of str
        Names.
    """
    return np.array([*classes, ""])[label_M]
