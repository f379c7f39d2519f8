"""Run the pipeline under a preset: a file of overrides, handed to DVC's own ``-S``.

``dvc repro`` runs the pipeline as params.yaml stands; this first writes the preset's values into it.
"""

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from pipeline.stage import CACHE, run_stage

BORROWED = CACHE / "repeat" / "borrowed.txt"
"""Values to put back into params.yaml while `pipeline.repeat` has others in it."""


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


def forget_other_corpora(corpora: list[str]) -> None:
    """Remove the outputs of corpora that are not asked for; DVC's cache keeps them, and restores them when they are.

    Training depends on folders such as ``data/windows``: what another preset left there would look like a change.
    """
    for folder in sorted(Path("data").glob("*/")):
        for output in folder.iterdir():
            if not output.name.startswith(".") and output.stem not in corpora:
                shutil.rmtree(output) if output.is_dir() else output.unlink()


def run_dvc(overrides: Mapping[str, str], *targets: str) -> None:
    """Write overrides into params.yaml and run what they change.

    Parameters
    ----------
    overrides : mapping of str to str
        Value by dotted key; ``corpora`` must be among them.
    *targets : str
        Stages to stop at; by default all are run.
    """
    forget_other_corpora(overrides["corpora"].strip("[]").split(","))
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


def main(preset: str) -> str:
    """Apply a preset and run what it changes."""
    put_back()
    run_dvc(dict(line.split("=", 1) for line in read_preset(Path(preset))))
    return f"{Path(preset).stem}: done"


if __name__ == "__main__":
    sys.exit(run_stage("repro", main))
