"""Several processes train one model: the loss curve, and the weights, are those of one process."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from ecgfeat.beats.training import BeatSettings, train_beat_model
from ecgfeat.beats.windows import BeatRecord
from ecgfeat.models import build_model
from ecgfeat.ranks import join_ranks
from ecgfeat.rhythm.features import FeatureLayout
from ecgfeat.rhythm.records import RhythmData
from ecgfeat.rhythm.tables import BeatTable, EpisodeTable
from ecgfeat.rhythm.timeline_training import TimelineSettings, train_timeline

ROOT = Path(__file__).parents[1]


def train_embedder(ranks):
    """Train the embedder with all that ranks share: batch norm, dropout, class weights, augmentation."""
    records = []
    for seed in range(2):
        rng = np.random.default_rng(seed)
        aami = rng.choice(["N", "S", "V"], 90, p=[0.6, 0.2, 0.2])
        width = np.select([aami == "N", aami == "S"], [4.0, 10.0], 25.0)
        wave = 1000 * np.exp(-0.5 * ((np.arange(256) - 128) / width[:, None]) ** 2)
        window = (wave[:, None] + rng.normal(0, 20, (90, 2, 256))).astype(np.int16)
        records.append(BeatRecord(window, 0, 90, rng.uniform(0.6, 1.0, 90).astype(np.float32), aami))
    settings = BeatSettings(
        epochs=2,
        keep="best",
        batch=33,
        lr=5e-5,  # Adam makes much of the last bits of float32: at 1e-3 the curves come 1e-4 apart, in float64 1e-9
        weight_decay=1e-4,
        label_smoothing=0.05,
        normals_per_ectopic=2.0,
        least_normals=0,
        history_beats=5,
        history_dropout=0.5,
        history_noise=0.1,
        swap_leads=0.5,
        shift_samples=2,
        noise=0.05,
    )
    model = build_model("htf", seed=0)
    return model, train_beat_model(model, records, records[:1], settings, seed=5, ranks=ranks)


def train_head(ranks):
    """Train the timeline head where the last batch is one chunk, so that a rank is without work."""
    rng = np.random.default_rng(0)
    num_beats = 400
    sample = np.arange(num_beats, dtype=np.int64) * 100
    beats = BeatTable(sample, np.array([0, 150, num_beats]), np.array([15_000, 40_000]))
    start = np.arange(0, num_beats, 25)
    episodes = EpisodeTable((start >= 150).astype(np.int64), start * 100, (start + 20) * 100, np.arange(16) % 3)
    beat_label = np.repeat(np.arange(16) % 3, 25)
    feature = rng.normal(size=(num_beats, 8)).astype(np.float32) + beat_label[:, None] / 2
    data = RhythmData(beats, episodes, torch.from_numpy(feature.astype(np.float32)))
    settings = TimelineSettings(
        neighbour_beats=0,
        chunk_beats=192,
        width=16,
        blocks=2,
        epochs=3,
        chunks=17,
        batch=4,
        lr=2e-3,
        weight_decay=5e-2,
        dropout=0.1,
        label_smoothing=0.05,
        class_weight_power=0.5,
        rarity_power=0.3,
        length_power=0.5,
        label_dropout=0.1,
        embedding_dropout=0.3,
    )
    model = build_model("rhythm_timeline", seed=0, num_features=8, num_classes=6, width=16, num_blocks=2)
    layout = FeatureLayout(0, 5, 3)
    return model, train_timeline(model, data, data, layout, settings, seed=5, ranks=ranks)


TRAININGS = {"embedder": train_embedder, "head": train_head}


def torchrun(*words, num_ranks=2, cwd=ROOT):
    """Start processes that find each other on the loopback; return the finished launcher."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={num_ranks}", *words]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=cwd, env=environment, check=False, capture_output=True, text=True, timeout=600)


@pytest.mark.parametrize("name", TRAININGS)
def test_two_processes_have_the_loss_curve_of_one(name, tmp_path):
    done = torchrun("-m", "tests.test_ranks", name, str(tmp_path))
    assert done.returncode == 0, done.stderr
    model, log = TRAININGS[name](None)
    of_ranks = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)]
    assert of_ranks[0] == of_ranks[1], "the ranks do not agree"
    assert [row["train_loss"] for row in of_ranks[0]] == pytest.approx([row["train_loss"] for row in log], abs=1e-5)
    assert log[-1]["train_loss"] < log[0]["train_loss"] - 0.05, "nothing was learnt"
    weights = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    for key, value in model.state_dict().items():
        assert torch.equal(weights[0][key], weights[1][key]), key
        assert torch.allclose(weights[0][key].double(), value.double(), atol=1e-3), key


def test_a_process_on_its_own_joins_no_other(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with join_ranks(torch.device("cpu")) as ranks:
        assert ranks is None


if __name__ == "__main__":
    torch.set_num_threads(1)
    name, folder = sys.argv[1], Path(sys.argv[2])
    with join_ranks(torch.device("cpu")) as joined:
        trained, rows = TRAININGS[name](joined)
        assert joined is not None
        (folder / f"{joined.number}.json").write_text(json.dumps(rows))
        torch.save(trained.state_dict(), folder / f"{joined.number}.pt")
