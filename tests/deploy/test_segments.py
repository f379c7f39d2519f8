"""A stream names every stretch once, the same however the signal was chopped, in memory that does not grow."""

import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgfeat.deploy.segments import Stream, scale_leads
from ecgfeat.models import draw_network
from ecgfeat.models.resnet1d import ResNet1D

SEGMENT, HOP = 40, 10
MODEL = draw_network(ResNet1D, seed=3, width=2, stage_blocks=(1,), kernel=3, stem_kernel=5, hidden=4)
SIGNAL = np.random.default_rng(0).normal(size=(2, 400)).cumsum(1).astype(np.float32)


def open_stream(model=MODEL, **changes):
    return Stream(model, **{"fs_hz": 20.0, "segment_samples": SEGMENT, "hop_samples": HOP, **changes})


def run(stream, chunks):
    return [step for chunk in chunks for step in stream.feed(chunk)] + stream.flush()


def posterior_of(signal_CS, start):
    piece_BCS = scale_leads(torch.from_numpy(signal_CS[None, :, start : start + SEGMENT]))
    segment_BCS = torch.nn.functional.pad(piece_BCS, (0, SEGMENT - piece_BCS.shape[2]))
    with torch.no_grad():
        return MODEL(segment_BCS)[0].double().softmax(0).numpy()


def expected_steps(signal_CS):
    """The same by definition: all segments, the closing one, and for each stretch the mean of those that cover it."""
    num = signal_CS.shape[1]
    starts = sorted({*range(0, num - SEGMENT + 1, HOP), max(0, num - SEGMENT)}) if num else []
    posterior = {start: posterior_of(signal_CS, start) for start in starts}
    for start in range(0, num, HOP):
        stop = min(start + HOP, num)
        covering = [posterior[at] for at in starts if at <= start and stop <= at + SEGMENT]
        yield start, stop, np.mean(covering, axis=0)


@pytest.mark.parametrize("num_samples", [0, 1, 9, 10, 39, 40, 41, 49, 50, 51, 80, 133, 400])
def test_stretches_are_the_mean_of_the_segments_that_cover_them(num_samples):
    signal = SIGNAL[:, :num_samples]
    expected = list(expected_steps(signal))
    found = run(open_stream(), [signal])
    assert [step[:2] for step in found] == [step[:2] for step in expected]
    for step, (_, _, posterior_K) in zip(found, expected, strict=True):
        np.testing.assert_allclose(step.posterior, posterior_K, atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(num_samples=st.integers(0, 200), cuts=st.lists(st.integers(0, 200), max_size=30))
def test_how_the_signal_is_chopped_does_not_change_a_bit(num_samples, cuts):
    signal = SIGNAL[:, :num_samples]
    whole = run(open_stream(), [signal])
    chopped = run(open_stream(), np.split(signal, sorted(min(cut, num_samples) for cut in cuts), axis=1))
    assert [step[:2] for step in whole] == [step[:2] for step in chopped]
    assert all(np.array_equal(one.posterior, other.posterior) for one, other in zip(whole, chopped, strict=True))


def test_sample_by_sample_is_named_as_soon_as_nothing_can_change_it():
    stream = open_stream()
    assert stream.delay_s == 2.0
    for sample in range(200):
        steps = stream.feed(SIGNAL[:, sample : sample + 1])
        due = sample + 1 >= SEGMENT and (sample + 1 - SEGMENT) % HOP == 0
        assert [step.start_sample for step in steps] == ([sample + 1 - SEGMENT] if due else [])


def test_memory_does_not_grow():
    stream = open_stream(lambda signal_BCS: signal_BCS.mean(2))

    def size():
        return sum(sys.getsizeof(value) for value in vars(stream).values()) + stream._buffer_CS.nbytes

    stream.feed(SIGNAL[:, :100])
    before = size()
    steps = sum(len(stream.feed(SIGNAL)) for _ in range(250))
    assert steps == 250 * SIGNAL.shape[1] // HOP
    assert size() == before
    assert stream.num_samples == 100_100


def test_without_overlap_every_segment_is_named_alone():
    found = run(open_stream(hop_samples=SEGMENT), [SIGNAL[:, :120]])
    for step, start in zip(found, (0, 40, 80), strict=True):
        assert step[:2] == (start, start + SEGMENT)
        np.testing.assert_allclose(step.posterior, posterior_of(SIGNAL, start), atol=1e-6)


def test_segments_are_prepared_as_set_and_invalid_samples_are_cleared():
    shapes = []

    def halve(signal_BCS):
        shapes.append(tuple(signal_BCS.shape))
        return signal_BCS / 2

    stream = open_stream(
        lambda signal_BCS: signal_BCS[:, :, 0] * torch.tensor([[1.0, 0.0]]), prepare=halve, task="multi"
    )
    (step,) = run(stream, [np.full((2, 10), 3, np.int16)])
    assert shapes == [(1, 2, 10)]
    np.testing.assert_allclose(step.posterior, [1 / (1 + np.exp(-1.5)), 0.5], rtol=1e-6)
    holes = SIGNAL[:, :100].copy()
    holes[1, 30:60] = np.nan
    assert all(np.isfinite(step.posterior).all() for step in run(open_stream(), [holes]))


def test_wrong_use_is_refused():
    for hop in (0, 7, 80):
        with pytest.raises(ValueError, match="divisor of segment_samples 40"):
            open_stream(hop_samples=hop)
    stream = open_stream()
    with pytest.raises(ValueError, match=r"expected \(leads, samples\)"):
        stream.feed(SIGNAL[0])
    stream.feed(SIGNAL)
    with pytest.raises(ValueError, match="expected \\(2 leads, samples\\)"):
        stream.feed(SIGNAL[:1])
    stream.flush()
    with pytest.raises(ValueError, match="flushed"):
        stream.feed(SIGNAL)
    with pytest.raises(ValueError, match="flushed"):
        stream.flush()
