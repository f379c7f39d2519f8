"""Why ECG-Mamba2 predicts what it does: the share of every sample in a logit, by MambaLRP.

Relevance is input times gradient, taken through a copy of the model in which every part that is not linear has a rule
that makes it linear at the present input. Without biases the relevance of all samples then sums to the logit.

Shape suffixes: B batch, C leads, S samples, L steps, D width, H heads, P features of a head, N state.

References
----------
* Rezaei Jafari et al., "MambaLRP: Explaining Selective State Space Sequence Models", NeurIPS 2024, arXiv:2406.07592.
* Ali et al., "XAI for Transformers", ICML 2022, arXiv:2202.07304: constant attention and normalisation.
"""

import copy
import math
from collections.abc import Callable
from functools import partial
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from ecgfeat.arena.system import System
from ecgfeat.errors import UsageError
from ecgfeat.models.ecg_mamba2 import ECGMamba2
from ecgfeat.models.ecg_mamba2_parts import Attend, AttentionLayer, BothWays, Stem
from ecgfeat.models.mamba2 import GatedRMSNorm, Mamba2, Scan


def explain(model: nn.Module, signal_BCS: Tensor, class_index: int | Tensor) -> Tensor:
    """Return how much every sample speaks for a class.

    Parameters
    ----------
    model : nn.Module
        An `ECGMamba2`, a `System` around one, or any model of the same parts. It is not changed; its evaluation mode
        is explained.
    signal_BCS : Tensor, (B, C, S)
        Signals, as the model takes them: z-scored segments, on its device.
    class_index : int or Tensor, (B,) int64
        The class whose logit is explained, one for all signals or one for each.

    Returns
    -------
    Tensor, (B, C, S)
        Relevance, in the unit of the logit: positive speaks for the class, negative against it.

    Raises
    ------
    UsageError
        If the system is built around another network.
    ValueError
        If a part of the model has no rule.

    Notes
    -----
    * Biases, those of normalisations included, absorb relevance: its sum and the logit differ by their part.
    * SiLU and GELU are divided by their input exactly, sigmoid(x) and the normal distribution function; the source
      divides output by input and needs a small number against zeros.
    * Constant attention weights are not from the source, whose models have no attention. Linear layers and
      convolutions follow the plain rule, not the gamma rule that the source uses for images.
    * Without biases the sum is the logit up to rounding, in float32 and in float64.
    * The kernel of ``mamba_ssm`` is not used, whatever the model is allowed: it rounds to about three digits, in which
      the sum would no longer be the logit.
    """
    ruled = apply_relevance_rules(network_of(model))
    with torch.enable_grad():
        x_BCS = signal_BCS.detach().requires_grad_()
        logits_BK = ruled(x_BCS)
        index_B = torch.as_tensor(class_index, device=logits_BK.device).expand(len(logits_BK))
        # Signals do not see each other in evaluation mode, so one sum explains all.
        chosen = logits_BK.gather(1, index_B[:, None]).sum()
        (gradient_BCS,) = torch.autograd.grad(chosen, x_BCS)
    return (x_BCS * gradient_BCS).detach()


def time_map(relevance_BCS: Tensor) -> Tensor:
    """Sum relevance over the leads.

    Parameters
    ----------
    relevance_BCS : Tensor, (B, C, S)
        From `explain`.

    Returns
    -------
    Tensor, (B, S)
        Relevance of each moment, in the unit of the logit.
    """
    return relevance_BCS.sum(1)


def lead_scores(relevance_BCS: Tensor) -> Tensor:
    """Sum relevance over the time.

    Parameters
    ----------
    relevance_BCS : Tensor, (B, C, S)
        From `explain`.

    Returns
    -------
    Tensor, (B, C)
        Relevance of each lead, in the unit of the logit.
    """
    return relevance_BCS.sum(2)


def network_of(model: nn.Module) -> nn.Module:
    """Return the network of a system, and any other model as it is.

    Parameters
    ----------
    model : nn.Module
        A system or a model.

    Returns
    -------
    nn.Module
        What `apply_relevance_rules` takes.

    Raises
    ------
    UsageError
        If the system is built around another network than `ECGMamba2`.
    """
    if not isinstance(model, System):
        return model
    if not isinstance(model.network, ECGMamba2):
        found = f"a system of {type(model.network).__name__}"
        raise UsageError(
            "explain",
            found=found,
            expected="one of ECGMamba2",
            remedy="Open models/systems/ecg_mamba2 or a fold of it.",
        )
    # An ECGMamba2 reads the signal alone, so nothing of the system is lost.
    assert model.side_inputs is None
    return model.network


