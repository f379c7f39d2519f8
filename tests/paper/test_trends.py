"""What is drawn of a day against arithmetic, and against the summary."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgfeat.paper.trends import heart_rates, round_step, seconds_of_kinds
from ecgfeat.records.annotations import is_beat
from ecgfeat.records.reader import read_annotations
from ecgfeat.summary.intervals import extreme_rates


def test_a_steady_heart_has_one_rate() -> None:
    time_s = np.arange(0, 3600, 0.8)
    rates = heart_rates(time_s, np.diff(time_s, prepend=np.nan), 3600.0)
    for line in (rates.mean, rates.least, rates.most):
        assert line == pytest.approx(np.full(len(line), 75.0))
    assert rates.edges_s[[0, -1]].tolist() == [0, 3600]


@given(st.lists(st.floats(0.25, 3.0) | st.just(float("nan")), min_size=20, max_size=400), st.integers(1, 60))
def test_the_band_reaches_to_the_extremes_of_the_summary_at_any_width(intervals: list[float], columns: int) -> None:
    rr_s = np.array([np.nan, *intervals])
    time_s = np.cumsum(np.where(np.isfinite(rr_s), rr_s, 1.0))
    rates = heart_rates(time_s, rr_s, float(time_s[-1]) + 1, max_stretches=columns)
    extremes = extreme_rates(time_s, rr_s)
    has_mean = np.isfinite(rates.mean)
    assert (rates.least[has_mean] <= rates.mean[has_mean]).all()
    assert (rates.mean[has_mean] <= rates.most[has_mean]).all()
    if extremes is None:
        np.testing.assert_array_equal(rates.least, rates.mean)
        np.testing.assert_array_equal(rates.most, rates.mean)
    else:
        means = rates.mean[has_mean]
        lowest, highest = (rate.per_min for rate in extremes)
        assert np.nanmin(rates.least) == pytest.approx(min(lowest, *means))
        assert np.nanmax(rates.most) == pytest.approx(max(highest, *means))
    assert len(rates.mean) <= max(columns, 60)


def test_eight_intervals_are_in_every_stretch_that_they_reach_into() -> None:
    # 20 s at 60 per min, then 120 per min: the eight before and after 20 s lie in the third and in the fourth stretch.
    time_s = np.append(np.arange(0, 20.0, 1.0), np.arange(20.0, 40.0, 0.5))
    rates = heart_rates(time_s, np.diff(time_s, prepend=np.nan), 40.0, max_stretches=4)
    slow, fast = rates.edges_s[:-1] < 12 - rates.edges_s[1], rates.edges_s[:-1] > 28
    assert rates.most[slow] == pytest.approx(np.full(slow.sum(), 60.0))
    assert rates.least[fast] == pytest.approx(np.full(fast.sum(), 120.0))
    before = int(np.flatnonzero(rates.edges_s < 20)[-1])
    assert rates.most[before] > 100
    assert rates.least[before + 1] == pytest.approx(60.0, abs=5)


def test_the_mean_of_a_stretch_of_a_real_record_lies_in_its_band(mitdb: Path) -> None:
    marks = read_annotations(mitdb, "100", "atr", 650_000)
    time_s = marks.sample[is_beat(marks.symbol)] / 360
    rates = heart_rates(time_s, np.diff(time_s, prepend=np.nan), 650_000 / 360)
    known = np.isfinite(rates.mean)
    assert known.sum() > 150
    assert ((rates.least <= rates.mean) & (rates.mean <= rates.most))[known].all()


def test_no_rate_where_there_is_no_interval() -> None:
    time_s = np.append(np.arange(0, 1000, 1.0), np.arange(2000, 3000, 1.0))
    rr_s = np.diff(time_s, prepend=np.nan)
    rr_s[1000] = np.nan
    rates = heart_rates(time_s, rr_s, 3000.0, max_stretches=30)
    assert np.isnan(rates.mean[10:20]).all()
    assert np.isfinite(rates.mean[:10]).all()
    assert len(heart_rates(np.zeros(0), np.zeros(0), 60.0).mean) > 0


@given(st.integers(1, 40), st.data())
def test_the_seconds_of_all_kinds_are_those_of_the_record(num_columns: int, data: st.DataObject) -> None:
    edges = np.array(sorted(data.draw(st.sets(st.integers(0, 1000), min_size=2, max_size=30))), np.float64)
    kinds = data.draw(st.lists(st.sampled_from("abc"), min_size=len(edges) - 1, max_size=len(edges) - 1))
    columns = np.linspace(edges[0], edges[-1], num_columns + 1)
    seconds = seconds_of_kinds(columns, edges[:-1], edges[1:], kinds, "abc")
    assert seconds.sum(axis=1) == pytest.approx(np.diff(columns))
    for k, kind in enumerate("abc"):
        of_kind = sum(b - a for a, b, name in zip(edges[:-1], edges[1:], kinds, strict=True) if name == kind)
        assert seconds[:, k].sum() == pytest.approx(of_kind)


def test_a_short_episode_is_in_its_column_alone() -> None:
    seconds = seconds_of_kinds(np.arange(0.0, 50, 10), np.array([21.0]), np.array([24.0]), ["AFIB"], ["AFIB", "NSR"])
    assert seconds.tolist() == [[0, 0], [0, 0], [3, 0], [0, 0]]


def test_steps_are_those_of_a_clock() -> None:
    assert [round_step(least_s) for least_s in (0.2, 7, 61, 901, 100_000)] == [1, 10, 120, 1800, 172_800]
    assert round_step(1e6) == 2 * 604_800
