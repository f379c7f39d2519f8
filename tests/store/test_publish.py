"""Publishing: a full disk leaves the old artifact and no part of the new one."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ecgfeat.errors import DataError
from ecgfeat.store.publish import publish


def test_publish_keeps_the_old_artifact_when_the_disk_is_full(tmp_path):
    (tmp_path / "x").write_text("old")
    with pytest.raises(DataError, match="no space left on the disk.*Nothing was published"):
        with publish(tmp_path / "x") as part:
            part.write_text("half")
            raise OSError(errno.ENOSPC, "No space left on device")
    assert (tmp_path / "x").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_publish_meets_a_disk_that_is_really_full(tmp_path):
    with pytest.raises(DataError, match="no space left"):
        with publish(tmp_path / "x") as part:
            part.symlink_to("/dev/full")
            part.write_bytes(b"0" * 100_000)


def test_publish_removes_what_a_killed_run_left_and_nothing_of_a_live_one(tmp_path):
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    dead, live, foreign = (tmp_path / f".x.{pid}.part" for pid in (ended.pid, os.getppid(), 1))
    for leftover in (dead, live, foreign):
        leftover.write_text("half")
    with publish(tmp_path / "x") as part:
        part.write_text("whole")
    assert sorted(tmp_path.iterdir()) == sorted([tmp_path / "x", live, foreign])


def test_a_process_of_another_user_is_running(tmp_path, monkeypatch):
    def refuse(pid, signal):
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    (tmp_path / ".x.7.part").write_text("half")
    with publish(tmp_path / "x") as part:
        part.write_text("whole")
    assert (tmp_path / ".x.7.part").exists()
