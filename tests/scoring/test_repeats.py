"""Spread over runs: its arithmetic, and which runs belong together."""

import json

import pytest

from ecgfeat.scoring.plain import plain_numbers
from ecgfeat.scoring.repeats import repeated_scores, repeats_of, run_fingerprint, spread_over
from tests.fixtures.rhythm_predictions import scores


def view(macro_f1: float, accuracy: float, **f1: float) -> dict:
    return {"toy": {"timeline": {"grid": {"single": {"macro_f1": macro_f1, "accuracy": accuracy, "f1": f1}}}}}


def test_spread_is_mean_lowest_and_highest() -> None:
    spread = spread_over({"7": view(0.5, 0.9, AFIB=0.4), "8": view(0.7, 0.6, AFIB=0.8), "9": view(0.3, 0.9, AFIB=0.9)})
    of = spread["toy"]["timeline"]["grid"]["single"]
    assert of["macro_f1"] == {"mean": 0.5, "min": 0.3, "max": 0.7, "values": {"7": 0.5, "8": 0.7, "9": 0.3}}
    assert of["accuracy"] == {"mean": 0.8, "min": 0.6, "max": 0.9, "values": {"7": 0.9, "8": 0.6, "9": 0.9}}
    assert of["f1"]["AFIB"] == {"mean": 0.7, "min": 0.4, "max": 0.9, "values": {"7": 0.4, "8": 0.8, "9": 0.9}}


def test_a_run_without_a_class_has_no_part_in_its_spread() -> None:
    of = spread_over({"7": view(0.5, 0.5, B=0.2), "8": view(0.5, 0.5, B=0.4), "9": view(0.5, 0.5)})
    f1 = of["toy"]["timeline"]["grid"]["single"]["f1"]
    assert f1 == {"B": {"mean": 0.3, "min": 0.2, "max": 0.4, "values": {"7": 0.2, "8": 0.4, "9": None}}}


def test_runs_of_other_heads_do_not_make_a_spread() -> None:
    other = {"toy": {"window": view(0.5, 0.5)["toy"]["timeline"]}}
    with pytest.raises(ValueError, match="runs 7 and 8: toy timeline grid single is in only one of them"):
        spread_over({"7": view(0.5, 0.5), "8": other})


def test_scores_whose_spread_is_told() -> None:
    rhythm = scores(range(6))
    picked = repeated_scores(rhythm)["toy"]["timeline"]
    assert set(picked["timeline"]) == {"single", "tta7", "viterbi"}
    full = plain_numbers(rhythm)["toy"]["timeline"]["timeline"]["viterbi"]
    assert picked["timeline"]["viterbi"] == {
        "macro_f1": full["macro_f1"],
        "accuracy": full["accuracy"],
        "f1": full["f1"],
        "per_second": {"macro_f1": full["per_second"]["macro_f1"]},
    }
    assert set(picked["grid"]["single"]) == {"macro_f1", "accuracy", "f1"}


def test_a_series_adds_to_the_run_it_repeats_and_to_no_other() -> None:
    run, other = scores(range(6)), scores(range(6), seed=1)
    # The name must survive intervals, rounding and the way through a file: the report has all three.
    written = json.loads(json.dumps(plain_numbers(scores(range(6), num_resamples=20))))
    assert "interval" in written["toy"]["timeline"]["grid"]["single"]
    repeats = {
        "seeds": {"run": run_fingerprint(run), "metrics": {"seeds": [1, 2]}},
        "folds": {"run": run_fingerprint(other), "metrics": {"folds": 5}},
    }
    assert repeats_of(repeats, written) == {"seeds": [1, 2]}
    assert repeats_of(repeats, other) == {"folds": 5}
    assert repeats_of({}, run) == {}


def test_a_score_that_no_run_has_is_none() -> None:
    of = spread_over({"7": view(0.5, 0.5, B=None), "8": view(0.5, 0.5, B=None)})  # type: ignore[arg-type]
    f1 = of["toy"]["timeline"]["grid"]["single"]["f1"]
    assert f1 == {"B": {"mean": None, "min": None, "max": None, "values": {"7": None, "8": None}}}
