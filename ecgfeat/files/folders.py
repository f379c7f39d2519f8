"""Find the recordings in a folder, and say which files in it are none."""

import contextlib
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from ecgfeat.errors import DataError, UsageError, printable
from ecgfeat.files.formats import WFDB, recognise, record_name, wfdb_record
from ecgfeat.records.headers import find_file, read_header

_HEAD_BYTES = 1 << 20
# What stands beside recordings and is none: annotations, lists, notes, what `ecgfeat` itself writes.
_BESIDE = {
    ".atr", ".qrs", ".qrsc", ".ann", ".man", ".q1c", ".q2c", ".qt1", ".pu", ".pu0", ".pu1", ".st", ".apn",
    ".cor", ".xws", ".parquet", ".svg", ".png", ".pdf", ".html", ".htm", ".md", ".log", ".yaml", ".yml",
    ".py",
}  # fmt: skip
# Recordings (ISHNE Holter, tables of text), or annotations and notes: only the content tells.
_RECORDING_OR_NOTE = {".ecg", ".txt"}
_LISTED = 5
_MOST_COMMENT_BYTES = 1 << 14
_TABLES_OF_RESULTS = ("-beats.csv", "-episodes.csv", "-prediction.json", "-made-by.json")


@dataclass(frozen=True)
class Found:
    """A recording that was found.

    Attributes
    ----------
    path : Path
        Its file, or the path of a WFDB record without ending.
    folder : Path
        Its folder below the one that was named; empty for a file that was named itself.
    """

    path: Path
    folder: Path


@dataclass(frozen=True)
class Search:
    """Recordings that were found, and files beside them that are none."""

    recordings: tuple[Found, ...]
    others: tuple[Path, ...]


def find_recordings(paths: Sequence[Path], pattern: str = "*") -> Search:
    """Find the recordings among files and folders.

    Parameters
    ----------
    paths : sequence of Path
        Files, WFDB records, and folders, which are searched with all below them.
    pattern : str
        Pattern of the names of files in folders, in any case.

    Returns
    -------
    Search
        In the order of `paths`, each recording once; those of a folder by name. A file that was named is a recording,
        whatever is in it: reading it says what is wrong.
    """
    recordings: dict[Path, Found] = {}
    others = []
    for path in paths:
        if not path.is_dir() or wfdb_record(path) is not None:
            recordings.setdefault(_identity(path), Found(path, Path()))
            continue
        files = list(walk_files(path))
        segments = segments_named(files)
        for file in files:
            folder = file.parent.relative_to(path)
            if any(part.startswith(".") for part in (*folder.parts, file.name)):
                continue
            kind = _kind(file) if fnmatchcase(file.name.casefold(), pattern.casefold()) else ""
            if kind == "recording":
                name = file.with_suffix("") if file.suffix.casefold() == ".hea" else file
                if name.resolve() in segments:
                    continue
                recordings.setdefault(_identity(name), Found(name, folder))
            elif kind == "other":
                others.append(file)
    return Search(tuple(recordings.values()), tuple(others))


def _identity(path: Path) -> Path:
    """Return the same path for all spellings of a recording: relative, linked, with or without the ending."""
    return (wfdb_record(path) or path).resolve()


