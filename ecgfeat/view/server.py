"""The web page and what it asks for. Addresses hold the number of a record and a time, and nothing of a patient."""

import math
import mimetypes
from collections.abc import Callable, Sequence
from importlib import resources
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ecgfeat.errors import DataError, UsageError
from ecgfeat.report.strip import BEAT_COLOURS, BOLD_LINE, FINE_LINE, PAPER
from ecgfeat.report.style import OTHER_COLOURS, QUALITY_COLOURS, RHYTHM_COLOURS, ink_on
from ecgfeat.store.schemas import BEAT_CLASSES, RHYTHMS
from ecgfeat.view.events import find_events
from ecgfeat.view.marks import Marks
from ecgfeat.view.message import pack
from ecgfeat.view.security import Gate
from ecgfeat.view.shelf import Entry, Opened, Shelf
from ecgfeat.view.trend import rate_trend

MOST_COLUMNS: Final = 8192
_WAIT_S = 20.0
_COMPRESS_BYTES = 1024


def make_app(shelf: Shelf, token: str, *, hosts: Sequence[str], cookie: str = "ecgfeat") -> Starlette:
    """Make the application that serves the page.

    Parameters
    ----------
    shelf : Shelf
        The records.
    token : str
        What a browser must have.
    hosts : sequence of str
        Names by which it may be called.
    cookie : str
        Name of the cookie of the token; cookies of one host are shared by all its ports.

    Returns
    -------
    Starlette
    """
    files = _page_files()
    colours = colours_as_css().encode()

    def page_file(request: Request) -> Response:
        name = request.path_params.get("name", "index.html")
        if name not in files:
            raise HTTPException(404, "There is no such file.")
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        return Response(files[name], media_type="text/javascript" if name.endswith(".js") else kind)

    def opened(request: Request) -> tuple[Entry, Opened]:
        number = request.path_params["number"]
        if number not in shelf.entries:
            raise HTTPException(404, "There is no such record.")
        try:
            return shelf.entries[number], shelf.open(number)
        except (DataError, UsageError) as error:
            raise HTTPException(422, str(error)) from error

    def list_records(request: Request) -> Response:
        return JSONResponse([{"id": number, "name": entry.name} for number, entry in shelf.entries.items()])

    def open_record(request: Request) -> Response:
        return JSONResponse(describe_record(*opened(request)))

    def state(request: Request) -> Response:
        entry, record = opened(request)
        content = {
            "read_share": record.pyramid.num_ready / max(1, record.signal.num_samples),
            "faults": record.faults,
            "prediction": entry.state,
            "num_beats": entry.num_beats,
            "message": entry.message,
        }
        return JSONResponse(content)

    def strip(request: Request) -> Response:
        _, record = opened(request)
        return Response(read_part(record, request.query_params.get), media_type="application/octet-stream")

    def marks(request: Request) -> Response:
        entry, record = opened(request)
        of = {"prediction": entry.prediction, "reference": record.reference}.get(request.path_params["source"])
        if of is None:
            raise HTTPException(404, "There is no such annotation.")
        reference = None if of is record.reference else record.reference
        return Response(pack_marks(of, reference, record.duration_s), media_type="application/octet-stream")

    def refuse(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return JSONResponse({"error": error.detail}, error.status_code)

    return Starlette(
        routes=[
            Route("/", page_file),
            Route("/page/colours.css", lambda request: Response(colours, media_type="text/css")),
            Route("/page/{name:path}", page_file),
            Route("/records", list_records),
            Route("/records/{number}/open", open_record, methods=["POST"]),
            Route("/records/{number}/state", state),
            Route("/records/{number}/strip", strip),
            Route("/records/{number}/marks/{source}", marks),
        ],
        middleware=[
            Middleware(Gate, token=token, cookie=cookie),
            Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False),
            Middleware(GZipMiddleware, minimum_size=_COMPRESS_BYTES, compresslevel=1),
        ],
        exception_handlers={HTTPException: refuse},
    )


def _page_files() -> dict[str, bytes]:
    """Return the files of the page by name: no name from an address is made into a path."""
    folder = resources.files("ecgfeat.view") / "page"
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    vendor = folder / "vendor"
    return files | {f"vendor/{path.name}": path.read_bytes() for path in vendor.iterdir() if path.is_file()}


