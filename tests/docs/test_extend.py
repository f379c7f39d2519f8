"""docs/extend.md by doing it: every block is applied to a copy of the repository, every command is run there."""

import json
import re
import shutil
from pathlib import Path

import pytest

from ecgfeat.simulate import simulate_corpus
from tests.docs.test_pages import run_bash

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "extend.md").read_text()
LEFT_BEHIND = (
    ".git",
    ".venv",
    ".cache",
    ".*_cache",
    "__pycache__",
    "cache",
    "tmp",
    "data",
    "models",
    "reports",
    "site",
)


def blocks_of(heading):
    """Return the blocks of a section: language, file name or an empty text, content."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r'^```(\w+)(?: title="([^"]*)")?\n(.*?)^```$', section, re.M | re.S)


def apply_diff(path, diff):
    text = path.read_text()
    for hunk in diff.split("@@\n"):
        lines = [(line[:1], line[1:]) for line in hunk.splitlines(keepends=True)]
        before = "".join(line for sign, line in lines if sign in " -")
        assert text.count(before) == 1, f"{path}: {before}"
        text = text.replace(before, "".join(line for sign, line in lines if sign in " +"))
    path.write_text(text)


def change(heading, folder):
    """Apply the changes of a section."""
    for language, name, content in blocks_of(heading):
        path = folder / name
        if language == "diff":
            apply_diff(path, content)
        elif language != "bash":
            assert not path.exists(), name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)


def run(heading, folder):
    """Run the commands of a section, and return what they print."""
    return "".join(run_bash(content, folder) for language, _, content in blocks_of(heading) if language == "bash")


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """Return a copy of the repository without what a run makes."""
    folder = tmp_path_factory.mktemp("copy") / "ecgfeat"
    ignore = shutil.ignore_patterns(*LEFT_BEHIND)

    def leave_behind(at, names):
        # Packages may be called models or report; only the folders at the top are outputs.
        return ignore(at, names) if Path(at) in (ROOT, ROOT / ".dvc") else {"__pycache__"} & set(names)

    shutil.copytree(ROOT, folder, ignore=leave_behind)
    run_bash("git init -q && git add . && git -c user.name=a -c user.email=a@b commit -q -m 'A clone'", folder)
    return folder


@pytest.fixture(scope="module")
def mirror(tmp_path_factory):
    """Return a mirror with the records of the example."""
    folder = tmp_path_factory.mktemp("mirror")
    (folder / "mydb").mkdir()
    for record in simulate_corpus(folder / "mydb", num_subjects=10, minutes=1, seed=1, fs_hz=128):
        name = f"p{int(record[3:]) + 1:02}"
        for path in (folder / "mydb").glob(f"{record}.*"):
            path.rename(path.with_stem(name))
        header = folder / "mydb" / f"{name}.hea"
        header.write_text(header.read_text().replace(record, name))
    return folder


def test_a_corpus_a_stage_and_a_model_are_added_as_the_page_shows(copy, mirror, monkeypatch):
    monkeypatch.setenv("ECGFEAT_MIRROR", str(mirror))
    # All changes first: a change of a module that every stage imports reruns every stage.
    for heading in ("A corpus", "A stage", "A model"):
        change(heading, copy)
    run("A stage", copy)
    rates = json.loads((copy / "reports/heart_rate/mydb.json").read_text())
    assert list(rates) == [f"p{number:02}" for number in range(1, 11)]
    assert all(30 < rate < 200 for rate in rates.values())
    assert "data/rpeaks/mydb.parquet" in run("A corpus", copy)
    run("A model", copy)
    assert (copy / "models/systems/small_conv/system.json").is_file()
    run_bash("ruff check . && ruff format --check .", copy)


def test_a_model_touches_at_most_six_files():
    assert len({name for _, name, _ in blocks_of("A model") if name}) <= 6
