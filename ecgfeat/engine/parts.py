"""Finished parts of an unfinished artifact: a run that was ended goes on where it stopped, and shards meet here.

A key is a hash of everything a part depends on. Parts are kept outside the outputs of the stages, which DVC deletes
before each run, and removed when the artifact is published.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from ecgfeat.store.publish import publish

_DIGEST_BYTES: Final = 16
_BLOCK_BYTES: Final = 1 << 20


@dataclass(frozen=True)
class Part:
    """What the work on a record results in.

    Attributes
    ----------
    arrays : mapping of str to ndarray
        By name; texts as ``object`` arrays.
    lines : tuple of str
        What a user should know of this record.
    """

    arrays: Mapping[str, NDArray[Any]]
    lines: tuple[str, ...] = field(default=())


class PartFolder:
    """Parts by key in one folder. Several processes, on several machines, may read and write it at the same time.

    Parameters
    ----------
    folder : Path
        Made with the first part.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def holds(self, key: str) -> bool:
        """Tell whether there is a part of this key; whether it is whole, `load` finds out."""
        return (self.folder / key).is_file()

    def save(self, key: str, part: Part) -> None:
        """Keep a part, completely or not at all."""
        with publish(self.folder / key) as path, path.open("w+b") as file:
            file.write(bytes(_DIGEST_BYTES))
            file.write(json.dumps({"names": list(part.arrays), "lines": part.lines}).encode() + b"\n")
            for array in part.arrays.values():
                np.lib.format.write_array(file, _as_stored(array), allow_pickle=False)
            digest = _digest_rest(file)
            file.seek(0)
            file.write(digest)

    def load(self, key: str) -> Part | None:
        """Return the part of a key; None where there is none, or a damaged one, which is removed."""
        path = self.folder / key
        try:
            with path.open("rb") as file:
                if file.read(_DIGEST_BYTES) == _digest_rest(file):
                    file.seek(_DIGEST_BYTES)
                    about = json.loads(file.readline())
                    arrays = {name: np.lib.format.read_array(file, allow_pickle=False) for name in about["names"]}
                    return Part({name: _as_used(array) for name, array in arrays.items()}, tuple(about["lines"]))
        except FileNotFoundError:
            return None
        path.unlink(missing_ok=True)
        return None

    def clear(self) -> None:
        """Remove all parts."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _digest_rest(file: BinaryIO) -> bytes:
    """Return the digest of what follows the digest in front of a file."""
    file.seek(_DIGEST_BYTES)
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    while block := file.read(_BLOCK_BYTES):
        digest.update(block)
    return digest.digest()


def _as_stored(array: NDArray[Any]) -> NDArray[Any]:
    """Return texts as an array of fixed width: objects would be stored as a pickle."""
    if array.dtype != object:
        return array
    assert all(isinstance(value, str) for value in array.flat), "only texts are objects"
    return array.astype(str)


def _as_used(array: NDArray[Any]) -> NDArray[Any]:
    """Return texts as the ``object`` arrays that tables hold."""
    return array.astype(object) if array.dtype.kind == "U" else array
