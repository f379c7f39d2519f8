"""Tests of the levels of the slope, and of its layout in blocks."""

from itertools import product

import numpy as np
import pytest
from scipy.ndimage import median_filter

from ecgfeat.signals.filters import BAND_HZ, DETECTOR_FS_HZ, filter_leads
from ecgfeat.signals.levels import _running_medians, follow_levels


def test_the_swaps_find_the_median_of_any_seven() -> None:
    # Swaps that find it in all rows of zeros and ones find it in all rows of numbers.
    for row in product([0.0, 1.0], repeat=7):
        assert _running_medians(np.array([row], dtype=np.float32))[0, 3] == np.median(row)


@pytest.mark.parametrize("num_windows", [1, 2, 3, 6, 7, 100])
def test_running_medians_mirror_the_ends(num_windows: int) -> None:
    value_RW = np.random.default_rng(num_windows).random((2, num_windows), dtype=np.float32)
    for value_W, median_W in zip(value_RW, _running_medians(value_RW), strict=True):
        np.testing.assert_array_equal(median_W, median_filter(value_W, 7, mode="reflect"))


@pytest.mark.parametrize("num_samples", [1000, 1001, 1007])
def test_the_slope_is_laid_out_by_the_place_in_a_block(num_samples: int) -> None:
    time_s = np.arange(num_samples) / DETECTOR_FS_HZ
    signal_S = (np.sin(2 * np.pi * np.mean(BAND_HZ) * time_s) * (time_s > 3)).astype(np.float32)
    signal_S[700:800] = np.nan
    leads = filter_leads(signal_S[None])
    slope_PN = leads.slope[0]
    assert slope_PN.shape == (8, -(-num_samples // 8))
    slope_S = slope_PN.T.reshape(-1)
    assert not slope_S[700:800].any()
    assert not slope_S[num_samples:].any()
    assert not slope_S[: 3 * DETECTOR_FS_HZ - 40].any()
    # Between the edges it is the smoothed difference of the band-passed samples beside.
    steep_S = np.abs(leads.band[0, 2:] - leads.band[0, :-2])
    window = np.hanning(9)[1:-1]
    smooth_S = np.convolve(steep_S, window / window.sum(), "same")
    np.testing.assert_allclose(slope_S[400:680], smooth_S[399:679], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(follow_levels(slope_PN).height, slope_S.reshape(-1, 8).max(axis=1))
