"""`ecgfeat plot --day`: what it draws where there is a prediction, a reference, both, or neither."""

from pathlib import Path

import numpy as np
import pytest
import wfdb

from ecgfeat.errors import DataError, UsageError
from ecgfeat.files.folders import source_digest
from ecgfeat.outputs.write import write_prediction
from ecgfeat.paper.command import TABLES_NOTE, plot_day, plot_pdf
from ecgfeat.records.writer import write_record
from tests.fixtures.hand_made import make_prediction, make_signal


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    signal = make_signal(100)
    write_record(tmp_path, "hand", (1000 * signal.signal_mv_SC).astype(np.int16), signal.fs_hz, signal.leads)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "hand"


def save_prediction(record: Path, folder: Path, formats: tuple[str, ...] = ("parquet", "wfdb")) -> None:
    rhythms = [(0.0, 60.0, "NSR", 0.9, ""), (60.0, 100.0, "AFIB", 0.7, "")]
    prediction = make_prediction([None, *[1.0] * 99], rhythms)
    params = prediction.made_by | {"source": source_digest(record)}
    write_prediction(folder, "hand", prediction.beats, prediction.episodes, 250.0, params, formats)


def annotate(record: Path) -> None:
    sample = np.array([10, 125, 375, 625, 10_000, 24_000])
    aux = ["(N", "", "", "", "(VT", ""]
    wfdb.wrann("hand", "atr", sample, list("+NVN+N"), aux_note=aux, fs=250, write_dir=str(record.parent))


def test_with_neither_prediction_nor_annotations_it_says_what_to_run(record: Path) -> None:
    with pytest.raises(UsageError, match="Run: ecgfeat predict .*hand") as caught:
        plot_day(record)
    assert "\n" not in str(caught.value)


def test_the_tables_that_predict_wrote_are_drawn(record: Path, tmp_path: Path) -> None:
    save_prediction(record, Path())
    line = plot_day(record)
    assert line == "hand-day.svg: hand, 100 beats. beats and rhythms: predicted, hand-beats.parquet"
    picture = Path("hand-day.svg").read_bytes()
    assert b">AFIB<" in picture
    assert b">reference<" not in picture
    assert TABLES_NOTE.encode() in picture
    save_prediction(record, tmp_path / "out")
    plot_day(record, predictions=tmp_path / "out", out=Path("again.svg"))
    assert Path("again.svg").read_bytes() == picture


def test_the_reference_stands_under_the_prediction(record: Path) -> None:
    save_prediction(record, record.parent)
    annotate(record)
    line = plot_day(record, out=Path("day.svg"))
    assert line.endswith("hand-beats.parquet; reference: hand.atr")
    picture = Path("day.svg").read_bytes()
    for text in (b">predicted<", b">reference<", b">VT<", b">AFIB<"):
        assert text in picture


def test_without_a_prediction_the_annotations_are_drawn(record: Path) -> None:
    annotate(record)
    line = plot_day(record, out=Path("day.svg"))
    assert line == "day.svg: hand, 4 beats. beats and rhythms: hand.atr"
    picture = Path("day.svg").read_bytes()
    assert b">atr<" in picture
    assert b">predicted<" not in picture
    # From 2.5 s to 96 s there is no annotated beat: that is no pause.
    assert b"no pauses" in picture
    assert b">1 V<" in picture


def test_annotations_that_predict_wrote_alone_are_drawn_with_a_note(record: Path) -> None:
    save_prediction(record, Path(), ("wfdb",))
    line = plot_day(record, out=Path("day.svg"))
    assert line == "day.svg: hand, 100 beats. beats and rhythms: predicted, hand.ecg"
    picture = Path("day.svg").read_bytes()
    for text in (b">predicted<", b">AFIB<", b"looks like a pause"):
        assert text in picture
    assert b"quality<" not in picture
    assert b">usable<" not in picture


def test_a_named_folder_holds_a_prediction_or_is_refused(record: Path, tmp_path: Path) -> None:
    annotate(record)
    with pytest.raises(UsageError, match="absent: no such folder"):
        plot_day(record, predictions=tmp_path / "absent")
    save_prediction(record, tmp_path / "out" / "below")
    assert "; reference: hand.atr" in plot_day(record, predictions=tmp_path / "out")


def test_a_damaged_table_is_said_to_be_damaged(record: Path) -> None:
    save_prediction(record, Path())
    Path("hand-beats.parquet").write_bytes(Path("hand-beats.parquet").read_bytes()[:2000])
    with pytest.raises(DataError, match="hand-beats.parquet: not a whole Parquet file"):
        plot_day(record)


def test_another_ending_is_refused(record: Path) -> None:
    with pytest.raises(UsageError, match="ends in .svg or .png"):
        plot_day(record, out=Path("day.pdf"))


def test_a_pdf_is_drawn_again_with_the_leads_that_are_chosen(record: Path) -> None:
    pypdfium2 = pytest.importorskip("pypdfium2", reason="pypdfium2 is not installed")
    with pytest.raises(UsageError, match="no prediction of it; .* Run: ecgfeat predict .*hand"):
        plot_pdf(record)
    save_prediction(record, Path())
    annotate(record)
    assert plot_pdf(record) == "hand-leads.pdf: hand, 100 beats. beats and rhythms: predicted, hand-beats.parquet"
    assert not Path("hand.pdf").exists(), "that of predict, which has quality and notes"
    both = Path("hand-leads.pdf").read_bytes()
    plot_pdf(record, leads=["V1"])
    document = pypdfium2.PdfDocument(Path("hand-leads.pdf"))
    texts = [document[page].get_textpage().get_text_range() for page in range(len(document))]
    document.close()
    assert "reference" in texts[0]
    assert TABLES_NOTE in " ".join(texts[0].split())
    assert "1 of 2 leads, as chosen" in texts[1]
    assert "MLII" not in texts[1].replace("2 leads: MLII, V1", "")
    assert plot_pdf(record, out=Path("again.pdf")).startswith("again.pdf: ")
    assert Path("again.pdf").read_bytes() == both
    Path("other.pdf").write_bytes(b"%PDF of a device")
    with pytest.raises(UsageError, match="other.pdf: a file that may be of another recording"):
        plot_pdf(record, out=Path("other.pdf"))
    with pytest.raises(UsageError, match="ends in .pdf"):
        plot_pdf(record, out=Path("day.svg"))
