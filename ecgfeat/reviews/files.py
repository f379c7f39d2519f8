"""Reviews on disk: ``reviews.parquet`` of a folder, and beside it WFDB annotations of each reviewed record."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import pyarrow as pa

from ecgfeat.errors import DataError, UsageError
from ecgfeat.records.formats import encode_annotations
from ecgfeat.records.marks import annotation_rows
from ecgfeat.reviews.log import BEAT_NAMES, OTHER_RHYTHMS, Correction, Kind, is_time
from ecgfeat.reviews.review import Review
from ecgfeat.store.columns import Column, TableSchema
from ecgfeat.store.publish import publish
from ecgfeat.store.schemas import RHYTHMS
from ecgfeat.store.tables import Columns, read_table, split_by_record, table_header, write_table

REVIEWS_FILE: Final = "reviews.parquet"
REVIEW_EXTENSION: Final = "rev"
"""Of the annotation file with the corrected beats and rhythms."""

REVIEWS = TableSchema(
    "reviews",
    1,
    {
        "record": Column(pa.string(), "", "record name"),
        "number": Column(pa.int32(), "", "place of the entry in the log of its record, from 0"),
        "kind": Column(pa.string(), "", "beat, episode, seen (what was left there is right), or undo"),
        "start_sample": Column(pa.int64(), "samples", "first sample, at the record's own rate"),
        "stop_sample": Column(pa.int64(), "samples", "first sample after it"),
        "was": Column(pa.string(), "", "name before: class of a beat, or rhythms; empty for none"),
        "now": Column(pa.string(), "", "name after; empty: no beat, or no rhythm"),
        "reviewer": Column(pa.string(), "", "who"),
        "made_at": Column(pa.string(), "", "when, in UTC"),
        "undoes": Column(pa.int32(), "", "number of the entry that an undo takes back; -1 elsewhere"),
    },
)
_KINDS = ("beat", "episode", "seen", "undo")
_LOCK_FILE = ".reviews.lock"

_Logs = dict[str, tuple[Correction, ...]]
_About = dict[str, dict[str, Any]]
# A table as it was read last, or what was wrong with it, by its path: with what tells its next state from this one.
_kept: dict[Path, tuple[tuple[int, ...], tuple[_Logs, _About] | str]] = {}
_kept_lock = threading.Lock()


class ChangedError(UsageError):
    """The log of a record is not the one that a correction was made of; the reviewer has to look again."""

    def __init__(self) -> None:
        super().__init__("the review was changed elsewhere: reload the page")


def save_review(
    folder: Path,
    review: Review,
    fs_hz: float,
    about: Mapping[str, Any],
    *,
    before: Sequence[Correction] | None = None,
) -> tuple[Path, Path]:
    """Write the log of a record into the table of its folder, and its corrected annotations.

    Parameters
    ----------
    folder : Path
        Where to; made if absent. Logs of other records in its table are kept.
    review : Review
        Of one record.
    fs_hz : float
        Its rate.
    about : mapping
        What was reviewed, such as ``source``, the digest of the recording, and ``weights`` of the models.
    before : sequence of Correction, optional
        What its log in the table must be, so that nothing written by another page or process is lost.

    Returns
    -------
    (Path, Path)
        ``reviews.parquet`` and ``<record>.rev``. Predictions are never written.

    Raises
    ------
    ChangedError
        If the log in the table is not `before`.
    UsageError
        If the table has the log of another recording of this name, or of a prediction by other models.
    DataError
        If the table is damaged.
    """
    path = folder / REVIEWS_FILE
    sample, aami = review.beats()
    start, _, rhythm = review.episodes()
    rows = annotation_rows({"sample": sample, "aami": aami}, {"start_sample": start, "rhythm": rhythm})
    annotations = folder / f"{review.record}.{REVIEW_EXTENSION}"
    folder.mkdir(parents=True, exist_ok=True)
    with _lock(folder):
        logs, known = _read_all(path) if path.exists() else ({}, {})
        _refuse_another(path, review.record, known, about)
        if before is not None and logs.get(review.record, ()) != tuple(before):
            raise ChangedError
        logs[review.record] = tuple(review.log)
        described = known | {review.record: {**about, "fs_hz": fs_hz, "num_samples": review.num_samples}}
        with publish(annotations) as part:
            part.write_bytes(encode_annotations(*rows, fs_hz))
        write_table(path, _as_columns(logs), REVIEWS, {"reviewed": described})
    return path, annotations


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Wait until no other thread or process writes reviews of a folder, and keep them out until the block ends."""
    import fcntl  # Windows has none; what imports this module for something else works there

    # The table itself is replaced by each write, so the lock is on a file that stays.
    with (folder / _LOCK_FILE).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def read_log(folder: Path, record: str, about: Mapping[str, Any]) -> tuple[Correction, ...]:
    """Read the log of a record; empty where there is none.

    Parameters
    ----------
    folder : Path
        With ``reviews.parquet``, or without.
    record : str
        Its name.
    about : mapping
        What is reviewed, as `save_review` takes it.

    Raises
    ------
    UsageError
        If the table has the log of another recording of this name, or of a prediction by other models: a log says what
        was changed of one prediction, and that the rest of it is right.
    DataError
        If the table is damaged.
    """
    path = folder / REVIEWS_FILE
    if not path.exists():
        return ()
    logs, known = _read_if_changed(path)
    _refuse_another(path, record, known, about)
    return logs.get(record, ())


