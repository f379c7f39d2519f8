"""The models by name: building them, counting their parameters, saving and loading them.

A model on disk is a folder with ``model.safetensors`` (weights, no code) and ``model.json`` (name, complete
configuration, parameter count, checksum of the weights, and what its author had to say), written last.
"""

import hashlib
import inspect
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn

from ecgfeat.errors import DataError, UsageError, choose, fault

SCHEMA = "ecgfeat.model"
SCHEMA_VERSION = 1
WEIGHTS_NAME = "model.safetensors"
JSON_NAME = "model.json"


@dataclass(frozen=True)
class Model:
    """One entry of the registry.

    Parameters
    ----------
    module, class_name : str
        Where the class is, in this package; every keyword of it has a default.
    summary : str
        One line for a table of models.
    """

    module: str
    class_name: str
    summary: str

    @property
    def build(self) -> Callable[..., nn.Module]:
        """The class. Imported when asked for: whoever uses one model does not depend on the code of the others."""
        found: Callable[..., nn.Module] = getattr(import_module(f".{self.module}", __name__), self.class_name)
        return found


MODELS: dict[str, Model] = {
    "chronos_mlp": Model("chronos_mlp", "ChronosMLP", "Layers over frozen Chronos-2 embeddings of a window"),
    "cnn_attn_bilstm": Model(
        "cnn_attn_bilstm",
        "CNNAttnBiLSTM",
        "Convolutions, a gate and bidirectional LSTMs over a 12-lead or single-lead record",
    ),
    "ecg_mamba2": Model(
        "ecg_mamba2", "ECGMamba2", "Convolutions over leads and groups of leads, Mamba-2 both ways, attention"
    ),
    "ecg_ramba": Model(
        "ecg_ramba", "ECGRamba", "Tokens, random-kernel features and a rhythm vector, Mamba-2 both ways"
    ),
    "htf": Model("htf", "HTF", "History-Time-Frequency beat embedder and N/S/V classifier"),
    "resnet1d": Model("resnet1d", "ResNet1D", "Residual network of convolutions over a raw window"),
    "rhythm_timeline": Model(
        "rhythm_timeline", "RhythmTimeline", "Transformer over long chunks of beats, one rhythm per beat"
    ),
    "rhythm_window": Model(
        "rhythm_window", "RhythmWindow", "Transformer over the beats of a window, one rhythm per window"
    ),
}


def find_model(name: str) -> Model:
    """Return the registry entry of a name.

    Raises
    ------
    UsageError
        If there is no such model.
    """
    return choose(MODELS, name, "model")


