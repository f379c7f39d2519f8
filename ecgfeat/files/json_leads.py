"""JSON files with a rate and leads: ``{"fs": 250, "unit": "mV", "leads": {"II": [0.01, ...]}}``.

``leads`` may also be a list of leads, with or without ``names``. ``null`` marks an invalid sample.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfeat.errors import DataError, printable
from ecgfeat.files.recording import Channel, Recording
from ecgfeat.files.unitless import RATE_NAMES, choose_rate, column_blocks
from ecgfeat.records.text import decode_text

_RATES = (*RATE_NAMES, "samplingRate", "samplingFrequency")
_LEADS = ("leads", "signals", "signal", "ecg", "samples", "data")
_STARTS = ("start", "start_time", "startTime", "date", "timestamp", "recordedAt")
_EXPECTED = 'an object such as {"fs": 250, "unit": "mV", "leads": {"II": [0.01, 0.02]}}'


def open_json(path: Path, *, fs_hz: float | None, unit: str | None) -> Recording:
    """Open a JSON file with a rate and leads."""
    where = printable(path.name)
    try:
        content = json.loads(decode_text(path.read_bytes()))
    except ValueError as error:
        raise DataError(where, found=f"no JSON ({error})", expected=_EXPECTED) from None
    if not isinstance(content, dict):
        content = {"leads": content}
    leads = _read_leads(where, content)
    lengths = {len(lead.samples) for lead in leads}
    if len(lengths) != 1 or not min(lengths):
        raise DataError(where, found=f"leads of {sorted(lengths)} samples", expected="one length, above 0")
    stated = {f"{where} of {lead.name}": lead.fs_hz for lead in leads if lead.fs_hz is not None}
    rate_hz = choose_rate(where, fs_hz, stated)
    channels = tuple(Channel(lead.name, lead.unit, rate_hz, len(lead.samples)) for lead in leads)
    blocks = column_blocks(where, [lead.samples for lead in leads], channels, unit)
    return Recording(path.stem, "JSON", channels, blocks, _start(content))


@dataclass(frozen=True)
class _Lead:
    """One lead: its own rate and unit, or those of the whole file; no rate: None, no unit: empty."""

    name: str
    samples: NDArray[np.float64]
    fs_hz: float | None
    unit: str


def _read_leads(where: str, content: dict[str, Any]) -> list[_Lead]:
    leads = next((content[key] for key in _LEADS if key in content), None)
    names = content.get("names", content.get("lead_names"))
    entries: list[tuple[str, Any, dict[str, Any]]]
    if isinstance(leads, dict):
        entries = [(str(name), lead, {}) for name, lead in leads.items()]
        entries = [_open_lead(name, lead) if isinstance(lead, dict) else (name, lead, of) for name, lead, of in entries]
    elif isinstance(leads, list) and leads and all(isinstance(lead, dict) for lead in leads):
        entries = [_open_lead(str(lead.get("name", "")), lead) for lead in leads]
    elif isinstance(leads, list) and leads and all(isinstance(lead, list) for lead in leads):
        rows = leads if len(leads) <= len(leads[0]) else [list(lead) for lead in zip(*leads, strict=True)]
        given = names if isinstance(names, list) and len(names) == len(rows) else [""] * len(rows)
        entries = [(str(name), lead, {}) for name, lead in zip(given, rows, strict=True)]
    else:
        entries = [("", leads, {})]
    return [_read_lead(where, at, *entry, content) for at, entry in enumerate(entries)]


def _open_lead(name: str, lead: dict[str, Any]) -> tuple[str, Any, dict[str, Any]]:
    return name, next((lead[key] for key in _LEADS if key in lead), None), lead


def _read_lead(where: str, at: int, name: str, samples: Any, own: dict[str, Any], content: dict[str, Any]) -> _Lead:
    if not isinstance(samples, list) or any(
        isinstance(value, bool) or not isinstance(value, int | float | None) for value in samples
    ):
        raise DataError(where, found=f"lead {name or at} that is no list of numbers", expected=_EXPECTED)
    stated = [of[key] for of in (own, content) for key in _RATES if key in of]
    rate = stated[0] if stated else None
    if rate is not None and (isinstance(rate, bool) or not isinstance(rate, int | float)):
        raise DataError(where, found=f"rate {str(rate)[:40]!r}", expected="a number of Hz")
    units = [of[key] for of in (own, content) for key in ("unit", "units") if of.get(key) is not None]
    if units and not isinstance(units[0], str):
        raise DataError(where, found=f"unit {str(units[0])[:40]!r}", expected="a text, such as mV")
    try:
        values = np.array([np.nan if value is None else value for value in samples], dtype=np.float64)
        rate_hz = None if rate is None else float(rate)
    except OverflowError:  # JSON has whole numbers of any length
        raise DataError(where, found=f"a number beyond all others in {name or at}", expected="numbers") from None
    return _Lead(name, values, rate_hz, units[0] if units else "")


def _start(content: dict[str, Any]) -> datetime | None:
    for name in _STARTS:
        if isinstance(content.get(name), str):
            try:
                return datetime.fromisoformat(content[name].replace("Z", "+00:00"))
            except ValueError:
                continue
    return None
