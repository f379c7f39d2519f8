"""Interrupted stages: what was finished is kept, what was not is made again, and no byte tells of it."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecgfeat.arena.record_task import train_on_records
from ecgfeat.beats.embedding import embed_windows
from ecgfeat.models import load_model
from ecgfeat.store.arrays import open_array
from ecgfeat.store.schemas import WINDOWS
from pipeline import crossvalidate, embed
from pipeline.params import read_params
from pipeline.read import paths
from pipeline.run.stage import CACHE

ROOT = Path(__file__).parents[2]
SLUG = "simulate"
INTERRUPTED_AT = 3  # records, from one
DEADLINE_S = 120


@pytest.fixture
def finished(arena_run: Path) -> Path:
    return arena_run


@pytest.fixture
def run(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the finished run to work in."""
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    monkeypatch.chdir(folder)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def rubbish(folder: Path) -> list[Path]:
    return list(folder.rglob(".*.part"))


class Embedder:
    """Embeds as the library does, notes how many windows each record had, and stops before a given record."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.stop_at = stop_at
        self.num_windows: list[int] = []

    def __call__(self, model: Any, window_uv_BCS: Any, *arguments: Any, **named: Any) -> np.ndarray:
        if len(self.num_windows) + 1 == self.stop_at:
            raise KeyboardInterrupt
        self.num_windows.append(len(window_uv_BCS))
        return embed_windows(model, window_uv_BCS, *arguments, **named)


@pytest.fixture
def interrupted(run: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Interrupt the stage in the copy and return the number of beats of each record."""
    rows = open_array(paths.windows(SLUG), WINDOWS).rows
    num_beats = [stop - start for start, stop in rows.values()]
    assert len(num_beats) == 8
    shutil.rmtree(paths.embeddings(SLUG))  # as DVC does before it runs a stage
    first = Embedder(stop_at=INTERRUPTED_AT)
    monkeypatch.setattr(embed, "embed_windows", first)
    with pytest.raises(KeyboardInterrupt):
        embed.main(SLUG)
    assert first.num_windows == num_beats[: INTERRUPTED_AT - 1]
    assert not paths.embeddings(SLUG).exists()
    assert rubbish(run / "data") == []
    return num_beats


