"""Run the pipeline under a preset: a file of overrides, handed to DVC's own ``-S``.

``dvc repro`` runs the pipeline as params.yaml stands; this first writes the preset's values into it.
"""

import shutil
import subprocess
import sys
from pathlib import Path

from pipeline.stage import run_stage


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


def main(preset: str) -> str:
    """Apply a preset and run what it changes."""
    overrides = read_preset(Path(preset))
    corpora = next(line for line in overrides if line.startswith("corpora=")).removeprefix("corpora=")
    forget_other_corpora(corpora.strip("[]").split(","))
    command = ["dvc", "exp", "run", *(word for line in overrides for word in ("-S", line))]
    code = subprocess.run(command, check=False).returncode
    if code:
        sys.exit(code)
    return f"{Path(preset).stem}: done"


if __name__ == "__main__":
    sys.exit(run_stage("repro", main))
