"""What a column of a table is, and what a table is."""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True)
class Column:
    """One column of a Parquet table.

    Attributes
    ----------
    type : pyarrow.DataType
        Of its values.
    unit, description : str
        In the metadata of the column.
    causal : bool, optional
        Of a feature: whether it reads no later beat. Where it is missing, NaN is written as null.
    """

    type: pa.DataType
    unit: str
    description: str
    causal: bool | None = None

    def metadata(self) -> dict[str, str]:
        """Return what is stored beside the column."""
        about = {"unit": self.unit, "description": self.description}
        return about if self.causal is None else about | {"causal": "yes" if self.causal else "no"}


@dataclass(frozen=True)
class TableSchema:
    """A Parquet table: its name, version and columns in order."""

    name: str
    version: int
    columns: Mapping[str, Column]

    def arrow(self) -> pa.Schema:
        """Return the Arrow schema, with unit and description as field metadata."""
        return pa.schema(pa.field(name, c.type, metadata=c.metadata()) for name, c in self.columns.items())
