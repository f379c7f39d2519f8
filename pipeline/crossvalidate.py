"""Stage crossvalidate: records of a diagnostic corpus -> what a system says of each, never having seen its subject."""

import json
import sys
import time

import numpy as np

from ecgfeat.arena import BEATS_ONLY, get_system
from ecgfeat.arena.checkpoint import save_left_out, save_system
from ecgfeat.arena.chronos import OutOfReachError
from ecgfeat.arena.recipe import Recipe
from ecgfeat.arena.record_task import LabelledRecords, make_targets, record_posteriors, train_on_records
from ecgfeat.arena.system import build_system
from ecgfeat.corpora.diagnostic import get_diagnostic_corpus
from ecgfeat.device import choose_device
from ecgfeat.models import count_parameters
from ecgfeat.scoring.plain import plain_numbers
from ecgfeat.store.publish import publish
from ecgfeat.store.schemas import RECORD_PREDICTIONS
from ecgfeat.store.tables import Columns, stack_columns, write_table
from pipeline.params import read_params
from pipeline.read import paths
from pipeline.read.diagnoses import read_diagnostic_records
from pipeline.run.finished_folds import FinishedFolds, TrainedFold
from pipeline.run.stage import note_written, progress_bar, run_stage


def main(slug: str, name: str) -> str:
    """Train a system once per fold and ask each model about the fold it was not trained on."""
    params = read_params()
    corpus = get_diagnostic_corpus(slug)
    nothing: Columns = {column: np.array([], dtype=object) for column in RECORD_PREDICTIONS.columns}
    if get_system(name).reads == "beats":
        return _leave_out(slug, name, nothing, BEATS_ONLY)
    settings = getattr(params, name)
    config = settings.model_dump() | {"epochs": settings.record_epochs}
    recipe, views = Recipe.of(config), params.crossvalidate.views
    device = choose_device(params.runtime.device, params.runtime.threads)
    leads = corpus.pick_leads(params.crossvalidate.leads)
    rows, signals = read_diagnostic_records(slug, settings, leads)
    target = make_targets(
        [row["labels"] for row in rows], [row["unknown"] for row in rows], corpus.classes, corpus.task
    )
    fold = np.array([row["fold"] for row in rows], dtype=np.int64)
    records = LabelledRecords(signals, target, fold)
    shape = {
        "num_leads": signals.num_leads,
        "num_classes": len(corpus.classes),
        "num_samples": round(settings.seconds * settings.fs_hz),
    }
    finished = FinishedFolds(
        slug,
        name,
        config=config,
        shape=shape,
        recipe=recipe,
        records=records,
        seed=params.seed,
        device=device,
    )
    parts, folds = [], {}
    with progress_bar(desc=f"crossvalidate {slug} {name}", unit="record") as progress:
        for number in np.unique(fold).tolist():
            known = finished.load(number)
            if known is None:
                seed = params.seed + number
                try:
                    system = build_system(name, config, seed=seed, device=device, **shape)
                except OutOfReachError as error:
                    print(error, file=sys.stderr)
                    finished.clear()
                    return _leave_out(slug, name, nothing, error.reason)
                start_s = time.perf_counter()
                log = train_on_records(
                    system,
                    records,
                    np.flatnonzero(fold != number),
                    recipe,
                    corpus.task,
                    seed=seed,
                    device=device,
                    on_batch=lambda epoch, size: progress.update(size),
                )
                known = TrainedFold(system, log, time.perf_counter() - start_s)
                finished.save(number, known)
            folds[number] = known
            test = np.flatnonzero(fold == number)
            single_NK, pooled_NK = record_posteriors(
                known.system,
                records,
                test,
                corpus.task,
                num_views=views,
                power=settings.pooling_power,
                device=device,
            )
            blocks = {"single": single_NK} | ({f"tta{views}": pooled_NK} if views > 1 else {})
            for view, probability_NK in blocks.items():
                columns = {
                    "corpus": np.full(len(test), slug),
                    "model": np.full(len(test), name),
                    "view": np.full(len(test), view),
                    "fold": np.full(len(test), number),
                    "subject": np.array([rows[i]["subject"] for i in test]),
                    "record": np.array([rows[i]["record"] for i in test]),
                    "references": _lists([rows[i]["labels"] for i in test]),
                    "unknown": _lists([rows[i]["unknown"] for i in test]),
                    "probability": _lists(probability_NK.tolist()),
                }
                parts.append(columns)
    with publish(paths.fold_models(slug, name)) as folder:
        for number, made in folds.items():
            told = {"corpus": slug, "fold": number, "leads": leads, "classes": corpus.classes, "task": corpus.task}
            told["log"] = plain_numbers(made.log)
            save_system(folder / f"fold{number}", name, made.system, config, shape, told)
    for number, made in folds.items():
        note_written(paths.fold_models(slug, name) / f"fold{number}" / "system.json", made.took_s)
    info = {"parameters": count_parameters(known.system), "folds": len(folds), "config": shape}
    line = _write(slug, name, stack_columns(parts, list(RECORD_PREDICTIONS.columns)), info)
    finished.clear()
    return line


def _lists(rows: list) -> np.ndarray:  # type: ignore[type-arg]
    """Return a column of lists."""
    column = np.empty(len(rows), dtype=object)
    for at, row in enumerate(rows):
        column[at] = list(row)
    return column


def _leave_out(slug: str, name: str, nothing: Columns, reason: str) -> str:
    with publish(paths.fold_models(slug, name)) as folder:
        save_left_out(folder, name, reason)
    return _write(slug, name, nothing, {"left_out": reason})


def _write(slug: str, name: str, columns: Columns, info: dict[str, object]) -> str:
    params = read_params()
    corpus = get_diagnostic_corpus(slug)
    made_by = {"classes": list(corpus.classes), "crossvalidate": params.crossvalidate.model_dump()}
    with publish(paths.diagnostic(slug, name)) as folder:
        folder.mkdir()
        write_table(folder / "records.parquet", columns, RECORD_PREDICTIONS, made_by)
        (folder / "training.json").write_text(json.dumps(info, indent=1, allow_nan=False) + "\n")
    if "left_out" in info:
        return f"{slug} {name}: left out, {info['left_out']}"
    return f"{slug} {name}: {info['parameters']} parameters, {info['folds']} folds; rows: {len(columns['record'])}"


if __name__ == "__main__":
    sys.exit(run_stage("crossvalidate", main))
