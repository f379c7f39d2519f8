"""The rhythm of every beat by a Transformer and by boosted trees, which read the same figures.

Shape suffixes: L beats of a stretch, N beats of all stretches, D figures, K classes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load, save

from ecgfeat.arrhythmia.figures import FIGURES
from ecgfeat.arrhythmia.posteriors import (
    METHODS,
    Method,
    Smoothing,
    calibrate,
    read_method,
    smoothing_from_json,
    smoothing_to_json,
    to_inputs,
)
from ecgfeat.beats.scale import Scale, read_scale
from ecgfeat.models import build_model
from ecgfeat.models.rhythm_timeline import RhythmTimeline
from ecgfeat.rhythm.decoding import smooth_path
from ecgfeat.rhythm.timeline import beat_posteriors
from ecgfeat.store.described import read_checked, read_described, write_described
from ecgfeat.store.schemas import RHYTHMS
from ecgfeat.trees import Trees

_DESCRIPTION, _NET, _TREES = "arrhythmia.json", "transformer.safetensors", "trees.txt"
_SCHEMA, _VERSION = "ecgfeat.arrhythmia", 2
_READ = {"figures": FIGURES, "rhythms": RHYTHMS}


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
            torch.from_numpy(np.concatenate([to_inputs(figure_LD, head.scale) for figure_LD in figures])),
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
    return smooth_posteriors(head, rhythm_posteriors(head, figures, method, device=device), method)


def smooth_posteriors(
    head: ArrhythmiaHead, raw: Sequence[NDArray[np.float32]], method: Method
) -> tuple[list[NDArray[np.float32]], list[NDArray[np.int64]]]:
    """Calibrate the posteriors of `rhythm_posteriors`, and return what `name_beats` does."""
    smoothing = head.smoothing[method]
    posteriors = [calibrate(posterior_LK, smoothing.temperature, smoothing.log_offset) for posterior_LK in raw]
    return posteriors, smooth_path(posteriors, smoothing.decoder)


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
        "smoothing": {method: smoothing_to_json(of) for method, of in head.smoothing.items()},
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
    with read_described(folder, _DESCRIPTION, _SCHEMA, _VERSION, _READ, made_by="dvc repro train_rhythm") as described:
        content = {name: read_checked(folder / name, described["sha256"][name]) for name in (_NET, _TREES)}
        net = build_model("rhythm_timeline", **described["config"])
        assert isinstance(net, RhythmTimeline)
        net.load_state_dict(load(content[_NET]))
        head = ArrhythmiaHead(
            net,
            read_scale(described["scale"]),
            Trees(content[_TREES].decode()),
            int(described["chunk_beats"]),
            read_method(described["method"]),
            {method: smoothing_from_json(described["smoothing"][method]) for method in METHODS},
            tuple(described["prior"]),
        )
    return head, described
