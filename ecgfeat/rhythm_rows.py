"""Rows of the table of rhythm predictions, from one posterior per beat: whichever head gave it, under any protocol.

Shape suffixes: N beats of all records, M scored units, V views, K classes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ecgfeat.beat_tables import BeatTable, EpisodeTable, beat_bounds, label_share
from ecgfeat.sampling import BASE_SEEDS, draw_windows, grid_windows
from ecgfeat.schemas import RHYTHMS
from ecgfeat.timeline_training import mean_of_runs
from ecgfeat.window_inference import Views, class_names, view_columns

Rows = dict[str, NDArray]  # type: ignore[type-arg]


@dataclass(frozen=True)
class HeadAnswer:
    """What a rhythm head says of the beats of some records.

    Attributes
    ----------
    name : str
        The head.
    posterior : ndarray, (V, N, K) float32
        Posterior of each beat, view by view.
    prior : sequence of float, (K,)
        What it says of a stretch without beats.
    paths : mapping of str to ndarray, (N,) int64
        By name of a view: the class a decoder gave each beat.
    own_rows : mapping of str to Rows
        By protocol: rows of a head that does not answer beat by beat there.
    """

    name: str
    posterior: NDArray[np.float32]
    prior: Sequence[float]
    paths: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    own_rows: Mapping[str, Rows] = field(default_factory=dict)


def head_rows(
    head: HeadAnswer,
    protocol: str,
    beats: BeatTable,
    episodes: EpisodeTable,
    rhythm_N: NDArray[np.str_],
    *,
    classes: Sequence[str] = RHYTHMS,
    window_samples: int,
) -> Rows:
    """Lay out the answer of a head under a protocol.

    Parameters
    ----------
    head : HeadAnswer
        What it said.
    protocol : {'timeline', 'grid', 'episode'}
        What is scored: beats, fixed windows, or known episodes.
    beats, episodes, rhythm_N, classes, window_samples
        As `timeline_rows` and `grid_rows` take them.

    Returns
    -------
    dict of ndarray
        Columns of `ecgfeat.window_inference.view_columns`.
    """
    if protocol in head.own_rows:
        return head.own_rows[protocol]
    if protocol == "timeline":
        return timeline_rows(head.posterior, beats, episodes, rhythm_N, classes, paths=head.paths)
    rows = {"grid": grid_rows, "episode": episode_rows}[protocol]
    return rows(head.posterior, beats, episodes, head.prior, classes, window_samples=window_samples)


def timeline_rows(
    posterior_VNK: NDArray[np.float32],
    beats: BeatTable,
    episodes: EpisodeTable,
    rhythm_N: NDArray[np.str_],
    classes: Sequence[str],
    *,
    paths: Mapping[str, NDArray[np.int64]] | None = None,
) -> Rows:
    """Give every beat the time up to the next one: the rows of a view cover each record without a gap.

    Parameters
    ----------
    posterior_VNK : ndarray, (V, N, K) float32
        Posterior of each beat, view by view.
    beats, episodes : BeatTable, EpisodeTable
        The records, and the episodes of the task in them.
    rhythm_N : ndarray, (N,) of str
        Reference rhythm at each R-peak, of the task or not; empty where unlabelled.
    classes : sequence of str, (K,)
        Names of the classes.
    paths : mapping of str to ndarray, (N,) int64, optional
        By name of the view: the class each beat was given by a decoder. Its probabilities are those of the mean.

    Returns
    -------
    dict of ndarray
        Columns as `ecgfeat.window_inference.view_columns` has them, with views ``single``, ``tta<V>`` of two views or
        more, and those of ``paths``.

    Notes
    -----
    * The first beat of a record also has the time before it, the last one the time after it. A record without beats
      has no rows.
    """
    num_views, num_beats, _ = posterior_VNK.shape
    record_N = np.repeat(np.arange(len(beats.num_samples)), np.diff(beats.offset))
    start_N, stop_N = beats.sample.copy(), np.append(beats.sample[1:], 0)
    first, last = beats.offset[:-1], beats.offset[1:] - 1
    has_beats = last >= first
    start_N[first[has_beats]] = 0
    stop_N[last[has_beats]] = beats.num_samples[has_beats]
    mean_NK = posterior_VNK.mean(axis=0, dtype=np.float64).astype(np.float32)
    blocks = {"single": (posterior_VNK[0], posterior_VNK[0].argmax(1))}
    if num_views > 1:
        blocks[f"tta{num_views}"] = (mean_NK, mean_NK.argmax(1))
    for name, path_N in (paths or {}).items():
        blocks[name] = (mean_NK, path_N)
    probability = np.concatenate([posterior for posterior, _ in blocks.values()])
    purity_N = _span_purity(beats, episodes, record_N, start_N, stop_N, rhythm_N, classes)
    return {
        "record_index": np.tile(record_N, len(blocks)),
        "protocol": np.full(num_beats * len(blocks), "timeline"),
        "view": np.repeat(list(blocks), num_beats),
        "start_sample": np.tile(start_N, len(blocks)),
        "stop_sample": np.tile(stop_N, len(blocks)),
        "reference": np.tile(rhythm_N, len(blocks)),
        "predicted": class_names(np.concatenate([label for _, label in blocks.values()]), classes),
        "purity": np.tile(purity_N, len(blocks)),
        "num_beats": np.ones(num_beats * len(blocks), dtype=np.int32),
        **{f"p_{name}": probability[:, column] for column, name in enumerate(classes)},
    }


def _span_purity(
    beats: BeatTable,
    episodes: EpisodeTable,
    record_N: NDArray[np.int64],
    start_N: NDArray[np.int64],
    stop_N: NDArray[np.int64],
    rhythm_N: NDArray[np.str_],
    classes: Sequence[str],
) -> NDArray[np.float32]:
    """Measure how much of each beat's time carries its rhythm; 0 for beats outside the task."""
    purity_N = np.zeros(len(beats.sample), dtype=np.float32)
    for label, name in enumerate(classes):
        rows = np.flatnonzero(rhythm_N == name)
        span = np.maximum(stop_N[rows] - start_N[rows], 1)
        purity_N[rows] = label_share(episodes, record_N[rows], start_N[rows], span, np.full(len(rows), label))
    return purity_N


