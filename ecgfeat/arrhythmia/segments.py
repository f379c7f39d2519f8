"""Segments of beats to learn rhythms from: of annotations, corrupted as a detector and a classifier do, or of signals.

Shape suffixes: L beats of a record or segment, D figures, K classes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ecgfeat.arrhythmia.figures import describe_rhythm
from ecgfeat.beats.classifier import BeatClassifier
from ecgfeat.beats.corruption import Corruption, corrupt_rpeaks
from ecgfeat.beats.prematurity import stack_columns_of
from ecgfeat.beats.probabilities import join_classes
from ecgfeat.errors import DataError
from ecgfeat.features.intervals import describe_intervals, usual_interval
from ecgfeat.scoring.rhythm import class_codes
from ecgfeat.store.schemas import BEAT_CLASSES, COMMON_FS_HZ, RHYTHMS

_VENTRICULAR = BEAT_CLASSES.index("V")
_BY_RATE = [RHYTHMS.index(name) for name in ("NSR", "SBR")]  # another rate would make one of the other
_SHORTEST_BEATS = 20
_FEWEST_V = 20  # of a record whose V beats others are drawn like


@dataclass(frozen=True)
class RhythmSource:
    """A record that segments are drawn from.

    Attributes
    ----------
    sample : ndarray of int64, (L,)
        R-peaks at the common rate, ascending.
    label : ndarray of int64, (L,)
        Beat classes as indices into N S V; -1 any other. Of a record with a signal they are not read.
    rhythm : ndarray of int64, (L,)
        Rhythms as indices into the six; -1 any other.
    rr_s : ndarray of float64, (L,), or None
        Intervals of a record with a signal, NaN at the first beat of a stretch; None: of annotations alone.
    probability : ndarray of float32, (L, 3), or None
        Its beat classes, by a classifier that had not seen its subject.
    draws : int
        Segments of each of its rhythms in an epoch; 0: as many as `SegmentSettings` has.
    """

    sample: NDArray[np.int64]
    label: NDArray[np.int64]
    rhythm: NDArray[np.int64]
    rr_s: NDArray[np.float64] | None = None
    probability: NDArray[np.float32] | None = None
    draws: int = 0


@dataclass(frozen=True)
class Segment:
    """Beats in a row with what a head reads of them.

    Attributes
    ----------
    figure : ndarray of float32, (L, D)
        Of `ecgfeat.arrhythmia.figures`.
    rhythm : ndarray of int64, (L,)
        Rhythm of each beat; -1 outside the task.
    record : int
        Number of its record.
    """

    figure: NDArray[np.float32]
    rhythm: NDArray[np.int64]
    record: int


@dataclass(frozen=True)
class SegmentSettings:
    """How segments are drawn.

    Attributes
    ----------
    per_rhythm : int
        Of each record and rhythm that it has.
    beats : int
        Length of a long one.
    short_share : float
        Share of segments that are as short as a record of half a minute: 20 to 90 beats.
    label_dropout : float
        Share of segments in which it is not known which beats are V; which are early is seen in the intervals.
    """

    per_rhythm: int
    beats: int
    short_share: float
    label_dropout: float


@dataclass(frozen=True)
class AnswerPool:
    """How sure a classifier was of V, record by record, for subjects that it had not seen.

    Attributes
    ----------
    others, ventricular : tuple of ndarray of float32
        Probability of V of the beats that are none, and of those that are.
    """

    others: tuple[NDArray[np.float32], ...]
    ventricular: tuple[NDArray[np.float32], ...]

    def draw(self, label_L: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float32]:
        """Draw the probability of V of beats by their true class, all like those of one record, (L,)."""
        others = self.others[rng.integers(len(self.others))]
        ventricular = self.ventricular[rng.integers(len(self.ventricular))]
        size = len(label_L)
        like_others, like_v = (pool[rng.integers(0, len(pool), size)] for pool in (others, ventricular))
        return np.where(label_L == _VENTRICULAR, like_v, like_others)


def gather_answers(records: Sequence[tuple[NDArray[np.float32], NDArray[np.str_]]]) -> AnswerPool:
    """Gather a classifier's answers for subjects that it had not seen.

    Parameters
    ----------
    records : sequence of (ndarray of float32 (L, 3), ndarray of str (L,))
        Probabilities and reference classes N S V F Q of the beats of each record.

    Returns
    -------
    AnswerPool
        V beats are taken from records that have twenty or more; where none has, from all, and one that is sure.

    Raises
    ------
    DataError
        If there is no N or S beat.
    """
    others, by_record = [], []
    for probability_LK, aami_L in records:
        is_v = aami_L == "V"
        others.append(probability_LK[np.isin(aami_L, ["N", "S"]), _VENTRICULAR])
        by_record.append(probability_LK[is_v, _VENTRICULAR])
    if not any(len(answer) for answer in others):
        raise DataError("classes", found="no beat with a class", expected="N beats of records with signals")
    many = [answer for answer in by_record if len(answer) >= _FEWEST_V]
    ventricular = many or [np.concatenate([*by_record, np.ones(1, dtype=np.float32)])]
    return AnswerPool(tuple(answer for answer in others if len(answer)), tuple(ventricular))


def rhythm_codes(rhythm: NDArray[np.str_]) -> NDArray[np.int64]:
    """Return rhythms by name as indices into the six; -1 any other."""
    return class_codes(rhythm, RHYTHMS)


def draw_segments(
    sources: Sequence[RhythmSource],
    settings: SegmentSettings,
    corruption: Corruption,
    classifier: BeatClassifier,
    answers: AnswerPool | None,
    *,
    seed: tuple[int, ...],
) -> Iterator[Segment]:
    """Draw segments of records so that every rhythm of each occurs.

    Parameters
    ----------
    sources : sequence of RhythmSource
        The records.
    settings, corruption
        How.
    classifier : BeatClassifier
        Its trees tell how early corrupted beats are: they read intervals alone.
    answers : AnswerPool or None
        What its networks would say of V; None: nothing is known of it.
    seed : tuple of int
        Of the draws; each record has its own.

    Yields
    ------
    Segment
        Record by record.
    """
    for number, source in enumerate(sources):
        rng = np.random.default_rng((*seed, number))
        usual_s = usual_interval(_intervals(source.sample) if source.rr_s is None else source.rr_s)
        for low, high, beat, is_short in _places(source.rhythm, source.draws or settings.per_rhythm, settings, rng):
            part = slice(low, high)
            if source.rr_s is None:
                is_hidden = rng.random() < settings.label_dropout
                figure_LD, origin = corrupt_segment(
                    source, part, None if is_short else usual_s, corruption, classifier,
                    None if is_hidden else answers, rng,
                )  # fmt: skip
                yield Segment(figure_LD, np.where(origin >= 0, source.rhythm[part][origin], -1), number)
                continue
            assert source.probability is not None, "a record with a signal has classes"
            # An interval across a gap is none: the segment is of the stretch that the drawn beat lies in.
            first = np.append(low + np.flatnonzero(np.isnan(source.rr_s[part])), high)
            part = slice(max(low, int(first[first <= beat].max(initial=low))), int(first[first > beat].min()))
            rr_s = source.rr_s[part].copy()
            rr_s[0] = np.nan
            own_s = usual_interval(rr_s) if is_short else usual_s
            yield Segment(describe_rhythm(rr_s, own_s, source.probability[part]), source.rhythm[part], number)


def corrupt_segment(
    source: RhythmSource,
    part: slice,
    usual_s: tuple[float, float] | None,
    corruption: Corruption,
    classifier: BeatClassifier,
    answers: AnswerPool | None,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Corrupt a part of an annotated record, and describe it.

    Parameters
    ----------
    source : RhythmSource
        The record.
    part : slice
        Its beats.
    usual_s : tuple of float or None
        Usual intervals of the record; None: the part is all there is of it.
    corruption, classifier, rng
        As `draw_segments` takes them.
    answers : AnswerPool or None
        None: which beats are V is not known.

    Returns
    -------
    figure_LD : ndarray of float32, (L, D)
        Of `ecgfeat.arrhythmia.figures`.
    origin_L : ndarray of int64, (L,)
        The beat of the part that each was; -1 of a false one.
    """
    if np.isin(source.rhythm[part], _BY_RATE).any():
        corruption = replace(corruption, rate=0.0)
    sample_L, origin_L, factor = corrupt_rpeaks(source.sample[part], source.label[part], corruption, rng)
    rr_s = _intervals(sample_L)
    own_s = usual_interval(rr_s) if usual_s is None else (factor * usual_s[0], factor * usual_s[1])
    label_L = np.where(origin_L >= 0, source.label[part][origin_L], 0)
    intervals = describe_intervals(rr_s, own_s)
    probability_LK = guess_classes(intervals, label_L, classifier, answers, rng)
    return describe_rhythm(rr_s, own_s, probability_LK, intervals), origin_L


