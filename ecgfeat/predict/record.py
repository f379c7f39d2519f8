"""Beats and rhythms of one unannotated record: R-peaks, beat classes, rhythm episodes.

No oracle: positions come from the detector, labels of preceding beats from the model itself, and the rhythm head names
the whole record.

Shape suffixes: L beats, S samples, C leads, K classes.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from ecgfeat.errors import DataError
from ecgfeat.predict.chain import Chain, find_beats
from ecgfeat.predict.episodes import NO_SIGNAL, NOISE, PredictedEpisodes, mark_pauses, place_episodes
from ecgfeat.predict.evidence import explain_episodes
from ecgfeat.predict.models import Models, name_stretches
from ecgfeat.predict.plausible import warn_of_rate, warn_of_size
from ecgfeat.predict.published import name_published
from ecgfeat.predict.signs import read_signs
from ecgfeat.records.annotations import Episodes
from ecgfeat.records.reader import Signal
from ecgfeat.rhythm.heads import WindowHead
from ecgfeat.rhythm.records import RhythmRecord, cut_stretches
from ecgfeat.signals.baseline import remove_baseline
from ecgfeat.signals.quality import ABSENT, USABLE
from ecgfeat.signals.resample import resample, to_microvolts
from ecgfeat.signals.rpeaks import RPeaks
from ecgfeat.signals.usable import MIN_STRETCH_S, find_usable
from ecgfeat.store.schemas import BEAT_CLASSES, COMMON_FS_HZ, RHYTHMS
from ecgfeat.store.tables import Columns

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
    chain: Chain | Models,
    *,
    num_views: int = 1,
    lead: int | Literal["all"] = "all",
    device: str | torch.device = "cpu",
    on_beats: Callable[[int], None] | None = None,
) -> Prediction:
    """Find the beats of a record, classify them, and name its rhythms.

    Parameters
    ----------
    signal : Signal
        The record at its own rate.
    chain : Chain or Models
        Those of the pipeline, or of a published system: its timeline head names the rhythm of every beat, its window
        head that of every segment of 10 s.
    num_views : int
        Views of a timeline head, whose posteriors are averaged; a window head has one.
    lead : int or 'all'
        Lead in which beats are looked for; all together by default, each with a weight for its quality.
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
    * Beats and rhythms are those of the stretches in which the signal is usable for at least 10 s, or for half of a
      shorter record. Each is a record of its own: an interval across a gap is no RR interval. Other time has no rhythm
      and no beats.
    * R-peaks are looked for in all leads; the embedder reads the first two by position. A record with one lead gets an
      invalid second one, as it does in the pipeline: the embedder sees zeros there.
    * `ecgfeat.predict.published.join_episodes` explains where episodes begin and end, and where nothing is named.
    * A head trained on annotations is given detected R-peaks and predicted labels in their place.
    """
    duration_s = len(signal.signal_mv_SC) / signal.fs_hz
    segment_samples = chain.head.window_samples if isinstance(chain.head, WindowHead) else 0
    if duration_s * COMMON_FS_HZ < segment_samples:
        expected = f"at least one segment of {segment_samples / COMMON_FS_HZ:g} s"
        raise DataError(
            signal.record, found=f"{duration_s:.1f} s of signal", expected=expected, remedy="Take a timeline head."
        )
    # The detector reads what it reads in the pipeline: whole microvolts at the common rate, without the baseline.
    resampled_mv_SC = resample(signal.signal_mv_SC, signal.fs_hz, COMMON_FS_HZ, device=device)
    signal_uv_SC = to_microvolts(remove_baseline(resampled_mv_SC, COMMON_FS_HZ)[0])
    rpeaks = find_beats(signal_uv_SC, method="ecgfeat", lead=lead, device=device)
    num_seconds = -(-len(signal_uv_SC) // _RATE)
    state_TC = np.full((num_seconds, 1), ABSENT, dtype=np.int8) if rpeaks.state is None else rpeaks.state
    least_s = max(MIN_STRETCH_S, math.ceil(segment_samples / COMMON_FS_HZ))
    whole = unannotated_record(signal.record, len(signal_uv_SC), rpeaks.sample)
    stretches = cut_stretches(whole, find_usable(state_TC, len(signal_uv_SC), least_s))
    if isinstance(chain, Models):
        named = name_stretches(chain, whole, stretches, signal_uv_SC, device=device, on_beats=on_beats)
    else:
        named = name_published(chain, stretches, signal_uv_SC, num_views=num_views, device=device, on_beats=on_beats)
    parts = [
        (stretch.start, mark_pauses(of.episodes, stretch.sample)) for stretch, of in zip(stretches, named, strict=True)
    ]
    none = np.zeros(0, dtype=np.int64)
    common_sample = np.concatenate([none, *(stretch.start + stretch.sample for stretch in stretches)])
    sample = _to_own_rate(common_sample, signal)
    probability_LK = np.concatenate(
        [np.zeros((0, len(BEAT_CLASSES)), dtype=np.float32), *(of.probability for of in named)]
    )

    def reason_between(start: int, stop: int) -> str:
        inside_TC = state_TC[start // _RATE : -(-stop // _RATE)]
        return NO_SIGNAL if (inside_TC == ABSENT).all(axis=1).mean() > 0.5 else NOISE

    episodes = place_episodes(parts, len(signal_uv_SC), reason_between)
    rhythm = episodes.names[np.searchsorted(episodes.edges, common_sample, side="right") - 1]
    label = np.concatenate([none, *(of.label for of in named)])
    beats = _tabulate_beats(signal, sample, [stretch.rr_s for stretch in stretches], label, probability_LK, rhythm)
    signs = [read_signs(stretch.rr_s, of.label, of.feature) for stretch, of in zip(stretches, named, strict=True)]
    evidence = explain_episodes(episodes, common_sample, signs)
    why = rpeaks.reason or episodes.reason[0]
    no_ecg = f"no ECG in it: {why}. Are signal, unit and sampling rate right?"
    if (state_TC == USABLE).any():
        no_ecg = "" if stretches else f"no stretch of {least_s} s of it is usable: no beat and no rhythm is named"
    rr_s = beats["rr_s"]
    notes = (
        signal.calibration_note,
        lead_note(signal, chain),
        _follow_note(signal, rpeaks) if lead == "all" else "",
        no_ecg or rpeaks.reason,
        *warn_of_size(signal),
        *warn_of_rate(rr_s, beats["time_s"] - rr_s),
        chain.note,
    )
    return Prediction(
        beats,
        _tabulate_episodes(episodes, evidence, sample, signal),
        duration_s,
        tuple(note for note in notes if note),
        {
            "head": chain.kind,
            "views": num_views if isinstance(chain, Chain) and chain.kind == "timeline" else 1,
            "weights": dict(chain.checksums),
        },
    )


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
    signal: Signal,
    sample: NDArray[np.int64],
    rr_s: list[NDArray[np.float64]],
    label: NDArray[np.int64],
    probability_LK: NDArray[np.float32],
    rhythm: NDArray[Any],
) -> Columns:
    """Lay beats out as rows of ``RECORD_BEATS``."""
    return {
        "record": np.full(len(sample), signal.record, dtype=object),
        "beat": np.arange(len(sample), dtype=np.int32),
        "sample": sample,
        "time_s": sample / signal.fs_hz,
        "rr_s": np.concatenate([np.zeros(0), *rr_s]),
        "aami": np.array(BEAT_CLASSES, dtype=object)[label],
        **{f"p_{beat_class}": probability_LK[:, k] for k, beat_class in enumerate(BEAT_CLASSES)},
        "rhythm": rhythm,
    }


def _tabulate_episodes(
    episodes: PredictedEpisodes, evidence: tuple[str, ...], sample: NDArray[np.int64], signal: Signal
) -> Columns:
    """Lay episodes out as rows of ``RECORD_EPISODES``."""
    edges = np.append(_to_own_rate(episodes.edges[:-1], signal), len(signal.signal_mv_SC))
    return {
        "record": np.full(len(episodes.label), signal.record, dtype=object),
        "start_sample": edges[:-1],
        "stop_sample": edges[1:],
        "start_s": edges[:-1] / signal.fs_hz,
        "stop_s": edges[1:] / signal.fs_hz,
        "rhythm": episodes.names,
        "certainty": episodes.certainty,
        "reason": np.array(episodes.reason, dtype=object),
        "evidence": np.array(evidence, dtype=object),
        "num_beats": np.diff(np.searchsorted(sample, edges)),
        **{f"p_{rhythm}": episodes.posterior[:, k] for k, rhythm in enumerate(RHYTHMS)},
    }


def _follow_note(signal: Signal, rpeaks: RPeaks) -> str:
    """Return how long each lead is usable, where one of several is not usable throughout."""
    if rpeaks.state is None:
        return ""
    usable_s = np.zeros(len(signal.leads), dtype=np.int64)
    usable_s[list(rpeaks.leads)] = (rpeaks.state == USABLE).sum(axis=0)
    if usable_s.min() == len(rpeaks.state) or len(usable_s) < 2:
        return ""
    lengths = ", ".join(f"{name} {length / 60:.1f}" for name, length in zip(signal.leads, usable_s, strict=True))
    return f"minutes usable by lead: {lengths} of {len(rpeaks.state) / 60:.1f}; the beats follow the leads that are"


def lead_note(signal: Signal, chain: Chain | Models) -> str:
    """Return which leads are read, where the record has more or fewer than the models take."""
    names, count, num_leads = signal.leads, len(signal.leads), chain.num_leads
    if count < num_leads and isinstance(chain, Chain):
        return f"{count} lead ({', '.join(names)}) of the {num_leads} the embedder takes: the rest is given as invalid"
    if count > num_leads:
        return (
            f"{count} leads: beat classes come from the first {num_leads} by position ({', '.join(names[:num_leads])})"
        )
    return ""
