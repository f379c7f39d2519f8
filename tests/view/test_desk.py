import json
import subprocess
import sys
from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest

from ecgfeat.errors import UsageError
from ecgfeat.files.folders import source_digest
from ecgfeat.records.reader import read_annotations
from ecgfeat.reviews import files
from ecgfeat.reviews.files import read_log, read_reviews
from ecgfeat.view.answers import pack_marks
from ecgfeat.view.desk import Desk
from tests.fixtures.view_server import give_prediction, serve, unpack, write_square_waves
from tests.view.test_marks import make_marks

FS_HZ = 250.0


@pytest.fixture
def prediction():
    marks = make_marks([1, 2, 3, 5, 6], "NNVNN", [(0, 4, "NSR"), (4, 10, "AFIB")])
    marks.rr_s[3] = np.nan  # after a gap
    return marks


def make_desk(folder, prediction, source="digest"):
    return Desk(folder, "x", 2500, FS_HZ, prediction, source)


def test_corrections_are_saved_and_the_prediction_stays(tmp_path, prediction):
    desk = make_desk(tmp_path, prediction)
    assert not desk.is_begun
    assert desk.apply({"action": "beat", "at_s": 2.004, "now": "V", "reviewer": "A. Reader"}) == (
        "beat at 2.00 s: N is now V"
    )
    desk.apply({"action": "beat", "at_s": 1, "now": "", "reviewer": "A. Reader"})
    desk.apply({"action": "beat", "at_s": 4.5, "now": "N", "reviewer": "A. Reader"})
    desk.apply({"action": "episode", "start_s": 3, "stop_s": 5, "now": "SVTA", "reviewer": "A. Reader"})
    desk.apply({"action": "seen", "start_s": 0, "stop_s": 3, "reviewer": "A. Reader"})
    for now in (desk, make_desk(tmp_path, prediction)):
        marks = now.marks()
        assert marks.time_s.tolist() == [2, 3, 4.5, 5, 6]
        assert "".join(marks.label) == "VVNNN"
        np.testing.assert_array_equal(marks.rr_s, [np.nan, 1, np.nan, np.nan, 1], "a gap, somewhere from 3 to 5 s")
        episodes = zip(marks.start_s.tolist(), marks.stop_s.tolist(), marks.rhythm, strict=True)
        assert list(episodes) == [(0, 3, "NSR"), (3, 5, "SVTA"), (5, 10, "AFIB")]
        described = now.describe()
        history = described.pop("history")
        assert described == {
            "num_entries": 5,
            "num_corrections": 4,
            "seen": [[0, 5]],
            "corrected_ms": [1000, 2000, 4500],
        }
        assert [entry["what"] for entry in history] == [
            "seen at 0.00 s: marked as seen",
            "episode at 3.00 s: NSR, AFIB is now SVTA",
            "beat at 4.50 s: nothing is now N",
            "beat at 1.00 s: N is now nothing",
            "beat at 2.00 s: N is now V",
        ]
        assert {entry["reviewer"] for entry in history} == {"A. Reader"}
        assert all(datetime.fromisoformat(entry["made_at"]) for entry in history)
    assert "".join(prediction.label) == "NNVNN"
    first = read_log(tmp_path, "x", {"source": "digest", "weights": prediction.made_by.get("weights", {})})[0]
    assert (first.reviewer, first.was, first.now, first.start_sample) == ("A. Reader", "N", "V", 500)
    saved = read_annotations(tmp_path, "x", "rev", 2500, fs_hz=FS_HZ)
    assert saved.sample[saved.symbol == "V"].tolist() == [500, 750]


def test_no_interval_goes_across_a_gap(tmp_path):
    marks = make_marks(
        [1, 2, 3, 5, 6, 7], "NNNNNN", [(0, 3.25, "NSR"), (3.25, 4, ""), (4, 10, "NSR")], reason=["", "no signal", ""]
    )
    marks.rr_s[3] = np.nan
    desk = make_desk(tmp_path, marks)
    nan = np.nan
    np.testing.assert_array_equal(desk.marks().rr_s, [nan, 1, 1, nan, 1, 1], "as predicted")
    desk.apply({"action": "beat", "at_s": 5, "now": "", "reviewer": "r"})
    np.testing.assert_array_equal(desk.marks().rr_s, [nan, 1, 1, nan, 1], "the next beat is the first after the gap")
    for at_s in (3.2, 4.4):
        desk.apply({"action": "add", "at_s": at_s, "now": "N", "reviewer": "r"})
    np.testing.assert_allclose(desk.marks().rr_s, [nan, 1, 1, 0.2, nan, 1.6, 1])
    desk.apply({"action": "beat", "at_s": 3, "now": "", "reviewer": "r"})
    np.testing.assert_allclose(desk.marks().rr_s, [nan, 1, 1.2, nan, 1.6, 1])


