"""Ablations of the shipped chain: each line takes something away, and a run leaves what it starts from as it is."""

import contextlib
import json
import shlex
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from ecgfeat.beats.probabilities import Curve, join_classes
from pipeline.run import ablate, ablation_scores
from pipeline.run.ablation_lines import LINES, SIZE, WHOLE, Line
from pipeline.run.ablation_scores import BeatAnswers, average_answers, score_beats
from pipeline.run.ablation_table import is_beyond_chance, write_beat_ablations, write_gate, write_rhythm_ablations
from pipeline.run.repro import compose
from tests.fixtures.small_run import SMALL

ROOT = Path(__file__).parents[2]
KEPT = json.loads((ROOT / "docs/results/ablations.json").read_text())
AS_IT_IS = Curve(1.0, 0.0)


@pytest.mark.parametrize("line", LINES, ids=lambda line: f"{line.part}, {line.title}, {' '.join(line.overrides)}")
def test_each_line_changes_something_and_is_valid(line):
    with contextlib.chdir(ROOT):
        whole, changed = (compose(["preset=real", *SIZE, *overrides]) for overrides in ((), line.overrides))
    assert (changed != whole) == bool(line.overrides)
    sections = {key.split(".")[0] for key in (override.split("=")[0] for override in line.overrides)}
    tuned = {"beats": "train_beats", "rhythm": "train_rhythm"}
    other = tuned[{"beats": "rhythm", "rhythm": "beats"}[line.part]]
    assert other not in sections
    for section in sections:
        assert getattr(changed, section) != getattr(whole, section)


def test_the_size_changes_nothing_but_the_size_and_all_ingredients_are_trained_from_several_seeds():
    with contextlib.chdir(ROOT):
        whole, small = compose(["preset=real"]).model_dump(), compose(["preset=real", *SIZE]).model_dump()
    assert {name for name in whole if whole[name] != small[name]} == {"train_beats", "train_rhythm"}
    for part in ("beats", "rhythm"):
        seeds = [line.overrides for line in LINES if line.part == part and line.title == WHOLE]
        assert seeds == [(), ("seed=43",), ("seed=44",)]


def test_what_is_kept_are_scores_of_these_lines_and_of_this_size():
    assert KEPT["size"] == list(SIZE)
    known = {(line.part, line.title, line.overrides) for line in LINES}
    kept = [(row["part"], row["without"], tuple(row["set"])) for row in KEPT["lines"]]
    assert len(kept) == len(set(kept))
    assert {row for row in kept if row not in known} <= {
        ("beats", "nothing: mean of 3 seeds", ()),
        ("beats", "calibration", ()),
        ("beats", "trees: S by the networks", ()),
        ("rhythm", "offsets of rhythms", ()),
    }


def test_the_page_names_the_size_of_the_runs():
    text = (ROOT / "docs/ablations.md").read_text()
    assert all(f"`{override}`" in text for override in SIZE)


def make_answers(seed=0, certainty=0.9, curves=(AS_IT_IS, AS_IT_IS)):
    """Return answers that are right nine times of ten, for two records of which the second has few S beats."""
    rng = np.random.default_rng(seed)
    label = np.concatenate([np.repeat([0, 1, 2], 100), np.repeat([0, 1, 2], [280, 5, 15])])
    said = np.where(rng.random(len(label)) < 0.1, (label + 1) % 3, label)
    probability = np.full((len(label), 3), (1 - certainty) / 2, dtype=np.float32)
    probability[np.arange(len(label)), said] = certainty
    return BeatAnswers(np.repeat(["a", "b"], 300), label, probability, curves, 0.5, 0.01)


def test_beats_are_scored_together_and_record_by_record():
    scores = score_beats(make_answers(), calibrated=True)
    assert all(0.7 < scores[f"{name}_f1"] < 0.99 for name in "nsv")
    assert scores["ectopic_normal"] == 0.01
    whole, by_record = make_answers(), {}
    for record in ("a", "b"):
        kept = whole.record == record
        alone = BeatAnswers(whole.record[kept], whole.label[kept], whole.probability[kept], whole.curves, 0.5, 0.0)
        by_record[record] = score_beats(alone, calibrated=True)
    assert scores["s_mean"] == by_record["a"]["s_f1"], "the other record has five S beats"
    assert scores["v_mean"] == pytest.approx((by_record["a"]["v_f1"] + by_record["b"]["v_f1"]) / 2)
    assert abs(scores["v_mean"] - scores["v_f1"]) > 1e-3
    assert score_beats(make_answers(certainty=0.5), calibrated=True)["ece"] > 0.3 > 0.05 > scores["ece"]


