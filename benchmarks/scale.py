"""Whether cost grows with the number of records alone: seconds of one core and peak memory of each stage.

``python -m benchmarks.scale`` simulates 1, 2, 4 and 8 records of 24 hours and runs the stages that work record by
record. Printed for each stage: CPU seconds, peak memory, and the slope of log time over log
beats. ``--chain`` runs training and evaluation too, with one short epoch each; it needs five records at least, so that
each split has one: ``--chain --hours 3 --records 8 16 32``. With ``--json docs/results/scale.json``, ``make results``
writes the table of docs/scale.md from it.
"""

import argparse
import contextlib
import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.pairs import ROOT
from benchmarks.stages import run_stage

RECORD_STAGES = ("acquire", "annotate", "signals", "quality", "rpeaks", "windows", "features")
CHAIN_STAGES = (
    "train_beats",
    "classify",
    "train_rhythm",
    "train_htf",
    "embed",
    "train_baselines",
    "train_timeline",
    "train_window",
    "outside",
    "evaluate",
    "sensitivity",
    "report",
)
SLUG = "simulate"
OF_CORPUS = (*RECORD_STAGES, "classify", "embed")
SHORT = (
    "short_records.corpora=[]",
    "outside.corpora=[]",
    "diagnostic_corpora=[]",
    "train_beats.folds=2",
    "train_beats.steps=5",
    "train_rhythm.epochs=1",
    "train_htf.epochs=1",
    "train_timeline.epochs=1",
    "train_window.pretrain_epochs=0",
    "train_window.epochs=1",
    "evaluate.views=1",
    "report.bootstrap=100",
    "runtime.workers=1",
    "runtime.device=cpu",
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--records", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--chain", action="store_true")
    parser.add_argument("--set", nargs="*", default=[], help="more overrides of params, as embed.dtype=live")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.chain and min(options.records) < 5:
        parser.error("--chain needs five records or more")
    runs = [run(count, options.hours, options.chain, options.set) for count in options.records]
    table = tabulate(runs)
    if options.json:
        options.json.write_text(json.dumps(table | {"runs": runs}, indent=1) + "\n")
    for row in (table["columns"], *table["rows"]):
        print(f"{row[0]:<18}" + "".join(f"{cell:>20}" for cell in row[1:]))


def tabulate(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Lay out the cost of each stage as a table of a page: seconds and peak memory of each run, and the slope."""
    sizes = [f"{of['records']} record{'' if of['records'] == 1 else 's'}" for of in runs]
    log_beats = np.log([of["beats"] for of in runs])
    rows = []
    for stage in runs[0]["stages"]:
        costs = [of["stages"][stage] for of in runs]
        slope = np.polyfit(log_beats, np.log([cost["cpu_s"] for cost in costs]), 1)[0] if len(runs) > 1 else np.nan
        cells = [f"{cost['cpu_s']:.1f} s, {cost['peak_bytes'] / 1e9:.2f} GB" for cost in costs]
        rows.append([f"`{stage}`", *cells, f"{slope:.2f}"])
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], check=False, capture_output=True, text=True)
    sentence = (
        f"Records of {runs[0]['hours']:g} h, {runs[-1]['beats']:,} beats in the last column of costs. Last measured on "
        f"{datetime.date.today()} with commit `{commit.stdout.strip()}`, one core ({platform.machine()})."
    )
    return {"columns": ["stage", *sizes, "slope"], "rows": rows, "measured_on": {"sentence": sentence}}


def run(num_records: int, hours: float, is_chain: bool, overrides: list[str]) -> dict:
    """Run the stages on simulated records, each in a process of its own, and return what they cost."""
    from pipeline.run.plan_costs import put_models
    from pipeline.run.repro import compose

    sizes = (f"acquire.subjects={num_records}", f"acquire.minutes={round(60 * hours)}")
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(ROOT)
        compose([*sizes, *SHORT, *overrides], Path(folder) / "params.yaml")
        if not is_chain:
            with contextlib.chdir(folder):
                put_models()
        names = (*RECORD_STAGES, *(CHAIN_STAGES if is_chain else ("classify", "embed")))
        stages = run_stages(Path(folder), names, SLUG)
        import pyarrow.parquet as pq

        beats = pq.read_metadata(Path(folder) / f"data/rpeaks/{SLUG}.parquet").num_rows
    return {"records": num_records, "hours": hours, "beats": beats, "stages": stages}


def run_stages(folder: Path, names: Sequence[str], slug: str) -> dict[str, dict[str, float]]:
    """Run stages in a folder with params, each in a process of its own with one thread, and return what they cost."""
    for name in ("dvc.yaml", "docs"):
        if not (folder / name).exists():
            os.symlink(ROOT / name, folder / name)
    stages: dict[str, dict[str, float]] = {}
    for stage in names:
        cost = run_stage(f"{stage} {slug}" if stage in OF_CORPUS else stage, folder, ROOT, threads=1)
        stages[stage] = {"cpu_s": cost.cpu_s, "peak_bytes": cost.peak_bytes}
        print(f"{stage}: {stages[stage]}", file=sys.stderr, flush=True)
    return stages


if __name__ == "__main__":
    main()
