"""The stage robustness: what it writes, which records it reads, and from which half its noise comes."""

import contextlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML

from ecgfeat.corpora.halves import draw_halves, split_short_records
from ecgfeat.errors import UsageError
from ecgfeat.scoring.variants import AS_IT_IS
from ecgfeat.store.schemas import RECORDS
from ecgfeat.store.tables import read_table
from pipeline import robustness
from pipeline.params import check_params, read_params
from pipeline.read import paths
from pipeline.read.recorded_noise import pick_noisy, read_noise
from pipeline.read.robustness import choose_records
from tests.fixtures.noisy_corpus import CLASSES, NUM_NOISY, add_noisy_corpus


@pytest.fixture(scope="module")
def run(systems_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of a small run whose params name short variants and recorded noise."""
    folder = tmp_path_factory.mktemp("robustness") / "run"
    shutil.copytree(systems_run, folder)
    change_params(folder, hours=0.02, bootstrap=20, noise_snr_db=[6.0], rates_hz=[250.0], gains=[4.0])
    add_noisy_corpus(folder)
    return folder


def change_params(folder: Path, **changes: object) -> None:
    yaml = YAML()
    params = yaml.load(folder / "params.yaml")
    assert changes.keys() <= params["robustness"].keys()
    params["robustness"] |= changes
    yaml.dump(params, folder / "params.yaml")


@pytest.fixture(scope="module")
def summary(run: Path) -> dict:
    with contextlib.chdir(run):
        line = robustness.main()
        written = json.loads(paths.ROBUSTNESS.read_text())
    assert "worst is" in line
    assert "beyond their limits" in line
    return written


def test_every_variant_is_scored_against_its_limit(summary):
    variants = summary["corpora"]["simulate"]
    assert set(variants) == {
        AS_IT_IS, "leads_swapped", "first_lead_dropped", "second_lead_dropped", "one_lead", "polarity_inverted",
        "gain_4", "rate_250_hz", "noise_6_db", "recorded_noise_6_db",
    }  # fmt: skip
    for name, scores in variants.items():
        assert {"rpeaks", "fates", "unnamed", "num_subjects"} <= set(scores)
        assert sum(scores["fates"]["N"].values()) == pytest.approx(1, abs=1e-5)
        if name != AS_IT_IS:
            change = scores["difference"]["beats"]
            assert change["limit"] == (0.12 if name.endswith("6_db") else 0.02)
            assert change["is_within"] == (change["value"] >= -change["limit"])
    assert abs(variants["polarity_inverted"]["difference"]["rpeaks"]["value"]) < 0.01
    assert variants[AS_IT_IS]["rpeaks"]["f1"] > 0.9


def test_what_was_predicted_is_said(run, summary):
    assert summary["split"] == "test"
    assert summary["noise_corpus"] == "cinc2017"
    records = read_table(run / paths.records("simulate"), RECORDS)
    num_test = int((records["split"] == "test").sum())
    assert summary["records"] == {
        "simulate": {"splits": ["test"], "num_records": num_test, "is_seen_in_training": False}
    }
    assert summary["num_noise_pieces"] == 3 * NUM_NOISY // 2
    assert {name.split("/")[0] for name in summary["models"]} == {"beats", "rhythm"}


def test_a_second_run_writes_the_same_bytes(run, summary):
    with contextlib.chdir(run):
        before = paths.ROBUSTNESS.read_bytes()
        robustness.main()
        assert paths.ROBUSTNESS.read_bytes() == before


@pytest.mark.parametrize(("split", "half"), [("test", 1), ("validation", 0), ("training", 0), ("train", 0)])
def test_noise_comes_from_the_records_of_the_split_alone(run, split, half):
    label = {f"{name}{number}": name for name in CLASSES for number in range(NUM_NOISY)}
    wanted = "train" if split == "training" else split
    splits = split_short_records(label, CLASSES)
    expected = {record for record, of in splits.items() if of == wanted and label[record] == "~"}
    assert expected
    assert expected <= set(draw_halves(label, CLASSES)[half])
    assert set(pick_noisy(label, "cinc2017", split)) == expected
    with contextlib.chdir(run):
        pool = read_noise(read_params(), split)
    power_PF = np.abs(np.fft.rfft(pool.piece, axis=1))
    found = {f"~{round(peak / 10 - 3)}" for peak in power_PF.argmax(axis=1)}
    assert found == expected


def test_no_recorded_noise_without_the_corpus(systems_run):
    with contextlib.chdir(systems_run):
        assert read_noise(read_params(), "test") is None
    assert pick_noisy({"a": "NORM", "b": "MI"}, "ptbxl", "test") == []


def test_records_are_those_of_the_split(run):
    with contextlib.chdir(run):
        table = read_table(paths.records("simulate"), RECORDS)
        params = read_params()

        def chosen(split, records=0):
            section = params.robustness.model_copy(update={"split": split, "records": records})
            return choose_records("simulate", params.model_copy(update={"robustness": section}))

        of_split = {name: set(table["record"][table["split"] == name]) for name in ("train", "validation", "test")}
        for split in ("validation", "test"):
            splits, rows = chosen(split)
            assert splits == (split,)
            assert {row["record"] for row in rows} == of_split[split]
        splits, rows = chosen("training")
        assert splits == ("train", "validation")
        assert {row["record"] for row in rows} == of_split["train"] | of_split["validation"]
        drawn = [row["record"] for row in chosen("training", 3)[1]]
        assert len(drawn) == 3
        assert drawn == sorted(drawn) == [row["record"] for row in chosen("training", 3)[1]]


def test_training_records_stand_in_where_none_validate(run, monkeypatch):
    with contextlib.chdir(run):
        params = read_params()
        section = params.robustness.model_copy(update={"split": "validation"})
        rows = {name: {"record": name, "status": "used", "signals": "measured", "split": split}
                for name, split in (("a", "train"), ("b", "test"))}  # fmt: skip
        monkeypatch.setattr("pipeline.read.robustness.read_records", lambda corpus: rows)
        splits, found = choose_records("simulate", params.model_copy(update={"robustness": section}))
    assert splits == ("train",)
    assert [row["record"] for row in found] == ["a"]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("noise_corpus", "cinc2071", r"robustness.noise_corpus.*cinc2017"),
        ("gains", [0.0], r"robustness.gains.0"),
        ("split", "train", r"robustness.split"),
    ],
)
def test_faults_of_its_params_are_named(run, key, value, message):
    params = YAML(typ="safe").load(run / "params.yaml")
    params["robustness"][key] = value
    with pytest.raises(UsageError, match=message):
        check_params(params, "params.yaml")
