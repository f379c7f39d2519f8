"""Episodes by hand, and against a comparison sample by sample; what must not change them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgfeat.scoring.episodes import burden_error, episode_scores

COUNTS = ("num_reference_episodes", "num_predicted_episodes")
SWAPPED = {
    "episode_sensitivity": "episode_positive_predictivity",
    "duration_sensitivity": "duration_positive_predictivity",
    "num_reference_episodes": "num_predicted_episodes",
}
SWAPPED |= {theirs: mine for mine, theirs in SWAPPED.items()}


def episodes(reference, predicted, record=None, start_s=None, excluded=None):
    start = np.arange(len(reference), dtype=float) if start_s is None else np.asarray(start_s, dtype=float)
    record = np.zeros(len(reference), int) if record is None else np.asarray(record)
    sides = [np.array([mark == "x" for mark in marks]) for marks in (reference, predicted)]
    is_excluded = None if excluded is None else np.array([mark == "x" for mark in excluded])
    scores = episode_scores(*sides, record, start, start + 1, is_excluded=is_excluded)
    return scores | {"burden_error": burden_error(*sides, record, np.ones(len(start)))}


def test_episodes_counted_by_hand():
    scores = episodes(
        "xxx..xx....x",
        ".x.x.xxxx...",
    )
    assert scores["num_reference_episodes"] == 3
    assert scores["num_predicted_episodes"] == 3
    assert scores["episode_sensitivity"] == pytest.approx(2 / 3)
    assert scores["episode_positive_predictivity"] == pytest.approx(2 / 3)
    assert scores["duration_sensitivity"] == pytest.approx(3 / 6)
    assert scores["duration_positive_predictivity"] == pytest.approx(3 / 6)
    assert scores["burden_error"] == pytest.approx(0)


def test_episodes_end_with_the_record_and_at_gaps():
    assert episodes("xxxx", "....", record=[0, 0, 1, 1])["num_reference_episodes"] == 2
    assert episodes("xxxx", "....", start_s=[0, 1, 2, 60])["num_reference_episodes"] == 2
    assert episodes("xxxx", "....")["num_reference_episodes"] == 1


def test_burden_is_averaged_over_records():
    scores = episodes("xx..xxxx", "....xxxx", record=[0] * 4 + [1] * 4)
    assert scores["burden_error"] == pytest.approx((0.5 + 0) / 2)


def test_no_episodes_have_no_sensitivity():
    scores = episodes("....", "..x.")
    assert np.isnan([scores["episode_sensitivity"], scores["duration_sensitivity"]]).all()
    assert scores["episode_positive_predictivity"] == 0


def test_excluded_time_is_no_false_prediction():
    """``epicmp`` shortens a predicted episode by the atrial flutter in it, and passes over one that is all flutter."""
    scores = episodes(
        "xxx.........",
        "xxxxx..xx.x.",
        excluded="...x...xx...",
    )
    assert scores["num_predicted_episodes"] == 2
    assert scores["episode_positive_predictivity"] == pytest.approx(1 / 2)
    assert scores["duration_positive_predictivity"] == pytest.approx(3 / 5)
    assert scores["duration_sensitivity"] == 1


@st.composite
def records(draw):
    """Draw tiled units of up to three records: (reference, predicted, record, start, stop), whole seconds."""
    columns = []
    for record in range(draw(st.integers(1, 3))):
        length = draw(st.lists(st.integers(1, 4), min_size=1, max_size=25))
        gap = draw(st.lists(st.sampled_from([0, 0, 0, 2, 3]), min_size=len(length), max_size=len(length)))
        start = np.cumsum(gap) + np.cumsum([0, *length[:-1]])
        sides = [draw(st.lists(st.booleans(), min_size=len(length), max_size=len(length))) for _ in range(2)]
        columns.append((*map(np.array, sides), np.full(len(length), record), start, start + np.array(length)))
    return tuple(np.concatenate(parts) for parts in zip(*columns, strict=True))


def by_the_second(is_reference, is_predicted, record, start, stop):
    """Compare the two sides second by second: the oracle."""
    hit = {"reference": 0, "predicted": 0}
    count, time_s, both_s, error = dict(hit), dict(hit), 0, []
    for one in np.unique(record):
        mine = record == one
        axis = np.full((int(stop[mine].max()), 2), -1)  # -1: nothing known
        for r, p, a, b in zip(is_reference[mine], is_predicted[mine], start[mine], stop[mine], strict=True):
            axis[a:b] = r, p
        for second in range(1, len(axis) - 2):
            # A gap of 2 s or less is bridged where both ends are the same.
            for width in (1, 2):
                gap = axis[second : second + width]
                for side in (0, 1):
                    around = axis[second - 1, side], axis[second + width, side] if second + width < len(axis) else -1
                    if (gap[:, side] == -1).all() and around == (1, 1):
                        axis[second : second + width, side] = 2  # inside the episode, but not scored time
        for side, name in enumerate(hit):
            inside = np.concatenate([[False], axis[:, side] > 0, [False]])
            for a in np.flatnonzero(inside[1:] & ~inside[:-1]):
                b = a + np.flatnonzero(~inside[a + 1 :])[0]
                count[name] += 1
                hit[name] += bool(((axis[a:b, 0] == 1) & (axis[a:b, 1] == 1)).any())
            time_s[name] += int((axis[:, side] == 1).sum())
        both_s += int(((axis[:, 0] == 1) & (axis[:, 1] == 1)).sum())
        known = (axis[:, 0] == 0) | (axis[:, 0] == 1)
        error.append(abs(int((axis[:, 0] == 1).sum()) - int((axis[:, 1] == 1).sum())) / known.sum())

    def ratio(part, whole):
        return part / whole if whole else np.nan

    return {
        "episode_sensitivity": ratio(hit["reference"], count["reference"]),
        "episode_positive_predictivity": ratio(hit["predicted"], count["predicted"]),
        "duration_sensitivity": ratio(both_s, time_s["reference"]),
        "duration_positive_predictivity": ratio(both_s, time_s["predicted"]),
        "num_reference_episodes": count["reference"],
        "num_predicted_episodes": count["predicted"],
    }, np.mean(error)


@settings(max_examples=300)
@given(columns=records())
def test_equals_the_comparison_second_by_second(columns):
    expected, burden = by_the_second(*columns)
    assert episode_scores(*columns) == pytest.approx(expected, nan_ok=True)
    reference, predicted, record, start, stop = columns
    assert burden_error(reference, predicted, record, stop - start) == pytest.approx(burden)


@given(columns=records())
def test_a_side_compared_with_itself_is_perfect(columns):
    _, side, *extent = columns
    scores = episode_scores(side, side, *extent)
    for name in set(SWAPPED) - set(COUNTS):
        assert scores[name] == 1 if side.any() else np.isnan(scores[name])
    assert burden_error(side, side, extent[0], extent[2] - extent[1]) == 0


@given(columns=records())
def test_swapping_the_sides_swaps_sensitivity_and_predictivity(columns):
    reference, predicted, *extent = columns
    there, back = episode_scores(reference, predicted, *extent), episode_scores(predicted, reference, *extent)
    assert back == pytest.approx({SWAPPED[name]: value for name, value in there.items()}, nan_ok=True)


@given(columns=records(), shift=st.integers(-(10**6), 10**6))
def test_time_has_no_origin(columns, shift):
    *sides, start, stop = columns
    found = episode_scores(*sides, start + shift, stop + shift)
    assert found == pytest.approx(episode_scores(*sides, start, stop), nan_ok=True)
