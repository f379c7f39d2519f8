"""The default models from ONNX files: the numbers of torch and LightGBM, without either of them."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import lightgbm
import numpy as np
import pytest

from ecgfeat.arrhythmia.head import name_beats
from ecgfeat.arrhythmia.posteriors import METHODS, Stretch
from ecgfeat.beats.classifier import classify_record
from ecgfeat.beats.classifier import decide_classes as decide_by_torch
from ecgfeat.beats.probabilities import gate_early
from ecgfeat.beats.windows import cut_beats
from ecgfeat.cli import main
from ecgfeat.deploy import models as deployed
from ecgfeat.deploy.light import FILES, classify_beats, decide_classes, name_rhythms, open_models
from ecgfeat.errors import DataError, UsageError
from ecgfeat.features.intervals import usual_interval
from ecgfeat.features.record import Beats, describe_beats
from ecgfeat.files import read
from ecgfeat.prediction.models import load_models
from ecgfeat.signals.resample import resample, to_microvolts
from ecgfeat.store.names import COMMON_FS_HZ, INVALID_UV, RHYTHMS
from ecgfeat.store.schemas import RPEAKS
from ecgfeat.store.tables import read_table, split_by_record
from ecgfeat.trees import Trees, TreeSettings, fit_trees

pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

from ecgfeat.deploy.onnx_trees import trees_to_onnx
from ecgfeat.deploy.session import open_onnx, run_onnx
from tests.fixtures.sealed import write_sealed

TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def trained(systems_run: Path):
    return load_models(systems_run / "models")


@pytest.fixture(scope="module")
def folder(systems_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("light") / "models"
    assert main(["export", str(systems_run / "models"), str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def light(folder: Path):
    return open_models(folder)


@pytest.fixture(scope="module", params=[1, 2])
def beats(request, systems_run: Path, trained):
    """Return windows, beat features and RR intervals of a simulated record, in stretches of 1, 3 and many beats."""
    record = read(systems_run / "data/raw/simulate/sim001")
    rows = split_by_record(read_table(systems_run / "data/rpeaks/simulate.parquet", RPEAKS))["sim001"]
    signal_uv_SC = to_microvolts(resample(record.signal_mv_SC, record.fs_hz, COMMON_FS_HZ))
    window_uv_LCS = cut_beats(signal_uv_SC, rows["sample"], num_samples=256, num_leads=request.param)
    rr_s = np.diff(rows["sample"] / COMMON_FS_HZ, prepend=np.nan)
    rr_s[[1, 4]] = np.nan
    used = Beats(rr_s, np.ones(len(rr_s), dtype=np.bool_))
    feature = describe_beats(used, window_uv_LCS, median_beats=trained.classifier.median_beats)
    assert len(rr_s) > 100
    assert window_uv_LCS.shape[1] == request.param
    return window_uv_LCS, feature, rr_s


def split(value_L, rr_s):
    return np.split(value_L, np.flatnonzero(np.isnan(rr_s))[1:])


def describe(rr_s, probability_LK):
    usual_s = usual_interval(rr_s)
    pairs = zip(split(rr_s, rr_s), split(probability_LK, rr_s), strict=True)
    return [Stretch(rr, usual_s, part).describe() for rr, part in pairs]


def draw_beats(num_beats: int, seed: int):
    generator = np.random.default_rng(seed)
    rr_s = np.round(generator.gamma(30, 0.8 / 30, num_beats) * 128) / 128
    rr_s[0] = np.nan
    return rr_s, generator.dirichlet([5, 1, 1], num_beats).astype(np.float32)


def test_the_folder_describes_itself(folder: Path, systems_run: Path, tmp_path: Path) -> None:
    described = json.loads((folder / "models.json").read_text())
    assert {path.name for path in folder.iterdir()} == {"models.json", *FILES} == {"models.json", *described["sha256"]}
    assert described["info"]["models"] == load_models(systems_run / "models").checksums
    deployed.export_models(load_models(systems_run / "models"), tmp_path / "again")
    for name in ("models.json", *FILES):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()
        assert b".py" not in (folder / name).read_bytes()


def test_beats_are_classified_as_by_torch(trained, light, beats) -> None:
    window_uv_LCS, feature, _ = beats
    expected_LK = classify_record(trained.classifier, window_uv_LCS, feature)
    np.testing.assert_allclose(classify_beats(light, window_uv_LCS, feature), expected_LK, atol=TOLERANCE)
    assert np.ptp(expected_LK, axis=0).min() > 100 * TOLERANCE, "or nothing was compared"


def test_missing_features_and_signal_are_read_as_by_torch(trained, light, beats) -> None:
    window_uv_LCS, feature, _ = beats
    generator = np.random.default_rng(3)
    window_uv_LCS = window_uv_LCS.copy()
    window_uv_LCS[::5, :, 100:120] = INVALID_UV
    window_uv_LCS[::7, 0] = INVALID_UV
    feature = {name: np.where(generator.random(len(value)) < 0.3, np.nan, value) for name, value in feature.items()}
    feature = {name: value.astype(np.float32) for name, value in feature.items()}
    for window in (window_uv_LCS, np.full_like(window_uv_LCS, INVALID_UV)):
        expected_LK = classify_record(trained.classifier, window, feature)
        np.testing.assert_allclose(classify_beats(light, window, feature), expected_LK, atol=TOLERANCE)


@pytest.mark.parametrize("num_beats", [1, 2, 3, 1023, 1024, 2300])
def test_records_of_any_length_are_classified_as_by_torch(trained, light, beats, num_beats: int) -> None:
    window_uv_LCS, feature, _ = beats
    rows = np.random.default_rng(num_beats).integers(0, len(window_uv_LCS), num_beats)
    drawn = {name: value[rows] for name, value in feature.items()}
    expected_LK = classify_record(trained.classifier, window_uv_LCS[rows], drawn)
    np.testing.assert_allclose(classify_beats(light, window_uv_LCS[rows], drawn), expected_LK, atol=TOLERANCE)


def test_rhythms_are_named_as_by_torch(trained, light, beats) -> None:
    window_uv_LCS, feature, rr_s = beats
    probability_LK = classify_record(trained.classifier, window_uv_LCS, feature)
    posteriors, paths = name_beats(trained.head, describe(rr_s, probability_LK), trained.head.method)
    assert [len(posterior_LK) for posterior_LK in posteriors][:2] == [1, 3]
    parts = {name: split(value, rr_s) for name, value in feature.items()}
    stretches = [dict(zip(parts, columns, strict=True)) for columns in zip(*parts.values(), strict=True)]
    for features in (None, stretches):
        named = name_rhythms(light, split(rr_s, rr_s), split(probability_LK, rr_s), features)
        for rhythms, posterior_LK, path_L, part_LK in zip(
            named, posteriors, paths, split(probability_LK, rr_s), strict=True
        ):
            np.testing.assert_allclose(rhythms.posterior, posterior_LK, atol=TOLERANCE)
            is_used = trained.head.smoothing[trained.head.method].is_used
            np.testing.assert_array_equal(rhythms.label, path_L if is_used else posterior_LK.argmax(axis=1))
            gated_LK = gate_early(part_LK, posterior_LK[:, RHYTHMS.index("AFIB")])
            decided_L = decide_by_torch(trained.classifier, gated_LK)
            np.testing.assert_array_equal(decide_classes(light, part_LK, rhythms.posterior), decided_L)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("is_used", [False, True])
def test_a_record_of_many_chunks_is_named_as_by_torch(trained, light, method, is_used: bool) -> None:
    num_beats = 40 * light.chunk_beats // 10 + 11
    rr_s, probability_LK = draw_beats(num_beats, 5)
    smoothing = replace(trained.head.smoothing[method], is_used=is_used)
    ((posterior_LK,), (path_L,)) = name_beats(trained.head, describe(rr_s, probability_LK), method)
    (named,) = name_rhythms(replace(light, method=method, smoothing=smoothing), [rr_s], [probability_LK])
    np.testing.assert_allclose(named.posterior, posterior_LK, atol=TOLERANCE)
    np.testing.assert_array_equal(named.label, path_L if is_used else posterior_LK.argmax(axis=1))


def test_a_record_without_beats(light) -> None:
    assert classify_beats(light, np.zeros((0, 2, 256), dtype=np.int16), {}).shape == (0, 3)
    assert name_rhythms(light, [], []) == []


@pytest.mark.parametrize(("shape", "dtype"), [((3, 2, 128), "int16"), ((3, 2, 256), "float32"), ((3, 256), "int16")])
def test_other_windows_are_refused(light, shape, dtype) -> None:
    with pytest.raises(DataError, match=r"^beat windows: .*; expected int16 of shape \(beats, leads, 256\)\.$"):
        classify_beats(light, np.zeros(shape, dtype), {})


RUN = """
import sys
for name in ("torch", "lightgbm", "onnx", "scipy", "pyarrow", "safetensors", "typer"):
    sys.modules[name] = None
