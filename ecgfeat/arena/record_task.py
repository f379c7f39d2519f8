"""Diagnoses of whole records: cross-validation of a system, each record named by a model that had not seen its subject.

Shape suffixes: N records, K classes, V views, B batch.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

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
    """Records of a corpus with what is known of each.

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

    def crop(
        self, record_B: NDArray[np.int64], share_B: NDArray[np.float64], num_samples: int, device: torch.device | str
    ) -> Tensor:
        """Cut one window of each record.

        Parameters
        ----------
        record_B : ndarray, (B,) int64
            Records.
        share_B : ndarray, (B,) float64
            Where: 0 at the begin of the record, 1 at its end. A record that is shorter than a window begins with it.
        num_samples : int
            Length of a window.
        device : torch.device or str
            Where the result is made.

        Returns
        -------
        Tensor, (B, C, S) float32
            Z-scored windows; 0 behind the end of a short record.
        """
        spare_B = np.array([self.signals.signal[record].shape[1] - num_samples for record in record_B])
        start_B = np.floor(share_B * (np.maximum(spare_B, 0) + 1)).astype(np.int64)
        return self.signals.windows(record_B, np.minimum(start_B, np.maximum(spare_B, 0)), num_samples, device)


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
    * Every epoch cuts another window out of each record. No epoch is chosen: there is nothing it could be chosen on
      that is not either trained on or tested on.
    """
    if not len(rows):
        raise DataError("training", found="no record outside the fold that is tested", expected="at least one")
    parts = np.array_split(rows, -(-len(rows) // RECORD_BATCH))
    system.fit_side(records.crop(part, np.full(len(part), 0.5), system.num_samples, device) for part in parts)
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
        for some in np.array_split(order, max(1, round(len(order) / recipe.batch))):
            signal_BCS = records.crop(some, rng.random(len(some)), system.num_samples, device)
            yield (signal_BCS,), torch.from_numpy(records.target[some])

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


def record_posteriors(
    system: System,
    records: LabelledRecords,
    rows: NDArray[np.int64],
    task: Task,
    *,
    num_views: int,
    power: float = 1.0,
    device: torch.device | str = "cpu",
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Ask a system for the diagnoses of records, from one window in the middle and from several along each.

    Parameters
    ----------
    system : System
        In evaluation mode, on ``device``.
    records, rows, task
        As `train_on_records` takes them.
    num_views : int
        V, windows of a record; evenly spaced from its begin to its end. A record no longer than a window has one.
    power : float
        Of the mean over them: 1 is the plain mean, 3 that of ECG-RAMBA.
    device : torch.device or str
        Where to compute.

    Returns
    -------
    single, pooled : ndarray, (n, K) float32
        Probabilities: of one window, and of all views. Of a single-label task rows add up to 1.
    """
    system.to(device).eval()

    def ask(asked: NDArray[np.int64], share: float) -> NDArray[np.float32]:
        parts = []
        with torch.no_grad():
            for first in range(0, len(asked), RECORD_BATCH):
                some = asked[first : first + RECORD_BATCH]
                logits_BK = system(records.crop(some, np.full(len(some), share), system.num_samples, device))
                parts.append((logits_BK.softmax(1) if task == "single" else logits_BK.sigmoid()).cpu().numpy())
        return np.concatenate(parts)

    single_NK = ask(rows, 0.5)
    # All windows of a record that is no longer than one are the same.
    longer = np.array([records.signals.signal[row].shape[1] > system.num_samples for row in rows], dtype=np.bool_)
    pooled_NK = single_NK.copy()
    if num_views > 1 and longer.any():
        views_VNK = np.stack([ask(rows[longer], share) for share in np.linspace(0.0, 1.0, num_views)])
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
        Classes a record has, and classes it says nothing about.
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
