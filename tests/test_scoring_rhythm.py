"""Rhythm scores against scikit-learn, hand-counted episodes, absent and rare classes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from ecgfeat.scoring.rhythm import (
    class_codes,
    class_f1,
    confusion_matrix,
    episode_scores,
    overall_scores,
    rhythm_scores,
    subject_confusion,
)

CLASSES = ("NSR", "AFIB", "SBR", "AB", "SVTA", "B")


def drawn(seed, num_units=300, num_classes=6, num_subjects=8):
    rng = np.random.default_rng(seed)
    reference = rng.integers(0, num_classes, num_units)
    chance = rng.dirichlet(np.ones(6), num_units)
    chance[np.arange(num_units), reference] += rng.random(num_units)
    return reference, chance / chance.sum(axis=1, keepdims=True), rng.integers(0, num_subjects, num_units)


@given(seed=st.integers(0, 10_000), num_units=st.integers(1, 80), num_classes=st.integers(1, 6))
def test_equals_scikit_learn(seed, num_units, num_classes):
    reference, chance, subject = drawn(seed, num_units, num_classes)
    predicted = chance.argmax(axis=1)
    scores = rhythm_scores(reference, chance, subject, CLASSES)
    present = np.unique(reference)
    # scikit-learn's macro average runs over the labels it is given: those with support.
    assert scores["macro_f1"] == pytest.approx(metrics.f1_score(reference, predicted, labels=present, average="macro"))
    assert scores["accuracy"] == pytest.approx(metrics.accuracy_score(reference, predicted))
    recall = metrics.recall_score(reference, predicted, labels=present, average="macro")
    assert scores["balanced_accuracy"] == pytest.approx(recall)
    each = metrics.f1_score(reference, predicted, labels=present, average=None)
    assert scores["f1"] == pytest.approx({CLASSES[k]: f1 for k, f1 in zip(present, each, strict=True)})
    expected = metrics.confusion_matrix(reference, predicted, labels=np.arange(6))
    assert (confusion_matrix(reference, predicted, 6) == expected).all()


def test_names_and_indices_score_alike():
    reference, chance, subject = drawn(1)
    named = rhythm_scores(np.array(CLASSES)[reference], chance, np.array([f"s{i}" for i in subject]), CLASSES)
    assert named == rhythm_scores(reference, chance, subject, CLASSES)


def test_order_of_the_units_does_not_matter():
    reference, chance, subject = drawn(2)
    order = np.random.default_rng(0).permutation(len(reference))
    one = rhythm_scores(reference, chance, subject, CLASSES, num_resamples=50, seed=1)
    other = rhythm_scores(reference[order], chance[order], subject[order], CLASSES, num_resamples=50, seed=1)
    for name in ("macro_f1", "f1", "support", "subjects", "ece", "brier"):
        assert one[name] == pytest.approx(other[name])
    assert one["interval"]["f1"]["AB"] == pytest.approx(other["interval"]["f1"]["AB"])


def test_absent_class_is_left_out_and_named_but_its_false_calls_cost():
    reference = np.array([0, 0, 1, 1])
    chance = np.eye(6)[[0, 5, 1, 1]]  # one NSR is called B, which nobody has
    scores = rhythm_scores(reference, chance, np.arange(4), CLASSES)
    assert scores["absent"] == ["SBR", "AB", "SVTA", "B"]
    assert set(scores["f1"]) == {"NSR", "AFIB"}
    assert scores["macro_f1"] == pytest.approx((2 / 3 + 1) / 2)
    assert scores["support"] == {"NSR": 2, "AFIB": 2, "SBR": 0, "AB": 0, "SVTA": 0, "B": 0}


def test_units_outside_the_task_are_counted_not_scored():
    chance = np.eye(6)[[0, 0, 1]]
    scores = rhythm_scores(np.array(["NSR", "VT", "AFIB"]), chance, np.arange(3), CLASSES)
    assert (scores["num_units"], scores["num_outside"], scores["accuracy"]) == (2, 1, 1.0)


def test_support_subjects_and_not_estimable():
    reference = np.array([0] * 10 + [1] * 8)
    subject = np.array([*range(10), 0, 0, 1, 1, 2, 2, 3, 3])
    scores = rhythm_scores(reference, np.eye(6)[reference], subject, CLASSES, num_resamples=20)
    assert scores["subjects"]["NSR"] == 10
    assert scores["subjects"]["AFIB"] == 4
    assert scores["not_estimable"] == ["AFIB"]
    assert set(scores["interval"]["f1"]) == {"NSR"}


def test_hours_weigh_units_by_their_duration():
    reference, chance = np.array([0, 0, 1]), np.eye(6)[[0, 1, 1]]
    scores = rhythm_scores(reference, chance, np.arange(3), CLASSES, duration_s=[3600 * 8, 3600, 3600])
    assert scores["hours"]["NSR"] == pytest.approx(9)
    assert scores["accuracy_hours"] == pytest.approx(0.9)
    assert scores["accuracy"] == pytest.approx(2 / 3)


def test_intervals_hold_the_scores_and_repeat():
    reference, chance, subject = drawn(4, num_units=600, num_subjects=20)
    scores = rhythm_scores(reference, chance, subject, CLASSES, num_resamples=200, seed=9)
    for name in ("macro_f1", "accuracy", "balanced_accuracy"):
        assert scores["interval"][name]["low"] < scores[name] < scores["interval"][name]["high"]
    assert scores == rhythm_scores(reference, chance, subject, CLASSES, num_resamples=200, seed=9)


def test_confusion_of_the_subjects_adds_up():
    reference, chance, subject = drawn(5)
    predicted = chance.argmax(axis=1)
    each = subject_confusion(reference, predicted, subject, 6, 8)
    assert (each.sum(axis=0) == confusion_matrix(reference, predicted, 6)).all()
    assert (each[3] == confusion_matrix(reference[subject == 3], predicted[subject == 3], 6)).all()


def test_no_units_give_no_scores():
    scores = rhythm_scores(np.array([], dtype=str), np.zeros((0, 6)), np.array([]), CLASSES)
    assert np.isnan([scores["macro_f1"], scores["ece"], scores["brier"]]).all()
    assert scores["absent"] == list(CLASSES)
    assert np.isnan(overall_scores(np.zeros((6, 6)))).all()
    assert np.isnan(class_f1(np.zeros((6, 6)))).all()


def test_unequal_lengths_are_refused():
    with pytest.raises(ValueError, match="expected equal numbers"):
        rhythm_scores(np.zeros(3, int), np.eye(6)[[0, 1]], np.zeros(3), CLASSES)


def test_codes_of_names():
    assert class_codes(["B", "NSR", "VT", ""], CLASSES).tolist() == [5, 0, -1, -1]


def episodes(reference, predicted, record=None, start_s=None):
    start = np.arange(len(reference), dtype=float) if start_s is None else np.asarray(start_s, dtype=float)
    record = np.zeros(len(reference), int) if record is None else np.asarray(record)
    sides = (np.array([mark == "x" for mark in marks]) for marks in (reference, predicted))
    return episode_scores(*sides, record, start, start + 1)


def test_episodes_counted_by_hand():
    scores = episodes(
        "xxx..xx....x",
        ".x.x.xxxx...",
    )
    assert scores["num_reference_episodes"] == 3
    assert scores["num_predicted_episodes"] == 3
    assert scores["episode_sensitivity"] == pytest.approx(2 / 3)
    assert scores["episode_positive_predictivity"] == pytest.approx(2 / 3)
    assert scores["duration_sensitivity"] == pytest.approx(3 / 6)
    assert scores["duration_positive_predictivity"] == pytest.approx(3 / 6)
    assert scores["burden_error"] == pytest.approx(0)


def test_episodes_end_with_the_record_and_at_gaps():
    assert episodes("xxxx", "....", record=[0, 0, 1, 1])["num_reference_episodes"] == 2
    assert episodes("xxxx", "....", start_s=[0, 1, 2, 60])["num_reference_episodes"] == 2
    assert episodes("xxxx", "....")["num_reference_episodes"] == 1


def test_burden_is_averaged_over_records():
    scores = episodes("xx..xxxx", "....xxxx", record=[0] * 4 + [1] * 4)
    assert scores["burden_error"] == pytest.approx((0.5 + 0) / 2)


def test_no_episodes_have_no_sensitivity():
    scores = episodes("....", "..x.")
    assert np.isnan([scores["episode_sensitivity"], scores["duration_sensitivity"]]).all()
    assert scores["episode_positive_predictivity"] == 0
