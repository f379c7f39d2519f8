"""The pipeline as a user meets it: reruns, changed params, kills, and bad input that is named and never skipped."""

import hashlib
import importlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import filelock
import numpy as np
import pytest
from ruamel.yaml import YAML

from ecgfeat.acquire.manifest import save_manifest
from ecgfeat.errors import DataError
from ecgfeat.records.writer import write_annotation_file, write_record
from ecgfeat.scoring.repeats import run_fingerprint
from ecgfeat.store.schemas import RECORDS
from ecgfeat.store.seal import write_report
from ecgfeat.store.tables import read_table
from pipeline import annotate
from pipeline.read import paths
from tests.fixtures.small_run import default_params

ROOT = Path(__file__).parents[2]
SMALL = (
    "acquire.subjects=8",
    "acquire.minutes=3",
    "acquire_diagnostic.records=30",
    "diagnoses.folds=2",
    "record_trees.seeds=1",
    "record_trees.min_rows=5",
    "record_trees.bootstrap=100",
    "train_beats.folds=2",
    "train_beats.steps=2",
    "train_beats.batch=2",
    "train_beats.iterations=5",
    "train_rhythm.width=16",
    "train_rhythm.blocks=1",
    "train_rhythm.epochs=1",
    "train_rhythm.per_rhythm=1",
    "train_rhythm.iterations=5",
    "train_htf.epochs=1",
    "train_timeline.width=16",
    "train_timeline.blocks=1",
    "train_timeline.epochs=1",
    "train_timeline.chunks=16",
    "train_window.epochs=1",
    "train_window.pretrain_epochs=1",
    "report.bootstrap=100",
    "runtime.threads=1",
)
STAGES = [
    "local",
    *(f"{stage} simulate" for stage in ("acquire", "annotate", "signals", "quality", "rpeaks", "windows", "features")),
    *(
        f"{stage} simulate12"
        for stage in ("acquire_diagnostic", "diagnoses", "short_records", "record_features", "record_trees")
    ),
    "train_beats",
    "classify simulate",
    "train_rhythm",
    "outside",
    "train_htf",
    "embed simulate",
    "train_baselines",
    "train_timeline",
    "train_window",
    "evaluate",
    "sensitivity",
    "report",
]


def write_params(folder: Path, *overrides: str) -> None:
    (folder / "params.yaml").write_text(default_params(*SMALL, *overrides))


