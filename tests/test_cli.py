"""The command line: what it prints, its exit codes, and one line for every wrong use."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import wfdb
from ruamel.yaml import YAML

from ecgfeat.acquire.manifest import write_manifest
from ecgfeat.arena import SYSTEMS, BeatSystem, published_size, signal_systems
from ecgfeat.cli import main
from ecgfeat.corpora import get_corpus
from ecgfeat.errors import UsageError
from ecgfeat.models import MODELS, build_model, count_parameters, save_model
from ecgfeat.records.writer import write_record
from ecgfeat.scoring.evaluation import SCORED_TABLES
from ecgfeat.simulate import simulate_corpus
from ecgfeat.store.schemas import RHYTHMS
from ecgfeat.store.tables import read_table, table_header, write_table

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raw") / "simulate"
    folder.mkdir()
    records = simulate_corpus(folder, num_subjects=1, minutes=0.6, fs_hz=128, seed=9)
    write_manifest(folder, get_corpus("simulate"), "simulated", records)
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    save_model(folder / "htf", "htf", build_model("htf", seed=1))
    config = {"width": 16, "num_blocks": 1, "num_heads": 2}
    params = {"features": "embeddings", "history": "none", "rr_features": True}
    info = {"classes": list(RHYTHMS), "prior": [1 / 6] * 6}
    window = info | {"params": params | {"window_samples": 1280, "max_beats": 32}}
    save_model(folder / "window", "rhythm_window", build_model("rhythm_window", seed=2, **config), config, window)
    config |= {"num_features": 576 + 25}
    timeline = info | {"params": params | {"neighbour_beats": 2, "chunk_beats": 192}}
    durations = {"mean_beats": [9.0] * 6, "follows": [[1 / 6] * 6] * 6, "share": [1 / 6] * 6}
    timeline["decoder"] = {"durations": durations, "num_phases": 1, "weight": 0.25, "prior_power": 0.0}
    timeline["decoders"] = [{"weight": weight, "beat_macro_f1": f1} for weight, f1 in ((0.0, 0.5), (0.25, 0.4))]
    save_model(folder / "timeline", "rhythm_timeline", build_model("rhythm_timeline", **config), config, timeline)
    return folder


@pytest.fixture
def predictions(tmp_path: Path) -> Path:
    rows = {
        "rpeaks": {"corpus": "toy", "subject": "a", "record": "a", "detector": "xqrs", "offset_ms": 0.0}
        | {"duration_s": 60.0, "usable_s": 54.0}
        | {f"{name}{suffix}": 9 for name in _COUNTS for suffix in ("", "_after_5min")},
        "beats": {"corpus": "toy", "subject": "a", "record": "a", "split": "test", "history": "none", "sample": 5}
        | {"reference": "N", "rhythm": "NSR", "predicted": "N", "p_N": 0.8, "p_S": 0.1, "p_V": 0.1},
        "rhythm": {"corpus": "toy", "subject": "a", "record": "a", "protocol": "grid", "head": "window"}
        | {"view": "single", "start_sample": 0, "stop_sample": 1280, "reference": "NSR", "predicted": "NSR"}
        | {"purity": 1.0, "num_beats": 9}
        | {f"p_{name}": float(name == "NSR") for name in RHYTHMS},
    }
    params = {"rhythm": {"features": "embeddings", "history": "oracle"}, "evaluate": {"protocols": ["grid"]}}
    for name, schema in SCORED_TABLES.items():
        columns = {column: [value] for column, value in rows[name].items()}
        write_table(tmp_path / "predictions" / f"{name}.parquet", columns, schema, params)
    return tmp_path / "predictions"


_COUNTS = ("true_positives", "false_negatives", "false_positives")


def run(capsys: Capture, *arguments: object) -> tuple[int, str, str]:
    code = main([str(argument) for argument in arguments])
    output = capsys.readouterr()
    return code, output.out, output.err


def test_models_json_has_the_published_sizes(capsys: Capture) -> None:
    code, out, err = run(capsys, "models", "--json")
    assert (code, err) == (0, "")
    listed = json.loads(out)
    published = {
        "htf": 1_143_939,
        "rhythm_window": 892_806,
        "resnet1d": 8_794_246,
        "ecg_ramba": 72_833_596,
        "ecg_mamba2": 29_287_077,
        "cnn_attn_bilstm": 944_969,
    }
    assert published.items() <= {model["name"]: model["parameters"] for model in listed}.items()
    summaries = {name: entry.summary for name, entry in {**MODELS, **signal_systems()}.items()}
    assert [(model["name"], model["summary"]) for model in listed] == sorted(summaries.items())
    lines = run(capsys, "models")[1].splitlines()
    assert len(lines) == len(listed)
    assert len({line.rindex("  ") for line in lines}) == 1, "columns are aligned"
    for line, model in zip(lines, listed, strict=True):
        assert line.split(maxsplit=2) == [model["name"], f"{model['parameters']:,}", model["summary"]]


def test_models_json_has_the_source_and_the_section_of_each_system(capsys: Capture) -> None:
    by_network = {model["name"]: model["system"] for model in json.loads(run(capsys, "models", "--json")[1])}
    assert by_network["htf"] is None, "a part of two systems, but no system"
    systems = {system["params"]: system for system in by_network.values() if system is not None}
    assert sorted(systems) == sorted(SYSTEMS)
    sections = YAML(typ="safe").load(Path(__file__).parents[1] / "params.yaml")
    for section, system in systems.items():
        assert isinstance(sections[section], dict)
        expected = SYSTEMS[section]
        assert by_network[expected.network if isinstance(expected, BeatSystem) else section] is system
        listed = (system["title"], system["reads"], system["published_parameters"], system["source"])
        assert listed == (expected.title, expected.reads, expected.parameters, expected.source)


def test_models_are_counted_without_being_made() -> None:
    for name in ("htf", "rhythm_window", "rhythm_timeline"):
        assert published_size(name) == count_parameters(build_model(name))
    with pytest.raises(UsageError, match="unknown model 'nothing'"):
        published_size("nothing")


def test_protocol_of_ltafdb_is_exact(capsys: Capture, ltafdb: Path) -> None:
    code, out, _ = run(capsys, "protocol", "ltafdb", "--raw", ltafdb, "--json")
    counts = json.loads(out)
    assert code == 0
    assert counts["records"] == {"train": 67, "validation": 8, "test": 9}
    assert len(counts["test_records"]) == 9
    expected = {"NSR": 1824, "AFIB": 1179, "SBR": 305, "AB": 250, "SVTA": 60, "B": 98, "total": 3716}
    assert counts["episodes"]["test"] == expected


def test_protocol_as_a_table(capsys: Capture, raw: Path, tmp_path: Path) -> None:
    for file in raw.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    code, out, err = run(capsys, "protocol", "simulate", "--raw", tmp_path)
    assert (code, err) == (0, "")
    assert out.splitlines()[0].split() == ["train", "validation", "test"]
    assert out.splitlines()[1].split()[0] == "records"


def test_info(capsys: Capture, raw: Path, models: Path) -> None:
    code, out, _ = run(capsys, "info", raw)
    assert code == 0
    assert "signals: simulated" in out
    assert json.loads(run(capsys, "info", raw / "sim000", "--json")[1])["fs_hz"] == 128
    lines = run(capsys, "info", models / "timeline")[1].splitlines()
    assert "  decoder.weight: 0.25" in lines
    assert lines[lines.index("  decoders") + 2] == "    weight 0.25  beat_macro_f1 0.4"
    assert not any("mean_beats" in line for line in lines)
    assert "decoder" not in run(capsys, "info", models / "window")[1]


def test_check_lists_all_faults_and_counts_them(capsys: Capture, raw: Path, models: Path, tmp_path: Path) -> None:
    code, out, err = run(capsys, "check", raw, models)
    assert (code, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()] == ["ok"] * 4
    for name in ("a.parquet", "b.parquet"):
        (tmp_path / name).write_text("no table")
    code, out, err = run(capsys, "check", raw, tmp_path)
    assert code == 1
    assert [line.split()[0] for line in out.splitlines()] == ["ok", "fault", "fault"]
    assert err == "2 faults in 2 of 3 artifacts.\n"
    code, out, _ = run(capsys, "check", tmp_path, "--json")
    assert code == 1
    assert [result["ok"] for result in json.loads(out)] == [False, False]


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_plot_writes_the_same_picture_twice(capsys: Capture, raw: Path, tmp_path: Path, suffix: str) -> None:
    written = []
    for name in ("a", "b"):
        target = tmp_path / f"{name}.{suffix}"
        code, out, _ = run(capsys, "plot", raw / "sim000", "--from-s", 5, "--to-s", 8, "--out", target)
        assert code == 0
        assert "simulated waveforms · beats and rhythms: sim000.atr" in out
        written.append(target.read_bytes())
    assert written[0] == written[1]
    assert written[0].startswith(b"\x89PNG" if suffix == "png" else b"<?xml")


def test_plot_without_annotations_detects_and_has_a_note(
    capsys: Capture, raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("sim000.hea", "sim000.dat"):
        (tmp_path / name).write_bytes((raw / name).read_bytes())
    code, out, _ = run(capsys, "plot", "sim000.hea")
    assert code == 0
    assert "R-peaks: detected, no sim000.atr" in out
    assert (tmp_path / "sim000-0-10s.svg").is_file()


def test_a_file_beside_another_record_does_not_take_its_annotations(
    capsys: Capture, raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.save(tmp_path / "sim000.npy", wfdb.rdrecord(str(raw / "sim000")).p_signal)
    (tmp_path / "sim000.atr").write_bytes((raw / "sim000.atr").read_bytes())
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, "plot", "sim000.npy", "--fs", 128)
    assert (code, err) == (0, "")
    assert "R-peaks: detected" in out
    assert "sim000.atr" not in out


def test_plot_of_a_real_record_shows_its_rhythms(capsys: Capture, mitdb: Path, tmp_path: Path) -> None:
    target = tmp_path / "207.svg"
    assert run(capsys, "plot", mitdb / "207", "--from-s", 30, "--to-s", 45, "--out", target)[0] == 0
    assert b"VFL" in target.read_bytes()


@pytest.mark.parametrize("head", ["timeline", "window"])
def test_predict_writes_three_files_that_wfdb_reads(
    capsys: Capture, raw: Path, models: Path, tmp_path: Path, head: str
) -> None:
    given = ("--htf", models / "htf", "--rhythm", models / head, "--out", tmp_path)
    code, out, err = run(capsys, "predict", raw / "sim000", *given)
    assert (code, err) == (0, "")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "sim000-beats.parquet",
        "sim000-episodes.parquet",
        "sim000.ecg",
    ]
    assert "AF burden" in out
    assert out.rstrip().endswith("Not for clinical use.")
    assert wfdb.rdann(str(tmp_path / "sim000"), "ecg").symbol[0] == "+"
    assert run(capsys, "check", tmp_path)[0] == 0
    made_by = table_header(tmp_path / "sim000-episodes.parquet")["params"]
    assert (made_by["head"], made_by["views"]) == (head, 1)
    signal = wfdb.rdrecord(str(raw / "sim000")).p_signal
    np.save(tmp_path / "mine.npy", signal)
    code, _, err = run(capsys, "predict", tmp_path / "mine.npy", "--fs", 128, *given)
    assert (code, err) == (0, "")
    assert (tmp_path / "mine.ecg").read_bytes() == (tmp_path / "sim000.ecg").read_bytes()
    if head == "timeline":
        assert run(capsys, "predict", raw / "sim000", *given, "--views", 7)[0] == 0
        assert table_header(tmp_path / "sim000-episodes.parquet")["params"]["views"] == 7


def test_predict_takes_folders_and_lists_what_failed(capsys: Capture, raw: Path, models: Path, tmp_path: Path) -> None:
    folder, out_folder = tmp_path / "in", tmp_path / "out"
    for person in ("Person_01", "Person_02"):
        (folder / person).mkdir(parents=True)
        for suffix in (".hea", ".dat"):
            (folder / person / f"sim000{suffix}").write_bytes((raw / f"sim000{suffix}").read_bytes())
    (folder / "Person_02" / "broken.hea").write_text("broken 1 128 99\nbroken.dat 16 200 16 0 0 0 0 I\n")
    (folder / "letter.bin").write_bytes(b"%PDF-1.4")
    given = ("--htf", models / "htf", "--rhythm", models / "timeline", "--out", out_folder, "--format", "parquet,json")
    code, out, err = run(capsys, "predict", folder, *given)
    assert code == 1
    assert sorted(path.relative_to(out_folder).as_posix() for path in out_folder.rglob("*.json")) == [
        "Person_01/sim000-prediction.json",
        "Person_02/sim000-prediction.json",
    ]
    assert "1 file is no recording: letter.bin" in out
    assert f"failed: {folder}/Person_02/broken: Person_02/broken: no signal file broken.dat" in out
    assert err.splitlines()[0] == "1 of 3 recordings failed:"
    assert err.splitlines()[-1] == "1 of 3 recordings failed; the others were predicted."
    (folder / "Person_02" / "broken.hea").unlink()
    # A file that the system cannot write stops no other recording either.
    (out_folder / "Person_03").write_text("a file, where a folder should be")
    (folder / "Person_03").mkdir()
    (folder / "Person_03" / "sim.csv").write_text("t,ECG [mV]\n" + "".join(f"{s / 128},0\n" for s in range(2000)))
    code, out, err = run(capsys, "predict", folder, *given)
    assert (code, err.splitlines()[-1]) == (1, "1 of 3 recordings failed; the others were predicted.")
    assert f"failed: {folder}/Person_03/sim.csv: [Errno 17] File exists" in out
    shutil.rmtree(folder / "Person_03")
    assert run(capsys, "predict", folder, *given)[0] == 0  # the same recordings again
    np.save(tmp_path / "sim000.npy", np.zeros((5000, 1)))
    code, _, err = run(
        capsys, "predict", tmp_path / "sim000.npy", "--fs", 128, *given[:4], "--out", out_folder / "Person_01"
    )
    assert (code, "sim000-beats.parquet: a file of another recording of this name" in err) == (2, True)


def test_predict_draws_a_pdf_and_plot_finds_what_it_wrote(
    capsys: Capture, raw: Path, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("sim000.hea", "sim000.dat"):
        (tmp_path / name).write_bytes((raw / name).read_bytes())
    given = ("--rhythm", models / "timeline", "--views", 1, "--format", "parquet,wfdb,pdf")
    code, out, err = run(capsys, "predict", "sim000", *given)
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == (
        "sim000-beats.parquet, sim000-episodes.parquet, sim000.ecg, sim000.pdf. Not for clinical use."
    )
    page = (tmp_path / "sim000.pdf").read_bytes()
    assert page.startswith(b"%PDF")
    assert run(capsys, "predict", "sim000", *given)[0] == 0
    assert (tmp_path / "sim000.pdf").read_bytes() == page
    code, out, err = run(capsys, "plot", "sim000")
    assert (code, err) == (0, "")
    assert "beats and rhythms: predicted, sim000.ecg" in out
    code, out, err = run(capsys, "plot", "sim000", "--day")
    assert (code, err) == (0, "")
    assert out.startswith("sim000-day.svg: sim000, ")
    code, out, err = run(capsys, "plot", "sim000", "--layout", "3x4", "--out", "twelve.png")
    assert (code, err) == (0, "")
    assert (tmp_path / "twelve.png").read_bytes().startswith(b"\x89PNG")
    # A report of a device that has the name of ours stays as it is, and nothing is written beside it.
    (tmp_path / "sim000.pdf").write_bytes(b"%PDF of a device")
    code, out, err = run(capsys, "predict", "sim000", "--rhythm", models / "timeline", "--format", "pdf")
    assert (code, out) == (2, "")
    assert err.startswith("sim000.pdf: a file that may be of another recording; expected no file")
    assert (tmp_path / "sim000.pdf").read_bytes() == b"%PDF of a device"


def test_a_pdf_needs_its_extra_before_anything_is_predicted(
    capsys: Capture, raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in [name for name in sys.modules if name.startswith(("ecgfeat.paper.", "ecgfeat.report."))]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    code, out, err = run(capsys, "predict", raw / "sim000", "--format", "pdf", "--out", tmp_path / "out")
    assert (code, out) == (2, "")
    assert err.startswith("matplotlib: not installed; expected the packages of the extra plot.")
    assert not (tmp_path / "out").exists()


def test_evaluate_reads_oracles_from_the_tables(capsys: Capture, predictions: Path) -> None:
    code, out, _ = run(capsys, "evaluate", "--predictions", predictions, "--json", "--bootstrap", 10)
    scores = json.loads(out)
    assert code == 0
    assert scores["oracles"] == {"rpeaks": False, "history": True, "episodes": False}
    assert scores["rpeaks"]["toy"]["sensitivity"] == 0.5
    assert scores["beats"]["toy"]["none"]["n_f1"] == 1.0
    assert scores["rhythm"]["toy"]["window"]["grid"]["single"]["accuracy"] == 1.0
    code, out, _ = run(capsys, "evaluate", "--predictions", predictions, "--no-oracle-history", "--bootstrap", 0)
    assert out.splitlines()[-1].split() == ["oracles", "none"]
    assert "sensitivity 0.5000" in out


def test_evaluate_takes_one_table_of_any_name(capsys: Capture, predictions: Path, tmp_path: Path) -> None:
    """A single table is recognised by its schema; its params have the oracles, R-peaks included."""
    folder = ("evaluate", "--predictions", predictions, "--json", "--bootstrap", 10)
    whole = json.loads(run(capsys, *folder)[1])
    params = {"rhythm": {"features": "embeddings", "history": "none"}, "rpeaks": {"method": "annotated"}}
    params["evaluate"] = {"protocols": ["timeline", "episode"]}
    for name, schema in SCORED_TABLES.items():
        path = tmp_path / f"mine-{name}.parquet"
        write_table(path, read_table(predictions / f"{name}.parquet", schema), schema, params)
        code, out, err = run(capsys, "evaluate", "--predictions", path, "--json", "--bootstrap", 10)
        assert (code, err) == (0, "")
        scores = json.loads(out)
        # The table of counts has the name of its detector, xqrs; for the others the params decide.
        assert scores["oracles"] == {"rpeaks": name != "rpeaks", "history": False, "episodes": True}
        for section in SCORED_TABLES:
            assert scores[section] == (whole[section] if section == name else {})
    assert scores["oracles_by_protocol"] == {"grid": {"rpeaks": True, "history": False, "episodes": False}}


def test_evaluate_scores_the_timeline_by_beat_and_by_second(capsys: Capture, tmp_path: Path) -> None:
    called = ["NSR", "AFIB", "AFIB", "NSR"]
    columns = {
        **{name: ["a"] * 4 for name in ("corpus", "subject", "record", "head")},
        **{"protocol": ["timeline"] * 4, "view": ["viterbi"] * 4, "predicted": called},
        **{"start_sample": [0, 128, 256, 384], "stop_sample": [128, 256, 384, 1024]},
        **{"reference": ["NSR", "AFIB", "NSR", "NSR"], "purity": [1.0] * 4, "num_beats": [1] * 4},
        **{f"p_{name}": [float(name == "B")] * 4 for name in RHYTHMS},
    }
    path = tmp_path / "timeline.parquet"
    write_table(path, columns, SCORED_TABLES["rhythm"], {})
    oracles = ("--no-oracle-rpeaks", "--no-oracle-history", "--no-oracle-episodes", "--bootstrap", 0)
    code, out, _ = run(capsys, "evaluate", "--predictions", path, *oracles)
    assert code == 0
    assert [line.split("accuracy ")[1].split()[0] for line in out.splitlines()[:2]] == ["0.7500", "0.8750"]
    assert "per second" in out.splitlines()[1]


def test_evaluate_needs_the_oracles_that_are_not_recorded(capsys: Capture, predictions: Path) -> None:
    for name in ("beats", "rhythm"):
        (predictions / f"{name}.parquet").unlink()
    arguments = ["evaluate", "--predictions", predictions, "--bootstrap", 0]
    assert run(capsys, *arguments)[0] == 0
    (predictions / "rpeaks.parquet").unlink()
    code, _, err = run(capsys, *arguments)
    assert (code, "no table of predictions" in err) == (1, True)
    write_table(
        predictions / "beats.parquet", {name: [] for name in SCORED_TABLES["beats"].columns}, SCORED_TABLES["beats"], {}
    )
    code, _, err = run(capsys, *arguments)
    assert (code, "--oracle-rpeaks or --no-oracle-rpeaks" in err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["protocl"], 2, "No such command 'protocl'"),
        (["info"], 2, "Missing argument"),
        (["models", "--jsn"], 2, "No such option"),
        (["protocol", "ltafbd", "--raw", "{raw}"], 2, "unknown corpus 'ltafbd'"),
        (["protocol", "ltafdb", "--raw", "gone"], 1, "gone: no such folder"),
        (["protocol", "ltafdb", "--raw", "{raw}"], 1, "00.hea"),
        (["info", "gone"], 1, "gone: nothing there"),
        (["check", "gone"], 1, "gone: nothing there"),
        (["check", "{empty}"], 1, "no artifact in it"),
        (["plot", "{raw}/sim000", "--from-s", "30", "--to-s", "40"], 2, "sim000: 30 to 40 s; expected a time"),
        (["plot", "{raw}/sim000", "--from-s", "-1"], 2, "sim000: -1 to 9 s; expected a time within 0 to 36 s"),
        (["plot", "{raw}/sim000", "--from-s", "9", "--to-s", "9"], 2, "sim000: 9 to 9 s"),
        (["plot", "{raw}/sim000", "--from-s", "nan"], 2, "sim000: nan to nan s"),
        (["plot", "{raw}/sim000", "--from-s", "soon"], 2, "Invalid value for '--from-s'"),
        (["plot", "{raw}/sim000", "--out", "a.pdf"], 2, "expected a name that ends in .svg or .png"),
        (["plot", "{raw}/sim000", "--annotation", "qrs"], 1, "no annotation file sim000.qrs"),
        (["plot", "{raw}/sim999"], 1, "sim999.hea"),
        (["plot", "{raw}/sim000", "--layout", "4x3"], 2, "unknown layout '4x3'; expected one of 3x4, 6x2, 12x1"),
        (["plot", "{raw}/sim000", "--layout", "3x4", "--to-s", "30"], 2, "--layout: 30 s; expected at most 10 s"),
        (["plot", "{raw}/sim000", "--day", "--from-s", "3"], 2, "--day: a part or a layout too; expected one of them"),
        (["plot", "{raw}/sim000", "--pdf", "--to-s", "3"], 2, "--pdf: a part or a layout too; expected one of them"),
        (["plot", "{raw}/sim000", "--day", "--pdf"], 2, "--day: --pdf too; expected one of them"),
        (["plot", "{raw}/sim000", "--pdf"], 2, "sim000: no prediction of it; expected what ecgfeat predict writes"),
        (["plot", "{raw}/sim000", "--day", "--out", "a.pdf"], 2, "expected a name that ends in .svg or .png"),
        (["predict", "{array}"], 2, "x.npy: an array and no --fs; expected its sampling rate. Add --fs HZ."),
        (["predict", "{array}", "--fs", "0"], 2, "--fs: 0; expected a positive number of Hz"),
        (["predict", "{array}", "--fs", "128", "--unit", "mmHg"], 2, "--unit: 'mmHg'; expected a unit of voltage"),
        (["predict", "{raw}/sim000", "--unit", "mV"], 2, "--unit: mV for a WFDB record"),
        (["predict", "{raw}/sim000", "--lead", "V9"], 2, "no lead called 'V9'; expected one of"),
        (["predict", "{raw}/sim000", "--lead", "0", "--lead", "0"], 2, "--lead: one lead twice"),
        (["predict", "{raw}/sim000", "--format", "xml"], 2, "--format: xml; expected some of parquet,csv,wfdb,json"),
        (["predict", "{empty}"], 2, "no recording in it; expected at least one file that can be read"),
        (["predict", "nope"], 1, "nope: no such file, and no WFDB header nope.hea"),
        (["predict", "{raw}/sim000", "--fs", "128"], 2, "--fs: 128 for a WFDB record"),
        (["predict", "{raw}/sim000", "--device", "tpu"], 2, "'tpu' is not one of 'auto', 'cpu', 'cuda'"),
        (["predict", "{raw}/sim000", "--rhythm", "gone"], 1, "htf/model.json: no such file; expected a complete model"),
        (["predict", "{raw}/sim000", "--htf", "gone"], 2, "--htf: no --rhythm; expected both"),
        (["predict", "{raw}/sim000", "--models", "gone"], 2, "--models: no folder gone; expected the folder of"),
        (["predict", "{raw}/sim000", "--views", "0"], 2, "Invalid value for '--views': Input should be greater"),
        (["predict", "gone.npy", "--fs", "128"], 1, "gone.npy: no such file"),
        (["predict", "{raw}/sim999"], 1, "sim999.hea"),
        (["evaluate", "--predictions", "{empty}"], 1, "no table of predictions"),
        (["evaluate", "--predictions", "gone.parquet"], 1, "gone.parquet: no table of predictions"),
        (["evaluate", "--predictions", "{raw}/sim000.hea"], 1, "sim000.hea: not a whole Parquet file"),
    ],
)
def test_wrong_use_and_faults_are_one_line(
    capsys: Capture, raw: Path, models: Path, tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    empty, array = tmp_path / "empty", tmp_path / "x.npy"
    empty.mkdir()
    np.save(array, np.zeros((1280, 1), np.float32))
    given = [argument.format(raw=raw, empty=empty, array=array) for argument in arguments]
    if given[0] == "predict" and not {"--htf", "--rhythm", "--models"} & set(given):
        given += ["--htf", str(models / "htf"), "--rhythm", str(models / "timeline")]
    found, out, err = run(capsys, *given)
    assert (found, out) == (code, "")
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("cut.dat", lambda content: content[:-100], "cut.dat has"),
        ("cut.hea", lambda content: content.replace(b" 128 2000", b""), "cut: "),
    ],
)
def test_a_damaged_record_is_one_line(
    capsys: Capture, models: Path, tmp_path: Path, name: str, change: object, message: str
) -> None:
    write_record(tmp_path, "cut", np.zeros((2000, 2), np.int16), 128, ("I", "II"))
    path = tmp_path / name
    path.write_bytes(change(path.read_bytes()))  # type: ignore[operator]
    given = ("--htf", models / "htf", "--rhythm", models / "timeline", "--out", tmp_path)
    code, _, err = run(capsys, "predict", tmp_path / "cut", *given)
    assert (code, err.count("\n"), message in err) == (1, 1, True)


@pytest.mark.parametrize(
    ("arguments", "start", "end"),
    [
        (["plot"], "ecgfeat plot: Missing argument", "Try: ecgfeat plot --help"),
        (["predict", "--format"], "ecgfeat predict: Option '--format'", "Try: ecgfeat predict --help"),
        (["predict", "x", "--views", "0"], "ecgfeat predict: Invalid value", "Try: ecgfeat predict --help"),
        (["models", "--jsn"], "ecgfeat models: No such option", "Try: ecgfeat models --help"),
        (["plt"], "ecgfeat: No such command 'plt'", "Try: ecgfeat --help"),
        (["--plot"], "ecgfeat: No such option", "Try: ecgfeat --help"),
    ],
)
def test_an_error_of_the_command_line_names_the_command(
    capsys: Capture, arguments: list[str], start: str, end: str
) -> None:
    code, _, err = run(capsys, *arguments)
    assert code == 2
    assert err.startswith(start)
    assert err.rstrip().endswith(end)


@pytest.mark.parametrize("command", [(), ("predict",), ("plot",)])
def test_h_is_help(capsys: Capture, command: tuple[str, ...]) -> None:
    assert run(capsys, *command, "-h") == run(capsys, *command, "--help")


@pytest.mark.parametrize(
    ("words", "completed"),
    [("ecgfeat pre", "predict"), ("ecgfeat predict --for", "--format"), ("ecgfeat predict --device cu", "cuda")],
)
def test_the_tab_key_completes(words: str, completed: str) -> None:
    environment = {
        **os.environ,
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
        "_ECGFEAT_COMPLETE": "complete_bash",
    }
    done = subprocess.run(
        [sys.executable, "-m", "ecgfeat.cli"], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.stdout.split(), done.stderr) == ([completed], "")


def test_debug_shows_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECGFEAT_DEBUG", "1")
    with pytest.raises(ValueError, match="nothing there"):
        main(["info", "gone"])


def test_a_missing_package_is_one_line_with_its_extra(
    capsys: Capture, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in [name for name in sys.modules if name.startswith(("ecgfeat.look.strip", "ecgfeat.report."))]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    code, out, err = run(capsys, "plot", raw / "sim000")
    assert (code, out) == (2, "")
    assert err == (
        "matplotlib: not installed; expected the packages of the extra plot. Run: pip install 'ecgfeat[plot]'\n"
    )
    monkeypatch.setenv("ECGFEAT_DEBUG", "1")
    with pytest.raises(ModuleNotFoundError):
        main(["plot", str(raw / "sim000")])


def test_a_missing_package_that_no_extra_has_is_a_defect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "ecgfeat.arena", raising=False)
    monkeypatch.setitem(sys.modules, "ecgfeat.arena", None)
    with pytest.raises(ModuleNotFoundError):
        main(["models"])


def test_help_loads_no_slow_library() -> None:
    code = (
        "import sys; from ecgfeat.cli import main; main(['--help']); "
        "slow = {'torch', 'matplotlib', 'neurokit2', 'zarr', 'pyarrow', 'scipy', 'wfdb'} & set(sys.modules); "
        "sys.exit(f'imported: {slow}' if slow else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    shown = (
        "models",
        "protocol",
        "plan",
        "info",
        "check",
        "plot",
        "explain",
        "predict",
        "stream",
        "export",
        "evaluate",
    )
    for command in shown:
        assert f"  {command} " in done.stdout


def test_a_closed_pipe_is_no_fault(raw: Path) -> None:
    command = f"{sys.executable} -m ecgfeat.cli info {raw} | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.stderr == ""
