"""Give the records of a work to an engine, and take the finished parts in the order of the records."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ecgfeat.engine.local import finish_locally
from ecgfeat.engine.parts import Part, PartStore
from ecgfeat.engine.work import Outcome, RecordWork, WorkName, finish_record, part_key
from ecgfeat.errors import DataError


@dataclass(frozen=True)
class Engine:
    """Where records are worked on.

    Attributes
    ----------
    kind : {'local', 'ray'}
        Processes of this machine, or a Ray cluster.
    num_workers : int
        Records at the same time; 0 for one per core, of the machine or of the cluster.
    has_gpu : bool
        Whether the work is done on a GPU: on this machine then by one process, on a cluster by one per GPU.
    """

    kind: Literal["local", "ray"] = "local"
    num_workers: int = 0
    has_gpu: bool = False

    def finish(self, name: WorkName, work: RecordWork, records: Sequence[str], parts: PartStore) -> Iterator[Outcome]:
        """Work on records, as `ecgfeat.engine.local.finish_locally` does."""
        if self.kind == "ray":
            from ecgfeat.engine.on_ray import finish_on_ray

            return finish_on_ray(name, records, parts, num_workers=self.num_workers, has_gpu=self.has_gpu)
        num_processes = 1 if self.has_gpu else self.num_workers or len(os.sched_getaffinity(0))
        return finish_locally(name, work, records, parts, num_processes=num_processes)


def finish_records(
    name: WorkName,
    work: RecordWork,
    records: Sequence[str],
    parts: PartStore,
    engine: Engine,
    *,
    on_done: Callable[[Outcome], None] = lambda outcome: None,
) -> Iterator[tuple[str, Part | str]]:
    """Work on records, and yield their parts in order.

    Parameters
    ----------
    name : WorkName
        How another process opens the work.
    work : RecordWork
        The work, open in this process.
    records : sequence of str
        What to work on; each once.
    parts : PartStore
        Where parts are kept. Those that are there are not made again.
    engine : Engine
        Where to work.
    on_done : callable
        Called with each outcome when it comes, whatever the order.

    Yields
    ------
    record : str
        In the order of `records`.
    part : Part or str
        The part, or why there is none. One part at a time is in memory.
    """
    keys = {record: part_key(work, record) for record in records}
    there = parts.keys()
    missing = [record for record in records if keys[record] not in there]
    faults = {record: "" for record in records if keys[record] in there}
    for record in faults:
        on_done(Outcome(record))
    outcomes = engine.finish(name, work, missing, parts) if missing else iter(())
    for record in records:
        while record not in faults:
            outcome = next(outcomes)
            faults[outcome.record] = outcome.fault
            on_done(outcome)
        yield record, faults[record] or _load(work, record, parts, keys[record])


def _load(work: RecordWork, record: str, parts: PartStore, key: str) -> Part:
    """Load a part; a damaged one, which is removed, is made again here."""
    part = parts.load(key)
    if part is None:
        outcome = finish_record(work, record, parts)
        part = None if outcome.fault else parts.load(key)
        if part is None:
            raise DataError(f"{parts.where}/{key}", found=outcome.fault or "a part that is not there", expected="one")
    return part
