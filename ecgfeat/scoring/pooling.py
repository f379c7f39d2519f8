"""Pool the predictions of the folds of a cross-validation, each of which has other test records."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ecgfeat.errors import DataError
from ecgfeat.scoring.rhythm_summary import SCORED_VIEWS, summarise_rhythm
from ecgfeat.store.publish import publish
from ecgfeat.store.schemas import COMMON_FS_HZ
from ecgfeat.store.tables import open_table, write_stamped

BATCH_ROWS = 1_000_000
"""Rows in memory at a time: the folds of a corpus of long records have tens of millions."""


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
        for record in _distinct(part, ["corpus", "record"]):
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
    keys = ["head", "protocol", "view"]
    summary: dict[str, Any] = {}
    for key in sorted(_distinct(path, keys)):
        if key[-1] not in SCORED_VIEWS:
            continue
        filters = [(name, "=", value) for name, value in zip(keys, key, strict=True)]
        rows = pq.read_table(path, filters=filters, page_checksum_verification=True)
        scores = summarise_rhythm(rows, fs_hz=COMMON_FS_HZ, num_resamples=num_resamples, seed=seed)
        for corpus, heads in scores.items():
            for head, protocols in heads.items():
                for protocol, views in protocols.items():
                    summary.setdefault(corpus, {}).setdefault(head, {}).setdefault(protocol, {}).update(views)
    return summary


def _distinct(path: Path, columns: list[str]) -> set[tuple[str, ...]]:
    """Return the distinct combinations of text in the columns, without all rows in memory."""
    distinct: set[tuple[str, ...]] = set()
    with open_table(path) as file:
        for batch in file.iter_batches(BATCH_ROWS, columns=columns):
            rows = pa.Table.from_batches([batch]).group_by(columns).aggregate([]).to_pylist()
            distinct |= {tuple(row[name] for name in columns) for row in rows}
    return distinct
