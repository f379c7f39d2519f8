"""Write the default models as ONNX files: beat classifier and rhythm head, for `ecgfeat.deploy.light`.

Needs onnx, onnxruntime and onnxscript: ``pip install ecgfeat[export]``.

Shape suffixes: B chunks of a batch, N rows, L beats, C leads, S samples, D features, K classes.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ecgfeat.arrhythmia.posteriors import smoothing_to_json
from ecgfeat.beats.classifier import CONTEXT_BEATS
from ecgfeat.beats.prematurity import COLUMNS
from ecgfeat.deploy.export import TOLERANCE, record_onnx, require_packages, write_onnx
from ecgfeat.deploy.light import FILES, LISTS
from ecgfeat.deploy.onnx_trees import trees_to_onnx
from ecgfeat.deploy.session import open_onnx, run_onnx
from ecgfeat.errors import DataError
from ecgfeat.features.beat_parts import AFTER_SAMPLES, BEFORE_SAMPLES
from ecgfeat.models.beat_net import BeatNet
from ecgfeat.models.rhythm_timeline import RhythmTimeline, rotations
from ecgfeat.prediction.models import Models
from ecgfeat.rhythm.timeline import MARGIN_BEATS
from ecgfeat.store.described import write_described
from ecgfeat.store.names import BEAT_CLASSES, EXPORTED_FILE, EXPORTED_SCHEMA, EXPORTED_VERSION
from ecgfeat.trees import Trees

_EXAMPLES: Final = 7
_TREE_ROWS: Final = 512


class VentricularNets(nn.Module):
    """The networks of the beat classifier in one: the mean of their probabilities of V.

    Parameters
    ----------
    nets : sequence of BeatNet
        In evaluation mode.
    """

    def __init__(self, nets: tuple[BeatNet, ...]) -> None:
        super().__init__()
        self.nets = nn.ModuleList(nets)

    def forward(self, window_LC2S: Tensor, is_there_LC: Tensor, wave_LCD: Tensor, beat_LD: Tensor) -> Tensor:
        """Return the probability of V of the beats of a record, (L,) float32, before the curve.

        Parameters
        ----------
        window_LC2S, is_there_LC, wave_LCD, beat_LD
            As `BeatNet.forward` takes them, of one chunk.
        """
        inputs = [tensor[None] for tensor in (window_LC2S, is_there_LC, wave_LCD, beat_LD)]
        is_beat_1L = torch.ones_like(inputs[-1][..., 0], dtype=torch.bool)
        column = BEAT_CLASSES.index("V")
        posteriors = [net(*inputs, is_beat_1L).softmax(dim=-1).mean(dim=0)[0, :, column] for net in self.nets]
        return torch.stack(posteriors).mean(dim=0)


class ChunkPosteriors(nn.Module):
    """The Transformer of the rhythm head for chunks of a fixed length.

    Parameters
    ----------
    net : RhythmTimeline
        In evaluation mode.
    chunk_beats : int
        Length of a chunk.
    """

    turn: Tensor

    def __init__(self, net: RhythmTimeline, chunk_beats: int) -> None:
        super().__init__()
        self.net = net
        turn_LD = rotations(chunk_beats, net.head_width, torch.device("cpu"))
        self.register_buffer("turn", torch.view_as_real(turn_LD))

    def forward(self, figure_BLD: Tensor, is_inside_BL: Tensor) -> Tensor:
        """Return the posteriors of the beats of chunks, (B, L, K) float32.

        Parameters
        ----------
        figure_BLD, is_inside_BL
            As `RhythmTimeline.forward` takes them.
        """
        return self.net.attend(figure_BLD, self.turn, is_inside_BL[:, None, None, :]).softmax(dim=-1)


def export_models(models: Models, folder: Path) -> dict[str, int]:
    """Write a beat classifier and a rhythm head as a folder of ONNX files.

    Parameters
    ----------
    models : Models
        On the CPU.
    folder : Path
        Where to; replaced as a whole. The same models give the same bytes.

    Returns
    -------
    dict of str to int
        Bytes of each file.

    Raises
    ------
    UsageError
        If onnx, onnxruntime or onnxscript is missing.
    DataError
        If what a file computes is off by more than 1e-4; nothing is written then.
    """
    require_packages("onnx", "onnxruntime", "onnxscript")
    classifier, head = models.classifier, models.head
    rng = np.random.default_rng(0)
    files = {
        "beats.onnx": _write_nets(classifier.nets, rng),
        "prematurity.onnx": _write_trees("prematurity.onnx", classifier.prematurity, rng),
        "rhythm.onnx": _write_transformer(head.net, head.chunk_beats, rng),
        "rhythm_trees.onnx": _write_trees("rhythm_trees.onnx", head.trees, rng),
    }
    assert tuple(files) == FILES
    described = {
        **LISTS,
        "beats": {
            "prematurity_columns": COLUMNS,
            "scales": asdict(classifier.scales),
            "ventricular_curve": asdict(classifier.ventricular_curve),
            "early_curve": asdict(classifier.early_curve),
            "least_early": classifier.least_early,
            "median_beats": classifier.median_beats,
            "context_beats": CONTEXT_BEATS,
        },
        "rhythm": {
            "method": head.method,
            "scale": asdict(head.scale),
            "chunk_beats": head.chunk_beats,
            "margin_beats": MARGIN_BEATS,
            "smoothing": smoothing_to_json(head.smoothing[head.method]),
        },
        "info": {"models": dict(models.checksums)},
    }
    write_described(folder, EXPORTED_FILE, EXPORTED_SCHEMA, EXPORTED_VERSION, files, described)
    return {name: (folder / name).stat().st_size for name in (*FILES, EXPORTED_FILE)}


def _write_nets(nets: tuple[BeatNet, ...], rng: np.random.Generator) -> bytes:
    """Return the file of the networks of the beat classifier."""
    num_leads, num_wave, num_beat = 2, nets[0].wave.in_features, nets[0].beat.in_features
    size = BEFORE_SAMPLES + AFTER_SAMPLES
    examples = {
        "window_LC2S": _draw(rng, _EXAMPLES, num_leads, 2, size),
        "is_there_LC": torch.from_numpy(rng.random((_EXAMPLES, num_leads)) < 0.8),
        "wave_LCD": _draw(rng, _EXAMPLES, num_leads, num_wave),
        "beat_LD": _draw(rng, _EXAMPLES, num_beat),
    }
    lead_axes = {0: "beats", 1: "leads"}
    return _record("beats.onnx", VentricularNets(nets), examples, [lead_axes] * 3 + [{0: "beats"}], "ventricular_L")


def _write_transformer(net: RhythmTimeline, chunk_beats: int, rng: np.random.Generator) -> bytes:
    """Return the file of the Transformer of the rhythm head."""
    is_inside_BL = torch.ones(2, chunk_beats, dtype=torch.bool)
    is_inside_BL[0, : chunk_beats // 3] = False
    examples = {"figure_BLD": _draw(rng, 2, chunk_beats, net.project.in_features), "is_inside_BL": is_inside_BL}
    return _record("rhythm.onnx", ChunkPosteriors(net, chunk_beats), examples, [{0: "chunks"}] * 2, "posterior_BLK")


def _record(
    name: str, model: nn.Module, examples: Mapping[str, Tensor], axes: list[dict[int, str]], output: str
) -> bytes:
    """Return the file of a network, after comparing what both compute of the examples."""
    model = model.eval()
    with torch.no_grad():
        expected = model(*examples.values()).numpy()
    content = _to_bytes(record_onnx(model, examples, axes, output))
    _check(name, content, [tensor.numpy() for tensor in examples.values()], expected)
    return content


def _write_trees(name: str, trees: Trees, rng: np.random.Generator) -> bytes:
    """Return the file of trees, after comparing what both compute of random rows, a fifth of which is missing."""
    value_ND = rng.normal(size=(_TREE_ROWS, len(trees.columns))).astype(np.float32)
    value_ND[rng.random(value_ND.shape) < 0.2] = np.nan
    content = _to_bytes(trees_to_onnx(trees))
    _check(name, content, [value_ND], trees.predict(value_ND).reshape(_TREE_ROWS, -1))
    return content


def _check(name: str, content: bytes, inputs: list[NDArray[Any]], expected: NDArray[np.float32]) -> None:
    """Refuse a file that computes something else."""
    difference = float(np.abs(run_onnx(open_onnx(content), inputs) - expected).max())
    if not difference <= TOLERANCE:
        raise DataError(name, found=f"probabilities differ by {difference:.2g}", expected=f"at most {TOLERANCE:g}")


def _to_bytes(proto: Any) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        write_onnx(proto, path, {})
        return path.read_bytes()


def _draw(rng: np.random.Generator, *shape: int) -> Tensor:
    return torch.from_numpy(rng.normal(size=shape).astype(np.float32))
