"""Read what the stage robustness predicts: raw records of a split with their reference."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from ecgfeat.acquire.manifest import read_acquired, read_manifest
from ecgfeat.sensitivity.pairs import RobustnessRecord
from ecgfeat.store.schemas import BEAT_TABLE, EPISODES
from pipeline.params import Params
from pipeline.read import paths
from pipeline.read.beats import read_records, read_rows_by_record

TRAINING_SPLITS: Final = ("train", "validation")


def choose_records(corpus: str, params: Params) -> tuple[tuple[str, ...], list[dict[str, Any]]]:
    """Choose the records of a corpus that are predicted.

    Parameters
    ----------
    corpus : str
        Slug.
    params : Params
        ``robustness.split``: validation stands for the training records where a corpus has no validation records;
        training for both. ``robustness.records``: of more than so many, that many are drawn; 0 takes all.

    Returns
    -------
    splits : tuple of str
        The splits they are of.
    rows : list of dict
        Their rows of the ``records`` table.
    """
    rows = [row for row in read_records(corpus).values() if row["status"] == "used" and row["signals"] != "none"]
    wanted = params.robustness.split
    splits = TRAINING_SPLITS if wanted == "training" else (wanted,)
    if wanted == "validation" and not any(row["split"] == wanted for row in rows):
        splits = ("train",)
    rows = [row for row in rows if row["split"] in splits]
    if 0 < params.robustness.records < len(rows):
        drawn = np.random.default_rng(params.seed).permutation(len(rows))[: params.robustness.records]
        rows = [rows[number] for number in sorted(drawn.tolist())]
    return splits, rows


def read_robustness_records(corpus: str, rows: Sequence[Mapping[str, Any]], hours: float) -> Iterator[RobustnessRecord]:
    """Yield the annotated ones of records with their signals at their own rate, the first hours of each."""
    beats_of = read_rows_by_record(paths.beats(corpus), BEAT_TABLE)
    episodes_of = read_rows_by_record(paths.episodes(corpus), EPISODES)
    manifest = read_manifest(paths.raw(corpus))
    for row in rows:
        record = str(row["record"])
        reference = beats_of(record)
        if len(reference["sample"]):
            signal = read_acquired(paths.raw(corpus), manifest, record)
            yield RobustnessRecord(str(row["subject"]), signal, reference, episodes_of(record)).first_hours(hours)
