"""The section on rhythms: for each protocol the heads side by side, then the main head in detail, the others folded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ecgfeat.report import order, rhythm_tables
from ecgfeat.report.choice import Choice
from ecgfeat.report.inputs import ReportInputs
from ecgfeat.report.order import HEAD_ORDER, main_view, ranked
from ecgfeat.report.pictures import Picture, confusion_picture, f1_pictures, ribbon_picture
from ecgfeat.report.sheet import Sheet
from ecgfeat.report.units import Units, select_units
from ecgfeat.scoring.rhythm_summary import TILED_PROTOCOLS

WORDS = {
    "timeline": "One label for each R-peak of the whole record; nobody tells where an episode begins.",
    "episode": "Episodes whose limits are known, an oracle: heads of single beats average theirs, the window head sees "
    "a window drawn around each, as the published system did.",
    "grid": "Fixed windows of ten seconds over the whole record.",
}


@dataclass(frozen=True)
class FoldedBlock:
    """Tables and pictures that open on demand, under a title."""

    title: str
    sheets: Sequence[Sheet]
    pictures: Sequence[Picture] = ()


@dataclass(frozen=True)
class Block:
    """What the page says of one protocol.

    Attributes
    ----------
    protocol, words : str
        Its name, and what it is.
    sheets : sequence of Sheet
        Tables.
    pictures : sequence of Picture
        Pictures.
    folds : sequence of FoldedBlock
        What opens on demand, a fold for each corpus and head.
    """

    protocol: str
    words: str
    sheets: Sequence[Sheet]
    pictures: Sequence[Picture]
    folds: Sequence[FoldedBlock]


def rhythm_blocks(inputs: ReportInputs, choice: Choice, units: Mapping[str, Units]) -> list[Block]:
    """Collect tables and pictures of every protocol.

    Parameters
    ----------
    inputs : ReportInputs
        Results of a run.
    choice : Choice
        The head that is shown in detail, and the protocol that comes first.
    units : mapping of str to Units
        Units of the chosen head, protocol and view, by corpus.

    Returns
    -------
    list of Block
        The chosen protocol first.
    """
    ranks = sorted(order.protocols(inputs), key=lambda protocol: protocol != choice.protocol)
    return [_block(protocol, inputs, choice, units, is_first=protocol == ranks[0]) for protocol in ranks]


def _block(protocol: str, inputs: ReportInputs, choice: Choice, units: Mapping[str, Units], *, is_first: bool) -> Block:
    sheets: list[Sheet] = []
    pictures: list[Picture] = []
    folds: list[FoldedBlock] = []
    for corpus, heads in inputs.metrics["rhythm"].items():
        of = {head: heads[head][protocol] for head in ranked(heads, HEAD_ORDER) if heads[head].get(protocol)}
        if not of:
            continue
        sheets.append(rhythm_tables.heads_sheet(corpus, protocol, of, inputs, has_note=is_first and not sheets))
        for head, views in of.items():
            found = [rhythm_tables.class_sheet(corpus, head, protocol, views, inputs)]
            if protocol == "timeline":
                by_second = rhythm_tables.second_sheet(corpus, head, views, inputs)
                episodes = rhythm_tables.episode_sheet(corpus, head, views, inputs)
                found = [sheet for sheet in (by_second, episodes, *found) if sheet is not None]
            title = f"{corpus}: {head} in detail, {protocol} protocol"
            drawn = _confusions(corpus, head, protocol, views, inputs) if head == choice.head else []
            if is_first and head == choice.head:
                sheets += found
                pictures += _main_pictures(corpus, protocol, drawn, inputs, choice, units)
                folds += [FoldedBlock(f"{corpus}: confusion of the smoothed path", [], drawn[1:])] if drawn[1:] else []
            else:
                folds.append(FoldedBlock(title, found, drawn))
    af = rhythm_tables.af_sheet(protocol, inputs)
    return Block(protocol, WORDS.get(protocol, ""), [*sheets, *([af] if af else [])], pictures, folds)


def _confusions(corpus: str, head: str, protocol: str, views: Mapping[str, Any], inputs: ReportInputs) -> list[Picture]:
    """Draw the confusion of a head as it decides, then of its smoothed path where there is one."""
    drawn = []
    for view in dict.fromkeys((main_view(views), "viterbi")):
        units = select_units(inputs.rhythm, head, protocol, view, inputs.fs_hz).get(corpus)
        if view in views and units is not None:
            drawn.append(confusion_picture(inputs, corpus, head, protocol, view, units))
    return drawn


def _main_pictures(
    corpus: str,
    protocol: str,
    confusions: Sequence[Picture],
    inputs: ReportInputs,
    choice: Choice,
    units: Mapping[str, Units],
) -> list[Picture]:
    """Draw the head of the headline: F1, confusion, and the rhythm over time."""
    pictures = [*f1_pictures(corpus, inputs, choice), *confusions[:1]]
    if protocol in TILED_PROTOCOLS and corpus in units:
        pictures.append(ribbon_picture(inputs, choice, corpus, units[corpus]))
    return pictures