def walk_files(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder and of all below it, of linked folders too, but of no folder twice.

    Raises
    ------
    DataError
        If a folder cannot be read: what is in it would be lost in silence.
    """

    def refuse(error: OSError) -> None:
        where = printable(str(error.filename or folder))
        raise DataError(where, found=error.strerror or str(error), expected="a folder that can be read")

    seen = {folder.resolve()}
    for parent, folders, files in os.walk(folder, onerror=refuse, followlinks=True):
        resolved = {name: (Path(parent) / name).resolve() for name in sorted(folders)}
        folders[:] = []
        for name, target in resolved.items():
            if target not in seen:
                seen.add(target)
                folders.append(name)
        for name in sorted(files):
            yield Path(parent) / name


def _kind(file: Path) -> str:
    """Return ``recording``, ``other``, or an empty text for what stands beside a recording."""
    ending = file.suffix.casefold()
    if ending == ".hea":
        return "recording"
    if (
        ending in _BESIDE
        or file.name.endswith(_TABLES_OF_RESULTS)
        or file.name in ("RECORDS", "ANNOTATORS", "SHA256SUMS.txt")
        or file.stem.casefold() in ("readme", "license", "licence")
    ):
        return ""
    if ending in (".dat", ".mat") and find_file(file.with_suffix(".hea")).is_file():
        return ""
    is_note_else = ending in _RECORDING_OR_NOTE
    try:
        kind = recognise(file)
    except DataError:
        return "" if is_note_else else "other"
    is_recording = kind.has_mark or ending == ".txt" or not is_note_else
    return "recording" if is_recording and kind is not WFDB else ""


def is_marked_recording(file: Path) -> bool:
    """Tell whether a file is a recording of a format that has a mark of its own.

    Tables of text and JSON, which may hold anything, are none here.
    """
    if file.suffix.casefold() != ".hea":
        try:
            if not file.is_file() or file.suffix.casefold() in _BESIDE or not recognise(file).has_mark:
                return False
        except DataError:
            return False
    return _kind(file) == "recording"


def segments_named(files: Iterable[Path]) -> set[Path]:
    """Return the segments and layouts, without ending, that headers among some files name: they are no records.

    A header of several segments starts with ``name/segments``; only such a one is parsed.
    """
    segments: set[Path] = set()
    for header in files:
        if header.suffix.casefold() == ".hea" and _has_segments(header):
            with contextlib.suppress(DataError):
                segments.update(
                    (header.parent / name).resolve() for name, _ in read_header(header.parent, header.stem).segments
                )
    return segments


def _has_segments(header: Path) -> bool:
    try:
        with header.open("rb") as file:
            head = file.read(_MOST_COMMENT_BYTES)
    except OSError:
        return False
    lines = (line for line in head.splitlines() if line.strip() and not line.lstrip().startswith(b"#"))
    return b"/" in next(lines, b"").split(b" ")[0]


def name_outputs(recordings: Sequence[Found]) -> list[tuple[Path, str]]:
    """Return a folder and a name for what is written of each recording, no two the same.

    Parameters
    ----------
    recordings : sequence of Found
        Of one command.

    Returns
    -------
    list of (Path, str)
        The folder below the one of all outputs, and the name. Recordings of one name differ by their endings,
        and files that were named one by one by as many of their folders as it takes.
    """
    names = [(found.folder, record_name(found.path)) for found in recordings]
    for depth in range(12):
        counts: dict[tuple[Path, str], int] = {}
        for name in names:
            key = (name[0], name[1].casefold())
            counts[key] = counts.get(key, 0) + 1
        twice = [at for at, (folder, name) in enumerate(names) if counts[folder, name.casefold()] > 1]
        if not twice:
            break
        for at in twice:
            path = recordings[at].path
            if depth == 0 and path.suffix and wfdb_record(path) is None:
                names[at] = (names[at][0], path.name)
            elif depth > 0:
                parents = path.resolve().parent.parts[1:]
                names[at] = (recordings[at].folder / Path(*parents[max(0, len(parents) - depth) :]), names[at][1])
    return names


def find_inputs(paths: Sequence[Path]) -> tuple[list[tuple[Found, Path, str]], str]:
    """Find the recordings to predict.

    Parameters
    ----------
    paths : sequence of Path
        Files, WFDB records and folders.

    Returns
    -------
    inputs : list of (Found, Path, str)
        Each with the folder, below that of the outputs, and the name of what is written of it.
    note : str
        Files in the folders that are no recordings; empty: none.

    Raises
    ------
    UsageError
        If there is no recording.
    """
    search = find_recordings(paths)
    if not search.recordings:
        where = ", ".join(printable(str(path)) for path in paths)
        others = note_others(search)
        found = "no recording in it" + f"; {others}" * bool(others)
        raise UsageError(where, found=found, expected="at least one file that can be read")
    names = name_outputs(search.recordings)
    return [(found, *name) for found, name in zip(search.recordings, names, strict=True)], note_others(search)


def note_others(search: Search) -> str:
    """Return a sentence about the files that are no recordings; empty where there are none."""
    if not search.others:
        return ""
    names = ", ".join(printable(path.name) for path in search.others[:_LISTED])
    more = f" and {len(search.others) - _LISTED} more" if len(search.others) > _LISTED else ""
    which = "1 file is no recording" if len(search.others) == 1 else f"{len(search.others)} files are no recordings"
    return f"{which}: {names}{more}"


def source_digest(path: Path) -> str:
    """Return a digest that tells recordings apart: of the size and the first megabyte of each file of a recording.

    Parameters
    ----------
    path : Path
        A file, or a WFDB record without ending.

    Returns
    -------
    str
        16 hex digits. It depends neither on the name nor on the folder.
    """
    record = wfdb_record(path)
    if record is None:
        files = [path]
    else:
        header = read_header(record.parent, record.name, many_rates=True)
        beside = [record.parent / name for name in dict.fromkeys(lead.file for lead in header.signals)]
        beside += [record.parent / f"{name}.hea" for name, _ in header.segments if name != "~"]
        beside += [record.parent / f"{name}.dat" for name, _ in header.segments if name != "~"]
        files = [find_file(record.with_name(f"{record.name}.hea")), *map(find_file, beside)]
    digest = hashlib.sha256()
    for file in files:
        if file.is_file():
            with file.open("rb") as content:
                head = content.read(_HEAD_BYTES)
            digest.update(f"{file.stat().st_size} {len(head)} ".encode() + head)
    return digest.hexdigest()[:16]
