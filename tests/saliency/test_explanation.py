"""An explanation in words and in JSON."""

import json

import numpy as np
import pytest

from ecgfeat.saliency.explanation import CAUTION, Explanation, Part


def make_explanation(**changes):
    parts = (
        Part("waveform", "", 3.0, True),
        Part("intervals", "rr_one", 2.5, False),
        Part("intervals", "rr_two", -1.5, False),
    )
    given = {
        "record": "a",
        "model": "beat classifier",
        "at_s": 1.5,
        "answer": "V",
        "number": "log odds of V",
        "value": 3.0,
        "baseline_value": -1.01,
        "baseline": "the usual beat",
        "parts": parts,
        "residual": 0.01,
        "similarity": 0.314,
        "kind": "beat",
        "columns": ("I", "II"),
        "start_s": np.array([1.0, 1.5, 2.0]),
        "stop_s": np.array([1.5, 2.0, 2.5]),
        "relevance": np.array([[1.0, 0.5], [0.5, 0.5], [0.25, 0.25]]),
    }
    return Explanation(**given | changes)


def test_the_share_is_what_is_on_the_trace():
    explanation = make_explanation()
    assert explanation.difference == pytest.approx(4.01)
    assert explanation.share == pytest.approx(3 / 4.01)
    assert sum(part.value for part in explanation.parts) + explanation.residual == pytest.approx(explanation.difference)
    assert explanation.share_between(1.0, 1.5) == pytest.approx(1.5 / 4.01)
    assert explanation.share_between(0.0, 9.0) == pytest.approx(explanation.share)


def test_of_a_small_difference_no_share_is_stated():
    explanation = make_explanation(baseline_value=2.95)
    assert explanation.share is None
    assert "no share is stated, the difference is too small" in "\n".join(explanation.as_lines())
    assert explanation.as_dict()["share"] is None


def test_a_small_share_sends_the_reader_to_the_parts():
    explanation = make_explanation(parts=(Part("waveform", "", 0.1, True), Part("intervals", "rr", 3.9, False)))
    assert "On the trace: 2 % of the difference: look at the parts, not at the map." in explanation.as_lines()


def test_words():
    assert make_explanation().as_lines() == [
        "a, 1.50 s: V. Beat classifier, log odds of V +3.00.",
        "Baseline: the usual beat; its number is -1.01. The difference, +4.01, is made of:",
        "  +3.00  waveform (on the trace)",
        "  +1.00  intervals: rr_one +2.50, rr_two -1.50",
        "  +0.01  not accounted for by the sum over steps",
        "On the trace: 75 % of the difference.",
        "Similarity to a map of random weights .31 (lower is better).",
        CAUTION,
    ]


@pytest.mark.parametrize(
    ("similarity", "text"),
    [(-0.2, "weights -.20 ("), (1.0, "weights 1.00 ("), (None, "none, there is nothing to compare")],
)
def test_similarities_in_words(similarity, text):
    assert text in make_explanation(similarity=similarity).state_similarity()


def test_json_has_the_map_and_no_nan():
    described = make_explanation(similarity=None, residual=float("nan")).as_dict()
    again = json.loads(json.dumps(described, allow_nan=False))
    assert again == described
    assert again["residual"] is None
    assert again["relevance"] == [[1.0, 0.5, 0.25], [0.5, 0.5, 0.25]]
    assert again["groups"] == {"waveform": 3.0, "intervals": 1.0}
    assert again["caution"] == CAUTION
    plain = {"group": "intervals", "name": "rr_one", "value": 2.5, "is_on_trace": False, "extent_s": None}
    assert again["parts"][1] == plain


def test_what_has_a_place_is_under_the_trace():
    parts = (
        Part("waveform", "", 2.0, True),
        Part("intervals", "rr_one", 0.75, False, (1.0, 1.5)),
        Part("intervals", "rr_two", 0.25, False),
        Part("classes", "at 1.50 s", 1.0, False, (1.35, 1.65)),
    )
    explanation = make_explanation(parts=parts, notes=("A note.",))
    lines = explanation.as_lines()
    assert "  +1.00  intervals (partly under the trace): rr_one +0.75, rr_two +0.25" in lines
    assert "  +1.00  classes (under the trace): at 1.50 s +1.00" in lines
    assert lines[-4:-2] == [
        "A note.",
        "On the trace: 50 % of the difference; under it, at beats and intervals: 44 % of the difference.",
    ]
    described = json.loads(json.dumps(explanation.as_dict()))
    assert [part["extent_s"] for part in described["parts"]] == [None, [1.0, 1.5], None, [1.35, 1.65]]
    assert (described["notes"], described["extent_s"]) == (["A note."], None)


def test_parts_that_are_exact_leave_nothing_and_without_a_map_no_sample_is_read():
    explanation = make_explanation(
        residual=0.0, relevance=np.zeros((0, 0)), compared="the parts by other trees", parts=()
    )
    lines = explanation.as_lines()
    assert not any("sum over steps" in line for line in lines)
    assert "On the trace: no sample is read." in lines
    assert "Similarity to the parts by other trees .31 (lower is better)." in lines
