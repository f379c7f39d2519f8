"""Records of a finished run, those of the test first, with its own models; and files that are dropped on the page."""

import contextlib
import errno
import json
import shutil
import threading
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest

from ecgfeat.errors import UsageError
from ecgfeat.pretrained import find_models
from ecgfeat.records.writer import write_record
from ecgfeat.simulate import simulate_corpus
from ecgfeat.store.schemas import RECORDS
from ecgfeat.store.tables import write_table
from ecgfeat.view import sources
from ecgfeat.view.answers import describe_review
from ecgfeat.view.command import choose_models_of_run
from ecgfeat.view.pyramid import open_record
from ecgfeat.view.sources import Place, find_place, find_records_of_run, is_run, read_rule
from ecgfeat.view.worker import Job
from tests.fixtures.view_server import serve, wait_until_done, write_square_waves

ROWS = [
    ("sim000", "train", "used"),
    ("sim001", "none", "excluded"),
    ("sim002", "test", "used"),
    ("gone", "test", "used"),
]


@pytest.fixture
def run(tmp_path):
    raw = tmp_path / "data" / "raw" / "sim"
    raw.mkdir(parents=True)
    simulate_corpus(raw, num_subjects=3, minutes=1, fs_hz=128, seed=1)
    assert not is_run(tmp_path)
    record, split, status = (np.array(column, dtype=object) for column in zip(*ROWS, strict=True))
    num = len(ROWS)
    columns = {"record": record, "split": split, "status": status, "subject": record}
    columns |= {"fs_hz": np.full(num, 128.0), "num_samples": np.full(num, 7680, np.int64)}
    leads = np.empty(num, dtype=object)
    leads[:] = [["I"] for _ in range(num)]
    columns |= {"leads": leads, "reason": np.full(num, "", dtype=object)}
    columns |= {"signals": np.full(num, "simulated", dtype=object)}
    (tmp_path / "data" / "records").mkdir()
    write_table(tmp_path / "data" / "records" / "sim.parquet", columns, RECORDS, {})
    return tmp_path


def test_records_are_those_that_were_used_and_of_the_test_first(run):
    assert is_run(run)
    raw = run / "data" / "raw" / "sim"
    found = find_records_of_run(run)
    assert [(of.path, folder.as_posix(), name) for of, folder, name in found] == [
        (raw / "sim002", "sim", "sim002"),
        (raw / "sim000", "sim", "sim000"),
    ]


def test_without_raw_files_it_is_one_line(run):
    for header in (run / "data" / "raw" / "sim").glob("*.hea"):
        header.unlink()
    with pytest.raises(UsageError, match="no raw record"):
        find_records_of_run(run)


def test_models_are_its_own_where_they_are_complete(run):
    shipped = find_models("real")
    folder, note = choose_models_of_run(run)
    assert folder == shipped
    assert note.startswith("Predicted by the shipped models")
    shutil.copytree(shipped, run / "models")
    folder, note = choose_models_of_run(run)
    assert folder == run / "models"
    assert note.startswith("Predicted by the models of the run,")
    (run / "models" / "rhythm" / "trees.txt").unlink()
    assert choose_models_of_run(run)[0] == shipped


@pytest.fixture
def served(tmp_path):
    with serve([write_square_waves(tmp_path / "named")]) as served:
        yield served


def post(served, path, **options):
    response, body = served.ask(path, method="POST", **options)
    return response.status, json.loads(body)


def begin(served):
    status, answer = post(served, "/drops")
    assert status == 200
    return answer["drop"]


def send(served, drop, name, body):
    return post(served, f"/drops/{drop}/file", headers={"X-File-Name": name}, body=body)


def test_files_that_are_dropped_are_opened(served, tmp_path):
    record = write_square_waves(tmp_path / "mine")
    drop = begin(served)
    for ending in (".hea", ".dat", ".atr"):
        content = record.with_suffix(ending).read_bytes()
        assert send(served, drop, f"square{ending}", content) == (200, {"bytes": len(content)})
    assert post(served, f"/drops/{drop}/open") == (200, {"ids": ["2"], "note": ""})
    assert post(served, "/records/2/open")[1]["leads"] == ["II", "V1"]
    assert wait_until_done(served, "2")["reference"] == "ready"
    folder = served.shelf.drops[drop].folder
    assert folder.stat().st_mode & 0o777 == 0o700
    served.shelf.drops.close()
    assert not folder.exists()


