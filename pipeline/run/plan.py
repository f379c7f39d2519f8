"""What a run will take of disk, memory and time, before it is started: ``ecgfeat plan``.

Planned are the stages that work record by record, on ``corpora``, which hold nearly all bytes and most of the time of a
large run, and the time of training. Sizes are those of the tables of this run where they are there, else the published
ones.
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from ecgfeat.corpora.simulated import SIMULATE
from ecgfeat.corpora.sizes import CorpusSize
from ecgfeat.errors import DataError
from ecgfeat.store.schemas import COMMON_FS_HZ, EMBEDDINGS, SIGNALS, WINDOWS
from pipeline.params import Params, read_params
from pipeline.run.plan_costs import STAGES, StageCost, read_costs, units_of
from pipeline.run.plan_sizes import find_size
from pipeline.run.repro import compose, preset_override
from pipeline.run.training_costs import TrainingCost, learnt_units, read_training_costs

STATED: Final = "stated"
"""Name of a corpus of which only the size is known."""

GB_BYTES: Final = 1e9
_COPIES: Final = 2
"""Of each artifact: DVC keeps one in its cache."""

_SCRATCH_BYTES: Final = 2_700.0
"""Of each beat of a corpus: training maps 512 embeddings and 611 features of three in five."""

_POOL_S: Final = 10.0
"""Work that takes longer is shared among processes."""


@dataclass(frozen=True)
class StagePlan:
    """What a stage will take of a corpus.

    Attributes
    ----------
    corpus, stage : str
        Slug, and name.
    records, beats, files : int
        Records it works on, their beats, files it writes.
    artifact_bytes, part_bytes : float
        What it writes, and the finished parts of records beside it while it works.
    peak_bytes : float
        Memory of all its processes.
    processes : int
        How many work at the same time.
    time_s : float or None
        Seconds by the clock on idle cores; None where they depend on a network.
    """

    corpus: str
    stage: str
    records: int
    beats: int
    files: int
    artifact_bytes: float
    part_bytes: float
    peak_bytes: float
    processes: int
    time_s: float | None


@dataclass(frozen=True)
class Plan:
    """What a run will take.

    Attributes
    ----------
    stages : tuple of StagePlan
        Stage by stage, corpus by corpus.
    training_s : mapping of str to float
        Seconds of one core that each training takes, on all corpora together.
    disk_bytes : float
        Most bytes on disk at any time: artifacts, DVC's copies, and what a stage keeps while it works.
    free_bytes, memory_bytes : float
        What there is.
    fault : DataError or None
        Why the run will not do here.
    """

    stages: tuple[StagePlan, ...]
    training_s: Mapping[str, float]
    disk_bytes: float
    free_bytes: float
    memory_bytes: float
    fault: DataError | None

    @property
    def time_s(self) -> float:
        """Seconds of all stages, one after the other."""
        return sum(stage.time_s or 0.0 for stage in self.stages) + sum(self.training_s.values())

    def as_json(self) -> dict[str, Any]:
        """Return the plan as JSON values."""
        return {
            "stages": [asdict(stage) for stage in self.stages],
            "training_s": dict(self.training_s),
            "disk_bytes": self.disk_bytes,
            "free_bytes": self.free_bytes,
            "peak_bytes": max(stage.peak_bytes for stage in self.stages),
            "memory_bytes": self.memory_bytes,
            "time_s": self.time_s,
            "fault": None if self.fault is None else str(self.fault),
        }

    def as_lines(self) -> list[str]:
        """Return the plan as a table, with what it does not hold."""
        lines = [
            f"{'corpus':<12}{'stage':<10}{'records':>9}{'beats':>16}{'files':>11}{'GB':>11}{'memory GB':>11}{'h':>9}"
        ]
        for stage in self.stages:
            time = "-" if stage.time_s is None else f"{stage.time_s / 3600:.2f}"
            lines.append(
                f"{stage.corpus:<12}{stage.stage:<10}{stage.records:>9,}{stage.beats:>16,}{stage.files:>11,}"
                f"{stage.artifact_bytes / GB_BYTES:>11,.2f}{stage.peak_bytes / GB_BYTES:>11.2f}{time:>9}"
            )
        peak = max(stage.peak_bytes for stage in self.stages)
        processes = max(stage.processes for stage in self.stages)
        lines += [f"{'all':<12}{stage:<15}{time_s / 3600:>60.2f}" for stage, time_s in self.training_s.items()]
        return [
            *lines,
            f"disk {self.disk_bytes / GB_BYTES:,.2f} GB with DVC's copy and unfinished work, of "
            f"{self.free_bytes / GB_BYTES:,.2f} GB free; memory {peak / GB_BYTES:.2f} GB of "
            f"{self.memory_bytes / GB_BYTES:.2f} GB; {self.time_s / 3600:.2f} h on {processes} processes",
            "Not planned: downloads, short records, memory of training, evaluation and reports.",
        ]


def plan_run(
    *,
    preset: str | None = None,
    stated: CorpusSize | None = None,
    free_bytes: float | None = None,
    memory_bytes: float | None = None,
) -> Plan:
    """Plan a run of the checkout in the working folder.

    Parameters
    ----------
    preset : str, optional
        Preset of ``conf/preset``; params.yaml as it stands by default.
    stated : CorpusSize, optional
        A size to plan for, in place of the corpora of the params.
    free_bytes, memory_bytes : float, optional
        Room on disk and memory of another machine; those of this one by default.

    Returns
    -------
    Plan

    Raises
    ------
    DataError, UsageError
        If params are not valid, or the size of a corpus is not known.
    """
    params = compose([preset_override(preset)]) if preset else read_params()
    sizes = {STATED: stated} if stated else {slug: find_size(slug, params) for slug in params.corpora}
    free = shutil.disk_usage(Path()).free if free_bytes is None else free_bytes
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if memory_bytes is None else memory_bytes
    costs, training = read_costs(), read_training_costs()
    return make_plan(params, sizes, costs, training, free_bytes=free, memory_bytes=memory)


def make_plan(
    params: Params,
    sizes: Mapping[str, CorpusSize],
    costs: Mapping[str, StageCost],
    training: Mapping[str, TrainingCost],
    *,
    free_bytes: float,
    memory_bytes: float,
) -> Plan:
    """Plan the stages that work record by record, and training.

    Parameters
    ----------
    params : Params
        All params.
    sizes : mapping of str to CorpusSize
        By slug.
    costs : mapping of str to StageCost
        What each stage costs here.
    training : mapping of str to TrainingCost
        The same of each training.
    free_bytes, memory_bytes : float
        Room on disk, and memory.

    Returns
    -------
    Plan
        With a fault where disk or memory will not do.
    """
    stages = _plan_stages(params, sizes, costs)
    is_mapped = params.rhythm.features == "embeddings" and params.acquire.signals != "none"
    scratch_bytes = is_mapped * _SCRATCH_BYTES * sum(size.num_beats for size in sizes.values())
    fault = _disk_fault(stages, scratch_bytes, free_bytes) or _memory_fault(stages, memory_bytes)
    num_records = sum(size.num_records for size in sizes.values())
    num_beats = sum(size.num_beats for size in sizes.values())
    training_s = {}
    for stage, cost in training.items():
        units = learnt_units(stage, params, num_records=num_records, num_beats=num_beats)
        training_s[stage] = cost.at(num_records, num_beats, units) if units else 0.0
    return Plan(tuple(stages), training_s, _disk_bytes(stages, scratch_bytes), free_bytes, memory_bytes, fault)


def _plan_stages(params: Params, sizes: Mapping[str, CorpusSize], costs: Mapping[str, StageCost]) -> list[StagePlan]:
    most = params.runtime.workers or len(os.sched_getaffinity(0))
    return [
        _plan_stage(stage, slug, size, costs[stage], params, most)
        for slug, size in sizes.items()
        for stage in STAGES
        if _is_run(stage, params)
    ]


def _is_run(stage: str, params: Params) -> bool:
    """Tell whether a stage has anything to write."""
    if stage == "windows" and not params.windows.keep:
        return False
    if stage == "embed":
        return params.embed.dtype != "live" and params.acquire.signals != "none"
    return params.acquire.signals != "none" or stage not in ("signals", "quality", "windows")


def _plan_stage(stage: str, slug: str, size: CorpusSize, cost: StageCost, params: Params, most: int) -> StagePlan:
    # A raw sample is two bytes; all stages after signals have the common rate.
    lead_hours = size.hours * size.num_leads * (size.fs_hz / COMMON_FS_HZ if stage == "acquire" else 1.0)
    units = units_of(stage, lead_hours=lead_hours, num_beats=size.num_beats)
    share = size.longest_h / size.hours
    half = 0.5 if stage == "embed" and params.embed.dtype == "float16" else 1.0
    cpu_s = cost.cpu_s.at(units)
    num_processes = min(most, size.num_records) if cpu_s > _POOL_S and stage not in ("acquire", "annotate") else 1
    # The process that assembles the artifact holds a part too.
    num_holding = num_processes + (num_processes > 1)
    is_made = slug in (SIMULATE.slug, STATED) or params.acquire.signals == "rendered"
    return StagePlan(
        corpus=slug,
        stage=stage,
        records=size.num_records,
        beats=size.num_beats,
        files=_count_files(stage, size),
        artifact_bytes=half * cost.artifact_bytes.at(units),
        part_bytes=half * cost.part_bytes.at(units),
        peak_bytes=num_holding * cost.peak_bytes.at(units * share),
        processes=num_processes,
        time_s=None if stage == "acquire" and not is_made else cpu_s / num_processes,
    )


def _count_files(stage: str, size: CorpusSize) -> int:
    """Count the files of an artifact: of an array two and its shards."""
    rows = {"signals": (SIGNALS, size.hours * 3600 * COMMON_FS_HZ)}
    rows |= {"windows": (WINDOWS, size.num_beats), "embed": (EMBEDDINGS, size.num_beats)}
    if stage in rows:
        schema, num_rows = rows[stage]
        return 2 + int(-(-num_rows // schema.shard_rows)) + (stage == "signals")
    return {"acquire": 3 * size.num_records + 1, "annotate": 3}.get(stage, 1)


def _disk_bytes(stages: Sequence[StagePlan], scratch_bytes: float) -> float:
    kept = max(scratch_bytes, *(stage.part_bytes for stage in stages))
    return _COPIES * sum(stage.artifact_bytes for stage in stages) + kept


def _disk_fault(stages: Sequence[StagePlan], scratch_bytes: float, free_bytes: float) -> DataError | None:
    needed = _disk_bytes(stages, scratch_bytes)
    if needed <= free_bytes:
        return None
    changes = {"windows": "windows.keep to false", "embed": "embed.dtype to live"}
    for left_out in (["windows"], ["embed"], ["windows", "embed"]):
        rest = [stage for stage in stages if stage.stage not in left_out]
        if len(rest) < len(stages) and _disk_bytes(rest, scratch_bytes) <= free_bytes:
            wanted = " and ".join(changes[name] for name in left_out)
            remedy = f"Set {wanted}, which leaves {_disk_bytes(rest, scratch_bytes) / GB_BYTES:,.1f} GB."
            break
    else:
        remedy = "Take a disk with more room, or fewer records at a time."
    return DataError(
        "disk",
        found=f"{free_bytes / GB_BYTES:,.1f} GB free",
        expected=f"{needed / GB_BYTES:,.1f} GB",
        remedy=remedy,
    )


def _memory_fault(stages: Sequence[StagePlan], memory_bytes: float) -> DataError | None:
    largest = max(stages, key=lambda stage: stage.peak_bytes)
    if largest.peak_bytes <= memory_bytes:
        return None
    num_holding = largest.processes + (largest.processes > 1)
    of_one = largest.peak_bytes / num_holding
    if memory_bytes < of_one:
        remedy = "Take a machine with more memory: a record is held whole."
    else:
        remedy = f"Set runtime.workers to {max(1, int(memory_bytes / of_one) - 1)}."
    return DataError(
        f"memory of {largest.stage}",
        found=f"{memory_bytes / GB_BYTES:,.1f} GB",
        expected=f"{largest.peak_bytes / GB_BYTES:,.1f} GB for {largest.processes} processes",
        remedy=remedy,
    )
