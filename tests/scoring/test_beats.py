import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgfeat.errors import UsageError
from ecgfeat.scoring.beats import (
    DETECTION_COUNTS,
    beat_class_scores,
    count_detections,
    detection_scores,
    match_beats,
)

beats = st.lists(st.integers(0, 1500), max_size=40).map(lambda x: np.array(sorted(x), dtype=np.int64))
distinct_beats = st.sets(st.integers(0, 1500), max_size=40).map(lambda x: np.array(sorted(x), dtype=np.int64))
windows = st.integers(0, 60)


def pair_one_by_one(reference: list[int], test: list[int], window: int) -> list[tuple[int, int]]:
    """Compare beat by beat over the whole lists, as bxb describes it: the reference for the fast way."""
    never = 10**9
    r, t = [*reference, never, 2 * never], [*test, 3 * never, 5 * never]
    i = j = 0
    pairs = []
    while i < len(reference) or j < len(test):
        here, there = r[i], t[j]
        following = abs(r[i + 1] - t[j + 1])
        to_rival = abs(here - t[j + 1]) if there < here else abs(there - r[i + 1])
        distance = abs(here - there)
        if distance <= window and (distance < to_rival or following < to_rival):
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif there < here:
            j += 1
        else:
            i += 1
    return pairs


def test_beats_close_together_are_paired_as_by_bxb() -> None:
    """The example in bxb for its rule of 2002: by the nearer neighbour alone there would be one pair."""
    reference, test = np.array([96, 160]), np.array([128, 185])
    for left, right in ((reference, test), (test, reference)):
        left_index, right_index = match_beats(left, right, 37)
        pairs = set(zip(left[left_index].tolist(), right[right_index].tolist(), strict=True))
        assert pairs in ({(96, 128), (160, 185)}, {(128, 96), (185, 160)})
    assert match_beats(np.array([96, 160]), np.array([130, 161]), 37)[0].tolist() == [0, 1]


@settings(max_examples=400)
@given(reference=beats, test=beats, window=windows)
def test_clusters_give_the_pairs_of_the_whole_lists(reference, test, window) -> None:
    found = list(zip(*(index.tolist() for index in match_beats(reference, test, window)), strict=True))
    assert found == pair_one_by_one(reference.tolist(), test.tolist(), window)


@settings(max_examples=300)
@given(reference=beats, test=beats, window=windows)
def test_pairs_are_one_to_one_in_order_and_within_the_window(reference, test, window) -> None:
    reference_index, test_index = match_beats(reference, test, window)
    assert np.all(np.diff(reference_index) > 0)
    assert np.all(np.diff(test_index) > 0)
    assert np.all(np.abs(reference[reference_index] - test[test_index]) <= window)


@given(beat=distinct_beats, window=windows)
def test_a_record_matches_itself(beat, window) -> None:
    reference_index, test_index = match_beats(beat, beat, window)
    np.testing.assert_array_equal(reference_index, np.arange(beat.size))
    np.testing.assert_array_equal(test_index, np.arange(beat.size))


@settings(max_examples=300)
@given(reference=distinct_beats, test=distinct_beats, window=windows)
def test_swapping_sides_swaps_the_scores(reference, test, window) -> None:
    there = match_beats(reference, test, window)
    back = match_beats(test, reference, window)
    np.testing.assert_array_equal(there[0], back[1])
    np.testing.assert_array_equal(there[1], back[0])


@given(reference=beats, test=beats, window=windows, shift=st.integers(-(10**9), 10**9))
def test_time_has_no_origin(reference, test, window, shift) -> None:
    np.testing.assert_array_equal(
        match_beats(reference, test, window), match_beats(reference + shift, test + shift, window)
    )


def test_the_window_includes_its_edge() -> None:
    beat = np.array([1000])
    assert match_beats(beat, beat + 19, 19)[0].size == 1
    assert match_beats(beat, beat - 20, 19)[0].size == 0
    # 150 ms at 128 Hz are 19.2 samples, at 360 Hz exactly 54.
    assert count_detections(beat, beat + 19, 128)["true_positives"] == 1
    assert count_detections(beat, beat + 20, 128)["true_positives"] == 0
    assert count_detections(beat, beat + 54, 360)["true_positives"] == 1
    assert count_detections(beat, beat + 55, 360)["true_positives"] == 0


def test_disorder_is_refused() -> None:
    with pytest.raises(ValueError, match="test beats"):
        match_beats(np.array([1, 2]), np.array([2, 1]), 3)
    with pytest.raises(ValueError, match="window"):
        match_beats(np.array([1, 2]), np.array([1, 2]), -1)


