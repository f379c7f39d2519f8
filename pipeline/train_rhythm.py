"""Stage train_rhythm: corrupted annotations and classified beats -> the head that names the rhythm of every beat."""

import sys
from dataclasses import fields, replace

import numpy as np

from ecgfeat.arrhythmia.choice import choose_method
from ecgfeat.arrhythmia.head import ArrhythmiaHead, save_head
from ecgfeat.arrhythmia.plain import INTERVAL_FIGURES, save_rr_trees
from ecgfeat.arrhythmia.segments import Segment, draw_segments
from ecgfeat.arrhythmia.training import (
    TransformerSettings,
    network_config,
    train_transformer,
    train_trees,
)
from ecgfeat.beats.classifier import load_classifier
from ecgfeat.beats.corruption import Corruption
from ecgfeat.device import choose_device
from ecgfeat.scoring.plain import plain_numbers
from ecgfeat.store.schemas import RHYTHMS
from ecgfeat.trees import TreeSettings
from pipeline.params import read_params
from pipeline.read import paths
from pipeline.read.rhythm_training import (
    draw_validation,
    read_annotated_sources,
    read_drawing,
    read_short_sources,
    read_signal_sources,
)
from pipeline.run.stage import note_written, progress_bar, run_stage


def main() -> str:
    """Train the rhythm head."""
    params = read_params()
    section = params.train_rhythm.model_dump()
    settings = TransformerSettings(
        chunk_beats=section["beats"],
        **{field.name: section[field.name] for field in fields(TransformerSettings) if field.name in section},
    )
    drawing = read_drawing(params)
    trees = TreeSettings(section["iterations"], section["leaves"], section["min_rows"], section["tree_lr"])
    corruption = Corruption(**params.corruption.model_dump())
    device = choose_device(params.runtime.device, params.runtime.threads)
    classifier, described = load_classifier(paths.BEAT_CLASSIFIER)
    annotated = read_annotated_sources(params, "train")
    with_signals, answers = read_signal_sources(params)
    short = read_short_sources(params, "train", classifier)
    sources = [*annotated, *(with_signals if section["signal_rows"] else []), *short]
    validation = draw_validation(params, classifier, answers)

    def draw(epoch: int) -> list[Segment]:
        return list(draw_segments(sources, drawing, corruption, classifier, answers, seed=(params.seed, epoch, 0)))

    first = draw(0)
    with progress_bar(desc="train_rhythm", unit="segment") as progress:
        net, scale, log = train_transformer(
            lambda epoch: draw(epoch) if epoch else first,
            validation.all,
            settings,
            seed=params.seed,
            device=device,
            on_batch=lambda epoch, size: progress.update(size),
        )
    grown = {"rows_per_rhythm": section["rows_per_rhythm"], "seed": params.seed}
    forest = train_trees(first, trees, **grown, hidden_figures=section["hidden_figures"])
    plain = train_trees(first, trees, **grown, figures=INTERVAL_FIGURES)
    rhythms = [source.rhythm for source in annotated]
    count_K = np.bincount(np.concatenate([rhythm[rhythm >= 0] for rhythm in rhythms]), minlength=len(RHYTHMS))
    prior = tuple((count_K / count_K.sum()).tolist())
    head = ArrhythmiaHead(net, scale, forest, settings.chunk_beats, "transformer", {}, prior)
    method, smoothing, scores = choose_method(head, rhythms, [validation.days, validation.short], device=device)
    info = {
        "corpora": params.inside(params.corpora),
        "annotations": params.annotations.corpora,
        "short_records": params.inside(params.short_records.corpora),
        "classifier": described["sha256"],
        "seed": params.seed,
        "params": params.train_rhythm.model_dump() | {"corruption": params.corruption.model_dump()},
        "log": plain_numbers(log),
        "validation": scores,
    }
    save_head(paths.RHYTHM_MODEL, replace(head, method=method, smoothing=smoothing), network_config(settings), info)
    save_rr_trees(paths.RR_TREES, plain, {"corpora": info["corpora"], "annotations": info["annotations"]})
    note_written(paths.RHYTHM_MODEL / "arrhythmia.json")
    shown = ", ".join(f"{name} {score['macro_f1']:.3f} (AFIB {score['afib_f1']:.3f})" for name, score in scores.items())
    count = f"{len(annotated)} annotated records, {len(with_signals)} with signals, {len(short)} short"
    return f"{count}; validation macro F1 {shown}"


if __name__ == "__main__":
    sys.exit(run_stage("train_rhythm", main))
