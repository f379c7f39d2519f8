"""Beats and rhythms of one unannotated record: R-peaks, beat classes, rhythm episodes.

No oracle: positions come from the detector, labels of preceding beats from the model itself, and the rhythm head names
the whole record.

Shape suffixes: L beats, S samples, C leads, K classes.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ecgfeat.errors import DataError
from ecgfeat.predict.chain import Chain, describe_beats, find_beats, name_rhythms
from ecgfeat.predict.episodes import NO_SIGNAL, NOISE, PredictedEpisodes, join_episodes, place_episodes
from ecgfeat.records.annotations import Episodes
from ecgfeat.records.reader import Signal
from ecgfeat.rhythm.describe import classify_beats
from ecgfeat.rhythm.heads import WindowHead
from ecgfeat.rhythm.records import RhythmRecord
from ecgfeat.signals.quality import ABSENT, assess_quality, find_stretches
from ecgfeat.signals.resample import resample, to_microvolts, to_millivolts
from ecgfeat.store.schemas import BEAT_CLASSES, COMMON_FS_HZ, RHYTHMS
from ecgfeat.store.tables import Columns

MIN_STRETCH_S = 10
"""Usable signal of less is not named: quality itself looks at ten seconds."""

_RATE = int(COMMON_FS_HZ)


@dataclass(frozen=True)
class Prediction:
    """Beats and rhythms of a record.

    Attributes
    ----------
    beats, episodes : dict of str to array
        Columns of `ecgfeat.predict.files.RECORD_BEATS` and ``RECORD_EPISODES``.
    duration_s : float
        Length of the record.
    notes : tuple of str
        What a reader must know of how it was made, one line each.
    made_by : dict
        Kind of head, number of views, and checksums of the weights, for the metadata of the tables.
    """

    beats: Columns
    episodes: Columns
    duration_s: float
    notes: tuple[str, ...]
    made_by: dict[str, Any]


def predict_record(
    signal: Signal,
    chain: Chain,
    *,
    num_views: int,
    device: str | torch.device = "cpu",
    on_beats: Callable[[int], None] | None = None,
) -> Prediction:
    """Find the beats of a record, classify them, and name its rhythms.

    Parameters
    ----------
    signal : Signal
        The record at its own rate.
    chain : Chain
        The models; a timeline head names the rhythm of every beat, a window head that of every segment of 10 s.
    num_views : int
        Views of a timeline head, whose posteriors are averaged; a window head has one.
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
        If the record is shorter than a segment and the head names segments.

    Notes
    -----
    * Beats and rhythms are those of the stretches of at least 10 s in which the signal is usable, each a record of its
      own: an interval across a gap is no RR interval. Other time has no rhythm and no beats.
    * The first two leads by position are used. A record with one lead gets an invalid second one, as it does
      in the pipeline: the embedder sees zeros there.
    * `ecgfeat.predict.episodes.join_episodes` explains where episodes begin and end, and where nothing is named.
    * A head trained on annotations is given detected R-peaks and predicted labels in their place.
    """
    duration_s = len(signal.signal_mv_SC) / signal.fs_hz
    if isinstance(chain.head, WindowHead) and duration_s * COMMON_FS_HZ < chain.head.window_samples:
        expected = f"at least one segment of {chain.head.window_samples / COMMON_FS_HZ:g} s"
        raise DataError(
            signal.record, found=f"{duration_s:.1f} s of signal", expected=expected, remedy="Take a timeline head."
        )
    assert chain.htf is not None, "an unannotated record needs a beat classifier"
    used_mv_SC = signal.signal_mv_SC[:, : chain.num_leads]
    # The detector reads what it reads in the pipeline: whole microvolts at the common rate.
    signal_uv_SC = to_microvolts(resample(used_mv_SC, signal.fs_hz, COMMON_FS_HZ, device=device))
    rpeaks = find_beats(signal_uv_SC, method="ecgfeat", lead=0, device=device)
    state_TC = assess_quality(to_millivolts(signal_uv_SC), device)[:, list(rpeaks.leads) or slice(None)]
    stretches = {
        start: describe_beats(
            chain, record, signal_uv_SC[start:][: record.num_samples], device=device, on_beats=on_beats
        )
        for start, record in _divide(signal.record, rpeaks.sample, state_TC, len(signal_uv_SC), chain).items()
    }
    by_stretch = classify_beats(list(stretches.values()), chain.htf, "predicted") if stretches else []
    # A head trained on annotations reads beat labels: the predicted ones take the place of the reference.
    stretches = {
        start: replace(record, label=probability_LK.argmax(axis=1))
        for (start, record), probability_LK in zip(stretches.items(), by_stretch, strict=True)
    }
    units = name_rhythms(chain, list(stretches.values()), num_views=num_views, device=device)
    parts = [(start, join_episodes(chain.head, of)) for start, of in zip(stretches, units, strict=True)]
    none = np.zeros(0, dtype=np.int64)
    at_common_rate = np.concatenate([none, *(start + record.sample for start, record in stretches.items())])
    sample = _to_own_rate(at_common_rate, signal)
    probability_LK = np.concatenate([np.zeros((0, len(BEAT_CLASSES)), dtype=np.float32), *by_stretch])
    beats = _tabulate_beats(signal, sample, [record.rr_s for record in stretches.values()], probability_LK)

    def reason_between(start: int, stop: int) -> str:
        inside_TC = state_TC[start // _RATE : -(-stop // _RATE)]
        return NO_SIGNAL if (inside_TC == ABSENT).all(axis=1).mean() > 0.5 else NOISE

    episodes = place_episodes(parts, len(signal_uv_SC), reason_between)
    no_ecg = "" if stretches else f"no ECG in it: {rpeaks.reason or episodes.reason[0]}. Look at it: ecgfeat plot."
    notes = (
        signal.calibration_note,
        _lead_note(signal, chain.num_leads),
        no_ecg or rpeaks.reason,
        chain.note,
    )
    return Prediction(
        beats,
        _tabulate_episodes(episodes, sample, signal),
        duration_s,
        tuple(note for note in notes if note),
        {"head": chain.kind, "views": num_views if chain.kind == "timeline" else 1, "weights": dict(chain.checksums)},
    )


def _divide(
    name: str, sample: NDArray[np.int64], state_TC: NDArray[np.int8], num_samples: int, chain: Chain
) -> dict[int, RhythmRecord]:
    """Return the beats of each usable stretch as a record of its own, by its first sample."""
    least_s = MIN_STRETCH_S
    if isinstance(chain.head, WindowHead):
        least_s = max(least_s, math.ceil(chain.head.window_samples / COMMON_FS_HZ))
    records = {}
    for start_s, stop_s in find_stretches(state_TC, least_s):
        start, stop = start_s * _RATE, min(stop_s * _RATE, num_samples)
        inside = sample[(sample >= start) & (sample < stop)]
        if len(inside):
            records[start] = unannotated_record(name, stop - start, inside - start)
    return records


def unannotated_record(record: str, num_samples: int, sample: NDArray[np.int64]) -> RhythmRecord:
    """Make a record of which only the R-peaks are known.

    Parameters
    ----------
    record : str
        Name.
    num_samples : int
        Length at the common rate.
    sample : ndarray of int64, (L,)
        R-peaks at the common rate.

    Returns
    -------
    RhythmRecord
        Without episodes, beat labels and embeddings.
    """
    none = np.zeros(0, np.int64)
    rr_s = np.diff(sample / COMMON_FS_HZ, prepend=np.nan)
    label = np.full(len(sample), -1, dtype=np.int64)
    return RhythmRecord("", record, record, num_samples, sample, rr_s, label, Episodes(none, none, none.astype(str)))


def _to_own_rate(sample: NDArray[np.int64], signal: Signal) -> NDArray[np.int64]:
    """Convert positions at the common rate to those of the record, within it."""
    own = np.rint(sample * (signal.fs_hz / COMMON_FS_HZ)).astype(np.int64)
    return np.minimum(own, len(signal.signal_mv_SC) - 1)


def _tabulate_beats(
    signal: Signal, sample: NDArray[np.int64], rr_s: list[NDArray[np.float64]], probability_LK: NDArray[np.float32]
) -> Columns:
    """Lay beats out as rows of ``RECORD_BEATS``."""
    return {
        "record": np.full(len(sample), signal.record, dtype=object),
        "beat": np.arange(len(sample), dtype=np.int32),
        "sample": sample,
        "time_s": sample / signal.fs_hz,
        "rr_s": np.concatenate([np.zeros(0), *rr_s]),
        "predicted": np.array(BEAT_CLASSES, dtype=object)[probability_LK.argmax(axis=1)],
        **{f"p_{beat_class}": probability_LK[:, k] for k, beat_class in enumerate(BEAT_CLASSES)},
    }


def _tabulate_episodes(episodes: PredictedEpisodes, sample: NDArray[np.int64], signal: Signal) -> Columns:
    """Lay episodes out as rows of ``RECORD_EPISODES``."""
    edges = np.append(_to_own_rate(episodes.edges[:-1], signal), len(signal.signal_mv_SC))
    return {
        "record": np.full(len(episodes.label), signal.record, dtype=object),
        "start_sample": edges[:-1],
        "stop_sample": edges[1:],
        "start_s": edges[:-1] / signal.fs_hz,
        "stop_s": edges[1:] / signal.fs_hz,
        "predicted": np.array([*RHYTHMS, ""], dtype=object)[episodes.label],
        "reason": np.array(episodes.reason, dtype=object),
        "num_beats": np.diff(np.searchsorted(sample, edges)),
        **{f"p_{rhythm}": episodes.posterior[:, k] for k, rhythm in enumerate(RHYTHMS)},
    }


def _lead_note(signal: Signal, num_leads: int) -> str:
    """Return which leads are read, where the record has more or fewer than the embedder takes."""
    names, count = signal.leads, len(signal.leads)
    if count < num_leads:
        return f"{count} lead ({', '.join(names)}) of the {num_leads} the embedder takes: the rest is given as invalid"
    if count > num_leads:
        return f"{count} leads: the first {num_leads} by position are read ({', '.join(names[:num_leads])})"
    return ""
