"""Read what the beat classifier is trained on."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from ecgfeat.beats.classifier_training import TrainingRecord
from ecgfeat.beats.corruption import Corruption
from ecgfeat.beats.history import beat_labels
from ecgfeat.beats.prematurity import PrematurityRows, draw_annotated_rows, draw_rows, stack_columns_of
from ecgfeat.beats.shapes import gather_shapes
from ecgfeat.errors import UsageError
from ecgfeat.store.mapped import keep_mapped
from ecgfeat.store.schemas import BEAT_CLASSES
from pipeline.params import Params
from pipeline.read import paths
from pipeline.read.annotated import DescribedBeats, read_annotated, read_described
from pipeline.read.noisy_copies import read_noisy_copies
from pipeline.read.recorded_noise import read_noise

TRAINING_SPLITS = ("train", "validation")
"""Cross-validation tests every subject of these; the test split is not read."""

Named = tuple[str, DescribedBeats]
"""Slug of a corpus, and a record of it."""


def read_training_beats(params: Params) -> Iterator[Named]:
    """Yield the records with signals that the classifier is trained on."""
    for corpus in params.corpora:
        for beats in read_described(corpus, TRAINING_SPLITS):
            yield corpus, beats


def make_training_record(
    corpus: str, beats: DescribedBeats, params: Params, rng: np.random.Generator
) -> TrainingRecord:
    """Gather what networks and trees learn from a record."""
    label_L = beat_labels(beats.rpeaks["aami"])
    # A detection without a beat is none of the classes: it is left out.
    early_LD = keep_mapped(stack_columns_of(beats.feature), paths.SCRATCH)
    shapes = gather_shapes(beats.window_uv, beats.feature, median_beats=params.features.median_beats)
    mapped = {name: keep_mapped(getattr(shapes, name), paths.SCRATCH) for name in ("window_uv", "wave", "beat")}
    return TrainingRecord(
        f"{corpus}/{beats.row['subject']}",
        replace(shapes, **mapped),
        label_L,
        draw_rows(early_LD, label_L, params.train_beats.most_beats, rng),
        early_LD,
    )


def read_noisy_records(params: Params, rng: np.random.Generator) -> Iterator[TrainingRecord]:
    """Yield copies of the records with recorded noise, for the networks alone.

    A detection that noise made is N here: it is to be neither V nor S. The trees, which read intervals alone, cannot
    tell it from an early beat and would learn to miss these.
    """
    if not params.train_beats.noise_snr_db:
        return
    pool = read_noise(params, "train")
    if pool is None:
        raise UsageError(
            "train_beats.noise_snr_db",
            found=f"no noisy record of {params.robustness.noise_corpus}",
            expected="robustness.noise_corpus among short_records.corpora",
            remedy="Set train_beats.noise_snr_db to [], or add that corpus.",
        )
    for corpus, beats, is_noise in read_noisy_copies(params, TRAINING_SPLITS, pool):
        record = make_training_record(corpus, beats, params, rng)
        label_L = np.where(is_noise, BEAT_CLASSES.index("N"), record.label)
        yield replace(record, label=label_L, prematurity=None, weight=params.train_beats.noisy_weight, trains_only=True)


def read_weak_records(params: Params, rng: np.random.Generator) -> Iterator[TrainingRecord]:
    """Yield short records in sinus rhythm: all their beats are taken for N, which few are not."""
    if not params.train_beats.weak_weight:
        return
    for corpus in params.short_records.corpora:
        for beats in read_described(corpus, ("train",)):
            if np.isin(beats.rpeaks["rhythm"], ["NSR", "SBR"]).all():
                normal = beats.rpeaks | {"aami": np.full(len(beats.is_used.nonzero()[0]), "N", dtype=object)}
                record = make_training_record(corpus, replace(beats, rpeaks=normal), params, rng)
                weight = params.train_beats.weak_weight
                assert record.prematurity is not None
                rows = replace(record.prematurity, weight=weight)
                yield replace(record, prematurity=rows, weight=weight, is_weak=True)


def read_annotated_rows(corpora: Sequence[str], params: Params) -> Iterable[PrematurityRows]:
    """Yield what the trees learn from annotations alone."""
    corruption = Corruption(**params.corruption.model_dump())
    for number, beats in enumerate(read_annotated(corpora, "train")):
        rng = np.random.default_rng((params.seed, number, 1))
        yield draw_annotated_rows(beats.sample, beats.label, corruption, params.train_beats.most_beats, rng)
