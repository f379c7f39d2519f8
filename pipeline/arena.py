"""Stage arena: what every system said -> one table under one protocol, with what each costs, and a page."""

import json
import sys
from typing import Any

import torch

from ecgfeat.arena import BEATS_ONLY
from ecgfeat.arena.checkpoint import read_description
from ecgfeat.arena.scores import average_systems, record_scores_of, rhythm_scores_of, same_records
from ecgfeat.corpora import get_corpus
from ecgfeat.corpora.diagnostic import get_diagnostic_corpus
from ecgfeat.report.arena import SCHEMA, VERSION, arena_page
from ecgfeat.rhythm.decoding import chosen_view
from ecgfeat.scoring.plain import plain_numbers
from ecgfeat.store.publish import publish
from ecgfeat.store.schemas import DIAGNOSES, RECORD_PREDICTIONS, RHYTHM_PREDICTIONS, RHYTHMS
from ecgfeat.store.tables import read_table
from pipeline.params import Params, find_oracles, read_params
from pipeline.read import paths
from pipeline.read.beats import read_records
from pipeline.run.costs import CPU_THREADS, describe_fold_systems, describe_system, measure_costs, measure_fold_costs
from pipeline.run.stage import run_stage

SYSTEM_OF_HEAD = {"timeline": "htf_timeline", "window": "htf_window"}
_BASELINES = {"rr_logistic": "logistic regression on RR", "rr_rules": "RR rules", "majority": "majority rhythm"}
ENSEMBLE = "ensemble"
NOTES = (
    "Milliseconds per record, one view, of rhythm corpora from the signal at 128 Hz in memory to the answers: systems "
    "that read beats find the R-peaks, embed the beats and name every one; systems that read signal filter, resample "
    "and cut it, and name its windows. Of diagnostic corpora from the leads at the record's own rate in memory to the "
    "probabilities of its window in the middle. The first record is timed; reading it and loading the model are not.",
    "Training time on a diagnostic corpus is that of all folds together; reading the records is not counted.",
    "Training of a system that reads beats counts the beat embedder, its features and the head.",
    "Parameters and size of chronos_mlp are those of the layers that are trained; the frozen encoder is not counted.",
)


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
    for name, title in _BASELINES.items():
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
            "notes": [*NOTES, describe_views(scores)],
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
    """Score what systems and baselines say of the test records; note in `models` who was left out, and why."""
    heads = SYSTEM_OF_HEAD | {name: name for name in (*params.models, *_BASELINES)}
    heads = {head: name for head, name in heads.items() if name in (*params.models, *_BASELINES)}
    folders = (paths.PREDICTIONS, paths.SYSTEM_PREDICTIONS)
    tables = [read_table(folder / "rhythm.parquet", RHYTHM_PREDICTIONS) for folder in folders]
    if params.arena.ensemble:
        averaged = {head: name for head, name in heads.items() if name in params.arena.ensemble}
        tables.append(average_systems(tables, averaged, ENSEMBLE))
        heads[ENSEMBLE] = ENSEMBLE
    decoders = json.loads((paths.TIMELINE_MODEL / "model.json").read_text())["info"]["decoders"]
    chosen = {"htf_timeline": chosen_view(decoders, params.evaluate.views)}
    found = rhythm_scores_of(tables, heads, chosen, bootstrap=params.arena.bootstrap, seed=params.seed)
    scores = {slug: found.get(slug, {}) for slug in params.corpora}
    for slug, of_corpus in scores.items():
        for name in set(params.models) - set(of_corpus):
            models[name]["left_out"][slug] = described[name].get("left_out", "was not asked")
    return scores


def score_diagnoses(models: dict[str, dict[str, Any]], params: Params) -> dict[str, dict[str, Any]]:
    """Score what systems say of records in cross-validation; note in `models` who was left out, and why."""
    scores: dict[str, dict[str, Any]] = {}
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
        drawn = {"bootstrap": params.arena.bootstrap, "seed": params.seed}
        scores[slug] = {
            name: record_scores_of(table, get_diagnostic_corpus(slug), **drawn) for name, table in answers.items()
        }
    return scores


def describe_views(scores: dict[str, dict[str, Any]]) -> str:
    """Say which view of the timeline is scored: validation chooses that of ours, the others have one to offer."""
    told = {
        f"{slug}, {name}: {of['timeline']['view']}"
        for slug, models in scores.items()
        for name, of in models.items()
        if "timeline" in of
    }
    return f"View of the timeline that is scored (viterbi is smoothed): {'; '.join(sorted(told))}."


def describe_corpora(params: Params) -> dict[str, Any]:
    """Say what was scored: title, classes, records, subjects and split of each corpus."""
    found: dict[str, Any] = {}
    window_s = params.train_window.window_samples / params.signals.fs_hz
    for slug in params.corpora:
        test = [row for row in read_records(slug).values() if row["split"] == "test" and row["status"] == "used"]
        split = params.annotate.split if params.annotate.split != "default" else get_corpus(slug).default_split
        found[slug] = {
            "title": get_corpus(slug).title,
            "kind": "rhythm",
            "protocols": [f"two-lead windows of {window_s:g} s over whole records", "timeline: every beat"],
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
            "leads": list(corpus.pick_leads(params.crossvalidate.leads)),
            "signals": str(table["signals"][used][0]),
        }
    return found


if __name__ == "__main__":
    sys.exit(run_stage("arena", main))
