"""Views of the scored units: draws around each episode or a grid over whole records, and their rows of predictions.

Shape suffixes: M scored units (segments or episodes), V views, K classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ecgfeat.rhythm.sampling import Segments, draw_segments, grid_segments
from ecgfeat.rhythm.tables import BeatTable, EpisodeTable
from ecgfeat.store.schemas import INVALID_UV

ViewKind = Literal["offsets", "leads", "gain", "jitter"]

GAINS = (1.0, 0.5, 0.67, 0.8, 1.25, 1.5, 2.0)
"""Factors of views 0, 1, ..."""

JITTER_SAMPLES = (0, 1, -1, 2, -2, 3, -3)
"""Shifts of views 0, 1, ...: three samples at 128 Hz are 23 ms, the usual error of detected R-peaks."""


@dataclass(frozen=True)
class Views:
    """Posteriors of each scored unit, an episode or a segment of the grid, view by view.

    Attributes
    ----------
    views : tuple of Segments
        All hold the same M units in the same order.
    probability : ndarray, (V, M, K) float32
        Posterior of each view.
    """

    views: tuple[Segments, ...]
    probability: NDArray[np.float32]

    def mean(self) -> NDArray[np.float32]:
        """Return the mean posterior over all views, (M, K) float32: test-time augmentation."""
        return self.probability.mean(axis=0, dtype=np.float64).astype(np.float32)


def drawn_views(
    beats: BeatTable,
    episodes: EpisodeTable,
    *,
    base_seed: int,
    num_views: int,
    window_samples: int,
    max_beats: int,
) -> tuple[Segments, ...]:
    """Draw a segment around every episode once per view.

    Parameters
    ----------
    beats, episodes, base_seed, window_samples, max_beats
        As `ecgfeat.rhythm.sampling.draw_segments` takes them.
    num_views : int
        Draws 0 to num_views - 1.

    Returns
    -------
    tuple of Segments
        All hold the same episodes in the same order.
    """
    views = tuple(
        draw_segments(
            beats, episodes, base_seed=base_seed, epoch=view, window_samples=window_samples, max_beats=max_beats
        )
        for view in range(num_views)
    )
    assert all(np.array_equal(view.episode, views[0].episode) for view in views), "views must hold the same episodes"
    return views


def grid_views(
    beats: BeatTable,
    episodes: EpisodeTable,
    *,
    num_views: int,
    window_samples: int,
    num_classes: int = 6,
    max_beats: int,
) -> tuple[Segments, ...]:
    """Lay a fixed grid over every record once per view.

    Parameters
    ----------
    beats, episodes, window_samples, num_classes, max_beats
        As `ecgfeat.rhythm.sampling.grid_segments` takes them.
    num_views : int
        View 0 is the grid itself; the others are moved by 1, -1, 2, -2 ... eighths of a segment.

    Returns
    -------
    tuple of Segments
        All hold the same units in the same order.
    """
    eighths = [(view + 1) // 2 * (1 if view % 2 else -1) for view in range(num_views)]
    return tuple(
        grid_segments(
            beats,
            episodes,
            window_samples=window_samples,
            num_classes=num_classes,
            max_beats=max_beats,
            shift_samples=eighth * window_samples // 8,
        )
        for eighth in eighths
    )


def view_columns(
    result: Views,
    protocol: str,
    start_M: NDArray[np.int64],
    stop_M: NDArray[np.int64],
    classes: Sequence[str],
    *,
    max_beats: int | None,
) -> dict[str, NDArray]:  # type: ignore[type-arg]
    """Lay views out as rows of the table of predictions.

    Parameters
    ----------
    result : Views
        As `ecgfeat.rhythm.window.view_posteriors` returns them.
    protocol : str
        episode or grid.
    start_M, stop_M : ndarray, (M,) int64
        Extent of the scored units: the episodes, or the segments of the grid.
    classes : sequence of str, (K,)
        Names of the classes.
    max_beats : int or None
        Most beats of a unit that the head reads; None: all.

    Returns
    -------
    dict of ndarray
        ``record_index, protocol, view, start_sample, stop_sample, reference, predicted, purity, num_beats,
        p_<class>...``, one row per unit and view: ``single`` (the first view), ``view0`` ... and, of two views or
        more, ``tta<V>``, their mean. Purity is the share of the unit that carries the reference, in the mean row its
        mean; ``num_beats`` there is the lowest of all views. The reference is empty where it is none of the classes.
    """
    first = result.views[0]
    purity_VM = np.stack([view.purity for view in result.views])
    num_beats_VM = np.stack([view.num_beats for view in result.views])
    if max_beats is not None:
        num_beats_VM = np.minimum(num_beats_VM, max_beats)
    blocks = [("single", purity_VM[0], num_beats_VM[0], result.probability[0])]
    for view in range(len(result.views)):
        blocks.append((f"view{view}", purity_VM[view], num_beats_VM[view], result.probability[view]))
    if len(result.views) > 1:
        blocks.append((f"tta{len(result.views)}", purity_VM.mean(0), num_beats_VM.min(0), result.mean()))
    num = len(first)
    probability = np.concatenate([block[3] for block in blocks])
    return {
        "record_index": np.tile(first.record, len(blocks)),
        "protocol": np.full(num * len(blocks), protocol, dtype=object),
        "view": np.repeat(np.array([block[0] for block in blocks], dtype=object), num),
        "start_sample": np.tile(start_M, len(blocks)),
        "stop_sample": np.tile(stop_M, len(blocks)),
        "reference": np.tile(class_names(first.label, classes), len(blocks)),
        "predicted": class_names(probability.argmax(axis=1), classes),
        "purity": np.concatenate([block[1] for block in blocks]).astype(np.float32),
        "num_beats": np.concatenate([block[2] for block in blocks]).astype(np.int32),
        **{f"p_{name}": probability[:, column] for column, name in enumerate(classes)},
    }


def class_names(label_M: NDArray[np.int64], classes: Sequence[str]) -> NDArray[np.object_]:
    """Name classes; an empty name for -1.

    Parameters
    ----------
    label_M : ndarray, (M,) int64
        Indices in [-1, K).
    classes : sequence of str, (K,)
        Names.

    Returns
    -------
    ndarray, (M,) of object
        Names; equal ones are one object, which takes a quarter of the memory of characters in the array.
    """
    return np.array([*classes, ""], dtype=object)[label_M]


def view_windows(window_uv_BCS: NDArray[np.int16], kind: ViewKind, view: int) -> NDArray[np.int16]:
    """Change beat windows as another recording might have.

    Parameters
    ----------
    window_uv_BCS : ndarray, (B, C, S) int16
        Beat windows in microvolts; -32768 is invalid.
    kind : {'leads', 'gain', 'jitter', 'offsets'}
        Leads in reverse order in every other view, another gain, windows moved in time, or no change.
    view : int
        Number of the view; 0 changes nothing.

    Returns
    -------
    ndarray, (B, C, S) int16
        The view. What moves into a beat window from outside is invalid.

    Notes
    -----
    * The embedder scales every lead of a beat window to unit deviation, so a gain changes only the rounding to whole
      microvolts and the clipping: the ablation shows no effect.
    """
    if kind == "leads":
        return window_uv_BCS[:, ::-1].copy() if view % 2 else window_uv_BCS
    if kind == "gain":
        scaled = np.rint(window_uv_BCS * np.float32(GAINS[view])).clip(INVALID_UV + 1, -(INVALID_UV + 1))
        return np.where(window_uv_BCS == INVALID_UV, INVALID_UV, scaled).astype(np.int16)
    if kind == "jitter":
        moved = np.roll(window_uv_BCS, JITTER_SAMPLES[view], axis=2)
        if JITTER_SAMPLES[view] > 0:
            moved[:, :, : JITTER_SAMPLES[view]] = INVALID_UV
        elif JITTER_SAMPLES[view] < 0:
            moved[:, :, JITTER_SAMPLES[view] :] = INVALID_UV
        return moved
    return window_uv_BCS