from pathlib import Path
import numpy as np
from ecgfeat.deploy.light import classify_beats, name_rhythms, open_models
models, given = open_models(Path(sys.argv[1])), np.load(sys.argv[2])
feature = {name: given[name] for name in given.files}
window_uv_LCS, rr_s = feature.pop("window"), feature.pop("rr_s")
probability_LK = classify_beats(models, window_uv_LCS, feature)
(named,) = name_rhythms(models, [rr_s], [probability_LK], [feature])
np.savez(sys.argv[3], probability=probability_LK, posterior=named.posterior)
"""


def test_neither_torch_nor_lightgbm_is_imported(trained, folder: Path, beats, tmp_path: Path) -> None:
    window_uv_LCS, feature, rr_s = (
        {name: value[4:] for name, value in of.items()} if isinstance(of, dict) else of[4:] for of in beats
    )
    np.savez(tmp_path / "given.npz", window=window_uv_LCS, rr_s=rr_s, **feature)
    command = [sys.executable, "-c", RUN, folder, tmp_path / "given.npz", tmp_path / "answer.npz"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    answer = np.load(tmp_path / "answer.npz")
    probability_LK = classify_record(trained.classifier, window_uv_LCS, feature)
    np.testing.assert_allclose(answer["probability"], probability_LK, atol=TOLERANCE)
    # Features over the whole record are as they were: the mean interval is that of these beats and five more.
    usual = Stretch(rr_s, usual_interval(rr_s), probability_LK, feature).describe()
    ((posterior_LK,), _) = name_beats(trained.head, [usual], trained.head.method)
    np.testing.assert_allclose(answer["posterior"], posterior_LK, atol=TOLERANCE)


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_is_one_line(folder: Path, tmp_path: Path, name: str) -> None:
    broken = Path(shutil.copytree(folder, tmp_path / "models"))
    content = bytearray((broken / name).read_bytes())
    content[len(content) // 2] ^= 1
    (broken / name).write_bytes(content)
    with pytest.raises(DataError, match=rf"{name}: another checksum; .*Export or copy the models again") as caught:
        open_models(broken)
    assert "\n" not in str(caught.value)
    (broken / name).unlink()
    with pytest.raises(DataError, match=rf"{name}: no such file; .*Export or copy the models again"):
        open_models(broken)


@pytest.mark.parametrize("key", ["figures", "wave_columns", "beat_columns", "rhythms", "beat_classes"])
def test_models_of_other_columns_are_refused(folder: Path, tmp_path: Path, key: str) -> None:
    broken = Path(shutil.copytree(folder, tmp_path / "models"))
    described = json.loads((broken / "models.json").read_text())
    described[key] = described[key][::-1]
    write_sealed(broken / "models.json", described)
    with pytest.raises(DataError, match=f"models.json: other {key}; "):
        open_models(broken)


def test_a_description_that_is_absent_or_damaged_is_one_line(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no models.json; .*Run: ecgfeat export"):
        open_models(tmp_path)
    broken = Path(shutil.copytree(folder, tmp_path / "models"))
    text = (broken / "models.json").read_text()
    for content in (text[: len(text) // 2], text.replace('"least_early"', '"other"'), "[]"):
        (broken / "models.json").write_text(content)
        with pytest.raises(
            DataError, match=r"models.json: (cannot be read|digest .*of its content).*copy the models again"
        ):
            open_models(broken)


def test_a_missing_onnxruntime_names_its_extra(folder: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UsageError, match=r"^onnxruntime: not installed; .*pip install 'ecgfeat\[onnx\]'$"):
        open_models(folder)


def test_default_models_are_not_written_in_integers(systems_run: Path, tmp_path: Path, capsys) -> None:
    record = systems_run / "data/raw/simulate/sim001"
    assert main(["export", str(systems_run / "models"), str(tmp_path / "x"), "--int8", str(record)]) == 2
    assert "--int8: default models; expected a trained system" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_wrong_is_not_left(trained, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(deployed, "TOLERANCE", -1.0)
    with pytest.raises(DataError, match=r"^beats.onnx: probabilities differ by"):
        deployed.export_models(trained, tmp_path / "models")
    assert not list(tmp_path.iterdir())


def fit(num_classes: int, share_missing: float, seed: int = 0, **settings: int) -> Trees:
    generator = np.random.default_rng(seed)
    value_ND = np.round(generator.normal(size=(1500, 4)), 2).astype(np.float32)
    target_N = np.digitize(value_ND[:, 0] + value_ND[:, 1] * value_ND[:, 2], [0.0, 1.0][: num_classes - 1])
    value_ND[:, 1:3][generator.random((1500, 2)) < share_missing] = np.nan
    settings = {"iterations": 40, "leaves": 12, "min_rows": 10} | settings
    names = [f"column_{number}" for number in range(4)]
    options = TreeSettings(**settings, lr=0.1)
    return fit_trees(value_ND, target_N, np.ones(1500), names, options, num_classes=num_classes, seed=seed)


def list_splits(trees: Trees) -> list[dict]:
    waiting = [tree["tree_structure"] for tree in lightgbm.Booster(model_str=trees.text).dump_model()["tree_info"]]
    splits = []
    while waiting:
        node = waiting.pop()
        if "threshold" in node:
            splits.append(node)
            waiting += [node["left_child"], node["right_child"]]
    return splits


def check_trees(trees: Trees, seed: int = 1) -> None:
    """Compare the probabilities of random rows, of which many values lie just below, at or above a threshold."""
    generator = np.random.default_rng(seed)
    value_ND = generator.normal(size=(5000, len(trees.columns))).astype(np.float32)
    for node in list_splits(trees):
        for towards in (-np.inf, 0, np.inf):
            near = np.float32(node["threshold"])
            near = np.nextafter(near, np.float32(towards)) if towards else near
            value_ND[generator.integers(0, 5000, 20), node["split_feature"]] = near
    value_ND[generator.random(value_ND.shape) < 0.2] = np.nan
    value_ND[0], value_ND[1], value_ND[2], value_ND[3] = np.nan, 0, np.inf, -np.inf
    expected = trees.predict(value_ND).reshape(5000, -1)
    probability_NK = run_onnx(open_onnx(trees_to_onnx(trees).SerializeToString()), [value_ND])
    np.testing.assert_allclose(probability_NK, expected, atol=1e-6)


@pytest.mark.parametrize("num_classes", [2, 3])
@pytest.mark.parametrize("share_missing", [0.0, 0.4])
def test_trees_send_every_value_where_lightgbm_does(num_classes: int, share_missing: float) -> None:
    trees = fit(num_classes, share_missing)
    ways = {(node["missing_type"], node["default_left"]) for node in list_splits(trees)}
    assert ways == {("None", True)} | ({("NaN", True), ("NaN", False)} if share_missing else set())
    check_trees(trees)


def test_trees_of_a_run_and_of_a_single_leaf(trained) -> None:
    check_trees(trained.head.trees)
    check_trees(trained.classifier.prematurity)
    leaf = fit(2, 0.0, iterations=2, min_rows=5000)
    assert not list_splits(leaf)
    check_trees(leaf)


def test_trees_of_another_kind_are_refused() -> None:
    generator = np.random.default_rng(0)
    value_ND, target_N = generator.integers(0, 9, (600, 2)).astype(np.float64), generator.integers(0, 2, 600)
    for params, options, match in (
        ({"objective": "regression"}, {}, "trees with the objective 'regression'"),
        ({"objective": "binary"}, {"categorical_feature": [0, 1]}, "trees with a decision by =="),
        ({"objective": "binary", "zero_as_missing": True}, {}, "missing Zero"),
    ):
        rows = lightgbm.Dataset(value_ND, target_N, params={"verbose": -1}, **options)
        booster = lightgbm.train(params | {"verbose": -1}, rows, 3)
        with pytest.raises(DataError, match=match):
            trees_to_onnx(Trees(booster.model_to_string()))
