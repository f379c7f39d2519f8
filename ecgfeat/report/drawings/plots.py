"""Figures of the report.

They are made without pyplot, so that no state is kept between them and no display is needed.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from ecgfeat.report.drawings.style import FAINT, INK, MUTED, SERIES, STYLE
from ecgfeat.scoring.calibration import Reliability


def _axes(width: float, height: float, columns: int = 1) -> tuple[Figure, list[Axes]]:
    """Make a figure of `columns` axes side by side, in inches."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = np.atleast_1d(figure.subplots(1, columns))
    return figure, list(axes)


def plot_confusion(panels: Mapping[str, NDArray[np.floating]], classes: Sequence[str]) -> Figure:
    """Draw confusion matrices side by side, shaded by the fraction of each reference class.

    Parameters
    ----------
    panels : mapping of str to ndarray of float, shape (K, K)
        Title of each panel and its matrix, rows the reference; cells show the numbers and the percentage of the row.
    classes : sequence of str
        The K classes.

    Returns
    -------
    Figure
        The figure.
    """
    size = 0.66 * len(classes) + 1.0
    figure, axes = _axes(size * len(panels), size, len(panels))
    with matplotlib.rc_context(STYLE):
        for axis, (title, matrix) in zip(axes, panels.items(), strict=True):
            total = matrix.sum(axis=1, keepdims=True)
            share = np.divide(matrix, total, out=np.zeros_like(matrix, dtype=float), where=total > 0)
            axis.imshow(share, cmap="Blues", vmin=0, vmax=1.15)
            for row, column in np.ndindex(*matrix.shape):
                number = float(matrix[row, column])
                if number:
                    dark = share[row, column] > 0.6
                    text = f"{_short(number)}\n{_percent(float(share[row, column]))}"
                    axis.text(column, row, text, ha="center", va="center", fontsize=7.5, color="white" if dark else INK)
            axis.set(xticks=range(len(classes)), yticks=range(len(classes)), xlabel="predicted", ylabel="reference")
            axis.set_xticklabels(classes, fontsize=8)
            axis.set_yticklabels(classes, fontsize=8)
            axis.set_title(title)
            axis.tick_params(length=0)
            axis.spines[:].set_visible(False)
            edges = np.arange(len(classes) + 1) - 0.5
            axis.hlines(edges, edges[0], edges[-1], color="white", linewidth=2)
            axis.vlines(edges, edges[0], edges[-1], color="white", linewidth=2)
    return figure


def _short(number: float) -> str:
    """Write a count or a number of hours in at most five characters."""
    if number >= 1e5:
        return f"{number / 1e3:.0f}k"
    if float(number).is_integer():
        return f"{number:.0f}"
    return f"{number:.0f}" if number >= 100 else f"{number:.1f}" if number >= 10 else f"{number:.2g}"


def _percent(share: float) -> str:
    return "<1 %" if 0 < share < 0.005 else f"{100 * share:.0f} %"


def plot_f1(scores: Mapping[str, Mapping[str, Any]], classes: Sequence[str]) -> Figure:
    """Draw the F1 of each class with its 95 % interval, one series for each entry of `scores`.

    Parameters
    ----------
    scores : mapping of str to mapping
        Title of each series and its scores, with ``f1``, ``interval`` and ``not_estimable`` as `rhythm_scores` gives
        them. Classes with too few subjects are hollow and have no interval.
    classes : sequence of str
        Classes from top to bottom.

    Returns
    -------
    Figure
        The figure.
    """
    figure, (axis,) = _axes(6.4, 0.75 + 0.42 * len(classes))
    offsets = np.linspace(-0.16, 0.16, len(scores)) if len(scores) > 1 else np.zeros(1)
    with matplotlib.rc_context(STYLE):
        for (title, of), offset, colour in zip(scores.items(), offsets, SERIES, strict=False):
            for row, name in enumerate(classes):
                f1, bound = of["f1"].get(name), of.get("interval", {}).get("f1", {}).get(name)
                if bound is not None:
                    axis.plot([bound["low"], bound["high"]], [row + offset] * 2, color=colour, linewidth=1.6)
                if f1 is not None:
                    face = "white" if name in of.get("not_estimable", ()) else colour
                    axis.plot(f1, row + offset, "o", markersize=6, color=colour, markerfacecolor=face)
            axis.plot([], [], "o-", color=colour, label=title)
        axis.set(xlim=(-0.01, 1.01), ylim=(len(classes) - 0.5, -0.5), xlabel="F1 (95 % interval over subjects)")
        axis.set_yticks(range(len(classes)), list(classes))
        axis.grid(axis="x")
        axis.tick_params(axis="y", length=0)
        axis.spines["left"].set_visible(False)
        if len(scores) > 1:
            axis.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=len(scores), borderaxespad=0.2)
    return figure


