"""Run a preset again under other seeds, or once for each fold, and put the scores of all into the report.

The runs are experiments of DVC, so that one which was done before is restored and not computed. Their test predictions
are kept in ``.cache/ecgfeat/repeat``. Their scores go into ``reports/repeats.json``. The report stage reads them and
adds them to the scores of the run that was repeated, and to those of no other run.
"""

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ecgfeat.acquire.manifest import read_manifest
from ecgfeat.errors import UsageError
from ecgfeat.scoring.plain import plain_numbers
from ecgfeat.scoring.pooling import pool_tables, score_rhythm_table
from ecgfeat.scoring.repeats import repeated_scores, repeats_of, run_fingerprint, spread_over
from ecgfeat.store.publish import publish
from ecgfeat.store.seal import read_report, write_report
from pipeline.params import Params
from pipeline.read import paths
from pipeline.run.repro import compose, only_run, preset_override, run_dvc
from pipeline.run.stage import CACHE, run_stage

POOLED = ("rhythm", "beats")
"""Tables with the test records of a run; ``rpeaks`` has all records in any run."""

WITHOUT_WINDOW = ("train_window.epochs=0",)


def main(kind: str, preset: str, number: str, *overrides: str) -> str:
    """Run a preset several times, then once more as it is, with the scores of all in its report."""
    num_runs = _parse_number(kind, number)
    base = [preset_override(preset), *overrides]
    params = compose(base)
    if params.predicts_only:
        expected = "recordings with annotations: local.annotations wfdb or csv"
        raise UsageError(f"make {kind}", found=f"local.annotations {params.local.annotations}", expected=expected)
    kept: dict[str, Path] = {}
    with only_run():
        for name, changes in list_members(kind, num_runs, params.seed).items():
            print(f"repeat: {kind} {len(kept) + 1} of {num_runs}: {' '.join(changes)}")
            run_dvc([*base, *changes], "evaluate")
            kept[name] = CACHE / "repeat" / preset / kind / name
            with publish(kept[name]) as part:
                part.mkdir()
                for table in paths.PREDICTIONS.glob("*.parquet"):
                    shutil.copy(table, part)
        metrics = {"seeds": summarise_seeds, "folds": summarise_folds}[kind](kept, params)
        run_dvc(base, "evaluate")
        write_repeats(kind, metrics)
        run_dvc(base, "report")
    return f"{kind}: {paths.SCORES}: rhythm_{kind}, {num_runs} runs{_drawn_anew(kind)}"


def list_members(kind: str, num_runs: int, seed: int) -> dict[str, tuple[str, ...]]:
    """Return the overrides of each run of a series, by a name for it.

    Parameters
    ----------
    kind : {'seeds', 'folds'}
        The series.
    num_runs : int
        Runs in it.
    seed : int
        The first seed.

    Returns
    -------
    dict of str to tuple of str
        Overrides by seed, or by the number of the fold. Both leave the window head out: it is the slowest to train
        and there for comparison only. Folds test every record of a corpus, and take one view of each.
    """
    if kind == "seeds":
        return {str(seed + i): (f"seed={seed + i}", *WITHOUT_WINDOW) for i in range(num_runs)}
    split = {str(i): f"annotate.split=fold{i}of{num_runs}" for i in range(num_runs)}
    return {name: (fold, *WITHOUT_WINDOW, "evaluate.views=1") for name, fold in split.items()}


def summarise_seeds(kept: Mapping[str, Path], params: Params) -> dict[str, Any]:
    """Return the spread of each score over the seeds."""
    runs = {
        seed: repeated_scores(score_rhythm_table(folder / "rhythm.parquet", num_resamples=0, seed=params.seed))
        for seed, folder in kept.items()
    }
    return {"seeds": [int(seed) for seed in kept], "rhythm_seeds": spread_over(runs)}


def summarise_folds(kept: Mapping[str, Path], params: Params) -> dict[str, Any]:
    """Return the scores of all records, each as the fold predicted it that had not seen its subject."""
    with publish(paths.FOLDS) as part:
        part.mkdir()
        for name in POOLED:
            pool_tables([folder / f"{name}.parquet" for folder in kept.values()], part / f"{name}.parquet")
        shutil.copy(next(iter(kept.values())) / "rpeaks.parquet", part)
    pooled = paths.FOLDS / "rhythm.parquet"
    scores = score_rhythm_table(pooled, num_resamples=params.report.bootstrap, seed=params.seed)
    return {"folds": len(kept), "rhythm_folds": plain_numbers(scores)}


def write_repeats(kind: str, metrics: Mapping[str, Any]) -> None:
    """Write what a series adds to the metrics of the run at hand; series of other runs are dropped."""
    rhythm = score_rhythm_table(paths.PREDICTIONS / "rhythm.parquet", num_resamples=0, seed=0)
    before = read_report(paths.REPEATS, "repeats") if paths.REPEATS.is_file() else {}
    repeats = {name: series for name, series in before.items() if repeats_of({name: series}, rhythm)}
    repeats[kind] = {"run": run_fingerprint(rhythm), "metrics": metrics}
    with publish(paths.REPEATS) as part:
        write_report(part, "repeats", repeats, sort_keys=True)


def _parse_number(kind: str, number: str) -> int:
    if kind not in ("seeds", "folds"):
        raise UsageError("repeat", found=repr(kind), expected="seeds or folds")
    if not number.isdecimal() or int(number) < 2:
        raise UsageError(f"{kind.upper()}={number}", found="not a number of runs", expected="two or more")
    return int(number)


def _drawn_anew(kind: str) -> str:
    made = [raw.name for raw in sorted(Path("data/raw").iterdir()) if raw.is_dir() and _are_made(raw)]
    if kind == "folds" or not made:
        return ""
    return f"; each seed drew the signals of {' '.join(made)} anew, so the spread is not that of training alone"


def _are_made(raw: Path) -> bool:
    return read_manifest(raw)["signals"] in ("simulated", "rendered")


if __name__ == "__main__":
    sys.exit(run_stage("repeat", main))
