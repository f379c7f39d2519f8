"""`ecgfeat explain`: a picture, the parts in words, or all of it as JSON; one line where it cannot be."""

import json
import sys

import numpy as np
import pytest

from ecgfeat.arena.checkpoint import save_system
from ecgfeat.arena.system import build_system
from ecgfeat.arrhythmia.plain import save_rr_trees
from ecgfeat.cli import main
from ecgfeat.diagnosis.trees import save_record_trees
from ecgfeat.records.writer import write_record
from ecgfeat.rhythm.baselines import save_baselines
from ecgfeat.saliency.command import EXPLAINERS
from ecgfeat.saliency.explanation import CAUTION
from tests.fixtures.systems import settings_of
from tests.saliency.conftest import make_signal

CONFIG = {"num_leads": 2, "num_classes": 2, "num_samples": 640}


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    signal = make_signal()
    folder = tmp_path_factory.mktemp("records")
    write_record(folder, "drawn", np.rint(1000 * signal.signal_mv_SC).astype(np.int16), signal.fs_hz, signal.leads)
    return folder / "drawn"


def run(capsys, *arguments):
    code = main(["explain", *map(str, arguments)])
    return code, *capsys.readouterr()


def test_a_beat_in_words_and_as_a_picture(record, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, record, "--at-s", 8.2)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "drawn-beat-8.25s.svg:"
    assert lines[1].startswith("drawn, 8.25 s: V. Beat classifier, log odds of V +")
    assert lines[-1] == CAUTION
    assert (tmp_path / "drawn-beat-8.25s.svg").read_bytes().startswith(b"<?xml")


def test_a_rhythm_as_json_and_png(record, tmp_path, capsys):
    code, out, _ = run(capsys, record, "--at-s", 8.2, "--of", "rhythm", "--out", tmp_path / "a.png", "--json")
    described = json.loads(out)
    assert code == 0
    assert (described["kind"], described["record"]) == ("rhythm", "drawn")
    assert len(described["relevance"]) == 3
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_a_system(record, tmp_path, capsys):
    settings = settings_of("resnet1d", low_hz=0.5, high_hz=30.0)
    system = build_system("resnet1d", settings, seed=0, **CONFIG)
    save_system(tmp_path / "resnet1d", "resnet1d", system, settings, CONFIG, {"classes": ["slow", "fast"]})
    target = tmp_path / "a.svg"
    code, out, _ = run(capsys, record, "--at-s", 12, "--of", tmp_path / "resnet1d", "--class", "fast", "--out", target)
    assert code == 0
    assert out.splitlines()[1].startswith("drawn, 10.00 s: fast. System resnet1d, logit of fast ")
    assert target.is_file()


def test_a_baseline_of_a_model_that_has_one_is_refused(record, tmp_path, capsys):
    (tmp_path / "system.json").touch()
    code, _, err = run(capsys, record, "--at-s", 8, "--of", tmp_path, "--baseline", "flat")
    assert code == 2
    assert "which has one; expected --of beat, --of rhythm, or a published head" in err


def test_each_model_of_a_run(record, tmp_path, capsys, chain_folders, rr_trees, fitted, record_trees):
    save_rr_trees(tmp_path / "rr_trees", rr_trees, {})
    save_baselines(tmp_path / "baselines", fitted, {})
    save_record_trees(tmp_path / "fold0", record_trees, ("one", "two", "three"), "single", {"corpus": "a", "fold": 0})
    said = {
        chain_folders / "timeline": "HTF and timeline head, log odds of ",
        chain_folders / "window": "drawn, 10.00 s: ",
        tmp_path / "rr_trees": "RR trees, logit of ",
        tmp_path / "baselines": "Logistic regression on RR intervals, logit of ",
        tmp_path / "fold0": "Record trees of a, fold 0, logit of ",
    }
    assert {next(name for name in EXPLAINERS if (folder / name).is_file()) for folder in said} == {*EXPLAINERS} - {
        "system.json"
    }
    for folder, words in said.items():
        code, out, err = run(capsys, record, "--at-s", 12, "--of", folder, "--out", tmp_path / "a.svg")
        assert (code, err) == (0, "")
        assert words in out.splitlines()[1]
        assert out.splitlines()[-1] == CAUTION
        described = json.loads(
            run(capsys, record, "--at-s", 12, "--of", folder, "--out", tmp_path / "a.svg", "--json")[1]
        )
        total = sum(part["value"] for part in described["parts"]) + described["residual"]
        assert total == pytest.approx(described["difference"], abs=2e-3)


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--at-s", "99"], 1, "drawn: 99 s; expected a time within 0 to 28 s. Change --at-s."),
        (["--at-s", "8", "--class", "F"], 2, "class: unknown class 'F'; expected one of N, S, V."),
        (
            ["--at-s", "8", "--of", "rhythm", "--baseline", "flat"],
            2,
            "baseline: unknown baseline 'flat'; expected one of regular, mean.",
        ),
        (
            ["--at-s", "8", "--of", "heart"],
            2,
            "--of: heart; expected beat, rhythm, or the folder of a trained model of a run.",
        ),
        (["--at-s", "8", "--of", "."], 2, "--of: .; expected beat, rhythm, or the folder of a trained model of a run."),
        (
            ["--at-s", "8", "--of", ".", "--models", "real"],
            2,
            "--models: a folder, .; expected --of beat or --of rhythm",
        ),
        (["--at-s", "8", "--out", "a.pdf"], 2, "--out: a.pdf; expected a name that ends in .svg or .png."),
        (["--at-s", "8", "--models", "none"], 2, "--models: no folder none"),
        ([], 2, "Missing option '--at-s'"),
    ],
)
def test_what_cannot_be_is_one_line(record, tmp_path, capsys, monkeypatch, options, code, message):
    monkeypatch.chdir(tmp_path)
    found, out, err = run(capsys, record, *options)
    assert (found, out) == (code, "")
    assert message in err
    assert not list(tmp_path.iterdir())


def test_without_captum_the_extra_is_named(record, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "captum", None)
    code, _, err = run(capsys, record, "--at-s", 8)
    assert code == 2
    assert "captum: not installed; expected the packages of the extra saliency." in err
