"""`ecgfeat plot`: which beats it draws, and twelve leads in a layout."""

from pathlib import Path

import numpy as np
import pytest
import wfdb

from ecgfeat.errors import UsageError
from ecgfeat.files.folders import source_digest
from ecgfeat.look.strip import plot_record, read_strip
from ecgfeat.outputs.write import write_prediction
from ecgfeat.records.writer import write_record
from ecgfeat.report.drawings.strip import Strip, draw_strip
from ecgfeat.report.drawings.style import to_svg
from tests.fixtures.hand_made import make_prediction, make_signal


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recording of a format without annotation files, with three of the twelve leads."""
    signal = make_signal(40, ("I", "II", "V2"))
    path = tmp_path / "hand.csv"
    rows = np.column_stack([np.arange(signal.num_samples) / signal.fs_hz, signal.signal_mv_SC])
    np.savetxt(path, rows, delimiter=",", header="time_s,I,II,V2", comments="", fmt="%.6f")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return path


def save_prediction(record: Path, folder: Path, formats: tuple[str, ...] = ("parquet", "wfdb")) -> None:
    rhythms = [(0.0, 5.0, "NSR", 0.9, ""), (5.0, 40.0, "AFIB", 0.7, "")]
    prediction = make_prediction([None, *[1.0] * 39], rhythms, aami="N" * 8 + "V" * 32)
    params = prediction.made_by | {"source": source_digest(record)}
    write_prediction(folder, "hand", prediction.beats, prediction.episodes, 250.0, params, formats)


@pytest.mark.parametrize("folder", [".", "..", "../out"])
def test_what_predict_wrote_is_drawn_and_said_so(record: Path, folder: str) -> None:
    save_prediction(record, Path(folder))
    named = Path("..") if folder == "../out" else None
    strip = read_strip(record, 0, None, unit="mV", predictions=named)
    assert "beats and rhythms: predicted, " in strip.note
    assert "hand.ecg" in strip.note
    assert list(strip.reference_label) == list("NNNNNNNNVV")
    (ribbon,) = strip.ribbons
    assert (ribbon.title, list(ribbon.rhythm)) == ("predicted", ["NSR", "AFIB"])
    by_predictions = read_strip(record, 0, None, "ecg", unit="mV", predictions=named)
    assert by_predictions.note == strip.note


def test_what_predict_wrote_of_another_recording_is_not_drawn(record: Path) -> None:
    save_prediction(record, Path())
    record.write_text(record.read_text().replace(",0.333333", ",0.300000"))
    assert "R-peaks: detected" in read_strip(record, 0, None, unit="mV").note


def test_tables_alone_are_drawn_as_annotations_are(record: Path) -> None:
    save_prediction(record, Path("../out"))
    both = read_strip(record, 0, None, unit="mV", predictions=Path("../out"))
    Path("../out/hand.ecg").unlink()
    tables = read_strip(record, 0, None, unit="mV", predictions=Path("../out"))
    assert "hand-beats.parquet" in tables.note
    assert list(tables.reference_label) == list(both.reference_label)
    np.testing.assert_array_equal(tables.rpeak_s, both.rpeak_s)
    assert [list(ribbon.rhythm) for ribbon in tables.ribbons] == [["NSR", "AFIB"]]


def test_a_folder_without_a_prediction_is_refused(record: Path) -> None:
    save_prediction(record, Path())
    for folder in ("../absent", "../here/empty"):
        Path("../here/empty").mkdir(exist_ok=True)
        with pytest.raises(UsageError, match=f"{folder}: no "):
            read_strip(record, 0, None, unit="mV", predictions=Path(folder))


def test_csv_alone_in_a_named_folder_is_said_so(record: Path) -> None:
    save_prediction(record, Path("../out"), ("csv",))
    assert "R-peaks: detected" in read_strip(record, 0, None, unit="mV").note
    with pytest.raises(UsageError, match=r"\.\./out: .*expected Parquet tables or annotations"):
        read_strip(record, 0, None, unit="mV", predictions=Path("../out"))


def test_reference_and_prediction_are_compared(tmp_path: Path) -> None:
    signal = make_signal(40)
    write_record(tmp_path, "hand", (1000 * signal.signal_mv_SC).astype(np.int16), signal.fs_hz, signal.leads)
    # Predicted beats are at 0.5, 1.5 ... s; the reference has no beat at 2.5 s, and one at 4.0 s that was missed.
    at_s = np.array([0.1, 0.552, 1.5, 3.5, 4.0, 4.5, 9.1])
    wfdb.wrann("hand", "atr", np.rint(at_s * 250).astype(int), list("+NVNAN+"), aux_note=["(N", *[""] * 5, "(VT"],
               fs=250, write_dir=str(tmp_path))  # fmt: skip
    save_prediction(tmp_path / "hand", tmp_path / "out")
    strip = read_strip(tmp_path / "hand", 0, 5.0, predictions=tmp_path / "out")
    assert strip.rpeak_s.tolist() == [0.552, 1.5, 2.5, 3.5, 4.0, 4.5]
    assert list(strip.reference_label) == ["N", "V", "", "N", "S", "N"]
    assert list(strip.predicted_label) == ["N", "N", "N", "N", "", "N"]
    assert [ribbon.title for ribbon in strip.ribbons] == ["reference", "predicted"]
    assert "reference: hand.atr, predicted: " in strip.note
    drawn = to_svg(draw_strip(strip))
    for text in ("V→N", "–→N", "S→–"):
        assert text.encode() in drawn
    # Without the folder the reference stands alone.
    alone = read_strip(tmp_path / "hand", 0, 5.0)
    assert list(alone.predicted_label) == []
    assert len(alone.ribbons) == 1


def test_a_layout_has_its_own_name_and_names_missing_leads(record: Path) -> None:
    save_prediction(record, Path())
    target, _ = plot_record(record, 5.0, None, unit="mV", layout="3x4")
    assert target == Path("hand-5-15s-3x4.svg")
    picture = target.read_text()
    for name in ("III", "aVR", "V1", "V6"):
        assert f">{name} missing<" in picture
    assert "each column continues the one before, 2.5 s later" in picture
    assert picture.count(">II<") == 2


def test_a_layout_of_more_than_ten_seconds_is_refused(record: Path) -> None:
    with pytest.raises(UsageError, match="--layout: 20 s; expected at most 10 s"):
        plot_record(record, 0.0, 20.0, unit="mV", layout="6x2")
    with pytest.raises(UsageError, match="one of 3x4, 6x2, 12x1"):
        plot_record(record, 0.0, None, unit="mV", layout="2x6")
    assert not list(Path().iterdir())


@pytest.mark.parametrize("times_s", [(10_000, 10_001), (86_400.25, 86_400.26)])
def test_pictures_of_two_times_have_two_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, times_s: tuple) -> None:
    monkeypatch.chdir(tmp_path)
    names = []
    for at_s in times_s:
        strip = Strip("long", np.zeros((100, 1), np.float32), 100.0, ["X"], start_s=at_s)
        monkeypatch.setattr("ecgfeat.look.strip.read_strip", lambda *_, strip=strip, **__: strip)
        target, _ = plot_record(Path("long"), at_s, at_s + 1)
        names.append(target.name)
    assert names == [f"long-{at_s}-{at_s + 1}s.svg" for at_s in times_s]
