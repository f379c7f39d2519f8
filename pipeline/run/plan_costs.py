"""What the work on records costs on this machine: measured on two small simulated corpora, and kept.

``python -m pipeline.run.plan_costs`` prints the measured runs as JSON. Each stage is a process of its own, so that its
peak memory is its own.
"""

import contextlib
import json
import multiprocessing
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from ecgfeat.errors import DataError
from ecgfeat.store.keys import content_key
from ecgfeat.store.publish import publish
from pipeline.read import paths
from pipeline.run.code import ROOT, code_digest
from pipeline.run.repro import compose
from pipeline.run.stage import CACHE

STAGES: Final = ("acquire", "annotate", "signals", "quality", "rpeaks", "windows", "features", "classify", "embed")
"""Stages that work record by record, in their order."""

SLUG: Final = "simulate"
NUM_LEADS: Final = 2
_RUNS: Final = ((2, 10), (1, 80))
"""Subjects and minutes of the runs. The longer record tells what an hour costs, the other what a start does."""

_KIB_BYTES: Final = 1024


@dataclass(frozen=True)
class Line:
    """A cost that grows in proportion: so much at the start, and so much per unit."""

    start: float
    per_unit: float

    def at(self, units: float) -> float:
        """Return the cost of units."""
        return self.start + self.per_unit * units


@dataclass(frozen=True)
class StageCost:
    """What a stage costs.

    Attributes
    ----------
    cpu_s, artifact_bytes, part_bytes : Line
        Seconds of one core, what the stage writes, and the finished parts that it keeps until then; per unit of the
        corpus.
    peak_bytes : Line
        Memory of one process; per unit of the longest record.
    """

    cpu_s: Line
    artifact_bytes: Line
    part_bytes: Line
    peak_bytes: Line


def units_of(stage: str, *, lead_hours: float, num_beats: float) -> float:
    """Return what the cost of a stage grows with: hours of leads, or beats."""
    return lead_hours if stage in ("acquire", "signals", "quality", "rpeaks") else num_beats


def read_costs() -> dict[str, StageCost]:
    """Return what each stage costs on this machine; measure it, in half a minute, where that is not known yet.

    Returns
    -------
    dict of str to StageCost
        By stage.

    Raises
    ------
    DataError
        If the stages do not run here.
    """
    key = (str(_RUNS), *(code_digest(stage) for stage in STAGES))
    return fit_costs(measured_here("pipeline.run.plan_costs", key, "the work on records, some half a minute"))


def measured_here(module: str, key: Sequence[str], what: str) -> list[dict[str, Any]]:
    """Return what a module printed when it measured this machine; let it measure where that is not known yet.

    Parameters
    ----------
    module : str
        Prints its runs as JSON in its last line.
    key : sequence of str
        What the measured costs depend on, beside the machine.
    what : str
        What is measured, and how long that takes.

    Returns
    -------
    list of dict
        The runs.

    Raises
    ------
    DataError
        If the stages do not run here.
    """
    import torch

    machine = f"{platform.machine()} {_processor()} {os.cpu_count()} torch {torch.__version__}"
    path = CACHE / "plan" / f"{content_key(machine, *key)}.json"
    if not path.is_file():
        print(f"plan: measures what is not known here yet: {what}", file=sys.stderr)
        command = [sys.executable, "-m", module]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            lines = done.stderr.strip().splitlines() or ["no message"]
            raise DataError("plan", found=f"a stage that failed: {lines[-1]}", expected="stages that run")
        with publish(path) as part:
            part.write_text(done.stdout.splitlines()[-1] + "\n")
    runs: list[dict[str, Any]] = json.loads(path.read_text())
    return runs


