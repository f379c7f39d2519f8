"""The most confident errors of a head: found, and drawn as an ECG strip or as RR intervals."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from ecgfeat.clock import clock
from ecgfeat.report.choice import Choice
from ecgfeat.report.ecg_paper import Ribbon
from ecgfeat.report.inputs import ReportInputs
from ecgfeat.report.pictures import Picture, make_picture, rhythm_tags
from ecgfeat.report.sheet import UNITS, VIEW_TITLES, count_of, duration
from ecgfeat.report.strip import draw_strip
from ecgfeat.report.tachogram import draw_tachogram
from ecgfeat.report.units import Units, find_stretches

MIN_UNITS, MIN_S, MAX_PER_RECORD = 5, 5.0, 2
"""Least number of units or seconds of an error, and most errors of one record."""


@dataclass(frozen=True)
class ConfidentError:
    """A part of a record with the same wrong rhythm from beginning to end.

    Attributes
    ----------
    corpus, record : str
        Where.
    start_s, stop_s : float
        Extent in seconds from the start of the record.
    num_units : int
        Number of units.
    reference, predicted : str
        Reference and predicted rhythm.
    probability : float
        Probability of the predicted rhythm, mean over the units.
    """

    corpus: str
    record: str
    start_s: float
    stop_s: float
    num_units: int
    reference: str
    predicted: str
    probability: float


def find_confident_errors(units_of: Mapping[str, Units], num_errors: int) -> list[ConfidentError]:
    """Rank the errors of all test records by the mean probability of the wrong rhythm.

    Parameters
    ----------
    units_of : mapping of str to Units
        Units by corpus.
    num_errors : int
        Number of errors to return at most.

    Returns
    -------
    list of ConfidentError
        The highest probability first, at most two of a record.

    Notes
    -----
    * Errors of fewer than 5 units that also last less than 5 s are not returned. Most of them are limits of episodes,
      where annotators differ by a beat or two.
    """
    errors: list[ConfidentError] = []
    for corpus, units in units_of.items():
        wrong = units.is_scored & (units.reference_B != units.predicted_B)
        pair = np.where(wrong, units.reference_B * len(units.labels) + units.predicted_B, -1)
        summed = np.concatenate([[0.0], np.cumsum(units.confidence_B)])
        for index, rows in units.by_record():
            runs = find_stretches(pair[rows], units.start_s[rows], units.stop_s[rows]) + rows.start
            runs = runs[pair[runs[:, 0]] >= 0] if len(runs) else runs
            length = runs[:, 1] - runs[:, 0]
            start_s, stop_s = units.start_s[runs[:, 0]], units.stop_s[runs[:, 1] - 1]
            mean = (summed[runs[:, 1]] - summed[runs[:, 0]]) / np.maximum(length, 1)
            is_long = (length >= MIN_UNITS) | (stop_s - start_s >= MIN_S)
            # Rounded, so that rounding errors of the sum do not change the order; then the longer error first.
            order = np.lexsort((start_s, -(stop_s - start_s), -mean.round(6)))
            for at in order[is_long[order]][:MAX_PER_RECORD].tolist():
                errors.append(
                    ConfidentError(
                        corpus=corpus,
                        record=units.records[index],
                        start_s=float(start_s[at]),
                        stop_s=float(stop_s[at]),
                        num_units=int(length[at]),
                        reference=units.labels[units.reference_B[runs[at, 0]]],
                        predicted=units.labels[units.predicted_B[runs[at, 0]]],
                        probability=float(mean[at]),
                    )
                )
    errors.sort(key=lambda e: (-round(e.probability, 6), e.start_s - e.stop_s, e.corpus, e.record, e.start_s))
    return errors[:num_errors]


def ribbons_between(units: Units, record: str, start_s: float, stop_s: float) -> list[Ribbon]:
    """Return the reference and the prediction of a part of a record as ribbons.

    Parameters
    ----------
    units : Units
        Units of the record's corpus.
    record : str
        The record.
    start_s, stop_s : float
        Start and end of the part.

    Returns
    -------
    list of Ribbon
        First the reference, then the prediction; none if the part has no unit.
    """
    if record not in units.records:
        return []
    rows = dict(units.by_record())[units.records.index(record)]
    inside = np.flatnonzero((units.stop_s[rows] > start_s) & (units.start_s[rows] < stop_s)) + rows.start
    if not len(inside):
        return []
    ribbons = []
    for title, code in (("reference", units.reference_B), ("predicted", units.predicted_B)):
        first_s, last_s = units.start_s[inside], units.stop_s[inside]
        first, stop = find_stretches(code[inside], first_s, last_s).T
        names = [units.labels[k] for k in code[inside[first]]]
        ribbons.append(Ribbon(title, first_s[first], last_s[stop - 1], names))
    return ribbons


STRIP_S, TACHOGRAM_S = 10.0, 60.0
"""Length of an ECG strip and of a tachogram; a tachogram needs more beats to show a rhythm."""


def error_pictures(inputs: ReportInputs, choice: Choice, units_of: Mapping[str, Units]) -> list[Picture]:
    """Draw the middle of each of the most confident errors of the chosen head.

    Parameters
    ----------
    inputs : ReportInputs
        With `read_strip` or `read_tachogram`; without both, nothing is drawn.
    choice : Choice
        Head, protocol and view.
    units_of : mapping of str to Units
        Units of the chosen view, by corpus.

    Returns
    -------
    list of Picture
        The most confident error first.
    """
    pictures = []
    for rank, error in enumerate(find_confident_errors(units_of, inputs.num_worst), 1):
        figure = _draw(inputs, error, units_of[error.corpus])
        if figure is None:
            continue
        size = count_of(error.num_units, UNITS.get(str(choice.protocol), "units"))
        what = f"{error.reference} predicted as {error.predicted}, mean probability {error.probability:.3f}"
        where = f"{error.corpus}/{error.record} from {clock(error.start_s)}, {duration(error.stop_s - error.start_s)}"
        caption = f"{rank}. {where}, {size}: {what} ({VIEW_TITLES[choice.view]})"
        tags = rhythm_tags(inputs, str(choice.protocol), error.corpus)
        pictures.append(make_picture(figure, f"Confident error {rank}: {where}: {what}.", caption, tags, is_wide=True))
    return pictures


def _draw(inputs: ReportInputs, error: ConfidentError, units: Units) -> Figure | None:
    """Draw the middle of an error; None without a signal and without R-peaks."""
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
