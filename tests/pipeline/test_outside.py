"""Stage outside: scores follow from its tables, classes are those of a user, no label reaches a prediction."""

import contextlib
import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
from ruamel.yaml import YAML

from ecgfeat.files import read
from ecgfeat.prediction.episodes import NO_SIGNAL, NOISE, main_rhythm
from ecgfeat.prediction.models import load_models
from ecgfeat.prediction.record import predict_record
from ecgfeat.report import pictures
from ecgfeat.report.results.inputs import ReportInputs
from ecgfeat.report.worst_strips import worst_strips
from ecgfeat.store.schemas import (
    BEAT_TABLE,
    DIAGNOSES,
    EPISODES,
    RECORD_SCORES,
    RECORDS,
    RPEAKS,
)
from ecgfeat.store.seal import read_report
from ecgfeat.store.tables import read_table, table_header, write_table
from pipeline import annotate, outside
from pipeline.params import read_params
from pipeline.read import paths
from pipeline.read.report import RecordParts, read_passages

KNOWN = ("subject", "stated", "reference", "reference_af", "is_normal")
"""Columns of a record that come from its labels."""


def read_outside_tables(folder):
    return {
        name: read_table(folder / f"reports/outside/{name}.parquet", schema) for name, schema in outside.SCHEMAS.items()
    }


def set_params(folder, **changes):
    """Change params of a run, with ``__`` for the dot."""
    yaml = YAML()
    tree = yaml.load(folder / "params.yaml")
    for key, value in changes.items():
        section, name = key.split("__")
        assert name in tree[section]
        tree[section][name] = value
    yaml.dump(tree, folder / "params.yaml")


def copy_run(run, folder):
    """Copy what the stage reads."""
    for name in ("data", "models"):
        ignored = shutil.ignore_patterns("raw", "signals", "embeddings", "leads", "systems", "diagnostic", "htf")
        shutil.copytree(run / name, folder / name, ignore=ignored)
    shutil.copy(run / "params.yaml", folder)
    return folder


@pytest.fixture(scope="module")
def tables(systems_run):
    return read_outside_tables(systems_run)


@pytest.fixture(scope="module")
def written(systems_run):
    return read_report(systems_run / "reports/outside.json", "outside")


def test_every_number_follows_from_the_tables(systems_run, written, tmp_path, monkeypatch):
    shutil.copytree(systems_run / "reports/outside", tmp_path / "reports/outside")
    shutil.copy(systems_run / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)  # nothing else is there to read
    scores = outside.score_outside(read_params())
    made_by = {"split": "test", "outside": ["simulate12"], "models": written["models"], "signals": written["signals"]}
    assert json.loads(json.dumps(made_by | scores)) == written
    assert written["signals"] == {"simulate": "simulated", "simulate12": "simulated"}
    assert {part: set(written[part]) for part in outside.SCHEMAS} == {
        "records": {"simulate", "simulate12"},
        "beats": {"simulate"},
        "rhythm": {"simulate", "simulate12"},
        "episodes": {"simulate", "simulate12"},
    }
    table = read_table(paths.OUTSIDE_PREDICTIONS / "records.parquet", RECORD_SCORES)
    write_table(
        paths.OUTSIDE_PREDICTIONS / "records.parquet", table | {"p_afib": 1 - table["p_afib"]}, RECORD_SCORES, {}
    )
    changed = outside.score_outside(read_params())["records"]["simulate12"]["af"]["both"]["auroc"]
    assert changed == pytest.approx(1 - written["records"]["simulate12"]["af"]["both"]["auroc"], abs=1e-5)


def test_every_test_record_has_a_row_and_no_other(systems_run, tables):
    with contextlib.chdir(systems_run):
        for slug in ("simulate", "simulate12"):
            records = read_table(paths.records(slug), RECORDS)
            names = tables["records"]["record"][tables["records"]["corpus"] == slug]
            assert sorted(names) == sorted(records["record"][records["split"] == "test"])
            assert len(names) >= 2
    simulate = tables["records"]["record"][tables["records"]["corpus"] == "simulate"]
    assert set(tables["beats"]["record"]) == set(simulate)


