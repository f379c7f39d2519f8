"""The rhythm of every beat by a Transformer and by boosted trees, which read the same figures.

Shape suffixes: L beats of a stretch, N beats of all stretches, D figures, K classes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load, save

from ecgfeat.arrhythmia.figures import FIGURES, describe_rhythm
from ecgfeat.beats.shapes import Scale, read_scale
from ecgfeat.models import build_model
from ecgfeat.models.rhythm_timeline import RhythmTimeline
from ecgfeat.rhythm.decoding import Decoder, decoder_from_json, decoder_to_json, smooth_path
from ecgfeat.rhythm.timeline import beat_posteriors
from ecgfeat.store.described import read_checked, read_described, write_described
from ecgfeat.store.schemas import RHYTHMS
from ecgfeat.trees import Trees

Method = Literal["transformer", "trees", "both"]
METHODS: Final[tuple[Method, ...]] = ("transformer", "trees", "both")
"""Both: the mean of the posteriors of the two."""

_DESCRIPTION, _NET, _TREES = "arrhythmia.json", "transformer.safetensors", "trees.txt"
_SCHEMA, _VERSION = "ecgfeat.arrhythmia", 1
_READ = {"figures": FIGURES, "rhythms": RHYTHMS}


@dataclass(frozen=True)
class Smoothing:
    """How the posteriors of a method are calibrated and smoothed.

    Attributes
    ----------
    temperature : float
        Logarithms of posteriors are divided by it.
    decoder : Decoder
        The most probable path, by how long rhythms last.
    is_used : bool
        Whether it was better on the validation records than the most probable class of each beat.
    """

    temperature: float
    decoder: Decoder
    is_used: bool


@dataclass(frozen=True)
class ArrhythmiaHead:
    """Both methods, trained on the same segments.

    Attributes
    ----------
    net : RhythmTimeline
        In evaluation mode.
    scale : Scale
        Of the figures that it reads.
    trees : Trees
        They read the figures as they are.
    chunk_beats : int
        Length of a chunk of the Transformer.
    method : {'transformer', 'trees', 'both'}
        The one that was best on the validation records.
    smoothing : mapping of str to Smoothing
        By method.
    prior : tuple of float, (K,)
        Shares of the rhythms in training.
    """

    net: RhythmTimeline
    scale: Scale
    trees: Trees
    chunk_beats: int
    method: Method
    smoothing: Mapping[Method, Smoothing]
    prior: tuple[float, ...]


@dataclass(frozen=True)
class Stretch:
    """Beats without a gap between them.

    Attributes
    ----------
    rr_s : ndarray of float64, (L,)
        Seconds from the R-peak before; NaN for the first.
    usual_s : tuple of float
        Mean and median interval of the whole record.
    probability : ndarray of float32, (L, 3)
        Of N, S and V; NaN where it is not known.
    """

    rr_s: NDArray[np.float64]
    usual_s: tuple[float, float]
    probability: NDArray[np.float32]

    def describe(self) -> NDArray[np.float32]:
        """Return the figures of the beats, (L, D)."""
        return describe_rhythm(self.rr_s, self.usual_s, self.probability)


def rhythm_posteriors(
    head: ArrhythmiaHead,
    figures: Sequence[NDArray[np.float32]],
    method: Method,
    *,
    device: str | torch.device = "cpu",
    on_beats: Callable[[int], None] | None = None,
) -> list[NDArray[np.float32]]:
    """Return the rhythm posterior of every beat.

    Parameters
    ----------
    head : ArrhythmiaHead
        The head.
    figures : sequence of ndarray of float32, (L, D)
        Of `Stretch.describe`, stretch by stretch.
    method : {'transformer', 'trees', 'both'}
        Which of its methods.
    device : str or torch.device
        Where the Transformer computes.
    on_beats : callable, optional
        Called with the number of beats done since the last call.

    Returns
    -------
    list of ndarray of float32, (L, 6)
        One per stretch.
    """
    if not figures:
        return []
    offset = np.cumsum([0, *(len(figure_LD) for figure_LD in figures)])
    posteriors = []
    if method != "transformer":
        posteriors.append(head.trees.predict(np.concatenate(figures)))
    if method != "trees":
        posterior_VNK = beat_posteriors(
            head.net.to(device),
            offset,
            torch.cat([to_inputs(figure_LD, head.scale) for figure_LD in figures]),
            chunk_beats=head.chunk_beats,
            num_views=1,
            device=device,
            on_beats=on_beats,
        )
        posteriors.append(posterior_VNK[0])
    return np.split(np.mean(posteriors, axis=0), offset[1:-1])


def name_beats(
    head: ArrhythmiaHead,
    figures: Sequence[NDArray[np.float32]],
    method: Method,
    *,
    device: str | torch.device = "cpu",
) -> tuple[list[NDArray[np.float32]], list[NDArray[np.int64]]]:
    """Return the calibrated rhythm posterior of every beat, and the most probable path through the beats.

    Parameters
    ----------
    head, figures, method, device
        As `rhythm_posteriors` takes them.

    Returns
    -------
    posteriors : list of ndarray of float32, (L, 6)
        One per stretch.
    paths : list of ndarray of int64, (L,)
        Rhythms by how long they last, stretch by stretch.
    """
    smoothing = head.smoothing[method]
    raw = rhythm_posteriors(head, figures, method, device=device)
    posteriors = [calibrate(posterior_LK, smoothing.temperature) for posterior_LK in raw]
    return posteriors, smooth_path(posteriors, smoothing.decoder)


def calibrate(posterior_LK: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """Divide the logarithms of posteriors by a temperature, (L, K)."""
    log_LK = np.log(np.maximum(posterior_LK, 1e-6)) / temperature
    power_LK = np.exp(log_LK - log_LK.max(axis=1, keepdims=True))
    return np.asarray(power_LK / power_LK.sum(axis=1, keepdims=True), dtype=np.float32)


def to_inputs(figure_LD: NDArray[np.float32], scale: Scale) -> torch.Tensor:
    """Return what the Transformer reads: standardised figures, and which are missing, (L, 2 D) float32."""
    is_missing_LD = torch.from_numpy(np.isnan(figure_LD).astype(np.float32))
    return torch.cat([scale.apply(figure_LD), is_missing_LD], dim=1)


def save_head(folder: Path, head: ArrhythmiaHead, config: Mapping[str, Any], info: Mapping[str, Any]) -> None:
    """Write a head to a folder; the same head gives the same bytes.

    Parameters
    ----------
    folder : Path
        Where to; replaced as a whole.
    head : ArrhythmiaHead
        On any device.
    config : mapping
        Keywords its Transformer was built with.
    info : mapping
        What else a reader should know. JSON values only, no NaN.
    """
    tensors = {name: value.detach().cpu().contiguous() for name, value in head.net.state_dict().items()}
    described = {
        **_READ,
        "config": dict(config),
        "method": head.method,
        "chunk_beats": head.chunk_beats,
        "scale": asdict(head.scale),
        "prior": head.prior,
        "smoothing": {
            method: {
                "temperature": of.temperature,
                "decoder": decoder_to_json(of.decoder),
                "is_used": of.is_used,
            }
            for method, of in head.smoothing.items()
        },
        "info": dict(info),
    }
    files = {_NET: save(tensors), _TREES: head.trees.text.encode()}
    write_described(folder, _DESCRIPTION, _SCHEMA, _VERSION, files, described)


def load_head(folder: Path) -> tuple[ArrhythmiaHead, dict[str, Any]]:
    """Read a head written by `save_head`.

    Parameters
    ----------
    folder : Path
        The folder.

    Returns
    -------
    head : ArrhythmiaHead
        On the CPU, in evaluation mode.
    described : dict
        What its description holds.

    Raises
    ------
    DataError
        If a file is missing, damaged, or of another version.
    """
    with read_described(folder, _DESCRIPTION, _SCHEMA, _VERSION, _READ, made_by="train_rhythm") as described:
        content = {name: read_checked(folder / name, described["sha256"][name]) for name in (_NET, _TREES)}
        net = build_model("rhythm_timeline", **described["config"])
        assert isinstance(net, RhythmTimeline)
        net.load_state_dict(load(content[_NET]))
        head = ArrhythmiaHead(
            net,
            read_scale(described["scale"]),
            Trees(content[_TREES].decode()),
            int(described["chunk_beats"]),
            _known_method(described),
            {method: _read_smoothing(described["smoothing"][method]) for method in METHODS},
            tuple(described["prior"]),
        )
    return head, described


def _read_smoothing(described: Mapping[str, Any]) -> Smoothing:
    decoder = decoder_from_json(described["decoder"])
    return Smoothing(float(described["temperature"]), decoder, bool(described["is_used"]))


def _known_method(described: Mapping[str, Any]) -> Method:
    return METHODS[METHODS.index(described["method"])]
