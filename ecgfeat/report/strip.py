"""Draw an ECG as on paper: 25 mm/s, 10 mm/mV, lines every 1 mm and 5 mm, R-peaks, beat labels, rhythm ribbons.

References
----------
Kligfield P et al. Recommendations for the standardization and interpretation of the electrocardiogram, part I.
Circulation 2007;115:1306-24 (paper speed, gain and calibration pulse).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from ecgfeat.clock import clock
from ecgfeat.report.style import INK, MUTED, STYLE, ink_on, rhythm_colour
from ecgfeat.report.tint import draw_tint

MM_PER_S, MM_PER_MV, MM_PER_INCH = 25.0, 10.0, 25.4
FINE_LINE, BOLD_LINE, PAPER = "#f8dcdc", "#eeb4b4", "#fffdfb"
BEAT_COLOURS = {"N": MUTED, "S": "#0b6e99", "V": "#b3261e", "F": "#7b4b94", "Q": "#8d6e63"}
_LEFT_MM, _RIGHT_MM, _TITLE_MM, _LABEL_MM, _RIBBON_MM, _TIME_MM, _GAP_MM = 14.0, 4.0, 7.0, 6.0, 5.0, 5.0, 3.0
_LANE_MM, _MAX_LANE_MM = 25.0, 55.0


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


@dataclass(frozen=True)
class Strip:
    """A part of a record to draw.

    Attributes
    ----------
    title : str
        Line above the strip, such as ``mitdb/207, 12:30 to 12:40``.
    signal_mv_SC : ndarray of float32, shape (samples, leads)
        Signal in millivolts, NaN where invalid.
    fs_hz : float
        Sampling rate.
    leads : sequence of str
        Name of each lead.
    start_s : float
        Time of the first sample in seconds from the start of the record.
    rpeak_s : ndarray of float64, shape (L,)
        Time of the R-peaks in seconds from the start of the record; those outside the strip are not drawn.
    reference_label : sequence of str, length L
        Label of each R-peak: N S V F Q, empty for none.
    predicted_label : sequence of str, length L or 0
        Predicted label. Where it differs from the reference, both are written: ``S→N`` is an S predicted as N. Empty:
        there is no prediction.
    ribbons : sequence of Ribbon
        Drawn under the leads, in order.
    tint_SC : ndarray of float, shape (samples, leads), optional
        Signed strength of a colour behind the traces, in [-1, 1], drawn by `ecgfeat.report.tint.draw_tint`.
    note : str
        Line under the strip, such as ``simulated waveforms``.
    """

    title: str
    signal_mv_SC: NDArray[np.float32]  # noqa: N815
    fs_hz: float
    leads: Sequence[str]
    start_s: float = 0.0
    rpeak_s: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    reference_label: Sequence[str] = ()
    predicted_label: Sequence[str] = ()
    ribbons: Sequence[Ribbon] = ()
    tint_SC: NDArray[np.floating] | None = None  # noqa: N815
    note: str = ""


def draw_strip(strip: Strip, *, row_s: float = 10.0) -> Figure:
    """Draw a strip at the scale of ECG paper; it is true to scale if printed at 100 %.

    Parameters
    ----------
    strip : Strip
        What to draw.
    row_s : float, default 10.0
        Length of one row of paper in seconds; a longer strip continues in the next row.

    Returns
    -------
    Figure
        The figure. Each trace is centred on its median over the strip and clipped at the limits of its lane.

    Raises
    ------
    ValueError
        If the strip has no samples, or its leads or labels do not match the arrays.
    """
    num_samples, num_leads = strip.signal_mv_SC.shape
    if not num_samples or num_leads != len(strip.leads):
        raise ValueError(
            f"{strip.title}: {num_samples} samples of {num_leads} leads and {len(strip.leads)} lead names; "
            "expected at least one sample and a name for each lead"
        )
    for labels in (strip.reference_label, strip.predicted_label):
        if len(labels) not in (0, len(strip.rpeak_s)):
            raise ValueError(
                f"{strip.title}: {len(labels)} labels; expected one for each of {len(strip.rpeak_s)} beats"
            )
    duration_s = num_samples / strip.fs_hz
    num_rows = max(1, int(np.ceil(duration_s / row_s - 1e-9)))
    width_mm = MM_PER_S * (row_s if num_rows > 1 else duration_s)
    lanes_mm = [_lane_height(strip.signal_mv_SC[:, lead]) for lead in range(num_leads)]
    row_mm = _LABEL_MM + sum(lanes_mm) + _RIBBON_MM * len(strip.ribbons) + _TIME_MM + _GAP_MM
    note_mm = 5.0
    height_mm = _TITLE_MM + num_rows * row_mm + note_mm
    total_mm = _LEFT_MM + width_mm + _RIGHT_MM
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(total_mm / MM_PER_INCH, height_mm / MM_PER_INCH))
        axis = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        # One unit of the axes is one millimetre of paper; y runs down the page.
        axis.set(xlim=(-_LEFT_MM, width_mm + _RIGHT_MM), ylim=(height_mm, 0))
        axis.axis("off")
        axis.text(0, _TITLE_MM - 3, strip.title, fontsize=10, fontweight="bold", va="baseline")
        for row in range(num_rows):
            start_s = strip.start_s + row * row_s
            stop_s = min(start_s + row_s, strip.start_s + duration_s)
            _draw_row(axis, strip, start_s, stop_s, _TITLE_MM + row * row_mm, lanes_mm)
        scale = f"{MM_PER_S:g} mm/s · {MM_PER_MV:g} mm/mV"
        axis.text(0, height_mm - 2, " · ".join(filter(None, [scale, strip.note])), fontsize=7.5, color=MUTED)
    return figure


def _lane_height(signal_mv: NDArray[np.float32]) -> float:
    """Return the height of a lead's lane in millimetres: whole squares of 5 mm that hold the trace, within limits."""
    valid = signal_mv[np.isfinite(signal_mv)]
    if not len(valid):
        return _LANE_MM
    reach_mm = 2 * MM_PER_MV * float(np.abs(valid - np.median(valid)).max()) + 4
    return float(np.clip(5 * np.ceil(reach_mm / 5), _LANE_MM, _MAX_LANE_MM))


