"""A lead that is off, or at the rail of its amplifier, is invalid there; the rest of a heart without noise is not."""

import numpy as np
import pytest

from ecgfeat.signals import gaps
from ecgfeat.signals.gaps import clear_invalid, find_runs
from tests.fixtures.beats import draw_beats, every

DURATION_S = 40.0


def lead(fs_hz: float, noise_mv: float) -> np.ndarray:
    return draw_beats(every(70, DURATION_S), DURATION_S, fs_hz, noise_mv=noise_mv).astype(np.float32)


def lost_s(signal_S: np.ndarray, fs_hz: float) -> list[tuple[float, float]]:
    runs = find_runs(np.isnan(clear_invalid(signal_S, fs_hz)))
    return [(round(start / fs_hz, 1), round(stop / fs_hz, 1)) for start, stop in runs.tolist()]


@pytest.mark.parametrize("fs_hz", [100.0, 128.0, 360.0, 1000.0])
@pytest.mark.parametrize("level_mv", [-5.0, 3.0])
@pytest.mark.parametrize("length_s", [0.3, 1.0, 5.0])
def test_a_rail_is_lost_with_its_steps(fs_hz: float, level_mv: float, length_s: float) -> None:
    signal = lead(fs_hz, 0.01)
    signal[round(10 * fs_hz) : round((10 + length_s) * fs_hz)] = level_mv
    assert lost_s(signal, fs_hz) == [(pytest.approx(9.9, abs=0.1), pytest.approx(10.1 + length_s, abs=0.1))]


@pytest.mark.parametrize("length_s", [0.6, 1.5, 8.0])
def test_noise_never_stands_still(length_s: float) -> None:
    signal = lead(128, 0.01)
    signal[10 * 128 : round((10 + length_s) * 128)] = 0
    assert lost_s(signal, 128) == [(pytest.approx(10, abs=0.2), pytest.approx(10 + length_s, abs=0.2))]


@pytest.mark.parametrize("rate", [25, 45, 70])
@pytest.mark.parametrize("pause_s", [3.0, 12.0])
def test_a_heart_without_noise_may_stand_still_for_a_while(rate: float, pause_s: float) -> None:
    before = every(rate, 30)
    beat_s = np.concatenate([before, before - before[0] + before[-1] + pause_s])
    signal = draw_beats(beat_s, beat_s[-1] + 1, 128, noise_mv=0).astype(np.float32)
    assert lost_s(signal, 128) == []
    assert lost_s(np.round(signal, 3), 128) == []


def test_but_not_for_longer_than_any_pause() -> None:
    beat_s = np.concatenate([every(70, 30), every(70, 30) + 70])
    signal = draw_beats(beat_s, beat_s[-1] + 1, 128, noise_mv=0).astype(np.float32)
    assert len(lost_s(signal, 128)) == 1


def test_the_quick_test_overlooks_no_flat_run(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    cases = []
    for _ in range(300):
        fs_hz = float(rng.choice([20, 50, 100, 128, 360, 1000]))
        signal = rng.normal(0, rng.choice([0.001, 0.01, 0.1]), rng.integers(5, int(12 * fs_hz))).astype(np.float32)
        start = rng.integers(0, signal.size)
        signal[start : start + int(fs_hz * rng.choice([0.2, 0.25, 0.26, 0.5, 2, 3]))] = rng.choice([0, 0.05, 0.5, 5])
        cases.append((signal, fs_hz))
    quick = [clear_invalid(*case) for case in cases]
    monkeypatch.setattr(gaps, "_may_be_flat", lambda *_: True)
    assert any(np.isnan(cleared).any() for cleared in quick)
    for case, cleared in zip(cases, quick, strict=True):
        np.testing.assert_array_equal(cleared, clear_invalid(*case))


def test_runs_by_hand() -> None:
    assert find_runs(np.array([], dtype=bool)).shape == (0, 2)
    assert find_runs(np.array([True])).tolist() == [[0, 1]]
    assert find_runs(np.array([True, True, False, True])).tolist() == [[0, 2], [3, 4]]
