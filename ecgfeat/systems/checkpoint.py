"""A trained system on disk: ``system.safetensors`` (weights, no code) and ``system.json``, written last.

A system that could not be trained has ``system.json`` alone, which says why.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from ecgfeat.chronos import OutOfReachError
from ecgfeat.errors import DataError, UsageError, fault
from ecgfeat.models import count_parameters
from ecgfeat.systems.system import System, build_system

SCHEMA, SCHEMA_VERSION = "ecgfeat.system", 1
WEIGHTS_NAME, JSON_NAME = "system.safetensors", "system.json"
_AGAIN = "Train it again: dvc repro"


def save_left_out(folder: Path, name: str, reason: str) -> None:
    """Say that a system has no weights here, and why.

    Parameters
    ----------
    folder : Path
        Where to write; made if absent.
    name : str
        The system.
    reason : str
        One line.
    """
    _write_description(folder, {"name": name, "left_out": reason})


def save_system(
    folder: Path,
    name: str,
    system: System,
    settings: Mapping[str, Any],
    config: Mapping[str, Any],
    info: Mapping[str, Any],
) -> None:
    """Write a trained system; the same system gives the same bytes.

    Parameters
    ----------
    folder : Path
        Where to write; made if absent.
    name : str
        One of `ecgfeat.systems.system.NETWORKS`.
    system : System
        On any device.
    settings, config : mapping
        What `build_system` was called with: its section of params; leads, classes and samples.
    info : mapping
        What else a reader should know. JSON values only, no NaN.
    """
    weights = save({key: value.detach().cpu().contiguous() for key, value in system.state_dict().items()})
    folder.mkdir(parents=True, exist_ok=True)
    (folder / WEIGHTS_NAME).write_bytes(weights)
    described = {
        "name": name,
        "settings": dict(settings),
        "config": dict(config),
        "parameters": count_parameters(system),
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
        "info": dict(info),
    }
    _write_description(folder, described)


def load_system(folder: Path, device: torch.device | str = "cpu") -> tuple[System, dict[str, Any]]:
    """Read a system written by `save_system`, in evaluation mode.

    Parameters
    ----------
    folder : Path
        The folder that holds ``system.json``.
    device : torch.device or str
        Where to put it.

    Returns
    -------
    system : System
        With its weights.
    described : dict
        What ``system.json`` holds.

    Raises
    ------
    DataError
        If a file is missing or damaged, or the weights are of another code or were left out.
    OutOfReachError
        If the system stands on a frozen encoder that is not here any more.
    """
    described = read_description(folder)
    if "left_out" in described:
        raise DataError(fault(str(folder), f"no weights: {described['left_out']}", "a trained system", _AGAIN))
    path = folder / WEIGHTS_NAME
    try:
        weights = path.read_bytes()
    except OSError as error:
        raise DataError(fault(str(path), "cannot be read", "the weights of the system", _AGAIN)) from error
    if hashlib.sha256(weights).hexdigest() != described["weights_sha256"]:
        raise DataError(fault(str(path), "other bytes", f"the checksum in {JSON_NAME}", _AGAIN))
    try:
        system = build_system(described["name"], described["settings"], seed=0, device=device, **described["config"])
        system.load_state_dict(load(weights))
    except OutOfReachError:
        raise  # the weights are whole; the frozen encoder they stand on is not within reach
    except (UsageError, SafetensorError, TypeError, ValueError, RuntimeError, KeyError) as error:
        raise DataError(fault(str(path), f"{error}", "weights of this version of the code", _AGAIN)) from error
    return system.to(device).eval(), described


def read_description(folder: Path) -> dict[str, Any]:
    """Read and check ``system.json``.

    Parameters
    ----------
    folder : Path
        Folder of a system.

    Returns
    -------
    dict
        With ``left_out``, the reason, where there are no weights.

    Raises
    ------
    DataError
        If it is missing, damaged or of another version.
    """
    path = folder / JSON_NAME
    try:
        described = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(fault(str(path), "no such file", "the description of a system", _AGAIN)) from error
    except (OSError, ValueError) as error:
        raise DataError(fault(str(path), "cannot be read", "a JSON object", _AGAIN)) from error
    found = (described.get("schema"), described.get("schema_version")) if isinstance(described, dict) else None
    if found != (SCHEMA, SCHEMA_VERSION):
        raise DataError(fault(str(path), f"schema {found}", f"{SCHEMA} {SCHEMA_VERSION}", _AGAIN))
    missing = {"settings", "config", "weights_sha256", "info"} - described.keys()
    if "left_out" not in described and missing:
        raise DataError(fault(str(path), f"no {', '.join(sorted(missing))}", "a whole description", _AGAIN))
    return dict(described)


def _write_description(folder: Path, described: Mapping[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"schema": SCHEMA, "schema_version": SCHEMA_VERSION, **described}, indent=2, allow_nan=False)
    (folder / JSON_NAME).write_text(text + "\n", encoding="utf-8")
