"""The web page and what it asks for. Addresses hold the number of a record and a time, and nothing of a patient."""

import asyncio
import contextlib
import copy
import json
import math
import mimetypes
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from ecgfeat.errors import DataError, UsageError
from ecgfeat.files.folders import find_inputs
from ecgfeat.reviews.files import ChangedError
from ecgfeat.view.answers import (
    describe_queue,
    describe_record,
    describe_records,
    describe_visits,
    pack_marks,
    read_part,
)
from ecgfeat.view.pyramid import Opened
from ecgfeat.view.security import Gate
from ecgfeat.view.shelf import Entry, Shelf
from ecgfeat.view.sources import Drop, TooMuchError
from ecgfeat.view.twin import colours_as_css, page_files
from ecgfeat.view.worker import State, Task

MOST_REQUEST_BYTES: Final = 4096
EXPORTS: Final = {"pdf": "application/pdf", "html": "text/html"}
_COMPRESS_BYTES = 1024
_TELL_EVERY_S = 0.2


def make_app(
    shelf: Shelf,
    token: str,
    *,
    hosts: Sequence[str],
    cookie: str = "ecgfeat",
    is_stopping: Callable[[], bool] = lambda: False,
) -> Starlette:
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
    is_stopping : callable
        Returns whether the server is about to end: progress is sent no longer then.

    Returns
    -------
    Starlette
    """
    files = page_files()
    colours = colours_as_css().encode()

    def page_file(request: Request) -> Response:
        name = request.path_params.get("name", "index.html")
        if name not in files:
            raise HTTPException(404, "There is no such file.")
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        return Response(files[name], media_type="text/javascript" if name.endswith(".js") else kind)

    def opened(request: Request) -> tuple[Entry, Opened]:
        number = request.path_params["number"]
        try:
            return shelf.entries[number], shelf.open(number)
        except KeyError:
            raise HTTPException(404, "There is no such record.") from None
        except (DataError, UsageError) as error:
            raise HTTPException(422, str(error)) from error

    def list_records(request: Request) -> Response:
        return JSONResponse(describe_records(shelf))

    def visits(request: Request) -> Response:
        try:
            return JSONResponse(describe_visits(shelf, request.path_params["number"]))
        except KeyError:
            raise HTTPException(404, "There is no such record.") from None

    def queue(request: Request) -> Response:
        return JSONResponse(describe_queue(shelf))

    def predict_all(request: Request) -> Response:
        shelf.predict_all()
        return JSONResponse({})

    def open_record(request: Request) -> Response:
        entry, record = opened(request)
        described = describe_record(entry.name, record.signal)
        described["notes"] += filter(None, [shelf.note])
        return JSONResponse(described | {"prediction": entry.state, "has_models": shelf.has_models})

    def progress(request: Request) -> dict[str, Any]:
        entry, record = opened(request)
        is_reviewed = has_review(entry, request.path_params["number"], record)
        read_share = record.pyramid.num_ready / max(1, record.signal.num_samples)
        reference = ("ready" if record.reference else "none") if record.is_reference_read else "waiting"
        is_read = (read_share >= 1 or record.pyramid.is_fill_ended) and record.is_reference_read
        return {
            "read_share": read_share,
            "faults": record.faults,
            "reference": reference,
            "prediction": entry.state,
            "num_beats": entry.num_beats,
            "message": entry.message,
            "is_reviewed": is_reviewed,
            "is_done": is_read and entry.state in ("none", "ready", "failed"),
        }

    async def events(request: Request) -> Response:
        first = await run_in_threadpool(progress, request)

        async def tell() -> AsyncIterator[str]:
            sent: dict[str, Any] = {}
            now = first
            while True:
                if now != sent:
                    yield f"data: {json.dumps(now)}\n\n"
                    sent = copy.deepcopy(now)
                if now["is_done"] or is_stopping():
                    return
                await asyncio.sleep(_TELL_EVERY_S)
                try:
                    now = await run_in_threadpool(progress, request)
                except HTTPException:  # the record was removed
                    return

        return StreamingResponse(tell(), media_type="text/event-stream")

    def has_review(entry: Entry, number: str, record: Opened) -> bool:
        if entry.prediction is None:
            return False
        try:
            review = shelf.find_review(number)
            return review is not None and review.is_begun
        except (DataError, UsageError) as error:
            if str(error) not in record.faults:
                record.faults.append(str(error))
        except KeyError:  # the record was removed by now
            pass
        return False

    async def strip(request: Request) -> Response:
        _, record = await run_in_threadpool(opened, request)
        content = await read_part(record, request.query_params.get, is_stopping)
        return Response(content, media_type="application/octet-stream")

    def marks(request: Request) -> Response:
        entry, record = opened(request)
        of = {"prediction": entry.prediction, "reference": record.reference}.get(request.path_params["source"])
        if of is None:
            raise HTTPException(404, "There is no such annotation.")
        reference = None if of is record.reference else record.reference
        return Response(pack_marks(of, reference, record.duration_s), media_type="application/octet-stream")

    def review(request: Request) -> Response:
        _, record = opened(request)
        try:
            desk = shelf.review(request.path_params["number"])
            desk.refresh()
        except (DataError, UsageError) as error:
            raise HTTPException(422, str(error)) from error
        described = desk.describe()  # before the marks: a length that is too short is refused, and nothing is lost
        message = pack_marks(desk.marks(), record.reference, record.duration_s, {"review": described})
        return Response(message, media_type="application/octet-stream")

    async def correct(request: Request) -> Response:
        content = await _read_json(request)

        def apply() -> str:
            try:
                opened(request)
                return shelf.review(request.path_params["number"]).apply(content)
            except ChangedError as error:
                raise HTTPException(409, str(error)) from error
            except (DataError, UsageError, OSError) as error:
                raise HTTPException(422, str(error)) from error

        return JSONResponse({"done": await run_in_threadpool(apply)})

    async def make(request: Request, task: Task, at_s: float = 0.0) -> Any:
        number, results = request.path_params["number"], list[tuple[State, Any]]()
        if number not in shelf.entries:
            raise HTTPException(404, "There is no such record.")
        try:
            shelf.ask(number, task, lambda *result: results.append(result), at_s)
        except UsageError as error:
            raise HTTPException(409, str(error)) from error
        # The server answers others meanwhile, and can end.
        while not results or results[-1][0] == "running":
            if is_stopping():
                raise HTTPException(503, "The page has been closed.")
            await asyncio.sleep(_TELL_EVERY_S)
        state, content = results[-1]
        if state == "failed":
            raise HTTPException(422, content)
        return content

    async def export(request: Request) -> Response:
        kind = request.path_params["kind"]
        if kind not in EXPORTS:
            raise HTTPException(404, "There is no such file.")
        name = f"record-{request.path_params['number']}.{kind}"
        headers = {"Content-Disposition": f"attachment; filename={name}"}
        return Response(await make(request, kind), media_type=EXPORTS[kind], headers=headers)

    async def explain(request: Request) -> Response:
        of, at = request.path_params["of"], request.query_params.get("at_s", "nan")
        if of not in ("beat", "rhythm"):
            raise HTTPException(404, "There is no such explanation.")
        try:
            at_s = float(at)
        except ValueError:
            at_s = math.nan
        if not (math.isfinite(at_s) and at_s >= 0):
            raise HTTPException(400, "at_s is no time.")
        return JSONResponse(await make(request, of, at_s))

    def list_drops(request: Request) -> Response:
        return JSONResponse(shelf.drops.describe())

    def begin_drop(request: Request) -> Response:
        return JSONResponse({"drop": shelf.drops.begin()})

    def find_drop(request: Request) -> Drop:
        try:
            return shelf.drops[request.path_params["drop"]]
        except KeyError:
            raise HTTPException(404, "There is no such drop.") from None

    async def take_file(request: Request) -> Response:
        drop, number = find_drop(request), request.path_params["drop"]
        path: Path | None = None
        num_bytes = 0
        try:
            path = drop.path_of(unquote(request.headers.get("x-file-name", "")))
            with path.open("xb") as file:
                async for part in request.stream():
                    shelf.drops.count(number, len(part))
                    num_bytes += len(part)
                    await run_in_threadpool(file.write, part)
        except BaseException as error:
            if path is not None:
                path.unlink(missing_ok=True)
            if isinstance(error, KeyError):
                raise HTTPException(404, "These files were removed.") from error
            with contextlib.suppress(KeyError):  # removed by now
                shelf.drops.count(number, -num_bytes)
            if isinstance(error, UsageError):
                raise HTTPException(413 if isinstance(error, TooMuchError) else 422, str(error)) from error
            if isinstance(error, OSError):
                raise HTTPException(507, error.strerror or "The file cannot be written.") from error
            raise
        return JSONResponse({"bytes": num_bytes})

    def open_drop(request: Request) -> Response:
        drop = find_drop(request)
        try:
            inputs, note = find_inputs([drop.folder])
        except (DataError, UsageError) as error:
            with contextlib.suppress(KeyError):  # removed by now
                shelf.remove_drop(request.path_params["drop"])
            raise HTTPException(422, "There is no recording among these files.") from error
        return JSONResponse({"ids": shelf.add(inputs), "note": note})

    def remove_drop(request: Request) -> Response:
        try:
            shelf.remove_drop(request.path_params["drop"])
        except KeyError:  # by now, perhaps in another window
            raise HTTPException(404, "There is no such drop.") from None
        return JSONResponse({})

    def refuse(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return JSONResponse({"error": error.detail}, error.status_code)

    return Starlette(
        routes=[
            Route("/", page_file),
            Route("/page/colours.css", lambda request: Response(colours, media_type="text/css")),
            Route("/page/{name:path}", page_file),
            Route("/records", list_records),
            Route("/queue", queue),
            Route("/predictions", predict_all, methods=["POST"]),
            Route("/records/{number}/open", open_record, methods=["POST"]),
            Route("/records/{number}/events", events),
            Route("/records/{number}/strip", strip),
            Route("/records/{number}/marks/review", review),
            Route("/records/{number}/marks/{source}", marks),
            Route("/records/{number}/review", correct, methods=["POST"]),
            Route("/records/{number}/why/{of}", explain),
            Route("/records/{number}/visits", visits),
            Route("/records/{number}/{kind}", export),
            Route("/drops", list_drops),
            Route("/drops", begin_drop, methods=["POST"]),
            Route("/drops/{drop}/file", take_file, methods=["POST"]),
            Route("/drops/{drop}/open", open_drop, methods=["POST"]),
            Route("/drops/{drop}/remove", remove_drop, methods=["POST"]),
        ],
        middleware=[
            Middleware(Gate, token=token, cookie=cookie),
            Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False),
            Middleware(GZipMiddleware, minimum_size=_COMPRESS_BYTES, compresslevel=1),
        ],
        exception_handlers={HTTPException: refuse},
    )


async def _read_json(request: Request) -> dict[str, Any]:
    """Return the JSON object that a small request holds."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MOST_REQUEST_BYTES:
            raise HTTPException(413, "The request is too long.")
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, "The request is no JSON.") from error
    if not isinstance(content, dict):
        raise HTTPException(400, "The request is no object.")
    return content
