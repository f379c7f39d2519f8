"""Offsets mend what a head names too readily, and the temperature how sure it is."""

import numpy as np
import pytest

from ecgfeat.arrhythmia.choice import OFFSETS, _score_without_each, choose_log_offset, fit_temperature
from ecgfeat.arrhythmia.posteriors import calibrate
from ecgfeat.scoring.rhythm import class_f1, confusion_matrix
from ecgfeat.store.schemas import RHYTHMS

SVTA = RHYTHMS.index("SVTA")


def draw_posteriors(count_K, *, bias_K, seed, distance=2.5):
    """Return posteriors of a head that is right but for a bias, of so many beats of each rhythm."""
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(6), count_K)
    logit = rng.normal(size=(len(truth), 6))
    logit[np.arange(len(truth)), truth] += distance
    power = np.exp(logit + np.asarray(bias_K, dtype=float))
    return (power / power.sum(axis=1, keepdims=True)).astype(np.float32), truth, rng.integers(0, 5, len(truth))


def macro_f1(posterior, truth, record, offset):
    return np.nanmean(class_f1(confusion_matrix(truth, calibrate(posterior, 1.0, offset).argmax(axis=1), 6)))


def test_a_rare_rhythm_that_is_named_too_readily_is_named_less():
    bias = np.zeros(6)
    bias[SVTA] = 2.0
    group = draw_posteriors([4000, 2000, 300, 300, 100, 300], bias_K=bias, seed=0)
    offset = choose_log_offset([group])
    assert offset[0] == 0
    assert set(offset) <= set(OFFSETS)
    assert offset[SVTA] == min(offset) <= -1
    assert macro_f1(*group, offset) > macro_f1(*group, (0.0,) * 6) + 0.02
    unseen = draw_posteriors([4000, 2000, 300, 300, 100, 300], bias_K=bias, seed=1)
    assert macro_f1(*unseen, offset) > macro_f1(*unseen, (0.0,) * 6) + 0.02


def test_what_is_right_stays_as_it_is():
    even = draw_posteriors([500] * 6, bias_K=np.zeros(6), seed=2)
    assert choose_log_offset([even]) == (0.0,) * 6
    assert choose_log_offset([]) == (0.0,) * 6


def test_groups_count_alike_however_many_beats_they_have():
    bias = np.zeros(6)
    bias[1] = 1.5
    large = draw_posteriors([20000, 20000, 0, 0, 0, 0], bias_K=np.zeros(6), seed=3)
    small = draw_posteriors([200, 20, 0, 0, 0, 0], bias_K=bias, seed=4)
    assert choose_log_offset([large])[1] == 0
    assert choose_log_offset([large, small])[1] < 0


def test_what_one_record_decides_is_left_as_it_is():
    bias = np.zeros(6)
    bias[SVTA] = -3.0
    fair = draw_posteriors([300, 300, 300, 300, 0, 300], bias_K=np.zeros(6), seed=7)
    # The only SVTA there is, not named readily enough; in the other records there is nothing to gain.
    hidden = draw_posteriors([0, 0, 0, 0, 300, 0], bias_K=bias, seed=8)
    joined = [np.concatenate(pair) for pair in zip(fair[:2], hidden[:2], strict=True)]
    one = np.append(fair[2], np.full(300, 9))
    spread = np.append(fair[2], np.arange(300) % 5)
    assert choose_log_offset([(*joined, one)])[SVTA] == 0
    assert choose_log_offset([(*joined, spread)])[SVTA] > 0
    assert choose_log_offset([(*hidden[:2], np.zeros(300, dtype=np.int64))]) == (0.0,) * 6


def test_a_rhythm_of_one_record_can_be_lowered_for_the_sake_of_others():
    bias = np.zeros(6)
    bias[SVTA] = 3.0
    fair = draw_posteriors([300, 300, 300, 300, 0, 300], bias_K=bias, seed=7)
    only = draw_posteriors([0, 0, 0, 0, 300, 0], bias_K=bias, seed=8)
    joined = [np.concatenate(pair) for pair in zip(fair[:2], only[:2], strict=True)]
    assert choose_log_offset([(*joined, np.append(fair[2], np.full(300, 9)))])[SVTA] < 0


def test_records_of_two_groups_are_not_one_for_having_the_same_number():
    rng = np.random.default_rng(9)
    counts = [rng.integers(1, 50, (records, 6, 6)).astype(float) for records in (4, 3, 1)]
    score = _score_without_each(counts)
    assert len(score) == 1 + 4 + 3 + 1
    for row, (group, record) in enumerate([(0, r) for r in range(4)] + [(1, r) for r in range(3)]):
        left = [np.delete(of, record, axis=0) if at == group else of for at, of in enumerate(counts)]
        expected = np.mean([np.nanmean(class_f1(of.sum(axis=0))) for of in left])
        assert score[1 + row] == pytest.approx(expected)
    assert score[-1] == pytest.approx(np.mean([np.nanmean(class_f1(of.sum(axis=0))) for of in counts[:2]]))
    assert np.isnan(_score_without_each(counts[2:])[1])


def test_the_temperature_is_that_of_the_least_surprise():
    # Logits of unit variance and distance 2 are right when doubled; 2.5 times is too sure by 1.25.
    posterior, truth, record = draw_posteriors([700] * 6, bias_K=np.zeros(6), seed=5, distance=2.0)
    sharper = (calibrate(posterior, 1 / 2.5), truth, record)
    assert fit_temperature([sharper]) == pytest.approx(1.25, abs=0.1)
    few = tuple(part[:300] for part in sharper)
    assert fit_temperature([sharper, few]) == pytest.approx(1.25, abs=0.3)


def test_offset_and_temperature_together_keep_what_is_named():
    posterior, *_ = draw_posteriors([100] * 6, bias_K=np.zeros(6), seed=6)
    offset = (0.0, -1.0, -2.0, 0.5, 0.0, -0.5)
    named = [calibrate(posterior, temperature, offset).argmax(axis=1) for temperature in (0.5, 1.0, 3.0)]
    np.testing.assert_array_equal(named[0], named[1])
    np.testing.assert_array_equal(named[0], named[2])
    np.testing.assert_allclose(calibrate(posterior, 3.0, offset).sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(calibrate(posterior, 1.0), posterior, atol=1e-5)
