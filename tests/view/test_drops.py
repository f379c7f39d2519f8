import json

import pytest

from ecgfeat.view import drops
from tests.fixtures.view_server import serve, wait_until_done, write_square_waves


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


NAMES = ("", "..", ".hidden", "a/b", "a\\b", "%2e%2e%2fx", "a%00", "%0ax", "/etc/passwd", "x" * 201, "%C3%A4" * 101)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_no_path(served, name):
    drop = begin(served)
    status, answer = send(served, drop, name, b"x")
    assert status == 422
    assert "plain name" in answer["error"]
    assert list(served.shelf.drops[drop].folder.iterdir()) == []


def test_what_is_too_large_is_refused_and_removed(served, monkeypatch):
    monkeypatch.setattr(drops, "MOST_DROP_BYTES", 1000)
    drop = begin(served)
    assert send(served, drop, "small.csv", b"x" * 900)[0] == 200
    assert send(served, drop, "large.csv", b"x" * 101)[0] == 413
    assert [path.name for path in served.shelf.drops[drop].folder.iterdir()] == ["small.csv"]


def test_a_file_comes_once(served):
    drop = begin(served)
    assert send(served, drop, "a.csv", b"1")[0] == 200
    assert send(served, drop, "a.csv", b"2")[0] == 422
    assert (served.shelf.drops[drop].folder / "a.csv").read_bytes() == b"1"


def test_files_that_are_no_recording(served):
    drop = begin(served)
    send(served, drop, "a.bin", b"nothing")
    assert post(served, f"/drops/{drop}/open") == (422, {"error": "There is no recording among these files."})
    assert post(served, "/drops/99/open")[0] == 404
    assert send(served, "99", "a.csv", b"1")[0] == 404
