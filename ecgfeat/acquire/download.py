"""Copy or download a corpus into a folder of its own, completely or not at all.

Files are collected in a hidden folder beside the final one and verified against the database's SHA256SUMS.txt;
``corpus.json`` is written last, then the folder gets its final name. An interrupted run leaves the hidden folder, and
the next run continues there.
"""

import errno
import fcntl
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from ecgfeat.acquire.bucket import Bucket
from ecgfeat.acquire.manifest import MANIFEST, find_faults, read_manifest, save_manifest
from ecgfeat.acquire.sources import SUMS, Limits, Mirror, OnProgress, Progress, Server, Source, safe_name
from ecgfeat.corpora.collection import Collection
from ecgfeat.errors import DataError
from ecgfeat.records.headers import read_header
from ecgfeat.store.objects import ObjectFolder, is_address

_DEEPEST_LIST = 8


def acquire_corpus(
    corpus: Collection,
    folder: Path,
    *,
    mirror: Path | str | None,
    url: str,
    records: Sequence[str] | None = None,
    with_signals: bool = True,
    on_progress: OnProgress | None = None,
    retries: int = 5,
    backoff_s: float = 1.0,
    limits: Limits | None = None,
) -> dict[str, Any]:
    """Copy or download the headers, annotations and signals of a corpus into a folder.

    Parameters
    ----------
    corpus : Corpus or DiagnosticCorpus
        Facts of the corpus.
    folder : Path
        Folder to publish, such as ``data/raw/mitdb``. A complete folder is left unchanged.
    mirror : Path, str or None
        Folder of corpora by slug, or an address of objects such as ``s3://lab/ecg``, where a corpus is below its slug
        or its path at PhysioNet; the server is used if this corpus is not in it.
    url : str
        Address of the server's files, such as ``https://physionet.org/files``.
    records : sequence of str, optional
        Only these records; all by default.
    with_signals : bool
        Include the samples, if the source has them; else headers and annotations only.
    on_progress : callable, optional
        Called with files done, files to do as far as known, and bytes done.
    retries : int
        Attempts without a new byte before a download fails.
    backoff_s : float
        Seconds before the second attempt, doubled each time.
    limits : Limits, optional
        Size and rate of what a server sends.

    Returns
    -------
    dict
        The manifest: slug, version, signals (measured or none), verified (against SHA256SUMS.txt), records and files
        (name to SHA-256).

    Raises
    ------
    DataError
        If files are missing, differ from their checksum twice or cannot be downloaded, or the disk is full.

    Notes
    -----
    * If the source has annotations and no signal at all, the corpus is accepted with signals ``none``.
    * If the corpus has a pattern of record names, its records are the matching headers of the source: a mirror may hold
      only some. A header without its signal fails later, when the record is read.
    * The manifest holds no time, host or path: the same files give the same bytes.
    """
    folder = Path(folder)
    limits = limits or Limits()
    with _writing(folder), _own_folder(folder) as part:
        if (folder / MANIFEST).is_file() and not find_faults(folder):
            manifest = read_manifest(folder)
            is_same = records is None or manifest["records"] == list(records)
            is_same &= manifest["version"] == corpus.version
            if is_same and all(_is_record(corpus, record) for record in manifest["records"]):
                return manifest
        progress = Progress(on_progress)
        source = _open_mirror(corpus, mirror, progress, limits)
        if source is None and corpus.path:
            source = Server(f"{url.rstrip('/')}/{corpus.path}", part, progress, retries, backoff_s, limits)
        if source is None:
            raise DataError(
                corpus.slug, found="no address to download it from", expected="a folder of it in the mirror"
            )
        manifest = _collect(corpus, source, part, records, with_signals, progress)
        _publish(part, folder, manifest)
    return manifest


def _open_mirror(corpus: Collection, mirror: Path | str | None, progress: Progress, limits: Limits) -> Source | None:
    """Open the mirror of a corpus; None where there is none."""
    if isinstance(mirror, str) and is_address(mirror):
        for path in filter(None, (corpus.path, corpus.slug)):
            bucket = Bucket(ObjectFolder(f"{mirror}/{path}"), progress, limits)
            if bucket.sizes:
                return bucket
    elif mirror is not None and (Path(mirror) / corpus.slug).is_dir():
        return Mirror(Path(mirror) / corpus.slug, progress)
    return None


def _is_record(corpus: Collection, name: str) -> bool:
    """Return whether a record of this corpus, at this rate, can have that name."""
    return not corpus.record_regex or re.fullmatch(corpus.record_regex, name) is not None


def _matching(corpus: Collection, source: Source) -> tuple[str, ...]:
    """Return the records whose headers the source has; refuse two of one name: they would share labels."""
    headers = [name.removesuffix(".hea") for name in source.names() if name.endswith(".hea")]
    names = tuple(name for name in headers if _is_record(corpus, name))
    if not names:
        raise DataError(
            f"{corpus.slug} in {source.where}", found="no header", expected=f"names like {corpus.record_regex}.hea"
        )
    places: dict[str, str] = {}
    for name in names:
        other = places.setdefault(PurePosixPath(name).name, name)
        if other != name:
            raise DataError(
                f"{corpus.slug} in {source.where}", found=f"{other} and {name}", expected="each record once"
            )
    return names


