"""Series of runs: which are made, what they add to the report, and params.yaml as before when one fails."""

import json
from pathlib import Path

import numpy as np
import pytest

from ecgfeat.acquire.manifest import save_manifest
from ecgfeat.errors import UsageError
from ecgfeat.scoring.evaluation import score_predictions
from ecgfeat.scoring.repeats import repeats_of
from pipeline.params import read_params
from pipeline.read import paths
from pipeline.run import repeat
from pipeline.run.repro import BORROWED, put_back
from tests.fixtures.rhythm_predictions import scores, write_predictions
from tests.fixtures.small_run import default_params


class FakeDvc:
    """Stands in for ``run_dvc``: takes the overrides into params.yaml and predicts at random, as they say."""

    def __init__(self, fail_at: int = 0) -> None:
        self.runs: list[tuple[dict[str, str], tuple[str, ...]]] = []
        self.fail_at = fail_at

    def __call__(self, overrides: dict[str, str], *targets: str) -> None:
        from dvc.utils.hydra import apply_overrides

        self.runs.append((overrides, targets))
        apply_overrides(Path("params.yaml"), [f"{key}={value}" for key, value in overrides.items()])
        if len(self.runs) == self.fail_at:
            raise SystemExit(255)
        split = overrides["annotate.split"]
        records = range(int(split[4]) * 4, int(split[4]) * 4 + 4) if split.startswith("fold") else range(6)
        write_predictions(paths.PREDICTIONS, records, int(overrides["seed"]))


@pytest.fixture
def dvc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeDvc:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(default_params().replace("bootstrap: 1000", "bootstrap: 100"))
    Path("tiny.txt").write_text("corpora=[simulate]\ntrain_window.epochs=2\n")
    paths.raw("simulate").mkdir(parents=True)
    save_manifest(paths.raw("simulate"), {"slug": "simulate", "signals": "simulated", "records": [], "files": {}})
    fake = FakeDvc()
    monkeypatch.setattr(repeat, "run_dvc", fake)
    return fake


def test_seeds_repeat_a_preset_and_end_with_it(dvc: FakeDvc) -> None:
    line = repeat.main("seeds", "tiny.txt", "3")
    assert [(run["seed"], targets) for run, targets in dvc.runs] == [
        *((seed, ("params", "evaluate")) for seed in ("42", "43", "44", "42")),
        ("42", ("report",)),
    ]
    assert [run["train_window.epochs"] for run, _ in dvc.runs] == ["0", "0", "0", "2", "2"]
    assert {run["annotate.split"] for run, _ in dvc.runs} == {"default"}
    assert "each seed drew the signals of simulate anew" in line
    added = repeats_of(json.loads(paths.REPEATS.read_text()), scores(range(6), seed=42))
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
    repeat.main("seeds", "tiny.txt", "2")
    del dvc.runs[:]
    repeat.main("folds", "tiny.txt", "3")
    changed = ("annotate.split", "train_window.epochs", "evaluate.views")
    assert [tuple(run[key] for key in changed) for run, _ in dvc.runs] == [
        ("fold0of3", "0", "1"),
        ("fold1of3", "0", "1"),
        ("fold2of3", "0", "1"),
        ("default", "2", "7"),
        ("default", "2", "7"),
    ]
    added = repeats_of(json.loads(paths.REPEATS.read_text()), scores(range(6), seed=42))
    assert set(added) == {"seeds", "rhythm_seeds", "folds", "rhythm_folds"}
    assert added["folds"] == 3
    assert added["rhythm_folds"]["toy"]["timeline"]["timeline"]["viterbi"]["num_subjects"] == 12
    # What is printed can be recomputed from the pooled tables alone.
    oracles = dict.fromkeys(("rpeaks", "history", "episodes"))
    again = score_predictions(paths.FOLDS, oracles=oracles, num_resamples=100, seed=42)
    assert again["rhythm"] == added["rhythm_folds"]


def test_a_series_of_another_run_is_dropped(dvc: FakeDvc) -> None:
    repeat.main("seeds", "tiny.txt", "2")
    Path("params.yaml").write_text(Path("params.yaml").read_text().replace("seed: 42", "seed: 7"))
    repeat.main("folds", "tiny.txt", "2")
    assert set(json.loads(paths.REPEATS.read_text())) == {"folds"}


def test_params_are_put_back_when_a_run_fails(dvc: FakeDvc) -> None:
    dvc.fail_at = 2
    with pytest.raises(SystemExit) as stop:
        repeat.main("folds", "tiny.txt", "3")
    assert stop.value.code == 255
    params = read_params()
    assert (params.annotate.split, params.train_window.epochs) == ("default", 2)
    assert not BORROWED.exists()
    assert not paths.REPEATS.exists()


def test_params_of_a_killed_series_are_put_back_by_the_next_run(dvc: FakeDvc, monkeypatch: pytest.MonkeyPatch) -> None:
    dvc.fail_at = 2
    with monkeypatch.context() as killed:
        killed.setattr(repeat, "put_back", lambda: None)  # what SIGKILL leaves undone
        with pytest.raises(SystemExit):
            repeat.main("seeds", "tiny.txt", "3")
    assert read_params().seed == 43
    put_back()
    assert read_params().seed == 42
    put_back()  # nothing to do, and no harm
    assert read_params().seed == 42


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
        repeat.main(kind, "tiny.txt", number)
    assert not dvc.runs
