"""Tables of the arena: all models at a glance, each corpus in detail, what was left out."""

from collections.abc import Mapping, Sequence
from typing import Any

from ecgfeat.report.arena_costs import cost_cell, file_size, parameter_cell, time_cells, time_heads
from ecgfeat.report.inputs import SIGNAL_KINDS
from ecgfeat.report.sheet import DASH, SCORE, Cell, Sheet, Tag, class_f1_cell, class_head, duration, oracle_tags, whole

_Tree = Mapping[str, Any]

ARENA_VIEWS = {"single": "single view", "tta7": "TTA-7", "timeline": "timeline"}
"""How the views of a score are called; ``timeline`` is scored beat by beat."""
NUMBERS = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "micro_f1": "micro F1",
    "macro_auroc": "AUROC",
    "macro_auprc": "AUPRC",
    "brier": "Brier score",
    "ece": "calibration error",
}
"""Overall scores beside macro F1, in the order of their columns."""
TASKS = {"single": "one class per record", "multi": "any classes of a record"}
FIELDS = {
    "parameters": "parameters",
    "published_parameters": "published parameters",
    "size_bytes": "size on disk",
    "training_s": "training time",
    "ms_per_record_cpu": "ms per record, CPU",
    "ms_per_record_gpu": "ms per record, GPU",
    "int8": "8-bit weights",
}


def views_of(arena: _Tree, slug: str) -> list[str]:
    """Return the views that any model was scored in on a corpus."""
    found = {view for of in arena["scores"].get(slug, {}).values() for view in ARENA_VIEWS if of.get(view)}
    return [view for view in ARENA_VIEWS if view in found]


def reason(arena: _Tree, model: str, slug: str, view: str = "") -> str:
    """Say why a model has no score of a corpus, or not in a view."""
    left_out = arena["models"][model].get("left_out") or {}
    return str(left_out.get(f"{slug}.{view}") or left_out.get(slug) or "not run")


def arena_corpus_tags(arena: _Tree, slug: str) -> list[Tag]:
    """Say which oracles were on, where there are any, and whether the signals were made."""
    corpus = arena["corpora"][slug]
    tags = oracle_tags(arena["oracles"]) if corpus["kind"] == "rhythm" else []
    made = corpus.get("signals", "measured")
    return tags if made == "measured" else [*tags, Tag(f"{slug}: {SIGNAL_KINDS[made]}", "caution")]


def bound_of(score: _Tree) -> Mapping[str, float] | None:
    """Return the interval of macro F1, None where there is none."""
    bound: Mapping[str, float] | None = (score.get("interval") or {}).get("macro_f1")
    return bound if bound and bound.get("low") is not None else None


def glance_sheet(arena: _Tree) -> Sheet:
    """Tabulate all models: macro F1 on each corpus and in each view, size and cost."""
    models, machine = arena["models"], arena["machine"]
    shown = [(slug, view) for slug in arena["corpora"] for view in views_of(arena, slug)]
    head: list[str | Cell] = ["model", *(Cell(slug, ARENA_VIEWS[view]) for slug, view in shown)]
    head += [Cell("parameters", "of the published"), "size on disk", "training time", *time_heads(machine)]
    best = {column: _best(arena, *column) for column in shown}
    rows = []
    for name, model in models.items():
        row = [Cell(name, model.get("title", ""))]
        for slug, view in shown:
            score = arena["scores"].get(slug, {}).get(name, {}).get(view)
            row.append(_score_cell(score, reason(arena, name, slug, view), is_best=best[slug, view] == name))
        row += [parameter_cell(model), cost_cell(model, "size_bytes", file_size)]
        row += [cost_cell(model, "training_s", duration), *time_cells(model)]
        rows.append(row)
    note = (
        "Macro F1, under it the 95 % interval from a bootstrap over subjects. Bold: the highest of a column; what is "
        "smaller than the intervals may be chance."
    )
    if machine.get("corpus"):
        note += (
            f" Parameters, size and times are those of {machine['corpus']}; diagnostic corpora have their own below."
        )
    return Sheet("All models", head, rows, (), note)


def _best(arena: _Tree, slug: str, view: str) -> str | None:
    """Name the model with the highest score of a column, if there is anything to compare."""
    of = {name: scores[view] for name, scores in arena["scores"][slug].items() if scores.get(view)}
    known = {name: score["macro_f1"] for name, score in of.items() if score.get("macro_f1") is not None}
    return max(known, key=lambda name: known[name]) if len(known) > 1 else None


def _score_cell(score: _Tree | None, why_not: str, *, is_best: bool = False) -> Cell:
    if not score or score.get("macro_f1") is None:
        return Cell(DASH, why_not, "weak")
    cell = SCORE.cell(score["macro_f1"], bound_of(score), "strong" if is_best else "")
    return cell if cell.sub else Cell(cell.main, "too few subjects", cell.style)


