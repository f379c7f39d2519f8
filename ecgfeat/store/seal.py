"""Seal a JSON document with a digest of its own content, so that a flipped digit in it is found."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ecgfeat.errors import DataError, fault
from ecgfeat.store.publish import hash_file

FILES = "files"
"""Entry of a report: the checksums of the files that were written with it, by their path beside it."""

REPORT = "report"
"""Entry of a report: its kind."""

KEY = "digest"
REMEDY = "Delete it and run: dvc repro"
"""Remedy for a damaged artifact that a stage can make again."""


def seal(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document with its digest as the last entry.

    Parameters
    ----------
    document : mapping
        JSON values only, no NaN.

    Returns
    -------
    dict
        It does not depend on the order of keys, nor on blanks in the file.
    """
    content = {key: value for key, value in document.items() if key != KEY}
    return content | {KEY: _digest(content)}


def unseal(path: Path | str, document: Mapping[str, Any], remedy: str) -> dict[str, Any]:
    """Compare a document with its digest.

    Parameters
    ----------
    path : Path or str
        Its file, or address, for the message.
    document : mapping
        As read.
    remedy : str
        What to do about a damaged one.

    Returns
    -------
    dict
        Without the digest.

    Raises
    ------
    DataError
        If it has another digest, or none.
    """
    content = {key: value for key, value in document.items() if key != KEY}
    expected = _digest(content)
    if document.get(KEY) != expected:
        found = f"digest {str(document.get(KEY))[:12]}" if KEY in document else "no digest"
        raise DataError(str(path), found=found, expected=f"{expected[:12]}, that of its content", remedy=remedy)
    return content


def write_sealed(path: Path, document: Mapping[str, Any], *, sort_keys: bool = False) -> None:
    """Write a document with its digest.

    Parameters
    ----------
    path : Path
        Its file, in a folder that is there.
    document : mapping
        JSON values only, no NaN.
    sort_keys : bool
        Write the keys in order of the alphabet.
    """
    text = json.dumps(seal(document), indent=1, sort_keys=sort_keys, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def read_sealed(path: Path, remedy: str = REMEDY) -> dict[str, Any]:
    """Read a sealed document.

    Parameters
    ----------
    path : Path
        Its file.
    remedy : str
        What to do about a damaged one.

    Returns
    -------
    dict
        Without the digest.

    Raises
    ------
    DataError
        If it cannot be read, is no JSON object, or has another digest.
    """
    try:
        document = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(str(path), found="cannot be read", expected="a JSON object", remedy=remedy) from error
    if not isinstance(document, dict):
        raise DataError(str(path), found=f"a {type(document).__name__}", expected="a JSON object", remedy=remedy)
    return unseal(path, document, remedy)


def write_report(path: Path, kind: str, document: Mapping[str, Any], *, sort_keys: bool = False) -> None:
    """Write a report with its digest, under its kind and no other.

    Parameters
    ----------
    path, document, sort_keys
        As `write_sealed` takes them.
    kind : str
        What it reports, such as ``outside``.
    """
    write_sealed(path, {REPORT: kind, **document}, sort_keys=sort_keys)


def read_report(path: Path, kind: str, remedy: str = REMEDY) -> dict[str, Any]:
    """Read a report.

    Parameters
    ----------
    path, remedy
        As `read_sealed` takes them.
    kind : str
        What it must report.

    Returns
    -------
    dict
        Without digest and kind.

    Raises
    ------
    DataError
        As `read_sealed`, or if it is another report.
    """
    document = read_sealed(path, remedy)
    found = document.pop(REPORT, None)
    if found != kind:
        raise DataError(str(path), found=f"a report of kind {found}", expected=kind, remedy=remedy)
    return document


def list_files(folder: Path, files: Iterable[Path]) -> dict[str, str]:
    """Return the entry `FILES`: the sha256 of files below a folder, by path."""
    return {path.relative_to(folder).as_posix(): hash_file(path) for path in sorted(files)}


def find_changed(path: Path, document: Mapping[str, Any], remedy: str = REMEDY) -> list[str]:
    """Compare the files that a report lists.

    Parameters
    ----------
    path : Path
        The report.
    document : mapping
        Its content.
    remedy : str
        What to do about a damaged one.

    Returns
    -------
    list of str
        A line for each file that is missing or another one.
    """
    faults = []
    for name, expected in dict(document.get(FILES, {})).items():
        file = path.parent / name
        found = f"sha256 {hash_file(file)[:12]}" if file.is_file() else "no such file"
        if found != f"sha256 {expected[:12]}":
            faults.append(fault(str(file), found, f"{expected[:12]}, as {path.name} lists it", remedy))
    return faults


def _digest(content: Mapping[str, Any]) -> str:
    as_read = json.loads(json.dumps(content))  # keys that are numbers are in another order once they are text
    text = json.dumps(as_read, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]
