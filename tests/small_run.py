"""A small finished run of the whole pipeline, made in this process: the report in seconds, the arena in some more."""

import contextlib
import shutil
import tempfile
from pathlib import Path

from dvc.utils.hydra import apply_overrides
from ruamel.yaml import YAML

from pipeline import (
    acquire,
    acquire_diagnostic,
    annotate,
    arena,
    crossvalidate,
    diagnoses,
    embed,
    evaluate,
    evaluate_systems,
    report,
    rpeaks,
    sensitivity,
    signals,
    train_baselines,
    train_htf,
    train_system,
    train_timeline,
    train_window,
    windows,
)
from pipeline.params import read_params
from pipeline.repro import read_preset

ROOT = Path(__file__).parents[1]
# The fixed split puts five of eight subjects into training, one into validation and two into the test.
SMALL = {
    "acquire.subjects": 8,
    "acquire.minutes": 5,
    "train_htf.epochs": 1,
    "train_timeline.width": 16,
    "train_timeline.blocks": 1,
    "train_timeline.epochs": 1,
    "train_timeline.chunks": 16,
    "train_timeline.batch": 8,
    "train_window.pretrain_epochs": 1,
    "train_window.epochs": 1,
    "report.bootstrap": 100,
    "acquire_diagnostic.records": 30,
    "diagnoses.folds": 2,
    "train_system.draws": 1,
    "train_system.validation_views": 1,
    "arena.bootstrap": 100,
    "arena.repeats": 2,
    "arena.ensemble": ["resnet1d", "ecg_ramba"],
    "resnet1d.width": 4,
    "ecg_ramba.width": 24,
    "ecg_ramba.num_tokens": 32,
    "ecg_ramba.num_latents": 4,
    "ecg_ramba.depth": 1,
    "ecg_ramba.lead_width": 8,
    "ecg_ramba.state": 4,
    "ecg_ramba.head": 16,
    "ecg_ramba.num_kernels": 4,
    "ecg_ramba.num_components": 8,
    "ecg_mamba2.stem_1": 4,
    "ecg_mamba2.stem_2": 8,
    "ecg_mamba2.width": 16,
    "ecg_mamba2.num_steps": 32,
    "ecg_mamba2.num_layers": 1,
    "ecg_mamba2.state": 4,
    "ecg_mamba2.head": 16,
    "ecg_mamba2.fgsm_after": 0,
    "cnn_attn_bilstm.fs_hz": 32,
    "chronos_mlp.fs_hz": 32,
    "chronos_mlp.hidden": 8,
    **{
        f"{name}.{key}": 1
        for name in ("resnet1d", "ecg_ramba", "ecg_mamba2", "cnn_attn_bilstm", "chronos_mlp")
        for key in ("epochs", "record_epochs")
    },
    "runtime.device": "cpu",
    "runtime.threads": 1,
}


def default_params() -> str:
    """Return params.yaml as the preset ``simulate`` makes it, whichever preset was run last in this checkout."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(shutil.copy(ROOT / "params.yaml", folder))
        apply_overrides(path, read_preset(ROOT / "presets" / "simulate.txt"))
        return path.read_text()


def make_small_run(folder: Path, **changes: object) -> Path:
    """Run every stage up to the report in ``folder`` on a few simulated subjects.

    Parameters
    ----------
    folder : Path
        Where the run goes; ``params.yaml`` and ``dvc.yaml`` are written there first.
    **changes : object
        Params on top of `SMALL`, with ``__`` for the dot: ``rhythm__history="none"``.

    Returns
    -------
    Path
        The folder, with ``data/``, ``models/`` and ``reports/`` as ``dvc repro`` leaves them.
    """
    yaml = YAML()  # round trip: the copy keeps the comments and the form of the numbers
    params = yaml.load(default_params())
    for key, value in (SMALL | {key.replace("__", "."): value for key, value in changes.items()}).items():
        *sections, name = key.split(".")
        section = params
        for part in sections:
            section = section[part]
        assert name in section, key
        section[name] = value
    folder.mkdir(parents=True, exist_ok=True)
    yaml.dump(params, folder / "params.yaml")
    shutil.copy(ROOT / "dvc.yaml", folder)
    with contextlib.chdir(folder):
        for slug in params["corpora"]:
            for stage in (acquire, annotate, signals, rpeaks, windows):
                stage.main(str(slug))
        train_htf.main()
        for slug in params["corpora"]:
            embed.main(str(slug))
        for last in (train_baselines, train_timeline, train_window, evaluate, sensitivity, report):
            last.main()
    return folder


def add_systems(folder: Path) -> None:
    """Train the systems that read signal on the rhythms of a small run, and let them name those of its test records."""
    with contextlib.chdir(folder):
        for name in read_params().models:
            train_system.main(name)
        evaluate_systems.main()


def add_arena(folder: Path) -> Path:
    """Run the stages behind the report too: the systems, on rhythms and on records with diagnoses, and the arena.

    Parameters
    ----------
    folder : Path
        What `make_small_run` has made.

    Returns
    -------
    Path
        The folder.
    """
    add_systems(folder)
    with contextlib.chdir(folder):
        params = read_params()
        for slug in params.diagnostic_corpora:
            acquire_diagnostic.main(slug)
            diagnoses.main(slug)
            for name in params.models:
                crossvalidate.main(slug, name)
        arena.main()
    return folder
