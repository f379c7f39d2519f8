"""Classify beats without their labels' history: networks for V, trees for S, both looking both ways in time.

Shape suffixes: L beats of a record, C leads, K classes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load, save

from ecgfeat.beats.prematurity import COLUMNS, stack_columns_of
from ecgfeat.beats.probabilities import Curve, cut_batches, join_classes, pick_classes
from ecgfeat.beats.scale import BEAT_COLUMNS, WAVE_COLUMNS, Scales, read_scale
from ecgfeat.beats.shapes import BeatShapes, draw_windows, gather_shapes, read_features
from ecgfeat.models.beat_net import DILATIONS, BeatNet, FrozenBeatNet, lay_windows
from ecgfeat.store.described import read_checked, read_described, write_described
from ecgfeat.store.schemas import BEAT_CLASSES
from ecgfeat.trees import Trees

DESCRIPTION: Final = "classifier.json"
_NETS, _TREES = "nets.safetensors", "prematurity.txt"
_SCHEMA, _VERSION = "ecgfeat.beat_classifier", 1
_READ = {"wave_columns": WAVE_COLUMNS, "beat_columns": BEAT_COLUMNS}
CONTEXT_BEATS: Final = 2 * sum(DILATIONS) + 2
"""Beats on either side that a network is given besides those it classifies."""

_WINDOW_BEATS: Final = 128


@dataclass(frozen=True)
class BeatClassifier:
    """Networks and trees that classify beats together.

    Attributes
    ----------
    nets : tuple of BeatNet
        In evaluation mode; each was trained from another seed, and their answers are averaged. Without any, which beats
        are V is not known.
    scales : Scales
        Of what they read.
    prematurity : Trees
        Of `ecgfeat.beats.prematurity`.
    ventricular_curve, early_curve : Curve
        Turn the answers of networks and trees into probabilities.
    least_early : float
        A beat that is no V is called S from this probability of S on. S beats are rare: called only where S is more
        probable than N, most of them would be missed.
    median_beats : int
        Beats of which a record's median beat is made.
    """

    nets: tuple[BeatNet, ...]
    scales: Scales
    prematurity: Trees
    ventricular_curve: Curve
    early_curve: Curve
    least_early: float
    median_beats: int


def classify_record(
    classifier: BeatClassifier,
    window_uv_LCS: NDArray[np.int16],
    feature: Mapping[str, NDArray[np.float32]],
    *,
    device: str | torch.device = "cpu",
) -> NDArray[np.float32]:
    """Classify the beats of a record.

    Parameters
    ----------
    classifier : BeatClassifier
        On any device.
    window_uv_LCS : ndarray of int16, (L, C, 256)
        Windows of its beats in usable time.
    feature : mapping of str to ndarray of float32, (L,)
        Their beat features.
    device : str or torch.device
        Where to compute.

    Returns
    -------
    ndarray of float32, (L, 3)
        Probabilities of N, S and V.

    Notes
    -----
    * Whether a beat is a V is the networks' answer, whether any other is an S that of the trees.
    """
    if not len(window_uv_LCS):
        return np.zeros((0, len(BEAT_CLASSES)), dtype=np.float32)
    shapes = gather_shapes(window_uv_LCS, feature, median_beats=classifier.median_beats)
    ventricular_L = classifier.ventricular_curve.apply(find_ventricular(classifier, shapes, device=device))
    early_L = classifier.early_curve.apply(find_early(classifier, feature))
    return join_classes(ventricular_L, early_L)


def find_early(classifier: BeatClassifier, feature: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return the trees' answer whether a beat is an S if it is no V, (L,) float32, not calibrated."""
    return classifier.prematurity.predict(stack_columns_of({name: feature[name] for name in COLUMNS}))


def find_ventricular(
    classifier: BeatClassifier, shapes: BeatShapes, *, device: str | torch.device = "cpu"
) -> NDArray[np.float32]:
    """Return the networks' answer whether a beat is a V, (L,) float32, not calibrated."""
    if not classifier.nets:
        return np.full(len(shapes), np.nan, dtype=np.float32)
    nets = [FrozenBeatNet(net.to(device)) for net in classifier.nets]
    total_L = np.zeros(len(shapes), dtype=np.float64)
    with torch.inference_mode():
        for seen, inside in cut_batches(len(shapes), CONTEXT_BEATS):
            for beat_LD, net in zip(_describe_beats(nets, shapes, seen, classifier.scales, device), nets, strict=True):
                posterior_LK = net.classify(beat_LD).softmax(dim=-1).mean(dim=0)[inside]
                total_L[seen][inside] += posterior_LK[:, BEAT_CLASSES.index("V")].cpu().numpy()
    return (total_L / len(nets)).astype(np.float32)


