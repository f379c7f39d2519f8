"""Signal quality: what is no ECG is never usable, an ECG is usable at any scale, absent signal is absent."""

import numpy as np
import pytest
import torch

from ecgfeat.records.reader import read_signal
from ecgfeat.signals import filters
from ecgfeat.signals.figures import find_energy_peaks
from ecgfeat.signals.filters import filter_leads
from ecgfeat.signals.quality import ABSENT, NOISY, USABLE, _is_quiet, assess_quality, find_alone, noise_of
from ecgfeat.signals.resample import resample
from ecgfeat.signals.rpeaks import detect_rpeaks, find_rpeaks
from ecgfeat.simulate import simulate_corpus
from tests.fixtures.beats import draw_beats, every

FS_HZ = 128
MINUTE = 60 * FS_HZ


@pytest.fixture(scope="module")
def lead(tmp_path_factory) -> np.ndarray:
    """One minute of a simulated lead at 128 Hz, in mV."""
    folder = tmp_path_factory.mktemp("ecg")
    record = next(iter(simulate_corpus(folder, num_subjects=1, minutes=1, seed=3, fs_hz=FS_HZ)))
    return read_signal(folder, record).signal_mv_SC[:, 0]


def states_of(signal_S: np.ndarray) -> np.ndarray:
    return assess_quality(signal_S.astype(np.float32)[:, None])[:, 0]


def noise_in(lead_S: np.ndarray, device: str = "cpu") -> np.ndarray:
    leads = filter_leads(lead_S[None], device)
    return noise_of(leads, find_alone(leads))


def noise(kind: str) -> np.ndarray:
    rng, time_s = np.random.default_rng(5), np.arange(MINUTE) / FS_HZ
    white = rng.normal(0, 0.3, MINUTE)
    return {
        "white noise": white,
        "mains hum": 0.8 * np.sin(2 * np.pi * 50 * time_s),
        "mains hum on noise": 0.8 * np.sin(2 * np.pi * 50 * time_s) + white / 6,
        "electroencephalogram": np.convolve(white / 6, np.ones(4) / 4, "same"),
        "random walk": np.cumsum(white / 15),
        "slow noise": np.convolve(white, np.ones(40) / 40, "same"),
        "muscle": white * (1 + 0.8 * np.sin(time_s)),
        "breathing": np.sin(2 * np.pi * 0.25 * time_s),
        "pressure wave": np.maximum(0, np.sin(2 * np.pi * 1.1 * time_s)),
        "sine of 1 Hz": np.sin(2 * np.pi * time_s),
        "saw of 1.2 Hz": np.abs(1.2 * time_s % 1 - 0.5),
        "alpha waves": np.sin(2 * np.pi * 10 * time_s + np.cumsum(white / 3)) + white / 6,
    }[kind]


@pytest.mark.parametrize(
    "kind",
    [
        "white noise",
        "mains hum",
        "mains hum on noise",
        "electroencephalogram",
        "random walk",
        "slow noise",
        "muscle",
        "breathing",
        "pressure wave",
        "sine of 1 Hz",
        "saw of 1.2 Hz",
        "alpha waves",
    ],
)
@pytest.mark.parametrize("scale", [0.01, 1.0, 30.0])
def test_what_is_no_ecg_is_not_usable(kind: str, scale: float) -> None:
    assert (states_of(scale * noise(kind)) != USABLE).all()


@pytest.mark.parametrize("scale", [-1.0, 0.1, 1.0, 10.0])
@pytest.mark.parametrize("offset", [-300.0, 0.0, 33.0])
def test_an_ecg_is_usable_at_any_scale_polarity_and_offset(lead: np.ndarray, scale: float, offset: float) -> None:
    assert (states_of(scale * lead + offset) == USABLE).all()


def test_an_ecg_under_noise_is_noisy_for_as_long(lead: np.ndarray) -> None:
    record = np.tile(lead, 4)
    record[MINUTE : 2 * MINUTE] += 10 * noise("white noise")
    state_T = states_of(record)
    assert (state_T[70:110] == NOISY).all()
    assert (np.r_[state_T[:50], state_T[130:]] == USABLE).all()


