"""Beats and rhythms of one unannotated record: R-peaks, beat classes, rhythm episodes.

No oracle: positions come from the detector, labels of preceding beats from the model itself, and the rhythm head names
the whole record.

Shape suffixes: L beats, S samples, C leads, K classes.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from ecgfeat.errors import DataError
from ecgfeat.prediction.chain import Chain, find_beats
from ecgfeat.prediction.episodes import (
    NO_SIGNAL,
    NOISE,
    NamedStretch,
    PredictedEpisodes,
    join_at,
    mark_pauses,
    place_episodes,
)
from ecgfeat.prediction.evidence import explain_episodes
from ecgfeat.prediction.lead_use import follow_note, lead_note, lead_states
from ecgfeat.prediction.models import Models, name_stretches
from ecgfeat.prediction.plausible import SizeMeter, warn_of_rate, warn_of_size
from ecgfeat.prediction.published import name_published
from ecgfeat.prediction.signs import read_signs
from ecgfeat.records.annotations import Episodes
from ecgfeat.records.reader import EcgSource
from ecgfeat.rhythm.heads import WindowHead
from ecgfeat.rhythm.records import RhythmRecord, cut_stretches
from ecgfeat.signals.baseline import remove_baseline
from ecgfeat.signals.quality import ABSENT, USABLE
from ecgfeat.signals.resample import num_resampled, resample_lead, to_microvolts
from ecgfeat.signals.rpeaks import RPeaks
from ecgfeat.signals.usable import MIN_STRETCH_S, find_usable, tabulate_quality
from ecgfeat.store.schemas import BEAT_CLASSES, COMMON_FS_HZ, RHYTHMS
from ecgfeat.store.tables import Columns

_RATE = int(COMMON_FS_HZ)
_DAY_SAMPLES, _REST_SAMPLES = 24 * 3600 * _RATE, 2 * 3600 * _RATE


@dataclass(frozen=True, eq=False)
class Prediction:
    """Beats and rhythms of a record.

    Attributes
    ----------
    beats, episodes : dict of str to array
        Columns of `ecgfeat.outputs.tables.RECORD_BEATS` and ``RECORD_EPISODES``.
    quality : dict of str to array
        Columns of `ecgfeat.store.schemas.QUALITY`: runs of seconds in one state, lead by lead. Without the leads in
        which no beats were looked for.
    duration_s : float
        Length of the record.
    notes : tuple of str
        What a reader must know of how it was made, one line each.
    made_by : dict
        Kind of head, number of views, and checksums of the weights, for the metadata of the tables.
    """

    beats: Columns
    episodes: Columns
    quality: Columns
    duration_s: float
    notes: tuple[str, ...]
    made_by: dict[str, Any]


def predict_record(
    signal: EcgSource,
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
    signal : EcgSource
        The record at its own rate: in memory, or an open file.
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
        If there is no sample, or the record is shorter than a segment and the head names segments.

    Notes
    -----
    * Beats and rhythms are those of the stretches in which the signal is usable for at least 10 s, or for half of a
      shorter record. Each is a record of its own: an interval across a gap is no RR interval. Other time has no rhythm
      and no beats.
    * R-peaks are looked for in all leads; the embedder reads the first two by position. A record with one lead gets an
      invalid second one, as it does in the pipeline: the embedder sees zeros there.
    * `ecgfeat.prediction.published.join_episodes` explains where episodes begin and end, and where nothing is named.
    * A record of more than 26 hours is predicted day by day: what depends on the whole record, such as its usual
      interval, is that of the day. Episodes that touch at midnight of this count are joined.
    * A head trained on annotations is given detected R-peaks and predicted labels in their place.
    """
    if not signal.num_samples or not signal.leads:
        raise DataError(signal.record, found="no sample", expected="a signal of at least one lead")
    duration_s = signal.num_samples / signal.fs_hz
    segment_samples = chain.head.window_samples if isinstance(chain.head, WindowHead) else 0
    if duration_s * COMMON_FS_HZ < segment_samples:
        expected = f"at least one segment of {segment_samples / COMMON_FS_HZ:g} s"
        raise DataError(
            signal.record, found=f"{duration_s:.1f} s of signal", expected=expected, remedy="Take a timeline head."
        )
    signal_uv_SC, sizes_mv = bring_to_common_rate(signal, device)
    least_s = max(MIN_STRETCH_S, math.ceil(segment_samples / COMMON_FS_HZ))

    def name_day(day_uv_SC: NDArray[np.int16]) -> _Day:
        rpeaks = find_beats(day_uv_SC, method="ecgfeat", lead=lead, device=device)
        num_seconds = -(-len(day_uv_SC) // _RATE)
        state_TC = np.full((num_seconds, 1), ABSENT, dtype=np.int8) if rpeaks.state is None else rpeaks.state
        whole = unannotated_record(signal.record, len(day_uv_SC), rpeaks.sample)
        stretches = cut_stretches(whole, find_usable(state_TC, len(day_uv_SC), least_s))
        if isinstance(chain, Models):
            named = name_stretches(chain, whole, stretches, day_uv_SC, device=device, on_beats=on_beats)
        else:
            named = name_published(chain, stretches, day_uv_SC, num_views=num_views, device=device, on_beats=on_beats)
        return _Day(rpeaks, state_TC, stretches, named)

    edges = day_edges(len(signal_uv_SC))
    days = [name_day(signal_uv_SC[start:stop]) for start, stop in itertools.pairwise(edges)]
    stretches = [
        (start + stretch.start, stretch, of)
        for start, day in zip(edges, days, strict=False)
        for stretch, of in zip(day.stretches, day.named, strict=True)
    ]
    parts = [(start, mark_pauses(of.episodes, stretch.sample)) for start, stretch, of in stretches]
    none = np.zeros(0, dtype=np.int64)
    common_sample = np.concatenate([none, *(start + stretch.sample for start, stretch, _ in stretches)])
    sample = _to_own_rate(common_sample, signal)
    probability_LK = np.concatenate(
        [np.zeros((0, len(BEAT_CLASSES)), dtype=np.float32), *(of.probability for _, _, of in stretches)]
    )
    is_absent_T = np.concatenate([(day.state == ABSENT).all(axis=1) for day in days])
    state_TC = np.concatenate([lead_states(day.rpeaks, len(day.state), len(signal.leads)) for day in days])
    quality = tabulate_quality(signal.record, state_TC)
    is_assessed = lead == "all" and any(day.rpeaks.state is not None for day in days)

    def reason_between(start: int, stop: int) -> str:
        return NO_SIGNAL if is_absent_T[start // _RATE : -(-stop // _RATE)].mean() > 0.5 else NOISE

    episodes = join_at(place_episodes(parts, len(signal_uv_SC), reason_between), edges[1:-1])
    rhythm = episodes.names[np.searchsorted(episodes.edges, common_sample, side="right") - 1]
    label = np.concatenate([none, *(of.label for _, _, of in stretches)])
    rr_parts = [stretch.rr_s for _, stretch, _ in stretches]
    beats = _tabulate_beats(signal, sample, rr_parts, label, probability_LK, rhythm)
    signs = [read_signs(stretch.rr_s, of.label, of.feature) for _, stretch, of in stretches]
    evidence = explain_episodes(episodes, common_sample, signs)
    reason = next((day.rpeaks.reason for day in days if day.rpeaks.reason), "")
    why = reason or episodes.reason[0]
    no_ecg = f"no ECG in it: {why}. Are signal, unit and sampling rate right?"
    if any((day.state == USABLE).any() for day in days):
        no_ecg = "" if stretches else f"no stretch of {least_s} s of it is usable: no beat and no rhythm is named"
    rr_s = beats["rr_s"]
    # A lead without a gain has no unit to be wrong.
    size_notes = [] if signal.uncalibrated else warn_of_size(signal.leads, sizes_mv)
    notes = (
        *signal.notes,
        signal.calibration_note,
        lead_note(signal, chain),
        follow_note(signal, state_TC) if is_assessed else "",
        *(size_notes or [no_ecg or (reason if len(days) == 1 else "")]),
        *warn_of_rate(rr_s, beats["time_s"] - rr_s),
        chain.note,
    )
    return Prediction(
        beats,
        _tabulate_episodes(episodes, evidence, sample, signal),
        quality if lead == "all" else {name: column[quality["lead"] == lead] for name, column in quality.items()},
        duration_s,
        tuple(note for note in notes if note),
        {
            "head": chain.kind,
            "views": num_views if isinstance(chain, Chain) and chain.kind == "timeline" else 1,
            "weights": dict(chain.checksums),
        },
    )


@dataclass(frozen=True)
class _Day:
    """What was found in a day of a record, or in all of a shorter one."""

    rpeaks: RPeaks
    state: NDArray[np.int8]
    stretches: Sequence[RhythmRecord]
    named: Sequence[NamedStretch]


def day_edges(num_samples: int) -> list[int]:
    """Return where a record at the common rate is divided: after every day, but for a last one under two hours."""
    inner = range(_DAY_SAMPLES, num_samples - _REST_SAMPLES, _DAY_SAMPLES)
    return [0, *inner, num_samples]


def bring_to_common_rate(
    signal: EcgSource, device: str | torch.device = "cpu"
) -> tuple[NDArray[np.int16], tuple[float, ...]]:
    """Bring a record to what the detector reads in the pipeline: whole microvolts at 128 Hz, without the baseline.

    Parameters
    ----------
    signal : EcgSource
        The record at its own rate; one lead at a time is read, block by block.
    device : str or torch.device
        Where to resample.

    Returns
    -------
    signal_uv_SC : ndarray of int16, (S, C)
        -32768 where invalid.
    sizes_mv : tuple of float, length C
        Deflections of each lead as `ecgfeat.prediction.plausible.SizeMeter` measures them.
    """
    num_samples, fs_hz = signal.num_samples, signal.fs_hz
    signal_uv_SC = np.empty((num_resampled(num_samples, fs_hz, COMMON_FS_HZ), len(signal.leads)), np.int16)
    sizes_mv = []
    for lead in range(len(signal.leads)):
        meter = SizeMeter(num_samples, fs_hz)

        def read_blocks(lead: int = lead, meter: SizeMeter = meter) -> Iterable[NDArray[np.float32]]:
            return meter.watch(signal.lead_blocks(lead))

        lead_mv_S = resample_lead(read_blocks, num_samples, fs_hz, COMMON_FS_HZ, device)
        sizes_mv.append(meter.size_mv)
        for start, stop in itertools.pairwise(day_edges(len(lead_mv_S))):
            left_mv_S1, _ = remove_baseline(lead_mv_S[start:stop, None], COMMON_FS_HZ)
            signal_uv_SC[start:stop, lead] = to_microvolts(left_mv_S1)[:, 0]
    return signal_uv_SC, tuple(sizes_mv)


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


def _to_own_rate(sample: NDArray[np.int64], signal: EcgSource) -> NDArray[np.int64]:
    """Convert positions at the common rate to those of the record, within it."""
    own = np.rint(sample * (signal.fs_hz / COMMON_FS_HZ)).astype(np.int64)
    return np.minimum(own, signal.num_samples - 1)


def _tabulate_beats(
    signal: EcgSource,
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
    episodes: PredictedEpisodes, evidence: tuple[str, ...], sample: NDArray[np.int64], signal: EcgSource
) -> Columns:
    """Lay episodes out as rows of ``RECORD_EPISODES``."""
    edges = np.append(_to_own_rate(episodes.edges[:-1], signal), signal.num_samples)
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