NAMES = {
    "": "no name",
    "..": "begins with a dot",
    ".hidden": "begins with a dot",
    "a/b": "a folder is in it",
    "a\\b": "a folder is in it",
    "%2e%2e%2fx": "begins with a dot",
    "/etc/passwd": "a folder is in it",
    "a%00": "control character",
    "%0ax": "control character",
    "x" * 201: "longer than 200 bytes",
    "%C3%A4" * 101: "longer than 200 bytes",
}


@pytest.mark.parametrize(("name", "reason"), NAMES.items())
def test_a_name_is_no_path_and_is_refused_with_the_reason(served, name, reason):
    drop = begin(served)
    status, answer = send(served, drop, name, b"x")
    assert status == 422
    assert answer["error"].endswith("expected a plain name. Rename it.")
    assert reason in answer["error"]
    assert list(served.shelf.drops[drop].folder.iterdir()) == []


@pytest.mark.parametrize("name", ["(1) x.csv", "-x.csv", "[a] #1 'b'.csv", "Übung (2).csv", "_x.csv", "drop.csv"])
def test_a_harmless_name_is_taken_once(served, name):
    drop = begin(served)
    assert send(served, drop, quote(name), b"x")[0] == 200
    assert [path.name for path in served.shelf.drops[drop].folder.iterdir()] == [name]
    assert send(served, drop, quote(name), b"x") == (
        422,
        {"error": f"{name}: twice; expected files with different names."},
    )


def test_what_is_too_large_is_refused_and_removed(served, monkeypatch):
    monkeypatch.setattr(sources, "MOST_DROP_BYTES", 1000)
    drop = begin(served)
    assert send(served, drop, "small.csv", b"x" * 900)[0] == 200
    assert send(served, drop, "large.csv", b"x" * 101)[0] == 413
    assert [path.name for path in served.shelf.drops[drop].folder.iterdir()] == ["small.csv"]


def test_all_drops_together_are_limited_until_one_is_removed(served, monkeypatch, tmp_path):
    monkeypatch.setattr(sources, "MOST_TOTAL_BYTES", 1000)
    first, second = begin(served), begin(served)
    assert send(served, first, "a.csv", b"x" * 600)[0] == 200
    status, answer = send(served, second, "b.csv", b"x" * 401)
    assert (status, list(served.shelf.drops[second].folder.iterdir())) == (413, [])
    expected = "at most 0 GiB of dropped files in all. Remove files that were opened before"
    assert answer["error"] == f"drop: more bytes; expected {expected}, or name the file to: ecgfeat view"
    assert send(served, second, "b.csv", b"x" * 400)[0] == 200, "what was refused does not count"
    assert json.loads(served.ask("/drops")[1]) == [
        {"drop": first, "names": ["a.csv"], "num_bytes": 600},
        {"drop": second, "names": ["b.csv"], "num_bytes": 400},
    ]
    folder = served.shelf.drops[first].folder
    assert post(served, f"/drops/{first}/remove") == (200, {})
    assert not folder.exists()
    assert send(served, second, "c.csv", b"x" * 600)[0] == 200
    assert post(served, f"/drops/{first}/remove")[0] == 404
    assert send(served, first, "d.csv", b"x")[0] == 404


def test_a_drop_is_removed_with_its_recordings(served, tmp_path):
    record = write_square_waves(tmp_path / "mine")
    drops = [begin(served), begin(served)]
    for drop in drops:
        for ending in (".hea", ".dat"):
            assert send(served, drop, f"square{ending}", record.with_suffix(ending).read_bytes())[0] == 200
        post(served, f"/drops/{drop}/open")
    post(served, "/records/2/open")
    opened = served.shelf.entries["2"].opened.folder.path
    assert post(served, f"/drops/{drops[0]}/remove") == (200, {})
    assert not opened.exists()
    assert [of["id"] for of in json.loads(served.ask("/records")[1])] == ["1", "3"]
    assert post(served, "/records/2/open")[0] == 404
    assert post(served, "/records/3/open")[0] == 200
    assert served.shelf.add([]) == []
    entry = served.shelf.entries["3"]
    assert served.shelf.add([(entry.found, entry.folder, entry.output)]) == ["4"], "no number comes twice"


