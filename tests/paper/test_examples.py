"""The choice of strips: which, why, and always the same."""

import itertools

import numpy as np
import pytest

from ecgfeat.paper.examples import Example, choose_examples
from ecgfeat.prediction.record import Prediction
from ecgfeat.summary import summarise
from tests.fixtures.hand_made import make_prediction, make_regular


def choose(prediction: Prediction) -> tuple[Example, ...]:
    return choose_examples(summarise(prediction.beats, prediction.episodes, prediction.duration_s), prediction.episodes)


@pytest.fixture
def eventful() -> Prediction:
    # 1 beat per second to 300 s; then a run of 4 V; 0.5 s to 400 s; a pause of 3.2 s; 1.0 s to the end.
    intervals: list[float | None] = [None, *[1.0] * 299, *[0.4] * 4, *[0.5] * 200, 3.2, *[1.0] * 300]
    aami = "N" * 300 + "VVVV" + "N" * 501
    rhythms = [
        (0.0, 100.0, "NSR", 0.99, ""),
        (100.0, 140.0, "AFIB", 0.98, ""),
        (140.0, 200.0, "NSR", 0.52, ""),
        (200.0, 260.0, "AFIB", 0.61, ""),
        (260.0, 500.0, "", np.nan, "noise"),
        (500.0, 705.0, "NSR", 0.9, ""),
    ]
    return make_prediction(intervals, rhythms, aami=aami)


def test_each_strip_has_its_reason(eventful: Prediction) -> None:
    reasons = {example.reason: example for example in choose(eventful)}
    assert (
        list(reasons)
        == [
            "Most certain NSR episode, certainty .99",
            "Least certain NSR episode, certainty .52",
            "Most certain AFIB episode, certainty .98",
            "Least certain AFIB episode, certainty .61",
            "Onset of the longest AFIB episode, which lasts 1:00",
            "First run of V beats, 4 beats, 150 per min",
            "Longest pause, 3.20 s",
            "Highest heart rate, 133 per min over 8 RR intervals",
            "Lowest heart rate, 47 per min over 8 RR intervals",
        ]
        or len(reasons) == 8
    )  # the pause may be part of the slowest eight intervals
    assert reasons["Least certain NSR episode, certainty .52"].start_s == 165
    onset = reasons["Onset of the longest AFIB episode, which lasts 1:00"]
    assert onset.start_s < 200 < onset.stop_s


def test_strips_of_nearly_the_same_time_are_one() -> None:
    rhythms = [(0.0, 100.0, "NSR", 0.9, ""), (100.0, 104.0, "AFIB", 0.6, ""), (104.0, 200.0, "NSR", 0.8, "")]
    intervals: list[float | None] = [None, *[1.0] * 199]
    reasons = [example.reason for example in choose(make_prediction(intervals, rhythms))]
    joined = [reason for reason in reasons if "AFIB" in reason]
    assert joined == ["The only AFIB episode, certainty .60; onset of the longest AFIB episode, which lasts 0:04"]


@pytest.mark.parametrize(("duration_s", "num"), [(60.0, 6), (55.5, 6), (10.0, 1), (9.0, 1), (0.5, 1)])
def test_a_short_record_is_drawn_whole(duration_s: float, num: int) -> None:
    examples = choose(make_prediction([None], [(0.0, duration_s, "NSR", 0.9, "")]))
    assert len(examples) == num
    assert examples[0].start_s == 0
    assert examples[-1].stop_s == duration_s
    for before, after in itertools.pairwise(examples):
        assert before.stop_s == after.start_s


def test_strips_are_within_the_record_and_ten_seconds_long(eventful: Prediction) -> None:
    for prediction in (eventful, make_regular(61)):
        examples = choose(prediction)
        assert examples
        for example in examples:
            assert 0 <= example.start_s < example.stop_s <= prediction.duration_s
            assert example.stop_s - example.start_s == 10
        assert examples == choose(prediction)


def test_a_record_without_beats_and_rhythms_has_no_strip() -> None:
    assert choose(make_prediction([], [(0.0, 100.0, "", np.nan, "no signal")])) == ()
