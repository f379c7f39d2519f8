"""The benchmark of the default run runs what ``make repro`` runs, each stage behind those whose files it reads."""

from pathlib import Path

from ruamel.yaml import YAML

from benchmarks.pairs import ROOT
from benchmarks.repro import STAGES, prepare_run
from benchmarks.stages import run_stage
from tests.fixtures.small_run import default_params

DEFINED = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]
CORPORA = YAML(typ="safe").load(default_params())["corpora"]


def paths_of(stage: str, key: str) -> set[str]:
    """Return what a stage reads (``deps``) or writes (``outs``, ``metrics``)."""
    script, *words = stage.split()
    entries = DEFINED[script].get(key, [])
    paths = [entry if isinstance(entry, str) else next(iter(entry)) for entry in entries]
    return {path.replace("${item.corpus}", " ".join(words)) for path in paths}


def reads(stage: str, path: str) -> bool:
    return any(f"{path}/".startswith(f"{dep}/") or f"{dep}/".startswith(f"{path}/") for dep in paths_of(stage, "deps"))


def test_each_stage_comes_behind_those_whose_files_it_reads():
    for at, stage in enumerate(STAGES):
        for later in STAGES[at:]:
            assert not [path for path in paths_of(later, "outs") if reads(stage, path)], f"{stage} before {later}"


def test_all_that_the_report_needs_is_run_and_nothing_else():
    run = {stage.split()[0] for stage in STAGES}
    assert not {
        stage for stage in STAGES if len(stage.split()) > 1 and stage.split()[1] not in (*CORPORA, "simulate12")
    }
    needed, queue = {"code"}, ["report"]
    while queue:
        reader = queue.pop()
        needed.add(reader)
        for other in DEFINED:
            corpora = (*CORPORA, "simulate12") if "matrix" in DEFINED[other] else ("",)
            written = {path for corpus in corpora for path in paths_of(f"{other} {corpus}", "outs")}
            is_read = any(
                reads(f"{reader} {corpus}".strip(), path)
                for corpus in ((*CORPORA, "simulate12") if "matrix" in DEFINED[reader] else ("",))
                for path in written
            )
            if is_read and other not in needed and other not in queue:
                queue.append(other)
    assert run - {"local"} == needed - {"local", "predict", "annotations", "robustness"}


def test_a_stage_is_run_and_timed(tmp_path: Path):
    prepare_run(tmp_path, ROOT)
    cost = run_stage("code", tmp_path, ROOT, threads=1)
    assert (tmp_path / "code.json").is_file()
    assert cost.cpu_s > 0.0
    assert cost.wall_s > 0.0
    assert cost.peak_bytes > 10_000_000
