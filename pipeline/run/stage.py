"""What every stage script shares: one closing line, one red line for an error, no second writer."""

import functools
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import filelock
from tqdm import tqdm

from ecgfeat.errors import DataError, UsageError
from ecgfeat.store.publish import hash_file

CACHE = Path(".cache/ecgfeat")

RANK = int(os.environ.get("RANK", "0"))
"""Which of the processes of ``torchrun`` this is: the first one alone writes and reports; 0 on its own."""

# A terminal sees the bar move; a log file gets a line now and then.
progress_bar = functools.partial(
    tqdm, mininterval=0.1 if sys.stderr.isatty() else 20, dynamic_ncols=True, disable=RANK > 0
)
"""A progress bar with rate and time left, as tqdm takes its arguments."""


def run_stage(name: str, main: Callable[..., str], *arguments: str, in_ranks: bool = False) -> int:
    """Run ``main(*arguments)`` as a stage and print its closing line.

    Parameters
    ----------
    name : str
        Stage name; with the arguments it names the lock.
    main : callable
        Does the work and returns the closing line.
    *arguments : str
        Passed on; by default those of the command line.
    in_ranks : bool
        Whether ``torchrun`` may start it in several processes; ``main`` then writes where `RANK` is 0.

    Returns
    -------
    int
        Exit code: 0 done, 1 a data fault, 2 wrong use or params.
    """
    arguments = arguments or tuple(sys.argv[1:])
    _write_lines_at_once()
    (CACHE / "locks").mkdir(parents=True, exist_ok=True)
    try:
        if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not in_ranks:
            raise UsageError(name, found="several processes", expected="one", remedy=f"Run: python -m pipeline.{name}")
        if RANK:
            main(*arguments)
            return 0
        with filelock.FileLock(CACHE / "locks" / _file_name(name, arguments), timeout=30):
            start_s = time.perf_counter()
            line = main(*arguments)
            _remember_time(name, arguments, time.perf_counter() - start_s)
            print(f"{name}: {line}")
        return 0
    except filelock.Timeout:
        return _fail(f"{name}: another run of this stage is writing; expected none. Wait for it, or end it.", 1)
    except DataError as error:
        return _fail(str(error), 1)
    except UsageError as error:
        return _fail(str(error), 2)
    except OSError as error:
        if os.environ.get("ECGFEAT_DEBUG") or error.errno is None:
            raise
        return _fail(f"{error.filename or name}: {error.strerror}. Put it right and run the same command again.", 1)


def read_time(made: Path | None, name: str, *arguments: str) -> float | None:
    """Return how long the last run of a stage took on this machine, in seconds.

    Times differ from run to run, so no artifact holds them: they stand beside the outputs, untracked.

    Parameters
    ----------
    made : Path, optional
        A file that the stage wrote: what it alone took, where the stage noted that. If it is another one now, such as
        one that DVC restored, the time is not its own.
    name, *arguments : str
        As `run_stage` took them.

    Returns
    -------
    float or None
        None if the stage never ran here, or made another file.
    """
    path = _time_path(name, arguments)
    if not path.is_file():
        return None
    costs = json.loads(path.read_text())
    if made is None:
        return float(costs["wall_s"])
    if costs.get("written", {}).get(made.as_posix()) != hash_file(made):
        return None
    return float(costs.get("took_s", {}).get(made.as_posix(), costs["wall_s"]))


def note_written(path: Path, took_s: float | None = None) -> None:
    """Note a file that this run of a stage wrote, so that its time is not taken for that of another.

    Parameters
    ----------
    path : Path
        The file.
    took_s : float, optional
        Seconds it took of the stage's, where the stage writes several; `read_time` then gives these.
    """
    _WRITTEN[path.as_posix()] = hash_file(path)
    if took_s is not None:
        _TOOK_S[path.as_posix()] = round(took_s, 3)


_WRITTEN: dict[str, str] = {}
_TOOK_S: dict[str, float] = {}


def _time_path(name: str, arguments: tuple[str, ...]) -> Path:
    return CACHE / "times" / f"{_file_name(name, arguments)}.json"


def _file_name(name: str, arguments: tuple[str, ...]) -> str:
    return "-".join((name, *arguments)).replace("/", "-")


def _remember_time(name: str, arguments: tuple[str, ...], wall_s: float) -> None:
    path = _time_path(name, arguments)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"wall_s": round(wall_s, 3), "written": _WRITTEN, "took_s": _TOOK_S}, indent=1) + "\n")


def _fail(message: str, code: int) -> int:
    if os.environ.get("ECGFEAT_DEBUG"):
        raise
    red = ("\033[31m", "\033[0m") if sys.stderr.isatty() else ("", "")
    print(f"{red[0]}{' '.join(message.split())}{red[1]}", file=sys.stderr)
    return code


def _write_lines_at_once() -> None:
    """Keep progress and lines in order when the output is a file or a pipe."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
