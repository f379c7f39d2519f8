"""Run a preset of ``conf/preset``: ``make repro PRESET=mitdb`` is ``dvc exp run -S preset=mitdb report``.

What this adds to DVC: one run in a folder at a time, params checked in a second, a params.yaml that was edited by hand
kept, and Git not shown the lock file. ``dvc repro`` runs params.yaml as it stands.
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import filelock
from ruamel.yaml import YAML

from ecgfeat.corpora.own import LOCAL
from ecgfeat.errors import UsageError, choose
from pipeline.params import Params, check_params
from pipeline.run.leftovers import LOCK_FILE, busy_folder, refuse_beside_another_run
from pipeline.run.stage import CACHE, run_stage

PRESETS = Path("conf/preset")
PARAMS = Path("params.yaml")
EDITED = CACHE / "params.yaml"
"""Where a params.yaml that was edited by hand is kept when a preset replaces it."""

COMPOSED = CACHE / "composed.yaml"
"""The params.yaml that the last preset wrote."""

WAIT_S = 5
"""How long a second run in the same folder waits for the first."""


def compose(overrides: Sequence[str], path: Path | None = None) -> Params:
    """Compose ``conf/`` into params, as DVC does before an experiment, and check them.

    Parameters
    ----------
    overrides : sequence of str
        ``preset=mitdb``, ``train_htf.lr=0.002``: what follows ``-S``.
    path : Path, optional
        Where to write the composed file; by default nowhere.

    Returns
    -------
    Params

    Raises
    ------
    UsageError
        If an override cannot be read, or the params are not valid.
    """
    from dvc.utils.hydra import compose_and_dump  # type: ignore[import-untyped] # here: it takes a second

    with tempfile.TemporaryDirectory() as folder:
        composed = Path(folder) / "params.yaml"
        try:
            compose_and_dump(composed, str(Path("conf").absolute()), None, "config", "", list(overrides))
        except Exception as error:  # Hydra has a dozen kinds; each says in its first line what is wrong
            reason = str(error).splitlines()[0]
            raise UsageError(
                f"conf {' '.join(overrides)}",
                found=reason,
                expected="keys of conf/config.yaml with their values",
                remedy="Is a name misspelt?",
            ) from error
        params = check_params(YAML(typ="safe").load(composed), " ".join(overrides))
        if path is not None:
            shutil.copy(composed, path)
    return params


def run_dvc(overrides: Sequence[str], *targets: str) -> None:
    """Run what overrides change, as one experiment of DVC.

    Parameters
    ----------
    overrides : sequence of str
        As `compose` takes them.
    *targets : str
        Stages to stop at; by default all are run.
    """
    notice = keep_edited_params()
    if notice:
        print(notice, file=sys.stderr)
    compose(overrides, COMPOSED)
    words = [word for override in overrides for word in ("-S", override)]
    try:
        code = subprocess.run(["dvc", "exp", "run", *words, *targets], check=False).returncode
    finally:
        hide_lock_file()
    if code:
        sys.exit(code)


def hide_lock_file() -> None:
    """Keep dvc.lock out of ``git status``.

    It holds checksums of what this machine made, which differ from those of another, so the repository has an empty
    one. DVC refuses a lock file that Git ignores, and takes this mark off whenever it writes to Git's index.
    """
    if Path(".git").exists():
        # A run that failed leaves the file staged.
        for command in (["reset", "--quiet", "--"], ["update-index", "--skip-worktree"]):
            subprocess.run(["git", *command, str(LOCK_FILE)], check=False, capture_output=True)


@contextmanager
def only_run() -> Iterator[None]:
    """Hold the folder from the first change of a run of presets to its last.

    Raises
    ------
    DataError
        If another run works in the folder, this program's or DVC's own.
    """
    lock = filelock.FileLock(CACHE / "locks" / "run")
    try:
        lock.acquire(timeout=WAIT_S)
    except filelock.Timeout:
        raise busy_folder("another run") from None
    try:
        refuse_beside_another_run()
        yield
    finally:
        lock.release()


def keep_edited_params() -> str:
    """Keep a params.yaml that was edited by hand before a preset replaces it, and say so.

    Returns
    -------
    str
        A line for the user; empty where nothing is lost: the file is as the last preset, or Git, has it.
    """
    if not PARAMS.is_file():
        return ""
    text = PARAMS.read_text()
    committed = subprocess.run(["git", "show", f"HEAD:{PARAMS}"], check=False, capture_output=True, text=True).stdout
    if text in (committed, COMPOSED.read_text() if COMPOSED.is_file() else ""):
        return ""
    shutil.copy(PARAMS, EDITED)
    return (
        f"{PARAMS} was edited or made by another experiment; the preset replaces it and {EDITED} keeps it. "
        "`dvc repro` runs it as it stands; lasting values belong into conf/config.yaml."
    )


def preset_override(preset: str) -> str:
    """Return the override that chooses a preset.

    Raises
    ------
    UsageError
        If there is no such preset.
    """
    presets = {path.stem: path for path in sorted(PRESETS.glob("*.yaml"))}
    choose(presets, preset, "preset")
    return f"preset={preset}"


def main(preset: str, *words: str) -> str:
    """Run a preset as far as the targets need it; words with ``=`` are overrides, the others targets."""
    overrides = [preset_override(preset), *(word for word in words if "=" in word)]
    params, targets = compose(overrides), [word for word in words if "=" not in word]
    if params.predicts_only:
        print(f"{params.local.path}: no annotations, so nothing is trained or scored: the shipped models predict.")
        targets = ["predict"]
    if LOCAL.slug not in params.corpora:
        Path(params.local.path).mkdir(parents=True, exist_ok=True)  # DVC looks for it, whatever the corpora are
    with only_run():
        run_dvc(overrides, *targets)
    return f"{' '.join(overrides).removeprefix('preset=')}: done"


if __name__ == "__main__":
    sys.exit(run_stage("repro", main))
