"""Passages of the test records that are named right or wrong throughout: found, and drawn as ECG or RR intervals."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ecgfeat.clock import clock
from ecgfeat.report.drawings.ecg_paper import Ribbon
from ecgfeat.report.drawings.strip import draw_strip
from ecgfeat.report.drawings.tachogram import draw_tachogram
from ecgfeat.report.pictures import Picture, make_picture, rhythm_tags
from ecgfeat.report.results.choice import UNITS, VIEW_TITLES, Choice
from ecgfeat.report.results.inputs import ReportInputs
from ecgfeat.report.results.units import Units, find_stretches
from ecgfeat.report.tables.sheet import count_of, duration

MIN_UNITS, MIN_S, MAX_PER_RECORD = 5, 5.0, 2
"""Least number of units or seconds of a passage, and most errors of one record."""
STRIP_S, TACHOGRAM_S = 10.0, 60.0
"""Length of an ECG strip and of a tachogram; a tachogram needs more beats to show a rhythm."""
SMALL_STRIP_S, SMALL_TACHOGRAM_S, SMALL_LANE_MM = 6.0, 40.0, 35.0
"""The same of the first screen, and the greatest height of a lead there."""
NORMAL = "NSR"


@dataclass(frozen=True)
class Passage:
    """A part of a record with the same reference and the same predicted rhythm from beginning to end.

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

    def rank(self) -> tuple[float, float, str, str, float]:
        """Order of passages: the most probable first, then the longer one, then by place."""
        # Rounded, so that rounding errors of the mean do not change the order.
        return -round(self.probability, 6), self.start_s - self.stop_s, self.corpus, self.record, self.start_s


def find_confident_errors(units_of: Mapping[str, Units], num_errors: int) -> list[Passage]:
    """Rank the errors of all test records by the mean probability of the wrong rhythm.

    Parameters
    ----------
    units_of : mapping of str to Units
        Units by corpus.
    num_errors : int
        Number of errors to return at most.

    Returns
    -------
    list of Passage
        The highest probability first, at most two of a record.

    Notes
    -----
    * Errors of fewer than 5 units that also last less than 5 s are not returned. Most of them are limits of episodes,
      where annotators differ by a beat or two.
    * Time that is named no rhythm is none of the errors.
    """
    errors: list[Passage] = []
    for corpus, units in units_of.items():
        is_wrong = (units.reference_B != units.predicted_B) & (units.predicted_B < len(units.classes))
        for passages in _passages_by_record(corpus, units, is_wrong):
            errors += sorted(passages, key=Passage.rank)[:MAX_PER_RECORD]
    return sorted(errors, key=Passage.rank)[:num_errors]


def find_confident_hit(units_of: Mapping[str, Units]) -> Passage | None:
    """Return the passage of at least 10 s that is named right with the highest mean probability.

    Parameters
    ----------
    units_of : mapping of str to Units
        Units by corpus.

    Returns
    -------
    Passage or None
        Of a rhythm other than NSR where any is named right; None if nothing is.
    """
    hits: list[Passage] = []
    for corpus, units in units_of.items():
        is_right = units.reference_B == units.predicted_B
        for passages in _passages_by_record(corpus, units, is_right):
            hits += [passage for passage in passages if passage.stop_s - passage.start_s >= STRIP_S]
    return min(hits, key=lambda hit: (hit.reference == NORMAL, *hit.rank()), default=None)


def find_longest_errors(units_of: Mapping[str, Units], records: Sequence[tuple[str, str]]) -> list[Passage]:
    """Return the longest error of each record; records without an error of some beats or seconds are left out."""
    longest: dict[tuple[str, str], Passage] = {}
    for corpus, units in units_of.items():
        for passages in _passages_by_record(corpus, units, units.reference_B != units.predicted_B):
            if passages:
                error = min(passages, key=lambda of: (of.start_s - of.stop_s, of.start_s))
                longest[corpus, error.record] = error
    return [longest[place] for place in records if place in longest]


def _passages_by_record(corpus: str, units: Units, is_kept: NDArray[np.bool_]) -> Iterator[list[Passage]]:
    """Yield the scored passages of each record that are kept, and long enough to be looked at."""
    pair = np.where(units.is_scored & is_kept, units.reference_B * len(units.labels) + units.predicted_B, -1)
    summed = np.concatenate([[0.0], np.cumsum(units.confidence_B)])
    for index, rows in units.by_record():
        runs = find_stretches(pair[rows], units.start_s[rows], units.stop_s[rows]) + rows.start
        runs = runs[pair[runs[:, 0]] >= 0] if len(runs) else runs
        length = runs[:, 1] - runs[:, 0]
        start_s, stop_s = units.start_s[runs[:, 0]], units.stop_s[runs[:, 1] - 1]
        mean = (summed[runs[:, 1]] - summed[runs[:, 0]]) / np.maximum(length, 1)
        yield [
            Passage(
                corpus=corpus,
                record=units.records[index],
                start_s=float(start_s[at]),
                stop_s=float(stop_s[at]),
                num_units=int(length[at]),
                reference=units.labels[units.reference_B[runs[at, 0]]],
                predicted=units.labels[units.predicted_B[runs[at, 0]]],
                probability=float(mean[at]),
            )
            for at in np.flatnonzero((length >= MIN_UNITS) | (stop_s - start_s >= MIN_S)).tolist()
        ]


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


