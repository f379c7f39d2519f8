"""Usable time: which stretches are used, how the table keeps them, and no interval across a gap."""

import numpy as np
import pytest

from ecgfeat.signals.quality import ABSENT, NOISY, USABLE
from ecgfeat.signals.usable import find_usable, mark_inside, name_quality, read_states, tabulate_quality
from ecgfeat.store.schemas import QUALITY

LETTER = {"u": USABLE, "n": NOISY, "-": ABSENT}


def states(*leads: str) -> np.ndarray:
    """Return (T, C) states from one string per lead."""
    return np.array([[LETTER[letter] for letter in lead] for lead in leads], dtype=np.int8).T


def usable_s(state_TC: np.ndarray, least_s: int = 3) -> list[tuple[float, float]]:
    spans = find_usable(state_TC, 128 * len(state_TC), least_s)
    return [(start / 128, stop / 128) for start, stop in spans]


@pytest.mark.parametrize(
    ("leads", "expected"),
    [
        (["uuuuuuuu"], [(0, 8)]),
        (["--------"], []),
        (["uuunnuuu"], [(0, 8)]),  # short noise is bridged
        (["uuunnnuuu"], [(0, 3), (6, 9)]),
        (["uuu-uuu"], [(0, 3), (4, 7)]),  # absence never is
        (["nnuuuunn"], [(2, 6)]),  # nor noise at an end
        (["uuuuunnnnn", "nnnnnuuuuu"], [(0, 10)]),  # the leads take turns
        (["uuuu------", "------uuuu"], [(0, 4), (6, 10)]),
        (["uuun-uuu", "nnnnnuuu"], [(0, 8)]),  # one lead absent is noise of the other
        (["uunnnnuuu"], [(6, 9)]),  # too short
        (["uu"], [(0, 2)]),  # but the whole record
        (["nuuu"], [(1, 4)]),
        (["nuun"], [(1, 3)]),  # or half of it
        (["unnnn"], []),
    ],
)
def test_stretches(leads: list[str], expected: list[tuple[float, float]]) -> None:
    assert usable_s(states(*leads)) == expected


def test_the_last_second_may_be_a_part() -> None:
    assert find_usable(states("uuuu"), 3 * 128 + 5, 3) == [(0, 3 * 128 + 5)]


def test_the_table_keeps_the_states() -> None:
    state_TC = np.random.default_rng(0).choice([USABLE, NOISY, ABSENT], (200, 3)).astype(np.int8)
    state_TC[:, 1] = ABSENT
    rows = tabulate_quality("100", state_TC)
    assert list(rows) == list(QUALITY.columns)
    for lead in range(3):
        of = rows["lead"] == lead
        assert rows["start_s"][of][0] == 0
        np.testing.assert_array_equal(rows["start_s"][of][1:], rows["stop_s"][of][:-1])
        assert (rows["state"][of][1:] != rows["state"][of][:-1]).all()
    np.testing.assert_array_equal(read_states(rows), state_TC)
    assert read_states({name: column[:0] for name, column in rows.items()}).shape == (0, 0)


def test_quality_at_each_beat() -> None:
    state_TC = states("uuuuuuunnn---u")
    spans = find_usable(state_TC, 14 * 128, 3)
    sample = np.array([0, 7 * 128 - 1, 7 * 128, 10 * 128, 13 * 128 + 5, 20 * 128])
    assert name_quality(sample, state_TC, spans).tolist() == ["usable", "usable", "noisy", "absent", "noisy", "noisy"]
    assert mark_inside(sample, spans).tolist() == [True, True, False, False, False, False]
    assert not mark_inside(sample, []).any()
