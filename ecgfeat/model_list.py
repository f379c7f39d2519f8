"""The models with their sizes and, of the systems of the arena, who described them and where they are set."""

from typing import Any

import torch

from ecgfeat.models import MODELS, count_parameters, find_model
from ecgfeat.systems import SYSTEMS


def published_size(name: str) -> int:
    """Return the number of trainable values of a model as published, which are its defaults.

    Parameters
    ----------
    name : str
        Name in `ecgfeat.models.MODELS`.

    Returns
    -------
    int
        As `ecgfeat.models.count_parameters` gives it.

    Raises
    ------
    UsageError
        If there is no such model.

    Notes
    -----
    * Built without memory (torch's device ``meta``): no weight is drawn, so the largest takes as long as the others.
    """
    with torch.device("meta"):
        return count_parameters(find_model(name).build())


def list_models() -> list[dict[str, Any]]:
    """Describe every model.

    Returns
    -------
    list of dict
        ``name``; ``parameters`` as published; ``summary``; ``system``, None unless it is the network of a system of the
        arena: ``title``, ``reads`` ('beats' or 'signal'), ``published_parameters`` of the whole system (None where it
        has no fixed size), ``source``, and ``params``, its section of params.yaml.
    """
    systems = {
        system.network: {
            "title": system.title,
            "reads": system.reads,
            "published_parameters": system.parameters,
            "source": system.source,
            "params": section,
        }
        for section, system in SYSTEMS.items()
    }
    return [
        {"name": name, "parameters": published_size(name), "summary": model.summary, "system": systems.get(name)}
        for name, model in MODELS.items()
    ]
