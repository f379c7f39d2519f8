import errno
import json
import re
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from ecgfeat.report.drawings.style import RHYTHM_COLOURS
from ecgfeat.view.answers import pack
from ecgfeat.view.events import Doubt
from ecgfeat.view.pyramid import INVALID
from ecgfeat.view.twin import colours_as_css
from tests.fixtures.view_server import (
    SQUARE_FS_HZ,
    give_prediction,
    serve,
    unpack,
    wait_until_done,
    write_square_waves,
)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with serve([write_square_waves(tmp_path_factory.mktemp("server"))]) as served:
        yield served


def ask_strip(served, query):
    response, body = served.ask(f"/records/1/strip?{query}")
    assert response.status == 200, body
    return unpack(body)


def test_a_message_has_its_arrays():
    arrays = {
        "a": np.array([[1, -32768], [32767, 0]], np.int16),
        "b": np.array([7], np.uint8),
        "c": np.array([np.nan, 2.5], np.float32),
    }
    read = unpack(pack({"x": 1}, arrays))
    assert read["x"] == 1
    for name, array in arrays.items():
        np.testing.assert_array_equal(read[name], array.ravel())


def test_a_strip_has_the_samples_of_the_record(served):
    part = ask_strip(served, "from_s=2.5&to_s=3.5&columns=1000&leads=1")
    assert part["column_samples"] == 1
    assert part["is_whole"]
    assert "high" not in part
    first = round(part["start_s"] * SQUARE_FS_HZ)
    sample = np.arange(first, first + part["num_columns"])
    assert sample[0] < 2.5 * SQUARE_FS_HZ < 3.5 * SQUARE_FS_HZ < sample[-1] + 1
    expected_mv = np.where(sample // SQUARE_FS_HZ % 2 == 1, -1.0, 0.0)
    np.testing.assert_allclose(part["low"] * part["mv_per_step"][0] + part["offset_mv"][0], expected_mv)


def test_a_long_strip_has_extremes_and_gaps(served):
    part = ask_strip(served, "from_s=0&to_s=60&columns=100&leads=0,1")
    low, high = (part[name].reshape(2, part["num_columns"]) for name in ("low", "high"))
    assert part["column_samples"] > 1
    assert high[0].max() == 1000
    assert low[1][low[1] != INVALID].min() == -1000
    middle_s = part["start_s"] + (np.arange(part["num_columns"]) + 0.5) * part["column_s"]
    inside = (middle_s > 40.5) & (middle_s < 41.5)
    assert inside.any()
    assert (high[:, inside] == INVALID).all()


QUERIES = ("", "from_s=1&to_s=0&columns=9", "from_s=-1&to_s=3&columns=9", "from_s=0&to_s=inf&columns=9")
QUERIES += ("from_s=0&to_s=3", "from_s=0&to_s=3&columns=9&leads=2", "from_s=0&to_s=3&columns=x")
QUERIES += ("from_s=0&to_s=3&columns=99999", "from_s=nan&to_s=3&columns=9", "from_s=0&to_s=3&columns=9&leads=0,0")


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_that_makes_no_sense_is_refused(served, query):
    response, body = served.ask(f"/records/1/strip?{query}")
    assert response.status == 400
    assert json.loads(body)["error"]


def test_a_time_far_beyond_the_record_has_no_samples(served):
    part = ask_strip(served, "from_s=1e307&to_s=1e308&columns=9")
    assert part["num_columns"] <= 1


def test_a_request_that_is_nested_too_deep_is_refused(served):
    response, body = served.ask("/records/1/review", method="POST", body=b"[" * 4000)
    assert (response.status, json.loads(body)) == (400, {"error": "The request is no JSON."})


def test_a_fault_of_the_reference_makes_no_strip_whole(tmp_path, monkeypatch):
    monkeypatch.setattr("ecgfeat.view.answers._WAIT_S", 0)
    monkeypatch.setattr("ecgfeat.view.pyramid.Pyramid.fill", lambda pyramid, signal: may_end.wait())
    may_end = threading.Event()
    record = write_square_waves(tmp_path)
    (tmp_path / "square.atr").write_bytes(b"\xff\xff\xff")
    with serve([record]) as served:
        opened = served.shelf.open("1")
        while not opened.is_reference_read:
            pass
        assert opened.faults
        assert not ask_strip(served, "from_s=0&to_s=3&columns=9")["is_whole"]
        may_end.set()
        while not opened.pyramid.is_ready(1):
            pass
        assert ask_strip(served, "from_s=0&to_s=3&columns=9")["is_whole"], "no more will come"
        assert wait_until_done(served, "1")["read_share"] == 0


def test_many_strips_that_wait_starve_nobody(tmp_path, monkeypatch):
    may_end = threading.Event()
    monkeypatch.setattr("ecgfeat.view.pyramid.Pyramid.fill", lambda pyramid, signal: may_end.wait())
    with serve([write_square_waves(tmp_path)]) as served, ThreadPoolExecutor(100) as threads:
        served.ask("/records/1/open", method="POST")
        strips = [threads.submit(ask_strip, served, "from_s=0&to_s=3&columns=9") for _ in range(100)]
        # More of them than a server has threads, and none of them can be answered.
        for _ in range(3):
            assert served.ask("/records")[0].status == 200
        assert not any(strip.done() for strip in strips)
        may_end.set()
        assert all(strip.result()["num_columns"] == 0 for strip in strips)


def test_a_record_that_cannot_be_opened_is_one_line_and_leaves_nothing(tmp_path, monkeypatch):
    for name in "ab":
        write_square_waves(tmp_path / "records" / name)
    (tmp_path / "records" / "a" / "square.hea").write_text("square 2 250\nnothing")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    with serve([tmp_path / "records"]) as served:
        before = sorted((tmp_path / "temporary").iterdir())
        for path in ("/records/1/open", "/records/1/review"):
            response, body = served.ask(path, method="POST", body=b"{}")
            assert response.status == 422
            assert json.loads(body)["error"].startswith("a/square: 1 signal lines; expected 2")
            assert "\n" not in json.loads(body)["error"]
        assert served.ask("/records/1/strip?from_s=0&to_s=1&columns=9")[0].status == 422
        with monkeypatch.context() as full:
            full.setattr("os.posix_fallocate", refuse_room)
            response, body = served.ask("/records/2/open", method="POST")
            assert response.status == 422
            assert json.loads(body)["error"].endswith(f"; expected room on the disk. {FREE}")
        assert sorted((tmp_path / "temporary").iterdir()) == before
        assert [entry.opened for entry in served.shelf.entries.values()] == [None, None]
        assert served.ask("/records/2/open", method="POST")[0].status == 200, "and is opened once it can be"


FREE = "Free some space, or set TMPDIR to a folder of another disk."


def refuse_room(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_the_record_is_described_without_a_path(served):
    described = json.loads(served.ask("/records/1/open", method="POST")[1])
    assert described["leads"] == ["II", "V1"]
    assert described["duration_s"] == 60
    assert "/" not in json.dumps(described)
    assert json.loads(served.ask("/records")[1]) == [{"id": "1", "name": "square", "subject": ""}]


def test_the_reference_has_beats_and_events(served):
    assert wait_until_done(served, "1")["reference"] == "ready"
    reference = unpack(served.ask("/records/1/marks/reference")[1])
    assert reference["time"].tolist() == [1000 * at for at in range(1, 60, 2)]
    assert reference["rr"].tolist() == [0] + [2000] * 29
    assert reference["events"]["pvc"] == [9, 19, 29, 39, 49, 59]
    assert reference["events"]["pause"] == []
    assert reference["episodes"] == [{"start_s": 0, "stop_s": 60, "rhythm": "NSR", "reason": ""}]
    assert served.ask("/records/1/marks/prediction")[0].status == 404


def test_the_queue_is_over_all_records(tmp_path):
    paths = [write_square_waves(tmp_path / name) for name in "ab"]
    with serve(paths, out=tmp_path / "out") as served:
        queue = json.loads(served.ask("/queue")[1])
        assert [(of["name"], of["state"], of["least_certain"]) for of in queue["records"]] == [
            ("a/square", "none", []),
            ("b/square", "none", []),
        ]
        assert (queue["next"], queue["has_models"]) == ([], False)
        for number in "12":
            give_prediction(served, number)
        a, b = (served.shelf.entries[number] for number in "12")
        a.doubts = [Doubt("uncertain", 30, 60, 0.6), Doubt("uncertain", 0, 10, 0.7)]
        b.doubts = [Doubt("disagreement", 5, 8), Doubt("uncertain", 0, 10, 0.4)]

        def waiting():
            return [(of["id"], of["start_s"]) for of in json.loads(served.ask("/queue")[1])["next"]]

        assert waiting() == [("2", 5), ("2", 0), ("1", 30), ("1", 0)]
        request = {"action": "seen", "start_s": 50, "stop_s": 60, "reviewer": "A. Reader"}
        headers = {"Content-Type": "application/json"}
        sent = served.ask("/records/1/review", method="POST", headers=headers, body=json.dumps(request).encode())
        assert sent[0].status == 200
        assert waiting() == [("2", 5), ("2", 0), ("1", 0)]
        assert [of["seen_s"] for of in json.loads(served.ask("/queue")[1])["records"]] == [10, 0]


def test_answers_are_compressed(served):
    response, body = served.ask("/records/1/strip?from_s=0&to_s=60&columns=8000", headers={"Accept-Encoding": "gzip"})
    assert response.status == 200, body
    assert response.headers["content-encoding"] == "gzip"
    assert len(unpack(zlib.decompress(body, 31))["low"]) > 10 * len(body)


def test_colours_are_those_of_the_reports():
    css = colours_as_css()
    for rhythm, colour in RHYTHM_COLOURS.items():
        assert f"--rhythm-{rhythm}: {colour};" in css
    assert not re.search(r"--[\w-]*: *;", css)
