"""What predict wrote is found again by the recording that it is of, whatever it is called."""

from pathlib import Path

import numpy as np
import pytest

from ecgfeat.errors import DataError, UsageError
from ecgfeat.files.folders import source_digest
from ecgfeat.outputs.endings import source_mark
from ecgfeat.outputs.saved import find_saved, read_saved, read_saved_annotations
from ecgfeat.outputs.write import refuse_to_replace_page, write_prediction
from ecgfeat.prediction.record import Prediction
from tests.fixtures.hand_made import make_prediction


@pytest.fixture
def prediction() -> Prediction:
    rhythms = [(0.0, 30.0, "AFIB", 0.8, ""), (30.0, 40.0, "", np.nan, "noise"), (40.0, 60.0, "NSR", 0.9, "")]
    return make_prediction([None, *[1.0] * 58], rhythms, aami="N" * 50 + "V" * 9, record="mine")


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "records" / "mine.npy"
    path.parent.mkdir()
    np.save(path, np.zeros((15_000, 1)))
    return path


def save(prediction: Prediction, recording: Path, folder: Path, formats: tuple[str, ...]) -> None:
    params = prediction.made_by | {"source": source_digest(recording)}
    write_prediction(folder, "mine", prediction.beats, prediction.episodes, 250.0, params, formats)


@pytest.mark.parametrize("formats", [("parquet", "wfdb"), ("wfdb",), ("json", "wfdb"), ("csv", "wfdb")])
def test_it_is_found_beside_the_record_here_and_in_a_named_folder(
    prediction: Prediction, recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, formats: tuple[str, ...]
) -> None:
    assert find_saved(recording) is None
    save(prediction, recording, tmp_path / "out", formats)
    assert find_saved(recording) is None
    for folder in (tmp_path / "out", tmp_path):  # below too, as predict writes the recordings of folders
        saved = find_saved(recording, folder)
        assert saved is not None
        assert saved.annotations == tmp_path / "out" / "mine.ecg"
    assert (saved.tables is not None) == ("parquet" in formats)
    monkeypatch.chdir(tmp_path / "out")
    assert find_saved(recording) is not None
    monkeypatch.chdir(tmp_path)
    save(prediction, recording, recording.parent, formats)
    assert find_saved(recording) is not None


def test_tables_come_back_as_they_were(prediction: Prediction, recording: Path) -> None:
    save(prediction, recording, recording.parent, ("parquet",))
    saved = find_saved(recording)
    assert saved is not None
    again = read_saved(saved)
    assert again is not None
    for name, column in prediction.beats.items():
        np.testing.assert_array_equal(again.beats[name], column, err_msg=name)
    for name, column in prediction.episodes.items():
        np.testing.assert_array_equal(again.episodes[name], column, err_msg=name)
    assert again.duration_s == 60.0
    assert again.made_by["weights"] == prediction.made_by["weights"]
    assert len(again.quality["state"]) == 0


def test_what_is_of_another_recording_is_not_found(prediction: Prediction, recording: Path) -> None:
    save(prediction, recording, recording.parent, ("parquet", "wfdb"))
    np.save(recording, np.ones((15_000, 1)))
    assert find_saved(recording) is None


def test_annotations_that_were_changed_are_not_taken(prediction: Prediction, recording: Path) -> None:
    save(prediction, recording, recording.parent, ("parquet", "wfdb"))
    (recording.parent / "mine.ecg").write_bytes(b"\0\0")
    saved = find_saved(recording)
    assert saved is not None
    assert saved.annotations is None


def test_a_folder_that_is_named_has_a_prediction_or_is_refused(
    prediction: Prediction, recording: Path, tmp_path: Path
) -> None:
    save(prediction, recording, recording.parent, ("parquet",))
    with pytest.raises(UsageError, match="absent: no such folder"):
        find_saved(recording, tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="empty: no prediction of mine") as caught:
        find_saved(recording, tmp_path / "empty")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kept_bytes", [4, 2000])
def test_a_damaged_table_is_said_to_be_damaged(prediction: Prediction, recording: Path, kept_bytes: int) -> None:
    save(prediction, recording, recording.parent, ("parquet", "wfdb"))
    table = recording.parent / "mine-beats.parquet"
    table.write_bytes(table.read_bytes()[:kept_bytes])
    with pytest.raises(DataError, match=r"mine-beats.parquet: not a whole Parquet file"):
        find_saved(recording)
    with pytest.raises(DataError, match=r"mine-beats.parquet: not a whole Parquet file"):
        find_saved(recording, recording.parent)


def test_a_damaged_table_does_not_hide_a_whole_one(
    prediction: Prediction, recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(prediction, recording, tmp_path / "here", ("parquet",))
    (recording.parent / "mine-beats.parquet").write_bytes(b"PAR1")
    monkeypatch.chdir(tmp_path / "here")
    saved = find_saved(recording)
    assert saved is not None
    assert saved.tables is not None


def test_json_of_others_is_passed_over(recording: Path) -> None:
    (recording.parent / "mine-made-by.json").write_text('{"made_by": 3}')
    (recording.parent / "mine-prediction.json").write_text("{")
    assert find_saved(recording) is None


def test_annotations_alone_are_read_as_far_as_they_carry(prediction: Prediction, recording: Path) -> None:
    save(prediction, recording, recording.parent, ("wfdb",))
    saved = find_saved(recording)
    assert saved is not None
    assert read_saved(saved) is None
    again = read_saved_annotations(saved, 15_000, 250.0)
    assert again is not None
    for name in ("sample", "aami", "rhythm"):
        np.testing.assert_array_equal(again.beats[name], prediction.beats[name], err_msg=name)
    assert list(again.episodes["rhythm"]) == ["AFIB", "NSR"]
    assert again.episodes["stop_s"].tolist() == [30.0, 60.0]


def test_a_page_of_another_recording_is_not_replaced(tmp_path: Path) -> None:
    page = tmp_path / "mine.pdf"
    refuse_to_replace_page(page, "a" * 16)
    page.write_text(f"%PDF ... {source_mark('a' * 16)} ...")
    refuse_to_replace_page(page, "a" * 16)
    with pytest.raises(UsageError, match="may be of another recording"):
        refuse_to_replace_page(page, "b" * 16)
    page.write_bytes(b"%PDF of a device")
    with pytest.raises(UsageError, match="Name another folder with --out"):
        refuse_to_replace_page(page, "a" * 16)
