"""Write WFDB records and annotation files.

References
----------
Moody, WFDB Applications Guide: header(5), signal(5), annot(5), https://wfdb.io/mit_wfdb/spec/.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ecgfeat.records.formats import encode_annotations


def write_record(
    folder: Path,
    record: str,
    signal_uv_SC: npt.NDArray[np.int16],
    fs_hz: float,
    leads: Sequence[str],
    comments: Sequence[str] = (),
) -> None:
    """Write samples as a WFDB record: format 16, one unit per microvolt, checksums.

    Parameters
    ----------
    folder : Path
        Existing folder.
    record : str
        Record name.
    signal_uv_SC : ndarray of int16, shape (S, C)
        Microvolts; -32768 marks an invalid sample.
    fs_hz : float
        Sampling frequency.
    leads : sequence of str, length C
        Names by position.
    comments : sequence of str
        Comment lines without ``#``.

    Raises
    ------
    ValueError
        If the array is not int16 of shape (S, C), or a name or comment would break the header.
    """
    if signal_uv_SC.dtype != np.int16 or signal_uv_SC.ndim != 2 or signal_uv_SC.shape[1] != len(leads):
        raise ValueError(f"signal: {signal_uv_SC.dtype} {signal_uv_SC.shape}; expected int16, {len(leads)} leads.")
    if len(signal_uv_SC) == 0 or not fs_hz > 0:
        raise ValueError(f"signal: {len(signal_uv_SC)} samples at {fs_hz} Hz; expected samples at a positive rate.")
    if any(not text.strip() or "\n" in text for text in (record, *leads)) or any("\n" in text for text in comments):
        raise ValueError("record, leads, comments: an empty name or a line break; expected one line each.")
    name = Path(record).name
    np.ascontiguousarray(signal_uv_SC, dtype="<i2").tofile(Path(folder) / f"{record}.dat")
    lines = [f"{name} {len(leads)} {fs_hz:.12g} {len(signal_uv_SC)}"]
    for at, lead in enumerate(leads):
        checksum = (int(np.sum(signal_uv_SC[:, at], dtype=np.int64)) + (1 << 15)) % (1 << 16) - (1 << 15)
        lines.append(f"{name}.dat 16 1000(0)/mV 16 0 {signal_uv_SC[0, at]} {checksum} 0 {lead}")
    lines += [f"# {text}" for text in comments]
    # The header comes last: an interrupted write leaves no header, so no record.
    (Path(folder) / f"{record}.hea").write_bytes(("\n".join(lines) + "\n").encode())


def write_annotation_file(
    folder: Path,
    record: str,
    extension: str,
    sample: npt.ArrayLike,
    symbol: Sequence[str] | npt.NDArray[np.str_],
    aux: Sequence[str] | None,
    fs_hz: float,
) -> None:
    """Write annotations as a WFDB annotation file.

    Parameters
    ----------
    folder : Path
        Existing folder.
    record : str
        Record name.
    extension : str
        Extension, such as ``atr``.
    sample : array_like of int, shape (n,)
        Positions in ascending order.
    symbol : sequence of str, shape (n,)
        WFDB symbols.
    aux : sequence of str, shape (n,), or None
        Notes; empty: none.
    fs_hz : float
        Rate of the positions; the file states it.

    Raises
    ------
    ValueError
        If positions descend, or a symbol or note cannot be written.
    """
    (Path(folder) / f"{record}.{extension}").write_bytes(encode_annotations(sample, symbol, aux, fs_hz))
