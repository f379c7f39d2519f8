"""Slices of a record, and the power mean by the formula that was meant."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import pmean

from ecgfeat.arena.pooling import pool_records, power_mean, slice_starts
from ecgfeat.errors import DataError, UsageError

THREE = [0.1, 0.5, 0.9]


def test_the_published_example():
    assert power_mean(THREE, 3) == pytest.approx(0.6581, abs=5e-5)
    assert power_mean(THREE, 3) == pytest.approx(((0.001 + 0.125 + 0.729) / 3) ** (1 / 3), rel=1e-12)


def test_special_exponents():
    geometric = (0.1 * 0.5 * 0.9) ** (1 / 3)
    assert power_mean(THREE, 0) == pytest.approx(geometric, rel=1e-12)
    assert power_mean(THREE, 1e-6) == pytest.approx(geometric, rel=1e-5)
    assert power_mean(THREE, 1) == pytest.approx(0.5, rel=1e-12)
    assert power_mean(THREE, -1) == pytest.approx(3 / (10 + 2 + 1 / 0.9), rel=1e-12)
    assert power_mean(THREE, 1000) == pytest.approx(0.9, abs=2e-3)
    assert power_mean(THREE, np.inf) == 0.9
    assert power_mean(THREE, -np.inf) == 0.1
    # What the published scores were computed by, and must not be.
    assert power_mean(THREE, 3) != pytest.approx(geometric, abs=0.1)


@given(st.lists(st.floats(1e-5, 1 - 1e-5), min_size=1, max_size=8), st.floats(-50, 50), st.floats(-50, 50))
def test_between_minimum_and_maximum_and_rising_with_the_exponent(values, first, second):
    low, high = sorted((first, second))
    below, above = power_mean(values, low), power_mean(values, high)
    assert min(values) - 1e-6 <= below <= above + 1e-6
    assert above <= max(values) + 1e-6


def test_equal_to_scipy_on_any_axis():
    probability = np.random.default_rng(0).uniform(0.01, 0.99, (4, 3, 5))
    for axis in (0, 1, 2, -1):
        np.testing.assert_allclose(power_mean(probability, 2.5, axis=axis), pmean(probability, 2.5, axis=axis))


def test_certainty_is_kept_finite():
    assert power_mean([0.0, 0.0], 0) == pytest.approx(1e-6)
    assert power_mean([1.0, 1.0], 3) == pytest.approx(1 - 1e-6)
    assert 0 < power_mean([0.0, 1.0], 0) < 0.01


def test_slices_of_the_published_record():
    assert slice_starts(5000, 2500, 1250) == [0, 1250, 2500]


@pytest.mark.parametrize(
    ("num_samples", "expected"),
    [
        (2500, [0]),
        (3749, [0]),
        (3750, [0, 1250]),
        (1, [0]),
        (8750, [0, 1250, 2500, 3750, 5000, 6250]),
        (30000, [0, 1250, 2500, 3750, 5000, 6250]),
    ],
)
def test_slices_by_length(num_samples, expected):
    assert slice_starts(num_samples, 2500, 1250) == expected


def test_slices_are_pooled_by_record_in_any_order():
    probability_NK = np.array([[0.9, 0.2], [0.4, 0.6], [0.1, 0.2], [0.5, 0.2]])
    record_R, pooled_RK = pool_records(probability_NK, [7, 3, 7, 7], 3)
    assert record_R.tolist() == [3, 7]
    np.testing.assert_allclose(pooled_RK, [[0.4, 0.6], [power_mean(THREE, 3), 0.2]])
    assert pool_records(np.zeros((0, 2)), [], 3)[1].shape == (0, 2)


def test_faults():
    for values in ([0.5, 1.1], [0.5, np.nan], [-0.1]):
        with pytest.raises(DataError, match=r"in \[0, 1\]"):
            power_mean(values, 3)
    with pytest.raises(DataError, match="one slice or view"):
        power_mean([], 3)
    with pytest.raises(UsageError, match="exponent"):
        power_mean(THREE, np.nan)
    with pytest.raises(DataError, match="one record per row"):
        pool_records([[0.5]], [1, 2], 3)
    with pytest.raises(UsageError, match="stride_samples: 0"):
        slice_starts(100, 10, 0)
