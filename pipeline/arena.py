"""Stage arena: what every system said -> one table under one protocol, with what each costs, and a page."""

import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ecgfeat.corpora import get_corpus
from ecgfeat.corpora.diagnostic import get_diagnostic_corpus
from ecgfeat.decoding import chosen_view
from ecgfeat.device import choose_device
from ecgfeat.predict import predict_record
from ecgfeat.predictor import load_predictor
from ecgfeat.records import Signal
from ecgfeat.report.arena import SCHEMA, VERSION, arena_page
from ecgfeat.sampling import BASE_SEEDS, draw_windows, grid_windows
from ecgfeat.schemas import (
    COMMON_FS_HZ,
    DIAGNOSES,
    RECORD_PREDICTIONS,
    RHYTHM_PREDICTIONS,
    RHYTHMS,
    SIGNALS,
)
from ecgfeat.scoring.plain import plain_numbers
from ecgfeat.scoring.rhythm import class_f1, confusion_matrix
from ecgfeat.signals import to_millivolts
from ecgfeat.store import open_array, publish, read_table
from ecgfeat.systems import BEATS_ONLY, SYSTEMS
from ecgfeat.systems.arena import average_systems, record_scores_of, rhythm_scores_of, same_records
from ecgfeat.systems.checkpoint import load_system, read_description
from ecgfeat.systems.cost import EXPORTED, folder_size, quantise_system, time_calls, time_system
from pipeline import paths
from pipeline.load import read_records, read_rhythm_records
from pipeline.load_signals import read_signal_records
from pipeline.params import Params, find_oracles, read_params
from pipeline.stage import progress_bar, read_time, run_stage

HEADS = {"timeline": "htf_timeline", "window": "htf_window"}
BASELINES = {"rr_logistic": "logistic regression on RR", "rr_rules": "RR rules", "majority": "majority rhythm"}
ENSEMBLE = "ensemble"
CALIBRATION_WINDOWS = 128
"""Training windows by which the ranges of an integer network are chosen."""


def main() -> str:
    """Score every system on every corpus, and time it."""
    params = read_params()
    drawn = {"bootstrap": params.arena.bootstrap, "seed": params.seed}
    described = {name: read_description(paths.system(name)) for name in params.models}
    heads = HEADS | {name: name for name in (*params.models, *BASELINES)}
    heads = {head: name for head, name in heads.items() if name in (*params.models, *BASELINES)}
    decoders = json.loads((paths.TIMELINE / "model.json").read_text())["info"]["decoders"]
    tables = [
        read_table(folder / "rhythm.parquet", RHYTHM_PREDICTIONS)
        for folder in (paths.PREDICTIONS, paths.SYSTEM_PREDICTIONS)
    ]
    if params.arena.ensemble:
        averaged = {head: name for head, name in heads.items() if name in params.arena.ensemble}
        tables.append(average_systems(tables, averaged, ENSEMBLE))
        heads[ENSEMBLE] = ENSEMBLE
    scores: dict[str, dict[str, Any]] = {slug: {} for slug in (*params.corpora, *params.diagnostic_corpora)}
    scores |= rhythm_scores_of(tables, heads, {"htf_timeline": chosen_view(decoders, params.evaluate.views)}, **drawn)
    models = {name: describe_system(name, described[name], params) for name in params.models}
    for slug in params.corpora:
        for name in params.models:
            if name not in scores[slug]:
                models[name]["left_out"][slug] = described[name].get("left_out", "was not asked")
    for slug in params.diagnostic_corpora:
        answers = {}
        for name in params.models:
            folder = paths.diagnostic(slug, name)
            training = json.loads((folder / "training.json").read_text())
            if "left_out" in training:
                models[name]["left_out"][slug] = training["left_out"]
            else:
                answers[name] = read_table(folder / "records.parquet", RECORD_PREDICTIONS)
        assert same_records(list(answers.values())), f"{slug}: the systems were asked about different records"
        for name, table in answers.items():
            scores[slug][name] = record_scores_of(table, get_diagnostic_corpus(slug), **drawn)
    measure_costs(models, described, params)
    for name, title in BASELINES.items():
        left_out = dict.fromkeys(params.diagnostic_corpora, BEATS_ONLY)
        models[name] = {"title": title, "command": "dvc repro evaluate", "left_out": left_out}
    if params.arena.ensemble:
        left_out = dict.fromkeys(params.diagnostic_corpora, "averages rhythms only")
        title = f"mean of {' and '.join(params.arena.ensemble)}"
        models[ENSEMBLE] = {"title": title, "command": "dvc repro arena", "left_out": left_out}
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    arena = {
        "schema": SCHEMA,
        "version": VERSION,
        "oracles": find_oracles(params) | {"episodes": False},
        "machine": {"threads": torch.get_num_threads(), "device": device, "corpus": params.corpora[0]},
        "order": {"models": [*models], "corpora": [*params.corpora, *params.diagnostic_corpora]},
        "notes": [],
        "corpora": describe_corpora(params),
        "models": models,
        "scores": scores,
    }
    arena = plain_numbers(arena)
    paths.ARENA.parent.mkdir(parents=True, exist_ok=True)
    with publish(paths.ARENA) as part:
        part.write_text(json.dumps(arena, indent=1, sort_keys=True, allow_nan=False) + "\n")
    with publish(paths.ARENA_PAGE) as part:
        part.write_text(arena_page(arena))
    return f"{len(models)} models, {len(scores)} corpora: {paths.ARENA_PAGE}"


