"""The beat classifier: blind to gain, polarity and order of leads, whole on disk, calibrated on held-out subjects."""

import json
from dataclasses import replace

import numpy as np
import pytest

from ecgfeat.beats.classifier import (
    classify_record,
    decide_classes,
    find_ventricular,
    load_classifier,
    save_classifier,
)
from ecgfeat.beats.classifier_training import (
    TrainingRecord,
    choose_least_early,
    cross_validate,
    fit_curve,
    fit_curves,
    train_classifier,
)
from ecgfeat.beats.corruption import Corruption
from ecgfeat.beats.net_training import IGNORED, NetSettings
from ecgfeat.beats.prematurity import COLUMNS, draw_annotated_rows, draw_rows, fit_prematurity, stack_columns_of
from ecgfeat.beats.probabilities import Curve, join_classes
from ecgfeat.beats.shapes import gather_shapes
from ecgfeat.errors import DataError
from ecgfeat.features.record import Beats, describe_beats
from ecgfeat.trees import TreeSettings
from tests.fixtures.sealed import write_sealed

NETS = NetSettings(
    seeds=2, steps=40, batch=4, chunk_beats=32, lr=4e-3, weight_decay=0.01, label_smoothing=0.0, lead_dropout=0.3,
    shift_samples=1, noise=0.05, gain=0.1, feature_noise=0.05,
)  # fmt: skip
TREES = TreeSettings(iterations=20, leaves=4, min_rows=10, lr=0.2)
MEDIAN_BEATS = 512
PLACE = np.arange(256) - 128


def make_beats(seed, num_beats=240):
    """Return windows, intervals and classes: V is wide and tall, S comes early."""
    rng = np.random.default_rng(seed)
    label = rng.choice(3, num_beats, p=[0.7, 0.15, 0.15])
    label[:3] = 0
    rr_s = 0.8 + 0.02 * rng.normal(size=num_beats)
    rr_s[label == 1] = 0.5
    rr_s[label == 2] = 0.55
    rr_s[np.flatnonzero(label > 0)[:-1] + 1] += 0.2
    rr_s[0] = np.nan
    width = np.where(label == 2, 9.0, 3.0) * rng.uniform(0.9, 1.1, num_beats)
    height = np.where(label == 2, 1800.0, 1000.0)
    wave = height[:, None] * np.exp(-((PLACE / width[:, None]) ** 2) / 2) + 15 * rng.normal(size=(num_beats, 256))
    window = np.stack([wave, -0.6 * wave + 15 * rng.normal(size=wave.shape)], axis=1)
    return np.rint(window).astype(np.int16), rr_s, label


def describe(window, rr_s):
    return describe_beats(Beats(rr_s, np.ones(len(rr_s), dtype=bool)), window, median_beats=MEDIAN_BEATS)


def make_record(seed):
    window, rr_s, label = make_beats(seed)
    feature = describe(window, rr_s)
    early = stack_columns_of(feature)
    rows = draw_rows(early, label, 100, np.random.default_rng(seed))
    shapes = gather_shapes(window, feature, median_beats=MEDIAN_BEATS)
    return TrainingRecord(f"toy/{seed}", shapes, label.astype(np.int64), rows, early)


@pytest.fixture(scope="module")
def records():
    return [make_record(seed) for seed in range(4)]


@pytest.fixture(scope="module")
def classifier(records):
    return train_classifier(records, [], NETS, TREES, median_beats=MEDIAN_BEATS, seed=1)


@pytest.fixture(scope="module")
def beats():
    window, rr_s, label = make_beats(99)
    return window, describe(window, rr_s), rr_s, label


def test_wide_beats_are_v_and_early_ones_s(classifier, beats):
    window, feature, _, label = beats
    probability = classify_record(classifier, window, feature)
    np.testing.assert_allclose(probability.sum(axis=1), 1, atol=1e-5)
    predicted = probability.argmax(axis=1)
    assert (predicted[label == 2] == 2).mean() > 0.9
    assert (predicted[label == 1] == 1).mean() > 0.9
    assert (predicted[label == 0] == 0).mean() > 0.95