def _draw_row(
    axis: Axes, strip: Strip, start_s: float, stop_s: float, top_mm: float, lanes_mm: Sequence[float]
) -> None:
    """Draw one row of paper with traces, beats, ribbons and times."""
    width_mm, paper_mm = MM_PER_S * (stop_s - start_s), sum(lanes_mm)
    lane_mm = top_mm + _LABEL_MM
    _draw_paper(axis, lane_mm, width_mm, paper_mm)
    _draw_beats(axis, strip, start_s, stop_s, lane_mm)
    first, last = (round((at_s - strip.start_s) * strip.fs_hz) for at_s in (start_s, stop_s))
    for lead, height_mm in enumerate(lanes_mm):
        whole = strip.signal_mv_SC[:, lead]
        centre_mv = float(np.median(whole[np.isfinite(whole)])) if np.isfinite(whole).any() else 0.0
        if strip.tint_SC is not None:
            draw_tint(axis, strip.tint_SC[first:last, lead], MM_PER_S / strip.fs_hz, lane_mm, height_mm)
        _draw_lead(axis, strip.leads[lead], whole[first:last] - centre_mv, strip.fs_hz, lane_mm, height_mm)
        lane_mm += height_mm
    for ribbon in strip.ribbons:
        _draw_ribbon(axis, ribbon, start_s, stop_s, lane_mm)
        lane_mm += _RIBBON_MM
    for at_s in np.arange(np.ceil(start_s - 1e-6), stop_s + 1e-6):
        if (at_s - np.ceil(start_s - 1e-6)) % 2 == 0:
            at_mm = MM_PER_S * (at_s - start_s)
            axis.text(at_mm, lane_mm + 3.6, clock(float(at_s)), fontsize=6.5, color=MUTED, ha="center")


def _draw_paper(axis: Axes, top_mm: float, width_mm: float, height_mm: float) -> None:
    """Draw the squares; each set of lines is one path, which keeps the SVG small."""
    axis.add_patch(Rectangle((0, top_mm), width_mm, height_mm, facecolor=PAPER, edgecolor="none"))
    for step_mm, colour, line in ((1.0, FINE_LINE, 0.35), (5.0, BOLD_LINE, 0.6)):
        across = np.arange(0, width_mm + 1e-6, step_mm)
        down = np.arange(0, height_mm + 1e-6, step_mm) + top_mm
        x = np.concatenate([np.repeat(across, 3), np.tile([0, width_mm, np.nan], len(down))])
        y = np.concatenate([np.tile([top_mm, top_mm + height_mm, np.nan], len(across)), np.repeat(down, 3)])
        axis.plot(x, y, color=colour, linewidth=line, solid_capstyle="butt")


