"""Style of the pictures: colours, type, and how they become bytes. Equal content gives equal bytes."""

import base64
import io
from typing import Any

import matplotlib
import matplotlib.colors
from matplotlib.figure import Figure

from ecgfeat.report.drawings.fonts import FAMILY, set_fonts

RHYTHM_COLOURS = {
    "NSR": "#7fb69a",
    "AFIB": "#d1495b",
    "SBR": "#3a7ca5",
    "AB": "#b388c9",
    "SVTA": "#edae49",
    "B": "#5f4b8b",
}
"""Colour of each rhythm, the same in every picture."""
OTHER_COLOURS = {"VT": "#2b2d42", "T": "#8d6e63", "IVR": "#455a64", "": "#e6e8eb"}
QUALITY_COLOURS = {"usable": "#b7d3c2", "noisy": "#c9a227", "absent": "#9aa5b1"}
INK, MUTED, FAINT, ACCENT = "#1f2933", "#66727f", "#dfe3e8", "#0b6e99"
SERIES = (ACCENT, "#d1495b", "#edae49", "#5f4b8b", "#7fb69a", "#8d6e63")

STYLE: Any = {
    "svg.hashsalt": "ecgfeat",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": [FAMILY, "Helvetica", "Arial"],
    "font.size": 9.0,
    "text.color": INK,
    "text.parse_math": False,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlesize": 10.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.grid": False,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "figure.facecolor": "white",
}


def rhythm_colour(rhythm: str) -> str:
    """Return the fixed colour of a rhythm.

    Parameters
    ----------
    rhythm : str
        Rhythm, or empty for none; or a state of quality.

    Returns
    -------
    str
        Colour as ``#rrggbb``; grey for a rhythm without its own colour.
    """
    return (RHYTHM_COLOURS | QUALITY_COLOURS).get(rhythm) or OTHER_COLOURS.get(rhythm, "#9aa5b1")


def ink_on(colour: str) -> str:
    """Return a colour of text that is readable on a background.

    Parameters
    ----------
    colour : str
        Background as ``#rrggbb``.

    Returns
    -------
    str
        White on dark colours, ink on light ones.
    """
    red, green, blue = matplotlib.colors.to_rgb(colour)
    return "white" if 0.299 * red + 0.587 * green + 0.114 * blue < 0.55 else INK


def to_svg(figure: Figure) -> bytes:
    """Draw a figure as SVG, without date, version or random identifiers.

    Parameters
    ----------
    figure : Figure
        The figure.

    Returns
    -------
    bytes
        The SVG document; equal for equal figures.
    """
    buffer = io.BytesIO()
    set_fonts(figure)
    with matplotlib.rc_context(STYLE):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def to_png(figure: Figure, dpi: int = 150) -> bytes:
    """Draw a figure as PNG, without version.

    Parameters
    ----------
    figure : Figure
        The figure.
    dpi : int, default 150
        Resolution.

    Returns
    -------
    bytes
        The PNG file.
    """
    buffer = io.BytesIO()
    set_fonts(figure)
    with matplotlib.rc_context(STYLE):
        figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


def to_data_uri(figure: Figure) -> str:
    """Draw a figure as the address of an ``img`` element, without a file.

    Parameters
    ----------
    figure : Figure
        The figure.

    Returns
    -------
    str
        ``data:image/svg+xml;base64,...``.
    """
    return "data:image/svg+xml;base64," + base64.b64encode(to_svg(figure)).decode("ascii")
