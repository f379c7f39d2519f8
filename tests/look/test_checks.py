"""What `ecgfeat info` and `ecgfeat check` say of sound and of damaged artifacts."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from ecgfeat.acquire.manifest import write_manifest
from ecgfeat.corpora import get_corpus
from ecgfeat.errors import DataError
from ecgfeat.look.artifacts import DESCRIPTIONS, TABLE_SCHEMAS, Artifact, find_artifacts, recognise
from ecgfeat.look.checks import check_artifact, check_as_json, check_as_lines
from ecgfeat.look.description import as_text, describe
from ecgfeat.models import build_model, save_model
from ecgfeat.pretrained import DEFAULT, find_models
from ecgfeat.records.writer import write_record
from ecgfeat.simulate import simulate_corpus
from ecgfeat.store.arrays import create_array
from ecgfeat.store.described import write_described
from ecgfeat.store.names import BEAT_CLASSES, EXPORTED_FILE, EXPORTED_SCHEMA, EXPORTED_VERSION, RHYTHMS
from ecgfeat.store.publish import hash_file
from ecgfeat.store.schemas import EMBEDDINGS, RECORDS, RPEAKS, SIGNALS, WINDOWS
from ecgfeat.store.seal import write_report
from ecgfeat.store.tables import write_table

BEATS = {"a": 700, "b": 500}
"""Beats of each record: more than one chunk of windows (512) and of embeddings (1024)."""


def write_rpeaks(path: Path, params: dict[str, object] | None = None) -> None:
    size = sum(BEATS.values())
    record = np.repeat(np.array(list(BEATS), dtype=object), list(BEATS.values()))
    beat = np.concatenate([np.arange(count) for count in BEATS.values()])
    text = np.full(size, "N", dtype=object)
    columns = {
        "record": record,
        "subject": record,
        "beat": beat,
        "sample": 100 * beat + 50,
        "time_s": (100 * beat + 50) / 128,
        "rr_s": np.where(beat == 0, np.nan, 100 / 128),
        "symbol": text,
        "aami": text,
        "rhythm": text,
        "matched": np.ones(size, dtype=bool),
        "quality": np.full(size, "usable", dtype=object),
    }
    write_table(path, columns, RPEAKS, params or {"method": "ecgfeat"})


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with one artifact of every kind, in the pipeline's layout."""
    root = tmp_path_factory.mktemp("sound")
    rng = np.random.default_rng(1)
    names = list(BEATS)
    columns = {
        "record": names,
        "subject": names,
        "fs_hz": [128.0, 128.0],
        "leads": [["MLII", "V1"]] * 2,
        "num_samples": [70_100, 50_100],
        "split": ["train", "test"],
        "status": ["used", "used"],
        "reason": ["", ""],
        "signals": ["simulated", "simulated"],
    }
    write_table(root / "data/records/toy.parquet", columns, RECORDS, {})
    write_rpeaks(root / "data/rpeaks/toy.parquet")
    rpeaks_sha = hash_file(root / "data/rpeaks/toy.parquet")
    stores = (
        (SIGNALS, {"a": 70_100, "b": 50_100}, (2,), hash_file(root / "data/records/toy.parquet")),
        (WINDOWS, BEATS, (2, 256), rpeaks_sha),
        (EMBEDDINGS, BEATS, (512,), rpeaks_sha),
    )
    for schema, num_rows, row_shape, source in stores:
        path = root / f"data/{schema.name}/toy.zarr"
        with create_array(path, schema, num_rows=num_rows, row_shape=row_shape, params={}, source=source) as writer:
            for count in num_rows.values():
                writer.append((300 * rng.standard_normal((count, *row_shape))).astype(schema.dtype))
    raw = root / "data/raw/simulate"
    raw.mkdir(parents=True)
    records = simulate_corpus(raw, num_subjects=1, minutes=0.5, fs_hz=128, seed=3)
    write_manifest(raw, get_corpus("simulate"), "simulated", records)
    config = {"num_features": 55, "width": 8, "num_blocks": 1, "num_heads": 1}
    model = build_model("rhythm_window", **config)
    save_model(root / "models/rhythm", "rhythm_window", model, config, {"log": [{"epoch": 0.0}], "seed": 1})
    return root


