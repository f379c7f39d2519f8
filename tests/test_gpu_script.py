"""The script that compares a GPU with the CPU: its steps, run on the CPU alone."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks import gpu

ROOT = Path(__file__).parents[1]
TINY = replace(gpu.SMALL, minutes=0.5, embedded_beats=64, records=4, day_minutes=1)


def test_every_step_runs_and_nothing_differs(tmp_path, monkeypatch):
    monkeypatch.delenv("ECGFEAT_MIRROR", raising=False)
    monkeypatch.chdir(ROOT)
    result = gpu.run(torch.device("cpu"), TINY, tmp_path)
    assert result["left_out"] == []
    json.dumps(result, allow_nan=False)
    rows = [row for rows in result["steps"].values() for row in rows]
    assert all(row.get("passed", True) for row in rows)
    assert {row["system"] for row in result["steps"]["one epoch of each system"]} == set(gpu.SYSTEMS)
    assert result["steps"]["embedding"][0]["beats"] == 64
    assert all(row["beats"] > 10 for row in result["steps"]["chain, equality"])


def test_difference_is_a_fault(tmp_path, monkeypatch):
    monkeypatch.delenv("ECGFEAT_MIRROR", raising=False)
    embed = gpu.embed_windows
    calls = []

    def embed_with_a_slip(*arguments, **named):
        calls.append(1)
        return embed(*arguments, **named) + (2e-5 if len(calls) == 2 else 0)

    monkeypatch.setattr(gpu, "embed_windows", embed_with_a_slip)
    (row,) = gpu.compare_embeddings(torch.device("cpu"), TINY)
    assert not row["passed"]


def test_step_without_time_is_left_out_and_said_to_be(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("ECGFEAT_MIRROR", raising=False)
    result = gpu.run(torch.device("cpu"), TINY, tmp_path, limit_s=-1.0)
    assert result["left_out"] == list(result["steps"])
    assert "no time is left" in capsys.readouterr().out


def test_script_refuses_without_a_gpu():
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    command, environment = [ROOT / "benchmarks" / "gpu.sh"], os.environ | {"PYTHON": sys.executable}
    run = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    assert run.returncode == 2
    assert len(run.stderr.splitlines()) == 1
