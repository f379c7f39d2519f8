"""Where records come from, and whose they are: a corpus, a finished run, files that are dropped on the page."""

import csv
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from ecgfeat.corpora import CORPORA
from ecgfeat.corpora.own import BY_FOLDER
from ecgfeat.errors import DataError, UsageError
from ecgfeat.files.folders import Found
from ecgfeat.files.formats import wfdb_record
from ecgfeat.store.schemas import RECORDS
from ecgfeat.store.tables import read_table
from ecgfeat.view.security import PrivateFolder

MOST_DROP_BYTES: Final = 4 << 30
"""All files of one drop together: a day of twelve leads at 1000 Hz is 2 GB."""

MOST_TOTAL_BYTES: Final = 16 << 30
"""All drops of one start together: the temporary folder is often on the disk of the system, or in memory."""

MOST_FILES: Final = 2000
_MOST_NAME_BYTES = 200
_REFUSED_NAMES = {
    r"": "no name",
    r"\..*": "it begins with a dot",
    r".*[/\\].*": "a folder is in it",
    r".*[\x00-\x1f\x7f].*": "a control character is in it",
}


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


@dataclass(frozen=True)
class Place:
    """Where a record lies in a corpus that the project knows.

    Attributes
    ----------
    folder : Path
        Of the corpus.
    record : str
        Name below it.
    corpus : str
        Slug.
    run : Path or None
        Folder of the run whose corpus it is; None: the facts of the corpus alone are known.
    """

    folder: Path
    record: str
    corpus: str
    run: Path | None = None

    @property
    def subject(self) -> str:
        """Whose record it is, over all corpora; empty where nothing says so.

        A table of a run says it, else the facts of the corpus.
        """
        if self.run is not None:
            subject = _subjects_of_run(self.run / "data" / "records" / f"{self.corpus}.parquet").get(self.record, "")
        else:
            subject = CORPORA[self.corpus].subject_of(self.record)
        return f"{subject} of {self.corpus}" if subject and (self.corpus, subject) not in _POOLED else ""


# What a corpus calls one subject so that no split parts it, because nothing says whose each of its records is.
_POOLED = {("aftdb", "a+b")}


def find_place(path: Path) -> Place | None:
    """Find the corpus of a record by the folders that it lies in.

    Parameters
    ----------
    path : Path
        A WFDB record, with or without the ending of its header.

    Returns
    -------
    Place or None
        In ``data/raw/<corpus>`` of a run with tables of its records, or in a folder that has the name of a corpus, such
        as ``mitdb`` or ``mitdb/1.0.0``, and is one of its records; else None.

    Raises
    ------
    DataError
        If the list of the records of the corpus cannot be read.
    """
    record = wfdb_record(path)
    for folder in record.absolute().parents if record is not None else ():
        name = record.absolute().relative_to(folder).as_posix() if record is not None else ""
        if folder.parent.name == "raw" and folder.parents[1].name == "data":
            run = folder.parents[2]
            if (run / "data" / "records" / f"{folder.name}.parquet").is_file():
                return Place(folder, name, folder.name, run)
        corpus = CORPORA.get(folder.name) or _CORPUS_AT.get("/".join(folder.parts[-2:]))
        if corpus is not None and name in _records_of(corpus.slug, folder):
            return Place(folder, name, corpus.slug)
    return None


_CORPUS_AT = {corpus.path: corpus for corpus in CORPORA.values() if corpus.path}


@lru_cache
def _records_of(slug: str, folder: Path) -> frozenset[str]:
    """Return the records of a corpus; of one that lists them in a file, those of that file."""
    corpus = CORPORA[slug]
    file = folder / corpus.records_file
    try:
        listed = file.read_text("utf-8", "replace").split() if not corpus.records and file.is_file() else []
    except OSError as error:
        found = f"cannot be read ({error.strerror or error})"
        raise DataError(file.name, found=found, expected=f"the list of the records of {slug}") from error
    return frozenset(corpus.records or listed)


@lru_cache
def _subjects_of_run(path: Path) -> dict[str, str]:
    rows = read_table(path, RECORDS, ["record", "subject"])
    return dict(zip(rows["record"].tolist(), rows["subject"].tolist(), strict=True))