@pytest.mark.parametrize("hole", [np.nan, 0.0, 5.0])
def test_a_hole_is_absent_and_its_neighbours_are_usable(lead: np.ndarray, hole: float) -> None:
    record = np.tile(lead, 4)
    record[MINUTE : 3 * MINUTE] = hole
    state_T = states_of(record)
    assert (state_T[61:179] == ABSENT).all()
    assert (np.r_[state_T[:58], state_T[182:]] == USABLE).all()


@pytest.mark.parametrize("length_s", [4, 8, 12, 20])
def test_a_pause_of_the_heart_is_usable(length_s: int) -> None:
    beat_s = every(70, 120)
    beat_s = beat_s[(beat_s < 50) | (beat_s > 50 + length_s)]
    assert (states_of(draw_beats(beat_s, 120, FS_HZ)) == USABLE).all()


@pytest.mark.parametrize("start", [1, 2, 40])
def test_a_short_quiet_run_counts_alike_at_the_start_and_later(start: int) -> None:
    is_usable_T = np.ones(60, dtype=np.bool_)
    is_usable_T[start : start + 2] = False
    is_quiet_T = ~is_usable_T
    assert _is_quiet(start, start + 2, is_usable_T, is_quiet_T)


def test_hum_between_beats_is_no_pause() -> None:
    signal = draw_beats(every(70, 120), 120, FS_HZ)
    inside = slice(50 * FS_HZ, 70 * FS_HZ)
    signal[inside] = 0.8 * np.sin(2 * np.pi * 50 * np.arange(signal.size)[inside] / FS_HZ)
    assert (states_of(signal)[55:65] == NOISY).all()


@pytest.mark.parametrize("gap_s", [0.6, 0.98, 1.5])
def test_a_short_gap_is_absent_wherever_it_falls(lead: np.ndarray, gap_s: float) -> None:
    for start_s in (30.0, 30.3, 30.51, 30.9):
        record = lead.copy()
        record[round(start_s * FS_HZ) : round((start_s + gap_s) * FS_HZ)] = np.nan
        assert (states_of(record)[29:33] == ABSENT).any()


def test_most_of_bigeminy_is_usable() -> None:
    # Every other beat is broad and large: unlike the median beat, and like the second from it.
    time_s = np.arange(MINUTE) / FS_HZ
    record = np.zeros(MINUTE)
    for at_s, width_s, size in ((0.5, 0.012, 1.0), (1.0, 0.04, -1.3)):
        for beat_s in np.arange(at_s, 60, 1.4):
            record += size * np.exp(-0.5 * ((time_s - beat_s) / width_s) ** 2)
    record += np.random.default_rng(0).normal(0, 0.01, MINUTE)
    assert (states_of(record) == USABLE).mean() > 0.95


def test_leads_do_not_touch_each_other(lead: np.ndarray) -> None:
    both = np.stack([lead, noise("white noise")], axis=1).astype(np.float32)
    state_TC = assess_quality(both)
    assert state_TC.shape == (60, 2)
    assert state_TC.dtype == np.int8
    np.testing.assert_array_equal(state_TC[:, 0], states_of(lead))
    np.testing.assert_array_equal(state_TC[:, 1], states_of(noise("white noise")))


