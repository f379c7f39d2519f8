"""Finished parts in a bucket: those of a folder, through kills of the server and of what works on a record."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from ecgfeat.engine.parts import Part, PartBucket, PartFolder, open_parts
from ecgfeat.engine.run import Engine, finish_records
from ecgfeat.engine.work import WorkName, part_key
from ecgfeat.errors import UsageError

ROOT = Path(__file__).parents[2]
RECORDS = [f"r{number}" for number in range(12)]
ARRAYS = {
    "none": np.zeros(0, dtype=object),
    "texts": np.array(["é", ""], dtype=object),
    "empty": np.zeros((0, 2, 4), dtype=np.int16),
    "float": np.array([[np.nan, 1.5]], dtype=np.float32),
    "large": np.arange(1_000_000),
}


@pytest.fixture
def seen(tmp_path):
    (tmp_path / "seen").mkdir()
    return tmp_path / "seen"


def times_worked_on(seen: Path) -> dict[str, int]:
    names = [path.name.split("-")[0] for path in seen.iterdir()]
    return {record: names.count(record) for record in RECORDS}


def test_part_in_a_bucket_is_that_of_a_folder(s3, tmp_path):
    folder, bucket = open_parts(tmp_path / "parts"), open_parts("s3://lab/parts/")
    assert isinstance(folder, PartFolder)
    assert isinstance(bucket, PartBucket)
    key = "0123456789abcdef" * 2
    for parts in (folder, bucket):
        assert parts.keys() == set()
        assert parts.load(key) is None
        parts.save(key, Part(ARRAYS, ("a line", "é")))
        assert parts.keys() == {key}
        assert parts.holds(key)
        loaded = open_parts(parts.where).load(key)
        assert loaded.lines == ("a line", "é")
        for name, array in ARRAYS.items():
            np.testing.assert_array_equal(loaded.arrays[name], array)
            assert loaded.arrays[name].dtype == array.dtype
    whole = (tmp_path / "parts" / key).read_bytes()
    assert s3.objects() == {f"parts/{key}": whole}


def test_damaged_part_of_a_bucket_is_removed_and_other_objects_stay(s3):
    parts = open_parts("s3://lab/parts")
    keys = [f"{number:032x}" for number in range(3)]
    for key in keys:
        parts.save(key, Part({"square": np.arange(9)}))
    whole = parts.objects.read(keys[0])
    for damaged in (whole[:-1], b"", whole[:50] + b"\xff" + whole[51:]):
        parts.objects.write(keys[0], damaged)
        assert parts.load(keys[0]) is None
        assert parts.keys() == set(keys[1:])
    parts.objects.write("notes.txt", b"a user's own")
    parts.clear()
    assert s3.objects() == {"parts/notes.txt": b"a user's own"}


@pytest.mark.parametrize(
    ("kill", "finish"),
    [
        ("PUT 1", "local.finish_in_pool(name, records, parts, num_processes=2)"),
        ("PUT 5", "local.finish_in_pool(name, records, parts, num_processes=2)"),
        ("PUT 5", "on_ray.finish_on_ray(name, records, parts, num_workers=2)"),
    ],
    ids=["pool at the first part", "pool", "ray"],
)
def test_server_killed_in_the_middle_of_a_part_loses_and_doubles_nothing(s3, seen, kill, finish, tmp_path):
    if "ray" in finish:
        pytest.importorskip("ray", reason="the extra ray is not installed")
    name, parts = WorkName("tests.engine.counting", "Counting", (str(seen), "r3?")), open_parts("s3://lab/parts")
    # The processes of a pool have the environment of the first pool of this process: a process of its own has this one.
    command = textwrap.dedent(f"""
        from ecgfeat.engine import local, on_ray
        from ecgfeat.engine.parts import open_parts
        from ecgfeat.engine.work import WorkName
        if __name__ == "__main__":
            name = WorkName("tests.engine.counting", "Counting", ({str(seen)!r}, "r3?"))
            records, parts = {RECORDS}, open_parts("s3://lab/parts")
            outcomes = list({finish})
            assert sorted(outcome.record for outcome in outcomes) == {sorted(RECORDS)}
            assert not any(outcome.fault for outcome in outcomes), outcomes
    """)
    (tmp_path / "command.py").write_text(command)
    with s3.killed_in_the_middle(kill):
        environment = {key: value for key, value in os.environ.items() if key != "RAY_ADDRESS"}
        environment |= {"PYTHONPATH": str(ROOT)}
        subprocess.run([sys.executable, str(tmp_path / "command.py")], env=environment, check=True)
    assert times_worked_on(seen) == dict.fromkeys(RECORDS, 1) | {"r3": 2}  # its process was killed the first time
    work = name.open()
    assert parts.keys() == {part_key(work, record) for record in RECORDS}
    with s3.killed_in_the_middle("GET 4"):
        finished = dict(finish_records(name, work, RECORDS, parts, Engine(num_workers=1)))
    assert list(finished) == RECORDS
    for record in RECORDS:
        np.testing.assert_array_equal(finished[record].arrays["square"], np.arange(int(record[1:])) ** 2)
    assert sum(times_worked_on(seen).values()) == len(RECORDS) + 1


def test_address_without_a_bucket_is_refused(s3):
    with pytest.raises(UsageError, match="no bucket in it; expected one such as s3://bucket/prefix"):
        open_parts("s3:///parts")