def test_calibration_is_taken_away():
    raw = make_answers()
    share = raw.probability[:, 1] / raw.probability[:, :2].sum(axis=1)
    curves = (Curve(0.5, -1.0), Curve(2.0, 0.7))
    calibrated = BeatAnswers(
        raw.record,
        raw.label,
        join_classes(curves[0].apply(raw.probability[:, 2]), curves[1].apply(share)),
        curves,
        0.2,
        0.01,
    )
    expected = score_beats(raw, calibrated=True)
    scores = score_beats(calibrated, calibrated=False)
    assert np.isnan(scores.pop("ectopic_normal"))
    assert scores == pytest.approx({name: expected[name] for name in scores}, abs=1e-6)
    assert score_beats(calibrated, calibrated=True)["ece"] > scores["ece"] + 0.01


def test_the_mean_of_answers_is_better_than_each():
    several = [make_answers(seed) for seed in range(5)]
    best = max(score_beats(of, calibrated=True)["v_f1"] for of in several)
    assert score_beats(average_answers(several), calibrated=True)["v_f1"] > best


def test_beyond_chance_is_further_than_the_seeds_are_apart():
    whole = [0.80, 0.82, 0.81]
    assert not any(is_beyond_chance(value, whole) for value in (0.79, 0.81, 0.83))
    assert all(is_beyond_chance(value, whole) for value in (0.77, 0.85))


def test_tables_mark_what_is_beyond_chance():
    def row(title, overrides, value, **more):
        beats = dict.fromkeys(("n_f1", "s_f1", "v_f1", "s_mean", "v_mean", "ece"), value) | {"ectopic_normal": None}
        return {"part": "beats", "without": title, "set": overrides, "scores": beats | more}

    names = ("f1", "sensitivity", "positive_predictivity")
    gate = {f"{prefix}s_{name}": 0.5 for prefix in ("", "plain_") for name in names}
    kept = {
        "command": "python -m pipeline.run.ablate real",
        "line": "make repro PRESET=real",
        "lines": [
            row(WHOLE, [], 0.8),
            row(WHOLE, ["seed=43"], 0.82),
            row("a", ["x.y=0", "x.z=[a,b]"], 0.79),
            row("b", [], 0.7, s_f1=0.81),
            {"part": "rhythm", "without": "c", "set": [], "scores": {"gate": gate}},
        ],
    }  # fmt: skip
    lines = [line.strip("| ").split(" | ") for line in write_beat_ablations(kept).splitlines()[2:]]
    assert [line[0] for line in lines] == [WHOLE, f"{WHOLE}, seed 43", "a", "b"]
    assert [line[2] for line in lines] == [".800", ".820", ".790", "**.700**"]
    assert [line[3] for line in lines] == [".800", ".820", ".790", ".810"]
    assert lines[0][-1] == "–"
    assert shlex.split(lines[2][1].strip("`"))[-1] == "SET=x.y=0 x.z=[a,b]"
    assert lines[3][1] == "`python -m pipeline.run.ablate real`"
    assert len(write_gate(kept).splitlines()) == 4


def contents(folder: Path) -> dict[Path, bytes]:
    return {
        path: path.read_bytes()
        for name in ("data", "models")
        for path in (folder / name).rglob("*.*")
        if path.is_file()
    }


def test_a_run_scores_its_lines_and_changes_nothing_else(systems_run, tmp_path, monkeypatch):
    folder = tmp_path / "run"
    shutil.copytree(systems_run, folder)
    (folder / "conf").symlink_to(ROOT / "conf")
    monkeypatch.chdir(folder)
    lines = [
        Line("beats", WHOLE),
        Line("beats", WHOLE, ("seed=43",)),
        Line("beats", "window", ("train_beats.reads=[waves]",)),
        Line("rhythm", WHOLE),
        Line("rhythm", "unseen", ("classify.held_out=false",), ("classify",)),
        Line("rhythm", "signals", ("train_rhythm.signal_rows=false",)),
    ]  # fmt: skip
    monkeypatch.setattr(ablate, "LINES", lines)
    monkeypatch.setattr(ablation_scores, "BEAT_CORPUS", "simulate")
    monkeypatch.setattr(ablation_scores, "SHORT_CORPUS", "simulate")
    size = [
        f"{key}={value}" for key, value in SMALL.items() if key.startswith(("train_beats", "train_rhythm", "runtime"))
    ]
    before = contents(folder)
    line = ablate.main("simulate", *size)
    assert line.startswith("docs/results/ablations.json: 10 rows")
    assert contents(folder) == before
    kept = json.loads(Path("docs/results/ablations.json").read_text())
    assert [row["without"] for row in kept["lines"]][-3:] == [
        "calibration",
        "trees: S by the networks",
        "offsets of rhythms",
    ]
    assert kept["size"] == size
    scores = [row["scores"] for row in kept["lines"]]
    assert len({json.dumps(of) for of in scores[:3]}) == 3, "each line is trained anew"
    assert all(0 <= of["both"]["macro_f1"] <= 1 for of in scores[3:6])
    assert "gate" in scores[5]
    assert len(write_beat_ablations(kept).splitlines()) == 2 + 6
    assert len(write_rhythm_ablations(kept).splitlines()) == 2 + 4

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(subprocess, "run", refuse)
    ablate.main("simulate", *size)
    assert json.loads(Path("docs/results/ablations.json").read_text()) == kept
