"""Train the HTF on annotated beats: which beats an epoch shows, how they are varied, how a model is judged.

Shapes: L beats of a record, B batch, C leads, S samples, D features, K classes.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

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
from ecgfeat.scoring.beats import beat_class_scores
from ecgfeat.store.schemas import BEAT_CLASSES
from ecgfeat.training import Batch, ClassificationLoss, class_weights, fit


def draw_training_beats(
    label: NDArray[np.int64],
    rng: np.random.Generator,
    *,
    normals_per_ectopic: float = 2.0,
    least_normals: int = 0,
) -> NDArray[np.int64]:
    """Choose the beats of one record that an epoch shows.

    Parameters
    ----------
    label : ndarray
        (L,) int64: 0 N, 1 S, 2 V, -1 unknown.
    rng : numpy.random.Generator
        What the N beats are drawn with.
    normals_per_ectopic : float, default 2.0
        N beats per S or V beat of the record, as far as there are so many.
    least_normals : int, default 0
        N beats of a record with fewer S and V beats than that asks for. With 0, as published, a record without
        S and V beats shows nothing, and so teaches nothing of its N beats.

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
    normals_per_ectopic: float = 2.0,
    least_normals: int = 0,
) -> list[NDArray[np.int64]]:
    """Draw each record's beats of one epoch; the same seed and epoch give the same beats.

    Parameters
    ----------
    records : sequence of BeatRecord
        Training records.
    seed, epoch : int
        Zero or more.
    normals_per_ectopic, least_normals : float and int, default 2.0 and 0
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
    *,
    epochs: int = 12,
    batch: int = 256,
    lr: float = 1e-3,
    weight_decay: float = 1e-4,
    label_smoothing: float = 0.05,
    class_weight_power: float = 0.5,
    normals_per_ectopic: float = 2.0,
    least_normals: int = 0,
    history_dropout: float = 0.0,
    history_noise: float = 0.0,
    augmentation: Augmentation | None = None,
    monitor: str = "predicted.macro_f1",
    seed: int = 0,
    device: str | torch.device = "cpu",
    on_batch: Callable[[int, int], None] | None = None,
    on_epoch: Callable[[dict[str, float]], None] | None = None,
) -> list[dict[str, float]]:
    """Train a beat model in place; the weights of the best epoch stay.

    Parameters
    ----------
    model : HTF
        The model to train, on any device.
    training, validation : sequence of BeatRecord
        Records of different subjects.
    epochs : int, default 12
        Passes; each shows all S and V beats and a fresh draw of N beats.
    batch : int, default 256
        Beats per step.
    lr, weight_decay : float, default 1e-3 and 1e-4
        AdamW's, the rate falling along a cosine.
    label_smoothing : float, default 0.05
        Share of the target spread over all classes, in [0, 1).
    class_weight_power : float, default 0.5
        Power of `ecgfeat.training.class_weights`, taken from the beats of epoch 0.
    normals_per_ectopic, least_normals : float and int, default 2.0 and 0
        How many N beats an epoch shows, see `draw_training_beats`.
    history_dropout : float, default 0.0
        Probability that a beat is shown with all labels of its history unknown; the intervals stay. Above 0
        the model also learns to do without, which a user without annotations needs.
    history_noise : float, default 0.0
        Probability that a beat is shown with the labels of another beat's history. Above 0 the model learns
        that labels fed back may be wrong, and one mistake does not drag others behind it.
    augmentation : Augmentation, optional
        How windows are varied; not at all by default.
    monitor : str, default 'predicted.macro_f1'
        Which figure of `score_beat_classes` marks the best epoch; ``epoch`` keeps the last one, for where there are no
        records to spare for the choice.
    seed : int, default 0
        Seed of every draw.
    device : str or torch.device, default 'cpu'
        Where to train.
    on_batch, on_epoch : callable, optional
        As in `ecgfeat.training.fit`.

    Returns
    -------
    list of dict
        Per epoch: ``epoch``, ``lr``, ``train_loss`` and the figures of `score_beat_classes`.

    Raises
    ------
    DataError
        If there is no S or V beat to learn from or no record to judge by, or if the loss is not finite.

    Notes
    -----
    * The labels of the history are the true ones while training, as published; with ``history_dropout`` 0 the
      model leans on them more than a user's predicted labels deserve.
    """
    if not validation:
        raise DataError("validation", found="no record", expected="at least one", remedy="Change the split.")
    labels = [beat_labels(record.aami) for record in training]
    if not any((label > 0).any() for label in labels):
        raise DataError("training", found="no S or V beat in any record", expected="some", remedy="Change the split.")

    def draw(epoch: int) -> list[NDArray[np.int64]]:
        return draw_epoch(training, seed, epoch, normals_per_ectopic=normals_per_ectopic, least_normals=least_normals)

    drawn_labels = np.concatenate([label[rows] for label, rows in zip(labels, draw(0), strict=True)])

    def batches(epoch: int) -> Iterator[Batch]:
        window, history, target = _gather(training, labels, draw(epoch), model)
        order = np.random.default_rng((seed, epoch, 1)).permutation(len(target))
        generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
        num_intervals = model.history_beats
        for first in range(0, len(order), batch):
            rows = order[first : first + batch]
            window_BCS = normalise(window[rows])
            if augmentation is not None:
                window_BCS = augmentation(window_BCS, generator)
            history_BD = torch.from_numpy(history[rows])
            history_BD[:, num_intervals:] = corrupt_labels(
                history_BD[:, num_intervals:],
                noise=history_noise,
                dropout=history_dropout,
                generator=generator,
            )
            yield (window_BCS, history_BD), torch.from_numpy(target[rows])

    def validate(trained: nn.Module) -> Mapping[str, float]:
        assert isinstance(trained, HTF)
        return score_beat_classes(trained, validation, device=device)

    weight_K = class_weights(np.bincount(drawn_labels, minlength=model.num_classes), power=class_weight_power)
    return fit(
        model,
        batches=batches,
        loss=ClassificationLoss(weight_K, label_smoothing=label_smoothing),
        validate=validate,
        monitor=monitor,
        epochs=epochs,
        lr=lr,
        weight_decay=weight_decay,
        seed=seed,
        device=device,
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
        What to score on. Beats that are not N, S or V are left out of the score.
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
    embedding = np.concatenate([embed_windows(model, record.read(), device) for record in records])
    rr_s = np.concatenate([record.rr_s for record in records])
    reference = np.concatenate([record.aami for record in records])
    starts = np.cumsum([0] + [len(record.rr_s) for record in records])
    label = beat_labels(reference)
    scored = label >= 0
    figures: dict[str, float] = {}
    for history in histories:
        oracle = label if history == "oracle" else None
        probability = predict_labels(model, embedding, rr_s, starts, history=history, oracle_label=oracle)
        predicted = np.array(BEAT_CLASSES)[probability.argmax(axis=1)]
        scores = beat_class_scores(reference[scored], predicted[scored])
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
    """Read what one epoch shows, record by record: windows, history features, targets."""
    windows, histories, targets = [], [], []
    for record, label, rows in zip(records, labels, draw, strict=True):
        if len(rows) == 0:
            continue
        feature = history_features(record.rr_s, label, num_beats=model.history_beats, num_classes=model.num_classes)
        windows.append(record.read()[rows])
        histories.append(feature[rows])
        targets.append(label[rows])
    return np.concatenate(windows), np.concatenate(histories), np.concatenate(targets)
