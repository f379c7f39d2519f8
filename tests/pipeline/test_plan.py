"""What is planned is what a real run of another size writes; a run that disk or memory cannot hold is refused."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ecgfeat.corpora.sizes import PUBLISHED, CorpusSize, size_of
from ecgfeat.errors import UsageError
from pipeline.params import Params, check_params
from pipeline.run.plan import make_plan
from pipeline.run.plan_costs import STAGES, fit_costs, read_costs
from pipeline.run.plan_sizes import find_size
from pipeline.run.training_costs import TRAINING, fit_training, learnt_units, read_training_costs
from tests.fixtures.small_run import default_params

ROOT = Path(__file__).parents[2]
PLENTY = {"free_bytes": 1e18, "memory_bytes": 1e18}


def params_with(*overrides: str) -> Params:
    from ruamel.yaml import YAML

    return check_params(YAML(typ="safe").load(default_params(*overrides)), "params.yaml")


def measured(minutes: int, records: int) -> dict:
    script = (
        f"import json; from pipeline.run.plan_costs import measure_run as m; print(json.dumps(m({records}, {minutes})))"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def costs(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("costs"))
        costs = read_costs()
        patch.setattr("subprocess.run", lambda *_, **__: pytest.fail("measured again"))
        assert read_costs() == costs
    return costs


def test_a_plan_states_what_a_run_of_another_size_writes(costs):
    run = measured(minutes=20, records=4)
    size = size_of(4, 20 / 60, fs_hz=128, num_leads=2)
    planned = make_plan(params_with("runtime.workers=1"), {"simulate": size}, costs, {}, **PLENTY)
    assert planned.fault is None
    assert [stage.stage for stage in planned.stages] == list(STAGES)
    assert 0.7 < size.num_beats / run["beats"] < 1.4
    for stage in planned.stages:
        written = run["stages"][stage.stage]
        if stage.stage != "quality":  # some hundred rows, which are pressed to nothing
            assert 0.6 < stage.artifact_bytes / written["artifact_bytes"] < 1.6, stage.stage
        if stage.stage not in ("acquire", "annotate", "quality"):
            assert 0.6 < stage.part_bytes / written["part_bytes"] < 1.6, stage.stage
        assert 0.6 < stage.peak_bytes / written["peak_bytes"] < 1.6, stage.stage


@pytest.fixture
def lines():
    """Costs that are easy to add up: one GB an hour of leads, or a MB a beat."""
    few = {"cpu_s": 1.0, "artifact_bytes": 1e9, "part_bytes": 1e9, "peak_bytes": 1e9}
    many = {"cpu_s": 2.0, "artifact_bytes": 2e9, "part_bytes": 2e9, "peak_bytes": 2e9}
    runs = [
        {"records": 1, "hours": hours, "beats": 1000 * hours, "stages": dict.fromkeys(STAGES, cost)}
        for hours, cost in ((0.5, few), (1.0, many))
    ]
    return fit_costs(runs)


@pytest.fixture
def training():
    """A training takes 10 s, and one more a unit and a thousand beats; that of rhythms 2 s a record and a unit."""
    few, many = {"records": 2, "beats": 1000}, {"records": 2, "beats": 5000}
    rest = [stage for stage in TRAINING if stage != "train_rhythm"]
    times = [(11.0, 0.0, 8.0, 0.0), (21.0, 10.0, 12.0, 4.0), (17.0, 2.0, 6.0, 1.0)]
    runs = []
    for size, (other_s, other_units, rhythm_s, rhythm_units) in zip((few, few, many), times, strict=True):
        stages = dict.fromkeys(rest, (other_s, other_units)) | {"train_rhythm": (rhythm_s, rhythm_units)}
        runs.append(size | {"stages": stages})
    return fit_training(runs)


def test_training_takes_time_by_its_steps_and_its_corpora(lines, training):
    sizes = {"mitdb": DAY, "ltafdb": DAY}
    params = params_with("train_window.epochs=0", "train_beats.steps=7")
    plan = make_plan(params, sizes, lines, training, **PLENTY)
    beats = params.train_beats
    assert plan.training_s["train_beats"] == pytest.approx(10 + 4 + (beats.folds + beats.seeds) * 7 * beats.batch)
    timeline = params.train_timeline
    assert plan.training_s["train_timeline"] == pytest.approx(10 + 4 + timeline.epochs * timeline.chunks)
    assert plan.training_s["train_htf"] == pytest.approx(10 + 4 + params.train_htf.epochs * 4000)
    rhythm = params.train_rhythm
    assert plan.training_s["train_rhythm"] == pytest.approx(2.5 * 4 + rhythm.epochs * rhythm.per_rhythm * 4)
    assert plan.training_s["train_window"] == 0  # left out
    assert plan.as_json()["time_s"] == pytest.approx(
        sum(of.time_s or 0.0 for of in plan.stages) + sum(plan.training_s.values())
    )
    shown = "\n".join(plan.as_lines())
    assert all(stage in shown for stage in TRAINING)
    from_annotations = params_with("rhythm.features=annotations", "rhythm.history=oracle")
    assert learnt_units("train_htf", from_annotations, num_records=4, num_beats=4000) == 0


def test_costs_of_training_are_measured_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    costs = read_training_costs()
    assert set(costs) == set(TRAINING)
    # More of what is learnt from takes longer; which of two costs dominates, a small run cannot tell for sure.
    assert all(cost.at(100, 1e7, 1e7) > cost.at(1, 1e3, 1e2) > 0 for cost in costs.values())
    monkeypatch.setattr("subprocess.run", lambda *_, **__: pytest.fail("measured again"))
    assert read_training_costs() == costs


DAY = CorpusSize(num_records=2, hours=2.0, longest_h=1.0, num_beats=2000, fs_hz=128, num_leads=2)


def test_a_full_disk_is_refused_with_what_would_do(lines):
    def fault(free_bytes, *overrides):
        plan = make_plan(params_with(*overrides), {"mitdb": DAY}, lines, {}, free_bytes=free_bytes, memory_bytes=1e18)
        assert plan.as_json()["fault"] == (None if plan.fault is None else str(plan.fault))
        return plan.as_json()["disk_bytes"], str(plan.fault)

    # Nine stages of 4 GB, twice, and the parts of one.
    needed, none = fault(76e9)
    assert needed == pytest.approx(76e9)
    assert none == "None"
    assert fault(75e9)[1] == ("disk: 75.0 GB free; expected 76.0 GB. Set windows.keep to false, which leaves 68.0 GB.")
    assert "Set windows.keep to false and embed.dtype to live, which leaves 60.0 GB." in fault(61e9)[1]
    assert "Take a disk with more room" in fault(59e9)[1]
    assert "windows.keep" not in fault(59e9, "embed.dtype=live")[1]


def test_too_little_memory_is_refused_with_a_number_of_processes(lines):
    def fault(memory_bytes, workers):
        params = params_with(f"runtime.workers={workers}")
        long = CorpusSize(num_records=80, hours=80.0, longest_h=1.0, num_beats=80_000, fs_hz=128, num_leads=2)
        return str(make_plan(params, {"mitdb": long}, lines, {}, free_bytes=1e18, memory_bytes=memory_bytes).fault)

    assert fault(18.1e9, 8) == "None"  # eight processes and the one that assembles, of 2 GB
    assert fault(17e9, 8).endswith("expected 18.0 GB for 8 processes. Set runtime.workers to 7.")
    assert fault(3e9, 8).endswith("Set runtime.workers to 1.")
    assert fault(1e9, 1).endswith("Take a machine with more memory: a record is held whole.")


def test_sizes_come_from_the_params_from_tables_or_from_what_is_published(systems_run, monkeypatch):
    params = params_with("preset=ltafdb-rendered")
    assert find_size("ltafdb", params).hours == pytest.approx(84 * 4)
    assert find_size("ltafdb", params_with("preset=ltafdb")) == PUBLISHED["ltafdb"]
    assert find_size("simulate", params_with("acquire.subjects=7", "acquire.minutes=30")).hours == 3.5
    with pytest.raises(UsageError, match="afpdb: a corpus of unknown size"):
        find_size("afpdb", params)
    monkeypatch.chdir(systems_run)
    for folder, name in (("records", "ltafdb"), ("rpeaks", "ltafdb")):
        assert not Path(f"data/{folder}/{name}.parquet").exists()
    monkeypatch.setattr("pipeline.run.plan_sizes.SIMULATE", type("Other", (), {"slug": "other"}))
    size = find_size("simulate", params)
    assert size.is_counted
    assert (size.num_records, size.num_leads, size.fs_hz) == (8, 2, 128)
    assert size.hours == pytest.approx(8 * 5 / 60)
    assert 2000 < size.num_beats < 5000


def test_the_command_plans_stated_sizes_and_refuses_other_folders(tmp_path):
    def plan(folder, *words):
        environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "ecgfeat.cli", "plan", *words]
        return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)

    refused = plan(tmp_path)
    assert refused.returncode == 2
    assert "expected the folder of a checkout" in refused.stderr
    assert plan(ROOT, "--records", "3").returncode == 2
    stated = ("--records", "11000", "--hours", "336", "--leads", "1", "--disk-gb", "1", "--json")
    planned = plan(ROOT, *stated)
    assert planned.returncode == 1
    assert planned.stderr.splitlines()[-1].startswith("disk: 1.0 GB free; expected ")
    assert len(planned.stderr.splitlines()[-1].split(".")) > 2
    assert json.loads(planned.stdout)["stages"][0]["records"] == 11_000