@pytest.mark.parametrize("num_samples", [1, 30, 129, 5 * FS_HZ, 11 * FS_HZ + 7])
def test_short_records_have_a_state_for_each_second(lead: np.ndarray, num_samples: int) -> None:
    assert states_of(lead[:num_samples]).shape == (-(-num_samples // FS_HZ),)


def test_pieces_leave_no_trace(lead: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = noise_in(lead)
    monkeypatch.setattr(filters, "_PIECE_FRAMES", 32)
    np.testing.assert_allclose(noise_in(lead), whole, rtol=0, atol=1e-5)


def test_the_second_detector_finds_the_beats(lead: np.ndarray) -> None:
    leads = filter_leads(lead[None])
    peak, height = find_energy_peaks(leads.slope[0], lead.size)
    assert peak.shape == height.shape
    assert (np.diff(peak) >= 28).all()
    assert abs(peak.size - find_alone(leads)[0].size) <= 2
    assert find_energy_peaks(np.zeros((8, 125), dtype=np.float32), 1000)[0].size == 0


@pytest.mark.parametrize(("rate", "p_mv"), [(28, 0.15), (35, 0.2), (40, 0.2)])
def test_a_heart_in_complete_block_is_an_ecg(rate: float, p_mv: float) -> None:
    atria = draw_beats(every(85, 60) + 0.05, 60, FS_HZ, qrs_mv=0.0, t_mv=0.0, p_mv=p_mv, noise_mv=0)
    state = states_of(draw_beats(every(rate, 60), 60, FS_HZ, p_mv=0.0) + atria)
    assert (state == USABLE).all()


@pytest.mark.parametrize("share", [0.4, 0.6])
@pytest.mark.parametrize("rate", [60, 100, 140, 160])
def test_alternans_is_an_ecg(rate: float, share: float) -> None:
    beat_s = every(rate, 60)
    size_mv = np.where(np.arange(beat_s.size) % 2, share, 1.0)
    assert (states_of(draw_beats(beat_s, 60, FS_HZ, qrs_mv=size_mv, noise_mv=0.03)) == USABLE).mean() > 0.95


@pytest.mark.parametrize("hum_hz", [50, 60])
def test_an_ecg_on_mains_hum_is_an_ecg_where_its_beats_are_found(lead: np.ndarray, hum_hz: float) -> None:
    hum = np.sin(2 * np.pi * hum_hz * np.arange(lead.size) / FS_HZ)
    assert (states_of(lead + 0.5 * hum) == USABLE).mean() > 0.9
    assert (states_of(hum) == NOISY).all()


@pytest.mark.parametrize("noise_mv", [0.0, 0.01, 0.03])
@pytest.mark.parametrize("rate", [30, 45, 70, 110])
@pytest.mark.parametrize("pause_s", [4.0, 12.0, 25.0])
def test_a_pause_in_good_signal_is_usable(rate: float, pause_s: float, noise_mv: float) -> None:
    before = every(rate, 30)
    beat_s = np.concatenate([before, before - before[0] + before[-1] + pause_s])
    signal = draw_beats(beat_s, beat_s[-1] + 1, FS_HZ, noise_mv=noise_mv)
    assert (states_of(signal)[:-1] == USABLE).all()
    assert detect_rpeaks(signal.astype(np.float32)[:, None], FS_HZ, method="ecgfeat", lead="all").size == beat_s.size


def test_a_lead_that_goes_quiet_beside_another_with_beats_is_off() -> None:
    beat_s = every(70, 90)
    leads = np.stack([draw_beats(beat_s, 90, FS_HZ, seed=seed) for seed in (0, 1)], axis=1).astype(np.float32)
    leads[30 * FS_HZ : 52 * FS_HZ, 0] = np.random.default_rng(3).normal(0, 0.01, 22 * FS_HZ)
    for state_TC in (assess_quality(leads), find_rpeaks(leads, FS_HZ, method="ecgfeat", lead="all").state):
        assert (state_TC[35:47, 0] == NOISY).all()
        assert (state_TC[:, 1] == USABLE).all()
    assert detect_rpeaks(leads, FS_HZ, method="ecgfeat", lead="all").size == beat_s.size


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_equals_cpu(lead: np.ndarray) -> None:
    np.testing.assert_allclose(noise_in(lead, "cuda"), noise_in(lead), rtol=0, atol=1e-3)


@pytest.mark.parametrize(("record", "least"), [("100", 0.99), ("200", 0.99), ("203", 0.95), ("228", 0.95)])
def test_real_records_are_usable_in_some_lead(mitdb, record: str, least: float) -> None:
    signal = read_signal(mitdb, record)
    state_TC = assess_quality(resample(signal.signal_mv_SC, signal.fs_hz, FS_HZ))
    # 200 is bigeminy for half of its time, 203 and 228 have noise: some lead is usable nevertheless.
    assert (state_TC == USABLE).any(axis=1).mean() >= least
