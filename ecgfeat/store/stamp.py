"""A digest of a whole Parquet file, written inside it: a flipped bit anywhere is found, in names and statistics too.

The digest is an entry of the metadata in the footer. It is that of the file with zeros in its own place.
"""

import hashlib
import mmap
from pathlib import Path
from typing import Final

from ecgfeat.errors import DataError

KEY: Final = "ecgfeat_sha256"
BLANK: Final = "0" * 64
"""Value of the entry before the file is stamped."""

# How the entry stands in the footer: the key, then in Thrift's compact protocol a text of 64 bytes as the next field.
_MARK = KEY.encode() + b"\x18\x40"


def stamp(path: Path) -> None:
    """Write the digest of a file that has the entry `KEY` with the value `BLANK`."""
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as content:
        place = content.rfind(_MARK + BLANK.encode()) + len(_MARK)
        assert place >= len(_MARK), "an entry to be stamped"
        content[place : place + len(BLANK)] = _digest(content, place).encode()


def find_stamp(path: Path, remedy: str) -> bool:
    """Compare a file with the digest in it.

    Parameters
    ----------
    path : Path
        The file.
    remedy : str
        What to do about a damaged one.

    Returns
    -------
    bool
        False if it has none, as a file that was made elsewhere.

    Raises
    ------
    DataError
        If it has another digest.
    OSError, ValueError
        If it is absent or empty.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        place = content.rfind(_MARK) + len(_MARK)
        if place < len(_MARK):
            return False
        expected = content[place : place + len(BLANK)].decode("ascii", errors="replace")
        found = _digest(content, place)
        if found != expected:
            raise DataError(
                str(path), found=f"sha256 {found[:12]}", expected=f"{expected[:12]}, as it was written", remedy=remedy
            )
    return True


def _digest(content: mmap.mmap, place: int) -> str:
    with memoryview(content) as view, view[:place] as head, view[place + len(BLANK) :] as tail:
        digest = hashlib.sha256(head)
        digest.update(BLANK.encode())
        digest.update(tail)
    return digest.hexdigest()