def apply_relevance_rules(model: nn.Module) -> nn.Module:
    """Return a copy of a model with the same output, whose gradients follow the rules.

    Parameters
    ----------
    model : nn.Module
        The model. Its weights are shared with the copy, not copied; nothing else of it is.

    Returns
    -------
    nn.Module
        The copy, in evaluation mode. Its gradients are no good for training.

    Raises
    ------
    ValueError
        If a part of the model has no rule.
    """
    ruled = copy.deepcopy(model, {id(tensor): tensor for tensor in chain(model.parameters(), model.buffers())}).eval()
    for name, part in ruled.named_modules():
        if type(part) in RULES:
            # The model's own forward calls its parts, so it need not be written a second time.
            part.forward = partial(RULES[type(part)], part)
            if isinstance(part, Scan):
                part.kernel = False
        elif type(part) not in LINEAR_PARTS:
            expected = ", ".join(sorted(kind.__name__ for kind in (*RULES, *LINEAR_PARTS)))
            raise ValueError(f"{name or 'model'}: no rule for {type(part).__name__}; there are rules for {expected}")
    return ruled


def _silu(_: nn.SiLU, x: Tensor) -> Tensor:
    """Take the slope from zero to the output as constant."""
    return x * x.sigmoid().detach()


def _gelu(_: nn.GELU, x: Tensor) -> Tensor:
    """Take the slope from zero to the output as constant."""
    return x * (0.5 * (1 + torch.erf(x / math.sqrt(2)))).detach()


def _layer_norm(norm: nn.LayerNorm, x_BLD: Tensor) -> Tensor:
    """Take one over the standard deviation as constant."""
    centred_BLD = x_BLD - x_BLD.mean(-1, keepdim=True)
    factor_BL1 = (centred_BLD.square().mean(-1, keepdim=True) + norm.eps).rsqrt().detach()
    return norm.weight * (centred_BLD * factor_BL1) + norm.bias


def _gated_rms_norm(norm: GatedRMSNorm, y_BLD: Tensor, gate_BLD: Tensor) -> Tensor:
    """Give features and gate half of the relevance each, and take one over the root mean square as constant."""
    gated_BLD = y_BLD * norm.activation(gate_BLD)
    gated_BLD = 0.5 * (gated_BLD + gated_BLD.detach())
    return norm.weight * (gated_BLD * norm.factor(gated_BLD).detach())


def _scan(scan: Scan, x_BLHP: Tensor, dt_BLH: Tensor, A_H: Tensor, B_BLN: Tensor, C_BLN: Tensor) -> Tensor:
    """Take what the signal chose, step sizes and both maps of the state, as constant."""
    return Scan.forward(scan, x_BLHP, dt_BLH.detach(), A_H, B_BLN.detach(), C_BLN.detach())


def _attend(attend: Attend, query_BHLD: Tensor, key_BHLD: Tensor, value_BHLD: Tensor) -> Tensor:
    """Take the attention weights as constant."""
    return Attend.forward(attend, query_BHLD.detach(), key_BHLD.detach(), value_BHLD)


RULES: dict[type[nn.Module], Callable[..., Any]] = {
    nn.SiLU: _silu,
    nn.GELU: _gelu,
    nn.LayerNorm: _layer_norm,
    GatedRMSNorm: _gated_rms_norm,
    Scan: _scan,
    Attend: _attend,
}
# What is linear, or piecewise so, in evaluation mode, and what only calls its parts.
LINEAR_PARTS: tuple[type[nn.Module], ...] = (
    nn.Linear,
    nn.Conv1d,
    nn.BatchNorm1d,
    nn.ReLU,
    nn.Dropout,
    nn.Identity,
    nn.Sequential,
    nn.ModuleList,
    ECGMamba2,
    Stem,
    BothWays,
    AttentionLayer,
    Mamba2,
)
