"""The parts of a drawing on ECG paper: squares, traces, calibration pulses, rhythm ribbons. A unit is a millimetre."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from ecgfeat.clock import clock
from ecgfeat.report.drawings.lettering import width_of
from ecgfeat.report.drawings.style import INK, MUTED, ink_on, rhythm_colour

MM_PER_S, MM_PER_MV, MM_PER_INCH = 25.0, 10.0, 25.4
FINE_LINE, BOLD_LINE, PAPER = "#f8dcdc", "#eeb4b4", "#fffdfb"
TRACE = "#111417"
BEAT_COLOURS = {"N": MUTED, "S": "#0b6e99", "V": "#b3261e", "F": "#7b4b94", "Q": "#8d6e63"}
LEFT_MM, RIBBON_MM = 14.0, 5.0
"""Room left of the paper, for calibration pulses and titles of ribbons; height of a ribbon."""


@dataclass(frozen=True)
class Ribbon:
    """Rhythm episodes to draw under the ECG.

    Attributes
    ----------
    title : str
        Where the rhythm comes from, such as ``reference``.
    start_s, stop_s : ndarray of float64, shape (n,)
        Half-open extent of each episode in seconds from the start of the record.
    rhythm : sequence of str, length n
        Rhythm of each episode.
    colour : sequence of str, length n or 0
        Colour of each as ``#rrggbb``. Empty: that of the rhythm.
    """

    title: str
    start_s: NDArray[np.float64]
    stop_s: NDArray[np.float64]
    rhythm: Sequence[str]
    colour: Sequence[str] = ()


def draw_squares(axis: Axes, top_mm: float, width_mm: float, height_mm: float) -> None:
    """Draw lines every 1 mm and 5 mm from x = 0; each set of lines is one path, which keeps the SVG small."""
    axis.add_patch(Rectangle((0, top_mm), width_mm, height_mm, facecolor=PAPER, edgecolor="none"))
    for step_mm, colour, line in ((1.0, FINE_LINE, 0.35), (5.0, BOLD_LINE, 0.6)):
        across = np.arange(0, width_mm + 1e-6, step_mm)
        down = np.arange(0, height_mm + 1e-6, step_mm) + top_mm
        x = np.concatenate([np.repeat(across, 3), np.tile([0, width_mm, np.nan], len(down))])
        y = np.concatenate([np.tile([top_mm, top_mm + height_mm, np.nan], len(across)), np.repeat(down, 3)])
        axis.plot(x, y, color=colour, linewidth=line, solid_capstyle="butt")


def draw_trace(
    axis: Axes,
    signal_mv: NDArray[np.float32],
    fs_hz: float,
    top_mm: float,
    height_mm: float,
    *,
    left_mm: float = 0.0,
    limits_mm: tuple[float, float] | None = None,
) -> None:
    """Draw one trace in a lane, its zero in the middle; gaps of 0.2 s and more are grey.

    Parameters
    ----------
    axis : Axes
        Whose unit is a millimetre.
    signal_mv : ndarray of float32, shape (S,)
        Millivolts; NaN where invalid.
    fs_hz : float
        Sampling rate.
    top_mm, height_mm : float
        The lane.
    left_mm : float, default 0.0
        Where the first sample stands.
    limits_mm : (float, float), optional
        Upper and lower edge at which the trace is clipped; by default those of its lane.
    """
    middle_mm = top_mm + height_mm / 2
    at_mm = left_mm + MM_PER_S * np.arange(len(signal_mv)) / fs_hz
    for start, stop in _gaps(signal_mv, round(0.2 * fs_hz)):
        gap_mm, wide_mm = left_mm + MM_PER_S * start / fs_hz, MM_PER_S * (stop - start) / fs_hz
        axis.add_patch(Rectangle((gap_mm, top_mm + 1), wide_mm, height_mm - 2, facecolor="#eceff1", edgecolor="none"))
        if wide_mm > 16:
            axis.text(gap_mm + wide_mm / 2, middle_mm, "no signal", fontsize=7, color=MUTED, ha="center", va="center")
    top, bottom = limits_mm or (top_mm, top_mm + height_mm)
    trace_mm = middle_mm - np.clip(MM_PER_MV * signal_mv, middle_mm - bottom + 0.3, middle_mm - top - 0.3)
    axis.plot(at_mm, trace_mm, color=TRACE, linewidth=0.9, solid_joinstyle="round")


def draw_pulse(axis: Axes, middle_mm: float) -> None:
    """Draw a calibration pulse of 1 mV and 0.2 s before the paper."""
    pulse_x = np.array([0.5, 2.0, 2.0, 7.0, 7.0, 8.5]) - LEFT_MM + 4
    pulse_y = middle_mm + np.array([5.0, 5.0, -5.0, -5.0, 5.0, 5.0])
    axis.plot(pulse_x, pulse_y, color=INK, linewidth=0.8, solid_joinstyle="miter")


def draw_lead_name(axis: Axes, name: str, left_mm: float, top_mm: float, colour: str = INK) -> None:
    """Write the name of a lead in the upper left corner of its lane."""
    lead_name = axis.text(left_mm + 1.2, top_mm + 4.2, name, fontsize=8, fontweight="bold", color=colour)
    lead_name.set_bbox({"facecolor": PAPER, "edgecolor": "none", "pad": 0.8, "alpha": 0.85})


def draw_ribbon(axis: Axes, ribbon: Ribbon, start_s: float, stop_s: float, top_mm: float) -> None:
    """Draw the episodes of one source that overlap a row of paper."""
    colours = ribbon.colour or [rhythm_colour(rhythm) for rhythm in ribbon.rhythm]
    for first_s, last_s, rhythm, colour in zip(ribbon.start_s, ribbon.stop_s, ribbon.rhythm, colours, strict=True):
        left_s, right_s = max(float(first_s), start_s), min(float(last_s), stop_s)
        if right_s <= left_s:
            continue
        left_mm, wide_mm = MM_PER_S * (left_s - start_s), MM_PER_S * (right_s - left_s)
        axis.add_patch(Rectangle((left_mm, top_mm + 0.7), wide_mm, RIBBON_MM - 1, facecolor=colour, edgecolor="white"))
        if wide_mm > 3 + width_of(rhythm, 7, is_bold=True):
            axis.text(left_mm + 1.5, top_mm + 3.7, rhythm, fontsize=7, color=ink_on(colour), fontweight="bold")
    axis.text(-1, top_mm + 3.7, ribbon.title, fontsize=6.5, color=MUTED, ha="right")


def draw_times(axis: Axes, start_s: float, stop_s: float, baseline_mm: float, edge_mm: float) -> None:
    """Write the time of every second whole second under a row of paper; the last one ends at the edge."""
    first_s = np.ceil(start_s - 1e-6)
    for at_s in np.arange(first_s, stop_s + 1e-6):
        if (at_s - first_s) % 2 == 0:
            time = clock(float(at_s))
            at_mm = min(MM_PER_S * (at_s - start_s), edge_mm - width_of(time, 6.5) / 2)
            axis.text(at_mm, baseline_mm, time, fontsize=6.5, color=MUTED, ha="center")


def _gaps(signal_mv: NDArray[np.float32], shortest: int) -> list[tuple[int, int]]:
    """Return the half-open runs of at least `shortest` invalid samples."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], np.isnan(signal_mv), [False]]).astype(np.int8)))
    pairs = edges.reshape(-1, 2)
    return [(int(a), int(b)) for a, b in pairs if b - a >= max(shortest, 1)]
