"""Own recordings as one corpus of a run: without annotations they are predicted, and score nothing."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML

from ecgfeat.errors import DataError, UsageError
from ecgfeat.simulate import simulate_corpus
from ecgfeat.store.seal import read_report
from pipeline import acquire, annotate, local, predict
from pipeline.read import paths
from pipeline.run import repeat
from tests.fixtures.small_run import ROOT, default_params, make_small_run


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    folder = tmp_path / "recordings"
    folder.mkdir()
    simulate_corpus(folder, num_subjects=3, minutes=1, seed=5, fs_hz=200)
    return folder


def test_recordings_without_annotations_are_predicted_by_the_models_of_the_run_and_score_nothing(
    recordings, tmp_path, monkeypatch
):
    run = make_small_run(
        tmp_path / "run",
        corpora=["simulate", "local"],
        local__path=str(recordings),
        outside__corpora=["simulate12", "local"],
    )
    monkeypatch.chdir(run)
    table = pq.read_table(paths.records("local")).to_pandas()
    assert set(zip(table["status"], table["split"], table["fs_hz"], strict=True)) == {("used", "test", 200.0)}
    assert pq.read_table(paths.beats("local")).num_rows == 0
    outside = read_report(paths.OUTSIDE, "outside")
    assert outside["records"]["local"]["num_records"] == 3
    assert "local" not in outside["beats"] | outside["rhythm"]
    assert list(read_report(paths.SENSITIVITY, "sensitivity")["corpora"]) == ["simulate"]
    scores = json.loads(paths.SCORES.read_text())
    assert "local" not in scores["rhythm"] | scores["beats"]
    assert len(list(paths.PREDICTIONS.glob("annotations/local/*.ecg"))) == 3


def test_records_without_annotations_train_nothing(recordings, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_local_params(tmp_path, recordings)
    acquire.main("local")
    with pytest.raises(DataError, match=r"no record can be used; .* dvc repro predict"):
        annotate.main("local")


def test_the_digest_changes_with_the_recordings_and_their_settings_and_not_with_the_split(
    recordings, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)

    def key(**changes: object) -> dict[str, str]:
        write_local_params(tmp_path, recordings, **changes)
        local.main()
        return read_report(paths.OWN, "local")

    first = key()
    assert list(first) == ["local", "split"]
    assert key(split="seed7") == first
    assert key(subject="folder") != first
    signal = recordings / "sim000.dat"
    samples = np.fromfile(signal, "<i2")
    (samples + 1).tofile(signal)
    assert key() != first


def test_leads_that_were_named_are_those_that_are_predicted(recordings, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for header in recordings.glob("*.hea"):
        header.write_text(header.read_text().replace(" MLII", " Position"))  # what an ECG lead is never called
    write_local_params(tmp_path, recordings, leads=["Position"])
    acquire.main("local")
    assert predict.main("local").startswith("local: 3 records predicted, 0 failed")


def test_a_series_of_runs_without_annotations_is_refused(recordings, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    with pytest.raises(UsageError, match=r"local\.annotations none; expected recordings with annotations"):
        repeat.main("folds", "local", "5", f"local.path={recordings}")


def write_local_params(folder: Path, recordings: Path, **changes: object) -> None:
    yaml = YAML()
    params = yaml.load(default_params("preset=local"))
    params["local"] |= {"path": str(recordings)} | changes
    yaml.dump(params, folder / "params.yaml")
