"""A picture that a notebook shows, and that can be kept as a file."""

from pathlib import Path
from typing import Any

from ecgfeat.errors import UsageError
from ecgfeat.store.publish import publish


class Drawing:
    """A picture on ECG paper.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        The picture; change it as any other figure of matplotlib.
    title : str
        What it shows.
    """

    def __init__(self, figure: Any, title: str) -> None:
        self.figure = figure
        self.title = title

    def save(self, path: Path | str) -> Path:
        """Write the picture as ``.svg`` or ``.png``, and return the path.

        Raises
        ------
        UsageError
            If the name has another ending.
        """
        from ecgfeat.report.drawings.style import to_png, to_svg

        path = Path(path)
        if path.suffix not in (".svg", ".png"):
            raise UsageError("save", found=path.name, expected="a name that ends in .svg or .png")
        with publish(path) as part:
            part.write_bytes(to_png(self.figure) if path.suffix == ".png" else to_svg(self.figure))
        return path

    def _repr_svg_(self) -> str:
        from ecgfeat.report.drawings.style import to_svg

        return to_svg(self.figure).decode("utf-8")

    def __repr__(self) -> str:
        return f"<drawing of {self.title}>"
