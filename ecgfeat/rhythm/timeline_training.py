"""Training of the timeline head on chunks of beats.

Shape suffixes: N beats, B chunks of a batch, L beats in a chunk, K classes, E episodes.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ecgfeat.errors import DataError
from ecgfeat.models.rhythm_timeline import RhythmTimeline
from ecgfeat.ranks import Ranks
from ecgfeat.rhythm.chunks import draw_chunks, find_beat_runs, place_chunks
from ecgfeat.rhythm.features import FeatureLayout
from ecgfeat.rhythm.records import RhythmData
from ecgfeat.rhythm.timeline import gather_chunks, run_lengths
from ecgfeat.rhythm.timeline_validation import name_once, score_validation_beats
from ecgfeat.store.schemas import RHYTHMS
from ecgfeat.training import Batch, WeightedLoss, class_weights, fit

IGNORED = -1
"""Label of a beat that is not trained on: outside the task, unlabelled, or beyond the record."""

TIMELINE_FIGURE = "macro_f1"
"""Figure of the validation records whose largest value marks the best epoch."""


@dataclass(frozen=True)
class TimelineSettings:
    """How a timeline head is built and trained.

    Attributes
    ----------
    neighbour_beats : int
        Neighbours of a beat described one by one, on either side.
    chunk_beats : int
        Length of a chunk; its ends only serve as context in validation.
    width, blocks : int
        Size of the network.
    epochs, lr, weight_decay
        Of `ecgfeat.training.fit`.
    chunks, batch : int
        Chunks drawn for an epoch, and per step.
    dropout : float
        Of the network, in [0, 1).
    label_smoothing, length_power : float
        Of `TimelineLoss`.
    class_weight_power : float
        Of `ecgfeat.training.class_weights`; beats are counted in the chunks of the first epoch, as the loss weighs
        them.
    rarity_power : float
        Of `ecgfeat.rhythm.chunks.draw_chunks`.
    label_dropout, embedding_dropout : float
        Of `drop_inputs`.
    """

    neighbour_beats: int
    chunk_beats: int
    width: int
    blocks: int
    epochs: int
    chunks: int
    batch: int
    lr: float
    weight_decay: float
    dropout: float
    label_smoothing: float
    class_weight_power: float
    rarity_power: float
    length_power: float
    label_dropout: float
    embedding_dropout: float


class TimelineLoss(WeightedLoss):
    """Cross entropy over the labelled beats of chunks, weighted by class and by the length of their run.

    Parameters
    ----------
    weight_K : Tensor, (K,) float32
        Weight of each class, as `ecgfeat.training.class_weights` gives it.
    label_smoothing : float
        Share of the target spread over all classes, in [0, 1).
    length_power : float
        A beat of a run of n beats in one rhythm counts ``n ** -length_power``: with 0 all beats of a class count
        alike, with 1 all runs.
    """

    weight: Tensor

    def __init__(self, weight_K: Tensor, *, label_smoothing: float, length_power: float) -> None:
        super().__init__()
        self.register_buffer("weight", weight_K)
        self.label_smoothing = label_smoothing
        self.length_power = length_power

    def sums(self, logits_BLK: Tensor, label_BL: Tensor) -> tuple[Tensor, Tensor]:
        """Return the weighted sum of the losses of the labelled beats, and the sum of their weights.

        Parameters
        ----------
        logits_BLK : Tensor, (B, L, K) float32
            Output of the model.
        label_BL : Tensor, (B, L) int64
            Rhythm of each beat, or `IGNORED`.

        Returns
        -------
        total, weight : Tensor, () float32
        """
        is_labelled = label_BL != IGNORED
        label_N = label_BL[is_labelled]
        weight_N = self.weight[label_N] * run_lengths(label_BL)[is_labelled] ** -self.length_power
        loss_N = nn.functional.cross_entropy(
            logits_BLK[is_labelled], label_N, label_smoothing=self.label_smoothing, reduction="none"
        )
        return (loss_N * weight_N).sum(), weight_N.sum()


def drop_inputs(
    feature_BLD: Tensor,
    layout: FeatureLayout,
    generator: torch.Generator,
    *,
    embedding_dropout: float,
    label_dropout: float,
) -> Tensor:
    """Hide the embeddings, or the beat labels, of some chunks, so that the head depends on neither alone.

    Parameters
    ----------
    feature_BLD : Tensor, (B, L, D) float32
        Features of chunks; changed in place.
    layout : FeatureLayout
        Their columns.
    generator : torch.Generator
        Draws the chunks.
    embedding_dropout, label_dropout : float
        Share of the chunks without embedding and history, and without labels.

    Returns
    -------
    Tensor, (B, L, D) float32
        The same tensor.
    """
    chance_B2 = torch.rand(len(feature_BLD), 2, generator=generator)
    feature_BLD[chance_B2[:, 0] < embedding_dropout, :, layout.embedded] = 0.0
    feature_BLD[chance_B2[:, 1] < label_dropout, :, layout.labels] = 0.0
    return feature_BLD


def train_timeline(
    model: RhythmTimeline,
    train: RhythmData,
    validation: RhythmData,
    layout: FeatureLayout,
    settings: TimelineSettings,
    *,
    num_classes: int = len(RHYTHMS),
    seed: int,
    device: torch.device | str = "cpu",
    ranks: Ranks | None = None,
    on_batch: Callable[[int, int], None] | None = None,
    on_epoch: Callable[[dict[str, float]], None] | None = None,
) -> list[dict[str, float]]:
    """Train a timeline head in place and keep the epoch that is best on the validation records.

    Parameters
    ----------
    model : RhythmTimeline
        With ``num_classes`` outputs.
    train, validation : RhythmData
        Records of different subjects, with features of all beats; labels in [-1, num_classes).
    layout : FeatureLayout
        Columns of the features.
    settings : TimelineSettings
        How to train.
    num_classes : int
        K.
    seed, device, ranks, on_batch, on_epoch
        As `ecgfeat.training.fit` takes them; ``seed`` also draws the chunks.

    Returns
    -------
    list of dict
        One row per epoch: ``epoch, lr, train_loss``, ``beat_macro_f1`` and ``episode_macro_f1`` of the validation
        records, by chunks that do not overlap, and ``macro_f1``, the mean of both, which chooses.

    Raises
    ------
    DataError
        If there is no episode with a beat to train on, or none to validate on.
    """
    runs = find_beat_runs(train.beats, train.episodes)
    validation_runs = find_beat_runs(validation.beats, validation.episodes)
    for where, of_split in (("training", runs), ("validation", validation_runs)):
        if not len(of_split.label):
            raise DataError(f"train_timeline, {where}", found="no episode with a beat", expected="at least one")
    record_bounds = train.beats.offset

    def draw(epoch: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return where chunks begin, and the records they lie in."""
        start_M = draw_chunks(
            train.beats,
            runs,
            num_chunks=settings.chunks,
            chunk_beats=settings.chunk_beats,
            rarity_power=settings.rarity_power,
            rng=np.random.default_rng([seed, epoch]),
        )
        return start_M, np.searchsorted(record_bounds, start_M, side="right") - 1

    def labels(epoch: int) -> Tensor:
        """Return the labels of the chunks of an epoch without their features."""
        start_M, record_M = draw(epoch)
        bounds = record_bounds[record_M], record_bounds[record_M + 1]
        row_ML, is_inside_ML = place_chunks(start_M, *bounds, settings.chunk_beats)
        return torch.from_numpy(np.where(is_inside_ML, runs.beat_label[row_ML], IGNORED))

    def batches(epoch: int) -> Iterator[Batch]:
        start_M, record_M = draw(epoch)
        generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
        for first in range(0, len(start_M), settings.batch):
            part = slice(first, first + settings.batch)
            low_B, high_B = record_bounds[record_M[part]], record_bounds[record_M[part] + 1]
            (feature_BLD, valid_BL), row_BL = gather_chunks(
                train.features, start_M[part], low_B, high_B, settings.chunk_beats
            )
            feature_BLD = drop_inputs(
                feature_BLD,
                layout,
                generator,
                embedding_dropout=settings.embedding_dropout,
                label_dropout=settings.label_dropout,
            )
            label_BL = torch.from_numpy(runs.beat_label[row_BL.numpy()]).masked_fill(~valid_BL, IGNORED)
            yield (feature_BLD, valid_BL), label_BL

    def validate(trained: nn.Module) -> dict[str, float]:
        assert isinstance(trained, RhythmTimeline)
        posterior_NK = name_once(trained, validation, settings.chunk_beats, device=device)
        return score_validation_beats(posterior_NK, validation_runs, num_classes)

    mass_K = _weigh_classes(torch.split(labels(0), settings.batch), num_classes, settings.length_power)
    return fit(
        model,
        batches=batches,
        loss=TimelineLoss(
            class_weights(mass_K, power=settings.class_weight_power),
            label_smoothing=settings.label_smoothing,
            length_power=settings.length_power,
        ),
        validate=validate,
        monitor=TIMELINE_FIGURE,
        epochs=settings.epochs,
        lr=settings.lr,
        weight_decay=settings.weight_decay,
        seed=seed,
        device=device,
        ranks=ranks,
        on_batch=on_batch,
        on_epoch=on_epoch,
    )


def _weigh_classes(labels: Iterable[Tensor], num_classes: int, length_power: float) -> NDArray[np.float64]:
    """Count the beats of each class, each with the weight that `TimelineLoss` gives it."""
    mass_K = np.zeros(num_classes)
    for label_BL in labels:
        is_labelled = label_BL != IGNORED
        weight_N = run_lengths(label_BL)[is_labelled] ** -length_power
        mass_K += np.bincount(label_BL[is_labelled].numpy(), weights=weight_N.numpy(), minlength=num_classes)
    return mass_K
