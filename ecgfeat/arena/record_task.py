"""Diagnoses of whole records: training on labelled records, and the posteriors of a record from segments of it.

Shape suffixes: N records or slices, K classes, V views, B batch.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ecgfeat.arena.pooling import power_mean
from ecgfeat.arena.recipe import Recipe, Task, make_objective
from ecgfeat.arena.signal_table import SignalTable
from ecgfeat.arena.system import System
from ecgfeat.errors import DataError
from ecgfeat.training import Batch, class_weights, fit

RECORD_BATCH = 32


@dataclass(frozen=True)
class LabelledRecords:
    """Records of a corpus with their labels.

    Attributes
    ----------
    signals : SignalTable
        Their signals at the rate of a system.
    target : ndarray, (N,) int64 or (N, K) float32
        Class of each record, or label of each class: 1 present, 0 absent, NaN unknown.
    fold : ndarray, (N,) int64
        Fold that tests the record; a subject is in one fold.
    """

    signals: SignalTable
    target: NDArray[np.int64] | NDArray[np.float32]
    fold: NDArray[np.int64]

    def start_at(
        self, record_B: NDArray[np.int64], share_B: NDArray[np.float64], num_samples: int
    ) -> NDArray[np.int64]:
        """Return where a segment of each record begins.

        Parameters
        ----------
        record_B : ndarray, (B,) int64
            Records.
        share_B : ndarray, (B,) float64
            Where: 0 at the begin of the record, 1 at its end.
        num_samples : int
            Length of a segment.

        Returns
        -------
        ndarray, (B,) int64
            First samples; 0 in a record that is shorter than a segment.
        """
        spare_B = np.array([self.signals.signal[record].shape[1] - num_samples for record in record_B])
        start_B = np.floor(share_B * (np.maximum(spare_B, 0) + 1)).astype(np.int64)
        return np.minimum(start_B, np.maximum(spare_B, 0))


def train_on_records(
    system: System,
    records: LabelledRecords,
    rows: NDArray[np.int64],
    recipe: Recipe,
    task: Task,
    *,
    seed: int,
    device: torch.device | str = "cpu",
    on_batch: Callable[[int, int], None] | None = None,
) -> list[dict[str, float]]:
    """Train a system in place on some records; the weights of the last epoch are kept.

    Parameters
    ----------
    system : System
        One output per class.
    records : LabelledRecords
        All records.
    rows : ndarray, (n,) int64
        Those to train on.
    recipe : Recipe
        How to train.
    task : {'single', 'multi'}
        One class per record, or any number of labels.
    seed, device, on_batch
        As `ecgfeat.training.fit` takes them.

    Returns
    -------
    list of dict
        One row per epoch: ``epoch, lr, train_loss``.

    Raises
    ------
    DataError
        If there is no record to train on.

    Notes
    -----
    * Every epoch cuts another segment out of each record. No epoch is chosen: there is nothing it could be chosen on
      that is not either trained on or tested on.
    """
    if not len(rows):
        raise DataError("training", found="no record outside the fold that is tested", expected="at least one")
    parts = np.array_split(rows, -(-len(rows) // RECORD_BATCH))

    def cut(rows_B: NDArray[np.int64], share_B: NDArray[np.float64]) -> Tensor:
        start_B = records.start_at(rows_B, share_B, system.num_samples)
        return records.signals.segments(rows_B, start_B, system.num_samples, device)

    system.fit_side(cut(part, np.full(len(part), 0.5)) for part in parts)
    weight_K = None
    if task == "single":
        num_classes = system.num_classes
        weight_K = class_weights(
            np.bincount(records.target[rows].astype(np.int64), minlength=num_classes), power=recipe.class_weight_power
        )
    objective = make_objective(recipe, task, weight_K=weight_K, fs_hz=system.fs_hz, seed=seed)

    def batches(epoch: int) -> Iterator[Batch]:
        objective.begin(epoch)
        rng = np.random.default_rng([seed, epoch])
        order = rng.permutation(rows)
        for part in np.array_split(order, max(1, round(len(order) / recipe.batch))):
            yield (cut(part, rng.random(len(part))),), torch.from_numpy(records.target[part])

    return fit(
        system,
        batches=batches,
        loss=objective.loss,
        objective=objective,
        validate=lambda model: {},
        monitor="epoch",
        epochs=recipe.epochs,
        lr=recipe.lr,
        weight_decay=recipe.weight_decay,
        average=recipe.average,
        seed=seed,
        device=device,
        on_batch=on_batch,
    )


def slice_logits(
    system: System,
    signals: SignalTable,
    record_N: NDArray[np.int64],
    start_N: NDArray[np.int64],
    *,
    device: torch.device | str = "cpu",
    on_slices: Callable[[int], object] = lambda num: None,
) -> Tensor:
    """Let a system read slices of records: the one way in which it reads a record longer than its segment.

    Parameters
    ----------
    system : System
        In evaluation mode, on ``device``. It sets the length of a slice.
    signals : SignalTable
        Records at its rate.
    record_N, start_N : ndarray, (N,) int64
        Record and first sample of each slice.
    device : torch.device or str
        Where to compute.
    on_slices : callable
        Called with the number of slices done since the last call.

    Returns
    -------
    Tensor, (N, K) float32
        Logits, on the CPU.
    """
    parts = []
    with torch.no_grad():
        for first in range(0, len(record_N), RECORD_BATCH):
            rows = slice(first, first + RECORD_BATCH)
            signal_BCS = signals.segments(record_N[rows], start_N[rows], system.num_samples, device)
            parts.append(system(signal_BCS).cpu())
            on_slices(len(signal_BCS))
    return torch.cat(parts)


def to_probability(logits_NK: Tensor, task: Task) -> NDArray[Any]:
    """Turn logits into probabilities: by softmax where one class holds, by a sigmoid each where any number may."""
    probability_NK: NDArray[Any] = (logits_NK.softmax(1) if task == "single" else logits_NK.sigmoid()).numpy()
    return probability_NK


def record_posteriors(
    system: System,
    records: LabelledRecords,
    rows: NDArray[np.int64],
    task: Task,
    *,
    num_views: int,
    power: float,
    device: torch.device | str = "cpu",
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Predict the diagnoses of records, from one segment in the middle and from several along each.

    Parameters
    ----------
    system : System
        On any device.
    records, rows, task
        As `train_on_records` takes them.
    num_views : int
        V, segments of a record; evenly spaced from its begin to its end. A record no longer than a segment has one.
    power : float
        Of the mean over them: 1 is the plain mean, 3 that of ECG-RAMBA.
    device : torch.device or str
        Where to compute.

    Returns
    -------
    single, pooled : ndarray, (n, K) float32
        Probabilities: of one segment, and of all views. Of a single-label task rows add up to 1.
    """
    system.to(device).eval()

    def predict(rows_N: NDArray[np.int64], share: float) -> NDArray[np.float32]:
        start_N = records.start_at(rows_N, np.full(len(rows_N), share), system.num_samples)
        return to_probability(slice_logits(system, records.signals, rows_N, start_N, device=device), task)

    single_NK = predict(rows, 0.5)
    # All segments of a record that is no longer than one are the same.
    longer = np.array([records.signals.signal[row].shape[1] > system.num_samples for row in rows], dtype=np.bool_)
    pooled_NK = single_NK.copy()
    if num_views > 1 and longer.any():
        views_VNK = np.stack([predict(rows[longer], share) for share in np.linspace(0.0, 1.0, num_views)])
        mean_NK = power_mean(views_VNK, power)
        pooled_NK[longer] = mean_NK / mean_NK.sum(axis=1, keepdims=True) if task == "single" else mean_NK
    return single_NK, pooled_NK


