"""One training loop for every model: AdamW, cosine rate per epoch, clipped gradients, best weights kept.

Shape suffixes: B batch, K classes.

References
----------
Loshchilov and Hutter, "Decoupled Weight Decay Regularization", ICLR 2019.
Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ecgfeat.errors import DataError
from ecgfeat.ranks import Ranks, WholeBatch

Batch = tuple[tuple[Tensor, ...], Tensor]
"""Inputs of a model, and the target of its output."""

LossFunction = Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor]
"""Model, inputs and target of a batch to the scalar that training makes smaller."""


def fit(
    model: nn.Module,
    *,
    batches: Callable[[int], Iterable[Batch]],
    loss: Callable[[Tensor, Tensor], Tensor],
    validate: Callable[[nn.Module], Mapping[str, float]],
    monitor: str,
    epochs: int,
    lr: float,
    weight_decay: float,
    max_grad_norm: float = 1.0,
    seed: int,
    average: float = 0.0,
    objective: LossFunction | None = None,
    device: torch.device | str = "cpu",
    ranks: Ranks | None = None,
    on_batch: Callable[[int, int], None] | None = None,
    on_epoch: Callable[[dict[str, float]], None] | None = None,
) -> list[dict[str, float]]:
    """Train a model in place and leave it in evaluation mode with the weights of its best epoch.

    Does not draw or shuffle anything itself: the order of the data is what ``batches`` yields.

    Parameters
    ----------
    model : nn.Module
        Called as ``model(*inputs)``; moved to ``device``.
    batches : callable
        ``batches(epoch)`` yields ``(inputs, target)`` for epoch 0, 1, ...; tensors on any device.
    loss : callable
        ``loss(output, target)`` gives a scalar, the mean over the batch. A module is moved to ``device``.
    validate : callable
        ``validate(model)`` gives the figures of an epoch. It is called in evaluation mode without gradients.
    monitor : str
        The key of ``validate``'s figures whose **largest** value marks the best epoch; the earlier one
        wins a tie, a NaN never wins.
    epochs : int
        Number of passes, at least 1.
    lr, weight_decay : float
        AdamW's. The rate of epoch e is ``lr * (1 + cos(pi * e / epochs)) / 2``.
    max_grad_norm : float
        Gradients are scaled down to this 2-norm over all parameters.
    seed : int
        Seeds dropout, anew in each epoch, so that nothing drawn elsewhere changes a result.
    average : float
        Decay of the exponential moving average of the weights, in [0, 1). If above 0, scores use the averaged weights,
        and these stay in the model; running statistics are the latest.
    objective : callable, optional
        ``objective(model, inputs, target)`` gives the scalar to descend in place of ``loss(model(*inputs), target)``,
        for a loss that needs more than one pass: adversarial examples, penalties.
    device : torch.device or str
        Where the model is trained.
    ranks : Ranks, optional
        The processes that train it together. All are given the same ``batches``, and each computes its rows of a batch;
        the loss is a `WeightedLoss`. The first one alone validates; all end with the same weights and rows.
    on_batch : callable, optional
        ``on_batch(epoch, size)`` after each batch, ``size`` the number of examples in it.
    on_epoch : callable, optional
        Gets the row of each epoch as it is finished.

    Returns
    -------
    list of dict
        One row per epoch: ``epoch``, ``lr``, ``train_loss`` (mean over examples) and ``validate``'s figures.

    Raises
    ------
    DataError
        If an epoch has no batch, or if its loss is not finite.

    Notes
    -----
    * The state of torch's global generators is the same before and after.
    * The cosine reaches zero only after the last epoch, so the last epoch still learns.
    """
    assert epochs >= 1, "at least one epoch"
    assert ranks is None or (isinstance(loss, WeightedLoss) and objective is None), "no loss that ranks can divide"
    device = torch.device(device)
    model.to(device)
    if isinstance(loss, nn.Module):
        loss.to(device)
    optimiser = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=weight_decay, fused=True)
    averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(average)) if average else None  # type: ignore[no-untyped-call]
    scored = model if averaged is None else averaged.module
    called = model if ranks is None else ranks.wrap(model)
    log: list[dict[str, float]] = []
    best_value = -math.inf
    best_weights: dict[str, Tensor] | None = None

    with torch.random.fork_rng(devices=cuda_indices(device)):
        for epoch in range(epochs):
            torch.manual_seed(seed * 1_000_003 + epoch)
            rate = lr * 0.5 * (1.0 + math.cos(math.pi * epoch / epochs))
            for group in optimiser.param_groups:
                group["lr"] = rate

            model.train()
            # Summed on the device: reading a loss back after each batch would make a GPU wait.
            loss_sum = torch.zeros((), dtype=torch.float64, device=device)
            num_examples = 0
            for inputs, target in batches(epoch):
                size = len(target)
                rows = slice(size) if ranks is None else ranks.rows(size)
                target = target[rows].to(device)
                moved = tuple(tensor[rows].to(device) for tensor in inputs)
                optimiser.zero_grad(set_to_none=True)
                if ranks is not None:
                    value = _descend_together(called, cast(WeightedLoss, loss), moved, target, ranks, size)
                else:
                    value = loss(model(*moved), target) if objective is None else objective(model, moved, target)
                    value.backward()  # type: ignore[no-untyped-call]
                nn.utils.clip_grad_norm_(model.parameters(), max_grad_norm)
                optimiser.step()
                if averaged is not None:
                    averaged.update_parameters(model)
                loss_sum += value.detach().double() * size
                num_examples += size
                if on_batch is not None:
                    on_batch(epoch, size)
            if num_examples == 0:
                raise DataError("training", found=f"no example in epoch {epoch}", expected="at least one batch")
            train_loss = float(loss_sum) / num_examples
            if not math.isfinite(train_loss):
                raise DataError(
                    "training",
                    found=f"loss {train_loss} in epoch {epoch}",
                    expected="a finite loss",
                    remedy="Lower the rate (lr).",
                )

            model.eval()
            scored.eval()
            figures: Mapping[str, float] | None = None
            if ranks is None or ranks.number == 0:
                with torch.no_grad():
                    figures = validate(scored)
            if ranks is not None:
                figures = ranks.share(figures)
            assert figures is not None
            row = {"epoch": float(epoch), "lr": rate, "train_loss": train_loss, **figures}
            log.append(row)
            if row[monitor] > best_value or best_weights is None:
                best_value = row[monitor] if not math.isnan(row[monitor]) else -math.inf
                best_weights = {name: tensor.detach().clone() for name, tensor in scored.state_dict().items()}
            if on_epoch is not None:
                on_epoch(row)

    assert best_weights is not None
    model.load_state_dict(best_weights)
    return log


def _descend_together(
    model: nn.Module,
    loss: "WeightedLoss",
    inputs: tuple[Tensor, ...],
    target: Tensor,
    ranks: Ranks,
    num_rows: int,
) -> Tensor:
    """Add the gradients of this rank's rows, and return the loss of all rows."""
    with WholeBatch(ranks, num_rows):
        output = model(*inputs)
    # The mean over all rows: how much the rows of the ranks weigh differs.
    total, weight = loss.sums(output, target)
    share = total / ranks.add(weight).clamp_min(LEAST_WEIGHT)
    # The ranks' gradients are averaged, and the gradient of the whole is their sum.
    (share * ranks.count).backward()  # type: ignore[no-untyped-call]
    return ranks.add(share)


