"""Publishing: a full disk leaves the old artifact and no part of the new one."""

import errno
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
