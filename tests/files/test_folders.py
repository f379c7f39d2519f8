"""Recordings in folders: which files are some, and names of outputs that never meet."""

from pathlib import Path

import numpy as np
import pytest

from ecgfeat.errors import DataError, UsageError
from ecgfeat.files.folders import (
    Found,
    find_inputs,
    find_recordings,
    is_marked_recording,
    name_outputs,
    source_digest,
)
from ecgfeat.files.formats import recognise
from ecgfeat.look.artifacts import find_artifacts
from ecgfeat.records.writer import write_annotation_file, write_record
from tests.fixtures.maker_files import Written, make_counts, write_ishne


def make(folder: Path, name: str = "rec_1", value: int = 5) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    write_record(folder, name, np.full((300, 1), value, np.int16), 250, ["I"])
    return folder / name


def test_a_folder_is_searched_with_all_below_it(tmp_path: Path) -> None:
    make(tmp_path / "b" / "Person_02")
    record = make(tmp_path / "b" / "Person_01")
    write_annotation_file(record.parent, "rec_1", "atr", [5], ["N"], None, 250)
    np.save(tmp_path / "a.npy", np.zeros((300, 1)))
    (tmp_path / "readings.csv").write_text("time,II\n0,0.1\n1,0.2\n2,0.3\n")
    (tmp_path / "README.txt").write_text("1 2\n3 4\n5 6\n")
    (tmp_path / "scan.pdf.bin").write_bytes(b"%PDF-1.4")
    (tmp_path / "a-beats.csv").write_text("1,2\n3,4\n")
    (tmp_path / ".hidden").mkdir()
    make(tmp_path / ".hidden")
    search = find_recordings([tmp_path])
    found = [(entry.path.relative_to(tmp_path).as_posix(), entry.folder.as_posix()) for entry in search.recordings]
    assert found == [
        ("a.npy", "."),
        ("readings.csv", "."),
        ("b/Person_01/rec_1", "b/Person_01"),
        ("b/Person_02/rec_1", "b/Person_02"),
    ]
    assert [path.name for path in search.others] == ["scan.pdf.bin"]
    assert len(find_recordings([tmp_path], "*.npy").recordings) == 1


def test_segments_are_parts_of_their_record(tmp_path: Path) -> None:
    for name in ("x_0001", "x_0002", "y_0001"):
        make(tmp_path, name)
    (tmp_path / "x.hea").write_text("x/2 1 250 600\nx_0001 300\nx_0002 300\n")
    names = [entry.path.name for entry in find_recordings([tmp_path]).recordings]
    assert names == ["x", "y_0001"]


def test_a_segment_of_any_name_is_a_part(tmp_path: Path) -> None:
    for name in ("first", "second", "other"):
        make(tmp_path, name)
    (tmp_path / "whole.hea").write_text("# made by hand\n\nwhole/2 1 250 600\nfirst 300\nsecond 300\n")
    assert [entry.path.name for entry in find_recordings([tmp_path]).recordings] == ["other", "whole"]
    assert [artifact.path.name for artifact in find_artifacts(tmp_path)] == ["other", "whole"]


def test_where_nothing_is_a_recording_the_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "letter.bin").write_bytes(b"%PDF-1.4")
    with pytest.raises(UsageError, match="no recording in it; 1 file is no recording: letter.bin"):
        find_inputs([tmp_path])
    (tmp_path / "x.dat").write_bytes(bytes(range(256)))
    with pytest.raises(DataError, match="its header x.hea is missing"):
        recognise(tmp_path / "x.dat")


def test_linked_folders_are_searched_once(tmp_path: Path) -> None:
    make(tmp_path / "disk" / "day", "x")
    (tmp_path / "disk" / "again").symlink_to(tmp_path / "disk")
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "link").symlink_to(tmp_path / "disk")
    found = find_recordings([tmp_path / "study"]).recordings
    assert [entry.path.relative_to(tmp_path / "study").as_posix() for entry in found] == ["link/day/x"]


def test_a_recording_that_is_named_twice_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = make(tmp_path, "x")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path)
    named = [Path("x"), record, Path("./x.hea"), tmp_path / "link" / "x.dat", tmp_path]
    assert [entry.path for entry in find_recordings(named).recordings] == [Path("x")]


def test_a_file_that_is_named_is_a_recording_whatever_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "x.pdf").write_bytes(b"%PDF")
    assert find_recordings([tmp_path / "x.pdf", tmp_path / "gone"]).others == ()
    assert len(find_recordings([tmp_path / "x.pdf", tmp_path / "gone"]).recordings) == 2


def test_outputs_of_one_name_are_told_apart(tmp_path: Path) -> None:
    first, second = make(tmp_path / "Person_01"), make(tmp_path / "Person_02")
    np.save(tmp_path / "Person_01" / "rec_1.npy", np.zeros((300, 1)))
    named = [Found(path, Path()) for path in (first, second, tmp_path / "Person_01" / "rec_1.npy")]
    outputs = [(folder / name).as_posix() for folder, name in name_outputs(named)]
    assert outputs == ["Person_01/rec_1", "Person_02/rec_1", "rec_1.npy"]
    assert [folder / name for folder, name in name_outputs(named[:1])] == [Path("rec_1")]
    deep = [Found(make(tmp_path / top / "ecg"), Path()) for top in ("a", "b")]
    assert [(folder / name).as_posix() for folder, name in name_outputs(deep)] == ["a/ecg/rec_1", "b/ecg/rec_1"]
    cases = [Found(make(tmp_path / "c", "X"), Path()), Found(make(tmp_path / "d", "x"), Path())]
    assert len({(folder / name).as_posix().casefold() for folder, name in name_outputs(cases)}) == 2


def test_a_digest_tells_recordings_apart_by_content(tmp_path: Path) -> None:
    first, second, same = make(tmp_path / "a"), make(tmp_path / "b", value=6), make(tmp_path / "c")
    for record in (first, second):  # headers without checksums are equal
        header = record.with_suffix(".hea")
        header.write_text("rec_1 1 250 300\nrec_1.dat 16 1000/mV 16 0 0 0 0 I\n")
    assert source_digest(first) != source_digest(second)
    same.with_suffix(".hea").write_text(first.with_suffix(".hea").read_text())
    assert source_digest(first) == source_digest(same)


def test_tables_of_text_have_no_mark_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "scores.json").write_text('{"fs": 3}')
    (tmp_path / "scores.csv").write_text("1,2\n3,4\n")
    np.save(tmp_path / "x.npy", np.zeros(3))
    marked = {path.name for path in tmp_path.iterdir() if is_marked_recording(path)}
    assert marked == {"x.npy"}


def test_recordings_whose_ending_is_that_of_notes_or_annotations_are_found_by_content(tmp_path):
    write_ishne(tmp_path / "holter.ecg", Written(make_counts(2000, 3), ("I", "II", "V1")))
    (tmp_path / "export.txt").write_text("0.01 0.02\n" * 300)
    (tmp_path / "notes.txt").write_text("The lead fell off.\n")
    write_annotation_file(tmp_path, "a", "ecg", [10, 200], ["N", "V"], None, 250.0)
    search = find_recordings([tmp_path])
    assert [found.path.name for found in search.recordings] == ["export.txt", "holter.ecg"]
    assert search.others == ()


def test_a_pattern_minds_no_case(tmp_path):
    for name in ("a.csv", "B.CSV", "c.txt"):
        (tmp_path / name).write_text("0.01 0.02\n" * 300)
    search = find_recordings([tmp_path], "*.csv")
    assert [found.path.name for found in search.recordings] == ["B.CSV", "a.csv"]
