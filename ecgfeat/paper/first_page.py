"""The first page of a PDF: the numbers of the day, its picture, and what a reader must know of how it was made."""

from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ecgfeat.paper.day import DAY_NOTE, Box, place_day
from ecgfeat.paper.page import BODY_BOTTOM_MM, BODY_TOP_MM, MARGIN_MM, ROOM_MM
from ecgfeat.prediction.record import Prediction
from ecgfeat.records.reader import EcgSource
from ecgfeat.report.drawings.ecg_paper import LEFT_MM, Ribbon
from ecgfeat.report.drawings.lettering import wrap
from ecgfeat.report.drawings.style import MUTED
from ecgfeat.summary import DaySummary, list_figures

_LINE_MM, _LABEL_MM, _GUTTER_MM, _SIZE_PT = 4.2, 34.0, 8.0, 7.5
_NOTE_PT, _NOTE_LINE_MM, _NOTE_LINES = 6.0, 3.0, 5
_FIGURE_LINES = 3


@dataclass(frozen=True)
class FirstPage:
    """What stands on the first page.

    Attributes
    ----------
    signal : EcgSource
        The record; its samples are not read.
    prediction : Prediction
        Its beats and rhythms.
    summary : DaySummary
        Its numbers.
    reference : Ribbon or None
        Rhythms to stand under the predicted ones.
    """

    signal: EcgSource
    prediction: Prediction
    summary: DaySummary
    reference: Ribbon | None = None

    def __call__(self, figure: Figure, axis: Axes) -> None:
        """Draw it."""
        table_mm = _draw_figures(axis, self.summary, BODY_TOP_MM + 2)
        notes_mm = _draw_notes(axis, self.prediction.notes)
        box = Box(MARGIN_MM, table_mm + 3, ROOM_MM, notes_mm - table_mm - 6)
        place_day(figure, box, self.signal, self.prediction, self.summary, self.reference)


def _draw_figures(axis: Axes, summary: DaySummary, top_mm: float) -> float:
    """Write the numbers of a summary in two columns; return where they end."""
    column_mm = (ROOM_MM - _GUTTER_MM) / 2
    room_mm = column_mm - _LABEL_MM
    blocks = [
        (figure.label, wrap(figure.text, room_mm, _SIZE_PT, max_lines=_FIGURE_LINES))
        for figure in list_figures(summary)
    ]
    num_lines = sum(len(lines) for _, lines in blocks)
    left_mm, at_mm, lowest_mm, line = -LEFT_MM, top_mm, top_mm, 0
    for label, lines in blocks:
        if at_mm > top_mm and left_mm == -LEFT_MM and line >= num_lines / 2:
            left_mm, at_mm = -LEFT_MM + column_mm + _GUTTER_MM, top_mm
        axis.text(left_mm, at_mm + 3, label, fontsize=_SIZE_PT, color=MUTED)
        for text in lines:
            axis.text(left_mm + _LABEL_MM, at_mm + 3, text, fontsize=_SIZE_PT)
            at_mm += _LINE_MM
        line += len(lines)
        lowest_mm = max(lowest_mm, at_mm)
    return lowest_mm


def _draw_notes(axis: Axes, notes: tuple[str, ...]) -> float:
    """Write the notes of a prediction at the foot of the page; return where they begin."""
    text = " · ".join([DAY_NOTE, *notes])
    lines = wrap(text, ROOM_MM, _NOTE_PT, max_lines=_NOTE_LINES)
    top_mm = BODY_BOTTOM_MM + 1.5 - _NOTE_LINE_MM * len(lines)
    for number, line in enumerate(lines):
        axis.text(-LEFT_MM, top_mm + _NOTE_LINE_MM * number + 2, line, fontsize=_NOTE_PT, color=MUTED)
    return top_mm
