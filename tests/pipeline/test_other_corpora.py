"""Beats and rhythms are also learnt from annotations alone and from short records with one diagnosis."""

import contextlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML

from ecgfeat.corpora.halves import split_short_records
from ecgfeat.simulate import simulate_corpus
from ecgfeat.store.schemas import BEAT_TABLE, RECORDS, RPEAKS
from ecgfeat.store.tables import read_table
from pipeline import acquire_diagnostic, annotations, classify, diagnoses, short_records, train_beats, train_rhythm
from pipeline.params import read_params
from pipeline.read import paths
from pipeline.read.annotated import read_annotated, read_described
from pipeline.read.beat_training import read_weak_records


def make_mirror(folder: Path) -> Path:
    """Write headers and annotations of ten subjects as cpsc2021 has them, without signals."""
    corpus = folder / "cpsc2021"
    corpus.mkdir(parents=True)
    (folder / "made").mkdir()
    simulate_corpus(folder / "made", num_subjects=10, minutes=4, fs_hz=200, seed=9)
    names = []
    for number in range(10):
        name = f"data_{number}_1"
        header = (folder / f"made/sim{number:03d}.hea").read_text().replace(f"sim{number:03d}", name)
        (corpus / f"{name}.hea").write_text(header)
        shutil.copy(folder / f"made/sim{number:03d}.atr", corpus / f"{name}.atr")
        names.append(name)
    (corpus / "RECORDS").write_text("\n".join(names) + "\n")
    return folder


@pytest.fixture(scope="module")
def run(systems_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train beats and rhythms of a small run again, with annotations of another corpus and short records."""
    folder = tmp_path_factory.mktemp("other") / "run"
    shutil.copytree(systems_run, folder)
    mirror = make_mirror(tmp_path_factory.mktemp("mirror"))
    yaml = YAML()
    params = yaml.load(folder / "params.yaml")
    params["annotations"]["corpora"] = ["cpsc2021"]
    params["short_records"]["corpora"] = ["simulate12"]
    params["outside"]["corpora"] = []
    yaml.dump(params, folder / "params.yaml")
    with contextlib.chdir(folder), pytest.MonkeyPatch.context() as patch:
        patch.setenv("ECGFEAT_MIRROR", str(mirror))
        annotations.main("cpsc2021")
        for stage in (acquire_diagnostic, diagnoses, short_records):
            stage.main("simulate12")
        train_beats.main()
        classify.main("simulate")
        train_rhythm.main()
    return folder


def test_annotations_are_read_without_signals(run: Path) -> None:
    with contextlib.chdir(run):
        records = read_table(paths.records("cpsc2021"), RECORDS)
        assert set(records["signals"]) == {"none"}
        assert set(records["status"]) == {"used"}
        beats = read_table(paths.beats("cpsc2021"), BEAT_TABLE)
        read = [beats for split in ("train", "validation", "test") for beats in read_annotated(["cpsc2021"], split)]
    assert sum(len(record.sample) for record in read) == len(beats["sample"])
    assert {"NSR"} < {name for record in read for name in record.rhythm}
    for record in read:
        assert (np.diff(record.sample) > 0).all()
        assert 40 < np.median(60 * 128 / np.diff(record.sample)) < 150


def test_short_records_have_the_tables_of_the_rhythm_corpora(run: Path) -> None:
    with contextlib.chdir(run):
        records, rpeaks = (
            read_table(paths.records("simulate12"), RECORDS),
            read_table(paths.rpeaks("simulate12"), RPEAKS),
        )
        described = [
            beats for split in ("train", "validation", "test") for beats in read_described("simulate12", (split,))
        ]
    assert {"train", "validation", "test", "none"} == set(records["split"])  # several diagnoses: in no half
    assert {"", "NSR", "SBR", "AFIB"} >= set(rpeaks["rhythm"]) > {""}
    assert described
    for beats in described:
        assert len(beats.window_uv) == len(beats.feature["qrs_width_s_1"]) == len(beats.rpeaks["sample"])
        assert np.isfinite(beats.feature["qrs_width_s_1"]).mean() > 0.8  # the last window may reach beyond the end


def test_the_test_half_takes_no_part_in_training(run: Path) -> None:
    with contextlib.chdir(run):
        weak = list(read_weak_records(read_params(), np.random.default_rng(0)))
        split = dict(
            zip(*(read_table(paths.records("simulate12"), RECORDS)[name] for name in ("record", "split")), strict=True)
        )
        normal = {
            beats.row["record"]
            for beats in read_described("simulate12", ("train",))
            if (beats.rpeaks["rhythm"] == "NSR").all()
        }
    assert len(weak) == len(normal) > 0
    assert {split[record] for record in normal} == {"train"}
    assert all((record.label == 0).all() and record.is_weak for record in weak)


def test_models_say_what_they_learnt_from(run: Path) -> None:
    for path in ("models/beats/classifier/classifier.json", "models/rhythm/arrhythmia.json"):
        info = json.loads((run / path).read_text())["info"]
        assert info["corpora"] == ["simulate"]
        assert info["annotations"] == ["cpsc2021"]
        assert info["short_records"] == ["simulate12"]
        assert "cpsc2021" not in json.dumps(info["params"])


def test_a_split_of_short_records_is_that_of_the_halves() -> None:
    label = {f"A{number}": "NA"[number % 2] for number in range(12)}
    assert sorted(split_short_records(label, "NA").values()).count("test") == 6
