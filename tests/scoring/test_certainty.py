"""Certainty against what is right, added up by hand: bins, weights, and which time counts."""

import numpy as np
import pytest

from ecgfeat.scoring.calibration import NUM_BINS, expected_calibration_error
from ecgfeat.scoring.certainty import compare_with_right, episode_certainty

HOUR = 3600 * 128


def episode(rhythm="NSR", certainty=0.9, known_s=3600.0, agree_s=3600.0, length=HOUR):
    named = {"rhythm": rhythm, "certainty": certainty, "known_s": known_s, "agree_s": agree_s}
    return named | {"start_sample": 0, "stop_sample": length}


def scores(*rows):
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    return episode_certainty(columns | {"rhythm": columns["rhythm"].astype(object)})


def test_bins_are_weighted():
    of = compare_with_right(np.array([0.95, 0.97, 0.55]), np.array([True, False, True]), np.array([3.0, 1.0, 4.0]))
    assert of["accuracy"] == pytest.approx(7 / 8)
    assert of["mean_certainty"] == pytest.approx((3 * 0.95 + 0.97 + 4 * 0.55) / 8)
    low, high = of["bins"]
    assert (low["low"], low["high"], low["num"], low["share"]) == pytest.approx((8 / 15, 9 / 15, 1, 0.5))
    assert (high["num"], high["share"], high["accuracy"]) == pytest.approx((2, 0.5, 3 / 4))
    assert high["mean_certainty"] == pytest.approx((3 * 0.95 + 0.97) / 4)
    assert of["ece"] == pytest.approx(0.5 * (1 - 0.55) + 0.5 * abs(3 / 4 - (3 * 0.95 + 0.97) / 4))


def test_with_equal_weights_it_is_the_calibration_error_of_two_classes():
    rng = np.random.default_rng(4)
    certainty = rng.uniform(0.5, 1, 500)
    is_right = rng.random(500) < 0.8
    pair = np.stack([certainty, 1 - certainty], axis=1)
    expected = expected_calibration_error((~is_right).astype(int), pair, NUM_BINS)
    assert compare_with_right(certainty, is_right, np.full(500, 0.2))["ece"] == pytest.approx(expected)


@pytest.mark.parametrize(("agree_s", "accuracy"), [(1801.0, 1.0), (1800.0, 0.0), (0.0, 0.0), (3600.0, 1.0)])
def test_an_episode_is_right_where_the_reference_agrees_for_most_of_its_known_time(agree_s, accuracy):
    assert scores(episode(agree_s=agree_s))["accuracy"] == accuracy


def test_an_episode_counts_by_its_known_time():
    of = scores(episode(certainty=0.9), episode(rhythm="AFIB", certainty=0.6, known_s=1200.0, agree_s=0.0))
    assert of["num_episodes"] == 2
    assert of["accuracy"] == pytest.approx(3 / 4)
    assert of["mean_certainty"] == pytest.approx((3 * 0.9 + 0.6) / 4)
    assert of["ece"] == pytest.approx((3 * 0.1 + 0.6) / 4)


def test_flutter_unlabelled_and_unnamed_time_is_left_out():
    flutter = episode(rhythm="AFIB", certainty=0.99, known_s=0.0, agree_s=0.0)
    half = episode(rhythm="AFIB", certainty=0.8, known_s=1800.0, agree_s=1800.0)  # the other half is not labelled
    unnamed = episode(rhythm="", certainty=np.nan, agree_s=0.0)
    of = scores(flutter, half, unnamed)
    assert (of["num_episodes"], of["accuracy"], of["mean_certainty"]) == (1, 1.0, pytest.approx(0.8))
    assert (of["known_h"], of["left_out_h"]) == pytest.approx((0.5, 1.5))
    assert scores(flutter, unnamed) == {}
