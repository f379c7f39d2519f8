"""Find artifacts on disk: tables, arrays, models, corpora and records, recognised by names and headers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ecgfeat.acquire.manifest import MANIFEST
from ecgfeat.errors import DataError, fault
from ecgfeat.files.folders import is_marked_recording, segments_named
from ecgfeat.files.formats import wfdb_record
from ecgfeat.outputs.tables import RECORD_BEATS, RECORD_EPISODES
from ecgfeat.reviews.files import REVIEWS
from ecgfeat.store.columns import TableSchema
from ecgfeat.store.names import EXPORTED_FILE
from ecgfeat.store.schemas import TABLES
from ecgfeat.store.seal import REMEDY

Kind = Literal["table", "array", "model", "export", "described", "report", "corpus", "record", "link"]

DESCRIPTIONS: Mapping[str, str] = {
    "arrhythmia.json": "ecgfeat.arrhythmia",
    "baselines.json": "ecgfeat.baselines",
    "classifier.json": "ecgfeat.beat_classifier",
    "rr_trees.json": "ecgfeat.rr_trees",
    "system.json": "ecgfeat.system",
    "trees.json": "ecgfeat.record_trees",
}
"""Schema of the description of a model of several files, by its name."""

_MODEL_FILES = ("*.safetensors", "*trees.txt", "forest*.txt")

_REPORTS = {
    "annotations.json",
    "arena.json",
    "left_out.json",
    "local.json",
    "outside.json",
    "repeats.json",
    "robustness.json",
    "scores.json",
    "sensitivity.json",
    "training.json",
}

TABLE_SCHEMAS: Mapping[str, TableSchema] = TABLES | {
    schema.name: schema for schema in (RECORD_BEATS, RECORD_EPISODES, REVIEWS)
}
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
        File, folder, or a WFDB record without extension. A file that is no table is taken for a recording.

    Returns
    -------
    Artifact or None
        None for anything else, such as a folder of several artifacts.
    """
    kind: Kind | None = None
    if path.is_symlink() and not path.exists():
        kind = "link"
    elif path.is_dir():
        if path.suffix == ".zarr" or (path / "zarr.json").is_file():
            kind = "array"
        elif (path / "model.json").is_file() or (path / "model.safetensors").is_file():
            kind = "model"
        elif (path / EXPORTED_FILE).is_file():
            kind = "export"
        elif description_of(path) is not None or any(any(path.glob(name)) for name in _MODEL_FILES):
            kind = "described"
        elif (path / MANIFEST).is_file() or any(path.glob("*.hea")):
            kind = "corpus"
    elif path.suffix == ".parquet" and path.is_file():
        kind = "table"
    elif path.name in _REPORTS and path.is_file():
        kind = "report"
    elif (record := wfdb_record(path)) is not None:
        path, kind = record, "record"
    elif path.is_file():
        kind = "record"  # of which format, and whether of any, is known when it is opened
    return None if kind is None else Artifact(path, kind)


def description_of(folder: Path) -> Path | None:
    """Return the description of a model of several files in a folder; None if it holds none."""
    return next((folder / name for name in DESCRIPTIONS if (folder / name).is_file()), None)


def find_artifacts(path: Path, seen: set[Path] | None = None) -> Iterator[Artifact]:
    """Yield the artifact at a path, or all artifacts below it, without hidden names.

    Parameters
    ----------
    path : Path
        File or folder.
    seen : set of Path, optional
        Where it has been: what several links lead to is yielded once, and a folder with a link to itself ends.

    Yields
    ------
    Artifact
        In order of path.

    Raises
    ------
    DataError
        If there is nothing at the path.
    """
    seen = set() if seen is None else seen
    artifact = recognise(path)
    place = (path if artifact is None else artifact.path).resolve()
    if place in seen:
        return
    seen.add(place)
    if artifact is not None and not _is_own_folder(artifact):
        yield artifact
    elif path.is_dir():
        inside = sorted(inner for inner in path.iterdir() if not inner.name.startswith("."))
        segments = segments_named(inside)
        for inner in inside:
            if inner.with_suffix("").resolve() not in segments and _may_hold_artifacts(inner):
                yield from find_artifacts(inner, seen)
    else:
        raise DataError(str(path), found="nothing there", expected="a file, a folder or a WFDB record")


def _may_hold_artifacts(path: Path) -> bool:
    is_broken = path.is_symlink() and not path.exists()
    return is_broken or path.is_dir() or path.suffix == ".parquet" or path.name in _REPORTS or is_marked_recording(path)


def _is_own_folder(artifact: Artifact) -> bool:
    """Tell whether a folder of records is somebody's own: no list of files, and not where a stage puts a corpus."""
    path = artifact.path
    return (
        artifact.kind == "corpus" and not (path / MANIFEST).is_file() and path.parent.name not in ("raw", "diagnostic")
    )


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
