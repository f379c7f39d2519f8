"""A test record without any ECG: its beats count as missed, its time as not usable, and no rhythm is named in it."""

import json

import numpy as np
import pytest

from ecgfeat.store.schemas import RHYTHM_PREDICTIONS
from ecgfeat.store.tables import read_table
from tests.fixtures.small_run import make_changed_run

RECORD = "sim002"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A small run whose record has lost its signal, but not its annotations."""

    def silence(signal):
        # Electrodes off: slow wander, nothing that beats. A flat record would be excluded by rule.
        time_s = np.arange(len(signal.signal_mv_SC)) / signal.fs_hz
        wander_mv = 0.2 * np.sin(2 * np.pi * 0.05 * time_s).astype(np.float32)
        return np.repeat(wander_mv[:, None], len(signal.leads), axis=1)

    return make_changed_run(tmp_path_factory.mktemp("silent") / "run", RECORD, silence)


@pytest.fixture(scope="module")
def metrics(run):
    return json.loads((run / "reports/scores.json").read_text())


def test_the_record_counts_among_the_rpeaks(metrics):
    scores = metrics["rpeaks"]["simulate"]
    assert scores["num_records"] == 8
    assert scores["sensitivity"] < 0.95


def test_its_time_is_not_usable(metrics):
    scores = metrics["rpeaks"]["simulate"]
    assert scores["duration_h"] == pytest.approx(8 * 5 / 60, abs=1e-3)
    assert scores["usable_h"] == pytest.approx(7 * 5 / 60, abs=0.02)


def test_its_beats_and_its_time_are_neither_named_nor_scored(run, metrics):
    for scores in metrics["beats"]["simulate"].values():
        assert scores["num_subjects"] == 1
    rows = read_table(run / "reports/predictions/rhythm.parquet", RHYTHM_PREDICTIONS)
    assert len(rows["record"]) > 0
    assert not (rows["record"] == RECORD).any()
    per_second = metrics["rhythm"]["simulate"]["timeline"]["timeline"]["single"]["per_second"]
    assert sum(per_second["hours"].values()) == pytest.approx(5 / 60, abs=0.02)


def test_it_counts_in_every_variant_of_the_sensitivity(metrics):
    for variant in metrics["sensitivity"]["corpora"]["simulate"].values():
        hours = sum(variant["rhythm_per_second"]["hours"].values())
        assert hours == pytest.approx(2 * 5 / 60, abs=0.02)
