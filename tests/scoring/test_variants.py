"""Variants of a run: scores worked out by hand, and differences paired by subject."""

import numpy as np
import pytest

from ecgfeat.scoring.intervals import MIN_SUBJECTS
from ecgfeat.scoring.variants import AS_IT_IS, compare_variants


def test_differences_are_paired():
    """Two variants that err alike in every subject differ by the same in every resample."""
    right, wrong = np.diag([10.0, 10, 0, 0, 0, 0]), np.diag([10.0, 5, 0, 0, 0, 0])
    wrong[1, 0] = 5
    rpeaks = np.tile([9.0, 1, 0], (MIN_SUBJECTS, 1))
    counts = {
        AS_IT_IS: {"rpeaks": rpeaks, "rhythm_per_beat": np.tile(right, (MIN_SUBJECTS, 1, 1))},
        "spoilt": {"rpeaks": rpeaks, "rhythm_per_beat": np.tile(wrong, (MIN_SUBJECTS, 1, 1))},
    }
    summary = compare_variants(counts, num_resamples=100, seed=0)
    # F1 of 20 / 25 for the first class and 10 / 15 for the second, by hand.
    assert summary["spoilt"]["rhythm_per_beat"]["macro_f1"] == pytest.approx((20 / 25 + 10 / 15) / 2)
    assert summary["spoilt"]["rhythm_per_beat"]["support"] == {"NSR": 10 * MIN_SUBJECTS, "AFIB": 10 * MIN_SUBJECTS}
    change = summary["spoilt"]["difference"]["rhythm_per_beat"]
    for key in ("value", "low", "high"):
        assert change[key] == pytest.approx((20 / 25 + 10 / 15) / 2 - 1)
    assert summary["spoilt"]["difference"]["rpeaks"]["value"] == 0
    assert summary[AS_IT_IS]["rpeaks"] == {
        "sensitivity": 0.9, "positive_predictivity": 1.0, "f1": pytest.approx(18 / 19), "support": 10 * MIN_SUBJECTS,
    }  # fmt: skip
    assert "difference" not in summary[AS_IT_IS]
    few = {name: {part: count[:2] for part, count in parts.items()} for name, parts in counts.items()}
    low = compare_variants(few, num_resamples=100, seed=0)["spoilt"]["difference"]["rhythm_per_beat"]["low"]
    assert np.isnan(low)
