"""Seal a JSON document with a digest of its own content, so that a flipped digit in it is found."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ecgfeat.errors import DataError

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


def unseal(path: Path, document: Mapping[str, Any], remedy: str) -> dict[str, Any]:
    """Compare a document with its digest.

    Parameters
    ----------
    path : Path
        Its file, for the message.
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


def _digest(content: Mapping[str, Any]) -> str:
    as_read = json.loads(json.dumps(content))  # keys that are numbers are in another order once they are text
    text = json.dumps(as_read, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]
