"""A stage ends with the run that started it, whenever that is killed."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from pipeline.run import lifeline
from pipeline.run.lifeline import is_stage

ROOT = Path(__file__).parents[2]
DEADLINE_S = 20
# As DVC does it: a shell that runs the command, and waits. `true` keeps the shell from replacing itself by the command.
FAKE_DVC = """
import os, subprocess, sys
command = f"{sys.executable} -m pipeline.acquire simulate" + sys.argv[1]
subprocess.Popen(["/bin/sh", "-c", command], env=os.environ | {"DVC_STAGE": "acquire@simulate"}).wait()
"""


def stages_in(folder: Path) -> list[psutil.Process]:
    """Return the processes of stages that work in a folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if "pipeline.acquire" in process.cmdline() and Path(process.cwd()) == folder:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


@pytest.mark.parametrize("shell", ["", "; true"])
@pytest.mark.parametrize("delay_s", [0.05, 0.1, 0.2, 0.5, 1.5, 4.0])
def test_no_stage_outlives_a_killed_run(tmp_path: Path, delay_s: float, shell: str) -> None:
    os.mkfifo(tmp_path / "params.yaml")  # a stage that is not ended waits for its params for ever
    script = tmp_path / "dvc.py"
    script.write_text(FAKE_DVC)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    run = subprocess.Popen([sys.executable, script, shell], cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL)
    time.sleep(delay_s)
    run.send_signal(signal.SIGKILL)
    run.wait()
    deadline = time.monotonic() + DEADLINE_S
    # A stage may only just be starting: look until there has been none for a while.
    quiet_since = time.monotonic()
    while time.monotonic() - quiet_since < 1.0:
        left = stages_in(tmp_path)
        if left:
            quiet_since = time.monotonic()
        assert time.monotonic() < deadline, f"orphans: {[process.pid for process in left]}"
        time.sleep(0.1)


def test_a_stage_without_dvc_ends_with_its_shell(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "params.yaml")
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = f"{sys.executable} -m pipeline.acquire simulate; true"
    shell = subprocess.Popen(["/bin/sh", "-c", command], cwd=tmp_path, env=environment)
    deadline = time.monotonic() + DEADLINE_S
    while not stages_in(tmp_path):
        assert time.monotonic() < deadline, "the stage runs on its own too"
        time.sleep(0.05)
    time.sleep(1.0)  # past its first instructions
    assert stages_in(tmp_path)
    shell.kill()
    shell.wait()
    while stages_in(tmp_path):
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["python", "-m", "pipeline.acquire", "mitdb"], True),
        (["python", "-X", "dev", "-m", "pipeline.embed"], True),
        (["python", "-m", "pipeline.run.repro", "real"], False),
        (["python", "-m", "pytest", "tests/pipeline"], False),
        (["python", "script.py", "pipeline.embed"], False),
    ],
)
def test_only_stages_watch_their_parents(arguments: list[str], expected: bool) -> None:
    assert is_stage(arguments) == expected


def test_where_processes_have_no_names_the_parent_is_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    # macOS has no /proc: nothing says that the run has ended, and the stage must not end by itself.
    watched: list[threading.Thread] = []
    monkeypatch.setenv("DVC_STAGE", "acquire@simulate")
    monkeypatch.setattr(lifeline, "_command", lambda pid: "")
    monkeypatch.setattr(lifeline, "_parent_of", lambda pid: os.getppid() if pid == os.getpid() else 0)
    monkeypatch.setattr(threading.Thread, "start", lambda thread: watched.append(thread))
    lifeline.end_with_parents()
    assert len(watched) == 1
