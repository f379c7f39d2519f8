"""Endings of the files that are written of a prediction."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

EXTENSION = "ecg"
"""Of the annotation file; none of our corpora uses it for its reference."""

OUTPUT_ENDINGS: Mapping[str, tuple[str, ...]] = {
    "parquet": ("-beats.parquet", "-episodes.parquet"),
    "csv": ("-beats.csv", "-episodes.csv"),
    "wfdb": (f".{EXTENSION}",),
    "json": ("-prediction.json",),
}
"""Endings of the files that are written in each format."""

PAGE_ENDINGS: Mapping[str, str] = {"pdf": ".pdf"}
"""Ending of the file of each kind of page: what is drawn of a prediction, with its signal."""

WritePage = Callable[[Path, Any, Any], object]
"""Draws a page of a signal (`ecgfeat.records.reader.EcgSource`) and its prediction, and writes it to a path."""

MADE_BY_ENDING = "-made-by.json"
"""Ending of the file beside tables of text or annotations, which cannot say themselves how they were made."""

ANNOTATIONS_PARAM = "annotations_sha256"
"""Entry in the metadata of the tables of a prediction: the checksum of the annotation file beside them."""


def source_mark(source: str) -> str:
    """Return what a page contains to say of which recording it was made."""
    return f"ecgfeat source {source}"
