"""Write WFDB records and annotation files.

References
----------
Moody, WFDB Applications Guide: header(5), signal(5), annot(5), https://wfdb.io/mit_wfdb/spec/.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ecgfeat.errors import DataError
from ecgfeat.records.formats import INVALID, encode_annotations
from ecgfeat.records.samples import DEFAULT_GAIN

_NANOVOLTS_PER_MV = 1e6


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


def write_blocks(
    folder: Path,
    record: str,
    blocks: Iterable[npt.NDArray[np.float32]],
    fs_hz: float,
    leads: Sequence[str],
    *,
    uncalibrated: Sequence[str] = (),
    start: datetime | None = None,
    comments: Sequence[str] = (),
) -> None:
    """Write samples block by block as a WFDB record: format 32, one unit per nanovolt, checksums.

    Parameters
    ----------
    folder : Path
        Existing folder.
    record : str
        Record name, of letters, digits, ``-``, ``+`` and ``_``, with its folder.
    blocks : iterable of ndarray of float32, shape (S, C)
        Millivolts from start to end; NaN is invalid.
    fs_hz : float
        Sampling frequency.
    leads : sequence of str, length C
        Names by position.
    uncalibrated : sequence of str
        Leads without a gain. They are written without one, so that readers know that amplitudes are relative.
    start : datetime, optional
        When the recording began.
    comments : sequence of str
        Comment lines without ``#``.

    Raises
    ------
    DataError
        If there is no sample. Samples beyond 2.1 V, which no integer of 32 bits holds, are written as invalid, and a
        comment counts them.
    """
    name, invalid = Path(record).name, INVALID["32"]
    gain_C = np.array([DEFAULT_GAIN if lead in uncalibrated else _NANOVOLTS_PER_MV for lead in leads])
    first_C: npt.NDArray[np.int32] | None = None
    sum_C, num_samples, num_beyond = np.zeros(len(leads), np.int64), 0, 0
    with (Path(folder) / f"{record}.dat").open("wb") as file:
        for block_SC in blocks:
            scaled_SC = np.rint(block_SC * gain_C)
            is_invalid_SC = ~(np.abs(scaled_SC) < -invalid)
            num_beyond += int(np.count_nonzero(is_invalid_SC & np.isfinite(block_SC)))
            digital_SC = np.where(is_invalid_SC, invalid, scaled_SC).astype("<i4")
            if first_C is None and len(digital_SC):
                first_C = digital_SC[0]
            sum_C += digital_SC.sum(axis=0, dtype=np.int64)
            num_samples += len(digital_SC)
            digital_SC.tofile(file)
    if first_C is None:
        raise DataError(record, found="no sample", expected="at least one")
    clock = "" if start is None else f" {start:%H:%M:%S.%f} {start:%d/%m/}{start.year:04d}"
    lines = [f"{name} {len(leads)} {fs_hz:.12g} {num_samples}{clock}"]
    for at, lead in enumerate(leads):
        checksum = (int(sum_C[at]) + (1 << 15)) % (1 << 16) - (1 << 15)
        gain = "0" if lead in uncalibrated else f"{gain_C[at]:.0f}"
        lines.append(f"{name}.dat 32 {gain}(0)/mV 32 0 {first_C[at]} {checksum} 0 {lead}")
    if num_beyond:
        comments = [*comments, f"{num_beyond} samples beyond 2.1 V are invalid"]
    lines += [f"# {text}" for text in comments]
    # The header comes last: an interrupted write leaves no header, so no record.
    (Path(folder) / f"{record}.hea").write_bytes(("\n".join(lines) + "\n").encode(errors="replace"))


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
