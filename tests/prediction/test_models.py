"""The models that name a record by default: early beats in fibrillation, uncertain rhythms, and the files they make."""

import contextlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from ecgfeat.beats.classifier import load_classifier, save_classifier
from ecgfeat.beats.probabilities import gate_early
from ecgfeat.cli import main
from ecgfeat.errors import DataError
from ecgfeat.files import read
from ecgfeat.prediction.episodes import NOT_CLASSIFIED, PredictedEpisodes
from ecgfeat.prediction.models import FEWEST_RHYTHM_BEATS, leave_uncertain, load_models, name_classified
from ecgfeat.prediction.record import predict_record, unannotated_record
from ecgfeat.records.reader import Signal
from ecgfeat.store.schemas import CLASSES, RHYTHMS
from ecgfeat.store.tables import read_table
from pipeline.read import paths
from tests.fixtures.sealed import write_sealed


@pytest.fixture(scope="module")
def models(systems_run: Path) -> Path:
    return systems_run / "models"


@pytest.fixture(scope="module")
def record(systems_run: Path) -> Signal:
    return read(systems_run / "data/raw/simulate/sim001")


@pytest.fixture(scope="module")
def prediction(models: Path, record: Signal):
    return predict_record(record, load_models(models))


def test_an_early_beat_in_fibrillation_is_no_s() -> None:
    probability = np.float32([[0.3, 0.6, 0.1], [0.3, 0.6, 0.1], [0.0, 0.0, 1.0]])
    gated = gate_early(probability, np.float32([0.0, 1.0, 1.0]))
    np.testing.assert_allclose(gated, [[0.3, 0.6, 0.1], [0.9, 0.0, 0.1], [0.0, 0.0, 1.0]], atol=1e-6)


def test_an_uncertain_rhythm_is_not_classified() -> None:
    posterior = np.full((3, 6), 0.1, dtype=np.float32)
    posterior = np.concatenate([posterior, posterior[:1]])
    posterior[0, 1], posterior[1, 2], posterior[2, 3], posterior[3] = 0.5, 0.45, 0.3, np.nan
    edges, reasons = np.array([0, 10, 20, 50, 60]), ("", "", "", "no R-peak")
    left = leave_uncertain(PredictedEpisodes(edges, np.array([1, 2, 3, -1]), posterior, reasons))
    assert left.label.tolist() == [1, -1, -1]
    assert left.edges.tolist() == [0, 10, 50, 60]
    assert left.reason == ("", NOT_CLASSIFIED, "no R-peak")
    np.testing.assert_array_equal(left.posterior[0], posterior[0])
    np.testing.assert_allclose(left.posterior[1, 2:4], [(0.45 + 3 * 0.1) / 4, (0.1 + 3 * 0.3) / 4], atol=1e-6)
    assert np.isnan(left.posterior[2]).all()


def test_the_tables_have_the_columns_that_others_rely_on(models: Path, systems_run: Path, tmp_path: Path) -> None:
    raw = systems_run / "data/raw/simulate/sim001"
    assert main(["predict", str(raw), "--models", str(models), "--out", str(tmp_path)]) == 0
    beats, episodes = (pq.read_table(tmp_path / f"sim001-{name}.parquet") for name in ("beats", "episodes"))
    assert {"sample", "time_s", "aami", "p_N", "p_S", "p_V", "rhythm"} <= set(beats.column_names)
    assert {"start_s", "stop_s", "rhythm", "certainty"} <= set(episodes.column_names)
    for table in (beats, episodes):
        assert {*RHYTHMS, None} >= set(table["rhythm"].to_pylist())
    is_named = np.array([name is not None for name in episodes["rhythm"].to_pylist()])
    certainty = episodes["certainty"].to_numpy()
    assert (np.isnan(certainty) == ~is_named).all()
    assert ((certainty[is_named] >= 0.5) & (certainty[is_named] <= 1)).all()
    assert main(["check", str(tmp_path)]) == 0


def test_the_rhythm_of_a_beat_is_that_of_its_episode(prediction) -> None:
    beats, episodes = prediction.beats, prediction.episodes
    assert len(beats["sample"]) > 100
    of = np.searchsorted(episodes["start_sample"], beats["sample"], side="right") - 1
    np.testing.assert_array_equal(beats["rhythm"], episodes["rhythm"][of])


