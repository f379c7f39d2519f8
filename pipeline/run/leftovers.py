"""What an earlier run left in the folder and the present params do not name.

Stages depend on folders such as ``data/windows``, so outputs of another corpus would look like a change. And an
experiment that stops before the report would show the numbers of the run before it. Both are put away by the first
stage. Only what DVC recorded in dvc.lock and finds unchanged is removed; its cache restores it when it is named again.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
from ruamel.yaml import YAML

from ecgfeat.errors import DataError
from ecgfeat.store.publish import publish, remove

LOCK_FILE = Path("dvc.lock")
REPORT_STAGE = "report"
"""The stage whose metrics are shown by ``dvc exp show``."""


def remove_outputs_of_others(names: set[str]) -> list[Path]:
    """Remove the outputs of corpora and models that the params do not name.

    Parameters
    ----------
    names : set of str
        Corpora and models of the params.

    Returns
    -------
    list of Path
        What was removed. An output that was changed by hand, and whatever DVC did not record, stays.
    """
    others = [
        output
        for stage, entry in _read_lock().items()
        if "@" in stage and not _is_named(stage.split("@", 1)[1], names)
        for output in entry.get("outs", [])
        if Path(output["path"]).exists()
    ]
    if not others:
        return []
    removed = [Path(output["path"]) for output in others if _is_unchanged(output)]
    for path in removed:
        remove(path)
    return removed


def drop_report_of_others(params: Mapping[str, Any], is_code_changed: bool) -> None:
    """Remove the report of a run with other params or code: scores, plots and page, in the folder and in dvc.lock.

    A run that gets as far as the report makes or restores them.

    Parameters
    ----------
    params : mapping
        The present params.yaml.
    is_code_changed : bool
        Some stage runs other code than in the last run.
    """
    entry = _read_lock().get(REPORT_STAGE)
    is_own = entry is not None and not is_code_changed and _has_params(entry["params"]["params.yaml"], params)
    if entry is None or is_own:
        return
    yaml = YAML()
    lock = yaml.load(LOCK_FILE)
    for output in lock["stages"].pop(REPORT_STAGE)["outs"]:
        if Path(output["path"]).exists() and _is_unchanged(output):
            remove(Path(output["path"]))
    with publish(LOCK_FILE) as part:
        yaml.dump(lock, part)


def refuse_beside_another_run() -> None:
    """Refuse to change the folder while another run works in it.

    Raises
    ------
    DataError
        Naming the command of a process that DVC has noted, unless it is the run that this process belongs to.
    """
    own = {process.pid for process in (psutil.Process(), *psutil.Process().parents())}
    for worker in _read_workers():
        if worker["pid"] not in own and psutil.pid_exists(worker["pid"]):
            raise busy_folder(f"`{worker['cmd']}` (process {worker['pid']})")


def busy_folder(what: str) -> DataError:
    """Return the error of a run that finds another one in its folder."""
    return DataError(
        "run",
        found=f"{what} works in this folder",
        expected="one run at a time",
        remedy="Wait for it, or end it. Nothing was changed.",
    )


def _read_workers() -> list[dict[str, Any]]:
    """Return the processes, ``pid`` and ``cmd``, that DVC notes while their stage reads or writes its files."""
    path = Path(".dvc/tmp/rwlock")
    try:
        noted = json.loads(path.read_text()) if path.is_file() else {}
    except ValueError:  # half written at this moment, and not by the run of this process, which waits for it
        raise busy_folder("another run of DVC") from None
    return [
        *noted.get("write", {}).values(),
        *(reader for readers in noted.get("read", {}).values() for reader in readers),
    ]


def _read_lock() -> dict[str, Any]:
    """Return the stages that dvc.lock has recorded."""
    lock = YAML(typ="safe").load(LOCK_FILE) if LOCK_FILE.is_file() else None
    return (lock or {}).get("stages") or {}


def _is_named(item: str, names: set[str]) -> bool:
    """Tell whether a matrix item, ``mitdb`` or ``cinc2017-resnet1d``, is of the named corpora and models."""
    return any(item == name or item in _pairs(name, names) for name in names)


def _pairs(name: str, names: set[str]) -> Iterator[str]:
    return (f"{name}-{other}" for other in names)


def _is_unchanged(output: Mapping[str, Any]) -> bool:
    """Tell whether an output is as DVC recorded it, so that its cache can restore it."""
    from dvc.output import loadd_from  # here: it takes a second
    from dvc.repo import Repo
    from dvc.stage import Stage

    with Repo() as repo:
        (recorded,) = loadd_from(Stage(repo), [dict(output)])
        return not recorded.changed()


def _has_params(recorded: Mapping[str, Any], params: Mapping[str, Any]) -> bool:
    """Tell whether the params a stage was run with, by dotted key, are the present ones."""
    return all(_value_at(params, key) == value for key, value in recorded.items())


def _value_at(params: Mapping[str, Any], key: str) -> Any:
    value: Any = params
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
