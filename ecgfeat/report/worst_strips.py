"""Where the outside evaluation loses most time: the longest passage of each confusion of two rhythms, as an ECG."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgfeat.clock import clock
from ecgfeat.report.confident_errors import STRIP_S, ribbons_between
from ecgfeat.report.drawings.strip import Strip, draw_strip
from ecgfeat.report.pictures import Picture, make_picture
from ecgfeat.report.results.inputs import ReportInputs
from ecgfeat.report.results.units import Units, find_stretches, select_units
from ecgfeat.report.tables.outside import LABELS, outside_tags
from ecgfeat.report.tables.sheet import SCORE, duration
from ecgfeat.scoring.tables import Table, values

UNNAMED = "not classified"


@dataclass(frozen=True)
class LostPassage:
    """The longest passage of a confusion.

    Attributes
    ----------
    corpus, record : str
        Where.
    reference, predicted : str
        Reference rhythm, and what it is named; empty: it has no name.
    start_s, stop_s : float
        Extent in seconds from the start of the record.
    lost_s : float
        All time of the corpus with this confusion.
    """

    corpus: str
    record: str
    reference: str
    predicted: str
    start_s: float
    stop_s: float
    lost_s: float


def find_lost_passages(units_of: Mapping[str, Units], num_passages: int) -> list[LostPassage]:
    """Rank the confusions of two rhythms by the time that they cost, and find the longest passage of each.

    Parameters
    ----------
    units_of : mapping of str to Units
        Units by corpus.
    num_passages : int
        Number of confusions to return at most.

    Returns
    -------
    list of LostPassage
        That of the confusion with most time first.
    """
    passages: list[LostPassage] = []
    for corpus, units in units_of.items():
        is_wrong = units.is_scored & (units.reference_B != units.predicted_B)
        pair_B = np.where(is_wrong, units.reference_B * len(units.labels) + units.predicted_B, -1)
        length_B = units.stop_s - units.start_s
        longest: dict[int, tuple[float, int, int, int]] = {}
        for index, rows in units.by_record():
            runs = find_stretches(pair_B[rows], units.start_s[rows], units.stop_s[rows]) + rows.start
            for first, stop in runs[pair_B[runs[:, 0]] >= 0].tolist() if len(runs) else []:
                run_s = float(units.stop_s[stop - 1] - units.start_s[first])
                if run_s > longest.get(int(pair_B[first]), (0.0,))[0]:
                    longest[int(pair_B[first])] = (run_s, index, first, stop)
        for pair, (_, index, first, stop) in sorted(longest.items()):
            reference, predicted = (units.labels[code] for code in divmod(pair, len(units.labels)))
            extent = float(units.start_s[first]), float(units.stop_s[stop - 1])
            lost_s = float(length_B[pair_B == pair].sum())
            passages.append(LostPassage(corpus, units.records[index], reference, predicted, *extent, lost_s))
    passages.sort(key=lambda of: (-round(of.lost_s, 6), of.corpus, of.reference, of.predicted))
    return passages[:num_passages]


def worst_strips(inputs: ReportInputs) -> list[Picture]:
    """Draw the middle of the longest passage of each confusion of the outside evaluation.

    Parameters
    ----------
    inputs : ReportInputs
        With ``outside_rhythm``, ``outside_episodes`` and `read_strip`; without these, nothing is drawn.

    Returns
    -------
    list of Picture
        The confusion that costs most time first, at most ``num_worst``; passages without a signal are left out.
    """
    if inputs.read_strip is None or inputs.outside_rhythm is None or inputs.outside_episodes is None:
        return []
    heads = {head for of in inputs.outside.get("rhythm", {}).values() for head in of if head not in LABELS}
    units_of = {
        slug: units
        for head in sorted(heads)
        for slug, units in select_units(inputs.outside_rhythm, head, "timeline", "viterbi", inputs.fs_hz).items()
    }
    pictures = []
    for passage in find_lost_passages(units_of, inputs.num_worst):
        start_s = max(0.0, (passage.start_s + passage.stop_s - STRIP_S) / 2)
        strip = inputs.read_strip(passage.corpus, passage.record, start_s, start_s + STRIP_S)
        if strip is None:
            continue
        rows = _episode_rows(inputs.outside_episodes, passage)
        units = units_of[passage.corpus]
        strip = label_strip(strip, units, passage.record, "".join(values(inputs.outside_episodes, "classes")[rows]))
        ribbons = ribbons_between(units, passage.record, start_s, start_s + STRIP_S)
        figure = draw_strip(dataclasses.replace(strip, ribbons=ribbons))
        what = f"{passage.reference}, {f'named {passage.predicted}' if passage.predicted else UNNAMED}"
        where = f"{passage.corpus}/{passage.record} from {clock(passage.start_s)}"
        lasts = duration(passage.stop_s - passage.start_s)
        evidence = _evidence(inputs.outside_episodes, rows, passage, inputs.fs_hz)
        caption = (
            f"{what}: {duration(passage.lost_s)} in {passage.corpus}. Longest passage: {where}, {lasts}. {evidence}"
        )
        tags = outside_tags(inputs.outside, [passage.corpus])
        pictures.append(make_picture(figure, f"{what}: {where}.", caption, tags, is_wide=True, is_paper=True))
    return pictures


def label_strip(strip: Strip, units: Units, record: str, classes: str) -> Strip:
    """Write the predicted classes of the beats into a strip.

    Parameters
    ----------
    strip : Strip
        A part of a record with its R-peaks.
    units : Units
        Units of the record's corpus: one begins at each beat, the first of a stretch before it.
    record : str
        The record.
    classes : str
        Predicted class of each of its beats, a letter each.

    Returns
    -------
    Strip
        With the predicted class of each R-peak beside the reference, or alone if the record has no reference beats.
        R-peaks in time that is not usable have none.
    """
    rows = dict(units.by_record())[units.records.index(record)]
    is_beat = units.is_counted[rows]
    start_s, stop_s = units.start_s[rows][is_beat], units.stop_s[rows][is_beat]
    assert len(start_s) == len(classes), "a class for each beat"
    at = np.searchsorted(start_s, strip.rpeak_s + 1e-6, side="right") - 1
    is_inside: NDArray[np.bool_] = (at >= 0) & (strip.rpeak_s < stop_s[np.maximum(at, 0)])
    predicted = [classes[k] if inside else "" for k, inside in zip(at.tolist(), is_inside.tolist(), strict=True)]
    if any(strip.reference_label):
        return dataclasses.replace(strip, predicted_label=predicted)
    note = ", ".join(filter(None, [strip.note, "beat classes are predicted"]))
    return dataclasses.replace(strip, reference_label=predicted, note=note)


def _episode_rows(episodes: Table, passage: LostPassage) -> NDArray[np.int64]:
    """Return the rows of the record of a passage, in order of time."""
    is_of = (values(episodes, "corpus") == passage.corpus) & (values(episodes, "record") == passage.record)
    rows = np.flatnonzero(is_of)
    order: NDArray[np.int64] = rows[np.argsort(values(episodes, "start_sample")[rows], kind="stable")]
    return order


def _evidence(episodes: Table, rows: Sequence[int] | NDArray[np.int64], passage: LostPassage, fs_hz: float) -> str:
    """Return certainty and evidence of the predicted episode in the middle of a passage."""
    middle = (passage.start_s + passage.stop_s) / 2 * fs_hz
    start, stop = values(episodes, "start_sample")[rows], values(episodes, "stop_sample")[rows]
    inside = np.asarray(rows)[(start <= middle) & (middle < stop)]
    if not len(inside) or not values(episodes, "rhythm")[inside[0]]:
        return "No rhythm is certain enough."
    certainty = SCORE.write(float(values(episodes, "certainty")[inside[0]]))
    return f"Certainty {certainty}; evidence of the name: {values(episodes, 'evidence')[inside[0]]}."
