"""Sources of the files of a corpus: a mirror on disk, or a server such as PhysioNet; verified and resumed.

References
----------
RFC 9110, sections 14 and 15.3.7 (range requests); https://physionet.org/about/publish (SHA256SUMS.txt).
"""

import re
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Protocol
from urllib.parse import quote

import requests
import urllib3

from ecgfeat.errors import DataError
from ecgfeat.store.publish import hash_file

SUMS = "SHA256SUMS.txt"
CHUNK_BYTES = 1 << 20
_LARGEST_LIST_MB, _RATE_AFTER_S = 256, 30.0
_LONGEST_NAME = 1024
# HTTP statuses that may change at the next attempt.
TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})

OnProgress = Callable[[int, int, int], None]


@dataclass(frozen=True)
class Limits:
    """What a server may send.

    Attributes
    ----------
    file_mb : float
        Largest file, in MB.
    kb_per_s : float
        Least rate of a file in kB per second, over the time since its connection was made, once that is 30 s. A
        server that sends a byte now and then would keep a run for ever.
    """

    file_mb: float = 20_000.0
    kb_per_s: float = 1.0


@dataclass
class Progress:
    """Counts of files and bytes, reported to the caller."""

    call: OnProgress | None
    done: int = 0
    total: int = 0
    num_bytes: int = 0

    def add(self, *, files: int = 0, num_bytes: int = 0) -> None:
        """Add to the counts and report them."""
        self.done += files
        self.num_bytes += num_bytes
        if self.call is not None:
            self.call(self.done, max(self.total, self.done), self.num_bytes)


class Source(Protocol):
    """Where files come from."""

    where: str

    def has(self, name: str) -> bool:
        """Return whether the source has a file."""

    def names(self) -> list[str]:
        """Return the names of all its files."""

    def fetch(self, name: str, target: Path) -> str:
        """Write a verified file to `target` and return its SHA-256."""


def parse_sums(text: str, where: str) -> dict[str, str]:
    """Parse SHA256SUMS.txt.

    Parameters
    ----------
    text : str
        Content of the file: digest, blanks, file name on each line.
    where : str
        For messages.

    Returns
    -------
    dict of str to str
        Digest of each file.

    Raises
    ------
    DataError
        If a line is malformed, or there is none.
    """
    sums = {}
    for line in text.splitlines():
        if not line.strip():
            continue
        parts = re.fullmatch(r"([0-9a-fA-F]{64})[ \t]+\*?(\S.*)", line.rstrip())
        if parts is None:
            raise DataError(where, found=f"line {line[:60]!r} in {SUMS}", expected="a SHA-256 and a file name")
        sums[safe_name(parts.group(2).removeprefix("./"), where, SUMS)] = parts.group(1).lower()
    if not sums:
        raise DataError(where, found=f"nothing in {SUMS}", expected="a SHA-256 and a file name per line")
    return sums


def safe_name(name: str, where: str, listing: str) -> str:
    """Return a file name of a list, if it is one below the database.

    Parameters
    ----------
    name : str
        As listed.
    where : str
        For the message.
    listing : str
        The list.

    Raises
    ------
    DataError
        If it leads elsewhere, or no file can have it.
    """
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.name or "\0" in name or len(name) > _LONGEST_NAME:
        raise DataError(where, found=f"{name[:80]!r} in {listing}", expected="a name below the database")
    return name


@dataclass
class Mirror:
    """A folder that holds the corpus as PhysioNet lays it out."""

    root: Path
    progress: Progress
    where: str = field(init=False)
    sums: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.where = str(self.root)
        path = self.root / SUMS
        self.sums = parse_sums(path.read_text("utf-8", errors="replace"), self.where) if path.is_file() else {}

    def has(self, name: str) -> bool:
        """Return whether the source has a file."""
        return (self.root / name).is_file()

    def names(self) -> list[str]:
        """Return the names of all its files, in order."""
        return sorted(path.relative_to(self.root).as_posix() for path in self.root.rglob("*") if path.is_file())

    def fetch(self, name: str, target: Path) -> str:
        """Copy a file, compare it with its checksum if there is one, and return its SHA-256."""
        partial = target.with_name(f"{target.name}.part")
        shutil.copyfile(self.root / name, partial)
        digest, expected = hash_file(partial), self.sums.get(name)
        if self.sums and expected is None:
            raise DataError(f"{self.where}/{name}", found=f"a file that {SUMS} does not list", expected="its SHA-256")
        if expected not in (None, digest):
            partial.unlink()
            raise DataError(
                f"{self.where}/{name}", found=f"SHA-256 {digest}", expected=f"{expected}", remedy="Repair the mirror."
            )
        partial.rename(target)
        self.progress.add(num_bytes=target.stat().st_size)
        return digest


