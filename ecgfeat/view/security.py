"""What keeps others out of the page: a token, the names of the host, the origin of a request, headers; private folders.

The page shows health data. Another page in the same browser, another user of the machine and other machines must not
reach it, and nothing of it stays.
"""

import contextlib
import hmac
import html
import importlib.util
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
HAS_LOCKS: Final = importlib.util.find_spec("fcntl") is not None
"""Whether the system can lock a folder: Linux and macOS can, Windows cannot."""

_SAFE_METHODS = {"GET", "HEAD"}
_FOLDER_PREFIX = "ecgfeat-view-"


class Gate:
    """Middleware that lets in requests with the token, from this page, and adds the headers of safety.

    Parameters
    ----------
    app : ASGI application
        What is behind the gate.
    token : str
        Of this start.
    cookie : str
        Name of the cookie that holds the token.
    """

    def __init__(self, app: ASGIApp, token: str, cookie: str) -> None:
        self.app, self.token, self.cookie = app, token, cookie

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # the page has no web sockets

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        answer = self._refuse_or_welcome(scope)
        await (answer or self.app)(scope, receive, send_with_headers)

    def _refuse_or_welcome(self, scope: Scope) -> Response | None:
        """Return a refusal, or the redirection that sets the cookie; None for a request that may pass."""
        headers = Headers(scope=scope)
        if scope["method"] not in _SAFE_METHODS:
            origin, own = headers.get("origin", ""), f"{scope['scheme']}://{headers.get('host', '')}"
            if origin != own:
                return PlainTextResponse("This request does not come from this page.", 403)
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if scope["path"] == "/" and scope["method"] == "GET" and self._is_token(given):
            # The address without the token: it stays in no history and no picture of the screen.
            welcome: Response = RedirectResponse("/", 303)
            if headers.get("sec-fetch-site") == "cross-site":
                # A browser that comes from a file sends no strict cookie to where it is redirected; the page itself
                # has to lead it there.
                welcome = Response(headers={"Refresh": "0; url=/"}, media_type="text/html")
            welcome.set_cookie(self.cookie, self.token, httponly=True, samesite="strict", path="/")
            return welcome
        # Not http.cookies, which gives up all cookies for one of another page of this host that it cannot read.
        if not self._is_token(Request(scope).cookies.get(self.cookie, "")):
            return PlainTextResponse("Open the address that ecgfeat view printed: it has a token.", 403)
        return None

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode("utf-8", "replace"), self.token.encode())


class PrivateFolder:
    """A temporary folder of this user alone, until it is closed.

    Its process holds a lock on it. The lock ends with the process, however that ends: `remove_left_folders` of a later
    start then removes the folder. Where there are no locks, a folder whose process was killed stays.

    Attributes
    ----------
    path : Path
        Where it is.
    """

    def __init__(self) -> None:
        self._locks: list[int] = []
        while True:
            self.path = Path(tempfile.mkdtemp(prefix=_FOLDER_PREFIX))
            if not HAS_LOCKS:
                return
            import fcntl

            try:
                lock = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
            except FileNotFoundError:  # another start has taken it for one that was left
                continue
            with contextlib.suppress(OSError):  # a disk without locks
                fcntl.flock(lock, fcntl.LOCK_EX)
            if self.path.is_dir():
                self._locks.append(lock)
                return
            os.close(lock)  # taken while this waited for the lock

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove it."""
        self.close()

    def close(self) -> None:
        """Remove it, with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        locks, self._locks = self._locks, []
        for lock in locks:
            os.close(lock)


def remove_left_folders() -> None:
    """Remove the private folders of this user whose processes have ended without removing them."""
    import fcntl

    for path in Path(tempfile.gettempdir()).glob(f"{_FOLDER_PREFIX}*"):
        try:
            folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:  # no folder, or that of another user
            continue
        try:
            if os.fstat(folder).st_uid == os.getuid():
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
        except OSError:  # its process lives
            continue
        finally:
            os.close(folder)


@contextlib.contextmanager
def private_page(address: str) -> Iterator[Path]:
    """Yield a file of this user alone that leads a browser to an address.

    Every user of a machine sees the arguments of its processes, so the token is in none.
    """
    with PrivateFolder() as folder:
        path = folder.path / "open.html"
        path.touch(0o600)
        path.write_text(
            '<!doctype html><meta charset="utf-8"><title>ecgfeat view</title>'
            f'<meta http-equiv="refresh" content="0;url={html.escape(address)}">'
        )
        yield path
