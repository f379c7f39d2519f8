"""Folds by subject with every class spread evenly, and a corpus's own folds joined."""

from collections import Counter

import numpy as np
import pytest

from ecgfeat.corpora.splits import draw_stratified_folds, join_official_folds
from ecgfeat.errors import UsageError


def test_subjects_stay_together_and_classes_are_spread():
    subjects = [f"s{number // 2}" for number in range(600)]
    labels = [("AF",) if number % 30 < 2 else ("N",) for number in range(600)]
    fold = draw_stratified_folds(subjects, labels, 5)
    assert set(fold.tolist()) == set(range(5))
    of_subject = {}
    for subject, one in zip(subjects, fold.tolist(), strict=True):
        assert of_subject.setdefault(subject, one) == one
    count = Counter(one for one, label in zip(fold.tolist(), labels, strict=True) if label == ("AF",))
    assert sorted(count.values()) == [8, 8, 8, 8, 8]
    assert fold.dtype == np.int8
    again = draw_stratified_folds(subjects, labels, 5)
    np.testing.assert_array_equal(fold, again)


def test_a_record_of_several_classes_counts_as_the_rarest():
    labels = [("N", "AF") if number < 10 else ("N",) for number in range(100)]
    fold = draw_stratified_folds([str(number) for number in range(100)], labels, 5)
    assert Counter(fold[:10].tolist()) == dict.fromkeys(range(5), 2)


def test_a_class_of_fewer_records_than_folds_is_no_obstacle():
    labels = [("rare",)] * 2 + [("N",)] * 18
    fold = draw_stratified_folds([str(number) for number in range(20)], labels, 5)
    assert sorted(Counter(fold.tolist()).values()) == [4] * 5


@pytest.mark.parametrize("num_folds", [1, 4])
def test_impossible_folds_are_refused(num_folds):
    with pytest.raises(UsageError, match=f"{num_folds} folds of 3 subjects; expected 2 to as many as subjects"):
        draw_stratified_folds(["a", "b", "c", "c"], [("N",)] * 4, num_folds)


@pytest.mark.parametrize(
    ("num_folds", "joined"),
    [(10, list(range(10))), (5, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]), (2, [0] * 5 + [1] * 5)],
)
def test_official_folds_are_joined_to_neighbours(num_folds, joined):
    assert join_official_folds(range(1, 11), num_folds).tolist() == joined


def test_official_folds_are_not_divided():
    with pytest.raises(UsageError, match="11 of a corpus with ten of its own; expected 2 to 10"):
        join_official_folds([1, 2], 11)
