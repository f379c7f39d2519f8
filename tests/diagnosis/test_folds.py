"""Trees on record figures: no label of a tested record reaches them, they repeat, and they beat one figure."""

import csv
import hashlib
import json

import numpy as np
import pytest

from ecgfeat.corpora.diagnostic import get_diagnostic_corpus
from ecgfeat.diagnosis.folds import (
    MAJORITY,
    PLAIN_COLUMNS,
    PLAIN_TREES,
    RECORD_TREES,
    TITLES,
    class_shares,
    cross_validate,
    stack_features,
)
from ecgfeat.diagnosis.record import describe_record
from ecgfeat.diagnosis.summary import summarise_diagnoses
from ecgfeat.diagnosis.trees import (
    DESCRIPTION,
    FigureTable,
    RecordTreeSettings,
    choose_settings,
    fit_record_trees,
    log_loss,
    save_record_trees,
)
from ecgfeat.records.reader import read_signal
from ecgfeat.store.record_feature_columns import RECORD_FEATURE_NAMES
from ecgfeat.trees import TreeSettings
from tests.conftest import mirrored

SMALL = RecordTreeSettings(seeds=2, inner_folds=2, leaves=(3, 4), iterations=(5, 20), min_rows=5, lr=0.1)
COLUMNS = (*PLAIN_COLUMNS, "p", "rest")
CINC2017, SIMULATE12 = get_diagnostic_corpus("cinc2017"), get_diagnostic_corpus("simulate12")


