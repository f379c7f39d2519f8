"""Columns of the prediction tables as arrays: numbers, text as codes, rows in groups.

A table may be a pyarrow table or a mapping of column name to array. One that does not fit into memory is read from its
file in parts.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ecgfeat.store.columns import TableSchema
from ecgfeat.store.tables import Columns, open_checked, open_table, read_table

BATCH_ROWS = 1_000_000
"""Rows in memory at a time: the folds of a corpus of long records have tens of millions."""

Table = Any
"""A pyarrow table, or a mapping of column name to array of shape (rows,)."""


def column_names(table: Table) -> list[str]:
    """Return the names of the columns of a table, in order.

    Parameters
    ----------
    table : pyarrow.Table or mapping
        The table.

    Returns
    -------
    list of str
        Names.
    """
    return list(table.column_names if hasattr(table, "column_names") else table)


def values(table: Table, name: str) -> NDArray[Any]:
    """Return a column of numbers.

    Parameters
    ----------
    table : pyarrow.Table or mapping
        The table.
    name : str
        Column.

    Returns
    -------
    ndarray, shape (rows,)
        The values; nulls of a pyarrow column become NaN.
    """
    column = table[name]
    return np.asarray(column.to_numpy() if hasattr(column, "to_numpy") else column)


def codes(table: Table, name: str) -> tuple[list[str], NDArray[np.int64]]:
    """Return a column of text as sorted distinct names and the index of each row's name.

    Parameters
    ----------
    table : pyarrow.Table or mapping
        The table.
    name : str
        Column; nulls count as empty text.

    Returns
    -------
    names : list of str
        Distinct texts, sorted.
    code : ndarray of int64, shape (rows,)
        Index into `names`.
    """
    column = table[name]
    if not isinstance(column, pa.Array | pa.ChunkedArray):
        column = pa.array(np.asarray(column), type=pa.string())
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    is_coded = pa.types.is_dictionary(column.type) and not column.null_count
    encoded = column if is_coded else column.cast(pa.string()).fill_null("").dictionary_encode()
    names, index = encoded.dictionary.to_pylist(), np.asarray(encoded.indices, dtype=np.int64)
    order = sorted(range(len(names)), key=names.__getitem__)
    rank = np.empty(len(names), dtype=np.int64)
    rank[order] = np.arange(len(names))
    return [names[i] for i in order], rank[index]


def grouped(table: Table, keys: Sequence[str]) -> Iterator[tuple[tuple[str, ...], NDArray[np.int64]]]:
    """Split the rows of a table by the text in some of its columns.

    Parameters
    ----------
    table : pyarrow.Table or mapping
        The table.
    keys : sequence of str
        Columns of text.

    Yields
    ------
    key : tuple of str
        One text per key column; groups come in sorted order.
    rows : ndarray of int64
        Indices of the group's rows, ascending.
    """
    coded = [codes(table, key) for key in keys]
    combined = np.zeros(len(coded[0][1]), dtype=np.int64)
    for names, code in coded:
        combined = combined * max(len(names), 1) + code
    num_groups = math.prod(max(len(names), 1) for names, _ in coded)
    # Numpy sorts 16-bit keys by counting, several times faster than wider ones.
    order = np.argsort(combined.astype(np.uint16) if num_groups <= 2**16 else combined, kind="stable")
    starts = np.flatnonzero(np.diff(combined[order], prepend=-1))
    for rows in np.split(order, starts[1:]) if len(order) else []:
        yield tuple(names[code[rows[0]]] for names, code in coded), rows


def rhythm_classes(table: Table) -> list[str]:
    """Return the rhythms of the probability columns of a prediction table.

    Parameters
    ----------
    table : pyarrow.Table or mapping
        Prediction table with columns ``p_<class>``.

    Returns
    -------
    list of str
        Class names, in the order of the columns.
    """
    return [name.removeprefix("p_") for name in column_names(table) if name.startswith("p_")]


def probabilities(
    table: Table, classes: Sequence[str], rows: NDArray[np.int64] | slice = slice(None)
) -> NDArray[np.float64]:
    """Return the probabilities of a prediction table.

    Parameters
    ----------
    table : pyarrow.Table or mapping
        Prediction table.
    classes : sequence of str
        Classes, K of them.
    rows : ndarray of int64 or slice
        Which rows; all by default.

    Returns
    -------
    ndarray of float64, shape (rows, K)
        Column ``p_<class>`` for each class.
    """
    return np.stack([values(table, f"p_{name}")[rows].astype(np.float64) for name in classes], axis=1)


def is_empty(table: Table | None) -> bool:
    """Return whether a table is missing or has no rows.

    Parameters
    ----------
    table : pyarrow.Table or mapping, optional
        The table.

    Returns
    -------
    bool
    """
    return table is None or not column_names(table) or not len(table[column_names(table)[0]])


def count_texts(path: Path, columns: Sequence[str]) -> dict[tuple[str, ...], int]:
    """Count the rows of each combination of text in some columns of a file, without all rows in memory.

    Parameters
    ----------
    path : Path
        Parquet table.
    columns : sequence of str
        Columns of text.

    Returns
    -------
    dict of tuple of str to int
        By one text per column, sorted.
    """
    count: Counter[tuple[str, ...]] = Counter()
    with open_table(path) as file:
        for batch in file.iter_batches(BATCH_ROWS, columns=list(columns)):
            counted = pa.Table.from_batches([batch]).group_by(list(columns)).aggregate([([], "count_all")])
            count.update({tuple(row[name] for name in columns): row["count_all"] for row in counted.to_pylist()})
    return dict(sorted(count.items()))


def read_rows(path: Path, *texts: Mapping[str, str]) -> pa.Table:
    """Read the rows of a file that have some texts.

    Parameters
    ----------
    path : Path
        Parquet table.
    *texts : mapping of str to str
        By column: the texts of rows to read. Rows that have all texts of one of the mappings are read.

    Returns
    -------
    pyarrow.Table
        All columns; those of text are dictionaries: a row takes four bytes, whatever its name.
    """
    names = [field.name for field in pq.read_schema(path) if pa.types.is_string(field.type)]
    filters = [[(name, "=", text) for name, text in of.items()] for of in texts]
    # By one thread, and not ahead: else all row groups may be in memory before one is filtered.
    options = {"read_dictionary": names, "page_checksum_verification": True, "use_threads": False, "pre_buffer": False}
    return pq.read_table(path, filters=filters, **options)


def read_in_turn(
    path: Path, columns: Sequence[str], is_read: Callable[[Mapping[str, str]], bool]
) -> Iterator[pa.Table]:
    """Read the rows of each combination of text in some columns, several combinations at a time where these are few.

    Parameters
    ----------
    path : Path
        Parquet table.
    columns : sequence of str
        Columns of text.
    is_read : callable
        Tells whether the rows of a combination, text by column, are read.

    Yields
    ------
    pyarrow.Table
        As `read_rows` returns it; all rows of a combination are in one table.
    """
    waiting: list[Mapping[str, str]] = []
    num_rows = 0
    for key, count in count_texts(path, columns).items():
        text_of = dict(zip(columns, key, strict=True))
        if not is_read(text_of):
            continue
        if waiting and num_rows + count > BATCH_ROWS:
            yield read_rows(path, *waiting)
            waiting, num_rows = [], 0
        waiting.append(text_of)
        num_rows += count
    if waiting:
        yield read_rows(path, *waiting)


def read_if_small(path: Path, schema: TableSchema) -> Columns | Path:
    """Read a table of up to `BATCH_ROWS` rows; of a larger one, which is to be read in parts, return the path.

    Parameters
    ----------
    path : Path
        Parquet table.
    schema : TableSchema
        The schema it must have.

    Returns
    -------
    dict of str to array, or Path

    Raises
    ------
    DataError
        As `ecgfeat.store.tables.read_table` does.
    """
    with open_checked(path, schema) as file:
        is_large = file.metadata.num_rows > BATCH_ROWS
    return path if is_large else read_table(path, schema)
