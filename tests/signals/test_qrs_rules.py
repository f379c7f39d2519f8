"""Beats of known place that a detector by amplitude loses or invents: none is lost, none invented."""

import numpy as np
import pytest

from ecgfeat.signals.rpeaks import detect_rpeaks
from tests.fixtures.beats import draw_beats, every

FS_HZ = 128
DURATION_S = 90.0


def assert_all_found(lead_S: np.ndarray, beat_s: np.ndarray, fs_hz: float = FS_HZ) -> None:
    for polarity in (1, -1):
        signal_SC = (polarity * lead_S).astype(np.float32)
        signal_SC = signal_SC if signal_SC.ndim == 2 else signal_SC[:, None]
        found = detect_rpeaks(signal_SC, fs_hz, method="ecgfeat", lead="all")
        assert found.size == beat_s.size
        assert np.abs(found / fs_hz - beat_s).max() < 0.1


def bigeminy(rate_per_min: float, coupling: float, period: int = 2) -> tuple[np.ndarray, list[int]]:
    """Every `period`-th beat of a sinus rhythm comes early and broad, and a pause follows it."""
    beat_s = every(rate_per_min, DURATION_S)
    broad = list(range(period - 1, beat_s.size - 1, period))
    beat_s[broad] -= (1 - coupling) * 60 / rate_per_min
    return beat_s, broad


@pytest.mark.parametrize("fs_hz", [128, 250, 360])
@pytest.mark.parametrize("share", [0.3, 0.4, 0.6])
@pytest.mark.parametrize("rate", [50, 75, 110, 140])
def test_electrical_alternans(rate: float, share: float, fs_hz: float) -> None:
    beat_s = every(rate, DURATION_S)
    size_mv = np.where(np.arange(beat_s.size) % 2, share, 1.0)
    assert_all_found(draw_beats(beat_s, DURATION_S, fs_hz, qrs_mv=size_mv), beat_s, fs_hz)


@pytest.mark.parametrize("period", [2, 3, 4])
@pytest.mark.parametrize("coupling", [0.6, 0.7, 1.0])
@pytest.mark.parametrize("rate", [60, 75, 90])
def test_bigeminy_and_trigeminy_of_broad_beats(rate: float, coupling: float, period: int) -> None:
    beat_s, broad = bigeminy(rate, coupling, period)
    assert_all_found(draw_beats(beat_s, DURATION_S, FS_HZ, broad=broad), beat_s)


@pytest.mark.parametrize("noise_mv", [0.0, 0.02, 0.03])
@pytest.mark.parametrize("share", [0.4, 0.5])
@pytest.mark.parametrize("rate", [60, 120, 160])
def test_electrical_alternans_on_noise(rate: float, share: float, noise_mv: float) -> None:
    beat_s = every(rate, DURATION_S)
    size_mv = np.where(np.arange(beat_s.size) % 2, share, 1.0)
    assert_all_found(draw_beats(beat_s, DURATION_S, FS_HZ, qrs_mv=size_mv, noise_mv=noise_mv), beat_s)


@pytest.mark.parametrize(("rate", "noise_mv"), [(15, 0.01), (20, 0.01), (20, 0.03), (25, 0.03)])
def test_a_very_slow_heart_has_no_beats_between(rate: float, noise_mv: float) -> None:
    beat_s = every(rate, 600)
    assert_all_found(draw_beats(beat_s, 600, FS_HZ, noise_mv=noise_mv), beat_s)


@pytest.mark.parametrize("rate", [20, 30, 180, 230, 250])
def test_slow_and_fast_regular_rhythms(rate: float) -> None:
    beat_s = every(rate, DURATION_S)
    assert_all_found(draw_beats(beat_s, DURATION_S, FS_HZ, p_mv=0.0 if rate > 150 else 0.12), beat_s)


@pytest.mark.parametrize("rate", [130, 160, 180, 200, 220])
def test_fast_rhythms_of_broad_beats(rate: float) -> None:
    beat_s = every(rate, DURATION_S)
    assert_all_found(draw_beats(beat_s, DURATION_S, FS_HZ, broad=range(beat_s.size)), beat_s)


