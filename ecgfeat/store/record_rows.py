"""The rows of each record of a table, read from disk where they are used: no more than a row group is in memory."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ecgfeat.errors import DataError
from ecgfeat.store.columns import TableSchema
from ecgfeat.store.tables import REMAKE, Columns, open_checked, to_columns

_Place = tuple[int, int, int]


class RecordRows(Mapping[str, Columns]):
    """The rows of each record of a table whose rows stand together record by record.

    Parameters
    ----------
    path : Path
        The table.
    schema : TableSchema
        The schema it must have.
    columns : sequence of str, optional
        Columns to read; all by default.

    Raises
    ------
    DataError
        As `ecgfeat.store.tables.read_table` does.

    Notes
    -----
    * Records are best read in the order of the table: the last row group that was read is kept.
    """

    def __init__(self, path: Path, schema: TableSchema, columns: Sequence[str] | None = None) -> None:
        self._path = path
        self._file = open_checked(path, schema)
        self._columns = None if columns is None else list(columns)
        self._places: dict[str, list[_Place]] = {}
        for group in range(self._file.num_row_groups):
            self._index(group)
        self._last: tuple[int, Columns] | None = None

    def __getitem__(self, record: str) -> Columns:
        """Read the rows of a record."""
        parts = [
            {name: column[start:stop] for name, column in self._read(group).items()}
            for group, start, stop in self._places[record]
        ]
        if len(parts) == 1:
            return parts[0]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def __contains__(self, record: object) -> bool:
        """Tell whether the table has rows of a record; nothing is read for it."""
        return record in self._places

    def __iter__(self) -> Iterator[str]:
        """Yield the records in the order of the table."""
        return iter(self._places)

    def __len__(self) -> int:
        """Count the records."""
        return len(self._places)

    @property
    def no_rows(self) -> Columns:
        """The columns of a record without rows."""
        schema = self._file.schema_arrow
        names = schema.names if self._columns is None else self._columns
        return to_columns(pa.schema([schema.field(name) for name in names]).empty_table())

    def num_rows(self, record: str) -> int:
        """Count the rows of a record; nothing is read for it."""
        return sum(stop - start for _, start, stop in self._places[record])

    def _index(self, group: int) -> None:
        """Note where in a row group each record stands."""
        record = self._read_group(group, ["record"]).column("record").combine_chunks().dictionary_encode()
        code = record.indices.to_numpy()
        edges = np.flatnonzero(np.append(True, code[1:] != code[:-1])) if len(code) else code[:0]
        names = record.dictionary.to_pylist()
        for start, stop in zip(edges.tolist(), [*edges[1:].tolist(), len(code)], strict=len(code) > 0):
            self._places.setdefault(str(names[code[start]]), []).append((group, start, stop))

    def _read(self, group: int) -> Columns:
        if self._last is None or self._last[0] != group:
            self._last = None  # before the next one is read: two would be in memory
            self._last = group, to_columns(self._read_group(group, self._columns))
        return self._last[1]

    def _read_group(self, group: int, columns: Sequence[str] | None) -> Any:
        try:
            return self._file.read_row_group(group, columns=columns)
        except (pa.ArrowInvalid, OSError) as error:
            found = f"damaged ({str(error).splitlines()[0]})"
            raise DataError(str(self._path), found=found, expected="intact pages", remedy=REMAKE) from error


def group_records(offset: NDArray[np.int64], num_beats: int) -> list[tuple[int, int]]:
    """Divide records into groups of neighbours that have some number of beats, or of one record that has more.

    Parameters
    ----------
    offset : ndarray, (R + 1,) int64
        Record r has the beats ``[offset[r], offset[r + 1])``.
    num_beats : int
        A group ends with the record that reaches so many.

    Returns
    -------
    list of (int, int)
        First record of each group, and the one after its last.
    """
    groups, first = [], 0
    for record in range(len(offset) - 1):
        if offset[record + 1] - offset[first] >= num_beats or record == len(offset) - 2:
            groups.append((first, record + 1))
            first = record + 1
    return groups
