"""Statements by reference rhythm, counted by hand."""

import numpy as np
import pytest

from ecgfeat.scoring.statements import count_statements

HOUR = 3600 * 128


def count(*rows):
    names = ("rhythm", "reference", "hours", "statements")
    table = {name: np.array([*(row[k] for row in rows), None], dtype=object)[:-1] for k, name in enumerate(names)}
    length = np.array([row[2] * HOUR for row in rows], dtype=np.int64)
    return count_statements(table | {"start_sample": np.zeros(len(rows), dtype=np.int64), "stop_sample": length})


def test_shares_are_of_named_episodes_of_a_reference_rhythm():
    of = count(
        ("AFIB", "AFIB", 3, ["irregular RR intervals", "no P wave"]),
        ("NSR", "AFIB", 1, ["P waves"]),  # wrongly named: it counts for what it is
        ("NSR", "NSR", 2, ["P waves"]),
        ("", "NSR", 5, []),  # not named
        ("AFIB", "AFL", 1, ["flutter is possible"]),
        ("NSR", "VT", 1, ["P waves"]),  # none of the rhythms that are counted
        ("NSR", "", 1, ["P waves"]),
    )
    assert of["named"] == {
        "AFIB": {"num_episodes": 2, "hours": 4.0},
        "NSR": {"num_episodes": 1, "hours": 2.0},
        "AFL": {"num_episodes": 1, "hours": 1.0},
    }
    assert set(of["made"]) == {"irregular RR intervals", "no P wave", "P waves", "flutter is possible"}
    p_waves = of["made"]["P waves"]
    assert p_waves["AFIB"] == {"num_episodes": 1, "share_episodes": 0.5, "share_time": 0.25}
    assert p_waves["NSR"] == {"num_episodes": 1, "share_episodes": 1.0, "share_time": 1.0}
    assert p_waves["AFL"]["num_episodes"] == 0
    assert of["made"]["irregular RR intervals"]["AFIB"]["share_time"] == pytest.approx(0.75)


def test_without_a_known_rhythm_nothing_is_counted():
    assert count(("NSR", "VT", 1, ["P waves"]), ("", "NSR", 1, [])) == {}
