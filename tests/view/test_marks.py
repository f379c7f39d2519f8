import subprocess
import sys

import numpy as np
import pytest

from ecgfeat.errors import DataError
from ecgfeat.files import open_ecg
from ecgfeat.view.marks import Marks, read_reference
from tests.fixtures.view_server import write_square_waves


def make_marks(time_s, label, episodes=(), certainty=None, reason=()):
    """Return marks without gaps; an episode is (start, stop, rhythm)."""
    time_s = np.array(time_s, dtype=np.float64)
    return Marks(
        time_s=time_s,
        rr_s=np.diff(time_s, prepend=np.nan)[: len(time_s)],
        label=np.array(list(label), dtype="<U1"),
        start_s=np.array([start for start, _, _ in episodes], dtype=np.float64),
        stop_s=np.array([stop for _, stop, _ in episodes], dtype=np.float64),
        rhythm=[rhythm for _, _, rhythm in episodes],
        reason=list(reason) or [""] * len(episodes),
        certainty=None if certainty is None else np.array(certainty, np.float32),
    )


def test_only_the_annotation_of_a_wfdb_record_is_read(tmp_path):
    record = write_square_waves(tmp_path)
    signal = open_ecg(record)
    assert len(read_reference(record, signal).time_s) == 30
    assert len(read_reference(record.with_suffix(".hea"), signal).time_s) == 30
    np.save(tmp_path / "square.npy", np.zeros((100, 1)))
    assert read_reference(tmp_path / "square.npy", signal) is None
    (tmp_path / "square.atr").write_bytes(b"\xff\xff\xff")
    with pytest.raises(DataError):
        read_reference(record, signal)
    (tmp_path / "square.atr").unlink()
    assert read_reference(record, signal) is None


def test_the_server_imports_no_torch():
    code = "import sys, ecgfeat.view.command, ecgfeat.view.server; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
