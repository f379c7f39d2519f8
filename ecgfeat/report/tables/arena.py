"""Tables of the arena: scores of all models, size and cost, each corpus in detail, missing values."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ecgfeat.report.results.inputs import SIGNAL_KINDS
from ecgfeat.report.tables.sheet import (
    DASH,
    SCORE,
    Cell,
    Sheet,
    Tag,
    class_f1_cell,
    class_head,
    duration,
    oracle_tags,
    whole,
)

_Tree = Mapping[str, Any]

REASONS = {
    "parameters": "not counted",
    "published_parameters": "not published",
    "size_bytes": "not saved",
    "training_s": "not measured here",
    "ms_per_record_cpu": "not measured here",
    "ms_per_record_gpu": "not measured here",
    "int8": "not exported",
}
"""Why a value of a model is missing, if the arena has no reason for it."""


def quantity(value: float | None, units: Sequence[str]) -> str:
    """Write a number of parameters or bytes to three digits; each unit is a thousand of the one before."""
    if value is None:
        return DASH
    size, at = float(value), 0
    while size >= 999.5 and at + 1 < len(units):
        size, at = size / 1000, at + 1
    return f"{size:.3g}\u00a0{units[at]}".rstrip("\u00a0")


def parameters(value: float | None) -> str:
    """Write a number of parameters."""
    return quantity(value, ("", "k", "M"))


def file_size(value: float | None) -> str:
    """Write a number of bytes."""
    return quantity(value, ("B", "kB", "MB", "GB"))


def milliseconds(value: float) -> str:
    """Write a duration in ms to about three digits."""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def parameter_cell(model: _Tree) -> Cell:
    """Write the number of parameters, and under it that of the published model."""
    count, published = model.get("parameters"), model.get("published_parameters")
    if count is None:
        return Cell(DASH, _why(model, "parameters"), "weak")
    note = "" if published is None else "as published" if count == published else f"of {parameters(published)}"
    return Cell(parameters(count), note)


def cost_cell(model: _Tree, field: str, write: Callable[[float], str]) -> Cell:
    """Write a cost of a model, or why it is missing."""
    value = model.get(field)
    return Cell(DASH, _why(model, field), "weak") if value is None else Cell(write(value))


def _why(model: _Tree, field: str) -> str:
    return str((model.get("left_out") or {}).get(field) or REASONS[field])


def time_heads(machine: _Tree) -> list[Cell]:
    """Return the heads of the columns of milliseconds."""
    threads = machine.get("threads")
    cpu = f"CPU, {threads} thread{'s' if threads != 1 else ''}"
    return [Cell("ms per record", cpu), Cell("ms per record", machine.get("device") or "GPU")]


def time_cells(model: _Tree) -> list[Cell]:
    """Write the milliseconds of a model."""
    return [cost_cell(model, f"ms_per_record_{on}", milliseconds) for on in ("cpu", "gpu")]


def fold_cost_sheet(arena: _Tree, slug: str) -> Sheet | None:
    """Tabulate size and cost of the models of a cross-validation; None without any."""
    costs = (arena.get("costs") or {}).get(slug)
    if not costs:
        return None
    rows = []
    for name, model in arena["models"].items():
        if name in costs:
            cost = {"published_parameters": model.get("published_parameters")} | costs[name]
            rows.append([Cell(name), parameter_cell(cost), cost_cell(cost, "training_s", duration), *time_cells(cost)])
    head: list[str | Cell] = ["model", Cell("parameters", "of the published"), Cell("training time", "all folds")]
    return Sheet(f"{slug}: size and cost", [*head, *time_heads(arena["machine"])], rows)


def model_sheet(arena: _Tree) -> Sheet:
    """Tabulate what each model is, its number of parameters, and the command that trains it."""
    rows = []
    for name, model in arena["models"].items():
        count, published = model.get("parameters"), model.get("published_parameters")
        cells = [Cell(name), Cell(model.get("title", "")), Cell(model.get("command") or DASH)]
        cells.append(Cell(DASH, _why(model, "parameters"), "weak") if count is None else Cell(whole(count)))
        if published is None:
            cells.append(Cell(DASH, _why(model, "published_parameters"), "weak"))
        else:
            cells.append(Cell(whole(published)))
        rows.append(cells)
    head = ["model", "what it is", "command", "parameters trained", "parameters published"]
    return Sheet("Sizes and commands", head, rows, num_text=3)


ALMOST = 0.9
"""A model with at least this share of the published parameters counts as being of the published size."""


def narrow_models(arena: _Tree) -> list[str]:
    """Write a sentence on each model that was trained with fewer parameters than published."""
    sentences = []
    for name, model in arena["models"].items():
        count, published = model.get("parameters"), model.get("published_parameters")
        # A difference of a few per cent comes from the leads and classes of the task, not from the network.
        if None not in (count, published) and count < ALMOST * published:
            sentences.append(f"{name} was trained with {parameters(count)} of {parameters(published)} parameters")
    return sentences


def int8_sheet(arena: _Tree) -> Sheet | None:
    """Compare the models exported with 8-bit weights with their originals; None without any."""
    exported = {name: model["int8"] for name, model in arena["models"].items() if model.get("int8")}
    if not exported:
        return None
    rows = []
    for name, int8 in exported.items():
        cells = [Cell(name)]
        for field, write in (("size_bytes", file_size), ("ms_per_record_cpu", milliseconds)):
            value, original = int8.get(field), int8.get(f"float_{field}")
            note = "" if original is None else f"of {write(original)}"
            cells.append(Cell(DASH if value is None else write(value), note))
        cells.append(Cell(SCORE.write(int8.get("macro_f1")), int8.get("corpus", "")))
        cells.append(Cell(SCORE.write(int8.get("same_call"))))
        rows.append(cells)
    head: list[str | Cell] = [
        "model",
        "size on disk",
        Cell("ms per record", "CPU"),
        "macro F1",
        Cell("same class", "share of segments"),
    ]
    note = (
        "Both networks have the same file format and run in the same software. The time does not include cutting the "
        "record into segments."
    )
    return Sheet("Exported with 8-bit weights", head, rows, (), note)


ARENA_VIEWS = {"single": "single view", "tta7": "TTA-7", "timeline": "timeline"}
"""Names of the views of a score; ``timeline`` is scored beat by beat."""
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
TASKS = {"single": "one class per record", "multi": "any number of classes per record"}
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
    """Return the views in which at least one model was scored on a corpus."""
    views = {view for of in arena["scores"].get(slug, {}).values() for view in ARENA_VIEWS if of.get(view)}
    return [view for view in ARENA_VIEWS if view in views]


def reason(arena: _Tree, model: str, slug: str, view: str = "") -> str:
    """Return why a model has no score on a corpus, or none in a view."""
    left_out = arena["models"][model].get("left_out") or {}
    return str(left_out.get(f"{slug}.{view}") or left_out.get(slug) or "not run")


def arena_corpus_tags(arena: _Tree, slug: str) -> list[Tag]:
    """Return the oracles of a rhythm corpus as tags, and a caution if the signals were not measured."""
    corpus = arena["corpora"][slug]
    tags = oracle_tags(arena["oracles"]) if corpus["kind"] == "rhythm" else []
    signals = corpus.get("signals", "measured")
    return tags if signals == "measured" else [*tags, Tag(f"{slug}: {SIGNAL_KINDS[signals]}", "caution")]


def bound_of(score: _Tree) -> Mapping[str, float] | None:
    """Return the interval of macro F1; None without one."""
    bound: Mapping[str, float] | None = (score.get("interval") or {}).get("macro_f1")
    return bound if bound and bound.get("low") is not None else None


def glance_sheet(arena: _Tree) -> Sheet:
    """Tabulate all models: macro F1 on each corpus and in each view, size and cost."""
    models, machine = arena["models"], arena["machine"]
    columns = [(slug, view) for slug in arena["corpora"] for view in views_of(arena, slug)]
    head: list[str | Cell] = ["model", *(Cell(slug, ARENA_VIEWS[view]) for slug, view in columns)]
    head += [Cell("parameters", "of the published"), "size on disk", "training time", *time_heads(machine)]
    best = {column: _best(arena, *column) for column in columns}
    rows = []
    for name, model in models.items():
        row = [Cell(name, model.get("title", ""))]
        for slug, view in columns:
            score = arena["scores"].get(slug, {}).get(name, {}).get(view)
            row.append(_score_cell(score, reason(arena, name, slug, view), is_best=best[slug, view] == name))
        row += [parameter_cell(model), cost_cell(model, "size_bytes", file_size)]
        row += [cost_cell(model, "training_s", duration), *time_cells(model)]
        rows.append(row)
    note = (
        "Macro F1, and under it the 95 % interval from a bootstrap over subjects. Bold: the highest score of a column. "
        "A difference that is smaller than the intervals may be chance."
    )
    if machine.get("corpus"):
        note += (
            f" Parameters, size and times are those of {machine['corpus']}. Those of diagnostic corpora are in the "
            "tables below."
        )
    return Sheet("All models", head, rows, (), note)


def _best(arena: _Tree, slug: str, view: str) -> str | None:
    """Return the model with the highest score of a column; None for fewer than two models."""
    of = {name: scores[view] for name, scores in arena["scores"][slug].items() if scores.get(view)}
    macro_f1 = {name: score["macro_f1"] for name, score in of.items() if score.get("macro_f1") is not None}
    return max(macro_f1, key=lambda name: macro_f1[name]) if len(macro_f1) > 1 else None


def _score_cell(score: _Tree | None, why_not: str, *, is_best: bool = False) -> Cell:
    if not score or score.get("macro_f1") is None:
        return Cell(DASH, why_not, "weak")
    cell = SCORE.cell(score["macro_f1"], bound_of(score), "strong" if is_best else "")
    return cell if cell.sub else Cell(cell.main, "too few subjects", cell.style)


def arena_corpus_sheet(arena: _Tree) -> Sheet:
    """Tabulate the corpora: task, split, classes, number of records and subjects."""
    rows = []
    for slug, corpus in arena["corpora"].items():
        what = ", ".join(corpus.get("protocols") or ()) or TASKS.get(corpus.get("task"), DASH)
        scored = corpus.get("scored") or corpus["classes"]
        others = [name for name in corpus["classes"] if name not in scored]
        classes = ", ".join(scored) + (f"; not in the mean: {', '.join(others)}" if others else "")
        leads = f"leads {', '.join(corpus['leads'])}" if corpus.get("leads") else ""
        texts = [Cell(slug, corpus.get("title", "")), Cell(what, leads), Cell(corpus["split"]), Cell(classes)]
        counts = [corpus.get("records"), corpus.get("subjects")]
        rows.append([*texts, *(Cell(DASH if count is None else whole(count)) for count in counts)])
    head = ["corpus", "task", "split", "classes", "records", "subjects"]
    return Sheet("Tasks and corpora", head, rows, num_text=4)


def class_sheets(arena: _Tree, slug: str) -> list[Sheet]:
    """Tabulate the F1 of each class on a corpus; the timeline has its own table, because its units are beats."""
    views = views_of(arena, slug)
    groups = [[view for view in views if view != "timeline"], [view for view in views if view == "timeline"]]
    return [_class_sheet(arena, slug, group) for group in groups if group]


def _rows_of(arena: _Tree, slug: str, views: Sequence[str]) -> list[tuple[str, str, _Tree]]:
    of = arena["scores"].get(slug, {})
    return [(name, view, of[name][view]) for name in arena["models"] for view in views if of.get(name, {}).get(view)]


def _class_sheet(arena: _Tree, slug: str, views: Sequence[str]) -> Sheet:
    corpus = arena["corpora"][slug]
    scored = _rows_of(arena, slug, views)
    counts = scored[0][2]
    is_timeline = views == ["timeline"]
    unit = "beats" if is_timeline else corpus.get("unit", "records")
    head: list[str | Cell] = ["model", "view", "macro F1", *(class_head(c, counts, unit) for c in corpus["classes"])]
    rows = [
        [
            Cell(name),
            Cell(ARENA_VIEWS[view]),
            _score_cell(score, reason(arena, name, slug, view)),
            # In this table a style marks classes that cannot be estimated, not the best score.
            *(Cell(c.main, c.sub, "" if c.style == "strong" else c.style) for c in _class_cells(score, corpus)),
        ]
        for name, view, score in scored
    ]
    caption = f"{slug}: F1 of each class{', beat by beat' if is_timeline else ''}"
    tags = arena_corpus_tags(arena, slug)
    if any(score["support"] != counts["support"] for _, _, score in scored):
        tags.append(Tag("models were scored on different units", "caution"))
    return Sheet(caption, head, rows, tags, num_text=2)


def _class_cells(score: _Tree, corpus: _Tree) -> list[Cell]:
    return [class_f1_cell(score, name, score) for name in corpus["classes"]]


def number_sheet(arena: _Tree, slug: str) -> Sheet | None:
    """Tabulate the other overall scores of a corpus; None without any."""
    scored = _rows_of(arena, slug, views_of(arena, slug))
    names = [name for name in NUMBERS if any(score.get(name) is not None for _, _, score in scored)]
    if not names:
        return None
    rows = [
        [
            Cell(model),
            Cell(ARENA_VIEWS[view]),
            *(SCORE.cell(score.get(n), (score.get("interval") or {}).get(n)) for n in names),
        ]
        for model, view, score in scored
    ]
    head = ["model", "view", *(NUMBERS[name] for name in names)]
    return Sheet(f"{slug}: other scores", head, rows, arena_corpus_tags(arena, slug), num_text=2)


def _in_words(what: str) -> str:
    """Return what is missing in words: a field of the model, a corpus, or a corpus and a view."""
    slug, _, view = what.partition(".")
    return FIELDS.get(what) or (f"{slug}, {ARENA_VIEWS.get(view, view)}" if view else slug)


def left_out_sheet(arena: _Tree) -> Sheet | None:
    """Tabulate what is missing and why; None if nothing is."""
    rows = [
        [Cell(name), Cell(_in_words(what)), Cell(why)]
        for name, model in arena["models"].items()
        for what, why in (model.get("left_out") or {}).items()
    ]
    return Sheet("Not run or not measured", ["model", "missing", "reason"], rows, num_text=3) if rows else None