def embed_again(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Run the stage to its end and return the number of windows of each record that was embedded."""
    second = Embedder()
    monkeypatch.setattr(embed, "embed_windows", second)
    embed.main(SLUG)
    return second.num_windows


def test_interrupted_embed_goes_on_with_the_records_that_are_left(run, finished, interrupted, monkeypatch):
    assert embed_again(monkeypatch) == interrupted[INTERRUPTED_AT - 1 :]
    assert contents(paths.embeddings(SLUG)) == contents(finished / paths.embeddings(SLUG))
    assert not (CACHE / "parts" / "embed" / SLUG).exists()
    assert embed_again(monkeypatch) == interrupted, "a finished stage that runs again does all its work"


def test_damaged_record_of_an_interrupted_embed_is_made_again(run, finished, interrupted, monkeypatch):
    kept = sorted((CACHE / "parts" / "embed" / SLUG).iterdir())
    assert len(kept) == INTERRUPTED_AT - 1
    data = bytearray(kept[0].read_bytes())
    data[-1] ^= 1
    kept[0].write_bytes(data)
    again = embed_again(monkeypatch)
    assert len(again) == len(interrupted) - len(kept) + 1
    assert contents(paths.embeddings(SLUG)) == contents(finished / paths.embeddings(SLUG))


def test_records_embedded_by_another_model_are_not_taken_over(run, interrupted, monkeypatch):
    # The run is interrupted, the embedder trained anew, the run begun again: half of the old one would be wrong.
    description = embed.load_model(paths.HTF_MODEL)[1]
    monkeypatch.setattr(
        embed, "load_model", lambda folder: (load_model(folder)[0], description | {"weights_sha256": ""})
    )
    assert embed_again(monkeypatch) == interrupted


# The worst moment to be killed: the old model is out of the way, the new one not yet in its place.
KILL_AT_SECOND_RENAME = """
import os, pathlib, runpy, signal
rename, renamed = pathlib.Path.rename, []
def kill_at_second(path, target):
    if path.parent.name == "models":  # torch renames files of its own caches
        renamed.append(path)
    if len(renamed) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return rename(path, target)
pathlib.Path.rename = kill_at_second
runpy.run_module("pipeline.train_window", run_name="__main__")
"""


def start_training(*command: str) -> subprocess.Popen[bytes]:
    keep = {key: value for key, value in os.environ.items() if not key.startswith(("DVC_", "GIT_"))}
    return subprocess.Popen(
        [sys.executable, *(command or ("-m", "pipeline.train_window"))],
        env=keep | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def kill_when_it_says(process: subprocess.Popen[bytes], text: str) -> None:
    assert process.stderr is not None
    said = b""
    while text.encode() not in said:
        part = os.read(process.stderr.fileno(), 4096)
        assert part, f"the stage ended before it said {text!r}: {said.decode()}"
        said += part
    process.kill()


def train_to_the_end(expected: dict[str, bytes]) -> None:
    process = start_training()
    _, said = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0, said.decode()
    assert contents(paths.WINDOW_MODEL) == expected
    assert rubbish(Path("models")) == []


def test_training_killed_midway_leaves_no_model_and_the_next_run_the_bytes_of_a_quiet_one(run, finished):
    expected = contents(finished / paths.WINDOW_MODEL)
    assert set(expected) == {"model.json", "model.safetensors"}
    shutil.rmtree(paths.WINDOW_MODEL)
    process = start_training()
    try:
        kill_when_it_says(process, "epoch=0")
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not paths.WINDOW_MODEL.exists()
    train_to_the_end(expected)


def test_training_killed_between_two_renames_leaves_no_half_model(run, finished):
    process = start_training("-c", KILL_AT_SECOND_RENAME)
    process.communicate(timeout=DEADLINE_S)
    assert process.returncode == -signal.SIGKILL
    # Neither the old model nor half of the new one answers to the name; both wait beside it to be swept up.
    assert not paths.WINDOW_MODEL.exists()
    assert len(rubbish(run / "models")) == 2
    train_to_the_end(contents(finished / paths.WINDOW_MODEL))


class Trainer:
    """Trains folds as the library does, counts them, and stops before a given one."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.stop_at = stop_at
        self.num_folds = 0

    def __call__(self, *arguments: Any, **named: Any) -> list[dict[str, float]]:
        if self.num_folds + 1 == self.stop_at:
            raise KeyboardInterrupt
        self.num_folds += 1
        return train_on_records(*arguments, **named)


def crossvalidate_again(monkeypatch: pytest.MonkeyPatch, stop_at: int | None = None) -> int:
    """Run the stage on a system with side inputs; return how many folds were trained."""
    trainer = Trainer(stop_at)
    monkeypatch.setattr("ecgfeat.arena.folds.train_on_records", trainer)
    if stop_at is None:
        crossvalidate.main("simulate12", "ecg_ramba")
    else:
        shutil.rmtree(paths.fold_models("simulate12", "ecg_ramba"), ignore_errors=True)  # as DVC does
        shutil.rmtree(paths.diagnostic("simulate12", "ecg_ramba"), ignore_errors=True)
        with pytest.raises(KeyboardInterrupt):
            crossvalidate.main("simulate12", "ecg_ramba")
    return trainer.num_folds


def test_finished_folds_are_not_trained_again_and_no_byte_tells_of_it(run, monkeypatch):
    outputs = [paths.fold_models("simulate12", "ecg_ramba"), paths.diagnostic("simulate12", "ecg_ramba")]
    before = [contents(path) for path in outputs]
    num_folds = len(list(outputs[0].glob("fold*")))
    assert num_folds > 1
    assert crossvalidate_again(monkeypatch, stop_at=2) == 1
    assert not any(path.exists() for path in outputs)
    assert crossvalidate_again(monkeypatch) == num_folds - 1
    assert [contents(path) for path in outputs] == before
    assert crossvalidate_again(monkeypatch) == num_folds, "folds of a finished stage are swept"


def test_a_fold_of_other_params_or_a_damaged_one_is_trained_again(run, monkeypatch):
    num_folds = len(list(paths.fold_models("simulate12", "ecg_ramba").glob("fold*")))
    crossvalidate_again(monkeypatch, stop_at=2)
    params = Path("params.yaml").read_text()
    Path("params.yaml").write_text(params.replace(f"seed: {read_params().seed}\n", "seed: 7\n", 1))
    assert read_params().seed == 7
    assert crossvalidate_again(monkeypatch, stop_at=1) == 0, "a fold of another seed was taken over"
    Path("params.yaml").write_text(params)
    (kept,) = (CACHE / "crossvalidate/simulate12-ecg_ramba").iterdir()
    (kept / "system.safetensors").write_bytes(b"short")
    assert crossvalidate_again(monkeypatch) == num_folds


def test_rows_of_other_code_are_not_taken_over(run, finished, interrupted, tmp_path):
    # Interrupted, `normalise` changed, begun again: the rows of the first attempt are of another scale.
    code = tmp_path / "code"
    for name in ("ecgfeat", "pipeline"):
        shutil.copytree(ROOT / name, code / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "constraints.txt", code)
    module = code / "ecgfeat/beats/windows.py"
    text = module.read_text()
    assert "def normalise(" in text
    module.write_text(text.replace("def normalise(", "def _old(") + CHANGED_NORMALISE)
    environment = os.environ | {"PYTHONPATH": str(code), "OMP_NUM_THREADS": "1"}
    made = []
    for _ in range(2):  # the second time nothing is kept: from scratch
        done = subprocess.run(
            [sys.executable, "-m", "pipeline.embed", SLUG], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        made.append(contents(paths.embeddings(SLUG)))
    assert made[0] == made[1]
    assert made[0] != contents(finished / paths.embeddings(SLUG))


CHANGED_NORMALISE = """

def normalise(*arguments, **named):
    return 1.5 * _old(*arguments, **named)
"""
