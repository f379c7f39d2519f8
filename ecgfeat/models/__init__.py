"""Networks: those of the pipeline by name; building, counting, saving and loading them.

A model on disk is a folder with ``model.safetensors`` (weights, no code) and ``model.json`` (name, complete
configuration, parameter count, checksum of the weights, and the author's remarks), written last.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ecgfeat.errors import DataError, UsageError, choose
from ecgfeat.store.weights import WeightsFormat

MODEL_FORMAT = WeightsFormat(
    "model", "ecgfeat.model", 1, ("name", "config", "parameters", "info"), remedy="Train the model again."
)


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
        """The class. Imported at the first use: a user of one model does not depend on the code of the others."""
        network: Callable[..., nn.Module] = getattr(import_module(f".{self.module}", __name__), self.class_name)
        return network


MODELS: dict[str, Model] = {
    "htf": Model("htf", "HTF", "History-Time-Frequency beat embedder and N/S/V classifier"),
    "beat_net": Model("beat_net", "BeatNet", "Convolutions over beat windows and over the beats around, N/S/V"),
    "rhythm_timeline": Model(
        "rhythm_timeline", "RhythmTimeline", "Transformer over long chunks of beats, one rhythm per beat"
    ),
    "rhythm_window": Model(
        "rhythm_window", "RhythmWindow", "Transformer over the beats of a segment, one rhythm per segment"
    ),
}
"""The networks that the pipeline keeps in ``model.json``; those of the arena are in `ecgfeat.arena.SYSTEMS`."""


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
        raise UsageError(
            f"model {name}", found=f"unknown {', '.join(unknown)}", expected=f"some of {', '.join(defaults)}"
        )
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
    return draw_network(find_model(name).build, seed=seed, **complete_config(name, config))


def draw_network(network: Callable[..., nn.Module], *, seed: int, **config: Any) -> nn.Module:
    """Build a network of any class with freshly drawn weights, in evaluation mode, on the CPU.

    Parameters
    ----------
    network : callable
        The class.
    seed : int
        Seed of the weights; the global random state is left as it was.
    **config : Any
        Keywords of the class.

    Returns
    -------
    nn.Module
        The network.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return network(**config).eval()


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
    described = {
        "name": name,
        "config": complete_config(name, config or {}),
        "parameters": count_parameters(model),
        "info": dict(info or {}),
    }
    return MODEL_FORMAT.write(Path(folder), described, model)


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
    described = MODEL_FORMAT.read_description(folder)
    name = described["name"]
    where, again = f"{folder / MODEL_FORMAT.json_name}", MODEL_FORMAT.remedy
    if name not in MODELS:
        raise DataError(where, found=f"unknown model {name!r}", expected=f"one of {', '.join(MODELS)}")
    weights = MODEL_FORMAT.read_weights(folder, described)
    try:
        model = build_model(name, **described["config"])
    except (UsageError, TypeError, ValueError, RuntimeError) as error:
        raise DataError(where, found=f"config: {error}", expected=f"one of {name}", remedy=again) from error
    num_parameters = count_parameters(model)
    if num_parameters != described["parameters"]:
        found = f"{described['parameters']} parameters"
        raise DataError(where, found=found, expected=f"{num_parameters}, as {name} has now", remedy=again)
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise DataError(
            f"{folder / MODEL_FORMAT.weights_name}", found=f"{error}", expected=f"the weights of {name}", remedy=again
        ) from error
    return model.eval(), described
