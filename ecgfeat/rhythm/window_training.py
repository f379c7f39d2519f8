"""Training of the window head: first NSR against AFIB on several corpora, then the six rhythms.

Shape suffixes: M segments, K classes.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ecgfeat.errors import DataError
from ecgfeat.models.rhythm_window import RhythmWindow
from ecgfeat.rhythm.describe import BeatInputs, gather_window_data
from ecgfeat.rhythm.records import RhythmData, RhythmRecord
from ecgfeat.rhythm.sampling import BASE_SEEDS, Segments, draw_segments
from ecgfeat.rhythm.tables import BeatTable, EpisodeTable, keep_first_classes
from ecgfeat.rhythm.views import drawn_views
from ecgfeat.rhythm.window import segment_batches, view_posteriors
from ecgfeat.scoring.rhythm import class_f1, confusion_matrix
from ecgfeat.store.schemas import RHYTHMS
from ecgfeat.training import Batch, ClassificationLoss, class_weights, fit

BINARY = RHYTHMS[:2]
"""Classes of the training that comes first."""

MIN_BEATS = 4
"""Segments with fewer beats are not trained on, as published. They are validated on, as they are scored later."""

VALIDATION_VIEWS = 2
"""Draws of the validation records, whose macro F1 is averaged: a single draw is noisy."""

WINDOW_FIGURE = "macro_f1"
"""Figure of the validation records whose largest value marks the best epoch."""


@dataclass(frozen=True)
class WindowSettings:
    """How a window head is trained.

    Attributes
    ----------
    window_samples, max_beats : int
        Of `ecgfeat.rhythm.sampling.draw_segments`.
    pretrain_epochs : int
        Epochs of NSR against AFIB; 0 skips it.
    epochs : int
        Epochs of the six rhythms; 0 leaves the head untrained.
    batch : int
        Segments per step.
    lr, weight_decay : float
        Of `ecgfeat.training.fit`.
    label_smoothing, focal_gamma : float
        Of `ecgfeat.training.ClassificationLoss`.
    class_weight_power : float
        Of `ecgfeat.training.class_weights`; classes are counted in the first draw.
    """

    window_samples: int
    max_beats: int
    pretrain_epochs: int
    epochs: int
    batch: int
    lr: float
    weight_decay: float
    label_smoothing: float
    class_weight_power: float
    focal_gamma: float

    @property
    def shape(self) -> dict[str, int]:
        """Length of a segment and most beats in it, as the functions that draw segments take them."""
        return {"window_samples": self.window_samples, "max_beats": self.max_beats}


def gather_drawn_data(
    records: Sequence[RhythmRecord],
    split: str,
    inputs: BeatInputs,
    settings: WindowSettings,
    *,
    only_classified_beats: bool,
) -> RhythmData:
    """Stack records for training or validation, with the features of the beats that will be drawn.

    Parameters
    ----------
    records, inputs, only_classified_beats
        As `ecgfeat.rhythm.describe.gather_window_data` takes them.
    split : {'train', 'validation'}
        Which draws.
    settings : WindowSettings
        How to train.

    Returns
    -------
    RhythmData
    """
    num_draws = VALIDATION_VIEWS if split == "validation" else max(settings.epochs, settings.pretrain_epochs)

    def draws(beats: BeatTable, episodes: EpisodeTable) -> Iterator[Segments]:
        # The draw for two classes is another one: only their episodes take random numbers.
        for num_classes in {len(RHYTHMS), *([len(BINARY)] if settings.pretrain_epochs else [])}:
            task = keep_first_classes(episodes, num_classes)
            for epoch in range(num_draws):
                yield draw_segments(beats, task, base_seed=BASE_SEEDS[split], epoch=epoch, **settings.shape)

    return gather_window_data(records, inputs, only_classified_beats=only_classified_beats, draws=draws)


def train_in_two_steps(
    model: RhythmWindow,
    train: RhythmData,
    validation: RhythmData,
    settings: WindowSettings,
    *,
    seed: int,
    device: torch.device | str = "cpu",
    on_batch: Callable[[int, int], None] | None = None,
    on_epoch: Callable[[dict[str, float]], None] | None = None,
) -> tuple[list[dict[str, float]], list[dict[str, float]]]:
    """Train a window head in place: NSR against AFIB first, then the six rhythms.

    Parameters
    ----------
    model : RhythmWindow
        With six outputs.
    train, validation : RhythmData
        Records of different subjects, as `gather_drawn_data` stacks them.
    settings : WindowSettings
        How to train.
    seed, device, on_batch, on_epoch
        As `ecgfeat.training.fit` takes them; ``seed`` also draws the last layers and shuffles the segments.

    Returns
    -------
    pretrain_log, log : list of dict
        Rows of `train_window` of either step; empty where it has no epochs. Without epochs of the six rhythms neither
        step is trained.
    """

    def train_step(num_classes: int, epochs: int) -> list[dict[str, float]]:
        """Train on the first classes; the others are left out."""
        return train_window(
            model,
            replace(train, episodes=keep_first_classes(train.episodes, num_classes)),
            replace(validation, episodes=keep_first_classes(validation.episodes, num_classes)),
            replace(settings, epochs=epochs),
            num_classes=num_classes,
            seed=seed,
            device=device,
            on_batch=on_batch,
            on_epoch=on_epoch,
        )

    if not settings.epochs:
        return [], []
    pretrain_log: list[dict[str, float]] = []
    if settings.pretrain_epochs:
        model.replace_head(len(BINARY), generator=torch.Generator().manual_seed(seed))
        pretrain_log = train_step(len(BINARY), settings.pretrain_epochs)
        model.replace_head(len(RHYTHMS), generator=torch.Generator().manual_seed(seed + 1))
    return pretrain_log, train_step(len(RHYTHMS), settings.epochs)


def train_window(
    model: RhythmWindow,
    train: RhythmData,
    validation: RhythmData,
    settings: WindowSettings,
    *,
    num_classes: int = len(RHYTHMS),
    seed: int,
    device: torch.device | str = "cpu",
    on_batch: Callable[[int, int], None] | None = None,
    on_epoch: Callable[[dict[str, float]], None] | None = None,
) -> list[dict[str, float]]:
    """Train a window head in place and keep the epoch with the best macro F1 on the validation records.

    Parameters
    ----------
    model : RhythmWindow
        With ``num_classes`` outputs.
    train, validation : RhythmData
        Records of different subjects; labels in [-1, num_classes).
    settings : WindowSettings
        How to train, for ``settings.epochs`` epochs.
    num_classes : int
        K.
    seed, device, on_batch, on_epoch
        As `ecgfeat.training.fit` takes them; ``seed`` also shuffles the segments.

    Returns
    -------
    list of dict
        One row per epoch: ``epoch, lr, train_loss, macro_f1`` (mean of single views), ``macro_f1_mean`` (of the mean
        posterior) and ``f1.0`` ... for each class, that of the mean posterior, 0 where there is no reference.

    Raises
    ------
    DataError
        If there is no segment to train on, or none to validate on.

    Notes
    -----
    * Each epoch draws its segments anew, as published: base seed 42 for training, 43 for validation.
    """

    def draw(epoch: int) -> Segments:
        base_seed = BASE_SEEDS["train"]
        segments = draw_segments(train.beats, train.episodes, base_seed=base_seed, epoch=epoch, **settings.shape)
        return segments.select(segments.num_beats >= MIN_BEATS)

    def batches(epoch: int) -> Iterator[Batch]:
        rng = np.random.default_rng([seed, epoch])
        return segment_batches(draw(epoch), train, batch_size=settings.batch, rng=rng)

    count_K = np.bincount(draw(0).label, minlength=num_classes)
    if count_K.sum() == 0:
        raise DataError(
            "train_window", found="no segment to train on", expected=f"episodes with {MIN_BEATS} beats or more"
        )
    prior_K = count_K / count_K.sum()

    def validate(trained: nn.Module) -> dict[str, float]:
        return score_validation_segments(trained, validation, prior_K, settings, device)

    return fit(
        model,
        batches=batches,
        loss=ClassificationLoss(
            class_weights(count_K, power=settings.class_weight_power),
            label_smoothing=settings.label_smoothing,
            focal_gamma=settings.focal_gamma,
        ),
        validate=validate,
        monitor=WINDOW_FIGURE,
        epochs=settings.epochs,
        lr=settings.lr,
        weight_decay=settings.weight_decay,
        seed=seed,
        device=device,
        on_batch=on_batch,
        on_epoch=on_epoch,
    )


def score_validation_segments(
    model: nn.Module,
    data: RhythmData,
    prior_K: NDArray[np.float64],
    settings: WindowSettings,
    device: torch.device | str = "cpu",
) -> dict[str, float]:
    """Score a head on segments drawn around the episodes of the validation records.

    Parameters
    ----------
    model : nn.Module
        A `RhythmWindow` in evaluation mode, on ``device``.
    data : RhythmData
        The validation records.
    prior_K : ndarray, (K,) float64
        Class shares in training.
    settings : WindowSettings
        Length of a segment and most beats in it.
    device : torch.device or str
        Where to compute.

    Returns
    -------
    dict
        The figures of `train_window`.

    Raises
    ------
    DataError
        If no segment can be drawn.
    """
    views = drawn_views(
        data.beats, data.episodes, base_seed=BASE_SEEDS["validation"], num_views=VALIDATION_VIEWS, **settings.shape
    )
    reference_M = views[0].label
    if len(reference_M) == 0:
        raise DataError(
            "train_window", found="no segment to validate on", expected="episodes in the validation records"
        )
    result = view_posteriors(model, views, data, prior_K, device=device)

    def f1(probability_MK: NDArray[np.float32]) -> NDArray[np.float64]:
        return class_f1(confusion_matrix(reference_M, probability_MK.argmax(1), len(prior_K)))

    single = [float(np.nanmean(f1(probability_MK))) for probability_MK in result.probability]
    mean_f1_K = f1(result.mean())
    return {
        WINDOW_FIGURE: float(np.mean(single)),
        "macro_f1_mean": float(np.nanmean(mean_f1_K)),
        **{f"f1.{label}": float(value) for label, value in enumerate(np.nan_to_num(mean_f1_K))},
    }
