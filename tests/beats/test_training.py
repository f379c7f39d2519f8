"""An epoch shows the beats it should, a model learns from them, and the same seed gives the same model."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ecgfeat.beats.training import (
    BeatSettings,
    draw_epoch,
    draw_training_beats,
    score_beat_classes,
    train_beat_model,
)
from ecgfeat.beats.windows import BeatRecord
from ecgfeat.errors import DataError
from ecgfeat.models import build_model

DRAW = {"normals_per_ectopic": 2.0, "least_normals": 0}
SETTINGS = BeatSettings(
    **DRAW,
    epochs=1,
    keep="best",
    batch=8,
    lr=1e-3,
    weight_decay=1e-4,
    label_smoothing=0.05,
    history_beats=5,
    history_dropout=0.0,
    history_noise=0.0,
    swap_leads=0.0,
    shift_samples=0,
    noise=0.0,
)


def make_record(seed: int, num: int = 120) -> BeatRecord:
    """Give each class its own width of beat, so that a few steps are enough to tell them apart."""
    rng = np.random.default_rng(seed)
    aami = rng.choice(["N", "S", "V", "F"], num, p=[0.76, 0.1, 0.1, 0.04])
    width = np.select([aami == "N", aami == "S", aami == "V"], [4.0, 10.0, 25.0], 15.0)
    wave = 1000 * np.exp(-0.5 * ((np.arange(256) - 128) / width[:, None]) ** 2)
    window = (wave[:, None] + rng.normal(0, 20, (num, 2, 256))).astype(np.int16)
    rr_s = rng.uniform(0.6, 1.0, num).astype(np.float32)
    rr_s[0] = np.nan
    return BeatRecord(window, 0, num, rr_s, aami)


@pytest.fixture(scope="module")
def training():
    return [make_record(1), make_record(2)]


@pytest.fixture(scope="module")
def validation():
    return [make_record(3, 60), make_record(4, 40)]


def test_a_draw_has_all_ectopic_beats_and_twice_as_many_normal_ones():
    label = np.array([0] * 30 + [1, 2, -1] * 4)
    chosen = draw_training_beats(label, np.random.default_rng(0), **DRAW)
    assert np.bincount(label[chosen]).tolist() == [16, 4, 4]
    assert (np.diff(chosen) > 0).all()


def test_a_draw_takes_no_more_normal_beats_than_there_are():
    assert draw_training_beats(np.array([0, 1, 1, 1]), np.random.default_rng(0), **DRAW).tolist() == [0, 1, 2, 3]
    assert draw_training_beats(np.array([0, 0, -1]), np.random.default_rng(0), **DRAW).tolist() == []


def test_a_record_without_ectopic_beats_can_still_show_normal_ones():
    label = np.array([0] * 30 + [1, 2])
    for least, num_normal in ((3, 4), (10, 10), (99, 30)):
        chosen = draw_training_beats(label, np.random.default_rng(0), **DRAW | {"least_normals": least})
        assert np.bincount(label[chosen]).tolist() == [num_normal, 1, 1]


def test_the_least_number_of_normal_beats_holds_in_every_record_of_an_epoch():
    plain = make_record(9, 40)
    plain.aami[:] = "N"
    assert [len(rows) for rows in draw_epoch([plain], 7, 0, **DRAW)] == [0]
    assert [len(rows) for rows in draw_epoch([plain], 7, 0, **DRAW | {"least_normals": 25})] == [25]


def test_normal_beats_are_fresh_in_each_epoch_and_the_same_for_a_seed(training):
    first, again, next_ = (draw_epoch(training, 7, epoch, **DRAW)[0].tolist() for epoch in (0, 0, 1))
    assert first == again
    assert first != next_
    ectopic = [set(np.flatnonzero(np.isin(training[0].aami, ["S", "V"]))) <= set(rows) for rows in (first, next_)]
    assert ectopic == [True, True]


def train(training, validation, **changes):
    model = build_model("htf", seed=0)
    log = train_beat_model(model, training, validation, replace(SETTINGS, **changes), seed=5)
    return model, log


def test_training_learns(training, validation):
    model, log = train(training, validation, epochs=4)
    assert [row["epoch"] for row in log] == [0, 1, 2, 3]
    assert log[-1]["train_loss"] < log[0]["train_loss"]
    best = max(row["predicted.macro_f1"] for row in log)
    # Guessing one class gives at most 0.29; the widths of the beats are far apart.
    assert best > 0.8
    assert score_beat_classes(model, validation)["predicted.macro_f1"] == best


def test_where_the_last_epoch_is_kept_it_alone_is_validated(training, validation):
    model, log = train(training, validation, epochs=2, keep="last")
    scores = score_beat_classes(model, validation)
    assert scores.items() <= log[1].items()
    assert log[0].keys() == log[1].keys()
    assert all(np.isnan(log[0][name]) for name in scores)


def test_a_score_is_the_same_group_by_group(training, validation, monkeypatch):
    model, _ = train(training, validation)
    expected = score_beat_classes(model, validation)
    monkeypatch.setattr("ecgfeat.beats.training.GROUP_BEATS", 1)
    assert score_beat_classes(model, validation) == expected


def test_the_same_beats_give_the_same_model_even_from_one_shared_array(training, validation):
    both = np.concatenate([record.windows for record in training])
    shared = [
        BeatRecord(both, first, first + 120, record.rr_s, record.aami)
        for first, record in zip((0, 120), training, strict=True)
    ]
    (model, log), (again, log_again) = train(shared, validation), train(training, validation)
    assert log_again == log
    for key, value in model.state_dict().items():
        assert torch.equal(again.state_dict()[key], value), key


def test_the_last_epoch_can_be_kept(training, validation):
    model, log = train(training, validation, epochs=2, keep="last")
    assert score_beat_classes(model, validation).items() <= log[-1].items()


def test_a_forgotten_history_teaches_the_history_nothing_of_labels(training, validation):
    fresh = build_model("htf", seed=0).history[0].weight[:, 5:]
    model, _ = train(training, validation, history_dropout=1.0, weight_decay=0.0)
    assert torch.equal(model.history[0].weight[:, 5:], fresh)
    model, _ = train(training, validation, history_dropout=0.5, weight_decay=0.0)
    assert not torch.equal(model.history[0].weight[:, 5:], fresh)


def test_without_ectopic_beats_or_validation_training_is_refused(training, validation):
    model = build_model("htf")
    normal = BeatRecord(training[0].windows, 0, 120, training[0].rr_s, np.full(120, "N"))
    with pytest.raises(DataError, match="no S or V beat"):
        train_beat_model(model, [normal], validation, SETTINGS, seed=0)
    with pytest.raises(DataError, match="validation"):
        train_beat_model(model, training, [], SETTINGS, seed=0)
