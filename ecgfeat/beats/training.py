"""Train the HTF on annotated beats: the beats of an epoch, how they are varied, how a model is scored.

Shapes: L beats of a record, B batch, C leads, S samples, D features, K classes.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ecgfeat.beats.augmentation import Augmentation, corrupt_labels
from ecgfeat.beats.embedding import embed_windows
from ecgfeat.beats.history import HISTORIES, History, beat_labels, history_features, predict_labels
from ecgfeat.beats.windows import BeatRecord, normalise
from ecgfeat.errors import DataError
from ecgfeat.models.htf import HTF
from ecgfeat.ranks import Ranks
from ecgfeat.scoring.beats import beat_class_scores
from ecgfeat.store.record_rows import group_records
from ecgfeat.store.schemas import BEAT_CLASSES
from ecgfeat.training import Batch, ClassificationLoss, class_weights, fit

CLASS_WEIGHT_POWER = 0.5
"""Of `ecgfeat.training.class_weights`, as published."""

GROUP_BEATS = 100_000
"""Beats whose embeddings are in memory together while a model is scored."""

BEAT_FIGURE = "predicted.macro_f1"
"""Figure of the validation records whose largest value marks the best epoch."""

_FIGURES = [
    f"{history}.{name}" for history in HISTORIES for name in (*(f"{of.lower()}_f1" for of in BEAT_CLASSES), "macro_f1")
]


@dataclass(frozen=True)
class BeatSettings:
    """How the beat embedder is built and trained.

    Attributes
    ----------
    epochs : int
        Passes; each has all S and V beats and a fresh draw of N beats.
    keep : {'last', 'best'}
        Weights of the last epoch, where no records can be spared for the choice, or of the best by `BEAT_FIGURE`.
    batch : int
        Beats per step.
    lr, weight_decay : float
        Of `ecgfeat.training.fit`.
    label_smoothing : float
        Share of the target spread over all classes, in [0, 1).
    normals_per_ectopic, least_normals
        N beats of an epoch, see `draw_training_beats`.
    history_beats : int
        Preceding beats of which the network reads interval and label.
    history_dropout : float
        Probability that all labels of a beat's history are unknown in training; the intervals stay. Above 0 the model
        also learns without labels, which it needs for users without annotations.
    history_noise : float
        Probability that the labels of a beat's history are those of another beat. Above 0 the model learns that
        predicted labels may be wrong, so that one mistake causes fewer others.
    swap_leads, shift_samples, noise
        Of `ecgfeat.beats.augmentation.Augmentation`.
    """

    epochs: int
    keep: Literal["last", "best"]
    batch: int
    lr: float
    weight_decay: float
    label_smoothing: float
    normals_per_ectopic: float
    least_normals: int
    history_beats: int
    history_dropout: float
    history_noise: float
    swap_leads: float
    shift_samples: int
    noise: float

    @property
    def monitor(self) -> str:
        """Figure of an epoch whose largest value marks the weights that are kept."""
        return "epoch" if self.keep == "last" else BEAT_FIGURE


def draw_training_beats(
    label: NDArray[np.int64],
    rng: np.random.Generator,
    *,
    normals_per_ectopic: float,
    least_normals: int,
) -> NDArray[np.int64]:
    """Choose the beats of one record for an epoch.

    Parameters
    ----------
    label : ndarray
        (L,) int64: 0 N, 1 S, 2 V, -1 unknown.
    rng : numpy.random.Generator
        Draws the N beats.
    normals_per_ectopic : float
        N beats per S or V beat of the record, as far as there are so many.
    least_normals : int
        Fewest N beats of a record, as far as there are so many. With 0, as published, a record without S and V beats
        adds nothing to the training.

    Returns
    -------
    ndarray
        int64, ascending: all S and V beats and the drawn N beats.
    """
    ectopic = np.flatnonzero(label > 0)
    normal = np.flatnonzero(label == 0)
    num_normal = min(len(normal), max(round(normals_per_ectopic * len(ectopic)), least_normals))
    return np.sort(np.concatenate((ectopic, rng.choice(normal, num_normal, replace=False))))


def draw_epoch(
    records: Sequence[BeatRecord],
    seed: int,
    epoch: int,
    *,
    normals_per_ectopic: float,
    least_normals: int,
) -> list[NDArray[np.int64]]:
    """Draw each record's beats of one epoch; the same seed and epoch give the same beats.

    Parameters
    ----------
    records : sequence of BeatRecord
        Training records.
    seed, epoch : int
        Zero or more.
    normals_per_ectopic, least_normals
        As in `draw_training_beats`.

    Returns
    -------
    list of ndarray
        Per record, int64 positions within the record, ascending.
    """
    rng = np.random.default_rng((seed, epoch))
    ratio: dict[str, Any] = {"normals_per_ectopic": normals_per_ectopic, "least_normals": least_normals}
    return [draw_training_beats(beat_labels(record.aami), rng, **ratio) for record in records]


def train_beat_model(
    model: HTF,
    training: Sequence[BeatRecord],
    validation: Sequence[BeatRecord],
    settings: BeatSettings,
    *,
    seed: int,
    device: str | torch.device = "cpu",
    ranks: Ranks | None = None,
    on_batch: Callable[[int, int], None] | None = None,
    on_epoch: Callable[[dict[str, float]], None] | None = None,
) -> list[dict[str, float]]:
    """Train a beat model in place; the weights that ``settings.keep`` names stay.

    Parameters
    ----------
    model : HTF
        The model to train, on any device.
    training, validation : sequence of BeatRecord
        Records of different subjects.
    settings : BeatSettings
        How to train.
    seed : int, default 0
        Seed of every draw.
    device : str or torch.device, default 'cpu'
        Where to train.
    ranks, on_batch, on_epoch : optional
        As in `ecgfeat.training.fit`.

    Returns
    -------
    list of dict
        Per epoch: ``epoch``, ``lr``, ``train_loss`` and the figures of `score_beat_classes`. Where the last epoch is
        kept whatever they are, those of the others are NaN: to validate takes a fifth of the time of an epoch.

    Raises
    ------
    DataError
        If there is no S or V beat to learn from or no validation record, or if the loss is not finite.

    Notes
    -----
    * The labels of the history are the true ones while training, as published; with ``history_dropout`` 0 the
      model relies on them more than the predicted labels of a user justify.
    """
    if not validation:
        raise DataError("validation", found="no record", expected="at least one", remedy="Change the split.")
    labels = [beat_labels(record.aami) for record in training]
    if not any((label > 0).any() for label in labels):
        raise DataError(
            "training", found="no S or V beat in any record", expected="at least one", remedy="Change the split."
        )

    def draw(epoch: int) -> list[NDArray[np.int64]]:
        return draw_epoch(
            training,
            seed,
            epoch,
            normals_per_ectopic=settings.normals_per_ectopic,
            least_normals=settings.least_normals,
        )

    augment = Augmentation(settings.swap_leads, settings.shift_samples, settings.noise)
    drawn_labels = np.concatenate([label[rows] for label, rows in zip(labels, draw(0), strict=True)])

    def batches(epoch: int) -> Iterator[Batch]:
        window, history, target = _gather(training, labels, draw(epoch), model)
        order = np.random.default_rng((seed, epoch, 1)).permutation(len(target))
        generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
        num_intervals = model.history_beats
        for first in range(0, len(order), settings.batch):
            rows = order[first : first + settings.batch]
            window_BCS = augment(normalise(window[rows]), generator)
            history_BD = torch.from_numpy(history[rows])
            history_BD[:, num_intervals:] = corrupt_labels(
                history_BD[:, num_intervals:],
                noise=settings.history_noise,
                dropout=settings.history_dropout,
                generator=generator,
            )
            yield (window_BCS, history_BD), torch.from_numpy(target[rows])

    epochs_done = itertools.count(1)

    def validate(trained: nn.Module) -> Mapping[str, float]:
        assert isinstance(trained, HTF)
        if settings.keep == "last" and next(epochs_done) < settings.epochs:
            return dict.fromkeys(_FIGURES, np.nan)
        return score_beat_classes(trained, validation, device=device)

    weight_K = class_weights(np.bincount(drawn_labels, minlength=model.num_classes), power=CLASS_WEIGHT_POWER)
    return fit(
        model,
        batches=batches,
        loss=ClassificationLoss(weight_K, label_smoothing=settings.label_smoothing, focal_gamma=0.0),
        validate=validate,
        monitor=settings.monitor,
        epochs=settings.epochs,
        lr=settings.lr,
        weight_decay=settings.weight_decay,
        seed=seed,
        device=device,
        ranks=ranks,
        on_batch=on_batch,
        on_epoch=on_epoch,
    )


def score_beat_classes(
    model: HTF,
    records: Sequence[BeatRecord],
    *,
    histories: Sequence[History] = HISTORIES,
    device: str | torch.device = "cpu",
) -> dict[str, float]:
    """Score a beat model on annotated records under each kind of history.

    Parameters
    ----------
    model : HTF
        In evaluation mode.
    records : sequence of BeatRecord
        Annotated records. Beats that are not N, S or V are left out of the score.
    histories : sequence of {'oracle', 'predicted', 'none'}
        Which kinds.
    device : str or torch.device, default 'cpu'
        Where to embed.

    Returns
    -------
    dict
        ``<history>.<n_f1 | s_f1 | v_f1 | macro_f1>`` in [0, 1]; a class without beats or predictions is NaN and
        counts 0 in the mean.
    """
    predicted_of: dict[History, list[NDArray[np.int64]]] = {history: [] for history in histories}
    offset = np.cumsum([0, *(len(record.rr_s) for record in records)])
    for first, last in group_records(offset, GROUP_BEATS):
        # Records whose labels are predicted side by side; embeddings of more would be too many in memory.
        group, starts = records[first:last], offset[first : last + 1] - offset[first]
        embedding = np.concatenate([embed_windows(model, record.read(), device) for record in group])
        rr_s = np.concatenate([record.rr_s for record in group])
        label = np.concatenate([beat_labels(record.aami) for record in group])
        for history in histories:
            oracle = label if history == "oracle" else None
            probability = predict_labels(model, embedding, rr_s, starts, history=history, oracle_label=oracle)
            predicted_of[history].append(probability.argmax(axis=1))
    reference = np.concatenate([record.aami for record in records])
    is_scored = beat_labels(reference) >= 0
    figures: dict[str, float] = {}
    for history in histories:
        predicted = np.array(BEAT_CLASSES)[np.concatenate(predicted_of[history])]
        scores = beat_class_scores(reference[is_scored], predicted[is_scored])
        for name in BEAT_CLASSES:
            figures[f"{history}.{name.lower()}_f1"] = scores[f"{name.lower()}_f1"]
        figures[f"{history}.macro_f1"] = float(
            np.mean([np.nan_to_num(scores[f"{name.lower()}_f1"]) for name in BEAT_CLASSES])
        )
    return figures


def _gather(
    records: Sequence[BeatRecord],
    labels: Sequence[NDArray[np.int64]],
    draw: Sequence[NDArray[np.int64]],
    model: HTF,
) -> tuple[NDArray[np.int16], NDArray[np.float32], NDArray[np.int64]]:
    """Read the beats of one epoch, record by record: windows, history features, targets."""
    offset = np.cumsum([0, *map(len, draw)])
    # Filled in place: joined at the end, the windows of an epoch would be in memory twice.
    windows = np.empty((offset[-1], *records[0].windows.shape[1:]), dtype=np.int16)
    histories, targets = [], []
    for record, label, rows, first in zip(records, labels, draw, offset[:-1], strict=True):
        if len(rows) == 0:
            continue
        feature = history_features(record.rr_s, label, num_beats=model.history_beats, num_classes=model.num_classes)
        windows[first : first + len(rows)] = record.read()[rows]
        histories.append(feature[rows])
        targets.append(label[rows])
    return windows, np.concatenate(histories), np.concatenate(targets)
