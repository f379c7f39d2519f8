"""The published systems side by side: one interface from signal to logits, one trainer, one evaluator.

`SYSTEMS` is the registry: all that the rest of the code needs to know of a system stands in its entry. A `System`
(`ecgfeat.arena.system`) takes z-scored segments ``signal_BCS`` at its own rate and length and gives logits. What a
network reads besides the signal (kernel features, a rhythm vector, frozen embeddings) is made inside, from the same
segments.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import nn

from ecgfeat.arena.side_inputs import SideMaker, make_embedding, make_kernels_and_rhythm, make_optional_rhythm
from ecgfeat.errors import choose
from ecgfeat.models import MODELS, count_parameters
from ecgfeat.models.chronos_mlp import ChronosMLP
from ecgfeat.models.cnn_attn_bilstm import CNNAttnBiLSTM
from ecgfeat.models.ecg_mamba2 import ECGMamba2
from ecgfeat.models.ecg_ramba import ECGRamba
from ecgfeat.models.resnet1d import ResNet1D


@dataclass(frozen=True, kw_only=True)
class Published:
    """One system of the arena as its authors describe it.

    Attributes
    ----------
    title : str
        How it is called in tables.
    source : str
        Where it was described.
    parameters : int or None
        Trainable values at the published sizes; None where it has no fixed size.
    letter : str
        How docs/systems.md calls it for short; empty where it has no letter.
    note : str
        What a reader of the arena must know of it; empty where there is nothing.
    """

    title: str
    source: str
    parameters: int | None = None
    letter: str = ""
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class BeatSystem(Published):
    """A system that reads beat features of the pipeline: its stages train it, the arena only compares it.

    Attributes
    ----------
    head : str
        Its name in the predictions of stage ``evaluate``; stage ``train_HEAD`` trains it.
    network : str
        Name in `ecgfeat.models.MODELS`.
    """

    reads: ClassVar[str] = "beats"
    head: str
    network: str


@dataclass(frozen=True, kw_only=True)
class SignalSystem(Published):
    """A system that reads segments of signal.

    Attributes
    ----------
    network : type
        Class of the network; its defaults are the published sizes.
    summary : str
        One line for a table of models.
    make_side : callable, optional
        Makes what the network reads besides the signal, see `ecgfeat.arena.side_inputs.SideMaker`.
    reads_signal : bool
        False: the network is called with the side inputs alone.
    is_quantised : bool
        Its authors promise a small version in 8-bit integers, which the arena makes and scores.
    """

    reads: ClassVar[str] = "signal"
    network: type[nn.Module]
    summary: str
    make_side: SideMaker | None = None
    reads_signal: bool = True
    is_quantised: bool = False


SYSTEMS: dict[str, BeatSystem | SignalSystem] = {
    "htf_timeline": BeatSystem(
        title="HTF + timeline head (ours)",
        source="this project; docs/model-card.md",
        letter="ours",
        head="timeline",
        network="rhythm_timeline",
    ),
    "htf_window": BeatSystem(
        title="HTF + window head",
        source="the second published system for LTAFDB",
        parameters=1_143_939 + 892_806,
        letter="B",
        head="window",
        network="rhythm_window",
    ),
    "resnet1d": SignalSystem(
        title="RhythmResNet1D",
        source="the first published system for LTAFDB",
        parameters=8_794_246,
        letter="A",
        network=ResNet1D,
        summary="Residual network of convolutions over a raw window",
        make_side=make_optional_rhythm,
    ),
    "ecg_ramba": SignalSystem(
        title="ECG-RAMBA",
        source="ECG-RAMBA, 2025",
        parameters=72_833_596,
        letter="C",
        network=ECGRamba,
        summary="Tokens, random-kernel features and a rhythm vector, Mamba-2 both ways",
        make_side=make_kernels_and_rhythm,
    ),
    "ecg_mamba2": SignalSystem(
        title="Enhanced ECG-Mamba2",
        source="after Jiang et al., IEEE JTEHM 2025",
        parameters=29_287_077,
        letter="D",
        network=ECGMamba2,
        summary="Convolutions over leads and groups of leads, Mamba-2 both ways, attention",
    ),
    "cnn_attn_bilstm": SignalSystem(
        title="CNN-Attention-BiLSTM",
        source="arXiv 2511.08650, 2025",
        parameters=944_969,
        letter="E",
        network=CNNAttnBiLSTM,
        summary="Convolutions, a gate and bidirectional LSTMs over a 12-lead or single-lead record",
        is_quantised=True,
    ),
    "chronos_mlp": SignalSystem(
        title="frozen Chronos-2 + MLP",
        source="amazon/chronos-2",
        network=ChronosMLP,
        summary="Layers over frozen Chronos-2 embeddings of a window",
        make_side=make_embedding,
        reads_signal=False,
        note="Parameters and size of chronos_mlp are those of the layers that are trained; the frozen encoder is not "
        "counted.",
    ),
}
"""The rows of the arena, ours first."""

BEATS_ONLY = "names rhythms of beats, and no diagnosis of a record"
"""Why a system that reads beats has no score on diagnostic corpora."""


def get_system(name: str) -> BeatSystem | SignalSystem:
    """Return the entry of a system.

    Parameters
    ----------
    name : str
        Name in `SYSTEMS`.

    Returns
    -------
    BeatSystem or SignalSystem

    Raises
    ------
    UsageError
        If there is none of that name.
    """
    return choose(SYSTEMS, name, "model")


def signal_systems() -> dict[str, SignalSystem]:
    """Return the systems that read signal, in the order of `SYSTEMS`."""
    return {name: system for name, system in SYSTEMS.items() if isinstance(system, SignalSystem)}


def get_signal_system(name: str) -> SignalSystem:
    """Return the entry of a system that reads signal.

    Parameters
    ----------
    name : str
        Name in `SYSTEMS`.

    Returns
    -------
    SignalSystem

    Raises
    ------
    UsageError
        If there is none of that name, or it reads beats.
    """
    return choose(signal_systems(), name, "model")


def published_size(name: str) -> int:
    """Return the number of trainable values of a network as published, which are its defaults.

    Parameters
    ----------
    name : str
        Name in `ecgfeat.models.MODELS`, or of a system that reads signal.

    Returns
    -------
    int
        As `ecgfeat.models.count_parameters` gives it.

    Raises
    ------
    UsageError
        If there is no such network.

    Notes
    -----
    * Built without memory (torch's device ``meta``): no weight is drawn, so the largest takes as long as the others.
    """
    build = choose(_networks(), name, "model")[0]
    with torch.device("meta"):
        return count_parameters(build())


def list_models() -> list[dict[str, Any]]:
    """Describe every network, in the order of their names.

    Returns
    -------
    list of dict
        ``name``; ``parameters`` as published; ``summary``; ``system``, None unless it is the network of a system of the
        arena: ``title``, ``reads`` ('beats' or 'signal'), ``published_parameters`` of the whole system (None where it
        has no fixed size), ``source``, and ``params``, its section of params.yaml.
    """
    systems = {
        system.network if isinstance(system, BeatSystem) else section: {
            "title": system.title,
            "reads": system.reads,
            "published_parameters": system.parameters,
            "source": system.source,
            "params": section,
        }
        for section, system in SYSTEMS.items()
    }
    return [
        {"name": name, "parameters": published_size(name), "summary": summary, "system": systems.get(name)}
        for name, (_, summary) in sorted(_networks().items())
    ]


def _networks() -> dict[str, tuple[Callable[..., nn.Module], str]]:
    """Return class and summary of every network by its name."""
    beats = {name: (model.build, model.summary) for name, model in MODELS.items()}
    return beats | {name: (system.network, system.summary) for name, system in signal_systems().items()}
