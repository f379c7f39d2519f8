"""Run the pipeline under a preset: a file of overrides, handed to DVC's own ``-S``.

``dvc repro`` runs the pipeline as params.yaml stands; this first writes the preset's values into it.
"""

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from pipeline.run.stage import CACHE, run_stage

BORROWED = CACHE / "repeat" / "borrowed.txt"
"""Values to put back into params.yaml while `pipeline.run.repeat` has others in it."""


def read_preset(path: Path) -> list[str]:
    """Return the ``key=value`` lines of a preset.

    Parameters
    ----------
    path : Path
        A file of ``presets/``; empty lines and lines that begin with ``#`` are passed over.

    Returns
    -------
    list of str
    """
    lines = (line.strip() for line in path.read_text().splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def forget_others(names: list[str]) -> None:
    """Remove the outputs of corpora and models that are not asked for; DVC's cache restores them when they are.

    Stages depend on folders such as ``data/windows``: what another preset left there would look like a change.
    """
    by_corpus = [Path("models/diagnostic"), Path("reports/diagnostic")]
    by_model = [Path("models/systems"), *(one for folder in by_corpus for one in sorted(folder.glob("*/")))]
    for folder in (*sorted(Path("data").glob("*/")), *by_model, *by_corpus):
        for output in folder.glob("*"):
            if not output.name.startswith(".") and output.stem not in names:
                shutil.rmtree(output) if output.is_dir() else output.unlink()


def run_dvc(overrides: Mapping[str, str], *targets: str) -> None:
    """Write overrides into params.yaml and run what they change.

    Parameters
    ----------
    overrides : mapping of str to str
        Value by dotted key; ``corpora``, ``diagnostic_corpora`` and ``models`` must be among them.
    *targets : str
        Stages to stop at; by default all are run.
    """
    lists = ("corpora", "diagnostic_corpora", "models")
    forget_others([name for key in lists for name in overrides[key].strip("[]").split(",")])
    words = [word for key, value in overrides.items() for word in ("-S", f"{key}={value}")]
    code = subprocess.run(["dvc", "exp", "run", *words, *targets], check=False).returncode
    if code:
        sys.exit(code)


def put_back() -> None:
    """Put back into params.yaml what a series of runs that was cut short has changed there."""
    from dvc.utils.hydra import apply_overrides  # type: ignore[import-untyped] # here: it takes a second

    if BORROWED.is_file():
        apply_overrides(Path("params.yaml"), BORROWED.read_text().splitlines())
        BORROWED.unlink()


def main(preset: str, *targets: str) -> str:
    """Apply a preset and run what it changes, as far as the targets need it."""
    put_back()
    run_dvc(dict(line.split("=", 1) for line in read_preset(Path(preset))), *targets)
    return f"{Path(preset).stem}: done"


if __name__ == "__main__":
    sys.exit(run_stage("repro", main))
