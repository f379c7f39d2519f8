"""Time two ways of doing the same thing in turn, so that a disturbance of the machine meets both."""

import json
import os
import statistics
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).parents[1]

BEFORE = "0853e0f"
"""Commit before the work on speed: the peer where a benchmark is compared with earlier code of this project."""

_SET_HERE = {"OMP_NUM_THREADS", "GOMP_SPINCOUNT", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"}


@dataclass(frozen=True)
class Pairs:
    """Times of two ways, taken in turn.

    Attributes
    ----------
    own_s, peer_s : tuple of float
        Seconds, round by round.
    """

    own_s: tuple[float, ...]
    peer_s: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """How many times faster the own way is: the median of the ratios of the rounds."""
        return statistics.median(peer / own for own, peer in zip(self.own_s, self.peer_s, strict=True))

    @property
    def range(self) -> tuple[float, float]:
        """Smallest and largest ratio of a round."""
        ratios = [peer / own for own, peer in zip(self.own_s, self.peer_s, strict=True)]
        return min(ratios), max(ratios)


def time_pairs(
    own: Callable[[], object],
    peer: Callable[[], object],
    num_rounds: int,
    clock: Callable[[], float] = time.process_time,
) -> Pairs:
    """Call two functions in turn, after one call of each that is not timed.

    Parameters
    ----------
    own, peer : callable
        What is timed.
    num_rounds : int
        How often.
    clock : callable
        Returns seconds; by default those of the processors, which other programs disturb less than those of the wall.

    Returns
    -------
    Pairs
    """
    own(), peer()
    times: list[list[float]] = [[], []]
    for _ in range(num_rounds):
        for of, function in zip(times, (own, peer), strict=True):
            started_s = clock()
            function()
            of.append(clock() - started_s)
    return Pairs(*map(tuple, times))


@contextmanager
def earlier_code(commit: str = BEFORE) -> Iterator[Path | None]:
    """Yield a folder with the code of an earlier commit; None where this is no clone that has it."""
    with TemporaryDirectory() as folder:
        archive = Path(folder) / "code.tar"
        command = ["git", "-C", str(ROOT), "archive", f"--output={archive}", commit]
        if subprocess.run(command, check=False, capture_output=True).returncode:
            yield None
            return
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
        archive.unlink()
        yield Path(folder)


def plain_environment(code: Path, threads: int) -> dict[str, str]:
    """Return the environment of a process that is timed.

    Parameters
    ----------
    code : Path
        Folder with the packages it imports.
    threads : int
        Threads of every library; 0: as many as there are cores.

    Returns
    -------
    dict of str to str
        Without what `ecgfeat.process.prepare_process` has set here: a peer starts as its user would start it.
    """
    inherited = {name: value for name, value in os.environ.items() if name not in _SET_HERE}
    return inherited | {"PYTHONPATH": str(code)} | ({"OMP_NUM_THREADS": str(threads)} if threads else {})


def run_probe(probe: str, code: Path, *arguments: str, threads: int = 1) -> dict[str, Any]:
    """Run a script with the code in a folder.

    Parameters
    ----------
    probe : str
        Python that prints a JSON object of numbers, or lists of them, as its last line.
    code : Path
        Folder with ``ecgfeat``; the working directory.
    *arguments : str
        Of the script.
    threads : int
        Threads of every library.

    Returns
    -------
    dict of str to float or list of float
    """
    command = [sys.executable, "-c", probe, *arguments]
    run = subprocess.run(
        command, env=plain_environment(code, threads), cwd=code, check=True, stdout=subprocess.PIPE, text=True
    )
    numbers: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return numbers