class Server:
    """PhysioNet, or a server with the same layout."""

    def __init__(
        self, where: str, part: Path, progress: Progress, retries: int, backoff_s: float, limits: Limits
    ) -> None:
        self.where, self.progress, self.retries, self.backoff_s = where, progress, retries, backoff_s
        self.limits = limits
        self.session = requests.Session()
        # With transfer compression, ranges would count other bytes than those of the file.
        self.session.headers["Accept-Encoding"] = "identity"
        self.sums: dict[str, str] = {}
        listing = part / f".{SUMS}"
        listing.unlink(missing_ok=True)
        self._download(SUMS, listing)
        self.sums = parse_sums(listing.read_text("utf-8", errors="replace"), where)
        listing.unlink()

    def has(self, name: str) -> bool:
        """Return whether the source has a file."""
        return name == SUMS or name in self.sums

    def names(self) -> list[str]:
        """Return the names of all its files, in order."""
        return sorted(self.sums)

    def fetch(self, name: str, target: Path) -> str:
        """Download a file, or keep the finished one of an earlier run, and return its SHA-256."""
        expected = self.sums[name]
        if target.is_file() and hash_file(target) == expected:
            self.progress.add(num_bytes=target.stat().st_size)  # finished by an earlier run
            return expected
        partial = target.with_name(f"{target.name}.part")
        for _ in range(2):  # wrong bytes are fetched once more, from the start
            self._download(name, partial)
            digest = hash_file(partial)
            if digest == expected:
                partial.rename(target)
                return digest
            partial.unlink()
        raise DataError(
            f"{self.where}/{name}", found=f"SHA-256 {digest} twice", expected=expected, remedy="Try again later."
        )

    def _download(self, name: str, partial: Path) -> None:
        """Append to `partial` until the file is complete; every attempt requests the missing bytes."""
        address, num_failures, largest = f"{self.where}/{quote(name)}", 0, -1
        while True:
            failure, wait_s = self._attempt(address, partial)
            if not failure:
                return
            size = partial.stat().st_size if partial.is_file() else 0
            num_failures = 0 if size > max(largest, 0) else num_failures + 1  # a connection with progress is no failure
            largest = max(largest, size)
            if num_failures >= self.retries:
                remedy = "Run again: finished files are kept."
                found = f"{failure} after {num_failures} attempts"
                raise DataError(address, found=found, expected="the file", remedy=remedy)
            time.sleep(max(wait_s, min(self.backoff_s * 2 ** max(num_failures - 1, 0), 60.0)))

    def _attempt(self, address: str, partial: Path) -> tuple[str, float]:
        """Make one request; return the failure (empty: the file is complete) and the wait in s."""
        num_bytes = partial.stat().st_size if partial.is_file() else 0
        headers = {"Range": f"bytes={num_bytes}-"} if num_bytes else {}
        try:
            with self.session.get(address, headers=headers, stream=True, timeout=(10, 60)) as response:
                status = response.status_code
                if status == 416 and num_bytes:
                    # There is nothing after our bytes: they are complete or wrong; the digest decides.
                    if response.headers.get("Content-Range", "").endswith(f"/{num_bytes}"):
                        return "", 0.0
                    partial.unlink()
                    return "a range that the server does not have", 0.0
                if status in TRANSIENT:
                    return f"HTTP {status}", min(_whole(response.headers.get("Retry-After", "")) or 0, 60)
                if status not in (200, 206):
                    raise DataError(address, found=f"HTTP {status}", expected="the file", remedy="Check the address.")
                resumed = status == 206
                if resumed and not response.headers.get("Content-Range", "").startswith(f"bytes {num_bytes}-"):
                    partial.unlink(missing_ok=True)
                    return "a range that was not requested", 0.0
                before, size = num_bytes if resumed else 0, _whole(response.headers.get("Content-Length", ""))
                self._refuse_large(address, before + (size or 0))
                start_s = time.monotonic()
                with open(partial, "ab" if resumed else "wb") as file:  # a server without ranges starts over
                    # read1 returns the bytes received so far; read and requests' iteration lose them on a broken line.
                    while chunk := response.raw.read1(CHUNK_BYTES):
                        file.write(chunk)
                        self.progress.add(num_bytes=len(chunk))
                        self._refuse_large(address, file.tell())
                        self._refuse_slow(address, file.tell() - before, time.monotonic() - start_s)
                    if size is not None and file.tell() < before + size:
                        return "connection cut", 0.0
        except (requests.RequestException, urllib3.exceptions.HTTPError, UnicodeError) as error:
            return f"connection lost ({type(error).__name__})", 0.0
        return "", 0.0

    def _refuse_large(self, address: str, num_bytes: int) -> None:
        largest_mb = _LARGEST_LIST_MB if address.endswith(f"/{SUMS}") else self.limits.file_mb
        if num_bytes > largest_mb * 1e6:
            found, remedy = f"more than {largest_mb:g} MB", "If the file is so large, raise acquire.largest_file_mb."
            raise DataError(address, found=found, expected="a file of the database", remedy=remedy)

    def _refuse_slow(self, address: str, num_bytes: int, took_s: float) -> None:
        if took_s > _RATE_AFTER_S and num_bytes < 1000 * self.limits.kb_per_s * took_s:
            found = f"{num_bytes / took_s:.0f} bytes per second for {took_s:.0f} s"
            remedy = "Run again later: finished files are kept. Or lower acquire.least_kb_per_s."
            raise DataError(address, found=found, expected=f"{self.limits.kb_per_s:g} kB per second", remedy=remedy)


def _whole(text: str) -> int | None:
    """Read a whole number of a header."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else None
