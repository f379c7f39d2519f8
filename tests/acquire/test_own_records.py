"""Recordings of one's own become WFDB records: same samples, rate, leads and start; nothing is lost in silence."""

import csv
import errno
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from ecgfeat.acquire.manifest import find_faults
from ecgfeat.acquire.own_records import (
    OwnFolder,
    convert_folder,
    folder_key,
    own_facts,
    read_own_split,
    split_key,
)
from ecgfeat.acquire.rhythm_records import describe_record
from ecgfeat.errors import DataError, UsageError
from ecgfeat.files import read
from ecgfeat.look.artifacts import find_artifacts
from ecgfeat.look.checks import check_artifact
from ecgfeat.records.reader import read_annotations, read_signal
from ecgfeat.records.writer import write_annotation_file, write_blocks, write_record
from tests.fixtures.maker_files import START, Written, make_counts, write_ishne
from tests.fixtures.plain_ecg import plain_ecg

FS_HZ = 250.0
SETTINGS = {"aami": "dechazal", "before_first": "nsr", "min_episode_samples": 1}


def two_leads(seconds: int) -> np.ndarray:
    lead_mv = plain_ecg(FS_HZ, seconds)
    return np.stack([lead_mv, -0.5 * lead_mv], axis=1)


def write_wfdb(folder: Path, name: str, seconds: int = 20) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_record(folder, name, np.rint(1000 * two_leads(seconds)).astype(np.int16), FS_HZ, ["II", "V1"])


def write_table(path: Path, signal_mv_SC: np.ndarray, heading: str = "time [s],II [mV],V1 [mV]") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    time_s = np.arange(len(signal_mv_SC)) / FS_HZ
    np.savetxt(path, np.column_stack([time_s, signal_mv_SC]), "%.6f", ",", header=heading, comments="")


def write_rows(path: Path, *rows: tuple[object, ...]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)


def convert(source: Path, folder: Path, **settings: object) -> dict:
    folder.mkdir()
    return convert_folder(OwnFolder(source, **settings), folder)  # type: ignore[arg-type]


@pytest.fixture
def own(tmp_path: Path) -> Path:
    folder = tmp_path / "own"
    write_wfdb(folder / "p1", "a")
    write_table(folder / "p2" / "Müller 3.csv", two_leads(20))
    return folder


def test_a_converted_record_is_the_recording_to_a_nanovolt(own, tmp_path):
    signal_mv = two_leads(20)
    signal_mv[100:200, 0] = np.nan
    write_table(own / "p3" / "gap.csv", signal_mv)
    manifest = convert(own, tmp_path / "raw")
    assert manifest["records"] == ["p1/a", "p2/M_ller_3", "p3/gap"]
    assert manifest["failed"] == {}
    assert not find_faults(tmp_path / "raw")
    for record, source in manifest["sources"].items():
        expected, found = read(own / source), read_signal(tmp_path / "raw", record)
        assert (found.fs_hz, found.leads) == (expected.fs_hz, expected.leads)
        np.testing.assert_array_equal(np.isnan(found.signal_mv_SC), np.isnan(expected.signal_mv_SC))
        assert np.nanmax(np.abs(found.signal_mv_SC - expected.signal_mv_SC)) < 1e-6


def test_start_rate_and_leads_of_another_maker_are_kept(tmp_path):
    (tmp_path / "own").mkdir()
    write_ishne(tmp_path / "own" / "night.ecg", Written(make_counts(5000, 12)))
    convert(tmp_path / "own", tmp_path / "raw")
    signal = read_signal(tmp_path / "raw", "night")
    assert (signal.fs_hz, len(signal.leads), signal.num_samples) == (500, 12, 5000)
    assert read(tmp_path / "raw" / "night").start == START


def test_leads_without_gain_stay_without_and_amplitudes_that_no_integer_holds_are_invalid(tmp_path):
    blocks = [np.array([[1.5, 3000.0], [2.0, 1.0]], np.float32), np.array([[np.nan, -1.0]], np.float32)]
    start = datetime(2024, 5, 6, 7, 8, 9, 500)
    write_blocks(tmp_path, "x", blocks, FS_HZ, ["I", "II"], uncalibrated=["I"], start=start)
    signal = read(tmp_path / "x")
    assert signal.uncalibrated == ("I",)
    assert signal.start == start
    np.testing.assert_allclose(signal.signal_mv_SC, [[1.5, np.nan], [2.0, 1.0], [np.nan, -1.0]])
    assert "# 1 samples beyond 2.1 V are invalid" in (tmp_path / "x.hea").read_text()
    with pytest.raises(DataError, match="no sample"):
        write_blocks(tmp_path, "y", [], FS_HZ, ["I"])


