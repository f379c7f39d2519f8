"""WFDB records as one of the file formats."""

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from ecgfeat.files.formats import wfdb_record
from ecgfeat.files.recording import Blocks, Channel, Recording
from ecgfeat.files.unitless import refuse_stated
from ecgfeat.records.samples import open_samples

_TIME = re.compile(r"(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d{1,6})\d*)?)?")
_DATES = (
    re.compile(r"(?P<d>\d{1,2})[/.](?P<m>\d{1,2})[/.](?P<y>\d{4})"),
    re.compile(r"(?P<y>\d{4})-(?P<m>\d{1,2})-(?P<d>\d{1,2})"),
)


def open_wfdb(path: Path, *, fs_hz: float | None, unit: str | None) -> Recording:
    """Open a WFDB record, named with or without the ending of its header or its signal file."""
    record = wfdb_record(path)
    assert record is not None, "recognised as a record"
    refuse_stated("a WFDB record", fs_hz=fs_hz, unit=unit)
    samples = open_samples(record.parent, record.name, many_rates=True)
    header = samples.header
    rates = [lead.samples_per_frame * header.fs_hz for lead in header.signals] or [header.fs_hz] * len(header.leads)
    channels = tuple(
        Channel(name, lead_unit, rate_hz, num_samples)
        for name, lead_unit, rate_hz, num_samples in zip(
            header.leads, header.units, rates, samples.num_samples, strict=True
        )
    )

    def read_blocks(columns: Sequence[int]) -> Blocks:
        return samples.blocks(columns)

    return Recording(
        record.name,
        "WFDB",
        channels,
        read_blocks,
        start_time(header.base_time),
        (),
        samples.uncalibrated,
    )


def start_time(base_time: str) -> datetime | None:
    """Parse the time and date of a header in any of the usual notations; None where one of them is missing or odd."""
    time = _TIME.search(base_time)
    date = next((found for pattern in _DATES if (found := pattern.search(base_time))), None)
    if time is None or date is None:
        return None
    hour, minute, second = (int(part or 0) for part in time.groups()[:3])
    microsecond = int((time.group(4) or "0").ljust(6, "0"))
    try:
        return datetime(int(date["y"]), int(date["m"]), int(date["d"]), hour, minute, second, microsecond)
    except ValueError:
        return None
