"""Ribbons of a prediction: rhythm, and quality by lead."""

import dataclasses

import numpy as np

from ecgfeat.paper.ribbons import quality_ribbons, rhythm_ribbon
from ecgfeat.signals.quality import ABSENT, NOISY, USABLE
from ecgfeat.signals.usable import tabulate_quality
from tests.fixtures.hand_made import make_prediction

PREDICTION = make_prediction(
    [None, *[1.0] * 40],
    [(0, 20, "NSR", 0.9, ""), (20, 30, "", np.nan, "noise"), (30, 40, "", np.nan, "no signal"), (40, 50, "B", 0.8, "")],
)


def test_time_without_a_rhythm_has_an_empty_name() -> None:
    assert list(rhythm_ribbon(PREDICTION.episodes).rhythm) == ["NSR", "", "", "B"]


def test_without_a_table_of_quality_only_what_the_reasons_say_is_drawn() -> None:
    (ribbon,) = quality_ribbons(PREDICTION, ("MLII",))
    assert ribbon.title == "noise, no signal"
    assert list(ribbon.rhythm) == ["noisy", "absent"]
    assert ribbon.start_s.tolist() == [20, 30]
    assert ribbon.stop_s.tolist() == [30, 40]


def test_quality_that_nobody_assessed_has_no_ribbon() -> None:
    assert quality_ribbons(make_prediction([None, *[1.0] * 40], [(0, 50, "NSR", 0.9, "")]), ("MLII",)) == []


def test_few_leads_have_a_ribbon_each_and_many_the_best() -> None:
    state_TC = np.full((50, 4), USABLE, np.int8)
    state_TC[10:20, 0] = NOISY
    state_TC[30:40] = NOISY
    state_TC[35:40] = ABSENT
    few = dataclasses.replace(PREDICTION, quality=tabulate_quality("hand", state_TC[:, :2]))
    first, second = quality_ribbons(few, ("MLII", "V1"))
    assert (first.title, second.title) == ("quality MLII", "quality V1")
    assert list(first.rhythm) == ["usable", "noisy", "usable", "noisy", "absent", "usable"]
    assert list(second.stop_s) == [30, 35, 40, 50]
    many = dataclasses.replace(PREDICTION, quality=tabulate_quality("hand", state_TC))
    (best,) = quality_ribbons(many, ("a", "b", "c", "d"))
    assert list(zip(best.start_s, best.rhythm, strict=True)) == [
        (0, "usable"), (30, "noisy"), (35, "absent"), (40, "usable"),
    ]  # fmt: skip
