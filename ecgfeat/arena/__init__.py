"""The published systems side by side: one interface from windows of signal to logits, one trainer, one evaluator.

A `System` takes z-scored windows ``signal_BCS`` at its own rate and length and gives logits. What a network reads
besides the signal (kernel features, a rhythm vector, frozen embeddings) is made inside, from the same windows.
"""

from dataclasses import dataclass
from typing import Any

import torch

from ecgfeat.errors import choose
from ecgfeat.models import MODELS, count_parameters, find_model


@dataclass(frozen=True)
class Published:
    """One system of the arena as its authors describe it.

    Attributes
    ----------
    title : str
        How it is called in tables.
    reads : {'beats', 'signal'}
        What it is called with: beat features of the pipeline, or windows of signal.
    parameters : int or None
        Trainable values at the published sizes; None where it has no fixed size.
    network : str
        Name in `ecgfeat.models.MODELS`.
    source : str
        Where it was described.
    """

    title: str
    reads: str
    parameters: int | None
    network: str
    source: str


SYSTEMS: dict[str, Published] = {
    "htf_timeline": Published(
        "HTF + timeline head (ours)", "beats", None, "rhythm_timeline", "this project; docs/model-card.md"
    ),
    "htf_window": Published(
        "HTF + window head", "beats", 1_143_939 + 892_806, "rhythm_window", "the second published system for LTAFDB"
    ),
    "resnet1d": Published("RhythmResNet1D", "signal", 8_794_246, "resnet1d", "the first published system for LTAFDB"),
    "ecg_ramba": Published("ECG-RAMBA", "signal", 72_833_596, "ecg_ramba", "ECG-RAMBA, 2025"),
    "ecg_mamba2": Published(
        "Enhanced ECG-Mamba2", "signal", 29_287_077, "ecg_mamba2", "after Jiang et al., IEEE JTEHM 2025"
    ),
    "cnn_attn_bilstm": Published(
        "CNN-Attention-BiLSTM", "signal", 944_969, "cnn_attn_bilstm", "arXiv 2511.08650, 2025"
    ),
    "chronos_mlp": Published("frozen Chronos-2 + MLP", "signal", None, "chronos_mlp", "amazon/chronos-2"),
}
"""The rows of the arena, ours first."""

BEATS_ONLY = "names rhythms of beats, and no diagnosis of a record"
"""Why a system that reads beats has no score on diagnostic corpora."""


def get_system(name: str) -> Published:
    """Return the facts of a system.

    Parameters
    ----------
    name : str
        Name in `SYSTEMS`.

    Returns
    -------
    Published

    Raises
    ------
    UsageError
        If there is none of that name.
    """
    return choose(SYSTEMS, name, "model")


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
