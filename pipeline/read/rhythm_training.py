"""Read what the rhythm head is trained and validated on: annotations, and signals with classified beats."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from ecgfeat.arrhythmia.segments import (
    AnswerPool,
    RhythmSource,
    Segment,
    SegmentSettings,
    corrupt_segment,
    draw_segments,
    gather_answers,
    rhythm_codes,
)
from ecgfeat.beats.classifier import BeatClassifier, classify_record
from ecgfeat.beats.corruption import Corruption
from ecgfeat.device import choose_device
from ecgfeat.features.intervals import usual_interval
from ecgfeat.store.schemas import COMMON_FS_HZ
from pipeline.params import Params
from pipeline.read.annotated import annotation_corpora, read_annotated, read_described
from pipeline.read.beats import read_class_probabilities, read_rpeaks

FEWEST_BEATS = 8
"""A short record with fewer is not learnt from."""

PARTS, PART_BEATS = 12, 2000
"""Of each validation record, so many parts of so many beats are corrupted whole."""


def read_annotated_sources(params: Params, split: str) -> list[RhythmSource]:
    """Return the annotated beats of a split as sources of segments."""
    return [
        RhythmSource(beats.sample, beats.label, rhythm_codes(beats.rhythm))
        for beats in read_annotated(annotation_corpora(params), split)
        if len(beats.sample)
    ]


def read_signal_sources(params: Params) -> tuple[list[RhythmSource], AnswerPool | None]:
    """Return the training records with signals as sources, and the answers of classifiers that had not seen them.

    Where other corpora give the annotations to validate on, no record of these is held back for it.
    """
    splits = ("train", "validation") if params.annotations.corpora else ("train",)
    sources, answers = [], []
    for corpus in params.corpora:
        probabilities_of = read_class_probabilities(corpus)
        for split in splits:
            for row, rpeaks in read_rpeaks(corpus, split):
                probability_LK = probabilities_of(row["record"])
                is_used = np.isfinite(probability_LK).all(axis=1)
                if not is_used.any():
                    continue
                answers.append((probability_LK[is_used], rpeaks["aami"][is_used].astype(str)))
                rhythm = rhythm_codes(rpeaks["rhythm"][is_used].astype(str))
                if (rhythm >= 0).any():
                    label = np.full(len(rhythm), -1, dtype=np.int64)
                    rr_s = rpeaks["rr_s"][is_used]
                    sources.append(
                        RhythmSource(rpeaks["sample"][is_used], label, rhythm, rr_s, probability_LK[is_used])
                    )
    return sources, gather_answers(answers) if answers else None


def read_short_sources(params: Params, split: str, classifier: BeatClassifier) -> list[RhythmSource]:
    """Return short records of one rhythm throughout as sources, each for one segment of an epoch."""
    device = choose_device(params.runtime.device, params.runtime.threads)
    sources = []
    for corpus in params.short_records.corpora:
        for beats in read_described(corpus, (split,)):
            rhythm = rhythm_codes(beats.rpeaks["rhythm"].astype(str))
            if len(rhythm) >= FEWEST_BEATS and (rhythm >= 0).all():
                probability_LK = classify_record(classifier, beats.window_uv, beats.feature, device=device)
                label = np.full(len(rhythm), -1, dtype=np.int64)
                rr_s = beats.rpeaks["rr_s"]
                sources.append(RhythmSource(beats.rpeaks["sample"], label, rhythm, rr_s, probability_LK, draws=1))
    return sources


def read_drawing(params: Params) -> SegmentSettings:
    """Return how segments are drawn."""
    section = params.train_rhythm.model_dump()
    return SegmentSettings(**{field.name: section[field.name] for field in fields(SegmentSettings)})


@dataclass(frozen=True)
class Validation:
    """Segments of subjects that a rhythm head has not learnt from.

    Attributes
    ----------
    days : list of Segment
        Parts of annotated records, corrupted, with their rhythms as they come.
    cut : list of Segment
        Short parts of these, around each rhythm that a record has.
    short : list of Segment
        Short records with signals, as they are.
    """

    days: list[Segment]
    cut: list[Segment]
    short: list[Segment]

    @property
    def all(self) -> list[Segment]:
        """All of them: what the epoch is chosen on."""
        return [*self.days, *self.cut, *self.short]


def draw_validation(params: Params, classifier: BeatClassifier, answers: AnswerPool | None) -> Validation:
    """Draw the segments that a rhythm head is validated on."""
    drawing = read_drawing(params)
    in_life = (Corruption(**params.corruption.model_dump()), classifier, answers)
    annotated = read_annotated_sources(params, "validation")
    short = read_short_sources(params, "validation", classifier)
    return Validation(
        corrupt_parts(annotated, *in_life, seed=(params.seed, 2)),
        list(draw_segments(annotated, replace(drawing, short_share=1.0), *in_life, seed=(params.seed, 3))),
        list(draw_segments(short, drawing, *in_life, seed=(params.seed, 4))),
    )


def corrupt_parts(
    sources: Sequence[RhythmSource],
    corruption: Corruption,
    classifier: BeatClassifier,
    answers: AnswerPool | None,
    *,
    seed: tuple[int, ...],
) -> list[Segment]:
    """Return parts of each record, corrupted, with their rhythms as they come."""
    segments = []
    for number, source in enumerate(sources):
        rng = np.random.default_rng((*seed, number))
        usual_s = usual_interval(np.diff(source.sample / COMMON_FS_HZ, prepend=np.nan))
        size = len(source.sample)
        for start in np.unique(np.linspace(0, max(0, size - PART_BEATS), PARTS).astype(np.int64)):
            part = slice(int(start), min(int(start) + PART_BEATS, size))
            figure_LD, origin = corrupt_segment(source, part, usual_s, corruption, classifier, answers, rng)
            segments.append(Segment(figure_LD, np.where(origin >= 0, source.rhythm[part][origin], -1), number))
    return segments
