"""Read the signal that a user names on the command line: a WFDB record by its path, or a NumPy array with its rate."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from ecgfeat.errors import DataError, UsageError
from ecgfeat.records.reader import Signal, read_signal
from ecgfeat.store.schemas import LIMIT_UV


def read_array(path: Path, fs_hz: float) -> Signal:
    """Read a signal from a NumPy file.

    Parameters
    ----------
    path : Path
        ``.npy`` of shape (samples, leads), float, in mV; NaN where invalid.
    fs_hz : float
        Its sampling frequency.

    Returns
    -------
    Signal
        Leads are called ``lead 1`` and so on.

    Raises
    ------
    UsageError
        If the rate is not positive.
    DataError
        If the file is absent or damaged, or its shape, type or values are not those of a signal in mV.
    """
    where = str(path)
    if not (np.isfinite(fs_hz) and fs_hz > 0):
        raise UsageError("--fs", found=f"{fs_hz:g}", expected="a positive number of Hz")
    if not path.is_file():
        raise DataError(where, found="no such file", expected="a NumPy array of shape (samples, leads)")
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise DataError(
            where, found=f"not a readable array ({error})", expected="a NumPy .npy file of numbers"
        ) from error
    if not isinstance(array, np.ndarray) or array.ndim != 2 or array.shape[0] < array.shape[1] or array.shape[1] == 0:
        found = f"shape {getattr(array, 'shape', 'of an archive')}"
        raise DataError(where, found=found, expected="(samples, leads)", remedy="Transpose it or add an axis of leads.")
    if not np.issubdtype(array.dtype, np.floating):
        remedy = "Convert the stored units to mV: a gain is never guessed."
        raise DataError(where, found=f"{array.dtype} values", expected="floats in mV", remedy=remedy)
    signal_mv_SC = array.astype(np.float32)
    finite = np.isfinite(signal_mv_SC)
    if finite.any() and np.percentile(np.abs(signal_mv_SC[finite]), 99) > LIMIT_UV / 1000:
        found = f"values up to {np.abs(signal_mv_SC[finite]).max():.0f}"
        raise DataError(where, found=found, expected="mV, below 33", remedy="Divide microvolts by 1000.")
    return Signal(path.stem, float(fs_hz), tuple(f"lead {at + 1}" for at in range(array.shape[1])), signal_mv_SC)


def read_record(path: Path) -> Signal:
    """Read a WFDB record named by its path, with or without the extension of its header.

    Parameters
    ----------
    path : Path
        Such as ``data/raw/mitdb/100``.

    Returns
    -------
    Signal
        Its name without the folder.

    Raises
    ------
    DataError
        If a file is absent or damaged.
    """
    path = path.with_suffix("") if path.suffix in (".hea", ".dat") else path
    return replace(read_signal(path.parent, path.name), record=path.name)


def read_input(path: Path, fs_hz: float | None) -> Signal:
    """Read a WFDB record, or an array with its sampling rate.

    Parameters
    ----------
    path : Path
        Record without extension, or an array with the ending ``.npy``.
    fs_hz : float or None
        Sampling rate of the array; None for a record, whose header has it.

    Returns
    -------
    Signal
        See `read_record` and `read_array`.

    Raises
    ------
    UsageError
        If an array has no sampling rate, or a record has a second one.
    DataError
        If a file is missing or damaged.
    """
    is_array = path.suffix == ".npy"
    if is_array and fs_hz is None:
        raise UsageError(str(path), found="an array and no --fs", expected="its sampling rate", remedy="Add --fs HZ.")
    if not is_array and fs_hz is not None:
        found = f"{fs_hz:g} for a WFDB record"
        raise UsageError("--fs", found=found, expected="the rate in its header", remedy="Remove --fs.")
    return read_record(path) if fs_hz is None else read_array(path, fs_hz)
