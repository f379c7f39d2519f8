"""A trained system on disk: ``system.safetensors`` (weights, no code) and ``system.json``, written last.

A system that could not be trained has ``system.json`` alone, which holds the reason.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ecgfeat.arena.chronos import OutOfReachError
from ecgfeat.arena.system import System, build_system
from ecgfeat.errors import DataError, UsageError
from ecgfeat.models import count_parameters
from ecgfeat.store.weights import WeightsFormat

SYSTEM_FORMAT = WeightsFormat(
    "system",
    "ecgfeat.system",
    1,
    ("name", "settings", "config", "parameters", "info"),
    remedy="Train it again: dvc repro",
)
read_description = SYSTEM_FORMAT.read_description
"""Read and check ``system.json``, with ``left_out``, the reason, where there are no weights."""


def save_left_out(folder: Path, name: str, reason: str) -> None:
    """Write the reason why a system has no weights here.

    Parameters
    ----------
    folder : Path
        Where to write; made if absent.
    name : str
        The system.
    reason : str
        One line.
    """
    SYSTEM_FORMAT.write(folder, {"name": name, "left_out": reason}, None)


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
        One of `ecgfeat.arena.signal_systems`.
    system : System
        On any device.
    settings, config : mapping
        What `build_system` was called with: its section of params; leads, classes and samples.
    info : mapping
        What else a reader should know. JSON values only, no NaN.
    """
    described = {
        "name": name,
        "settings": dict(settings),
        "config": dict(config),
        "parameters": count_parameters(system),
        "info": dict(info),
    }
    SYSTEM_FORMAT.write(folder, described, system)


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
    weights = SYSTEM_FORMAT.read_weights(folder, described)
    try:
        system = build_system(described["name"], described["settings"], seed=0, device=device, **described["config"])
        system.load_state_dict(weights)
    except OutOfReachError:
        raise  # the weights are whole; the frozen encoder they stand on is not within reach
    except (UsageError, TypeError, ValueError, RuntimeError, KeyError) as error:
        where = f"{folder / SYSTEM_FORMAT.weights_name}"
        raise DataError(
            where, found=f"{error}", expected="weights of this version of the code", remedy=SYSTEM_FORMAT.remedy
        ) from error
    return system.to(device).eval(), described
