"""Arrays that may be larger than memory, all together: in files that end with the process."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

_MOST_BYTES: Final = 8 * 2**20
"""A larger array is in a file."""


def allocate(shape: tuple[int, ...], folder: Path | None, dtype: DTypeLike = np.float32) -> NDArray[Any]:
    """Return an array to be filled: in memory, or, if it is large, mapped to a file without a name.

    Parameters
    ----------
    shape : tuple of int
        Its shape.
    folder : Path or None
        Where the file is; made if absent. None: the array is in memory, whatever its size.
    dtype : dtype
        Its type.

    Returns
    -------
    ndarray
        Its values are undefined. The system writes mapped pages to disk where memory is short; their room on disk is
        free again when the array is.
    """
    if folder is None or np.dtype(dtype).itemsize * int(np.prod(shape, dtype=np.int64)) <= _MOST_BYTES:
        return np.empty(shape, dtype=dtype)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        return np.memmap(file, dtype=dtype, mode="w+", shape=shape)


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
