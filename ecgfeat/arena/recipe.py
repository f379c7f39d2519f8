"""How a system is trained: its loss and what is added to it, from its section of params.

Shape suffixes: B batch, C leads, S samples, K classes.

References
----------
Goodfellow et al., "Explaining and Harnessing Adversarial Examples", ICLR 2015 (FGSM).
Ridnik et al., "Asymmetric Loss For Multi-Label Classification", ICCV 2021.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ecgfeat.arena.adversarial import adversarial_loss, mask_band
from ecgfeat.arena.losses import asymmetric_loss, binary_cross_entropy
from ecgfeat.training import ClassificationLoss

Task = Literal["single", "multi"]
Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Recipe:
    """Training of a system, whatever its network.

    What only some systems have in their sections of params is off (0) in the others.

    Attributes
    ----------
    epochs, batch : int
        Passes, and segments per step.
    lr, weight_decay : float
        AdamW's; the rate falls along a cosine, epoch by epoch.
    label_smoothing : float
        Of single-label tasks.
    class_weight_power : float
        Class weight ``min(10, (n / (K n_c)) ** power)`` of single-label tasks.
    bce_share : float
        Multi-label tasks: share of the epochs that begin with binary cross entropy, before the asymmetric loss; 1: it
        alone, 0.4 as published for ECG-RAMBA.
    focal_gamma : float
        Of single-label tasks: an example counts ``(1 - p_target) ** focal_gamma``. 0: plain cross entropy.
    average : float
        Decay of the moving average of the weights; scores use the averaged weights. 0: none.
    fgsm_eps : float
        Size of the adversarial step in standard deviations; half the loss is that of the changed signal. 0: none.
    fgsm_after : int
        Epochs before it begins.
    mask_share : float
        Share of training segments in which a band of frequencies is removed.
    l2 : float
        Penalty on the squares of the weights that the network names in ``l2_penalty``, which knows the factor.
    pretrain_epochs : int
        Of the rhythm task: epochs in which the trunk first learns to rebuild hidden signal, without labels.
    """

    epochs: int
    batch: int
    lr: float
    weight_decay: float
    label_smoothing: float
    class_weight_power: float
    bce_share: float
    focal_gamma: float = 0.0
    average: float = 0.0
    fgsm_eps: float = 0.0
    fgsm_after: int = 0
    mask_share: float = 0.0
    l2: float = 0.0
    pretrain_epochs: int = 0

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> "Recipe":
        """Take from a section of params what belongs to the training."""
        return cls(**{field.name: settings[field.name] for field in fields(cls) if field.name in settings})


class Objective:
    """The scalar that training makes smaller; call `begin` at the start of each epoch.

    Parameters
    ----------
    recipe : Recipe
        What is added to the loss.
    loss : callable
        ``loss(logits_BK, target)``; of a multi-label task that of the last epochs.
    first_loss : callable, optional
        That of the first ``recipe.bce_share`` of the epochs.
    fs_hz : float
        Rate of the signals, which says where a band lies.
    seed : int
        Of the bands.
    """

    def __init__(self, recipe: Recipe, loss: Loss, *, first_loss: Loss | None = None, fs_hz: float, seed: int) -> None:
        self.recipe, self.loss, self.first_loss, self.fs_hz, self.seed = recipe, loss, first_loss, fs_hz, seed
        self.begin(0)

    def begin(self, epoch: int) -> None:
        """Begin an epoch."""
        self.epoch = epoch
        self.bands = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)

    def __call__(self, model: nn.Module, inputs: tuple[Tensor, ...], target: Tensor) -> Tensor:
        """Return the loss of a batch.

        Parameters
        ----------
        model : nn.Module
            A `System` in training mode.
        inputs : tuple of one Tensor
            ``signal_BCS``.
        target : Tensor
            (B,) int64 classes, or (B, K) float32 labels with NaN where unknown.

        Returns
        -------
        Tensor, () float32
            The loss.
        """
        recipe, (signal_BCS,) = self.recipe, inputs
        loss = self.loss
        if self.first_loss is not None and self.epoch < recipe.bce_share * recipe.epochs:
            loss = self.first_loss
        if isinstance(loss, nn.Module):
            loss.to(target.device)
        if recipe.mask_share:
            signal_BCS = mask_band(signal_BCS, self.fs_hz, self.bands, probability=recipe.mask_share)
        if recipe.fgsm_eps and self.epoch >= recipe.fgsm_after:
            value = adversarial_loss(model, signal_BCS, target, loss, recipe.fgsm_eps)
        else:
            value = loss(model(signal_BCS), target)
        if recipe.l2:
            value = value + model.l2_penalty()  # type: ignore[operator]
        return value


def make_objective(recipe: Recipe, task: Task, *, weight_K: Tensor | None = None, fs_hz: float, seed: int) -> Objective:
    """Return the objective of a task.

    Parameters
    ----------
    recipe : Recipe
        How to train.
    task : {'single', 'multi'}
        One class per segment, or any number of labels.
    weight_K : Tensor, (K,) float32, optional
        Class weights of a single-label task.
    fs_hz, seed
        As `Objective` takes them.

    Returns
    -------
    Objective
    """
    if task == "multi":
        return Objective(recipe, asymmetric_loss, first_loss=binary_cross_entropy, fs_hz=fs_hz, seed=seed)
    assert weight_K is not None, "a single-label task has class weights"
    loss = ClassificationLoss(weight_K, label_smoothing=recipe.label_smoothing, focal_gamma=recipe.focal_gamma)
    return Objective(recipe, loss, fs_hz=fs_hz, seed=seed)
