"""Tables of what the models of the arena are and cost: parameters, bytes, training, milliseconds per record."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ecgfeat.report.sheet import DASH, SCORE, Cell, Sheet, duration, whole

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
"""Why a value of a model is missing, where the arena does not say."""


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
    """Write how many values are trained, under them how many were published."""
    count, published = model.get("parameters"), model.get("published_parameters")
    if count is None:
        return Cell(DASH, _why(model, "parameters"), "weak")
    told = "" if published is None else "as published" if count == published else f"of {parameters(published)}"
    return Cell(parameters(count), told)


def cost_cell(model: _Tree, field: str, write: Callable[[float], str]) -> Cell:
    """Write what a model costs, or why it is not known."""
    value = model.get(field)
    return Cell(DASH, _why(model, field), "weak") if value is None else Cell(write(value))


def _why(model: _Tree, field: str) -> str:
    return str((model.get("left_out") or {}).get(field) or REASONS[field])


def time_heads(machine: _Tree) -> list[Cell]:
    """Head the columns of milliseconds."""
    threads = machine.get("threads")
    cpu = f"CPU, {threads} thread{'s' if threads != 1 else ''}"
    return [Cell("ms per record", cpu), Cell("ms per record", machine.get("device") or "GPU")]


def time_cells(model: _Tree) -> list[Cell]:
    """Write the milliseconds of a model."""
    return [cost_cell(model, f"ms_per_record_{on}", milliseconds) for on in ("cpu", "gpu")]


def fold_cost_sheet(arena: _Tree, slug: str) -> Sheet | None:
    """Tabulate what the models of a cross-validation cost; None where there are none."""
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
    """Tabulate what each model is, how wide it was trained, and the command that trains it."""
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
"""Share of the published parameters from which on a model counts as of the published size."""


def narrow_models(arena: _Tree) -> list[str]:
    """Say of each model that was not trained at its published size how large it was."""
    told = []
    for name, model in arena["models"].items():
        count, published = model.get("parameters"), model.get("published_parameters")
        # A few per cent are the leads and classes of the task, not the width of the network.
        if None not in (count, published) and count < ALMOST * published:
            told.append(f"{name} was trained at {parameters(count)} of {parameters(published)} parameters")
    return told


def int8_sheet(arena: _Tree) -> Sheet | None:
    """Tabulate the models that were exported with 8-bit weights beside their originals; None without any."""
    found = {name: model for name, model in arena["models"].items() if model.get("int8")}
    if not found:
        return None
    rows = []
    for name, model in found.items():
        small = model["int8"]
        cells = [Cell(name)]
        for field, write in (("size_bytes", file_size), ("ms_per_record_cpu", milliseconds)):
            value, whole_value = small.get(field), small.get(f"float_{field}")
            told = "" if whole_value is None else f"of {write(whole_value)}"
            cells.append(Cell(DASH if value is None else write(value), told))
        cells.append(Cell(SCORE.write(small.get("macro_f1")), small.get("corpus", "")))
        cells.append(Cell(SCORE.write(small.get("same_call"))))
        rows.append(cells)
    head: list[str | Cell] = [
        "model",
        "size on disk",
        Cell("ms per record", "CPU"),
        "macro F1",
        Cell("same call", "share of windows"),
    ]
    note = (
        "Both networks are files of one format, timed by one runtime on the windows of a record, which are cut before."
    )
    return Sheet("Exported with 8-bit weights", head, rows, (), note)
