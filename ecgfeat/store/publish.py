"""Atomic publishing: a file or folder appears under its name only when it is complete."""

import errno
import functools
import hashlib
import os
import platform
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ecgfeat.errors import DataError


@contextmanager
def publish(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``, and rename it to ``path`` when the block ends without an error.

    Parameters
    ----------
    path : Path
        Final name of a file or folder.

    Yields
    ------
    Path
        Where to build it. Nothing is there, and its name cannot be known beforehand. What a killed run leaves is
        removed by the next run of the same artifact.

    Raises
    ------
    DataError
        If the disk is full; what was at ``path`` before is untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for leftover in _leftovers(path):
        remove(leftover)
    token = f"{os.getpid()}.{secrets.token_hex(4)}.{_machine()}"
    part, old = (path.parent / f".{path.name}.{kind}{token}.part" for kind in ("", "old."))
    _OWN.add(part.name)
    try:
        yield part
        if path.is_dir() and not path.is_symlink():
            path.rename(old)  # a folder cannot be renamed onto a folder that is not empty
        elif part.is_dir() and path.is_symlink():
            path.unlink()  # a folder cannot be renamed onto a link; what it leads to is somebody's own
        part.rename(path)
        remove(old)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        free_mb = shutil.disk_usage(path.parent).free / 1e6
        raise DataError(
            str(path),
            found=f"no space left on the disk ({free_mb:.0f} MB free)",
            expected="room for the artifact",
            remedy="Nothing was published. Free some space and run the command again.",
        ) from error
    finally:
        remove(part)
        _OWN.discard(part.name)


_OWN: set[str] = set()
"""Names of what this process is building."""


def _leftovers(path: Path) -> Iterator[Path]:
    """Yield what killed runs have left of an artifact."""
    token = r"([0-9]{1,9})(?:\.[0-9a-f]{8}(?:\.([0-9a-f]{8}))?)?"
    pattern = re.compile(rf"\.{re.escape(path.name)}\.(?:old\.)?{token}\.part")
    for entry in list(path.parent.iterdir()):
        match = pattern.fullmatch(entry.name)
        if not match or entry.name in _OWN:
            continue
        if match.group(2) in (None, _machine()):
            is_left = not _is_at_work(int(match.group(1)), entry)
        else:
            is_left = _is_old(entry)
        if is_left:
            yield entry


@functools.cache
def _machine() -> str:
    """Return eight hex digits that stand for this machine: its processes have numbers of their own."""
    return hashlib.blake2b(platform.node().encode(), digest_size=4).hexdigest()


def _is_old(part: Path) -> bool:
    """Return whether another machine, whose processes cannot be seen from here, has left a part for days."""
    try:
        return time.time() - part.lstat().st_mtime > _OLD_S
    except OSError:  # gone by now
        return False


def _is_at_work(pid: int, part: Path) -> bool:
    """Return whether the process that builds a part is running, and not another one that was given its number."""
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)  # signal 0 asks, and sends nothing
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # it is there, and another user's
        pass
    try:
        return part.lstat().st_mtime >= os.stat(f"/proc/{pid}").st_mtime - _CLOCK_S
    except OSError:  # no /proc: the process may be at work
        return True


_CLOCK_S = 2.0
_OLD_S = 2 * 24 * 3600.0


def remove(path: Path) -> None:
    """Remove a file, a symbolic link, or a folder with all that is in it, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def hash_file(path: Path) -> str:
    """Return the sha256 of a file as hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