def error_pictures(inputs: ReportInputs, choice: Choice, units_of: Mapping[str, Units]) -> dict[Passage, Picture]:
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
    dict of Passage to Picture
        The most confident error first.
    """
    errors = find_confident_errors(units_of, inputs.num_worst)
    return _pictures(inputs, choice, units_of, errors, "error")


def record_pictures(
    inputs: ReportInputs, choice: Choice, units_of: Mapping[str, Units], records: Sequence[tuple[str, str]]
) -> dict[Passage, Picture]:
    """Draw the middle of the longest error of each record.

    Parameters
    ----------
    inputs, choice, units_of
        As of `error_pictures`.
    records : sequence of (str, str)
        Corpus and record.

    Returns
    -------
    dict of Passage to Picture
        In the order of the records; records without an error are left out.
    """
    return _pictures(inputs, choice, units_of, find_longest_errors(units_of, records), "record")


def _pictures(
    inputs: ReportInputs, choice: Choice, units_of: Mapping[str, Units], errors: Sequence[Passage], kind: str
) -> dict[Passage, Picture]:
    """Draw errors; those without anything to draw are left out."""
    pictures = {}
    for rank, error in enumerate(errors, 1):
        figure = draw_passage(inputs, error, units_of[error.corpus])
        if figure is None:
            continue
        caption = f"{rank}. {describe_passage(error, choice)} ({VIEW_TITLES[choice.view]})"
        tags = rhythm_tags(inputs, str(choice.protocol), error.corpus)
        alt = f"{'Confident error' if kind == 'error' else 'Longest error'} {caption}."
        pictures[error] = make_picture(figure, alt, caption, tags, is_wide=True, is_paper=True, name=f"{kind}-{rank}")
    return pictures


def describe_passage(passage: Passage, choice: Choice) -> str:
    """Write where a passage is, how long, and what it is named."""
    size = count_of(passage.num_units, UNITS.get(str(choice.protocol), "units"))
    named = f"predicted as {passage.predicted}" if passage.predicted else "not classified"
    lasts = duration(passage.stop_s - passage.start_s)
    where = f"{passage.corpus}/{passage.record} from {clock(passage.start_s)}, {lasts}"
    probability = f", mean probability {passage.probability:.3f}" if passage.predicted else ""
    return f"{where}, {size}: {passage.reference} {named}{probability}"


def draw_passage(inputs: ReportInputs, passage: Passage, units: Units, *, is_small: bool = False) -> Figure | None:
    """Draw the middle of a passage.

    Parameters
    ----------
    inputs : ReportInputs
        With `read_strip` or `read_tachogram`.
    passage : Passage
        The passage.
    units : Units
        Units of its corpus.
    is_small : bool, default False
        Draw 6 s of the first lead alone, or fewer RR intervals.

    Returns
    -------
    Figure or None
        10 s of ECG, or without a signal the RR intervals of 60 s; None without both.
    """
    middle_s = (passage.start_s + passage.stop_s) / 2
    strip_s, tachogram_s = (SMALL_STRIP_S, SMALL_TACHOGRAM_S) if is_small else (STRIP_S, TACHOGRAM_S)
    start_s = max(0.0, middle_s - strip_s / 2)
    stop_s = start_s + strip_s
    strip = None if inputs.read_strip is None else inputs.read_strip(passage.corpus, passage.record, start_s, stop_s)
    if strip is not None:
        if is_small:
            strip = dataclasses.replace(strip, signal_mv_SC=strip.signal_mv_SC[:, :1], leads=strip.leads[:1])
        ribbons = ribbons_between(units, passage.record, start_s, stop_s)
        return draw_strip(
            dataclasses.replace(strip, ribbons=ribbons), **({"max_lane_mm": SMALL_LANE_MM} if is_small else {})
        )
    start_s = max(0.0, middle_s - tachogram_s / 2)
    stop_s = start_s + tachogram_s
    if inputs.read_tachogram is None:
        return None
    tachogram = inputs.read_tachogram(passage.corpus, passage.record, start_s, stop_s)
    if tachogram is None:
        return None
    ribbons = ribbons_between(units, passage.record, start_s, stop_s)
    return draw_tachogram(dataclasses.replace(tachogram, ribbons=ribbons), width_in=6.4 if is_small else 9.6)


@dataclass(frozen=True)
class Example:
    """A strip of the first screen: its title, the picture, and the id of the longer strip, if there is one."""

    title: str
    picture: Picture
    leads_to: str = ""


def two_strips(
    inputs: ReportInputs, choice: Choice, units_of: Mapping[str, Units], errors: Mapping[Passage, Picture]
) -> list[Example]:
    """Draw a passage that is named right and one that is named wrong, both the most confident of their kind.

    Parameters
    ----------
    inputs, choice, units_of
        As of `error_pictures`.
    errors : mapping of Passage to Picture
        The most confident errors that can be drawn, the first of which is shown.

    Returns
    -------
    list of Example
        At most two; fewer if nothing is right, nothing wrong, or nothing can be drawn.
    """
    hit, error = find_confident_hit(units_of), next(iter(errors), None)
    examples = []
    for title, passage in (("Named right, with most confidence", hit), ("Named wrong, with most confidence", error)):
        if passage is None:
            continue
        figure = draw_passage(inputs, passage, units_of[passage.corpus], is_small=True)
        if figure is None:
            continue
        what = describe_passage(passage, choice)
        leads_to = errors[passage].name if passage in errors else ""
        examples.append(Example(title, make_picture(figure, f"{title}: {what}.", what, is_paper=True), leads_to))
    return examples
