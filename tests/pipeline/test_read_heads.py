"""The stages that name records depend on the code of every model they read: the digest of code.json holds it."""

import pytest

from pipeline.run.code import ROOT, import_closure


@pytest.mark.parametrize(
    ("stage", "models"),
    [
        ("embed", {"htf"}),
        ("train_timeline", {"htf", "rhythm_timeline"}),
        ("train_window", {"htf", "rhythm_window"}),
        ("evaluate", {"htf", "rhythm_timeline", "rhythm_window"}),
        ("sensitivity", {"htf", "rhythm_timeline"}),
    ],
)
def test_a_stage_depends_on_the_models_it_reads(stage, models):
    closure = {path.relative_to(ROOT).as_posix() for path in import_closure(ROOT / "pipeline" / f"{stage}.py")}
    assert {f"ecgfeat/models/{model}.py" for model in models} <= closure


@pytest.mark.parametrize("stage", ["evaluate", "sensitivity", "embed", "report"])
def test_inference_does_not_depend_on_training(stage):
    closure = [path.relative_to(ROOT).as_posix() for path in import_closure(ROOT / "pipeline" / f"{stage}.py")]
    assert not [path for path in closure if "training" in path]
