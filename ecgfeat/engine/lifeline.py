"""A process of a pool ends with the process that works with it, even where that was killed."""

import os
import threading
import time
from typing import Final

_CHECK_S: Final = 0.5


def end_with(pid: int) -> None:
    """Leave as soon as a process has ended: a worker that went on would write beside the next run.

    Parameters
    ----------
    pid : int
        A process of this machine. Another process that is given its number later is taken for it where there is no
        ``/proc``.
    """
    began = _start_of(pid)

    def watch() -> None:
        while _start_of(pid) == began and _is_there(pid):
            time.sleep(_CHECK_S)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _start_of(pid: int) -> bytes:
    """Return when a process began, in clock ticks; empty where that is not known."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[19]
    except (OSError, IndexError):
        return b""


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)  # signal 0 asks, and sends nothing
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
