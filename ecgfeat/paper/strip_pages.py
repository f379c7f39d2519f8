"""The pages of a PDF that hold strips: as many on a page as fit, true to scale. Twelve leads fill a page.

Shape suffixes: S samples, C leads.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ecgfeat.clock import clock, time_of_day
from ecgfeat.paper.examples import Example
from ecgfeat.paper.page import BODY_BOTTOM_MM, BODY_TOP_MM, ROOM_MM, Drawing
from ecgfeat.paper.stretches import read_strips
from ecgfeat.paper.twelve_leads import continuity_note, has_twelve_leads, layout_height, place_layout, unplaced_note
from ecgfeat.prediction.record import Prediction
from ecgfeat.records.reader import EcgSource
from ecgfeat.report.drawings.ecg_paper import LEFT_MM, RIBBON_MM
from ecgfeat.report.drawings.lettering import shorten, width_of
from ecgfeat.report.drawings.strip import SCALE, Strip, draw_row, lane_heights
from ecgfeat.report.drawings.style import INK, MUTED

_HEADING_MM, _GAP_MM, _CAPTION_MM = 6.0, 4.0, 5.0
_FREE_MM = BODY_BOTTOM_MM - _CAPTION_MM - BODY_TOP_MM
_BESIDE_LANES_MM = 11.0
"""Labels above the lanes of a strip, and times under them."""

_LAYOUT = "3x4"
MOST_LEADS = 24
"""A record of more leads that are not twelve has so many drawn, and the page says how to see others."""


@dataclass(frozen=True)
class _Item:
    """One strip on a page: why it is there, what it shows, and how high its lanes are; twelve leads have no lanes."""

    reason: str
    strip: Strip
    lanes_mm: tuple[float, ...]

    @property
    def height_mm(self) -> float:
        """Its height on the page."""
        beside_mm = _BESIDE_LANES_MM + RIBBON_MM * len(self.strip.ribbons)
        body_mm = beside_mm + sum(self.lanes_mm) if self.lanes_mm else layout_height(self.strip, _LAYOUT)
        return _HEADING_MM + body_mm


def plan_strip_pages(
    signal: EcgSource, prediction: Prediction, examples: Sequence[Example], leads: Sequence[int] | None = None
) -> Iterator[Drawing]:
    """Plan the pages of some strips.

    Parameters
    ----------
    signal : EcgSource
        The record; only the samples of the strips are kept.
    prediction : Prediction
        Its beats and rhythms.
    examples : sequence of Example
        What to draw, in order; each of at most ten seconds.
    leads : sequence of int, optional
        Positions of the leads to draw, one under the other. By default all; twelve leads in their layout.

    Yields
    ------
    callable
        Draws the body of a page. Leads that do not fit on one continue on the next.
    """
    is_twelve = leads is None and has_twelve_leads(signal.leads)
    drawn = range(len(signal.leads) if is_twelve else min(len(signal.leads), MOST_LEADS)) if leads is None else leads
    facts = [SCALE, "no filter: as recorded, each trace centred on its median"]
    if is_twelve:
        facts += [continuity_note(_LAYOUT), unplaced_note(signal.leads, _LAYOUT)]
    elif leads is not None and len(drawn) < len(signal.leads):
        facts.append(f"{len(drawn)} of {len(signal.leads)} leads, as chosen")
    elif len(drawn) < len(signal.leads):
        facts.append(f"the first {len(drawn)} of {len(signal.leads)} leads; for others: ecgfeat plot --pdf --lead NAME")
    facts.append(signal.calibration_note)
    caption = shorten(" · ".join(filter(None, facts)), ROOM_MM, 7)
    page: list[_Item] = []
    used_mm = 0.0
    for item in _read_items(signal, prediction, examples, drawn, is_twelve):
        if page and used_mm + _GAP_MM + item.height_mm > _FREE_MM:
            yield _StripPage(tuple(page), caption, signal.start)
            page, used_mm = [], 0.0
        used_mm += item.height_mm + _GAP_MM * bool(page)
        page.append(item)
    if page:
        yield _StripPage(tuple(page), caption, signal.start)


def _read_items(
    signal: EcgSource, prediction: Prediction, examples: Sequence[Example], leads: Sequence[int], is_twelve: bool
) -> Iterator[_Item]:
    """Read the samples of the examples, join them with beats and rhythms, and divide their leads among pages."""
    spans_s = [(example.start_s, example.stop_s) for example in examples]
    for example, strip in zip(examples, read_strips(signal, prediction, spans_s, leads), strict=True):
        if is_twelve:
            yield _Item(example.reason, strip, ())
            continue
        lanes_mm = lane_heights(strip)
        parts = _share(lanes_mm, _FREE_MM - _HEADING_MM - _BESIDE_LANES_MM - RIBBON_MM * len(strip.ribbons))
        for part in parts:
            of = slice(part.start, part.stop)
            some = replace(strip, signal_mv_SC=strip.signal_mv_SC[:, of], leads=strip.leads[of])
            yield _Item(_reason(example.reason, part, len(lanes_mm)), some, tuple(lanes_mm[of]))


def _share(lanes_mm: Sequence[float], most_mm: float) -> list[range]:
    """Divide lanes into as few parts as their height allows, and these into parts of nearly the same height."""
    parts = _fill(lanes_mm, most_mm)
    while most_mm > max(lanes_mm) and len(lower := _fill(lanes_mm, most_mm - 5)) == len(parts):
        parts, most_mm = lower, most_mm - 5
    return parts


def _fill(lanes_mm: Sequence[float], most_mm: float) -> list[range]:
    """Divide lanes into parts, each as full as it can be; at least one lane is in each."""
    starts, used_mm = [0], 0.0
    for lane, lane_mm in enumerate(lanes_mm):
        if used_mm and used_mm + lane_mm > most_mm:
            starts.append(lane)
            used_mm = 0.0
        used_mm += lane_mm
    return [range(start, stop) for start, stop in zip(starts, [*starts[1:], len(lanes_mm)], strict=True)]


def _reason(reason: str, part: range, num_leads: int) -> str:
    """Return the reason of an example, with the leads of a part that are not all."""
    if len(part) == num_leads:
        return reason
    these = f"lead {part.stop}" if len(part) == 1 else f"leads {part.start + 1} to {part.stop}"
    return f"{f'{reason}, ' if reason else ''}{'continued: ' * bool(part.start)}{these} of {num_leads}"


@dataclass(frozen=True)
class _StripPage:
    """Strips on a page, from its top."""

    items: tuple[_Item, ...]
    caption: str
    start: datetime | None

    def __call__(self, figure: Figure, axis: Axes) -> None:
        top_mm = BODY_TOP_MM
        for item in self.items:
            strip = item.strip
            stop_s = strip.start_s + len(strip.signal_mv_SC) / strip.fs_hz
            of_day = time_of_day(self.start, strip.start_s)
            time = f"{clock(strip.start_s)} to {clock(stop_s)}" + f" · from {of_day}" * bool(of_day)
            room_mm = ROOM_MM - width_of(time, 8) - 6
            reason = shorten(item.reason, room_mm, 9, is_bold=True)
            axis.text(-LEFT_MM, top_mm + 3.5, reason, fontsize=9, fontweight="bold", color=INK)
            axis.text(ROOM_MM - LEFT_MM, top_mm + 3.5, time, fontsize=8, color=MUTED, ha="right")
            if item.lanes_mm:
                draw_row(axis, strip, strip.start_s, stop_s, top_mm + _HEADING_MM, item.lanes_mm)
            else:
                place_layout(axis, strip, _LAYOUT, top_mm + _HEADING_MM)
            top_mm += item.height_mm + _GAP_MM
        axis.text(-LEFT_MM, BODY_BOTTOM_MM, self.caption, fontsize=7, color=MUTED)
