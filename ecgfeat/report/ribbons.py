"""Draw the rhythm of whole records as ribbons over time: the reference above, the prediction below it."""

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ecgfeat.report.style import OTHER_COLOURS, RHYTHM_COLOURS, STYLE, rhythm_colour

NUM_MOMENTS = 1600
"""A ribbon shows the rhythm at so many moments of the longest record, whatever the number of beats."""
_LINES, _GAP_LINES = 6, 4
"""Height of a ribbon, and of the white below a record, in lines of the drawing."""


@dataclass(frozen=True)
class RecordRibbons:
    """Rhythm of one record over its whole length.

    Attributes
    ----------
    title : str
        Name beside the ribbons.
    start_s, stop_s : ndarray of float64, shape (B,)
        Half-open extent of the units, sorted by time.
    reference, predicted : ndarray of int64, shape (B,)
        Index of the rhythm of each unit.
    probability : ndarray of float64, shape (B,)
        Probability of the predicted rhythm, in [0, 1]; the paler, the less sure.
    """

    title: str
    start_s: NDArray[np.float64]
    stop_s: NDArray[np.float64]
    reference: NDArray[np.int64]
    predicted: NDArray[np.int64]
    probability: NDArray[np.float64]


def draw_ribbons(records: Sequence[RecordRibbons], labels: Sequence[str]) -> Figure:
    """Draw records under each other on one axis of time.

    Parameters
    ----------
    records : sequence of RecordRibbons
        From top to bottom.
    labels : sequence of str
        Name of each rhythm; empty for unlabelled time.

    Returns
    -------
    Figure
        The figure: one picture of 1,600 columns, however long the records.
    """
    longest_s = max((float(of.stop_s[-1]) for of in records if len(of.stop_s)), default=1.0)
    moment_s = (np.arange(NUM_MOMENTS) + 0.5) * longest_s / NUM_MOMENTS
    colour = np.array([to_rgb(rhythm_colour(name)) for name in labels]).reshape(-1, 3)
    rows_of = 2 * _LINES + _GAP_LINES
    num_rows = max(len(records), 1)
    pixels = np.ones((rows_of * num_rows, NUM_MOMENTS, 3))
    seen: set[int] = set()
    for row, of in enumerate(records):
        index = np.searchsorted(of.start_s, moment_s, side="right") - 1
        inside = (index >= 0) & (moment_s < of.stop_s[np.maximum(index, 0)]) if len(of.stop_s) else index > 0
        for lane, code in enumerate((of.reference, of.predicted)):
            shown = code[index[inside]]
            seen |= set(np.unique(shown).tolist())
            alpha = np.ones(len(shown)) if lane == 0 else np.clip(np.nan_to_num(of.probability[index[inside]]), 0, 1)
            top = row * rows_of + lane * _LINES
            # A white line between the two, so that equal colours do not run into each other.
            mixed = 1 - alpha[:, None] * (1 - colour[shown])
            pixels[top : top + _LINES - 1, inside] = mixed
    unit, scale = ("h", 3600.0) if longest_s > 3 * 3600 else ("min", 60.0)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(9.6, 0.95 + 0.36 * num_rows), layout="constrained")
        axis = figure.subplots()
        extent = (0, longest_s / scale, num_rows - 0.36, -0.36)
        # Eight bits and no resampling: the picture is kept as it is, a few kilobytes.
        axis.imshow((255 * pixels).round().astype(np.uint8), aspect="auto", interpolation="none", extent=extent)
        names = {labels[k] for k in seen}
        known = [name for name in (*RHYTHM_COLOURS, *OTHER_COLOURS) if name in names]
        others = sorted(names - set(known))  # all of one grey
        for name, label in [*((n, n or "unlabelled") for n in known), *((n, ", ".join(others)) for n in others[:1])]:
            axis.plot([], [], "s", color=rhythm_colour(name), label=label, markersize=7)
        axis.set(xlim=(0, longest_s / scale), ylim=(num_rows - 0.45, -0.45), xlabel=f"time ({unit})")
        axis.set_yticks(np.arange(len(records)), [of.title for of in records])
        axis.tick_params(axis="y", length=0)
        axis.spines["left"].set_visible(False)
        if names:
            axis.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=9, borderaxespad=0.2, handletextpad=0.2)
    return figure
