"""Arrays of numbers: NumPy files and archives, and MATLAB files.

Such a file states no names and, mostly, neither rate nor unit: see `ecgfeat.files.unitless`.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfeat.errors import DataError, UsageError, printable
from ecgfeat.files.matlab import read_matrices
from ecgfeat.files.recording import Channel, Recording
from ecgfeat.files.unitless import RATE_NAMES, choose_rate, column_blocks

_SIGNAL_NAMES = ("val", "signal", "ecg", "data", "x", "sig", "signals", "leads", "ecgs")
_MOST_LEADS = 256


def open_npy(path: Path, *, fs_hz: float | None, unit: str | None) -> Recording:
    """Open an array of shape (samples, leads), (leads, samples) or (samples,); see `recording_of_array`."""
    array = np.load(path, mmap_mode="r" if path.stat().st_size > 1 << 20 else None, allow_pickle=False)
    if fs_hz is None:
        raise UsageError(
            printable(str(path)), found="an array and no --fs", expected="its sampling rate", remedy="Add --fs HZ."
        )
    return recording_of_array(path, "NumPy", array, fs_hz, unit)


def open_npz(path: Path, *, fs_hz: float | None, unit: str | None) -> Recording:
    """Open the signal of an archive of arrays, and its rate where a scalar of it has such a name."""
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    return _recording_of_named(path, "NumPy archive", arrays, fs_hz, unit)


def open_matlab(path: Path, *, fs_hz: float | None, unit: str | None) -> Recording:
    """Open the signal of a MATLAB file up to version 7: ``val``, as in the Challenges of CinC, or another matrix."""
    raw = path.read_bytes()
    if raw.startswith(b"MATLAB 5.0 MAT-file"):
        arrays = read_matrices(printable(path.name), raw)
    else:
        from scipy.io import loadmat

        arrays = {name: value for name, value in loadmat(path).items() if isinstance(value, np.ndarray)}
    return _recording_of_named(path, "MATLAB", arrays, fs_hz, unit)


def _recording_of_named(
    path: Path, kind: str, arrays: Mapping[str, NDArray[Any]], fs_hz: float | None, unit: str | None
) -> Recording:
    where = printable(path.name)
    numbers = {name: array for name, array in arrays.items() if np.issubdtype(array.dtype, np.number)}
    stated = [
        float(np.real(array.reshape(-1)[0]))
        for name, array in numbers.items()
        if array.size == 1 and name.casefold() in RATE_NAMES
    ]
    signals = {name: array for name, array in numbers.items() if array.size > 1 and np.squeeze(array).ndim in (1, 2)}
    signals = {name: array for name, array in signals.items() if not _is_axis(array)}
    known = [name for name in signals if name.casefold() in _SIGNAL_NAMES]
    names = known or list(signals)
    listed = ", ".join(f"{name} {'x'.join(map(str, array.shape))}" for name, array in arrays.items())
    if len(names) != 1:
        expected = f"one matrix, or one called {', '.join(_SIGNAL_NAMES[:4])}"
        raise DataError(where, found=f"arrays {listed or 'none'}", expected=expected)
    rate_hz = choose_rate(where, fs_hz, dict(zip([where], stated, strict=False)))
    recording = recording_of_array(path, kind, np.squeeze(signals[names[0]]), rate_hz, unit)
    aside = ", ".join(name for name in signals if name != names[0])
    return replace(recording, notes=(f"read: {names[0]}; left aside: {aside}",)) if aside else recording


def _is_axis(array: NDArray[Any]) -> bool:
    """Tell whether an array is the time beside a signal: it rises evenly."""
    line = np.squeeze(array)
    if line.ndim != 1 or np.iscomplexobj(line) or len(line) < 3:
        return False
    steps = np.diff(line.astype(np.float64))
    return bool((steps > 0).all() and steps.max() < 1.5 * steps.min())


def recording_of_array(path: Path, kind: str, array: NDArray[Any], fs_hz: float, unit: str | None) -> Recording:
    """Return the recording of an array.

    Parameters
    ----------
    path : Path
        Its file, for names and messages.
    kind : str
        Name of the format.
    array : ndarray of numbers
        Shape (samples,), (samples, leads) or (leads, samples); the longer axis is time.
    fs_hz : float
        Sampling frequency.
    unit : str or None
        Unit of voltage; None: decimal numbers are millivolts.

    Returns
    -------
    Recording
        Channels without names.

    Raises
    ------
    UsageError
        If the numbers are whole and `unit` is None, or it is no unit of voltage.
    DataError
        If shape, type or size are not those of a signal.
    """
    where = printable(str(path))
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
        found = f"{getattr(array, 'dtype', type(array).__name__)} values"
        raise DataError(where, found=found, expected="numbers")
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or not array.size or min(array.shape) > _MOST_LEADS:
        found = f"an array of shape {array.shape}"
        raise DataError(where, found=found, expected="(samples, leads)", remedy="Store one recording in a file.")
    signal_SC = array if array.shape[0] >= array.shape[1] else array.T
    channels = tuple(Channel("", "", fs_hz, len(signal_SC)) for _ in range(signal_SC.shape[1]))
    columns = [signal_SC[:, at] for at in range(signal_SC.shape[1])]
    return Recording(path.stem, kind, channels, column_blocks(where, columns, channels, unit))
