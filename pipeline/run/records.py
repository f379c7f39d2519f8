"""What the stages share that work record by record: the engine, the finished parts, shards of a job array.

``python -m pipeline.signals mitdb --shard 2/8`` works on every eighth record and leaves its parts; ``--merge`` makes
the artifact of the parts, as does the stage itself, which works on what is missing.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from tqdm import tqdm

from ecgfeat.device import choose_device
from ecgfeat.engine.parts import Part, PartFolder, PartStore, open_parts
from ecgfeat.engine.run import Engine, finish_records
from ecgfeat.engine.shards import Shard
from ecgfeat.engine.work import RecordWork, WorkName, part_key
from ecgfeat.errors import DataError, UsageError
from ecgfeat.store.keys import content_key
from pipeline.params import read_params
from pipeline.params.sections import Section
from pipeline.run.code import code_digest
from pipeline.run.stage import CACHE, progress_bar

THREADS = 1
"""Of the work on a record: last bits depend on the number, and a pool has a process for every core."""

Parts = Iterator[tuple[str, Part]]


class RecordStage(RecordWork, Protocol):
    """A stage that works record by record."""

    @property
    def records(self) -> Sequence[str]:
        """Records in the order of the artifact."""

    def assemble(self, parts: Parts) -> str:
        """Make the artifact of the parts, which come in the order of `records`, and return the closing line."""


def choose_record_device(name: str) -> torch.device:
    """Choose the device of the work on records, as `ecgfeat.device.choose_device` does."""
    return choose_device(name, THREADS)  # type: ignore[arg-type]


def made_by(stage: str, device: torch.device, *sections: Section) -> str:
    """Return a hash of what all parts of a stage depend on: code, versions, device, params.

    Parameters
    ----------
    stage : str
        Name of the stage.
    device : torch.device
        Where it computes.
    *sections : Section
        Params it reads.

    Returns
    -------
    str
    """
    params = json.dumps([section.model_dump() for section in sections], sort_keys=True)
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    return content_key(code_digest(stage), torch.__version__, np.__version__, gpu, params)


def run_records(stage: str, work: RecordStage, slug: str, *flags: str) -> str:
    """Work on the records of a corpus, and make the artifact.

    Parameters
    ----------
    stage : str
        Name of the stage.
    work : RecordStage
        What is done. Its class must be importable from the module of the stage and take `slug` alone.
    slug : str
        The corpus.
    *flags : str
        ``--shard i/N``, ``--merge``, or nothing.

    Returns
    -------
    str
        Closing line.

    Raises
    ------
    DataError
        If nothing can be made of a record. The parts of the others are kept.
    UsageError
        If the flags are others.
    """
    shard, is_merge = _read_flags(flags)
    runtime = read_params().runtime
    parts = _open_parts(runtime.parts, stage, slug)
    records = list(work.records if shard is None else shard.pick(work.records))
    if is_merge:
        _refuse_missing(work, parts, f"{stage} {slug}")
    has_gpu = choose_record_device(runtime.device).type == "cuda"
    engine = Engine(runtime.engine, runtime.workers, has_gpu)
    name = WorkName(f"pipeline.{stage}", type(work).__name__, (slug,))
    with progress_bar(total=len(records), desc=f"{stage} {slug}", unit="record") as bar:
        finished = finish_records(name, work, records, parts, engine, on_done=lambda _: bar.update())
        taken = _take(slug, finished)
        if shard is not None:
            for _ in taken:
                pass
            return f"{slug}: shard {shard}, {len(records)} of {len(work.records)} records"
        line = work.assemble(taken)
    parts.clear()
    return line


def _open_parts(where: str, stage: str, slug: str) -> PartStore:
    """Open the finished parts of a stage: in the cache of this folder, or where `runtime.parts` says."""
    return PartFolder(CACHE / "parts" / stage / slug) if where == "local" else open_parts(f"{where}/{stage}/{slug}")


def _take(slug: str, finished: Iterator[tuple[str, Part | str]]) -> Parts:
    """Yield the parts, and say what is to be said of their records."""
    for record, part in finished:
        if isinstance(part, str):
            raise DataError(part)
        for line in part.lines:
            tqdm.write(f"{slug}/{record}: {line}")
        yield record, part


def _read_flags(flags: Sequence[str]) -> tuple[Shard | None, bool]:
    match list(flags):
        case []:
            return None, False
        case ["--merge"]:
            return None, True
        case ["--shard", text]:
            return Shard.read(text), False
    raise UsageError(" ".join(flags), found="unknown flags", expected="--shard i/N, --merge, or none")


def _refuse_missing(work: RecordStage, parts: PartStore, where: str) -> None:
    there = parts.keys()
    missing = [record for record in work.records if part_key(work, record) not in there]
    if missing:
        raise DataError(
            where,
            found=f"no part of {len(missing)} of {len(work.records)} records ({', '.join(missing[:3])} ...)",
            expected="a part of each",
            remedy="Run their shards again, or the stage without --merge.",
        )


def columns_of(part: Part, names: Sequence[str]) -> dict[str, Any]:
    """Return the arrays of a part that are columns of a table."""
    return {name: part.arrays[name] for name in names}
