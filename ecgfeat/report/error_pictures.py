"""The most confident errors, drawn: an ECG strip where there is a signal, else the RR intervals."""

import dataclasses
from collections.abc import Mapping

from matplotlib.figure import Figure

from ecgfeat.report.choice import Choice
from ecgfeat.report.confident_errors import ConfidentError, find_confident_errors, ribbons_between
from ecgfeat.report.inputs import ReportInputs
from ecgfeat.report.pictures import Picture, make_picture, rhythm_tags
from ecgfeat.report.sheet import UNITS, VIEW_TITLES, count_of, duration
from ecgfeat.report.strip import clock, draw_strip
from ecgfeat.report.tachogram import draw_tachogram
from ecgfeat.report.units import Units

STRIP_S, TACHOGRAM_S = 10.0, 60.0
"""Length of an ECG strip and of a tachogram, which needs more beats to show a rhythm."""


def error_pictures(inputs: ReportInputs, choice: Choice, units_of: Mapping[str, Units]) -> list[Picture]:
    """Draw the most confident errors of the chosen head around their centres.

    Parameters
    ----------
    inputs : ReportInputs
        With `read_strip` or `read_tachogram`; without either nothing is drawn.
    choice : Choice
        Head, protocol and view.
    units_of : mapping of str to Units
        Units of the chosen view, by corpus.

    Returns
    -------
    list of Picture
        The surest error first.
    """
    pictures = []
    for rank, error in enumerate(find_confident_errors(units_of, inputs.num_worst), 1):
        figure = _draw(inputs, error, units_of[error.corpus])
        if figure is None:
            continue
        size = count_of(error.num_units, UNITS.get(str(choice.protocol), "units"))
        said = f"{error.reference} called {error.predicted} with a mean probability of {error.probability:.3f}"
        where = f"{error.corpus}/{error.record} from {clock(error.start_s)}, {duration(error.stop_s - error.start_s)}"
        caption = f"{rank}. {where}, {size}: {said} ({VIEW_TITLES[choice.view]})"
        tags = rhythm_tags(inputs, str(choice.protocol), error.corpus)
        pictures.append(
            make_picture(figure, f"Error {rank} of the surest: {where}: {said}.", caption, tags, is_wide=True)
        )
    return pictures


def _draw(inputs: ReportInputs, error: ConfidentError, units: Units) -> Figure | None:
    """Draw the middle of an error; None where nothing can be read of it."""
    middle_s = (error.start_s + error.stop_s) / 2
    start_s = max(0.0, middle_s - STRIP_S / 2)
    stop_s = start_s + STRIP_S
    strip = None if inputs.read_strip is None else inputs.read_strip(error.corpus, error.record, start_s, stop_s)
    if strip is not None:
        ribbons = ribbons_between(units, error.record, start_s, stop_s)
        return draw_strip(dataclasses.replace(strip, ribbons=ribbons))
    start_s = max(0.0, middle_s - TACHOGRAM_S / 2)
    stop_s = start_s + TACHOGRAM_S
    if inputs.read_tachogram is None:
        return None
    tachogram = inputs.read_tachogram(error.corpus, error.record, start_s, stop_s)
    if tachogram is None:
        return None
    ribbons = ribbons_between(units, error.record, start_s, stop_s)
    return draw_tachogram(dataclasses.replace(tachogram, ribbons=ribbons))