def test_a_long_interval_is_sent_as_it_is():
    marks = make_marks([1, 101], "NN")
    assert unpack(pack_marks(marks, None, 200))["rr"].tolist() == [0, 100_000]


def test_undo_and_redo(tmp_path, prediction):
    desk = make_desk(tmp_path, prediction)
    desk.apply({"action": "beat", "at_s": 2, "now": "V", "reviewer": "r"})
    desk.apply({"action": "undo", "reviewer": "r"})
    assert "".join(desk.marks().label) == "NNVNN"
    desk.apply({"action": "redo", "reviewer": "r"})
    assert "".join(make_desk(tmp_path, prediction).marks().label) == "NVVNN"


REFUSED = (
    {},
    {"action": "beat"},
    {"action": "delete"},
    {"action": []},
    {"action": "beat", "at_s": "x", "now": "V"},
    {"action": "beat", "at_s": float("inf"), "now": "V"},
    {"action": "beat", "at_s": 2, "now": "W"},
    {"action": "beat", "at_s": 2, "now": 5},
    {"action": "beat", "at_s": 2, "now": "N"},
    {"action": "beat", "at_s": 99, "now": "V"},
    {"action": "episode", "start_s": 5, "stop_s": 4, "now": "NSR"},
    {"action": "undo"},
    {"action": "redo"},
)


@pytest.mark.parametrize("request_", REFUSED)
def test_a_request_that_cannot_be_done_changes_nothing(tmp_path, prediction, request_):
    desk = make_desk(tmp_path, prediction)
    with pytest.raises(UsageError):
        desk.apply({"reviewer": "r", **request_})
    assert not desk.is_begun
    assert not list(tmp_path.iterdir())


def test_a_correction_has_a_name(tmp_path, prediction):
    with pytest.raises(UsageError, match="reviewer"):
        make_desk(tmp_path, prediction).apply({"action": "beat", "at_s": 2, "now": "V", "reviewer": " "})


def test_what_cannot_be_saved_is_not_done(tmp_path, prediction):
    (tmp_path / "file").write_text("no folder")
    desk = make_desk(tmp_path / "file" / "below", prediction)
    with pytest.raises(OSError):
        desk.apply({"action": "beat", "at_s": 2, "now": "V", "reviewer": "r"})
    assert not desk.is_begun


def test_the_review_of_another_recording_is_not_touched(tmp_path, prediction):
    make_desk(tmp_path, prediction).apply(
        {"action": "undo", "reviewer": "r"} | {"action": "beat", "at_s": 2, "now": ""}
    )
    with pytest.raises(UsageError, match="another recording"):
        make_desk(tmp_path, prediction, "another digest")


def test_an_added_beat_changes_none_nearby(tmp_path, prediction):
    desk = make_desk(tmp_path, prediction)
    desk.apply({"action": "add", "at_s": 3.012, "now": "N", "reviewer": "r"})
    marks = desk.marks()
    assert marks.time_s.tolist() == [1, 2, 3, 3.012, 5, 6]
    assert "".join(marks.label) == "NNVNNN"
    for at_s, now in ((3, "N"), (4, "")):
        with pytest.raises(UsageError):
            desk.apply({"action": "add", "at_s": at_s, "now": now, "reviewer": "r"})


CHANGED = "^the review was changed elsewhere: reload the page$"
BEAT = {"action": "beat", "at_s": 2, "now": "V", "reviewer": "r"}


def test_a_review_that_another_process_changed_is_not_written_over(tmp_path, prediction):
    ours, theirs = make_desk(tmp_path, prediction), make_desk(tmp_path, prediction)
    theirs.apply(BEAT)
    with pytest.raises(UsageError, match=CHANGED):
        ours.apply(BEAT | {"at_s": 1})
    for desk in (ours, make_desk(tmp_path, prediction)):
        assert "".join(desk.marks().label) == "NVVNN", "what they wrote is kept, and shown"
    ours.apply(BEAT | {"at_s": 1})
    assert "".join(make_desk(tmp_path, prediction).marks().label) == "VVVNN"
    theirs.refresh()
    assert theirs.describe()["num_entries"] == 2


def test_a_correction_of_what_the_page_does_not_show_is_refused(tmp_path, prediction):
    desk = make_desk(tmp_path, prediction)
    desk.apply(BEAT | {"num_entries": 0})
    for action in (BEAT | {"at_s": 1}, {"action": "undo", "reviewer": "r"}):
        with pytest.raises(UsageError, match=CHANGED):
            desk.apply(action | {"num_entries": 0})
    assert desk.describe()["num_entries"] == 1
    desk.apply({"action": "undo", "reviewer": "r", "num_entries": 1})


