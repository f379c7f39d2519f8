"""Read a Zarr store through: its schema, the checksum of every chunk, and its alignment with the table beside it."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from ecgfeat.look.artifacts import Check, first_line
from ecgfeat.look.tables import read_columns
from ecgfeat.store.arrays import LAYOUT_KEY
from ecgfeat.store.publish import hash_file
from ecgfeat.store.schemas import ARRAYS, ArraySchema
from ecgfeat.store.seal import REMEDY, unseal

NEIGHBOURS = {"signals": "records", "windows": "rpeaks", "embeddings": "rpeaks", "leads": "diagnoses"}
"""Store -> table whose row, or whose record, its rows are made from; both lie in ``<kind>/<corpus>``."""


def check_array(check: Check, on_read: Callable[[int], None]) -> None:
    """Add the faults of a store.

    Parameters
    ----------
    check : Check
        Check of a store; receives the faults.
    on_read : callable
        Called with the number of bytes in memory that were read since the last call.
    """
    path = check.artifact.path
    try:
        group = zarr.open_group(store=path, mode="r", zarr_format=3)
        attrs: dict[str, Any] = dict(group.attrs)
    except (OSError, ValueError, KeyError, TypeError) as error:
        check.add(f"not a readable Zarr v3 group ({first_line(error)})", "a store of this project")
        return
    name, version = attrs.get("schema"), attrs.get("version")
    check.summary = f"{name} {version}"
    if attrs.get("complete") is not True:
        check.add("not complete", "a finished store: the stage that wrote it was interrupted")
    schema = ARRAYS.get(str(name))
    if schema is None:
        check.add(f"schema {name}", f"one of {', '.join(ARRAYS)}")
        return
    if version != schema.version:
        check.add(f"schema {name} version {version}", f"version {schema.version}")
    layout = path / schema.array / "zarr.json"
    if layout.is_file() and hash_file(layout) != attrs.get(LAYOUT_KEY):
        check.add(f"{schema.array}/zarr.json with another checksum", f"sha256 {str(attrs.get(LAYOUT_KEY))[:12]}")
    try:
        array = group[schema.array]
    except (KeyError, OSError, ValueError, TypeError) as error:
        check.add(f"no readable array {schema.array} ({first_line(error)})", f"{schema.array}")
        return
    if not isinstance(array, zarr.Array):
        check.add(f"a group {schema.array}", "an array of that name")
        return
    rows = _record_rows(check, attrs, array)
    check.summary += f", {'x'.join(map(str, array.shape))} {array.dtype} of {len(rows)} records"
    dtype = str(dict(attrs.get("params", {})).get("dtype", schema.dtype))
    if str(array.dtype) not in (schema.dtype, dtype):
        check.add(f"dtype {array.dtype}", schema.dtype)
    if tuple(getattr(array.metadata, "dimension_names", None) or ()) != schema.dimension_names:
        check.add("other dimension names", " ".join(schema.dimension_names))
    if array.attrs.get("units") != schema.units:
        check.add(f"unit {array.attrs.get('units')}", schema.units)
    _read_shards(check, array, schema, on_read)
    _check_alignment(check, attrs, rows, array)
    unseal(path, attrs, REMEDY)


def _record_rows(check: Check, attrs: dict[str, Any], array: Any) -> dict[str, tuple[int, int]]:
    """Return the rows of each record; they must follow each other and fill the array."""
    try:
        rows = {str(record): (int(a), int(b)) for record, (a, b) in dict(attrs["records"]).items()}
    except (KeyError, ValueError, TypeError):
        check.add("no list of records and rows", "[start, stop) of each record")
        return {}
    end = 0
    for record, (start, stop) in rows.items():
        if start != end or stop < start:
            check.add(f"record {record} at rows {start} to {stop}", f"rows from {end} on")
        end = stop
    if end != array.shape[0]:
        check.add(f"{array.shape[0]} rows in the array", f"{end}, the last row of the last record")
    return rows


def _read_shards(check: Check, array: Any, schema: ArraySchema, on_read: Callable[[int], None]) -> None:
    """Read every chunk of an array. Missing files are checked first, because Zarr reads them as fill values."""
    path = check.artifact.path / schema.array / "c"
    shard_rows = (array.shards or array.chunks)[0]
    expected = {}
    for number, start in enumerate(range(0, array.shape[0], shard_rows)):
        expected[path.joinpath(str(number), *["0"] * (array.ndim - 1))] = start
    for file in sorted({file for file in path.rglob("*") if file.is_file()} - set(expected)):
        check.add(f"a file that is no shard, {file.relative_to(check.artifact.path)}", "shards only")
    unwritten = 0
    for file, start in expected.items():
        if not file.is_file():
            check.add(f"shard {file.relative_to(check.artifact.path)} is missing", f"{len(expected)} shards")
            continue
        for rows in _intact_rows(check, array, start, min(start + shard_rows, array.shape[0])):
            on_read(rows.nbytes)
            if np.isnan(schema.fill):
                unwritten += int(np.isnan(rows).any(axis=tuple(range(1, rows.ndim))).sum())
    if unwritten:
        check.add(f"{unwritten} rows with NaN", "none: NaN marks what was never written")


def _intact_rows(check: Check, array: Any, start: int, stop: int) -> Iterator[NDArray[Any]]:
    """Yield the chunks of one shard, and add a fault for chunks that do not match their checksum."""
    damaged: list[list[int]] = []
    for first in range(start, stop, array.chunks[0]):
        last = min(first + array.chunks[0], stop)
        try:
            yield np.asarray(array[first:last])
        except (ValueError, RuntimeError, OSError) as error:
            reason = first_line(error)
            if damaged and damaged[-1][1] == first:
                damaged[-1][1] = last
            else:
                damaged.append([first, last])
    for first, last in damaged:
        check.add(f"damaged rows {first} to {last} ({reason})", "intact chunks")


def _check_alignment(check: Check, attrs: dict[str, Any], rows: dict[str, tuple[int, int]], array: Any) -> None:
    """Compare a store in ``<root>/<kind>/<corpus>.zarr`` with the table its rows are made from."""
    path = check.artifact.path
    kind = NEIGHBOURS.get(path.parent.name)
    if kind is None:
        check.notes.append("alignment not checked: not in a folder data/<kind>/<corpus>")
        return
    table = path.parent.parent / kind / f"{path.stem}.parquet"
    if not table.is_file():
        check.notes.append(f"alignment not checked: no {table}")
        return
    if attrs.get("source") != hash_file(table):
        check.add("rows made from another table", f"the rows of {table}", "Run: dvc repro")
        return
    if kind == "rpeaks" and array.shape[0]:
        columns = read_columns(table, ["record"])
        for record, (start, stop) in rows.items():
            count = int((columns["record"] == record).sum()) if columns else stop - start
            if count != stop - start:
                check.add(f"{stop - start} rows of record {record}", f"{count}, as in {table}", "Run: dvc repro")
