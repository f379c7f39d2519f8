"""Read a Parquet table completely: its schema, the checksum of every page, and the rules of the schema for its rows."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from ecgfeat.errors import DataError
from ecgfeat.look.artifacts import TABLE_SCHEMAS, Check, first_line
from ecgfeat.outputs.endings import ANNOTATIONS_PARAM, EXTENSION
from ecgfeat.store.publish import hash_file
from ecgfeat.store.seal import REMEDY
from ecgfeat.store.stamp import find_stamp
from ecgfeat.store.tables import Columns, header_of, open_table, open_unverified, split_by_record


def check_table(check: Check, on_read: Callable[[int], None]) -> None:
    """Add the faults of a table.

    Parameters
    ----------
    check : Check
        Check of a table; receives the faults.
    on_read : callable
        Called with the number of bytes in memory that were read since the last call.

    Raises
    ------
    DataError
        If the file is not a Parquet file at all.
    """
    path = check.artifact.path
    with open_unverified(path) as file:
        header, arrow = header_of(file), file.schema_arrow
        name, version = header.get("schema"), header.get("version")
        num_rows = file.metadata.num_rows
        check.summary = f"{name} {version}, {num_rows:,} rows"
        schema = TABLE_SCHEMAS.get(str(name))
        if schema is None:
            check.add(f"schema {name}", f"one of {', '.join(TABLE_SCHEMAS)}")
        else:
            own = _schema_of_place(path)
            if own not in (None, name):
                check.add(f"schema {name}", f"{own}, by its place and name")
            if version != schema.version:
                check.add(f"schema {name} version {version}", f"version {schema.version}")
            expected, columns = schema.arrow(), set(arrow.names)
            if arrow.names != expected.names:
                missing = [name for name in expected.names if name not in columns]
                extra = [name for name in arrow.names if name not in expected.names]
                check.add(
                    f"columns missing: {missing or 'none'}, not in the schema: {extra or 'none'}",
                    "the columns of the schema in order",
                )
            for field in expected:
                if field.name in columns and not arrow.field(field.name).type.equals(field.type):
                    check.add(f"column {field.name} of type {arrow.field(field.name).type}", str(field.type))
                elif field.name in columns and _meaning(arrow.field(field.name)) != _meaning(field):
                    check.add(f"column {field.name} with another unit or description", "those of its schema")
        table: Columns = {}
        for column in arrow.names:
            parts = []
            for group in range(file.num_row_groups):
                try:
                    part = file.read_row_group(group, columns=[column]).column(column)
                except (pa.ArrowInvalid, OSError) as error:
                    check.add(f"damaged column {column} in row group {group} ({first_line(error)})", "intact pages")
                else:
                    on_read(part.nbytes)
                    parts.append(part.to_numpy())
            if len(parts) == file.num_row_groups and parts:
                table[column] = np.concatenate(parts)
                if len(table[column]) != num_rows:
                    check.add(f"{len(table[column])} rows of {column}", f"{num_rows}, the number in the footer")
    if not check.faults:
        _check_rows(check, str(name), table)
        _check_annotations(check, header)
    if not check.faults and not find_stamp(path, REMEDY):
        check.add("no digest", "that of the whole file")


_PLACES: Final = {
    "reports/outside/records": "record_scores",
    "reports/outside/beats": "beat_predictions",
    "reports/outside/rhythm": "rhythm_predictions",
    "reports/outside/episodes": "episode_scores",
    "reports/predictions/beats": "beat_predictions",
    "reports/predictions/rhythm": "rhythm_predictions",
    "reports/predictions/rpeaks": "rpeak_scores",
    "reports/systems/rhythm": "rhythm_predictions",
    "reports/record_trees/*/records": "record_predictions",
    "reports/diagnostic/*/*/records": "record_predictions",
    "models/beats/held_out/*": "classes",
    **{f"data/{name}/*": name for name in TABLE_SCHEMAS},
}
"""Schema of a table by its place in a run."""


def _schema_of_place(path: Path) -> str | None:
    """Return the schema that a table has by its place in a run; None elsewhere."""
    place = path.absolute().with_suffix("")
    return next((schema for pattern, schema in _PLACES.items() if place.match(pattern)), None)


def _check_annotations(check: Check, header: Mapping[str, Any]) -> None:
    """Compare the WFDB annotations that ``ecgfeat predict`` wrote beside a table of beats, if they are there."""
    path, expected = check.artifact.path, header.get("params", {}).get(ANNOTATIONS_PARAM)
    annotations = path.with_name(f"{path.name.removesuffix('-beats.parquet')}.{EXTENSION}")
    if expected is not None and annotations.is_file() and hash_file(annotations) != expected:
        check.add(f"annotations {annotations.name} with another checksum", f"sha256 {expected[:12]}")


def _meaning(field: pa.Field) -> list[bytes]:
    return [(field.metadata or {}).get(key, b"") for key in (b"unit", b"description")]


def _check_rows(check: Check, schema: str, table: Columns) -> None:
    """Check the rules of the schema for the rows of an intact table."""
    if not len(table.get("record", ())):
        return
    if schema in ("records", "diagnoses"):
        if len(set(table["record"])) != len(table["record"]):
            check.add("a record that is listed twice", "every record once")
        return
    # In the table of features p is the P wave.
    for name in (column for column in table if column.startswith("p_") and schema != "features"):
        outside = ~((table[name] >= 0) & (table[name] <= 1)) & ~np.isnan(table[name])
        if outside.any():
            check.add(f"{outside.sum()} values of {name} outside 0 to 1", "probabilities")
    if schema not in ("beats", "rpeaks", "features", "classes", "episodes", "record_beats", "record_episodes"):
        return
    records = split_by_record(table)
    if len(records) != len(set(table["record"])) or sum(len(rows["record"]) for rows in records.values()) != len(
        table["record"]
    ):
        check.add("rows of a record in several places", "the rows of a record together")
        return
    position = "start_sample" if "episodes" in schema else "sample"
    for record, rows in records.items():
        steps = np.diff(rows.get(position, ()))
        if (steps < 0).any() or (schema == "rpeaks" and (steps == 0).any()):
            check.add(f"{position} of record {record} not ascending", "order of time")
        if "beat" in rows and not np.array_equal(rows["beat"], np.arange(len(rows["beat"]))):
            check.add(f"beats of record {record} not numbered 0 to {len(rows['beat']) - 1}", "one number after another")
        if "stop_sample" in rows and (rows["stop_sample"] <= rows["start_sample"]).any():
            check.add(f"an episode of record {record} that ends before it begins", "start before stop")
    folder = check.artifact.path.parent
    listing = folder.parent / "records" / check.artifact.path.name
    if folder.name in ("beats", "classes", "episodes", "features", "rpeaks") and listing.is_file():
        columns = read_columns(listing, ["record"])
        unlisted = sorted(set(records) - set(columns["record"])) if columns else []
        if unlisted:
            check.add(f"records {', '.join(unlisted[:5])} that {listing} does not list", "records of that table")


def read_columns(path: Path, names: list[str]) -> Columns:
    """Read columns of a neighbouring table.

    Parameters
    ----------
    path : Path
        The table.
    names : list of str
        Its columns.

    Returns
    -------
    dict of str to array
        Empty if the table is damaged; the check of that table reports it.
    """
    try:
        with open_table(path) as file:
            table = file.read(columns=names)
    except (DataError, pa.ArrowInvalid, OSError):
        return {}
    return {name: table.column(name).to_numpy() for name in table.column_names}
