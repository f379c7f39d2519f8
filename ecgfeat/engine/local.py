"""The processes of one machine: each works on one record at a time.

A process that ends in the middle of a record (killed, out of memory) is replaced, and its record is tried again; a
record that ends its process each time is reported, and the others are finished.
"""

import multiprocessing
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from time import monotonic
from typing import Final

from ecgfeat.engine.parts import PartStore, open_parts
from ecgfeat.engine.work import Outcome, RecordWork, WorkName, finish_record

ATTEMPTS: Final = 3
"""How often a record may end the process that works on it."""

_START_S: Final = 10.0
"""What a pool costs before its first record is done: Python, torch, the tables of the corpus."""

_LOOK_S: Final = 2.0


def finish_locally(
    name: WorkName, work: RecordWork, records: Sequence[str], parts: PartStore, *, num_processes: int
) -> Iterator[Outcome]:
    """Work on records in this process, and in a pool where that is sooner done.

    Parameters
    ----------
    name : WorkName
        How another process opens the work.
    work : RecordWork
        The work, open.
    records : sequence of str
        What to work on.
    parts : PartStore
        Where the parts go.
    num_processes : int
        Size of the pool; 1 for none.

    Yields
    ------
    Outcome
        One per record, in the order in which they end.

    Notes
    -----
    * The first records are worked on here. Their time says whether a pool, which takes seconds to start, is worth it.
    """
    started_s = monotonic()
    for done, record in enumerate(records):
        spent_s = monotonic() - started_s
        rest = len(records) - done
        saved_s = spent_s / max(1, done) * rest * (1 - 1 / min(num_processes, rest))
        if done and spent_s > _LOOK_S and saved_s > _START_S:
            yield from finish_in_pool(name, records[done:], parts, num_processes=min(num_processes, rest))
            return
        yield finish_record(work, record, parts)


def finish_in_pool(
    name: WorkName, records: Iterable[str], parts: PartStore, *, num_processes: int
) -> Iterator[Outcome]:
    """Work on records in processes; each is given the next record when it has finished one.

    Parameters
    ----------
    name, parts, num_processes
        As `finish_locally` takes them.
    records : iterable of str
        What to work on.

    Yields
    ------
    Outcome
        One per record, in the order in which they end.
    """
    # A process that was forked from one with threads can hang. The fork server has none, and imports once for all.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([name.module])
    waiting, attempts = list(reversed(list(records))), dict[str, int]()

    def start() -> ProcessPoolExecutor:
        # One process each, so that a process that ends names its record.
        return ProcessPoolExecutor(1, context, initializer=_open, initargs=(name, parts.where, os.getpid()))

    running: dict[Future[Outcome], tuple[ProcessPoolExecutor, str]] = {}
    idle = [start() for _ in range(num_processes)]
    try:
        while waiting or running:
            while waiting and idle:
                record, process = waiting.pop(), idle.pop()
                running[process.submit(_finish, record)] = process, record
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                process, record = running.pop(future)
                outcome: Outcome | None
                try:
                    outcome = future.result()
                except BrokenProcessPool:
                    process.shutdown(wait=False)
                    process = start()
                    attempts[record] = attempts.get(record, 0) + 1
                    outcome = None if attempts[record] < ATTEMPTS else Outcome(record, ended(record))
                idle.append(process)
                if outcome is None:
                    waiting.append(record)
                else:
                    yield outcome
    finally:
        for process in (*idle, *(process for process, _ in running.values())):
            process.shutdown(wait=False, cancel_futures=True)


def ended(record: str) -> str:
    """Return the line on a record that has ended its process at each attempt."""
    return (
        f"{record}: its process ended {ATTEMPTS} times; expected a result. "
        "Is there enough memory? runtime.workers: 1 works on one record at a time."
    )


_opened: tuple[RecordWork, PartStore]


def _open(name: WorkName, where: str, parent: int) -> None:
    """Open the work in a new process, which ends with the one that started it."""
    from ecgfeat.engine.lifeline import end_with

    global _opened
    end_with(parent)
    _opened = name.open(), open_parts(where)


def _finish(record: str) -> Outcome:
    work, parts = _opened
    return finish_record(work, record, parts)