def draw_records(size: int = 240, seed: int = 0):
    """Return rows and figures: irregularity and P wave tell the classes of cinc2017, rate and the rest nothing."""
    rng = np.random.default_rng(seed)
    code = rng.choice(4, size, p=[0.5, 0.2, 0.2, 0.1])
    rows = [
        {
            "record": f"r{i:04d}",
            "subject": f"s{i // 2:04d}",
            "labels": [CINC2017.classes[code[i]]],
            "unknown": [],
            "fold": (i // 2) % 3,
        }
        for i in range(size)
    ]
    value = rng.normal(size=(size, len(COLUMNS))).astype(np.float32)
    value[:, COLUMNS.index("rr_irregular_10")] += 3 * np.isin(code, [1, 3])
    value[:, COLUMNS.index("p")] += 3 * np.isin(code, [2, 3])
    value[::9, COLUMNS.index("p")] = np.nan
    return rows, value


@pytest.fixture(scope="module")
def drawn():
    rows, value = draw_records()
    return rows, value, *cross_validate(rows, value, COLUMNS, CINC2017, SMALL, seed=1)


def probability_of(predictions, name):
    rows = predictions["model"] == name
    return dict(zip(predictions["record"][rows], map(tuple, predictions["probability"][rows]), strict=True))


def test_every_record_is_named_once_by_each_model_and_more_figures_help(drawn):
    rows, _, predictions, folds = drawn
    assert set(predictions["model"]) == set(TITLES)
    assert set(folds) == {0, 1, 2}
    expected = {(row["record"], row["fold"], row["labels"][0]) for row in rows}
    scores = summarise_diagnoses(predictions, CINC2017, num_resamples=50, seed=0)
    for name in TITLES:
        at = predictions["model"] == name
        found = zip(predictions["record"][at], predictions["fold"][at], predictions["references"][at], strict=True)
        assert {(record, fold, labels[0]) for record, fold, labels in found} == expected
        assert scores["models"][name]["num_records"] == len(rows) == at.sum()
    f1 = {name: of["macro_f1"] for name, of in scores["models"].items()}
    assert f1[RECORD_TREES] > f1[PLAIN_TREES] + 0.1 > f1[MAJORITY] + 0.2
    assert scores["held_half"]["num_records"] == pytest.approx(len(rows) / 2, abs=2)
    assert scores["models"][RECORD_TREES]["interval"]["macro_f1"]["low"] < f1[RECORD_TREES]


def test_labels_of_the_tested_fold_reach_nothing_that_names_it(drawn):
    rows, value, predictions, _ = drawn
    scrambled = [
        row | {"labels": [CINC2017.classes[(CINC2017.classes.index(row["labels"][0]) + 1) % 4]]}
        if row["fold"] == 1
        else row
        for row in rows
    ]
    again, _ = cross_validate(scrambled, value, COLUMNS, CINC2017, SMALL, seed=1)
    is_tested = {row["record"]: row["fold"] == 1 for row in rows}
    for name in TITLES:
        before, after = probability_of(predictions, name), probability_of(again, name)
        assert all(before[record] == after[record] for record, tested in is_tested.items() if tested)
        assert any(before[record] != after[record] for record, tested in is_tested.items() if not tested)


def test_a_run_repeats_itself_and_a_seed_does_not(drawn):
    rows, value, predictions, folds = drawn
    again, folds_again = cross_validate(rows, value, COLUMNS, CINC2017, SMALL, seed=1)
    other, _ = cross_validate(rows, value, COLUMNS, CINC2017, SMALL, seed=2)
    assert probability_of(again, RECORD_TREES) == probability_of(predictions, RECORD_TREES)
    assert probability_of(other, RECORD_TREES) != probability_of(predictions, RECORD_TREES)
    for number, fold in folds.items():
        texts = [[of.text for of in forest] for forest in fold.trees.forests]
        assert texts == [[of.text for of in forest] for forest in folds_again[number].trees.forests]
        assert len(texts[0]) == SMALL.seeds


def test_settings_are_chosen_among_all_by_what_is_left_out_inside():
    rows, value = draw_records(200)
    table = FigureTable.of(value, COLUMNS, rows, CINC2017.classes, "single")
    chosen, losses = choose_settings(table, 4, SMALL, seed=0)
    candidates = SMALL.candidates()
    assert len(losses) == len(candidates) == 4
    assert chosen == candidates[int(np.argmin(losses))]
    assert chosen.iterations == 20, "five trees of little weight have learnt next to nothing"
    only = RecordTreeSettings(2, 2, (3,), (5,), 5, 0.1)
    assert choose_settings(table, 4, only, seed=0) == (TreeSettings(5, 3, 5, 0.1), [])


def test_the_first_trees_of_many_are_those_of_a_few():
    rows, value = draw_records(150)
    table = FigureTable.of(value, COLUMNS, rows, CINC2017.classes, "single")
    many, few = (fit_record_trees(table, 4, TreeSettings(number, 4, 5, 0.1), [0]) for number in (12, 5))
    np.testing.assert_array_equal(many.predict(value, 5), few.predict(value))
    assert not np.array_equal(many.predict(value), few.predict(value))


def test_records_with_any_number_of_labels_and_some_left_open():
    rng = np.random.default_rng(1)
    size, classes = 160, SIMULATE12.classes
    value = rng.normal(size=(size, len(COLUMNS))).astype(np.float32)
    has = value[:, [2]] + 0.3 * rng.normal(size=(size, len(classes))) > 0.5
    is_open = (rng.random((size, len(classes))) < 0.1) & ~has
    rows = [
        {
            "record": f"r{i}",
            "subject": f"s{i}",
            "labels": [name for k, name in enumerate(classes) if has[i, k]],
            "unknown": [name for k, name in enumerate(classes) if is_open[i, k]],
            "fold": i % 2,
        }
        for i in range(size)
    ]
    predictions, folds = cross_validate(rows, value, COLUMNS, SIMULATE12, SMALL, seed=0)
    scores = summarise_diagnoses(predictions, SIMULATE12, num_resamples=0, seed=0)
    assert "held_half" not in scores
    assert scores["models"][RECORD_TREES]["macro_auroc"] > 0.9 > 0.7 > scores["models"][PLAIN_TREES]["macro_auroc"]
    assert len(folds[0].trees.forests) == len(classes)
    table = FigureTable.of(value, COLUMNS, rows, classes, "multi")
    known = np.isfinite(table.target)
    assert known.sum() < known.size
    shares = class_shares(table.target, len(classes))
    assert shares[0] == pytest.approx(table.target[known[:, 0], 0].mean())


def test_log_loss_is_of_what_is_known():
    assert log_loss(np.array([0, 1]), np.array([[0.5, 0.5], [0.75, 0.25]])) == pytest.approx(np.log(8) / 2)
    target = np.array([[1, np.nan], [0, 1]], dtype=np.float32)
    probability = np.array([[0.5, 0.9], [0.5, 0.25]])
    assert log_loss(target, probability) == pytest.approx(np.log(16) / 3)
    assert log_loss(np.array([0]), np.array([[0.0, 1.0]])) == pytest.approx(np.log(1e6))


def test_the_models_are_text_with_checksums(drawn, tmp_path):
    folds = drawn[3]
    save_record_trees(tmp_path / "fold0", folds[0].trees, CINC2017.classes, "single", folds[0].info)
    described = json.loads((tmp_path / "fold0" / DESCRIPTION).read_text())
    assert (described["columns"], described["classes"]) == (list(COLUMNS), list(CINC2017.classes))
    assert len(described["sha256"]) == SMALL.seeds
    for name, sha256 in described["sha256"].items():
        content = (tmp_path / "fold0" / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == sha256
        assert content.startswith(b"tree\n")


def test_real_records_are_named_better_than_by_rate_and_irregularity():
    folder = mirrored("cinc2017")
    with (folder / "REFERENCE-v3.csv").open() as file:
        label = {record: of for record, of in csv.reader(file) if (folder / f"{record}.hea").is_file()}
    wanted = {"N": 100, "A": 60, "O": 80, "~": 20}
    records = [record for of, size in wanted.items() for record in sorted(r for r in label if label[r] == of)[:size]]
    assert len(records) == sum(wanted.values())
    columns = {name: [] for name in RECORD_FEATURE_NAMES}
    for record in records:
        signal = read_signal(folder, record)
        for name, figure in describe_record(signal.signal_mv_SC[:, 0], signal.fs_hz).items():
            columns[name].append(figure)
    value = stack_features(columns, RECORD_FEATURE_NAMES)
    rows = [
        {"record": record, "subject": record, "labels": [label[record]], "unknown": [], "fold": i % 3}
        for i, record in enumerate(records)
    ]
    settings = RecordTreeSettings(seeds=2, inner_folds=2, leaves=(4,), iterations=(60,), min_rows=8, lr=0.05)
    predictions, _ = cross_validate(rows, value, RECORD_FEATURE_NAMES, CINC2017, settings, seed=0)
    f1 = {
        name: of["macro_f1"]
        for name, of in summarise_diagnoses(predictions, CINC2017, num_resamples=0, seed=0)["models"].items()
    }
    # .76 and .69 when this was written, of 260 records that learn from two thirds of each other.
    assert f1[RECORD_TREES] > 0.65
    assert f1[RECORD_TREES] > f1[PLAIN_TREES] + 0.03
    assert f1[PLAIN_TREES] > f1[MAJORITY] + 0.2
