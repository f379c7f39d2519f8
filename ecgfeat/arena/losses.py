"""Losses of networks with one logit per diagnosis, where the labels of a record may leave some of them open.

A target is 1 (present), 0 (absent) or NaN (unknown: no term in the loss and no gradient).

Shape suffixes: B batch, K classes.

References
----------
T. Ridnik et al., "Asymmetric Loss for Multi-Label Classification", ICCV 2021, arXiv:2009.14119.
"""

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid


def binary_cross_entropy(logits_BK: Tensor, target_BK: Tensor) -> Tensor:
    """Average the binary cross entropy over the known targets.

    Parameters
    ----------
    logits_BK : Tensor, (B, K) float
        Logits.
    target_BK : Tensor, (B, K) float
        1, 0 or NaN; what lies between is taken as a share.

    Returns
    -------
    Tensor, () float32
        Mean over the known targets of the batch, in nats; 0 where there is none.
    """
    known_BK, target_BK = _split_target(target_BK)
    present_BK, absent_BK = _log_probabilities(logits_BK)
    loss_BK = -(target_BK * present_BK + (1 - target_BK) * absent_BK)
    return torch.where(known_BK, loss_BK, 0).sum() / known_BK.sum().clamp_min(1)


def asymmetric_loss(
    logits_BK: Tensor,
    target_BK: Tensor,
    *,
    gamma_positive: float = 0.0,
    gamma_negative: float = 2.5,
    clip: float = 0.05,
) -> Tensor:
    """Weigh down the easy negatives, of which a record with few of many diagnoses has most.

    Parameters
    ----------
    logits_BK : Tensor, (B, K) float
        Logits.
    target_BK : Tensor, (B, K) float
        1, 0 or NaN.
    gamma_positive, gamma_negative : float
        Focusing exponents, 0 or at least 1: a term is multiplied by the probability of the wrong answer to this power.
    clip : float
        Taken off the probability of a negative, in [0, 1); a negative below it has no loss and no gradient.

    Returns
    -------
    Tensor, () float32
        ``-[y (1 - p)^g+ log p + (1 - y) q^g- log(1 - q)]`` with ``q = max(p - clip, 0)``, summed over the classes and
        divided by the number of records.

    Raises
    ------
    ValueError
        If an exponent or `clip` is out of its range.

    Notes
    -----
    * The scale is that of the source, a sum over classes: up to K times `binary_cross_entropy`, which is a mean. A
      change between the two during training changes the step with it.
    * The source adds 1e-8 inside the logarithms, which stops the gradient of a positive that is far off. Here log p is
      computed from the logit and needs no such floor, nor does log(1 - q), because q is at most 1 - clip.
    * With both exponents and the clip at 0 it is the binary cross entropy.
    """
    for name, gamma in (("gamma_positive", gamma_positive), ("gamma_negative", gamma_negative)):
        # Between 0 and 1 the slope of the weight is infinite where the weight is zero.
        if not (gamma == 0 or gamma >= 1):
            raise ValueError(f"{name} {gamma} must be 0 or at least 1")
    if not 0 <= clip < 1:
        raise ValueError(f"clip {clip} must be in [0, 1)")
    known_BK, target_BK = _split_target(target_BK)
    present_BK, absent_BK = _log_probabilities(logits_BK)
    probability_BK = torch.sigmoid(logits_BK.float())
    wrong_BK = (probability_BK - clip).clamp_min(0)
    if clip > 0:
        absent_BK = torch.log1p(-wrong_BK)
    if gamma_positive > 0:
        present_BK = present_BK * torch.sigmoid(-logits_BK.float()) ** gamma_positive
    if gamma_negative > 0:
        absent_BK = absent_BK * wrong_BK**gamma_negative
    loss_BK = -(target_BK * present_BK + (1 - target_BK) * absent_BK)
    return torch.where(known_BK, loss_BK, 0).sum() / max(1, len(logits_BK))


def _split_target(target_BK: Tensor) -> tuple[Tensor, Tensor]:
    """Return which targets are known, and the targets without NaN: a NaN times no weight is still a NaN."""
    known_BK = ~target_BK.isnan()
    return known_BK, torch.where(known_BK, target_BK, 0).float()


def _log_probabilities(logits_BK: Tensor) -> tuple[Tensor, Tensor]:
    """Return log p and log (1 - p) in float32, also under autocast."""
    return logsigmoid(logits_BK.float()), logsigmoid(-logits_BK.float())
