"""Beats and rhythms of one record that nobody has annotated: R-peaks, beat classes, rhythm episodes.

No oracle: positions come from the detector, labels of preceding beats from the model itself, windows from a grid.

Shape suffixes: L beats, M windows, S samples, C leads, K classes.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ecgfeat.embedding import embed_windows
from ecgfeat.errors import DataError, fault
from ecgfeat.history import predict_labels
from ecgfeat.predictor import Predictor, beat_features
from ecgfeat.records import Signal
from ecgfeat.rpeaks import find_rpeaks
from ecgfeat.sampling import BeatTable, Windows, beats_in_windows
from ecgfeat.schemas import BEATS, COMMON_FS_HZ, RHYTHMS
from ecgfeat.signals import pad_leads, resample, to_microvolts, to_millivolts
from ecgfeat.store import Columns
from ecgfeat.window_inference import window_posteriors
from ecgfeat.windows import cut_beats


@dataclass(frozen=True)
class Prediction:
    """What was found in a record.

    Attributes
    ----------
    beats, episodes : dict of str to array
        Columns of `ecgfeat.prediction_files.RECORD_BEATS` and ``RECORD_EPISODES``.
    duration_s : float
        Length of the record.
    notes : tuple of str
        What a reader must know of how it was made, one line each.
    """

    beats: Columns
    episodes: Columns
    duration_s: float
    notes: tuple[str, ...]


def predict_record(
    signal: Signal,
    predictor: Predictor,
    *,
    device: str | torch.device = "cpu",
    on_beats: Callable[[int], None] | None = None,
) -> Prediction:
    """Find the beats of a record, classify them, and name the rhythm of every 10 s.

    Parameters
    ----------
    signal : Signal
        The record at its own rate.
    predictor : Predictor
        The models.
    device : str or torch.device
        Where to compute.
    on_beats : callable, optional
        Called with the number of beats embedded since the last call.

    Returns
    -------
    Prediction

    Raises
    ------
    DataError
        If the record is shorter than a window, or no R-peak is found.

    Notes
    -----
    * The first two leads by position are used. A record with one lead gets an invalid second one, as it does
      in the pipeline: the embedder sees zeros there.
    * Windows of the grid that share their most probable rhythm and touch are one episode; its probabilities
      are their mean. The last window reaches back where the record does not end on the grid, and names only what is
      left over.
    * A window without R-peaks has no rhythm; nothing is guessed from its neighbours.
    * A head trained on annotations is given detected R-peaks and predicted labels in their place.
    """
    duration_s = len(signal.signal_mv_SC) / signal.fs_hz
    window_samples = int(predictor.params["window_samples"])
    if duration_s * COMMON_FS_HZ < window_samples:
        expected = f"at least one window of {window_samples / COMMON_FS_HZ:g} s"
        raise DataError(fault(signal.record, f"{duration_s:.1f} s of signal", expected))
    used_mv_SC = signal.signal_mv_SC[:, : predictor.num_leads]
    notes = [_lead_note(signal, predictor.num_leads)]
    # Detection sees what the pipeline's detector sees: whole microvolts at the common rate.
    signal_uv_SC = to_microvolts(resample(used_mv_SC, signal.fs_hz, COMMON_FS_HZ, device=device))
    found = find_rpeaks(to_millivolts(signal_uv_SC), COMMON_FS_HZ, device=device)
    if not len(found.sample):
        raise DataError(fault(signal.record, f"no R-peak ({found.reason})", "an ECG", "Look at it: ecgfeat plot."))
    if found.reason:
        notes.append(found.reason)
    window_uv_LCS = cut_beats(
        pad_leads(signal_uv_SC, predictor.num_leads), found.sample, num_samples=predictor.beat_samples
    )
    # The embedder stays where it is: only its trunks are worth another device, and they go there by themselves.
    htf = predictor.htf
    embedding_LD = embed_windows(htf, window_uv_LCS, device, on_batch=on_beats)
    rr_s = np.diff(found.sample / COMMON_FS_HZ, prepend=np.nan)
    probability_LK = predict_labels(htf, embedding_LD, rr_s, [0, len(rr_s)], history="predicted")
    label = probability_LK.argmax(axis=1)
    feature_LD = beat_features(predictor, signal.record, len(signal_uv_SC), found.sample, rr_s, label, embedding_LD)
    if predictor.is_placed:
        notes.append("the rhythm head was trained on annotations: it reads detected R-peaks and predicted labels here")
    elif predictor.params["history"] == "oracle":
        notes.append("the rhythm head was trained with true labels of the beats before: it reads predicted ones here")
    windows, spans = tile_windows(found.sample, len(signal_uv_SC), window_samples, int(predictor.params["max_beats"]))
    posterior_MK = window_posteriors(
        predictor.rhythm.to(device),
        windows,
        torch.from_numpy(feature_LD),
        predictor.prior,
        sample_N=found.sample if predictor.is_placed else None,
        device=device,
    )
    to_own_rate = signal.fs_hz / COMMON_FS_HZ
    last = len(signal.signal_mv_SC) - 1
    sample = np.minimum(np.rint(found.sample * to_own_rate).astype(np.int64), last)
    beats: Columns = {
        "record": np.full(len(sample), signal.record, dtype=object),
        "beat": np.arange(len(sample), dtype=np.int32),
        "sample": sample,
        "time_s": sample / signal.fs_hz,
        "rr_s": rr_s,
        "predicted": np.array(BEATS, dtype=object)[label],
        **{f"p_{name}": probability_LK[:, k] for k, name in enumerate(BEATS)},
    }
    edges = np.rint(spans * to_own_rate).astype(np.int64)
    edges[-1] = last + 1
    episodes = merge_windows(posterior_MK, windows.num_beats > 0, edges)
    count = np.searchsorted(sample, episodes["stop_sample"]) - np.searchsorted(sample, episodes["start_sample"])
    episodes |= {
        "record": np.full(len(count), signal.record, dtype=object),
        "start_s": episodes["start_sample"] / signal.fs_hz,
        "stop_s": episodes["stop_sample"] / signal.fs_hz,
        "num_beats": count,
    }
    return Prediction(beats, episodes, duration_s, tuple(note for note in notes if note))


def tile_windows(
    sample: NDArray[np.int64], num_samples: int, window_samples: int, max_beats: int
) -> tuple[Windows, NDArray[np.int64]]:
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
    windows : Windows
        Those of `ecgfeat.sampling.grid_windows` and, where a rest is left over, one more that ends with the record.
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
    num_beats_M, beat_ML = beats_in_windows(table, zero_M, start_M, stop_M, max_beats)
    unknown_M = zero_M - 1
    purity_M = np.zeros(len(start_M), dtype=np.float32)
    return Windows(unknown_M, zero_M, start_M, stop_M, unknown_M, purity_M, num_beats_M, beat_ML), edges


def merge_windows(
    posterior_MK: NDArray[np.float32], is_named_M: NDArray[np.bool_], edges: NDArray[np.int64]
) -> Columns:
    """Merge neighbouring windows of one rhythm into episodes.

    Parameters
    ----------
    posterior_MK : ndarray of float32, (M, K)
        Probabilities of `ecgfeat.schemas.RHYTHMS`.
    is_named_M : ndarray of bool, (M,)
        False where a window has no rhythm.
    edges : ndarray of int64, (M + 1,)
        Window m covers ``[edges[m], edges[m + 1])``.

    Returns
    -------
    dict of str to array
        ``start_sample, stop_sample, predicted, p_<class>...``; the probabilities are means weighted by length.
    """
    label_M = np.where(is_named_M, posterior_MK.argmax(axis=1), len(RHYTHMS))
    first = np.flatnonzero(np.append(True, label_M[1:] != label_M[:-1]))
    length_M1 = np.diff(edges)[:, None].astype(np.float64)
    mean_EK = np.add.reduceat(posterior_MK * length_M1, first) / np.add.reduceat(length_M1, first)
    mean_EK[label_M[first] == len(RHYTHMS)] = np.nan
    return {
        "start_sample": edges[first],
        "stop_sample": edges[np.append(first[1:], len(label_M))],
        "predicted": np.array([*RHYTHMS, ""], dtype=object)[label_M[first]],
        **{f"p_{name}": mean_EK[:, k].astype(np.float32) for k, name in enumerate(RHYTHMS)},
    }


def _lead_note(signal: Signal, num_leads: int) -> str:
    """Say which leads are read, where that is a choice."""
    names, have = signal.leads, len(signal.leads)
    if have < num_leads:
        return f"{have} lead ({', '.join(names)}) of the {num_leads} the embedder takes: the rest is given as invalid"
    if have > num_leads:
        return f"{have} leads: the first {num_leads} by position are read ({', '.join(names[:num_leads])})"
    return ""
