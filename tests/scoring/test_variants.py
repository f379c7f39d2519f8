"""Variants of a run: scores worked out by hand, and differences paired by subject."""

import numpy as np
import pytest

from ecgfeat.scoring.intervals import MIN_SUBJECTS, draw_subjects
from ecgfeat.scoring.variants import AS_IT_IS, compare_variants


def test_differences_are_paired():
    """Two variants that err alike in every subject differ by the same in every resample."""
    right, wrong = np.diag([10.0, 10, 0, 0, 0, 0]), np.diag([10.0, 5, 0, 0, 0, 0])
    wrong[1, 0] = 5
    rpeaks = np.tile([9.0, 1, 0], (MIN_SUBJECTS, 1))
    counts = {
        AS_IT_IS: {"rpeaks": rpeaks, "rhythm_per_beat": np.tile(right, (MIN_SUBJECTS, 1, 1))},
        "changed": {"rpeaks": rpeaks, "rhythm_per_beat": np.tile(wrong, (MIN_SUBJECTS, 1, 1))},
    }
    summary = compare_variants(counts, num_resamples=100, seed=0)
    # F1 of 20 / 25 for the first class and 10 / 15 for the second, by hand.
    assert summary["changed"]["rhythm_per_beat"]["macro_f1"] == pytest.approx((20 / 25 + 10 / 15) / 2)
    assert summary["changed"]["rhythm_per_beat"]["support"] == {"NSR": 10 * MIN_SUBJECTS, "AFIB": 10 * MIN_SUBJECTS}
    change = summary["changed"]["difference"]["rhythm_per_beat"]
    for key in ("value", "low", "high"):
        assert change[key] == pytest.approx((20 / 25 + 10 / 15) / 2 - 1)
    assert summary["changed"]["difference"]["rpeaks"]["value"] == 0
    assert summary[AS_IT_IS]["rpeaks"] == {
        "sensitivity": 0.9, "positive_predictivity": 1.0, "f1": pytest.approx(18 / 19), "support": 10 * MIN_SUBJECTS,
    }  # fmt: skip
    assert "difference" not in summary[AS_IT_IS]
    few = {name: {part: count[:2] for part, count in parts.items()} for name, parts in counts.items()}
    low = compare_variants(few, num_resamples=100, seed=0)["changed"]["difference"]["rhythm_per_beat"]["low"]
    assert np.isnan(low)


def test_each_part_has_its_own_classes_and_unit():
    beats = np.diag([6.0, 2, 4])
    beats[2, 0] = 2
    hours = np.zeros((6, 6))
    hours[0, 0], hours[1, 0] = 1.5, 0.25
    parts = {"beats": np.tile(beats, (2, 1, 1)), "rhythm_per_second": np.tile(hours, (2, 1, 1))}
    scores = compare_variants({AS_IT_IS: parts}, num_resamples=10, seed=0)[AS_IT_IS]
    assert scores["beats"] == {
        "macro_f1": pytest.approx((12 / 14 + 1 + 8 / 10) / 3),
        "f1": {"N": pytest.approx(12 / 14), "S": 1.0, "V": pytest.approx(8 / 10)},
        "support": {"N": 12, "S": 4, "V": 12},
    }
    assert all(type(size) is int for size in scores["beats"]["support"].values())
    assert scores["rhythm_per_second"] == {
        "macro_f1": pytest.approx(3.0 / 3.25 / 2),
        "f1": {"NSR": pytest.approx(3.0 / 3.25), "AFIB": 0.0},
        "hours": {"NSR": 3.0, "AFIB": 0.5},
    }


def test_a_part_without_units_on_either_side_is_left_out():
    some, none = np.tile([9.0, 1, 0], (MIN_SUBJECTS, 1)), np.zeros((MIN_SUBJECTS, 3))
    for base, of_variant in ((some, none), (none, some), (none, none)):
        counts = {AS_IT_IS: {"rpeaks": base}, "other": {"rpeaks": of_variant}}
        assert compare_variants(counts, num_resamples=10, seed=0)["other"] == {"difference": {}}


def test_the_interval_of_a_difference_is_that_of_a_loop_over_drawn_subjects():
    rng = np.random.default_rng(0)
    base, of_variant = rng.integers(1, 30, (2, 8, 3)).astype(float)
    counts = {AS_IT_IS: {"rpeaks": base}, "other": {"rpeaks": of_variant}}
    change = compare_variants(counts, num_resamples=200, seed=5)["other"]["difference"]["rpeaks"]
    times = draw_subjects(8, 200, 5)

    def f1(total):
        return 2 * total[:, 0] / (2 * total[:, 0] + total[:, 1] + total[:, 2])

    drawn = f1(times @ of_variant) - f1(times @ base)
    assert [change["low"], change["high"]] == pytest.approx(np.percentile(drawn, [2.5, 97.5]).tolist())
    assert change["value"] == pytest.approx((f1(of_variant.sum(0)[None]) - f1(base.sum(0)[None]))[0])
