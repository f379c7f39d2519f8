from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import resample_poly

from ecgfeat.errors import DataError
from ecgfeat.signals import resample as signals
from ecgfeat.signals.resample import (
    fill_invalid,
    resample,
    resample_lead,
    resampling_ratio,
    to_microvolts,
    to_millivolts,
)
from ecgfeat.store.schemas import INVALID_UV

RATES = [(360.0, 16, 45), (250.0, 64, 125), (300.0, 32, 75), (100.0, 32, 25), (64.0, 2, 1), (1000.0, 16, 125)]


def wandering(num_samples: int, seed: int = 0, num_leads: int = 2) -> np.ndarray:
    """Random walk with an offset: the level and the slow drift of a real lead, all frequencies."""
    rng = np.random.default_rng(seed)
    return (1.5 + np.cumsum(rng.normal(0, 0.05, (num_samples, num_leads)), axis=0)).astype(np.float32)


@pytest.mark.parametrize(("fs_hz", "up", "down"), RATES)
def test_agrees_with_scipy(fs_hz: float, up: int, down: int) -> None:
    assert resampling_ratio(fs_hz, 128) == (up, down)
    signal = wandering(5000)
    signal -= signal.mean(axis=0)
    expected = np.stack([resample_poly(lead.astype(np.float64), up, down, padtype="edge") for lead in signal.T], axis=1)
    found = resample(signal, fs_hz, 128)
    assert found.dtype == np.float32
    # float32 rounds a walk of a few mV at about 1e-7 of its size.
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * max(1.0, np.abs(signal).max()))


def test_agrees_with_scipy_on_a_real_record(mitdb) -> None:
    wfdb = pytest.importorskip("wfdb")
    lead = wfdb.rdrecord(str(mitdb / "100"), channels=[0]).p_signal[:, 0].astype(np.float32)
    expected = resample_poly(lead.astype(np.float64), 16, 45, padtype="edge")
    found = resample(lead[:, None], 360, 128)[:, 0]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


