"""Rows of the table of rhythm predictions, from one posterior per beat: of any head, under any protocol.

Shape suffixes: N beats of all records, M scored units, V views, K classes, P pieces of a record.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgfeat.rhythm.chunks import mean_of_runs
from ecgfeat.rhythm.sampling import BASE_SEEDS, draw_segments, grid_segments
from ecgfeat.rhythm.tables import BeatTable, EpisodeTable, beat_bounds
from ecgfeat.rhythm.views import Views, class_names, view_columns
from ecgfeat.store.mapped import allocate
from ecgfeat.store.schemas import RHYTHMS

ONSET_SAMPLES = 20
"""A beat begins with its P wave, a normal PQ interval (0.16 s) before its R-peak: there LTAFDB marks rhythms."""

Rows = dict[str, NDArray]  # type: ignore[type-arg]
"""Columns of equal length."""


@dataclass(frozen=True)
class HeadOutput:
    """Predictions of a rhythm head for the beats of some records.

    Attributes
    ----------
    name : str
        The head.
    posterior : ndarray, (V, N, K) float32
        Posterior of each beat, view by view.
    prior : sequence of float, (K,)
        Predicted for time without beats.
    paths : mapping of str to ndarray, (N,) int64
        By name of a view: the class a decoder gave each beat.
    precomputed_rows : mapping of str to Rows
        By protocol: rows of a head that does not predict beat by beat there.
    """

    name: str
    posterior: NDArray[np.float32]
    prior: Sequence[float]
    paths: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    precomputed_rows: Mapping[str, Rows] = field(default_factory=dict)


def head_rows(
    head: HeadOutput,
    protocol: str,
    beats: BeatTable,
    episodes: EpisodeTable,
    rhythm_E: NDArray[np.str_],
    *,
    classes: Sequence[str] = RHYTHMS,
    window_samples: int,
) -> Rows:
    """Lay out the predictions of a head under a protocol.

    Parameters
    ----------
    head : HeadOutput
        Its predictions.
    protocol : {'timeline', 'grid', 'episode'}
        What is scored: beats, segments of a fixed grid, or reference episodes.
    beats, episodes, rhythm_E, classes, window_samples
        As `timeline_rows` and `grid_rows` take them.

    Returns
    -------
    dict of ndarray
        Columns of `ecgfeat.rhythm.views.view_columns`.
    """
    if protocol in head.precomputed_rows:
        return head.precomputed_rows[protocol]
    if protocol == "timeline":
        return timeline_rows(head, beats, episodes, rhythm_E, classes)
    rows = {"grid": grid_rows, "episode": episode_rows}[protocol]
    return rows(head.posterior, beats, episodes, head.prior, classes, window_samples=window_samples)


def timeline_rows(
    head: HeadOutput,
    beats: BeatTable,
    episodes: EpisodeTable,
    rhythm_E: NDArray[np.str_],
    classes: Sequence[str],
    *,
    views: slice = slice(None),
) -> Rows:
    """Give every beat the time from its onset to that of the next one, divided where the reference changes.

    Parameters
    ----------
    head : HeadOutput
        Posterior of each beat, view by view, and the paths of decoders.
    beats, episodes : BeatTable, EpisodeTable
        The records and their reference episodes.
    rhythm_E : ndarray, (E,) of str
        Name of each episode, of the task or not.
    classes : sequence of str, (K,)
        Names of the classes.
    views : slice
        Which of the views below; all by default.

    Returns
    -------
    dict of ndarray
        Columns as `ecgfeat.rhythm.views.view_columns` has them, with views ``single``, ``tta<V>`` of two views or
        more, and those of the paths, whose probabilities are those of the mean. ``num_beats`` is 1 in the row that
        holds the R-peak, 0 in the others of its time: scores per beat count the former, scores per second all.

    Notes
    -----
    * The rows of a view tile each record, and each has one reference rhythm throughout: time without detected R-peaks
      is scored too. The first beat of a record also has the time before it, the last one that after it. A record
      without any beat gets the prior.
    """
    record_P, start_P, stop_P, beat_P, has_rpeak_P, reference_P = _pieces(beats, episodes, rhythm_E)
    num_views = len(head.posterior)
    mean_NK = head.posterior.mean(axis=0, dtype=np.float64).astype(np.float32)
    listed = [("single", head.posterior[0], head.posterior[0].argmax(1))]
    if num_views > 1:
        listed.append((f"tta{num_views}", mean_NK, mean_NK.argmax(1)))
    listed += [(name, mean_NK, path_N) for name, path_N in head.paths.items()]
    blocks = {name: (posterior_NK, label_N) for name, posterior_NK, label_N in listed[views]}
    # Row -1 is the prediction for a record without beats.
    prior_1K = np.asarray(head.prior, dtype=np.float32)[None]
    probability = np.concatenate([np.concatenate([posterior, prior_1K])[beat_P] for posterior, _ in blocks.values()])
    predicted = [np.append(label, prior_1K.argmax())[beat_P] for _, label in blocks.values()]
    return {
        "record_index": np.tile(record_P, len(blocks)),
        "protocol": np.full(len(record_P) * len(blocks), "timeline", dtype=object),
        "view": np.repeat(np.array(list(blocks), dtype=object), len(record_P)),
        "start_sample": np.tile(start_P, len(blocks)),
        "stop_sample": np.tile(stop_P, len(blocks)),
        "reference": np.tile(reference_P, len(blocks)),
        "predicted": class_names(np.concatenate(predicted), classes),
        "purity": np.tile((reference_P != "").astype(np.float32), len(blocks)),
        "num_beats": np.tile(has_rpeak_P.astype(np.int32), len(blocks)),
        **{f"p_{name}": probability[:, column] for column, name in enumerate(classes)},
    }


def num_timeline_views(head: HeadOutput) -> int:
    """Count the views of `timeline_rows`."""
    return 1 + (len(head.posterior) > 1) + len(head.paths)


def _pieces(beats: BeatTable, episodes: EpisodeTable, rhythm_E: NDArray[np.str_]) -> tuple[NDArray, ...]:  # type: ignore[type-arg]
    """Cut every record where a beat's time begins and where the reference changes.

    Returns record, start, stop, beat (-1 in a record without beats), whether the R-peak lies inside, and reference.
    """
    parts: list[tuple[NDArray, ...]] = []  # type: ignore[type-arg]
    names = np.append(rhythm_E.astype(object), "")
    for record, num_samples in enumerate(beats.num_samples.tolist()):
        sample = beats.sample[beats.offset[record] : beats.offset[record + 1]]
        assert np.all(np.diff(sample) > 0), "R-peaks ascend"
        of = slice(*np.searchsorted(episodes.record, [record, record + 1]).tolist())
        begins = np.append(0, np.maximum(sample[1:] - ONSET_SAMPLES, sample[:-1] + 1))
        start = np.unique(np.concatenate([begins, episodes.start[of], episodes.stop[of]]))
        start = start[(start >= 0) & (start < num_samples)]
        beat = beats.offset[record] + np.searchsorted(begins, start, side="right") - 1
        has_rpeak = np.zeros(len(start), dtype=np.bool_)
        has_rpeak[np.searchsorted(start, sample, side="right") - 1] = True
        episode = of.start + np.searchsorted(episodes.start[of], start, side="right") - 1
        inside = (episode >= of.start) & (start < np.append(episodes.stop, 0)[episode])
        parts.append(
            (
                np.full(len(start), record),
                start,
                np.append(start[1:], num_samples),
                beat if len(sample) else np.full(len(start), -1),
                has_rpeak,
                names[np.where(inside, episode, -1)],
            )
        )
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))


def grid_rows(
    posterior_VNK: NDArray[np.float32],
    beats: BeatTable,
    episodes: EpisodeTable,
    prior_K: Sequence[float],
    classes: Sequence[str],
    *,
    window_samples: int,
) -> Rows:
    """Average posteriors over the segments of a fixed grid.

    Parameters
    ----------
    posterior_VNK : ndarray, (V, N, K) float32
        Posterior of each beat, view by view.
    beats, episodes, classes
        As `timeline_rows` takes them.
    prior_K : sequence of float, (K,)
        Predicted for a segment without beats.
    window_samples : int
        Length of a segment.

    Returns
    -------
    dict of ndarray
        Columns of `ecgfeat.rhythm.views.view_columns`.
    """
    grid = grid_segments(beats, episodes, window_samples=window_samples, num_classes=len(classes), max_beats=1)
    first_M, stop_M = beat_bounds(beats, grid.record, grid.start, grid.stop)
    views = Views((grid,) * len(posterior_VNK), _unit_means(posterior_VNK, first_M, stop_M, prior_K))
    return view_columns(views, "grid", grid.start, grid.stop, classes, max_beats=None)


def episode_rows(
    posterior_VNK: NDArray[np.float32],
    beats: BeatTable,
    episodes: EpisodeTable,
    prior_K: Sequence[float],
    classes: Sequence[str],
    *,
    window_samples: int,
) -> Rows:
    """Average posteriors over the beats of every reference episode for which the published protocol has a segment.

    Parameters
    ----------
    posterior_VNK, beats, episodes, prior_K, classes, window_samples
        As `grid_rows` takes them.

    Returns
    -------
    dict of ndarray
        Columns of `ecgfeat.rhythm.views.view_columns`; one row per episode and view, in the order of the episodes.
    """
    drawn = draw_segments(
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


def posteriors_at_beats(
    views: Views, beats: BeatTable, prior_K: Sequence[float], folder: Path | None = None
) -> NDArray[np.float32]:
    """Give every beat the posterior of its segment of the grid.

    Parameters
    ----------
    views : Views
        Posteriors of `ecgfeat.rhythm.views.grid_views`.
    beats : BeatTable
        Beats of the same records.
    prior_K : sequence of float, (K,)
        Posterior of the beats of a record shorter than a segment.
    folder : Path, optional
        Where the posteriors of many beats are mapped to a file; by default they are in memory.

    Returns
    -------
    ndarray, (V, N, K) float32
        Posterior of each beat, view by view; a beat before the first or after the last segment takes the nearest.
    """
    shape = (len(views.views), len(beats.sample), views.probability.shape[2])
    posterior_VNK: NDArray[np.float32] = allocate(shape, folder)
    for view, segments in enumerate(views.views):
        bounds = np.searchsorted(segments.record, np.arange(len(beats.num_samples) + 1))
        for record in range(len(beats.num_samples)):
            low, high = int(bounds[record]), int(bounds[record + 1])
            part = slice(int(beats.offset[record]), int(beats.offset[record + 1]))
            if low == high:
                posterior_VNK[view, part] = np.asarray(prior_K)
                continue
            at = np.searchsorted(segments.start[low:high], beats.sample[part], side="right") - 1
            posterior_VNK[view, part] = views.probability[view, low + np.maximum(at, 0)]
    return posterior_VNK
