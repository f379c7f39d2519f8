"""Series of runs: which are made, what they add to the report, and params.yaml as before when one fails."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from ecgfeat.acquire.manifest import save_manifest
from ecgfeat.errors import UsageError
from ecgfeat.scoring.evaluation import score_predictions
from ecgfeat.scoring.repeats import repeats_of
from ecgfeat.store.seal import read_report
from pipeline.params import Params, read_params
from pipeline.read import paths
from pipeline.run import repeat
from pipeline.run.repro import compose
from pipeline.run.stage import CACHE
from tests.fixtures.rhythm_predictions import scores, write_predictions

ROOT = Path(__file__).parents[2]


class FakeDvc:
    """Stands in for ``run_dvc``: composes the overrides into params.yaml and predicts at random, as they say."""

    def __init__(self) -> None:
        self.runs: list[tuple[Params, tuple[str, ...]]] = []
        self.fail_at = 0

    def __call__(self, overrides: list[str], *targets: str) -> None:
        params = compose(overrides, Path("params.yaml"))
        self.runs.append((params, targets))
        if len(self.runs) == self.fail_at:
            raise SystemExit(255)
        split = params.annotate.split
        records = range(int(split[4]) * 4, int(split[4]) * 4 + 4) if split.startswith("fold") else range(6)
        write_predictions(paths.PREDICTIONS, records, params.seed)


@pytest.fixture
def dvc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeDvc:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "conf", "conf")
    tiny = "# @package _global_\ntrain_window:\n  epochs: 2\nreport:\n  bootstrap: 100\n"
    Path("conf/preset/tiny.yaml").write_text(tiny)
    (CACHE / "locks").mkdir(parents=True)
    paths.raw("simulate").mkdir(parents=True)
    save_manifest(paths.raw("simulate"), {"slug": "simulate", "signals": "simulated", "records": [], "files": {}})
    fake = FakeDvc()
    monkeypatch.setattr(repeat, "run_dvc", fake)
    return fake


def test_seeds_repeat_a_preset_and_end_with_it(dvc: FakeDvc) -> None:
    line = repeat.main("seeds", "tiny", "3")
    assert [(params.seed, targets) for params, targets in dvc.runs] == [
        *((seed, ("evaluate",)) for seed in (42, 43, 44, 42)),
        (42, ("report",)),
    ]
    assert [params.train_window.epochs for params, _ in dvc.runs] == [0, 0, 0, 2, 2]
    assert {params.annotate.split for params, _ in dvc.runs} == {"default"}
    assert "each seed drew the signals of simulate anew" in line
    added = repeats_of(read_report(paths.REPEATS, "repeats"), scores(range(6), seed=42))
    assert added["seeds"] == [42, 43, 44]
    of = added["rhythm_seeds"]["toy"]["timeline"]["timeline"]["viterbi"]["per_second"]["macro_f1"]
    runs = [
        scores(range(6), seed)["toy"]["timeline"]["timeline"]["viterbi"]["per_second"]["macro_f1"]
        for seed in (42, 43, 44)
    ]
    assert len(set(runs)) == 3
    assert of["mean"] == pytest.approx(np.mean(runs), abs=1e-6)  # rounded to 6 digits
    assert [of["min"], of["max"]] == pytest.approx([min(runs), max(runs)], abs=1e-6)
    assert read_params().seed == 42


def test_folds_are_pooled_and_stand_beside_the_seeds(dvc: FakeDvc) -> None:
    repeat.main("seeds", "tiny", "2")
    del dvc.runs[:]
    repeat.main("folds", "tiny", "3")
    assert [(params.annotate.split, params.train_window.epochs, params.evaluate.views) for params, _ in dvc.runs] == [
        ("fold0of3", 0, 1),
        ("fold1of3", 0, 1),
        ("fold2of3", 0, 1),
        ("default", 2, 7),
        ("default", 2, 7),
    ]
    added = repeats_of(read_report(paths.REPEATS, "repeats"), scores(range(6), seed=42))
    assert set(added) == {"seeds", "rhythm_seeds", "folds", "rhythm_folds"}
    assert added["folds"] == 3
    assert added["rhythm_folds"]["toy"]["timeline"]["timeline"]["viterbi"]["num_subjects"] == 12
    # What is printed can be recomputed from the pooled tables alone.
    oracles = dict.fromkeys(("rpeaks", "history", "episodes"))
    again = score_predictions(paths.FOLDS, oracles=oracles, num_resamples=100, seed=42)
    assert again["rhythm"] == added["rhythm_folds"]


def test_overrides_go_with_every_run_of_a_series(dvc: FakeDvc) -> None:
    repeat.main("seeds", "tiny", "2", "seed=7", "train_timeline.lr=0.5")
    assert [params.seed for params, _ in dvc.runs] == [7, 8, 7, 7]
    assert {params.train_timeline.lr for params, _ in dvc.runs} == {0.5}


def test_a_series_of_another_run_is_dropped(dvc: FakeDvc) -> None:
    repeat.main("seeds", "tiny", "2")
    repeat.main("folds", "tiny", "2", "seed=7")
    assert set(read_report(paths.REPEATS, "repeats")) == {"folds"}


def test_a_series_that_fails_leaves_nothing_behind_that_the_next_run_would_read(dvc: FakeDvc) -> None:
    dvc.fail_at = 2
    with pytest.raises(SystemExit) as stop:
        repeat.main("folds", "tiny", "3")
    assert stop.value.code == 255
    assert not paths.REPEATS.exists()
    dvc.fail_at = 0
    repeat.main("seeds", "tiny", "2")  # the folder is not held, and every run composes its params anew
    params = read_params()
    assert (params.annotate.split, params.train_window.epochs) == ("default", 2)


@pytest.mark.parametrize(
    ("kind", "number", "message"),
    [
        ("seeds", "1", "SEEDS=1: not a number of runs; expected two or more"),
        ("folds", "x", "FOLDS=x: not a number of runs"),
        ("legs", "2", "repeat: 'legs'; expected seeds or folds"),
    ],
)
def test_wrong_use_is_refused_before_anything_runs(dvc: FakeDvc, kind: str, number: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        repeat.main(kind, "tiny", number)
    assert not dvc.runs
