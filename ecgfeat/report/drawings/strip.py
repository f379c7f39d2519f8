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
from numpy.typing import NDArray

from ecgfeat.report.drawings.ecg_paper import (
    BEAT_COLOURS,
    LEFT_MM,
    MM_PER_INCH,
    MM_PER_MV,
    MM_PER_S,
    RIBBON_MM,
    Ribbon,
    draw_lead_name,
    draw_pulse,
    draw_ribbon,
    draw_squares,
    draw_times,
    draw_trace,
)
from ecgfeat.report.drawings.lettering import shorten, width_of
from ecgfeat.report.drawings.style import MUTED, STYLE
from ecgfeat.report.drawings.tint import draw_tint

_RIGHT_MM, _TITLE_MM, _LABEL_MM, _TIME_MM, _GAP_MM = 4.0, 7.0, 6.0, 5.0, 3.0
_LANE_MM, MAX_LANE_MM, _NOTE_MM = 25.0, 55.0, 3.5
SCALE = f"{MM_PER_S:g} mm/s · {MM_PER_MV:g} mm/mV"
"""Written on every page."""


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
        Signed strength of a colour behind the traces, in [-1, 1], drawn by `ecgfeat.report.drawings.tint.draw_tint`.
    note : str
        Line under the strip, such as ``simulated waveforms``; or several.
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
    tint_SC: NDArray[np.float64] | None = None  # noqa: N815
    note: str = ""


def draw_strip(strip: Strip, *, row_s: float = 10.0, max_lane_mm: float = MAX_LANE_MM) -> Figure:
    """Draw a strip at the scale of ECG paper; it is true to scale if printed at 100 %.

    Parameters
    ----------
    strip : Strip
        What to draw.
    row_s : float, default 10.0
        Length of one row of paper in seconds; a longer strip continues in the next row.
    max_lane_mm : float, default 55
        Greatest height of the lane of a lead.

    Returns
    -------
    Figure
        The figure. Each trace is centred on its median over the strip and clipped at the limits of its lane.

    Raises
    ------
    ValueError
        If the strip has no samples, or its leads or labels do not match the arrays.
    """
    check_strip(strip)
    num_samples = len(strip.signal_mv_SC)
    duration_s = num_samples / strip.fs_hz
    num_rows = max(1, int(np.ceil(duration_s / row_s - 1e-9)))
    width_mm = MM_PER_S * (row_s if num_rows > 1 else duration_s)
    lanes_mm = lane_heights(strip, max_lane_mm)
    row_mm = _LABEL_MM + sum(lanes_mm) + RIBBON_MM * len(strip.ribbons) + _TIME_MM + _GAP_MM
    notes = " · ".join(filter(None, [SCALE, strip.note])).split("\n")
    height_mm = _TITLE_MM + num_rows * row_mm + _NOTE_MM * len(notes) + 1.5
    total_mm = LEFT_MM + width_mm + _RIGHT_MM
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(total_mm / MM_PER_INCH, height_mm / MM_PER_INCH))
        axis = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        # One unit of the axes is one millimetre of paper; y runs down the page.
        axis.set(xlim=(-LEFT_MM, width_mm + _RIGHT_MM), ylim=(height_mm, 0))
        axis.axis("off")
        room_mm = width_mm + _RIGHT_MM - 1
        title = shorten(strip.title, room_mm, 10, is_bold=True)
        axis.text(0, _TITLE_MM - 3, title, fontsize=10, fontweight="bold", va="baseline")
        for row in range(num_rows):
            start_s = strip.start_s + row * row_s
            stop_s = min(start_s + row_s, strip.start_s + duration_s)
            draw_row(axis, strip, start_s, stop_s, _TITLE_MM + row * row_mm, lanes_mm)
        for above, note in enumerate(reversed(notes)):
            at_mm = height_mm - 2 - above * _NOTE_MM
            axis.text(0, at_mm, shorten(note, room_mm, 7.5), fontsize=7.5, color=MUTED)
    return figure


def check_strip(strip: Strip) -> None:
    """Refuse a strip without samples, or whose leads or labels do not match the arrays, with a `ValueError`."""
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


def lane_heights(strip: Strip, max_mm: float = MAX_LANE_MM) -> list[float]:
    """Return the height of the lane of each lead of a strip in millimetres: whole squares that hold its trace."""
    return [_lane_height(strip.signal_mv_SC[:, lead], max_mm) for lead in range(len(strip.leads))]