def test_names_that_become_equal_stay_apart(tmp_path):
    for name in ("a b", "a_b", "A b"):
        write_table(tmp_path / "own" / f"{name}.csv", two_leads(12))
    records = convert(tmp_path / "own", tmp_path / "raw")["records"]
    assert len({record.casefold() for record in records}) == 3


def test_what_cannot_be_read_fails_alone_with_its_reason_and_what_is_no_recording_is_named(own, tmp_path):
    whole = (own / "p1" / "a.dat").read_bytes()
    write_wfdb(own / "p4", "cut")
    (own / "p4" / "cut.dat").write_bytes(whole[:100])
    write_table(own / "p5" / "counts.csv", np.rint(two_leads(12) * 200), heading="time [s],II,V1")
    (own / "notes.docx").write_bytes(b"PK\x03\x04 no recording")
    manifest = convert(own, tmp_path / "raw")
    assert list(manifest["failed"]) == ["p4/cut", "p5/counts"]
    assert "local.unit" in manifest["failed"]["p5/counts"]
    assert "cut short" in manifest["failed"]["p4/cut"]
    assert "notes.docx" in manifest["others"]
    (check,) = [check_artifact(artifact) for artifact in find_artifacts(tmp_path / "raw")]
    assert check.faults == []
    assert any("p4/cut" in note for note in check.notes)
    corpus = own_facts(manifest, is_predicted=False)
    entry = describe_record(
        corpus, tmp_path / "raw", "p4/cut", split="train", signals="measured", manifest=manifest, **SETTINGS
    )
    assert (entry.row["status"], entry.row["reason"]) == ("failed", manifest["failed"]["p4/cut"])


def test_a_full_disk_is_no_fault_of_a_recording(own, tmp_path, monkeypatch):
    def fill(*given: object, **named: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("ecgfeat.acquire.own_records.write_blocks", fill)
    with pytest.raises(OSError, match="No space left"):
        convert(own, tmp_path / "raw")


def test_options_are_named_as_params(tmp_path):
    (tmp_path / "own").mkdir()
    np.save(tmp_path / "own" / "x.npy", two_leads(12))
    write_table(tmp_path / "own" / "y.csv", two_leads(12))
    failed = convert(tmp_path / "own", tmp_path / "raw")["failed"]
    assert "local.fs_hz" in failed["x"]
    assert "--fs" not in failed["x"]
    assert convert(tmp_path / "own", tmp_path / "raw2", pattern="*.npy", fs_hz=FS_HZ)["failed"] == {}


def test_a_folder_without_a_readable_recording_is_refused(tmp_path):
    (tmp_path / "own").mkdir()
    with pytest.raises(UsageError, match=r"no recording in it; expected .* local\.path"):
        convert(tmp_path / "own", tmp_path / "raw")
    np.save(tmp_path / "own" / "x.npy", two_leads(12))
    with pytest.raises(DataError, match="none of which can be read"):
        convert(tmp_path / "own", tmp_path / "raw2")


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ("", {"p1/a": "p1/a", "p2/M_ller_3": "p2/M_ller_3"}),
        ("folder", {"p1/a": "p1", "p2/M_ller_3": "p2"}),
        ("p([0-9])", {"p1/a": "1", "p2/M_ller_3": "2"}),
        ("who.csv", {"p1/a": "Ann", "p2/M_ller_3": "Bob"}),
    ],
)
def test_subjects(own, tmp_path, subject, expected):
    write_rows(own / "who.csv", ("age", "subject", "record"), (50, "Ann", "p1/a"), (60, "Bob", "Müller 3"))
    manifest = convert(own, tmp_path / "raw", subject=subject, pattern="*" if "csv" in subject else "[aM]*")
    assert manifest["subjects"] == expected
    corpus = own_facts(manifest, is_predicted=False)
    assert [corpus.subject_of(record) for record in manifest["records"]] == list(expected.values())


@pytest.mark.parametrize(
    ("subject", "rows", "message"),
    [
        ("(p1)", [], "none in p2/Müller 3.csv"),
        ("folder", ["top"], "none in top.csv"),
        ("none.csv", [], "no readable file"),
        ("who.csv", [("record", "name")], "columns record, name; expected record and subject"),
        ("who.csv", [("record", "subject"), ("a", "Ann")], "no line for p2/Müller 3.csv"),
        ("who.csv", [("record", "subject"), ("a", "Ann"), ("a", "Bob")], "record a twice"),
        ("who.csv", [("record", "subject"), ("a", "")], "line 2 without subject"),
    ],
)
def test_a_recording_without_a_subject_is_refused(own, tmp_path, subject, rows, message):
    if rows == ["top"]:
        write_table(own / "top.csv", two_leads(12))
    elif rows:
        write_rows(own / "who.csv", *rows)
    with pytest.raises((UsageError, DataError), match=message):
        convert(own, tmp_path / "raw", subject=subject, pattern="[aMt]*")


