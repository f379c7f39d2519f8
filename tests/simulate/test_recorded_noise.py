"""Recorded noise: pieces of equal power, from valid signal only, laid end to end without steps."""

import numpy as np
import pytest

from ecgfeat.errors import DataError
from ecgfeat.simulate.recorded_noise import NoisePool, cut_noise, lay_noise

FS_HZ = 300.0


def test_pieces_are_valid_and_of_power_1():
    rng = np.random.default_rng(1)
    noisy = (5 + rng.normal(0, 0.4, 9000)).astype(np.float32)
    gap = noisy.copy()
    gap[4000:4010] = np.nan
    short, flat = noisy[:2999], np.full(9000, 2, dtype=np.float32)
    pool = cut_noise([noisy, gap, short, flat, np.full(9000, np.nan, dtype=np.float32)], FS_HZ)
    assert pool.piece.shape == (3 + 2, 3000)
    np.testing.assert_allclose(pool.piece.std(axis=1), 1, atol=1e-4)
    np.testing.assert_allclose(pool.piece.mean(axis=1), 0, atol=1e-4)
    assert np.isfinite(pool.piece).all()


def test_an_ecg_is_no_noise():
    rng = np.random.default_rng(2)
    ecg = rng.normal(0, 0.02, 9000)
    for at in range(150, 8800, 240):
        ecg[at - 20 : at + 21] += np.exp(-0.5 * (np.arange(-20, 21) / 5) ** 2)
    noisy = rng.normal(0, 0.4, 9000)
    assert len(cut_noise([noisy.astype(np.float32), ecg.astype(np.float32)], FS_HZ).piece) == 3
    with pytest.raises(DataError, match="no ECG"):
        cut_noise([ecg.astype(np.float32)], FS_HZ)


def test_a_pool_without_noise_is_refused():
    with pytest.raises(DataError, match="no piece of 10 s"):
        cut_noise([np.zeros(9000, dtype=np.float32)], FS_HZ)


@pytest.mark.parametrize("fs_hz", [100.0, 300.0, 360.0])
def test_laid_noise_has_power_1_and_no_steps(fs_hz):
    time_s = np.arange(3000) / FS_HZ
    piece = np.sqrt(2) * np.sin(2 * np.pi * np.array([[1.0], [1.3]]) * time_s + 0.7)
    laid = lay_noise(NoisePool(piece.astype(np.float32), FS_HZ), "100", int(95 * fs_hz), 2, fs_hz)
    assert laid.shape == (95 * fs_hz, 2)
    np.testing.assert_allclose(laid.std(axis=0), 1, atol=1e-3)
    # A sine of 1.3 Hz changes by no more than this from sample to sample; a fade adds a little.
    assert np.abs(np.diff(laid, axis=0)).max() < 1.6 * 2 * np.sqrt(2) * np.pi * 1.3 / fs_hz
    assert not np.allclose(laid[:, 0], laid[:, 1], atol=0.1)
