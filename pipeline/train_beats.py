"""Stage train_beats: beat windows, beat features and annotations -> the beat classifier, and its held-out answers."""

import sys
from dataclasses import replace
from typing import Any

import numpy as np

from ecgfeat.beats.classifier import decide_classes, save_classifier
from ecgfeat.beats.classifier_training import choose_least_early, cross_validate, fit_curves, train_classifier
from ecgfeat.beats.net_training import NetSettings
from ecgfeat.beats.probabilities import join_classes
from ecgfeat.device import choose_device
from ecgfeat.scoring.beats import beat_class_scores
from ecgfeat.scoring.plain import plain_numbers
from ecgfeat.store.publish import publish
from ecgfeat.store.schemas import BEAT_CLASSES, CLASSES
from ecgfeat.store.tables import stack_columns, write_table
from ecgfeat.trees import TreeSettings
from pipeline.params import read_params
from pipeline.read import paths
from pipeline.read.annotated import annotation_corpora
from pipeline.read.beat_training import (
    make_training_record,
    read_annotated_rows,
    read_noisy_records,
    read_training_beats,
    read_weak_records,
)
from pipeline.run.stage import note_written, progress_bar, run_stage

TREE_KEYS = {"iterations": "iterations", "leaves": "leaves", "min_rows": "min_rows", "lr": "tree_lr"}


def main() -> str:
    """Train the beat classifier on all corpora."""
    params = read_params()
    section = params.train_beats.model_dump()
    trees = TreeSettings(**{name: section.pop(key) for name, key in TREE_KEYS.items()})
    folds, *_ = (section.pop(name) for name in ("folds", "most_beats", "noise_snr_db", "noisy_weight", "weak_weight"))
    nets = NetSettings(**section)
    rng = np.random.default_rng((params.seed, 0))
    named, records = [], []
    for corpus, beats in read_training_beats(params):
        records.append(make_training_record(corpus, beats, params, rng))
        named.append((corpus, {name: beats.rpeaks[name] for name in ("record", "beat", "aami")}))
    noisy = list(read_noisy_records(params, rng)) if records else []
    weak = list(read_weak_records(params, rng))
    # Where no record has a signal, the annotations of the corpora themselves are all there is.
    corpora = params.annotations.corpora if records else annotation_corpora(params)
    annotated = list(read_annotated_rows(corpora, params))
    total = (folds + nets.seeds) * nets.steps
    with progress_bar(desc="train_beats", unit="step", total=total) as progress:
        options: dict[str, Any] = {
            "median_beats": params.features.median_beats,
            "seed": params.seed,
            "device": choose_device(params.runtime.device, params.runtime.threads),
            "on_step": progress.update,
        }
        answers = cross_validate([*records, *noisy, *weak], annotated, nets, trees, folds=folds, **options)
        curves = fit_curves(records, answers[: len(records)])
        classifier = train_classifier([*records, *noisy, *weak], annotated, nets, trees, **options)
    # In records marked normal every S is a false alarm.
    least_early = choose_least_early([*records, *weak], [curves[1].apply(of.early) for of in answers])
    answers = answers[: len(records)]
    classifier = replace(classifier, ventricular_curve=curves[0], early_curve=curves[1], least_early=least_early)
    held_out = [join_classes(curves[0].apply(of.ventricular), curves[1].apply(of.early)) for of in answers]
    reference = np.concatenate([np.zeros(0, dtype=np.str_), *(rows["aami"].astype(str) for _, rows in named)])
    predicted = np.array(BEAT_CLASSES)[
        decide_classes(classifier, np.concatenate([np.zeros((0, len(BEAT_CLASSES)), dtype=np.float32), *held_out]))
    ]
    is_scored = np.isin(reference, BEAT_CLASSES)
    scores = beat_class_scores(reference[is_scored], predicted[is_scored])
    figures = plain_numbers([{f"{name}_f1": scores[f"{name.lower()}_f1"] for name in BEAT_CLASSES}])[0]
    info = {
        "corpora": params.inside(params.corpora),
        "annotations": params.annotations.corpora,
        "short_records": params.inside(params.short_records.corpora),
        "seed": params.seed,
        "params": params.train_beats.model_dump(),
        "held_out": figures,
    }
    with publish(paths.BEAT_MODELS) as folder:
        folder.mkdir()
        save_classifier(folder / "classifier", classifier, info)
        for corpus in params.corpora:
            parts = [
                {
                    "record": rows["record"],
                    "beat": rows["beat"],
                    **{f"p_{name}": answer[:, k] for k, name in enumerate(BEAT_CLASSES)},
                    "held_out": np.ones(len(answer), dtype=np.bool_),
                }
                for (of, rows), answer in zip(named, held_out, strict=True)
                if of == corpus
            ]
            write_table(
                folder / "held_out" / f"{corpus}.parquet", stack_columns(parts, list(CLASSES.columns)), CLASSES, {}
            )
    note_written(paths.BEAT_CLASSIFIER / "classifier.json")
    shown = ", ".join(f"{name} {figures[f'{name}_f1'] or 0:.3f}" for name in BEAT_CLASSES)
    count = f"{len(records)} records, {len(weak)} short ones, {len(annotated)} of annotations alone"
    return f"{count}: F1 of held-out subjects {shown}" if records else f"{count}: no signals, so V is not learnt"


if __name__ == "__main__":
    sys.exit(run_stage("train_beats", main))