def read_rule(rule: str) -> Callable[[str], str]:
    """Return the function that says whose a recording is.

    Parameters
    ----------
    rule : str
        As ``local.subject`` of params.yaml: ``folder``, a regular expression with a group, or the path of a table in
        CSV with the columns record and subject.

    Returns
    -------
    callable
        Takes the path of a recording below the folder that was named. Returns its subject, empty where there is none.

    Raises
    ------
    UsageError
        If it is no such rule.
    """
    if rule.casefold().endswith(".csv"):
        try:
            with open(rule, encoding="utf-8-sig", newline="") as file:
                rows = [(row["record"].strip(), row["subject"].strip()) for row in csv.DictReader(file)]
        except (OSError, UnicodeDecodeError, KeyError, AttributeError, csv.Error) as error:
            expected = "a table of text with the columns record and subject"
            raise UsageError("--subject", found=f"{rule}, which is none", expected=expected) from error
        table: dict[str, str] = {}
        for record, subject in rows:
            if table.setdefault(record, subject) != subject:
                found = f"{rule}, with record {record} of two subjects"
                raise UsageError("--subject", found=found, expected="one of each record")

        def look_up(path: str) -> str:
            names = (path, str(Path(path).with_suffix("")), Path(path).name, Path(path).stem)
            return next((table[name] for name in names if name in table), "")

        return look_up
    try:
        expression = re.compile("^([^/]+)/" if rule == BY_FOLDER else rule)
    except re.error as error:
        raise UsageError("--subject", found=f"{rule!r} ({error})", expected="a regular expression") from error
    if not expression.groups:
        expected = "folder, a table.csv, or an expression with a group, such as (p[0-9]+)_"
        raise UsageError("--subject", found=repr(rule), expected=expected)

    def search(path: str) -> str:
        match = expression.search(path)
        return (match.group(1) or "") if match else ""

    return search


class TooMuchError(UsageError):
    """More files or bytes than the page takes."""


def _refusal_of(name: str) -> str:
    """Return why a name is not taken for a file, in words; empty: it is taken."""
    reasons = (reason for pattern, reason in _REFUSED_NAMES.items() if re.fullmatch(pattern, name, re.DOTALL))
    return next(reasons, "it is longer than 200 bytes" if len(name.encode()) > _MOST_NAME_BYTES else "")


class Drop:
    """Files that belong together, such as header and samples of a WFDB record, in a private folder."""

    def __init__(self) -> None:
        self._folder = PrivateFolder()
        self.num_bytes = 0

    @property
    def folder(self) -> Path:
        """Where they are."""
        return self._folder.path

    def path_of(self, name: str) -> Path:
        """Return where a new file of a name is written.

        Parameters
        ----------
        name : str
            As the browser gives it: a name, and no path.

        Raises
        ------
        UsageError
            If it cannot be the name of a file here, or there is such a file already, or there are too many.
        """
        reason = _refusal_of(name)
        if reason:
            raise UsageError(f"file {name[:80]!r}", found=reason, expected="a plain name", remedy="Rename it.")
        path = self.folder / name
        if path.exists():
            raise UsageError(name, found="twice", expected="files with different names")
        if sum(1 for _ in self.folder.iterdir()) >= MOST_FILES:
            raise TooMuchError("drop", found=f"more than {MOST_FILES} files", expected="fewer")
        return path

    def describe(self) -> dict[str, Any]:
        """Return the names of its files, and their size, in JSON types."""
        return {"names": sorted(path.name for path in self.folder.iterdir()), "num_bytes": self.num_bytes}

    def close(self) -> None:
        """Remove the files."""
        self._folder.close()


class Drops:
    """All drops of one start, by the number that addresses name them with."""

    def __init__(self) -> None:
        self._drops: dict[str, Drop] = {}
        self._num_begun = 0
        self._lock = threading.Lock()

    def begin(self) -> str:
        """Make a drop, and return its number."""
        with self._lock:
            self._num_begun += 1
            self._drops[str(self._num_begun)] = Drop()
            return str(self._num_begun)

    def __getitem__(self, number: str) -> Drop:
        """Return a drop; KeyError where there is none."""
        return self._drops[number]

    def count(self, number: str, num_bytes: int) -> None:
        """Count bytes that are about to be written into a drop or, below zero, that were removed.

        Raises
        ------
        KeyError
            If the drop has been removed.
        TooMuchError
            If there were more than `MOST_DROP_BYTES` in it, or more than `MOST_TOTAL_BYTES` in all. They are not
            counted then.
        """
        with self._lock:
            drop = self._drops[number]
            total = sum(of.num_bytes for of in self._drops.values())
            for size, most, what, remedy in (
                (drop.num_bytes, MOST_DROP_BYTES, "at once", "Name"),
                (total, MOST_TOTAL_BYTES, "of dropped files in all", "Remove files that were opened before, or name"),
            ):
                if num_bytes > 0 and size + num_bytes > most:
                    remedy += " the file to: ecgfeat view"
                    raise TooMuchError(
                        "drop", found="more bytes", expected=f"at most {most >> 30} GiB {what}", remedy=remedy
                    )
            drop.num_bytes += num_bytes

    def describe(self) -> list[dict[str, Any]]:
        """Return number, names and size of all drops with files, in JSON types."""
        described = [{"drop": number, **drop.describe()} for number, drop in list(self._drops.items())]
        return [of for of in described if of["names"]]

    def remove(self, number: str) -> None:
        """Remove a drop with its files; KeyError where there is none."""
        with self._lock:
            self._drops.pop(number).close()

    def close(self) -> None:
        """Remove the files of all."""
        with self._lock:
            for drop in self._drops.values():
                drop.close()
