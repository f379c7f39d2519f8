"""The pages of a PDF that hold strips: as many on a page as fit, true to scale. Twelve leads fill a page."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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

_LEAST_LANE_MM = 25.0
_LAYOUT = "3x4"


@dataclass(frozen=True)
class _Item:
    """One strip on a page: why it is there, what it shows, and how high its lanes are; twelve leads have no lanes."""

    example: Example
    strip: Strip
    lanes_mm: tuple[float, ...]

    @property
    def height_mm(self) -> float:
        """Its height on the page."""
        beside_mm = _BESIDE_LANES_MM + RIBBON_MM * len(self.strip.ribbons)
        body_mm = beside_mm + sum(self.lanes_mm) if self.lanes_mm else layout_height(self.strip, _LAYOUT)
        return _HEADING_MM + body_mm


def plan_strip_pages(signal: EcgSource, prediction: Prediction, examples: Sequence[Example]) -> Iterator[Drawing]:
    """Plan the pages of some strips.

    Parameters
    ----------
    signal : EcgSource
        The record; only the samples of the strips are kept.
    prediction : Prediction
        Its beats and rhythms.
    examples : sequence of Example
        What to draw, in order; each of at most ten seconds.

    Yields
    ------
    callable
        Draws the body of a page.
    """
    is_twelve = has_twelve_leads(signal.leads)
    most_leads = int((_FREE_MM - _HEADING_MM - _BESIDE_LANES_MM - RIBBON_MM) / _LEAST_LANE_MM)
    leads = range(len(signal.leads)) if is_twelve else range(min(len(signal.leads), most_leads))
    facts = [SCALE, "no filter: as recorded, each trace centred on its median"]
    if is_twelve:
        facts += [continuity_note(_LAYOUT), unplaced_note(signal.leads, _LAYOUT)]
    elif len(leads) < len(signal.leads):
        facts.append(f"the first {len(leads)} of {len(signal.leads)} leads")
    facts.append(signal.calibration_note)
    caption = shorten(" · ".join(filter(None, facts)), ROOM_MM, 7)
    page: list[_Item] = []
    used_mm = 0.0
    for item in _read_items(signal, prediction, examples, leads, is_twelve):
        if page and used_mm + _GAP_MM + item.height_mm > _FREE_MM:
            yield _StripPage(tuple(page), caption, signal.start)
            page, used_mm = [], 0.0
        used_mm += item.height_mm + _GAP_MM * bool(page)
        page.append(item)
    if page:
        yield _StripPage(tuple(page), caption, signal.start)


def _read_items(
    signal: EcgSource, prediction: Prediction, examples: Sequence[Example], leads: Sequence[int], is_twelve: bool
) -> list[_Item]:
    """Read the samples of the examples and join them with beats and rhythms."""
    spans_s = [(example.start_s, example.stop_s) for example in examples]
    strips = read_strips(signal, prediction, spans_s, leads)
    return [
        _Item(example, strip, () if is_twelve else _fit_lanes(strip))
        for example, strip in zip(examples, strips, strict=True)
    ]


def _fit_lanes(strip: Strip) -> tuple[float, ...]:
    """Return the heights of the lanes of a strip, lower where they would not fit on a page."""
    lanes_mm = lane_heights(strip)
    most_mm = _FREE_MM - _HEADING_MM - _BESIDE_LANES_MM - RIBBON_MM * len(strip.ribbons)
    if sum(lanes_mm) > most_mm:
        lanes_mm = [min(lane_mm, 5 * (most_mm / len(lanes_mm) // 5)) for lane_mm in lanes_mm]
    return tuple(lanes_mm)


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
            reason = shorten(item.example.reason, room_mm, 9, is_bold=True)
            axis.text(-LEFT_MM, top_mm + 3.5, reason, fontsize=9, fontweight="bold", color=INK)
            axis.text(ROOM_MM - LEFT_MM, top_mm + 3.5, time, fontsize=8, color=MUTED, ha="right")
            if item.lanes_mm:
                draw_row(axis, strip, strip.start_s, stop_s, top_mm + _HEADING_MM, item.lanes_mm)
            else:
                place_layout(axis, strip, _LAYOUT, top_mm + _HEADING_MM)
            top_mm += item.height_mm + _GAP_MM
        axis.text(-LEFT_MM, BODY_BOTTOM_MM, self.caption, fontsize=7, color=MUTED)
