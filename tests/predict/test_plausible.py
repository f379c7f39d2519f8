"""Warnings of a unit or a rate that cannot be right."""

import numpy as np
import pytest

from ecgfeat.predict.plausible import warn_of_rate, warn_of_size
from ecgfeat.records.reader import Signal
from tests.fixtures.beats import draw_beats, every


def signal_of(scale: float, *, uncalibrated: tuple[str, ...] = (), offset: float = 0.0) -> Signal:
    lead = scale * draw_beats(every(70, 60), 60, 250) + offset
    return Signal("x", 250.0, ("II",), lead.astype(np.float32)[:, None], uncalibrated)


@pytest.mark.parametrize(("scale", "offset"), [(0.1, 0), (1, 0), (8, 0), (-1, 300)])
def test_an_ecg_in_millivolts_is_not_warned_of(scale: float, offset: float) -> None:
    assert warn_of_size(signal_of(scale, offset=offset)) == []


def test_volts_and_microvolts_are_named() -> None:
    (volts,) = warn_of_size(signal_of(1e-3))
    assert "Are they volts?" in volts
    (microvolts,) = warn_of_size(signal_of(1e3))
    assert "Are they microvolts?" in microvolts
    assert warn_of_size(signal_of(1e3, uncalibrated=("II",))) == []
    assert warn_of_size(Signal("x", 250.0, ("II",), np.full((500, 1), np.nan, dtype=np.float32))) == []


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
