"""Where the artifacts of a run are: files of a folder, or objects of a bucket with the same names."""

import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Protocol

from ecgfeat.store.objects import ObjectFolder

_DATA = "data"


class Artifacts(Protocol):
    """The artifacts of a run, each by its kind, such as rpeaks, and its file name, such as mitdb.parquet."""

    where: str
    """Path or address, for messages."""
    name: str

    def kinds(self) -> list[str]:
        """Return the kinds that the run has, without the raw records, in order."""

    def names(self, kind: str) -> list[str]:
        """Return the file names of the artifacts of a kind, in order; none where the run has no such kind."""

    def table(self, kind: str, name: str) -> Path:
        """Return the file of a table that the run has."""

    def array(self, kind: str, name: str) -> Path | ObjectFolder:
        """Return where Zarr reads an array that the run has."""


class FolderArtifacts:
    """Artifacts in a folder in which the pipeline has run.

    Parameters
    ----------
    folder : Path
        Where ``dvc repro`` was called.
    """

    def __init__(self, folder: Path) -> None:
        self._data = folder / _DATA
        self.where, self.name = str(folder), folder.resolve().name

    def kinds(self) -> list[str]:
        """Return the kinds that the run has, without the raw records, in order."""
        return sorted(path.name for path in self._data.iterdir() if path.is_dir() and path.name != "raw")

    def names(self, kind: str) -> list[str]:
        """Return the file names of the artifacts of a kind, in order; none where the run has no such kind."""
        folder = self._data / kind
        return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []

    def table(self, kind: str, name: str) -> Path:
        """Return the file of a table that the run has."""
        return self._data / kind / name

    def array(self, kind: str, name: str) -> Path:
        """Return the folder of an array that the run has."""
        return self._data / kind / name


class BucketArtifacts:
    """Artifacts in a bucket: a table is copied when it is first wanted, of an array only the chunks that are read.

    Parameters
    ----------
    address : str
        ``s3://bucket/prefix``, below which ``data/`` is.

    Raises
    ------
    UsageError
        If it is no such address, there are no credentials, or the packages of the extra s3 are not installed.
    """

    def __init__(self, address: str) -> None:
        objects = ObjectFolder(address)
        self.where, self.name = objects.address, objects.address
        self._data = objects.below(_DATA)
        self._names: dict[str, list[str]] = {}
        # Removed when the run is no longer used: other objects may have the names by then.
        self._copies = Path(tempfile.mkdtemp(prefix="ecgfeat-run-"))
        weakref.finalize(self, shutil.rmtree, self._copies, ignore_errors=True)

    def kinds(self) -> list[str]:
        """Return the kinds that the run has, without the raw records, in order."""
        return [name for name in self._data.list_names() if name != "raw"]

    def names(self, kind: str) -> list[str]:
        """Return the file names of the artifacts of a kind, in order; none where the run has no such kind."""
        if kind not in self._names:
            self._names[kind] = self._data.below(kind).list_names()
        return self._names[kind]

    def table(self, kind: str, name: str) -> Path:
        """Return a copy of a table that the run has."""
        path = self._copies / kind / name
        if not path.is_file():
            self._data.fetch(f"{kind}/{name}", path)
        return path

    def array(self, kind: str, name: str) -> ObjectFolder:
        """Return the objects of an array that the run has."""
        return self._data.below(f"{kind}/{name}")
