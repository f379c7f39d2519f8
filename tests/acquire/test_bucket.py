"""Corpora from a bucket of a real server: the bytes of a folder, verified and resumed though the server is killed."""

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ecgfeat.acquire import bucket
from ecgfeat.acquire.download import acquire_corpus
from ecgfeat.acquire.sources import SUMS, Limits
from ecgfeat.corpora import CORPORA
from ecgfeat.errors import DataError
from ecgfeat.records.writer import write_annotation_file, write_record
from ecgfeat.store import objects
from tests.fixtures.s3_server import SECRET, S3Server

ROOT = Path(__file__).parents[2]
NO_SERVER = "http://127.0.0.1:9"
TINY = replace(CORPORA["mitdb"], slug="tiny", path="tiny/1.0.0", records=("a", "sub/b"))


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    """A mirror with a small corpus, and its checksums."""
    root, rng = tmp_path / "mirror" / "tiny", np.random.default_rng(0)
    for record in TINY.records:
        (root / record).parent.mkdir(parents=True, exist_ok=True)
        write_record(root, record, rng.integers(-500, 500, (40_000, 2), dtype=np.int16), 128, ("I", "II"))
        write_annotation_file(root, record, "atr", [0, 10, 3000], ["+", "N", "V"], ["(N", "", ""], 128)
    sums = "".join(f"{hashlib.sha256(value).hexdigest()}  {name}\n" for name, value in content(root).items())
    (root / SUMS).write_text(sums)
    return tmp_path / "mirror"


def upload(server: S3Server, folder: Path, prefix: str) -> None:
    """Put a folder into the bucket, and start the server anew."""
    server.stop()
    for name, value in content(folder).items():
        server.put(f"{prefix}/{name}", value)
    server.start()


def acquire(mirror: Path | str, folder: Path, **more: object) -> dict[str, bytes]:
    acquire_corpus(TINY, folder, mirror=mirror, url=NO_SERVER, retries=1, **more)
    return content(folder)


@pytest.mark.parametrize("prefix", ["ecg/tiny", "ecg/tiny/1.0.0"])
def test_bucket_gives_the_bytes_of_the_folder(s3, mirror, tmp_path, prefix):
    expected = acquire(mirror, tmp_path / "from-folder")
    assert {"a.dat", "sub/b.atr", "corpus.json"} < expected.keys()
    # PhysioNet lays its bucket out by path and version.
    upload(s3, mirror / "tiny", prefix)
    assert acquire("s3://lab/ecg", tmp_path / "from-bucket") == expected


def test_real_records_come_from_a_bucket_as_from_a_folder(s3, mitdb, tmp_path, monkeypatch):
    monkeypatch.setattr(bucket, "_RANGE_BYTES", 1 << 18)
    records = ("100", "208")
    for path in (path for record in records for path in mitdb.glob(f"{record}.*")):
        s3.put(f"mitdb/{path.name}", path.read_bytes())
    s3.start()
    folders = {mitdb.parent: tmp_path / "from-folder", "s3://lab": tmp_path / "from-bucket"}
    for place, folder in folders.items():
        acquire_corpus(CORPORA["mitdb"], folder, mirror=place, url=NO_SERVER, records=records)
    expected, found = map(content, folders.values())
    assert expected == found
    assert {"100.dat", "208.atr"} < found.keys()


def test_server_killed_in_the_middle_of_a_file_loses_nothing(s3, mirror, tmp_path, monkeypatch):
    monkeypatch.setattr(bucket, "_RANGE_BYTES", 30_000)
    expected = acquire(mirror, tmp_path / "from-folder")
    upload(s3, mirror / "tiny", "tiny")
    with s3.killed_in_the_middle("GET 8"):
        assert acquire("s3://lab", tmp_path / "from-bucket") == expected


