"""A folder with a description: equal bytes again, and one line for everything that can be wrong with it."""

import json

import pytest

from ecgfeat.errors import DataError
from ecgfeat.store.described import read_checked, read_described, write_described
from tests.fixtures.sealed import write_sealed

NAMES = {"columns": ("a", "b")}


@pytest.fixture
def folder(tmp_path):
    write_described(
        tmp_path / "m", "m.json", "toy", 2, {"w.bin": b"weights"}, {"columns": ["a", "b"], "value": 0.5, "info": {}}
    )
    return tmp_path / "m"


def read(folder, version=2, names=NAMES):
    with read_described(folder, "m.json", "toy", version, names, made_by="dvc repro train_toy") as described:
        read_checked(folder / "w.bin", described["sha256"]["w.bin"])
        return described["value"] + 0


def test_what_is_written_is_read(folder):
    assert read(folder) == 0.5
    assert read_checked(folder / "w.bin", json.loads((folder / "m.json").read_text())["sha256"]["w.bin"]) == b"weights"


def test_a_folder_is_replaced_as_a_whole(folder):
    write_described(folder, "m.json", "toy", 2, {"other.bin": b""}, {})
    assert sorted(path.name for path in folder.iterdir()) == ["m.json", "other.bin"]


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda f: (f / "m.json").unlink(), "no m.json; expected a complete model. Run: dvc repro train_toy"),
        (lambda f: (f / "w.bin").unlink(), "w.bin: no such file"),
        (lambda f: (f / "w.bin").write_bytes(b"Weights"), "w.bin: another checksum"),
        (lambda f: (f / "m.json").write_text("{"), "m.json: cannot be read"),
        (lambda f: (f / "m.json").write_text("[]"), "m.json: cannot be read"),
        (lambda f: (f / "m.json").write_bytes(b"\xff"), "m.json: cannot be read"),
        (lambda f: edit(f, schema_version=3), "toy 3; expected toy 2"),
        (lambda f: edit(f, columns=["a"]), "other columns"),
        (lambda f: edit(f, columns=5), "cannot be read"),
        (lambda f: edit(f, sha256=None), "cannot be read"),
        (lambda f: edit(f, value="x"), "cannot be read"),
        (lambda f: edit(f, info=[]), "cannot be read"),
    ],
)
def test_what_is_wrong_is_one_line(folder, break_it, message):
    break_it(folder)
    with pytest.raises(DataError) as caught:
        read(folder)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def edit(folder, **changes):
    path = folder / "m.json"
    write_sealed(path, json.loads(path.read_text()) | changes)
