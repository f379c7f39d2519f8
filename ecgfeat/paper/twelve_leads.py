"""Draw twelve leads as an electrocardiograph prints them: 3 x 4 and a rhythm strip, 6 x 2, or 12 x 1.

References
----------
Kligfield P et al. Recommendations for the standardization and interpretation of the electrocardiogram, part I.
Circulation 2007;115:1306-24.
"""

from collections.abc import Mapping, Sequence

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ecgfeat.corpora.corpus import LEADS_12
from ecgfeat.corpora.leads import standard_lead
from ecgfeat.errors import choose
from ecgfeat.report.drawings.ecg_paper import (
    LEFT_MM,
    MM_PER_INCH,
    MM_PER_S,
    RIBBON_MM,
    draw_lead_name,
    draw_pulse,
    draw_ribbon,
    draw_squares,
    draw_times,
    draw_trace,
)
from ecgfeat.report.drawings.lettering import shorten
from ecgfeat.report.drawings.strip import SCALE, Strip, check_strip, draw_beats, median_of
from ecgfeat.report.drawings.style import INK, MUTED, STYLE

LAYOUTS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "3x4": (("I", "aVR", "V1", "V4"), ("II", "aVL", "V2", "V5"), ("III", "aVF", "V3", "V6")),
    "6x2": (("I", "V1"), ("II", "V2"), ("III", "V3"), ("aVR", "V4"), ("aVL", "V5"), ("aVF", "V6")),
    "12x1": tuple((name,) for name in LEADS_12),
}
"""Leads of each row from left to right. Under 3 x 4 there is a rhythm strip of ten seconds."""

PAGE_S = 10.0
_ROW_MM = {"3x4": 35.0, "6x2": 25.0, "12x1": 20.0}
_RHYTHM_LEADS = ("II", "MLII", "V5", "V1", *LEADS_12)
"""The first of these that is there; the modified lead II of a Holter monitor has no other place."""

_LABEL_MM, _TIME_MM, _RIGHT_MM, _TITLE_MM, _NOTE_MM, _NOTE_LINE_MM = 6.0, 5.0, 4.0, 7.0, 8.5, 3.5


def has_twelve_leads(leads: Sequence[str]) -> bool:
    """Return whether a record is drawn as one of twelve leads: it has at least seven of them, by name."""
    return len({standard_lead(name) for name in leads} & set(LEADS_12)) > len(LEADS_12) // 2


def draw_layout(strip: Strip, layout: str = "3x4") -> Figure:
    """Draw up to ten seconds of a strip in a layout of twelve leads.

    Parameters
    ----------
    strip : Strip
        What to draw. Its leads are found by name, in any usual spelling.
    layout : str, default '3x4'
        One of `LAYOUTS`.

    Returns
    -------
    Figure
        True to scale if printed at 100 %. A lead that the record lacks is said to be missing in its place.

    Raises
    ------
    UsageError
        If there is no such layout.
    ValueError
        As `ecgfeat.report.drawings.strip.draw_strip` raises it, or if the strip is longer than ten seconds.
    """
    choose(LAYOUTS, layout, "layout")
    width_mm = MM_PER_S * PAGE_S
    height_mm = _TITLE_MM + layout_height(strip, layout) + _NOTE_MM
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=((LEFT_MM + width_mm + _RIGHT_MM) / MM_PER_INCH, height_mm / MM_PER_INCH))
        axis = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        axis.set(xlim=(-LEFT_MM, width_mm + _RIGHT_MM), ylim=(height_mm, 0))
        axis.axis("off")
        axis.text(0, _TITLE_MM - 3, strip.title, fontsize=10, fontweight="bold")
        place_layout(axis, strip, layout, _TITLE_MM)
        facts = [SCALE, continuity_note(layout), unplaced_note(strip.leads, layout)]
        for above, note in enumerate((strip.note, " · ".join(filter(None, facts)))):
            at_mm = height_mm - 2 - _NOTE_LINE_MM * above
            axis.text(0, at_mm, shorten(note, width_mm + _RIGHT_MM - 1, 7.5), fontsize=7.5, color=MUTED)
    return figure


def layout_height(strip: Strip, layout: str) -> float:
    """Return the height of a layout in millimetres: labels, rows, ribbons and times."""
    num_rows = len(LAYOUTS[layout]) + (layout == "3x4")
    return _LABEL_MM + num_rows * _ROW_MM[layout] + RIBBON_MM * len(strip.ribbons) + _TIME_MM


def continuity_note(layout: str) -> str:
    """Return a sentence about the time of the columns; empty for a layout of one column."""
    column_s = PAGE_S / len(LAYOUTS[layout][0])
    return f"each column continues the one before, {column_s:g} s later" if column_s < PAGE_S else ""


def unplaced_note(leads: Sequence[str], layout: str) -> str:
    """Return a sentence that names the leads without a place in a layout; empty where each has one."""
    place = _places(leads)
    drawn = {place[name] for row in LAYOUTS[layout] for name in row if name in place}
    if layout == "3x4":
        drawn |= {place[name] for name in [_rhythm_lead(place)] if name in place}
    unplaced = [name for at, name in enumerate(leads) if at not in drawn]
    return f"not drawn, without a place here: {', '.join(unplaced)}" if unplaced else ""


