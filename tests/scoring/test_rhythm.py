"""Rhythm scores against scikit-learn, absent and rare classes, smoothed predictions, time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from ecgfeat.scoring.rhythm import class_codes, class_f1, confusion_matrix, overall_scores, ratio, subject_confusion
from ecgfeat.scoring.units import rhythm_scores, time_scores

CLASSES = ("NSR", "AFIB", "SBR", "AB", "SVTA", "B")


def drawn(seed, num_units=300, num_classes=6, num_subjects=8):
    rng = np.random.default_rng(seed)
    reference = rng.integers(0, num_classes, num_units)
    chance = rng.dirichlet(np.ones(6), num_units)
    chance[np.arange(num_units), reference] += rng.random(num_units)
    return reference, chance / chance.sum(axis=1, keepdims=True), rng.integers(0, num_subjects, num_units)


def scored(reference, chance, subject, **changes):
    """Score the most probable class, without intervals by default."""
    options = {"probability_BK": chance, "num_resamples": 0, "seed": 0} | changes
    return rhythm_scores(reference, np.argmax(chance, axis=1), subject, CLASSES, **options)


@given(seed=st.integers(0, 10_000), num_units=st.integers(1, 80), num_classes=st.integers(1, 6))
def test_equals_scikit_learn(seed, num_units, num_classes):
    reference, chance, subject = drawn(seed, num_units, num_classes)
    predicted = chance.argmax(axis=1)
    scores = scored(reference, chance, subject)
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
    names, subjects = np.array(CLASSES), np.array([f"s{i}" for i in subject])
    call = chance.argmax(axis=1)
    named = rhythm_scores(
        names[reference], names[call], subjects, CLASSES, probability_BK=chance, num_resamples=0, seed=0
    )
    assert named == scored(reference, chance, subject)


def test_order_of_the_units_does_not_matter():
    reference, chance, subject = drawn(2)
    order = np.random.default_rng(0).permutation(len(reference))
    one = scored(reference, chance, subject, num_resamples=50, seed=1)
    other = scored(reference[order], chance[order], subject[order], num_resamples=50, seed=1)
    for name in ("macro_f1", "f1", "support", "subjects", "ece", "brier"):
        assert one[name] == pytest.approx(other[name])
    assert one["interval"]["f1"]["AB"] == pytest.approx(other["interval"]["f1"]["AB"])


def test_absent_class_is_left_out_and_named_but_its_false_calls_cost():
    reference = np.array([0, 0, 1, 1])
    chance = np.eye(6)[[0, 5, 1, 1]]  # one NSR is predicted as B, which no unit has
    scores = scored(reference, chance, np.arange(4))
    assert scores["absent"] == ["SBR", "AB", "SVTA", "B"]
    assert set(scores["f1"]) == {"NSR", "AFIB"}
    assert scores["macro_f1"] == pytest.approx((2 / 3 + 1) / 2)
    assert scores["support"] == {"NSR": 2, "AFIB": 2, "SBR": 0, "AB": 0, "SVTA": 0, "B": 0}


def test_units_outside_the_task_are_counted_not_scored():
    chance = np.eye(6)[[0, 0, 1]]
    scores = scored(np.array(["NSR", "VT", "AFIB"]), chance, np.arange(3))
    assert (scores["num_units"], scores["num_outside"], scores["accuracy"]) == (2, 1, 1.0)


def test_support_subjects_and_not_estimable():
    reference = np.array([0] * 10 + [1] * 8)
    subject = np.array([*range(10), 0, 0, 1, 1, 2, 2, 3, 3])
    scores = scored(reference, np.eye(6)[reference], subject, num_resamples=20)
    assert scores["subjects"]["NSR"] == 10
    assert scores["subjects"]["AFIB"] == 4
    assert scores["not_estimable"] == ["AFIB"]
    assert set(scores["interval"]["f1"]) == {"NSR"}
    subject[-1] = 4  # a fifth subject
    scores = scored(reference, np.eye(6)[reference], subject, num_resamples=20)
    assert scores["not_estimable"] == []
    assert set(scores["interval"]["f1"]) == {"NSR", "AFIB"}
    seconds = time_scores(reference, reference, subject, CLASSES, duration_s=np.ones(18), num_resamples=20, seed=0)
    assert set(seconds["interval"]["f1"]) == {"NSR", "AFIB"}


def test_a_class_without_reference_units_has_no_f1_even_if_it_is_predicted():
    confusion = np.array([[3.0, 1.0], [0.0, 0.0]])
    assert class_f1(confusion)[0] == pytest.approx(6 / 7)
    assert np.isnan(class_f1(confusion)[1])
    # The wrong prediction still costs the reference class: macro F1 is that of the one class present.
    macro_f1, accuracy, balanced = overall_scores(confusion)
    assert (macro_f1, accuracy, balanced) == pytest.approx((6 / 7, 3 / 4, 3 / 4))


def test_a_ratio_is_undefined_where_the_divisor_is_zero():
    found = ratio([1, 0, 3], [2, 0, 0])
    assert found[0] == 0.5
    assert np.isnan(found[1:]).all()
    assert ratio(1, [4, 0.5]).tolist() == [0.25, 2.0]


def test_hours_weigh_units_by_their_duration():
    reference, chance = np.array([0, 0, 1]), np.eye(6)[[0, 1, 1]]
    scores = scored(reference, chance, np.arange(3), duration_s=[3600 * 8, 3600, 3600])
    assert scores["hours"]["NSR"] == pytest.approx(9)
    assert scores["accuracy_hours"] == pytest.approx(0.9)
    assert scores["accuracy"] == pytest.approx(2 / 3)


def test_intervals_hold_the_scores_and_repeat():
    reference, chance, subject = drawn(4, num_units=600, num_subjects=20)
    scores = scored(reference, chance, subject, num_resamples=200, seed=9)
    for name in ("macro_f1", "accuracy", "balanced_accuracy"):
        assert scores["interval"][name]["low"] < scores[name] < scores["interval"][name]["high"]
    assert scores == scored(reference, chance, subject, num_resamples=200, seed=9)


def test_confusion_of_the_subjects_adds_up():
    reference, chance, subject = drawn(5)
    predicted = chance.argmax(axis=1)
    each = subject_confusion(reference, predicted, subject, 6, 8)
    assert (each.sum(axis=0) == confusion_matrix(reference, predicted, 6)).all()
    assert (each[3] == confusion_matrix(reference[subject == 3], predicted[subject == 3], 6)).all()


def test_no_units_give_no_scores():
    scores = scored(np.array([], dtype=str), np.zeros((0, 6)), np.array([]))
    assert np.isnan([scores["macro_f1"], scores["ece"], scores["brier"]]).all()
    assert scores["absent"] == list(CLASSES)
    assert np.isnan(overall_scores(np.zeros((6, 6)))).all()
    assert np.isnan(class_f1(np.zeros((6, 6)))).all()


def test_what_was_chosen_is_scored_not_what_was_most_probable():
    reference, chance, subject = drawn(6)
    scores = rhythm_scores(reference, reference, subject, CLASSES, num_resamples=0, seed=0)
    assert (scores["accuracy"], scores["macro_f1"]) == (1, 1)
    assert not {"ece", "brier"} & set(scores)
    assert scored(reference, chance, subject)["accuracy"] < 1


def test_time_scores_are_unit_scores_of_units_cut_into_seconds():
    reference, chance, subject = drawn(7, num_units=200, num_subjects=9)
    call, duration_s = chance.argmax(axis=1), np.random.default_rng(7).integers(1, 9, 200)
    reference[:20] = -1
    found = time_scores(reference, call, subject, CLASSES, duration_s=duration_s, num_resamples=50, seed=3)
    cut = (np.repeat(column, duration_s) for column in (reference, call, subject))
    expected = rhythm_scores(*cut, CLASSES, num_resamples=50, seed=3)
    for name in ("macro_f1", "accuracy", "balanced_accuracy", "f1", "sensitivity", "positive_predictivity"):
        assert found[name] == pytest.approx(expected[name])
    for name, units in expected["support"].items():
        assert found["hours"][name] == pytest.approx(units / 3600)
    for name, bound in expected["interval"]["f1"].items():
        assert found["interval"]["f1"][name] == pytest.approx(bound)
    assert found["interval"]["macro_f1"] == pytest.approx(expected["interval"]["macro_f1"])


def test_misfits_are_refused():
    draws = {"num_resamples": 0, "seed": 0}
    with pytest.raises(ValueError, match="expected equal numbers"):
        rhythm_scores(np.zeros(3, int), np.zeros(2, int), np.zeros(3), CLASSES, **draws)
    with pytest.raises(ValueError, match="expected equal numbers"):
        rhythm_scores(np.zeros(3, int), np.zeros(3, int), np.zeros(2), CLASSES, **draws)
    with pytest.raises(ValueError, match="2 rows of probabilities for 3 units"):
        rhythm_scores(np.zeros(3, int), np.zeros(3, int), np.zeros(3), CLASSES, probability_BK=np.eye(6)[:2], **draws)
    with pytest.raises(ValueError, match="1 predictions outside"):
        rhythm_scores(["NSR", "AFIB", "VT"], ["NSR", "VT", "VT"], np.zeros(3), CLASSES, **draws)


def test_codes_of_names():
    assert class_codes(["B", "NSR", "VT", ""], CLASSES).tolist() == [5, 0, -1, -1]
