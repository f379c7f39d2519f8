"""Why the baselines on RR intervals name a beat as they do: exact parts, and each at its interval."""

import numpy as np
import pytest

from ecgfeat.arrhythmia.figures import FIGURES, describe_rhythm
from ecgfeat.arrhythmia.plain import INTERVAL_FIGURES, interval_figures
from ecgfeat.errors import DataError, UsageError
from ecgfeat.features.intervals import usual_interval
from ecgfeat.rhythm.baselines import predict_baseline
from ecgfeat.rhythm.rr_features import FEATURES, rr_features
from ecgfeat.saliency.intervals import (
    AT_INTERVALS,
    OF_MANY,
    explain_logistic,
    explain_rr_trees,
    find_extent,
    find_place,
)
from ecgfeat.store.schemas import RHYTHMS


def check_sums(explanation):
    assert sum(part.value for part in explanation.parts) == pytest.approx(explanation.difference, abs=1e-6)
    assert explanation.residual == 0
    assert {part.group for part in explanation.parts if part.extent_s is not None} == {AT_INTERVALS}
    assert any(part.group == OF_MANY for part in explanation.parts)
    assert explanation.notes[0].endswith("have no place: they stand in the list of parts alone.")


def to_softmax(score):
    return np.exp(score) / np.exp(score).sum()


def test_the_parts_of_the_trees_add_up_to_their_logits(rr_trees, found):
    explained = [explain_rr_trees(rr_trees, found, 12.0, answer=rhythm) for rhythm in RHYTHMS]
    for explanation in explained:
        check_sums(explanation)
    stretch, beat = found.find_beat(12.0)
    rr_s = np.full(len(found.whole.sample), np.nan)
    rr_s[stretch.rows] = stretch.rr_s
    # Classes of beats, which others of the figures are of, change nothing.
    probability = np.tile(np.float32([0.2, 0.3, 0.5]), (len(stretch.sample), 1))
    figure = interval_figures(describe_rhythm(stretch.rr_s, usual_interval(rr_s), probability))[beat]
    predicted = rr_trees.predict(figure[None])[0]
    np.testing.assert_allclose(to_softmax(np.array([of.value for of in explained])), predicted, atol=1e-6)
    assert explain_rr_trees(rr_trees, found, 12.0).answer == RHYTHMS[predicted.argmax()]


def test_the_parts_of_the_regression_add_up_to_its_logits(fitted, found):
    classes = fitted["rr_logistic"]["classes"]
    explained = [explain_logistic(fitted, found, 12.0, answer=rhythm) for rhythm in classes]
    for explanation in explained:
        check_sums(explanation)
    stretch, beat = found.find_beat(12.0)
    predicted = predict_baseline(fitted, "rr_logistic", stretch.rr_s)[beat, : len(classes)]
    np.testing.assert_allclose(to_softmax(np.array([of.value for of in explained])), predicted, atol=1e-6)
    own = next(part for part in explained[1].parts if part.name == "log_ratio_own")
    at, model = FEATURES.index("log_ratio_own"), fitted["rr_logistic"]
    scaled = (rr_features(stretch.rr_s)[beat, at] - model["mean"][at]) / model["scale"][at]
    assert own.value == pytest.approx(model["weight"][1][at] * scaled, abs=1e-6)
    time_s = found.times_of(stretch)
    assert own.extent_s == (time_s[beat - 1], time_s[beat])


@pytest.mark.parametrize(("figure", "change_s"), [("rr_before_s", {0}), ("rr_after_s", {1}), ("rr_change", {-1, 0})])
def test_a_figure_changes_with_the_intervals_of_its_place_alone(figure, change_s):
    first, last = find_place(figure)
    assert set(range(first, last + 1)) == change_s


@pytest.mark.parametrize("names", [INTERVAL_FIGURES, FIGURES, FEATURES], ids=["trees", "head", "regression"])
def test_places_are_those_of_the_intervals_that_matter_most(names):
    """Each interval in turn is made longer: a figure with a place changes most by one of its intervals."""
    rng = np.random.default_rng(0)
    rr_s, beat, size = 0.8 + 0.05 * rng.random(300), 150, 300
    rr_s[0] = np.nan
    num_checked = 0

    def describe(rr_s):
        if names is FEATURES:
            return rr_features(rr_s)[beat]
        return describe_rhythm(rr_s, (0.8, 0.8), np.tile(np.float32([0.8, 0.1, 0.1]), (size, 1)))[beat]

    change = []
    for lag in range(-6, 7):
        longer_s = rr_s.copy()
        longer_s[beat + lag] += 0.1
        change.append(np.abs(describe(longer_s) - describe(rr_s)))
    for column, name in enumerate(names):
        place = find_place(name)
        if place is not None and not name.startswith("p_"):
            largest = int(np.argmax([of[column] for of in change])) - 6
            assert place[0] <= largest <= place[1], name
            num_checked += 1
    assert num_checked >= 3


def test_an_extent_is_the_interval_on_the_record():
    time_s = np.array([1.0, 2.0, 2.5, 4.0])
    assert find_extent("rr_before_s", time_s, 2) == (2.0, 2.5)
    assert find_extent("rr_after_s", time_s, 2) == (2.5, 4.0)
    assert find_extent("rr_change", time_s, 2) == (1.0, 2.5)
    assert find_extent("rr_over_mean_11_at_-1", time_s, 2) == (1.0, 2.0)
    assert find_extent("rr_before_s", time_s, 0) is None
    assert find_extent("rr_after_s", time_s, 3) is None
    assert find_extent("rr_irregular_11", time_s, 2) is None


def test_what_cannot_be_explained_is_refused(rr_trees, fitted, found):
    with pytest.raises(UsageError, match="unknown rhythm 'X'"):
        explain_rr_trees(rr_trees, found, 12.0, answer="X")
    with pytest.raises(UsageError, match="unknown rhythm 'B'; expected one of NSR, AFIB, SBR"):
        explain_logistic(fitted, found, 12.0, answer="B")
    with pytest.raises(DataError, match="no beat in usable signal"):
        explain_logistic(fitted, found, 90.0)
