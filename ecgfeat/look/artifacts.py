"""Find artifacts on disk: tables, arrays, models, corpora and records, recognised by names and headers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ecgfeat.acquire.manifest import MANIFEST
from ecgfeat.errors import DataError, fault
from ecgfeat.predict.files import RECORD_BEATS, RECORD_EPISODES
from ecgfeat.store.columns import TableSchema
from ecgfeat.store.names import EXPORTED_FILE
from ecgfeat.store.schemas import TABLES

REMEDY = "Delete it and run: dvc repro"
"""Remedy for a damaged artifact that a stage can make again."""

Kind = Literal["table", "array", "model", "export", "corpus", "record"]

TABLE_SCHEMAS: Mapping[str, TableSchema] = TABLES | {schema.name: schema for schema in (RECORD_BEATS, RECORD_EPISODES)}
"""Every table this project writes, by schema name."""


@dataclass(frozen=True)
class Artifact:
    """A file or folder that ``info`` and ``check`` can read."""

    path: Path
    kind: Kind


@dataclass
class Check:
    """Result of the check of one artifact.

    Attributes
    ----------
    artifact : Artifact
        The artifact.
    summary : str
        Short description.
    faults : list of str
        One line for each fault; empty for an intact artifact.
    notes : list of str
        Parts that could not be checked, with the reason.
    """

    artifact: Artifact
    summary: str = ""
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, found: str, expected: str, remedy: str = REMEDY) -> None:
        """Add a fault of the artifact as a whole."""
        self.faults.append(fault(str(self.artifact.path), found, expected, remedy))


def recognise(path: Path) -> Artifact | None:
    """Recognise the artifact at a path, by names alone.

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
        elif (path / EXPORTED_FILE).is_file():
            kind = "export"
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
    """Yield the artifact at a path, or all artifacts below it, without hidden names.

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
    artifact = recognise(path)
    if artifact is not None:
        yield artifact
    elif path.is_dir():
        for inner in sorted(path.iterdir()):
            if not inner.name.startswith(".") and (inner.is_dir() or inner.suffix == ".parquet"):
                yield from find_artifacts(inner)
    elif path.exists():
        expected = "a .parquet table, a .zarr store, a model, a folder of ONNX files, a corpus or a WFDB record"
        raise DataError(str(path), found="a file of another kind", expected=expected)
    else:
        raise DataError(str(path), found="nothing there", expected="a file, a folder or a WFDB record")


def find_all_artifacts(paths: Sequence[Path]) -> list[Artifact]:
    """Return the artifacts at or below several paths.

    Parameters
    ----------
    paths : sequence of Path
        Files or folders.

    Returns
    -------
    list of Artifact
        In the order of the paths.

    Raises
    ------
    DataError
        If a path has no artifact.
    """
    artifacts = {path: list(find_artifacts(path)) for path in paths}
    empty = [str(path) for path, below in artifacts.items() if not below]
    if empty:
        raise DataError(", ".join(empty), found="no artifact in it", expected="tables, stores, models or records")
    return [artifact for path in paths for artifact in artifacts[path]]


def first_line(error: Exception) -> str:
    """Return the first line of an error message, shortened."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0].split(". Stored:")[0][:160]