def _lane_height(signal_mv: NDArray[np.float32], max_mm: float) -> float:
    """Return the height of a lead's lane in millimetres: whole squares of 5 mm that hold the trace, within limits."""
    valid = signal_mv[np.isfinite(signal_mv)]
    if not len(valid):
        return _LANE_MM
    reach_mm = 2 * MM_PER_MV * float(np.abs(valid - np.median(valid)).max()) + 4
    return float(np.clip(5 * np.ceil(reach_mm / 5), _LANE_MM, max_mm))


def draw_row(axis: Axes, strip: Strip, start_s: float, stop_s: float, top_mm: float, lanes_mm: Sequence[float]) -> None:
    """Draw one row of a strip, with traces, beats, ribbons and times.

    Parameters
    ----------
    axis : Axes
        Whose unit is a millimetre; y runs down the page, and x = 0 is where the paper begins.
    strip : Strip
        What to draw.
    start_s, stop_s : float
        The part of it, in seconds from the start of the record.
    top_mm : float
        Where the row begins.
    lanes_mm : sequence of float
        As `lane_heights` returns them.
    """
    lane_mm = top_mm + _LABEL_MM
    draw_squares(axis, lane_mm, MM_PER_S * (stop_s - start_s), sum(lanes_mm))
    draw_beats(axis, strip, start_s, stop_s, lane_mm)
    first, last = (round((at_s - strip.start_s) * strip.fs_hz) for at_s in (start_s, stop_s))
    for lead, height_mm in enumerate(lanes_mm):
        whole = strip.signal_mv_SC[:, lead]
        if strip.tint_SC is not None:
            draw_tint(axis, strip.tint_SC[first:last, lead], MM_PER_S / strip.fs_hz, lane_mm, height_mm)
        draw_trace(axis, whole[first:last] - median_of(whole), strip.fs_hz, lane_mm, height_mm)
        draw_pulse(axis, lane_mm + height_mm / 2)
        name = shorten(strip.leads[lead], MM_PER_S * (stop_s - start_s) - 2, 8, is_bold=True)
        draw_lead_name(axis, name, 0.0, lane_mm)
        lane_mm += height_mm
    for ribbon in strip.ribbons:
        draw_ribbon(axis, ribbon, start_s, stop_s, lane_mm)
        lane_mm += RIBBON_MM
    draw_times(axis, start_s, stop_s, lane_mm + 3.6, MM_PER_S * (stop_s - start_s) + _RIGHT_MM - 0.5)


def median_of(signal_mv: NDArray[np.float32]) -> float:
    """Return the median of the valid samples of a lead, on which its trace is centred; 0 where there is none."""
    is_valid = np.isfinite(signal_mv)
    return float(np.median(signal_mv[is_valid])) if is_valid.any() else 0.0


def draw_beats(axis: Axes, strip: Strip, start_s: float, stop_s: float, paper_mm: float) -> None:
    """Mark the R-peaks above the paper and write their labels; where two have no room, the error or the first."""
    labels = []
    for index in np.flatnonzero((strip.rpeak_s >= start_s) & (strip.rpeak_s < stop_s)).tolist():
        at_mm = MM_PER_S * (float(strip.rpeak_s[index]) - start_s)
        reference = strip.reference_label[index] if len(strip.reference_label) else ""
        predicted = strip.predicted_label[index] if len(strip.predicted_label) else reference
        wrong = predicted != reference
        text = f"{reference or '–'}→{predicted or '–'}" if wrong else reference
        colour = BEAT_COLOURS.get(reference or predicted, MUTED)
        axis.plot([at_mm, at_mm], [paper_mm - 1.4, paper_mm], color=colour, linewidth=1.1)
        if text:
            labels.append((not wrong, at_mm, text, colour, wrong or reference != "N"))
    taken: list[tuple[float, float]] = []
    kept = []
    for label in sorted(labels, key=lambda label: label[:2]):
        _, at_mm, text, _, is_bold = label
        half_mm = width_of(text, 7.5, is_bold=is_bold) / 2
        if all(at_mm + half_mm <= left or right <= at_mm - half_mm for left, right in taken):
            taken.append((at_mm - half_mm, at_mm + half_mm))
            kept.append(label)
    for _, at_mm, text, colour, is_bold in sorted(kept, key=lambda label: label[1]):
        weight = "bold" if is_bold else "normal"
        axis.text(at_mm, paper_mm - 2.0, text, fontsize=7.5, color=colour, ha="center", fontweight=weight)