def test_gaps_have_neither_beats_nor_rhythms(models: Path, record: Signal) -> None:
    signal = record.signal_mv_SC.copy()
    size = len(signal)
    signal[size // 3 : size // 2] = np.nan
    found = predict_record(Signal("gap", record.fs_hz, record.leads, signal), load_models(models))
    position = found.beats["sample"]
    assert not ((position > size // 3) & (position < size // 2)).any()
    assert "no signal" in found.episodes["reason"].tolist()
    none = predict_record(Signal("none", record.fs_hz, record.leads, np.full_like(signal, np.nan)), load_models(models))
    assert none.episodes["rhythm"].tolist() == [""]
    assert len(none.beats["sample"]) == 0


@pytest.mark.parametrize("num_leads", [1, 3])
def test_any_number_of_leads_is_read(models: Path, record: Signal, num_leads: int) -> None:
    signal = np.repeat(record.signal_mv_SC[:, :1], num_leads, axis=1)
    leads = ("I", "II", "III")[:num_leads]
    found = predict_record(Signal("x", record.fs_hz, leads, signal), load_models(models))
    assert len(found.beats["sample"]) > 100
    assert np.isfinite(found.beats["p_V"]).all()


def test_beats_are_classified_as_in_the_pipeline(models: Path, systems_run: Path) -> None:
    with contextlib.chdir(systems_run):
        classes = read_table(paths.classes("simulate"), CLASSES)
        names = sorted(set(classes["record"][~classes["held_out"]]))
        assert names
        for name in names:
            found = predict_record(read(paths.raw("simulate") / name), load_models(models))
            rows = (classes["record"] == name) & np.isfinite(classes["p_V"])
            np.testing.assert_allclose(found.beats["p_V"], classes["p_V"][rows], atol=1e-4)


def test_a_few_beats_are_no_rhythm(models: Path) -> None:
    def name(num_beats: int) -> PredictedEpisodes:
        sample = 64 + 128 * np.arange(num_beats)
        stretch = unannotated_record("few", 128 * num_beats, sample)
        probability = np.tile(np.float32([1, 0, 0]), (num_beats, 1))
        [(named, _)] = name_classified(load_models(models), [stretch], (1.0, 1.0), [probability])
        return named.episodes

    few = name(FEWEST_RHYTHM_BEATS - 1)
    assert few.label.tolist() == [-1]
    assert few.reason == (NOT_CLASSIFIED,)
    assert np.isfinite(few.posterior).all()
    assert (name(FEWEST_RHYTHM_BEATS).label >= 0).any()


def test_a_classifier_that_has_seen_no_signal_is_refused(models: Path, tmp_path: Path) -> None:
    classifier, described = load_classifier(models / "beats/classifier")
    save_classifier(tmp_path / "beats/classifier", replace(classifier, nets=()), described["info"])
    shutil.copytree(models / "rhythm", tmp_path / "rhythm")
    with pytest.raises(DataError, match="has seen no signal"):
        load_models(tmp_path)


def test_neighbours_that_are_not_classified_are_one_episode() -> None:
    posterior = np.full((3, 6), 0.2, dtype=np.float32)
    posterior[2, 0] = 0.9
    left = leave_uncertain(PredictedEpisodes(np.array([0, 10, 20, 30]), np.array([1, 2, 0]), posterior, ("", "", "")))
    assert left.edges.tolist() == [0, 20, 30]
    assert left.label.tolist() == [-1, 0]
    assert left.reason == (NOT_CLASSIFIED, "")


def test_the_head_must_have_been_trained_with_the_classifier(models: Path, tmp_path: Path) -> None:
    shutil.copytree(models / "beats", tmp_path / "beats")
    shutil.copytree(models / "rhythm", tmp_path / "rhythm")
    path = tmp_path / "rhythm/arrhythmia.json"
    described = json.loads(path.read_text())
    described["info"]["classifier"] = {"nets.safetensors": "0"}
    write_sealed(path, described)
    with pytest.raises(DataError, match="another beat classifier"):
        load_models(tmp_path)
