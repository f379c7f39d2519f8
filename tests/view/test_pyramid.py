import errno
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgfeat.errors import DataError
from ecgfeat.records.reader import Signal
from ecgfeat.view.pyramid import INVALID, Pyramid


def fill(folder, signal_mv_SC, block_samples):
    pyramid = Pyramid(folder, signal_mv_SC.shape[1], len(signal_mv_SC))
    for start in range(0, len(signal_mv_SC), block_samples):
        for lead, lead_S in enumerate(signal_mv_SC[start : start + block_samples].T):
            pyramid.append(lead, lead_S)
    return pyramid


def columns_of(part, num_samples):
    starts = np.arange(part.low.shape[1]) * part.column_samples + part.start
    return [(start, min(start + part.column_samples, num_samples)) for start in starts.tolist()]


@settings(max_examples=60)
@given(data=st.data())
def test_every_column_has_the_lowest_and_highest_of_its_samples(tmp_path_factory, data):
    num_samples = data.draw(st.integers(1, 6000), "samples")
    rng = np.random.default_rng(data.draw(st.integers(0, 99), "seed"))
    uv_S = rng.integers(-15_000, 15_000, num_samples)
    uv_S[rng.random(num_samples) < data.draw(st.sampled_from([0, 0.1, 0.97]), "invalid")] = INVALID
    signal_mv_SC = np.where(uv_S == INVALID, np.nan, uv_S / 1000).astype(np.float32)[:, None]
    pyramid = fill(tmp_path_factory.mktemp("pyramid"), signal_mv_SC, data.draw(st.integers(1, 4000), "block"))
    assert pyramid.num_ready == num_samples
    start = data.draw(st.integers(0, num_samples - 1), "start")
    stop = data.draw(st.integers(start + 1, num_samples), "stop")
    wanted = data.draw(st.integers(1, 1500), "columns")
    part = pyramid.read(start, stop, wanted, [0])
    columns = columns_of(part, num_samples)
    assert columns[0][0] <= start
    assert columns[-1][1] >= stop
    assert min(wanted, stop - start) <= len(columns) <= 2 * wanted + 2
    for at, (first, last) in enumerate(columns):
        valid = uv_S[first:last][uv_S[first:last] != INVALID]
        expected = (valid.min(), valid.max()) if len(valid) else (INVALID, INVALID)
        assert (part.low[0, at], part.high[0, at]) == expected, "a gap is a gap, never zero"


def test_the_largest_deflection_is_there_at_every_zoom(tmp_path):
    signal_mv_SC = np.zeros((200_000, 1), np.float32)
    signal_mv_SC[123_456] = -3.5
    pyramid = fill(tmp_path, signal_mv_SC, 65_536)
    zooms = set()
    for num_columns in (1, 2, 7, 90, 1200, 12_000, 200_000):
        part = pyramid.read(0, 200_000, num_columns, [0])
        zooms.add(part.column_samples)
        assert part.low.min() == -3500
        assert part.high.max() == 0
    assert len(zooms) == 7


def test_a_part_of_what_is_read_so_far(tmp_path):
    signal_mv_SC = np.arange(10_000, dtype=np.float32)[:, None] / 1000
    pyramid = Pyramid(tmp_path, 1, 10_000)
    pyramid.append(0, signal_mv_SC[:5003, 0])
    assert not pyramid.is_ready(5004)
    assert pyramid.is_ready(5003)
    part = pyramid.read(0, 10_000, 20, [0])
    assert part.high.max() == 5002
    assert not (part.high == INVALID).any()


def test_what_ends_early_is_waited_for_no_longer(tmp_path):
    pyramid = Pyramid(tmp_path, 1, 10_000)
    pyramid.append(0, np.zeros(5000, np.float32))
    assert not pyramid.is_ready(5001)
    pyramid.is_fill_ended = True
    assert pyramid.is_ready(5001)


def test_a_cancelled_record_is_read_no_further(tmp_path):
    class Endless(Signal):
        def lead_blocks(self, lead):
            while True:
                pyramid.is_cancelled = True
                yield np.zeros(10, np.float32)

    pyramid = Pyramid(tmp_path, 1, 1000)
    pyramid.fill(Endless("x", 250.0, ("I",), np.zeros((1000, 1), np.float32)))
    assert pyramid.num_ready == 10


def test_files_have_their_room_on_disk_before_they_are_filled(tmp_path):
    Pyramid(tmp_path, 2, 1_000_000)
    for path in tmp_path.iterdir():
        assert 512 * path.stat().st_blocks >= path.stat().st_size, path.name


def test_a_full_disk_is_one_line(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    with pytest.raises(DataError, match="No space left on device for 4 MB of samples; expected room"):
        Pyramid(tmp_path, 2, 1_000_000)


def test_samples_beyond_the_range_make_steps_larger(tmp_path):
    signal_mv_SC = np.array([[1.0], [np.nan], [100.0], [-2.0]], np.float32)
    part = fill(tmp_path, signal_mv_SC, 1).read(0, 4, 10, [0])
    read_mv = part.low[0] * part.uv_per_step[0] / 1000 + part.offset_mv[0]
    assert part.low[0, 1] == INVALID
    assert part.uv_per_step == (4.0,)
    np.testing.assert_allclose(read_mv[[0, 2, 3]], [1, 100, -2], atol=0.004)


def test_a_lead_far_from_zero_keeps_its_resolution(tmp_path):
    signal_mv_SC = (5000 + np.sin(np.arange(1000))[:, None]).astype(np.float32)
    part = fill(tmp_path, signal_mv_SC, 100).read(0, 1000, 1000, [0])
    assert part.uv_per_step == (1.0,)
    np.testing.assert_allclose(part.low[0] / 1000 + part.offset_mv[0], signal_mv_SC[:, 0], atol=0.001)


def test_leads_of_a_record_are_read_side_by_side(tmp_path):
    signal_mv_SC = np.random.default_rng(0).normal(size=(3000, 3)).astype(np.float32)
    pyramid = Pyramid(tmp_path, 3, 3000)
    pyramid.fill(Signal("x", 250.0, ("I", "II", "III"), signal_mv_SC))
    part = pyramid.read(10, 20, 100, [2, 0])
    np.testing.assert_array_equal(part.low, np.rint(1000 * signal_mv_SC[10:20, [2, 0]].T))
    with pytest.raises(IndexError):
        pyramid.read(10, 20, 100, [3])
