"""A record that loses its signal for two of its five minutes: nothing is named there, and no interval crosses it."""

import numpy as np
import pytest
import wfdb

from ecgfeat.store.arrays import open_array
from ecgfeat.store.schemas import BEAT_PREDICTIONS, QUALITY, RHYTHM_PREDICTIONS, RPEAK_SCORES, RPEAKS, WINDOWS
from ecgfeat.store.tables import read_table, split_by_record
from tests.fixtures.small_run import make_changed_run

RECORD = "sim002"  # of the test split
FROM_S, TO_S = 120, 240


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    def cut(signal):
        cut_mv_SC = signal.signal_mv_SC.copy()
        cut_mv_SC[round(FROM_S * signal.fs_hz) : round(TO_S * signal.fs_hz)] = np.nan
        return cut_mv_SC

    return make_changed_run(tmp_path_factory.mktemp("gap") / "run", RECORD, cut)


def test_the_gap_is_absent_in_both_leads(run):
    rows = split_by_record(read_table(run / "data/quality/simulate.parquet", QUALITY))[RECORD]
    absent = rows["state"] == "absent"
    assert rows["lead"][absent].tolist() == [0, 1]
    assert rows["start_s"][absent].tolist() == [FROM_S] * 2
    assert rows["stop_s"][absent].tolist() == [TO_S] * 2


def test_no_interval_crosses_the_gap(run):
    rows = split_by_record(read_table(run / "data/rpeaks/simulate.parquet", RPEAKS))[RECORD]
    assert not ((rows["time_s"] >= FROM_S) & (rows["time_s"] < TO_S)).any()
    assert np.isnan(rows["rr_s"]).sum() == 2
    assert np.nanmax(rows["rr_s"]) < 10
    assert set(rows["quality"]) == {"usable"}
    windows = open_array(run / "data/windows/simulate.zarr", WINDOWS)
    assert len(windows.read(RECORD)) == len(rows["sample"])


def test_no_rhythm_and_no_beat_is_named_in_the_gap(run):
    rhythm = read_table(run / "reports/predictions/rhythm.parquet", RHYTHM_PREDICTIONS)
    of = rhythm["record"] == RECORD
    start_s, stop_s = (rhythm[name][of] / 128 for name in ("start_sample", "stop_sample"))
    assert len(start_s) > 0
    assert ((stop_s <= FROM_S) | (start_s >= TO_S)).all()
    for head in ("timeline", "window", "rr_rules"):
        one = of & (rhythm["head"] == head) & (rhythm["view"] == "single") & (rhythm["protocol"] == "timeline")
        length_s = (rhythm["stop_sample"][one] - rhythm["start_sample"][one]).sum() / 128
        assert length_s == pytest.approx(5 * 60 - (TO_S - FROM_S), abs=2)
    beats = read_table(run / "reports/predictions/beats.parquet", BEAT_PREDICTIONS)
    time_s = beats["sample"][beats["record"] == RECORD] / 128
    assert len(time_s) > 100
    assert not ((time_s >= FROM_S) & (time_s < TO_S)).any()


def test_beats_behind_the_gap_are_still_those_of_the_reference(run):
    # Rows of R-peaks, windows and embeddings are cut alike: a shift by one would make most beats wrong.
    beats = read_table(run / "reports/predictions/beats.parquet", BEAT_PREDICTIONS)
    rpeaks = split_by_record(read_table(run / "data/rpeaks/simulate.parquet", RPEAKS))[RECORD]
    of = (beats["record"] == RECORD) & (beats["history"] == "predicted") & np.isfinite(beats["p_N"])
    np.testing.assert_array_equal(beats["sample"][of], rpeaks["sample"])
    assert (beats["reference"][of] == rpeaks["aami"]).all()


def test_usable_time_is_counted(run):
    scores = split_by_record(read_table(run / "reports/predictions/rpeaks.parquet", RPEAK_SCORES))[RECORD]
    assert scores["duration_s"].tolist() == [300.0]
    assert scores["usable_s"][0] == pytest.approx(300 - (TO_S - FROM_S), abs=2)
    assert "of 40.0 min" in (run / "reports/report.html").read_text()


def test_the_annotations_end_the_rhythm_at_the_gap(run):
    marks = wfdb.rdann(str(run / f"reports/predictions/annotations/simulate/{RECORD}"), "ecg")
    notes = [(at / marks.fs, note.rstrip("\0")) for at, note in zip(marks.sample, marks.aux_note, strict=True) if note]
    ends = [at_s for at_s, note in notes if note == "("]
    assert ends == [pytest.approx(FROM_S, abs=1)]
    assert any(at_s == pytest.approx(TO_S, abs=1) for at_s, note in notes if note.startswith("(") and note != "(")