def _draw_lead(
    axis: Axes, name: str, signal_mv: NDArray[np.float32], fs_hz: float, top_mm: float, height_mm: float
) -> None:
    """Draw one trace with its name and a calibration pulse of 1 mV and 0.2 s before it."""
    middle_mm = top_mm + height_mm / 2
    at_mm = MM_PER_S * np.arange(len(signal_mv)) / fs_hz
    for start, stop in _gaps(signal_mv, round(0.2 * fs_hz)):
        left_mm, wide_mm = MM_PER_S * start / fs_hz, MM_PER_S * (stop - start) / fs_hz
        axis.add_patch(Rectangle((left_mm, top_mm + 1), wide_mm, height_mm - 2, facecolor="#eceff1", edgecolor="none"))
        if wide_mm > 16:
            axis.text(left_mm + wide_mm / 2, middle_mm, "no signal", fontsize=7, color=MUTED, ha="center", va="center")
    inside_mm = height_mm / 2 - 0.3
    trace_mm = middle_mm - np.clip(MM_PER_MV * signal_mv, -inside_mm, inside_mm)
    axis.plot(at_mm, trace_mm, color="#111417", linewidth=0.9, solid_joinstyle="round")
    pulse_x = np.array([0.5, 2.0, 2.0, 7.0, 7.0, 8.5]) - _LEFT_MM + 4
    pulse_y = middle_mm + np.array([5.0, 5.0, -5.0, -5.0, 5.0, 5.0])
    axis.plot(pulse_x, pulse_y, color=INK, linewidth=0.8, solid_joinstyle="miter")
    lead_name = axis.text(1.2, top_mm + 4.2, name, fontsize=8, fontweight="bold")
    lead_name.set_bbox({"facecolor": PAPER, "edgecolor": "none", "pad": 0.8, "alpha": 0.85})


def _gaps(signal_mv: NDArray[np.float32], shortest: int) -> list[tuple[int, int]]:
    """Return the half-open runs of at least `shortest` invalid samples."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], np.isnan(signal_mv), [False]]).astype(np.int8)))
    pairs = edges.reshape(-1, 2)
    return [(int(a), int(b)) for a, b in pairs if b - a >= max(shortest, 1)]


def _draw_beats(axis: Axes, strip: Strip, start_s: float, stop_s: float, paper_mm: float) -> None:
    """Mark the R-peaks above the paper and write their labels."""
    for index in np.flatnonzero((strip.rpeak_s >= start_s) & (strip.rpeak_s < stop_s)).tolist():
        at_mm = MM_PER_S * (float(strip.rpeak_s[index]) - start_s)
        reference = strip.reference_label[index] if len(strip.reference_label) else ""
        predicted = strip.predicted_label[index] if len(strip.predicted_label) else reference
        wrong = predicted != reference
        text = f"{reference or '–'}→{predicted or '–'}" if wrong else reference
        colour = BEAT_COLOURS.get(reference or predicted, MUTED)
        axis.plot([at_mm, at_mm], [paper_mm - 1.4, paper_mm], color=colour, linewidth=1.1)
        weight = "bold" if wrong or reference not in ("N", "") else "normal"
        axis.text(at_mm, paper_mm - 2.0, text, fontsize=7.5, color=colour, ha="center", fontweight=weight)


def _draw_ribbon(axis: Axes, ribbon: Ribbon, start_s: float, stop_s: float, top_mm: float) -> None:
    """Draw the episodes of one source that overlap the row."""
    colours = ribbon.colour or [rhythm_colour(rhythm) for rhythm in ribbon.rhythm]
    for first_s, last_s, rhythm, colour in zip(ribbon.start_s, ribbon.stop_s, ribbon.rhythm, colours, strict=True):
        left_s, right_s = max(float(first_s), start_s), min(float(last_s), stop_s)
        if right_s <= left_s:
            continue
        left_mm, wide_mm = MM_PER_S * (left_s - start_s), MM_PER_S * (right_s - left_s)
        axis.add_patch(Rectangle((left_mm, top_mm + 0.7), wide_mm, _RIBBON_MM - 1, facecolor=colour, edgecolor="white"))
        if wide_mm > 3 + 2.0 * len(rhythm):
            axis.text(left_mm + 1.5, top_mm + 3.7, rhythm, fontsize=7, color=ink_on(colour), fontweight="bold")
    axis.text(-1, top_mm + 3.7, ribbon.title, fontsize=6.5, color=MUTED, ha="right")
