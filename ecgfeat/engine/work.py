"""Work on the records of a corpus: each record is worked on alone, and its result is a part of an artifact.

Processes of a pool, machines of a cluster and jobs of a job array are given the name of the work and names of records;
signals and results stay in files.
"""

import ctypes
import importlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from ecgfeat.engine.parts import Part, PartStore
from ecgfeat.errors import DataError, UsageError
from ecgfeat.store.keys import content_key


class RecordWork(Protocol):
    """Work on the records of a corpus."""

    def inputs(self, record: str) -> Sequence[str | bytes]:
        """Return what the part of a record depends on: code, params, and digests of what is read."""

    def work(self, record: str) -> Part:
        """Work on a record. The same inputs give the same part, in any process.

        Raises
        ------
        DataError
            If nothing can be made of the record.
        """


@dataclass(frozen=True)
class WorkName:
    """What a process must know to open a work: the name of a class or function that can be imported, and texts."""

    module: str
    name: str
    arguments: tuple[str, ...] = ()

    def open(self) -> RecordWork:
        """Import what opens the work, and open it."""
        opened: RecordWork = getattr(importlib.import_module(self.module), self.name)(*self.arguments)
        return opened


class Outcome(NamedTuple):
    """How the work on a record ended.

    Attributes
    ----------
    record : str
        Its name.
    fault : str
        Why there is no part; empty where there is one.
    """

    record: str
    fault: str = ""


def part_key(work: RecordWork, record: str) -> str:
    """Return the name under which the part of a record is kept; it changes with whatever the part depends on."""
    return content_key(record, *work.inputs(record))


def finish_record(work: RecordWork, record: str, parts: PartStore) -> Outcome:
    """Work on a record, unless its part is there, and keep the part.

    Parameters
    ----------
    work : RecordWork
        What to do.
    record : str
        The record.
    parts : PartStore
        Where finished parts are.

    Returns
    -------
    Outcome
        With the message of the error where nothing can be made of the record.
    """
    try:
        key = part_key(work, record)
        if not parts.holds(key):
            parts.save(key, work.work(record))
    except (DataError, UsageError) as error:
        return Outcome(record, str(error))
    finally:
        _give_memory_back()
    return Outcome(record)


def _give_memory_back() -> None:
    """Return to the system what a record has left free, where glibc can: some megabytes a record would add up."""
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
