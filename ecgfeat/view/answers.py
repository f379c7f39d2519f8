"""What the page is sent: a record in words, a part of its signal, its beats and episodes.

Signals and beats are sent as messages: the length of a header as 4 bytes, low byte first; the header, JSON in UTF-8
padded with spaces; arrays, one after the other, each at a multiple of 8 bytes. The header lists them by name, type and
length.
"""

import asyncio
import contextlib
import json
import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from ecgfeat.corpora.leads import standard_lead
from ecgfeat.errors import DataError, UsageError
from ecgfeat.records.reader import EcgSource
from ecgfeat.reviews.log import BEAT_NAMES, OTHER_RHYTHMS
from ecgfeat.store.schemas import BEAT_CLASSES, RHYTHMS
from ecgfeat.summary.figures import OF_TIME
from ecgfeat.view.events import find_events, least_certain, rate_trend
from ecgfeat.view.marks import Marks
from ecgfeat.view.pyramid import Opened, Part
from ecgfeat.view.shelf import Entry, Shelf

MOST_COLUMNS: Final = 8192
MOST_NEXT: Final = 500
NO_CLASS: Final = 255
"""Number of the class of a beat that was not classified."""

_WAIT_S, _LOOK_EVERY_S = 20.0, 0.02

TYPES = {"int16": "Int16", "int32": "Int32", "uint8": "Uint8", "uint16": "Uint16", "float32": "Float32"}
"""Types of arrays that a browser reads, by the name of numpy; the name of a typed array without ``Array``."""


def describe_record(name: str, signal: EcgSource) -> dict[str, Any]:
    """Describe a record for the page.

    Parameters
    ----------
    name : str
        What the list calls it.
    signal : EcgSource
        The record.

    Returns
    -------
    dict
        In JSON types.
    """
    return {
        "name": name,
        "leads": signal.leads,
        "standard_leads": [standard_lead(name) for name in signal.leads],
        "is_calibrated": [name not in signal.uncalibrated for name in signal.leads],
        "fs_hz": signal.fs_hz,
        "duration_s": signal.num_samples / signal.fs_hz,
        "start": None if signal.start is None else signal.start.isoformat(),
        "notes": [*signal.notes, *filter(None, [signal.calibration_note])],
        "rhythms": RHYTHMS,
        "beat_classes": BEAT_CLASSES,
        "review_beats": BEAT_NAMES,
        "review_rhythms": (*RHYTHMS, *OTHER_RHYTHMS),
    }


def describe_queue(shelf: Shelf) -> dict[str, Any]:
    """Describe all records, and what in them should be looked at next.

    Parameters
    ----------
    shelf : Shelf
        The records.

    Returns
    -------
    dict
        In JSON types. ``records``: of each, the state of its prediction, the AF burden, the least certain episode, and
        what was reviewed. ``next``: parts that were not looked at, of all records, the worst first. A part of which
        some was looked at is left out.
    """
    records, waiting = [], []
    for number, entry in list(shelf.entries.items()):
        reviewed = describe_review(shelf, number)
        records.append(
            {
                "id": number,
                "name": entry.name,
                "state": entry.state,
                "num_beats": entry.num_beats,
                "message": entry.message,
                **overview_of(entry),
                "num_corrections": reviewed["num_corrections"],
                "seen_s": reviewed["seen_s"],
            }
        )
        waiting += [
            (doubt.rank, {"id": number, **doubt._asdict()})
            for doubt in entry.doubts
            if not any(start < doubt.stop_s and doubt.start_s < stop for start, stop in reviewed["seen"])
        ]
    waiting.sort(key=lambda of: of[0])
    return {"records": records, "next": [of for _, of in waiting[:MOST_NEXT]], "has_models": shelf.has_models}


def describe_records(shelf: Shelf) -> list[dict[str, str]]:
    """Return number and name of all records, and of which patient they are where that has several of them."""
    entries = shelf.listed
    num_of = Counter(entry.subject for _, entry in entries)
    return [
        {"id": number, "name": entry.name, "subject": entry.subject if num_of[entry.subject] > 1 else ""}
        for number, entry in entries
    ]