@pytest.mark.parametrize(
    "change",
    [lambda w: -w, lambda w: w[:, ::-1], lambda w: w * np.array([4, 1])[:, None] // 2],
    ids=["polarity", "leads", "gain"],
)
def test_gain_polarity_and_order_of_leads_change_little(classifier, beats, change):
    window, feature, rr_s, _ = beats
    changed = np.ascontiguousarray(change(window.astype(np.int32)).astype(np.int16))
    probability = classify_record(classifier, window, feature)
    np.testing.assert_allclose(classify_record(classifier, changed, describe(changed, rr_s)), probability, atol=0.03)


def test_one_lead_is_enough(classifier, beats):
    window, _, rr_s, label = beats
    alone = window.copy()
    alone[:, 1] = -32768
    predicted = classify_record(classifier, alone, describe(alone, rr_s)).argmax(axis=1)
    assert (predicted == label).mean() > 0.9
    one = np.ascontiguousarray(window[:, :1])
    # A record of one lead is as one whose second lead is invalid throughout.
    np.testing.assert_array_equal(classify_record(classifier, one, describe(alone, rr_s)).argmax(axis=1), predicted)


def test_the_answer_does_not_depend_on_where_a_batch_ends(classifier, beats, monkeypatch):
    window, feature, _, _ = beats
    shapes = gather_shapes(window, feature, median_beats=MEDIAN_BEATS)
    whole = find_ventricular(classifier, shapes)
    monkeypatch.setattr("ecgfeat.beats.probabilities._BATCH_BEATS", 50)
    np.testing.assert_allclose(find_ventricular(classifier, shapes), whole, atol=1e-5)


def test_no_beat_gives_no_row(classifier, beats):
    window, feature, _, _ = beats
    none = {name: column[:0] for name, column in feature.items()}
    assert classify_record(classifier, window[:0], none).shape == (0, 3)


def test_training_repeats_to_the_bit(records, classifier, beats):
    window, feature, _, _ = beats
    again = train_classifier(records, [], NETS, TREES, median_beats=MEDIAN_BEATS, seed=1)
    np.testing.assert_array_equal(classify_record(again, window, feature), classify_record(classifier, window, feature))


def test_a_classifier_is_whole_on_disk(classifier, beats, tmp_path):
    window, feature, _, _ = beats
    curved = replace(classifier, ventricular_curve=Curve(1.5, -0.3), early_curve=Curve(0.7, -1.0), least_early=0.3)
    save_classifier(tmp_path / "a", curved, {"seed": 1})
    save_classifier(tmp_path / "b", curved, {"seed": 1})
    assert {p.name: p.read_bytes() for p in (tmp_path / "a").iterdir()} == {
        p.name: p.read_bytes() for p in (tmp_path / "b").iterdir()
    }
    read, described = load_classifier(tmp_path / "a")
    assert described["info"] == {"seed": 1}
    assert read.least_early == 0.3
    np.testing.assert_array_equal(classify_record(read, window, feature), classify_record(curved, window, feature))


@pytest.mark.parametrize("name", ["classifier.json", "nets.safetensors", "prematurity.txt"])
@pytest.mark.parametrize("damage", ["gone", "cut", "flipped"])
def test_damage_is_one_line(classifier, tmp_path, name, damage):
    save_classifier(tmp_path / "a", classifier, {})
    path = tmp_path / "a" / name
    content = path.read_bytes()
    if damage == "gone":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    else:
        at = content.index(b'"sha256"') + 40 if name.endswith("json") else len(content) // 2
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
    with pytest.raises(DataError) as caught:
        load_classifier(tmp_path / "a")
    assert "\n" not in str(caught.value)


def test_a_description_of_other_features_is_refused(classifier, tmp_path):
    save_classifier(tmp_path / "a", classifier, {})
    path = tmp_path / "a" / "classifier.json"
    described = json.loads(path.read_text())
    described["beat_columns"].pop()
    write_sealed(path, described)
    with pytest.raises(DataError, match="other beat_columns"):
        load_classifier(tmp_path / "a")


def test_held_out_subjects_are_answered_by_models_that_had_not_seen_them(records):
    # A subject whose beats are all called V: who has seen it would know.
    liar = replace(records[0], label=np.full(len(records[0].label), 2), subject="toy/liar")
    answers = cross_validate([liar, *records[1:]], [], NETS, TREES, folds=4, median_beats=MEDIAN_BEATS, seed=1)
    assert [len(answer.ventricular) for answer in answers] == [len(record.label) for record in records]
    assert (answers[0].ventricular > 0.5).mean() < 0.5
    trained = train_classifier(
        [liar, *records[1:]], [], replace(NETS, seeds=1), TREES, median_beats=MEDIAN_BEATS, seed=1
    )
    assert find_ventricular(trained, liar.shapes).mean() > answers[0].ventricular.mean()


def test_a_curve_calibrates():
    rng = np.random.default_rng(0)
    truth = rng.random(20_000) < 0.1
    logit = np.where(truth, 2.0, -2.0) + rng.normal(size=20_000)
    answer = (1 / (1 + np.exp(-3 * logit))).astype(np.float32)  # far too sure
    curve = fit_curve(answer, truth, np.ones(20_000))
    calibrated = curve.apply(answer)
    for low, high in ((0.0, 0.1), (0.1, 0.4), (0.4, 0.7), (0.7, 1.01)):
        inside = (calibrated >= low) & (calibrated < high)
        assert inside.any()
        assert truth[inside].mean() == pytest.approx(calibrated[inside].mean(), abs=0.06)


def test_where_there_is_one_class_the_curve_changes_nothing():
    curve = fit_curve(np.full(9, 0.3, dtype=np.float32), np.zeros(9, dtype=bool), np.ones(9))
    np.testing.assert_allclose(curve.apply(np.array([0.3], dtype=np.float32)), 0.3, atol=1e-6)


def test_curves_leave_out_beats_of_no_class_and_v_from_the_curve_of_s(records):
    answers = cross_validate(records, [], replace(NETS, steps=5), TREES, folds=2, median_beats=MEDIAN_BEATS, seed=1)
    unlabelled = [replace(record, label=np.where(record.label == 2, IGNORED, record.label)) for record in records]
    assert fit_curves(unlabelled, answers)[1] == fit_curves(records, answers)[1]
    assert fit_curves(unlabelled, answers)[0] == Curve(1.0, 0.0)


def test_s_is_called_from_its_own_probability_on(classifier):
    careful = replace(classifier, least_early=0.3)
    probability = np.float32([[0.69, 0.31, 0], [0.71, 0.29, 0], [0.35, 0.15, 0.5], [0.3, 0.3, 0.4], [0.2, 0.1, 0.1]])
    assert decide_classes(careful, probability).tolist() == [1, 0, 2, 2, 1]


def test_the_threshold_of_s_is_that_of_the_best_held_out_answers(records):
    size = len(records[0].label)
    label = np.zeros(size, dtype=np.int64)
    label[: size // 10] = 1
    # S beats get .36, one N beat in fifty too; all others .05.
    early = np.full(size, 0.05, dtype=np.float32)
    early[: size // 10] = 0.36
    early[size // 10 :: 50] = 0.36
    assert 0.1 <= choose_least_early([replace(records[0], label=label)], [early]) <= 0.35
    # Where as many N beats as S beats get it, S is called only above.
    early[size // 10 : size] = np.where(np.arange(size - size // 10) % 4 == 0, 0.36, 0.05)
    early[: size // 20] = 0.6
    assert choose_least_early([replace(records[0], label=label)], [early]) > 0.36
    assert choose_least_early([replace(records[0], label=np.zeros(size, dtype=np.int64))], [early]) == 0.5


def test_probabilities_of_three_classes_come_from_two_questions():
    joined = join_classes(np.float32([0.0, 1.0, 0.5]), np.float32([0.25, 0.9, 0.5]))
    np.testing.assert_allclose(joined, [[0.75, 0.25, 0], [0, 0, 1], [0.25, 0.25, 0.5]], atol=1e-6)


def test_without_signals_s_is_learnt_and_v_is_not_known(beats):
    _, _, rr_s, label = beats
    sample = np.rint(128 * np.nancumsum(np.nan_to_num(rr_s, nan=1.0))).astype(np.int64)
    rng = np.random.default_rng(0)
    rows = [draw_annotated_rows(sample, label, Corruption(0.01, 0.01, 1.0, 0.0), 100, rng) for _ in range(3)]
    assert rows[0].value.shape[1] == len(COLUMNS)
    classifier = train_classifier([], rows, NETS, TREES, median_beats=MEDIAN_BEATS, seed=1)
    assert classifier.nets == ()
    early = classifier.prematurity.predict(stack_columns_of(describe(beats[0], rr_s)))
    assert early[label == 1].mean() > early[label == 0].mean() + 0.3
    probability = classify_record(classifier, beats[0], beats[1])
    assert np.isnan(probability).all()


def test_weak_records_train_and_are_held_out_in_folds_of_their_own(records, monkeypatch):
    seen = []

    def train(chosen, *args, **options):
        seen.append({record.subject for record in chosen})
        return train_classifier(chosen, *args, **options)

    monkeypatch.setattr("ecgfeat.beats.classifier_training.train_classifier", train)
    weak = [replace(records[0], subject=f"toy/weak{number}", is_weak=True, weight=0.3) for number in range(2)]
    answers = cross_validate([*records, *weak], [], replace(NETS, steps=2), TREES, folds=2, median_beats=512, seed=1)
    assert len(answers) == len(records) + 2
    assert sorted(len({"toy/weak0", "toy/weak1"} & subjects) for subjects in seen) == [1, 1]
    named = {record.subject for record in records}
    with_weak = [subjects & named for subjects in seen]
    seen.clear()
    cross_validate(records, [], replace(NETS, steps=2), TREES, folds=2, median_beats=512, seed=1)
    assert seen == with_weak, "weak records do not move the others to another fold"


def test_a_copy_does_not_train_while_its_subject_is_held_out(records, monkeypatch):
    seen = []

    def train(chosen, *args, **options):
        seen.append(sorted(record.subject for record in chosen))
        return train_classifier(chosen, *args, **options)

    monkeypatch.setattr("ecgfeat.beats.classifier_training.train_classifier", train)
    copies = [replace(record, prematurity=None, trains_only=True, weight=0.5) for record in records]
    answers = cross_validate([*records, *copies], [], replace(NETS, steps=2), TREES, folds=2, median_beats=512, seed=1)
    assert len(answers) == len(records)
    subjects = {record.subject for record in records}
    assert len(seen) == 2
    for chosen in seen:
        assert set(chosen) < subjects
        assert all(chosen.count(subject) == 2 * [r.subject for r in records].count(subject) for subject in set(chosen))
    assert set().union(*seen) == subjects


def test_a_record_counts_in_the_trees_by_its_weight(records):
    rows = [record.prematurity for record in records]
    flipped = replace(rows[0], is_s=1 - rows[0].is_s)
    early = {
        weight: fit_prematurity([replace(flipped, weight=weight), *rows[1:]], TREES, 1).predict(rows[0].value)
        for weight in (0.01, 20.0)
    }
    is_s = rows[0].is_s == 1
    assert early[0.01][is_s].mean() > early[20.0][is_s].mean() + 0.3


def test_one_subject_cannot_be_held_out(records):
    with pytest.raises(DataError, match="two subjects or more"):
        cross_validate(records[:1], [], NETS, TREES, folds=3, median_beats=512, seed=1)


def test_beats_of_one_class_cannot_train():
    record = make_record(0)
    only_normal = replace(record, label=np.zeros(len(record.label), dtype=np.int64))
    with pytest.raises(DataError, match="no S beat"):
        train_classifier([only_normal], [], NETS, TREES, median_beats=MEDIAN_BEATS, seed=1)
