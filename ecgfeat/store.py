"""Artifacts that cannot lie: Parquet tables and Zarr arrays, published whole and refused when they are not.

Every artifact is built under a temporary name beside its final one and renamed when it is finished, so a reader sees
the old one, the new one, or none. Parquet pages and Zarr chunks carry crc32c; Zarr stores carry ``complete``, written
last. Format: the Zarr v3 specification (https://zarr-specs.readthedocs.io) with sharding and crc32c codecs.
"""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import zarr
from numpy.typing import NDArray

from ecgfeat.errors import DataError, fault
from ecgfeat.schemas import ArraySchema, TableSchema

Columns = dict[str, NDArray[Any]]


@contextmanager
def publish(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``, and rename it to ``path`` when the block ends without an error.

    Parameters
    ----------
    path : Path
        Final name of a file or folder.

    Yields
    ------
    Path
        Where to build it. The name is unique to the process: a killed run leaves rubbish, never a conflict, and
        the next run of the same artifact sweeps it up.

    Raises
    ------
    DataError
        When the disk is full; what was at ``path`` before is untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for rubbish in path.parent.glob(f".{path.name}.*.part"):
        if not _is_running(int(rubbish.name.split(".")[-2])):
            _remove(rubbish)
    part = path.parent / f".{path.name}.{os.getpid()}.part"
    try:
        yield part
        old = path.parent / f".{path.name}.old.{os.getpid()}.part"
        if path.is_dir():
            path.rename(old)  # a folder cannot be renamed onto a folder that is not empty
        part.rename(path)
        _remove(old)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        free_mb = shutil.disk_usage(path.parent).free / 1e6
        raise DataError(
            fault(str(path), f"no space left on the disk ({free_mb:.0f} MB free)", "room for the artifact",
                  "Nothing was published. Free some space and run the same command again.")
        ) from error  # fmt: skip
    finally:
        _remove(part)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


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
        One entry per column of ``schema``, neither fewer nor more.
    schema : TableSchema
        Names, types, units.
    params : mapping
        What made the table; kept in its metadata.
    """
    assert set(columns) == set(schema.columns), f"{schema.name}: {set(columns) ^ set(schema.columns)}"
    arrow = schema.arrow()
    # An empty column may have any dtype: there is nothing to convert.
    filled = {name: column if len(column) else [] for name, column in columns.items()}
    table = pa.table([pa.array(filled[f.name], type=f.type, from_pandas=False) for f in arrow], schema=arrow)
    metadata = {"ecgfeat": json.dumps(_header(schema.name, schema.version, params), sort_keys=True)}
    with publish(path) as part:
        pq.write_table(table.replace_schema_metadata(metadata), part, compression="zstd", write_page_checksum=True)


def read_table(path: Path, schema: TableSchema, columns: Sequence[str] | None = None) -> Columns:
    """Read a Parquet table, refusing a damaged file and any other schema.

    Parameters
    ----------
    path : Path
        The table.
    schema : TableSchema
        What it must be.
    columns : sequence of str, optional
        Columns to read; all by default.

    Returns
    -------
    dict of str to array, shape (rows,)
        Strings as ``object`` arrays.

    Raises
    ------
    DataError
        When the file is absent, damaged, or holds another schema or version.
    """
    if not path.is_file():
        raise DataError(fault(str(path), "no such file", f"a {schema.name} table", "Run: dvc repro"))
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            _check_header(path, json.loads((file.schema_arrow.metadata or {}).get(b"ecgfeat", b"{}")), schema)
            table = file.read(columns=columns)
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(
            fault(str(path), f"damaged ({str(error).splitlines()[0]})", "an intact Parquet file", _AGAIN)
        ) from error
    return {name: _to_array(table.column(name)) for name in table.column_names}


def _to_array(column: pa.ChunkedArray) -> NDArray[Any]:
    """Convert a column; equal texts become one object, which is what millions of rows of text need to fit in memory."""
    if not pa.types.is_string(column.type) or column.null_count:
        return column.to_numpy(zero_copy_only=False)
    encoded = column.combine_chunks().dictionary_encode()
    return encoded.dictionary.to_numpy(zero_copy_only=False)[encoded.indices.to_numpy()]


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


_AGAIN = "Delete it and run: dvc repro"


def _header(name: str, version: int, params: Mapping[str, Any]) -> dict[str, Any]:
    return {"schema": name, "version": version, "params": dict(params)}


def _check_header(path: Path, header: Mapping[str, Any], schema: TableSchema | ArraySchema) -> None:
    found = (header.get("schema"), header.get("version"))
    if found != (schema.name, schema.version):
        raise DataError(
            fault(
                str(path),
                f"schema {found[0]} version {found[1]}",
                f"{schema.name} version {schema.version}",
                _AGAIN,
            )
        )


def hash_file(path: Path) -> str:
    """Return the sha256 of a file as hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class ArrayWriter:
    """Appends rows to one Zarr array, buffering them so that each shard is written once and whole."""

    def __init__(self, array: zarr.Array[Any], shard_rows: int) -> None:
        self._array = array
        self._shard_rows = shard_rows
        self._pending: list[NDArray[Any]] = []
        self._start = 0

    def append(self, rows: NDArray[Any]) -> None:
        """Append ``rows``, shape (n, ...), after those written so far; they take the array's precision."""
        self._pending.append(rows.astype(self._array.dtype, copy=False))
        while self.num_pending >= self._shard_rows:
            self._flush(self._shard_rows)

    @property
    def num_pending(self) -> int:
        """Rows taken and not yet written."""
        return sum(len(rows) for rows in self._pending)

    def _flush(self, count: int) -> None:
        rows = np.concatenate(self._pending)
        self._array[self._start : self._start + count] = rows[:count]
        self._start += count
        self._pending = [rows[count:]] if len(rows) > count else []

    def close(self) -> None:
        """Write what is pending; the array must then be full."""
        if self.num_pending:
            self._flush(self.num_pending)
        assert self._start == self._array.shape[0], f"{self._start} rows written of {self._array.shape[0]}"


@contextmanager
def create_array(
    path: Path,
    schema: ArraySchema,
    *,
    num_rows: Mapping[str, int],
    row_shape: tuple[int, ...],
    params: Mapping[str, Any],
    source: str,
    dtype: str | None = None,
) -> Iterator[ArrayWriter]:
    """Create a Zarr store whose rows are appended record by record, and publish it when all are there.

    Parameters
    ----------
    path : Path
        Where to publish the store (a folder).
    schema : ArraySchema
        Name, dtype, chunking.
    num_rows : mapping of str to int
        Rows of each record, in the order they will be appended.
    row_shape : tuple of int
        Shape of one row.
    params : mapping
        What made the store.
    source : str
        sha256 of the artifact the rows are aligned with.
    dtype : str, optional
        Another precision than the schema's (the float16 ablation).

    Yields
    ------
    ArrayWriter
        Takes the rows.
    """
    stops = np.cumsum(list(num_rows.values()), dtype=np.int64)
    total = int(stops[-1]) if len(stops) else 0
    with publish(path) as part:
        group = zarr.create_group(store=part, zarr_format=3)
        array = group.create_array(
            schema.array,
            shape=(total, *row_shape),
            dtype=dtype or schema.dtype,
            chunks=(schema.chunk_rows, *row_shape),
            shards=(schema.shard_rows, *row_shape),
            fill_value=schema.fill,
            compressors=[zarr.codecs.ZstdCodec(level=1), zarr.codecs.Crc32cCodec()],
            dimension_names=schema.dimension_names,
            config={"write_empty_chunks": True},  # a shard that is absent is then always a fault
            attributes={"units": schema.units, "long_name": schema.long_name},
        )
        writer = ArrayWriter(array, schema.shard_rows)
        yield writer
        writer.close()
        starts = np.concatenate([[0], stops[:-1]]) if len(stops) else stops
        rows = {r: [int(a), int(b)] for r, a, b in zip(num_rows, starts, stops, strict=True)}
        group.attrs.update(_header(schema.name, schema.version, params) | {"records": rows, "source": source})
        group.attrs["complete"] = True


@dataclass(frozen=True)
class ArrayStore:
    """A complete Zarr store: ``rows[record]`` is the half-open range of its rows, ``array`` reads them."""

    path: Path
    array: zarr.Array[Any]
    rows: Mapping[str, tuple[int, int]]
    source: str
    params: Mapping[str, Any]

    def read(self, record: str | None = None) -> NDArray[Any]:
        """Read the rows of one record, or all rows.

        Parameters
        ----------
        record : str, optional
            A record of the store; all of them by default.

        Returns
        -------
        array, shape (rows, ...)

        Raises
        ------
        DataError
            When a chunk is damaged or absent, or the store has no such record.
        """
        if record is not None and record not in self.rows:
            raise DataError(fault(str(self.path), f"no record {record}", f"one of {len(self.rows)} records"))
        start, stop = (0, self.array.shape[0]) if record is None else self.rows[record]
        try:
            return np.asarray(self.array[start:stop])
        except (ValueError, RuntimeError, OSError) as error:
            raise DataError(
                fault(str(self.path), f"damaged rows {start}..{stop} ({error})", "intact chunks", _AGAIN)
            ) from error


def open_array(path: Path, schema: ArraySchema, *, aligned_with: Path | None = None) -> ArrayStore:
    """Open a Zarr store, refusing one that is unfinished, of another schema, short of files, or misaligned.

    Parameters
    ----------
    path : Path
        The store.
    schema : ArraySchema
        What it must be.
    aligned_with : Path, optional
        The table whose row i must be row i of the store: its sha256 must be the store's ``source``.

    Returns
    -------
    ArrayStore

    Raises
    ------
    DataError
        In each of those cases.
    """
    if not path.is_dir():
        raise DataError(fault(str(path), "no such folder", f"a {schema.name} store", "Run: dvc repro"))
    try:
        group = zarr.open_group(store=path, mode="r", zarr_format=3)
    except (OSError, ValueError, KeyError) as error:
        raise DataError(fault(str(path), "not a Zarr v3 group", f"a {schema.name} store", _AGAIN)) from error
    attrs = dict(group.attrs)
    if attrs.get("complete") is not True:
        raise DataError(
            fault(str(path), "not complete", "a finished store: the stage that wrote it was interrupted", _AGAIN)
        )
    _check_header(path, attrs, schema)
    array = group[schema.array]
    assert isinstance(array, zarr.Array)
    missing = _missing_shards(path / schema.array, array, schema.shard_rows)
    if missing:
        raise DataError(fault(str(path), f"{missing} shard files are missing", "all of them", _AGAIN))
    if aligned_with is not None and attrs["source"] != hash_file(aligned_with):
        raise DataError(
            fault(str(path), "rows made from another table", f"the rows of {aligned_with}", "Run: dvc repro")
        )
    rows = {record: (int(a), int(b)) for record, (a, b) in dict(attrs["records"]).items()}
    return ArrayStore(path, array, rows, str(attrs["source"]), dict(attrs["params"]))


def _missing_shards(folder: Path, array: zarr.Array[Any], shard_rows: int) -> int:
    """Count shard files that should be there: Zarr itself reads an absent one as fill values."""
    expected = -(-array.shape[0] // shard_rows)
    return expected - sum(1 for file in (folder / "c").rglob("*") if file.is_file())
