"""Stage arena: predictions of every system -> one table under one protocol, with the costs of each, and a page."""

import sys
from typing import Any

import torch

from ecgfeat.arena.checkpoint import read_description
from ecgfeat.arena.scores import record_scores_of, same_records, score_rhythm_systems
from ecgfeat.arena.table import describe_compared, write_notes
from ecgfeat.corpora.diagnostic import get_diagnostic_corpus
from ecgfeat.deploy.cost import CPU_THREADS
from ecgfeat.diagnosis.folds import describe_models
from ecgfeat.report.arena import SCHEMA, VERSION, arena_page
from ecgfeat.scoring.plain import plain_numbers
from ecgfeat.store.publish import publish
from ecgfeat.store.seal import FILES, list_files, read_report, write_report
from pipeline.params import Params, read_params
from pipeline.params.oracles import find_oracles
from pipeline.read import paths
from pipeline.read.arena import (
    describe_corpora,
    read_record_predictions,
    read_rhythm_predictions,
    read_timeline_views,
    read_tree_predictions,
)
from pipeline.run.costs import describe_fold_systems, describe_system, measure_costs, measure_fold_costs
from pipeline.run.stage import run_stage


def main() -> str:
    """Score every system on every corpus, and time it."""
    params = read_params()
    described = {name: read_description(paths.system(name)) for name in params.models}
    for name, reason in read_report(paths.SYSTEM_PREDICTIONS / "left_out.json", "left_out").items():
        described[name]["left_out"] = reason
    models = {name: describe_system(name, described[name], params) for name in params.models}
    scores = _score(models, described, params)
    measure_costs(models, described, params)
    costs = {slug: describe_fold_systems(slug, params.models) for slug in params.diagnostic_corpora}
    measure_fold_costs(costs, params)
    models |= describe_compared(params.arena.ensemble, params.diagnostic_corpora)
    models |= describe_models(params.corpora)
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
    with publish(paths.ARENA_PAGE) as part:
        part.write_text(arena_page(arena))
    with publish(paths.ARENA) as part:
        write_report(part, "arena", arena | {FILES: list_files(paths.ARENA.parent, [paths.ARENA_PAGE])}, sort_keys=True)
    return f"{len(models)} models, {len(scores)} corpora: {paths.ARENA_PAGE}"


def _score(
    models: dict[str, dict[str, Any]], described: dict[str, dict[str, Any]], params: Params
) -> dict[str, dict[str, Any]]:
    """Score rhythms and diagnoses; note in `models` the reason of each system that is left out of a corpus."""
    drawn = {"bootstrap": params.arena.bootstrap, "seed": params.seed}
    views = read_timeline_views(params.models, params.evaluate.timeline_views)
    tables = read_rhythm_predictions()
    by_corpus = score_rhythm_systems(tables, params.models, params.arena.ensemble, views, **drawn)
    scores = {slug: by_corpus.get(slug, {}) for slug in params.corpora}
    for slug, by_model in scores.items():
        for name in set(params.models) - set(by_model):
            models[name]["left_out"][slug] = described[name].get("left_out", "has no prediction")
    for slug in params.diagnostic_corpora:
        by_system, left_out = read_record_predictions(slug, params.models)
        by_system |= read_tree_predictions(slug)
        assert same_records([*by_system.values()]), f"{slug}: the systems have predicted different records"
        corpus = get_diagnostic_corpus(slug)
        scores[slug] = {name: record_scores_of(table, corpus, **drawn) for name, table in by_system.items()}
        for name, reason in left_out.items():
            models[name]["left_out"][slug] = reason
    return scores


if __name__ == "__main__":
    sys.exit(run_stage("arena", main))
