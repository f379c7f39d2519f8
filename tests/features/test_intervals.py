import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgfeat.features.intervals import Neighbourhood, describe_intervals, shift, sum_up, usual_interval
from ecgfeat.features.record import Beats, describe_beats
from ecgfeat.store.feature_columns import AROUND_BEATS, FEATURES


def describe(rr_s) -> dict[str, np.ndarray]:
    rr_s = np.concatenate([[np.nan], rr_s])
    return describe_intervals(rr_s, usual_interval(rr_s))


def test_an_early_beat_and_its_pause_stand_out_by_hand():
    columns = describe([0.8, 0.8, 0.5, 1.1, 0.8])
    mean_s = np.mean([0.8, 0.8, 0.5, 1.1, 0.8])
    assert columns["rr_before_s"][3] == 0.5
    assert columns["rr_after_s"][3] == 1.1
    assert columns["rr_change"][3] == pytest.approx(np.log(0.5 / 0.8))
    assert columns["rr_after_change"][3] == pytest.approx(np.log(1.1 / 0.5))
    assert columns["rr_over_record_mean"][3] == pytest.approx(np.log(0.5 / mean_s))
    assert columns["rr_over_record_median"][3] == pytest.approx(np.log(0.5 / 0.8))
    assert columns["rr_pair_over_record_mean"][3] == pytest.approx(np.log(0.8 / mean_s))
    assert columns["rr_over_mean_before_10"][3] == pytest.approx(np.log(0.5 / np.mean([0.8, 0.8, 0.5])))
    assert columns["rr_over_mean_11"][3] == pytest.approx(np.log(0.5 / np.mean([0.8, 0.8, 0.5, 1.1])))
    assert columns["rr_after_over_mean_11"][3] == pytest.approx(np.log(1.1 / np.mean([0.8, 0.8, 0.5, 1.1])))


def test_there_is_no_interval_before_the_first_beat_and_after_the_last():
    columns = describe([0.8] * 20)
    for name in ("rr_before_s", "rr_over_record_mean", "rr_over_mean_11", "rr_over_mean_before_32"):
        assert np.flatnonzero(np.isnan(columns[name])).tolist() == [0], name
    assert np.flatnonzero(np.isnan(columns["rr_after_s"])).tolist() == [20]
    assert np.flatnonzero(np.isnan(columns["rr_change"])).tolist() == [0, 1]


def test_regular_rhythm_is_regular_and_irregular_rhythm_is_not():
    rng = np.random.default_rng(0)
    regular, irregular = describe(np.full(300, 0.8)), describe(rng.uniform(0.4, 1.1, 300))
    for n in AROUND_BEATS:
        assert not regular[f"rr_irregular_{n}"].any()
        assert regular[f"rr_variation_{n}"] == pytest.approx(0, abs=1e-6)
        assert regular[f"rr_rmssd_{n}"] == pytest.approx(0, abs=1e-6)
        assert np.median(irregular[f"rr_irregular_{n}"]) > 0.6
        assert np.median(irregular[f"rr_median_change_{n}"]) > 0.15
        assert np.median(irregular[f"rr_turning_{n}"]) == pytest.approx(2 / 3, abs=0.12)


def test_bigeminy_repeats_every_second_interval_and_trigeminy_every_third():
    bigeminy, trigeminy = describe([0.5, 1.1] * 60), describe([0.8, 0.5, 1.1] * 40)
    assert bigeminy["rr_repeat_1_41"][60] < -0.9
    assert bigeminy["rr_repeat_2_41"][60] > 0.9
    assert trigeminy["rr_repeat_3_41"][60] > 0.8
    assert trigeminy["rr_repeat_1_41"][60] < 0


