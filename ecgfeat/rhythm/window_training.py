"""Training of the window head: first NSR against AFIB on several corpora, then the six rhythms.

Shape suffixes: N beats, M windows, K classes, D features.
"""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ecgfeat.errors import DataError
from ecgfeat.models.rhythm_window import RhythmWindow
from ecgfeat.rhythm.records import RhythmData
from ecgfeat.rhythm.sampling import BASE_SEEDS, Segments, draw_segments
from ecgfeat.rhythm.window import segment_batches, view_posteriors
from ecgfeat.scoring.rhythm import class_f1, confusion_matrix
from ecgfeat.training import Batch, ClassificationLoss, class_weights, fit


def train_window(
    model: RhythmWindow,
    train: RhythmData,
    validation: RhythmData,
    *,
    num_classes: int = 6,
    epochs: int,
    lr: float,
    weight_decay: float,
    batch_size: int,
    max_grad_norm: float = 1.0,
    label_smoothing: float = 0.1,
    class_weight_power: float = 0.5,
    class_weight_cap: float = 10.0,
    focal_gamma: float = 0.0,
    window_samples: int = 1280,
    min_beats: int = 4,
    max_beats: int = 32,
    validation_views: int = 2,
    seed: int = 0,
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
    num_classes : int
        K.
    epochs, lr, weight_decay, batch_size, max_grad_norm, seed, device, on_batch, on_epoch
        As `ecgfeat.training.fit` takes them; ``seed`` also shuffles the windows.
    label_smoothing, focal_gamma : float
        Of `ecgfeat.training.ClassificationLoss`.
    class_weight_power, class_weight_cap : float
        Of `ecgfeat.training.class_weights`; classes are counted in the first draw.
    window_samples, max_beats : int
        As `ecgfeat.rhythm.sampling.draw_segments` takes them.
    min_beats : int
        Segments with fewer beats are not trained on. They are validated on, as they are scored later.
    validation_views : int
        Draws of the validation records. Their single-view macro F1 is averaged: one draw is a noisy judge.

    Returns
    -------
    list of dict
        One row per epoch: ``epoch, lr, train_loss, macro_f1`` (mean of single views), ``macro_f1_mean`` (of the mean
        posterior) and ``f1.0`` ... for each class, that of the mean posterior, 0 where there is no reference.

    Raises
    ------
    DataError
        If there is no window to train on, or none to validate on.

    Notes
    -----
    * Each epoch draws its windows anew, as published: base seed 42 for training, 43 for validation.
    """

    def macro_f1(reference_M: NDArray[np.int64], probability_MK: NDArray[np.float32]) -> float:
        predicted_M = probability_MK.argmax(1)
        return float(np.nanmean(class_f1(confusion_matrix(reference_M, predicted_M, num_classes))))

    def windows_of(epoch: int) -> Segments:
        windows = draw_segments(
            train.beats,
            train.episodes,
            base_seed=BASE_SEEDS["train"],
            epoch=epoch,
            window_samples=window_samples,
            max_beats=max_beats,
        )
        return windows.select(windows.num_beats >= min_beats)

    def batches(epoch: int) -> Iterator[Batch]:
        return segment_batches(
            windows_of(epoch),
            train.features,
            batch_size=batch_size,
            rng=np.random.default_rng([seed, epoch]),
            row_of_beat_N=train.row_of_beat,
            sample_N=train.beats.sample if train.is_placed else None,
        )

    count_K = np.bincount(windows_of(0).label, minlength=num_classes)
    if count_K.sum() == 0:
        raise DataError(
            "train_window", found="no window to train on", expected=f"episodes with {min_beats} beats or more"
        )
    prior_K = count_K / count_K.sum()

    def validate(judged: nn.Module) -> dict[str, float]:
        result = view_posteriors(
            judged,
            validation.beats,
            validation.episodes,
            validation.features,
            prior_K,
            base_seed=BASE_SEEDS["validation"],
            num_views=validation_views,
            window_samples=window_samples,
            max_beats=max_beats,
            row_of_beat_N=validation.row_of_beat,
            is_placed=validation.is_placed,
            device=device,
        )
        reference_M = result.views[0].label
        if len(reference_M) == 0:
            raise DataError(
                "train_window", found="no window to validate on", expected="episodes in the validation records"
            )
        single = [macro_f1(reference_M, probability_MK) for probability_MK in result.probability]
        f1_K = class_f1(confusion_matrix(reference_M, result.mean().argmax(1), num_classes))
        return {
            "macro_f1": float(np.mean(single)),
            "macro_f1_mean": macro_f1(reference_M, result.mean()),
            **{f"f1.{label}": float(f1) for label, f1 in enumerate(np.nan_to_num(f1_K))},
        }

    return fit(
        model,
        batches=batches,
        loss=ClassificationLoss(
            class_weights(count_K, power=class_weight_power, cap=class_weight_cap),
            label_smoothing=label_smoothing,
            focal_gamma=focal_gamma,
        ),
        validate=validate,
        monitor="macro_f1",
        epochs=epochs,
        lr=lr,
        weight_decay=weight_decay,
        max_grad_norm=max_grad_norm,
        seed=seed,
        device=device,
        on_batch=on_batch,
        on_epoch=on_epoch,
    )
