"""Training of the timeline head on chunks of beats.

Shape suffixes: N beats, B chunks of a batch, L beats in a chunk, K classes, E episodes.
"""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ecgfeat.errors import DataError
from ecgfeat.models.rhythm_timeline import RhythmTimeline
from ecgfeat.rhythm.chunks import BeatRuns, draw_chunks, find_beat_runs, mean_of_runs
from ecgfeat.rhythm.records import RhythmData
from ecgfeat.rhythm.timeline import MARGIN_BEATS, beat_posteriors, gather_chunks
from ecgfeat.scoring.rhythm import class_f1, confusion_matrix
from ecgfeat.training import Batch, class_weights, fit

IGNORED = -1
"""Label of a beat that teaches nothing: outside the task, unlabelled, or beyond the record."""


class TimelineLoss(nn.Module):
    """Cross entropy over the labelled beats of chunks, weighted by class and by the length of their stretch.

    Parameters
    ----------
    weight_K : Tensor, (K,) float32
        Weight of each class, as `ecgfeat.training.class_weights` gives it.
    label_smoothing : float
        Share of the target spread over all classes, in [0, 1).
    length_power : float
        A beat of a stretch of n beats in one rhythm counts ``n ** -length_power``: with 0 all beats of a class count
        alike, with 1 all stretches.
    """

    weight: Tensor

    def __init__(self, weight_K: Tensor, *, label_smoothing: float, length_power: float) -> None:
        super().__init__()
        self.register_buffer("weight", weight_K)
        self.label_smoothing = label_smoothing
        self.length_power = length_power

    def forward(self, logits_BLK: Tensor, label_BL: Tensor) -> Tensor:
        """Return the weighted mean loss.

        Parameters
        ----------
        logits_BLK : Tensor, (B, L, K) float32
            What the model says.
        label_BL : Tensor, (B, L) int64
            Rhythm of each beat, or `IGNORED`.

        Returns
        -------
        Tensor, () float32
            The loss; 0 where no beat is labelled.
        """
        taught = label_BL != IGNORED
        label_N = label_BL[taught]
        weight_N = self.weight[label_N] * stretch_lengths(label_BL)[taught] ** -self.length_power
        loss_N = nn.functional.cross_entropy(
            logits_BLK[taught], label_N, label_smoothing=self.label_smoothing, reduction="none"
        )
        return (loss_N * weight_N).sum() / weight_N.sum().clamp_min(1e-6)


def drop_inputs(
    feature_BLD: Tensor,
    generator: torch.Generator,
    *,
    num_embedded: int,
    num_labels: int,
    embedding_dropout: float,
    label_dropout: float,
) -> Tensor:
    """Hide the embeddings, or the beat labels, of some chunks, so that the head leans on neither alone.

    Parameters
    ----------
    feature_BLD : Tensor, (B, L, D) float32
        Features as `ecgfeat.rhythm.features.timeline_features` lays them out; changed in place.
    generator : torch.Generator
        Draws the chunks.
    num_embedded, num_labels : int
        Columns at the front that hold embedding and history, and at the end that hold labels.
    embedding_dropout, label_dropout : float
        Share of the chunks that see neither embedding nor history, and that see no labels.

    Returns
    -------
    Tensor, (B, L, D) float32
        The same tensor.
    """
    chance_B2 = torch.rand(len(feature_BLD), 2, generator=generator)
    feature_BLD[chance_B2[:, 0] < embedding_dropout, :, :num_embedded] = 0.0
    feature_BLD[chance_B2[:, 1] < label_dropout, :, feature_BLD.shape[2] - num_labels :] = 0.0
    return feature_BLD


def stretch_lengths(label_BL: Tensor) -> Tensor:
    """Return how many beats in a row have a beat's label, within its chunk.

    Parameters
    ----------
    label_BL : Tensor, (B, L) int64
        Labels.

    Returns
    -------
    Tensor, (B, L) float32
        At least 1.
    """
    begins = torch.ones_like(label_BL, dtype=torch.bool)
    begins[:, 1:] = label_BL[:, 1:] != label_BL[:, :-1]
    stretch_N = begins.flatten().cumsum(0) - 1
    return torch.bincount(stretch_N).to(torch.float32)[stretch_N].view(label_BL.shape)