def drop_record(served, tmp_path):
    """Drop a record, and return the numbers of drop and record."""
    record, drop = write_square_waves(tmp_path / "mine"), begin(served)
    for ending in (".hea", ".dat"):
        send(served, drop, f"square{ending}", record.with_suffix(ending).read_bytes())
    return drop, post(served, f"/drops/{drop}/open")[1]["ids"][0]


def test_a_recording_that_is_removed_while_it_is_opened_leaves_nothing(served, tmp_path, monkeypatch):
    drop, number = drop_record(served, tmp_path)
    folders = []

    def open_and_lose(*given):
        opened = open_record(*given)
        folders.append(opened.folder.path)
        served.shelf.remove_drop(drop)
        return opened

    monkeypatch.setattr("ecgfeat.view.shelf.open_record", open_and_lose)
    assert post(served, f"/records/{number}/open")[0] == 404
    assert [folder.exists() for folder in folders] == [False]
    monkeypatch.undo()
    monkeypatch.setattr("ecgfeat.view.shelf.MOST_OPEN", 0)
    assert post(served, "/records/1/open")[0] == 200, "no other record is missed for it"


def test_what_another_window_removes_meanwhile_is_gone_in_a_line(served, tmp_path, monkeypatch):
    drop, number = drop_record(served, tmp_path)
    removed = threading.Event()

    def remove_first(path):
        if not removed.is_set():
            removed.set()
            served.shelf.remove_drop(drop)

    monkeypatch.setattr(served.shelf._worker, "forget", remove_first)
    monkeypatch.setattr(served.shelf, "_lock", contextlib.nullcontext())
    assert post(served, f"/drops/{drop}/remove") == (404, {"error": "There is no such drop."})
    assert describe_review(served.shelf, number) == {"num_corrections": 0, "seen": [], "seen_s": 0}


def test_what_waits_for_a_recording_that_is_removed_ends(served, tmp_path):
    drop, number = drop_record(served, tmp_path)
    worker, results = served.shelf._worker, []
    worker._process = Busy()
    job = Job(served.shelf.entries[number].found.path, {}, tmp_path, "cpu", "pdf")
    worker.do(job, lambda *result: results.append(result))
    served.shelf.remove_drop(drop)
    assert results == [("failed", "The record was removed.")]
    assert worker._jobs == []


class Busy:
    """A process that has begun something else."""

    def terminate(self):
        pass

    def join(self):
        pass


def test_a_file_comes_once(served):
    drop = begin(served)
    assert send(served, drop, "a.csv", b"1")[0] == 200
    assert send(served, drop, "a.csv", b"2")[0] == 422
    assert (served.shelf.drops[drop].folder / "a.csv").read_bytes() == b"1"


def test_files_that_are_no_recording(served):
    drop = begin(served)
    send(served, drop, "a.bin", b"nothing")
    folder = served.shelf.drops[drop].folder
    assert post(served, f"/drops/{drop}/open") == (422, {"error": "There is no recording among these files."})
    assert not folder.exists(), "they are of no use"
    assert post(served, "/drops/99/open")[0] == 404
    assert send(served, "99", "a.csv", b"1")[0] == 404


def touch_record(folder, name, start=""):
    folder.mkdir(parents=True, exist_ok=True)
    write_record(folder, name, np.zeros((10 * 128, 1), np.int16), 128, ["I"])
    if start:
        header = folder / f"{name}.hea"
        first, rest = header.read_text().split("\n", 1)
        header.write_text(f"{first} {start}\n{rest}")
    return folder / name


