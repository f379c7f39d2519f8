"""A record as the default models see it: beats with windows and features, figures of rhythms, and what they predict.

Shape suffixes: L beats of the record or of a stretch, M stretches, C leads, S samples, D columns, K classes.
"""

import itertools
import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ecgfeat.arrhythmia.posteriors import Stretch
from ecgfeat.beats.classifier import classify_record
from ecgfeat.beats.prematurity import COLUMNS, stack_columns_of
from ecgfeat.beats.shapes import BeatShapes, gather_shapes
from ecgfeat.beats.windows import cut_beats
from ecgfeat.errors import DataError
from ecgfeat.features.intervals import usual_interval
from ecgfeat.features.record import Beats, describe_beats
from ecgfeat.prediction.chain import BEAT_SAMPLES, find_beats
from ecgfeat.prediction.models import Models, name_classified
from ecgfeat.prediction.record import bring_to_common_rate, day_edges, unannotated_record
from ecgfeat.records.reader import EcgSource
from ecgfeat.rhythm.records import RhythmRecord, cut_stretches
from ecgfeat.signals.quality import ABSENT
from ecgfeat.signals.usable import MIN_STRETCH_S, find_usable
from ecgfeat.store.feature_columns import NUM_LEADS
from ecgfeat.store.schemas import COMMON_FS_HZ

FARTHEST_S = 2.0
"""A time without a beat so near is not explained."""


@dataclass(frozen=True)
class FoundBeats:
    """R-peaks of a record, or of the day of it that holds the time in question, before any model has read them.

    Attributes
    ----------
    start : int
        Where the day begins in the record, in samples at the common rate.
    signal_uv : ndarray of int16, (S, C)
        The day in microvolts at the common rate; -32768 invalid.
    whole : RhythmRecord
        All its R-peaks.
    stretches : list of RhythmRecord
        Its usable stretches; each with a beat.
    """

    start: int
    signal_uv: NDArray[np.int16]
    whole: RhythmRecord
    stretches: list[RhythmRecord]

    @property
    def time_s(self) -> NDArray[np.float64]:
        """Beats in usable signal, in seconds from the start of the record."""
        return np.concatenate([self.times_of(stretch) for stretch in self.stretches])

    def times_of(self, stretch: RhythmRecord) -> NDArray[np.float64]:
        """Return the R-peaks of a stretch in seconds from the start of the record, (L,)."""
        return (self.start + stretch.start + stretch.sample) / COMMON_FS_HZ

    def find_beat(self, at_s: float) -> tuple[RhythmRecord, int]:
        """Return the stretch that has the beat nearest to a time, and the row of the beat in it."""
        beat = find_nearest(self.whole.record, self.time_s, at_s)
        for stretch in self.stretches:
            if beat < len(stretch.sample):
                return stretch, beat
            beat -= len(stretch.sample)
        raise AssertionError("the beat is of a stretch")


@dataclass(frozen=True)
class SeenRecord:
    """The usable beats of a record, or of the day of it that holds the time in question.

    Attributes
    ----------
    record : str
        Name.
    leads : tuple of str, (C,)
        Those that beat classes are read from.
    duration_s : float
        Length of the record.
    time_s, rr_s : ndarray of float64, (L,)
        R-peaks in seconds from the start of the record, and intervals before them; NaN at the first of a stretch.
    bounds : ndarray of int64, (M + 1,)
        Stretch m has the beats ``[bounds[m], bounds[m + 1])``.
    shapes : BeatShapes
        What the networks of the beat classifier read.
    early : ndarray of float32, (L, D)
        What its trees read.
    probability : ndarray of float32, (L, 3)
        Of N, S and V by the beat classifier alone.
    label : ndarray of int64, (L,)
        Predicted class, as an index into N S V.
    figures : tuple of ndarray of float32, (L, D)
        What the rhythm head reads, stretch by stretch.
    posterior : ndarray of float32, (L, 6)
        Calibrated rhythm posterior.
    """

    record: str
    leads: tuple[str, ...]
    duration_s: float
    time_s: NDArray[np.float64]
    rr_s: NDArray[np.float64]
    bounds: NDArray[np.int64]
    shapes: BeatShapes
    early: NDArray[np.float32]
    probability: NDArray[np.float32]
    label: NDArray[np.int64]
    figures: tuple[NDArray[np.float32], ...]
    posterior: NDArray[np.float32]

    def find_beat(self, at_s: float) -> int:
        """Return the row of the beat nearest to a time.

        Parameters
        ----------
        at_s : float
            Seconds from the start of the record.

        Returns
        -------
        int

        Raises
        ------
        DataError
            If no beat is within `FARTHEST_S`.
        """
        return find_nearest(self.record, self.time_s, at_s)

    def bounds_of(self, beat: int) -> tuple[int, int]:
        """Return the first beat of the stretch that a beat lies in, and the one after its last."""
        stretch = int(np.searchsorted(self.bounds, beat, side="right"))
        return int(self.bounds[stretch - 1]), int(self.bounds[stretch])


