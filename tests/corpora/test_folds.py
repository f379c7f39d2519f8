"""Folds of records with diagnoses: subjects stay together, classes are spread, and the folds are always the same."""

from collections import Counter

import numpy as np
import pytest

from ecgfeat.corpora import folds
from ecgfeat.corpora.folds import draw_stratified_folds, join_official_folds
from ecgfeat.errors import UsageError


def test_subjects_stay_together_and_classes_are_spread() -> None:
    subjects = [f"s{number // 2}" for number in range(600)]
    labels = [("AF",) if number % 30 < 2 else ("N",) for number in range(600)]
    fold = draw_stratified_folds(subjects, labels, 5)
    assert set(fold.tolist()) == set(range(5))
    assert (fold[::2] == fold[1::2]).all()
    count = Counter(number for number, label in zip(fold.tolist(), labels, strict=True) if label == ("AF",))
    assert sorted(count.values()) == [8, 8, 8, 8, 8]
    assert fold.dtype == np.int8
    again = draw_stratified_folds(subjects, labels, 5)
    np.testing.assert_array_equal(fold, again)


def test_a_record_of_several_classes_counts_as_the_rarest() -> None:
    for rare in ("AF", "VF"):  # before N by name, and after it
        labels = [("N", rare) if number < 10 else ("N",) for number in range(100)]
        fold = draw_stratified_folds([str(number) for number in range(100)], labels, 5)
        assert Counter(fold[:10].tolist()) == dict.fromkeys(range(5), 2)


def test_a_class_of_fewer_records_than_folds_is_no_obstacle() -> None:
    labels = [("rare",)] * 2 + [("N",)] * 18
    fold = draw_stratified_folds([str(number) for number in range(20)], labels, 5)
    assert sorted(Counter(fold.tolist()).values()) == [4] * 5


def test_folds_follow_from_one_seed_and_the_rules_for_several_classes() -> None:
    # Literal, so that another seed or rule, which would make old and new folds incomparable, is noticed.
    subjects = [f"s{number // 2}" for number in range(24)]
    labels = [("AF",) if number % 4 == 0 else ("N",) for number in range(24)]
    expected = [1, 1, 2, 2, 1, 1, 1, 1, 2, 2, 1, 1, 2, 2, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2]
    assert draw_stratified_folds(subjects, labels, 3).tolist() == expected


def test_equal_counts_are_decided_by_name() -> None:
    names = [str(number) for number in range(12)]
    tied = [("AF", "SB")] * 3 + [("AF",)] * 3 + [("SB",)] * 3 + [("N",)] * 3
    plain = [("AF",)] * 6 + [("SB",)] * 3 + [("N",)] * 3
    assert draw_stratified_folds(names, tied, 3).tolist() == draw_stratified_folds(names, plain, 3).tolist()
    # A class too rare for the folds joins the commonest; of two equally common ones the last by name.
    rare, joined = [("AF",)] * 5 + [("N",)] * 5 + [("SB",)] * 2, [("AF",)] * 5 + [("N",)] * 7
    assert draw_stratified_folds(names, rare, 3).tolist() == draw_stratified_folds(names, joined, 3).tolist()


def test_a_class_of_as_many_records_as_folds_is_spread() -> None:
    names = [str(number) for number in range(40)]
    fold = draw_stratified_folds(names, [("AF",)] * 5 + [("N",)] * 35, 5)
    assert sorted(fold[:5].tolist()) == [0, 1, 2, 3, 4]


def test_two_to_a_hundred_folds_can_be_drawn() -> None:
    names = [str(number) for number in range(101)]
    assert set(draw_stratified_folds(names, [("N",)] * 101, 2).tolist()) == {0, 1}
    assert len(set(draw_stratified_folds(names[:100], [("N",)] * 100, 100).tolist())) == 100
    with pytest.raises(UsageError, match="101 folds of 101 subjects"):
        draw_stratified_folds(names, [("N",)] * 101, 101)


def test_an_empty_fold_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class OneFold:
        def __init__(self, *args: object, **kwargs: object) -> None: ...

        def split(self, samples: np.ndarray, labels: list[str], subjects: list[str]) -> list:
            return [([], np.arange(len(samples)))]

    monkeypatch.setattr(folds, "StratifiedGroupKFold", OneFold)
    expected = r"^folds: an empty fold among 2; expected fewer folds or more subjects\.$"
    with pytest.raises(UsageError, match=expected):
        draw_stratified_folds(["a", "b"], [("N",)] * 2, 2)


@pytest.mark.parametrize("num_folds", [1, 4])
def test_impossible_folds_are_refused(num_folds: int) -> None:
    with pytest.raises(UsageError, match=rf"^folds: {num_folds} folds of 3 subjects; expected 2 to 3\.$"):
        draw_stratified_folds(["a", "b", "c", "c"], [("N",)] * 4, num_folds)


@pytest.mark.parametrize(
    ("num_folds", "joined"),
    [(10, list(range(10))), (5, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]), (2, [0] * 5 + [1] * 5)],
)
def test_official_folds_are_joined_to_neighbours(num_folds: int, joined: list[int]) -> None:
    assert join_official_folds(range(1, 11), num_folds).tolist() == joined


def test_official_folds_are_not_divided() -> None:
    assert join_official_folds([1, 10], 2).dtype == np.int8
    for num_folds in (1, 11):
        with pytest.raises(
            UsageError, match=rf"^folds: {num_folds} of a corpus with ten of its own; expected 2 to 10\.$"
        ):
            join_official_folds([1, 2], num_folds)
