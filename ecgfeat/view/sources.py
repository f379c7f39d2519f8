"""Where records come from: a finished run of the pipeline, and files that are dropped on the page."""

import re
import tempfile
import threading
from pathlib import Path
from typing import Final

from ecgfeat.errors import DataError, UsageError
from ecgfeat.files.folders import Found
from ecgfeat.files.formats import wfdb_record
from ecgfeat.pretrained import DEFAULT, find_models
from ecgfeat.store.schemas import RECORDS
from ecgfeat.store.tables import read_table

MOST_DROP_BYTES: Final = 4 << 30
"""All files of one drop together: a day of twelve leads at 1000 Hz is 2 GB."""

MOST_FILES: Final = 2000
_NAME = re.compile(r"[^\W.][^/\\\x00-\x1f\x7f]{0,199}")


def is_run(folder: Path) -> bool:
    """Return whether a folder is that of a finished run: it has raw corpora, and tables of their records."""
    return (folder / "data" / "raw").is_dir() and any((folder / "data" / "records").glob("*.parquet"))


def find_records_of_run(folder: Path) -> list[tuple[Found, Path, str]]:
    """Find the raw records that a run has used.

    Parameters
    ----------
    folder : Path
        Of the run.

    Returns
    -------
    list of (Found, Path, str)
        As `ecgfeat.files.folders.find_inputs` returns recordings: those of the test first, then in the order of
        corpora and records. Records whose raw files are gone are left out.

    Raises
    ------
    DataError
        If a table is damaged.
    UsageError
        If no raw file is left.
    """
    of_test: dict[bool, list[tuple[Found, Path, str]]] = {True: [], False: []}
    for path in sorted((folder / "data" / "records").glob("*.parquet")):
        records = read_table(path, RECORDS)
        for record, split, status in zip(records["record"], records["split"], records["status"], strict=True):
            file, below = folder / "data" / "raw" / path.stem / str(record), Path(path.stem) / str(record)
            if status == "used" and wfdb_record(file) is not None:
                of_test[split == "test"].append((Found(file, below.parent), below.parent, below.name))
    if not any(of_test.values()):
        raise UsageError(
            str(folder), found="no raw record that the run has used", expected="WFDB records in data/raw/<corpus>"
        )
    return of_test[True] + of_test[False]


def choose_models_of_run(folder: Path) -> tuple[Path, str]:
    """Return the models of a run if they can be read, else the shipped ones, and a sentence that says which.

    Parameters
    ----------
    folder : Path
        Of the run.

    Returns
    -------
    models : Path
        Folder with ``beats/classifier`` and ``rhythm``.
    note : str
        For the page.
    """
    from ecgfeat.prediction.models import load_models

    try:
        load_models(folder / "models")
    except DataError as error:
        return find_models(DEFAULT), f"Predicted by the shipped models: those of the run cannot be used ({error})."
    return folder / "models", "Predicted by the models of the run, which have learnt from its training records."


class Drop:
    """Files that belong together, such as header and samples of a WFDB record."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="ecgfeat-view-", ignore_cleanup_errors=True)
        self.num_bytes = 0

    @property
    def folder(self) -> Path:
        """Where they are."""
        return Path(self._folder.name)

    def path_of(self, name: str) -> Path:
        """Return where a new file of a name is written.

        Parameters
        ----------
        name : str
            As the browser gives it: a name, and no path.

        Raises
        ------
        UsageError
            If it is no plain name, or there is such a file already, or there are too many.
        """
        if not _NAME.fullmatch(name) or len(name.encode()) > 200:
            raise UsageError("file", found=repr(name[:80]), expected="a plain name, without a folder")
        path = self.folder / name
        if path.exists():
            raise UsageError(name, found="twice", expected="files with different names")
        if sum(1 for _ in self.folder.iterdir()) >= MOST_FILES:
            raise UsageError("drop", found=f"more than {MOST_FILES} files", expected="fewer")
        return path

    def count(self, num_bytes: int) -> None:
        """Count bytes that are about to be written.

        Raises
        ------
        UsageError
            If there are more than `MOST_DROP_BYTES`.
        """
        self.num_bytes += num_bytes
        if self.num_bytes > MOST_DROP_BYTES:
            expected = f"at most {MOST_DROP_BYTES >> 30} GiB at once"
            raise UsageError("drop", found="more", expected=expected, remedy="Name the file to: ecgfeat view")

    def close(self) -> None:
        """Remove the files."""
        self._folder.cleanup()


class Drops:
    """All drops of one start, by the number that addresses name them with."""

    def __init__(self) -> None:
        self._drops: dict[str, Drop] = {}
        self._lock = threading.Lock()

    def begin(self) -> str:
        """Make a drop, and return its number."""
        with self._lock:
            number = str(len(self._drops) + 1)
            self._drops[number] = Drop()
            return number

    def __getitem__(self, number: str) -> Drop:
        """Return a drop; KeyError where there is none."""
        return self._drops[number]

    def close(self) -> None:
        """Remove the files of all."""
        with self._lock:
            for drop in self._drops.values():
                drop.close()