@pytest.mark.parametrize("rate", [140, 180, 200, 220])
def test_runs_of_broad_beats_within_sinus_rhythm(rate: float) -> None:
    parts, broad, start_s, size = [], [], 0.5, 0
    for _ in range(4):
        sinus_s = np.arange(start_s, start_s + 14, 60 / 72)
        run_s = sinus_s[-1] + 0.42 + np.arange(0, 7, 60 / rate)
        broad += list(range(size + sinus_s.size, size + sinus_s.size + run_s.size))
        parts += [sinus_s, run_s]
        size, start_s = size + sinus_s.size + run_s.size, run_s[-1] + 1.0
    beat_s = np.concatenate(parts)
    assert_all_found(draw_beats(beat_s, beat_s[-1] + 1, FS_HZ, broad=broad), beat_s)


@pytest.mark.parametrize("rr_s", [0.35, 0.4, 0.45])
@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_single_broad_beats_couplets_and_short_runs(length: int, rr_s: float) -> None:
    parts, broad, start_s, size = [], [], 0.5, 0
    for _ in range(8):
        sinus_s = start_s + np.arange(8) * 60 / 72
        run_s = sinus_s[-1] + 0.42 + np.arange(length) * rr_s
        broad += list(range(size + 8, size + 8 + length))
        parts += [sinus_s, run_s]
        size, start_s = size + 8 + length, run_s[-1] + 1.0
    beat_s = np.concatenate([*parts, start_s + np.arange(8) * 60 / 72])
    assert_all_found(draw_beats(beat_s, beat_s[-1] + 1, FS_HZ, broad=broad), beat_s)


@pytest.mark.parametrize(("qrs_mv", "t_mv"), [(1.0, 0.6), (1.0, 1.3), (0.5, 0.5), (0.5, 0.9)])
@pytest.mark.parametrize("rate", [50, 70, 90, 110])
def test_tall_t_waves_are_no_beats(rate: float, qrs_mv: float, t_mv: float) -> None:
    beat_s = every(rate, DURATION_S)
    assert_all_found(draw_beats(beat_s, DURATION_S, FS_HZ, qrs_mv=qrs_mv, t_mv=t_mv), beat_s)


@pytest.mark.parametrize("offset_mv", [-300.0, -33.0, 33.0, 300.0])
def test_an_electrode_offset_changes_no_beat(offset_mv: float) -> None:
    lead = draw_beats(every(70, DURATION_S), DURATION_S, FS_HZ)[:, None]
    plain, moved = (
        detect_rpeaks((lead + level).astype(np.float32), FS_HZ, method="ecgfeat", lead="all")
        for level in (0.0, offset_mv)
    )
    np.testing.assert_array_equal(moved, plain)


def test_a_long_pause_holds_no_beat() -> None:
    beat_s = np.delete(every(70, DURATION_S), np.arange(40, 47))
    assert_all_found(draw_beats(beat_s, DURATION_S, FS_HZ), beat_s)


@pytest.mark.parametrize("off", [0.0, np.nan, 5.0])
def test_a_lead_that_comes_off_is_followed_by_the_other(off: float) -> None:
    beat_s = every(80, 400)
    lead = draw_beats(beat_s, 400, FS_HZ)
    both = np.stack([lead, -0.6 * lead], axis=1)
    both[60 * FS_HZ : 300 * FS_HZ, 0] = off
    assert_all_found(both, beat_s)


def test_hum_in_one_lead_moves_no_rpeak() -> None:
    beat_s = every(80, 120)
    lead = draw_beats(beat_s, 120, FS_HZ)
    time_s = np.arange(lead.size) / FS_HZ
    hum = np.where(time_s < 60, lead, 0.8 * np.sin(2 * np.pi * 50 * time_s))
    both = np.stack([hum, 0.7 * lead], axis=1).astype(np.float32)
    found = detect_rpeaks(both, FS_HZ, method="ecgfeat", lead="all")
    # One beat may be lost where the lead changes.
    assert found.size >= beat_s.size - 1
    assert np.abs(found[:, None] / FS_HZ - beat_s).min(axis=1).max() < 0.03


def test_noise_in_one_lead_costs_no_beat() -> None:
    beat_s = every(80, DURATION_S)
    noise = np.random.default_rng(1).normal(0, 1, round(DURATION_S * FS_HZ))
    assert_all_found(np.stack([noise, draw_beats(beat_s, DURATION_S, FS_HZ)], axis=1), beat_s)
