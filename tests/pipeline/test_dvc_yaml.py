"""dvc.yaml names of each stage its script, its section, its data and the digest of its code."""

import ast
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from ecgfeat.arena import SYSTEMS
from pipeline.code import WITHOUT_DIGEST

ROOT = Path(__file__).parents[2]
STAGES = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]
PARAMS = YAML(typ="safe").load(ROOT / "params.yaml")
KEY_ORDER = ["desc", "matrix", "cmd", "deps", "params", "outs", "metrics", "plots"]
RUN_STAGES = [stage for stage in STAGES if stage not in WITHOUT_DIGEST]


def tracked_params(stage):
    """Return the keys of params.yaml that a stage depends on."""
    return [entry for entry in STAGES[stage]["params"] if isinstance(entry, str)]


@pytest.mark.parametrize("stage", STAGES)
def test_stage_names_its_script_its_section_and_its_code(stage):
    definition = STAGES[stage]
    assert definition["cmd"].startswith(f"python -m pipeline.{stage}")
    assert [key for key in KEY_ORDER if key in definition] == list(definition)
    assert definition.get("deps", []) == sorted(definition.get("deps", []))
    if stage in RUN_STAGES:
        assert stage in tracked_params(stage)
        assert stage in PARAMS
        others = [entry for entry in definition["params"] if not isinstance(entry, str)]
        # A new recording of one's own acquires that corpus anew, and no other.
        of_own = {"acquire": ["${item.corpus}"], "annotate": ["split"]}
        assert others == [{"code.json": [stage]}, *([{"data/local.json": of_own[stage]}] if stage in of_own else [])]


def test_stages_stand_in_the_order_of_params_and_none_is_missing():
    # `corruption` and `rhythm` hold what several stages share; each model of the arena has a section, and they share
    # their stages.
    shared = ("corruption", "rhythm", "runtime", *SYSTEMS)
    sections = [key for key in PARAMS if isinstance(PARAMS[key], dict) and key not in shared]
    assert sections == RUN_STAGES
    scripts = {path.stem for path in (ROOT / "pipeline").glob("*.py")}
    assert scripts - set(WITHOUT_DIGEST) == set(RUN_STAGES)


def test_every_param_a_stage_reads_is_tracked():
    # `params.<section>` in a script must be in its params list; runtime never is.
    for stage in RUN_STAGES:
        tracked = {entry.split(".")[0] for entry in tracked_params(stage)}
        tree = ast.parse((ROOT / f"pipeline/{stage}.py").read_text())
        read = {
            node.attr
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "params"
        } & set(PARAMS)
        assert read - {"runtime"} <= tracked, f"{stage} reads {read - tracked - {'runtime'}}"
        assert "runtime" not in tracked
