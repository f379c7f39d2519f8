"""Stage crossvalidate: records of a diagnostic corpus -> predictions of each by a model without its subject."""

import sys
from typing import Any

import numpy as np

from ecgfeat.arena import BEATS_ONLY, get_system
from ecgfeat.arena.checkpoint import save_left_out, save_system
from ecgfeat.arena.chronos import OutOfReachError
from ecgfeat.arena.folds import CrossValidation, label_records, predict_folds, train_folds
from ecgfeat.arena.signal_table import Band
from ecgfeat.corpora.diagnostic import get_diagnostic_corpus
from ecgfeat.device import choose_device
from ecgfeat.models import count_parameters
from ecgfeat.scoring.plain import plain_numbers
from ecgfeat.store.publish import publish
from ecgfeat.store.schemas import RECORD_PREDICTIONS
from ecgfeat.store.seal import write_report
from ecgfeat.store.tables import Columns, write_table
from pipeline.params import Params, read_params
from pipeline.read import paths
from pipeline.read.diagnoses import read_diagnostic_records
from pipeline.run.finished_folds import FinishedFolds
from pipeline.run.stage import note_written, progress_bar, run_stage


def main(slug: str, name: str) -> str:
    """Train a system once per fold and predict each fold by the model that was not trained on it."""
    params = read_params()
    if get_system(name).reads == "beats":
        return _leave_out(slug, name, params, BEATS_ONLY)
    corpus, settings = get_diagnostic_corpus(slug), getattr(params, name).model_dump()
    leads = corpus.pick_leads(params.crossvalidate.leads)
    rows, signals = read_diagnostic_records(slug, Band.of(settings), leads)
    device = choose_device(params.runtime.device, params.runtime.threads)
    plan = CrossValidation.of(name, settings, signals, corpus, seed=params.seed, device=device)
    records = label_records(rows, signals, corpus)
    finished = FinishedFolds(plan, records)
    try:
        with progress_bar(desc=f"crossvalidate {slug} {name}", unit="record") as progress:
            folds = train_folds(plan, records, finished, on_batch=lambda epoch, size: progress.update(size))
    except OutOfReachError as error:
        print(error, file=sys.stderr)
        finished.clear()
        return _leave_out(slug, name, params, error.reason)
    columns = predict_folds(plan, records, folds, rows, num_views=params.crossvalidate.views)
    with publish(paths.fold_models(slug, name)) as folder:
        for number, fold in folds.items():
            info = {"corpus": slug, "fold": number, "leads": leads, "classes": corpus.classes, "task": corpus.task}
            info["log"] = plain_numbers(fold.log)
            save_system(folder / f"fold{number}", name, fold.system, plan.settings, plan.shape, info)
    for number, fold in folds.items():
        note_written(paths.fold_models(slug, name) / f"fold{number}" / "system.json", fold.took_s)
    num_parameters = {count_parameters(fold.system) for fold in folds.values()}.pop()
    _write(slug, name, params, columns, {"parameters": num_parameters, "folds": len(folds), "config": plan.shape})
    finished.clear()
    return f"{slug} {name}: {num_parameters} parameters, {len(folds)} folds; rows: {len(columns['record'])}"


def _leave_out(slug: str, name: str, params: Params, reason: str) -> str:
    with publish(paths.fold_models(slug, name)) as folder:
        save_left_out(folder, name, reason)
    no_rows: Columns = {column: np.array([], dtype=object) for column in RECORD_PREDICTIONS.columns}
    _write(slug, name, params, no_rows, {"left_out": reason})
    return f"{slug} {name}: left out, {reason}"


def _write(slug: str, name: str, params: Params, columns: Columns, training: dict[str, Any]) -> None:
    classes = list(get_diagnostic_corpus(slug).classes)
    made_by = {"classes": classes, "crossvalidate": params.crossvalidate.model_dump()}
    with publish(paths.diagnostic(slug, name)) as folder:
        folder.mkdir()
        write_table(folder / "records.parquet", columns, RECORD_PREDICTIONS, made_by)
        write_report(folder / "training.json", "training", training)


if __name__ == "__main__":
    sys.exit(run_stage("crossvalidate", main))