def _describe_beats(
    nets: Sequence[FrozenBeatNet], shapes: BeatShapes, rows: slice, scales: Scales, device: str | torch.device
) -> list[torch.Tensor]:
    """Return what each network makes of each of some beats alone, (L, width)."""
    pooled: list[list[torch.Tensor]] = [[] for _ in nets]
    is_there = []
    # So few windows at a time that what the convolutions make of them stays in the cache.
    for start in range(rows.start, rows.stop, _WINDOW_BEATS):
        window_BC2S, is_there_BC = draw_windows(shapes, slice(start, min(start + _WINDOW_BEATS, rows.stop)))
        row_R2 = lay_windows(window_BC2S.to(device).flatten(0, 1))
        for of, net in zip(pooled, nets, strict=True):
            of.append(net.pool_windows(row_R2, window_BC2S.shape[-1]))
        is_there.append(is_there_BC)
    wave, beat = (tensor.to(device) for tensor in read_features(shapes, rows, scales))
    described = [torch.cat(is_there).to(device), wave, beat]
    inputs = [tensor[None] for tensor in described]
    return [net.net.describe(torch.cat(of), *inputs)[0] for of, net in zip(pooled, nets, strict=True)]


def decide_classes(classifier: BeatClassifier, probability_LK: NDArray[np.float32]) -> NDArray[np.int64]:
    """Decide on the class of beats from their probabilities.

    Parameters
    ----------
    classifier : BeatClassifier
        With its threshold.
    probability_LK : ndarray of float32, (L, 3)
        Of N, S and V.

    Returns
    -------
    ndarray of int64, (L,)
        Indices into N S V: V where it is the most probable class, else S or N.
    """
    return pick_classes(probability_LK, classifier.least_early)


def save_classifier(folder: Path, classifier: BeatClassifier, info: Mapping[str, Any]) -> None:
    """Write a classifier to a folder; the same classifier gives the same bytes.

    Parameters
    ----------
    folder : Path
        Where to; replaced as a whole.
    classifier : BeatClassifier
        On any device.
    info : mapping
        What else a reader should know. JSON values only, no NaN.
    """
    tensors = {
        f"{number}.{name}": value.detach().cpu().contiguous()
        for number, net in enumerate(classifier.nets)
        for name, value in net.state_dict().items()
    }
    described = {
        "num_nets": len(classifier.nets),
        "ventricular_curve": asdict(classifier.ventricular_curve),
        "early_curve": asdict(classifier.early_curve),
        "least_early": classifier.least_early,
        "median_beats": classifier.median_beats,
        **_READ,
        "scales": asdict(classifier.scales),
        "info": dict(info),
    }
    files = {_NETS: save(tensors), _TREES: classifier.prematurity.text.encode()}
    write_described(folder, DESCRIPTION, _SCHEMA, _VERSION, files, described)


def load_classifier(folder: Path) -> tuple[BeatClassifier, dict[str, Any]]:
    """Read a classifier written by `save_classifier`.

    Parameters
    ----------
    folder : Path
        The folder.

    Returns
    -------
    classifier : BeatClassifier
        On the CPU, in evaluation mode.
    described : dict
        What its description holds.

    Raises
    ------
    DataError
        If a file is missing, damaged, or of another version.
    """
    with read_described(folder, DESCRIPTION, _SCHEMA, _VERSION, _READ, made_by="dvc repro train_beats") as described:
        content = {name: read_checked(folder / name, described["sha256"][name]) for name in (_NETS, _TREES)}
        classifier = BeatClassifier(
            tuple(_make_nets(load(content[_NETS]), described["num_nets"])),
            Scales(*(read_scale(described["scales"][name]) for name in ("wave", "beat"))),
            Trees(content[_TREES].decode()),
            Curve(**described["ventricular_curve"]),
            Curve(**described["early_curve"]),
            float(described["least_early"]),
            int(described["median_beats"]),
        )
    return classifier, described


def _make_nets(tensors: Mapping[str, torch.Tensor], num_nets: int) -> Iterator[BeatNet]:
    """Yield the networks whose weights lie under their numbers."""
    for number in range(num_nets):
        net, own = BeatNet(), f"{number}."
        net.load_state_dict({name.removeprefix(own): value for name, value in tensors.items() if name.startswith(own)})
        yield net.eval()
