"""Kill stages at exact calls: ``python -m tests.robustness.kill [N] [--seed S]``.

A stage runs as a fresh command line with a small library preloaded (``kill_at.c``), which sends it SIGKILL before its
k-th rename, unlink, mkdir, write or other call that changes files. Whatever moment that is,

* an output is there whole, as a quiet run makes it, or it is not there: nothing half-written has its name;
* no other file of the run has changed, and no process is left;
* the same command, run again, makes the same bytes, and removes what the killed ones left.

After some kills in a row, which also kill the way back, a quiet run is compared.
"""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from ruamel.yaml import YAML

from ecgfeat.store.publish import hash_file
from tests.fixtures.small_run import ROOT
from tests.robustness.campaign import copy_run, make_quiet_run, read_arguments, run_workers

COMPILER = shutil.which("cc") if sys.platform == "linux" else None
KILLS_IN_A_ROW = 6
STAGES = (
    "acquire simulate", "annotate simulate", "signals simulate", "quality simulate", "rpeaks simulate",
    "windows simulate", "features simulate", "classify simulate", "embed simulate", "train_baselines", "train_window",
    "outside", "evaluate", "report", "diagnoses simulate12", "record_features simulate12", "predict simulate",
)  # fmt: skip
# These begin without torch, or nearly so: three times as many kills in the same time.
_LIGHT = ("acquire simulate", "annotate simulate", "windows simulate", "features simulate")
_ORPHAN_S = 5.0
ORPHAN = 1000


@dataclass
class Tally:
    """What a campaign found.

    Attributes
    ----------
    num_kills : Counter
        By system call.
    num_repeats : int
        Quiet runs after kills, whose outputs were compared.
    num_survived : int
        Runs that ended before their call came: they are no kills.
    defects : dict of str to str
        One example of each kind.
    """

    num_kills: Counter[str] = field(default_factory=Counter)
    num_repeats: int = 0
    num_survived: int = 0
    defects: dict[str, str] = field(default_factory=dict)

    def add(self, other: "Tally") -> None:
        """Add what another worker found."""
        self.num_kills += other.num_kills
        self.num_repeats += other.num_repeats
        self.num_survived += other.num_survived
        self.defects |= other.defects


def outputs_of(stage: str) -> list[Path]:
    """Return the outputs of a stage, such as ``embed simulate``, that the quiet run has."""
    name, *items = stage.split()
    definition = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"][name]
    listed = [*definition.get("outs", []), *definition.get("metrics", [])]
    names = [next(iter(out)) if isinstance(out, dict) else out for out in listed]
    return [Path(re.sub(r"\$\{item\.\w+\}", items[0] if items else "", out)) for out in names]


def hash_files(folder: Path, paths: Iterable[Path]) -> dict[str, str]:
    """Return the digests of all files at or below some paths of a run, without what is hidden."""
    files = []
    for path in paths:
        place = folder / path
        files += [file for file in place.rglob("*") if file.is_file()] if place.is_dir() else [place]
    return {
        file.relative_to(folder).as_posix(): hash_file(file)
        for file in files
        if file.is_file() and not any(part.startswith(".") for part in file.relative_to(folder).parts)
    }


def command_of(stage: str) -> list[str]:
    """Return the command line of a stage."""
    name, *items = stage.split()
    return [sys.executable, "-m", f"pipeline.{name}", *items]


def build_library(folder: Path) -> Path:
    """Compile the library that kills."""
    assert COMPILER is not None
    library = folder / "kill_at.so"
    source = Path(__file__).with_name("kill_at.c")
    subprocess.run([COMPILER, "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"], check=True)
    return library


def count_calls(stage: str, folder: Path, library: Path) -> Counter[str]:
    """Count the calls of a quiet run that change files."""
    log = folder / ".calls"
    status = run(stage, folder, {"LD_PRELOAD": str(library), "KILL_LOG": str(log)})
    assert status == 0, f"{stage} ended with {status}"
    calls = Counter(log.read_text().split())
    log.unlink()
    return calls