@pytest.fixture
def copy(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "copy"))


def faults(path: Path) -> list[str]:
    return [line for artifact in find_artifacts(path) for line in check_artifact(artifact).faults]


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 0xFF
    path.write_bytes(bytes(content))


def test_every_artifact_of_the_pipeline_is_found_and_intact(sound: Path) -> None:
    checks = [check_artifact(one) for one in find_artifacts(sound)]
    assert [str(one.artifact.path.relative_to(sound)) for one in checks] == [
        "data/embeddings/toy.zarr",
        "data/raw/simulate",
        "data/records/toy.parquet",
        "data/rpeaks/toy.parquet",
        "data/signals/toy.zarr",
        "data/windows/toy.zarr",
        "models/rhythm",
    ]
    assert [line for one in checks for line in one.faults + one.notes] == []
    assert all(line.startswith("ok ") for one in checks for line in check_as_lines(one))
    json.dumps([check_as_json(one) for one in checks], allow_nan=False)


def test_info_of_a_table(sound: Path) -> None:
    described = describe(sound / "data/rpeaks/toy.parquet")
    assert (described["schema"], described["version"], described["complete"]) == ("rpeaks", 2, True)
    assert (described["rows"], described["records"]) == (1200, 2)
    assert described["params"] == {"method": "ecgfeat"}
    column = {one["name"]: one for one in described["columns"]}["sample"]
    assert column == {
        "name": "sample",
        "dtype": "int64",
        "unit": "samples",
        "description": "position of the R-peak at the common rate, 128 Hz",
    }
    text = as_text(described)
    assert "rows: 1,200" in text
    assert "params.method: ecgfeat" in text


def test_info_of_a_store(sound: Path) -> None:
    described = describe(sound / "data/windows/toy.zarr")
    (array,) = described["arrays"]
    assert array["shape"] == [1200, 2, 256]
    assert array["chunks"] == [512, 2, 256]
    assert (array["dtype"], array["unit"], array["fill"]) == ("int16", "uV", -32768)
    assert array["dimensions"] == ["beat", "lead", "sample"]
    assert described["complete"] is True
    assert "window_uv.shape: 1200, 2, 256" in as_text(described)


def test_info_of_an_unfinished_store_describes_it_as_incomplete(copy: Path) -> None:
    path = copy / "data/windows/toy.zarr/zarr.json"
    path.write_text(path.read_text().replace('"complete": true', '"complete": false'))
    assert describe(path.parent)["complete"] is False
    assert "complete: NO" in as_text(describe(path.parent))


def test_info_of_model_corpus_record_and_folder(sound: Path) -> None:
    model = describe(sound / "models/rhythm")
    assert (model["name"], model["complete"], model["epochs"]) == ("rhythm_window", True, {"log": 1})
    assert model["config"]["num_features"] == 55
    corpus = describe(sound / "data/raw/simulate")
    assert (corpus["records"], corpus["signals"], corpus["complete"]) == (1, "simulated", True)
    record = describe(sound / "data/raw/simulate/sim000")
    assert (record["fs_hz"], record["duration_s"], record["beside"]) == (128.0, 30.0, ["atr"])
    assert record == describe(sound / "data/raw/simulate/sim000.hea")
    folder = describe(sound / "data")
    assert [one["kind"] for one in folder["artifacts"]] == ["array", "corpus", "table", "table", "array", "array"]
    json.dumps(folder, allow_nan=False)
    assert as_text(folder).count("kind: ") == 6


def test_info_of_a_table_made_elsewhere_has_no_schema(tmp_path: Path) -> None:
    pl.DataFrame({"x": [1, 2]}).write_parquet(tmp_path / "x.parquet")
    described = describe(tmp_path / "x.parquet")
    assert (described["schema"], described["rows"]) == (None, 2)
    assert "schema None; expected one of records, beats" in faults(tmp_path)[0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: folder / "gone", "nothing there; expected a file, a folder or a WFDB record"),
        (lambda folder: folder, "no artifact in it"),
        (lambda folder: _text(folder / "a.txt"), "no recording that is known; expected one of WFDB"),
        (lambda folder: _text(folder / "a.parquet"), "not a whole Parquet file"),
    ],
)
def test_info_refuses_in_one_line(tmp_path: Path, make: Callable[[Path], Path], message: str) -> None:
    with pytest.raises(DataError, match=message) as error:
        describe(make(tmp_path))
    assert "\n" not in str(error.value)


