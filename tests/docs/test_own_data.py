"""docs/own-data.md is executed: a folder of recordings is predicted, then trained on and scored, under DVC."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML

from ecgfeat.corpora.own import LOCAL
from pipeline.params import check_params
from pipeline.run.repro import compose
from tests.fixtures.small_run import SMALL
from tests.pipeline.test_stages import environment

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "own-data.md").read_text()
BLOCKS = re.findall(r"^```(python|bash|yaml)\n(.*?)^```$", PAGE, re.M | re.S)
PYTHON, BASH, SETTINGS = ([text for kind, text in BLOCKS if kind == wanted] for wanted in ("python", "bash", "yaml"))


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Path:
    """A clone with the recordings of the page, and the preset with models of a size that trains in seconds."""
    folder = tmp_path_factory.mktemp("own") / "checkout"
    folder.mkdir()
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    for name in files:
        is_used = name.split("/")[0] in ("conf", "pipeline", "ecgfeat", "recordings", ".dvc") or "/" not in name
        is_used |= name == "docs/glossary.md"  # the report explains its words
        if is_used and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    preset, yaml = folder / "conf/preset/local.yaml", YAML()
    text = preset.read_text()
    small = yaml.load(text)
    for key, value in SMALL.items():
        if "." in key and not key.startswith("acquire."):
            section, name = key.split(".")
            small.setdefault(section, {})[name] = value
    preset.write_text("# @package _global_\n")
    with preset.open("a") as file:
        yaml.dump(small, file)
    (folder / ".venv").mkdir()
    (folder / ".venv/installed").touch()  # the packages are those of this test
    (folder / "dvc.lock").write_text("schema: '2.0'\nstages: {}\n")
    for command in ("git init -q", "git add -A", "git -c user.name=t -c user.email=t@localhost commit -qm start"):
        run(folder, command)
    exec(compile(PYTHON[0].replace('Path("recordings")', f"Path({str(folder / 'recordings')!r})"), "page", "exec"), {})
    return folder


def run(folder: Path, command: str) -> str:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=folder,
        env=environment(folder) | {"DVC_NO_ANALYTICS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def test_the_page_runs(checkout):
    predict, look, train = BASH
    said = run(checkout, predict)
    assert "nothing is trained" in said
    assert not (checkout / "models").exists()
    records = json.loads((checkout / "data/raw/local/corpus.json").read_text())["records"]
    assert len(records) == 10
    for record in records:
        assert pq.read_table(checkout / f"reports/predicted/local/{record}-beats.parquet").num_rows > 200
    assert "record_episodes" in run(checkout, look)

    # Nothing changed: nothing runs. A new recording: it is noticed.
    assert set(re.findall("Running stage '(.*)'", run(checkout, predict))) <= {"code"}
    new = checkout / "recordings" / "new"
    shutil.copytree(checkout / "recordings" / "patient0", new)
    assert "Running stage 'acquire@local'" in run(checkout, predict)
    assert list((checkout / "reports/predicted/local/new").glob("*-episodes.parquet"))
    shutil.rmtree(new)

    run(checkout, train)
    assert (checkout / "reports/report.html").is_file()
    table = pq.read_table(checkout / "data/records/local.parquet").to_pandas()
    assert set(table["status"]) == {"used"}
    assert table["subject"].tolist() == [f"patient{number}" for number in range(10)]
    scores = json.loads((checkout / "reports/scores.json").read_text())
    assert scores["corpora"][LOCAL.slug]["signals"] == "measured"


def test_settings_of_the_page_are_valid(monkeypatch, tmp_path):
    assert len(SETTINGS) == 1
    monkeypatch.chdir(ROOT)
    composed = tmp_path / "params.yaml"
    compose(["preset=local"], composed)
    params = YAML(typ="safe").load(composed)
    for key, value in YAML(typ="safe").load(SETTINGS[0]).items():
        if key != "defaults":
            params[key] = params[key] | value if isinstance(value, dict) else value
    assert check_params(params, "page").inside(["mitdb", "local"]) == ["mitdb"]


def test_the_page_names_every_setting():
    table = PAGE.split("## All settings")[1]
    named = set(re.findall(r"`(\w+)`", table)) & set(check_params(compose_default(), "conf").local.model_dump())
    assert named == set(check_params(compose_default(), "conf").local.model_dump())


def compose_default() -> object:
    return YAML(typ="safe").load(ROOT / "params.yaml")
