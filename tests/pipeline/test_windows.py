"""Beat windows that are not stored: the stages that read them cut them, and make the same bytes."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from ecgfeat.errors import DataError
from ecgfeat.look.artifacts import find_all_artifacts
from ecgfeat.look.checks import check_artifact
from pipeline import classify, embed, evaluate, features, rpeaks, train_beats, train_htf, train_rhythm, windows
from pipeline.read import paths
from pipeline.read.beats import read_beat_records
from pipeline.read.windows import open_windows
from tests.pipeline.test_engines import contents

SLUG = "simulate"
LATER = (
    (features, SLUG, paths.features(SLUG)),
    (train_beats, "", paths.BEAT_MODELS),
    (classify, SLUG, paths.classes(SLUG)),
    (train_rhythm, "", paths.RHYTHM_MODEL),
    (train_htf, "", paths.HTF_MODEL),
    (embed, SLUG, paths.embeddings(SLUG)),
    (evaluate, "", paths.PREDICTIONS),
)


@pytest.fixture
def run(systems_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "run"
    shutil.copytree(systems_run, folder)
    monkeypatch.chdir(folder)
    return folder


def set_params(run: Path, old: str, new: str) -> None:
    text = (run / "params.yaml").read_text()
    assert text.count(old) == 1
    (run / "params.yaml").write_text(text.replace(old, new))


def test_later_artifacts_have_the_same_bytes_without_stored_windows(run):
    stored = open_windows(SLUG)
    window_of = {record: stored.read(record) for record in stored.rows}
    of_training = [record.read() for record in read_beat_records([SLUG], "train")]
    held = {path: contents([path]) for _, _, path in LATER}
    set_params(run, "keep: true", "keep: false")
    assert windows.main(SLUG) == f"{SLUG}: none kept, the stages that read them cut them"
    assert not contents([paths.windows(SLUG) / "window_uv" / "c"])
    cut = open_windows(SLUG)
    assert (dict(cut.rows), cut.source) == (dict(stored.rows), stored.source)
    for record, window_uv_LCS in window_of.items():
        np.testing.assert_array_equal(cut.read(record), window_uv_LCS)
    assert len(of_training) > 3
    for record, window_uv_LCS in zip(read_beat_records([SLUG], "train"), of_training, strict=True):
        np.testing.assert_array_equal(record.read(), window_uv_LCS)
    for stage, argument, path in LATER:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        stage.main(*filter(None, [argument]))
        assert held[path], path
        assert contents([path]) == held[path], path
    assert not [fault for artifact in find_all_artifacts([Path("data")]) for fault in check_artifact(artifact).faults]


def test_what_is_cut_follows_from_signals_and_rpeaks(run):
    set_params(run, "keep: true", "keep: false")
    windows.main(SLUG)
    before = dict(open_windows(SLUG).digests)
    assert len(set(before.values())) == len(before) == 8
    set_params(run, "method: ecgfeat", "method: annotated")
    rpeaks.main(SLUG)
    with pytest.raises(DataError, match="rows made from another table"):
        open_windows(SLUG)
    windows.main(SLUG)
    after = open_windows(SLUG).digests
    assert before.keys() == after.keys()
    assert all(after[record] != digest for record, digest in before.items())


def test_embeddings_that_are_not_stored_come_from_windows_that_are_not_stored(run):
    set_params(run, "dtype: float32", "dtype: live")
    evaluate.main()
    held = contents([paths.PREDICTIONS])
    set_params(run, "keep: true", "keep: false")
    windows.main(SLUG)
    evaluate.main()
    assert contents([paths.PREDICTIONS]) == held
