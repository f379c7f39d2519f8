"""Draw the RR intervals of a part of a record, for records that have annotations but no signal."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray

from ecgfeat.clock import clock
from ecgfeat.report.drawings.ecg_paper import BEAT_COLOURS, Ribbon
from ecgfeat.report.drawings.style import FAINT, MUTED, STYLE, ink_on, rhythm_colour

_MOST_S = 2.5
"""Longer intervals are drawn at the upper edge, so that a pause does not compress all other intervals."""


@dataclass(frozen=True)
class Tachogram:
    """R-peaks of a part of a record.

    Attributes
    ----------
    title : str
        Line above the drawing.
    start_s, stop_s : float
        Start and end of the part, in seconds from the start of the record.
    rpeak_s : ndarray of float64, shape (L,)
        Time of the R-peaks in seconds from the start of the record.
    rr_s : ndarray of float64, shape (L,)
        Interval to the R-peak before; NaN for the first of a record.
    label : sequence of str, length L
        AAMI class of each beat, empty for none.
    ribbons : sequence of Ribbon
        Drawn under the intervals, in order.
    note : str
        Line under the drawing.
    """

    title: str
    start_s: float
    stop_s: float
    rpeak_s: NDArray[np.float64]
    rr_s: NDArray[np.float64]
    label: Sequence[str]
    ribbons: Sequence[Ribbon] = field(default_factory=list)
    note: str = ""


def draw_tachogram(of: Tachogram, *, width_in: float = 9.6) -> Figure:
    """Draw RR intervals over time, a dot for each beat; beats other than N are labelled with their class.

    Parameters
    ----------
    of : Tachogram
        What to draw.
    width_in : float, default 9.6
        Width of the figure in inches.

    Returns
    -------
    Figure
        The figure.

    Raises
    ------
    ValueError
        If the numbers of times, intervals and labels differ.
    """
    if not len(of.rpeak_s) == len(of.rr_s) == len(of.label):
        raise ValueError(
            f"{of.title}: {len(of.rpeak_s)} R-peaks, {len(of.rr_s)} intervals, {len(of.label)} labels; "
            "expected equal numbers"
        )
    lanes = len(of.ribbons)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width_in, 2.1 + 0.25 * lanes), layout="constrained")
        top, *below = np.atleast_1d(
            figure.subplots(1 + lanes, 1, sharex=True, height_ratios=[8.0] + [1.0] * lanes)
        ).tolist()
        top.set_title(of.title)
        has_rr = np.isfinite(of.rr_s)
        drawn_s = np.minimum(np.where(has_rr, of.rr_s, np.nan), _MOST_S)
        top.plot(of.rpeak_s, drawn_s, color=FAINT, linewidth=1.0, zorder=1)
        names = np.array([str(name) for name in of.label], dtype=np.str_)
        for name in sorted(set(names[has_rr].tolist())):
            at = has_rr & (names == name)
            colour = BEAT_COLOURS.get(name, MUTED)
            top.plot(of.rpeak_s[at], drawn_s[at], "o", markersize=3.5, color=colour, zorder=2)
        # A letter is some 3 mm wide with the room around it: where beats are closer, the first of them has its label.
        room_s = 3.0 * (of.stop_s - of.start_s) / (25.4 * (width_in - 1))
        last_s = -np.inf
        for index in np.flatnonzero(has_rr & ~np.isin(names, ["N", ""])).tolist():
            at_s, name = float(of.rpeak_s[index]), str(names[index])
            if at_s - last_s >= room_s:
                last_s, colour = at_s, BEAT_COLOURS.get(name, MUTED)
                place = {"textcoords": "offset points", "ha": "center", "fontsize": 7}
                top.annotate(name, (at_s, float(drawn_s[index])), (0, 4), color=colour, **place)
        highest = float(np.nanmax(drawn_s)) if has_rr.any() else 1.0
        top.set(ylabel="RR interval (s)", ylim=(0, max(1.2, 1.15 * highest)))
        top.grid(axis="y")
        for axis, ribbon in zip(below, of.ribbons, strict=True):
            for first_s, last_s, rhythm in zip(ribbon.start_s, ribbon.stop_s, ribbon.rhythm, strict=True):
                left_s, right_s = max(float(first_s), of.start_s), min(float(last_s), of.stop_s)
                colour = rhythm_colour(rhythm)
                axis.add_patch(Rectangle((left_s, 0.0), right_s - left_s, 1.0, facecolor=colour, edgecolor="white"))
                if right_s - left_s > 0.02 * (of.stop_s - of.start_s) * (1 + len(rhythm) / 2):
                    middle_s = (left_s + right_s) / 2
                    axis.text(middle_s, 0.45, rhythm, fontsize=7, color=ink_on(colour), ha="center", va="center")
            axis.set(ylim=(0, 1), yticks=[])
            axis.set_ylabel(ribbon.title, rotation=0, ha="right", va="center", fontsize=7, color=MUTED)
            axis.spines[:].set_visible(False)
        last = below[-1] if below else top
        last.set_xlim(of.start_s, of.stop_s)
        last.xaxis.set_major_formatter(FuncFormatter(lambda at_s, _: clock(float(at_s))))
        for axis in (top, *below[:-1]) if below else ():
            axis.tick_params(axis="x", bottom=False, labelbottom=False)
        if of.note:
            figure.supxlabel(of.note, fontsize=7.5, color=MUTED, x=0.01, ha="left")
    return figure