def make_targets(
    labels: Sequence[Sequence[str]], unknown: Sequence[Sequence[str]], classes: Sequence[str], task: Task
) -> NDArray[np.int64] | NDArray[np.float32]:
    """Turn names of diagnoses into what a loss is compared with.

    Parameters
    ----------
    labels, unknown : sequence of sequence of str, (N,)
        Classes that the labels of a record state, and classes that they leave open.
    classes : sequence of str, (K,)
        Names in order.
    task : {'single', 'multi'}
        One class per record, or any number of labels.

    Returns
    -------
    ndarray, (N,) int64 or (N, K) float32
        Classes; or labels, NaN where unknown.

    Raises
    ------
    DataError
        If a record of a single-label task has not exactly one class.
    """
    if task == "single":
        wrong = [names for names in labels if len(names) != 1]
        if wrong:
            raise DataError("labels", found=f"a record with {list(wrong[0])}", expected="exactly one class")
        return np.array([classes.index(names[0]) for names in labels], dtype=np.int64)
    target_NK = np.zeros((len(labels), len(classes)), dtype=np.float32)
    for row, (present, unsaid) in enumerate(zip(labels, unknown, strict=True)):
        for name in unsaid:
            target_NK[row, classes.index(name)] = np.nan
        for name in present:
            target_NK[row, classes.index(name)] = 1.0
    return target_NK
