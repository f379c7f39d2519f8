"""Segments of corrupted annotations teach Transformer and trees; the head is whole on disk and says how sure it is."""

import json
from dataclasses import replace

import numpy as np
import pytest

from ecgfeat.arrhythmia.choice import choose_method
from ecgfeat.arrhythmia.figures import FIGURES, NUM_FIGURES, are_hidden
from ecgfeat.arrhythmia.head import ArrhythmiaHead, load_head, rhythm_posteriors, save_head
from ecgfeat.arrhythmia.posteriors import METHODS, Stretch, calibrate
from ecgfeat.arrhythmia.segments import (
    AnswerPool,
    RhythmSource,
    SegmentSettings,
    draw_segments,
    gather_answers,
    guess_classes,
)
from ecgfeat.arrhythmia.training import (
    TransformerSettings,
    network_config,
    score_segments,
    train_transformer,
    train_trees,
)
from ecgfeat.beats.classifier import BeatClassifier
from ecgfeat.beats.corruption import Corruption
from ecgfeat.beats.prematurity import draw_annotated_rows, fit_prematurity
from ecgfeat.beats.probabilities import Curve
from ecgfeat.beats.scale import UNSCALED, Scales
from ecgfeat.errors import DataError
from ecgfeat.features.intervals import describe_intervals, usual_interval
from ecgfeat.store.schemas import RHYTHMS
from ecgfeat.trees import TreeSettings
from tests.fixtures.sealed import write_sealed

NSR, AFIB, SBR, BIGEMINY = (RHYTHMS.index(name) for name in ("NSR", "AFIB", "SBR", "B"))
LIFE = Corruption(0.02, 0.01, 1.0, 0.1)
DRAWING = SegmentSettings(per_rhythm=3, beats=160, short_share=0.4, label_dropout=0.2)
TREES = TreeSettings(iterations=15, leaves=5, min_rows=10, lr=0.2)
SETTINGS = TransformerSettings(
    width=16, blocks=1, dropout=0.0, chunk_beats=160, epochs=3, batch_beats=640, lr=5e-3, weight_decay=0.01,
    label_smoothing=0.0, class_weight_power=0.5, figure_dropout=0.05,
)  # fmt: skip


def make_source(seed, num_episodes=12):
    """Return a record that changes between four rhythms."""
    rng = np.random.default_rng(seed)
    rr, label, rhythm = [], [], []
    for number in range(num_episodes):
        name = (NSR, AFIB, SBR, BIGEMINY)[number % 4]
        size = int(rng.integers(80, 160))
        beats = np.zeros(size, dtype=np.int64)
        if name == AFIB:
            interval = rng.uniform(0.4, 1.1, size)
        else:
            interval = (1.3 if name == SBR else 0.8) + 0.02 * rng.normal(size=size)
        if name == BIGEMINY:
            beats[1::2] = 2
            interval[1::2], interval[::2] = 0.55, 1.05
        rr.append(interval)
        label.append(beats)
        rhythm.append(np.full(size, name))
    sample = np.rint(128 * np.cumsum(np.concatenate(rr))).astype(np.int64)
    return RhythmSource(sample, np.concatenate(label), np.concatenate(rhythm))


@pytest.fixture(scope="module")
def classifier():
    rng = np.random.default_rng(3)
    rows = []
    for seed in range(3):
        source = make_source(seed)
        label = np.where(rng.random(len(source.label)) < 0.1, 1, source.label)
        rows.append(draw_annotated_rows(source.sample, label, LIFE, 200, rng))
    trees = fit_prematurity(rows, TREES, 1)
    return BeatClassifier((), Scales(UNSCALED, UNSCALED), trees, Curve(1.0, 0.0), Curve(1.0, 0.0), 0.5, 512)


@pytest.fixture(scope="module")
def answers():
    rng = np.random.default_rng(4)
    return AnswerPool((rng.uniform(0, 0.2, 100).astype("f4"),), (rng.uniform(0.7, 1.0, 100).astype("f4"),))


@pytest.fixture(scope="module")
def segments(classifier, answers):
    sources = [make_source(seed) for seed in range(10, 14)]
    return lambda epoch: list(draw_segments(sources, DRAWING, LIFE, classifier, answers, seed=(1, epoch)))


