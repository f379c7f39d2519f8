"""``torchrun`` trains the models of two stages: the first process alone writes, and other stages refuse."""

import json
import shutil
from pathlib import Path

import pytest

from tests.test_ranks import torchrun


@pytest.fixture(scope="module")
def run(systems_run, tmp_path_factory):
    return Path(shutil.copytree(systems_run, tmp_path_factory.mktemp("ranks") / "run"))


@pytest.mark.parametrize(("stage", "model"), [("train_htf", "htf"), ("train_timeline", "timeline")])
def test_a_stage_in_two_processes_writes_the_model_of_one(run, stage, model):
    info = run / "models" / model / "model.json"
    before = json.loads(info.read_text())
    info.unlink()
    done = torchrun("-m", f"pipeline.{stage}", cwd=run)
    assert done.returncode == 0, done.stderr
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == [stage], done.stdout
    after = json.loads(info.read_text())
    assert after.keys() == before.keys()
    losses = [[row["train_loss"] for row in content["info"]["log"]] for content in (after, before)]
    # The rate of the params, not one at which float32 is as good as exact: see tests/test_ranks.py.
    assert losses[0] == pytest.approx(losses[1], abs=1e-3)


def test_a_stage_that_is_not_divided_refuses(run):
    done = torchrun("-m", "pipeline.train_window", cwd=run)
    assert done.returncode != 0
    assert "train_window: several processes; expected one. Run: python -m pipeline.train_window" in done.stderr
