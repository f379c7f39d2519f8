"""Objects below an address such as ``s3://lab/ecg``: listed, read in ranges, written completely or not at all.

Address of the server and credentials are those of every S3 client: the environment variables ``AWS_ENDPOINT_URL``,
``AWS_REGION``, ``AWS_ACCESS_KEY_ID`` and ``AWS_SECRET_ACCESS_KEY``; without a key a profile of ``~/.aws`` or the role
of the machine; ``AWS_SKIP_SIGNATURE=true`` for a public bucket. No message shows a credential.

A request that fails in a way that may pass is repeated for about a minute. The server makes an object visible when all
of it is there, also where it was sent in pieces.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

from ecgfeat.errors import DataError, UsageError, need_extras
from ecgfeat.store.publish import publish

SCHEME: Final = "s3://"

_ADDRESS: Final = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/+(.*))?")
_Answer = TypeVar("_Answer")
_ATTEMPTS: Final = 5
_RANGE_BYTES: Final = 16 << 20
_RETRIES: Final[Mapping[str, Any]] = {
    "max_retries": 100,
    "retry_timeout": timedelta(seconds=60),
    # A pause is drawn between the first one and `base` times the last one.
    "backoff": {"init_backoff": timedelta(seconds=0.2), "max_backoff": timedelta(seconds=10), "base": 3},
}
# Of one request: a range of a few MB, a page of a list, or a piece of an object. A silent server is left sooner.
_CLIENT: Final[Mapping[str, Any]] = {"connect_timeout": timedelta(seconds=10), "timeout": timedelta(seconds=120)}
_DENIED: Final = frozenset({"401", "403"})


class ObjectFolder:
    """The objects below an address.

    Parameters
    ----------
    address : str
        ``s3://bucket`` or ``s3://bucket/prefix``.

    Raises
    ------
    UsageError
        If it is no such address, there are no credentials, or the packages of the extra s3 are not installed.
    """

    def __init__(self, address: str) -> None:
        match = _ADDRESS.fullmatch(address)
        if match is None:  # the address is not shown: it may hold a password
            raise UsageError(
                "an address of objects", found="no bucket in it", expected="one such as s3://bucket/prefix"
            )
        prefix = "/".join(filter(None, (match.group(2) or "").split("/")))
        self.address = f"{SCHEME}{match.group(1)}" + (f"/{prefix}" if prefix else "")
        """The address without a slash at its end."""
        with need_extras():
            from obstore.store import S3Store
        is_plain = _endpoint().startswith("http://")
        self._store = S3Store(
            match.group(1),
            prefix=prefix or None,
            client_options={**_CLIENT, "allow_http": is_plain},
            retry_config=_RETRIES,
            credential_provider=_find_credentials(self.address),
        )

    def __str__(self) -> str:
        return self.address

    def below(self, name: str) -> "ObjectFolder":
        """Return the objects below a name."""
        return ObjectFolder(f"{self.address}/{name}")

    def as_zarr(self) -> Any:
        """Return the objects as a store that Zarr reads, chunk by chunk, and does not change."""
        from zarr.storage import ObjectStore

        folder = self

        class Objects(ObjectStore[Any]):  # type: ignore[misc]
            """Repeats what is cut, and names what fails, as `ObjectFolder.read` does."""

            async def get(self, key: str, *arguments: Any, **options: Any) -> Any:
                """Return an object, or some of its bytes; None where there is none."""
                with _speaking(f"{folder.address}/{key}"):
                    for attempt in range(1, _ATTEMPTS + 1):
                        try:
                            return await super().get(key, *arguments, **options)
                        except obstore.exceptions.GenericError as error:
                            if attempt == _ATTEMPTS or _is_final(str(error)):
                                raise
                raise AssertionError("returned or raised")

        import obstore

        return Objects(self._store, read_only=True)

    def list_names(self) -> list[str]:
        """Return the names directly below the address, of objects and of what has objects below it, in order.

        Raises
        ------
        DataError
            If the bucket cannot be listed.
        """
        import obstore

        with _speaking(self.address):
            found = obstore.list_with_delimiter(self._store)
        paths = [*found["common_prefixes"], *(entry["path"] for entry in found["objects"])]
        return sorted(path.rstrip("/") for path in paths)

    def list_sizes(self) -> dict[str, int]:
        """Return the size of each object in bytes, by its name below the address, in order.

        Raises
        ------
        DataError
            If the bucket cannot be listed.
        """
        import obstore

        with _speaking(self.address):
            return {
                entry["path"]: entry["size"]
                for entry in sorted(
                    (entry for page in obstore.list(self._store) for entry in page), key=lambda entry: entry["path"]
                )
            }

    def has(self, name: str) -> bool:
        """Tell whether there is an object of this name.

        Raises
        ------
        DataError
            If the server does not tell.
        """
        import obstore

        with _speaking(f"{self.address}/{name}"):
            try:
                obstore.head(self._store, name)
            except FileNotFoundError:
                return False
        return True

    def read(self, name: str, start: int = 0, stop: int | None = None) -> bytes:
        """Read an object, or some of its bytes.

        Parameters
        ----------
        name : str
            Its name below the address.
        start, stop : int
            Positions of the first byte, and of the one after the last; all by default.

        Returns
        -------
        bytes

        Raises
        ------
        DataError
            If there is no such object, or it cannot be read.
        """
        import obstore

        options: Any = {"range": (start, stop) if stop is not None else {"offset": start}} if start or stop else None
        return self._repeat(lambda: bytes(obstore.get(self._store, name, options=options).bytes()), name)

    def _repeat(self, request: Callable[[], _Answer], name: str = "") -> _Answer:
        """Request something of the objects, once more where an answer is cut, and name what fails in one line.

        Parameters
        ----------
        request : callable
            Reads with the client.
        name : str
            Of an object, for the message.

        Raises
        ------
        DataError
            If it fails at last.
        """
        import obstore

        with _speaking(f"{self.address}/{name}" if name else self.address):
            for attempt in range(1, _ATTEMPTS + 1):
                try:
                    return request()
                except obstore.exceptions.GenericError as error:
                    # The client repeats requests, and not the reading of an answer that is cut.
                    if attempt == _ATTEMPTS or _is_final(str(error)):
                        raise
        raise AssertionError("returned or raised")

    def fetch(self, name: str, path: Path) -> None:
        """Copy an object into a file, which appears when it is complete.

        Parameters
        ----------
        name : str
            Its name below the address.
        path : Path
            The file.

        Raises
        ------
        DataError
            If there is no such object, or it cannot be read.
        """
        import obstore

        num_bytes = self._repeat(lambda: obstore.head(self._store, name), name)["size"]
        with publish(path) as part, part.open("wb") as file:
            for start in range(0, num_bytes, _RANGE_BYTES):
                file.write(self.read(name, start, min(start + _RANGE_BYTES, num_bytes)))

    def write(self, name: str, content: bytes) -> None:
        """Write an object, completely or not at all; one of this name is replaced.

        Parameters
        ----------
        name : str
            Its name below the address.
        content : bytes
            What it holds.

        Raises
        ------
        DataError
            If it cannot be written; what was there before is untouched.
        """
        import obstore

        with _speaking(f"{self.address}/{name}"):
            for attempt in range(1, _ATTEMPTS + 1):
                try:
                    obstore.put(self._store, name, content)
                    return
                except FileNotFoundError as error:
                    # A server that was ended may have lost what had arrived of an object in pieces.
                    if attempt == _ATTEMPTS or "<Code>NoSuchUpload</Code>" not in str(error):
                        raise

    def remove(self, names: Iterable[str]) -> None:
        """Remove objects, as far as they are there.

        Raises
        ------
        DataError
            If the server refuses.
        """
        import obstore

        with _speaking(self.address):
            for name in names:
                try:
                    obstore.delete(self._store, name)
                except FileNotFoundError:
                    continue


def is_address(where: object) -> bool:
    """Tell whether a text, or what else names a place, is an address of objects."""
    return isinstance(where, str) and where.startswith(SCHEME)


def _endpoint() -> str:
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or "https://amazonaws.com"


def _find_credentials(address: str) -> Any:
    """Return what gives credentials from ``~/.aws`` or of the machine; None where the environment has them."""
    is_public = os.environ.get("AWS_SKIP_SIGNATURE", "").lower() in ("1", "true", "yes")
    if is_public or os.environ.get("AWS_ACCESS_KEY_ID"):
        return None
    with need_extras():
        import boto3
        import botocore.exceptions
        from obstore.auth.boto3 import Boto3CredentialProvider
    try:
        return Boto3CredentialProvider(boto3.Session())
    except (ValueError, botocore.exceptions.BotoCoreError) as error:
        found = "no credentials" if isinstance(error, ValueError) else f"no credentials ({type(error).__name__})"
    raise UsageError(
        address,
        found=found,
        expected="AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile in ~/.aws (AWS_PROFILE)",
        remedy="For a public bucket set AWS_SKIP_SIGNATURE=true.",
    )


def _is_final(message: str) -> bool:
    """Tell whether it is of no use to try once more: refused, or tried for a minute."""
    return re.search(r"after [0-9]+ retries|builder error|status code: 4\d\d", message) is not None


@contextmanager
def _speaking(where: str) -> Iterator[None]:
    """Turn errors of the client into one line.

    Its own messages have many, and what a server answers to a wrong signature holds the name of the key: of an answer
    only status and code are shown.
    """
    import obstore

    try:
        yield
    except (obstore.exceptions.BaseError, FileNotFoundError, PermissionError) as error:
        message = str(error)
    else:
        return
    code = re.search(r"<Code>(\w{1,60})</Code>", message)
    status = re.search(r"status code: (\d{3})", message)
    stated = code.group(1) if code else f"HTTP {status.group(1)}" if status else ""
    endpoint = re.sub(r"^(https?://)?([^/@]*@)?([^/]*).*", r"\3", _endpoint())
    if stated == "NoSuchBucket":
        bucket = "/".join(where.split("/")[:3])
        expected, remedy = f"a bucket of {endpoint}", "Check its name, and AWS_ENDPOINT_URL."
        raise DataError(bucket, found="no such bucket", expected=expected, remedy=remedy) from None
    if status and status.group(1) in _DENIED:
        expected = "credentials with access to it"
        remedy = "Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, and the rights of this user."
        raise DataError(where, found=f"access denied ({stated})", expected=expected, remedy=remedy) from None
    if status and status.group(1) == "404":
        raise DataError(where, found="no such object", expected="one") from None
    if stated:
        remedy = "Check AWS_ENDPOINT_URL and AWS_REGION, or run again later: what is finished is kept."
        raise DataError(where, found=f"{endpoint} answers {stated}", expected="success", remedy=remedy) from None
    remedy = "Check AWS_ENDPOINT_URL and the network, and run again: what is finished is kept."
    raise DataError(where, found=f"no whole answer from {endpoint}", expected="an S3 server", remedy=remedy) from None
