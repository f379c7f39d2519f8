"""Posteriors of windows and episodes, and the training of the head on a task it can learn."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ecgfeat.errors import DataError
from ecgfeat.models.rhythm_window import RhythmWindow
from ecgfeat.rhythm.records import RhythmData
from ecgfeat.rhythm.sampling import BASE_SEEDS, draw_segments, grid_segments, needed_beats
from ecgfeat.rhythm.tables import BeatTable, EpisodeTable
from ecgfeat.rhythm.views import drawn_views, grid_views, view_columns
from ecgfeat.rhythm.window import view_posteriors, window_posteriors
from ecgfeat.rhythm.window_training import WindowSettings, train_window

CLASSES = ("NSR", "AFIB")
PRIOR = (0.75, 0.25)
MINUTES = 4
FS_HZ = 128
SHAPE = {"window_samples": 1280, "max_beats": 32}
SETTINGS = WindowSettings(
    **SHAPE,
    pretrain_epochs=0,
    epochs=1,
    batch=8,
    lr=1e-3,
    weight_decay=0.05,
    label_smoothing=0.1,
    class_weight_power=0.5,
    focal_gamma=0.0,
)


def make_data(seed=0, num_records=3, gap=False):
    """Make records whose odd minutes have irregular RR intervals and are called AFIB."""
    rng = np.random.default_rng(seed)
    samples, features, episodes = [], [], []
    for record in range(num_records):
        rr_s = []
        for minute in range(MINUTES):
            spread = 0.02 if minute % 2 == 0 else 0.25
            rr_s += list(np.clip(rng.normal(0.8, spread, 75), 0.3, 1.5))
            episodes.append((record, minute * 60 * FS_HZ, (minute + 1) * 60 * FS_HZ, minute % 2))
        sample = np.round(np.cumsum(rr_s) * FS_HZ).astype(np.int64)
        inside = sample < MINUTES * 60 * FS_HZ
        if gap:
            inside &= (sample < 55 * FS_HZ) | (sample > 125 * FS_HZ)
        samples.append(sample[inside])
        features.append((np.array(rr_s, dtype=np.float32)[inside, None] - 0.8) * 4)
    beats = BeatTable(
        np.concatenate(samples), np.cumsum([0, *map(len, samples)]), np.full(num_records, MINUTES * 60 * FS_HZ)
    )
    table = EpisodeTable(*(np.array(column) for column in zip(*episodes, strict=True)))
    return RhythmData(beats, table, torch.from_numpy(np.concatenate(features)))


def make_model(num_classes=2):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return RhythmWindow(num_features=1, num_classes=num_classes, width=32, num_blocks=1).eval()


@pytest.fixture(scope="module")
def trained():
    model = make_model()
    log = train_window(
        model, make_data(0, 60), make_data(1), replace(SETTINGS, epochs=12, lr=3e-3), num_classes=2, seed=0
    )
    return model, log


def views_of(model, data, **changes):
    settings = {"base_seed": BASE_SEEDS["test"], "num_views": 3} | SHAPE | changes
    return view_posteriors(model, drawn_views(data.beats, data.episodes, **settings), data, PRIOR)


def grid_of(data, **changes):
    return grid_segments(data.beats, data.episodes, **SHAPE, num_classes=2, **changes)


def test_training_learns_irregularity(trained):
    model, log = trained
    assert len(log) == 12
    result = views_of(model, make_data(2))
    assert (result.mean().argmax(1) == result.views[0].label).mean() >= 0.9
    assert max(row["macro_f1"] for row in log) >= 0.9
    assert {"macro_f1_mean", "f1.0", "f1.1", "train_loss", "lr"} <= log[0].keys()


def test_training_repeats_bit_by_bit_and_needs_only_the_beats_it_shows():
    train, validation = make_data(0), make_data(1)
    draws = (draw_segments(train.beats, train.episodes, base_seed=42, epoch=epoch, **SHAPE) for epoch in range(2))
    beat, row_of_beat = needed_beats(draws, len(train.beats.sample))
    some = RhythmData(train.beats, train.episodes, train.features[beat], row_of_beat)
    assert len(beat) < len(train.beats.sample)
    weights = []
    for data in (train, train, some):
        model = make_model()
        train_window(model, data, validation, replace(SETTINGS, epochs=2), num_classes=2, seed=0)
        weights.append(torch.cat([parameter.detach().flatten() for parameter in model.parameters()]))
    assert torch.equal(weights[0], weights[1])
    assert torch.equal(weights[0], weights[2])


def test_six_classes_start_from_the_binary_head(trained):
    model, _ = trained
    copy = make_model()
    copy.load_state_dict(model.state_dict())
    copy.replace_head(6, generator=torch.Generator().manual_seed(0))
    assert torch.equal(copy.project.weight, model.project.weight)
    log = train_window(copy, make_data(0), make_data(1), replace(SETTINGS, focal_gamma=2.0), seed=0)
    assert log[0]["f1.5"] == 0.0, "a class that is not there has no hits"
    assert np.isfinite(log[0]["macro_f1"]), "absent classes must not count in the mean"


def test_a_head_may_read_the_position_of_beats():
    plain = make_data(0)
    data = RhythmData(plain.beats, plain.episodes, plain.features, is_placed=True)
    assert data.num_features == plain.num_features + 1 == 2
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = RhythmWindow(num_features=2, num_classes=2, width=32, num_blocks=1)
    train_window(model, data, data, SETTINGS, num_classes=2, seed=0)
    result = views_of(model, data)
    assert np.isfinite(result.probability).all()


def test_nothing_to_train_or_validate_on_is_refused():
    data = make_data(0, 1)
    nothing = RhythmData(
        data.beats, EpisodeTable(*(column[:0] for column in vars(data.episodes).values())), data.features
    )
    with pytest.raises(DataError, match="no segment to train on"):
        train_window(make_model(), nothing, data, SETTINGS, num_classes=2, seed=0)
    with pytest.raises(DataError, match="no segment to validate on"):
        train_window(make_model(), data, nothing, SETTINGS, num_classes=2, seed=0)


def test_every_episode_is_scored_and_windows_without_beats_get_the_prior():
    data = make_data(3, gap=True)
    result = views_of(make_model(), data)
    assert result.probability.shape == (3, len(data.episodes.label), 2)
    np.testing.assert_allclose(result.probability.sum(2), 1, rtol=1e-5)
    for windows, probability in zip(result.views, result.probability, strict=True):
        empty = windows.num_beats == 0
        assert empty.any()
        assert (probability[empty] == np.float32(PRIOR)).all()
        assert not (probability[~empty] == np.float32(PRIOR)).all(1).any()


def test_first_view_does_not_depend_on_the_number_of_views():
    data = make_data(4)
    three, one = views_of(make_model(), data), views_of(make_model(), data, num_views=1)
    assert np.array_equal(three.probability[0], one.probability[0])


def test_batch_size_and_order_do_not_matter():
    data = make_data(5)
    windows = grid_of(data)
    model = make_model()
    whole = window_posteriors(model, windows, data, PRIOR)
    small = window_posteriors(model, windows, data, PRIOR, batch_size=3)
    np.testing.assert_allclose(whole, small, atol=1e-6)
    order = np.random.default_rng(0).permutation(len(windows))
    np.testing.assert_allclose(window_posteriors(model, windows.select(order), data, PRIOR), whole[order], atol=1e-6)


def test_labels_cannot_reach_the_posteriors_of_a_grid():
    data = make_data(6)
    scrambled = EpisodeTable(data.episodes.record, data.episodes.start, data.episodes.stop, 1 - data.episodes.label)
    first, second = (
        window_posteriors(make_model(), grid_of(replace(data, episodes=episodes)), data, PRIOR)
        for episodes in (data.episodes, scrambled)
    )
    assert np.array_equal(first, second)


def test_progress_counts_every_window_with_beats():
    data, done = make_data(7), []
    windows = grid_of(data)
    window_posteriors(make_model(), windows, data, PRIOR, batch_size=10, on_batch=done.append)
    assert sum(done) == (windows.num_beats > 0).sum()


def test_rows_of_the_prediction_table():
    data = make_data(8, gap=True)
    result = views_of(make_model(), data)
    rows = view_columns(result, "episode", data.episodes.start, data.episodes.stop, CLASSES, max_beats=10)
    num = len(data.episodes.label)
    assert {len(column) for column in rows.values()} == {5 * num}
    assert list(dict.fromkeys(rows["view"])) == ["single", "view0", "view1", "view2", "tta3"]
    single, first, mean = (rows["view"] == name for name in ("single", "view0", "tta3"))
    assert np.array_equal(rows["p_AFIB"][single], rows["p_AFIB"][first])
    views = np.stack([rows["p_AFIB"][rows["view"] == f"view{view}"] for view in range(3)])
    np.testing.assert_allclose(rows["p_AFIB"][mean], views.mean(0), rtol=1e-6)
    assert np.array_equal(rows["reference"][mean], np.array(CLASSES)[data.episodes.label])
    assert np.array_equal(rows["start_sample"][mean], data.episodes.start)
    assert rows["num_beats"].max() == 10
    assert rows["num_beats"][mean].min() == 0
    views = grid_views(data.beats, data.episodes, num_views=7, num_classes=2, **SHAPE)
    grid = view_posteriors(make_model(), views, data, PRIOR)
    grid_rows = view_columns(grid, "grid", grid.views[0].start, grid.views[0].stop, CLASSES, max_beats=32)
    assert grid_rows.keys() == rows.keys()
    assert {column: values.dtype.kind for column, values in grid_rows.items()} == {
        column: values.dtype.kind for column, values in rows.items()
    }


def test_views_of_a_grid_move_by_eighths_of_a_window_within_the_record():
    data = make_data(10)
    views = grid_views(data.beats, data.episodes, num_views=7, num_classes=2, **SHAPE)
    plain = grid_of(data)
    assert np.array_equal(views[0].beats, plain.beats)
    last = data.beats.num_samples[plain.record] - 1280
    for view, eighth in enumerate((0, 1, -1, 2, -2, 3, -3)):
        moved = np.clip(plain.start + 160 * eighth, 0, last)
        assert np.array_equal(views[view].start, moved)
        assert np.array_equal(views[view].label, plain.label)
        assert np.array_equal(views[view].purity, plain.purity)


def test_one_view_has_no_mean():
    data = make_data(9)
    result = views_of(make_model(), data, num_views=1)
    rows = view_columns(result, "episode", data.episodes.start, data.episodes.stop, CLASSES, max_beats=32)
    assert set(rows["view"]) == {"single", "view0"}
