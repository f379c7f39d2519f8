"""Chunks over records: no trace of their grid, no look across records, and a head that learns from them."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from ecgfeat.errors import DataError
from ecgfeat.models import build_model
from ecgfeat.rhythm.chunks import chunk_weights, cover_record, draw_chunks, find_beat_runs, mean_of_runs
from ecgfeat.rhythm.features import FeatureLayout, one_hot_labels, timeline_features, timeline_layout
from ecgfeat.rhythm.records import RhythmData
from ecgfeat.rhythm.tables import BeatTable, EpisodeTable
from ecgfeat.rhythm.timeline import beat_posteriors, gather_chunks, run_lengths
from ecgfeat.rhythm.timeline_training import TimelineLoss, TimelineSettings, drop_inputs, train_timeline
from ecgfeat.rhythm.timeline_validation import name_once

NUM_BEATS, NUM_FEATURES = 700, 35
LAYOUT = timeline_layout(3, 3, num_embedded=0)
SETTINGS = TimelineSettings(
    neighbour_beats=3,
    chunk_beats=160,
    width=16,
    blocks=2,
    epochs=6,
    chunks=64,
    batch=16,
    lr=5e-3,
    weight_decay=0.0,
    dropout=0.1,
    label_smoothing=0.05,
    class_weight_power=0.5,
    rarity_power=0.5,
    length_power=0.5,
    label_dropout=0.0,
    embedding_dropout=0.0,
)


def make_data(seed: int, num_records: int = 3) -> RhythmData:
    """Make records whose rhythm follows from the RR interval: 0.8 s in class 0, 1.2 s in class 1."""
    rng = np.random.default_rng(seed)
    features, samples, lengths, episodes = [], [], [], []
    for record in range(num_records):
        label = np.repeat(np.arange(14) % 2, NUM_BEATS // 14)
        rr_s = np.where(label == 0, 0.8, 1.2) + rng.normal(0, 0.02, NUM_BEATS)
        sample = np.cumsum(np.rint(rr_s * 128)).astype(np.int64)
        features.append(timeline_features(rr_s, one_hot_labels(np.zeros(NUM_BEATS, int)), num_beats=3, is_rr_used=True))
        starts = np.append(sample[:: NUM_BEATS // 14], sample[-1] + 100)
        episodes += [(record, a, b, i % 2) for i, (a, b) in enumerate(pairwise(starts))]
        samples.append(sample)
        lengths.append(sample[-1] + 100)
    table = EpisodeTable(*np.array(episodes, dtype=np.int64).T)
    offset = np.arange(num_records + 1) * NUM_BEATS
    beats = BeatTable(np.concatenate(samples), offset, np.array(lengths))
    return RhythmData(beats, table, torch.from_numpy(np.concatenate(features)))


def make_model(**sizes):
    return build_model(
        "rhythm_timeline", seed=1, num_features=NUM_FEATURES, num_classes=2, width=16, num_blocks=2, **sizes
    )


@pytest.fixture(scope="module")
def trained():
    model = make_model()
    log = train_timeline(model, make_data(0), make_data(1), LAYOUT, SETTINGS, num_classes=2, seed=3)
    return model, log


@pytest.mark.parametrize("num_beats", [1, 63, 64, 65, 500])
@pytest.mark.parametrize("shift", [0, 1, 31])
def test_weights_of_the_chunks_over_a_beat_add_up_to_one(num_beats, shift):
    chunk, margin = 192, 64
    total = np.zeros(num_beats + 2 * chunk)
    for start in cover_record(num_beats, chunk, margin, shift):
        total[chunk + start : chunk + start + chunk] += chunk_weights(chunk, margin)
    assert_allclose(total[chunk : chunk + num_beats], 1.0, atol=1e-6)


def test_a_weighted_place_has_its_context_on_either_side():
    weight = chunk_weights(256, 64)
    assert_array_equal(np.flatnonzero(weight), np.arange(64, 192))


def test_the_grid_of_chunks_leaves_no_trace(trained):
    model, _ = trained
    data = make_data(2)
    views = beat_posteriors(model, data.beats.offset, data.features, chunk_beats=160, num_views=7)
    assert views.shape == (7, 3 * NUM_BEATS, 2)
    assert not np.array_equal(views[0], views[1]), "the views must really be other grids"
    for view in views[1:]:
        assert np.median(np.abs(view - views[0])) < 1e-3


def test_posteriors_of_a_record_do_not_depend_on_the_records_beside_it(trained):
    model, _ = trained
    data = make_data(2)
    layout = {"chunk_beats": 160, "num_views": 1}
    together = beat_posteriors(model, data.beats.offset, data.features, **layout)[0]
    alone = beat_posteriors(model, np.array([0, NUM_BEATS]), data.features[NUM_BEATS : 2 * NUM_BEATS], **layout)[0]
    assert_allclose(together[NUM_BEATS : 2 * NUM_BEATS], alone, atol=1e-6)
    assert_allclose(together.sum(1), 1.0, atol=1e-5)


def test_batch_size_changes_at_most_the_last_bits(trained):
    model, _ = trained
    data = make_data(2)
    layout = {"chunk_beats": 160, "num_views": 1}
    few = beat_posteriors(model, data.beats.offset, data.features, batch_size=3, **layout)
    many = beat_posteriors(model, data.beats.offset, data.features, batch_size=100, **layout)
    assert_allclose(few, many, atol=1e-5)


@pytest.mark.parametrize("num_beats", [0, 1, 2, 70])
def test_short_records_are_named_too(trained, num_beats):
    model, _ = trained
    data = make_data(2)
    bounds = np.array([0, num_beats])
    posterior = beat_posteriors(model, bounds, data.features[:num_beats], chunk_beats=160, num_views=1)[0]
    assert posterior.shape == (num_beats, 2)
    assert_allclose(posterior.sum(1), 1.0, atol=1e-5)


@pytest.mark.parametrize("num_beats", [1, 63, 200, 700])
def test_posteriors_are_those_of_masked_chunks(trained, num_beats):
    model, _ = trained
    feature, weight = make_data(2).features[:num_beats], torch.from_numpy(chunk_weights(160, 64))[:, None]
    views = beat_posteriors(model, np.array([0, num_beats]), feature, chunk_beats=160, num_views=3)
    for view, posterior in enumerate(views):
        total = torch.zeros(num_beats + 1, 2)
        inputs, row = gather_chunks(feature, cover_record(num_beats, 160, 64, view * 16 // 3), 0, num_beats, 160)
        with torch.inference_mode():
            weighted = model(*inputs).softmax(-1) * weight
        total.index_add_(0, torch.where(inputs[1], row, num_beats).flatten(), weighted.flatten(0, 1))
        assert_allclose(posterior, total[:-1] / total[:-1].sum(dim=1, keepdim=True), atol=2e-6)


def test_training_learns_and_says_how_well(trained):
    _, log = trained
    assert len(log) == SETTINGS.epochs
    best = max(log, key=lambda row: row["macro_f1"])
    assert best["beat_macro_f1"] > 0.95
    assert best["episode_macro_f1"] > 0.95
    assert best["macro_f1"] == pytest.approx((best["beat_macro_f1"] + best["episode_macro_f1"]) / 2)


def test_training_twice_gives_the_same_weights():
    models = [make_model(), make_model()]
    for model in models:
        train_timeline(model, make_data(0), make_data(1), LAYOUT, replace(SETTINGS, epochs=1), num_classes=2, seed=3)
    for one, other in zip(*(model.state_dict().values() for model in models), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("num_embedded", [0, 576])
def test_layout_is_that_of_the_features(num_embedded):
    rng = np.random.default_rng(0)
    rr_s, label = rng.uniform(0.5, 1.0, 9), np.full((9, 3), 7.0, dtype=np.float32)
    parts = {"embedding_LD": np.full((9, 512), 9.0), "history_LD": np.full((9, 64), 9.0)} if num_embedded else {}
    feature = timeline_features(rr_s, label, num_beats=2, is_rr_used=True, **parts)
    layout = timeline_layout(2, 3, num_embedded=num_embedded)
    assert feature.shape[1] == layout.num_features
    assert (feature[4, layout.embedded] == 9).all()
    assert (feature[4, layout.labels] == 7).all()
    between = feature[4, layout.embedded.stop : layout.labels.start]
    assert len(between) == layout.num_intervals
    assert (between < 7).all()


def test_training_without_episodes_is_refused():
    data = make_data(0)
    none = np.zeros(0, dtype=np.int64)
    bare = RhythmData(data.beats, EpisodeTable(none, none, none, none), data.features)
    with pytest.raises(DataError, match="validation: no episode with a beat"):
        train_timeline(make_model(), data, bare, LAYOUT, SETTINGS, num_classes=2, seed=0)


def test_chunks_stay_in_their_record_and_show_rare_rhythms():
    offset = np.array([0, 1000, 1100, 3000])
    beats = BeatTable(np.concatenate([np.arange(n) * 100 for n in (1000, 100, 1900)]), offset, np.array([10**6] * 3))
    # One rare episode of ten beats among thirty common ones.
    episodes = EpisodeTable(
        np.array([0] * 31), np.arange(31) * 3000, np.arange(31) * 3000 + 3000, np.array([0] * 30 + [1])
    )
    runs = find_beat_runs(beats, episodes)
    share = []
    for power in (0.0, 1.0):
        start = draw_chunks(
            beats, runs, num_chunks=500, chunk_beats=160, rarity_power=power, rng=np.random.default_rng(0)
        )
        assert ((start >= 0) & (start + 160 <= 1000)).all()
        share.append(np.mean((start <= 930) & (start + 160 > 900)))
    assert share[1] > 2 * share[0]


def test_runs_hold_the_beats_of_their_episodes():
    beats = BeatTable(np.array([5, 10, 20, 30, 7, 9]), np.array([0, 4, 6]), np.array([100, 50]))
    episodes = EpisodeTable(
        np.array([0, 0, 0, 1]), np.array([0, 10, 30, 8]), np.array([10, 30, 40, 9]), np.array([2, 0, -1, 1])
    )
    runs = find_beat_runs(beats, episodes)
    assert_array_equal(runs.beat_label, [2, 0, 0, -1, -1, -1])
    assert_array_equal(np.stack([runs.first, runs.stop, runs.label]), [[0, 1], [1, 3], [2, 0]])


def test_places_outside_the_record_are_zero_and_invalid():
    feature = torch.arange(1.0, 11.0)[:, None]
    (chunk, valid), row = gather_chunks(feature, np.array([-2, 8]), 0, 10, 4)
    assert_array_equal(valid, [[False, False, True, True], [True, True, False, False]])
    assert_array_equal(chunk[..., 0], [[0, 0, 1, 2], [9, 10, 0, 0]])
    assert int(row.min()) >= 0
    assert int(row.max()) <= 9


def test_runs_are_counted_within_their_chunk():
    label = torch.tensor([[0, 0, 1, 1, 1, -1], [0, 0, 0, 0, 0, 0]])
    assert_array_equal(run_lengths(label), [[2, 2, 3, 3, 3, 1], [6] * 6])


def test_loss_ignores_unlabelled_beats_and_weighs_runs():
    weight = torch.tensor([1.0, 1.0])
    logits = torch.tensor([[[2.0, 0.0], [2.0, 0.0], [0.0, 0.0], [9.0, -9.0]]])
    label = torch.tensor([[0, 0, 1, -1]])
    # Log losses of the three labelled beats; the pair counts as much as the single beat with power 1.
    pair, single = float(torch.log1p(torch.exp(torch.tensor(-2.0)))), float(np.log(2))
    by_beat = TimelineLoss(weight, label_smoothing=0.0, length_power=0.0)(logits, label)
    by_run = TimelineLoss(weight, label_smoothing=0.0, length_power=1.0)(logits, label)
    assert float(by_beat) == pytest.approx((2 * pair + single) / 3, abs=1e-6)
    assert float(by_run) == pytest.approx((pair + single) / 2, abs=1e-6)
    nothing = TimelineLoss(weight, label_smoothing=0.1, length_power=0.5)(logits, torch.full_like(label, -1))
    assert float(nothing) == 0.0


def test_dropped_inputs_are_whole_blocks_of_whole_chunks():
    feature = torch.ones(400, 3, 10)
    drop_inputs(
        feature,
        FeatureLayout(num_embedded=4, num_intervals=4, num_labels=2),
        torch.Generator().manual_seed(0),
        embedding_dropout=0.25,
        label_dropout=0.5,
    )
    embedded, between, labels = feature[:, :, :4], feature[:, :, 4:8], feature[:, :, 8:]
    assert (between == 1).all()
    for block, share in ((embedded, 0.25), (labels, 0.5)):
        hidden = (block == 0).flatten(1)
        assert (hidden.all(1) | ~hidden.any(1)).all(), "a chunk sees a block or it does not"
        assert hidden.all(1).float().mean() == pytest.approx(share, abs=0.08)


def test_mean_of_runs_equals_a_loop():
    rng = np.random.default_rng(0)
    posterior = rng.random((50, 3)).astype(np.float32)
    first, stop = np.array([0, 10, 7]), np.array([10, 50, 8])
    expected = [posterior[a:b].mean(0) for a, b in zip(first, stop, strict=True)]
    assert_allclose(mean_of_runs(posterior, first, stop), expected, rtol=1e-5)


def test_an_epoch_is_validated_on_every_beat_once_and_record_by_record():
    data, model = make_data(5, 2), build_model("rhythm_timeline", seed=3, width=16, num_blocks=1)
    posterior_NK = name_once(model, data, 160)
    assert_allclose(posterior_NK.sum(axis=1), 1, atol=1e-6)
    for record in range(2):
        low = data.beats.offset[record]
        # 700 beats: four whole chunks, and one of 60 beats.
        for first, size in ((0, 160), (480, 160), (640, 60)):
            feature_BLD = data.features[low + first : low + first + size][None]
            with torch.no_grad():
                alone_LK = model(feature_BLD, torch.ones(1, size, dtype=torch.bool))[0].softmax(-1)
            assert_allclose(posterior_NK[low + first : low + first + size], alone_LK, atol=1e-5)
