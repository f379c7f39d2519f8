"""Kinds of pages that ``ecgfeat predict`` can draw. What draws them is imported when it is wanted."""

from collections.abc import Callable, Mapping

from ecgfeat.outputs.endings import WritePage


def _load_pdf() -> WritePage:
    """Import what draws a PDF."""
    from ecgfeat.paper.pdf import write_pdf

    return write_pdf


PAGES: Mapping[str, Callable[[], WritePage]] = {"pdf": _load_pdf}
"""By the names of `ecgfeat.outputs.endings.PAGE_ENDINGS`."""
