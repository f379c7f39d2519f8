"""Each perturbation changes a recording as documented, and only its valid samples."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgfeat.errors import UsageError
from ecgfeat.simulate.perturb import add_noise, drop_lead, invert_polarity, signal_power, swap_leads
from ecgfeat.store.schemas import INVALID_UV

FS_HZ = 128.0
GAP = slice(1000, 1500)


@pytest.fixture
def signal():
    """One minute of spikes, 1 mV high, in two leads of different size, with a gap in the first."""
    signal_uv_SC = np.zeros((60 * 128, 2), dtype=np.int16)
    signal_uv_SC[50::100] = (1000, -300)
    signal_uv_SC[GAP, 0] = INVALID_UV
    return signal_uv_SC


VARIATIONS = {
    "swap": swap_leads,
    "drop": lambda signal: drop_lead(signal, 0),
    "invert": invert_polarity,
    "noise": lambda signal: add_noise(signal, "100", snr_db=6.0, fs_hz=FS_HZ),
}


@pytest.mark.parametrize("vary", VARIATIONS.values(), ids=VARIATIONS)
def test_input_stays_and_output_is_of_its_kind(signal, vary):
    before = signal.copy()
    varied = vary(signal)
    assert (signal == before).all()
    assert (varied.shape, varied.dtype) == (signal.shape, np.int16)
    assert (varied != signal).any()


def test_leads_are_exchanged(signal):
    swapped = swap_leads(signal)
    assert (swapped[:, 0] == signal[:, 1]).all()
    assert (swapped[:, 1] == signal[:, 0]).all()
    three = np.column_stack([signal, np.full(len(signal), 7, np.int16)])
    assert (swap_leads(three)[:, 2] == 7).all()
    assert (swap_leads(signal[:, :1]) == signal[:, :1]).all()


def test_one_lead_is_dropped(signal):
    dropped = drop_lead(signal, 1)
    assert (dropped[:, 1] == INVALID_UV).all()
    assert (dropped[:, 0] == signal[:, 0]).all()
    with pytest.raises(UsageError, match="0 to 1"):
        drop_lead(signal, 2)


@given(st.lists(st.integers(-32768, 32767), min_size=1))
def test_polarity_turned_twice_is_as_before(values):
    signal = np.array(values, dtype=np.int16)[:, None]
    inverted = invert_polarity(signal)
    is_valid = signal != INVALID_UV
    assert (inverted[is_valid].astype(int) == -signal[is_valid].astype(int)).all()
    assert (inverted[~is_valid] == INVALID_UV).all()
    assert (invert_polarity(inverted) == signal).all()


def test_power_is_that_of_the_complexes(signal):
    # 300 uV from foot to peak; nst counts a square of the amplitude over eight.
    assert signal_power(signal[:, 1], FS_HZ) == 300**2 / 8
    assert signal_power(signal[:, 0], FS_HZ) == 1000**2 / 8
    assert signal_power(np.full(4000, INVALID_UV, np.int16), FS_HZ) == 0
    assert signal_power(signal[:100, 0], FS_HZ) == 0


@pytest.mark.parametrize("snr_db", [0.0, 6.0, 12.0])
def test_noise_has_the_asked_power_and_band(signal, snr_db):
    noise = (add_noise(signal, "100", snr_db=snr_db, fs_hz=FS_HZ).astype(float) - signal)[:, 1]
    expected = 300**2 / 8 / 10 ** (snr_db / 10)
    # Half a microvolt of rounding, and the chance correlation of the two kinds of noise within one minute.
    assert noise.var() == pytest.approx(expected, rel=0.05)
    power = np.abs(np.fft.rfft(noise)) ** 2
    f_hz = np.fft.rfftfreq(len(noise), 1 / FS_HZ)
    slow, fast = power[f_hz < 2].sum(), power[f_hz > 10].sum()
    assert slow / fast == pytest.approx(1, rel=0.1)
    assert slow + fast > 0.95 * power.sum()


def test_noise_spares_gaps_flat_leads_and_the_limits(signal):
    signal[:, 1] = 0
    noisy = add_noise(signal, "100", snr_db=6.0, fs_hz=FS_HZ)
    assert (noisy[GAP, 0] == INVALID_UV).all()
    assert ((noisy == INVALID_UV) == (signal == INVALID_UV)).all()
    assert (noisy[:, 1] == 0).all()
    signal[50::100, 0] = 32767
    assert add_noise(signal, "100", snr_db=0.0, fs_hz=FS_HZ)[:, 0].max() == 32767


def test_noise_is_of_the_record_and_only_its_size_of_the_ratio(signal):
    def noise(record, snr_db):
        return add_noise(signal, record, snr_db=snr_db, fs_hz=FS_HZ).astype(float) - signal

    assert (noise("100", 6.0) == noise("100", 6.0)).all()
    assert abs(np.corrcoef(noise("100", 6.0)[:, 1], noise("101", 6.0)[:, 1])[0, 1]) < 0.3
    np.testing.assert_allclose(noise("100", 0.0)[:, 1], 2 * noise("100", 20 * np.log10(2))[:, 1], atol=1.5)
    first, second = noise("100", 6.0)[:900].T
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.5