def _text(path: Path) -> Path:
    path.write_text("no ECG")
    return path


def test_a_damaged_page_is_reported_with_its_column(copy: Path) -> None:
    path = copy / "data/rpeaks/toy.parquet"
    flip(path, 600)
    found = faults(path)
    assert len(found) == 1
    assert "damaged column" in found[0]


def test_a_cut_table_is_reported(copy: Path) -> None:
    path = copy / "data/records/toy.parquet"
    path.write_bytes(path.read_bytes()[:-10])
    assert "not a whole Parquet file" in faults(path)[0]


def test_every_damaged_chunk_of_a_store_is_reported(copy: Path) -> None:
    path = copy / "data/windows/toy.zarr"
    shard = path / "window_uv/c/0/0/0"
    size = shard.stat().st_size
    flip(shard, size // 6)
    flip(shard, size - 5000)
    found = faults(path)
    assert ["damaged rows 0 to 512" in found[0], "damaged rows 1024 to 1200" in found[1], len(found)] == [True, True, 2]


def test_a_missing_shard_is_reported(copy: Path) -> None:
    path = copy / "data/embeddings/toy.zarr"
    (path / "embedding/c/0/0").unlink()
    assert faults(path) == [
        f"{path}: shard embedding/c/0/0 is missing; expected 1 shards. Delete it and run: dvc repro"
    ]


def test_a_file_that_is_no_shard_is_reported(copy: Path) -> None:
    _text(copy / "data/windows/toy.zarr/window_uv/c/0/0/1")
    assert "no shard, window_uv/c/0/0/1" in faults(copy)[0]


def test_nan_in_embeddings_is_reported(tmp_path: Path) -> None:
    rows = np.ones((3, 512), dtype=np.float32)
    rows[1, 7] = np.nan
    path = tmp_path / "toy.zarr"
    with create_array(path, EMBEDDINGS, num_rows={"a": 3}, row_shape=(512,), params={}, source="") as writer:
        writer.append(rows)
    assert "1 rows with NaN" in faults(path)[0]


def test_an_unfinished_store_is_reported_and_still_read(copy: Path) -> None:
    path = copy / "data/windows/toy.zarr"
    meta = path / "zarr.json"
    meta.write_text(meta.read_text().replace('"complete": true', '"complete": false'))
    flip(path / "window_uv/c/0/0/0", 100)
    found = faults(path)
    assert "not complete" in found[0]
    assert "damaged rows" in found[1]


def test_stores_made_from_another_table_are_reported(copy: Path) -> None:
    write_rpeaks(copy / "data/rpeaks/toy.parquet", {"method": "xqrs"})
    found = faults(copy)
    assert len(found) == 2
    assert all("rows made from another table" in line for line in found)
    assert ["embeddings" in found[0], "windows" in found[1]] == [True, True]


def test_another_version_of_a_schema_is_reported(copy: Path) -> None:
    path = copy / "data/windows/toy.zarr/zarr.json"
    path.write_text(path.read_text().replace('"version": 1', '"version": 2'))
    assert "schema windows version 2; expected version 1" in faults(path.parent)[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows["sample"].__setitem__(5, 0), "sample of record a not ascending"),
        (lambda rows: rows["beat"].__setitem__(5, 0), "beats of record a not numbered 0 to 699"),
        (lambda rows: rows["record"].__setitem__(5, "b"), "rows of a record in several places"),
        (lambda rows: rows.update(record=np.where(rows["record"] == "a", "z", "b")), "records z that"),
    ],
)
def test_rows_against_the_rules_of_the_schema_are_reported(
    copy: Path, change: Callable[[dict[str, np.ndarray]], None], message: str
) -> None:
    path = copy / "data/rpeaks/toy.parquet"
    rows = {name: np.array(column) for name, column in pl.read_parquet(path).to_dict(as_series=False).items()}
    rows["record"] = rows["record"].astype(object)
    change(rows)
    write_table(path, rows, RPEAKS, {})
    assert [message in line for line in faults(path)] == [True]


