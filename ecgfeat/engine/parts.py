"""Finished parts of an unfinished artifact: a run that was ended goes on where it stopped, and shards meet here.

A key is a hash of everything a part depends on. Parts are kept outside the outputs of the stages, which DVC deletes
before each run, and removed when the artifact is published. In a bucket, machines without a disk in common meet.
"""

import hashlib
import io
import json
import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from ecgfeat.errors import DataError
from ecgfeat.store.objects import ObjectFolder, is_address
from ecgfeat.store.publish import publish

_DIGEST_BYTES: Final = 16
_BLOCK_BYTES: Final = 1 << 20
_KEY: Final = re.compile("[0-9a-f]{32,64}")


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


class PartStore(Protocol):
    """Parts by key. Several processes, on several machines, may read and write them at the same time."""

    where: str
    """Where they are: `open_parts` opens it in another process."""

    def keys(self) -> set[str]:
        """Return the keys of which there is a part."""

    def holds(self, key: str) -> bool:
        """Tell whether there is a part of this key; whether it is whole, `load` finds out."""

    def save(self, key: str, part: Part) -> None:
        """Keep a part, completely or not at all."""

    def load(self, key: str) -> Part | None:
        """Return the part of a key; None where there is none, or a damaged one, which is removed."""

    def clear(self) -> None:
        """Remove all parts."""


def open_parts(where: str | Path) -> PartStore:
    """Open the parts in a folder, or below an address.

    Parameters
    ----------
    where : str or Path
        A folder, which is made with the first part, or an address such as ``s3://lab/parts``.

    Returns
    -------
    PartStore

    Raises
    ------
    UsageError
        If it is no address, or there are no credentials for it.
    """
    return PartBucket(ObjectFolder(where)) if isinstance(where, str) and is_address(where) else PartFolder(Path(where))


class PartFolder:
    """Parts in a folder.

    Parameters
    ----------
    folder : Path
        Made with the first part.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.where = str(folder.absolute())

    def keys(self) -> set[str]:
        """Return the keys of which there is a part."""
        return {path.name for path in self.folder.iterdir() if path.is_file()} if self.folder.is_dir() else set()

    def holds(self, key: str) -> bool:
        """Tell whether there is a part of this key; whether it is whole, `load` finds out."""
        return (self.folder / key).is_file()

    def save(self, key: str, part: Part) -> None:
        """Keep a part, completely or not at all."""
        with publish(self.folder / key) as path, path.open("w+b") as file:
            _write(part, file)

    def load(self, key: str) -> Part | None:
        """Return the part of a key; None where there is none, or a damaged one, which is removed."""
        path = self.folder / key
        try:
            with path.open("rb") as file:
                part = _read(file)
        except FileNotFoundError:
            return None
        if part is None:
            path.unlink(missing_ok=True)
        return part

    def clear(self) -> None:
        """Remove all parts."""
        shutil.rmtree(self.folder, ignore_errors=True)


class PartBucket:
    """Parts in a bucket.

    Parameters
    ----------
    objects : ObjectFolder
        Objects below an address. Those whose names are no keys of parts are left alone.
    """

    def __init__(self, objects: ObjectFolder) -> None:
        self.objects = objects
        self.where = objects.address

    def keys(self) -> set[str]:
        """Return the keys of which there is a part."""
        return {name for name in self.objects.list_sizes() if _KEY.fullmatch(name)}

    def holds(self, key: str) -> bool:
        """Tell whether there is a part of this key; whether it is whole, `load` finds out."""
        return self.objects.has(key)

    def save(self, key: str, part: Part) -> None:
        """Keep a part, completely or not at all."""
        file = io.BytesIO()
        _write(part, file)
        self.objects.write(key, file.getvalue())

    def load(self, key: str) -> Part | None:
        """Return the part of a key; None where there is none, or a damaged one, which is removed."""
        if not self.objects.has(key):
            return None
        part = _read(io.BytesIO(self.objects.read(key)))
        if part is None:
            self.objects.remove([key])
        return part

    def clear(self) -> None:
        """Remove all parts, as far as the server lets: they are of no use any more, and do no harm."""
        with suppress(DataError):
            self.objects.remove(self.keys())


def _write(part: Part, file: BinaryIO) -> None:
    """Write a part behind its digest."""
    file.write(bytes(_DIGEST_BYTES))
    file.write(json.dumps({"names": list(part.arrays), "lines": part.lines}).encode() + b"\n")
    for array in part.arrays.values():
        np.lib.format.write_array(file, _as_stored(array), allow_pickle=False)
    digest = _digest_rest(file)
    file.seek(0)
    file.write(digest)


def _read(file: BinaryIO) -> Part | None:
    """Read a part; None where it is damaged."""
    if file.read(_DIGEST_BYTES) != _digest_rest(file):
        return None
    file.seek(_DIGEST_BYTES)
    about = json.loads(file.readline())
    arrays = {name: np.lib.format.read_array(file, allow_pickle=False) for name in about["names"]}
    return Part({name: _as_used(array) for name, array in arrays.items()}, tuple(about["lines"]))


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
