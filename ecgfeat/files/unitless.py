"""Files that may state no unit and no rate: arrays, tables, JSON.

Decimal numbers without a unit are taken for millivolts. Whole numbers are counts of an unknown gain, and need their
unit: a gain is never guessed. Only channels that are read are looked at: a marker beside an ECG has no unit either.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfeat.errors import DataError, UsageError
from ecgfeat.files.recording import Blocks, Channel, array_blocks
from ecgfeat.records.units import EXPECTED, millivolts_per

RATE_NAMES = (
    *("fs", "fs_hz", "sfreq", "sampling_rate", "samplingrate", "sampling_frequency", "samplingfrequency"),
    *("frequency", "freq", "rate"),
)
_LARGEST_MV = 33.0


def refuse_stated(kind: str, *, fs_hz: float | None, unit: str | None) -> None:
    """Refuse options for what a file states itself.

    Parameters
    ----------
    kind : str
        What the file is, such as ``a WFDB record``.
    fs_hz, unit : float and str, optional
        As given.

    Raises
    ------
    UsageError
        If one is given.
    """
    for option, given in (("--fs", fs_hz if fs_hz is None else f"{fs_hz:g}"), ("--unit", unit)):
        if given is not None:
            found = f"{given} for {kind}"
            raise UsageError(option, found=found, expected="what the file states", remedy=f"Remove {option}.")


def choose_rate(where: str, fs_hz: float | None, stated: Mapping[str, float]) -> float:
    """Return the sampling frequency of a file.

    Parameters
    ----------
    where : str
        File, for messages.
    fs_hz : float or None
        As given by the user.
    stated : mapping of str to float
        What the file states, by the place where it does.

    Returns
    -------
    float

    Raises
    ------
    UsageError
        If there is none, or two differ by more than one in a hundred.
    """
    rates = dict(stated) if fs_hz is None else {"--fs": fs_hz, **stated}
    if not rates:
        raise UsageError(where, found="no rate in it, and no --fs", expected="its sampling rate", remedy="Add --fs HZ.")
    (first, rate_hz), *others = rates.items()
    for place, other_hz in others:
        if not abs(other_hz / rate_hz - 1) <= 0.01:
            found = f"{rate_hz:g} Hz by {first}, {other_hz:g} Hz by {place}"
            remedy = "Remove --fs." if fs_hz is not None else "Add nothing, and remove the wrong one from the file."
            raise UsageError(where, found=found, expected="one rate", remedy=remedy)
    return rate_hz


def column_blocks(
    where: str, columns: Sequence[NDArray[Any]], channels: Sequence[Channel], unit: str | None
) -> Callable[[Sequence[int]], Blocks]:
    """Return the `Recording.read_blocks` of channels in memory, some of which state no unit.

    Parameters
    ----------
    where : str
        File, for messages.
    columns : sequence of ndarray, length C
        Samples of each channel.
    channels : sequence of Channel, length C
        Their units as stated; empty: none.
    unit : str or None
        Unit of those that state none, as given by the user.

    Raises
    ------
    UsageError
        If `unit` is no unit of voltage, or given where every channel states one.
    """
    if unit is not None and millivolts_per(unit) is None:
        raise UsageError("--unit", found=repr(unit), expected=EXPECTED)
    if unit is not None and all(channel.unit for channel in channels):
        refuse_stated(where, fs_hz=None, unit=unit)

    def factor_of(at: int) -> float:
        stated = channels[at].unit or unit
        if stated:
            return millivolts_per(stated) or float("nan")
        _check_millivolts(where, channels[at].name, columns[at])
        return 1.0

    def read_blocks(places: Sequence[int]) -> Blocks:
        factors = {at: factor_of(at) for at in places}
        return array_blocks(columns, [factors.get(at, float("nan")) for at in range(len(columns))])(places)

    return read_blocks


def _check_millivolts(where: str, name: str, column_S: NDArray[Any]) -> None:
    """Refuse numbers without a unit that cannot be taken for millivolts."""
    some_S = np.asarray(column_S[:: max(1, len(column_S) // 100_000)], dtype=np.float64)
    some_S = some_S[np.isfinite(some_S)]
    if not some_S.size or some_S.min() == some_S.max():
        return  # nothing that a unit would change
    channel = f" of {name}" if name else ""
    if (some_S == np.rint(some_S)).all():
        remedy = "Add --unit: uV, mV or V. Counts of a converter must be divided by their gain: it is never guessed."
        raise UsageError(where, found=f"whole numbers{channel} without a unit", expected="their unit", remedy=remedy)
    if np.percentile(np.abs(some_S), 99) > _LARGEST_MV:
        found = f"values{channel} up to {min(float(np.abs(some_S).max()), 1e99):.4g} and no unit"
        remedy = "Name the unit, such as --unit uV. Counts of a converter must be divided by their gain."
        raise DataError(where, found=found, expected=f"mV, below {_LARGEST_MV:g}", remedy=remedy)
