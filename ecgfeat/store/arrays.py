"""Zarr arrays whose rows are grouped by record: written shard by shard, refused when incomplete or damaged.

Chunks carry crc32c checksums. The attributes are written last, with a digest, ``complete`` among them. Format: the Zarr
v3 specification (https://zarr-specs.readthedocs.io) with sharding and crc32c codecs.
"""

import bisect
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from ecgfeat.errors import DataError
from ecgfeat.store.objects import ObjectFolder
from ecgfeat.store.publish import hash_file, publish
from ecgfeat.store.schemas import ArraySchema
from ecgfeat.store.seal import seal, unseal
from ecgfeat.store.tables import REMAKE, check_header, make_header

DIGESTS_KEY = "digests"
"""Attribute of a store: a digest of the rows of each record, by which a stage knows what it reads before it does."""

LAYOUT_KEY = "layout_sha256"
"""Attribute of a store: the checksum of the ``zarr.json`` of its array, which says how chunks are read."""


class ArrayWriter:
    """Appends rows to one Zarr array, buffering them so that each shard is written once and whole."""

    def __init__(self, array: zarr.Array[Any], shard_rows: int, stops: Sequence[int]) -> None:
        self._array = array
        self._shard_rows = shard_rows
        self._pending: list[NDArray[Any]] = []
        self._start = 0
        self._stops = stops
        self._hashes = [hashlib.blake2b(digest_size=16) for _ in stops]
        self._appended = 0

    def append(self, rows: NDArray[Any]) -> None:
        """Append ``rows``, shape (n, ...), in the precision of the array."""
        rows = np.ascontiguousarray(rows, dtype=self._array.dtype)
        self._pending.append(rows)
        self._digest(rows)
        while self.num_pending >= self._shard_rows:
            self._flush(self._shard_rows)

    def _digest(self, rows: NDArray[Any]) -> None:
        """Add rows to the digests of the records that they belong to."""
        first = begun = self._appended
        self._appended += len(rows)
        at = bisect.bisect_right(self._stops, first)
        while first < self._appended and at < len(self._stops):
            stop = min(self._stops[at], self._appended)
            self._hashes[at].update(rows[first - begun : stop - begun].data)
            first, at = stop, at + 1

    @property
    def digests(self) -> list[str]:
        """Digest of the rows of each record, in order."""
        return [of.hexdigest() for of in self._hashes]

    @property
    def num_pending(self) -> int:
        """Rows appended and not yet written."""
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
    """Create a Zarr store, append its rows record by record, and publish it when all are written.

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
        Params the store was made with.
    source : str
        sha256 of the artifact the rows are aligned with.
    dtype : str, optional
        Precision, where it is not the schema's (the float16 ablation).

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
        writer = ArrayWriter(array, schema.shard_rows, stops.tolist())
        yield writer
        writer.close()
        starts = np.concatenate([[0], stops[:-1]]) if len(stops) else stops
        rows = {r: [int(a), int(b)] for r, a, b in zip(num_rows, starts, stops, strict=True)}
        attrs = make_header(schema.name, schema.version, params) | {"records": rows, "source": source}
        attrs[DIGESTS_KEY] = dict(zip(num_rows, writer.digests, strict=True))
        attrs[LAYOUT_KEY] = hash_file(part / schema.array / "zarr.json")
        group.attrs.update(seal(attrs | {"complete": True}))


@dataclass(frozen=True)
class ArrayStore:
    """A complete Zarr store.

    Attributes
    ----------
    path : Path or ObjectFolder
        Its folder, or the objects it consists of.
    array : zarr.Array
        Reads it.
    rows : mapping of str to (int, int)
        First row of each record, and the one after its last.
    source : str
        sha256 of the artifact that the rows are aligned with.
    params : mapping
        Params it was made with.
    digests : mapping of str to str
        Digest of the rows of each record.
    """

    path: Path | ObjectFolder
    array: zarr.Array[Any]
    rows: Mapping[str, tuple[int, int]]
    source: str
    params: Mapping[str, Any]
    digests: Mapping[str, str]

    def read(self, record: str | None = None) -> NDArray[Any]:
        """Read the rows of one record, or all rows.

        Parameters
        ----------
        record : str, optional
            A record of the store; all rows by default.

        Returns
        -------
        array, shape (rows, ...)

        Raises
        ------
        DataError
            If a chunk is damaged or absent, or the store has no such record.
        """
        if record is not None and record not in self.rows:
            raise DataError(str(self.path), found=f"no record {record}", expected=f"one of {len(self.rows)} records")
        start, stop = (0, self.array.shape[0]) if record is None else self.rows[record]
        try:
            return np.asarray(self.array[start:stop])
        except DataError:  # it is a ValueError too
            raise
        except (ValueError, RuntimeError, OSError) as error:
            raise DataError(
                str(self.path), found=f"damaged rows {start}..{stop} ({error})", expected="intact chunks", remedy=REMAKE
            ) from error


def open_array(path: Path | ObjectFolder, schema: ArraySchema, *, aligned_with: Path | None = None) -> ArrayStore:
    """Open a Zarr store; refuse one that is unfinished, of another schema, incomplete or misaligned.

    Parameters
    ----------
    path : Path or ObjectFolder
        The store: a folder, or objects below an address, of which only the chunks that are wanted are read.
    schema : ArraySchema
        The schema it must have.
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
    where, files = str(path), _list_files(path)
    if not (files if isinstance(path, ObjectFolder) else path.is_dir()):
        raise DataError(where, found="no such folder", expected=f"a {schema.name} store", remedy="Run: dvc repro")
    try:
        group = zarr.open_group(store=as_zarr(path), mode="r", zarr_format=3)
    except DataError:  # it is a ValueError too
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(where, found="not a Zarr v3 group", expected=f"a {schema.name} store", remedy=REMAKE) from error
    attrs = dict(group.attrs)
    if attrs.get("complete") is not True:
        raise DataError(
            where,
            found="not complete: its stage was interrupted",
            expected="a finished store",
            remedy=REMAKE,
        )
    check_header(where, attrs, schema)
    attrs = unseal(where, attrs, REMAKE)
    if DIGESTS_KEY not in attrs:
        raise DataError(
            where, found="no digests of records (made by an earlier version)", expected="one each", remedy=REMAKE
        )
    layout, expected = f"{schema.array}/zarr.json", str(attrs.get(LAYOUT_KEY))
    if layout not in files or _hash(path, layout) != expected:
        found = f"{layout} with another checksum" if layout in files else f"no {layout}"
        raise DataError(where, found=found, expected=f"sha256 {expected[:12]}", remedy=REMAKE)
    array = group[schema.array]
    assert isinstance(array, zarr.Array)
    # Zarr itself reads an absent shard as fill values.
    num_shards = sum(1 for name in files if name.startswith(f"{schema.array}/c/"))
    missing = -(-array.shape[0] // schema.shard_rows) - num_shards
    if missing:
        raise DataError(where, found=f"{missing} shard files are missing", expected="all shards", remedy=REMAKE)
    if aligned_with is not None and attrs["source"] != hash_file(aligned_with):
        raise DataError(
            where,
            found="rows made from another table",
            expected=f"the rows of {aligned_with}",
            remedy="Run: dvc repro",
        )
    rows = {record: (int(a), int(b)) for record, (a, b) in dict(attrs["records"]).items()}
    return ArrayStore(path, array, rows, str(attrs["source"]), dict(attrs["params"]), dict(attrs[DIGESTS_KEY]))


def as_zarr(path: Path | ObjectFolder) -> Any:
    """Return what Zarr reads a store from."""
    return path.as_zarr() if isinstance(path, ObjectFolder) else path


def _list_files(path: Path | ObjectFolder) -> frozenset[str]:
    """Return the names of all files, or objects, of a store."""
    if isinstance(path, ObjectFolder):
        return frozenset(path.list_sizes())
    return frozenset(file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file())


def _hash(path: Path | ObjectFolder, name: str) -> str:
    if isinstance(path, ObjectFolder):
        return hashlib.sha256(path.read(name)).hexdigest()
    return hash_file(path / name)