def describe_visits(shelf: Shelf, number: str) -> dict[str, Any]:
    """Describe the other recordings of the patient of a record.

    Returns
    -------
    dict
        In JSON types. ``subject``: the patient, empty where nothing says who it is. ``visits``: number and name of
        each, when it began, and whether that is ``earlier`` or ``later`` (empty: not known); first those that are
        earlier, the latest of them first.
    """
    subject, start = shelf.entries[number].subject, shelf.start_of(number)
    visits = []
    for other, entry in list(shelf.entries.items()):
        if not subject or entry.subject != subject or other == number:
            continue
        began, when, distance_s = shelf.start_of(other), "", math.inf
        # A time with an offset from UTC and one without cannot be compared.
        if began and start and (began.tzinfo is None) == (start.tzinfo is None):
            distance_s = (start - began).total_seconds()
            when = "earlier" if distance_s > 0 else "later" if distance_s < 0 else ""
        visit = {"id": other, "name": entry.name, "when": when, "start": began.isoformat() if began else None}
        visits.append((when != "earlier", abs(distance_s), visit))
    visits.sort(key=lambda of: of[:2])
    return {"subject": subject, "visits": [visit for _, _, visit in visits]}


def overview_of(entry: Entry) -> dict[str, Any]:
    """Return what a list says of the prediction of a record, made once for each prediction.

    Returns
    -------
    dict
        In JSON types: AF burden and share of ectopic beats as texts, None where there is no prediction, and start and
        certainty of the least certain episode, if there is one.
    """
    marks = entry.prediction
    if marks is None:
        return {"af_burden": None, "ectopic": None, "least_certain": []}
    if entry.overview is None or entry.overview[0] is not marks:
        text_of = {figure.name: figure.text.removesuffix(OF_TIME) for figure in marks.figures}
        least = [[float(marks.start_s[at]), certainty] for at, certainty in least_certain(marks)[:1]]
        texts = {name: text_of.get(name) for name in ("af_burden", "ectopic")}
        entry.overview = marks, {**texts, "least_certain": least}
    return entry.overview[1]


def describe_review(shelf: Shelf, number: str) -> dict[str, Any]:
    """Return what a list says of the review of a record: corrections, and the time that was looked at."""
    review = None
    # The page says it when it opens the record; KeyError: that was removed by now.
    with contextlib.suppress(DataError, UsageError, KeyError):
        review = shelf.find_review(number)
    described: dict[str, Any] = review.describe() if review else {"num_corrections": 0, "seen": []}
    return described | {"seen_s": sum(stop - start for start, stop in described["seen"])}


async def read_part(record: Opened, query: Callable[[str], str | None], is_stopping: Callable[[], bool]) -> bytes:
    """Return a part of the signal as a message, as soon as it is read; after 20 s what of it is there.

    Parameters
    ----------
    record : Opened
        The record.
    query : callable
        Returns a value of the query by its name: ``from_s`` and ``to_s``; ``columns``; ``leads``, positions with commas
        between them, by default all.
    is_stopping : callable
        Returns whether the server is about to end.

    Returns
    -------
    bytes
        As `pack` makes them: ``low`` and ``high`` of each lead and column; ``low`` alone where a
        column is one sample.

    Raises
    ------
    HTTPException
        If a value cannot be used.
    """
    signal, pyramid = record.signal, record.pyramid
    try:
        from_s, to_s = float(query("from_s") or "nan"), float(query("to_s") or "nan")
        num_columns = int(query("columns") or "0")
        given = query("leads")
        leads = list(range(len(signal.leads))) if given is None else [int(lead) for lead in given.split(",") if lead]
    except ValueError as error:
        raise HTTPException(400, "A value is no number.") from error
    if not (math.isfinite(from_s) and math.isfinite(to_s) and 0 <= from_s < to_s):
        raise HTTPException(400, "from_s and to_s are no part of a record.")
    is_each_once = len(set(leads)) == len(leads) and all(0 <= lead < len(signal.leads) for lead in leads)
    if not (0 < num_columns <= MOST_COLUMNS and is_each_once):
        raise HTTPException(400, "There are no such columns or leads.")
    start, stop = (round(min(at_s * signal.fs_hz, signal.num_samples)) for at_s in (from_s, to_s))
    # One more at each end, so that lines lead out of the picture.
    start, stop = max(0, start - 1), stop + 1
    # No thread waits: a server has few of them, and the page asks for many parts while it moves.
    until = time.monotonic() + _WAIT_S
    while not (is_whole := pyramid.is_ready(stop)) and time.monotonic() < until and not is_stopping():
        await asyncio.sleep(_LOOK_EVERY_S)

    def read() -> bytes:
        return pack_part(pyramid.read(start, stop, num_columns, leads), leads, signal.fs_hz, is_whole=is_whole)

    return await run_in_threadpool(read)


