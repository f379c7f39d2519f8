"""Score tables that do not fit into memory, and pool those of the folds of a cross-validation."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from ecgfeat.errors import DataError
from ecgfeat.scoring.beat_summary import SCORED_SPLIT, summarise_beats
from ecgfeat.scoring.rhythm_summary import SCORED_VIEWS, summarise_rhythm
from ecgfeat.scoring.tables import BATCH_ROWS, count_texts, read_in_turn
from ecgfeat.store.publish import publish
from ecgfeat.store.schemas import COMMON_FS_HZ
from ecgfeat.store.tables import open_table, write_stamped


def pool_tables(parts: Sequence[Path], path: Path) -> int:
    """Write the rows of several prediction tables, one table after the other, into one.

    Parameters
    ----------
    parts : sequence of Path
        Parquet tables of one schema, with columns corpus and record.
    path : Path
        File to write.

    Returns
    -------
    int
        Number of records in the table.

    Raises
    ------
    DataError
        If a table is damaged, if its schema or params differ from those of the first table, or if a record is in two
        tables.
    """
    part_of: dict[tuple[str, ...], Path] = {}
    schema: pa.Schema | None = None
    for part in parts:
        with open_table(part) as file:
            if schema is None:
                schema = file.schema_arrow
            elif not file.schema_arrow.equals(schema, check_metadata=True):
                found = "another schema, or other params"
                raise DataError(
                    str(part), found=found, expected=f"those of {parts[0]}", remedy="Pool the parts of one series."
                )
        for record in count_texts(part, ["corpus", "record"]):
            if record in part_of:
                found = f"record {'/'.join(record)}, which is in {part_of[record]} too"
                raise DataError(str(part), found=found, expected="each record in one part")
            part_of[record] = part
    assert schema is not None, "no tables to pool"
    with publish(path) as built, write_stamped(built, schema) as out:
        for part in parts:
            with open_table(part) as file:
                for batch in file.iter_batches(BATCH_ROWS):
                    out.write_batch(batch)
    return len(part_of)


def score_rhythm_table(path: Path, *, num_resamples: int, seed: int) -> dict[str, Any]:
    """Score a table of rhythm predictions view by view: a large table does not fit into memory as a whole.

    Parameters
    ----------
    path : Path
        Table of the schema ``rhythm_predictions``.
    num_resamples, seed : int
        Of the bootstrap over subjects; 0 resamples: no intervals.

    Returns
    -------
    dict
        The same as `ecgfeat.scoring.rhythm_summary.summarise_rhythm` of the whole table.
    """
    summary: dict[str, Any] = {}
    keys = ["head", "protocol", "view"]
    for rows in read_in_turn(path, keys, lambda text_of: text_of["view"] in SCORED_VIEWS):
        scores = summarise_rhythm(rows, fs_hz=COMMON_FS_HZ, num_resamples=num_resamples, seed=seed)
        for corpus, heads in scores.items():
            for head, protocols in heads.items():
                for protocol, views in protocols.items():
                    summary.setdefault(corpus, {}).setdefault(head, {}).setdefault(protocol, {}).update(views)
    return summary


def score_beat_table(path: Path, *, num_resamples: int, seed: int) -> dict[str, Any]:
    """Score a table of beat predictions history by history.

    Parameters
    ----------
    path : Path
        Table of the schema ``beat_predictions``.
    num_resamples, seed : int
        Of the bootstrap over subjects; 0 resamples: no intervals.

    Returns
    -------
    dict
        The same as `ecgfeat.scoring.beat_summary.summarise_beats` of the whole table.
    """
    summary: dict[str, Any] = {}
    keys = ["corpus", "split", "history"]
    for rows in read_in_turn(path, keys, lambda text_of: text_of["split"] == SCORED_SPLIT):
        scores = summarise_beats(rows, fs_hz=COMMON_FS_HZ, num_resamples=num_resamples, seed=seed)
        for corpus, histories in scores.items():
            summary.setdefault(corpus, {}).update(histories)
    return summary
