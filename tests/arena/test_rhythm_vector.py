"""The rhythm vector: its intervals against NeuroKit2 and by hand, its other numbers against their definitions."""

import warnings

import numpy as np
import pytest
import torch
from safetensors.torch import load, save
from scipy.stats import kurtosis, skew

from ecgfeat.arena.rhythm_vector import (
    NUM_RHYTHM,
    RHYTHM_SLOTS,
    Standardisation,
    describe_intervals,
    describe_rhythm,
    fit_standardisation,
    standardise,
)
from ecgfeat.errors import DataError

FS_HZ = 500


def simulate(rr_s, num_leads=12, fs_hz=FS_HZ):
    """A record of Gaussian R waves and T waves; lead c is (c + 1) tenths high, lead II (index 1) one millivolt."""
    time_s = np.arange(int(10 * fs_hz)) / fs_hz
    wave_S = sum(
        np.exp(-0.5 * ((time_s - at_s) / 0.012) ** 2) + 0.2 * np.exp(-0.5 * ((time_s - at_s - 0.25) / 0.04) ** 2)
        for at_s in 0.4 + np.cumsum(rr_s)
    )
    height_C = 0.1 * np.arange(1, num_leads + 1)
    height_C[min(1, num_leads - 1)] = 1.0
    return (height_C[:, None] * wave_S).astype(np.float32)


def slot(vector_R, name):
    return vector_R[RHYTHM_SLOTS[name]]


def test_intervals_by_hand():
    # Differences 100, -200, 0: RMSSD = sqrt(50000 / 3) = 129.10; deviations 50, -50... SDNN = sqrt(27500 / 3) = 95.74.
    mean, sdnn, median, low, high, rmssd, sd1, sd2 = describe_intervals([800, 900, 700, 700])
    assert (mean, median, low, high) == (775, 750, 700, 900)
    assert sdnn == pytest.approx(95.743, abs=1e-3)
    assert rmssd == pytest.approx(129.099, abs=1e-3)
    assert sd1 == pytest.approx(91.287, abs=1e-3)
    assert sd2 == pytest.approx(np.sqrt(2 * 27500 / 3 - 50000 / 6), abs=1e-3)


def test_intervals_against_neurokit():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its import and its empty bands warn
        import neurokit2

        rng = np.random.default_rng(0)
        rr_ms = 800 + 60 * rng.standard_normal(300) + 40 * np.sin(np.arange(300) / 5)
        peak = np.cumsum(np.concatenate([[0], np.rint(rr_ms).astype(int)]))
        time = neurokit2.hrv_time(peak, sampling_rate=1000).iloc[0]
        poincare = neurokit2.hrv_nonlinear(peak, sampling_rate=1000).iloc[0]
    mean, sdnn, median, low, high, rmssd, sd1, sd2 = describe_intervals(np.diff(peak))
    for name, value in (("MeanNN", mean), ("SDNN", sdnn), ("MedianNN", median), ("MinNN", low), ("MaxNN", high)):
        assert value == pytest.approx(time[f"HRV_{name}"], rel=1e-9), name
    assert rmssd == pytest.approx(time["HRV_RMSSD"], rel=1e-9)
    # NeuroKit2 measures the plot's axes directly; the two differ by the ends of the series.
    assert sd1 == pytest.approx(poincare["HRV_SD1"], rel=0.01)
    assert sd2 == pytest.approx(poincare["HRV_SD2"], rel=0.01)


def test_intervals_out_of_range_break_the_series():
    expected = describe_intervals([800, 900])
    np.testing.assert_array_equal(describe_intervals([800, 900, 2000, np.nan, 300, 2500]), expected)
    # No difference is taken across the one left out.
    split = describe_intervals([800, 2500, 900])
    assert split[1] == pytest.approx(expected[1])
    assert list(split[5:]) == [0, 0, 0]


@pytest.mark.parametrize("rr_ms", [[], [800], [800, 2500], [np.nan, 800]])
def test_fewer_than_two_intervals_are_zeros(rr_ms):
    np.testing.assert_array_equal(describe_intervals(rr_ms), np.zeros(8))


def test_no_negative_root():
    # 2 SDNN² - SD1² = 30000 - 45000: the only difference is larger than the spread.
    assert describe_intervals([600, 900, np.nan, 750, np.nan, 750])[7] == 0


@pytest.mark.parametrize(("num_leads", "fs_hz"), [(12, 500), (1, 300), (2, 360)])
def test_vector_of_a_record(num_leads, fs_hz):
    rr_s = np.array([0.8, 0.9, 0.75, 0.8, 0.95, 0.8, 0.7, 0.85, 0.9])
    signal_CS = simulate(rr_s, num_leads, fs_hz)
    vector_R = describe_rhythm(signal_CS[None], fs_hz)[0]
    assert vector_R.shape == (NUM_RHYTHM,)
    assert vector_R.dtype == np.float32
    np.testing.assert_allclose(vector_R[:8], describe_intervals(rr_s[1:] * 1000), atol=8)
    assert (vector_R[8:25] == 0).all()
    assert slot(vector_R, "mean") == pytest.approx(signal_CS.mean(), rel=1e-4)
    assert slot(vector_R, "std") == pytest.approx(signal_CS.std(), rel=1e-4)
    assert slot(vector_R, "mean_square") == pytest.approx((signal_CS**2).mean(), rel=1e-4)
    standard = (signal_CS.astype(float).ravel() - signal_CS.mean()) / signal_CS.std()
    assert slot(vector_R, "kurtosis") == pytest.approx(kurtosis(standard), rel=1e-4)
    assert slot(vector_R, "skewness") == pytest.approx(skew(standard), rel=1e-4)
    assert slot(vector_R, "percentile_95") == pytest.approx(np.percentile(standard, 95), rel=1e-4)


