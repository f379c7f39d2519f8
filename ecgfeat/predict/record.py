"""Beats and rhythms of one record that nobody has annotated: R-peaks, beat classes, rhythm episodes.

No oracle: positions come from the detector, labels of preceding beats from the model itself, and the rhythm head is
asked for the whole record.

Shape suffixes: L beats, S samples, C leads, K classes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ecgfeat.beats.embedding import embed_windows
from ecgfeat.beats.history import predict_labels
from ecgfeat.beats.windows import cut_beats
from ecgfeat.errors import DataError
from ecgfeat.predict.episodes import PredictedEpisodes, episodes_of_beats, episodes_of_segments
from ecgfeat.predict.predictor import Predictor, unannotated_record
from ecgfeat.records.reader import Signal
from ecgfeat.signals.resample import pad_leads, resample, to_microvolts, to_millivolts
from ecgfeat.signals.rpeaks import find_rpeaks
from ecgfeat.store.schemas import BEAT_CLASSES, COMMON_FS_HZ, RHYTHMS
from ecgfeat.store.tables import Columns


@dataclass(frozen=True)
class Prediction:
    """What was found in a record.

    Attributes
    ----------
    beats, episodes : dict of str to array
        Columns of `ecgfeat.predict.files.RECORD_BEATS` and ``RECORD_EPISODES``.
    duration_s : float
        Length of the record.
    notes : tuple of str
        What a reader must know of how it was made, one line each.
    made_by : dict
        Kind of head, views it was asked for, and checksums of the weights, for the metadata of the tables.
    """

    beats: Columns
    episodes: Columns
    duration_s: float
    notes: tuple[str, ...]
    made_by: dict[str, Any]


def predict_record(
    signal: Signal,
    predictor: Predictor,
    *,
    num_views: int = 7,
    device: str | torch.device = "cpu",
    on_beats: Callable[[int], None] | None = None,
) -> Prediction:
    """Find the beats of a record, classify them, and name its rhythms.

    Parameters
    ----------
    signal : Signal
        The record at its own rate.
    predictor : Predictor
        The models; a timeline head names the rhythm of every beat, a window head that of every 10 s.
    num_views : int
        Views that the timeline head is asked for; a window head has one.
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
        If no R-peak is found, or the record is shorter than a window and the head names windows.

    Notes
    -----
    * The first two leads by position are used. A record with one lead gets an invalid second one, as it does
      in the pipeline: the embedder sees zeros there.
    * Where episodes begin and end, and where nothing is named, is said by `ecgfeat.predict.episodes`.
    * A head trained on annotations is given detected R-peaks and predicted labels in their place.
    """
    duration_s = len(signal.signal_mv_SC) / signal.fs_hz
    if predictor.head == "window" and duration_s * COMMON_FS_HZ < predictor.params["window_samples"]:
        expected = f"at least one window of {predictor.params['window_samples'] / COMMON_FS_HZ:g} s"
        raise DataError(
            signal.record, found=f"{duration_s:.1f} s of signal", expected=expected, remedy="Take a timeline head."
        )
    used_mv_SC = signal.signal_mv_SC[:, : predictor.num_leads]
    # Detection sees what the pipeline's detector sees: whole microvolts at the common rate.
    signal_uv_SC = to_microvolts(resample(used_mv_SC, signal.fs_hz, COMMON_FS_HZ, device=device))
    found = find_rpeaks(to_millivolts(signal_uv_SC), COMMON_FS_HZ, method="ecgfeat", lead=0, device=device)
    if not len(found.sample):
        raise DataError(
            signal.record, found=f"no R-peak ({found.reason})", expected="an ECG", remedy="Look at it: ecgfeat plot."
        )
    window_uv_LCS = cut_beats(
        pad_leads(signal_uv_SC, predictor.num_leads), found.sample, num_samples=predictor.beat_samples
    )
    # The embedder stays where it is: only its trunks are worth another device, and they go there by themselves.
    embedding_LD = embed_windows(predictor.htf, window_uv_LCS, device, on_batch=on_beats)
    rr_s = np.diff(found.sample / COMMON_FS_HZ, prepend=np.nan)
    probability_LK = predict_labels(predictor.htf, embedding_LD, rr_s, [0, len(rr_s)], history="predicted")
    label = probability_LK.argmax(axis=1)
    one = unannotated_record(signal.record, len(signal_uv_SC), found.sample, rr_s, label, embedding_LD)
    if predictor.head == "timeline":
        named = episodes_of_beats(predictor, one, num_views=num_views, device=device)
    else:
        named = episodes_of_segments(predictor, one, device=device)
    sample = _to_own_rate(found.sample, signal)
    beats: Columns = {
        "record": np.full(len(sample), signal.record, dtype=object),
        "beat": np.arange(len(sample), dtype=np.int32),
        "sample": sample,
        "time_s": sample / signal.fs_hz,
        "rr_s": rr_s,
        "predicted": np.array(BEAT_CLASSES, dtype=object)[label],
        **{f"p_{name}": probability_LK[:, k] for k, name in enumerate(BEAT_CLASSES)},
    }
    notes = (_lead_note(signal, predictor.num_leads), found.reason, _training_note(predictor))
    return Prediction(
        beats,
        _tabulate_episodes(named, sample, signal),
        duration_s,
        tuple(note for note in notes if note),
        {
            "head": predictor.head,
            "views": num_views if predictor.head == "timeline" else 1,
            "weights": predictor.checksums,
        },
    )


def _to_own_rate(sample: NDArray[np.int64], signal: Signal) -> NDArray[np.int64]:
    """Convert positions at the common rate to those of the record, within it."""
    own = np.rint(sample * (signal.fs_hz / COMMON_FS_HZ)).astype(np.int64)
    return np.minimum(own, len(signal.signal_mv_SC) - 1)


def _tabulate_episodes(named: PredictedEpisodes, sample: NDArray[np.int64], signal: Signal) -> Columns:
    """Lay episodes out as rows of ``RECORD_EPISODES``."""
    edges = np.append(_to_own_rate(named.edges[:-1], signal), len(signal.signal_mv_SC))
    return {
        "record": np.full(len(named.label), signal.record, dtype=object),
        "start_sample": edges[:-1],
        "stop_sample": edges[1:],
        "start_s": edges[:-1] / signal.fs_hz,
        "stop_s": edges[1:] / signal.fs_hz,
        "predicted": np.array([*RHYTHMS, ""], dtype=object)[named.label],
        "num_beats": np.diff(np.searchsorted(sample, edges)),
        **{f"p_{name}": named.posterior[:, k] for k, name in enumerate(RHYTHMS)},
    }


def _training_note(predictor: Predictor) -> str:
    """Say where the head is given less than it was taught with."""
    if predictor.reads_labels:
        return "the rhythm head was trained on annotations: it reads detected R-peaks and predicted labels here"
    if predictor.params["history"] == "oracle":
        return "the rhythm head was trained with true labels of the beats before: it reads predicted ones here"
    return ""


def _lead_note(signal: Signal, num_leads: int) -> str:
    """Say which leads are read, where that is a choice."""
    names, have = signal.leads, len(signal.leads)
    if have < num_leads:
        return f"{have} lead ({', '.join(names)}) of the {num_leads} the embedder takes: the rest is given as invalid"
    if have > num_leads:
        return f"{have} leads: the first {num_leads} by position are read ({', '.join(names[:num_leads])})"
    return ""