def _places(leads: Sequence[str]) -> dict[str, int]:
    """Return the position of each lead by its standard name; of two of one name, the first."""
    named = [(_standard(name), at) for at, name in enumerate(leads)]
    return {name: at for name, at in reversed(named) if name is not None}


def _standard(name: str) -> str | None:
    return "MLII" if name.strip().upper() == "MLII" else standard_lead(name)


def _rhythm_lead(place: Mapping[str, int]) -> str:
    """Return the lead of the rhythm strip."""
    return next((name for name in _RHYTHM_LEADS if name in place), "II")


def place_layout(axis: Axes, strip: Strip, layout: str, top_mm: float) -> None:
    """Draw a layout into axes whose unit is a millimetre.

    Parameters
    ----------
    axis : Axes
        y runs down the page, and x = 0 is where the paper begins.
    strip, layout
        As of `draw_layout`.
    top_mm : float
        Where it begins.

    Raises
    ------
    ValueError
        As of `draw_layout`.
    """
    check_strip(strip)
    stop_s = strip.start_s + len(strip.signal_mv_SC) / strip.fs_hz
    if stop_s - strip.start_s > PAGE_S + 1 / strip.fs_hz:
        raise ValueError(f"{strip.title}: {stop_s - strip.start_s:g} s; expected at most {PAGE_S:g} s")
    place = _places(strip.leads)
    rows, row_mm = LAYOUTS[layout], _ROW_MM[layout]
    paper_mm = top_mm + _LABEL_MM
    height_mm = row_mm * (len(rows) + (layout == "3x4"))
    width_mm = MM_PER_S * PAGE_S
    draw_squares(axis, paper_mm, width_mm, height_mm)
    limits_mm = (paper_mm, paper_mm + height_mm)
    column_s = PAGE_S / len(rows[0])
    for row, names in enumerate(rows):
        lane_mm = paper_mm + row * row_mm
        for column, name in enumerate(names):
            _draw_part(axis, strip, place.get(name), name, column * column_s, column_s, lane_mm, row_mm, limits_mm)
        draw_pulse(axis, lane_mm + row_mm / 2)
    if layout == "3x4":
        lane_mm = paper_mm + len(rows) * row_mm
        name = _rhythm_lead(place)
        _draw_part(axis, strip, place.get(name), name, 0.0, PAGE_S, lane_mm, row_mm, limits_mm)
        draw_pulse(axis, lane_mm + row_mm / 2)
    draw_beats(axis, strip, strip.start_s, stop_s, paper_mm)
    under_mm = paper_mm + height_mm
    for ribbon in strip.ribbons:
        draw_ribbon(axis, ribbon, strip.start_s, stop_s, under_mm)
        under_mm += RIBBON_MM
    draw_times(axis, strip.start_s, stop_s, under_mm + 3.6, MM_PER_S * PAGE_S + 3.5)


def _draw_part(
    axis: Axes,
    strip: Strip,
    lead: int | None,
    name: str,
    from_s: float,
    length_s: float,
    top_mm: float,
    height_mm: float,
    limits_mm: tuple[float, float],
) -> None:
    """Draw one lead over one column; the trace may enter the rows beside it, as on paper, but not leave the paper."""
    left_mm, wide_mm = MM_PER_S * from_s, MM_PER_S * length_s
    middle_mm = top_mm + height_mm / 2
    if from_s:
        # Two short strokes where a lead ends and the next begins.
        for first_mm, last_mm in ((-0.4, -0.3), (0.3, 0.4)):
            y = [middle_mm + first_mm * height_mm, middle_mm + last_mm * height_mm]
            axis.plot([left_mm, left_mm], y, color=INK, linewidth=0.9, solid_capstyle="butt")
    if lead is None:
        axis.add_patch(
            Rectangle((left_mm, top_mm + 1), wide_mm, height_mm - 2, facecolor="#eceff1", edgecolor="none", alpha=0.8)
        )
        text = f"{name} missing"
        axis.text(left_mm + wide_mm / 2, middle_mm, text, fontsize=8, color=MUTED, ha="center", va="center")
        return
    whole_S = strip.signal_mv_SC[:, lead]
    first, last = (round(at_s * strip.fs_hz) for at_s in (from_s, from_s + length_s))
    part_S = whole_S[first:last]
    if len(part_S):
        centred_S = part_S - median_of(whole_S)
        draw_trace(axis, centred_S, strip.fs_hz, top_mm, height_mm, left_mm=left_mm, limits_mm=limits_mm)
    end_mm = left_mm + MM_PER_S * len(part_S) / strip.fs_hz
    if end_mm < left_mm + wide_mm - 1.5:
        axis.text(end_mm + 1.5, middle_mm, "end", fontsize=7, color=MUTED, va="center")
    draw_lead_name(axis, name, left_mm, top_mm)
