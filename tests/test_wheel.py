"""The wheel in an environment of the packages it declares and no others: predict works, other commands name an extra.

Nothing is downloaded: the environment has links to packages of this one. What is not declared cannot be imported.
"""

import ast
import json
import os
import subprocess
import sys
import tomllib
import venv
import zipfile
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from benchmarks.install import build_wheel
from ecgfeat.cli import main
from ecgfeat.errors import EXTRA_OF
from ecgfeat.files import read

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LIGHT = {"lightgbm", "numpy", "pyarrow", "safetensors", "scipy", "torch", "tqdm", "typer"}
HEAVY = {"dvc", "hydra-core", "matplotlib", "neurokit2", "pandas", "ruamel-yaml", "scikit-learn", "wfdb", "zarr"}


def collect_packages(requirements: Iterable[str]) -> dict[str, metadata.Distribution]:
    """Return the installed packages that requirements lead to, by name."""
    packages, seen = {}, set()
    queue = [(requirement, frozenset[str]()) for requirement in requirements]
    while queue:
        text, extras = queue.pop()
        requirement = Requirement(text)
        if requirement.marker and not any(requirement.marker.evaluate({"extra": name}) for name in extras or {""}):
            continue
        name = canonicalize_name(requirement.name)
        if (name, inner := frozenset(requirement.extras)) not in seen:
            seen.add((name, inner))
            packages[name] = metadata.distribution(name)
            queue += [(below, inner) for below in packages[name].requires or ()]
    return packages


def alone(folder: Path) -> dict[str, str]:
    """Return variables of a process that finds no other code, such as this checkout by PYTHONPATH."""
    return {"PATH": os.environ["PATH"], "HOME": str(folder), "OMP_NUM_THREADS": "1"}


def make_light_environment(folder: Path) -> None:
    """Install the wheel into a new environment, and link the packages that it declares."""
    wheel = build_wheel(folder / "wheel")
    venv.create(folder, symlinks=True)
    pip = [sys.executable, "-m", "pip", "--python", folder / "bin/python", "--disable-pip-version-check", "install"]
    subprocess.run([*pip, "--quiet", "--no-index", "--no-deps", "--no-compile", wheel], env=alone(folder), check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    (own,) = metadata.distributions(name="ecgfeat", path=[str(site)])
    for package in collect_packages(own.requires or ()).values():
        for top in {path.parts[0] for path in package.files or ()} - {"..", "__pycache__"}:
            (site / top).symlink_to(package.locate_file(top))  # fails where two packages share a folder


@pytest.fixture(scope="module")
def light(make_once) -> Path:
    return make_once("light", make_light_environment)


@pytest.fixture(scope="module")
def models(systems_run: Path) -> tuple[str, ...]:
    """Return how `ecgfeat predict` is given its models."""
    return ()


CALL = """
import contextlib, io, json, sys
from ecgfeat.cli import main
for command in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        code = main(command)
    print(json.dumps([code, out.getvalue(), err.getvalue()]))
"""


def run(light: Path, folder: Path, *command: object) -> subprocess.CompletedProcess[str]:
    """Run a command of the light environment in a folder."""
    command = (light / "bin" / str(command[0]), *map(str, command[1:]))
    return subprocess.run(command, cwd=folder, env=alone(folder), capture_output=True, text=True, check=False)


def call(light: Path, folder: Path, commands: list[list[object]]) -> list[tuple[int, str, str]]:
    """Run commands of ecgfeat in one process, for torch is slow to import; return code, output and errors of each."""
    done = run(light, folder, "python", "-c", CALL, json.dumps(commands, default=str))
    assert (done.returncode, done.stderr) == (0, "")
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]


def test_the_wheel_holds_every_file_of_the_package(light: Path) -> None:
    (wheel,) = (light / "wheel").glob("*.whl")
    held = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("ecgfeat/")}
    files = [path for path in (ROOT / "ecgfeat").rglob("*") if path.is_file() and path.parent.name != "__pycache__"]
    assert held == {path.relative_to(ROOT).as_posix() for path in files}


def test_a_light_environment_has_no_library_of_the_pipeline(light: Path) -> None:
    assert {Requirement(text).name for text in PROJECT["dependencies"]} == LIGHT
    (site,) = light.glob("lib/python*/site-packages")
    present = {canonicalize_name(package.name) for package in metadata.distributions(path=[str(site)])}
    assert present > LIGHT
    assert not HEAVY & present