def best_epoch(log: Sequence[Mapping[str, float]], monitor: str) -> int:
    """Return the epoch whose weights `fit` left in the model.

    Parameters
    ----------
    log : sequence of mapping
        Rows that `fit` returned.
    monitor : str
        Its ``monitor``.

    Returns
    -------
    int
        Position in ``log`` of the largest value, the earliest of equals; 0 where all are NaN.
    """
    values = [-math.inf if math.isnan(row[monitor]) else row[monitor] for row in log]
    return values.index(max(values))


def class_weights(count_K: Sequence[int] | np.ndarray, *, power: float, cap: float = 10.0) -> Tensor:
    """Weigh rare classes up: ``min(cap, (n / (K n_c)) ** power)``.

    Parameters
    ----------
    count_K : sequence of int, (K,)
        Examples per class.
    power : float
        0 weighs all classes alike, 0.5 is the published recipe, 1 gives every class the same total weight.
    cap : float
        Largest weight.

    Returns
    -------
    Tensor, (K,) float32
        Weights; 0 for a class without examples, so that label smoothing does not train it.
    """
    count = np.asarray(count_K, dtype=np.float64)
    assert count.ndim == 1, "one count per class"
    assert count.sum() > 0, "no example at all"
    weight = np.zeros_like(count)
    is_present = count > 0
    weight[is_present] = np.minimum(cap, (count.sum() / (len(count) * count[is_present])) ** power)
    return torch.from_numpy(weight.astype(np.float32))


