"""Matrices of numbers in MATLAB files of versions 5 to 7.

scipy reads such files too, but some damaged ones end its process with a segmentation fault, which nothing can catch.

References
----------
MAT-File Format, The MathWorks, 2022: version 5, https://www.mathworks.com/help/pdf_doc/matlab/matfile_format.pdf.
"""

import struct
import zlib
from collections.abc import Iterator
from math import prod
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgfeat.errors import DataError

HEADER_BYTES: Final = 128
_MATRIX, _COMPRESSED = 14, 15
_INT8, _INT32, _UINT32 = 1, 5, 6
_DTYPES: Final = {
    1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8",
}  # fmt: skip
_NUMERIC_CLASSES: Final = range(6, 16)
_COMPLEX: Final = 0x0800
_MOST_DIMENSIONS: Final = 32
_SMALL_BYTES, _MOST_GROWTH = 1 << 26, 200


def read_matrices(where: str, raw: bytes) -> dict[str, NDArray[Any]]:
    """Return the real matrices of a file; texts, structures, cells and sparse matrices are left out.

    Parameters
    ----------
    where : str
        File, for messages.
    raw : bytes
        Content of a file that begins with ``MATLAB 5.0 MAT-file``.

    Returns
    -------
    dict of str to ndarray
        By name, in the type in which they are stored.

    Raises
    ------
    DataError
        If the file is cut or damaged.
    """
    order = {b"IM": "<", b"MI": ">"}.get(raw[126:HEADER_BYTES])
    if order is None:
        raise _damaged(where, "no mark of the order of bytes")
    matrices = {}
    for kind, content in _elements(where, raw[HEADER_BYTES:], order):
        element = content
        if kind == _COMPRESSED:
            kind, element = next(_elements(where, _decompress(where, content, order), order), (0, b""))
        if kind == _MATRIX:
            matrices.update(_matrix(where, element, order))
    return matrices


def _decompress(where: str, content: bytes, order: str) -> bytes:
    """Return a compressed part, no more of it than it states, and nothing that grows a thousand times."""
    stream = zlib.decompressobj()
    try:
        tag = stream.decompress(content, 8)
        size = struct.unpack(f"{order}I", tag[4:8])[0] if len(tag) == 8 else 0
        if size > max(_SMALL_BYTES, _MOST_GROWTH * len(content)):
            raise _damaged(where, f"{len(content)} bytes that state to be {size}")
        return tag + (stream.decompress(stream.unconsumed_tail, size) if size else b"")
    except zlib.error as error:
        raise _damaged(where, f"a part that cannot be decompressed: {error}") from error


def _elements(where: str, raw: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """Yield type and content of the elements of a file or of a matrix."""
    at = 0
    while at + 8 <= len(raw):
        kind, size = struct.unpack(f"{order}II", raw[at : at + 8])
        start = at + 8
        if kind >> 16:  # a small element: its size and up to four bytes beside its type
            kind, size, start = kind & 0xFFFF, kind >> 16, at + 4
            if size > 4:
                raise _damaged(where, f"a small part of {size} bytes")
            following = at + 8
        else:
            following = start + size + (0 if kind == _COMPRESSED else -size % 8)
        if start + size > len(raw):
            raise _damaged(where, f"a part of {size} bytes, of which {len(raw) - start} are there")
        yield kind, raw[start : start + size]
        at = following


def _matrix(where: str, raw: bytes, order: str) -> dict[str, NDArray[Any]]:
    """Return a real matrix by its name; nothing for one of another kind."""
    elements = _elements(where, raw, order)
    flags_kind, flags = next(elements, (0, b""))
    if flags_kind != _UINT32 or len(flags) != 8:
        raise _damaged(where, "a matrix without flags")
    word = struct.unpack(f"{order}I", flags[:4])[0]
    if word & 0xFF not in _NUMERIC_CLASSES or word & _COMPLEX:
        return {}
    sizes_kind, sizes = next(elements, (0, b""))
    name_kind, name = next(elements, (0, b""))
    dtype_kind, content = next(elements, (0, b""))
    if (sizes_kind, name_kind) != (_INT32, _INT8) or dtype_kind not in _DTYPES or len(sizes) % 4:
        raise _damaged(where, "a matrix without size, name or numbers")
    shape = np.frombuffer(sizes, f"{order}i4").tolist()
    dtype = np.dtype(order + _DTYPES[dtype_kind])
    if len(shape) > _MOST_DIMENSIONS or min(shape, default=-1) < 0 or prod(shape) * dtype.itemsize != len(content):
        raise _damaged(where, f"a matrix of {'x'.join(map(str, shape[:8]))} in {len(content)} bytes")
    values = np.frombuffer(content, dtype).astype(dtype.newbyteorder("="))
    return {name.decode("latin-1"): values.reshape(shape, order="F")}


def _damaged(where: str, found: str) -> DataError:
    return DataError(where, found=f"a damaged MATLAB file ({found})", expected="a whole file", remedy="Copy it again.")