def test_detections_are_counted_with_and_without_the_learning_period() -> None:
    reference = np.array([100, 200, 300, 400, 500])
    test = np.array([50, 103, 201, 350, 402])
    assert count_detections(reference, test, 100, window_s=0.1) == {
        "true_positives": 3,
        "false_negatives": 2,
        "false_positives": 2,
        "offset_s": 0.02,
    }
    assert count_detections(reference, test, 100, window_s=0.1, skip_s=2.0) == {
        "true_positives": 2,
        "false_negatives": 2,
        "false_positives": 1,
        "offset_s": pytest.approx(0.015),
    }


def test_the_learning_period_ends_at_the_reference_beat_of_a_pair() -> None:
    # Each pair lies on both sides of 300 s: at 100 Hz, sample 30,000.
    before, after = np.array([29_995]), np.array([30_005])
    assert count_detections(after, before, 100, skip_s=300)["true_positives"] == 1
    count = count_detections(before, after, 100, skip_s=300)
    # The test beat is matched, so it is no false detection, although it is late enough to count.
    assert [count[name] for name in DETECTION_COUNTS] == [0, 0, 0]
    assert math.isnan(count["offset_s"])


def test_limits_in_seconds_are_rounded_to_samples() -> None:
    # 0.29 s x 100 Hz is a little less than 29 in binary numbers; 0.07 s x 100 Hz is a little more than 7.
    assert count_detections(np.array([100]), np.array([129]), 100, window_s=0.29)["true_positives"] == 1
    assert count_detections(np.array([100]), np.array([129]), 100, window_s=0.285)["true_positives"] == 0
    assert count_detections(np.array([7]), np.array([7]), 100, skip_s=0.07)["true_positives"] == 1
    # 0.1 s are 12.8 samples at 128 Hz: the learning period ends at sample 13.
    beat = np.array([12, 13])
    assert count_detections(beat, beat, 128, skip_s=0.1)["true_positives"] == 1
    assert count_detections(np.zeros(0, int), beat + 100, 128, skip_s=113 / 128)["false_positives"] == 1


def test_flutter_is_not_scored() -> None:
    reference, test = np.array([100, 300, 699, 1000]), np.array([100, 300, 400, 450, 699, 1000])
    count = count_detections(reference, test, 100, ignored_spans=np.array([[300, 700]]))
    assert [count[name] for name in DETECTION_COUNTS] == [2, 0, 0]
    # The span is half-open: sample 700 lies behind it.
    count = count_detections(reference + 1, test + 1, 100, ignored_spans=np.array([[300, 700]]))
    assert [count[name] for name in DETECTION_COUNTS] == [3, 0, 0]
    alone = count_detections(reference[:1], np.array([100, 299, 300, 700]), 100, ignored_spans=np.array([[300, 700]]))
    assert alone["false_positives"] == 2


def test_every_ignored_span_is_left_out() -> None:
    reference, test = np.array([100, 400, 600, 900]), np.array([150, 450, 650, 950])
    count = count_detections(reference, test, 100, ignored_spans=np.array([[50, 200], [550, 700]]))
    assert (count["true_positives"], count["false_negatives"], count["false_positives"]) == (0, 2, 2)


@given(reference=distinct_beats, test=distinct_beats, skip_s=st.sampled_from([0.0, 2.0, 20.0]))
def test_counts_add_up(reference, test, skip_s) -> None:
    count = count_detections(reference, test, 100, skip_s=skip_s)
    counted = int((reference >= 100 * skip_s).sum())
    assert count["true_positives"] + count["false_negatives"] == counted
    if skip_s == 0:
        assert count["true_positives"] + count["false_positives"] == test.size


def test_scores_gross_and_mean_over_records() -> None:
    count = np.array([[90, 10, 0], [1, 1, 1], [0, 0, 0]])
    scores = detection_scores(count)
    assert scores["sensitivity"] == pytest.approx(91 / 102)
    assert scores["positive_predictivity"] == pytest.approx(91 / 92)
    assert scores["f1"] == pytest.approx(2 * 91 / (2 * 91 + 11 + 1))
    assert scores["sensitivity_record_mean"] == pytest.approx((0.9 + 0.5) / 2)
    assert scores["positive_predictivity_record_mean"] == pytest.approx((1.0 + 0.5) / 2)
    assert [scores[name] for name in DETECTION_COUNTS] == [91, 11, 1]
    later = detection_scores(count, "_after_5min")
    assert later["f1_after_5min"] == scores["f1"]
    assert later["f1_after_5min_record_mean"] == scores["f1_record_mean"]
    assert later["true_positives_after_5min"] == 91
    empty = detection_scores(np.zeros((0, 3), int))
    assert math.isnan(empty["f1"])
    assert math.isnan(empty["f1_record_mean"])


def cells(text: str) -> tuple[np.ndarray, np.ndarray]:
    """Read 'reference/predicted:count' cells; '-' is no beat."""
    reference, predicted = [], []
    for cell in text.split():
        (r, p), count = cell.split(":")[0].split("/"), int(cell.split(":")[1])
        reference += [r.replace("-", "")] * count
        predicted += [p.replace("-", "")] * count
    return np.array(reference), np.array(predicted)