def describe_corpora(params: Params) -> dict[str, Any]:
    """Say what was scored: title, classes, records, subjects and split of each corpus."""
    found: dict[str, Any] = {}
    for slug in params.corpora:
        test = [row for row in read_records(slug).values() if row["split"] == "test" and row["status"] == "used"]
        split = params.annotate.split if params.annotate.split != "default" else get_corpus(slug).default_split
        found[slug] = {
            "title": get_corpus(slug).title,
            "kind": "rhythm",
            "protocols": ["two-lead windows of 10 s over whole records", "timeline: every beat"],
            "classes": list(RHYTHMS),
            "records": len(test),
            "subjects": len({row["subject"] for row in test}),
            "split": f"by subject: {split}, test records",
            "unit": "windows",
            "signals": str(test[0]["signals"]) if test else "none",
        }
    for slug in params.diagnostic_corpora:
        corpus, table = get_diagnostic_corpus(slug), read_table(paths.diagnoses(slug), DIAGNOSES)
        used = table["status"] == "used"
        found[slug] = {
            "title": corpus.title,
            "kind": "diagnostic",
            "task": corpus.task,
            "classes": list(corpus.classes),
            "scored": list(corpus.scored),
            "records": int(used.sum()),
            "subjects": len(set(table["subject"][used].tolist())),
            "split": f"{len(set(table['fold'][used].tolist()))} folds by subject, as far as subjects are known",
            "signals": str(table["signals"][used][0]),
        }
    return found


def describe_system(name: str, described: Mapping[str, Any], params: Params) -> dict[str, Any]:
    """Say what a system is, how large, and how long its training took here."""
    published = SYSTEMS[name]
    if published.reads == "beats":
        stages = [("train_htf",), *(("embed", slug) for slug in params.corpora)]
        stages.append(("train_timeline",) if name == "htf_timeline" else ("train_window",))
        folders = [paths.HTF, Path(getattr(params, name).weights)]
        parameters = sum(json.loads((folder / "model.json").read_text())["parameters"] for folder in folders)
        command = f"dvc repro {stages[-1][0]}"
    else:
        stages, folders = [("train_system", name)], [paths.system(name)]
        parameters, command = described.get("parameters"), f"dvc repro train_system@{name}"
    times = [read_time(*stage) for stage in stages]
    left_out = {} if all(time is not None for time in times) else {"training_s": "not trained in this folder"}
    return {
        "title": published.title,
        "command": command,
        "parameters": parameters,
        "published_parameters": published.parameters,
        "size_bytes": folder_size(*folders) if parameters else None,
        "training_s": None if left_out else sum(time for time in times if time is not None),
        "ms_per_record_cpu": None,
        "ms_per_record_gpu": None,
        "int8": None,
        "left_out": left_out,
    }


