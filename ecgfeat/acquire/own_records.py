"""Recordings of one's own, of any format -> a raw folder of WFDB records, as every stage reads it.

Samples are kept to a nanovolt, rate, leads and start as they are. A recording that cannot be read is listed in
``corpus.json`` with its reason; the others are taken.
"""

import csv
import errno
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from ecgfeat.acquire.manifest import write_manifest
from ecgfeat.acquire.own_annotations import Kind, find_annotations, read_annotation_bytes
from ecgfeat.corpora.corpus import Corpus
from ecgfeat.corpora.own import BY_FOLDER, LOCAL
from ecgfeat.corpora.splits import check_split, parse_split, read_split
from ecgfeat.errors import DataError, UsageError
from ecgfeat.files import open_ecg
from ecgfeat.files.folders import find_recordings, name_outputs, note_others, walk_files
from ecgfeat.records.writer import write_blocks
from ecgfeat.store.publish import hash_file

# Options of the command line, as the section `local` of params.yaml calls them.
_PARAM_OF = {"--fs": "local.fs_hz", "--unit": "local.unit", "--lead": "local.leads"}
_OnRecord = Callable[[int, int, str], None]


@dataclass(frozen=True)
class OwnFolder:
    """A folder of recordings, and how to read it: the section ``local`` of params.yaml.

    Attributes
    ----------
    path : Path
        Folder, searched with all below it.
    pattern : str
        Pattern of file names.
    annotations : {'wfdb', 'csv', 'none'}
        As `find_annotations` takes it.
    subject : str
        ``folder``: the first folder on the path of a recording, below `path`, is its subject. Else a regular expression
        whose first group, searched in that path, is it; or the name of a table in the folder with the columns record
        and subject. Empty: each recording is a subject.
    split : str
        Rule that divides the subjects, or the name of a table in the folder with the columns record and split.
    leads, fs_hz, unit
        As `ecgfeat.files.open_ecg` takes them.
    """

    path: Path
    pattern: str = "*"
    annotations: Kind = "none"
    subject: str = ""
    split: str = LOCAL.default_split
    leads: tuple[str | int, ...] = ()
    fs_hz: float | None = None
    unit: str | None = None

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the tables of subjects and of the split, which are no recordings."""
        return tuple(name for name in (self.subject, self.split) if name.casefold().endswith(".csv"))


def convert_folder(source: OwnFolder, folder: Path, on_record: _OnRecord | None = None) -> dict[str, Any]:
    """Convert all recordings of a folder to WFDB records, with their annotations.

    Parameters
    ----------
    source : OwnFolder
        Where they are.
    folder : Path
        Existing, empty folder for ``.hea``, ``.dat`` and ``.atr`` of each record and for ``corpus.json``.
    on_record : callable, optional
        Called with the number of recordings done, their total and the name of the last.

    Returns
    -------
    dict
        The manifest, with three more mappings by record: ``sources`` (path below the folder), ``subjects``, and
        ``failed`` (why it could not be read); and ``others``, a sentence about files that are no recordings.

    Raises
    ------
    UsageError
        If there is no recording, or no subject of one.
    DataError
        If none can be read.
    """
    search = find_recordings([source.path], source.pattern)
    tables = {source.path / name for name in source.tables}
    found = [recording for recording in search.recordings if recording.path not in tables]
    others = note_others(search)
    if not found:
        remedy = "local.path names the folder, local.pattern the files in it."
        nothing = "no recording in it" + f"; {others}" * bool(others)
        raise UsageError(str(source.path), found=nothing, expected="at least one file that can be read", remedy=remedy)
    names = _record_names(name_outputs(found))
    sources = {
        name: recording.path.relative_to(source.path).as_posix() for name, recording in zip(names, found, strict=True)
    }
    subjects = _subjects(source, sources)
    failed: dict[str, str] = {}
    for done, (name, recording) in enumerate(zip(names, found, strict=True), start=1):
        try:
            _convert(source, recording.path, folder, name)
        except (DataError, UsageError, OSError) as error:
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise  # no fault of the recording: all that follow would fail too
            for path in folder.glob(f"{name}.*"):
                path.unlink()
            failed[name] = _in_params(f"{sources[name]}: {error}")
        if on_record is not None:
            on_record(done, len(names), name)
    if len(failed) == len(names):
        raise DataError(
            str(source.path), found=f"{len(names)} recordings, none of which can be read", expected="at least one",
            remedy="; ".join(list(failed.values())[:3]),
        )  # fmt: skip
    return write_manifest(
        folder,
        LOCAL,
        "measured",
        names,
        {"sources": sources, "subjects": subjects, "failed": failed, "others": others},
    )


def own_facts(manifest: Mapping[str, Any], *, is_predicted: bool) -> Corpus:
    """Return the facts of a converted folder.

    Parameters
    ----------
    manifest : mapping
        Of `convert_folder`.
    is_predicted : bool
        Records without annotations are used: models predict them that have not learnt from this corpus.

    Returns
    -------
    Corpus
    """
    is_annotated = any(name.endswith(".atr") for name in manifest["files"])
    annotation = LOCAL.annotation if is_annotated or not is_predicted else ""
    return replace(LOCAL, subjects=manifest["subjects"], annotation=annotation)


def read_own_split(folder: Path, corpus: Corpus, manifest: Mapping[str, Any], split: str) -> dict[str, str]:
    """Return the split of each record.

    Parameters
    ----------
    folder : Path
        Folder of the recordings.
    corpus : Corpus
        Of `own_facts`.
    manifest : mapping
        Of `convert_folder`.
    split : str
        A rule, or the name of a table in the folder with the columns record and split.

    Returns
    -------
    dict of str to {'train', 'validation', 'test', 'none'}
        A rule divides the subjects with annotations, and all others are none.

    Raises
    ------
    UsageError, DataError
        As `ecgfeat.corpora.splits.read_split`, or if a recording is not in the table.
    """
    if not split.casefold().endswith(".csv"):
        annotated = [record for record in manifest["records"] if f"{record}.{LOCAL.annotation}" in manifest["files"]]
        drawn = read_split(corpus, split, records=annotated) if annotated else {}
        return dict.fromkeys(manifest["records"], "none") | drawn
    listed = parse_split(_read_text(folder, split, "local.split"), split)
    chosen = {record: _of_source(listed, source, split) for record, source in manifest["sources"].items()}
    check_split(corpus, chosen, split)
    return chosen


def folder_key(source: OwnFolder) -> str:
    """Return a digest of how a folder is read, and of all its files but the table of the split.

    Parameters
    ----------
    source : OwnFolder
        The folder.

    Returns
    -------
    str
        32 hex digits; the same for a copy of the folder.
    """
    digest = hashlib.sha256(repr(replace(source, path=Path(), split="")).encode())
    for path in sorted(walk_files(source.path)):
        name = path.relative_to(source.path).as_posix()
        is_hidden = any(part.startswith(".") for part in PurePosixPath(name).parts)
        if name != source.split and not is_hidden:
            digest.update(f"\n{name} {hash_file(path)}".encode(errors="surrogateescape"))
    return digest.hexdigest()[:32]


def split_key(source: OwnFolder) -> str:
    """Return the digest of the table of the split; empty where a rule divides the subjects."""
    path = source.path / source.split
    return hash_file(path)[:32] if source.split in source.tables and path.is_file() else ""


def _convert(source: OwnFolder, path: Path, folder: Path, name: str) -> None:
    ecg = open_ecg(path, fs_hz=source.fs_hz, leads=list(source.leads) or None, unit=source.unit)
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    write_blocks(
        folder,
        name,
        ecg.recording.read_blocks(ecg.columns),
        ecg.fs_hz,
        ecg.leads,
        uncalibrated=ecg.uncalibrated,
        start=ecg.start,
        comments=ecg.notes,
    )
    files = find_annotations(path, source.annotations)
    if files:
        content = read_annotation_bytes(path, files, ecg.fs_hz, ecg.num_samples)
        (folder / f"{name}.{LOCAL.annotation}").write_bytes(content)


def _record_names(outputs: Sequence[tuple[Path, str]]) -> list[str]:
    """Return a record name for each recording: its folders and its name, in the letters that headers allow."""
    names: dict[str, None] = {}
    taken: set[str] = set()
    for folder, name in outputs:
        plain = "/".join(re.sub(r"[^-+A-Za-z0-9_]", "_", part)[:100] or "_" for part in (*folder.parts, name))
        number = 1
        unique = plain
        while unique.casefold() in taken:
            number += 1
            unique = f"{plain}_{number}"
        taken.add(unique.casefold())
        names[unique] = None
    return list(names)


def _subjects(source: OwnFolder, sources: Mapping[str, str]) -> dict[str, str]:
    if not source.subject:
        return {name: name for name in sources}
    if source.subject.casefold().endswith(".csv"):
        listed = _read_column(source.path, source.subject, "subject", "local.subject")
        return {name: _of_source(listed, path, source.subject) for name, path in sources.items()}
    expression = "^([^/]+)/" if source.subject == BY_FOLDER else source.subject
    subjects = {}
    for name, path in sources.items():
        match = re.search(expression, path)
        if match is None or not match.group(1):
            raise UsageError(
                f"local.subject {source.subject!r}", found=f"none in {path}", expected="a subject in every path",
                remedy="Without a subject its records could be learnt from and tested.",
            )  # fmt: skip
        subjects[name] = match.group(1)
    return subjects


def _read_column(folder: Path, name: str, column: str, param: str) -> dict[str, str]:
    rows = list(csv.reader(_read_text(folder, name, param).splitlines()))
    heading = [field.strip() for field in rows[0]] if rows else []
    if "record" not in heading or column not in heading:
        raise DataError(
            name, found=f"columns {', '.join(heading) or 'none'}", expected=f"record and {column} among them"
        )
    record_at, value_at = heading.index("record"), heading.index(column)
    listed: dict[str, str] = {}
    for line, row in enumerate(rows[1:], start=2):
        if len(row) <= max(record_at, value_at) or not row[value_at].strip():
            raise DataError(name, found=f"line {line} without {column}", expected=f"a {column} in every line")
        if listed.setdefault(row[record_at].strip(), row[value_at].strip()) != row[value_at].strip():
            raise DataError(name, found=f"record {row[record_at]} twice", expected="each record once")
    return listed


def _read_text(folder: Path, name: str, param: str) -> str:
    path = folder / name
    try:
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{param} {name}", found=f"no readable file in {folder}", expected="a table of text"
        ) from error


def _of_source(listed: Mapping[str, str], source: str, where: str) -> str:
    """Return what a table says of a recording: of its path below the folder or its name, with ending or not."""
    path = PurePosixPath(source)
    for name in (source, str(path.with_suffix("")), path.name, path.stem):
        if name in listed:
            return listed[name]
    raise DataError(where, found=f"no line for {source}", expected="each recording")


def _in_params(message: str) -> str:
    """Name the params instead of the options of the command line."""
    for option, param in _PARAM_OF.items():
        message = re.sub(rf"{option}\b", param, message)
    return message
