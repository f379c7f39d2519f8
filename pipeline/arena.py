"""Stage arena: predictions of every system -> one table under one protocol, with the costs of each, and a page."""

import json
import sys
from typing import Any

import torch

from ecgfeat.arena import BEATS_ONLY, SYSTEMS, BeatSystem
from ecgfeat.arena.checkpoint import read_description
from ecgfeat.arena.scores import average_systems, record_scores_of, rhythm_scores_of, same_records
from ecgfeat.arena.table import (
    BASELINES,
    ENSEMBLE,
    describe_diagnostic_corpus,
    describe_rhythm_corpus,
    system_heads,
    write_notes,
)
from ecgfeat.corpora import get_corpus
from ecgfeat.corpora.diagnostic import get_diagnostic_corpus
from ecgfeat.deploy.cost import CPU_THREADS
from ecgfeat.report.arena import SCHEMA, VERSION, arena_page
from ecgfeat.rhythm.decoding import chosen_view
from ecgfeat.scoring.plain import plain_numbers
from ecgfeat.store.publish import publish
from ecgfeat.store.schemas import DIAGNOSES, RECORD_PREDICTIONS, RHYTHM_PREDICTIONS
from ecgfeat.store.tables import read_table
from pipeline.params import Params, find_oracles, read_params
from pipeline.read import paths
from pipeline.read.beats import read_records
from pipeline.run.costs import describe_fold_systems, describe_system, measure_costs, measure_fold_costs
from pipeline.run.stage import run_stage


def main() -> str:
    """Score every system on every corpus, and time it."""
    params = read_params()
    described = {name: read_description(paths.system(name)) for name in params.models}
    for name, reason in json.loads((paths.SYSTEM_PREDICTIONS / "left_out.json").read_text()).items():
        described[name]["left_out"] = reason
    models = {name: describe_system(name, described[name], params) for name in params.models}
    scores = score_rhythms(models, described, params) | score_diagnoses(models, params)
    measure_costs(models, described, params)
    costs = {slug: describe_fold_systems(slug, params.models) for slug in params.diagnostic_corpora}
    measure_fold_costs(costs, params)
    for name, title in BASELINES.items():
        left_out = dict.fromkeys(params.diagnostic_corpora, BEATS_ONLY)
        models[name] = {"title": title, "command": "dvc repro evaluate", "left_out": left_out}
    if params.arena.ensemble:
        left_out = dict.fromkeys(params.diagnostic_corpora, "averages rhythms only")
        title = f"mean of {' and '.join(params.arena.ensemble)}"
        models[ENSEMBLE] = {"title": title, "command": "dvc repro arena", "left_out": left_out}
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    arena = plain_numbers(
        {
            "schema": SCHEMA,
            "version": VERSION,
            "oracles": find_oracles(params) | {"episodes": False},
            "machine": {"threads": CPU_THREADS, "device": device, "corpus": params.corpora[0]},
            "order": {"models": [*models], "corpora": [*params.corpora, *params.diagnostic_corpora]},
            "notes": write_notes(params.models, scores),
            "corpora": describe_corpora(params),
            "models": models,
            "costs": costs,
            "scores": scores,
        }
    )
    paths.ARENA.parent.mkdir(parents=True, exist_ok=True)
    with publish(paths.ARENA) as part:
        part.write_text(json.dumps(arena, indent=1, sort_keys=True, allow_nan=False) + "\n")
    with publish(paths.ARENA_PAGE) as part:
        part.write_text(arena_page(arena))
    return f"{len(models)} models, {len(scores)} corpora: {paths.ARENA_PAGE}"


def score_rhythms(
    models: dict[str, dict[str, Any]], described: dict[str, dict[str, Any]], params: Params
) -> dict[str, dict[str, Any]]:
    """Score the rhythms that systems and baselines predict; note in `models` the reason of each that is left out."""
    heads = system_heads(params.models) | {name: name for name in BASELINES}
    folders = (paths.PREDICTIONS, paths.SYSTEM_PREDICTIONS)
    tables = [read_table(folder / "rhythm.parquet", RHYTHM_PREDICTIONS) for folder in folders]
    if params.arena.ensemble:
        averaged = {head: name for head, name in heads.items() if name in params.arena.ensemble}
        tables.append(average_systems(tables, averaged, ENSEMBLE))
        heads[ENSEMBLE] = ENSEMBLE
    views = {}
    for name in params.models:
        if isinstance(system := SYSTEMS[name], BeatSystem):
            info = json.loads((paths.HEAD_MODELS[system.head] / "model.json").read_text())["info"]
            views |= {name: chosen_view(info["decoders"], params.evaluate.views)} if "decoders" in info else {}
    by_corpus = rhythm_scores_of(tables, heads, views, bootstrap=params.arena.bootstrap, seed=params.seed)
    scores = {slug: by_corpus.get(slug, {}) for slug in params.corpora}
    for slug, by_model in scores.items():
        for name in set(params.models) - set(by_model):
            models[name]["left_out"][slug] = described[name].get("left_out", "has no prediction")
    return scores


def score_diagnoses(models: dict[str, dict[str, Any]], params: Params) -> dict[str, dict[str, Any]]:
    """Score the diagnoses of cross-validation; note in `models` the reason of each system that is left out."""
    scores: dict[str, dict[str, Any]] = {}
    for slug in params.diagnostic_corpora:
        corpus, tables = get_diagnostic_corpus(slug), {}
        for name in params.models:
            folder = paths.diagnostic(slug, name)
            training = json.loads((folder / "training.json").read_text())
            if "left_out" in training:
                models[name]["left_out"][slug] = training["left_out"]
            else:
                tables[name] = read_table(folder / "records.parquet", RECORD_PREDICTIONS)
        assert same_records(list(tables.values())), f"{slug}: the systems have predicted different records"
        drawn = {"bootstrap": params.arena.bootstrap, "seed": params.seed}
        scores[slug] = {name: record_scores_of(table, corpus, **drawn) for name, table in tables.items()}
    return scores


def describe_corpora(params: Params) -> dict[str, Any]:
    """Describe each corpus, see `ecgfeat.arena.table`."""
    window_s = params.train_window.window_samples / params.signals.fs_hz
    rhythms = {
        slug: describe_rhythm_corpus(
            get_corpus(slug), [*read_records(slug).values()], split=params.annotate.split, window_s=window_s
        )
        for slug in params.corpora
    }
    diagnostic = {}
    for slug in params.diagnostic_corpora:
        corpus, table = get_diagnostic_corpus(slug), read_table(paths.diagnoses(slug), DIAGNOSES)
        diagnostic[slug] = describe_diagnostic_corpus(corpus, table, corpus.pick_leads(params.crossvalidate.leads))
    return rhythms | diagnostic


if __name__ == "__main__":
    sys.exit(run_stage("arena", main))