def test_beat_classes_plain_and_as_bxb_counts() -> None:
    reference, predicted = cells(
        "N/N:80 N/S:3 N/V:2 N/-:5 S/S:10 S/N:4 S/V:1 V/V:20 V/N:3 V/S:2 V/-:1 "
        "F/V:6 F/S:1 F/N:2 Q/V:4 Q/S:5 Q/N:7 -/V:1 -/S:2 -/N:3"
    )
    plain = beat_class_scores(reference, predicted)
    bxb = beat_class_scores(reference, predicted, counting="bxb")
    assert plain["v_sensitivity"] == bxb["v_sensitivity"] == pytest.approx(20 / 26)
    assert plain["v_positive_predictivity"] == pytest.approx(20 / (20 + 2 + 1 + 6 + 4 + 1))
    assert bxb["v_positive_predictivity"] == pytest.approx(20 / (20 + 2 + 1 + 1))
    assert plain["s_positive_predictivity"] == pytest.approx(10 / (10 + 3 + 2 + 1 + 5 + 2))
    assert bxb["s_positive_predictivity"] == pytest.approx(10 / (10 + 3 + 2 + 1 + 2))
    assert plain["n_positive_predictivity"] == pytest.approx(80 / (80 + 4 + 3 + 2 + 7 + 3))
    assert bxb["n_positive_predictivity"] == pytest.approx(80 / (80 + 4 + 3 + 2 + 3))
    assert bxb["s_f1"] == pytest.approx(2 * 10 / (2 * 10 + 5 + 8))
    # VTN: everything that is not a V, was detected, and was not called V.
    negatives = 80 + 3 + 10 + 4 + 1 + 2 + 5 + 7 + 2 + 3
    assert bxb["v_false_positive_rate"] == pytest.approx(4 / (negatives + 4))
    assert plain["v_false_positive_rate"] == pytest.approx(14 / (negatives + 14))
    assert plain["v_support"] == 26


beat_pairs = st.lists(
    st.tuples(st.sampled_from(["N", "S", "V", "F", "Q", ""]), st.sampled_from(["N", "S", "V", ""])).filter(any),
    max_size=40,
)


@given(pairs=beat_pairs, counting=st.sampled_from(["plain", "bxb"]))
def test_class_scores_equal_counting_one_by_one(pairs, counting) -> None:
    excused = {("F", "V"), ("Q", "V"), ("Q", "S"), ("Q", "N")} if counting == "bxb" else set()
    found = beat_class_scores(
        np.array([r for r, _ in pairs], dtype="<U1"), np.array([p for _, p in pairs], dtype="<U1"), counting
    )
    for name in "NSV":
        hit = missed = false = spared = 0
        for pair in pairs:
            reference, called = pair
            if reference == name and called == name:
                hit += 1
            elif reference == name:
                missed += 1
            elif called == name and pair not in excused:
                false += 1
            elif called not in (name, ""):
                spared += 1
        expected = {
            "sensitivity": (hit, hit + missed),
            "positive_predictivity": (hit, hit + false),
            "f1": (2 * hit, 2 * hit + missed + false),
            "false_positive_rate": (false, spared + false),
        }
        for key, (part, whole) in expected.items():
            value = part / whole if whole else math.nan
            assert found[f"{name.lower()}_{key}"] == pytest.approx(value, nan_ok=True)
        assert found[f"{name.lower()}_support"] == hit + missed


@given(pairs=beat_pairs)
def test_swapping_the_sides_of_plain_counting_swaps_sensitivity_and_predictivity(pairs) -> None:
    pairs = [(r, p) for r, p in pairs if r not in ("F", "Q")]
    sides = [np.array([pair[side] for pair in pairs], dtype="<U1") for side in (0, 1)]
    there, back = beat_class_scores(*sides), beat_class_scores(*sides[::-1])
    for name in "nsv":
        for mine, theirs in (("sensitivity", "positive_predictivity"), ("f1", "f1")):
            assert there[f"{name}_{mine}"] == pytest.approx(back[f"{name}_{theirs}"], nan_ok=True)


@given(label=st.lists(st.sampled_from(["N", "S", "V", "F", "Q"]), max_size=30))
def test_perfect_labels_score_one(label) -> None:
    reference = np.array(label, dtype="<U1")
    for counting in ("plain", "bxb"):
        scores = beat_class_scores(reference, reference, counting=counting)
        for name in "NSV":
            f1 = scores[f"{name.lower()}_f1"]
            assert f1 == 1 if name in label else math.isnan(f1)


def test_misuse_is_refused() -> None:
    with pytest.raises(UsageError, match="counting"):
        beat_class_scores(np.array(["N"]), np.array(["N"]), counting="ec57")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="1 and 2"):
        beat_class_scores(np.array(["N"]), np.array(["N", "V"]))
