"""The default run, stage by stage, against earlier code: ``python -m benchmarks.repro``.

Each stage is a process of its own, as DVC starts it; it runs with this code, then with the earlier one. Printed for
each: seconds of the processors on one thread, and of the wall. At last this code runs once more with all cores, for
what a user waits. DVC's own seconds are not in it. Takes about 20 minutes on two cores; ``--folder runs`` keeps both
runs, and ``--stages train_htf embed`` then runs those alone, on what the others left.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks.pairs import ROOT, Pairs, earlier_code, plain_environment
from benchmarks.stages import run_stage

STAGES = (
    "code",
    "local",
    "acquire simulate",
    "annotate simulate",
    "signals simulate",
    "quality simulate",
    "rpeaks simulate",
    "windows simulate",
    "features simulate",
    "acquire_diagnostic simulate12",
    "diagnoses simulate12",
    "short_records simulate12",
    "record_features simulate12",
    "record_trees simulate12",
    "train_beats",
    "classify simulate",
    "train_rhythm",
    "outside",
    "train_htf",
    "embed simulate",
    "train_baselines",
    "train_timeline",
    "train_window",
    "evaluate",
    "sensitivity",
    "report",
)
"""Scripts of ``pipeline/`` with what they work on, in an order in which each finds what it reads."""

_COMPOSE = (
    "import sys; from pathlib import Path; from pipeline.run.repro import compose; compose([], Path(sys.argv[1]))"
)


def prepare_run(folder: Path, code: Path) -> None:
    """Lay down what the stages of a run read: params as ``conf/`` of that code has them, and pages of the report.

    Parameters
    ----------
    folder : Path
        Folder of the run.
    code : Path
        Folder with ``ecgfeat`` and ``pipeline``.
    """
    (folder / "docs").mkdir(parents=True, exist_ok=True)
    (folder / "recordings").mkdir(exist_ok=True)
    for name in ("dvc.yaml", "docs/glossary.md"):
        shutil.copy(code / name, folder / name)
    command = [sys.executable, "-c", _COMPOSE, str(folder.absolute() / "params.yaml")]
    subprocess.run(command, env=plain_environment(code, threads=0), cwd=code, check=True)


def measure(stages: Sequence[str] = STAGES, kept: Path | None = None) -> tuple[Pairs | None, dict[str, float]]:
    """Run the default run with this code and with the earlier one, stage by stage in turn.

    Parameters
    ----------
    stages : sequence of str
        Of `STAGES`.
    kept : Path, optional
        Where both runs are kept; by default nowhere.

    Returns
    -------
    Pairs or None
        CPU seconds of all stages on one thread, one round; None where the earlier code is not at hand.
    dict of str to float
        ``wall_s`` of this code with all cores.
    """
    with ExitStack() as stack:
        folder = kept or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        earlier = stack.enter_context(earlier_code())
        runs = {"own": ROOT} | ({} if earlier is None else {"peer": earlier})
        for who, code in runs.items():
            prepare_run(folder / who, code)
        total = dict.fromkeys(runs, 0.0)
        for stage in stages:
            cost = {who: run_stage(stage, folder / who, code, threads=1) for who, code in runs.items()}
            for who, of_stage in cost.items():
                total[who] += of_stage.cpu_s
            print(f"{stage:30}", *(f"{who} {of.cpu_s:6.1f} s, wall {of.wall_s:6.1f} s;" for who, of in cost.items()),
                  f"{cost['peer'].cpu_s / cost['own'].cpu_s:.2f} x" if earlier else "", flush=True)  # fmt: skip
        waited = folder / "own"
        if kept is None:  # what is there already may be taken as it is
            waited = folder / "again"
            prepare_run(waited, ROOT)
        wall_s = sum(run_stage(stage, waited, ROOT, threads=0).wall_s for stage in stages)
    pairs = Pairs((total["own"],), (total["peer"],)) if earlier else None
    return pairs, {"wall_s": wall_s}


def main() -> None:
    """Print each stage, the ratio of all, and what a user waits for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stages", nargs="+", choices=[stage.split()[0] for stage in STAGES], metavar="STAGE")
    parser.add_argument("--folder", type=Path, help="where both runs are kept")
    arguments = parser.parse_args()
    if arguments.stages and not arguments.folder:
        parser.error("--stages without --folder: expected the folder of a run that has all stages behind it")
    stages = [stage for stage in STAGES if not arguments.stages or stage.split()[0] in arguments.stages]
    pairs, about = measure(stages, arguments.folder)
    print(f"{about['wall_s']:.0f} s of the wall with all cores")
    if pairs is not None:
        print(f"{pairs.own_s[0]:.0f} s of CPU, earlier {pairs.peer_s[0]:.0f}: {pairs.ratio:.2f} x")


if __name__ == "__main__":
    main()
