"""A small finished run of the whole pipeline, made in this process in a few seconds."""

import contextlib
import shutil
import tempfile
from pathlib import Path

from dvc.utils.hydra import apply_overrides
from ruamel.yaml import YAML

from pipeline import (
    acquire,
    annotate,
    embed,
    evaluate,
    report,
    rpeaks,
    sensitivity,
    signals,
    train_baselines,
    train_htf,
    train_timeline,
    train_window,
    windows,
)
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
    """Run every stage in ``folder`` on a few simulated subjects.

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
