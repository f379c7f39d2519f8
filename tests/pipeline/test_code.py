"""Digests of code: what counts as a change, and whose change it is; rows of other code are never taken over."""

import shutil
from pathlib import Path

import pytest

from pipeline.run.code import WITHOUT_INFLUENCE, code_digest, import_closure

ROOT = Path(__file__).parents[2]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Two stages, one of which imports a package with a data file."""
    files = {
        "constraints.txt": "torch==2\n",
        "pipeline/__init__.py": '"""Stages."""\n',
        "pipeline/one.py": "from ecgfeat.beats import windows\n",
        "pipeline/two.py": "def main():\n    from ecgfeat.simulate.noise import draw\n    return draw\n",
        "pipeline/run/stage.py": "LIMIT = 1\n",
        "ecgfeat/__init__.py": 'from ecgfeat.version import __version__\n\nNAMES = "1"\n',
        "ecgfeat/version.py": '__version__ = "1"\n',
        "ecgfeat/beats/__init__.py": "",
        "ecgfeat/beats/windows.py": '"""Windows."""\n\nNUM = 256\n"""Two seconds."""\n\n\ndef cut():\n    return NUM\n',
        "ecgfeat/simulate/__init__.py": "",
        "ecgfeat/simulate/noise.py": "import json\n\nfrom ecgfeat.beats.windows import NUM\n\ndraw = NUM\n",
        "ecgfeat/simulate/figures.json": "{}\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def digests(tree: Path) -> tuple[str, str]:
    return code_digest("one", tree), code_digest("two", tree)


def change(tree: Path, name: str, old: str, new: str) -> tuple[bool, bool]:
    """Replace a text in a file; return for each stage whether its digest changed."""
    before = digests(tree)
    text = (tree / name).read_text()
    assert old in text
    (tree / name).write_text(text.replace(old, new))
    after = digests(tree)
    return before[0] != after[0], before[1] != after[1]


@pytest.mark.parametrize(
    ("name", "old", "new", "changed"),
    [
        ("ecgfeat/beats/windows.py", '"""Windows."""', '"""Other words."""', (False, False)),
        ("ecgfeat/beats/windows.py", '"""Two seconds."""\n', "", (False, False)),
        ("ecgfeat/beats/windows.py", "    return NUM", "    # why\n    return (NUM)", (False, False)),
        ("ecgfeat/beats/windows.py", "256", "128", (True, True)),
        ("ecgfeat/simulate/noise.py", "draw = NUM", "draw = 2 * NUM", (False, True)),
        ("ecgfeat/simulate/figures.json", "{}", "[]", (False, True)),
        ("ecgfeat/__init__.py", '"1"', '"2"', (False, False)),
        ("pipeline/one.py", "windows", "windows as w", (True, False)),
        ("constraints.txt", "2", "3", (True, True)),
    ],
)
def test_a_digest_changes_with_the_code_a_stage_imports(tree, name, old, new, changed):
    assert change(tree, name, old, new) == changed


def test_a_new_module_counts_from_its_import_on(tree):
    before = digests(tree)
    (tree / "ecgfeat/beats/gain.py").write_text("GAIN = 1\n")
    assert digests(tree) == before
    assert change(tree, "pipeline/one.py", "import windows", "import gain, windows") == (True, False)
    assert change(tree, "ecgfeat/beats/gain.py", "1", "2") == (True, False)


def test_a_stage_that_names_the_version_depends_on_it(tree):
    assert change(tree, "ecgfeat/version.py", '"1"', '"2"') == (False, False)
    assert change(tree, "pipeline/one.py", "from", "from ecgfeat.version import __version__\nfrom") == (True, False)
    assert change(tree, "ecgfeat/version.py", '"2"', '"3"') == (True, False)


def test_the_same_code_in_another_folder_has_the_same_digest(tree, tmp_path):
    shutil.copytree(tree, tmp_path / "copy", ignore=shutil.ignore_patterns("copy"))
    assert digests(tmp_path / "copy") == digests(tree)


def test_a_folder_named_from_where_one_is_gives_the_same_digest(tree, monkeypatch):
    expected = digests(tree)
    monkeypatch.chdir(tree)
    assert digests(Path()) == expected


def test_closures_of_the_shipped_stages_are_what_one_expects():
    names = {
        stage: {path.relative_to(ROOT).as_posix() for path in import_closure(ROOT / "pipeline" / f"{stage}.py")}
        for stage in ("acquire", "embed", "train_window", "evaluate", "report")
    }
    assert "ecgfeat/models/htf.py" in names["embed"]
    assert "ecgfeat/models/rhythm_window.py" in names["train_window"]
    assert "ecgfeat/models/rhythm_window.py" in names["evaluate"]
    assert "ecgfeat/version.py" in names["report"]  # it prints the version
    assert not {name for name in names["acquire"] if name.startswith(("ecgfeat/models", "ecgfeat/scoring"))}
    assert not {name for name in names["evaluate"] if name.startswith(("ecgfeat/arena", "ecgfeat/simulate"))}
    for stage in names:
        assert not names[stage] & set(WITHOUT_INFLUENCE)
