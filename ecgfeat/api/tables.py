"""A table in memory, to be read with Arrow, pandas, polars or DuckDB."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from ecgfeat.errors import DataError, need_extras

_NAMED = 6


class Table:
    """Rows and columns in the memory of Arrow.

    Libraries that speak Arrow take it as it is: ``polars.DataFrame(table)``, ``duckdb.sql("... FROM table")``,
    ``pyarrow.table(table)``.

    Parameters
    ----------
    name : str
        What the rows are, such as ``beats``.
    arrow : pyarrow.Table
        The columns, with unit and description in the metadata of each.
    """

    def __init__(self, name: str, arrow: pa.Table) -> None:
        self.name = name
        self.arrow = arrow

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(self.arrow.column_names)

    @property
    def units(self) -> dict[str, str]:
        """Unit of each column; empty where it has none."""
        return {field.name: (field.metadata or {}).get(b"unit", b"").decode() for field in self.arrow.schema}

    def to_pandas(self) -> Any:
        """Return a ``pandas.DataFrame``."""
        with need_extras():
            return self.arrow.to_pandas()

    def to_polars(self) -> Any:
        """Return a ``polars.DataFrame``."""
        with need_extras():
            import polars
        return polars.DataFrame(self.arrow)

    def __getitem__(self, column: str) -> Any:
        """Return a column as a NumPy array; null is None or NaN."""
        if column not in self.columns:
            raise DataError(self.name, found=f"no column {column}", expected=f"one of {', '.join(self.columns)}")
        return self.arrow.column(column).to_numpy()

    def __len__(self) -> int:
        """Return the number of rows."""
        return int(self.arrow.num_rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield the rows as dictionaries."""
        for batch in self.arrow.to_batches(max_chunksize=1024):
            yield from batch.to_pylist()

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Give the columns to another library without a copy."""
        return self.arrow.__arrow_c_stream__(requested_schema)

    def __repr__(self) -> str:
        more = f" and {len(self.columns) - _NAMED} more" if len(self.columns) > _NAMED else ""
        named = ", ".join(self.columns[:_NAMED])
        return f"<{self.name}: {len(self):,} row{'s' * (len(self) != 1)}; {named}{more}>"
