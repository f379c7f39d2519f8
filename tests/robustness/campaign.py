"""What the campaigns share: worker processes, and the command line."""

import argparse
import contextlib
import multiprocessing
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from tests.fixtures.small_run import make_small_run

NUM_WORKERS = 2
_Tally = TypeVar("_Tally")


def run_workers(work: Callable[..., _Tally], jobs: Sequence[tuple[Any, ...]]) -> Iterator[_Tally]:
    """Yield what each job gives, each in a process of its own.

    A process that crashes takes its job along: this pool says so, that of multiprocessing waits for ever.
    """
    with ProcessPoolExecutor(len(jobs), multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(work, *zip(*jobs, strict=True))


def make_quiet_run(folder: Path) -> Path:
    """Make a small finished run without its progress on the terminal."""
    with open(os.devnull, "w") as quiet, contextlib.redirect_stderr(quiet):
        return make_small_run(folder)


def copy_run(whole: Path, scratch: Path) -> list[Path]:
    """Return a copy of a run for each worker."""
    return [Path(shutil.copytree(whole, scratch / str(worker))) for worker in range(NUM_WORKERS)]


def read_arguments(arguments: Sequence[str], description: str | None, usual: int) -> tuple[int, int]:
    """Return how many, and the seed, from a command line such as ``1000 --seed 7``."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("number", nargs="?", type=int, default=usual)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    return given.number, given.seed
