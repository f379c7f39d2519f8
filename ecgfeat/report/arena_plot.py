"""The picture of the arena: the macro F1 of every model on every corpus, with its interval."""

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from ecgfeat.report.style import MUTED, SERIES, STYLE

Scores = Mapping[str, tuple[float, float | None, float | None]]
"""Macro F1 of each model, and the ends of its interval."""
MAX_COLUMNS = 3


def plot_arena(
    panels: Mapping[str, Mapping[str, Scores]], models: Sequence[str], *, left_out: Mapping[str, Sequence[str]]
) -> Figure:
    """Draw a panel for each corpus, a row for each model, a dot with its 95 % interval for each view.

    Parameters
    ----------
    panels : mapping of str to mapping of str to Scores
        Title of each panel, the views it shows, and the scores of the models that have one.
    models : sequence of str
        Models from top to bottom.
    left_out : mapping of str to sequence of str
        Models of each panel that were not run; their row says so.

    Returns
    -------
    Figure
        The figure.
    """
    columns = max(min(len(panels), MAX_COLUMNS), 1)
    rows = max(-(-len(panels) // columns), 1)
    views = list(dict.fromkeys(view for of in panels.values() for view in of))
    height = 0.95 + 0.42 * len(models)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(1.3 + 3.0 * columns, rows * height), layout="constrained")
        grid = np.atleast_2d(figure.subplots(rows, columns, sharey=True, squeeze=False))
        offsets = np.linspace(-0.2, 0.2, len(views)) if len(views) > 1 else np.zeros(len(views))
        for number, axis in enumerate(grid.ravel()):
            if number >= len(panels):
                axis.set_visible(False)
                continue
            title = list(panels)[number]
            for view, of in panels[title].items():
                at = views.index(view)
                colour = SERIES[at]
                for row, model in enumerate(models):
                    if model not in of:
                        continue
                    value, low, high = of[model]
                    if low is not None and high is not None:
                        axis.plot([low, high], [row + offsets[at]] * 2, color=colour, linewidth=1.8)
                    # A score without an interval is hollow.
                    face = "white" if low is None else colour
                    axis.plot([value], [row + offsets[at]], "o", markersize=5.5, color=colour, markerfacecolor=face)
            for row, model in enumerate(models):
                if model in left_out.get(title, ()):
                    axis.text(0.5, row, "not run", color=MUTED, fontsize=8, ha="center", va="center")
            axis.set(xlim=(-0.01, 1.01), ylim=(len(models) - 0.5, -0.5), xlabel="macro F1")
            axis.set_title(title)
            axis.set_yticks(range(len(models)), list(models))
            axis.grid(axis="x")
            axis.hlines(np.arange(len(models) - 1) + 0.5, 0, 1, color=STYLE["grid.color"], linewidth=0.6)
            axis.tick_params(axis="y", length=0)
            axis.spines["left"].set_visible(False)
        handles = [
            matplotlib.lines.Line2D([], [], marker="o", markersize=5.5, color=SERIES[at], label=view)
            for at, view in enumerate(views)
        ]
        if handles:
            figure.legend(handles=handles, loc="outside upper left", ncols=len(handles))
    return figure
