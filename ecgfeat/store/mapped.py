"""Arrays that may be larger than memory, all together: in files that end with the process."""

import tempfile
from pathlib import Path
from typing import Any, Final

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