def fit_costs(runs: list[dict[str, Any]]) -> dict[str, StageCost]:
    """Fit what stages cost to two runs, as `measure_run` gives them."""

    def line(stage: str, name: str, *, of_longest: bool = False) -> Line:
        units = [
            units_of(stage, lead_hours=run["hours"] * NUM_LEADS, num_beats=run["beats"])
            / (run["records"] if of_longest else 1)
            for run in runs
        ]
        few, many = (float(run["stages"][stage][name]) for run in runs)
        slope = max(0.0, (many - few) / (units[1] - units[0]))
        return Line(max(0.0, few - slope * units[0]), slope)

    return {
        stage: StageCost(
            line(stage, "cpu_s"),
            line(stage, "artifact_bytes"),
            line(stage, "part_bytes"),
            line(stage, "peak_bytes", of_longest=True),
        )
        for stage in STAGES
    }


def measure_run(num_subjects: int, minutes: int) -> dict[str, Any]:
    """Run the stages on simulated records, in a folder of their own.

    Parameters
    ----------
    num_subjects : int
        Records.
    minutes : int
        Length of each.

    Returns
    -------
    dict
        ``records``, ``hours``, ``beats``; of each of ``stages`` what it cost.
    """
    import pyarrow.parquet as pq

    overrides = [f"acquire.subjects={num_subjects}", f"acquire.minutes={minutes}", "runtime.workers=1"]
    overrides += ["runtime.device=cpu", "runtime.engine=local", "short_records.corpora=[]", "outside.corpora=[]"]
    with tempfile.TemporaryDirectory() as folder:
        compose(overrides, Path(folder) / "params.yaml")
        with contextlib.chdir(folder):
            put_models()
            stages = {stage: _run(stage) for stage in STAGES}
            beats = pq.read_metadata(paths.rpeaks(SLUG)).num_rows
    return {"records": num_subjects, "hours": num_subjects * minutes / 60, "beats": beats, "stages": stages}


def put_models() -> None:
    """Put models where the stages look for them: the shipped beat classifier, and an embedder that is not trained."""
    import shutil

    from ecgfeat.models import save_model
    from ecgfeat.models.htf import HTF
    from ecgfeat.pretrained import DEFAULT, find_models
    from ecgfeat.store.schemas import CLASSES
    from ecgfeat.store.tables import write_parts

    shutil.copytree(find_models(DEFAULT) / "beats" / "classifier", paths.BEAT_CLASSIFIER)
    write_parts(paths.held_out_classes(SLUG), [], CLASSES, {})
    save_model(paths.HTF_MODEL, "htf", HTF())


def _run(stage: str) -> dict[str, float]:
    """Run a stage, in processes of its own, and return what it cost and wrote."""
    before = set(_files(Path()))
    parts = CACHE / "parts" / stage / SLUG
    cost = {"cpu_s": 0.0, "peak_bytes": 0.0, "part_bytes": 0.0}
    for flags in [["--shard", "1/1"], ["--merge"]] if stage not in ("acquire", "annotate") else [[]]:
        of = run_stage_apart(stage, SLUG, *flags)
        cost["cpu_s"] += of["cpu_s"]
        cost["peak_bytes"] = max(cost["peak_bytes"], of["peak_bytes"])
        cost["part_bytes"] = max(cost["part_bytes"], sum(path.stat().st_size for path in _files(parts)))
    written = set(_files(Path())) - before
    return cost | {"artifact_bytes": sum(path.stat().st_size for path in written if path.parts[0] == "data")}


def run_stage_apart(stage: str, *arguments: str) -> dict[str, float]:
    """Run a stage in a process of its own, and return its seconds of one core, ``cpu_s``, and ``peak_bytes``."""
    module = import_module(f"pipeline.{stage}")
    process = multiprocessing.get_context("fork").Process(target=module.main, args=arguments)
    process.start()
    assert process.pid is not None
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise DataError(" ".join([stage, *arguments]), found=f"status {status}", expected="0")
    return {"cpu_s": usage.ru_utime + usage.ru_stime, "peak_bytes": usage.ru_maxrss * _KIB_BYTES}


def measure_apart(measure: Callable[[], list[dict[str, Any]]], stages: Sequence[str]) -> int:
    """Measure, and print the runs as JSON in the last line."""
    for name in stages:
        code_digest(name)  # read once, for all processes
    print(json.dumps(measure()))
    return 0


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


if __name__ == "__main__":
    sys.exit(measure_apart(lambda: [measure_run(*run) for run in _RUNS], STAGES))