def environment(code: Path = ROOT) -> dict[str, str]:
    keep = {key: value for key, value in os.environ.items() if not key.startswith(("DVC_", "GIT_"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{keep.get('PATH', '')}"
    return keep | {"PYTHONPATH": str(code), "PATH": path, "OMP_NUM_THREADS": "1"}


def run(folder: Path, *command: str, code: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, env=environment(code), capture_output=True, text=True, check=False)


def repro(folder: Path) -> subprocess.CompletedProcess[str]:
    """What ``make repro`` runs once the params are checked: all stages up to the report."""
    return run(folder, "dvc", "repro", "report")


def artifacts(folder: Path) -> dict[str, bytes]:
    files = [p for part in ("data", "models", "reports") for p in sorted((folder / part).rglob("*")) if p.is_file()]
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files if p.name != ".gitignore"}


@pytest.fixture(scope="module")
def checkout(make_once, tmp_path_factory) -> Path:
    """A copy of a small run of the whole pipeline under DVC, in a repository of its own."""
    folder = tmp_path_factory.mktemp("checkout") / "run"
    return Path(shutil.copytree(make_once("checkout", make_checkout), folder, symlinks=True))


def make_checkout(folder: Path) -> None:
    lay_out_checkout(folder)
    done = repro(folder)
    assert done.returncode == 0, done.stdout + done.stderr


def lay_out_checkout(folder: Path) -> None:
    """Copy what Git holds of this project, with a preset of few subjects, into a repository without a run."""
    shutil.copytree(ROOT / ".dvc", folder / ".dvc", ignore=shutil.ignore_patterns("cache", "tmp", "config.local"))
    for name in ("ecgfeat", "pipeline"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("dvc.yaml", "constraints.txt", ".dvcignore", ".gitignore"):
        shutil.copy(ROOT / name, folder / name)
    shutil.copytree(ROOT / "conf", folder / "conf")
    shutil.copytree(ROOT / "recordings", folder / "recordings")
    (folder / "docs").mkdir()
    shutil.copy(ROOT / "docs/glossary.md", folder / "docs")  # the report explains its words
    yaml = YAML()
    # What `default_params` composes, as a preset of its own.
    small = dict(YAML(typ="safe").load(ROOT / "conf/preset/simulate.yaml"))
    for override in SMALL:
        key, value = override.split("=")
        small.setdefault(key.split(".")[0], {})[key.split(".")[1]] = int(value)
    (folder / "conf/preset/small.yaml").write_text("# @package _global_\n")
    with (folder / "conf/preset/small.yaml").open("a") as file:
        yaml.dump(small, file)
    (folder / "dvc.lock").write_text("schema: '2.0'\nstages: {}\n")
    write_params(folder)
    for command in (
        "git init -q",
        "git add -A",
        "git -c user.name=t -c user.email=t@localhost commit -qm start",
    ):
        assert run(folder, *command.split()).returncode == 0


def ran(done: subprocess.CompletedProcess[str]) -> list[str]:
    assert done.returncode == 0, done.stdout + done.stderr
    stages = [line.split("'")[1] for line in done.stdout.splitlines() if line.startswith("Running stage")]
    return [stage for stage in stages if stage != "code"]  # it runs whenever params.yaml or a module changes


def test_second_run_does_nothing(checkout):
    assert ran(repro(checkout)) == []


def test_the_arena_needs_every_system_on_every_corpus_and_the_report_none(checkout):
    params = YAML(typ="safe").load(checkout / "params.yaml")
    (corpus,), models = params["diagnostic_corpora"], params["models"]
    short = {f"acquire_diagnostic@{corpus}", f"diagnoses@{corpus}"}
    added = {"evaluate_systems", "arena"}
    added |= {f"train_system@{name}" for name in models} | {f"crossvalidate@{corpus}-{name}" for name in models}
    needed = {}
    for target in ("report", "arena"):
        done = run(checkout, "dvc", "dag", "--dot", target)
        assert done.returncode == 0, done.stderr
        needed[target] = set(re.findall(r'"([^"]+)"', done.stdout))
    assert added | short <= needed["arena"]
    assert {"evaluate", "train_timeline", "train_window"} <= needed["arena"]
    assert "report" not in needed["arena"]
    assert not added & needed["report"]
    assert {"sensitivity", "outside", f"short_records@{corpus}"} | short <= needed["report"]


def test_changed_rate_reruns_training_evaluation_and_report_only(checkout):
    text = (checkout / "params.yaml").read_text()
    (checkout / "params.yaml").write_text(
        text.replace("  lr: 0.001\n  weight_decay: 0.05", "  lr: 0.002\n  weight_decay: 0.05", 1)
    )
    assert ran(repro(checkout)) == ["train_window", "evaluate", "report"]
    (checkout / "params.yaml").write_text(text)
    done = repro(checkout)
    assert ran(done) == []
    assert done.stdout.count("is cached - skipping run") == 3


def test_a_docstring_reruns_nothing_and_a_literal_the_stages_that_import_it(checkout):
    module = checkout / "ecgfeat/simulate/perturb.py"
    text = module.read_text()
    module.write_text(text.replace('"""', '"""Reworded. ', 1) + "\n# A comment.\n")
    assert module.read_text() != text
    done = repro(checkout)
    assert ran(done) == []
    assert "Running stage 'code'" in done.stdout
    module.write_text(text + "\nUNUSED = 1\n")
    # Their outputs come out with the same bytes, so what reads them stays.
    assert ran(repro(checkout)) == ["train_beats", "sensitivity"]
    module.write_text(text)
    assert ran(repro(checkout)) == []


def small_preset(checkout: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """What ``make repro PRESET=small SET=...`` runs."""
    return run(checkout, sys.executable, "-m", "pipeline.run.repro", "small", *words, code=checkout)


def git_status(checkout: Path) -> str:
    return run(checkout, "git", "status", "--porcelain").stdout


def test_a_preset_leaves_git_clean_and_an_ablation_leaves_nothing_behind(checkout):
    before = artifacts(checkout)
    assert ran(small_preset(checkout, "report")) == []
    assert git_status(checkout) == ""
    assert ran(small_preset(checkout, "report", "report.worst_records=3")) == ["report"]
    assert "worst_records: 3" in (checkout / "params.yaml").read_text()
    done = small_preset(checkout, "report")
    assert ran(done) == []
    assert "is cached - skipping run" in done.stdout
    assert artifacts(checkout) == before
    assert git_status(checkout) == ""


def test_an_experiment_that_stops_before_the_report_shows_no_numbers(checkout):
    shown = "dvc exp show --no-pager --json"
    assert "macro_f1" in run(checkout, *shown.split()).stdout
    done = run(
        checkout, "dvc", "exp", "run", "-n", "partial", "-S", "preset=small", "-S", "report.bootstrap=120", "rpeaks"
    )
    assert done.returncode == 0, done.stderr
    assert not (checkout / "reports/metrics.json").exists()
    (partial,) = [
        revision
        for baseline in json.loads(run(checkout, *shown.split()).stdout)
        for experiment in baseline["experiments"] or []
        for revision in experiment["revs"]
        if revision["name"] == "partial"
    ]
    assert not any((metric.get("data") or {}) for metric in partial["data"]["metrics"].values())
    assert ran(small_preset(checkout, "report")) == []  # all is restored
    assert (checkout / "reports/metrics.json").exists()


def test_what_the_pipeline_did_not_write_is_never_removed(checkout):
    mine = [
        checkout / name
        for name in (
            "data/notes.txt",
            "data/raw/mine/100.dat",
            "data/windows/mine.zarr/c/0",
            "models/systems/mine/w.bin",
        )
    ]
    for path in mine:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
    lock = YAML().load(checkout / "dvc.lock")
    other = checkout / "data/records/other.parquet"  # an output of another corpus that DVC has recorded and can restore
    other.write_bytes(b"rows")
    md5 = hashlib.md5(b"rows").hexdigest()
    recorded = {"path": "data/records/other.parquet", "hash": "md5", "md5": md5, "size": 4}
    cached = checkout / ".dvc/cache/files/md5" / md5[:2] / md5[2:]
    cached.parent.mkdir(parents=True, exist_ok=True)
    cached.write_bytes(b"rows")
    gone = checkout / "data/beats/other.parquet"  # another, which the cache no longer has
    gone.write_bytes(b"beats")
    lost = {"path": "data/beats/other.parquet", "hash": "md5", "md5": hashlib.md5(b"beats").hexdigest(), "size": 5}
    lock["stages"]["annotate@other"] = {"cmd": "x", "outs": [recorded, lost]}
    lock["stages"]["signals@other"] = {"cmd": "x", "outs": [recorded | {"path": "data/notes.txt"}]}
    YAML().dump(lock, checkout / "dvc.lock")
    done = run(checkout, sys.executable, "-m", "pipeline.code", code=checkout)
    assert "1 outputs of other corpora or models put away" in done.stdout, done.stderr
    assert not other.exists()
    assert all(path.read_text() == "mine" for path in mine)
    assert gone.read_bytes() == b"beats"
    for path in (*mine, gone):
        path.unlink()
    shutil.rmtree(checkout / "data/windows/mine.zarr")


def test_a_second_run_in_the_folder_says_so_before_it_changes_anything(checkout):
    before = artifacts(checkout), (checkout / "params.yaml").read_text()
    lock = filelock.FileLock(checkout / ".cache/ecgfeat/locks/run")
    with lock:
        done = small_preset(checkout, "report", "train_htf.lr=0.5")
    assert done.returncode == 1
    assert done.stderr == (
        "run: another run works in this folder; expected one run at a time. Wait for it, or end it. "
        "Nothing was changed.\n"
    )
    noted = checkout / ".dvc/tmp/rwlock"
    with subprocess.Popen(["sleep", "60"]) as other:
        info = {"pid": other.pid, "cmd": "dvc repro report"}
        noted.write_text(json.dumps({"write": {str(checkout / "data/beats/simulate.parquet"): info}, "read": {}}))
        done = small_preset(checkout, "report", "train_htf.lr=0.5")
        other.kill()
    noted.unlink()
    assert done.returncode == 1
    assert f"`dvc repro report` (process {other.pid}) works in this folder" in done.stderr
    assert (artifacts(checkout), (checkout / "params.yaml").read_text()) == before


def test_a_params_yaml_edited_by_hand_is_kept_when_a_preset_replaces_it(checkout):
    assert ran(small_preset(checkout, "report")) == []
    text = (checkout / "params.yaml").read_text()
    edited = text.replace("worst_records: 10", "worst_records: 4")
    assert edited != text
    (checkout / "params.yaml").write_text(edited)
    done = small_preset(checkout, "report")
    assert "params.yaml was edited" in done.stderr
    assert (checkout / ".cache/ecgfeat/params.yaml").read_text() == edited
    assert (checkout / "params.yaml").read_text() == text


def test_misspelt_param_stops_the_run_before_any_stage(checkout):
    text = (checkout / "params.yaml").read_text()
    (checkout / "params.yaml").write_text(
        text.replace("  lr: 0.001\n  weight_decay: 0.05", "  learning_rate: 0.001\n  weight_decay: 0.05", 1)
    )
    done = run(checkout, "dvc", "repro")
    (checkout / "params.yaml").write_text(text)
    assert done.returncode != 0
    assert "train_window.learning_rate: unknown param" in done.stderr


def test_repeats_stand_in_the_metrics_of_the_run_they_repeat_only(checkout):
    path, before = checkout / "reports/scores.json", (checkout / "reports/scores.json").read_text()
    name = run_fingerprint(json.loads(before)["rhythm"])
    for of, seeds in ((name, [42, 43]), ("another run", None)):
        repeats = {"seeds": {"run": of, "metrics": {"seeds": [42, 43], "rhythm_seeds": {}}}}
        write_report(checkout / "reports/repeats.json", "repeats", repeats)
        assert ran(repro(checkout)) == ["report"]
        assert json.loads(path.read_text()).get("seeds") == seeds
        assert ran(repro(checkout)) == []
    write_report(checkout / "reports/repeats.json", "repeats", {})
    assert ran(repro(checkout)) == []
    assert path.read_text() == before


def test_metrics_hold_the_fixed_names(checkout):
    metrics = json.loads((checkout / "reports/scores.json").read_text())
    assert {"sensitivity", "positive_predictivity", "f1"} <= set(metrics["rpeaks"]["simulate"])
    for history in ("oracle", "predicted", "none"):
        assert {"n_f1", "s_f1", "v_f1"} <= set(metrics["beats"]["simulate"][history])
    for protocol in ("episode", "grid"):
        for view in ("single", "tta7"):
            scores = metrics["rhythm"]["simulate"]["window"][protocol][view]
            assert {"macro_f1", "accuracy", "balanced_accuracy", "f1", "support", "subjects"} <= set(scores)
    assert metrics["oracles"] == {"episodes": True, "history": False, "rpeaks": False}
    assert metrics["corpora"]["simulate"]["signals"] == "simulated"


def test_killed_stages_give_the_bytes_of_an_undisturbed_run(checkout, tmp_path, monkeypatch):
    # Stages outside DVC, killed at random moments and run again, must leave what DVC's run left.
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reports").mkdir()
    for name in ("params.yaml", "dvc.yaml", "reports/repeats.json"):
        shutil.copy(checkout / name, tmp_path / name)
    rng = random.Random(20)
    kills = 0
    for stage in STAGES:
        name, *arguments = stage.split()
        if name in ("acquire", "signals", "windows", "embed", "evaluate"):
            process = subprocess.Popen(
                [sys.executable, "-m", f"pipeline.{name}", *arguments],
                env=environment(checkout),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            folder = tmp_path / {"acquire": "data/raw", "evaluate": "reports"}.get(name, "data")
            kill_when_it_writes(process, folder, rng)
            kills += process.returncode == -signal.SIGKILL
        importlib.import_module(f"pipeline.{name}").main(*arguments)
    assert kills >= 3
    expected, found = artifacts(checkout), artifacts(tmp_path)
    assert sorted(found) == sorted(expected)
    assert [name for name in expected if found[name] != expected[name]] == []


def kill_when_it_writes(process: subprocess.Popen[bytes], folder: Path, rng: random.Random) -> None:
    """Kill a stage a few milliseconds after its half-built artifact has appeared, or when it has ended."""
    while process.poll() is None and not any(folder.rglob(".*.part")):
        time.sleep(0.002)
    time.sleep(rng.uniform(0, 0.05))
    process.kill()
    process.wait()


def test_stage_ends_when_what_started_it_is_killed(tmp_path):
    write_params(tmp_path, "acquire.minutes=300", "acquire.subjects=300")
    stage = f"{sys.executable} -m pipeline.acquire simulate & echo $!; wait"
    shell = subprocess.Popen(
        ["bash", "-c", stage], cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert shell.stdout is not None
    pid = int(shell.stdout.readline())
    while not any((tmp_path / "data").rglob("*.part")):
        assert shell.poll() is None
        time.sleep(0.05)
    shell.kill()
    shell.wait()
    for _ in range(100):
        if not Path(f"/proc/{pid}").exists() and not is_alive(pid):
            break
        time.sleep(0.1)
    else:
        os.kill(pid, signal.SIGKILL)
        pytest.fail("the stage outlived the process that started it")
    shell.stdout.close()


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def corpus(tmp_path, monkeypatch) -> Path:
    """A raw mitdb folder of four good records, to be damaged; the working folder of the stages."""
    write_params(tmp_path, "corpora=[mitdb]")
    monkeypatch.chdir(tmp_path)
    folder = paths.raw("mitdb")
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for record in ("100", "101", "103", "106"):
        signal_uv_SC = np.round(rng.normal(0, 200, (360 * 30, 2))).astype(np.int16)
        write_record(folder, record, signal_uv_SC, 360.0, ("MLII", "V1"))
        sample = np.arange(300, 360 * 30, 300)
        symbol = np.array(["+", *["N"] * (len(sample) - 1)])
        write_annotation_file(folder, record, "atr", sample, symbol, ["(N", *[""] * (len(sample) - 1)], 360.0)
    save_manifest(
        folder, {"slug": "mitdb", "signals": "measured", "records": ["100", "101", "103", "106"], "files": {}}
    )
    return folder


def statuses() -> dict[str, tuple[str, str]]:
    annotate.main("mitdb")
    table = read_table(paths.records("mitdb"), RECORDS)
    return {r: (s, why) for r, s, why in zip(table["record"], table["status"], table["reason"], strict=True)}


def flatten_leads(folder: Path, value: int, leads: tuple[int, ...]) -> None:
    signal_uv_SC = np.random.default_rng(1).integers(-200, 200, (360 * 30, 2)).astype(np.int16)
    signal_uv_SC[:, leads] = value
    write_record(folder, "101", signal_uv_SC, 360.0, ("MLII", "V1"))


def truncate_dat(folder: Path) -> None:
    (folder / "101.dat").write_bytes((folder / "101.dat").read_bytes()[:5000])


def drop_fs(folder: Path) -> None:
    header = (folder / "101.hea").read_text()
    (folder / "101.hea").write_text("101 2\n" + header.split("\n", 1)[1])


def shorten(folder: Path) -> None:
    write_record(folder, "101", np.ones((360 * 4, 2), np.int16), 360.0, ("MLII", "V1"))


@pytest.mark.parametrize(
    ("damage", "status", "message"),
    [
        (truncate_dat, "failed", r"mitdb/101: .*101\.dat"),
        (lambda folder: (folder / "101.atr").unlink(), "failed", r"mitdb/101: no annotation file 101\.atr"),
        (lambda folder: (folder / "101.atr").write_bytes(b""), "failed", r"mitdb/101: .*101\.atr"),
        (drop_fs, "failed", r"mitdb/101: .*(fs|sampling frequency)"),
        (lambda folder: flatten_leads(folder, 7, (0, 1)), "excluded", "every lead is flat"),
        (lambda folder: flatten_leads(folder, -32768, (0, 1)), "excluded", "no valid sample in any lead"),
        (lambda folder: flatten_leads(folder, 7, (0,)), "used", "^$"),
        (lambda folder: flatten_leads(folder, -32768, (0,)), "used", "^$"),
        (shorten, "excluded", "4.0 s long, shorter than one window of 10 s"),
    ],
)
def test_faulty_record_is_named_and_the_others_are_used(corpus, damage, status, message):
    damage(corpus)
    found = statuses()
    assert found["101"][0] == status
    assert re.search(message, found["101"][1]), found["101"][1]
    assert "\n" not in found["101"][1]
    assert [found[r][0] for r in ("100", "103", "106")] == ["used"] * 3


def test_corpus_without_a_usable_record_is_refused(corpus):
    for path in corpus.glob("*.atr"):
        path.unlink()
    with pytest.raises(DataError, match="no record can be used"):
        annotate.main("mitdb")


def test_unfinished_raw_folder_is_refused(corpus):
    (corpus / "corpus.json").unlink()
    with pytest.raises(DataError, match="no readable corpus.json"):
        annotate.main("mitdb")
