"""Colours of signed strengths behind a trace: red raises, blue lowers."""

from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from numpy.typing import NDArray

RAISES, LOWERS = "#d1495b", "#2f6fb3"
_LEVELS: Final = 8
_MOST_ALPHA: Final = 0.75


def level_of(strength: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the level of strengths in [-1, 1], from -8 to 8; 0 is drawn without a colour."""
    return np.rint(np.clip(np.nan_to_num(strength), -1, 1) * _LEVELS).astype(np.int64)


def tint_colour(strength: float) -> str:
    """Return the colour of a strength on white, as ``#rrggbb``."""
    level = int(level_of(np.array([strength]))[0])
    full = RAISES if level > 0 else LOWERS
    alpha = _MOST_ALPHA * abs(level) / _LEVELS
    mixed = (round(255 + alpha * (int(full[at : at + 2], 16) - 255)) for at in (1, 3, 5))
    return "#" + "".join(f"{value:02x}" for value in mixed)


def draw_tint(axis: Axes, strength_S: NDArray[np.float64], step_mm: float, top_mm: float, height_mm: float) -> None:
    """Colour the paper behind a trace.

    Parameters
    ----------
    axis : Axes
        Whose unit is a millimetre.
    strength_S : ndarray of float, (S,)
        Of each sample, in [-1, 1].
    step_mm : float
        Width of a sample.
    top_mm, height_mm : float
        Lane of the lead.
    """
    level_S = level_of(strength_S)
    first = np.flatnonzero(np.append(True, level_S[1:] != level_S[:-1]))
    stops = np.append(first[1:], len(level_S))
    # One path for each level keeps the SVG small.
    for level in sorted(set(level_S.tolist()) - {0}):
        verts: list[tuple[float, float]] = []
        codes: list[int] = []
        for start, stop in zip(first.tolist(), stops.tolist(), strict=True):
            if level_S[start] == level:
                left, right, low = start * step_mm, stop * step_mm, top_mm + height_mm
                verts += [(left, top_mm), (right, top_mm), (right, low), (left, low), (left, top_mm)]
                codes += [int(Path.MOVETO), *[int(Path.LINETO)] * 3, int(Path.CLOSEPOLY)]
        colour, alpha = RAISES if level > 0 else LOWERS, _MOST_ALPHA * abs(level) / _LEVELS
        # Without smoothed edges there is no light seam between neighbours.
        path = Path(verts, codes)
        axis.add_patch(PathPatch(path, facecolor=colour, alpha=alpha, edgecolor="none", antialiased=False))