LEAST_WEIGHT = 1e-6
"""A batch weighs at least so much, as it may hold no example that counts."""


class WeightedLoss(nn.Module):
    """A loss that is a weighted mean, and so can be added up over parts of a batch."""

    def sums(self, output: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Return the weighted sum of the losses of a batch, and the sum of their weights.

        Parameters
        ----------
        output, target : Tensor
            As `forward` takes them.

        Returns
        -------
        total, weight : Tensor, () float32
        """
        raise NotImplementedError

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the weighted mean loss of a batch.

        Parameters
        ----------
        output : Tensor, (B, ..., K) float32
            Output of the model.
        target : Tensor, (B, ...) int64
            Classes.

        Returns
        -------
        Tensor, () float32
            The loss; 0 where nothing weighs.
        """
        total, weight = self.sums(output, target)
        return total / weight.clamp_min(LEAST_WEIGHT)


class ClassificationLoss(WeightedLoss):
    """Weighted cross entropy with label smoothing and, on request, focal damping of easy examples.

    Parameters
    ----------
    weight_K : Tensor, (K,) float32
        Weight of each class, as `class_weights` gives it.
    label_smoothing : float
        Share of the target spread over all classes, in [0, 1).
    focal_gamma : float
        Each example counts ``(1 - p_target) ** focal_gamma``; 0 is plain cross entropy.
    """

    weight: Tensor

    def __init__(self, weight_K: Tensor, *, label_smoothing: float, focal_gamma: float) -> None:
        super().__init__()
        self.register_buffer("weight", weight_K)
        self.label_smoothing = label_smoothing
        self.focal_gamma = focal_gamma

    def sums(self, logits_BK: Tensor, target_B: Tensor) -> tuple[Tensor, Tensor]:
        """Return the weighted sum of the losses of a batch, and the sum of the weights of its targets.

        Parameters
        ----------
        logits_BK : Tensor, (B, K) float32
            Output of the model.
        target_B : Tensor, (B,) int64
            Class of each example, in [0, K).

        Returns
        -------
        total, weight : Tensor, () float32
        """
        loss_B = nn.functional.cross_entropy(
            logits_BK, target_B, weight=self.weight, label_smoothing=self.label_smoothing, reduction="none"
        )
        if self.focal_gamma > 0:
            p_B = logits_BK.softmax(1).gather(1, target_B[:, None])[:, 0]
            loss_B = loss_B * (1.0 - p_B) ** self.focal_gamma
        return loss_B.sum(), self.weight[target_B].sum()


def cuda_indices(device: torch.device) -> list[int]:
    """Return the CUDA devices whose generator a run on ``device`` uses.

    Parameters
    ----------
    device : torch.device
        Any device.

    Returns
    -------
    list of int
        Empty for the CPU.
    """
    if device.type != "cuda":
        return []
    return [torch.cuda.current_device() if device.index is None else device.index]