def test_predict_from_the_wheel(light: Path, systems_run: Path, models: tuple[str, ...], tmp_path: Path) -> None:
    record = systems_run / "data/raw/simulate/sim001"
    done = run(light, tmp_path, "ecgfeat", "predict", record, *models)
    assert (done.returncode, done.stderr) == (0, "")
    assert "AF burden" in done.stdout
    names = ["sim001-beats.parquet", "sim001-episodes.parquet", "sim001.ecg"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert main(["predict", str(record), *models, "--out", str(tmp_path / "whole")]) == 0
    for name in names:
        assert (tmp_path / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), "as in a whole environment"


def test_an_array_and_the_tables_of_predict_need_no_extra(
    light: Path, systems_run: Path, models: tuple[str, ...], tmp_path: Path
) -> None:
    signal = read(systems_run / "data/raw/simulate/sim001")
    np.save(tmp_path / "mine.npy", signal.signal_mv_SC)
    predicted, described, checked = call(
        light,
        tmp_path,
        [
            ["predict", "mine.npy", "--fs", signal.fs_hz, *models],
            ["info", "mine-beats.parquet", "--json"],
            ["check", "mine-beats.parquet", "mine-episodes.parquet"],
        ],
    )
    assert (predicted[0], predicted[2]) == (0, "")
    assert json.loads(described[1])["schema"] == "record_beats"
    assert [line.split()[0] for line in checked[1].splitlines()] == ["ok", "ok"]


def test_predict_of_a_real_record_from_the_wheel(
    light: Path, mitdb: Path, models: tuple[str, ...], tmp_path: Path
) -> None:
    done = run(light, tmp_path, "ecgfeat", "predict", mitdb / "100", *models)
    assert (done.returncode, done.stderr) == (0, "")
    assert "100: usable" in done.stdout


def test_other_commands_that_need_no_extra(light: Path, systems_run: Path, tmp_path: Path) -> None:
    raw = systems_run / "data/raw/simulate"
    commands: list[list[object]] = [
        ["--version"],
        ["--help"],
        ["models"],
        ["protocol", "simulate", "--raw", raw],
        ["stream", systems_run / "models/systems/resnet1d", raw / "sim001", "--json"],
        ["info", raw],
        ["evaluate", "--predictions", systems_run / "reports/predictions", "--bootstrap", "0"],
    ]
    for command, (code, out, err) in zip(commands, call(light, tmp_path, commands), strict=True):
        assert (code, err) == (0, ""), command
        assert out.strip(), command


def test_a_command_names_the_extra_that_it_lacks(light: Path, systems_run: Path, tmp_path: Path) -> None:
    record, store = systems_run / "data/raw/simulate/sim001", systems_run / "data/signals/simulate.zarr"
    cases: list[tuple[list[object], str, str]] = [
        (["plot", record], "matplotlib", "plot"),
        (["view", record, "--no-browser"], "starlette", "view"),
        (["explain", record, "--at-s", 5], "captum", "saliency"),
        (["info", store], "zarr", "pipeline"),
        (["check", store], "zarr", "pipeline"),
        (["export", systems_run / "models/systems/resnet1d", "x.onnx"], "onnx", "export"),
    ]
    results = call(light, tmp_path, [command for command, _, _ in cases])
    for (_, module, extra), result in zip(cases, results, strict=True):
        expected = f"{module}: not installed; expected the packages of the extra {extra}. "
        assert result == (2, "", f"{expected}Run: pip install 'ecgfeat[{extra}]'\n")
    assert not list(tmp_path.iterdir())


def test_every_import_of_the_package_is_declared() -> None:
    imported = set()
    for path in (ROOT / "ecgfeat").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(str(node.module).split(".")[0])
    imported -= {*sys.stdlib_module_names, "ecgfeat"}
    assert imported > set(EXTRA_OF) - {"onnxscript"}, "which torch imports"
    packages = metadata.packages_distributions()
    extras = PROJECT["optional-dependencies"]
    for module in sorted(imported):
        declared = extras[EXTRA_OF[module]] if module in EXTRA_OF else PROJECT["dependencies"]
        names = {canonicalize_name(Requirement(text).name) for text in declared}
        assert names & set(map(canonicalize_name, packages[module])), module
