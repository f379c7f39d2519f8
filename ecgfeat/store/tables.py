"""Parquet tables that carry their schema, version and params, and are refused when damaged or of another schema.

Every column has a unit and a description (`ecgfeat.store.schemas`); pages carry crc32c checksums, which other readers
can verify, and the file carries a digest of all its bytes.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ecgfeat.errors import DataError
from ecgfeat.store.columns import TableSchema
from ecgfeat.store.publish import publish
from ecgfeat.store.schemas import ArraySchema
from ecgfeat.store.stamp import BLANK, KEY, find_stamp, stamp

Columns = dict[str, NDArray[Any]]

_GROUP_ROWS = 100_000  # of a row group of a table that is written part by part, or more

REMAKE = "Delete it and run: dvc repro, or the command that wrote it."
"""What to do about a damaged artifact."""


def write_table(
    path: Path,
    columns: Mapping[str, Sequence[Any] | NDArray[Any]],
    schema: TableSchema,
    params: Mapping[str, Any],
) -> None:
    """Write a Parquet table with page checksums, under its schema and no other.

    Parameters
    ----------
    path : Path
        Where to publish it.
    columns : mapping of str to array of shape (rows,)
        One entry per column of ``schema``, no more and no fewer.
    schema : TableSchema
        Names, types, units.
    params : mapping
        Params the table was made with; kept in its metadata.
    """
    write_parts(path, [columns], schema, params)


def write_parts(
    path: Path,
    parts: Iterable[Mapping[str, Sequence[Any] | NDArray[Any]]],
    schema: TableSchema,
    params: Mapping[str, Any],
) -> int:
    """Write a table part by part, so that no more than some parts of it are in memory.

    Parameters
    ----------
    path, schema, params
        As `write_table` takes them.
    parts : iterable of dict of str to array
        Columns of the parts, such as those of a record, in order.

    Returns
    -------
    int
        Rows of the table.
    """
    num_rows = 0
    with open_writer(path, schema, params) as append:
        for columns in parts:
            num_rows += append(columns)
    return num_rows


@contextmanager
def open_writer(
    path: Path, schema: TableSchema, params: Mapping[str, Any]
) -> Iterator[Callable[[Mapping[str, Sequence[Any] | NDArray[Any]]], int]]:
    """Yield what appends a part to a table and returns its rows; publish the table when the block ends.

    Parameters
    ----------
    path, schema, params
        As `write_table` takes them.
    """
    arrow = schema.arrow()
    metadata = {"ecgfeat": json.dumps(make_header(schema.name, schema.version, params), sort_keys=True)}
    with publish(path) as part, write_stamped(part, arrow.with_metadata(metadata)) as writer:
        waiting: list[pa.Table] = []
        is_empty = True

        def append(columns: Mapping[str, Sequence[Any] | NDArray[Any]]) -> int:
            nonlocal is_empty
            table = as_arrow(columns, schema)
            waiting.append(table)
            is_empty &= not len(table)
            if sum(map(len, waiting)) >= _GROUP_ROWS:
                writer.write_table(pa.concat_tables(waiting))
                waiting.clear()
            return len(table)

        yield append
        if waiting or is_empty:
            writer.write_table(pa.concat_tables(waiting) if waiting else arrow.empty_table())


@contextmanager
def write_stamped(path: Path, arrow: pa.Schema) -> Iterator[pq.ParquetWriter]:
    """Yield a writer of a Parquet file with page checksums, which gets its digest when the block ends."""
    with pq.ParquetWriter(path, arrow, compression="zstd", write_page_checksum=True) as writer:
        yield writer
        writer.add_key_value_metadata({KEY: BLANK})
    stamp(path)


def as_arrow(columns: Mapping[str, Any], schema: TableSchema) -> pa.Table:
    """Return columns as the Arrow table that `write_table` writes of them, without its metadata.

    Parameters
    ----------
    columns : mapping of str to array of shape (rows,)
        One entry per column of ``schema``, no more and no fewer.
    schema : TableSchema
        Names, types, units.

    Returns
    -------
    pyarrow.Table
        With unit and description in the metadata of each column.
    """
    arrow = schema.arrow()
    assert set(columns) == set(schema.columns), f"{schema.name}: {set(columns) ^ set(schema.columns)}"
    # An empty column may have any dtype: there is nothing to convert.
    filled = {name: column if len(column) else [] for name, column in columns.items()}
    # A feature that is NaN is missing: pyarrow writes null for it with from_pandas.
    arrays = [
        pa.array(filled[f.name], type=f.type, from_pandas=schema.columns[f.name].causal is not None) for f in arrow
    ]
    return pa.table(arrays, schema=arrow)


def read_table(path: Path, schema: TableSchema, columns: Sequence[str] | None = None) -> Columns:
    """Read a Parquet table; refuse a damaged file and any other schema.

    Parameters
    ----------
    path : Path
        The table.
    schema : TableSchema
        The schema it must have.
    columns : sequence of str, optional
        Columns to read; all by default.

    Returns
    -------
    dict of str to array, shape (rows,)
        Strings as ``object`` arrays.

    Raises
    ------
    DataError
        If the file is absent, damaged, or holds another schema or version, or other columns than its schema has.
    """
    with open_checked(path, schema) as file:
        try:
            table = file.read(columns=columns)
        except (pa.ArrowInvalid, OSError) as error:
            found = f"damaged ({str(error).splitlines()[0]})"
            raise DataError(str(path), found=found, expected="intact pages", remedy=REMAKE) from error
    return to_columns(table)


def open_checked(path: Path, schema: TableSchema) -> pq.ParquetFile:
    """Open a Parquet table; refuse a damaged file and any other schema, as `read_table` does."""
    if not path.is_file():
        raise DataError(str(path), found="no such file", expected=f"a {schema.name} table", remedy="Run: dvc repro")
    file, is_stamped = _open(path)
    try:
        check_header(path, header_of(file), schema)
        _check_columns(path, file.schema_arrow, schema)
        if not is_stamped:
            raise DataError(str(path), found="no digest", expected="that of the whole file", remedy=REMAKE)
    except DataError:
        file.close()
        raise
    return file


def to_columns(table: pa.Table) -> Columns:
    """Return the columns of an Arrow table as arrays; texts as ``object`` arrays."""
    return {name: _to_array(table.column(name)) for name in table.column_names}


def _check_columns(path: Path, found: pa.Schema, schema: TableSchema) -> None:
    """Refuse a table whose columns are not those of the schema that it names."""
    expected = schema.arrow()
    differing = [
        f"{name} {found.field(name).type if name in found.names else 'missing'}"
        for name in expected.names
        if name not in found.names or found.field(name).type != expected.field(name).type
    ]
    differing += [f"{name}, which the schema has not" for name in found.names if name not in expected.names]
    if differing:
        listed = ", ".join(differing[:3]) + (" ..." if len(differing) > 3 else "")
        raise DataError(str(path), found=f"columns {listed}", expected=f"those of {schema.name}", remedy=REMAKE)


def _to_array(column: pa.ChunkedArray) -> NDArray[Any]:
    """Convert a column; equal texts share one object, so that millions of rows of text fit in memory."""
    if not pa.types.is_string(column.type) or column.null_count:
        return column.to_numpy(zero_copy_only=False)
    encoded = column.combine_chunks().dictionary_encode()
    return encoded.dictionary.to_numpy(zero_copy_only=False)[encoded.indices.to_numpy()]


def open_table(path: Path) -> pq.ParquetFile:
    """Open a Parquet file, and compare it with its digest if it has one.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    pyarrow.parquet.ParquetFile

    Raises
    ------
    DataError
        If it is absent, damaged or not a whole Parquet file.
    """
    return _open(path)[0]


def _open(path: Path) -> tuple[pq.ParquetFile, bool]:
    """Open a table, and tell whether it has a digest."""
    try:
        is_stamped = find_stamp(path, REMAKE)
    except DataError:  # it is a ValueError too
        raise
    except (OSError, ValueError):
        is_stamped = False
    return open_unverified(path), is_stamped


def open_unverified(path: Path) -> pq.ParquetFile:
    """Open a Parquet file without a look at its digest, as `open_table` does else: to say what is damaged."""
    try:
        return pq.ParquetFile(path, page_checksum_verification=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        found = f"not a whole Parquet file ({str(error).splitlines()[0]})"
        raise DataError(str(path), found=found, expected="a Parquet file", remedy=REMAKE) from error


def table_header(path: Path) -> dict[str, Any]:
    """Return the metadata of a table: schema name, version and params; empty for a table made elsewhere.

    Parameters
    ----------
    path : Path
        Parquet file.

    Returns
    -------
    dict
        ``schema, version, params``.

    Raises
    ------
    DataError
        If the file is not a whole Parquet file.
    """
    with open_table(path) as file:
        return header_of(file)


def make_header(name: str, version: int, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata of an artifact: its schema, and the params it was made with."""
    return {"schema": name, "version": version, "params": dict(params)}


