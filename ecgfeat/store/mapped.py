"""Arrays that may be larger than memory, all together: in files that end with the process."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ecgfeat.errors import DataError

_MOST_BYTES: Final = 4 * 2**10
"""A larger array is in a file."""

_BLOCK_BYTES: Final = 64 * 2**20
"""Arrays that are much smaller share a file of this size: a process may map some ten thousand files, not a million."""

_ALIGNED_BYTES: Final = 64


def allocate(shape: tuple[int, ...], folder: Path | None, dtype: DTypeLike = np.float32) -> NDArray[Any]:
    """Return an array to be filled: in memory, or, if it is large, mapped to a file without a name.

    Parameters
    ----------
    shape : tuple of int
        Its shape.
    folder : Path or None
        Where the file is; made if absent. None: the array is in memory, whatever its size. One process, in one thread,
        allocates in a folder.
    dtype : dtype
        Its type.

    Returns
    -------
    ndarray
        Its values are undefined. The system writes mapped pages to disk where memory is short; their room on disk is
        free again when the array is.

    Raises
    ------
    DataError
        If the disk has no room for it.
    """
    num_bytes = np.dtype(dtype).itemsize * int(np.prod(shape, dtype=np.int64))
    if folder is None or num_bytes <= _MOST_BYTES:
        return np.empty(shape, dtype=dtype)
    if 4 * num_bytes > _BLOCK_BYTES:
        return _map_file(folder, num_bytes).view(dtype).reshape(shape)
    free = _free_of.get(folder)
    if free is None or len(free) < num_bytes:
        free = _map_file(folder, _BLOCK_BYTES)
    _free_of[folder] = free[-(-num_bytes // _ALIGNED_BYTES) * _ALIGNED_BYTES :]
    return free[:num_bytes].view(dtype).reshape(shape)


_free_of: dict[Path, NDArray[np.uint8]] = {}
"""By folder: what is left of the block that small arrays share. A block ends with the last array in it."""

if hasattr(os, "register_at_fork"):  # the block is shared with a child, what is left of it is not
    os.register_at_fork(after_in_child=_free_of.clear)


def _map_file(folder: Path, num_bytes: int) -> NDArray[np.uint8]:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        try:
            if hasattr(os, "posix_fallocate"):
                # Without its room on disk, a write to memory of a full disk would end the process.
                os.posix_fallocate(file.fileno(), 0, num_bytes)
            return np.memmap(file, dtype=np.uint8, mode="w+", shape=(num_bytes,))
        except OSError as error:
            raise DataError(
                str(folder),
                found=f"{error.strerror or error} for {num_bytes / 1e6:.0f} MB",
                expected="room on the disk",
                remedy="Free some space and run the command again.",
            ) from error


def keep_mapped(array: NDArray[Any], folder: Path | None) -> NDArray[Any]:
    """Return an array as it is, or, if it is large, its copy in a file, as `allocate` makes it."""
    kept = allocate(array.shape, folder, array.dtype)
    if not isinstance(kept, np.memmap):
        return array
    kept[:] = array
    return kept


@contextmanager
def open_spool(folder: Path) -> Iterator["Spool"]:
    """Yield a spool, whose room on disk is free again when the block ends.

    Parameters
    ----------
    folder : Path
        Where its file is; made if absent.

    Yields
    ------
    Spool
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        yield Spool(file)


class Spool:
    """Arrays that are written one after the other to a file without a name, and read again in this order.

    Parameters
    ----------
    file : binary file
        Empty, open for reading and writing.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._number = 0

    def append(self, array: NDArray[Any]) -> None:
        """Write an array behind those before it."""
        np.save(self._file, array, allow_pickle=False)
        self._number += 1

    def __iter__(self) -> Iterator[NDArray[Any]]:
        """Yield the arrays."""
        self._file.seek(0)
        for _ in range(self._number):
            array: NDArray[Any] = np.load(self._file, allow_pickle=False)
            yield array
