"""Keep the numbers of an arena in a small file under Git, and print them as a table of docs/results.md.

By hand and not by DVC, since ``docs/results`` keeps runs of several presets, each made when the others were not there::

    python -m pipeline.run.arena_summary mitdb reports/arena.json > docs/results/arena-mitdb.json
    python -m pipeline.run.arena_summary docs/results/arena-mitdb.json
"""

import json
import sys
from pathlib import Path
from typing import Any

from ecgfeat.arena import SYSTEMS
from ecgfeat.report.tables.arena import ALMOST
from ecgfeat.report.tables.sheet import duration
from ecgfeat.store.seal import read_report
from pipeline.read import paths

SUMMARY_VIEWS = {"single": "single", "tta7": "seven views", "timeline": "timeline"}
CORPUS_KEYS = ("kind", "classes", "scored", "records", "subjects", "split", "signals")


def summarise_arena(preset: str, path: Path) -> dict[str, Any]:
    """Return what a page quotes of an arena: scores with intervals, F1 by class, the facts and costs of each model.

    Parameters
    ----------
    preset : str
        The preset it was run under, which has the name of the corpus its table is about.
    path : Path
        ``reports/arena.json`` in the folder of the run, whose models say how they were cross-validated.

    Returns
    -------
    dict
        Plain numbers, lists and strings.
    """
    arena, folder = read_report(path, "arena"), path.resolve().parents[1]
    scores: dict[str, Any] = {}
    trained: dict[str, Any] = {}
    for slug, by_model in arena["scores"].items():
        scores[slug] = {
            name: {
                view: {"macro_f1": of["macro_f1"], "interval": of["interval"].get("macro_f1"), "f1": of["f1"]}
                for view, of in by_view.items()
            }
            for name, by_view in by_model.items()
        }
        if arena["corpora"][slug]["kind"] == "diagnostic":
            trained[slug] = {name: _read_training(folder, slug, name) for name in by_model if name in SYSTEMS}
    return {
        "preset": preset,
        "command": f"make arena PRESET={preset}",
        "machine": arena["machine"],
        "corpora": {slug: {key: of[key] for key in CORPUS_KEYS if key in of} for slug, of in arena["corpora"].items()},
        "models": {name: arena["models"][name] for name in arena["order"]["models"]},
        "costs": arena.get("costs", {}),
        "crossvalidate": trained,
        "scores": scores,
    }


def _read_training(folder: Path, slug: str, name: str) -> dict[str, Any]:
    """Return how a system was cross-validated: arena.json holds what was trained on rhythms."""
    described = json.loads((folder / paths.fold_models(slug, name) / "fold0" / "system.json").read_text())
    settings = described["settings"]
    return {
        "parameters": described["parameters"],
        "fs_hz": settings["fs_hz"],
        "seconds": settings["seconds"],
        "epochs": settings["record_epochs"],
    }


def write_summary_table(summary: dict[str, Any]) -> str:
    """Write the scores on the corpus of the preset as a table in Markdown, the best system first."""
    slug = summary["preset"]
    models, scores, corpus = summary["models"], summary["scores"][slug], summary["corpora"][slug]
    is_rhythm = corpus["kind"] == "rhythm"
    views = [view for view in SUMMARY_VIEWS if is_rhythm or view != "timeline"]
    best = {view: max(of[view]["macro_f1"] for of in scores.values() if view in of) for view in views}
    head = ["system", *(SUMMARY_VIEWS[view] for view in views)]
    if is_rhythm:
        head += ["parameters, of the published", "MB", "training", "ms a record"]
    else:
        head += [*("noisy" if name == "~" else name for name in corpus["classes"]), "parameters", "segments", "epochs"]
        # A run has no times of models that were made elsewhere.
        is_timed = bool(summary["costs"].get(slug))
        head += ["training", "ms a record"] if is_timed else []
    rows = []
    for name, of in sorted(scores.items(), key=lambda item: -item[1].get("tta7", item[1]["single"])["macro_f1"]):
        model = models[name]
        row = [_write_name(name) if name in SYSTEMS else model["title"]]
        row += [_write_score(of[view], best[view]) if view in of else "" for view in views]
        if is_rhythm:
            rows.append([*row, *_write_costs(model)])
            if (model.get("int8") or {}).get("corpus") == slug:
                rows.append(_write_integers(model["int8"]))
        else:
            f1 = of.get("tta7", of["single"])["f1"]
            row += [_write_f1(f1[key]) if key in f1 else "" for key in corpus["classes"]]
            training = summary["crossvalidate"][slug].get(name)
            row += _write_training(training) if training else [""] * 3
            rows.append([*row, *(_write_time(summary, slug, name) if is_timed else [])])
    lines = [f"| {' | '.join(row)} |".replace("|  ", "| ") for row in (head, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(head), *lines[1:]])


def _write_name(name: str) -> str:
    letter = SYSTEMS[name].letter
    return f"`{name}` ({letter})" if letter else f"`{name}`"


def _write_f1(value: float) -> str:
    return f"{value:.3f}".removeprefix("0")


def _write_score(of: dict[str, Any], best: float) -> str:
    value, bounds = _write_f1(of["macro_f1"]), of["interval"] or {}
    score = f"**{value}**" if of["macro_f1"] == best else value
    return f"{score} ({_write_f1(bounds['low'])}-{_write_f1(bounds['high'])})" if bounds else score


def _write_costs(model: dict[str, Any]) -> list[str]:
    count, published = model.get("parameters"), model.get("published_parameters")
    if count is None:
        return [""] * 4
    # A few per cent are the leads and classes of the task, not the width of the network.
    share = "" if published is None else ", all" if count >= ALMOST * published else f" of {published:,}"
    training_s, ms = model["training_s"], model["ms_per_record_cpu"]
    return [
        f"{count:,}{share}",
        f"{model['size_bytes'] / 1e6:.1f}",
        "" if training_s is None else duration(training_s),
        "" if ms is None else f"{ms:,.0f}",
    ]


def _write_integers(of: dict[str, Any]) -> list[str]:
    size = f"{of['size_bytes'] / 1e6:.1f}"
    ms = f"{of['ms_per_record_cpu']:,.0f}, in float32 {of['float_ms_per_record_cpu']:,.0f}"
    return ["the same in 8-bit integers", _write_f1(of["macro_f1"]), "", "", "", size, "", ms]


def _write_training(of: dict[str, Any]) -> list[str]:
    return [f"{of['parameters']:,}", f"{of['seconds']:g} s, {of['fs_hz']:g} Hz", str(of["epochs"])]


def _write_time(summary: dict[str, Any], slug: str, name: str) -> list[str]:
    cost = summary["costs"].get(slug, {}).get(name, {})
    training_s, ms = cost.get("training_s"), cost.get("ms_per_record_cpu")
    return ["" if training_s is None else duration(training_s), "" if ms is None else f"{ms:,.0f}"]


def main(*words: str) -> str:
    """Return the summary of an arena, or the table of a summary."""
    if len(words) == 2:
        return json.dumps(summarise_arena(words[0], Path(words[1])), indent=1, allow_nan=False)
    if len(words) == 1:
        return write_summary_table(json.loads(Path(words[0]).read_text()))
    sys.exit(__doc__)


if __name__ == "__main__":
    print(main(*sys.argv[1:]))
