"""The numbers that a reader of a Holter record looks for first, from its beats and episodes.

The words of ``docs/glossary.md`` define each of them. They are computed here and nowhere else, so that the command
line, Python, the page and the PDF print the same.
"""

from ecgfeat.summary.day import DaySummary, summarise
from ecgfeat.summary.figures import Figure, list_figures, summary_lines

__all__ = ["DaySummary", "Figure", "list_figures", "summarise", "summary_lines"]
