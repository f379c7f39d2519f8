"""Objects in a bucket of a real server: whole or not at all, though the server is killed; one line for a fault."""

import os
import random
import re
from datetime import timedelta

import pytest

from ecgfeat.errors import DataError, UsageError
from ecgfeat.store import objects
from ecgfeat.store.objects import ObjectFolder
from tests.fixtures.s3_server import KEY_ID, SECRET

LARGE = random.Random(1).randbytes(12_000_000)  # goes in pieces


def test_objects_are_written_listed_read_and_removed(s3):
    folder = ObjectFolder("s3://lab//a/b/")
    assert folder.address == "s3://lab/a/b"
    assert folder.list_sizes() == {}
    content = {"z": b"", "x/å b+c%2F": b"0123456789", "large": LARGE}
    for name, value in content.items():
        folder.write(name, value)
    assert folder.list_sizes() == {name: len(content[name]) for name in sorted(content)}
    for name, value in content.items():
        assert folder.has(name)
        assert folder.read(name) == value
    assert folder.read("x/å b+c%2F", 2, 5) == b"234"
    assert folder.read("x/å b+c%2F", 7) == b"789"
    folder.write("z", b"new")
    assert folder.read("z") == b"new"
    assert ObjectFolder("s3://lab/a").list_sizes().keys() == {f"b/{name}" for name in content}
    assert ObjectFolder("s3://lab/a/bb").list_sizes() == {}  # a prefix ends at a slash
    folder.remove(["z", "large", "never there"])
    assert list(folder.list_sizes()) == ["x/å b+c%2F"]
    assert not folder.has("z")


def test_server_killed_in_the_middle_of_an_answer_loses_nothing(s3):
    folder = ObjectFolder("s3://lab/a")
    folder.write("large", LARGE)
    with s3.killed_in_the_middle("GET 1"):
        assert folder.read("large") == LARGE


@pytest.mark.parametrize("piece", ["PUT 1", "PUT 2"])
def test_object_in_pieces_arrives_though_the_server_is_killed_and_loses_the_first(s3, piece, monkeypatch):
    # This server has lost the pieces, and answers a request for them by 500: as long as requests are repeated.
    monkeypatch.setattr(objects, "_RETRIES", objects._RETRIES | {"retry_timeout": timedelta(seconds=15)})
    folder = ObjectFolder("s3://lab/a")
    with s3.killed_in_the_middle(piece):
        folder.write("large", LARGE)
    assert s3.objects() == {"a/large": LARGE}


def test_old_object_stays_where_the_server_does_not_come_back(s3, monkeypatch):
    monkeypatch.setattr(objects, "_RETRIES", objects._RETRIES | {"max_retries": 1})
    folder = ObjectFolder("s3://lab/a")
    folder.write("kept", b"old")
    s3.start("PUT 2")
    with pytest.raises(DataError, match=r"s3://lab/a/kept: no whole answer from 127.0.0.1:.*run again"):
        folder.write("kept", LARGE)
    s3.start()
    assert folder.read("kept") == b"old"
    assert list(folder.list_sizes()) == ["kept"]


def test_small_object_arrives_though_the_server_is_killed_in_the_middle(s3):
    folder = ObjectFolder("s3://lab")
    with s3.killed_in_the_middle("PUT 1"):
        folder.write("small", b"0123456789")
    assert s3.objects() == {"small": b"0123456789"}


def line_of(call) -> str:
    with pytest.raises((DataError, UsageError)) as caught:
        call()
    line = str(caught.value)
    assert "\n" not in line
    assert len(line) < 400
    assert SECRET not in line
    assert KEY_ID not in line
    assert caught.value.__suppress_context__ or caught.value.__context__ is None, "a traceback would show the answer"
    return line


def test_faults_are_one_line_each(s3, monkeypatch, tmp_path):
    monkeypatch.setattr(objects, "_RETRIES", objects._RETRIES | {"max_retries": 1})
    host = s3.address.removeprefix("http://")
    missing = ObjectFolder("s3://nobucket/a")
    for call in (missing.list_sizes, lambda: missing.read("x"), lambda: missing.write("x", b"1")):
        assert line_of(call) == (
            f"s3://nobucket: no such bucket; expected a bucket of {host}. Check its name, and AWS_ENDPOINT_URL."
        )
    folder = ObjectFolder("s3://lab/a")
    assert line_of(lambda: folder.read("x")) == "s3://lab/a/x: no such object; expected one."
    for name, value, code in (
        ("AWS_SECRET_ACCESS_KEY", SECRET[::-1], "SignatureDoesNotMatch"),
        ("AWS_ACCESS_KEY_ID", "AKIALABORATORY000002", "InvalidAccessKeyId"),
    ):
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            other = ObjectFolder("s3://lab/a")
            for call in (other.list_sizes, lambda: other.read("x"), lambda: other.write("x", b"1")):  # noqa: B023
                line = line_of(call)
                assert re.match(r"s3://lab/a(/x)?: access denied \(" + code, line), line
                assert "Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in line
                assert value not in line
    s3.stop()
    line = line_of(folder.list_sizes)
    assert line.startswith(f"s3://lab/a: no whole answer from {host}; expected an S3 server. Check AWS_ENDPOINT_URL")
    for address in ("s3://", "s3://K:S@lab/x", "s3://a", "s3://UPPER/x", "s3:///x", "file"):
        assert line_of(lambda: ObjectFolder(address)) == (  # noqa: B023
            "an address of objects: no bucket in it; expected one such as s3://bucket/prefix."
        )


def test_credentials_come_from_a_profile_or_there_is_a_line(s3, monkeypatch, tmp_path):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    files = {"AWS_SHARED_CREDENTIALS_FILE": tmp_path / "credentials", "AWS_CONFIG_FILE": tmp_path / "config"}
    for name, path in files.items():
        monkeypatch.setenv(name, str(path))
    line = line_of(lambda: ObjectFolder("s3://lab/a"))
    assert line.startswith("s3://lab/a: no credentials; expected AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or")
    (tmp_path / "credentials").write_text(f"[ecg]\naws_access_key_id = {KEY_ID}\naws_secret_access_key = {SECRET}\n")
    monkeypatch.setenv("AWS_PROFILE", "ecg")
    ObjectFolder("s3://lab/a").write("x", b"1")
    assert s3.objects() == {"a/x": b"1"}
    monkeypatch.setenv("AWS_PROFILE", "other")
    assert "no credentials (ProfileNotFound)" in line_of(lambda: ObjectFolder("s3://lab/a"))


def test_public_bucket_is_read_without_credentials(public_s3):
    assert "AWS_ACCESS_KEY_ID" not in os.environ
    assert ObjectFolder("s3://lab/open").read("x") == b"for all"
