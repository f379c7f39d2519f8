"""Figures of a whole record tell rhythms and shapes apart; neither gain, polarity nor rate of sampling moves them."""

import numpy as np
import pytest

from ecgfeat.diagnosis.intervals import describe_all_intervals, mark_early, sample_entropy
from ecgfeat.diagnosis.record import describe_record
from ecgfeat.store.record_feature_columns import RECORD_FEATURE_NAMES, RECORD_FEATURES
from tests.fixtures.beats import draw_beats, every

SECONDS = 30.0


def irregular(seed: int = 3) -> np.ndarray:
    """Return the times of beats whose intervals have nothing to do with each other."""
    rr_s = np.random.default_rng(seed).uniform(0.45, 1.05, 60)
    beat_s = 0.5 + np.cumsum(rr_s)
    return beat_s[beat_s < SECONDS - 0.5]


def draw(beat_s: np.ndarray, fs_hz: float = 300.0, **options) -> np.ndarray:
    return draw_beats(beat_s, SECONDS, fs_hz, **options).astype(np.float32)


@pytest.fixture(scope="module")
def regular() -> dict[str, float]:
    return describe_record(draw(every(75, SECONDS)), 300.0)


@pytest.fixture(scope="module")
def fibrillating() -> dict[str, float]:
    return describe_record(draw(irregular(), p_mv=0.0), 300.0)


def test_all_figures_are_there_in_order(regular):
    assert tuple(regular) == RECORD_FEATURE_NAMES
    assert len(RECORD_FEATURE_NAMES) > 150
    missing = {name for name, value in regular.items() if not np.isfinite(value)}
    assert missing == {"compensation", "early_width_s", "unusual_width_s"}, "no beat is early or unusual"
    assert {"s", "1/min", "Hz", "nat"} <= {column.unit for column in RECORD_FEATURES.columns.values()}


def test_rate_irregularity_and_p_waves(regular, fibrillating):
    assert regular["rate_per_min"] == pytest.approx(75, abs=0.5)
    assert regular["rr_irregular_10"] == 0
    assert fibrillating["rr_irregular_10"] > 0.6
    for name in ("rr_sample_entropy_30ms", "rr_histogram_entropy", "poincare_nearest", "rr_rmssd", "lorenz_cells"):
        assert fibrillating[name] > 2 * max(regular[name], 0), name
    for name in ("median_p_range", "steady_p_share", "steady_p_likeness"):
        assert regular[name] > 2 * fibrillating[name], name
    assert regular["median_p_time_s"] == pytest.approx(-0.16, abs=0.02)
    assert regular["median_t_time_s"] == pytest.approx(0.28, abs=0.03)
    assert regular["cluster_first_share"] == 1


def test_ectopic_beats_are_early_broad_and_compensated():
    beat_s = every(75, SECONDS)
    ectopic = np.arange(6, len(beat_s) - 2, 8)
    beat_s[ectopic] -= 0.25
    figures = describe_record(draw(beat_s, broad=ectopic), 300.0)
    share = len(ectopic) / (len(beat_s) - 1)
    assert figures["early_share"] == pytest.approx(share)
    assert figures["early_then_late_of_early"] == 1
    assert figures["compensation"] == pytest.approx(1, abs=0.03)
    assert figures["usual_spread"] < 0.03 < figures["rr_spread"]
    assert figures["early_unusual_share"] == pytest.approx(len(ectopic) / len(beat_s))
    assert figures["early_usual_share"] == figures["timely_unusual_share"] == 0
    assert figures["early_width_s"] > 1.5 * figures["beat_qrs_width_s_median"]


def test_noise_is_seen(regular):
    noisy = describe_record(draw(every(75, SECONDS), noise_mv=0.1), 300.0)
    assert noisy["quality_likeness_mean"] < regular["quality_likeness_mean"] - 0.005
    assert noisy["power_entropy"] > regular["power_entropy"]
    assert noisy["power_30_40_hz"] > regular["power_30_40_hz"] + 1
    assert noisy["residue_size"] > regular["residue_size"] + 0.4
    assert noisy["varying_p_size"] > regular["varying_p_size"] + 1


@pytest.mark.parametrize("gain", [4.0, -1.0])
def test_neither_gain_nor_polarity_matters(gain):
    signal = draw(irregular(), noise_mv=0.02)
    first, changed = (describe_record(of, 300.0) for of in (signal, gain * signal))
    for name, value in first.items():
        # What is read is whole microvolts.
        assert changed[name] == pytest.approx(value, rel=0.05, abs=0.02, nan_ok=True), name


@pytest.mark.parametrize("fs_hz", [250.0, 500.0])
def test_the_rate_of_sampling_hardly_matters(fs_hz, regular):
    changed = describe_record(draw(every(75, SECONDS), fs_hz), fs_hz)
    for name in ("rate_per_min", "rr_shortest", "median_p_range", "median_t_top", "beat_qrs_width_s_median"):
        assert changed[name] == pytest.approx(regular[name], rel=0.1), name


@pytest.mark.parametrize(
    "signal",
    [np.zeros(3000), np.full(3000, np.nan), np.zeros(1), np.r_[np.zeros(400), 1.0, np.zeros(400)]],
    ids=["flat", "invalid", "one sample", "one spike"],
)
def test_a_record_without_beats_has_few_figures_and_no_infinite_one(signal):
    figures = describe_record(signal.astype(np.float32), 300.0)
    assert tuple(figures) == RECORD_FEATURE_NAMES
    assert figures["duration_s"] == pytest.approx(len(signal) / 300, abs=0.01)
    assert not np.isinf(list(figures.values())).any()
    assert np.isnan(figures["rate_per_min"])


@pytest.mark.parametrize("num_beats", [2, 3, 4, 5, 6])
def test_a_record_of_a_few_beats_is_described(num_beats):
    signal = draw_beats(every(75, 60)[:num_beats], 0.9 * num_beats, 300.0).astype(np.float32)
    figures = describe_record(signal, 300.0)
    assert figures["beats_per_s"] == pytest.approx(1 / 0.9, rel=0.01)
    assert np.isfinite(figures["rate_per_min"]) == (num_beats >= 5), "of four intervals or more"
    assert np.isfinite(figures["median_r"]) == (num_beats >= 3)
    assert not np.isinf(list(figures.values())).any()


def test_sample_entropy_is_that_of_its_definition():
    value = np.array([1.0, 2.0, 1.0, 2.0, 1.0, 5.0])
    # Patterns of one value: 1 2 1 2 1; alike are three pairs of 1 and one of 2. One longer: 12 12 and 21 21.
    assert sample_entropy(value, 1, 0.1) == pytest.approx(-np.log((2 + 0.5) / (4 + 1)))
    assert sample_entropy(np.zeros(30), 1, 0.1) < 0.01


def test_early_is_relative_to_the_intervals_around():
    rr_s = np.concatenate([np.full(15, 0.6), np.full(15, 1.0)])
    is_early, is_late = mark_early(rr_s)
    assert not is_early.any()
    assert not is_late.any()
    rr_s[22] = 0.7
    assert np.flatnonzero(mark_early(rr_s)[0]).tolist() == [22]
    assert describe_all_intervals(rr_s[:3]) == {}
