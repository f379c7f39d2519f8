"""Predictions of several runs as one table: of folds, each of which tested other records."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ecgfeat.errors import DataError
from ecgfeat.scoring.rhythm_summary import SCORED_VIEWS, summarise_rhythm
from ecgfeat.store.publish import publish
from ecgfeat.store.schemas import COMMON_FS_HZ
from ecgfeat.store.tables import open_table

BATCH_ROWS = 1_000_000
"""Rows held at a time: the folds of a corpus of days have tens of millions."""


def pool_tables(parts: Sequence[Path], path: Path) -> int:
    """Write the rows of several prediction tables, one table after the other, into one.

    Parameters
    ----------
    parts : sequence of Path
        Parquet tables of one schema, with columns corpus and record.
    path : Path
        Where to publish the table.

    Returns
    -------
    int
        Records in the table.

    Raises
    ------
    DataError
        If a table is damaged, has another schema or was made with other params than the first, or holds a record that
        another one holds too.
    """
    seen: dict[tuple[str, ...], Path] = {}
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
            if record in seen:
                found = f"record {'/'.join(record)}, which is in {seen[record]} too"
                raise DataError(str(part), found=found, expected="each record in one part")
            seen[record] = part
    assert schema is not None, "no tables to pool"
    with publish(path) as built, pq.ParquetWriter(built, schema, compression="zstd", write_page_checksum=True) as out:
        for part in parts:
            with open_table(part) as file:
                for batch in file.iter_batches(BATCH_ROWS):
                    out.write_batch(batch)
    return len(seen)


def score_rhythm_table(path: Path, *, num_resamples: int, seed: int) -> dict[str, Any]:
    """Score a table of rhythm predictions view by view, which a table of tens of millions of rows needs.

    Parameters
    ----------
    path : Path
        Table of the schema ``rhythm_predictions``.
    num_resamples, seed : int
        Of the bootstrap over subjects; 0 resamples give no intervals.

    Returns
    -------
    dict
        What `ecgfeat.scoring.rhythm_summary.summarise_rhythm` gives of the whole table.
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
    """Return the combinations of text in some columns, without holding all rows."""
    found: set[tuple[str, ...]] = set()
    with open_table(path) as file:
        for batch in file.iter_batches(BATCH_ROWS, columns=columns):
            rows = pa.Table.from_batches([batch]).group_by(columns).aggregate([]).to_pylist()
            found |= {tuple(row[name] for name in columns) for row in rows}
    return found