def test_classes_are_those_that_a_user_is_given(systems_run, tables):
    models = load_models(systems_run / "models")
    with contextlib.chdir(systems_run):
        rows = np.flatnonzero(tables["records"]["corpus"] == "simulate")
        folders = [paths.raw("simulate")] * len(rows)
        short = np.flatnonzero(tables["records"]["corpus"] == "simulate12")[:4]
        folders += [paths.diagnostic_raw("simulate12")] * len(short)
        compared = set()
        for row, folder in zip((*rows, *short), folders, strict=True):
            whole = {name: column[row] for name, column in tables["records"].items()}
            predicted = predict_record(read(folder / whole["record"]), models)
            found, given = predicted.beats, predicted.episodes
            length_s = given["stop_s"] - given["start_s"]
            main = main_rhythm(given["rhythm"], length_s, given["certainty"], given["num_beats"])
            assert (whole["rhythm"], whole["certainty"]) == (main[0], pytest.approx(main[1], abs=1e-4, nan_ok=True))
            label = np.array([str(name) for name in found["aami"]])
            count = [len(label), *((label == name).sum() for name in "SV")]
            assert [whole[name] for name in ("num_beats", "num_s", "num_v")] == count
            named = np.array([name or "" for name in found["rhythm"]], dtype=object)
            of = tables["rhythm"]
            is_beat = (of["record"] == whole["record"]) & (of["view"] == "viterbi") & (of["num_beats"] > 0)
            if is_beat.any():
                assert of["predicted"][is_beat].tolist() == named.tolist()
                compared.add(whole["corpus"])
                assert_same_episodes(tables["episodes"], whole["record"], given, "".join(label))
            beats = tables["beats"]
            at_rpeak = (beats["record"] == whole["record"]) & np.isfinite(beats["p_N"])
            if whole["corpus"] == "simulate":
                assert beats["predicted"][at_rpeak].tolist() == label.tolist()
    # The rhythm of a short record with ectopic beats is not known throughout: it has no rows.
    assert compared == {"simulate", "simulate12"}
    assert "S" in set(tables["beats"]["predicted"])


def assert_same_episodes(table, record, given, classes):
    """Compare the episodes that are scored with those of ``ecgfeat predict``, beyond time that is not usable."""
    rows = table["record"] == record
    inside = ~np.isin(given["reason"], [NOISE, NO_SIGNAL])
    assert rows.sum() == inside.sum() > 0
    for name in ("rhythm", "evidence"):
        assert table[name][rows].tolist() == given[name][inside].tolist()
    np.testing.assert_allclose(table["certainty"][rows], given["certainty"][inside], atol=1e-4)
    np.testing.assert_allclose(table["start_sample"][rows] / 128, given["start_s"][inside], atol=0.01)
    assert "".join(table["classes"][rows]) == classes
    assert (table["agree_s"][rows] <= table["known_s"][rows]).all()


def test_labels_of_test_records_move_no_prediction(systems_run, tables, tmp_path):
    folder = copy_run(systems_run, tmp_path)
    with contextlib.chdir(folder):
        scramble_tables(np.random.default_rng(5))
        outside.main()
    other = read_outside_tables(folder)
    for name, column in tables["records"].items():
        if name not in KNOWN:
            np.testing.assert_array_equal(column, other["records"][name], err_msg=name)
    assert (tables["records"]["reference"] != other["records"]["reference"]).sum() > 5
    for part, rows_of in (("beats", lambda of: np.isfinite(of["p_N"])), ("rhythm", lambda of: of["num_beats"] > 0)):
        before, after = (
            {name: column[rows_of(of) & (of["corpus"] == "simulate")] for name, column in of.items()}
            for of in (tables[part], other[part])
        )
        assert len(before["record"]) > 300
        for name in before:
            if name in ("record", "predicted") or name.startswith("p_"):
                np.testing.assert_array_equal(before[name], after[name], err_msg=f"{part}.{name}")
        assert (before["reference"] != after["reference"]).any()