def train_timeline(
    model: RhythmTimeline,
    train: RhythmData,
    validation: RhythmData,
    *,
    num_classes: int = 6,
    epochs: int,
    chunks: int,
    chunk_beats: int,
    margin_beats: int = MARGIN_BEATS,
    lr: float,
    weight_decay: float,
    batch_size: int,
    label_smoothing: float = 0.05,
    class_weight_power: float = 0.5,
    rarity_power: float = 0.5,
    length_power: float = 0.5,
    spoil: Callable[[Tensor, torch.Generator], Tensor] | None = None,
    seed: int = 0,
    device: torch.device | str = "cpu",
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
    num_classes : int
        K.
    epochs, lr, weight_decay, seed, device, on_batch, on_epoch
        As `ecgfeat.training.fit` takes them; ``seed`` also draws the chunks.
    chunks, batch_size : int
        Chunks drawn for an epoch, and shown at a time.
    chunk_beats, margin_beats : int
        Length of a chunk, and its ends that only serve as context when it is asked.
    label_smoothing, length_power : float
        Of `TimelineLoss`.
    class_weight_power : float
        Of `ecgfeat.training.class_weights`; beats are counted in the chunks of the first epoch, as the loss
        weighs them.
    rarity_power : float
        Of `ecgfeat.rhythm.chunks.draw_chunks`.
    spoil : callable, optional
        ``spoil(feature_BLD, generator)`` changes training features, as test features may be worse.

    Returns
    -------
    list of dict
        One row per epoch: ``epoch, lr, train_loss``, ``beat_macro_f1`` and ``episode_macro_f1`` of the validation
        records, and ``macro_f1``, the mean of both, which chooses.

    Raises
    ------
    DataError
        If there is no episode with a beat to train on, or none to validate on.
    """
    runs, judged_runs = (
        find_beat_runs(train.beats, train.episodes),
        find_beat_runs(validation.beats, validation.episodes),
    )
    for where, found in (("training", runs), ("validation", judged_runs)):
        if not len(found.label):
            raise DataError(f"train_timeline, {where}", found="no episode with a beat", expected="at least one")
    record_bounds = train.beats.offset

    def draw(epoch: int) -> NDArray[np.int64]:
        return draw_chunks(
            train.beats,
            runs,
            num_chunks=chunks,
            chunk_beats=chunk_beats,
            rarity_power=rarity_power,
            rng=np.random.default_rng([seed, epoch]),
        )

    def batches(epoch: int) -> Iterator[Batch]:
        start_M = draw(epoch)
        record_M = np.searchsorted(record_bounds, start_M, side="right") - 1
        generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
        for first in range(0, len(start_M), batch_size):
            part = slice(first, first + batch_size)
            low_B, high_B = record_bounds[record_M[part]], record_bounds[record_M[part] + 1]
            (feature_BLD, valid_BL), row_BL = gather_chunks(train.features, start_M[part], low_B, high_B, chunk_beats)
            if spoil is not None:
                feature_BLD = spoil(feature_BLD, generator)
            label_BL = torch.from_numpy(runs.beat_label[row_BL.numpy()]).masked_fill(~valid_BL, IGNORED)
            yield (feature_BLD, valid_BL), label_BL

    def validate(judged: nn.Module) -> dict[str, float]:
        assert isinstance(judged, RhythmTimeline)
        posterior_NK = beat_posteriors(
            judged,
            validation.beats.offset,
            validation.features,
            chunk_beats=chunk_beats,
            margin_beats=margin_beats,
            device=device,
        )[0]
        return score_validation_beats(posterior_NK, judged_runs, num_classes)

    mass_K = np.zeros(num_classes)
    for _, label_BL in batches(0):
        taught = label_BL != IGNORED
        weight_N = stretch_lengths(label_BL)[taught] ** -length_power
        mass_K += np.bincount(label_BL[taught].numpy(), weights=weight_N.numpy(), minlength=num_classes)
    return fit(
        model,
        batches=batches,
        loss=TimelineLoss(
            class_weights(mass_K, power=class_weight_power),
            label_smoothing=label_smoothing,
            length_power=length_power,
        ),
        validate=validate,
        monitor="macro_f1",
        epochs=epochs,
        lr=lr,
        weight_decay=weight_decay,
        seed=seed,
        device=device,
        on_batch=on_batch,
        on_epoch=on_epoch,
    )


def score_validation_beats(posterior_NK: NDArray[np.float32], runs: BeatRuns, num_classes: int) -> dict[str, float]:
    """Score beats one by one, and episodes by the mean posterior of their beats.

    Parameters
    ----------
    posterior_NK : ndarray, (N, K) float32
        Posterior of each beat.
    runs : BeatRuns
        Reference.
    num_classes : int
        K.

    Returns
    -------
    dict
        ``beat_macro_f1``, ``episode_macro_f1`` and ``macro_f1``, their mean.
    """
    beat_f1 = class_f1(confusion_matrix(runs.beat_label, posterior_NK.argmax(1), num_classes))
    called_E = mean_of_runs(posterior_NK, runs.first, runs.stop).argmax(1)
    episode_f1 = class_f1(confusion_matrix(runs.label, called_E, num_classes))
    beat_macro_f1, episode_macro_f1 = float(np.nanmean(beat_f1)), float(np.nanmean(episode_f1))
    return {
        "macro_f1": (beat_macro_f1 + episode_macro_f1) / 2,
        "beat_macro_f1": beat_macro_f1,
        "episode_macro_f1": episode_macro_f1,
    }
