"""Draw a day, or any record from half a minute to two weeks, on one picture: rhythm, rate, ectopic beats, RR intervals.

Whatever the width, nothing short is lost: a column of a ribbon holds every rhythm that occurs in its time, and the band
around the mean heart rate reaches from its lowest to its highest over eight RR intervals.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ecgfeat.clock import clock
from ecgfeat.paper.day_panels import (
    LONGEST_RR_S,
    choose_ticks,
    draw_density,
    draw_ectopics,
    draw_pauses,
    draw_rates,
    draw_shares,
    duration_text,
    ectopic_step,
    kinds_of,
    shade_unusable,
    time_axis_label,
)
from ecgfeat.paper.page import WARNING
from ecgfeat.paper.ribbons import quality_ribbons, rhythm_ribbon, unusable_ribbon
from ecgfeat.paper.trends import heart_rates
from ecgfeat.prediction.record import Prediction
from ecgfeat.records.reader import EcgSource
from ecgfeat.report.drawings.ecg_paper import MM_PER_INCH, Ribbon
from ecgfeat.report.drawings.lettering import on_paper, shorten, width_of
from ecgfeat.report.drawings.style import FAINT, INK, MUTED, STYLE, rhythm_colour
from ecgfeat.signals.usable import STATES
from ecgfeat.summary import DaySummary, summarise
from ecgfeat.summary.intervals import PAUSE_OVER_S

DAY_WIDTH_MM, DAY_HEIGHT_MM = 271.0, 125.0
_LABELS_MM, _RIGHT_MM, _LEGEND_MM, _TICKS_MM, _GAP_MM = 25.0, 6.0, 5.0, 9.0, 2.5
_RIBBON_MM, _QUALITY_MM, _PAUSES_MM = 6.0, 3.0, 4.0
_TITLE_MM, _NOTE_MM, _NOTE_LINE_MM, _MARGIN_MM = 9.0, 6.0, 3.0, 4.0
DAY_NOTE = (
    "A column of a ribbon is divided among all that occurs in its time, at least a fifth for each. Heart rate: mean of "
    "each stretch; band: lowest to highest over any 8 RR intervals that reach into it, and the mean."
)
"""What a reader must know of the picture."""


@dataclass(frozen=True)
class Box:
    """A part of a page: distance of its upper left corner from that of the page, and its size, in millimetres."""

    left_mm: float
    top_mm: float
    width_mm: float
    height_mm: float


def draw_day(
    signal: EcgSource,
    prediction: Prediction,
    *,
    reference: Ribbon | None = None,
    title: str = "predicted",
    note: str = "",
) -> Figure:
    """Draw a whole record on one picture.

    Parameters
    ----------
    signal : EcgSource
        The record; its samples are not read.
    prediction : Prediction
        Its beats and rhythms.
    reference : Ribbon, optional
        Rhythms to stand under the predicted ones, such as annotated ones.
    title : str, default 'predicted'
        Where the rhythms of `prediction` come from.
    note : str
        What else a reader must know, in one line.

    Returns
    -------
    Figure
        From top to bottom: ribbons of rhythm and of quality; heart rate, mean and range, with pauses over 2 s; ectopic
        beats; RR intervals over time, as dots or, of many beats, as their density.
    """
    width_mm, height_mm = DAY_WIDTH_MM + 2 * _MARGIN_MM, DAY_HEIGHT_MM + _TITLE_MM + _NOTE_MM
    height_mm += _NOTE_LINE_MM * bool(note)
    summary = summarise(prediction.beats, prediction.episodes, prediction.duration_s, signal.start)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width_mm / MM_PER_INCH, height_mm / MM_PER_INCH))
        facts = describe_duration(prediction.duration_s, signal.start)
        name = shorten(signal.record, DAY_WIDTH_MM - width_of(facts, 8) - 8, 11, is_bold=True)
        _write(figure, _MARGIN_MM, _TITLE_MM - 3, name, fontsize=11, fontweight="bold")
        _write(figure, width_mm - _MARGIN_MM, _TITLE_MM - 3, facts, fontsize=8, color=MUTED, ha="right")
        box = Box(_MARGIN_MM, _TITLE_MM, DAY_WIDTH_MM, DAY_HEIGHT_MM)
        place_day(figure, box, signal, prediction, summary, reference, title)
        _write(figure, _MARGIN_MM, height_mm - 2.5, WARNING, fontsize=7.5, fontweight="bold")
        for line, text in enumerate(filter(None, (note, DAY_NOTE))):
            at_mm = height_mm - 2.5 - _NOTE_LINE_MM * line
            _write(figure, width_mm - _MARGIN_MM, at_mm, text, fontsize=6, color=MUTED, ha="right")
    return figure


def describe_duration(duration_s: float, start: datetime | None) -> str:
    """Write how long a record is, and the time of day of its start where that is known."""
    begins = f"starts at {start:%H:%M:%S}" if start else "start not stated"
    return f"{clock(duration_s)} long, {begins}"


def place_day(
    figure: Figure,
    box: Box,
    signal: EcgSource,
    prediction: Prediction,
    summary: DaySummary,
    reference: Ribbon | None = None,
    title: str = "predicted",
) -> None:
    """Draw a day into a part of a page.

    Parameters
    ----------
    figure : Figure
        The page.
    box : Box
        Where on it.
    signal, prediction, reference, title
        As of `draw_day`.
    summary : DaySummary
        Of the prediction. Where the start of the record is unknown, times are counted from it.
    """
    beats, duration_s, start = prediction.beats, prediction.duration_s, signal.start
    ribbons = [rhythm_ribbon(prediction.episodes, title), *([reference] if reference else [])]
    unusable, qualities = unusable_ribbon(prediction.episodes), quality_ribbons(prediction, signal.leads)
    left_mm, wide_mm = box.left_mm + _LABELS_MM, box.width_mm - _LABELS_MM - _RIGHT_MM
    ticks = choose_ticks(duration_s, start)
    _draw_legend(figure, left_mm, box.top_mm + 3.2, wide_mm, [*ribbons, *qualities])
    at_mm = box.top_mm + _LEGEND_MM

    def add_panel(height_mm: float, label: str, detail: str = "", *, is_lane: bool = False) -> Axes:
        nonlocal at_mm
        axis = _add_axes(figure, left_mm, at_mm, wide_mm, height_mm)
        axis.set(xlim=(0, duration_s), xticks=[])
        axis.tick_params(labelsize=7, length=2, pad=1.5)
        middle_mm = at_mm + height_mm / 2 + 1.0
        if is_lane:
            _write(figure, box.left_mm, middle_mm, shorten(label, _LABELS_MM - 2, 7), fontsize=7)
        else:
            for at_s, _ in ticks:
                axis.axvline(at_s, color=FAINT, linewidth=0.6, zorder=0)
            _write(figure, box.left_mm, middle_mm - 1.5, label, fontsize=7)
            for line, text in enumerate(detail.split("\n")):
                _write(figure, box.left_mm, middle_mm + 1.7 + 2.8 * line, text, fontsize=6, color=MUTED)
        at_mm += height_mm + (0.8 if is_lane else _GAP_MM)
        return axis

    for ribbon in ribbons:
        draw_shares(add_panel(_RIBBON_MM, on_paper(ribbon.title), is_lane=True), ribbon, kinds_of(ribbon), wide_mm)
    for ribbon in qualities:
        draw_shares(add_panel(_QUALITY_MM, ribbon.title, is_lane=True), ribbon, tuple(STATES.values()), wide_mm)
    at_mm += 1.2
    draw_pauses(add_panel(_PAUSES_MM, _pauses_text(summary), is_lane=True), beats)
    at_mm += 1.2
    free_mm = box.top_mm + box.height_mm - _TICKS_MM - at_mm - 2 * _GAP_MM
    rate = add_panel(0.38 * free_mm, "heart rate", "beats per min")
    draw_rates(rate, heart_rates(beats["time_s"], beats["rr_s"], duration_s))
    step_s = ectopic_step(duration_s)
    ectopic = add_panel(0.22 * free_mm, "ectopic", f"beats per {duration_text(step_s)}")
    draw_ectopics(ectopic, beats, duration_s, step_s)
    density = add_panel(0.40 * free_mm, "RR interval", f"s; those over\n{LONGEST_RR_S:g} s at the edge")
    draw_density(density, beats, duration_s)
    for axis in (rate, ectopic, density):
        shade_unusable(axis, unusable, duration_s, wide_mm)
    density.set_xticks([at_s for at_s, _ in ticks], [text for _, text in ticks])
    density.tick_params(axis="x", labelsize=7, length=2.5)
    _write(figure, box.left_mm, at_mm - _GAP_MM + 3.4, time_axis_label(start), fontsize=6, color=MUTED)


def _pauses_text(summary: DaySummary) -> str:
    """Write how many pauses there are; without an RR interval the number is unknown."""
    if summary.longest_rr is None:
        return "pauses: unknown"
    num_pauses = len(summary.pauses)
    return f"{num_pauses or 'no'} pause{'s' * (num_pauses != 1)} > {PAUSE_OVER_S:g} s"


def _draw_legend(figure: Figure, left_mm: float, base_mm: float, wide_mm: float, ribbons: Iterable[Ribbon]) -> None:
    """Write the rhythms that occur beside a square of their colour, then the states of quality."""
    kinds = list(dict.fromkeys(kind for ribbon in ribbons for kind in kinds_of(ribbon) if kind in set(ribbon.rhythm)))
    at_mm = left_mm
    axis = _add_axes(figure, left_mm, base_mm - 2.4, wide_mm, 2.4)
    axis.set(xlim=(0, wide_mm), ylim=(0, 1))
    axis.axis("off")
    for kind in kinds:
        text = shorten({"": "no rhythm named"}.get(kind, kind), 30, 7)
        if at_mm + 3.4 + width_of(text, 7) > left_mm + wide_mm:
            break
        axis.add_patch(
            Rectangle((at_mm - left_mm, 0), 2.4, 1, facecolor=rhythm_colour(kind), edgecolor="none", clip_on=False)
        )
        _write(figure, at_mm + 3.4, base_mm - 0.2, text, fontsize=7, color=INK)
        at_mm += 3.4 + width_of(text, 7) + 5


def _add_axes(figure: Figure, left_mm: float, top_mm: float, width_mm: float, height_mm: float) -> Axes:
    """Add axes at a place of the page."""
    page_mm = MM_PER_INCH * figure.get_size_inches()
    bottom = 1 - (top_mm + height_mm) / page_mm[1]
    return figure.add_axes((left_mm / page_mm[0], bottom, width_mm / page_mm[0], height_mm / page_mm[1]))


def _write(figure: Figure, left_mm: float, base_mm: float, text: str, **style: object) -> None:
    """Write a line at a place of the page."""
    page_mm = MM_PER_INCH * figure.get_size_inches()
    figure.text(left_mm / page_mm[0], 1 - base_mm / page_mm[1], text, **style)  # type: ignore[arg-type]
