"""From Python: a recording read, predicted, looked at and saved, as the command line does it."""

import sys
import warnings
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from polars.testing import assert_frame_equal

import ecgfeat as ef
from ecgfeat.cli import main
from ecgfeat.errors import DataError, UsageError
from ecgfeat.records.reader import Signal, read_annotations
from ecgfeat.simulate.corpus import simulate_corpus
from ecgfeat.summary import list_figures


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raw")
    simulate_corpus(folder, num_subjects=2, minutes=1, fs_hz=250.0, seed=3)
    return folder


@pytest.fixture(scope="module")
def result(raw: Path):
    return ef.predict(raw / "sim000")


def test_python_writes_what_the_command_line_writes(raw: Path, result, tmp_path: Path, capsys) -> None:
    assert main(["predict", str(raw / "sim000"), "--out", str(tmp_path / "line")]) == 0
    result.save(tmp_path / "python")
    names = sorted(path.name for path in (tmp_path / "line").iterdir())
    assert names == ["sim000-beats.parquet", "sim000-episodes.parquet", "sim000.ecg"]
    for name in names:
        assert (tmp_path / "line" / name).read_bytes() == (tmp_path / "python" / name).read_bytes()
    printed = capsys.readouterr().out
    assert all(f"{figure.label} {figure.text}" in printed for figure in list_figures(result.summary()))


def test_tables_are_those_of_the_files_and_every_library_reads_them(result, tmp_path: Path) -> None:
    beats_path, episodes_path, _ = result.save(tmp_path)
    for table, path in ((result.beats, beats_path), (result.episodes, episodes_path)):
        assert_frame_equal(table.to_polars(), pl.read_parquet(path))
        assert table.arrow.schema.equals(pq.read_schema(path).remove_metadata(), check_metadata=True)
        assert pa.table(table).num_rows == len(table) == len(table.to_pandas())
        assert next(iter(table))["record"] == "sim000"
    assert result.beats.units["time_s"] == "s"
    assert np.array_equal(result.beats["sample"], np.rint(result.beats["time_s"] * 250))
    with pytest.raises(DataError, match=r"^beats: no column pulse; expected one of record, beat"):
        result.beats["pulse"]


def test_quality_covers_every_lead_from_start_to_end(result) -> None:
    quality = result.quality.to_polars()
    assert set(quality["state"]) <= {"usable", "noisy", "absent"}
    for lead in range(len(result.leads)):
        rows = quality.filter(pl.col("lead") == lead)
        assert rows["start_s"].to_list() == [0, *rows["stop_s"].to_list()[:-1]]
        assert rows["stop_s"][-1] == 60


def test_annotations_are_those_of_the_prediction(result, tmp_path: Path) -> None:
    path = result.to_wfdb(tmp_path)
    marks = read_annotations(tmp_path, "sim000", "ecg", result.source.num_samples)
    assert path.name == "sim000.ecg"
    assert np.array_equal(marks.sample[marks.symbol != "+"], result.beats["sample"])