def test_split_by_rule_or_by_table(own, tmp_path):
    for number in (3, 4):
        write_wfdb(own / f"p{number}", f"b{number}")
    for name in ("p1/a", "p3/b3"):
        write_annotation_file(own, name, "atr", [100], ["N"], [""], FS_HZ)
    manifest = convert(own, tmp_path / "raw", annotations="wfdb", pattern="[aMb]*")
    corpus = own_facts(manifest, is_predicted=False)
    # Those without annotations take no part in the draw.
    drawn = read_own_split(own, corpus, manifest, "seed1-50-50-0")
    assert {drawn["p1/a"], drawn["p3/b3"]} == {"train", "validation"}
    assert {drawn["p2/M_ller_3"], drawn["p4/b4"]} == {"none"}
    manifest = convert(own, tmp_path / "raw2", pattern="[aM]*")
    write_rows(own / "split.csv", ("record", "split"), ("a", "test"), ("p2/Müller 3.csv", "none"))
    assert read_own_split(own, corpus, manifest, "split.csv") == {"p1/a": "test", "p2/M_ller_3": "none"}
    write_rows(own / "split.csv", ("record", "split"), ("a", "test"))
    with pytest.raises(DataError, match="no line for p2"):
        read_own_split(own, corpus, manifest, "split.csv")
    same = own_facts(manifest | {"subjects": dict.fromkeys(manifest["records"], "x")}, is_predicted=False)
    write_rows(own / "split.csv", ("record", "split"), ("a", "test"), ("Müller 3", "train"))
    with pytest.raises(DataError, match="subject x"):
        read_own_split(own, same, manifest, "split.csv")


def test_annotations_beside_a_recording_are_its_reference_and_a_recording_without_is_left_out(own, tmp_path):
    write_annotation_file(own / "p1", "a", "atr", [0, 100, 350], ["+", "N", "V"], ["(AFIB", "", ""], FS_HZ)
    manifest = convert(own, tmp_path / "raw", annotations="wfdb")
    corpus = own_facts(manifest, is_predicted=False)
    entries = {
        record: describe_record(
            corpus, tmp_path / "raw", record, split="train", signals="measured", manifest=manifest, **SETTINGS
        )
        for record in manifest["records"]
    }
    assert entries["p1/a"].beats["aami"].tolist() == ["N", "V"]
    assert entries["p1/a"].episodes["rhythm"].tolist() == ["AFIB"]
    without = entries["p2/M_ller_3"].row
    assert (without["status"], without["split"], without["reason"]) == (
        "excluded",
        "none",
        "without rhythm annotations",
    )


def test_a_folder_without_annotations_is_used_where_it_is_only_predicted(own, tmp_path):
    manifest = convert(own, tmp_path / "raw")
    for is_predicted, status in ((True, "used"), (False, "excluded")):
        corpus = own_facts(manifest, is_predicted=is_predicted)
        row = describe_record(
            corpus, tmp_path / "raw", "p1/a", split="test", signals="measured", manifest=manifest, **SETTINGS
        ).row
        assert row["status"] == status


def annotate_by_tables(own: Path, tmp_path: Path, beats: list[tuple], episodes: list[tuple]):
    if beats:
        write_rows(own / "p1" / "a-beats.csv", *beats)
    if episodes:
        write_rows(own / "p1" / "a-episodes.csv", *episodes)
    manifest = convert(own, tmp_path / "raw", annotations="csv")
    if "p1/a" in manifest["failed"]:
        raise DataError(manifest["failed"]["p1/a"])
    marks = read_annotations(tmp_path / "raw", "p1/a", "atr", 5000, fs_hz=FS_HZ)
    return list(zip(marks.sample.tolist(), marks.symbol.tolist(), marks.aux.tolist(), strict=True))


def test_tables_as_annotations(own, tmp_path):
    beats = [("time_s", "aami"), (0.4, "N"), (1.0, "S"), (2.0, ""), (3.0, "V")]
    episodes = [("start_s", "stop_s", "rhythm"), (2.0, 4.0, "NSR"), (0.0, 2.0, "AFIB"), (8.0, 9.0, "")]
    assert annotate_by_tables(own, tmp_path, beats, episodes) == [
        (0, "+", "(AFIB"),
        (100, "N", ""),
        (250, "A", ""),
        (500, "+", "(N"),
        (500, "Q", ""),
        (750, "V", ""),
        (1000, "+", "("),
        (2000, "+", "("),
        (2250, "+", "("),
    ]


def test_samples_and_symbols_count_before_times_and_classes(own, tmp_path):
    beats = [("time_s", "sample", "aami", "symbol"), (0.401, 100, "N", "L"), (1.2, 300, "N", "j")]
    assert annotate_by_tables(own, tmp_path, beats, []) == [(100, "L", ""), (300, "j", "")]


