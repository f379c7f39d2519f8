"""Outside evaluation, episode by episode: is a rhythm as certain as is said, and what its evidence is worth."""

from collections.abc import Iterator, Mapping
from typing import Any

from ecgfeat.report.tables.outside import corpus_cell, list_corpora, outside_tags, state_once
from ecgfeat.report.tables.sheet import DASH, PERCENT, SCORE, Cell, Sheet, duration, whole
from ecgfeat.scoring.statements import STATED_RHYTHMS

_Tree = Mapping[str, Any]


def episode_sheets(outside: _Tree) -> list[Sheet]:
    """Tabulate how far the certainty of records and episodes can be relied on, and the evidence of episodes.

    Parameters
    ----------
    outside : mapping
        Content of ``reports/outside.json``; empty: no tables.

    Returns
    -------
    list of Sheet
        Without those that no corpus has labels for.
    """
    sheets = [make(outside) for make in (_reliability_sheet, _statement_sheet)] if outside else []
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


def _statement_sheet(outside: _Tree) -> Sheet:
    """Tabulate of how much time of each reference rhythm each statement of the evidence is made."""
    rows, slugs = [], []
    for slug in list_corpora(outside):
        of = outside.get("episodes", {}).get(slug, {}).get("statements")
        if not of:
            continue
        slugs.append(slug)
        named = [of["named"].get(name) for name in STATED_RHYTHMS]
        heads = [Cell(whole(n["num_episodes"]), duration(3600 * n["hours"])) if n else Cell(DASH) for n in named]
        rows.append([corpus_cell(outside, slug), Cell("named episodes"), *heads])
        for kind, by_rhythm in of["made"].items():
            cells = [_stated(by_rhythm.get(name)) for name in STATED_RHYTHMS]
            rows.append([corpus_cell(outside, slug), Cell(kind), *cells])
    head: list[str | Cell] = ["corpus", "statement", *(Cell(name, "% of time, of episodes") for name in STATED_RHYTHMS)]
    note = (
        "Of the episodes that are named, rightly or not: share of the time of each reference rhythm, and below it "
        "share of its episodes, of which a statement is made. An episode is of the reference rhythm of most of its "
        "labelled time. A statement is made only where its number passes a limit, and some are made of some names "
        "only. AFL: atrial flutter, no rhythm of the six, mostly named AFIB."
    )
    caption = "Evidence: what is stated of which rhythm"
    return Sheet(caption, head, state_once(rows), outside_tags(outside, slugs), note, num_text=2)


def _stated(of: _Tree | None) -> Cell:
    if of is None:
        return Cell(DASH)
    return Cell(PERCENT.write(of["share_time"]), PERCENT.write(of["share_episodes"]))
