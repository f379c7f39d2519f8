"""Calibration: hand-counted bins, perfect and worst cases, agreement with scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss

from ecgfeat.scoring.calibration import brier_score, expected_calibration_error, reliability_curve


def calibrated(num_units, seed=0):
    """Draw probabilities, and references that occur with just these probabilities."""
    rng = np.random.default_rng(seed)
    chance = rng.dirichlet(np.full(4, 0.7), size=num_units)
    drawn = (rng.random((num_units, 1)) > np.cumsum(chance, axis=1)).sum(axis=1)
    return np.minimum(drawn, 3), chance


def test_bins_counted_by_hand():
    chance = np.array([[0.5, 0.5], [0.6, 0.4], [0.2, 0.8], [0.9, 0.1]])
    curve = reliability_curve(np.array([0, 1, 1, 0]), chance, num_bins=2)
    # The first unit has confidence 0.5 exactly and belongs to the lower of the half-open (0, 0.5], (0.5, 1].
    assert curve.count.tolist() == [1, 3]
    assert curve.confidence == pytest.approx([0.5, (0.6 + 0.8 + 0.9) / 3])
    assert curve.accuracy == pytest.approx([1.0, 2 / 3])
    error = expected_calibration_error(np.array([0, 1, 1, 0]), chance, num_bins=2)
    assert error == pytest.approx((0.5 * 1 + (2.3 - 2.0)) / 4)


def test_calibrated_probabilities_have_a_small_error_and_sharpened_ones_a_large_one():
    reference, chance = calibrated(40_000)
    sharp = chance**4 / (chance**4).sum(axis=1, keepdims=True)
    assert expected_calibration_error(reference, chance) < 0.01
    assert expected_calibration_error(reference, sharp) > 0.1
    assert brier_score(reference, chance) < brier_score(reference, sharp)


def test_brier_equals_scikit_learn():
    reference, chance = calibrated(500)
    expected = brier_score_loss(reference, chance, labels=[0, 1, 2, 3], scale_by_half=False)
    assert brier_score(reference, chance) == pytest.approx(expected)


def test_ends_of_the_scale():
    sure = np.eye(3)
    assert brier_score(np.arange(3), sure) == 0
    assert expected_calibration_error(np.arange(3), sure) == 0
    assert brier_score(np.array([1, 2, 0]), sure) == 2
    assert expected_calibration_error(np.array([1, 2, 0]), sure) == 1


def test_no_units_have_no_score():
    nothing = np.zeros((0, 3))
    assert np.isnan(brier_score(np.zeros(0, int), nothing))
    assert np.isnan(expected_calibration_error(np.zeros(0, int), nothing))


@pytest.mark.parametrize("wrong", [np.array([[2.0, -0.5]]), np.array([[np.nan, 0.5]]), np.array([[0.3, 0.3]])])
def test_logits_and_gaps_are_refused(wrong):
    with pytest.raises(ValueError, match="does not sum to 1"):
        brier_score(np.array([0]), wrong)


def test_unequal_lengths_are_refused():
    with pytest.raises(ValueError, match="expected one row for each of 2"):
        reliability_curve(np.array([0, 1]), np.array([[0.5, 0.5]]))


def test_rounding_of_probabilities_is_tolerated_up_to_a_thousandth():
    assert reliability_curve(np.array([0]), np.array([[0.6, 0.4009]])).count.sum() == 1
    with pytest.raises(ValueError, match="does not sum to 1"):
        reliability_curve(np.array([0]), np.array([[0.6, 0.4011]]))
    # A little above 1 is the last bin.
    curve = reliability_curve(np.array([0, 0]), np.array([[1.0005, 0.0], [1.0, 0.0]]))
    assert curve.count.tolist() == [0] * 14 + [2]
    assert np.isnan(curve.accuracy[:14]).all()
    with pytest.raises(ValueError, match="expected one row"):
        reliability_curve(np.array([0]), np.array([1.0]))
