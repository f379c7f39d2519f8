"""EDF, EDF+, BDF and BDF+ files by `edfio`; data records of a discontinuous file are put where their times say.

References
----------
Kemp, Olivan, "European data format 'plus' (EDF+)", Clinical Neurophysiology 114:1755-1761, 2003,
https://www.edfplus.info/specs/edfplus.html.
"""

import re
import warnings
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfeat.errors import DataError, UsageError, printable
from ecgfeat.files.recording import Blocks, Channel, Recording
from ecgfeat.files.unitless import refuse_stated
from ecgfeat.records.headers import LONGEST_S
from ecgfeat.records.units import millivolts_per

_RECORDS_PER_BLOCK_S = 600
_ONSET = re.compile(rb"([-+]\d{1,12}(?:\.\d{0,9})?)(?:\x15[\d.]{1,20})?\x14")
_SIGNAL_HEADER_BYTES, _LABEL_BYTES, _SIZE_AT = 256, 16, 216


def open_edf(path: Path, *, fs_hz: float | None, unit: str | None) -> Recording:
    """Open an EDF or BDF file."""
    import edfio

    where = printable(path.name)
    refuse_stated("an EDF file", fs_hz=fs_hz, unit=None)
    with path.open("rb") as file:
        main = file.read(256)
        signals = int(main[252:256])
        header = file.read(_SIGNAL_HEADER_BYTES * signals)
    is_bdf, reserved = main[:1] == b"\xff", main[192:236].decode("latin-1").strip()
    if len(header) < _SIGNAL_HEADER_BYTES * signals:
        raise DataError(where, found=f"a header of {256 + len(header)} bytes", expected=f"{256 * (signals + 1)}")
    labels = [header[at * _LABEL_BYTES : (at + 1) * _LABEL_BYTES].decode("latin-1").strip() for at in range(signals)]
    sizes = [int(header[_SIZE_AT * signals + 8 * at :][:8]) for at in range(signals)]
    width, num_stated = 3 if is_bdf else 2, int(main[236:244])
    if min(sizes, default=0) < 1:
        raise DataError(where, found=f"{min(sizes, default=0)} samples in a data record", expected="at least 1")
    num_records = (path.stat().st_size - 256 * (signals + 1)) // (width * sum(sizes))
    if num_records < max(num_stated, 1):
        found = f"{num_records} of {num_stated} data records"
        raise DataError(where, found=found, expected="the whole file", remedy="The file is cut short: copy it again.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the number of data records, which is compared here
        edf = (edfio.read_bdf if is_bdf else edfio.read_edf)(path, header_encoding="latin-1")
    notes: tuple[str, ...] = ()
    if 0 < num_stated < num_records:
        notes = (f"{num_records - num_stated} data records behind the stated end were not read",)
        num_records = num_stated
    elif (path.stat().st_size - 256 * (signals + 1)) % (width * sum(sizes)):
        notes = ("its last data record is incomplete and was not read",)
    duration_s = float(edf.data_record_duration)
    ordinary = [signal for signal in edf.signals if signal.samples_per_data_record > 0]
    starts = np.arange(num_records, dtype=np.float64) * duration_s
    timing = next((at for at, label in enumerate(labels) if label in ("EDF Annotations", "BDF Annotations")), None)
    first_s = 0.0
    if timing is not None and reserved.startswith(("EDF+", "BDF+")):
        onsets = _onsets(path, where, width, sizes, timing, num_records)
        first_s = float(onsets[0]) if 0 <= onsets[0] < 1 else 0.0
        starts = onsets - onsets[0] if reserved[4:5] == "D" else starts
    gaps_s = np.diff(starts) - duration_s
    finest_s = min(duration_s / size for size in sizes)
    if not np.isfinite(starts).all() or (gaps_s < -finest_s / 2).any():
        raise DataError(where, found="data records that overlap in time", expected="one after another")
    length_s = float(starts[-1]) + duration_s
    if length_s > LONGEST_S:
        found = f"{length_s / 86400:.3g} days"
        raise DataError(where, found=found, expected=f"at most {LONGEST_S // 86400} days", remedy="Cut the file.")
    if num_gaps := int((gaps_s > finest_s / 2).sum()):
        lost_s = gaps_s[gaps_s > finest_s / 2].sum()
        notes = (*notes, f"{num_gaps} gap{'s' * (num_gaps > 1)} of {lost_s:.6g} s in all between its data records")
    if unit is not None and all(signal.physical_dimension for signal in ordinary):
        refuse_stated("an EDF file whose channels have units", fs_hz=None, unit=unit)
    channels, scales = [], []
    for signal in ordinary:
        rate_hz = signal.samples_per_data_record / duration_s
        num_samples = _place(starts, rate_hz)[-1] + signal.samples_per_data_record
        name, dimension = signal.label, signal.physical_dimension or unit or ""
        channels.append(Channel(name, dimension, rate_hz, int(num_samples)))
        digital, physical = signal.digital_max - signal.digital_min, signal.physical_max - signal.physical_min
        if millivolts_per(dimension) is not None and (digital == 0 or physical == 0 or not np.isfinite(physical)):
            raise DataError(where, found=f"a range of nothing in channel {name}", expected="a range above 0")
        gain = physical / digital if digital else float("nan")
        scales.append((gain, signal.physical_min - gain * signal.digital_min))

    def read_blocks(columns: Sequence[int]) -> Blocks:
        return _blocks(ordinary, columns, channels, scales, starts, duration_s)

    return Recording(
        path.stem,
        reserved[:5] if reserved[:5] in ("EDF+C", "EDF+D", "BDF+C", "BDF+D") else "BDF" if is_bdf else "EDF",
        tuple(channels),
        read_blocks,
        _start(main, first_s),
        notes,
    )


def _place(starts_s: NDArray[np.float64], rate_hz: float) -> NDArray[np.int64]:
    """Return the first sample of each data record."""
    return np.rint(starts_s * rate_hz).astype(np.int64)


def _blocks(
    signals: Sequence[object],
    columns: Sequence[int],
    channels: Sequence[Channel],
    scales: Sequence[tuple[float, float]],
    starts_s: NDArray[np.float64],
    duration_s: float,
) -> Blocks:
    first = channels[columns[0]]
    place = _place(starts_s, first.fs_hz)
    per_record = signals[columns[0]].samples_per_data_record  # type: ignore[attr-defined]
    step = max(1, int(_RECORDS_PER_BLOCK_S / duration_s))
    end = 0
    for low in range(0, len(place), step):
        high = min(low + step, len(place))
        # From the end of the block before, so that a gap between two blocks belongs to the second.
        begin, stop = end, int(place[high - 1]) + per_record
        end = stop
        block_SC = np.full((stop - begin, len(columns)), np.nan, np.float32)
        row = (place[low:high, None] - begin + np.arange(per_record)).reshape(-1)
        for at, column in enumerate(columns):
            gain, offset = scales[column]
            factor = _factor(channels[column])
            digital_S = _digital(signals[column], low, high, per_record)
            block_SC[row, at] = digital_S * (gain * factor) + offset * factor
        yield from _pieces(block_SC)


def _factor(channel: Channel) -> float:
    """Return the millivolts per unit of a channel."""
    if not channel.unit:
        remedy = "Add --unit: uV, mV or V."
        raise UsageError(channel.name, found="a channel without a unit", expected="its unit", remedy=remedy)
    return millivolts_per(channel.unit) or float("nan")


def _pieces(block_SC: NDArray[np.float32]) -> Blocks:
    size = 1 << 18
    for start in range(0, len(block_SC), size):
        yield block_SC[start : start + size]


def _digital(signal: object, low: int, high: int, per_record: int) -> NDArray[Any]:
    loader = signal._lazy_loader  # type: ignore[attr-defined]
    if loader is not None:
        return np.asarray(loader.load(low, high))
    return np.asarray(signal.digital[low * per_record : high * per_record])  # type: ignore[attr-defined]


def _onsets(
    path: Path, where: str, width: int, sizes: Sequence[int], timing: int, num_records: int
) -> NDArray[np.float64]:
    """Read the time of every data record, which stands first in its first list of annotations."""
    bytes_per_record = width * sum(sizes)
    raw = np.memmap(path, np.uint8, "r", 256 * (len(sizes) + 1), (num_records, bytes_per_record))
    begin = width * sum(sizes[:timing])
    onsets = np.empty(num_records)
    for at in range(num_records):
        found = _ONSET.match(raw[at, begin : begin + width * sizes[timing]].tobytes())
        if found is None:
            raise DataError(where, found=f"data record {at} without a time", expected="a time in each, as in EDF+D")
        onsets[at] = float(found.group(1))
    return onsets


def _start(main: bytes, first_s: float) -> datetime | None:
    if main[168:176] == b"01.01.85":  # the date of a file without one
        return None
    match = re.fullmatch(rb"(\d\d)\.(\d\d)\.(\d\d)(\d\d)\.(\d\d)\.(\d\d)", main[168:184])
    if match is None:
        return None
    day, month, year, hour, minute, second = map(int, match.groups())
    try:
        # Clipping date of EDF: 85 to 99 are of the last century.
        begin = datetime(year + (1900 if year >= 85 else 2000), month, day, hour, minute, second)
    except ValueError:
        return None
    return begin + timedelta(seconds=first_s)
