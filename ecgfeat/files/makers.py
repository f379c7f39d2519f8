"""Formats of makers, by `ecgdatakit`: DICOM, SCP-ECG, ISHNE, HL7 aECG, GE MUSE, Philips, AliveCor and others.

The library is 63 MB on disk, of which its parsers are half a megabyte; nothing else of it is imported. It was taken
because it parses, from content alone, formats for which there is otherwise one small library each, mostly without
upkeep. What it is lenient about is checked here: units, rates that are no whole numbers, checksums.
"""

import logging
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfeat.errors import DataError, UsageError, missing_package, printable
from ecgfeat.files.recording import Channel, Recording, array_blocks
from ecgfeat.files.unitless import refuse_stated
from ecgfeat.records.units import millivolts_per

_FAULT_OF_LEAD = -32768

# It logs what it warns of. Once: a handler for each file would slow down every later one.
logging.getLogger("pydicom").addHandler(logging.NullHandler())


def open_maker(path: Path, *, fs_hz: float | None, unit: str | None) -> Recording:
    """Open a file of one of these formats."""
    record, warned = _parse(path)
    where, kind = printable(path.name), record.file_format.name
    has_unit = any(_stated_unit(lead) for lead in record.leads)
    refuse_stated(kind, fs_hz=fs_hz, unit=unit if has_unit else None)
    columns: list[NDArray[Any]] = []
    channels, factors, uncalibrated = [], [], []
    for at, lead in enumerate(record.leads):
        stated = _stated_unit(lead)
        if not has_unit and unit is None:
            remedy = "Add --unit, if its numbers are in one: uV, mV or V. Counts have a gain, which is never guessed."
            raise UsageError(where, found=f"lead {lead.label} without a unit", expected="its unit", remedy=remedy)
        stored_S = np.asarray(lead.samples)
        scaled_S = (stored_S * lead.resolution + lead.offset if lead.is_raw else stored_S).astype(np.float32)
        if kind.startswith("ISHNE"):
            scaled_S[stored_S == _FAULT_OF_LEAD] = np.nan
        if not has_unit:
            uncalibrated.append(lead.label)
        columns.append(scaled_S)
        channels.append(Channel(lead.label, stated or unit or "", _rate(where, record, at), len(scaled_S)))
        factors.append(millivolts_per(stated or unit or "") or float("nan"))
        lead.samples = stored_S[:0]  # a day of float64 is large
    return Recording(
        path.stem,
        kind,
        tuple(channels),
        array_blocks(columns, factors),
        record.recording.date,
        (*warned, *_note_length(record, channels)),
        tuple(uncalibrated),
    )


def _parse(path: Path) -> tuple[Any, list[str]]:
    """Parse a file; return its record and what the library warns of."""
    try:
        from ecgdatakit.exceptions import ChecksumWarning, ECGDataKitError
        from ecgdatakit.parsing import FileParser
    except ImportError as error:
        raise missing_package("ecgdatakit") from error
    where = printable(path.name)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            record = FileParser.parse(path, auto_scale=False)
        except ImportError as error:  # of a package that it needs itself, such as pydicom
            raise missing_package("ecgdatakit") from error
        except ECGDataKitError as error:
            reason = " ".join(str(error).replace(str(path), path.name).split())[:200]
            raise DataError(
                where, found=reason, expected="a whole file of its format", remedy="Export it again."
            ) from error
    for warning in caught:
        if issubclass(warning.category, ChecksumWarning):
            found, remedy = str(warning.message)[:160], "Copy or export it again."
            raise DataError(where, found=found, expected="the checksum of its content", remedy=remedy)
    lines = [printable(str(warning.message))[:200] for warning in caught]
    # That samples are counts, and not in volts, is handled here, lead by lead.
    return record, [line for line in dict.fromkeys(lines) if "auto_scale" not in line and "voltage unit" not in line]


def _stated_unit(lead: Any) -> str:
    """Return the unit that the file states for a lead, whether it is one of voltage or not; empty: none."""
    return str(lead.resolution_unit or lead.units or lead.adc_resolution_unit or "")


def _rate(where: str, record: Any, at: int) -> float:
    """Return the rate of a lead, which the library rounds to whole numbers."""
    rounded = float(record.leads[at].sampling_rate)
    raw = record.raw_metadata
    exact = [_number(raw.get("rhythm_time", {}), "sampling_rate_exact"), _number(raw.get("raw", {}), "frequency")]
    exact += [_number(group, "sampling_frequency") for group in raw.get("multiplex_groups", [])]
    interval_us = _number(raw, "rhythm_sample_interval_us")
    # Whole microseconds state a rate such as 128 Hz inexactly.
    if interval_us and abs(1e6 / rounded - interval_us) >= 1:
        exact.append(1e6 / interval_us)
    if record.file_format.name.startswith("GE MUSE"):
        exact += _muse_rates(Path(raw["filepath"]).read_bytes())
    near = [rate_hz for rate_hz in exact if rate_hz and abs(rate_hz - rounded) <= 0.5]
    if near and max(near) - min(near) > 1e-9:
        raise DataError(where, found=f"rates {min(near):g} and {max(near):g} Hz", expected="one rate")
    return near[0] if near else rounded


def _muse_rates(content: bytes) -> list[float]:
    """Return the rates of the waveforms of a GE MUSE file: a number and the power of ten it is times."""
    bases, exponents = (
        [float(number) for number in re.findall(rb"<%b>\s*(-?[0-9.]{1,12})\s*<" % name, content, re.IGNORECASE)]
        for name in (b"SampleBase", b"SampleExponent")
    )
    return [base * 10**exponent for base, exponent in zip(bases, exponents or [0.0] * len(bases), strict=False)]


def _number(of: Any, key: str) -> float | None:
    value = of.get(key) if isinstance(of, dict) else None
    return float(value) if isinstance(value, int | float) and np.isfinite(value) and value > 0 else None


def _note_length(record: Any, channels: list[Channel]) -> tuple[str, ...]:
    """Return a note where a Holter file states another length than it has; writers differ in what they state."""
    stated = record.raw_metadata.get("ecg_size")
    found = channels[0].num_samples if channels else 0
    if not isinstance(stated, int) or stated <= 0 or stated in (found, found * len(channels)):
        return ()
    return (f"its header states {stated} samples, and it has {found} of each lead: it may be cut short",)
