"""Segments of the published protocol: the draw's rule and its published counts, beats, purity, batches."""

import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgfeat.rhythm.features import annotation_features, clipped_rr, embedding_features
from ecgfeat.rhythm.records import RhythmData
from ecgfeat.rhythm.sampling import beats_in_segments, draw_segments, draw_starts, grid_segments, needed_beats
from ecgfeat.rhythm.tables import BeatTable, EpisodeTable, covered_before, keep_first_classes
from ecgfeat.rhythm.window import segment_batches

W = 100


def make_tables(seed=0, num_records=3, num_samples=2000):
    rng = np.random.default_rng(seed)
    samples, edges, labels, records = [], [], [], []
    for record in range(num_records):
        samples.append(np.unique(rng.integers(0, num_samples, 180)))
        edge = np.unique(np.concatenate([[0, num_samples], rng.integers(0, num_samples, 12)]))
        edges.append(edge)
        labels.append(rng.integers(-1, 6, len(edge) - 1))
        records.append(np.full(len(edge) - 1, record))
    beats = BeatTable(np.concatenate(samples), np.cumsum([0, *map(len, samples)]), np.full(num_records, num_samples))
    episodes = EpisodeTable(
        np.concatenate(records),
        np.concatenate([edge[:-1] for edge in edges]),
        np.concatenate([edge[1:] for edge in edges]),
        np.concatenate(labels),
    )
    return beats, episodes


