"""A stage ends with the run that started it, from its first instruction: one that went on would write beside the next.

DVC starts ``sh -c 'python -m pipeline.<stage>'``. A shell may replace itself by the command or stay in between, so the
whole chain of processes up to DVC is watched. Where the chain is broken before the first look at it, the process has
been adopted by another one: DVC names the stage in the environment, and is then not among the ancestors.
"""

import itertools
import os
import sys
import threading
import time

_MARK = "DVC_STAGE"
_MOST_ANCESTORS = 6
_CHECK_S = 0.2


def is_stage(arguments: list[str]) -> bool:
    """Tell whether a process is a stage, from `sys.orig_argv`."""
    named = [after for before, after in itertools.pairwise(arguments) if before == "-m"]
    return bool(named) and named[0].startswith("pipeline.") and named[0].count(".") == 1


def end_with_parents() -> None:
    """Leave as soon as one of the processes between this one and DVC has ended.

    Notes
    -----
    * Without ``/proc``, as on macOS, only the parent is watched.
    """
    chain = _chain()
    can_name_processes = _command(os.getpid()) != ""
    if os.environ.get(_MARK) and can_name_processes and not any("dvc" in name for _, name in chain):
        print("stage: the run that started it has ended; nothing was written.", file=sys.stderr)
        os._exit(1)
    # Above DVC nothing matters: make, a terminal, a scheduler.
    at_dvc = next((at for at, (_, name) in enumerate(chain) if "dvc" in name), 0)
    watched = [os.getpid(), *(pid for pid, _ in chain[: at_dvc + 1])]

    def watch() -> None:
        while all(_parent_of(child) == parent for child, parent in itertools.pairwise(watched)):
            time.sleep(_CHECK_S)
        os._exit(1)

    if len(watched) > 1:
        threading.Thread(target=watch, daemon=True).start()


def _chain() -> list[tuple[int, str]]:
    """Return the ancestors, nearest first, each with its command line."""
    chain: list[tuple[int, str]] = []
    pid = os.getpid()
    while len(chain) < _MOST_ANCESTORS:
        pid = _parent_of(pid)
        if pid < 1:
            break
        chain.append((pid, _command(pid)))
    return chain


def _parent_of(pid: int) -> int:
    """Return the parent of a process; 0 where there is none or it has ended."""
    if pid == os.getpid():
        return os.getppid()
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return 0


def _command(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
