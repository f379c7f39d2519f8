"""Offset and drift leave the signal before it is rounded, and come back."""

import numpy as np
import pytest

from ecgfeat.signals.baseline import read_baseline, remove_baseline, tabulate_baseline
from ecgfeat.signals.resample import to_microvolts, to_millivolts
from ecgfeat.signals.rpeaks import detect_rpeaks
from ecgfeat.store.schemas import INVALID_UV
from tests.fixtures.beats import draw_beats, every

FS_HZ = 128
DURATION_S = 120.0


@pytest.fixture(scope="module")
def lead() -> np.ndarray:
    return draw_beats(every(70, DURATION_S), DURATION_S, FS_HZ)


def stored(lead_S: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a lead as int16 microvolts, and its baseline in mV."""
    left, baseline = remove_baseline(lead_S.astype(np.float32)[:, None], FS_HZ)
    return to_microvolts(left), baseline.at(len(lead_S), FS_HZ)


@pytest.mark.parametrize("level", [-300.0, -33.0, 0.0, 33.0, 300.0, "drift", "turn"])
def test_the_same_beats_on_any_baseline(lead: np.ndarray, level: float | str) -> None:
    time = np.linspace(0, 1, lead.size)
    baseline = {"drift": 100 * time, "turn": 50 * np.sin(2 * np.pi * time)}.get(str(level), level)
    plain, moved = (
        detect_rpeaks(to_millivolts(stored(signal)[0]), FS_HZ, method="ecgfeat", lead="all")
        for signal in (lead, lead + baseline)
    )
    assert plain.size == every(70, DURATION_S).size
    assert np.abs(moved - plain).max() <= 1


@pytest.mark.parametrize("level", [-300.0, 0.3, 300.0])
def test_physical_values_come_back(lead: np.ndarray, level: float) -> None:
    whole = (lead + level + 5 * np.linspace(0, 1, lead.size)).astype(np.float32)
    signal_uv, baseline_mv = stored(whole)
    # Half a microvolt of rounding, and the last bit of float32 at 300 mV.
    assert np.abs(to_millivolts(signal_uv) + baseline_mv - whole[:, None]).max() < 0.00056


@pytest.mark.parametrize("num_samples", [1, 100, 639, 640, 1300])
def test_short_records_have_a_baseline(lead: np.ndarray, num_samples: int) -> None:
    signal_uv, baseline_mv = stored(lead[:num_samples] + 40)
    assert signal_uv.shape == baseline_mv.shape == (num_samples, 1)
    assert np.abs(signal_uv).max() < 2000


def test_invalid_samples_stay_so_and_move_no_knot(lead: np.ndarray) -> None:
    broken = np.stack([lead + 33, np.full_like(lead, np.nan)], axis=1).astype(np.float32)
    broken[20 * FS_HZ : 60 * FS_HZ, 0] = np.nan
    left, baseline = remove_baseline(broken, FS_HZ)
    np.testing.assert_array_equal(np.isnan(left), np.isnan(broken))
    assert np.abs(baseline.leads[0].value_uv - 33_000).max() < 50
    assert (baseline.leads[1].value_uv == 0).all()


@pytest.mark.parametrize("hole", [0.0, 5.0, -33.0, 300.0, np.nan])
@pytest.mark.parametrize("offset", [0.0, -33.0, 300.0])
def test_a_hole_at_another_level_neither_hides_nor_makes_a_beat(lead: np.ndarray, hole: float, offset: float) -> None:
    start, stop = 40 * FS_HZ, 70 * FS_HZ
    broken = lead + offset
    broken[start:stop] = hole
    signal_uv, _ = stored(broken)
    found = detect_rpeaks(to_millivolts(signal_uv), FS_HZ, method="ecgfeat", lead="all")
    beat = np.rint(every(70, DURATION_S) * FS_HZ)
    beat = beat[(beat < start - 20) | (beat >= stop + 20)]
    found = found[(found < start - 20) | (found >= stop + 20)]
    assert found.size == beat.size
    assert np.abs(found - beat).max() <= 3


@pytest.mark.parametrize("step", [-300.0, 30.0, 300.0])
def test_a_step_of_the_electrode_costs_no_beat_beside_it(lead: np.ndarray, step: float) -> None:
    moved = lead + step * (np.arange(lead.size) >= 60.4 * FS_HZ)
    signal_uv, _ = stored(moved)
    found = detect_rpeaks(to_millivolts(signal_uv), FS_HZ, method="ecgfeat", lead="all")
    beat = np.rint(every(70, DURATION_S) * FS_HZ)
    apart = np.abs(beat - 60.4 * FS_HZ) > 0.3 * FS_HZ
    assert np.abs(found[:, None] - beat[apart][None]).min(axis=0).max() <= 3
    assert found.size <= beat.size


@pytest.mark.parametrize("turn_s", [10, 20, 60])
def test_a_fast_drift_of_100_mv_leaves_all_beats(lead: np.ndarray, turn_s: float) -> None:
    drift = 50 * np.sin(2 * np.pi * np.arange(lead.size) / FS_HZ / turn_s)
    signal_uv, baseline_mv = stored(lead + drift)
    assert not (signal_uv == INVALID_UV).any()
    assert np.abs(to_millivolts(signal_uv)[:, 0] + baseline_mv[:, 0] - lead - drift).max() < 0.001
    found = detect_rpeaks(to_millivolts(signal_uv), FS_HZ, method="ecgfeat", lead="all")
    beat_s = every(70, DURATION_S)
    assert np.abs(found[:, None] / FS_HZ - beat_s).min(axis=0).max() < 0.1
    assert found.size <= beat_s.size + 1


@pytest.mark.parametrize("gain", [8, 12, 15])
def test_large_complexes_of_an_uncalibrated_lead_are_no_steps(lead: np.ndarray, gain: float) -> None:
    signal_uv, _ = stored(gain * lead)
    found = detect_rpeaks(to_millivolts(signal_uv), FS_HZ, method="ecgfeat", lead="all")
    assert found.size == every(70, DURATION_S).size


@pytest.mark.parametrize("spike_mv", [-30.0, 30.0, 100.0])
def test_the_spike_of_a_pacemaker_is_no_step(spike_mv: float) -> None:
    beat_s, fs_hz = every(70, DURATION_S), 250
    paced = draw_beats(beat_s, DURATION_S, fs_hz)
    paced[np.rint((beat_s - 0.016) * fs_hz).astype(int)] += spike_mv
    left, _ = remove_baseline(paced.astype(np.float32)[:, None], fs_hz)
    # What int16 microvolts do not hold is lost, and no more.
    assert np.isnan(left).sum() <= beat_s.size


def test_a_flat_lead_is_invalid_and_has_no_baseline() -> None:
    left, baseline = remove_baseline(np.stack([np.full(5000, 7.5), np.zeros(5000)], axis=1).astype(np.float32), FS_HZ)
    assert np.isnan(left).all()
    assert [set(knots.value_uv.tolist()) for knots in baseline.leads] == [{0}, {0}]


def test_the_table_gives_the_baseline_back_and_zero_for_leads_a_record_lacks(lead: np.ndarray) -> None:
    _, baseline = remove_baseline((lead + 33).astype(np.float32)[:, None], FS_HZ)
    rows = tabulate_baseline("r", baseline)
    again = read_baseline(rows, 3).at(lead.size, FS_HZ)
    np.testing.assert_array_equal(again[:, :1], baseline.at(lead.size, FS_HZ))
    assert (again[:, 1:] == 0).all()