def run(stage: str, folder: Path, more: Mapping[str, str] = MappingProxyType({})) -> int:
    """Run a stage in a session of its own; return its exit status, or `ORPHAN` if a process is left."""
    process = subprocess.Popen(
        command_of(stage),
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | dict(more),
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    status = process.wait()
    deadline = time.monotonic() + _ORPHAN_S
    while time.monotonic() < deadline and _is_alive(process.pid):
        time.sleep(0.02)
    if _is_alive(process.pid):
        os.killpg(process.pid, signal.SIGKILL)
        return ORPHAN
    return status


def _is_alive(session: int) -> bool:
    try:
        os.killpg(session, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def run_worker(seed: int, num_kills: int, folder: Path, stages: tuple[str, ...] = STAGES) -> Tally:
    """Kill stages in a copy of a run with one seed."""
    rng, tally, library = random.Random(seed), Tally(), build_library(folder)
    quiet = hash_files(folder, [Path(name) for name in ("data", "models", "reports")])
    calls: dict[str, Counter[str]] = {}
    while tally.num_kills.total() < num_kills and tally.num_survived <= 10 + tally.num_kills.total():
        stage = rng.choices(stages, [3 if stage in _LIGHT else 1 for stage in stages])[0]
        if stage not in calls:
            calls[stage] = count_calls(stage, folder, library)
        own = outputs_of(stage)
        others = {name: digest for name, digest in quiet.items() if not _is_below(name, own)}
        whole = {name: digest for name, digest in quiet.items() if _is_below(name, own)}
        done = []
        for _ in range(rng.randint(1, KILLS_IN_A_ROW)):
            call = rng.choice(sorted(calls[stage]))
            number = rng.randint(1, calls[stage][call])
            status = run(stage, folder, {"LD_PRELOAD": str(library), "KILL_AT": f"{call}:{number}"})
            done.append(f"{call} {number}")
            if status == -signal.SIGKILL:
                tally.num_kills[call] += 1
            elif status == 0:
                tally.num_survived += 1
            else:
                tally.defects.setdefault(f"{stage}: {_describe(status)}", ", ".join(done))
            for defect in find_defects(folder, own, whole, others):
                tally.defects.setdefault(f"{stage}: {defect}", ", ".join(done))
        status = run(stage, folder)
        tally.num_repeats += 1
        if status != 0:
            tally.defects.setdefault(f"{stage}: the next run ended with {status}", ", ".join(done))
        elif hash_files(folder, own) != whole:
            tally.defects.setdefault(f"{stage}: the next run made other bytes", ", ".join(done))
        left = [path for name in ("data", "models", "reports") for path in (folder / name).rglob(".*.part")]
        if left:
            tally.defects.setdefault(f"{stage}: {left[0].name} is left", ", ".join(done))
            for path in left:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    return tally


def _describe(status: int) -> str:
    return "a process is left" if status == ORPHAN else f"ended with {status} after kills"


def _is_below(name: str, paths: Iterable[Path]) -> bool:
    return any(name == str(path) or name.startswith(f"{path}/") for path in paths)


def find_defects(folder: Path, own: list[Path], whole: dict[str, str], others: dict[str, str]) -> list[str]:
    """Return what a kill has left that it must not leave."""
    defects = []
    for path in own:
        expected = {name: digest for name, digest in whole.items() if _is_below(name, [path])}
        if (folder / path).exists() and hash_files(folder, [path]) != expected:
            defects.append(f"{path} is half-written")
    now = hash_files(folder, [Path(name) for name in ("data", "models", "reports")])
    changed = [name for name, digest in others.items() if now.get(name) != digest]
    changed += [name for name in now if name not in others and not _is_below(name, own)]
    if changed:
        defects.append(f"{changed[0]} of another stage has changed")
    return defects


def kill(num_kills: int, seed: int, stages: tuple[str, ...] = STAGES) -> Tally:
    """Kill stages in copies of a small run in worker processes, each with its own seed."""
    total = Tally()
    with tempfile.TemporaryDirectory() as scratch:
        whole = make_quiet_run(Path(scratch) / "whole")
        for stage in stages:
            if stage.startswith("predict"):
                run(stage, whole)
        folders = copy_run(whole, Path(scratch))
        share = -(-num_kills // len(folders))
        jobs = [(seed + worker, share, folder, stages) for worker, folder in enumerate(folders)]
        for tally in run_workers(run_worker, jobs):
            total.add(tally)
    return total


def main(arguments: list[str], say: Callable[[str], None] = print) -> int:
    """Run a campaign from the command line."""
    num_kills, seed = read_arguments(arguments, __doc__, 20)
    if COMPILER is None:
        say("kill: no C compiler, or not on Linux")
        return 2
    tally = kill(num_kills, seed)
    for call, count in tally.num_kills.most_common():
        say(f"{call:<10} {count:>6,} kills")
    for defect, example in sorted(tally.defects.items()):
        say(f"defect: {defect} ({example})")
    say(f"kill: {tally.num_kills.total():,} kills, {tally.num_repeats:,} runs compared, {len(tally.defects)} defects")
    return 1 if tally.defects or tally.num_kills.total() < num_kills else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
