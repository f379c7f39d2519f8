"""What the systems on signal read: two leads of every record; records without a signal are named."""

import numpy as np
import pytest

from ecgfeat.arena.signal_table import Band
from ecgfeat.records.annotations import Episodes
from ecgfeat.rhythm.records import RhythmRecord
from ecgfeat.store.arrays import create_array
from ecgfeat.store.schemas import INVALID_UV, RHYTHM_PREDICTIONS, SIGNALS
from ecgfeat.store.tables import read_table, write_table
from pipeline.evaluate_systems import predict_systems
from pipeline.params import read_params
from pipeline.read import paths
from pipeline.read.signals import keep_with_signal, read_signal_records
from pipeline.run import stage
from tests.fixtures.small_run import default_params

SAMPLES = 1280


def make_record(corpus, name):
    sample = np.arange(64, SAMPLES, 128)
    episodes = Episodes(np.array([0]), np.array([SAMPLES]), np.array(["NSR"]))
    rr_s = np.diff(sample / 128, prepend=np.nan)
    return RhythmRecord(corpus, name, name, SAMPLES, sample, rr_s, np.zeros(len(sample), np.int64), episodes)


@pytest.fixture
def stores(tmp_path, monkeypatch):
    """Two corpora: one of one lead, one of three leads; record c has no signal."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(default_params())
    for corpus, name, num_leads in (("one", "a", 1), ("three", "b", 3)):
        signal = np.tile((1000 * np.sin(np.arange(SAMPLES) / 5)).astype(np.int16)[:, None], num_leads)
        keywords = {"num_rows": {name: SAMPLES}, "row_shape": (num_leads,), "params": {}, "source": ""}
        with create_array(paths.signals(corpus), SIGNALS, **keywords) as writer:
            writer.append(signal * np.arange(1, num_leads + 1, dtype=np.int16))
    return tmp_path


def test_every_record_has_two_leads_and_a_missing_one_is_invalid(stores):
    seen = read_signal_records([make_record("one", "a"), make_record("three", "b")], Band(128.0, 0.0, 0.0))
    assert [signal.shape for signal in seen.signals.signal] == [(2, SAMPLES), (2, SAMPLES)]
    assert (seen.signals.signal[0][1] == INVALID_UV).all()
    np.testing.assert_array_equal(seen.signals.signal[1][1], 2 * seen.signals.signal[1][0])
    segment_BCS = seen.signals.segments(np.array([0]), np.array([0]), 640)
    assert segment_BCS[0, 0].std() > 0.9
    assert (segment_BCS[0, 1] == 0).all()


def test_records_without_a_signal_are_left_out_and_named(stores, capsys):
    records = [make_record("one", "a"), make_record("one", "c")]
    assert [record.record for record in keep_with_signal(records, "test")] == ["a"]
    assert capsys.readouterr().err == "test: 1 records without a signal are left out: one/c\n"


def test_without_systems_or_records_the_table_has_no_rows(stores):
    params = read_params()
    for names, records in (([], [make_record("one", "a")]), (["resnet1d"], [])):
        columns, left_out = predict_systems(names, records, params)
        assert left_out == {}
        write_table(stores / "rhythm.parquet", columns, RHYTHM_PREDICTIONS, {})
        assert not len(read_table(stores / "rhythm.parquet", RHYTHM_PREDICTIONS)["head"])


def test_a_time_belongs_to_the_file_that_was_written_in_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = tmp_path / "model.json"

    def main(name):
        made.write_text(name)
        stage.note_written(made)
        return "done"

    assert stage.read_time(made, "train", "a") is None
    assert stage.run_stage("train", main, "a") == 0
    assert stage.read_time(made, "train", "a") >= 0
    assert stage.read_time(None, "train", "a") >= 0
    assert stage.run_stage("train", main, "presets/a.txt") == 0
    assert stage.read_time(None, "train", "presets/a.txt") >= 0
    assert stage.run_stage("train", main, "a") == 0
    made.write_text("restored from a cache")
    assert stage.read_time(made, "train", "a") is None


def test_a_file_may_have_taken_a_part_of_its_stage(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first, second = tmp_path / "fold0.json", tmp_path / "fold1.json"

    def main(slug):
        for path, took_s in ((first, 100.25), (second, 200.5)):
            path.write_text(path.name)
            stage.note_written(path, took_s)
        return "done"

    assert stage.run_stage("folds", main, "a") == 0
    assert [stage.read_time(path, "folds", "a") for path in (first, second)] == [100.25, 200.5]
    assert 0 <= stage.read_time(None, "folds", "a") < 100
    second.write_text("restored from a cache")
    assert [stage.read_time(path, "folds", "a") for path in (first, second)] == [100.25, None]
