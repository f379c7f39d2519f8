"""`ecgfeat explain`: a picture, the parts in words, or all of it as JSON; one line where it cannot be."""

import json
import sys

import numpy as np
import pytest

from ecgfeat.arena.checkpoint import save_system
from ecgfeat.arena.system import build_system
from ecgfeat.cli import main
from ecgfeat.records.writer import write_record
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
        (["--at-s", "8", "--of", "heart"], 2, "--of: heart; expected beat, rhythm, or the folder of a trained system."),
        (["--at-s", "8", "--of", ".", "--baseline", "flat"], 2, "--baseline: a system, .; expected --of beat or"),
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