@pytest.fixture(scope="module")
def validation(classifier, answers):
    sources = [make_source(seed) for seed in range(20, 23)]
    return list(draw_segments(sources, DRAWING, LIFE, classifier, answers, seed=(2,)))


@pytest.fixture(scope="module")
def head(segments, validation):
    net, scale, log = train_transformer(segments, validation, SETTINGS, seed=1)
    assert len(log) == SETTINGS.epochs
    trees = train_trees(segments(0), TREES, rows_per_rhythm=25, seed=1)
    made = ArrhythmiaHead(net, scale, trees, 160, "transformer", {}, (1 / 6,) * 6)
    rhythms = [make_source(seed).rhythm for seed in range(10, 14)]
    method, smoothing, scores = choose_method(made, rhythms, [validation])
    assert scores[method]["macro_f1"] == max(of["macro_f1"] for of in scores.values())
    return replace(made, method=method, smoothing=smoothing)


def test_hidden_figures_are_not_learnt_from(segments, validation):
    beginnings = ["rr_irregular", "rr_over", "p_v"]
    settings = replace(SETTINGS, epochs=1, hidden_figures=beginnings)
    net, scale, _ = train_transformer(segments, validation, settings, seed=1)
    trees = train_trees(segments(0), TREES, rows_per_rhythm=25, seed=1, hidden_figures=beginnings)
    head = ArrhythmiaHead(net, scale, trees, 160, "transformer", {}, (1 / 6,) * 6)
    figures = [segment.figure for segment in validation]
    hidden = [np.where(are_hidden(beginnings) & np.isfinite(figure), 7.0, figure) for figure in figures]
    shown = [np.where(~are_hidden(beginnings) & np.isfinite(figure), 7.0, figure) for figure in figures]
    for method in ("transformer", "trees"):
        whole = rhythm_posteriors(head, figures, method)
        for changed, is_same in ((hidden, True), (shown, False)):
            posteriors = rhythm_posteriors(head, [figure.astype(np.float32) for figure in changed], method)
            assert np.allclose(np.concatenate(posteriors), np.concatenate(whole), atol=1e-5) == is_same, method


def test_segments_have_every_rhythm_of_every_record_and_are_long_or_short(segments):
    drawn = segments(0)
    assert len(drawn) == 4 * 4 * DRAWING.per_rhythm
    for record in range(4):
        rhythms = np.concatenate([segment.rhythm for segment in drawn if segment.record == record])
        assert {NSR, AFIB, SBR, BIGEMINY} <= set(rhythms.tolist())
    lengths = np.array([len(segment.rhythm) for segment in drawn])
    assert (lengths < 95).any()
    assert (lengths > 140).any()
    assert all(segment.figure.shape == (len(segment.rhythm), NUM_FIGURES) for segment in drawn)


def test_the_same_seed_draws_the_same_and_another_epoch_others(segments):
    one, again, other = segments(1), segments(1), segments(2)
    assert all(np.array_equal(a.figure, b.figure, equal_nan=True) for a, b in zip(one, again, strict=True))
    assert not all(np.array_equal(a.figure, b.figure, equal_nan=True) for a, b in zip(one, other, strict=True))


def test_a_segment_of_a_signal_ends_at_a_gap_and_keeps_its_classes(classifier, answers):
    source = make_source(5)
    rr_s = np.diff(source.sample / 128, prepend=np.nan)
    rr_s[300] = np.nan
    probability = np.zeros((len(rr_s), 3), dtype=np.float32)
    probability[np.arange(len(rr_s)), source.label] = 1
    with_signal = replace(source, label=np.full(len(rr_s), -1), rr_s=rr_s, probability=probability)
    drawn = list(draw_segments([with_signal], DRAWING, LIFE, classifier, answers, seed=(7,)))
    assert drawn
    column = FIGURES.index("p_v_at_+0")
    for segment in drawn:
        assert np.isnan(segment.figure[0, FIGURES.index("rr_before_s")])
        assert not np.isnan(segment.figure[1:, FIGURES.index("rr_before_s")]).any()
        assert set(np.unique(segment.figure[:, column])) <= {0.0, 1.0}  # nothing is corrupted


