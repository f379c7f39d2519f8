"""Intervals: coverage, agreement with a plain loop, order of draws, too few subjects."""

import numpy as np
import pytest

from ecgfeat.scoring.intervals import (
    bootstrap_subjects,
    draw_subjects,
    name_bounds,
    percentile_interval,
    sum_by_subject,
)


def mean_of(total):
    return total[:, :1] / total[:, 1:]


def test_draws_hold_every_place_and_repeat_with_the_seed():
    draws = draw_subjects(7, 200, seed=3)
    assert draws.shape == (200, 7)
    assert (draws.sum(axis=1) == 7).all()
    assert (draws == draw_subjects(7, 200, seed=3)).all()
    assert (draws != draw_subjects(7, 200, seed=4)).any()


def test_equals_a_loop_over_resamples():
    rng = np.random.default_rng(0)
    count = rng.integers(0, 30, size=(9, 2)) + np.array([0, 30])
    low, high = bootstrap_subjects(count, mean_of, num_resamples=300, seed=5)
    looped = []
    for row in draw_subjects(9, 300, seed=5):
        drawn = np.repeat(count, row, axis=0).sum(axis=0)
        looped.append(drawn[0] / drawn[1])
    assert low[0] == pytest.approx(np.quantile(looped, 0.025))
    assert high[0] == pytest.approx(np.quantile(looped, 0.975))


def test_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(1)
    covered = 0
    for trial in range(200):
        chance = rng.beta(8, 2, size=40)  # subjects differ: an interval over beats would be too narrow
        count = np.stack([rng.binomial(50, chance), np.full(40, 50)], axis=1)
        low, high = bootstrap_subjects(count, mean_of, num_resamples=400, seed=trial)
        covered += bool(low[0] <= 0.8 <= high[0])
    assert 176 <= covered <= 200  # 95 % of 200 is 190; the percentile interval is a little short on 40 subjects


def test_an_interval_over_subjects_is_wider_than_one_over_their_beats():
    rng = np.random.default_rng(2)
    hits = rng.binomial(100, rng.beta(2, 1, size=10))
    by_subject = np.stack([hits, np.full(10, 100)], axis=1)
    beats = np.concatenate([np.r_[np.ones(n), np.zeros(100 - n)] for n in hits])
    by_beat = np.stack([beats, np.ones(1000)], axis=1)
    wide = np.subtract(*bootstrap_subjects(by_subject, mean_of, num_resamples=500, seed=0)[::-1])
    narrow = np.subtract(*bootstrap_subjects(by_beat, mean_of, num_resamples=500, seed=0)[::-1])
    assert wide[0] > 2 * narrow[0]


def test_no_interval_below_five_subjects():
    few = np.ones((4, 2))
    assert np.isnan(bootstrap_subjects(few, mean_of, num_resamples=50, seed=0)).all()
    enough = np.ones((5, 2))
    assert not np.isnan(bootstrap_subjects(enough, mean_of, num_resamples=50, seed=0)).any()


def test_undefined_resamples_are_left_out():
    value = np.array([[np.nan, np.nan], [1.0, np.nan], [3.0, np.nan]])
    low, high = percentile_interval(value)
    assert low[0] == pytest.approx(1.05)
    assert high[0] == pytest.approx(2.95)
    assert np.isnan([low[1], high[1]]).all()


def test_counts_are_summed_by_subject_and_subjects_without_units_are_left_out():
    subject, count = np.array([2, 0, 2]), np.array([[1, 10], [2, 20], [4, 40]])
    assert sum_by_subject(subject, count, 4).tolist() == [[2, 20], [5, 50]]
    assert sum_by_subject(subject, count.reshape(3, 2, 1), 4).shape == (2, 2, 1)


def test_scores_without_an_interval_are_not_named():
    bounds = name_bounds(("a", "b"), np.array([0.1, np.nan]), np.array([0.2, np.nan]))
    assert bounds == {"a": {"low": 0.1, "high": 0.2}}
