"""Waves, f-waves and noise of the simulator, measured on the signal they end up in."""

import dataclasses

import numpy as np
import pytest

from ecgfeat.simulate import synthesis
from ecgfeat.simulate.morphology import draw_morphology
from ecgfeat.simulate.noise import (
    NoiseRenderer,
    NoiseTraits,
    between_knots,
    draw_noise_traits,
    drop_contacts,
    shaped_noise,
)
from ecgfeat.simulate.waveform import VENTRICULAR, add_fibrillation, draw_shapes
from ecgfeat.store.schemas import INVALID_UV

FS_HZ = 128
ZERO = np.zeros(2)
QUIET = NoiseTraits(
    wander_mv=ZERO,
    breathing_mv=ZERO,
    muscle_mv=ZERO,
    motion_mv=ZERO,
    sensor_mv=ZERO,
    mains_hz=50.0,
    mains_mv=ZERO,
    bursts_per_hour=0.0,
    dropouts_per_hour=0.0,
)


def draw_upright(seed):
    """Draw a subject whose leads are neither swapped nor of low gain and whose T waves are upright."""
    rng = np.random.default_rng(seed)
    while True:
        morphology = draw_morphology(rng)
        t_mv = morphology.normal.amplitude_mv[0, morphology.normal.is_repolarisation]
        if morphology.gain.min() > 0.5 and t_mv.min() > 0.1:
            # Half of the time an unsteady gain would hide what is measured.
            return dataclasses.replace(morphology, breathing_gain=np.zeros(2), aberrant_share=0.0, focus_share=1.0)


def render(label, *, rr_s=1.0, fibrillating=False, has_p=True, morphology=None, noise=QUIET, seed=0, fs_hz=FS_HZ):
    label = np.array(list(label))
    peak = np.round(np.cumsum(np.full(len(label), rr_s)) * fs_hz).astype(np.int64)
    signal_uv = synthesis.synthesise(
        peak,
        label,
        np.full(len(label), fibrillating),
        np.full(len(label), has_p),
        int(peak[-1] + fs_hz),
        fs_hz=fs_hz,
        morphology=morphology or draw_upright(seed),
        noise=noise,
        breathing_hz=0.25,
        breathing_start=0.0,
        rng=np.random.default_rng(seed),
    )
    return peak, signal_uv


def mean_beat(peak, signal_uv, lead=0, fs_hz=FS_HZ):
    """Average from 0.4 s before to 0.6 s after the R-peak, first beats left out."""
    around = np.arange(round(-0.4 * fs_hz), round(0.6 * fs_hz))
    return signal_uv[peak[3:-1, None] + around, lead].mean(axis=0)


def qrs_width_s(beat_uv):
    """Width at half height of the main deflection."""
    centre = round(0.4 * FS_HZ)
    size = np.abs(beat_uv) >= np.abs(beat_uv[centre]) / 2
    left, right = centre, centre
    while size[left - 1]:
        left -= 1
    while size[right + 1]:
        right += 1
    return (right - left + 1) / FS_HZ


@pytest.mark.parametrize("seed", range(5))
def test_annotated_sample_is_the_peak_of_the_qrs_complex(seed):
    peak, signal_uv = render("N" * 30, seed=seed)
    around = signal_uv[peak[1:-1, None] + np.arange(-8, 9), 0]
    assert np.abs(np.argmax(around, axis=1) - 8).max() <= 1


@pytest.mark.parametrize("seed", range(5))
def test_p_wave_precedes_the_beat_in_sinus_rhythm_only(seed):
    morphology = draw_upright(seed)
    before = slice(round(0.15 * FS_HZ), round(0.33 * FS_HZ))
    with_p = mean_beat(*render("N" * 40, morphology=morphology))[before]
    without = mean_beat(*render("N" * 40, morphology=morphology, has_p=False))[before]
    assert with_p.max() > 40
    assert np.abs(without).max() < 12


@pytest.mark.parametrize("seed", range(5))
def test_ventricular_beats_are_wide_without_p_and_with_discordant_t(seed):
    morphology = draw_upright(seed)
    normal = mean_beat(*render("N" * 40, morphology=morphology))
    ventricular = mean_beat(*render("V" * 40, morphology=morphology))
    assert qrs_width_s(ventricular) > 1.6 * qrs_width_s(normal)
    centre = round(0.4 * FS_HZ)
    t_wave = ventricular[centre + round(0.26 * FS_HZ) : centre + round(0.45 * FS_HZ)]
    t_peak = t_wave[np.argmax(np.abs(t_wave))]
    assert np.sign(t_peak) == -np.sign(ventricular[centre])
    # Where the P wave of a sinus beat is, there is nothing.
    assert np.abs(ventricular[round(0.13 * FS_HZ) : round(0.22 * FS_HZ)]).max() < 25


