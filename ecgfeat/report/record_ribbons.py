"""Every test record as a ribbon: its rhythm over its whole length, the reference above the prediction."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.image import imsave
from numpy.typing import NDArray

from ecgfeat.report.drawings.style import OTHER_COLOURS, RHYTHM_COLOURS, rhythm_colour
from ecgfeat.report.pictures import rhythm_tags
from ecgfeat.report.results.choice import Choice
from ecgfeat.report.results.inputs import ReportInputs
from ecgfeat.report.results.per_record import RecordResult
from ecgfeat.report.results.units import Units
from ecgfeat.report.tables.sheet import Tag, whole

NUM_MOMENTS = 1600
"""Number of times at which a ribbon shows the rhythm of the longest record."""
MAX_RIBBONS = 200
UNNAMED = "unlabelled or not classified"


@dataclass(frozen=True)
class RecordRibbon:
    """Rhythm of one record over its whole length: reference above, prediction below.

    Attributes
    ----------
    record : str
        Name of the record.
    uri : str
        The picture: `NUM_MOMENTS` columns for the longest record of all.
    share : str
        Share of its time that is named right.
    leads_to : str
        Id of its strip on the page; empty without one.
    """

    record: str
    uri: str
    share: str
    leads_to: str = ""


@dataclass(frozen=True)
class Ribbons:
    """The test records, worst first in each corpus.

    Attributes
    ----------
    groups : mapping of str to sequence of RecordRibbon
        By corpus.
    ticks : sequence of (float, str)
        Place on the axis of time in percent, and what stands there.
    legend : sequence of (str, str)
        Colour and name of each rhythm that occurs.
    tags : sequence of Tag
        Oracles that were on, and the kind of the signals.
    note : str
        How many records are left out, if any.
    """

    groups: Mapping[str, Sequence[RecordRibbon]]
    ticks: Sequence[tuple[float, str]]
    legend: Sequence[tuple[str, str]]
    tags: Sequence[Tag] = ()
    note: str = ""


def record_ribbons(
    inputs: ReportInputs,
    choice: Choice,
    units_of: Mapping[str, Units],
    results: Sequence[RecordResult],
    strips: Mapping[tuple[str, str], str],
) -> Ribbons | None:
    """Draw every test record as a ribbon.

    Parameters
    ----------
    inputs : ReportInputs
        Results of a run.
    choice : Choice
        Head, protocol and view.
    units_of : mapping of str to Units
        Their units, by corpus.
    results : sequence of RecordResult
        Scores of the records, worst first.
    strips : mapping of (str, str) to str
        Id of the strip of a record, by corpus and record.

    Returns
    -------
    Ribbons or None
        At most `MAX_RIBBONS` records: of more, every second, third and so on, from the worst to the best. None without
        scored records.
    """
    ranked = [of for of in results if of.corpus in units_of and of.accuracy == of.accuracy]
    if not ranked:
        return None
    every = -(-len(ranked) // MAX_RIBBONS)
    rows = {corpus: dict(units.by_record()) for corpus, units in units_of.items()}
    confidence = {corpus: units.confidence_B for corpus, units in units_of.items()}
    longest_s = max(float(units.stop_s.max()) for units in units_of.values())
    groups: dict[str, list[RecordRibbon]] = {corpus.slug: [] for corpus in inputs.corpora if corpus.slug in units_of}
    names: set[str] = set()
    for of in ranked[::every]:
        units = units_of[of.corpus]
        part = rows[of.corpus][units.records.index(of.record)]
        pixels, drawn = draw_ribbon(units, part, confidence[of.corpus][part], longest_s)
        names |= drawn
        share = f"{100 * of.accuracy:.0f}\u00a0%"
        leads_to = strips.get((of.corpus, of.record), "")
        groups.setdefault(of.corpus, []).append(RecordRibbon(of.record, _png_uri(pixels), share, leads_to))
    coloured = [name for name in (*RHYTHM_COLOURS, *OTHER_COLOURS) if name in names]
    others = sorted(names - set(coloured))  # all in the same grey
    legend = [(rhythm_colour(name), UNNAMED if name == "" else name) for name in coloured]
    legend += [(rhythm_colour(others[0]), ", ".join(others))] if others else []
    tags = list(dict.fromkeys(tag for slug in groups for tag in rhythm_tags(inputs, str(choice.protocol), slug)))
    note = f"Of {whole(len(ranked))} test records one in {every} is shown." if every > 1 else ""
    return Ribbons({slug: of for slug, of in groups.items() if of}, _time_ticks(longest_s), legend, tags, note)


def draw_ribbon(
    units: Units, rows: slice, confidence: NDArray[np.float64], longest_s: float
) -> tuple[NDArray[np.uint8], set[str]]:
    """Paint the rhythm of a record over its whole length.

    Parameters
    ----------
    units : Units
        Units of its corpus.
    rows : slice
        Those of the record.
    confidence : ndarray of float64, shape (units of the record,)
        Probability of the predicted rhythm.
    longest_s : float
        Length of the axis of time in seconds.

    Returns
    -------
    ndarray of uint8, shape (5, NUM_MOMENTS, 4)
        Red, green, blue and opacity: two lines of reference, one empty, two of prediction. An improbable prediction is
        faint. Time without a unit is empty.
    set of str
        The rhythms that occur.
    """
    moment_s = (np.arange(NUM_MOMENTS) + 0.5) * longest_s / NUM_MOMENTS
    start_s, stop_s = units.start_s[rows], units.stop_s[rows]
    index = np.searchsorted(start_s, moment_s, side="right") - 1
    is_inside = (index >= 0) & (moment_s < stop_s[np.maximum(index, 0)])
    index = index[is_inside]
    colour = np.array([to_rgb(rhythm_colour(name)) for name in units.labels])
    pixels = np.zeros((5, NUM_MOMENTS, 4))
    names: set[str] = set()
    for code, opacity, lines in (
        (units.reference_B[rows], np.ones(len(start_s)), slice(0, 2)),
        (units.predicted_B[rows], np.clip(np.nan_to_num(confidence), 0, 1), slice(3, 5)),
    ):
        pixels[lines, is_inside] = np.column_stack([colour[code[index]], opacity[index]])
        names |= {units.labels[k] for k in np.unique(code[index])}
    return (255 * pixels).round().astype(np.uint8), names


def _png_uri(pixels: NDArray[np.uint8]) -> str:
    buffer = io.BytesIO()
    no_version: Any = {"Software": None}
    imsave(buffer, pixels, format="png", metadata=no_version)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _time_ticks(longest_s: float) -> list[tuple[float, str]]:
    """Return some round times along the axis, with their place in percent."""
    unit, scale = ("h", 3600.0) if longest_s > 3 * 3600 else ("min", 60.0) if longest_s > 180 else ("s", 1.0)
    steps = (1, 2, 5, 10, 15, 20, 30, 60, 120, 240, 600)
    step = next((step for step in steps if longest_s / scale / step <= 6), 1000)
    return [
        (100 * at * scale / longest_s, f"{at} {unit}" if at == 0 else str(at))
        for at in range(0, int(longest_s / scale + 1e-9) + 1, step)
        if at == 0 or 100 * at * scale / longest_s > 8
    ]
