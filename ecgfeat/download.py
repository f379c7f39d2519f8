"""Bring a corpus into a folder of its own, from a mirror on disk or from PhysioNet, whole or not at all.

Files are assembled in a hidden folder beside the wanted one and verified against the database's SHA256SUMS.txt;
``corpus.json`` is written last, then the folder is renamed into place. An interrupted run leaves the hidden folder,
and the next one goes on where it stopped.

References
----------
RFC 9110, sections 14 and 15.3.7 (range requests); https://physionet.org/about/publish (SHA256SUMS.txt).
"""

import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Protocol
from urllib.parse import quote

import requests
import urllib3

from ecgfeat.corpora import Corpus
from ecgfeat.errors import DataError, fault
from ecgfeat.records import read_header

PHYSIONET = "https://physionet.org/files"
MANIFEST = "corpus.json"
SUMS = "SHA256SUMS.txt"
CHUNK_BYTES = 1 << 20
# Answers that another attempt may change.
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})

OnProgress = Callable[[int, int, int], None]


class Source(Protocol):
    """Where files come from."""

    where: str

    def has(self, name: str) -> bool:
        """Tell whether the source offers a file."""

    def fetch(self, name: str, target: Path) -> str:
        """Bring a verified file to `target` and return its SHA-256."""


def acquire_corpus(
    corpus: Corpus,
    folder: Path,
    *,
    mirror: Path | None,
    url: str = PHYSIONET,
    records: Sequence[str] | None = None,
    on_progress: OnProgress | None = None,
    retries: int = 5,
    backoff_s: float = 1.0,
) -> dict[str, Any]:
    """Bring the headers, annotations and signals of a corpus into a folder.

    Parameters
    ----------
    corpus : Corpus
        Facts of the corpus.
    folder : Path
        Folder to publish, such as ``data/raw/mitdb``. A complete one is left as it is.
    mirror : Path or None
        Folder of corpora by slug; used if it holds this one, and PhysioNet otherwise.
    url : str
        Address of the files of all databases.
    records : sequence of str, optional
        Bring only these records.
    on_progress : callable, optional
        Called with files done, files known so far, and bytes done.
    retries : int
        Attempts without a new byte before a download is given up.
    backoff_s : float
        Wait before the second attempt in seconds, doubled each time.

    Returns
    -------
    dict
        The manifest: slug, version, signals (measured or none), verified (against SHA256SUMS.txt), records and files
        (name to SHA-256).

    Raises
    ------
    DataError
        If files are missing, differ from their checksum twice, cannot be had, or the disk is full.

    Notes
    -----
    * A corpus of which the source has annotations and not one signal is accepted with signals ``none``.
    * The manifest holds no time, host or path: the same files give the same bytes.
    """
    folder = Path(folder)
    local = None if mirror is None else Path(mirror) / corpus.slug
    source: Source
    with _writing(folder), _own_folder(folder) as part:
        if (folder / MANIFEST).is_file() and not find_faults(folder):
            known: dict[str, Any] = json.loads((folder / MANIFEST).read_text("utf-8"))
            if known["version"] == corpus.version and (records is None or known["records"] == list(records)):
                return known
        progress = _Progress(on_progress)
        if local is not None and local.is_dir():
            source = _Mirror(local, progress)
        elif corpus.path:
            source = _Server(f"{url.rstrip('/')}/{corpus.path}", part, progress, retries, backoff_s)
        else:
            raise DataError(fault(corpus.slug, "no address to download it from", "a folder of it in the mirror"))
        manifest = _collect(corpus, source, part, records, progress)
        _publish(part, folder, manifest)
    return manifest