def test_processes_that_review_records_of_one_folder_lose_nothing(tmp_path):
    code = """
import sys
from pathlib import Path
import numpy as np
from ecgfeat.reviews.files import save_review
from ecgfeat.reviews.review import Review
none = np.zeros(0, np.int64)
for at in range(10):
    review = Review(f"{sys.argv[2]}{at}", 100, {"sample": none, "aami": none},
        {"start_sample": none, "stop_sample": none, "rhythm": none})
    review.correct_beat(5, "V", "r")
    save_review(Path(sys.argv[1]), review, 100.0, {})
"""
    started = [subprocess.Popen([sys.executable, "-c", code, tmp_path, name]) for name in "abc"]
    assert [process.wait() for process in started] == [0, 0, 0]
    assert len(read_reviews(tmp_path)[0]) == 30


def test_a_record_that_is_listed_twice_has_one_review(tmp_path):
    record = write_square_waves(tmp_path / "record")
    with serve([record], out=tmp_path / "out") as served:
        entry = served.shelf.entries["1"]
        served.shelf.add([(entry.found, entry.folder, entry.output)])
        for number in "12":
            give_prediction(served, number)
        first = served.shelf.review("1")
        first.apply(BEAT | {"at_s": 3})
        assert served.shelf.review("2") is first
        body = json.dumps(BEAT | {"at_s": 5, "num_entries": 0}).encode()
        response, answer = served.ask("/records/2/review", method="POST", body=body)
        assert (response.status, json.loads(answer)) == (409, {"error": CHANGED[1:-1]})
        assert unpack(served.ask("/records/2/marks/review")[1])["review"]["num_entries"] == 1


def test_the_queue_follows_reviews_and_predictions_and_reads_a_table_once(tmp_path, monkeypatch):
    for name in "ab":
        write_square_waves(tmp_path / "records" / name)
    reads = []
    plain = files.read_table
    monkeypatch.setattr(files, "read_table", lambda *of: reads.append(of[0]) or plain(*of))
    with serve([tmp_path / "records"], out=tmp_path / "out") as served:

        def corrections():
            return [of["num_corrections"] for of in json.loads(served.ask("/queue")[1])["records"]]

        entries = served.shelf.entries
        for number in entries:
            give_prediction(served, number)
        assert corrections() == [0, 0]
        first = served.shelf.review("1")
        first.apply(BEAT | {"at_s": 3})
        assert corrections() == [1, 0]
        # A second window is another desk of the same record, in this process or another.
        other = Desk(
            first.folder, "square", *entries["1"].size, entries["1"].prediction, source_digest(entries["1"].found.path)
        )
        other.apply(BEAT | {"at_s": 5, "num_entries": 1})
        assert corrections() == [2, 0]
        reads.clear()
        assert [corrections(), corrections(), reads] == [[2, 0], [2, 0], []], "nothing has changed"
        # The same models predict it anew, and then others.
        give_prediction(served, "1")
        assert corrections() == [2, 0]
        assert served.shelf.review("1") is first
        by_others = replace(entries["1"].prediction, made_by={"weights": {"beats": "other"}})
        entries["1"].prediction = by_others
        reads.clear()
        assert [corrections(), corrections(), reads] == [[0, 0], [0, 0], []], "refused, and not read again"
        with pytest.raises(UsageError, match="other models"):
            served.shelf.review("1")
        (first.folder / "reviews.parquet").write_bytes(b"damaged")
        give_prediction(served, "1")
        reads.clear()
        assert [corrections(), corrections(), len(reads)] == [[0, 0], [0, 0], 1], "damaged, and read once"
        (first.folder / "reviews.parquet").unlink()
        assert corrections() == [0, 0]


def test_reviews_over_http(tmp_path):
    record = write_square_waves(tmp_path / "record")
    with serve([record], out=tmp_path / "out") as served:

        def post(content, **headers):
            body = content if isinstance(content, bytes) else json.dumps(content).encode()
            response, answer = served.ask("/records/1/review", method="POST", headers=headers, body=body)
            return response.status, json.loads(answer)

        correction = {"action": "beat", "at_s": 3, "now": "S", "reviewer": "r"}
        assert post(correction) == (422, {"error": "review: no prediction; expected one to correct. Wait for it."})
        give_prediction(served, "1")
        assert post(correction) == (200, {"done": "beat at 3.00 s: N is now S"})
        assert post(b"{") == (400, {"error": "The request is no JSON."})
        assert post(b"[]")[0] == 400
        assert post(b" " * 5000)[0] == 413
        review = unpack(served.ask("/records/1/marks/review")[1])
        assert review["review"]["corrected_ms"] == [3000]
        assert review["label"][1] == "NSVFQ".index("S")
        written = sorted(path.name for path in (tmp_path / "out").iterdir() if not path.name.startswith("."))
        assert written == ["reviews.parquet", "square.rev"]
        assert sorted(path.suffix for path in record.parent.iterdir()) == [".atr", ".dat", ".hea"]
