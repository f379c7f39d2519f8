"""The section on rhythms: for each protocol all heads side by side, then the main head in detail, the others folded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ecgfeat.report.pictures import Picture, confusion_picture, f1_pictures
from ecgfeat.report.results.choice import HEAD_ORDER, Choice, main_view, ranked, scored_protocols
from ecgfeat.report.results.inputs import ReportInputs
from ecgfeat.report.results.units import select_units
from ecgfeat.report.tables.rhythms import af_sheet, class_sheet, episode_sheet, heads_sheet, second_sheet
from ecgfeat.report.tables.sheet import Sheet

WORDS = {
    "timeline": "One label for each R-peak of the whole record. The model is not given where episodes begin or end.",
    "episode": "One label for each episode. The model is given where each reference episode begins and ends (an "
    "oracle). A head that labels single beats averages over the beats of the episode. The window head reads a 10 s "
    "segment around the episode, as the published system did.",
    "grid": "One label for each 10 s segment. The segments follow each other over the whole record.",
}


@dataclass(frozen=True)
class FoldedBlock:
    """Tables and pictures that open on demand, under a title."""

    title: str
    sheets: Sequence[Sheet]
    pictures: Sequence[Picture] = ()


@dataclass(frozen=True)
class Block:
    """The part of the page on one protocol.

    Attributes
    ----------
    protocol, words : str
        Name and explanation.
    sheets : sequence of Sheet
        Tables.
    pictures : sequence of Picture
        Pictures.
    folds : sequence of FoldedBlock
        Parts that open on demand, one for each corpus and head.
    """

    protocol: str
    words: str
    sheets: Sequence[Sheet]
    pictures: Sequence[Picture]
    folds: Sequence[FoldedBlock]


def rhythm_blocks(inputs: ReportInputs, choice: Choice) -> list[Block]:
    """Collect tables and pictures of every protocol.

    Parameters
    ----------
    inputs : ReportInputs
        Results of a run.
    choice : Choice
        The head that is shown in detail, and the protocol that comes first.

    Returns
    -------
    list of Block
        The chosen protocol first.
    """
    ranks = sorted(scored_protocols(inputs), key=lambda protocol: protocol != choice.protocol)
    return [_block(protocol, inputs, choice, is_first=protocol == ranks[0]) for protocol in ranks]


def _block(protocol: str, inputs: ReportInputs, choice: Choice, *, is_first: bool) -> Block:
    sheets: list[Sheet] = []
    pictures: list[Picture] = []
    folds: list[FoldedBlock] = []
    for corpus, heads in inputs.metrics["rhythm"].items():
        of = {head: heads[head][protocol] for head in ranked(heads, HEAD_ORDER) if heads[head].get(protocol)}
        if not of:
            continue
        sheets.append(heads_sheet(corpus, protocol, of, inputs, has_note=is_first and not sheets))
        for head, views in of.items():
            tables = [class_sheet(corpus, head, protocol, views, inputs)]
            if protocol == "timeline":
                by_second = second_sheet(corpus, head, views, inputs)
                episodes = episode_sheet(corpus, head, views, inputs)
                tables = [sheet for sheet in (by_second, episodes, *tables) if sheet is not None]
            title = f"{corpus}: {head} in detail, {protocol} protocol"
            drawn = _confusions(corpus, head, protocol, views, inputs) if head == choice.head else []
            if is_first and head == choice.head:
                sheets += tables
                pictures += [*f1_pictures(corpus, inputs, choice), *drawn[:1]]
                folds += (
                    [FoldedBlock(f"{corpus}: confusion of the smoothed timeline", [], drawn[1:])] if drawn[1:] else []
                )
            else:
                folds.append(FoldedBlock(title, tables, drawn))
    af = af_sheet(protocol, inputs)
    return Block(protocol, WORDS.get(protocol, ""), [*sheets, *([af] if af else [])], pictures, folds)


def _confusions(corpus: str, head: str, protocol: str, views: Mapping[str, Any], inputs: ReportInputs) -> list[Picture]:
    """Draw the confusion of a head in its main view, then of its smoothed timeline if it has one."""
    drawn = []
    for view in dict.fromkeys((main_view(views), "viterbi")):
        units = select_units(inputs.rhythm, head, protocol, view, inputs.fs_hz).get(corpus)
        if view in views and units is not None:
            drawn.append(confusion_picture(inputs, corpus, head, protocol, view, units))
    return drawn
