"""A live signal through the default models: stretches do not depend on chunks, and none is named before its time."""

import json
from pathlib import Path

import numpy as np
import pytest

from ecgfeat.cli import main
from ecgfeat.deploy.live import AFTER_S, HOP_S, LiveModels, name_live
from ecgfeat.errors import UsageError
from ecgfeat.files import read
from ecgfeat.prediction.models import Models, load_models
from ecgfeat.prediction.record import predict_record
from ecgfeat.records.reader import Signal
from ecgfeat.store.schemas import RHYTHMS


@pytest.fixture(scope="module")
def models(systems_run: Path) -> Models:
    return load_models(systems_run / "models")


@pytest.fixture(scope="module")
def signal(systems_run: Path) -> Signal:
    whole = read(systems_run / "data/raw/simulate/sim001")
    return Signal("part", whole.fs_hz, whole.leads, whole.signal_mv_SC[: round(65 * whole.fs_hz)])


def feed_in(models: Models, signal: Signal, sizes: list[int]) -> list[tuple]:  # type: ignore[type-arg]
    live = LiveModels(models, signal.leads, signal.fs_hz)
    stretches, at = [], 0
    for size in sizes:
        stretches += list(live.feed(signal.signal_mv_SC[at : at + size]))
        at += size
    return [*stretches, *live.feed(signal.signal_mv_SC[at:]), *live.flush()]


def test_chunks_of_any_size_give_the_same_stretches(models: Models, signal: Signal) -> None:
    by_second = list(name_live(LiveModels(models, signal.leads, signal.fs_hz), signal))
    assert [(of.start_s, of.stop_s) for of in by_second] == [(at, min(at + HOP_S, 65.0)) for at in range(0, 65, 10)]
    for sizes in ([], [1, 999, 12_345]):
        for one, other in zip(by_second, feed_in(models, signal, sizes), strict=True):
            assert one[:4] == other[:4]
            assert one.num_beats == other.num_beats
            np.testing.assert_array_equal(one.posterior_K, other.posterior_K)


def test_a_stretch_is_named_when_ten_seconds_have_followed_it(models: Models, signal: Signal) -> None:
    live = LiveModels(models, signal.leads, signal.fs_hz)
    due = round((HOP_S + AFTER_S) * signal.fs_hz)
    assert not list(live.feed(signal.signal_mv_SC[: due - 1]))
    (first,) = live.feed(signal.signal_mv_SC[due - 1 : due])
    # The models know what was fed, and nothing else.
    fed = Signal("fed", signal.fs_hz, signal.leads, signal.signal_mv_SC[:due])
    beats = predict_record(fed, models).beats
    assert sum(first.num_beats) == int((beats["time_s"] < HOP_S).sum()) > 5
    assert live.delay_s == HOP_S + AFTER_S


def test_memory_is_that_of_five_minutes(models: Models, signal: Signal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ecgfeat.deploy.live.MEMORY_S", 30.0)
    live = LiveModels(models, signal.leads, signal.fs_hz)
    stretches = [*live.feed(signal.signal_mv_SC), *live.flush()]
    assert len(live._kept) == round(30 * signal.fs_hz)
    assert len(stretches) == 7
    assert all(sum(of.num_beats) > 5 for of in stretches[:6])


def test_no_signal_has_no_rhythm_and_a_reason(models: Models, signal: Signal) -> None:
    none = Signal("none", signal.fs_hz, signal.leads, np.full_like(signal.signal_mv_SC, np.nan))
    for stretch in name_live(LiveModels(models, none.leads, none.fs_hz), none):
        assert (stretch.rhythm, stretch.reason, stretch.num_beats) == ("", "no signal", (0, 0, 0))
        assert np.isnan(stretch.posterior_K).all()


def test_a_stretch_must_have_a_length_that_can_be_named(models: Models, signal: Signal) -> None:
    for hop_s in (0.5, 61.0, float("nan")):
        with pytest.raises(UsageError, match="expected 1 to 60 s"):
            LiveModels(models, signal.leads, signal.fs_hz, hop_s)


def test_the_command_prints_lines(systems_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = [str(systems_run / "models"), str(systems_run / "data/raw/simulate/sim001"), "--hop", "60"]
    assert main(["stream", *given, "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["start_s"] for line in lines] == [0.0, 60.0, 120.0, 180.0, 240.0]
    for line in lines:
        assert set(line["posterior"]) == set(RHYTHMS)
        assert line["class"] in {*RHYTHMS, None}
        assert (line["class"] is None) == bool(line["reason"]) == (line["probability"] is None)
    assert main(["stream", *given]) == 0
    heading, *rows = capsys.readouterr().out.splitlines()
    assert "delay at most 70 s" in heading
    assert len(rows) == len(lines)
    assert main(["stream", "a", "b", "c"]) == 2
    assert "3 names; expected a record, or a system and a record" in capsys.readouterr().err
