"""The stages that work record by record: whatever the engine, and however the work is shared, the same bytes."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline import classify, embed, rpeaks, signals
from pipeline.read import paths
from pipeline.run.stage import CACHE

ROOT = Path(__file__).parents[2]
SLUG = "simulate"
STAGES = {
    "signals": (paths.signals(SLUG), paths.wander(SLUG)),
    "quality": (paths.quality(SLUG),),
    "rpeaks": (paths.rpeaks(SLUG),),
    "windows": (paths.windows(SLUG),),
    "features": (paths.features(SLUG),),
    "classify": (paths.classes(SLUG),),
    "embed": (paths.embeddings(SLUG),),
}


@pytest.fixture
def run(systems_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of a finished run without what these stages have made."""
    folder = tmp_path / "run"
    shutil.copytree(systems_run, folder)
    monkeypatch.chdir(folder)
    return folder


def contents(outputs) -> dict[str, bytes]:
    files = [file for output in outputs for file in ([output] if output.is_file() else sorted(output.rglob("*")))]
    return {str(file): file.read_bytes() for file in files if file.is_file()}


def remove(outputs) -> dict[str, bytes]:
    """Remove outputs, as DVC does before a stage, and return what they held."""
    held = contents(outputs)
    assert held
    for output in outputs:
        shutil.rmtree(output) if output.is_dir() else output.unlink()
    return held


def start(stage: str, *flags: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", f"pipeline.{stage}", SLUG, *flags]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def end(job: subprocess.Popen[str], code: int = 0) -> str:
    output, faults = job.communicate(timeout=240)
    assert job.returncode == code, faults
    return output if code == 0 else faults


def test_stages_on_a_ray_cluster_make_the_same_bytes(run):
    pytest.importorskip("ray", reason="the extra ray is not installed")
    params = (run / "params.yaml").read_text()
    (run / "params.yaml").write_text(params.replace("engine: local", "engine: ray"))
    for stage, outputs in STAGES.items():
        if stage in ("features", "classify", "windows"):  # a cluster takes seconds to start
            continue
        held = remove(outputs)
        assert f"{SLUG}: " in end(start(stage))
        assert contents(outputs) == held, stage
        assert not (CACHE / "parts" / stage / SLUG).exists()


def test_shards_that_overlap_repeat_or_are_killed_make_the_same_bytes(run):
    outputs = STAGES["embed"]
    held = remove(outputs)
    killed = start("embed", "--shard", "2/3")
    limit_s = time.monotonic() + 120
    parts = CACHE / "parts" / "embed" / SLUG
    while not (parts.is_dir() and list(parts.iterdir())) and time.monotonic() < limit_s and killed.poll() is None:
        time.sleep(0.01)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    missing = end(start("embed", "--merge"), code=1)
    assert "no part of" in missing
    assert "Run their shards again" in missing
    jobs = [start("embed", "--shard", shard) for shard in ("1/3", "2/3", "1/2", "3/3")]
    assert all(f"{SLUG}: shard" in end(job) for job in jobs)
    assert not outputs[0].exists()
    assert end(start("embed", "--merge")).startswith(f"embed: {SLUG}: ")
    assert contents(outputs) == held
    assert not parts.exists()


def test_machines_without_a_common_disk_meet_in_a_bucket(run, s3, tmp_path, monkeypatch):
    params = (run / "params.yaml").read_text()
    (run / "params.yaml").write_text(params.replace("parts: local", "parts: s3://lab/run/"))
    held = remove(STAGES["embed"])
    other = Path(shutil.copytree(run, tmp_path / "other"))
    with s3.killed_in_the_middle("PUT 2"):
        end(start("embed", "--shard", "1/2"))
    missing = end(start("embed", "--merge"), code=1)
    assert "no part of 4 of 8 records" in missing
    monkeypatch.chdir(other)
    end(start("embed", "--shard", "2/2"))
    assert len(s3.objects()) == 8
    assert all(name.startswith("run/embed/simulate/") for name in s3.objects())
    assert not (CACHE / "parts" / "embed" / SLUG).exists()
    monkeypatch.chdir(run)
    with s3.killed_in_the_middle("GET 3"):
        assert end(start("embed", "--merge")).startswith(f"embed: {SLUG}: ")
    assert contents(STAGES["embed"]) == held
    assert s3.objects() == {}


def test_bucket_that_is_not_there_is_one_line(run, s3):
    params = (run / "params.yaml").read_text()
    (run / "params.yaml").write_text(params.replace("parts: local", "parts: s3://nobucket"))
    fault = end(start("quality"), code=1)
    assert fault.strip().splitlines()[-1].startswith("s3://nobucket: no such bucket; expected a bucket of 127.0.0.1:")
    (run / "params.yaml").write_text(params.replace("parts: local", "parts: /tmp"))
    assert "runtime.parts" in (fault := end(start("quality"), code=2))
    assert "expected local, or an address such as s3://bucket/prefix" in fault


def test_processes_of_a_pool_make_the_same_bytes(run, monkeypatch):
    monkeypatch.setattr("ecgfeat.engine.local._LOOK_S", -1.0)  # a pool from the second record on
    monkeypatch.setattr("ecgfeat.engine.local._START_S", -1.0)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for stage, module in (("signals", signals), ("rpeaks", rpeaks), ("classify", classify), ("embed", embed)):
        held = remove(STAGES[stage])
        module.main(SLUG)
        assert contents(STAGES[stage]) == held, stage


def test_wrong_flags_are_refused(run):
    for flags, expected in ((["--shard", "4/3"], "i from 1 to N"), (["--shards", "1/3"], "unknown flags")):
        assert expected in end(start("quality", *flags), code=2)
