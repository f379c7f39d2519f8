"""Finished records of an unfinished stage, so that an interrupted run continues where it stopped.

A key is a hash of everything the result depends on. Entries are kept outside the stage outputs, which DVC deletes
before each run, and removed when the stage has published its artifact.
"""

import hashlib
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfeat.store.publish import publish


def content_key(*parts: bytes | str) -> str:
    """Return a hash of ``parts`` in order, as hex digits.

    Parameters
    ----------
    *parts : bytes or str
        Everything the cached result depends on.

    Returns
    -------
    str
        32 hex digits. Part boundaries count: ``("ab", "c")`` and ``("a", "bc")`` differ.
    """
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()


class RecordCache:
    """Arrays by content key in one folder, each with its checksum in front."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, key: str) -> NDArray[Any] | None:
        """Return the array stored under ``key``; None when it is absent or damaged."""
        try:
            with (self._folder / key).open("rb") as file:
                digest = file.read(16)
                array = np.load(file, allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        return array if digest == _digest(array) else None

    def save(self, key: str, array: NDArray[Any]) -> None:
        """Store ``array`` under ``key``, completely or not at all."""
        with publish(self._folder / key) as part, part.open("wb") as file:
            file.write(_digest(array))
            np.save(file, array, allow_pickle=False)

    def clear(self, keys: Iterable[str] | None = None) -> None:
        """Remove ``keys``, or everything."""
        if keys is None:
            shutil.rmtree(self._folder, ignore_errors=True)
        for key in keys or ():
            (self._folder / key).unlink(missing_ok=True)


def _digest(array: NDArray[Any]) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(array).tobytes(), digest_size=16).digest()