def test_heights():
    signal_BCS = np.zeros((1, 12, 1000), dtype=np.float32)
    signal_BCS[0, :, 300] = np.arange(1, 13)
    signal_BCS[0, :, 600] = -1
    vector_R = describe_rhythm(signal_BCS, FS_HZ)[0]
    # Heights 2 to 13; the first three mean 3, the seventh to the twelfth 10.5.
    assert [slot(vector_R, f"{name}_height") for name in ("mean", "min", "max", "limb", "chest")] == [
        7.5,
        2,
        13,
        3,
        10.5,
    ]
    few_R = describe_rhythm(signal_BCS[:, :2], FS_HZ)[0]
    assert [slot(few_R, f"{name}_height") for name in ("limb", "chest")] == [2.5, 0]


def test_intervals_are_of_lead_two_if_there_are_twelve():
    fast_S, slow_S = (simulate(np.full(num, rr_s), 1)[0] for num, rr_s in ((18, 0.5), (9, 1.0)))
    twelve_CS = np.stack([fast_S, slow_S, *[fast_S] * 10])
    assert slot(describe_rhythm(twelve_CS[None], FS_HZ)[0], "mean_rr_ms") == pytest.approx(1000, abs=2)
    assert slot(describe_rhythm(twelve_CS[None, :2], FS_HZ)[0], "mean_rr_ms") == pytest.approx(500, abs=2)


def test_invalid_samples_are_left_out():
    clean_CS = simulate(np.full(9, 0.9), 2)
    gap_CS = clean_CS.copy()
    gap_CS[:, 100:110] = np.nan
    clean_R, gap_R = describe_rhythm(np.stack([clean_CS, gap_CS]), FS_HZ)
    assert np.isfinite(gap_R).all()
    np.testing.assert_allclose(gap_R, clean_R, rtol=0.02, atol=0.01)
    for empty_CS in (np.full((2, 2000), np.nan), np.zeros((2, 2000)), np.zeros((2, 0))):
        np.testing.assert_array_equal(describe_rhythm(empty_CS[None], FS_HZ), np.zeros((1, NUM_RHYTHM)))
    one_lead_CS = clean_CS.copy()
    one_lead_CS[1] = np.nan
    assert slot(describe_rhythm(one_lead_CS[None], FS_HZ)[0], "min_height") == 0


def test_records_do_not_see_each_other():
    records = np.stack([simulate(np.full(9, rr_s), 2) for rr_s in (0.7, 0.9, 1.0)])
    together = describe_rhythm(records, FS_HZ)
    for record in range(3):
        np.testing.assert_array_equal(describe_rhythm(records[record : record + 1], FS_HZ)[0], together[record])


def test_standardisation_is_of_the_training_records_and_survives_a_file():
    rng = np.random.default_rng(0)
    train_NR = np.zeros((50, NUM_RHYTHM), dtype=np.float32)
    train_NR[:, :8] = 800 + 100 * rng.standard_normal((50, 8))
    fitted = fit_standardisation(train_NR)
    standard_NR = standardise(train_NR, fitted).numpy()
    np.testing.assert_allclose(standard_NR[:, :8].mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(standard_NR[:, :8].std(0), 1, atol=1e-4)
    assert (standard_NR[:, 8:] == 0).all()
    loaded = Standardisation(**load(save(fitted._asdict())))
    other_NR = train_NR + 7
    assert torch.equal(standardise(other_NR, loaded), standardise(other_NR, fitted))
    np.testing.assert_allclose(standardise(other_NR, fitted)[:, 8:], 7, atol=1e-5)


def test_rounding_is_not_made_a_feature():
    signal_BCS = np.stack([simulate(np.full(9, rr_s), 2) for rr_s in (0.7, 0.8, 0.9, 1.0)])
    signal_BCS = (signal_BCS - signal_BCS.mean(2, keepdims=True)) / signal_BCS.std(2, keepdims=True)
    vector_BR = describe_rhythm(signal_BCS, FS_HZ)
    standard_BR = standardise(vector_BR, fit_standardisation(vector_BR))
    for name in ("mean", "std", "mean_square"):
        assert standard_BR[:, RHYTHM_SLOTS[name]].abs().max() < 1e-4, name
    assert standard_BR[:, RHYTHM_SLOTS["mean_rr_ms"]].std(correction=0) == pytest.approx(1, abs=1e-4)


def test_faults():
    with pytest.raises(DataError, match="records, leads, samples"):
        describe_rhythm(np.zeros((2, 100)), FS_HZ)
    with pytest.raises(DataError, match="one record or more"):
        fit_standardisation(np.zeros((0, 36)))