def _collect(
    corpus: Collection,
    source: Source,
    part: Path,
    records: Sequence[str] | None,
    with_signals: bool,
    progress: Progress,
) -> dict[str, Any]:
    """Fetch all files of the corpus into `part` and return the manifest."""
    files: dict[str, str] = {}

    def fetch(name: str) -> None:
        (part / name).parent.mkdir(parents=True, exist_ok=True)
        files[name] = source.fetch(name, part / name)
        progress.add(files=1)

    names: tuple[str, ...]
    if records is not None:
        names = tuple(records)
    elif corpus.record_regex:
        names = _matching(corpus, source)
    else:
        names = corpus.records or tuple(_listed(source, part, fetch, corpus.records_file))
    files_to_read = [f"{record}.{extension}" for record in names for extension in corpus.extensions]
    required = [*corpus.extra_files, *files_to_read]
    _refuse_missing(corpus, source, required)
    optional = [f"{record}.{extension}" for record in names for extension in corpus.optional_extensions]
    required += [name for name in optional if source.has(name)]
    progress.total = len(required)
    for name in required:
        fetch(name)
    signals: list[str] = []
    for record in names if with_signals else ():
        if record not in corpus.without_signal:
            signals += _signal_files(part, record)
    if corpus.record_regex:
        signals = [name for name in signals if source.has(name)]
    measured = any(source.has(name) for name in signals)
    if measured:
        _refuse_missing(corpus, source, signals)
        progress.total += len(signals)
        for name in signals:
            fetch(name)
    return {
        "slug": corpus.slug,
        "version": corpus.version,
        "signals": "measured" if measured else "none",
        "verified": source.has(SUMS),
        "records": list(names),
        "files": dict(sorted(files.items())),
    }


def _signal_files(part: Path, record: str) -> list[str]:
    """Return the signal files of a record; the usual one if its header is damaged.

    A damaged header is reported when the record is read, and does not stop the download.
    """
    try:
        lines = read_header(part, record).signals
    except DataError:
        return [f"{record}.dat"]
    beside = PurePosixPath(record).parent
    return [str(beside / file) for file in dict.fromkeys(line.file for line in lines)]


def _listed(source: Source, part: Path, fetch: Callable[[str], None], name: str, depth: int = 0) -> Iterator[str]:
    """Yield the records of a RECORDS file; an entry that ends in a slash is a folder with its own RECORDS file."""
    if not source.has(name):
        raise DataError(source.where, found=f"no file {name}", expected="the list of records")
    fetch(name)
    for line in (part / name).read_text("utf-8", errors="replace").split():
        safe_name(line.removesuffix("/"), source.where, name)
        entry = str(PurePosixPath(name).parent / line)
        if line.endswith("/"):
            if depth >= _DEEPEST_LIST:
                raise DataError(source.where, found=f"{name} in {depth} folders", expected="lists that end")
            yield from _listed(source, part, fetch, f"{entry}/RECORDS", depth + 1)
        else:
            yield entry


def _refuse_missing(corpus: Collection, source: Source, names: Sequence[str]) -> None:
    missing = [name for name in names if not source.has(name)]
    if missing:
        first = ", ".join(missing[:5]) + (" ..." if len(missing) > 5 else "")
        found = f"{len(missing)} of {len(names)} files missing: {first}"
        raise DataError(
            f"{corpus.slug} in {source.where}", found=found, expected="each record's header, annotations, signal"
        )


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Turn errors of the file system into a `DataError`."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            remedy = "Free some space and run again: finished files are kept."
            raise DataError(
                str(folder), found="the disk is full", expected="room for the corpus", remedy=remedy
            ) from error
        found = f"{error.strerror or error} ({error.filename or 'no file named'})"
        raise DataError(str(folder), found=found, expected="files that can be read and written") from error


@contextmanager
def _own_folder(folder: Path) -> Iterator[Path]:
    """Lock the hidden folder in which the corpus is collected; a second process gets a `DataError`."""
    part = folder.parent / f".{folder.name}.part"
    part.mkdir(parents=True, exist_ok=True)
    handle = os.open(part, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_locked = os.path.samestat(os.fstat(handle), os.stat(part))
        except (BlockingIOError, FileNotFoundError):
            is_locked = False
        if not is_locked:
            raise DataError(
                str(folder),
                found="another process that acquires it",
                expected="one at a time",
                remedy="Wait for its end.",
            )
        yield part
        if part.is_dir() and not any(part.iterdir()):
            part.rmdir()
    finally:
        os.close(handle)


def _publish(part: Path, folder: Path, manifest: dict[str, Any]) -> None:
    """Keep only the manifest's files in `part`, write the manifest, and rename `part` to `folder`."""
    for path in sorted(part.rglob("*"), reverse=True):
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif path.relative_to(part).as_posix() not in manifest["files"]:
            path.unlink()
    save_manifest(part, manifest)
    if folder.exists():
        old = folder.parent / f".{folder.name}.old"
        shutil.rmtree(old, ignore_errors=True)
        folder.rename(old)
        part.rename(folder)
        shutil.rmtree(old)
    else:
        part.rename(folder)
