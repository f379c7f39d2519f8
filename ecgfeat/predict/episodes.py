"""Rhythm episodes of one record by either head: the beats of the timeline, or windows of a grid.

Shape suffixes: L beats, M windows, U units of either kind, E episodes, K classes.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ecgfeat.models.rhythm_timeline import RhythmTimeline
from ecgfeat.predict.predictor import Predictor, beat_features
from ecgfeat.rhythm.decoding import smooth_path
from ecgfeat.rhythm.records import RhythmRecord
from ecgfeat.rhythm.sampling import Segments, beats_in_segments
from ecgfeat.rhythm.tables import BeatTable
from ecgfeat.rhythm.timeline import beat_posteriors
from ecgfeat.rhythm.window import window_posteriors


@dataclass(frozen=True)
class PredictedEpisodes:
    """Stretches of one rhythm that cover a record without a gap.

    Attributes
    ----------
    edges : ndarray of int64, (E + 1,)
        Episode e is ``[edges[e], edges[e + 1])`` in samples at the common rate.
    label : ndarray of int64, (E,)
        Index of the rhythm; -1 where there is none.
    posterior : ndarray of float32, (E, K)
        Mean probabilities; NaN where there is no rhythm.
    """

    edges: NDArray[np.int64]
    label: NDArray[np.int64]
    posterior: NDArray[np.float32]


def episodes_of_beats(
    predictor: Predictor, one: RhythmRecord, *, num_views: int = 7, device: str | torch.device = "cpu"
) -> PredictedEpisodes:
    """Name the rhythm of every beat with the timeline head.

    Parameters
    ----------
    predictor : Predictor
        With a timeline head.
    one : RhythmRecord
        At least one beat.
    num_views : int
        Layouts of the chunks whose posteriors are averaged.
    device : str or torch.device
        Where to compute.

    Returns
    -------
    PredictedEpisodes

    Notes
    -----
    * An episode begins with its first R-peak, the first one with the record; it ends where the next one begins, the
      last one with the record. So every sample has a rhythm, that of the last R-peak before it, however long ago
      that was.
    * The rhythm of a beat is that of the smoothed path, if smoothing won on the validation records; the probabilities
      are means over the beats of the episode, and the most probable class need not be the rhythm it was given.
    """
    assert isinstance(predictor.rhythm, RhythmTimeline), "a head that names beats"
    posterior_VLK = beat_posteriors(
        predictor.rhythm.to(device),
        np.array([0, len(one.sample)], dtype=np.int64),
        torch.from_numpy(beat_features(predictor, one)),
        chunk_beats=int(predictor.params["chunk_beats"]),
        num_views=num_views,
        device=device,
    )
    posterior_LK = posterior_VLK.mean(axis=0, dtype=np.float64).astype(np.float32)
    label_L = posterior_LK.argmax(axis=1)
    if predictor.decoder is not None:
        label_L = smooth_path([posterior_LK], predictor.decoder)[0]
    edges = np.concatenate([[0], one.sample[1:], [one.num_samples]])
    return merge_units(label_L, posterior_LK, np.ones(len(label_L)), edges)


def episodes_of_segments(
    predictor: Predictor, one: RhythmRecord, *, device: str | torch.device = "cpu"
) -> PredictedEpisodes:
    """Name the rhythm of every window of a grid with the window head.

    Parameters
    ----------
    predictor : Predictor
        With a window head.
    one : RhythmRecord
        At least as long as a window.
    device : str or torch.device
        Where to compute.

    Returns
    -------
    PredictedEpisodes

    Notes
    -----
    * Segments of the grid that share their most probable rhythm and touch are one episode; its probabilities are their
      mean. The last window reaches back where the record does not end on the grid, and names only what is left over.
    * A window without R-peaks has no rhythm; nothing is guessed from its neighbours.
    """
    windows, edges = tile_segments(
        one.sample, one.num_samples, int(predictor.params["window_samples"]), int(predictor.params["max_beats"])
    )
    posterior_MK = window_posteriors(
        predictor.rhythm.to(device),
        windows,
        torch.from_numpy(beat_features(predictor, one)),
        predictor.prior,
        sample_N=one.sample if predictor.is_placed else None,
        device=device,
    )
    label_M = np.where(windows.num_beats > 0, posterior_MK.argmax(axis=1), -1)
    return merge_units(label_M, posterior_MK, np.diff(edges).astype(np.float64), edges)


def merge_units(
    label_U: NDArray[np.int64],
    posterior_UK: NDArray[np.float32],
    weight_U: NDArray[np.float64],
    edges: NDArray[np.int64],
) -> PredictedEpisodes:
    """Merge neighbouring beats or windows of one rhythm into episodes.

    Parameters
    ----------
    label_U : ndarray of int64, (U,)
        Rhythm of each; -1 none.
    posterior_UK : ndarray of float32, (U, K)
        Its probabilities.
    weight_U : ndarray of float64, (U,)
        How much it counts in the mean of an episode; positive.
    edges : ndarray of int64, (U + 1,)
        Unit u covers ``[edges[u], edges[u + 1])``.

    Returns
    -------
    PredictedEpisodes
    """
    first_E = np.flatnonzero(np.append(True, label_U[1:] != label_U[:-1]))
    weight_U1 = weight_U[:, None]
    mean_EK = np.add.reduceat(posterior_UK * weight_U1, first_E) / np.add.reduceat(weight_U1, first_E)
    label_E = label_U[first_E]
    mean_EK[label_E < 0] = np.nan
    return PredictedEpisodes(np.append(edges[first_E], edges[-1]), label_E, mean_EK.astype(np.float32))


def tile_segments(
    sample: NDArray[np.int64], num_samples: int, window_samples: int, max_beats: int
) -> tuple[Segments, NDArray[np.int64]]:
    """Cover a record with windows of equal length, its end included.

    Parameters
    ----------
    sample : ndarray of int64, (L,)
        R-peaks.
    num_samples : int
        Length of the record, at least one window.
    window_samples : int
        Length of a window.
    max_beats : int
        Beats kept of a window; more are thinned evenly.

    Returns
    -------
    windows : Segments
        Those of `ecgfeat.rhythm.sampling.grid_segments` and, where a rest is left over, one more that ends with the
        record.
    edges : ndarray of int64, (M + 1,)
        Window m speaks for ``[edges[m], edges[m + 1])``.
    """
    assert num_samples >= window_samples, "shorter than a window"
    start_M = np.arange(0, num_samples - window_samples + 1, window_samples, dtype=np.int64)
    edges = np.append(start_M, start_M[-1] + window_samples)
    if edges[-1] < num_samples:
        start_M, edges = np.append(start_M, num_samples - window_samples), np.append(edges, num_samples)
    stop_M, zero_M = start_M + window_samples, np.zeros(len(start_M), dtype=np.int64)
    table = BeatTable(sample, np.array([0, len(sample)]), np.array([num_samples]))
    num_beats_M, beat_ML = beats_in_segments(table, zero_M, start_M, stop_M, max_beats)
    unknown_M = zero_M - 1
    purity_M = np.zeros(len(start_M), dtype=np.float32)
    return Segments(unknown_M, zero_M, start_M, stop_M, unknown_M, purity_M, num_beats_M, beat_ML), edges
