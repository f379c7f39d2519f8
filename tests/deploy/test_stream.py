"""A trained system as a stream: what it says of a record offline, whatever the rate, the chopping and the length."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgfeat.arena.checkpoint import load_system, save_left_out, save_system
from ecgfeat.arena.record_task import LabelledRecords, train_on_records
from ecgfeat.arena.signal_table import Band, SignalTable, prepare_signal
from ecgfeat.arena.system import build_system
from ecgfeat.cli import main
from ecgfeat.corpora.diagnostic import get_diagnostic_corpus
from ecgfeat.deploy.blocks import SignalBlocks, find_reach
from ecgfeat.deploy.preparation import read_preparation
from ecgfeat.deploy.stream import SystemStream, name_record, open_stream
from ecgfeat.errors import DataError, UsageError
from ecgfeat.records.reader import Signal
from ecgfeat.records.writer import write_record
from ecgfeat.signals.resample import resample, to_microvolts
from tests.fixtures.systems import make_recipe, settings_of

FS_HZ, SAMPLES, SOURCE_HZ = 64, 320, 250
SETTINGS = settings_of("resnet1d", fs_hz=FS_HZ, low_hz=0.5, high_hz=30.0)
CONFIG = {"num_leads": 2, "num_classes": 2, "num_samples": SAMPLES}
CLASSES = ["slow", "fast"]


def make_signal(labels, seed=0, part_s=15, fs_hz=SOURCE_HZ):
    """Return spikes on a wandering baseline in mV, 60 a minute or 120, another rate in each part, (S, 2)."""
    rng = np.random.default_rng(seed)
    signal_SC = rng.normal(0, 0.06, (len(labels) * part_s * fs_hz, 2))
    signal_SC += 0.8 * np.sin(2 * np.pi * 0.07 * np.arange(len(signal_SC)) / fs_hz)[:, None]
    for part, label in enumerate(labels):
        for start in range(part * part_s * fs_hz, (part + 1) * part_s * fs_hz - 20, fs_hz // (1 + label)):
            signal_SC[start : start + 12] += np.hanning(12)[:, None]
    return signal_SC.astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return the folder of a small system, trained here on records of 250 Hz."""
    folder = tmp_path_factory.mktemp("systems")
    with_names = {"name": "resnet1d", "settings": SETTINGS, "config": CONFIG, "info": {"classes": CLASSES}}
    preparation = read_preparation(with_names)
    system = build_system("resnet1d", SETTINGS, seed=0, **CONFIG)
    label = np.arange(48) % 2
    signals = [preparation.prepare(make_signal([one], seed), SOURCE_HZ) for seed, one in enumerate(label)]
    records = LabelledRecords(SignalTable(signals, FS_HZ), label, np.zeros(48, dtype=np.int64))
    recipe = make_recipe(10, 8, 5e-3)
    train_on_records(system, records, np.arange(48), recipe, "single", seed=0)
    info = {"classes": CLASSES, "corpora": ["simulate"]}
    save_system(folder / "resnet1d", "resnet1d", system, SETTINGS, CONFIG, info)
    return folder / "resnet1d"


RECORD_SC = make_signal([0, 1, 0, 1], seed=99)


def cut_offline(signal_mv_SC, fs_hz, starts):
    """Cut segments as the pipeline does: the array ``signals`` at 128 Hz, rate and band, segments, z-score."""
    at_128_SC = to_microvolts(resample(signal_mv_SC, fs_hz, 128))
    table = SignalTable([prepare_signal(at_128_SC, 128, Band.of(SETTINGS))], FS_HZ)
    return table.segments(np.zeros(len(starts), dtype=np.int64), np.array(starts), SAMPLES)


def offline(folder, signal_mv_SC, fs_hz, starts):
    system, _ = load_system(folder)
    with torch.no_grad():
        return system(cut_offline(signal_mv_SC, fs_hz, starts)).softmax(1).numpy()


def run(stream, chunks):
    return [one for chunk in chunks for one in stream.feed(chunk)] + stream.flush()


@pytest.mark.parametrize("fs_hz", [SOURCE_HZ, 360, 128, 257])
def test_a_stream_says_what_the_pipeline_says_of_the_record(folder, fs_hz):
    signal_SC = resample(RECORD_SC, SOURCE_HZ, fs_hz)
    found = run(open_stream(folder, fs_hz), np.array_split(signal_SC, 37))
    assert [one[:2] for one in found] == [(5.0 * at, 5.0 * at + 5) for at in range(12)]
    expected_MK = offline(folder, signal_SC, fs_hz, [SAMPLES * at for at in range(12)])
    # Both ends of the record are included: there the stream sees what the record has, and no more.
    np.testing.assert_allclose([one.posterior_K for one in found], expected_MK, atol=1e-3)
    called = [CLASSES[one.posterior_K.argmax()] for one in found]
    assert called == ["slow"] * 3 + ["fast"] * 3 + ["slow"] * 3 + ["fast"] * 3


