"""The models that are shipped are those that were scored, and say from what they were made."""

import contextlib
import hashlib
import json
import shutil
from pathlib import Path

import pytest

from ecgfeat.errors import DataError
from ecgfeat.prediction.models import load_models
from ecgfeat.pretrained import DEFAULT, FOLDER, find_models, list_shipped
from ecgfeat.store.seal import write_sealed
from pipeline.params import read_params
from pipeline.run import ship
from pipeline.run.shipped_summary import write_shipped_table

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def run(systems_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ship")
    for name in ("models/beats", "models/rhythm", "data/raw", "data/diagnostic"):
        shutil.copytree(systems_run / name, folder / name)
    (folder / "reports").mkdir()
    shutil.copy(systems_run / "reports/outside.json", folder / "reports")
    for name in ("params.yaml",):
        shutil.copy(systems_run / name, folder)
    (folder / "code.json").write_text(json.dumps({"train_beats": "a" * 32, "train_rhythm": "b" * 32}))
    return folder


@pytest.fixture
def package(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(ship, "FOLDER", tmp_path / "pretrained")
    monkeypatch.setattr(ship, "RESULTS", tmp_path / "results")
    monkeypatch.chdir(run)
    return tmp_path


def test_models_and_numbers_go_into_the_package_together(run: Path, package: Path) -> None:
    ship.main("small")
    folder = package / "pretrained/small"
    made = json.loads((folder / "made.json").read_text())
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*.*")} - {"made.json"}
    assert set(made["sha256"]) == files
    for name, value in made["sha256"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == value
    assert made["code"] == {"train_beats": "a" * 32, "train_rhythm": "b" * 32}
    assert made["seed"] == read_params().seed
    assert set(made["data"]) == {"simulate"}  # simulate12 is outside: it taught nothing
    assert {"licence", "citation", "files_sha256"} <= set(made["data"]["simulate"])
    assert load_models(folder).checksums == load_models(run / "models").checksums
    results = json.loads((package / "results/small.json").read_text())
    assert {of["file"] for of in results["models"].values()} == files
    assert not any("." in name for name in results["models"])


def test_scores_of_other_models_are_not_shipped(package: Path, run: Path) -> None:
    path = run / "reports/outside.json"
    scores = json.loads(path.read_text())
    other = scores | {"models": dict.fromkeys(scores["models"], "0" * 64)}
    with contextlib.ExitStack() as stack:
        stack.callback(path.write_text, path.read_text())
        for changed in (other, scores | {"split": "validation"}):
            write_sealed(path, changed)
            with pytest.raises(DataError, match="scores of other models or records"):
                ship.main("small")
    assert not (package / "pretrained/small").exists()


def test_a_model_that_is_too_large_is_not_shipped(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ship, "MOST_BYTES", 1000)
    with pytest.raises(DataError, match="bytes; expected 1,000 at most"):
        ship.main("small")
    assert not (package / "pretrained/small").exists()


def interval(names: tuple[str, ...]) -> dict[str, dict[str, float]]:
    return {name: {"low": 0.1, "high": 0.9} for name in names}


def test_every_fixed_name_has_its_bounds() -> None:
    beats = {f"{c}_{score}": 0.5 for c in "nsv" for score in ("f1", "sensitivity", "positive_predictivity")}
    beats |= {"bxb": {**beats, "interval": interval(tuple(beats))}, "mean_s_f1": 0.4}
    f1 = dict.fromkeys(("NSR", "AFIB", "SBR", "AB", "SVTA", "B"), 0.5)
    af = {"duration_sensitivity": 0.5, "duration_positive_predictivity": 0.6}
    named = {"macro_f1": 0.5, "f1": f1, "af": {**af, "interval": interval(tuple(af))}, "episodes": {}}
    named["interval"] = {**interval(("macro_f1",)), "f1": interval(("AFIB", "B"))}
    of_rhythm = {"both": {"viterbi": named}}
    areas = {f"{score}{suffix}": 0.5 for score in ("auroc", "auprc") for suffix in ("", "_normal")}
    rule = {"sensitivity": 0.5, "specificity": 0.5, "f1": 0.5}
    of_records = {
        "af": dict.fromkeys(("both", "rr_trees", "rr_irregular"), areas),
        "af_rule": rule,
        "free_of_af": {"share_called_af": 0.02},
        "normal": {"share_ectopic": 0.01},
        "num_records": 9,
        "usable_share": 0.9,
    }
    scores = {
        "beats": {"mitdb": beats},
        "rhythm": {"mitdb": of_rhythm, "ltafdb": {"labels_hidden": {"viterbi": named}}},
        "records": {"cinc2017": of_records, "mitdb": {"usable_share": 0.99}},
        "without": {"beats": {"mitdb": beats}, "rhythm": {"mitdb": of_rhythm}},
    }
    results = ship.pick_results(scores)
    for path in (
        "mitdb_ds2.beats.n_f1",
        "mitdb_ds2.beats.s_f1",
        "mitdb_ds2.beats.v_f1",
        "mitdb_ds2.beats.s_f1_without_232",
        "mitdb_ds2.rhythm.macro_f1",
        "mitdb_ds2.rhythm.macro_f1_without_232",
        "mitdb_ds2.rhythm.afib_f1",
        "mitdb_ds2.rhythm.b_f1",
        "mitdb_ds2.rhythm.af_duration_sensitivity",
        "mitdb_ds2.rhythm.af_duration_positive_predictivity",
        "cinc2017_held.af_auroc",
        "cinc2017_held.a_vs_n_auroc",
        "cinc2017_held.ectopic_share_normal",
        "ltafdb_labels_hidden.macro_f1",
        "ltafdb_labels_hidden.afib_f1",
    ):
        *keys, name = path.split(".")
        branch = results
        for key in keys:
            branch = branch[key]
        assert {name, f"{name}_low", f"{name}_high"} <= set(branch), path
    table = write_shipped_table(results | {"models": {}})
    assert "**.500** (.100 to .900)" in table
    assert table.count("\n") == 10  # two lines of head, nine rows


def test_the_shipped_models_are_complete_small_and_those_whose_numbers_are_printed() -> None:
    assert DEFAULT in list_shipped()
    folder = find_models(DEFAULT)
    assert folder.parent == FOLDER
    made = json.loads((folder / "made.json").read_text())
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    assert sum(path.stat().st_size for path in files.values()) <= ship.MOST_BYTES
    assert {name: hashlib.sha256(files[name].read_bytes()).hexdigest() for name in made["sha256"]} == made["sha256"]
    assert set(files) == {*made["sha256"], "made.json"}
    assert {path.suffix for path in files.values()} == {".json", ".safetensors", ".txt"}
    printed = json.loads((ROOT / f"docs/results/{DEFAULT}.json").read_text())["models"]
    assert {of["file"]: of["sha256"] for of in printed.values()} == made["sha256"]
    load_models(folder)
