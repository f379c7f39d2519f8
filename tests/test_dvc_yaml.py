"""dvc.yaml says what each stage really depends on. Run as a script it prints the modules of each stage."""

import ast
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from ecgfeat.systems import SYSTEMS

ROOT = Path(__file__).parents[1]
STAGES = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]
PARAMS = YAML(typ="safe").load(ROOT / "params.yaml")
KEY_ORDER = ["desc", "matrix", "cmd", "deps", "params", "outs", "metrics", "plots"]
# Packages with data files beside their modules are depended on as folders.
FOLDERS = ("ecgfeat/corpora", "ecgfeat/simulate", "ecgfeat/report")


def module_file(name: str) -> Path | None:
    path = ROOT / Path(*name.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def imported_by(path: Path) -> set[Path]:
    """Return our own modules that a file imports, itself not included."""
    package = ".".join(path.relative_to(ROOT).parent.parts)
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                up = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*up, *([base] if base else [])])
            names |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    found = set()
    for name in names:
        parts = name.split(".")
        if parts[0] in ("ecgfeat", "pipeline"):
            # Importing a module runs the __init__ of the packages above it.
            found |= {module_file(".".join(parts[:i])) for i in range(1, len(parts) + 1)}
    return found - {None, path}


def modules_of(script: Path) -> list[str]:
    """Return what a stage script needs of our code, itself not included, as dvc.yaml should name it."""
    # Without influence on results: how a script starts, how params are checked, and the version, where it is not shown.
    seen = {ROOT / "pipeline" / name for name in ("__init__.py", "stage.py", "params.py")}
    outside = seen | {script}
    queue = [script]
    while queue:
        for path in imported_by(queue.pop()) - seen:
            seen.add(path)
            queue.append(path)
    names = set()
    for path in seen - outside:
        name = path.relative_to(ROOT).as_posix()
        names.add(next((folder for folder in FOLDERS if name.startswith(folder + "/")), name))
    return sorted(names if "import ecgfeat\n" in script.read_text() else names - {"ecgfeat/__init__.py"})


@pytest.mark.parametrize("stage", STAGES)
def test_stage_names_its_script_its_section_and_its_modules(stage):
    definition = STAGES[stage]
    script = f"pipeline/{stage}.py"
    assert definition["cmd"].startswith(f"python -m pipeline.{stage}")
    assert script in definition["deps"]
    assert [key for key in KEY_ORDER if key in definition] == list(definition)
    if stage == "params":
        return
    assert stage in definition["params"]
    assert stage in PARAMS
    assert "constraints.txt" in definition["deps"]
    code = sorted(d for d in definition["deps"] if d.startswith(("ecgfeat/", "pipeline/")) and d != script)
    assert code == modules_of(ROOT / script)
    assert definition["deps"] == sorted(definition["deps"])


def test_stages_stand_in_the_order_of_params_and_none_is_missing():
    # `rhythm` holds what several stages share; each model of the arena has a section, and they share their stages.
    shared = ("rhythm", "runtime", *SYSTEMS)
    sections = [key for key in PARAMS if isinstance(PARAMS[key], dict) and key not in shared]
    assert [stage for stage in STAGES if stage != "params"] == sections
    assert sorted(p.stem for p in (ROOT / "pipeline").glob("*.py") if p.stem in sections) == sorted(sections)


def test_every_param_a_stage_reads_is_tracked():
    # `params.<section>` in a script must be in its params list; runtime never is.
    for stage, definition in STAGES.items():
        if stage == "params":
            continue
        tracked = {entry.split(".")[0] for entry in definition["params"]}
        tree = ast.parse((ROOT / f"pipeline/{stage}.py").read_text())
        read = {
            node.attr
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "params"
        } & set(PARAMS)
        assert read - {"runtime"} <= tracked, f"{stage} reads {read - tracked - {'runtime'}}"
        assert "runtime" not in tracked


if __name__ == "__main__":
    for name in STAGES:
        print(name, *modules_of(ROOT / f"pipeline/{name}.py"), sep="\n      - ")