def check_header(path: Path | str, header: Mapping[str, Any], schema: TableSchema | ArraySchema) -> None:
    """Raise a DataError unless an artifact has that schema and version."""
    if (header.get("schema"), header.get("version")) != (schema.name, schema.version):
        raise DataError(
            str(path),
            found=f"schema {header.get('schema')} version {header.get('version')}",
            expected=f"{schema.name} version {schema.version}",
            remedy=REMAKE,
        )


def header_of(file: pq.ParquetFile) -> dict[str, Any]:
    """Return the metadata of an open table, as `table_header` does."""
    try:
        header = json.loads((file.schema_arrow.metadata or {}).get(b"ecgfeat", b"{}"))
    except ValueError:
        return {}
    return header if isinstance(header, dict) else {}


def stack_columns(parts: Sequence[Columns], names: Sequence[str]) -> Columns:
    """Stack the columns of several records, in order; no part at all gives empty columns.

    Parameters
    ----------
    parts : sequence of dict of str to array
        Columns of each record; an empty dict stands for no rows.
    names : sequence of str
        The columns of the result.

    Returns
    -------
    dict of str to array
    """
    filled = [part for part in parts if part]
    return {name: np.concatenate([part[name] for part in filled]) if filled else np.empty(0) for name in names}


def split_by_record(columns: Columns) -> dict[str, Columns]:
    """Cut a table that is sorted by record into the columns of each record (views, in table order).

    Parameters
    ----------
    columns : dict of str to array, shape (rows,)
        With a ``record`` column whose equal values stand together.

    Returns
    -------
    dict of str to dict of str to array
    """
    record = columns["record"]
    if not len(record):
        return {}
    starts = np.flatnonzero(np.append(True, record[1:] != record[:-1]))
    stops = np.append(starts[1:], len(record))
    return {
        str(record[a]): {name: column[a:b] for name, column in columns.items()}
        for a, b in zip(starts, stops, strict=True)
    }