def measure_costs(models: Mapping[str, dict[str, Any]], described: Mapping[str, Any], params: Params) -> None:
    """Time every system on the first test record, from its signal at 128 Hz to a rhythm for all of it, one view."""
    cpu = choose_device("cpu", params.runtime.threads)
    devices = {"ms_per_record_cpu": cpu}
    if torch.cuda.is_available() and params.runtime.device != "cpu":
        devices["ms_per_record_gpu"] = choose_device("cuda")
    records = read_rhythm_records(params.corpora, "test", params, with_embeddings=False)
    window_samples = params.train_window.window_samples
    for name, model in progress_bar(models.items(), desc="arena costs", unit="model"):
        if SYSTEMS[name].reads == "beats":
            signal = _read_first(records[0].corpus, records[0].record)
            if signal is not None:
                predictor = load_predictor(paths.HTF, Path(getattr(params, name).weights))
                for key, device in devices.items():
                    model[key] = time_calls(
                        lambda p=predictor, s=signal, d=device: predict_record(s, p, num_views=1, device=d),  # type: ignore[misc]
                        params.arena.repeats,
                    )
            continue
        if "left_out" in described[name]:
            continue
        system, _ = load_system(paths.system(name))
        first = read_signal_records(records[:1], getattr(params, name))
        windows = grid_windows(first.beats, first.episodes, window_samples=window_samples, max_beats=1)
        window_BCS = first.cut(windows, system.num_samples)
        for key, device in devices.items():
            model[key] = time_system(system, window_BCS, params.arena.repeats, device)
        if name in EXPORTED:
            model["int8"] = _quantise(name, window_BCS, params)


def _read_first(corpus: str, record: str) -> Signal | None:
    store = open_array(paths.signals(corpus), SIGNALS)
    if record not in store.rows:
        return None
    signal_mv_SC = to_millivolts(store.read(record)[:, :2])
    return Signal(record, COMMON_FS_HZ, ("lead 1", "lead 2"), signal_mv_SC)


def _quantise(name: str, window_BCS: torch.Tensor, params: Params) -> dict[str, Any]:
    """Write a system in 8-bit integers, and score it on the grid of the test records."""
    system, _ = load_system(paths.system(name))
    settings, window_samples = getattr(params, name), params.train_window.window_samples
    records = [read_rhythm_records(params.corpora, split, params, with_embeddings=False) for split in ("train", "test")]
    train, test = (read_signal_records(some, settings) for some in records)
    shape = {"window_samples": window_samples, "max_beats": 1}
    drawn = draw_windows(train.beats, train.episodes, base_seed=BASE_SEEDS["train"], epoch=0, **shape)
    some = drawn.select(np.linspace(0, len(drawn) - 1, min(CALIBRATION_WINDOWS, len(drawn))).astype(np.int64))
    grid = grid_windows(test.beats, test.episodes, **shape)
    grid = grid.select(grid.label >= 0)
    with tempfile.TemporaryDirectory() as folder:
        figures, logits_MK = quantise_system(
            system,
            train.cut(some, system.num_samples),
            test.cut(grid, system.num_samples),
            window_BCS,
            Path(folder),
            repeats=params.arena.repeats,
            num_threads=torch.get_num_threads(),
        )
    confusion_KK = confusion_matrix(grid.label, logits_MK.argmax(1), len(RHYTHMS))
    return figures | {"corpus": " ".join(params.corpora), "macro_f1": float(np.nanmean(class_f1(confusion_KK)))}


if __name__ == "__main__":
    sys.exit(run_stage("arena", main))
