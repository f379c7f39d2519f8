"""Endings of the files that are written of a prediction."""

from collections.abc import Mapping

EXTENSION = "ecg"
"""Of the annotation file; none of our corpora uses it for its reference."""

OUTPUT_ENDINGS: Mapping[str, tuple[str, ...]] = {
    "parquet": ("-beats.parquet", "-episodes.parquet"),
    "csv": ("-beats.csv", "-episodes.csv"),
    "wfdb": (f".{EXTENSION}",),
    "json": ("-prediction.json",),
}
"""Endings of the files that are written in each format."""

MADE_BY_ENDING = "-made-by.json"
"""Ending of the file beside tables of text or annotations, which cannot say themselves how they were made."""

ANNOTATIONS_PARAM = "annotations_sha256"
"""Entry in the metadata of the tables of a prediction: the checksum of the annotation file beside them."""