def pack_part(part: Part, leads: Sequence[int], fs_hz: float, *, is_whole: bool = True) -> bytes:
    """Return a part of the signal as a message.

    Parameters
    ----------
    part : Part
        What to send.
    leads : sequence of int
        Positions of its leads in the record.
    fs_hz : float
        Rate of the record.
    is_whole : bool
        Whether all that was wanted has been read by now.

    Returns
    -------
    bytes
        As `pack` makes them.
    """
    header = {
        "start_s": part.start / fs_hz,
        "column_s": part.column_samples / fs_hz,
        "column_samples": part.column_samples,
        "num_columns": part.low.shape[1],
        "leads": leads,
        "mv_per_step": [uv / 1000 for uv in part.uv_per_step],
        "offset_mv": part.offset_mv,
        "is_whole": is_whole,
    }
    arrays = {"low": part.low} if part.column_samples == 1 else {"low": part.low, "high": part.high}
    return pack(header, arrays)


def pack_marks(
    marks: Marks, reference: Marks | None, duration_s: float, more: Mapping[str, Any] | None = None
) -> bytes:
    """Return beats, episodes, events and heart rate as a message.

    Parameters
    ----------
    marks : Marks
        What to send.
    reference : Marks or None
        What it is compared with.
    duration_s : float
        Length of the record.
    more : mapping, optional
        What else the header holds.

    Returns
    -------
    bytes
        As `pack` makes them.
    """
    trend = rate_trend(marks, duration_s)
    events = find_events(marks, reference)
    header = {
        "episodes": [
            {"start_s": start, "stop_s": stop, "rhythm": rhythm, "reason": reason}
            for start, stop, rhythm, reason in zip(
                marks.start_s.tolist(), marks.stop_s.tolist(), marks.rhythm, marks.reason, strict=True
            )
        ],
        "figures": [{"label": of.label, "text": of.text, "times_s": of.times_s} for of in marks.figures],
        "notes": marks.notes,
        "classes": "NSVFQ",
        "events": {name: np.round(times, 4).tolist() for name, times in events.items()},
        **(more or {}),
    }
    arrays: dict[str, NDArray[Any]] = {
        # 32 bits of milliseconds hold 24 days; a float32 of seconds is off by 4 ms after a day.
        "time": np.rint(marks.time_s * 1000).astype(np.int32),
        "rr": np.rint(np.nan_to_num(marks.rr_s) * 1000).astype(np.int32),
        "label": np.array(["NSVFQ".index(label) if label else NO_CLASS for label in marks.label], dtype=np.uint8),
        **trend,
        **{f"quality_{name}": column for name, column in marks.quality.items()},
    }
    if marks.beat_probability is not None:
        arrays["beat_probability"] = np.rint(255 * marks.beat_probability).astype(np.uint8)
    if marks.rhythm_probability is not None:
        arrays["rhythm_probability"] = marks.rhythm_probability
    if marks.certainty is not None:
        arrays["certainty"] = marks.certainty
    return pack(header, arrays)


def pack(header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Put a header and arrays into one message.

    Parameters
    ----------
    header : mapping
        JSON types; the key ``arrays`` is added.
    arrays : mapping of str to ndarray
        One of `TYPES` each; any shape, sent row by row.

    Returns
    -------
    bytes
        The message. Arrays of int16 are sent as differences to the element before, which compress to half the size.
    """
    described = [
        {"name": name, "type": TYPES[array.dtype.name], "length": array.size} for name, array in arrays.items()
    ]
    head = json.dumps({**header, "arrays": described}, separators=(",", ":")).encode()
    head += b" " * (-(len(head) + 4) % 8)
    parts = [len(head).to_bytes(4, "little"), head]
    for array in arrays.values():
        flat = np.ascontiguousarray(array).ravel()
        if flat.dtype == np.int16:
            flat = np.diff(flat, prepend=np.zeros(1, np.int16))  # wraps, and so does the sum of the browser
        content = flat.astype(flat.dtype.newbyteorder("<")).tobytes()
        parts += [content, b"\0" * (-len(content) % 8)]
    return b"".join(parts)
