"""Runs of ectopic beats: by hand, against a comparison beat by beat, and what must not change them."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgfeat.scoring.runs import RUN_LENGTHS, run_scores

SWAPPED = {"sensitivity": "positive_predictivity", "num_reference_runs": "num_predicted_runs"}
SWAPPED |= {theirs: mine for mine, theirs in SWAPPED.items()}


def score(reference, predicted, stretch=None, sample=None, window=19):
    """Score beats written as one letter each, ``-`` for none, a second apart."""
    sides = [np.array([mark.replace("-", "") for mark in marks], dtype="<U1") for marks in (reference, predicted)]
    stretch = np.zeros(len(reference), np.int64) if stretch is None else np.asarray(stretch)
    sample = 128 * np.arange(len(reference)) if sample is None else np.asarray(sample)
    return run_scores(*sides, stretch, sample, window_samples=window)


def test_runs_by_hand():
    found = score(
        "NVVNNVVVNNVVVVVVVNSSNVVN",
        "NVVNNVVNNVVVVVVVVNSSNVNN",
    )
    # Three beats of which two are called: the short run is missed, and its two beats are a couplet within a true run.
    assert found["v"]["couplets"] == {
        "sensitivity": 1 / 2,
        "num_reference_runs": 2,
        "positive_predictivity": 1.0,
        "num_predicted_runs": 2,
    }
    assert found["v"]["short_runs"]["sensitivity"] == 0
    assert math.isnan(found["v"]["short_runs"]["positive_predictivity"])
    assert found["v"]["long_runs"]["sensitivity"] == found["v"]["long_runs"]["positive_predictivity"] == 1
    assert found["s"]["couplets"]["sensitivity"] == 1
    assert found["s"]["long_runs"]["num_reference_runs"] == 0


def test_a_longer_run_on_the_other_side_finds_a_shorter_one():
    found = score("NNVVNN", "NVVVVN")["v"]
    assert found["couplets"]["sensitivity"] == 1
    # Within the window of the four predicted beats lie two true ones: no short run.
    assert found["short_runs"]["positive_predictivity"] == 0


def test_fusion_goes_on_with_a_ventricular_run_and_a_missed_beat_does_not_end_one():
    assert score("NVFVN", "NVVVN")["v"]["short_runs"]["sensitivity"] == 1
    found = score("NVVVN", "NV-VN")["v"]
    assert found["short_runs"]["sensitivity"] == 0
    assert found["couplets"]["positive_predictivity"] == 1
    assert score("NVSVN", "NVSVN")["v"]["couplets"]["num_reference_runs"] == 0


def test_no_run_crosses_from_one_record_to_the_next():
    assert score("NVVN", "NVVN", stretch=[0, 0, 1, 1])["v"]["couplets"]["num_reference_runs"] == 0


def test_the_window_reaches_a_detection_beside_the_beat():
    for window, sensitivity in ((19, 1), (18, 0)):
        found = score("-VV-", "V--V", sample=[81, 100, 200, 219], window=window)
        assert found["v"]["couplets"]["sensitivity"] == sensitivity


@st.composite
def columns(draw):
    """Draw rows of a few stretches, mostly ectopic, so that runs are common."""
    letters = st.sampled_from("VVVVVVSSSNFQ-")
    rows = []
    for stretch in range(draw(st.integers(1, 3))):
        position = 0
        for _ in range(draw(st.integers(1, 30))):
            position += draw(st.integers(1, 40))
            rows.append((draw(letters), draw(letters.filter(lambda mark: mark not in "FQ")), stretch, position))
    reference, predicted, stretch, sample = zip(*rows, strict=True)
    return "".join(reference), "".join(predicted), np.array(stretch), np.array(sample)


def beat_by_beat(mine, theirs, window, fewest, most, ectopic):
    """Walk along my beats and, at the end of each run, along theirs: (runs of that kind, those found)."""
    num = found = 0
    run = []
    for letter, at in [*mine, ("N", None)]:
        if letter in ectopic:
            run.append(at)
            continue
        if run and fewest <= min(len(run), 6) <= most:
            num += 1
            longest = here = 0
            for their_letter, their_at in theirs:
                if run[0] - window <= their_at <= run[-1] + window:
                    here = here + 1 if their_letter in ectopic else 0
                    longest = max(longest, here)
            found += longest >= fewest
        run = []
    return num, found


@settings(max_examples=300)
@given(table=columns(), window=st.integers(0, 60))
def test_equals_the_comparison_beat_by_beat(table, window):
    reference, predicted, stretch, sample = table
    scores = score(reference, predicted, stretch, sample, window)
    for name, ectopic in (("v", "VF"), ("s", "S")):
        for kind, (fewest, most) in RUN_LENGTHS.items():
            total = np.zeros((2, 2), int)
            for one in np.unique(stretch):
                sides = [
                    [(m, at) for m, at, of in zip(marks, sample, stretch, strict=True) if m != "-" and of == one]
                    for marks in (reference, predicted)
                ]
                total[0] += beat_by_beat(*sides, window, fewest, most, ectopic)
                total[1] += beat_by_beat(*sides[::-1], window, fewest, most, ectopic)
            expected = {
                "num_reference_runs": total[0, 0],
                "num_predicted_runs": total[1, 0],
                "sensitivity": total[0, 1] / total[0, 0] if total[0, 0] else math.nan,
                "positive_predictivity": total[1, 1] / total[1, 0] if total[1, 0] else math.nan,
            }
            assert scores[name][kind] == pytest.approx(expected, nan_ok=True)


@given(table=columns(), window=st.integers(0, 60))
def test_a_side_compared_with_itself_is_perfect(table, window):
    _, side, stretch, sample = table
    for kinds in score(side, side, stretch, sample, window).values():
        for of in kinds.values():
            assert of["num_reference_runs"] == of["num_predicted_runs"]
            expected = 1 if of["num_reference_runs"] else math.nan
            assert of["sensitivity"] == pytest.approx(expected, nan_ok=True)
            assert of["positive_predictivity"] == pytest.approx(expected, nan_ok=True)


@given(table=columns(), window=st.integers(0, 60))
def test_swapping_the_sides_swaps_sensitivity_and_predictivity(table, window):
    reference, predicted, *rest = table
    there, back = score(reference, predicted, *rest, window), score(predicted, reference, *rest, window)
    for name in there:
        for kind, of in there[name].items():
            assert back[name][kind] == pytest.approx({SWAPPED[k]: v for k, v in of.items()}, nan_ok=True)


@given(table=columns(), window=st.integers(0, 60), shift=st.integers(0, 10**7))
def test_time_has_no_origin(table, window, shift):
    *rest, sample = table
    here, there = score(*rest, sample, window), score(*rest, sample + shift, window)
    assert str(here) == str(there)