def scramble_tables(rng):
    """Give the test records beats, rhythms and diagnoses that have nothing to do with them."""

    def rewrite(path, schema, change):
        table = read_table(path, schema)
        write_table(path, table | change(table), schema, table_header(path)["params"])

    records = read_table(paths.records("simulate"), RECORDS)
    is_test = {name: split == "test" for name, split in zip(records["record"], records["split"], strict=True)}

    def where_test(table, column, values):
        rows = np.array([is_test[name] for name in table["record"]])
        return {column: np.where(rows, values, table[column])}

    def draw(table, names):
        return rng.choice(np.array(names, dtype=object), len(table["record"]))

    def beats(table):
        moved = table["sample"] + rng.integers(0, 40, len(table["sample"]))
        return where_test(table, "sample", moved) | where_test(table, "aami", draw(table, list("NSVF")))

    rewrite(paths.beats("simulate"), BEAT_TABLE, beats)
    for path, schema in ((paths.rpeaks, RPEAKS), (paths.episodes, EPISODES)):
        rewrite(
            path("simulate"), schema, lambda table: where_test(table, "rhythm", draw(table, ["NSR", "AFIB", "SBR"]))
        )
    rewrite(paths.rpeaks("simulate"), RPEAKS, lambda table: where_test(table, "aami", draw(table, list("NSV"))))

    # Classes and codes of the short records change places.
    def shuffle(table):
        order = rng.permutation(len(table["record"]))
        return {name: table[name][order] for name in ("labels", "codes")}

    rewrite(paths.diagnoses("simulate12"), DIAGNOSES, shuffle)
    rewrite(paths.episodes("simulate12"), EPISODES, lambda table: {"rhythm": draw(table, ["NSR", "AFIB"])})


def test_corpora_outside_test_whole_and_train_nothing(systems_run, tmp_path):
    with contextlib.chdir(systems_run):
        assert set(read_table(paths.records("simulate12"), RECORDS)["split"]) == {"test"}
        assert set(read_table(paths.episodes("simulate12"), EPISODES)["split"]) == {"test"}
        for file in ("beats/classifier/classifier.json", "rhythm/arrhythmia.json"):
            info = json.loads((paths.MODELS / file).read_text())["info"]
            assert (info["corpora"], info["short_records"]) == (["simulate"], [])
        assert not (paths.MODELS / "beats/held_out/simulate12.parquet").exists()
    # A corpus of long records is treated alike.
    shutil.copytree(systems_run / "data/raw", tmp_path / "data/raw")
    shutil.copy(systems_run / "params.yaml", tmp_path)
    set_params(tmp_path, outside__corpora=["simulate"])
    with contextlib.chdir(tmp_path):
        annotate.main("simulate")
        assert set(read_table(paths.records("simulate"), RECORDS)["split"]) == {"test"}


def test_validation_reads_other_records_and_annotations_alone_are_named_thrice(systems_run, tmp_path):
    folder = copy_run(systems_run, tmp_path)
    # Annotations alone are tables without signals: those of the simulated corpus under another name.
    for name in ("records", "beats", "episodes"):
        shutil.copy(folder / f"data/{name}/simulate.parquet", folder / f"data/{name}/ltafdb.parquet")
    set_params(folder, outside__split="validation", annotations__corpora=["ltafdb"], outside__bootstrap=0)
    with contextlib.chdir(folder):
        records = read_table(paths.records("simulate"), RECORDS)
        assert outside.main().startswith("beats of simulate: F1 N ")
    tables = read_outside_tables(folder)
    split = dict(zip(records["record"], records["split"], strict=True))
    assert {split[name] for name in tables["beats"]["record"]} == {"train", "validation"}
    assert set(tables["records"]["corpus"]) == {"simulate"}  # all records of simulate12 are test records
    rhythm = tables["rhythm"]
    # The rhythm head has learnt from training records: only annotations that it has not seen are named.
    assert set(rhythm["corpus"]) == {"ltafdb"}
    assert {split[name] for name in rhythm["record"]} == {"validation"}
    assert set(rhythm["view"]) == {"viterbi"}
    assert set(rhythm["head"]) == {"labels_reference", "labels_hidden", "labels_drawn"}
    chance = [rhythm["p_NSR"][rhythm["head"] == head].tobytes() for head in sorted(set(rhythm["head"]))]
    assert len(set(chance)) == 3
    written = json.loads((folder / "reports/outside.json").read_text())
    assert written["split"] == "validation"
    assert "interval" not in written["rhythm"]["ltafdb"]["labels_drawn"]["viterbi"]


def test_the_report_draws_what_costs_most_time(systems_run, written, monkeypatch):
    monkeypatch.setattr(pictures, "to_data_uri", lambda figure: "data:,")
    with contextlib.chdir(systems_run):
        inputs = ReportInputs({}, [], {}, [], 128, 9, outside=written, read_strip=RecordParts().read_strip)
        shown = worst_strips(replace(inputs, **read_passages()))
        assert {"simulate/", "simulate12/"} == {
            re.search(r"Longest passage: (\w+/)", picture.caption)[1] for picture in shown
        }
        assert all("named" in picture.alt or "not classified" in picture.alt for picture in shown)
