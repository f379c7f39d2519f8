"""Halves of a corpus: every record in one of them, every class in both, whatever the order of the records."""

import pytest

from ecgfeat.corpora.halves import draw_halves, split_short_records

LABEL = {f"A{number:03d}": "NAO~"[number % 4] for number in range(203)}


def test_every_class_is_in_both_halves_and_no_record_twice():
    first, second = draw_halves(LABEL, "NAO~")
    assert sorted([*first, *second]) == sorted(LABEL)
    for name in "NAO~":
        count = [sum(LABEL[record] == name for record in half) for half in (first, second)]
        assert 0 <= count[1] - count[0] <= 1


def test_the_halves_do_not_depend_on_the_order_of_the_records():
    assert draw_halves(dict(reversed(LABEL.items())), "NAO~") == draw_halves(LABEL, "NAO~")


def test_a_class_that_is_not_named_is_left_out():
    first, second = draw_halves(LABEL, "NA")
    assert {LABEL[record] for record in [*first, *second]} == {"N", "A"}


def test_the_second_half_tests_and_a_third_of_the_first_validates():
    split = split_short_records(LABEL, "NAO~")
    first, second = draw_halves(LABEL, "NAO~")
    assert {record for record, side in split.items() if side == "test"} == set(second)
    of_first = [split[record] for record in first]
    assert of_first.count("train") == pytest.approx(2 * of_first.count("validation"), abs=2)
    for name in "NAO~":
        assert {split[record] for record in LABEL if LABEL[record] == name} == {"train", "validation", "test"}
