"""Hashes of whatever a result depends on."""

import hashlib

import numpy as np
import pyarrow as pa

from ecgfeat.store.tables import Columns


def content_key(*parts: bytes | str) -> str:
    """Return a hash of ``parts`` in order, as hex digits.

    Parameters
    ----------
    *parts : bytes or str
        Everything the result depends on.

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


def columns_key(columns: Columns) -> str:
    """Return a hash of the columns of a table, or of some of its rows.

    Parameters
    ----------
    columns : dict of str to array
        Numbers, or texts as ``object`` arrays.

    Returns
    -------
    str
        32 hex digits.
    """
    parts: list[bytes | str] = []
    for name, column in columns.items():
        array = np.asarray(column)
        parts += [name, f"{array.dtype} {array.shape}"]
        if array.dtype == object:
            # As Arrow keeps texts: where each one ends, and then all of them.
            parts += [buffer.to_pybytes() for buffer in pa.array(array, pa.large_string()).buffers() if buffer]
        else:
            parts.append(array.tobytes())
    return content_key(*parts)