@given(st.lists(st.floats(0.2, 2.9), min_size=1, max_size=150))
def test_figures_around_a_beat_are_those_of_the_nearest_beats(intervals):
    rr_s = np.concatenate([[np.nan], intervals])
    columns = describe_intervals(rr_s, usual_interval(rr_s))
    for n in AROUND_BEATS:
        width = min(n, (len(rr_s) - 1) // 2 * 2 + 1)
        for beat in (0, len(rr_s) // 2, len(rr_s) - 1):
            first = min(max(beat - width // 2, 0), len(rr_s) - width)
            near = rr_s[first : first + width]
            near = near[np.isfinite(near)]
            found = columns[f"rr_mean_s_{n}"][beat]
            assert np.isnan(found) if not near.size else found == pytest.approx(near.mean())


def test_every_column_is_there_and_finite_but_where_an_interval_is_missing():
    columns = describe(np.random.default_rng(1).uniform(0.5, 1.2, 200))
    assert list(columns) == [name for name in FEATURES.columns if name.startswith("rr_")]
    for name, value in columns.items():
        assert np.isfinite(value[3:-3]).all(), name


def test_causal_columns_read_no_later_beat():
    rr_s = np.random.default_rng(2).uniform(0.5, 1.2, 100)
    whole, part = describe(rr_s), describe(rr_s[:60])
    causal = [name for name in whole if FEATURES.columns[name].causal]
    assert len(causal) > 3
    for name in whole:
        is_same = np.allclose(whole[name][:61], part[name], equal_nan=True)
        assert is_same == (name in causal), name


@pytest.mark.parametrize("num_beats", [0, 1, 2, 3])
def test_short_stretches_have_what_there_is(num_beats):
    rr_s = np.full(num_beats, 0.8)
    rr_s[:1] = np.nan
    with np.errstate(all="raise"):
        columns = describe_intervals(rr_s, usual_interval(rr_s))
    assert all(len(value) == num_beats for value in columns.values())


def test_a_pause_counts_as_three_seconds():
    columns = describe([0.8] * 20 + [30.0] + [0.8] * 20)
    assert np.nanmax(columns["rr_before_s"]) == 3.0


def test_helpers_by_hand():
    value = np.array([1.0, np.nan, 3.0, 5.0])
    assert shift(value, 2).tolist()[:2] == [3.0, 5.0]
    assert np.isnan(shift(value, 2)[2:]).all()
    assert shift(value, -3).tolist()[3:] == [1.0]
    assert np.isnan(shift(value, 9)).all()
    around = Neighbourhood(4, 3)
    assert around.mean(sum_up(value[None]))[0].tolist() == [2.0, 2.0, 4.0, 4.0]
    assert around.median(np.array([1.0, 2.0, 9.0, 3.0])).tolist() == [2.0, 2.0, 3.0, 3.0]


def median_by_hand(value_L: np.ndarray, num_beats: int) -> np.ndarray:
    """Return the medians of the nearest beats one by one, of the values that are there."""
    width, found = min(num_beats, max(1, (len(value_L) - 1) // 2 * 2 + 1)), []
    for beat in range(len(value_L)):
        first = min(max(beat - width // 2, 0), len(value_L) - width)
        near = sorted(value for value in value_L[first : first + width] if not np.isnan(value))
        middle = (near[(len(near) - 1) // 2], near[len(near) // 2]) if near else (np.nan, np.nan)
        found.append((middle[0] + middle[1]) / 2)
    return np.array(found)


@pytest.mark.parametrize(
    ("value", "num_beats", "median"),
    [
        ([np.nan, 4.0, 1.0], 3, [2.5, 2.5, 2.5]),
        ([np.nan, np.nan, 4.0, 1.0], 3, [4.0, 4.0, 2.5, 2.5]),
        ([np.nan, 4.0, 1.0, 2.0, 9.0, 3.0], 3, [2.5, 2.5, 2.0, 2.0, 3.0, 3.0]),
        ([np.nan, np.nan, 5.0, 4.0, 9.0, 2.0, 3.0], 5, [5.0, 5.0, 5.0, 4.5, 4.0, 4.0, 4.0]),
        ([np.nan], 11, [np.nan]),
        ([np.nan, np.nan, np.nan], 3, [np.nan] * 3),
        ([np.nan, 4.0], 11, [np.nan, 4.0]),
        ([], 11, []),
    ],
)
def test_medians_are_of_the_values_that_are_there_by_hand(value, num_beats, median):
    np.testing.assert_array_equal(Neighbourhood(len(value), num_beats).median(np.array(value)), median)


@given(st.integers(0, 130), st.sampled_from(AROUND_BEATS), st.integers(0, 2**32 - 1))
def test_a_missing_value_spoils_no_median(size, num_beats, seed):
    rng = np.random.default_rng(seed)
    value_L = np.round(rng.uniform(0.3, 1.3, size), rng.integers(1, 6))
    value_L[: rng.integers(0, 3)] = np.nan
    value_L[rng.random(size) < rng.choice([0.0, 0.3])] = np.nan
    found = Neighbourhood(size, num_beats).median(value_L)
    np.testing.assert_array_equal(found, median_by_hand(value_L, num_beats))


@pytest.mark.parametrize("seed", range(4))
def test_medians_of_every_stretch_of_a_record_are_those_of_its_own_beats(seed):
    rng = np.random.default_rng(seed)
    rr_s, is_used = rng.uniform(0.4, 1.3, 600), np.ones(600, dtype=bool)
    rr_s[np.append(0, rng.integers(1, 600, 9))] = np.nan
    for start in rng.integers(0, 600, 4):
        is_used[start : start + 20] = False
        rr_s[start : start + 21] = np.nan
    columns = describe_beats(Beats(rr_s, is_used), None, median_beats=512)
    stretch = np.cumsum(np.isnan(rr_s))
    for part in (np.flatnonzero((stretch == number) & is_used) for number in np.unique(stretch[is_used])):
        rr = rr_s[part]
        step = np.abs(np.diff(rr, prepend=np.nan))
        for n in AROUND_BEATS:
            median, change = median_by_hand(rr, n), median_by_hand(step, n)
            np.testing.assert_array_equal(columns[f"rr_over_median_{n}"][part], np.log(rr / median).astype(np.float32))
            np.testing.assert_array_equal(columns[f"rr_median_change_{n}"][part], (change / median).astype(np.float32))