def guess_classes(
    intervals: Mapping[str, NDArray[np.float64]],
    label_L: NDArray[np.int64],
    classifier: BeatClassifier,
    answers: AnswerPool | None,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Return beat classes as the classifier would give them, (L, 3): S by its trees, V drawn like its answers."""
    early_LD = stack_columns_of(intervals)
    early_L = classifier.early_curve.apply(classifier.prematurity.predict(early_LD))
    if answers is None:
        return np.stack([1 - early_L, early_L, np.full(len(early_L), np.nan, dtype=np.float32)], axis=1)
    return join_classes(answers.draw(label_L, rng), early_L)


def _intervals(sample_L: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the interval to the R-peak before in seconds; NaN for the first."""
    return np.diff(sample_L / COMMON_FS_HZ, prepend=np.nan)


def _places(
    rhythm_L: NDArray[np.int64], draws: int, settings: SegmentSettings, rng: np.random.Generator
) -> Iterator[tuple[int, int, int, bool]]:
    """Yield first beat and the one after the last of segments, the random beat that each is around, and if short."""
    edges = np.flatnonzero(np.append(True, rhythm_L[1:] != rhythm_L[:-1]))
    stops = np.append(edges[1:], len(rhythm_L))
    for rhythm in range(len(RHYTHMS)):
        of_rhythm = np.flatnonzero(rhythm_L[edges] == rhythm)
        for _ in range(draws if len(of_rhythm) else 0):
            episode = of_rhythm[rng.integers(len(of_rhythm))]
            beat = int(rng.integers(edges[episode], stops[episode]))
            is_short = bool(rng.random() < settings.short_share)
            size = int(rng.integers(_SHORTEST_BEATS, 90)) if is_short else settings.beats
            low = int(np.clip(beat - rng.integers(0, size), 0, max(0, len(rhythm_L) - size)))
            yield low, min(low + size, len(rhythm_L)), beat, is_short