def test_a_part_is_drawn_with_its_beats_and_rhythms(result, tmp_path: Path) -> None:
    drawing = result.plot(20, 26)
    texts = {text.get_text() for text in drawing.figure.axes[0].texts}
    sample = result.prediction.beats["sample"]
    inside = result.prediction.beats["aami"][(sample >= 20 * 250) & (sample < 26 * 250)]
    assert {"sim000, 0:20 to 0:26", "MLII", "V1", *inside} <= texts
    assert repr(drawing) == "<drawing of sim000, 0:20 to 0:26>"
    assert drawing.save(tmp_path / "part.svg").read_text() == drawing._repr_svg_()
    assert drawing.save(tmp_path / "part.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(UsageError, match=r"^save: part\.gif; expected a name that ends in \.svg or \.png"):
        drawing.save(tmp_path / "part.gif")
    with pytest.raises(UsageError, match=r"^sim000: 50 to 70 s; expected a time within 0 to 60 s"):
        result.plot(50, 70)


@pytest.mark.parametrize("kind", ["pdf", "html"])
def test_a_page_is_that_of_the_command_line(raw: Path, result, tmp_path: Path, kind: str) -> None:
    path = getattr(result, f"to_{kind}")(tmp_path / f"python.{kind}")
    getattr(result, f"to_{kind}")(path)  # the same recording
    assert main(["predict", str(raw / "sim000"), "--format", kind, "--out", str(tmp_path)]) == 0
    assert path.read_bytes() == (tmp_path / f"sim000.{kind}").read_bytes()
    with pytest.raises(UsageError, match="of another recording|not known to be"):
        getattr(ef.predict(raw / "sim001"), f"to_{kind}")(path)
    with pytest.raises(UsageError, match=rf"page\.txt: another ending; expected a name that ends in \.{kind}"):
        getattr(result, f"to_{kind}")(tmp_path / "page.txt")


def test_a_missing_package_is_one_line_with_its_extra(result, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(UsageError, match=r"^polars: not installed; .* Run: pip install 'ecgfeat\[explore\]'"):
        result.beats.to_polars()


def test_a_signal_in_memory_is_predicted_as_its_file(raw: Path, result, tmp_path: Path) -> None:
    signal = ef.read(raw / "sim000")
    again = ef.predict(signal)
    assert_frame_equal(again.beats.to_polars(), result.beats.to_polars())
    again.save(tmp_path)
    again.save(tmp_path)  # the same recording
    other = Signal("sim000", signal.fs_hz, signal.leads, -signal.signal_mv_SC)
    with pytest.raises(UsageError, match="a file of another recording of this name"):
        ef.predict(other).save(tmp_path)
    assert signal.origin == result.origin
    assert again == again != result  # no comparison of arrays
    made = Signal("sim000", 250.0, signal.leads, signal.signal_mv_SC)
    assert ef.predict(made).origin not in ("", signal.origin)
    with pytest.raises(DataError, match=r"^x: no sample; expected a signal of at least one lead"):
        ef.predict(Signal("x", 250.0, ("I",), np.zeros((0, 1), np.float32)))
    with pytest.raises(UsageError, match=r"^device: 'gpu'; expected auto, cpu or cuda"):
        ef.predict(signal, device="gpu")
    with pytest.raises(UsageError, match=r"^leads: 'MLII'; expected a list, such as \['MLII'\]"):
        ef.predict(raw / "sim000", leads="MLII")
    with pytest.raises(UsageError, match=r"^sim000: fs_hz; expected a signal alone"):
        ef.predict(signal, fs_hz=250.0)


def test_a_folder_gives_a_result_per_recording_and_names_those_that_fail(raw: Path, tmp_path: Path) -> None:
    for name in ("sim000", "sim001"):
        for ending in (".hea", ".dat"):
            (tmp_path / f"{name}{ending}").write_bytes((raw / f"{name}{ending}").read_bytes())
    (tmp_path / "sim001.dat").write_bytes(b"short")
    with pytest.warns(UserWarning, match=r"^1 recording failed: .*sim001: sim001\.dat has 5 bytes"):
        results = ef.predict(tmp_path)
    assert repr(results) == "<1 recording predicted, 1 failed>"
    assert results["sim000"] is results[0]
    assert results.summary().to_polars()["AF burden"].to_list() == [
        next(figure.text for figure in list_figures(results[0].summary()) if figure.name == "af_burden")
    ]
    with pytest.raises(UsageError, match=r"^sim001: 0 recordings of this name; expected one of sim000"):
        results["sim001"]


def test_a_folder_is_saved_under_the_names_of_the_command_line(raw: Path, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / "tree" / folder).mkdir(parents=True)
        for ending in (".hea", ".dat"):
            source = raw / f"sim00{'ab'.index(folder)}{ending}"
            (tmp_path / "tree" / folder / f"rec{ending}").write_bytes(
                source.read_bytes().replace(source.stem.encode(), b"rec")
            )
    results = ef.predict(tmp_path / "tree")
    results.save(tmp_path / "python")
    assert main(["predict", str(tmp_path / "tree"), "--out", str(tmp_path / "line")]) == 0
    files = sorted(path.relative_to(tmp_path / "line") for path in (tmp_path / "line").rglob("*.*"))
    assert len(files) == 6
    for file in files:
        assert (tmp_path / "python" / file).read_bytes() == (tmp_path / "line" / file).read_bytes()


def test_short_texts_say_what_a_thing_is(result) -> None:
    assert repr(result).startswith("<sim000: usable 1.0 of 1.0 min; beats ")
    assert repr(result.quality).startswith("<quality: ")
    assert len(repr(result)) < 160 > len(repr(result.beats))
    assert repr(result.source) == repr(result.source.load()) == "<sim000: MLII, V1; 250 Hz, 1:00>"
    assert repr(result.summary()).splitlines()[0] == "usable: 1.0 of 1.0 min"


def test_wrong_use_is_one_line(raw: Path) -> None:
    with pytest.raises(UsageError, match=r"^--models: no folder nowhere; expected"):
        ef.predict(raw / "sim000", models="nowhere")
    with pytest.raises(UsageError, match=r"formats: docx; expected some of"):
        ef.predict(raw / "sim000").save(raw, ["docx"])
    with pytest.raises(AttributeError, match="no attribute 'pretend'"):
        ef.pretend  # noqa: B018
    assert {"open_run", "predict", "read"} <= set(dir(ef))


def test_no_warning_where_nothing_fails(raw: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(ef.predict(raw)) == 2
