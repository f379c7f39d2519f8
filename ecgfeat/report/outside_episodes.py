"""Outside evaluation, episode by episode: is a rhythm as certain as is said, and what its evidence is worth."""

from collections.abc import Iterator, Mapping
from typing import Any

from ecgfeat.report.outside_tables import corpus_cell, list_corpora, outside_tags, state_once
from ecgfeat.report.sheet import PERCENT, SCORE, Cell, Sheet, whole

_Tree = Mapping[str, Any]


def episode_sheets(outside: _Tree) -> list[Sheet]:
    """Tabulate how far the certainty of records and episodes can be relied on.

    Parameters
    ----------
    outside : mapping
        Content of ``reports/outside.json``; empty: no tables.

    Returns
    -------
    list of Sheet
        Without those that no corpus has labels for.
    """
    sheets = [make(outside) for make in (_reliability_sheet,)] if outside else []
    return [sheet for sheet in sheets if sheet.rows]


def _certainties(outside: _Tree) -> Iterator[tuple[str, str, _Tree]]:
    """Yield the calibrations of each corpus: of records, then of episodes."""
    for slug in list_corpora(outside):
        for part in ("records", "episodes"):
            certainty = outside.get(part, {}).get(slug, {}).get("certainty")
            if certainty:
                yield slug, part, certainty


def _reliability_sheet(outside: _Tree) -> Sheet:
    """Tabulate certainty against the share that is right: all together, and by bin."""
    rows, slugs = [], []
    for slug, part, of in _certainties(outside):
        about = [corpus_cell(outside, slug), Cell(part)]
        slugs.append(slug)
        scores = (SCORE.cell(of.get(name)) for name in ("mean_certainty", "accuracy", "ece"))
        rows.append([*about, Cell("all"), Cell(whole(of[f"num_{part}"])), Cell("100.00"), *scores])
        for of_bin in of["bins"]:
            width = f"{SCORE.write(of_bin['low'])} to {SCORE.write(of_bin['high'])}"
            cells = [Cell(width), Cell(whole(of_bin["num"])), PERCENT.cell(of_bin["share"])]
            rows.append(
                [*about, *cells, *(SCORE.cell(of_bin[name]) for name in ("mean_certainty", "accuracy")), Cell("")]
            )
    head: list[str | Cell] = ["corpus", "of", "certainty", "number", Cell("share", "% of records or of time")]
    head += ["mean certainty", Cell("right", "share"), "calibration error"]
    note = (
        "As a user is given it. Records: the certainty of the main rhythm, that of most of the named time. It is the "
        "mean probability of this rhythm over the beats that are so named. Records whose rhythm is known throughout "
        "are scored. Episodes: each counts by its known time, the time whose reference is one of the six rhythms, and "
        "is right where the reference is the same rhythm for more than half of it. Time in atrial flutter or another "
        "rhythm, and time without a label, is left out. Time without a named rhythm has no certainty. Calibration "
        "error: expected difference between certainty and the share that is right, over 15 bins."
    )
    caption = "Reliability of the certainty"
    return Sheet(caption, head, state_once(rows), outside_tags(outside, slugs), note, num_text=3)