def arena_corpus_sheet(arena: _Tree) -> Sheet:
    """Tabulate the corpora: what is asked, how it was split, how much there is."""
    rows = []
    for slug, corpus in arena["corpora"].items():
        what = ", ".join(corpus.get("protocols") or ()) or TASKS.get(corpus.get("task"), DASH)
        scored = corpus.get("scored") or corpus["classes"]
        others = [name for name in corpus["classes"] if name not in scored]
        told = ", ".join(scored) + (f"; not in the mean: {', '.join(others)}" if others else "")
        leads = f"of leads {', '.join(corpus['leads'])}" if corpus.get("leads") else ""
        texts = [Cell(slug, corpus.get("title", "")), Cell(what, leads), Cell(corpus["split"]), Cell(told)]
        counts = [corpus.get("records"), corpus.get("subjects")]
        rows.append([*texts, *(Cell(DASH if one is None else whole(one)) for one in counts)])
    head = ["corpus", "task", "split", "classes", "records", "subjects"]
    return Sheet("What is asked, and of whom", head, rows, num_text=4)


def class_sheets(arena: _Tree, slug: str) -> list[Sheet]:
    """Tabulate the F1 of each class on a corpus; the timeline, whose units are beats, in a table of its own."""
    views = views_of(arena, slug)
    groups = [[view for view in views if view != "timeline"], [view for view in views if view == "timeline"]]
    return [_class_sheet(arena, slug, group) for group in groups if group]


def _rows_of(arena: _Tree, slug: str, views: Sequence[str]) -> list[tuple[str, str, _Tree]]:
    of = arena["scores"].get(slug, {})
    return [(name, view, of[name][view]) for name in arena["models"] for view in views if of.get(name, {}).get(view)]


def _class_sheet(arena: _Tree, slug: str, views: Sequence[str]) -> Sheet:
    corpus = arena["corpora"][slug]
    found = _rows_of(arena, slug, views)
    counts = found[0][2]
    is_timeline = views == ["timeline"]
    unit = "beats" if is_timeline else corpus.get("unit", "records")
    head: list[str | Cell] = ["model", "view", "macro F1", *(class_head(c, counts, unit) for c in corpus["classes"])]
    rows = [
        [
            Cell(name),
            Cell(ARENA_VIEWS[view]),
            _score_cell(score, reason(arena, name, slug, view)),
            # Styles mark what cannot be estimated here, not the best.
            *(Cell(c.main, c.sub, "" if c.style == "strong" else c.style) for c in _class_cells(score, corpus)),
        ]
        for name, view, score in found
    ]
    caption = f"{slug}: F1 of each class{', beat by beat' if is_timeline else ''}"
    tags = arena_corpus_tags(arena, slug)
    if any(score["support"] != counts["support"] for _, _, score in found):
        tags.append(Tag("not the same units for every model", "caution"))
    return Sheet(caption, head, rows, tags, num_text=2)


def _class_cells(score: _Tree, corpus: _Tree) -> list[Cell]:
    return [class_f1_cell(score, name, score) for name in corpus["classes"]]


def number_sheet(arena: _Tree, slug: str) -> Sheet | None:
    """Tabulate the other overall scores of a corpus; None where there are none."""
    found = _rows_of(arena, slug, views_of(arena, slug))
    names = [name for name in NUMBERS if any(score.get(name) is not None for _, _, score in found)]
    if not names:
        return None
    rows = [
        [
            Cell(model),
            Cell(ARENA_VIEWS[view]),
            *(SCORE.cell(score.get(n), (score.get("interval") or {}).get(n)) for n in names),
        ]
        for model, view, score in found
    ]
    head = ["model", "view", *(NUMBERS[name] for name in names)]
    return Sheet(f"{slug}: other scores", head, rows, arena_corpus_tags(arena, slug), num_text=2)


def _in_words(what: str) -> str:
    """Name what was left out: a field of the model, a corpus, or a corpus and a view."""
    slug, _, view = what.partition(".")
    return FIELDS.get(what) or (f"{slug}, {ARENA_VIEWS.get(view, view)}" if view else slug)


def left_out_sheet(arena: _Tree) -> Sheet | None:
    """Tabulate what was left out and why; None where nothing was."""
    rows = [
        [Cell(name), Cell(_in_words(what)), Cell(why)]
        for name, model in arena["models"].items()
        for what, why in (model.get("left_out") or {}).items()
    ]
    return Sheet("Not run or not measured", ["model", "what", "why"], rows, num_text=3) if rows else None
