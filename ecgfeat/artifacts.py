"""What lies at a path: a table, an array, a model, a corpus or a record, told by names and headers."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from ecgfeat.errors import DataError, fault
from ecgfeat.manifest import MANIFEST
from ecgfeat.prediction_files import RECORD_BEATS, RECORD_EPISODES
from ecgfeat.schemas import TABLES, TableSchema

REMEDY = "Delete it and run: dvc repro"
"""What to do about a damaged artifact that a stage can make again."""

Kind = Literal["table", "array", "model", "corpus", "record"]

TABLE_SCHEMAS: Mapping[str, TableSchema] = TABLES | {one.name: one for one in (RECORD_BEATS, RECORD_EPISODES)}
"""Every table this project writes, by schema name."""


@dataclass(frozen=True)
class Artifact:
    """Something on disk that ``info`` and ``check`` know."""

    path: Path
    kind: Kind


@dataclass
class Check:
    """What was found of one artifact.

    Attributes
    ----------
    artifact : Artifact
        Which one.
    summary : str
        What it is, in a few words.
    faults : list of str
        One line each; none: it is sound.
    notes : list of str
        What could not be checked, and why.
    """

    artifact: Artifact
    summary: str = ""
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, found: str, expected: str, remedy: str = REMEDY) -> None:
        """Add a fault of the artifact as a whole."""
        self.faults.append(fault(str(self.artifact.path), found, expected, remedy))


def recognise(path: Path) -> Artifact | None:
    """Tell what lies at a path, by names alone.

    Parameters
    ----------
    path : Path
        File, folder, or a WFDB record without extension.

    Returns
    -------
    Artifact or None
        None for anything else, such as a folder of several artifacts.
    """
    kind: Kind | None = None
    if path.is_dir():
        if path.suffix == ".zarr" or (path / "zarr.json").is_file():
            kind = "array"
        elif (path / "model.json").is_file() or (path / "model.safetensors").is_file():
            kind = "model"
        elif (path / MANIFEST).is_file() or any(path.glob("*.hea")):
            kind = "corpus"
    elif path.suffix == ".parquet" and path.is_file():
        kind = "table"
    else:
        record = path.with_suffix("") if path.suffix in (".hea", ".dat", ".mat") else path
        if record.with_name(f"{record.name}.hea").is_file():
            path, kind = record, "record"
    return None if kind is None else Artifact(path, kind)


def find_artifacts(path: Path) -> Iterator[Artifact]:
    """Yield what lies at a path, or everything below it; hidden names are passed over.

    Parameters
    ----------
    path : Path
        File or folder.

    Yields
    ------
    Artifact
        In order of path.

    Raises
    ------
    DataError
        If there is nothing at the path.
    """
    one = recognise(path)
    if one is not None:
        yield one
    elif path.is_dir():
        for inner in sorted(path.iterdir()):
            if not inner.name.startswith(".") and (inner.is_dir() or inner.suffix == ".parquet"):
                yield from find_artifacts(inner)
    elif path.exists():
        expected = "a .parquet table, a .zarr store, a model, a corpus or a WFDB record"
        raise DataError(fault(str(path), "a file of another kind", expected))
    else:
        raise DataError(fault(str(path), "nothing there", "a file, a folder or a WFDB record"))


def table_header(path: Path) -> dict[str, Any]:
    """Return the schema name, version and params that a table carries; empty for a table made elsewhere.

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


def open_table(path: Path) -> pq.ParquetFile:
    """Open a Parquet file; its pages are verified when they are read.

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
        If it is absent, or not a whole Parquet file.
    """
    try:
        return pq.ParquetFile(path, page_checksum_verification=True)
    except (pa.ArrowInvalid, OSError) as error:
        found = f"not a whole Parquet file ({str(error).splitlines()[0]})"
        raise DataError(fault(str(path), found, "one", REMEDY)) from error


def header_of(file: pq.ParquetFile) -> dict[str, Any]:
    """Return what `table_header` does, of an open file."""
    try:
        header = json.loads((file.schema_arrow.metadata or {}).get(b"ecgfeat", b"{}"))
    except ValueError:
        return {}
    return header if isinstance(header, dict) else {}


def first_line(error: Exception) -> str:
    """Return what an error says first, short enough for a message of ours."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0].split(". Stored:")[0][:160]