def complete_config(name: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Fill a configuration up with the model's defaults.

    Parameters
    ----------
    name : str
        Name in `MODELS`.
    config : mapping
        Keywords of the model that differ from the defaults.

    Returns
    -------
    dict
        Every keyword with its value, in the order of the signature; a tuple as the list that JSON makes of it.

    Raises
    ------
    UsageError
        If the name or a keyword is unknown.
    """
    defaults = {key: p.default for key, p in inspect.signature(find_model(name).build).parameters.items()}
    unknown = [key for key in config if key not in defaults]
    if unknown:
        raise UsageError(fault(f"model {name}", f"unknown {', '.join(unknown)}", f"some of {', '.join(defaults)}"))
    complete = {**defaults, **config}
    return {key: list(value) if isinstance(value, tuple) else value for key, value in complete.items()}


def build_model(name: str, *, seed: int = 0, **config: Any) -> nn.Module:
    """Build a model with freshly drawn weights, in evaluation mode, on the CPU.

    Parameters
    ----------
    name : str
        Name in `MODELS`.
    seed : int, default 0
        Seed of the weights; the global random state is left as it was.
    **config : Any
        Keywords of the model that differ from its defaults.

    Returns
    -------
    nn.Module
        The model.

    Raises
    ------
    UsageError
        If the name or a keyword is unknown.
    """
    config = complete_config(name, config)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return MODELS[name].build(**config).eval()


def count_parameters(model: nn.Module) -> int:
    """Return the number of trainable values; running means, variances and frozen values are not counted."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def save_model(
    folder: Path,
    name: str,
    model: nn.Module,
    config: Mapping[str, Any] | None = None,
    info: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Write a model to a folder; the same model gives the same bytes.

    Parameters
    ----------
    folder : Path
        Where to write; made if absent.
    name : str
        Name in `MODELS`.
    model : nn.Module
        The model, on any device.
    config : mapping, optional
        Keywords it was built with; defaults are filled in.
    info : mapping, optional
        What else a reader should know: training data, epochs, scores. JSON values only, no NaN.

    Returns
    -------
    dict
        What ``model.json`` holds.

    Raises
    ------
    UsageError
        If the name or a keyword of `config` is unknown.
    ValueError
        If `info` holds something JSON cannot.
    """
    folder = Path(folder)
    weights = save({key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()})
    described = {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "name": name,
        "config": complete_config(name, config or {}),
        "parameters": count_parameters(model),
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
        "info": dict(info or {}),
    }
    text = json.dumps(described, indent=2, allow_nan=False) + "\n"
    folder.mkdir(parents=True, exist_ok=True)
    # An old description must never stand beside new weights, so it goes first and the new one comes last.
    (folder / JSON_NAME).unlink(missing_ok=True)
    for file_name, content in ((WEIGHTS_NAME, weights), (JSON_NAME, text.encode())):
        part = folder / f"{file_name}.part"
        part.write_bytes(content)
        os.replace(part, folder / file_name)
    return described


def load_model(folder: Path) -> tuple[nn.Module, dict[str, Any]]:
    """Read a model written by `save_model`, in evaluation mode, on the CPU.

    Parameters
    ----------
    folder : Path
        The folder that holds ``model.json``.

    Returns
    -------
    model : nn.Module
        The model with its weights.
    described : dict
        What ``model.json`` holds.

    Raises
    ------
    DataError
        If a file is missing, damaged, or does not match the other or this version of the model.
    """
    folder = Path(folder)
    described = _read_description(folder / JSON_NAME)
    name = described["name"]
    path = folder / WEIGHTS_NAME
    where, retrain = f"{folder / JSON_NAME}", "Train the model again."
    if name not in MODELS:
        raise DataError(fault(where, f"unknown model {name!r}", f"one of {', '.join(MODELS)}"))
    try:
        weights = path.read_bytes()
    except OSError as error:
        raise DataError(fault(f"{path}", "cannot be read", "the weights of the model", retrain)) from error
    if hashlib.sha256(weights).hexdigest() != described["weights_sha256"]:
        raise DataError(fault(f"{path}", "other bytes", f"the checksum in {JSON_NAME}", retrain))
    try:
        model = build_model(name, **described["config"])
    except (UsageError, TypeError, ValueError, RuntimeError) as error:
        raise DataError(fault(where, f"config: {error}", f"one of {name}", retrain)) from error
    num_parameters = count_parameters(model)
    if num_parameters != described["parameters"]:
        found = f"{described['parameters']} parameters"
        expected = f"{num_parameters}, as {name} has now"
        raise DataError(fault(where, found, expected, retrain))
    try:
        model.load_state_dict(load(weights))
    except (SafetensorError, RuntimeError) as error:
        raise DataError(fault(f"{path}", f"{error}", f"the weights of {name}", retrain)) from error
    return model.eval(), described


def _read_description(path: Path) -> dict[str, Any]:
    """Read and check ``model.json`` as far as it can be checked alone."""
    retrain = "Train the model again."
    try:
        described = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(fault(f"{path}", "no such file", "a complete model", retrain)) from error
    except (OSError, ValueError) as error:
        raise DataError(fault(f"{path}", "cannot be read", "a JSON object", retrain)) from error
    needed = ("schema", "schema_version", "name", "config", "parameters", "weights_sha256", "info")
    missing = [key for key in needed if key not in described] if isinstance(described, dict) else list(needed)
    if missing:
        raise DataError(fault(f"{path}", f"no {', '.join(missing)}", "a model description", retrain))
    if (described["schema"], described["schema_version"]) != (SCHEMA, SCHEMA_VERSION):
        found = f"schema {described['schema']} {described['schema_version']}"
        raise DataError(fault(f"{path}", found, f"{SCHEMA} {SCHEMA_VERSION}", retrain))
    return dict(described)