def plot_reliability(curves: Mapping[str, Reliability]) -> Figure:
    """Draw reliability curves above the distribution of the confidence.

    Parameters
    ----------
    curves : mapping of str to Reliability
        Title and curve of each series.

    Returns
    -------
    Figure
        The figure.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(4.4, 4.6), layout="constrained")
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[3.4, 1])
        top.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        for (title, curve), colour in zip(curves.items(), SERIES, strict=False):
            filled = curve.count > 0
            top.plot(curve.confidence[filled], curve.accuracy[filled], "o-", markersize=4, color=colour, label=title)
            edge = np.linspace(0, 1, len(curve.count) + 1)
            share = 100 * curve.count / max(curve.count.sum(), 1)
            bottom.stairs(share, edge, color=colour, fill=len(curves) == 1, linewidth=1.5)
        top.set(xlim=(0, 1), ylim=(0, 1.02), ylabel="fraction correct")
        bottom.set(xlabel="probability of the predicted class", ylabel="% of units")
        top.grid()
        top.text(0.97, 0.82, "perfect", color=MUTED, ha="right", va="top", fontsize=8)
        if len(curves) > 1:
            top.legend(loc="upper left")
    return figure


def plot_training(epochs: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw the training curves of one model: losses in one panel, scores in the other.

    Parameters
    ----------
    epochs : sequence of mapping
        One mapping for each epoch. Names with ``loss`` in them are losses. Names that end in ``_s`` or start with
        ``lr`` are not drawn. All others are scores; if there is a macro F1, scores of single classes are not drawn.

    Returns
    -------
    Figure
        The figure.
    """
    names = [
        name
        for name, value in (epochs[0] if epochs else {}).items()
        if (value is None or isinstance(value, int | float))
        and not isinstance(value, bool)
        and name != "epoch"
        and not name.startswith("lr")
        and not name.endswith("_s")
    ]
    scores = [name for name in names if "loss" not in name]
    panels = {
        "Loss": [name for name in names if "loss" in name],
        "Validation": [name for name in scores if "macro" in name] or scores,
    }
    panels = {title: of for title, of in panels.items() if of}
    figure, axes = _axes(max(3.6 * len(panels), 3.6), 2.6, max(len(panels), 1))
    at = [epoch.get("epoch", index) for index, epoch in enumerate(epochs)]
    with matplotlib.rc_context(STYLE):
        for axis, (title, of) in zip(axes, panels.items(), strict=False):
            for name, colour in zip(of, SERIES, strict=False):
                values = [_number(e.get(name)) for e in epochs]
                marker = "o" if np.isfinite(values).sum() == 1 else ""
                axis.plot(at, values, color=colour, marker=marker, label=_words(name))
            axis.set_title(title)
            axis.set_xlabel("epoch")
            axis.xaxis.set_major_locator(MaxNLocator(integer=True))
            if len(at) == 1:
                axis.set_xticks(at)
            axis.grid(axis="y")
            axis.legend(fontsize=8)
    return figure


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)


def _words(name: str) -> str:
    return name.replace("_", " ").replace(".", ": ").replace("f1", "F1")


MAX_NAMES = 100
"""Records that are named under a picture of the widest kind."""


def plot_records(
    records: Sequence[str], scores: Mapping[str, Sequence[float]], *, floor: float | None = None
) -> Figure:
    """Draw one or more scores of each record as dots on a line, worst record first.

    Parameters
    ----------
    records : sequence of str
        Names of the records, from left to right.
    scores : mapping of str to sequence of float
        Title and value for each record, in [0, 1]; NaN is not drawn.
    floor : float, optional
        Lower end of the axis; below the lowest score by default.

    Returns
    -------
    Figure
        The figure.
    """
    table = np.array([list(of) for of in scores.values()], dtype=np.float64)
    lowest = float(np.nanmin(table)) if np.isfinite(table).any() else 0.0
    bottom = floor if floor is not None else max(0.0, lowest - 0.06 * (1.001 - lowest))
    figure, (axis,) = _axes(float(np.clip(0.2 * len(records) + 1.2, 4.4, 11)), 2.7)
    with matplotlib.rc_context(STYLE):
        at = np.arange(len(records))
        for row, (title, colour) in zip(table, zip(scores, SERIES, strict=False), strict=True):
            axis.plot(at, 100 * row, "o", markersize=5, color=colour, label=title, alpha=0.9)
        if len(table) > 1:
            low, high = np.nan_to_num(table.min(axis=0)), np.nan_to_num(table.max(axis=0))
            axis.vlines(at, 100 * low, 100 * high, color=FAINT, linewidth=2, zorder=0)
        span = 100 - 100 * bottom
        axis.set(xlim=(-0.7, len(records) - 0.3), ylim=(100 * bottom, 100 + max(0.05 * span, 0.01)), ylabel="%")
        size = 8 if len(records) <= 30 else 6
        is_crowded = len(records) > 8 or max(map(len, records), default=0) > 4
        # Of more records than have room for a name, every second, third and so on is named.
        every = -(-len(records) // MAX_NAMES)
        axis.set_xticks(at[::every], list(records)[::every], rotation=90 if is_crowded else 0, fontsize=size)
        axis.tick_params(axis="x", length=0)
        axis.ticklabel_format(axis="y", useOffset=False)
        axis.grid(axis="y")
        axis.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=len(scores), borderaxespad=0.2)
    return figure
