"""Train the networks of the beat classifier on chunks of beats in which rare classes occur.

Shape suffixes: L beats of a record, B batch, C leads, S samples, D features, K classes.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ecgfeat.beats.scale import Scales
from ecgfeat.beats.shapes import BeatShapes, read_chunk
from ecgfeat.errors import DataError
from ecgfeat.models import build_model
from ecgfeat.models.beat_net import BeatNet
from ecgfeat.store.schemas import BEAT_CLASSES
from ecgfeat.training import Batch, fit

IGNORED = -1
"""Label of a beat that is not trained on: F, Q, unmatched, or beyond the record."""

PARTS = ("window", "difference", "waves", "intervals")
"""Of a beat: its window, the window less the median beat, features of each lead, features of all leads together."""

_CLASS_CHANCE = (0.3, 0.35, 0.35)  # of the beat that a chunk is drawn around
_STEPS_PER_EPOCH = 25


@dataclass(frozen=True)
class NetSettings:
    """How the networks are trained.

    Attributes
    ----------
    seeds : int
        Networks, whose answers are averaged.
    steps, batch, chunk_beats : int
        Steps, chunks of a step, and beats of a chunk.
    lr, weight_decay
        Of `ecgfeat.training.fit`.
    label_smoothing : float
        Share of the target spread over all classes, in [0, 1).
    lead_dropout : float
        Probability that one of two leads is taken from a chunk.
    shift_samples : int
        Windows move by up to so many samples either way, as detected R-peaks do.
    noise, gain, feature_noise : float
        Standard deviations of noise on windows, of the logarithm of their gain, and of noise on features.
    reads : sequence of str
        Of `PARTS`: what a network reads. The weights of all else are zero and stay so.
    """

    seeds: int
    steps: int
    batch: int
    chunk_beats: int
    lr: float
    weight_decay: float
    label_smoothing: float
    lead_dropout: float
    shift_samples: int
    noise: float
    gain: float
    feature_noise: float
    reads: Sequence[str] = PARTS


class LabelledBeats(Protocol):
    """Beats of a record: ``shapes``, ``label`` (L,), indices into N S V or `IGNORED`, and ``weight`` of the record."""

    @property
    def shapes(self) -> BeatShapes: ...  # noqa: D102

    @property
    def label(self) -> NDArray[np.int64]: ...  # noqa: D102

    @property
    def weight(self) -> float: ...  # noqa: D102


class BeatLoss(nn.Module):
    """Cross entropy of both classifiers of `ecgfeat.models.beat_net.BeatNet` over the labelled beats.

    Parameters
    ----------
    label_smoothing : float
        Share of the target spread over all classes, in [0, 1).
    """

    def __init__(self, label_smoothing: float) -> None:
        super().__init__()
        self.loss = nn.CrossEntropyLoss(ignore_index=IGNORED, label_smoothing=label_smoothing)

    def forward(self, logits_2BLK: Tensor, label_BL: Tensor) -> Tensor:
        """Return the sum of both losses."""
        alone_BLK, together_BLK = logits_2BLK
        label_N = label_BL.flatten()
        value: Tensor = self.loss(alone_BLK.flatten(0, 1), label_N) + self.loss(together_BLK.flatten(0, 1), label_N)
        return value


def train_net(
    records: Sequence[LabelledBeats],
    scales: Scales,
    settings: NetSettings,
    *,
    seed: int,
    device: str | torch.device = "cpu",
    on_step: Callable[[int], None] | None = None,
) -> BeatNet:
    """Train one network.

    Parameters
    ----------
    records : sequence of LabelledBeats
        To learn from.
    scales : Scales
        Of their features.
    settings : NetSettings
        How; ``seeds`` is not read.
    seed, device, on_step
        As `ecgfeat.beats.classifier_training.train_classifier` takes them.

    Returns
    -------
    BeatNet
        On the CPU, in evaluation mode.

    Raises
    ------
    DataError
        If there is no beat of a class.
    """
    net = build_model("beat_net", seed=seed)
    assert isinstance(net, BeatNet)
    _zero_weights_of(net, set(PARTS) - set(settings.reads))
    chance = _chances(records)
    rows_of = [[np.flatnonzero(record.label == label) for label in range(len(BEAT_CLASSES))] for record in records]

    def batches(epoch: int) -> Iterator[Batch]:
        rng = np.random.default_rng((seed, epoch))
        generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
        for _ in range(min(_STEPS_PER_EPOCH, settings.steps - epoch * _STEPS_PER_EPOCH)):
            chunks = []
            for _ in range(settings.batch):
                label = rng.choice(len(BEAT_CLASSES), p=_CLASS_CHANCE)
                number = rng.choice(len(records), p=chance[label])
                centre = rng.choice(rows_of[number][label])
                chunks.append(_draw_chunk(records[number], centre, scales, settings, rng))
            yield _vary([torch.stack(tensors) for tensors in zip(*chunks, strict=True)], settings, generator)
            if on_step is not None:
                on_step(1)

    num_epochs = -(-settings.steps // _STEPS_PER_EPOCH)
    fit(
        net,
        batches=batches,
        loss=BeatLoss(settings.label_smoothing),
        validate=lambda model: {},
        monitor="epoch",  # no record can be spared to choose an epoch: the last one stays
        epochs=num_epochs,
        lr=settings.lr,
        weight_decay=settings.weight_decay,
        seed=seed,
        device=device,
    )
    return net.cpu()


def _zero_weights_of(net: BeatNet, parts: Collection[str]) -> None:
    """Set the weights that read some parts of a beat to zero."""
    convolution = net.convolve[0]
    assert isinstance(convolution, nn.Conv1d)
    weights = (*convolution.weight.unbind(dim=1), net.wave.weight, net.beat.weight)
    with torch.no_grad():
        for part, weight in zip(PARTS, weights, strict=True):
            if part in parts:
                weight.zero_()


def _chances(records: Sequence[LabelledBeats]) -> list[NDArray[np.float64]]:
    """Return per class how likely each record is drawn: by its weight and the root of its beats of that class."""
    chances = []
    for label, name in enumerate(BEAT_CLASSES):
        root = np.array([record.weight * float((record.label == label).sum()) ** 0.5 for record in records])
        if not root.sum():
            raise DataError("train_beats", found=f"no {name} beat", expected="at least one", remedy="Change the split.")
        chances.append(root / root.sum())
    return chances


def _draw_chunk(
    record: LabelledBeats, centre: int, scales: Scales, settings: NetSettings, rng: np.random.Generator
) -> list[Tensor]:
    """Return inputs and labels of a chunk that holds a beat; zero beyond the record."""
    size, total = settings.chunk_beats, len(record.label)
    start = int(np.clip(centre - rng.integers(0, size), 0, max(0, total - size)))
    rows = slice(start, min(start + size, total))
    inputs = list(read_chunk(record.shapes, rows, scales))
    is_there_LC = inputs[1]
    if is_there_LC.shape[1] == 2 and bool(is_there_LC.any(dim=0).all()) and rng.random() < settings.lead_dropout:
        is_there_LC[:, rng.integers(2)] = False
    label = torch.full((size,), IGNORED)
    label[: rows.stop - rows.start] = torch.from_numpy(record.label[rows])
    padded = []
    for tensor in inputs:
        whole = tensor.new_zeros((size, *tensor.shape[1:]))
        whole[: len(tensor)] = tensor
        padded.append(whole)
    return [*padded, label]


def _vary(stacked: list[Tensor], settings: NetSettings, generator: torch.Generator) -> Batch:
    """Vary gain, place and noise of the windows, and the features, of a batch."""
    window_BLC2S, is_there_BLC, wave_BLCD, beat_BLD, is_beat_BL, label_BL = stacked

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    batch, beats, leads, _, samples = window_BLC2S.shape
    gain = torch.exp(settings.gain * normal(batch, 1, leads, 1, 1))
    level = settings.noise * normal(batch, 1, leads, 1, 1).abs()
    # The same noise is in the window and in its difference from the median beat.
    window_BLC2S = window_BLC2S * gain + level * normal(batch, beats, leads, 1, samples)
    shift = torch.randint(-settings.shift_samples, settings.shift_samples + 1, (batch,), generator=generator)
    window_BLC2S = torch.stack(
        [torch.roll(window, int(by), dims=-1) for window, by in zip(window_BLC2S, shift, strict=True)]
    )
    wave_BLCD = wave_BLCD + settings.feature_noise * normal(*wave_BLCD.shape)
    beat_BLD = beat_BLD + settings.feature_noise * normal(*beat_BLD.shape)
    # Where an input is zero, so is the gradient of its weights.
    for part, tensor in zip(PARTS, (*window_BLC2S.unbind(dim=3), wave_BLCD, beat_BLD), strict=True):
        if part not in settings.reads:
            tensor.zero_()
    return (window_BLC2S, is_there_BLC, wave_BLCD, beat_BLD, is_beat_BL), label_BL