def test_a_segment_holds_the_beat_it_was_drawn_around_however_many_gaps_there_are(classifier, answers):
    size = 600
    rhythm = np.full(size, NSR)
    rhythm[480:500] = AFIB
    rr_s = np.full(size, 0.8)
    rr_s[::50] = np.nan
    sample = np.arange(1, size + 1) * 102
    probability = np.full((size, 3), 1 / 3, dtype=np.float32)
    source = RhythmSource(sample, np.full(size, -1), rhythm, rr_s, probability)
    drawn = list(draw_segments([source], DRAWING, LIFE, classifier, answers, seed=(3,)))
    assert len(drawn) == 2 * DRAWING.per_rhythm
    assert sum((segment.rhythm == AFIB).any() for segment in drawn) >= DRAWING.per_rhythm


def test_a_rate_never_makes_a_slow_rhythm_of_a_normal_one(classifier, answers):
    steady = RhythmSource(np.arange(1, 400) * 130, np.zeros(399, dtype=np.int64), np.full(399, NSR))
    drawn = draw_segments([steady], DRAWING, Corruption(0, 0, 0, 0.5), classifier, answers, seed=(1,))
    for segment in drawn:
        rr_s = segment.figure[1:, FIGURES.index("rr_before_s")]
        np.testing.assert_allclose(rr_s, 130 / 128, atol=0.01)


def test_answers_are_drawn_by_true_class_from_one_record(answers):
    label = np.resize([0, 2], 200)
    drawn = answers.draw(label, np.random.default_rng(0))
    assert drawn[label == 0].max() <= 0.2
    assert drawn[label == 2].min() >= 0.7


def test_records_with_few_v_beats_give_no_answers_for_v():
    def record(num_v, of_v):
        aami = np.array(["N"] * 30 + ["V"] * num_v + ["F"])
        probability = np.zeros((len(aami), 3), dtype=np.float32)
        probability[30:, 2] = of_v
        return probability, aami

    pool = gather_answers([record(25, 0.9), record(3, 0.1)])
    assert [len(ventricular) for ventricular in pool.ventricular] == [25]
    assert [len(others) for others in pool.others] == [30, 30]
    few = gather_answers([record(3, 0.4)])
    np.testing.assert_allclose(np.sort(few.ventricular[0]), [0.4, 0.4, 0.4, 1.0])
    with pytest.raises(DataError, match="no beat with a class"):
        gather_answers([])
    with pytest.raises(DataError, match="no beat with a class"):
        gather_answers([(np.ones((3, 3), dtype=np.float32), np.array(["V", "F", "Q"]))])