def _read_if_changed(path: Path) -> tuple[_Logs, _About]:
    """Return what is in a table, read again only after it was written: a page looks at many logs of one table."""
    path = path.resolve()
    with _kept_lock:
        try:
            state = path.stat()  # before it is read: what is written in between is seen the next time
        except OSError as error:
            raise DataError(str(path), found=error.strerror or str(error), expected="a readable table") from error
        # Each write makes a new file, so that its number tells two of the same moment apart.
        stamp = (state.st_ino, state.st_mtime_ns, state.st_size)
        if path not in _kept or _kept[path][0] != stamp:
            try:
                _kept[path] = stamp, _read_all(path)
            except DataError as error:
                _kept[path] = stamp, str(error)
        content = _kept[path][1]
    if isinstance(content, str):
        raise DataError(content)
    return content


def read_reviews(folder: Path) -> tuple[dict[str, tuple[Correction, ...]], dict[str, dict[str, Any]]]:
    """Read the logs of a folder.

    Parameters
    ----------
    folder : Path
        With ``reviews.parquet``.

    Returns
    -------
    logs : dict of str to tuple of Correction
        By record.
    about : dict of str to dict
        By record: ``fs_hz``, ``num_samples``, and what was given to `save_review`.

    Raises
    ------
    DataError
        If there is no such table, or it is damaged.
    """
    if not (folder / REVIEWS_FILE).is_file():
        found = f"no {REVIEWS_FILE} in it" if folder.is_dir() else "no such folder"
        raise DataError(str(folder), found=found, expected="the folder that ecgfeat view --out wrote to")
    return _read_all(folder / REVIEWS_FILE)


def _refuse_another(path: Path, record: str, known: Mapping[str, Mapping[str, Any]], about: Mapping[str, Any]) -> None:
    """Refuse to go on with the log of another recording, or of another prediction."""
    for key, what in (("source", "another recording"), ("weights", "a prediction by other models")):
        if record in known and known[record].get(key) != about.get(key):
            found = f"the review of {what} of {record}"
            expected = "one of the same recording and models"
            raise UsageError(str(path), found=found, expected=expected, remedy="Name another folder.")


def _as_columns(logs: Mapping[str, tuple[Correction, ...]]) -> Columns:
    rows = [(record, *astuple(entry)) for record in sorted(logs) for entry in logs[record]]
    names = ["record", *(field.name for field in fields(Correction))]
    return {name: np.array([row[at] for row in rows], dtype=object) for at, name in enumerate(names)}


def _read_all(path: Path) -> tuple[_Logs, _About]:
    columns = read_table(path, REVIEWS)
    logs = {}
    for record, rows in split_by_record(columns).items():
        log = tuple(
            Correction(int(number), cast(Kind, kind), int(start), int(stop), was, now, reviewer, made_at, int(undoes))
            for number, kind, start, stop, was, now, reviewer, made_at, undoes in zip(
                *(rows[field.name] for field in fields(Correction)), strict=True
            )
        )
        logs[record] = log
    known = dict(table_header(path)["params"].get("reviewed", {}))
    for record, log in logs.items():
        about = known.get(record, {})
        if not {"fs_hz", "num_samples"} <= set(about):
            raise DataError(str(path), found=f"no rate and length of {record}", expected="a log as ecgfeat writes it")
        for place, entry in enumerate(log):
            _check(path, record, place, entry, int(about["num_samples"]))
    return logs, known


def _check(path: Path, record: str, place: int, entry: Correction, num_samples: int) -> None:
    """Refuse an entry that `Review` would not have written."""
    is_right = (
        entry.number == place
        and entry.kind in _KINDS
        and 0 <= entry.start_sample < entry.stop_sample <= num_samples
        and all(isinstance(text, str) for text in (entry.was, entry.now, entry.reviewer, entry.made_at))
        and (entry.kind != "beat" or entry.now in ("", *BEAT_NAMES))
        and (entry.kind != "episode" or entry.now in ("", *RHYTHMS, *OTHER_RHYTHMS))
        and is_time(entry.made_at)
        and (0 <= entry.undoes < place if entry.kind == "undo" else entry.undoes == -1)
    )
    if not is_right:
        found = f"entry {place} of {record}: {entry.kind} {entry.start_sample} to {entry.stop_sample}, {entry.now!r}"
        raise DataError(str(path), found=found, expected="a log as ecgfeat writes it")