@given(
    st.lists(st.integers(1, 400), min_size=1, max_size=20),
    st.integers(20, 200).map(lambda half: 2 * half),
    st.integers(0, 2**31),
)
@settings(max_examples=60, deadline=None)
def test_windows_lie_in_the_record_and_overlap_their_episode(lengths, window, seed):
    stop = np.cumsum(lengths)
    start = stop - lengths
    total = int(stop[-1])
    drawn = draw_starts(start, stop, total, window, random.Random(seed))
    for begin, a, b in zip(drawn, start, stop, strict=True):
        overlap = min(window // 2, b - a)
        if begin < 0:
            # Nothing valid exists: the record is shorter than the window.
            assert total < window
        else:
            assert 0 <= begin <= total - window
            assert min(b, begin + window) - max(a, begin) >= overlap


def test_both_ends_of_the_range_are_drawn():
    drawn = {int(draw_starts([50], [60], 1000, 20, random.Random(seed))[0]) for seed in range(200)}
    assert drawn == set(range(40, 51))


def test_episodes_outside_the_task_take_no_random_number():
    beats, episodes = make_tables()
    inside = episodes.label >= 0
    assert not inside.all()
    only = EpisodeTable(*(column[inside] for column in vars(episodes).values()))
    first = draw_segments(beats, episodes, base_seed=42, epoch=3, window_samples=W, max_beats=32)
    second = draw_segments(beats, only, base_seed=42, epoch=3, window_samples=W, max_beats=32)
    assert np.array_equal(first.start, second.start)


def test_draws_differ_by_epoch_and_repeat():
    beats, episodes = make_tables()
    first = draw_segments(beats, episodes, base_seed=42, epoch=0, window_samples=W, max_beats=32)
    again = draw_segments(beats, episodes, base_seed=42, epoch=0, window_samples=W, max_beats=32)
    other = draw_segments(beats, episodes, base_seed=42, epoch=1, window_samples=W, max_beats=32)
    assert np.array_equal(first.start, again.start)
    assert not np.array_equal(first.start, other.start)
    assert np.array_equal(first.episode, other.episode), "which episodes have a window must not depend on the draw"


def test_beats_and_purity_agree_with_counting_by_hand():
    beats, episodes = make_tables(1)
    windows = draw_segments(beats, episodes, base_seed=44, epoch=0, window_samples=W, max_beats=8)
    assert (windows.num_beats > 8).any()
    assert (windows.num_beats < 8).any()
    for row in range(len(windows)):
        record, start = windows.record[row], windows.start[row]
        own = np.arange(beats.offset[record], beats.offset[record + 1])
        inside = own[(beats.sample[own] >= start) & (beats.sample[own] <= start + W)]
        assert windows.num_beats[row] == len(inside)
        kept = windows.beats[row][windows.beats[row] >= 0]
        if len(inside) <= 8:
            assert np.array_equal(kept, inside)
        else:
            assert len(kept) == 8
            assert (kept[0], kept[-1]) == (inside[0], inside[-1])
            assert np.all(np.diff(kept) > 0)
            assert np.isin(kept, inside).all()
        line = np.full(2000, -1)
        for e in np.flatnonzero(episodes.record == record):
            line[episodes.start[e] : episodes.stop[e]] = episodes.label[e]
        assert windows.purity[row] == pytest.approx(np.mean(line[start : start + W] == windows.label[row]))


def test_the_beat_at_the_very_end_counts_in_a_draw_but_not_in_a_grid():
    beats = BeatTable(np.array([0, 100, 200]), np.array([0, 3]), np.array([200]))
    episodes = EpisodeTable(*(np.array([value]) for value in (0, 0, 100, 0)))
    assert beats_in_segments(beats, np.array([0]), np.array([0]), np.array([101]), 32)[0] == [2]
    assert grid_segments(beats, episodes, window_samples=100, max_beats=32).num_beats.tolist() == [1, 1]


def test_grid_covers_each_record_once_and_takes_the_majority():
    beats, episodes = make_tables(2, num_samples=2050)
    grid = grid_segments(beats, episodes, window_samples=W, max_beats=32)
    assert len(grid) == 3 * 20
    assert (grid.stop - grid.start == W).all()
    shown = grid.beats[grid.beats >= 0]
    whole = np.concatenate([np.flatnonzero(beats.sample[: beats.offset[1]] < 2000)])
    assert len(np.unique(shown)) == len(shown)
    assert np.isin(whole, shown).all()
    for row in range(len(grid)):
        line = np.full(2050, -1)
        for e in np.flatnonzero(episodes.record == grid.record[row]):
            line[episodes.start[e] : episodes.stop[e]] = episodes.label[e]
        count = np.bincount(line[grid.start[row] : grid.stop[row]] + 1, minlength=7)
        assert count[grid.label[row] + 1] == count.max()
        if grid.label[row] >= 0:
            assert grid.purity[row] == pytest.approx(count.max() / W)


def test_grid_without_any_episode_has_no_labels():
    beats, _ = make_tables()
    none = np.zeros(0, dtype=np.int64)
    grid = grid_segments(beats, EpisodeTable(none, none, none, none), window_samples=W, max_beats=32)
    assert (grid.label == -1).all()
    assert (grid.purity == 0).all()


def test_covered_before_sums_intervals():
    covered = covered_before(np.array([10, 30]), np.array([20, 35]), np.array([0, 10, 15, 25, 32, 99]))
    assert covered.tolist() == [0, 0, 5, 10, 12, 15]


def test_batches_hold_every_window_once_trimmed_and_zero_in_the_padding():
    beats, episodes = make_tables()
    windows = draw_segments(beats, episodes, base_seed=42, epoch=0, window_samples=W, max_beats=32)
    windows = windows.select(windows.num_beats >= 4)
    feature = torch.arange(1, len(beats.sample) + 1, dtype=torch.float32)[:, None]
    seen = []
    for (feature_BLD, valid_BL), label_B in segment_batches(
        windows, RhythmData(beats, episodes, feature), batch_size=4, rng=np.random.default_rng(0)
    ):
        assert valid_BL.sum(1).max() == valid_BL.shape[1], "a batch is no longer than its longest window"
        assert (feature_BLD[~valid_BL] == 0).all()
        for row, label in enumerate(label_B):
            seen.append((int(label), *(feature_BLD[row, valid_BL[row], 0].long() - 1).tolist()))
    expected = [(int(label), *row[row >= 0].tolist()) for label, row in zip(windows.label, windows.beats, strict=True)]
    assert sorted(seen) == sorted(expected)
    assert seen != expected, "the windows were not shuffled"


def test_place_in_the_window_is_the_last_column():
    beats, episodes = make_tables()
    windows = draw_segments(beats, episodes, base_seed=42, epoch=0, window_samples=W, max_beats=32)
    windows = windows.select(windows.num_beats >= 1)
    position = torch.from_numpy(beats.sample.astype(np.float32))[:, None]
    data = RhythmData(beats, episodes, position, is_placed=True)
    batches = segment_batches(windows, data, batch_size=len(windows))
    (feature_BLD, valid_BL), _ = next(iter(batches))
    assert feature_BLD.shape[2] == 2
    begin = torch.from_numpy(windows.start.astype(np.float32))[:, None]
    expected = (feature_BLD[..., 0] - begin) / (W / 2) - 1
    torch.testing.assert_close(feature_BLD[..., 1][valid_BL], expected[valid_BL])
    assert feature_BLD[..., 1].abs().max() <= 1
    assert (feature_BLD[~valid_BL] == 0).all()


def test_needed_beats_give_the_same_batches():
    beats, episodes = make_tables()
    windows = draw_segments(beats, episodes, base_seed=42, epoch=0, window_samples=W, max_beats=3)
    windows = windows.select(windows.num_beats >= 1)
    feature = torch.rand(len(beats.sample), 5, generator=torch.Generator().manual_seed(0))
    beat, row_of_beat = needed_beats([windows], len(beats.sample))
    assert len(beat) < len(beats.sample)
    sparse, whole = (
        segment_batches(windows, data, batch_size=8)
        for data in (RhythmData(beats, episodes, feature[beat], row_of_beat), RhythmData(beats, episodes, feature))
    )
    for ((a, valid_a), label_a), ((b, valid_b), label_b) in zip(sparse, whole, strict=True):
        assert torch.equal(a, b)
        assert torch.equal(valid_a, valid_b)
        assert torch.equal(label_a, label_b)


def test_window_of_a_beat_without_features_is_refused():
    beats, episodes = make_tables(0)
    windows = draw_segments(beats, episodes, base_seed=42, epoch=0, window_samples=1280, max_beats=32)
    windows = windows.select(windows.num_beats > 0)
    _, row_of_beat = needed_beats([windows.select(np.arange(1))], len(beats.sample))
    feature = torch.zeros((int(row_of_beat.max()) + 1, 2))
    with pytest.raises(AssertionError, match="not gathered"):
        list(segment_batches(windows, RhythmData(beats, episodes, feature, row_of_beat), batch_size=8))


def test_first_classes_stay_in_the_task():
    _, episodes = make_tables(0)
    kept = keep_first_classes(episodes, 2)
    assert set(kept.label) <= {-1, 0, 1}
    assert np.array_equal(kept.label >= 0, (episodes.label >= 0) & (episodes.label < 2))


def test_rr_is_clipped_and_unknown_is_zero():
    assert clipped_rr([np.nan, 0.8, 17.0]).tolist() == pytest.approx([0.0, 0.8, 3.0])
    joined = embedding_features(np.ones((3, 512)), np.zeros((3, 64)), [np.nan, 0.8, 17.0], is_rr_used=True)
    assert joined.shape == (3, 577)
    assert joined[:, -1].tolist() == pytest.approx([0.0, 0.8, 3.0])
    without = embedding_features(np.ones((3, 512)), np.zeros((3, 64)), [np.nan, 0.8, 17.0], is_rr_used=False)
    assert np.array_equal(without[:, :-1], joined[:, :-1])
    assert (without[:, -1] == 0).all()


def test_annotation_features_describe_the_neighbourhood():
    rr = np.array([np.nan, 0.8, 0.4, 1.2, 0.8], dtype=np.float32)
    label = np.array([0, 0, 1, 2, -1])
    feature = annotation_features(rr, label, num_beats=1, is_rr_used=True)
    assert feature.shape == (5, 3 + 3 + 9)
    intervals, ratios, labels = feature[2, :3], feature[2, 3:6], feature[2, 6:].reshape(3, 3)
    assert intervals.tolist() == pytest.approx([0.8, 0.4, 1.2])
    assert ratios.tolist() == pytest.approx(np.log([1, 0.5, 1.5]).tolist(), abs=1e-6)
    assert labels.argmax(1).tolist() == [0, 1, 2]
    assert feature[4, 12:].tolist() == [0, 0, 0], "after the last beat there is none"
    assert feature[4, 9:12].tolist() == [0, 0, 0], "an unknown label is no label"
    assert (annotation_features(rr, label, num_beats=1, is_rr_used=False)[:, :6] == 0).all()


def test_annotation_features_of_some_beats_equal_those_of_all():
    rng = np.random.default_rng(1)
    rr, label = rng.uniform(0.3, 1.5, 200), rng.integers(-1, 3, 200)
    every = annotation_features(rr, label, is_rr_used=True)
    assert every.shape == (200, 55)
    assert np.isfinite(every).all()
    assert np.array_equal(annotation_features(rr, label, is_rr_used=True, rows=[150, 4]), every[[150, 4]])


def test_annotation_features_of_lonely_beats_raise_no_warning():
    lonely = annotation_features([np.nan], [0], num_beats=1, is_rr_used=True)
    assert np.array_equal(lonely, [[0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0]])
    assert annotation_features([np.nan], [0], is_rr_used=True).shape == (1, 55)
    assert annotation_features([], [], is_rr_used=True).shape == (0, 55)