def colours_as_css() -> str:
    """Return the colours of the reports as a style sheet.

    Returns
    -------
    str
        Custom properties, such as ``--rhythm-AFIB`` and ``--on-rhythm-AFIB`` for text on it, of the document.
    """
    lines = [f"  --paper: {PAPER};", f"  --grid-fine: {FINE_LINE};", f"  --grid-bold: {BOLD_LINE};"]
    for kind, colours in (
        ("rhythm", {name or "none": colour for name, colour in (RHYTHM_COLOURS | OTHER_COLOURS).items()}),
        ("quality", QUALITY_COLOURS),
        ("beat", BEAT_COLOURS),
    ):
        for name, colour in colours.items():
            lines += [f"  --{kind}-{name}: {colour};", f"  --on-{kind}-{name}: {ink_on(colour)};"]
    return ":root {\n" + "\n".join(lines) + "\n}\n"


def describe_record(entry: Entry, record: Opened) -> dict[str, Any]:
    """Describe a record for the page.

    Parameters
    ----------
    entry, record : Entry, Opened
        The record.

    Returns
    -------
    dict
        In JSON types.
    """
    signal = record.signal
    return {
        "name": entry.name,
        "leads": signal.leads,
        "uncalibrated": signal.uncalibrated,
        "fs_hz": signal.fs_hz,
        "duration_s": record.duration_s,
        "start": None if signal.start is None else signal.start.isoformat(),
        "notes": [*signal.notes, *filter(None, [signal.calibration_note])],
        "has_reference": record.reference is not None,
        "prediction": entry.state,
        "rhythms": RHYTHMS,
        "beat_classes": BEAT_CLASSES,
    }


def read_part(record: Opened, query: Callable[[str], str | None]) -> bytes:
    """Return a part of the signal as a message.

    Parameters
    ----------
    record : Opened
        The record.
    query : callable
        Returns a value of the query by its name: ``from_s`` and ``to_s``; ``columns``; ``leads``, positions with commas
        between them, by default all.

    Returns
    -------
    bytes
        As `ecgfeat.view.message.pack` makes them: ``low`` and ``high`` of each lead and column; ``low`` alone where a
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
    if not (0 < num_columns <= MOST_COLUMNS and all(0 <= lead < len(signal.leads) for lead in leads)):
        raise HTTPException(400, "There are no such columns or leads.")
    start, stop = (min(round(at_s * signal.fs_hz), signal.num_samples) for at_s in (from_s, to_s))
    # One more at each end, so that lines lead out of the picture.
    start, stop = max(0, start - 1), stop + 1
    is_whole = bool(record.faults) or pyramid.wait(stop, _WAIT_S)
    part = pyramid.read(start, stop, num_columns, leads)
    header = {
        "start_s": part.start / signal.fs_hz,
        "column_s": part.column_samples / signal.fs_hz,
        "column_samples": part.column_samples,
        "num_columns": part.low.shape[1],
        "leads": leads,
        "mv_per_step": [uv / 1000 for uv in part.uv_per_step],
        "offset_mv": part.offset_mv,
        "is_whole": is_whole,
    }
    arrays = {"low": part.low} if part.column_samples == 1 else {"low": part.low, "high": part.high}
    return pack(header, arrays)


def pack_marks(marks: Marks, reference: Marks | None, duration_s: float) -> bytes:
    """Return beats, episodes, events and heart rate as a message.

    Parameters
    ----------
    marks : Marks
        What to send.
    reference : Marks or None
        What it is compared with.
    duration_s : float
        Length of the record.

    Returns
    -------
    bytes
        As `ecgfeat.view.message.pack` makes them.
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
    }
    arrays: dict[str, NDArray[Any]] = {
        # 32 bits of milliseconds hold 24 days; a float32 of seconds is off by 4 ms after a day.
        "time": np.rint(marks.time_s * 1000).astype(np.int32),
        "rr": np.nan_to_num(np.clip(marks.rr_s * 1000, 0, 65535)).round().astype(np.uint16),
        "label": np.array(["NSVFQ".find(label) for label in marks.label], dtype=np.uint8),
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
