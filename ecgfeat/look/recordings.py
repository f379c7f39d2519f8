"""Describe a recording of any format without reading its samples: channels, rates, units, start."""

from pathlib import Path
from typing import Any

from ecgfeat.files import open_recording
from ecgfeat.files.formats import wfdb_record
from ecgfeat.files.recording import Channel
from ecgfeat.files.wfdb_record import start_time
from ecgfeat.records.headers import read_header


def describe_recording(path: Path, fs_hz: float | None = None, unit: str | None = None) -> dict[str, Any]:
    """Describe a recording.

    Parameters
    ----------
    path : Path
        A file, or a WFDB record with or without the ending of its header.
    fs_hz, unit
        As `ecgfeat.files.open_recording` takes them.

    Returns
    -------
    dict
        In JSON types; the rate is that of the first channel, and stated per lead where they differ.
    """
    record = wfdb_record(path)
    if record is not None:
        header = read_header(record.parent, record.name, many_rates=True)
        rates = [lead.samples_per_frame for lead in header.signals] or [1] * len(header.leads)
        channels = [
            Channel(name, unit, rate * header.fs_hz, rate * header.num_samples)
            for name, unit, rate in zip(header.leads, header.units, rates, strict=True)
        ]
        start, notes, kind = start_time(header.base_time), list(header.comments), "WFDB"
        num_segments: int | None = len(header.segments)
        names = (file.name for file in path.parent.iterdir() if file.name.startswith(f"{path.name}."))
        beside = {Path(name).suffix for name in names} - {".hea", ".dat", ".mat"}
    else:
        recording = open_recording(path, fs_hz=fs_hz, unit=unit)
        channels, start, kind, num_segments = list(recording.channels), recording.start, recording.format, None
        notes, beside = list(recording.notes), set()
    first = channels[0] if channels else Channel("", "", 1.0, 0)
    leads: list[dict[str, Any]] = [{"name": channel.name, "unit": channel.unit} for channel in channels]
    if len({channel.fs_hz for channel in channels}) > 1:
        leads = [lead | {"fs_hz": channel.fs_hz} for lead, channel in zip(leads, channels, strict=True)]
    return {
        "schema": kind,
        "fs_hz": first.fs_hz,
        "samples": first.num_samples,
        "duration_s": round(first.num_samples / first.fs_hz, 3),
        "start": start.isoformat() if start else None,
        "segments": num_segments,
        "leads": leads,
        "beside": sorted(suffix.removeprefix(".") for suffix in beside),
        "comments": notes,
    }