def test_raw_files_are_compared_with_corpus_json(copy: Path) -> None:
    raw = copy / "data/raw/simulate"
    flip(raw / "sim000.dat", 10)
    (raw / "sim000.atr").unlink()
    _text(raw / "stray.txt")
    names = ("sim000.atr: no such file", "sim000.dat: ", "file stray.txt, which corpus.json does not list")
    assert [any(name in line for line in faults(raw)) for name in names] == [True] * 3
    assert len(faults(raw)) == 3
    (raw / "corpus.json").unlink()
    assert "no readable corpus.json" in faults(raw)[0]


def test_damaged_weights_are_told(copy: Path) -> None:
    flip(copy / "models/rhythm/model.safetensors", -1)
    assert "other bytes; expected the checksum in model.json" in faults(copy / "models")[0]
    assert describe(copy / "models/rhythm")["complete"] is False
    (copy / "models/rhythm/model.json").unlink()
    assert "no such file" in faults(copy / "models")[0]


def test_faults_of_several_artifacts_are_all_reported(copy: Path) -> None:
    flip(copy / "models/rhythm/model.safetensors", -1)
    flip(copy / "data/raw/simulate/sim000.dat", 10)
    flip(copy / "data/windows/toy.zarr/window_uv/c/0/0/0", 100)
    assert len(faults(copy)) == 3


def test_a_store_outside_the_layout_has_a_note_on_alignment(copy: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(copy / "data/windows/toy.zarr", tmp_path / "elsewhere" / "toy.zarr")
    check = check_artifact(Artifact(Path(moved), "array"))
    assert check.faults == []
    assert "alignment not checked" in check_as_lines(check)[0]


def test_bytes_read_are_reported_to_the_caller(sound: Path) -> None:
    read: list[int] = []
    artifact = recognise(sound / "data/windows/toy.zarr")
    assert artifact is not None
    check_artifact(artifact, on_read=read.append)
    assert sum(read) == 1200 * 2 * 256 * 2


def test_real_record(mitdb: Path) -> None:
    artifact = recognise(mitdb / "100")
    assert artifact == Artifact(mitdb / "100", "record")
    check = check_artifact(artifact)
    assert (check.faults, check.summary) == (
        [],
        "record (WFDB), 650,000 samples of 2 leads at 360 Hz, 2,274 annotations",
    )


def test_schema_names_are_unique() -> None:
    assert all(name == schema.name for name, schema in TABLE_SCHEMAS.items())


def write_export(folder: Path) -> Path:
    files = {name: name.encode() for name in ("beats.onnx", "rhythm.onnx")}
    described = {"beat_classes": list(BEAT_CLASSES), "rhythms": list(RHYTHMS), "rhythm": {"method": "both"}, "info": {}}
    write_described(folder, EXPORTED_FILE, EXPORTED_SCHEMA, EXPORTED_VERSION, files, described)
    return folder


def test_a_folder_of_onnx_files_is_an_artifact(tmp_path: Path) -> None:
    folder = write_export(tmp_path / "light")
    assert recognise(folder) == Artifact(folder, "export")
    described = describe(folder)
    assert (described["kind"], described["complete"], described["head"]) == ("export", True, "both")
    assert "head: both" in as_text(described)
    check = check_artifact(Artifact(folder, "export"))
    assert check.faults == []
    assert check_as_lines(check) == [f"ok     {folder}: default models as 2 ONNX files, head both"]


def test_damaged_onnx_files_are_named(tmp_path: Path) -> None:
    folder = write_export(tmp_path / "light")
    (folder / "beats.onnx").write_bytes(b"other")
    (folder / "rhythm.onnx").unlink()
    assert describe(folder)["complete"] is False
    faults = check_artifact(Artifact(folder, "export")).faults
    assert [name in line for name, line in zip(("beats.onnx", "rhythm.onnx"), faults, strict=True)] == [True, True]
    assert all("Export or copy the models again" in line for line in faults)
    (folder / EXPORTED_FILE).write_text("{")
    (line,) = check_artifact(Artifact(folder, "export")).faults
    assert "cannot be read" in line
    with pytest.raises(DataError, match=r"no readable models\.json"):
        describe(folder)


def test_links_are_followed_once_and_broken_ones_named(tmp_path):
    write_record(tmp_path, "x", np.full((300, 1), 5, np.int16), 250, ["I"])
    (tmp_path / "again").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "other").mkdir()
    for suffix in (".hea", ".dat"):
        (tmp_path / "other" / f"x{suffix}").symlink_to(tmp_path / f"x{suffix}")
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    checks = [check_artifact(artifact) for artifact in find_artifacts(tmp_path)]
    kinds = [(check.artifact.kind, check.artifact.path.name) for check in checks]
    assert kinds.count(("link", "gone")) == 1
    assert len([kind for kind, _ in kinds if kind == "record"]) <= 2
    faults = [line for check in checks for line in check.faults]
    assert len(faults) == 1
    assert "a link to" in faults[0]
    assert "which is not there; expected a file or a folder" in faults[0]


