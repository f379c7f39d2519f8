"""A real Ray cluster of two nodes on this machine: killed workers and a lost node lose no record and double none."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from ecgfeat.engine.parts import PartFolder
from ecgfeat.engine.run import Engine, finish_records
from ecgfeat.engine.work import WorkName
from ecgfeat.errors import DataError
from tests.engine.test_engine import RECORDS, check_parts, times_worked_on

ROOT = Path(__file__).parents[2]

pytest.importorskip("ray", reason="the extra ray is not installed")


@pytest.fixture
def seen(tmp_path):
    (tmp_path / "seen").mkdir()
    return tmp_path / "seen"


def finish_on_two_nodes(seen: Path, parts: Path, *arguments: str) -> dict[str, str]:
    command = [sys.executable, str(Path(__file__).with_name("on_two_nodes.py")), str(seen), str(parts), *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "RAY_DISABLE_IMPORT_WARNING": "1"}
    run = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr[-3000:]
    return dict(json.loads(run.stdout.splitlines()[-1]))


def test_killed_worker_and_faulty_records_on_a_cluster_of_two_nodes(tmp_path, seen):
    outcomes = finish_on_two_nodes(seen, tmp_path / "parts", "r3?,r7", "r5")
    assert set(outcomes) == set(RECORDS)
    assert {record for record, fault in outcomes.items() if fault} == {"r5", "r7"}
    assert outcomes["r5"] == "r5: nothing; expected a number."
    assert "its process ended 3 times" in outcomes["r7"]
    assert times_worked_on(seen) == dict.fromkeys(RECORDS, 1) | {"r3": 2, "r7": 3}
    # The parts are those of this machine's own process.
    name = WorkName("tests.engine.counting", "Counting", (str(seen), "", "r5"))
    (tmp_path / "here").mkdir()
    check_parts(
        finish_records(name, name.open(), RECORDS, PartFolder(tmp_path / "parts"), Engine(num_workers=1)), ["r5"]
    )
    list(finish_records(name, name.open(), RECORDS, PartFolder(tmp_path / "here"), Engine(num_workers=1)))
    made = {path.name: path.read_bytes() for path in (tmp_path / "parts").iterdir()}
    assert made == {path.name: path.read_bytes() for path in (tmp_path / "here").iterdir()}


def test_node_that_is_lost_in_the_middle(tmp_path, seen):
    outcomes = finish_on_two_nodes(seen, tmp_path / "parts", "", "", "node")
    assert outcomes == dict.fromkeys(RECORDS, "")
    name = WorkName("tests.engine.counting", "Counting", (str(seen),))
    check_parts(finish_records(name, name.open(), RECORDS, PartFolder(tmp_path / "parts"), Engine(num_workers=1)))
    # A process that was killed while it wrote leaves a hidden file, which the next run of the record removes.
    kept = [path for path in (tmp_path / "parts").iterdir() if not path.name.startswith(".")]
    assert len(kept) == len(RECORDS)


def test_cluster_that_is_not_there_is_one_line(tmp_path, seen, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{free.getsockname()[1]}")
        name = WorkName("tests.engine.counting", "Counting", (str(seen),))
        with pytest.raises(DataError, match=r"RAY_ADDRESS: no cluster at 127\.0\.0\.1:[0-9]+; expected the address"):
            list(finish_records(name, name.open(), RECORDS, PartFolder(tmp_path / "parts"), Engine("ray")))
