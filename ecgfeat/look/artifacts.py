"""What lies at a path: a table, an array, a model, a corpus or a record, told by names and headers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ecgfeat.acquire.manifest import MANIFEST
from ecgfeat.errors import DataError, fault
from ecgfeat.predict.files import RECORD_BEATS, RECORD_EPISODES
from ecgfeat.store.schemas import TABLES, TableSchema

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
        raise DataError(str(path), found="a file of another kind", expected=expected)
    else:
        raise DataError(str(path), found="nothing there", expected="a file, a folder or a WFDB record")


def first_line(error: Exception) -> str:
    """Return what an error says first, short enough for a message of ours."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0].split(". Stored:")[0][:160]
