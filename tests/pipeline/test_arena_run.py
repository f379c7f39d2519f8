"""The arena of a small run: its scores follow from the tables, every system predicts the same segments, runs repeat."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import f1_score, roc_auc_score

from ecgfeat.arena import BEATS_ONLY, SYSTEMS, BeatSystem, signal_systems
from ecgfeat.arena.checkpoint import load_system, read_description
from ecgfeat.arena.scores import record_scores_of, same_records
from ecgfeat.corpora.diagnostic import get_diagnostic_corpus
from ecgfeat.deploy.cost import WARM_UP_CALLS, folder_size, quantise_system, time_calls
from ecgfeat.store.schemas import RHYTHMS
from pipeline import crossvalidate, evaluate_systems, train_system
from pipeline.params import read_params
from pipeline.read import paths
from pipeline.read.signals import read_rhythm_split
from pipeline.run import costs
from pipeline.run.stage import read_time, run_stage
from tests.fixtures.sealed import write_sealed

CORPUS, DIAGNOSTIC = "simulate", "simulate12"
NETWORKS = signal_systems()


@pytest.fixture(scope="module")
def arena(arena_run: Path) -> dict:
    return json.loads((arena_run / "reports/arena.json").read_text())


def rhythm_rows(folder: Path) -> list[dict]:
    """Return what was said of rhythms, by the heads on beats and by the systems on signal."""
    paths = [folder / f"reports/{name}/rhythm.parquet" for name in ("predictions", "systems")]
    return [row for path in paths for row in pq.read_table(path).to_pylist()]


def record_rows(folder: Path, name: str) -> list[dict]:
    return pq.read_table(folder / f"reports/diagnostic/{DIAGNOSTIC}/{name}/records.parquet").to_pylist()


@pytest.mark.parametrize(
    ("head", "system", "view", "protocol"),
    [
        ("resnet1d", "resnet1d", "tta7", "grid"),
        ("ecg_ramba", "ecg_ramba", "single", "grid"),
        ("window", "htf_window", "tta7", "grid"),
        ("cnn_attn_bilstm", "cnn_attn_bilstm", "tta7", "timeline"),
    ],
)
def test_rhythm_scores_follow_from_the_tables(arena, arena_run, head, system, view, protocol):
    rows = [
        row
        for row in rhythm_rows(arena_run)
        if (row["head"], row["view"], row["protocol"]) == (head, view, protocol)
        and row["reference"] in RHYTHMS
        and (protocol == "grid" or row["num_beats"] > 0)
    ]
    reference = [row["reference"] for row in rows]
    most_probable = [max(RHYTHMS, key=lambda name, of=row: of[f"p_{name}"]) for row in rows]
    assert most_probable == [row["predicted"] for row in rows]
    present = sorted(set(reference))
    assert len(present) >= 3
    expected = f1_score(reference, most_probable, labels=present, average="macro", zero_division=0)
    scores = arena["scores"][CORPUS][system]["timeline" if protocol == "timeline" else view]
    assert scores["macro_f1"] == pytest.approx(expected, abs=1e-6)
    assert scores["num_units"] == len(rows) >= 50


@pytest.mark.parametrize("name", ["resnet1d", "ecg_mamba2"])
@pytest.mark.parametrize("view", ["single", "tta7"])
def test_record_scores_follow_from_the_tables(arena, arena_run, name, view):
    rows = [row for row in record_rows(arena_run, name) if row["view"] == view]
    classes = get_diagnostic_corpus(DIAGNOSTIC).classes
    probability_NK = np.array([row["probability"] for row in rows])
    reference_NK = np.array([[one in row["references"] for one in classes] for row in rows])
    scores = arena["scores"][DIAGNOSTIC][name][view]
    assert not any(row["unknown"] for row in rows)
    expected = f1_score(reference_NK, probability_NK >= 0.5, average=None, zero_division=0)
    assert [scores["f1"][one] for one in classes] == pytest.approx(expected.tolist(), abs=1e-6)
    assert scores["macro_f1"] == pytest.approx(float(expected.mean()), abs=1e-6)
    expected = roc_auc_score(reference_NK, probability_NK, average="macro")
    assert scores["macro_auroc"] == pytest.approx(expected, abs=1e-6)
    assert scores["num_records"] == len(rows) == 30


def test_every_system_was_asked_about_the_same_windows_of_the_same_records(arena_run):
    units = {}
    for row in rhythm_rows(arena_run):
        if row["view"] in ("single", "tta7", "view3") and row["protocol"] in ("grid", "episode"):
            unit = [row[key] for key in ("record", "subject", "view", "start_sample", "stop_sample", "reference")]
            units.setdefault((row["protocol"], row["head"]), []).append(tuple(unit))
    for protocol in ("grid", "episode"):
        predicted_rows = {head: sorted(rows) for (one, head), rows in units.items() if one == protocol}
        assert {"window", *NETWORKS} <= set(predicted_rows)
        # The baselines know one view.
        assert all(predicted_rows[name] == predicted_rows["window"] for name in NETWORKS), protocol
        assert len({record for record, *_ in predicted_rows["window"]}) == 2
        assert len(predicted_rows["window"]) == len(set(predicted_rows["window"])) > 30


def test_every_record_was_named_once_by_each_system_in_the_fold_of_its_subject(arena_run):
    table = pq.read_table(arena_run / f"data/diagnoses/{DIAGNOSTIC}.parquet").to_pylist()
    expected = sorted((row["record"], row["subject"], row["fold"], tuple(row["labels"])) for row in table)
    assert {fold for _, _, fold, _ in expected} == {0, 1}
    for name in NETWORKS:
        for view in ("single", "tta7"):
            rows = [row for row in record_rows(arena_run, name) if row["view"] == view]
            stored = sorted((row["record"], row["subject"], row["fold"], tuple(row["references"])) for row in rows)
            assert stored == expected, f"{name} {view}"


def test_every_row_has_scores_or_a_reason(arena):
    assert set(SYSTEMS) < set(arena["models"])
    for name, model in arena["models"].items():
        for slug in arena["corpora"]:
            assert (name in arena["scores"][slug]) != (slug in model["left_out"]), f"{name} {slug}"
        assert all(reason for reason in model["left_out"].values())
    beat_systems = [name for name, system in SYSTEMS.items() if isinstance(system, BeatSystem)]
    assert beat_systems
    for name in beat_systems:
        assert arena["models"][name]["left_out"][DIAGNOSTIC] == BEATS_ONLY
        assert {"timeline"} <= set(arena["scores"][CORPUS][name])
    for name in NETWORKS:
        assert set(arena["scores"][CORPUS][name]) == {"single", "tta7", "timeline"}
        assert set(arena["scores"][DIAGNOSTIC][name]) == {"single", "tta7"}


def test_models_say_what_was_published_and_what_they_are_here(arena, arena_run):
    for name, system in SYSTEMS.items():
        model = arena["models"][name]
        assert model["title"].startswith(system.title)
        assert model["published_parameters"] == system.parameters
        assert model["ms_per_record_cpu"] > 0
        assert model["ms_per_record_gpu"] is None
    for name in NETWORKS:
        folder = arena_run / f"models/systems/{name}"
        model = arena["models"][name]
        network = load_system(folder)[0].network
        assert model["parameters"] == sum(one.numel() for one in network.parameters() if one.requires_grad)
        assert model["size_bytes"] == sum(path.stat().st_size for path in folder.iterdir())
        assert (model["int8"] is not None) == NETWORKS[name].is_quantised
        cost = arena["costs"][DIAGNOSTIC][name]
        folds = [load_system(arena_run / f"models/diagnostic/{DIAGNOSTIC}/{name}/fold{fold}")[0] for fold in (0, 1)]
        for fold in folds:
            assert cost["parameters"] == sum(one.numel() for one in fold.network.parameters() if one.requires_grad)
        assert cost["ms_per_record_cpu"] > 0
        assert cost["ms_per_record_gpu"] is None
    assert set(arena["costs"][DIAGNOSTIC]) == set(NETWORKS)
    for name, system in SYSTEMS.items():
        if isinstance(system, BeatSystem):
            described = [json.loads((arena_run / f"models/{of}/model.json").read_text()) for of in ("htf", system.head)]
            assert arena["models"][name]["parameters"] == sum(one["parameters"] for one in described)


def test_the_integer_network_is_smaller_and_its_score_follows_from_what_it_says(arena, arena_run, monkeypatch):
    name, said = "cnn_attn_bilstm", []

    def listen(*args, **options):
        figures, logits_MK = quantise_system(*args, **options)
        said.append(logits_MK)
        return figures, logits_MK

    monkeypatch.chdir(arena_run)
    monkeypatch.setattr("ecgfeat.deploy.cost.quantise_system", listen)
    costs.measure_costs({name: {"left_out": {}}}, {name: read_description(paths.system(name))}, read_params())
    called = [RHYTHMS[code] for code in said[0].argmax(1)]
    # The windows are those of the network in float32, in the same order.
    rows = [
        row
        for row in rhythm_rows(arena_run)
        if (row["head"], row["view"], row["protocol"]) == (name, "single", "grid") and row["reference"] in RHYTHMS
    ]
    reference = [row["reference"] for row in rows]
    expected = f1_score(reference, called, labels=sorted(set(reference)), average="macro", zero_division=0)
    integers = arena["models"][name]["int8"]
    assert integers["macro_f1"] == pytest.approx(expected, abs=1e-6)
    same = np.mean([row["predicted"] == one for row, one in zip(rows, called, strict=True)])
    assert integers["same_call"] == pytest.approx(same, abs=1e-6)
    assert integers["size_bytes"] < 0.5 * integers["float_size_bytes"]


@pytest.fixture
def copy(arena_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(arena_run, tmp_path / "run")
    monkeypatch.chdir(tmp_path / "run")
    return tmp_path / "run"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_same_run_gives_the_same_bytes(arena_run, copy):
    for folder in ("models/systems", "models/diagnostic", "reports/systems", "reports/diagnostic"):
        shutil.rmtree(copy / folder)
    for name in SYSTEMS:
        train_system.main(name)
        crossvalidate.main(DIAGNOSTIC, name)
    evaluate_systems.main()
    expected, found = contents(arena_run), contents(copy)
    assert sorted(found) == sorted(expected)
    assert [name for name in expected if found[name] != expected[name]] == []
    assert sum(name.endswith("system.safetensors") for name in found) == 3 * len(NETWORKS)


def test_a_fold_is_named_by_the_model_that_was_not_trained_on_it(arena_run, copy):
    # The labels of one fold are made up: what its own model says of it must stay as it was, the other model must move.
    before = {(row["record"], row["view"]): row for row in record_rows(copy, "resnet1d")}
    with pytest.MonkeyPatch.context() as patch:
        read = crossvalidate.read_diagnostic_records

        def scrambled(slug, band, leads):
            rows, signals = read(slug, band, leads)
            return [row | {"labels": ["AF"] if row["fold"] == 1 else row["labels"]} for row in rows], signals

        patch.setattr(crossvalidate, "read_diagnostic_records", scrambled)
        crossvalidate.main(DIAGNOSTIC, "resnet1d")
    after = {(row["record"], row["view"]): row for row in record_rows(copy, "resnet1d")}
    assert after.keys() == before.keys()
    same = {fold: [] for fold in (0, 1)}
    for key, row in after.items():
        same[row["fold"]].append(row["probability"] == before[key]["probability"])
    assert all(same[1])
    assert not any(same[0])


def test_training_time_of_a_corpus_is_that_of_its_folds_as_long_as_they_are_there(copy):
    names = ["htf_window", "resnet1d"]
    found = costs.describe_fold_systems(DIAGNOSTIC, names)
    assert list(found) == ["resnet1d"]
    assert (found["resnet1d"]["training_s"], found["resnet1d"]["left_out"]) == (
        None,
        {"training_s": "not trained in this folder"},
    )
    assert run_stage("crossvalidate", crossvalidate.main, DIAGNOSTIC, "resnet1d") == 0
    folders = [paths.fold_models(DIAGNOSTIC, "resnet1d") / name / "system.json" for name in ("fold0", "fold1")]
    took_s = [read_time(path, "crossvalidate", DIAGNOSTIC, "resnet1d") for path in folders]
    found = costs.describe_fold_systems(DIAGNOSTIC, names)["resnet1d"]
    assert found["training_s"] == sum(took_s) > max(took_s) > 0
    assert found["training_s"] < read_time(None, "crossvalidate", DIAGNOSTIC, "resnet1d")
    assert found["left_out"] == {}
    folders[1].write_text(folders[1].read_text() + " ")
    assert costs.describe_fold_systems(DIAGNOSTIC, names)["resnet1d"]["training_s"] is None


def test_a_system_whose_encoder_went_out_of_reach_is_left_out_with_the_reason(copy, capsys):
    params = read_params()
    fold = paths.fold_models(DIAGNOSTIC, "chronos_mlp") / "fold0"
    for folder in (paths.system("chronos_mlp"), fold):
        described = json.loads((folder / "system.json").read_text())
        described["settings"]["checkpoint"] = str(copy / "gone")
        write_sealed(folder / "system.json", described)
    records = read_rhythm_split("test", params)
    columns, left_out = evaluate_systems.predict_systems(["chronos_mlp", "resnet1d"], records, params)
    assert set(columns["head"].tolist()) == {"resnet1d"}
    assert "gone" in left_out["chronos_mlp"]
    assert "gone" in capsys.readouterr().err
    cost = {"ms_per_record_cpu": None, "left_out": {}}
    costs.measure_fold_costs({DIAGNOSTIC: {"chronos_mlp": cost}}, params)
    assert cost == {"ms_per_record_cpu": None, "left_out": {"ms_per_record_cpu": left_out["chronos_mlp"]}}


def test_same_records_tells_another_record_or_fold():
    def table(records, folds):
        view = ["single", "tta7"] * len(records)
        return {"record": np.repeat(records, 2), "fold": np.repeat(folds, 2), "view": np.array(view)}

    first = table(["a", "b"], [0, 1])
    assert same_records([first, table(["b", "a"], [1, 0])])
    assert not same_records([first, table(["a", "b"], [1, 0])])
    assert not same_records([first, table(["a", "c"], [0, 1])])
    assert not same_records([first, first, table(["a"], [0])])
    assert same_records([first])
    assert same_records([])


def test_what_is_unknown_of_a_record_is_not_scored():
    corpus = get_diagnostic_corpus(DIAGNOSTIC)
    num = 12
    lists = np.empty((3, num), dtype=object)
    for at in range(num):
        lists[0, at] = [corpus.classes[at % 2]]
        lists[1, at] = [corpus.classes[2]] if at < 4 else []
        lists[2, at] = [0.9 if name in lists[0, at] or name == corpus.classes[2] else 0.1 for name in corpus.classes]
    table = {"view": np.full(num, "single"), "subject": np.arange(num).astype(str)}
    table |= dict(zip(("references", "unknown", "probability"), lists, strict=True))
    scores = record_scores_of(table, corpus, bootstrap=0, seed=1)["single"]
    third = corpus.classes[2]
    assert (scores["unknown"][third], scores["negatives"][third]) == (4, 8)
    assert scores["f1"][corpus.classes[0]] == 1


def test_calls_are_timed_by_their_median_after_a_warm_up(monkeypatch):
    clock = iter([0.0, 0.001, 1.0, 1.004, 2.0, 2.5])
    calls = []
    monkeypatch.setattr("ecgfeat.deploy.cost.time.perf_counter", lambda: next(clock))
    assert time_calls(lambda: calls.append(1), 3) == pytest.approx(4.0)
    assert len(calls) == WARM_UP_CALLS + 3


def test_size_on_disk_counts_every_file_of_every_folder(tmp_path):
    for name, size in (("a/x", 3), ("a/deep/y", 4), ("b/z", 5), ("c/not", 100)):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"." * size)
    assert folder_size(tmp_path / "a", tmp_path / "b") == 12


def test_without_onnx_the_integer_row_says_so(arena_run, monkeypatch):
    monkeypatch.chdir(arena_run)
    monkeypatch.setattr("ecgfeat.deploy.cost.find_spec", lambda name: None)
    models = {"cnn_attn_bilstm": {"left_out": {}, "int8": None}}
    described = {"cnn_attn_bilstm": read_description(paths.system("cnn_attn_bilstm"))}
    costs.measure_costs(models, described, read_params())
    assert models["cnn_attn_bilstm"]["int8"] is None
    assert models["cnn_attn_bilstm"]["left_out"] == {"int8": "not installed: onnx, onnxruntime, onnxscript"}
    assert models["cnn_attn_bilstm"]["ms_per_record_cpu"] > 0