def test_a_check_never_ends_the_others(tmp_path, monkeypatch):
    write_record(tmp_path, "x", np.full((300, 1), 5, np.int16), 250, ["I"])

    def fail(*arguments, **options):
        raise RuntimeError("a fault of a library")

    monkeypatch.setattr("ecgfeat.look.checks.open_recording", fail)
    (check,) = (check_artifact(artifact) for artifact in find_artifacts(tmp_path / "x"))
    assert "cannot be read (RuntimeError: a fault of a library); expected an intact artifact" in check.faults[0]


@pytest.mark.parametrize("name", ["trees.json", "classifier.json", "arrhythmia.json", "rr_trees.json"])
def test_damage_in_any_file_of_a_model_of_several_is_reported(tmp_path: Path, name: str) -> None:
    files = {"forest.txt": b"split 0.25\n" * 20, "net.safetensors": bytes(range(200))}
    content = {"threshold": 0.25, "info": {"seed": 1}}
    write_described(tmp_path / "model", name, "ecgfeat.toy", 1, files, content)
    assert f"schema ecgfeat.toy in {name}" in faults(tmp_path)[0]
    write_described(tmp_path / "model", name, DESCRIPTIONS[name], 1, files, content)
    assert faults(tmp_path) == []
    assert describe(tmp_path / "model")["params"] == {"seed": 1}
    for path in sorted((tmp_path / "model").iterdir()):
        whole = path.read_bytes()
        for at in range(0, len(whole), 7):
            flip(path, at)
            assert len(faults(tmp_path)) == 1, (path.name, at)
            path.write_bytes(whole)
        path.rename(tmp_path / "aside")
        assert len(faults(tmp_path)) == 1, path.name
        (tmp_path / "aside").rename(path)
    (tmp_path / "model" / "more.txt").write_text("")
    assert "file more.txt" in faults(tmp_path)[0]


@pytest.mark.parametrize("name", ["net.safetensors", "rr_trees.txt", "forest0_seed0.txt"])
def test_a_model_that_lost_its_description_is_reported(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"3")
    assert "without its description" in faults(tmp_path)[0]


def test_the_shipped_models_are_intact() -> None:
    checks = [check_artifact(artifact) for artifact in find_artifacts(find_models(DEFAULT))]
    assert {check.artifact.kind for check in checks} == {"described"}
    assert len(checks) == 2
    assert [line for check in checks for line in check.faults] == []


@pytest.mark.parametrize("name", ["scores.json", "outside.json", "sensitivity.json", "training.json", "arena.json"])
def test_a_changed_figure_in_a_report_is_reported(tmp_path: Path, name: str) -> None:
    write_report(tmp_path / name, name.removesuffix(".json"), {"rhythm": {"ltafdb": {"macro_f1": 0.529}}})
    assert faults(tmp_path) == []
    assert describe(tmp_path / name)["entries"] == ["rhythm"]
    (tmp_path / name).write_text((tmp_path / name).read_text().replace("0.529", "0.629"))
    assert "digest" in faults(tmp_path)[0]
