"""Many recordings predicted: the same files and lines for one process, several, and jobs that share the work."""

import shutil
from pathlib import Path

import pytest

from ecgfeat.errors import DataError, UsageError
from ecgfeat.outputs.command import predict_recordings
from ecgfeat.simulate import simulate_corpus

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("recordings")
    simulate_corpus(folder, num_subjects=4, minutes=2, fs_hz=250, seed=3)
    for path in folder.iterdir():
        if path.suffix not in (".hea", ".dat"):
            path.unlink()
    (folder / "sim002.dat").write_bytes((folder / "sim002.dat").read_bytes()[:1000])
    (folder / "below").mkdir()
    for suffix in (".hea", ".dat"):
        shutil.copy(folder / f"sim001{suffix}", folder / "below")
    return folder


def predict(folder: Path, out: Path, **options) -> tuple[list[str], str]:
    lines: list[str] = []
    with pytest.raises(DataError) as caught:
        predict_recordings([folder], out, say=lines.append, **options)
    return [line.replace(str(out), "OUT") for line in lines], str(caught.value)


def files(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


def test_processes_write_and_say_what_one_does(folder, tmp_path, monkeypatch):
    one = predict(folder, tmp_path / "one", workers=1)
    assert one[1] == "1 of 5 recordings failed; the others were predicted."
    assert sum(line.startswith("failed: ") and "sim002" in line for line in one[0]) == 1
    assert len(files(tmp_path / "one")) == 12
    monkeypatch.setattr("ecgfeat.engine.local._LOOK_S", -1.0)  # a pool from the second recording on
    monkeypatch.setattr("ecgfeat.engine.local._START_S", -1.0)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    assert predict(folder, tmp_path / "pool", workers=2) == one
    assert files(tmp_path / "pool") == files(tmp_path / "one")


def test_shards_share_out_the_recordings(folder, tmp_path):
    predict(folder, tmp_path / "one", workers=1)
    num_predicted = 0
    for shard in ("1/2", "2/2", "1/2"):
        try:
            num_predicted += predict_recordings([folder], tmp_path / "shards", shard=shard, say=lambda line: None)
        except DataError as error:
            assert "1 of " in str(error)
    assert files(tmp_path / "shards") == files(tmp_path / "one")
    assert predict_recordings([folder], tmp_path / "none", shard="9/9", say=lambda line: None) == 0
    with pytest.raises(UsageError, match="expected i/N"):
        predict_recordings([folder], tmp_path / "none", shard="3/2")
