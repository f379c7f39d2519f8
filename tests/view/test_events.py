from dataclasses import replace

import numpy as np
import pytest

from ecgfeat.view.events import find_doubts, find_events, rate_trend
from tests.view.test_marks import make_marks


def test_events_of_a_record_by_hand():
    marks = make_marks(
        [1, 2, 3, 4, 5, 8, 9, 10, 11, 12],
        "NVVVNNSSNV",
        [(0, 4, "NSR"), (4, 7, "AFIB"), (7, 9, ""), (9, 12, "AFIB"), (12, 13, "NSR")],
        [0.9, 0.6, np.nan, 0.7, 0.55],
    )
    events = find_events(marks, None)
    assert events["af_onset"].tolist() == [4, 9]
    assert events["pvc"].tolist() == [2, 3, 4, 12]
    assert events["run"].tolist() == [2], "two S are no run"
    assert events["pause"].tolist() == [5]
    assert events["uncertain"].tolist() == [12, 4, 9, 0]
    assert events["disagreement"].tolist() == []


def test_doubts_are_the_longest_disagreement_or_the_least_certain_rhythm():
    marks = make_marks([], "", [(0, 10, "NSR"), (10, 20, "AFIB"), (20, 30, ""), (30, 40, "NSR")])
    certain = replace(marks, certainty=np.array([0.9, 0.4, np.nan, 0.5], np.float32))
    assert [(of.start_s, of.stop_s, round(of.certainty, 3)) for of in find_doubts(certain, None)] == [
        (10, 20, 0.4),
        (30, 40, 0.5),
        (0, 10, 0.9),
    ]
    assert find_doubts(certain, make_marks([1], "N")) == find_doubts(certain, None), "a reference without rhythms"
    reference = make_marks([], "", [(0, 7, "NSR"), (7, 13, "AFL"), (13, 38.5, "AFIB"), (38.5, 40, "SVTA")])
    found = find_doubts(certain, reference)
    assert [(of.kind, of.start_s, of.stop_s) for of in found] == [
        ("disagreement", 30, 40),
        ("disagreement", 7, 13),
    ]
    assert found == sorted([*find_doubts(certain, None), *found], key=lambda of: of.rank)[:2]


def test_disagreements_by_hand():
    marks = make_marks(
        [1, 2, 3, 4, 6, 9], "NNVNNN", [(0, 5, "NSR"), (5, 7, "AFIB"), (7, 10, "")], reason=["", "", "no signal"]
    )
    reference = make_marks([1.1, 2, 3, 4.2, 5, 8, 9], "NVFNNNN", [(0, 10, "NSR")])
    expected = {
        2.0: "another class",
        4.0: "0.2 s apart: predicted alone",
        4.2: "and annotated alone",
        5.0: "missed; another rhythm too",
        6.0: "predicted alone",
    }
    assert find_events(marks, reference)["disagreement"].tolist() == sorted(expected)
    swapped = find_events(make_marks([], ""), reference)["disagreement"]
    assert swapped.tolist() == reference.time_s.tolist(), "all of them are missed"


def test_a_reference_of_rhythms_alone_is_compared_by_rhythms_alone():
    marks = make_marks([1, 2, 3], "NVN", [(0, 5, "NSR"), (5, 10, "AFIB")])
    reference = make_marks([], "", [(0, 10, "NSR")])
    assert find_events(marks, reference)["disagreement"].tolist() == [5]


def test_a_record_without_beats_has_no_events():
    for times in find_events(make_marks([], ""), make_marks([], "")).values():
        assert len(times) == 0


def test_the_trend_of_a_steady_heart():
    marks = make_marks(np.arange(1, 600, 0.75), "V" + "N" * 798)
    trend = rate_trend(marks, 600)
    np.testing.assert_allclose(trend["middle_s"], np.arange(5, 600, 10))
    np.testing.assert_allclose(trend["rate_bpm"][1:-1], 80, rtol=1e-5)
    np.testing.assert_allclose(trend["lowest_bpm"][4:-1], 80, rtol=1e-5)
    assert (trend["num_v"][0], trend["num_v"].sum()) == (1, 1)
    assert np.isnan(rate_trend(make_marks([], ""), 5)["rate_bpm"]).all()


def test_the_range_of_the_trend_is_around_its_mean():
    # Ten seconds of tachycardia: the range is where the line is.
    marks = make_marks(
        np.concatenate([np.arange(1, 40, 1.0), np.arange(40, 50, 0.4), np.arange(50, 90, 1.0)]), "N" * 104
    )
    trend = rate_trend(marks, 90)
    is_fast = (trend["middle_s"] > 41) & (trend["middle_s"] < 49)
    np.testing.assert_allclose(trend["rate_bpm"][is_fast], 150, rtol=1e-5)
    np.testing.assert_allclose(trend["highest_bpm"][is_fast], 150, rtol=1e-5)
    known = np.isfinite(trend["rate_bpm"])
    assert is_fast.sum() > 2
    assert (trend["lowest_bpm"][known] <= trend["rate_bpm"][known]).all()
    assert (trend["rate_bpm"][known] <= trend["highest_bpm"][known]).all()


def test_lowest_and_highest_rates_are_those_of_the_summary():
    from ecgfeat.summary.intervals import extreme_rates

    rng = np.random.default_rng(0)
    marks = make_marks(np.cumsum(rng.uniform(0.4, 1.4, 5000)), "N" * 5000)
    marks.rr_s[::700] = np.nan
    trend = rate_trend(marks, 86_400)
    lowest, highest = extreme_rates(marks.time_s, marks.rr_s)
    assert np.nanmin(trend["lowest_bpm"]) == pytest.approx(lowest.per_min, rel=1e-6)
    assert np.nanmax(trend["highest_bpm"]) == pytest.approx(highest.per_min, rel=1e-6)