def grid_rows(
    posterior_VNK: NDArray[np.float32],
    beats: BeatTable,
    episodes: EpisodeTable,
    prior_K: Sequence[float],
    classes: Sequence[str],
    *,
    window_samples: int,
) -> Rows:
    """Average posteriors over the windows of a fixed grid.

    Parameters
    ----------
    posterior_VNK, beats, episodes, classes
        As `timeline_rows` takes them.
    prior_K : sequence of float, (K,)
        Predicted for a window without beats.
    window_samples : int
        Length of a window.

    Returns
    -------
    dict of ndarray
        Columns of `ecgfeat.window_inference.view_columns`.
    """
    windows = grid_windows(beats, episodes, window_samples=window_samples, num_classes=len(classes), max_beats=1)
    first_M, stop_M = beat_bounds(beats, windows.record, windows.start, windows.stop)
    views = Views((windows,) * len(posterior_VNK), _unit_means(posterior_VNK, first_M, stop_M, prior_K))
    return view_columns(views, "grid", windows.start, windows.stop, classes, max_beats=None)


def episode_rows(
    posterior_VNK: NDArray[np.float32],
    beats: BeatTable,
    episodes: EpisodeTable,
    prior_K: Sequence[float],
    classes: Sequence[str],
    *,
    window_samples: int,
) -> Rows:
    """Average posteriors over the beats of every known episode that the seed protocol has a window for.

    Parameters
    ----------
    posterior_VNK, beats, episodes, prior_K, classes, window_samples
        As `grid_rows` takes them.

    Returns
    -------
    dict of ndarray
        Columns of `ecgfeat.window_inference.view_columns`; one row per episode and view, in the order of the episodes.
    """
    drawn = draw_windows(
        beats, episodes, base_seed=BASE_SEEDS["test"], epoch=0, window_samples=window_samples, max_beats=1
    )
    start_M, stop_M = episodes.start[drawn.episode], episodes.stop[drawn.episode]
    first_M, last_M = beat_bounds(beats, drawn.record, start_M, stop_M)
    units = replace(drawn, purity=np.ones(len(drawn), dtype=np.float32), num_beats=last_M - first_M)
    views = Views((units,) * len(posterior_VNK), _unit_means(posterior_VNK, first_M, last_M, prior_K))
    return view_columns(views, "episode", start_M, stop_M, classes, max_beats=None)


def _unit_means(
    posterior_VNK: NDArray[np.float32], first_M: NDArray[np.int64], stop_M: NDArray[np.int64], prior_K: Sequence[float]
) -> NDArray[np.float32]:
    mean_VMK = np.stack([mean_of_runs(posterior_NK, first_M, stop_M) for posterior_NK in posterior_VNK])
    mean_VMK[:, first_M == stop_M] = np.asarray(prior_K)
    return mean_VMK.astype(np.float32)


def posteriors_at_beats(views: Views, beats: BeatTable) -> NDArray[np.float32]:
    """Give every beat what was said of the grid window it lies in.

    Parameters
    ----------
    views : Views
        Of `ecgfeat.window_inference.grid_posteriors`.
    beats : BeatTable
        Beats of the same records.

    Returns
    -------
    ndarray, (V, N, K) float32
        Posterior of each beat, view by view; beats before the first or behind the last window take the nearest.
    """
    posterior_VNK = np.empty((len(views.views), len(beats.sample), views.probability.shape[2]), dtype=np.float32)
    for view, windows in enumerate(views.views):
        bounds = np.searchsorted(windows.record, np.arange(len(beats.num_samples) + 1))
        for record in range(len(beats.num_samples)):
            low, high = int(bounds[record]), int(bounds[record + 1])
            part = slice(int(beats.offset[record]), int(beats.offset[record + 1]))
            at = np.searchsorted(windows.start[low:high], beats.sample[part], side="right") - 1
            posterior_VNK[view, part] = views.probability[view, low + np.clip(at, 0, high - low - 1)]
    return posterior_VNK