def test_run_goes_on_where_it_stopped_when_the_server_comes_back(s3, mirror, tmp_path, monkeypatch):
    monkeypatch.setattr(bucket, "_RANGE_BYTES", 30_000)
    monkeypatch.setattr(objects, "_RETRIES", objects._RETRIES | {"max_retries": 1})
    upload(s3, mirror / "tiny", "tiny")
    s3.start("GET 8")
    folder = tmp_path / "from-bucket"
    with pytest.raises(DataError, match=r"no whole answer from 127.0.0.1:.*run again: what is finished is kept"):
        acquire("s3://lab", folder)
    assert not folder.exists()
    left = content(tmp_path / ".from-bucket.part")
    partial = [name for name in left if name.endswith(".part")]
    assert len(partial) == 1
    assert len(left[partial[0]]) >= 30_000
    s3.start()
    (s3.folder / "log").write_text("")
    assert acquire("s3://lab", folder) == acquire(mirror, tmp_path / "from-folder")
    requests = (s3.folder / "log").read_text().splitlines()
    again = [line for line in requests if f'"GET /lab/tiny/{partial[0].removesuffix(".part")} ' in line]
    whole = -(-len(content(folder)[partial[0].removesuffix(".part")]) // 30_000)
    assert 0 < len(again) < whole, "only the missing ranges are requested"
    finished = [name for name in left if name not in (*partial, SUMS)]
    assert finished
    for name in finished:
        assert f"/lab/tiny/{name} " not in "\n".join(requests), "finished files are kept"


def test_changed_object_is_refused(s3, mirror, tmp_path):
    (mirror / "tiny" / "a.dat").write_bytes(b"x" * 40)
    upload(s3, mirror / "tiny", "tiny")
    with pytest.raises(DataError, match=r"s3://lab/tiny/a.dat: SHA-256 .* twice; expected .*Put the right file"):
        acquire("s3://lab", tmp_path / "from-bucket")
    assert not (tmp_path / "from-bucket").exists()


def test_bucket_without_checksums_is_used_and_said_to_be_unverified(s3, mirror, tmp_path):
    (mirror / "tiny" / SUMS).unlink()
    expected = acquire(mirror, tmp_path / "from-folder")
    upload(s3, mirror / "tiny", "tiny")
    part = tmp_path / ".from-bucket.part"
    part.mkdir()
    (part / "a.dat.part").write_bytes(b"of another file")
    assert acquire("s3://lab", tmp_path / "from-bucket") == expected
    assert b'"verified": false' in expected["corpus.json"]


def test_large_object_and_missing_files_are_refused(s3, mirror, tmp_path):
    upload(s3, mirror / "tiny", "tiny")
    with pytest.raises(DataError, match=r"s3://lab/tiny/.*MB at most. If the file is so large, raise"):
        acquire("s3://lab", tmp_path / "out", limits=Limits(file_mb=0.01))
    s3.stop()
    (s3.folder / "objects" / "lab" / "tiny%2Fsub%2Fb.atr").unlink()
    s3.start()
    with pytest.raises(DataError, match=r"tiny in s3://lab/tiny: 1 of 4 files missing: sub/b.atr"):
        acquire("s3://lab", tmp_path / "out")
    with pytest.raises(DataError, match="s3://nobucket: no such bucket"):
        acquire("s3://nobucket", tmp_path / "out")


def test_stage_takes_records_from_a_public_bucket_as_physionet_has_one(public_s3, mitdb, tmp_path):
    """The command of docs/storage.md, with the server of the test in place of Amazon's."""
    from tests.fixtures.small_run import default_params

    public_s3.stop()
    for path in mitdb.glob("*.*"):
        public_s3.put(f"mitdb/1.0.0/{path.name}", path.read_bytes())
    public_s3.start()
    (tmp_path / "params.yaml").write_text(default_params("preset=mitdb"))
    environment = os.environ | {"PYTHONPATH": str(ROOT), "ECGFEAT_MIRROR": "s3://lab"}
    command = [sys.executable, "-m", "pipeline.acquire", "mitdb"]
    job = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert job.returncode == 0, job.stderr
    assert "acquire: mitdb: 48 records, 144 files, signals measured" in job.stdout
    for path in mitdb.glob("1??.*"):
        assert (tmp_path / "data" / "raw" / "mitdb" / path.name).read_bytes() == path.read_bytes()
    environment |= {"AWS_ACCESS_KEY_ID": "AKIAWRONG", "AWS_SECRET_ACCESS_KEY": SECRET, "ECGFEAT_MIRROR": "s3://other"}
    (tmp_path / "data" / "raw" / "mitdb" / "100.dat").unlink()
    job = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert job.returncode == 1
    assert job.stderr.strip().splitlines()[-1].startswith("s3://other: no such bucket; expected")
    assert SECRET not in job.stderr + job.stdout