def test_without_answers_v_is_not_known_and_s_is(classifier):
    source = make_source(6)
    rr_s = np.diff(source.sample / 128, prepend=np.nan)
    intervals = describe_intervals(rr_s, usual_interval(rr_s))
    known = guess_classes(intervals, source.label, classifier, None, np.random.default_rng(0))
    assert np.isnan(known[:, 2]).all()
    np.testing.assert_allclose(known[:, 0] + known[:, 1], 1, atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_each_method_names_rhythms_it_was_taught(head, validation, method):
    posteriors = rhythm_posteriors(head, [segment.figure for segment in validation], method)
    assert [posterior.shape for posterior in posteriors] == [(len(segment.rhythm), 6) for segment in validation]
    np.testing.assert_allclose(np.concatenate(posteriors).sum(axis=1), 1, atol=1e-4)
    reference = np.concatenate([segment.rhythm for segment in validation])
    predicted = np.concatenate([posterior.argmax(axis=1) for posterior in posteriors])
    assert (predicted == reference)[reference >= 0].mean() > 0.8


def test_both_is_the_mean(head, validation):
    figures = [segment.figure for segment in validation]
    one, two, both = (np.concatenate(rhythm_posteriors(head, figures, method)) for method in METHODS)
    np.testing.assert_allclose(both, (one + two) / 2, atol=1e-6)
    assert rhythm_posteriors(head, [], "both") == []


def test_a_beat_alone_gets_an_answer(head):
    stretch = Stretch(np.array([np.nan]), (0.8, 0.8), np.float32([[0.9, 0.05, 0.05]]))
    for method in METHODS:
        (posterior,) = rhythm_posteriors(head, [stretch.describe()], method)
        assert np.isfinite(posterior).all()


def test_training_repeats_to_the_bit(head, segments, validation):
    net, scale, _ = train_transformer(segments, validation, SETTINGS, seed=1)
    figures = [segment.figure for segment in validation]
    again = replace(head, net=net, scale=scale)
    for one, two in zip(
        rhythm_posteriors(head, figures, "transformer"), rhythm_posteriors(again, figures, "transformer"), strict=True
    ):
        np.testing.assert_array_equal(one, two)


def test_a_head_is_whole_on_disk(head, validation, tmp_path):
    for name in ("a", "b"):
        save_head(tmp_path / name, head, network_config(SETTINGS), {"seed": 1})
    read = [
        {str(p.relative_to(tmp_path / name)): p.read_bytes() for p in (tmp_path / name).rglob("*") if p.is_file()}
        for name in ("a", "b")
    ]
    assert read[0] == read[1]
    loaded, described = load_head(tmp_path / "a")
    assert described["info"] == {"seed": 1}
    assert loaded.smoothing == head.smoothing
    assert (loaded.method, loaded.prior, loaded.scale) == (head.method, head.prior, head.scale)
    figures = [segment.figure for segment in validation]
    for method in METHODS:
        for one, two in zip(
            rhythm_posteriors(head, figures, method), rhythm_posteriors(loaded, figures, method), strict=True
        ):
            np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("name", ["arrhythmia.json", "trees.txt", "transformer.safetensors"])
@pytest.mark.parametrize("damage", ["gone", "cut"])
def test_damage_is_one_line(head, tmp_path, name, damage):
    save_head(tmp_path / "a", head, network_config(SETTINGS), {})
    path = tmp_path / "a" / name
    content = path.read_bytes()
    path.unlink()
    if damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError) as caught:
        load_head(tmp_path / "a")
    assert "\n" not in str(caught.value)


def test_a_head_of_other_figures_or_another_network_is_refused(head, tmp_path):
    save_head(tmp_path / "a", head, network_config(SETTINGS), {})
    path = tmp_path / "a" / "arrhythmia.json"
    described = json.loads(path.read_text())
    described["sha256"]["transformer.safetensors"] = "0" * 64
    write_sealed(path, described)
    with pytest.raises(DataError, match="another checksum"):
        load_head(tmp_path / "a")
    for method in ("x", None, []):
        write_sealed(path, described | {"method": method})
        with pytest.raises(DataError):
            load_head(tmp_path / "a")
    write_sealed(path, described | {"figures": described["figures"][1:]})
    with pytest.raises(DataError, match="other figures"):
        load_head(tmp_path / "a")


def test_a_temperature_keeps_the_order_and_the_sum():
    posterior = np.float32([[0.7, 0.1, 0.05, 0.05, 0.05, 0.05], [1, 0, 0, 0, 0, 0]])
    warm = calibrate(posterior, 2.0)
    np.testing.assert_allclose(warm.sum(axis=1), 1, atol=1e-6)
    assert warm[0, 0] < 0.7
    np.testing.assert_allclose(calibrate(posterior, 1.0), posterior, atol=1e-5)


def test_nothing_to_learn_from_is_said(segments, validation):
    outside = [replace(segment, rhythm=np.full(len(segment.rhythm), -1)) for segment in validation]
    with pytest.raises(DataError, match="train_rhythm, training"):
        train_transformer(lambda epoch: outside, validation, SETTINGS, seed=1)
    with pytest.raises(DataError, match="train_rhythm, validation"):
        train_transformer(segments, outside, SETTINGS, seed=1)


def test_scores_leave_out_beats_outside_the_task(validation):
    segment = validation[0]
    posterior = np.zeros((len(segment.rhythm), 6), dtype=np.float32)
    posterior[np.arange(len(posterior)), np.maximum(segment.rhythm, 0)] = 1
    scores = score_segments([segment], [posterior])
    assert scores["macro_f1"] == 1
    none = replace(segment, rhythm=np.where(np.arange(len(segment.rhythm)) < 5, -1, segment.rhythm))
    assert score_segments([none], [posterior])["macro_f1"] == 1