def find_nearest(record: str, time_s: NDArray[np.float64], at_s: float) -> int:
    """Return the row of the beat nearest to a time.

    Parameters
    ----------
    record : str
        Name, for a message.
    time_s : ndarray of float64, (L,)
        Beats in seconds.
    at_s : float
        The time in seconds.

    Returns
    -------
    int

    Raises
    ------
    DataError
        If no beat is within `FARTHEST_S`.
    """
    beat = int(np.abs(time_s - at_s).argmin())
    nearest_s = float(time_s[beat])
    if not abs(nearest_s - at_s) <= FARTHEST_S:
        raise DataError(
            record,
            found=f"no beat in usable signal within {FARTHEST_S:g} s of {at_s:g} s",
            expected="the time of a beat",
            remedy=f"The nearest beat is at {nearest_s:.2f} s.",
        )
    return beat


def find_stretches(
    signal: EcgSource, at_s: float, *, least_s: int = MIN_STRETCH_S, device: str | torch.device = "cpu"
) -> FoundBeats:
    """Find the beats of a record as `ecgfeat.prediction.record.predict_record` does.

    Parameters
    ----------
    signal, at_s, device
        As `see_record` takes them.
    least_s : int
        Length of the shortest usable stretch in seconds.

    Returns
    -------
    FoundBeats

    Raises
    ------
    DataError
        If the time lies outside of the record, or no beat is found in usable signal.
    """
    duration_s = signal.num_samples / signal.fs_hz
    if not 0 <= at_s < duration_s:
        expected = f"a time within 0 to {duration_s:g} s"
        raise DataError(signal.record, found=f"{at_s:g} s", expected=expected, remedy="Change --at-s.")
    whole_uv_SC, _ = bring_to_common_rate(signal, device)
    start, stop = next(
        (start, stop)
        for start, stop in itertools.pairwise(day_edges(len(whole_uv_SC)))
        if at_s * COMMON_FS_HZ < stop or stop == len(whole_uv_SC)
    )
    signal_uv_SC = whole_uv_SC[start:stop]
    rpeaks = find_beats(signal_uv_SC, method="ecgfeat", lead="all", device=device)
    num_seconds = math.ceil(len(signal_uv_SC) / COMMON_FS_HZ)
    state_TC = np.full((num_seconds, 1), ABSENT, dtype=np.int8) if rpeaks.state is None else rpeaks.state
    whole = unannotated_record(signal.record, len(signal_uv_SC), rpeaks.sample)
    stretches = cut_stretches(whole, find_usable(state_TC, len(signal_uv_SC), least_s))
    if not stretches:
        found = f"no beat in usable signal{f' ({rpeaks.reason})' if rpeaks.reason else ''}"
        raise DataError(
            signal.record, found=found, expected="beats to explain", remedy="Are signal, unit and sampling rate right?"
        )
    return FoundBeats(start, signal_uv_SC, whole, stretches)


def see_record(
    signal: EcgSource, models: Models, at_s: float = 0.0, *, device: str | torch.device = "cpu"
) -> SeenRecord:
    """Prepare a record as `ecgfeat.prediction.record.predict_record` does, and keep what its models read.

    Parameters
    ----------
    signal : EcgSource
        The record at its own rate: in memory, or an open file.
    models : Models
        The default models.
    at_s : float
        A time in the record in seconds: of a record of more than 26 hours, the day that holds it is seen.
    device : str or torch.device
        Where to compute.

    Returns
    -------
    SeenRecord

    Raises
    ------
    DataError
        If the time lies outside of the record, or no beat is found in usable signal.
    """
    found = find_stretches(signal, at_s, device=device)
    whole, stretches = found.whole, found.stretches
    is_used_L, rr_s = np.zeros(len(whole.sample), dtype=np.bool_), np.full(len(whole.sample), np.nan)
    for stretch in stretches:
        is_used_L[stretch.rows], rr_s[stretch.rows] = True, stretch.rr_s
    window_uv_LCS = cut_beats(found.signal_uv, whole.sample, num_samples=BEAT_SAMPLES, num_leads=NUM_LEADS)
    classifier = models.classifier
    described = describe_beats(
        Beats(rr_s, is_used_L), window_uv_LCS, median_beats=classifier.median_beats, device=device
    )
    feature, window_uv_LCS = {name: of[is_used_L] for name, of in described.items()}, window_uv_LCS[is_used_L]
    probability_LK = classify_record(classifier, window_uv_LCS, feature, device=device)
    bounds = np.cumsum([0, *(len(stretch.sample) for stretch in stretches)])
    parts, usual_s = np.split(probability_LK, bounds[1:-1]), usual_interval(rr_s)
    named = name_classified(models, stretches, usual_s, parts, device=device)
    return SeenRecord(
        signal.record,
        tuple(signal.leads[:NUM_LEADS]),
        signal.num_samples / signal.fs_hz,
        (found.start + whole.sample[is_used_L]) / COMMON_FS_HZ,
        rr_s[is_used_L],
        bounds,
        gather_shapes(window_uv_LCS, feature, median_beats=classifier.median_beats),
        stack_columns_of({name: feature[name] for name in COLUMNS}),
        probability_LK,
        np.concatenate([of.label for of, _ in named]),
        tuple(Stretch(of.rr_s, usual_s, part).describe() for of, part in zip(stretches, parts, strict=True)),
        np.concatenate([posterior_LK for _, posterior_LK in named]),
    )
