import subprocess
import sys

import numpy as np
import pytest

from ecgfeat.errors import DataError
from ecgfeat.files import open_ecg
from ecgfeat.records.writer import write_annotation_file, write_record
from ecgfeat.store.schemas import BEAT_TABLE, EPISODES
from ecgfeat.store.tables import write_table
from ecgfeat.view.answers import pack_marks
from ecgfeat.view.events import find_doubts, find_events
from ecgfeat.view.marks import Marks, read_reference
from tests.fixtures.view_server import unpack, write_square_waves


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


def write_zeros(folder, record):
    folder.mkdir(parents=True, exist_ok=True)
    write_record(folder, record, np.zeros((10 * 128, 1), np.int16), 128, ["ECG"])
    return folder / record


def test_a_corpus_names_the_files_of_its_reference(tmp_path):
    record = write_zeros(tmp_path / "aftdb" / "1.0.0", "n01")
    write_annotation_file(record.parent, "n01", "qrs", [128, 256], ["N", "N"], ["", ""], 128)
    marks = read_reference(record, open_ecg(record))
    assert (marks.time_s.tolist(), marks.label.tolist()) == ([1, 2], ["", ""]), "detections have no class"
    assert (marks.start_s.tolist(), marks.stop_s.tolist(), marks.rhythm) == ([0], [10], ["AFIB"])
    prediction = make_marks([1, 3], "VN", [(0, 4, "NSR"), (4, 10, "AFIB")])
    assert find_events(prediction, marks)["disagreement"].tolist() == [0, 2, 3], "no class is compared"
    assert [(of.start_s, of.stop_s) for of in find_doubts(prediction, marks)] == [(0, 4)]
    sent = unpack(pack_marks(marks, None, 10))
    assert sent["label"].tolist() == [255, 255]

    record = write_zeros(tmp_path / "afdb", "04015")
    write_annotation_file(record.parent, "04015", "qrs", [128, 256], ["N", "N"], ["", ""], 128)
    write_annotation_file(record.parent, "04015", "atr", [0, 640], ["+", "+"], ["(N", "(AFIB"], 128)
    marks = read_reference(record, open_ecg(record))
    assert (marks.time_s.tolist(), marks.start_s.tolist(), marks.rhythm) == ([1, 2], [0, 5], ["NSR", "AFIB"])


@pytest.mark.parametrize(("folder", "record"), [("mine", "n01"), ("aftdb", "x01"), ("other/1.0.0", "n01")])
def test_elsewhere_another_ending_is_no_reference(tmp_path, folder, record):
    path = write_zeros(tmp_path / folder, record)
    write_annotation_file(path.parent, record, "qrs", [128, 256], ["N", "N"], ["", ""], 128)
    assert read_reference(path, open_ecg(path)) is None


def test_the_reference_of_a_run_is_in_its_tables(tmp_path):
    record = write_zeros(tmp_path / "data" / "raw" / "sim", "sim000")
    write_annotation_file(record.parent, "sim000", "atr", [9], ["N"], [""], 128)
    assert read_reference(record, open_ecg(record)).time_s.tolist() == [9 / 128], "no run yet"
    names = np.array(["sim000", "sim000", "sim001"], dtype=object)
    who = {"record": names, "subject": names}
    beats = {"beat": [0, 1, 0], "sample": [128, 256, 5], "time_s": [1.0, 2, 5 / 128], "symbol": ["N", "V", "N"]}
    beats |= {"aami": ["N", "V", ""], "rhythm": ["NSR", "NSR", ""]}
    episodes = {"start_sample": [0, 640, 0], "stop_sample": [640, 1280, 9], "rhythm": ["NSR", "AFIB", "SVTA"]}
    episodes |= {"split": ["test"] * 3}
    for kind, columns, schema in (("beats", beats, BEAT_TABLE), ("episodes", episodes, EPISODES)):
        (tmp_path / "data" / kind).mkdir()
        write_table(tmp_path / "data" / kind / "sim.parquet", who | columns, schema, {})
    (tmp_path / "data" / "records").mkdir()
    (tmp_path / "data" / "records" / "sim.parquet").write_bytes(b"")
    marks = read_reference(record, open_ecg(record))
    assert (marks.time_s.tolist(), marks.label.tolist()) == ([1, 2], ["N", "V"])
    assert (marks.start_s.tolist(), marks.stop_s.tolist(), marks.rhythm) == ([0, 5], [5, 10], ["NSR", "AFIB"])
    gone = write_zeros(record.parent, "sim009")
    assert read_reference(gone, open_ecg(gone)) is None
    (tmp_path / "data" / "beats" / "sim.parquet").write_bytes(b"damaged")
    with pytest.raises(DataError):
        read_reference(record, open_ecg(record))


def test_the_server_imports_no_torch():
    code = "import sys, ecgfeat.view.command, ecgfeat.view.server; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