def test_rhythms_in_any_spelling(own, tmp_path):
    episodes = [("start_s", "stop_s", "rhythm"), (0, 2, "(AFIB"), (2, 4, "af"), (4, 6, "N"), (6, 20, "AFL")]
    assert annotate_by_tables(own, tmp_path, [], episodes) == [
        (0, "+", "(AFIB"),
        (500, "+", "(AFIB"),
        (1000, "+", "(N"),
        (1500, "+", "(AFL"),
    ]


def test_annotations_that_count_frames_move_to_the_rate_of_the_lead(tmp_path):
    # An intensive care record: the ECG has four samples in a frame, the pressure beside it one.
    own = tmp_path / "own"
    own.mkdir()
    lead_S = np.rint(1000 * plain_ecg(500, 20)).astype("<i2")
    frames = np.column_stack([lead_S.reshape(-1, 4), np.full(len(lead_S) // 4, 80)]).astype("<i2")
    frames.tofile(own / "r.dat")
    (own / "r.hea").write_text("r 2 125 2500\nr.dat 16x4 1000/mV 16 0 0 0 0 II\nr.dat 16 1/mmHg 16 0 0 0 0 ABP\n")
    write_annotation_file(own, "r", "atr", [125, 1250], ["N", "V"], None, 125)
    manifest = convert(own, tmp_path / "raw", annotations="wfdb")
    assert manifest["failed"] == {}
    marks = read_annotations(tmp_path / "raw", "r", "atr", 10000, fs_hz=500)
    assert read_signal(tmp_path / "raw", "r").fs_hz == 500
    assert marks.sample.tolist() == [500, 5000]


@pytest.mark.parametrize(
    ("beats", "episodes", "message"),
    [
        ([("time_s", "aami"), (1, "X")], [], "aami 'X' in line 2"),
        ([("time_s", "symbol"), (1, "+")], [], r"symbol '\+' in line 2"),
        ([("time_s",), (1,)], [], "columns time_s; expected aami"),
        ([("t", "aami"), (1, "N")], [], "expected sample or time_s"),
        ([("time_s", "aami"), ("soon", "N")], [], "text in the column time_s"),
        ([("time_s", "aami"), (-1, "N")], [], "no position in line 2"),
        ([("sample", "aami"), (1, "N"), (4294968296, "N")], [], "no position in line 3"),
        ([("time_s", "aami"), ("00:00:01", "N")], [], "text in the column time_s"),
        ([("time_s", "time_s", "aami"), (1, 1, "N")], [], "two columns of one name"),
        ([("sample", "time_s", "aami"), (250, 1, "N"), (500, 2.5, "N")], [], "sample and time_s that differ in line 3"),
        ([], [("start_s", "stop_s", "rhythm"), (0, 2, "心房")], "rhythm '心房' in line 2"),
        ([], [("start_s", "stop_s", "rhythm"), (0, 2, "A" * 300)], "rhythm 'AAA"),
        ([], [("start_s", "stop_s", "rhythm"), (0, 2, "AFIB"), (1, 3, "NSR")], "overlaps"),
        ([], [("start_s", "stop_s", "rhythm"), (2, 2, "AFIB")], "is empty"),
    ],
)
def test_a_faulty_table_is_one_line(own, tmp_path, beats, episodes, message):
    with pytest.raises(DataError, match=message):
        annotate_by_tables(own, tmp_path, beats, episodes)


def test_the_digest_of_a_folder_is_of_its_content(own, tmp_path):
    key = folder_key(OwnFolder(own))
    (own / "p1").rename(own / "p9")
    assert folder_key(OwnFolder(own)) != key
    (own / "p9").rename(own / "p1")
    assert folder_key(OwnFolder(own.rename(tmp_path / "moved"))) == key
    own = tmp_path / "moved"
    assert folder_key(OwnFolder(own, pattern="*.csv")) != key
    (own / "split.csv").write_text("record,split\n")
    assert folder_key(OwnFolder(own)) != key
    assert folder_key(OwnFolder(own, split="split.csv")) == key
    assert split_key(OwnFolder(own)) == ""
    one = split_key(OwnFolder(own, split="split.csv"))
    (own / "split.csv").write_text("record,split\na,test\n")
    assert split_key(OwnFolder(own, split="split.csv")) not in ("", one)
    (tmp_path / "elsewhere").mkdir()
    write_wfdb(tmp_path / "elsewhere", "z")
    (own / "linked").symlink_to(tmp_path / "elsewhere")
    linked = folder_key(OwnFolder(own))
    write_wfdb(tmp_path / "elsewhere", "z", 30)
    assert folder_key(OwnFolder(own)) != linked