@pytest.mark.parametrize("fs_hz", [SOURCE_HZ, 360, 128, 257])
def test_the_system_reads_the_segments_of_the_pipeline(folder, fs_hz):
    signal_SC = resample(RECORD_SC, SOURCE_HZ, fs_hz)
    stream, seen = open_stream(folder, fs_hz), []
    system = stream.segments.model
    stream.segments.model = lambda segment_BCS: seen.append(segment_BCS) or system(segment_BCS)
    run(stream, [signal_SC])
    expected_MCS = cut_offline(signal_SC, fs_hz, [SAMPLES * at for at in range(12)])
    # A microvolt, where a standard deviation is some 100.
    torch.testing.assert_close(torch.cat(seen), expected_MCS, atol=0.02, rtol=0)


def test_segments_overlap_as_set_and_the_last_one_ends_with_the_record(folder):
    signal_SC = RECORD_SC[: 17 * SOURCE_HZ]
    found = run(open_stream(folder, SOURCE_HZ, hop_s=2.5), [signal_SC])
    assert [one[:2] for one in found] == [(2.5 * at, min(2.5 * at + 2.5, 17)) for at in range(7)]
    hop = SAMPLES // 2
    alone_MK = offline(folder, signal_SC, SOURCE_HZ, [*(hop * at for at in range(5)), 17 * FS_HZ - SAMPLES])
    np.testing.assert_allclose(found[0].posterior_K, alone_MK[0], atol=1e-3)
    np.testing.assert_allclose(found[2].posterior_K, (alone_MK[1] + alone_MK[2]) / 2, atol=1e-3)
    np.testing.assert_allclose(found[6].posterior_K, alone_MK[5], atol=1e-3)


