"""Series of runs: their arithmetic, which runs belong together, and that params.yaml is as before when one fails."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from ecgfeat.acquire.manifest import save_manifest
from ecgfeat.errors import DataError, UsageError
from ecgfeat.scoring.evaluation import score_predictions
from ecgfeat.scoring.plain import plain_numbers
from ecgfeat.scoring.pooling import pool_tables, score_rhythm_table
from ecgfeat.scoring.repeats import repeated_scores, repeats_of, run_fingerprint, spread_over
from ecgfeat.scoring.rhythm_summary import summarise_rhythm
from ecgfeat.store.schemas import BEAT_PREDICTIONS, COMMON_FS_HZ, RHYTHM_PREDICTIONS, RHYTHMS, RPEAK_SCORES
from ecgfeat.store.tables import read_table, write_table
from pipeline.params import Params, read_params
from pipeline.read import paths
from pipeline.run import repeat
from pipeline.run.repro import compose
from pipeline.run.stage import CACHE

ROOT = Path(__file__).parents[2]


def predictions(records: range, seed: int = 0) -> dict[str, np.ndarray]:
    """Rows of two heads under two protocols on some records, some right and some wrong."""
    rng = np.random.default_rng([seed, *records])
    parts = []
    for head, views in (("timeline", ("single", "view0", "tta7", "viterbi")), ("majority", ("single",))):
        for protocol in ("timeline", "grid"):
            for view in views if protocol == "timeline" else views[:1]:
                for record in records:
                    edge = np.cumsum(rng.integers(50, 300, 41))
                    reference = np.repeat(rng.choice([*RHYTHMS, "AFL", ""], 8), 5)
                    chance = rng.dirichlet(np.ones(6), 40)
                    for k, name in enumerate(RHYTHMS):
                        chance[reference == name, k] += 0.2
                    chance /= chance.sum(axis=1, keepdims=True)
                    names = {"corpus": "toy", "subject": f"s{record}", "record": f"r{record}", "protocol": protocol}
                    constants = names | {"head": head, "view": view, "purity": 1.0, "num_beats": 1}
                    parts.append(
                        {name: np.full(40, value) for name, value in constants.items()}
                        | {"start_sample": edge[:-1], "stop_sample": edge[1:], "reference": reference}
                        | {"predicted": np.array(RHYTHMS)[chance.argmax(axis=1)]}
                        | {f"p_{name}": chance[:, k] for k, name in enumerate(RHYTHMS)}
                    )
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def write_predictions(folder: Path, records: range, seed: int = 0, **params: object) -> Path:
    """Write the three tables as stage evaluate does, without beats."""
    made_by = {"rpeaks": {"method": "annotated"}, "evaluate": {"protocols": ["timeline"]}} | params
    rhythm = {"features": "annotations", "history": "oracle"}
    write_table(folder / "rhythm.parquet", predictions(records, seed), RHYTHM_PREDICTIONS, made_by | {"rhythm": rhythm})
    write_table(folder / "beats.parquet", {name: [] for name in BEAT_PREDICTIONS.columns}, BEAT_PREDICTIONS, made_by)
    counts = {name: [9] for name in RPEAK_SCORES.columns}
    names = {"corpus": ["toy"], "subject": ["s0"], "record": ["r0"], "detector": ["annotated"]}
    write_table(folder / "rpeaks.parquet", counts | names, RPEAK_SCORES, made_by)
    return folder


def scores(records: range, seed: int = 0, num_resamples: int = 0) -> dict:
    return summarise_rhythm(predictions(records, seed), fs_hz=COMMON_FS_HZ, num_resamples=num_resamples, seed=3)


def view(macro_f1: float, accuracy: float, **f1: float) -> dict:
    return {"toy": {"timeline": {"grid": {"single": {"macro_f1": macro_f1, "accuracy": accuracy, "f1": f1}}}}}


def test_spread_is_mean_lowest_and_highest() -> None:
    spread = spread_over({"7": view(0.5, 0.9, AFIB=0.4), "8": view(0.7, 0.6, AFIB=0.8), "9": view(0.3, 0.9, AFIB=0.9)})
    of = spread["toy"]["timeline"]["grid"]["single"]
    assert of["macro_f1"] == {"mean": 0.5, "min": 0.3, "max": 0.7, "values": {"7": 0.5, "8": 0.7, "9": 0.3}}
    assert of["accuracy"] == {"mean": 0.8, "min": 0.6, "max": 0.9, "values": {"7": 0.9, "8": 0.6, "9": 0.9}}
    assert of["f1"]["AFIB"] == {"mean": 0.7, "min": 0.4, "max": 0.9, "values": {"7": 0.4, "8": 0.8, "9": 0.9}}


def test_a_run_without_a_class_has_no_part_in_its_spread() -> None:
    of = spread_over({"7": view(0.5, 0.5, B=0.2), "8": view(0.5, 0.5, B=0.4), "9": view(0.5, 0.5)})
    f1 = of["toy"]["timeline"]["grid"]["single"]["f1"]
    assert f1 == {"B": {"mean": 0.3, "min": 0.2, "max": 0.4, "values": {"7": 0.2, "8": 0.4, "9": None}}}


def test_runs_of_other_heads_do_not_make_a_spread() -> None:
    other = {"toy": {"window": view(0.5, 0.5)["toy"]["timeline"]}}
    with pytest.raises(ValueError, match="runs 7 and 8: toy timeline grid single is in only one of them"):
        spread_over({"7": view(0.5, 0.5), "8": other})


def test_scores_whose_spread_is_told() -> None:
    rhythm = scores(range(6))
    picked = repeated_scores(rhythm)["toy"]["timeline"]
    assert set(picked["timeline"]) == {"single", "tta7", "viterbi"}
    full = plain_numbers(rhythm)["toy"]["timeline"]["timeline"]["viterbi"]
    assert picked["timeline"]["viterbi"] == {
        "macro_f1": full["macro_f1"],
        "accuracy": full["accuracy"],
        "f1": full["f1"],
        "per_second": {"macro_f1": full["per_second"]["macro_f1"]},
    }
    assert set(picked["grid"]["single"]) == {"macro_f1", "accuracy", "f1"}


def test_a_series_adds_to_the_run_it_repeats_and_to_no_other() -> None:
    run, other = scores(range(6)), scores(range(6), seed=1)
    # The name must survive intervals, rounding and the way through a file: the report has all three.
    written = json.loads(json.dumps(plain_numbers(scores(range(6), num_resamples=20))))
    assert "interval" in written["toy"]["timeline"]["grid"]["single"]
    repeats = {
        "seeds": {"run": run_fingerprint(run), "metrics": {"seeds": [1, 2]}},
        "folds": {"run": run_fingerprint(other), "metrics": {"folds": 5}},
    }
    assert repeats_of(repeats, written) == {"seeds": [1, 2]}
    assert repeats_of(repeats, other) == {"folds": 5}
    assert repeats_of({}, run) == {}


def test_pooled_tables_hold_every_row_and_score_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ecgfeat.scoring.pooling.BATCH_ROWS", 70)  # several batches, cut anywhere
    folds = [range(0, 4), range(4, 7), range(7, 9)]
    parts = [write_predictions(tmp_path / str(i), fold) / "rhythm.parquet" for i, fold in enumerate(folds)]
    pooled = tmp_path / "folds" / "rhythm.parquet"
    assert pool_tables(parts, pooled) == 9
    rows = read_table(pooled, RHYTHM_PREDICTIONS)
    for name, column in rows.items():
        expected = np.concatenate([read_table(part, RHYTHM_PREDICTIONS)[name] for part in parts])
        assert np.array_equal(column, expected), name
    whole = summarise_rhythm(rows, fs_hz=COMMON_FS_HZ, num_resamples=50, seed=3)
    assert whole["toy"]["timeline"]["timeline"]["viterbi"]["num_subjects"] == 9
    by_view = score_rhythm_table(pooled, num_resamples=50, seed=3)
    assert plain_numbers(by_view) == plain_numbers(whole)


def test_parts_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    first = write_predictions(tmp_path / "0", range(0, 4)) / "rhythm.parquet"
    twice = write_predictions(tmp_path / "1", range(3, 5)) / "rhythm.parquet"
    with pytest.raises(DataError, match=r"1/rhythm.parquet: record toy/r3, which is in .*0/rhythm.parquet too"):
        pool_tables([first, twice], tmp_path / "pooled.parquet")
    other = write_predictions(tmp_path / "2", range(5, 6), evaluate={"protocols": ["grid"]}) / "rhythm.parquet"
    with pytest.raises(DataError, match=r"2/rhythm.parquet: another schema, or other params; expected those of"):
        pool_tables([first, other], tmp_path / "pooled.parquet")
    with pytest.raises(DataError, match="another schema, or other params"):
        pool_tables([first, first.with_name("beats.parquet")], tmp_path / "pooled.parquet")
    assert not (tmp_path / "pooled.parquet").exists()


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
    added = repeats_of(json.loads(paths.REPEATS.read_text()), scores(range(6), seed=42))
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
    assert set(json.loads(paths.REPEATS.read_text())) == {"folds"}


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