def test_early_atrial_beats_have_another_p_wave_and_the_same_qrs_complex():
    different = 0
    for seed in range(10):
        morphology = draw_upright(seed)
        normal = mean_beat(*render("N" * 40, morphology=morphology))
        atrial = mean_beat(*render("A" * 40, morphology=morphology))
        around_r = slice(round(0.38 * FS_HZ), round(0.42 * FS_HZ))
        np.testing.assert_allclose(atrial[around_r], normal[around_r], rtol=0.06, atol=20)
        before = slice(round(0.1 * FS_HZ), round(0.33 * FS_HZ))
        different += np.abs(atrial[before] - normal[before]).max() > 20
    assert different >= 8


def test_t_wave_comes_later_after_long_intervals():
    morphology = draw_upright(1)
    place = {}
    for rr_s in (0.6, 1.0, 1.5):
        beat = mean_beat(*render("N" * 40, rr_s=rr_s, morphology=morphology, has_p=False))
        t_wave = beat[round(0.5 * FS_HZ) : round(0.9 * FS_HZ)]
        place[rr_s] = int(np.argmax(t_wave))
    assert place[0.6] < place[1.0] < place[1.5]


@pytest.mark.parametrize("seed", range(4))
def test_fibrillating_atria_make_waves_of_4_to_9_hz_and_sinus_rhythm_a_flat_line(seed):
    morphology = dataclasses.replace(draw_upright(seed), fibrillation_mv=np.array([0.06, 0.08]))
    rest = np.arange(round(0.9 * FS_HZ), round(1.9 * FS_HZ))
    for fibrillating in (True, False):
        peak, signal_uv = render(
            "N" * 40, rr_s=2.3, fibrillating=fibrillating, has_p=not fibrillating, morphology=morphology
        )
        pieces = signal_uv[peak[2:-1, None] + rest, 1].astype(float)
        pieces -= pieces.mean(axis=1, keepdims=True)
        if not fibrillating:
            assert np.abs(pieces).max() <= 3
            continue
        assert pieces.std() > 25
        power = (np.abs(np.fft.rfft(pieces * np.hanning(len(rest)), axis=1)) ** 2).mean(axis=0)
        f_hz = np.fft.rfftfreq(len(rest), 1 / FS_HZ)
        assert 4 <= f_hz[np.argmax(power)] <= 9
        assert power[(f_hz >= 3) & (f_hz <= 10)].sum() > 0.6 * power.sum()


def test_f_waves_follow_their_phase_and_strength():
    signal_mv = np.zeros((2, 1280), np.float32)
    phase = (2 * np.pi * 6.0 * np.arange(1280) / FS_HZ).astype(np.float32)
    strength = np.where(np.arange(1280) < 640, 0, 1).astype(np.float32)
    add_fibrillation(signal_mv, phase, strength, draw_upright(0))
    assert not signal_mv[:, :640].any()
    spectrum = np.abs(np.fft.rfft(signal_mv[0, 640:]))
    assert np.argmax(spectrum) * FS_HZ / 640 == pytest.approx(6.0)
    # The saw-tooth has harmonics.
    assert spectrum[60] > 0.1 * spectrum[30]


@pytest.mark.parametrize("piece_samples", [256, 1000, 4096])
def test_pieces_join_without_a_seam(monkeypatch, piece_samples):
    whole = render("NANVN" * 12, fibrillating=True)[1]
    monkeypatch.setattr(synthesis, "PIECE_SAMPLES", piece_samples)
    assert np.abs(render("NANVN" * 12, fibrillating=True)[1].astype(int) - whole).max() <= 1


@pytest.mark.parametrize("fs_hz", [100, 250, 360])
def test_shape_does_not_depend_on_the_sampling_frequency(fs_hz):
    expected = mean_beat(*render("N" * 40))
    beat = mean_beat(*render("N" * 40, fs_hz=fs_hz), fs_hz=fs_hz)
    resampled = np.interp(np.arange(len(expected)) / FS_HZ, np.arange(len(beat)) / fs_hz, beat)
    assert np.corrcoef(resampled, expected)[0, 1] > 0.99


def test_no_beats_give_a_flat_line():
    signal_uv = synthesis.synthesise(
        np.zeros(0, np.int64),
        np.zeros(0, "<U1"),
        np.zeros(0, np.bool_),
        np.zeros(0, np.bool_),
        1280,
        fs_hz=FS_HZ,
        morphology=draw_upright(0),
        noise=QUIET,
        breathing_hz=0.25,
        breathing_start=0.0,
        rng=np.random.default_rng(0),
    )
    assert signal_uv.shape == (1280, 2)
    assert not signal_uv.any()


