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


def test_publish_removes_what_a_process_of_its_own_number_left(tmp_path):
    """Numbers come again: in a container every run may have the same."""
    leftover = tmp_path / f".x.{os.getpid()}.0123abcd.part"
    leftover.mkdir()
    with publish(tmp_path / "x") as part, publish(tmp_path / "x") as other:
        part.write_text("whole")
        other.write_text("other")
        assert not leftover.exists()
        assert part != other
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_publish_removes_what_is_older_than_the_process_of_its_number(tmp_path):
    old = tmp_path / f".x.{os.getppid()}.0123abcd.part"
    old.write_text("half")
    os.utime(old, (1, 1))
    with publish(tmp_path / "x") as part:
        part.write_text("whole")
    assert not old.exists()


def test_names_that_are_none_of_ours_stay(tmp_path):
    others = [
        tmp_path / name for name in (".x.part", ".x.me.part", ".x.1e9.part", ".x.7.zz.part", ".xy.0.part", "x.9.part")
    ]
    for other in others:
        other.write_text("precious")
    with publish(tmp_path / "x") as part:
        part.write_text("whole")
    assert all(other.exists() for other in others)


@pytest.mark.parametrize("name", ["x[1]", "a*b", "ä ö"])
def test_publish_takes_any_name(tmp_path, name):
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    leftover = tmp_path / f".{name}.{ended.pid}.part"
    leftover.write_text("half")
    with publish(tmp_path / name) as part:
        part.write_text("whole")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_link_is_replaced_and_what_it_leads_to_stays(tmp_path):
    target = tmp_path / "disk"
    target.mkdir()
    (target / "precious").write_text("1")
    (tmp_path / "x").symlink_to(target, target_is_directory=True)
    with publish(tmp_path / "x") as part:
        part.mkdir()
        (part / "new").write_text("2")
    assert not (tmp_path / "x").is_symlink()
    assert (target / "precious").read_text() == "1"
    (tmp_path / "y").symlink_to(tmp_path / "gone")
    with publish(tmp_path / "y") as part:
        part.write_text("3")
    assert (tmp_path / "y").read_text() == "3"
    assert not (tmp_path / "gone").exists()


def test_a_process_of_another_user_is_running(tmp_path, monkeypatch):
    def refuse(pid, signal):
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    (tmp_path / ".x.1.part").write_text("half")
    with publish(tmp_path / "x") as part:
        part.write_text("whole")
    assert (tmp_path / ".x.1.part").exists()


def test_part_that_another_machine_is_building_stays(tmp_path):
    with publish(tmp_path / "x") as part:
        part.write_text("whole")
        _, token, machine = part.name.removeprefix(".x.").removesuffix(".part").split(".")
    ended = subprocess.Popen(["true"])
    ended.wait()
    other = f"{int(machine, 16) ^ 1:08x}"
    theirs, old, ours = (
        tmp_path / f".x.{ended.pid}.{token}.{host}.part" for host in (other, f"{int(other, 16) ^ 2:08x}", machine)
    )
    for path in (theirs, old, ours):
        path.write_text("half")
    os.utime(old, (0, 0))
    with publish(tmp_path / "x") as part:
        part.write_text("whole")
    assert theirs.exists()
    assert not old.exists()
    assert not ours.exists()