@given(num_samples=st.integers(1, 400), fs_hz=st.sampled_from([100.0, 125.0, 250.0, 300.0, 360.0, 500.0]))
def test_length_is_rounded_up(num_samples: int, fs_hz: float) -> None:
    output = resample(np.ones((num_samples, 1), dtype=np.float32), fs_hz, 128)
    up, down = resampling_ratio(fs_hz, 128)
    assert output.shape == (-(-num_samples * up // down), 1)
    assert np.isfinite(output).all()


def test_equal_rates_copy_the_samples() -> None:
    signal = wandering(1000)
    signal[3, 1] = np.nan
    signal[4, 1] = np.inf
    output = resample(signal, 128, 128.0)
    assert output is not signal
    np.testing.assert_array_equal(np.isnan(output), ~np.isfinite(signal))
    np.testing.assert_array_equal(output[:3], signal[:3])


def test_leads_do_not_touch_each_other() -> None:
    signal = wandering(2000)
    signal[500:900, 1] = np.nan
    both = resample(signal, 360, 128)
    np.testing.assert_array_equal(both[:, :1], resample(signal[:, :1], 360, 128))
    np.testing.assert_array_equal(both[:, 1:], resample(signal[:, 1:], 360, 128))


def test_pieces_leave_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    signal = wandering(9000)
    whole = resample(signal, 360, 128)
    monkeypatch.setattr("ecgfeat.signals.resample_filters._FRAMES_PER_PRODUCT", 3)
    np.testing.assert_allclose(resample(signal, 360, 128), whole, rtol=0, atol=2e-6)


@pytest.mark.parametrize("fs_hz", [100.0, 250.0, 300.0, 360.0, 500.0, 1000.0])
@pytest.mark.parametrize("gap_s", [0.05, 0.5, 3.0])
def test_a_gap_keeps_its_place_and_length(fs_hz: float, gap_s: float) -> None:
    signal = wandering(round(10 * fs_hz))
    start, stop = round(4 * fs_hz), round((4 + gap_s) * fs_hz)
    signal[start:stop, 0] = np.nan
    invalid = np.flatnonzero(np.isnan(resample(signal, fs_hz, 128)[:, 0]))
    assert np.all(np.diff(invalid) == 1)
    assert abs(invalid[0] - start / fs_hz * 128) <= 1.0
    assert abs(invalid[-1] + 1 - stop / fs_hz * 128) <= 1.0


def test_the_content_of_a_gap_does_not_leak() -> None:
    signal = wandering(4000)
    signal[1000:1400] = np.nan
    other = signal.copy()
    other[1000:1400] = np.inf
    np.testing.assert_array_equal(resample(signal, 360, 128), resample(other, 360, 128))
    filled = signal.copy()
    filled[1000:1400] = np.linspace(signal[999], signal[1400], 402)[1:-1]
    found, expected = resample(signal, 360, 128), resample(filled, 360, 128)
    valid = np.isfinite(found)
    np.testing.assert_allclose(found[valid], expected[valid], rtol=0, atol=1e-5)


def test_one_lost_sample_is_repaired() -> None:
    time_s = np.arange(3600) / 360
    signal = np.sin(2 * np.pi * 5 * time_s).astype(np.float32)[:, None]
    lost = signal.copy()
    lost[1800] = np.nan
    found = resample(lost, 360, 128)
    assert np.isfinite(found).all()
    # A straight line under a 5 Hz sine of 1 mV errs by (2 pi 5 / 360)^2 / 2 = 4 microvolts.
    np.testing.assert_allclose(found, resample(signal, 360, 128), rtol=0, atol=0.005)


@given(st.lists(st.booleans(), min_size=1, max_size=40).filter(any))
def test_gaps_are_bridged_from_their_edges(is_valid: list[bool]) -> None:
    valid = np.array(is_valid)
    level = np.random.default_rng(0).normal(size=valid.size).astype(np.float32)
    filled = fill_invalid(np.where(valid, level, np.float32(np.nan)))
    expected = np.interp(np.arange(valid.size), np.flatnonzero(valid), level[valid])
    np.testing.assert_allclose(filled, expected, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(filled[valid], level[valid])


def test_an_invalid_lead_stays_invalid() -> None:
    signal = wandering(1000)
    signal[:, 0] = np.nan
    output = resample(signal, 360, 128)
    assert np.isnan(output[:, 0]).all()
    assert np.isfinite(output[:, 1]).all()
    assert resample(np.empty((0, 2), dtype=np.float32), 360, 128).shape == (0, 2)


def test_a_constant_stays_constant_up_to_both_ends() -> None:
    output = resample(np.full((500, 1), 3.0, dtype=np.float32), 360, 128)
    # The gain of the filter differs from 1 by up to 1e-4 between output phases, as that of scipy does.
    np.testing.assert_allclose(output, 3.0, atol=1e-3)


@pytest.mark.parametrize(
    ("fs_hz", "hours"),
    [(255.99, 24), (499.999, 1), (511.123, 1), (512.414, 1), (600.614990234375, 1), (1000.07, 1), (63.97, 1)],
)
def test_measured_rates_keep_time(fs_hz: float, hours: int) -> None:
    # A wave of 7 Hz in the first and the last ten seconds, and nothing in between.
    num_samples = round(hours * 3600 * fs_hz)
    edges = np.r_[: round(10 * fs_hz), num_samples - round(10 * fs_hz) : num_samples]
    signal = np.zeros((num_samples, 1), dtype=np.float32)
    signal[edges, 0] = np.sin(2 * np.pi * 7 * edges / fs_hz)
    found = resample(signal, fs_hz, 128)[:, 0]
    assert abs(found.size - hours * 3600 * 128) <= 1
    for middle in (128 * 5, found.size - 128 * 5):
        at = np.arange(middle - 128 * 4, middle + 128 * 4)
        wave = np.exp(-2j * np.pi * 7 * at / 128)
        delay_s = np.angle(2j * (found[at] * wave).mean()) / (2 * np.pi * 7)
        assert abs(delay_s) < 1e-5
        np.testing.assert_allclose(found[at], np.sin(2 * np.pi * 7 * at / 128), rtol=0, atol=0.002)


@pytest.mark.parametrize("fs_hz", [360.0, 250.0, 100.0])
def test_the_table_of_taps_is_the_polyphase_filter(fs_hz: float, monkeypatch: pytest.MonkeyPatch) -> None:
    signal = wandering(5000)
    signal[1000:1100, 1] = np.nan
    expected = resample(signal, fs_hz, 128)
    monkeypatch.setattr(signals, "_MAX_FACTOR", 31)
    found = resample(signal, fs_hz, 128)
    # The gain of the polyphase filter differs from 1 by up to 1e-4, or 1e-3 upwards, between output phases.
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-3 * np.nanmax(np.abs(signal)))


@pytest.mark.parametrize("fs_hz", [0.0, -1.0, float("nan"), float("inf"), 1e9])
def test_impossible_rates_are_refused(fs_hz: float) -> None:
    with pytest.raises(DataError, match="fs_hz"):
        resample(wandering(10), fs_hz, 128)


def test_a_missing_lead_axis_is_refused() -> None:
    with pytest.raises(DataError, match="samples, leads"):
        resample(np.zeros(10, dtype=np.float32), 360, 128)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_equals_cpu() -> None:
    signal = wandering(50_000)
    signal[2000:3000, 0] = np.nan
    cpu, cuda = resample(signal, 360, 128), resample(signal, 360, 128, device="cuda")
    np.testing.assert_allclose(cuda, cpu, rtol=0, atol=1e-5)


def test_microvolts_saturate_and_mark() -> None:
    signal = np.array([0.0, 0.0014, -0.0016, 40.0, -40.0, np.nan, np.inf, -32.768], dtype=np.float32)
    expected = [0, 1, -2, 32767, -32767, INVALID_UV, INVALID_UV, -32767]
    np.testing.assert_array_equal(to_microvolts(signal), np.array(expected, dtype=np.int16))


def test_every_microvolt_survives_the_round_trip() -> None:
    every = np.arange(-32768, 32768).astype(np.int16)
    back = to_millivolts(every)
    assert back.dtype == np.float32
    assert np.isnan(back[0])
    assert not np.isnan(back[1:]).any()
    np.testing.assert_array_equal(to_microvolts(back), every)


@pytest.mark.parametrize("fs_hz", [360.0, 128.0, 250.0, 1000.0, 511.123, 64.0])
@pytest.mark.parametrize("block", [1, 997, 20_000])
def test_a_lead_in_blocks_is_resampled_as_a_whole(fs_hz: float, block: int) -> None:
    lead = wandering(3000 if block == 1 else 60_000, num_leads=1)
    lead[700:1400, 0] = np.nan
    lead[[0, 1, 2500, -1], 0] = np.nan, np.inf, np.nan, np.nan
    whole = resample(lead, fs_hz, 128)[:, 0]

    def read_blocks() -> Iterator[np.ndarray]:
        return (lead[start : start + block, 0] for start in range(0, len(lead), block))

    np.testing.assert_array_equal(resample_lead(read_blocks, len(lead), fs_hz, 128.0), whole)
    with pytest.raises(DataError, match="samples; expected"):
        resample_lead(read_blocks, len(lead) + 1, fs_hz if fs_hz != 128 else 250.0, 128.0)


def test_a_lead_without_a_valid_sample_stays_invalid() -> None:
    lead = np.full(5000, np.nan, np.float32)
    assert np.isnan(resample_lead(lambda: [lead[:3000], lead[3000:]], 5000, 250.0, 128.0)).all()
