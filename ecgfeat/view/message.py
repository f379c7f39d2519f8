"""What the server sends in binary form: a JSON header and arrays behind it.

Layout: the length of the header as 4 bytes, low byte first; the header in UTF-8, padded with spaces; the arrays, one
after the other, each at a multiple of 8 bytes. The header lists them by name, type and length.
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

TYPES = {"int16": "Int16", "int32": "Int32", "uint8": "Uint8", "uint16": "Uint16", "float32": "Float32"}
"""Types of arrays that a browser reads, by the name of numpy; the name of a typed array without ``Array``."""


def pack(header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Put a header and arrays into one message.

    Parameters
    ----------
    header : mapping
        JSON types; the key ``arrays`` is added.
    arrays : mapping of str to ndarray
        One of `TYPES` each; any shape, sent row by row.

    Returns
    -------
    bytes
        The message. Arrays of int16 are sent as differences to the element before, which compress to half the size.
    """
    described = [
        {"name": name, "type": TYPES[array.dtype.name], "length": array.size} for name, array in arrays.items()
    ]
    head = json.dumps({**header, "arrays": described}, separators=(",", ":")).encode()
    head += b" " * (-(len(head) + 4) % 8)
    parts = [len(head).to_bytes(4, "little"), head]
    for array in arrays.values():
        flat = np.ascontiguousarray(array).ravel()
        if flat.dtype == np.int16:
            flat = np.diff(flat, prepend=np.zeros(1, np.int16))  # wraps, and so does the sum of the browser
        content = flat.astype(flat.dtype.newbyteorder("<")).tobytes()
        parts += [content, b"\0" * (-len(content) % 8)]
    return b"".join(parts)
