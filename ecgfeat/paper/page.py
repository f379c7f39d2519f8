"""A page of A4 in landscape: what stands at the top and at the bottom of each, and where the ECG begins."""

from collections.abc import Callable
from dataclasses import dataclass

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ecgfeat.report.drawings.ecg_paper import LEFT_MM, MM_PER_INCH
from ecgfeat.report.drawings.fonts import set_fonts
from ecgfeat.report.drawings.lettering import shorten, width_of
from ecgfeat.report.drawings.style import FAINT, INK, MUTED, STYLE

PAGE_WIDTH_MM, PAGE_HEIGHT_MM = 297.0, 210.0
MARGIN_MM = 13.0
ROOM_MM = PAGE_WIDTH_MM - 2 * MARGIN_MM
"""Width of what is written. Ten seconds of ECG, 250 mm, and the calibration pulse before them are narrower."""

BODY_TOP_MM, BODY_BOTTOM_MM = 22.0, 196.0
WARNING = "Not for clinical use"


@dataclass(frozen=True)
class Frame:
    """What stands on every page.

    Attributes
    ----------
    record : str
        Name of the record.
    facts : str
        Line at the top right, such as start and duration.
    made_by : str
        Filter, models and version, for the line at the bottom.
    """

    record: str
    facts: str
    made_by: str


Drawing = Callable[[Figure, Axes], None]
"""Draws the body of a page: into its figure, or into its axes, whose unit is a millimetre and whose x = 0 is where ECG
paper begins; y runs down the page."""


def draw_page(frame: Frame, draw_body: Drawing, number: int, total: int) -> Figure:
    """Draw one page.

    Parameters
    ----------
    frame : Frame
        What stands on every page.
    draw_body : callable
        Draws what is between top and bottom.
    number, total : int
        Number of the page from 1, and of all pages.

    Returns
    -------
    Figure
        Of the size of A4 in landscape.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(PAGE_WIDTH_MM / MM_PER_INCH, PAGE_HEIGHT_MM / MM_PER_INCH))
        axis = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        left_mm = -LEFT_MM
        right_mm = left_mm + ROOM_MM
        axis.set(xlim=(left_mm - MARGIN_MM, right_mm + MARGIN_MM), ylim=(PAGE_HEIGHT_MM, 0))
        axis.axis("off")
        facts = shorten(frame.facts, 0.6 * ROOM_MM, 8)
        name = shorten(frame.record, ROOM_MM - width_of(facts, 8) - 8, 13, is_bold=True)
        axis.text(left_mm, 14, name, fontsize=13, fontweight="bold")
        axis.text(right_mm, 14, facts, fontsize=8, color=MUTED, ha="right")
        axis.plot([left_mm, right_mm], [17.5, 17.5], color=FAINT, linewidth=0.8)
        axis.plot([left_mm, right_mm], [199, 199], color=FAINT, linewidth=0.8)
        page = f"page {number} of {total}"
        axis.text(left_mm, 203.5, WARNING, fontsize=7.5, color=INK, fontweight="bold")
        axis.text(right_mm, 203.5, page, fontsize=7.5, color=INK, ha="right")
        used_mm = width_of(WARNING, 7.5, is_bold=True) + 6
        # The line between the two: what every page says of the record and how it was made.
        made_by_mm = width_of(frame.made_by, 6.5)
        room_mm = ROOM_MM - used_mm - width_of(page, 7.5) - 6
        record = shorten(frame.record, max(20.0, room_mm - made_by_mm - 6), 6.5)
        line = shorten(f"{record} · {frame.made_by}", room_mm, 6.5)
        axis.text(left_mm + used_mm, 203.5, line, fontsize=6.5, color=MUTED)
        draw_body(figure, axis)
    set_fonts(figure)
    return figure