@settings(max_examples=25, deadline=None)
@given(num_samples=st.integers(0, 5000), cuts=st.lists(st.integers(0, 5000), max_size=30))
def test_how_the_signal_is_chopped_does_not_change_a_bit(folder, num_samples, cuts):
    signal_SC = RECORD_SC[:num_samples].copy()
    signal_SC[1000:1300, 1] = np.nan
    whole = run(open_stream(folder, SOURCE_HZ, hop_s=2.5), [signal_SC])
    chunks = np.split(signal_SC, sorted(min(cut, num_samples) for cut in cuts))
    chopped = run(open_stream(folder, SOURCE_HZ, hop_s=2.5), chunks)
    assert len(whole) == -(-num_samples // round(2.5 * SOURCE_HZ))
    assert [one[:2] for one in whole] == [one[:2] for one in chopped]
    assert all(np.array_equal(one.posterior_K, other.posterior_K) for one, other in zip(whole, chopped, strict=True))


def test_every_stretch_is_named_within_the_delay(folder):
    stream = open_stream(folder, SOURCE_HZ, hop_s=2.5)
    assert 5 + 6 < stream.delay_s < 5 + 9  # a segment, the margin of 0.5 Hz and a block of a second
    late_s = []
    for sample in range(len(RECORD_SC)):
        for one in stream.feed(RECORD_SC[sample : sample + 1]):
            late_s.append((sample + 1) / SOURCE_HZ - one.start_s)
    assert len(late_s) > 15
    assert stream.delay_s - 1 <= max(late_s) <= stream.delay_s


def test_memory_does_not_grow(folder):
    stream = open_stream(folder, SOURCE_HZ)
    stream.segments.model = lambda signal_BCS: signal_BCS.mean(2)

    def size():
        held = (stream.blocks._buffer_SC, stream.segments._buffer_CS)
        return sum(array.nbytes for array in held), len(stream.segments._pending)

    stream.feed(RECORD_SC)
    before = size()
    assert before[0] < 2 * 4 * (2 * stream.delay_s * SOURCE_HZ + 2 * SAMPLES)
    named = sum(len(stream.feed(RECORD_SC)) for _ in range(15))
    assert named == 15 * 12
    assert size() == before


@pytest.mark.parametrize(
    ("fs_hz", "low_hz", "high_hz"), [(128, 0.5, 0.0), (257, 0.5, 30.0), (500, 0.0, 20.0), (250, 0.05, 40.0), (64, 0, 0)]
)
@pytest.mark.parametrize("filter_hz", [None, 128.0])
def test_blocks_are_the_whole_record_to_within_a_microvolt(folder, fs_hz, low_hz, high_hz, filter_hz):
    _, described = load_system(folder)
    preparation = replace(read_preparation(described), low_hz=low_hz, high_hz=high_hz, filter_hz=filter_hz)
    signal_SC = resample(np.tile(RECORD_SC, (4, 1)), SOURCE_HZ, fs_hz)
    signal_SC[40 * fs_hz : 41 * fs_hz, 0] = np.nan
    blocks = SignalBlocks(preparation, fs_hz)
    found_CS = np.concatenate([*blocks.feed(signal_SC[:5000]), *blocks.feed(signal_SC[5000:]), *blocks.flush()], axis=1)
    expected_CS = preparation.prepare(signal_SC, fs_hz)
    assert np.array_equal(found_CS == -32768, expected_CS == -32768)
    assert np.abs(found_CS.astype(int) - expected_CS).max() <= 1
    assert blocks.margin_samples >= find_reach(preparation, fs_hz) * fs_hz


def test_without_filters_nothing_is_waited_for(folder):
    _, described = load_system(folder)
    preparation = replace(read_preparation(described), low_hz=0.0, high_hz=0.0, filter_hz=None)
    assert (find_reach(preparation, FS_HZ), SignalBlocks(preparation, FS_HZ).margin_samples) == (0.0, 0)


def test_leads_are_read_by_position_or_by_name(folder):
    _, described = load_system(folder)
    preparation = read_preparation(described)
    one_lead = Signal("r", 250.0, ("V5",), RECORD_SC[:9, :1])
    picked_SC = preparation.pick_leads(one_lead)
    assert np.array_equal(picked_SC[:, 0], RECORD_SC[:9, 0])
    assert np.isnan(picked_SC[:, 1]).all()
    corpus = get_diagnostic_corpus("simulate12")
    twelve = described | {
        "config": described["config"] | {"num_leads": 12, "num_classes": len(corpus.classes)},
        "info": {"corpus": corpus.slug, "classes": list(corpus.classes), "task": corpus.task},
    }
    by_name = read_preparation(twelve)
    assert (by_name.filter_hz, by_name.task) == (None, "multi")
    assert json.loads(by_name.as_metadata()["lead_names"]) == list(corpus.lead_names)
    assert by_name.as_metadata()["filter"].endswith("at the rate of the record; 0: no such edge")
    swapped_SC = by_name.pick_leads(Signal("r", 250.0, ("aVR", "I"), RECORD_SC[:9]))
    assert np.array_equal(swapped_SC[:, [0, 3]], RECORD_SC[:9, ::-1])
    assert not swapped_SC[:, [1, 2, *range(4, 12)]].any()
    with pytest.raises(DataError, match="expected one of I, II"):
        by_name.pick_leads(one_lead_named("resp"))


def one_lead_named(name):
    return Signal("r", 250.0, (name,), RECORD_SC[:9, :1])


def test_a_record_is_streamed_by_the_command_line(folder, tmp_path, capsys):
    write_record(tmp_path, "r1", to_microvolts(RECORD_SC), fs_hz=SOURCE_HZ, leads=["I", "II"])
    command = ["stream", str(folder), str(tmp_path / "r1")]
    assert main(command) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.startswith("r1: resnet1d, segments of 5 s at 64 Hz, delay at most ")
    assert head.endswith(" s. Not for clinical use.")
    assert [line.split()[:3] for line in lines[:4]] == [
        ["0.00", "5.00", "slow"],
        ["5.00", "10.00", "slow"],
        ["10.00", "15.00", "slow"],
        ["15.00", "20.00", "fast"],
    ]
    assert main([*command, "--json", "--hop", "2.5"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["start_s"] for row in rows] == [2.5 * at for at in range(24)]
    for row in rows:
        assert sum(row["posterior"].values()) == pytest.approx(1, abs=1e-5)
        assert row["probability"] == row["posterior"][row["class"]] == max(row["posterior"].values())
    signal = Signal("r1", SOURCE_HZ, ("I", "II"), to_microvolts(RECORD_SC).astype(np.float32) / 1000)
    named = list(name_record(open_stream(folder, SOURCE_HZ, hop_s=2.5), signal))
    np.testing.assert_allclose([row["posterior"]["slow"] for row in rows], [one[2][0] for one in named], atol=1e-4)


def test_wrong_use_is_one_line(folder, tmp_path, capsys):
    for hop_s in (0.0, 2.0, 6.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(UsageError, match=r"hop: .* s; expected a whole part of the segment of 5 s, 320 samples"):
            open_stream(folder, SOURCE_HZ, hop_s=hop_s)
    with pytest.raises(DataError, match="fs_hz: 0; expected a positive number of Hz"):
        open_stream(folder, 0)
    stream = open_stream(folder, SOURCE_HZ)
    with pytest.raises(DataError, match=r"stream: a chunk of shape \(2, 100\); expected \(samples, 2 leads\)"):
        stream.feed(np.zeros((2, 100)))
    with pytest.raises(DataError, match="stream: values up to .*; expected mV, below 33. Divide microvolts by 1000."):
        stream.feed(1000 * RECORD_SC)
    stream = open_stream(folder, SOURCE_HZ)
    stream.flush()
    with pytest.raises(ValueError, match="flushed"):
        stream.feed(RECORD_SC)
    with pytest.raises(ValueError, match="flushed"):
        stream.flush()
    system, described = load_system(folder)
    with pytest.raises(DataError, match="resnet1d: 0 classes in its description; expected the names of its 2 classes"):
        SystemStream(system, read_preparation(described | {"info": {}}), SOURCE_HZ)
    save_left_out(tmp_path / "out", "htf_timeline", "its weights are in models/timeline")
    write_record(tmp_path, "r1", to_microvolts(RECORD_SC), fs_hz=SOURCE_HZ, leads=["I", "II"])
    assert main(["stream", str(tmp_path / "out"), str(tmp_path / "r1")]) == 1
    printed = capsys.readouterr().err
    assert "no weights: its weights are in models/timeline" in printed
    assert printed.count("\n") == 1
