"""Warnings of a unit or a rate that cannot be right."""

import numpy as np
import pytest

from ecgfeat.prediction.plausible import SizeMeter, warn_of_rate, warn_of_size
from tests.fixtures.beats import draw_beats, every


def warnings_of(scale: float, offset: float = 0.0) -> list[str]:
    lead = (scale * draw_beats(every(70, 60), 60, 250) + offset).astype(np.float32)
    return warn_of_size(["II"], [measure(lead, len(lead))])


def measure(lead: np.ndarray, block: int) -> float:
    meter = SizeMeter(len(lead), 250.0)
    for start in range(0, len(lead), block):
        meter.add(lead[start : start + block])
    return meter.size_mv


@pytest.mark.parametrize(("scale", "offset"), [(0.1, 0), (1, 0), (8, 0), (-1, 300)])
def test_an_ecg_in_millivolts_is_not_warned_of(scale: float, offset: float) -> None:
    assert warnings_of(scale, offset) == []


def test_volts_and_microvolts_are_named() -> None:
    (volts,) = warnings_of(1e-3)
    assert "Are they volts? Then add: --unit V" in volts
    (microvolts,) = warnings_of(1e3)
    assert "Are they microvolts? Then add: --unit uV" in microvolts
    assert warn_of_size(["II"], [measure(np.full(500, np.nan, dtype=np.float32), 500)]) == []


@pytest.mark.parametrize("block", [1, 100, 1249, 5000])
def test_the_size_does_not_depend_on_the_blocks(block: int) -> None:
    lead = np.random.default_rng(0).normal(0, 1, 7000).astype(np.float32)
    lead[1000:3000] = np.nan
    rows = lead[:6250].reshape(-1, 1250)
    ranges = [np.nanmax(row) - np.nanmin(row) for row in rows if np.isfinite(row).any()]
    assert measure(lead, block) == pytest.approx(np.median(ranges) / 2)
    assert measure(lead[:100], block) == pytest.approx((lead[:100].max() - lead[:100].min()) / 2)


@pytest.mark.parametrize(("rr_s", "expected"), [(0.85, []), (0.24, []), (0.2, ["300 beats per minute"])])
def test_rates(rr_s: float, expected: list[str]) -> None:
    rr = np.append(np.nan, np.full(20, rr_s))
    lines = warn_of_rate(rr, np.arange(21) * rr_s)
    assert len(lines) == len(expected)
    assert all(line.startswith(start) for line, start in zip(lines, expected, strict=True))
    assert not lines or "--fs" in lines[0]


def test_a_long_time_without_a_beat_is_named_with_its_place() -> None:
    rr = np.array([np.nan, 0.8, 5.5, 0.8])
    (line,) = warn_of_rate(rr, np.array([np.nan, 0.0, 61.25, 66.75]))
    assert line.startswith("no beat for 5.5 s from 61.2 s on")
    assert warn_of_rate(np.array([np.nan]), np.array([np.nan])) == []
