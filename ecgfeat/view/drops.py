"""Files that are dropped on the page: each drop has a private temporary folder, which is removed at the end."""

import re
import tempfile
import threading
from pathlib import Path
from typing import Final

from ecgfeat.errors import UsageError

MOST_DROP_BYTES: Final = 4 << 30
"""All files of one drop together: a day of twelve leads at 1000 Hz is 2 GB."""

MOST_FILES: Final = 2000
_NAME = re.compile(r"[^\W.][^/\\\x00-\x1f\x7f]{0,199}")


class Drop:
    """Files that belong together, such as header and samples of a WFDB record."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="ecgfeat-view-", ignore_cleanup_errors=True)
        self.num_bytes = 0

    @property
    def folder(self) -> Path:
        """Where they are."""
        return Path(self._folder.name)

    def path_of(self, name: str) -> Path:
        """Return where a new file of a name is written.

        Parameters
        ----------
        name : str
            As the browser gives it: a name, and no path.

        Raises
        ------
        UsageError
            If it is no plain name, or there is such a file already, or there are too many.
        """
        if not _NAME.fullmatch(name) or len(name.encode()) > 200:
            raise UsageError("file", found=repr(name[:80]), expected="a plain name, without a folder")
        path = self.folder / name
        if path.exists():
            raise UsageError(name, found="twice", expected="files with different names")
        if sum(1 for _ in self.folder.iterdir()) >= MOST_FILES:
            raise UsageError("drop", found=f"more than {MOST_FILES} files", expected="fewer")
        return path

    def count(self, num_bytes: int) -> None:
        """Count bytes that are about to be written.

        Raises
        ------
        UsageError
            If there are more than `MOST_DROP_BYTES`.
        """
        self.num_bytes += num_bytes
        if self.num_bytes > MOST_DROP_BYTES:
            expected = f"at most {MOST_DROP_BYTES >> 30} GiB at once"
            raise UsageError("drop", found="more", expected=expected, remedy="Name the file to: ecgfeat view")

    def close(self) -> None:
        """Remove the files."""
        self._folder.cleanup()


class Drops:
    """All drops of one start, by the number that addresses name them with."""

    def __init__(self) -> None:
        self._drops: dict[str, Drop] = {}
        self._lock = threading.Lock()

    def begin(self) -> str:
        """Make a drop, and return its number."""
        with self._lock:
            number = str(len(self._drops) + 1)
            self._drops[number] = Drop()
            return number

    def __getitem__(self, number: str) -> Drop:
        """Return a drop; KeyError where there is none."""
        return self._drops[number]

    def close(self) -> None:
        """Remove the files of all."""
        with self._lock:
            for drop in self._drops.values():
                drop.close()
