"""Annotated R-peaks are corrupted as a detector does, and only so."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgfeat.beats.corruption import Corruption, corrupt_rpeaks

SAMPLE = np.cumsum(np.full(4000, 100))
LABEL = np.where(np.arange(4000) % 10 == 0, 2, 0)
NOTHING = Corruption(0.0, 0.0, 0.0, 0.0)


def test_nothing_leaves_the_beats_as_they_are():
    sample, source, factor = corrupt_rpeaks(SAMPLE, LABEL, NOTHING, np.random.default_rng(0))
    np.testing.assert_array_equal(sample, SAMPLE)
    np.testing.assert_array_equal(source, np.arange(len(SAMPLE)))
    assert factor == 1


def test_v_beats_are_missed_three_times_as_often():
    missed = []
    for seed in range(30):
        _, source, _ = corrupt_rpeaks(SAMPLE, LABEL, Corruption(0.2, 0.0, 0.0, 0.0), np.random.default_rng(seed))
        is_kept = np.isin(np.arange(len(SAMPLE)), source)
        missed.append([1 - is_kept[label == LABEL].mean() for label in (0, 2)])
    normal, ventricular = np.mean(missed, axis=0)
    assert normal == pytest.approx(0.1, abs=0.03)  # the level is drawn between nothing and .2
    assert ventricular / normal == pytest.approx(3, abs=0.4)


def test_false_beats_lie_between_two_beats_and_have_no_source():
    sample, source, _ = corrupt_rpeaks(SAMPLE, LABEL, Corruption(0.0, 0.3, 0.0, 0.0), np.random.default_rng(1))
    added = sample[source < 0]
    assert len(added) > 100
    phase = (added - SAMPLE[0]) % 100 / 100
    assert phase.min() >= 0.24
    assert phase.max() <= 0.76


def test_a_rate_stretches_all_intervals_alike():
    sample, _, factor = corrupt_rpeaks(SAMPLE, LABEL, Corruption(0.0, 0.0, 0.0, 0.2), np.random.default_rng(2))
    interval = np.diff(sample)
    assert interval.max() - interval.min() <= 1
    assert abs(interval.mean() - 100) > 2
    assert interval.mean() == pytest.approx(100 * factor, abs=0.1)


def test_of_beats_that_are_too_close_as_many_stay_as_can():
    sample = np.arange(0, 150, 15)
    found, _, _ = corrupt_rpeaks(sample, np.zeros(10, dtype=np.int64), NOTHING, np.random.default_rng(0))
    assert found.tolist() == [0, 30, 60, 90, 120]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 400), min_size=0, max_size=60), st.integers(0, 10_000))
def test_beats_stay_in_order_and_apart_and_keep_their_source(intervals, seed):
    sample = np.cumsum(np.array(intervals, dtype=np.int64))
    label = np.zeros(len(sample), dtype=np.int64)
    found, source, _ = corrupt_rpeaks(sample, label, Corruption(0.3, 0.3, 3.0, 0.1), np.random.default_rng(seed))
    assert len(found) == len(source)
    assert (np.diff(found) >= 20).all()  # 0.16 s at 128 Hz
    of_beats = source[source >= 0]
    assert len(set(of_beats.tolist())) == len(of_beats)
    assert not len(of_beats) or (of_beats.min() >= 0 and of_beats.max() < len(sample))