def test_rare_subjects_have_low_gain_or_inverted_leads():
    gains = np.array([draw_morphology(np.random.default_rng(seed)).gain for seed in range(600)])
    low, inverted = np.mean(np.abs(gains).max(axis=1) < 0.5), np.mean(gains.min(axis=1) < 0)
    assert 0.015 < low < 0.08
    assert 0.015 < inverted < 0.08


def spectrum_of(traits, seconds=256):
    signal_mv = np.zeros((2, seconds * FS_HZ), np.float32)
    NoiseRenderer(traits, np.random.default_rng(0), signal_mv.shape[1], FS_HZ, 0.25, 0.0).add(signal_mv, 0)
    power = np.abs(np.fft.rfft(signal_mv[0])) ** 2
    return np.fft.rfftfreq(signal_mv.shape[1], 1 / FS_HZ), power


@pytest.mark.parametrize(
    ("change", "low_hz", "high_hz"),
    [
        ({"mains_mv": np.full(2, 0.1)}, 49.5, 50.5),
        # 150 Hz, sampled at 128 Hz, is seen at 22 Hz.
        ({"mains_mv": np.full(2, 0.1), "mains_hz": 150.0}, 21.5, 22.5),
        ({"wander_mv": np.full(2, 0.1)}, 0.005, 0.8),
        ({"breathing_mv": np.full(2, 0.1)}, 0.1, 0.4),
        ({"muscle_mv": np.full(2, 0.1), "bursts_per_hour": 500.0}, 10.0, 64.0),
        ({"motion_mv": np.full(2, 0.1), "bursts_per_hour": 500.0}, 0.3, 10.0),
    ],
)
def test_noise_lies_in_its_band(change, low_hz, high_hz):
    f_hz, power = spectrum_of(dataclasses.replace(QUIET, **change))
    assert power.sum() > 0
    assert power[(f_hz >= low_hz) & (f_hz <= high_hz)].sum() > 0.85 * power.sum()


def test_shaped_noise_has_unit_variance_and_its_band():
    noise = shaped_noise(np.random.default_rng(0), 10_007, 128.0, 5.0, 15.0)
    assert noise.dtype == np.float32
    assert noise.shape == (10_007,)
    assert noise.std() == pytest.approx(1, abs=0.02)


def test_knots_are_joined_by_lines():
    knots = np.array([0, 4, 0, 8, 8], np.float32)
    assert between_knots(knots, 4, 0, 9).tolist() == [0, 1, 2, 3, 4, 3, 2, 1, 0]
    assert between_knots(knots, 4, 8, 5).tolist() == [0, 2, 4, 6, 8]


def test_lost_contacts_leave_invalid_samples_or_a_flat_line():
    traits = dataclasses.replace(QUIET, dropouts_per_hour=200.0)
    rng = np.random.default_rng(0)
    signal_uv = rng.integers(-500, 500, (FS_HZ * 3600, 2)).astype(np.int16)
    before = signal_uv.copy()
    count = drop_contacts(signal_uv, traits, rng, FS_HZ)
    assert 150 < count < 250
    invalid = signal_uv == INVALID_UV
    assert 0.02 < invalid.mean() < 0.3
    assert np.any(invalid[:, 0] & invalid[:, 1])
    assert np.any(invalid[:, 0] != invalid[:, 1])
    flat = (np.diff(signal_uv[:, 0].astype(int)) == 0) & ~invalid[1:, 0]
    assert flat.sum() > 5 * FS_HZ
    untouched = ~invalid & (signal_uv == before)
    assert untouched.mean() > 0.5


def test_subjects_differ_in_noise():
    sensor_mv = [draw_noise_traits(np.random.default_rng(seed)).sensor_mv[0] for seed in range(50)]
    assert np.quantile(sensor_mv, 0.9) > 2 * np.quantile(sensor_mv, 0.1)
    assert max(sensor_mv) <= 0.04


def test_a_run_of_ventricular_beats_has_one_focus_and_runs_differ():
    morphology = dataclasses.replace(draw_morphology(np.random.default_rng(0)), focus_share=0.5)
    label = np.array(list(("NNNNN" + "VNVNVNV") * 40))
    shape, aberrant = draw_shapes(label, morphology, np.random.default_rng(1))
    assert not aberrant.any()
    foci = shape[label == "V"].reshape(40, 4) - VENTRICULAR
    assert np.all(foci == foci[:, :1])
    assert 8 < foci[:, 0].sum() < 32
