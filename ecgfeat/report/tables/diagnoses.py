"""Diagnoses of whole records by trees on record figures: tables of ``reports/record_trees/<corpus>/scores.json``."""

from collections.abc import Mapping, Sequence
from typing import Any

from ecgfeat.report.results.choice import ranked
from ecgfeat.report.results.inputs import SIGNAL_KINDS
from ecgfeat.report.tables.sheet import SCORE, Cell, Sheet, Tag, class_f1_cell, class_head, whole

_Tree = Mapping[str, Any]

MODEL_ORDER = ("record_trees", "rate_and_irregularity", "majority")
"""Order of the models: the trees, which the half that was held back and the confusion are of, then the baselines."""


def diagnosis_sheets(diagnoses: Sequence[_Tree]) -> list[Sheet]:
    """Tabulate the cross-validation of the trees on record figures, corpus by corpus.

    Parameters
    ----------
    diagnoses : sequence of mapping
        Each as `ecgfeat.diagnosis.summary.summarise_diagnoses` gives it, with ``lead`` and ``signals``.

    Returns
    -------
    list of Sheet
        Of each corpus F1 by model and class and, with one class per record, what is taken for what.
    """
    sheets = []
    for of in diagnoses:
        sheets.append(_score_sheet(of))
        if of["task"] == "single":
            sheets.append(_confusion_sheet(of))
    return sheets


def _tags(of: _Tree) -> list[Tag]:
    kind = of["signals"]
    return [] if kind == "measured" else [Tag(f"{of['corpus']}: {SIGNAL_KINDS[kind]}", "caution")]


def _score_sheet(of: _Tree) -> Sheet:
    # The file has its keys sorted: it does not say which model is which.
    first, *others = ranked(of["models"], MODEL_ORDER)
    counts = of["models"][first]
    rows = [_score_row(name, of["titles"][name], of["models"][name], of, counts) for name in (first, *others)]
    if "held_half" in of:
        title = "the same on the half of the records on which no figure was chosen"
        rows.append(_score_row(first, title, of["held_half"], of, counts))
    mean = Cell("mean F1", f"of {', '.join(of['scored'])}")
    note = (
        f"Each of the {whole(counts['num_records'])} records is named by trees that have not seen its subject. Their "
        f"settings were chosen inside the training records. The figures are of lead {of['lead']} alone."
    )
    head: list[str | Cell] = ["model", mean, *(class_head(name, counts, "records") for name in of["classes"])]
    return Sheet(f"{of['corpus']}: diagnoses by figures of the record", head, rows, _tags(of), note)


def _score_row(name: str, title: str, scores: _Tree, of: _Tree, counts: _Tree) -> list[Cell]:
    mean = SCORE.cell(scores["macro_f1"], scores.get("interval", {}).get("macro_f1"))
    return [Cell(name, title), mean, *(class_f1_cell(scores, label, counts) for label in of["classes"])]


def _confusion_sheet(of: _Tree) -> Sheet:
    name = ranked(of["models"], MODEL_ORDER)[0]
    rows = [
        [Cell(label), *(Cell(whole(count)) for count in row)]
        for label, row in zip(of["classes"], of["models"][name]["confusion"], strict=True)
    ]
    head: list[str | Cell] = ["reference", *(Cell(label, "predicted") for label in of["classes"])]
    return Sheet(f"{of['corpus']}: records by reference and prediction, {name}", head, rows, _tags(of))