def test_a_corpus_or_a_run_says_whose_a_record_is(run, tmp_path):
    raw = run / "data" / "raw" / "sim"
    assert find_place(raw / "sim002") == Place(raw, "sim002", "sim", run)
    assert find_place(raw / "sim002").subject == "sim002 of sim"
    mitdb, other = touch_record(tmp_path / "mitdb" / "1.0.0", "201"), touch_record(tmp_path / "mitdb" / "1.0.0", "mine")
    assert find_place(mitdb).subject == "201+202 of mitdb"
    assert find_place(mitdb.with_suffix(".hea")).subject == "201+202 of mitdb"
    assert find_place(other) is None, "no record of the corpus"
    assert find_place(touch_record(tmp_path / "elsewhere", "201")) is None
    assert find_place(touch_record(tmp_path / "aftdb", "s01")).subject == "s01+t01 of aftdb"
    assert find_place(touch_record(tmp_path / "aftdb", "a01")).subject == "", "no source says whose it is"
    listed = touch_record(tmp_path / "qtdb", "sele0121")
    assert find_place(listed) is None, "which records there are is in a file of the corpus"
    named = touch_record(tmp_path / "again" / "qtdb", "sele0121")
    (named.parent / "RECORDS").write_text("sele0121\n")
    assert find_place(named).subject == "e0118 of qtdb"
    assert find_place(tmp_path / "mitdb" / "1.0.0" / "x.edf") is None


def test_a_table_of_a_run_that_is_damaged_hides_no_record(run):
    (run / "data" / "records" / "sim.parquet").write_bytes(b"no table")
    with serve([run / "data" / "raw" / "sim" / "sim002"]) as served:
        assert json.loads(served.ask("/records")[1]) == [{"id": "1", "name": "sim002", "subject": ""}]


def test_a_list_of_records_that_cannot_be_read_is_one_line(tmp_path, monkeypatch):
    """A user may have no right to read it, or the disk of a network is gone."""
    path = write_square_waves(tmp_path / "qtdb")
    for file in path.parent.glob("square.*"):
        file.rename(file.with_stem("sele0121")).write_bytes(
            file.with_stem("sele0121").read_bytes().replace(b"square", b"sele0121")
        )
    (path.parent / "RECORDS").write_text("sele0121\n")
    read_text = Path.read_text

    def refuse(file, *given):
        if file.name == "RECORDS":
            raise PermissionError(errno.EACCES, "Permission denied", str(file))
        return read_text(file, *given)

    monkeypatch.setattr(Path, "read_text", refuse)
    with serve([tmp_path]) as served:
        state = wait_until_done(served, "1") if post(served, "/records/1/open")[0] == 200 else {}
    assert state["reference"] == "none"
    assert state["faults"] == ["RECORDS: cannot be read (Permission denied); expected the list of the records of qtdb."]


def test_a_reference_that_cannot_be_read_is_one_line(served, monkeypatch):
    def refuse(*given):
        raise OSError(errno.EIO, "Input/output error", "/secret/place")

    monkeypatch.setattr("ecgfeat.view.marks.find_place", refuse)
    assert post(served, "/records/1/open")[0] == 200
    state = wait_until_done(served, "1")
    assert state["reference"] == "none"
    assert ["Input/output error" in fault and "/secret" not in fault for fault in state["faults"]] == [True]


def test_a_rule_says_whose_a_recording_is(tmp_path):
    by_folder, by_name = read_rule("folder"), read_rule(r"(p\d+)_")
    assert [by_folder(path) for path in ("anna/day1/x.edf", "x.edf")] == ["anna", ""]
    assert [by_name(path) for path in ("a/p12_1.edf", "a/12.edf")] == ["p12", ""]
    table = tmp_path / "who.csv"
    table.write_text("record,subject\nx.edf,anna\nb/y, bert \n")
    by_table = read_rule(str(table))
    assert [by_table(path) for path in ("a/x.edf", "b/y.edf", "z.edf")] == ["anna", "bert", ""]
    table.write_text("record,subject\nx,anna\nx,bert\n")
    with pytest.raises(UsageError, match="record x of two subjects"):
        read_rule(str(table))
    table.write_text("record,who\nx,y\n")
    for rule in (str(table), str(tmp_path / "none.csv"), "(", "no group"):
        with pytest.raises(UsageError, match="--subject"):
            read_rule(rule)