def find_faults(folder: Path) -> list[str]:
    """Compare a published corpus with its manifest.

    Parameters
    ----------
    folder : Path
        Folder of the corpus.

    Returns
    -------
    list of str
        One line per file that is missing or differs; a single one if there is no manifest.
    """
    folder = Path(folder)
    try:
        manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
        files = dict(manifest["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return [fault(str(folder), f"no readable {MANIFEST}", "a corpus acquired to the end")]
    faults = []
    for name, expected in files.items():
        path = folder / name
        found = sha256_of(path) if path.is_file() else "no such file"
        if found != expected:
            faults.append(fault(str(path), found, expected, "Acquire the corpus again."))
    return faults


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def parse_sums(text: str, where: str) -> dict[str, str]:
    """Parse SHA256SUMS.txt.

    Parameters
    ----------
    text : str
        Content: digest, blanks, file name on each line.
    where : str
        For messages.

    Returns
    -------
    dict of str to str
        Digest of each file.

    Raises
    ------
    DataError
        If a line is something else, or there is none.
    """
    sums = {}
    for line in text.splitlines():
        if not line.strip():
            continue
        parts = re.fullmatch(r"([0-9a-fA-F]{64})[ \t]+\*?(\S.*)", line.rstrip())
        if parts is None:
            raise DataError(fault(where, f"line {line[:60]!r} in {SUMS}", "a SHA-256 and a file name"))
        sums[parts.group(2).removeprefix("./")] = parts.group(1).lower()
    if not sums:
        raise DataError(fault(where, f"nothing in {SUMS}", "a SHA-256 and a file name per line"))
    return sums


@dataclass
class _Progress:
    """Counts what has been done and tells the caller."""

    call: OnProgress | None
    done: int = 0
    known: int = 0
    num_bytes: int = 0

    def add(self, *, files: int = 0, num_bytes: int = 0) -> None:
        self.done += files
        self.num_bytes += num_bytes
        if self.call is not None:
            self.call(self.done, max(self.known, self.done), self.num_bytes)


def _collect(
    corpus: Corpus, source: Source, part: Path, records: Sequence[str] | None, progress: _Progress
) -> dict[str, Any]:
    """Bring all files of the corpus into `part` and return the manifest."""
    files: dict[str, str] = {}

    def bring(name: str) -> None:
        (part / name).parent.mkdir(parents=True, exist_ok=True)
        files[name] = source.fetch(name, part / name)
        progress.add(files=1)

    names = tuple(records) if records is not None else corpus.records or tuple(_listed(source, part, bring, "RECORDS"))
    extensions = ["hea", corpus.annotation, *([corpus.beat_annotation] if corpus.beat_annotation else [])]
    wanted = [f"{record}.{extension}" for record in names for extension in extensions]
    _refuse_missing(corpus, source, wanted)
    progress.known = len(wanted)
    for name in wanted:
        bring(name)
    signals: list[str] = []
    for record in names:
        if record not in corpus.without_signal:
            signals += _signal_files(part, record)
    measured = any(source.has(name) for name in signals)
    if measured:
        _refuse_missing(corpus, source, signals)
        progress.known += len(signals)
        for name in signals:
            bring(name)
    return {
        "slug": corpus.slug,
        "version": corpus.version,
        "signals": "measured" if measured else "none",
        "verified": source.has(SUMS),
        "records": list(names),
        "files": dict(sorted(files.items())),
    }


def _signal_files(part: Path, record: str) -> list[str]:
    """Return the signal files of a record; of one whose header is at fault, the usual one.

    Whether such a record can be used is for its reader to say, with the reason, and no ground to stop here.
    """
    try:
        lines = read_header(part, record).signals
    except DataError:
        return [f"{record}.dat"]
    beside = PurePosixPath(record).parent
    return [str(beside / file) for file in dict.fromkeys(line.file for line in lines)]


def _listed(source: Source, part: Path, bring: Callable[[str], None], name: str) -> Iterator[str]:
    """Yield the records of a RECORDS file; an entry that ends in a slash is a folder with one of its own."""
    if not source.has(name):
        raise DataError(fault(source.where, f"no file {name}", "the list of records"))
    bring(name)
    for line in (part / name).read_text("utf-8").split():
        if PurePosixPath(line).is_absolute() or ".." in PurePosixPath(line).parts:
            raise DataError(fault(source.where, f"record {line!r} in {name}", "a name below the database"))
        entry = str(PurePosixPath(name).parent / line)
        if line.endswith("/"):
            yield from _listed(source, part, bring, f"{entry}/RECORDS")
        else:
            yield entry


def _refuse_missing(corpus: Corpus, source: Source, names: Sequence[str]) -> None:
    missing = [name for name in names if not source.has(name)]
    if missing:
        shown = ", ".join(missing[:5]) + (" ..." if len(missing) > 5 else "")
        found = f"{len(missing)} of {len(names)} files missing: {shown}"
        raise DataError(fault(f"{corpus.slug} in {source.where}", found, "each record's header, annotations, signal"))


@dataclass
class _Mirror:
    """A folder that holds the corpus as PhysioNet lays it out."""

    root: Path
    progress: _Progress
    where: str = field(init=False)
    sums: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.where = str(self.root)
        path = self.root / SUMS
        self.sums = parse_sums(path.read_text("utf-8"), self.where) if path.is_file() else {}

    def has(self, name: str) -> bool:
        return (self.root / name).is_file()

    def fetch(self, name: str, target: Path) -> str:
        partial = target.with_name(f"{target.name}.part")
        shutil.copyfile(self.root / name, partial)
        found, expected = sha256_of(partial), self.sums.get(name)
        if self.sums and expected is None:
            raise DataError(fault(f"{self.where}/{name}", f"a file that {SUMS} does not list", "its SHA-256"))
        if expected not in (None, found):
            partial.unlink()
            raise DataError(fault(f"{self.where}/{name}", f"SHA-256 {found}", f"{expected}", "Repair the mirror."))
        partial.rename(target)
        self.progress.add(num_bytes=target.stat().st_size)
        return found


class _Server:
    """PhysioNet, or what answers like it."""

    def __init__(self, where: str, part: Path, progress: _Progress, retries: int, backoff_s: float) -> None:
        self.where, self.progress, self.retries, self.backoff_s = where, progress, retries, backoff_s
        self.session = requests.Session()
        # Transfer compression would make ranges count other bytes than the file's.
        self.session.headers["Accept-Encoding"] = "identity"
        self.sums: dict[str, str] = {}
        listing = part / f".{SUMS}"
        listing.unlink(missing_ok=True)
        self._download(SUMS, listing)
        self.sums = parse_sums(listing.read_text("utf-8"), where)
        listing.unlink()

    def has(self, name: str) -> bool:
        return name == SUMS or name in self.sums

    def fetch(self, name: str, target: Path) -> str:
        expected = self.sums[name]
        if target.is_file() and sha256_of(target) == expected:
            self.progress.add(num_bytes=target.stat().st_size)  # an earlier run got this far
            return expected
        partial = target.with_name(f"{target.name}.part")
        for _ in range(2):  # wrong bytes are fetched once more, from the start
            self._download(name, partial)
            found = sha256_of(partial)
            if found == expected:
                partial.rename(target)
                return found
            partial.unlink()
        raise DataError(fault(f"{self.where}/{name}", f"SHA-256 {found} twice", expected, "Try again later."))

    def _download(self, name: str, partial: Path) -> None:
        """Append to `partial` until the server has no more; every attempt asks for what is missing."""
        address, failures, most = f"{self.where}/{quote(name)}", 0, -1
        while True:
            trouble, wait_s = self._attempt(address, partial)
            if not trouble:
                return
            size = partial.stat().st_size if partial.is_file() else 0
            failures = 0 if size > max(most, 0) else failures + 1  # a connection that moves on is no failure
            most = max(most, size)
            if failures >= self.retries:
                remedy = "Run again: finished files are kept."
                found = f"{trouble} after {failures} attempts"
                raise DataError(fault(address, found, "the file", remedy))
            time.sleep(max(wait_s, min(self.backoff_s * 2 ** max(failures - 1, 0), 60.0)))

    def _attempt(self, address: str, partial: Path) -> tuple[str, float]:
        """Make one request; return what went wrong (nothing: the file has ended) and how long to wait, in s."""
        have = partial.stat().st_size if partial.is_file() else 0
        headers = {"Range": f"bytes={have}-"} if have else {}
        try:
            with self.session.get(address, headers=headers, stream=True, timeout=(10, 60)) as answer:
                status = answer.status_code
                if status == 416 and have:
                    # Nothing lies behind what we have: either all of it is here or it is wrong; the digest decides.
                    if answer.headers.get("Content-Range", "").endswith(f"/{have}"):
                        return "", 0.0
                    partial.unlink()
                    return "a range the server does not have", 0.0
                if status in PASSING:
                    after = answer.headers.get("Retry-After", "")
                    return f"HTTP {status}", min(float(after), 60.0) if after.isdigit() else 0.0
                if status not in (200, 206):
                    raise DataError(fault(address, f"HTTP {status}", "the file", "Check the address."))
                resumed = status == 206
                if resumed and not answer.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
                    partial.unlink(missing_ok=True)
                    return "another range than asked for", 0.0
                with open(partial, "ab" if resumed else "wb") as file:  # a server without ranges starts over
                    # read1 hands over what has come; read, and requests' own iteration, drop it when the line is cut.
                    while chunk := answer.raw.read1(CHUNK_BYTES):
                        file.write(chunk)
                        self.progress.add(num_bytes=len(chunk))
                    size = answer.headers.get("Content-Length", "")
                    if size.isdigit() and file.tell() < (have if resumed else 0) + int(size):
                        return "connection cut", 0.0
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            return f"connection lost ({type(error).__name__})", 0.0
        return "", 0.0


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Turn what the file system refuses into one line."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            remedy = "Free some space and run again: finished files are kept."
            raise DataError(fault(str(folder), "the disk is full", "room for the corpus", remedy)) from error
        found = f"{error.strerror or error} ({error.filename or 'no file named'})"
        raise DataError(fault(str(folder), found, "files that can be read and written")) from error


@contextmanager
def _own_folder(folder: Path) -> Iterator[Path]:
    """Hold the hidden folder that the corpus is assembled in; a second process is turned away."""
    part = folder.parent / f".{folder.name}.part"
    part.mkdir(parents=True, exist_ok=True)
    handle = os.open(part, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held = os.path.samestat(os.fstat(handle), os.stat(part))
        except (BlockingIOError, FileNotFoundError):
            held = False
        if not held:
            raise DataError(fault(str(folder), "another process that acquires it", "one at a time", "Wait for it."))
        yield part
        if part.is_dir() and not any(part.iterdir()):
            part.rmdir()
    finally:
        os.close(handle)


def _publish(part: Path, folder: Path, manifest: dict[str, Any]) -> None:
    """Leave exactly the manifest's files in `part`, write the manifest, and rename it to `folder`."""
    for path in sorted(part.rglob("*"), reverse=True):
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif path.relative_to(part).as_posix() not in manifest["files"]:
            path.unlink()
    with open(part / MANIFEST, "w", encoding="utf-8") as file:
        file.write(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")
        file.flush()
        os.fsync(file.fileno())
    if folder.exists():
        old = folder.parent / f".{folder.name}.old"
        shutil.rmtree(old, ignore_errors=True)
        folder.rename(old)
        part.rename(folder)
        shutil.rmtree(old)
    else:
        part.rename(folder)
