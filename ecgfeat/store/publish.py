"""Atomic publishing: a file or folder appears under its name only when it is complete."""

import errno
import hashlib
import os
import shutil
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
        Where to build it. The name is unique to the process; what a killed run leaves is removed by the next run
        of the same artifact.

    Raises
    ------
    DataError
        If the disk is full; what was at ``path`` before is untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for leftover in path.parent.glob(f".{path.name}.*.part"):
        if not _is_running(int(leftover.name.split(".")[-2])):
            remove(leftover)
    part = path.parent / f".{path.name}.{os.getpid()}.part"
    try:
        yield part
        old = path.parent / f".{path.name}.old.{os.getpid()}.part"
        if path.is_dir():
            path.rename(old)  # a folder cannot be renamed onto a folder that is not empty
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


def _is_running(pid: int) -> bool:
    """Return whether a process has this number; signal 0 asks, and sends nothing."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it is there, and another user's
        return True
    return True


def remove(path: Path) -> None:
    """Remove a file or a folder with all that is in it, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def hash_file(path: Path) -> str:
    """Return the sha256 of a file as hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
