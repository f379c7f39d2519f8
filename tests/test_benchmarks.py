"""What the benchmarks rest on: peers that start, parts that add up, and an environment that favours no side."""

import pytest

from benchmarks import pairs, predict
from benchmarks.naive import count_variants
from benchmarks.pairs import ROOT, plain_environment, run_probe
from pipeline.params import read_params


def test_a_timed_process_has_nothing_that_this_one_has_set(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GOMP_SPINCOUNT", "7")
    monkeypatch.setenv("OMP_NUM_THREADS", "9")
    monkeypatch.setenv("ECGFEAT_MIRROR", "kept")
    environment = plain_environment(ROOT, threads=0)
    assert "GOMP_SPINCOUNT" not in environment
    assert "OMP_NUM_THREADS" not in environment
    assert environment["ECGFEAT_MIRROR"] == "kept"
    assert plain_environment(ROOT, threads=2)["OMP_NUM_THREADS"] == "2"
    probe = "import json, os; print(json.dumps({'spins': int(os.environ.get('GOMP_SPINCOUNT', 0))}))"
    assert run_probe(probe, ROOT) == {"spins": 0}


@pytest.fixture
def has_history():
    for commit in (pairs.BEFORE, predict.FIRST):
        with pairs.earlier_code(commit) as folder:
            if folder is None:
                pytest.skip(f"this is no clone that has {commit}")


@pytest.mark.usefixtures("has_history")
def test_both_codes_predict_the_same_record():
    times, about = predict.measure_chain(hours=0.05, num_rounds=1)
    assert times is not None
    assert min(*times.own_s, *times.peer_s, about["seven_s"]) > 0
    assert about["own_beats"] == pytest.approx(about["peer_beats"], rel=0.05)
    assert about["own_beats"] > 100


@pytest.mark.usefixtures("has_history")
def test_the_parts_of_a_prediction_lie_side_by_side():
    for now, before in predict.profile(hours=0.05).values():
        assert now >= 0
        assert before >= 0


def test_every_changed_signal_is_embedded_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(ROOT)
    # As it is, annotated R-peaks, leads exchanged, each of two missing, turned over, and two levels of noise.
    assert count_variants(read_params()) == 8
