"""Integrated gradients, and the check that a map depends on what the network has learnt.

References
----------
* Sundararajan et al., "Axiomatic Attribution for Deep Networks", ICML 2017 (integrated gradients, completeness).
* Adebayo et al., "Sanity Checks for Saliency Maps", NeurIPS 2018 (random weights, rank correlation).
"""

import copy
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata
from torch import Tensor, nn

NUM_STEPS: Final = (32, 128, 512)
"""Points of the path, fewest first; more are taken while too much of the difference is left."""

RANDOM_STEPS: Final = (16,)
"""Of a map of random weights, of which the ranks alone are read."""

LARGEST_RESIDUAL: Final = 0.01
"""Of the difference, or of a difference of one half, whichever is larger."""

SEED: Final = 2018
"""Of the random weights."""

_Net = TypeVar("_Net", bound=nn.Module)


class Integral(NamedTuple):
    """Integrated gradients of a number.

    Attributes
    ----------
    attributions : tuple of Tensor
        Shaped like the inputs, without the first dimension.
    value, baseline_value : float
        The number of the inputs, and of the baselines.
    residual : float
        Difference of the two less the sum of the attributions.
    """

    attributions: tuple[Tensor, ...]
    value: float
    baseline_value: float
    residual: float


def integrate_gradients(
    forward: Callable[..., Tensor],
    inputs: tuple[Tensor, ...],
    baselines: tuple[Tensor, ...],
    *,
    batch: int = 16,
    num_steps: Sequence[int] = NUM_STEPS,
) -> Integral:
    """Attribute a number to the inputs that it is computed from, along the straight path from a baseline.

    Parameters
    ----------
    forward : callable
        Takes the inputs, each with a first dimension of examples, and returns the number of each, (examples,).
    inputs, baselines : tuple of Tensor, (1, ...)
        Floating point, alike in shape.
    batch : int
        Points of the path that are computed at once.
    num_steps : sequence of int
        Points of the path; the next number is taken while the residual is large.

    Returns
    -------
    Integral
        The sum of the attributions and the residual is the difference of the two numbers.

    Raises
    ------
    ModuleNotFoundError
        If captum is not installed.
    """
    from captum.attr import IntegratedGradients

    with torch.no_grad():
        value, baseline_value = (float(forward(*tensors)) for tensors in (inputs, baselines))
    difference = value - baseline_value
    attributions: tuple[Tensor, ...] = ()
    for steps in num_steps:
        with torch.enable_grad():
            attributions = IntegratedGradients(forward).attribute(
                inputs, baselines, n_steps=steps, method="gausslegendre", internal_batch_size=batch
            )
        residual = difference - sum(float(attribution.double().sum()) for attribution in attributions)
        if abs(residual) <= LARGEST_RESIDUAL * max(abs(difference), 0.5):
            break
    return Integral(tuple(of.detach()[0] for of in attributions), value, baseline_value, residual)


def redraw_weights(net: _Net, seed: int = SEED) -> _Net:
    """Return a copy of a network that has learnt nothing.

    Parameters
    ----------
    net : nn.Module
        Any; it is not changed.
    seed : int
        Of the draws; torch's global generator is left as it was.

    Returns
    -------
    nn.Module
        In evaluation mode. Layers of torch are as before training, their running means included; of other parameters
        the values change places.
    """
    drawn = copy.deepcopy(net)
    is_drawn: set[int] = set()
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        for module in drawn.modules():
            reset: Any = getattr(module, "reset_parameters", None)
            if reset is not None:
                reset()
                is_drawn |= {id(parameter) for parameter in module.parameters(recurse=False)}
        for parameter in drawn.parameters():
            if id(parameter) not in is_drawn:
                places = torch.randperm(parameter.numel()).to(parameter.device)
                parameter.copy_(parameter.flatten()[places].view_as(parameter))
    return drawn.eval()


def compare_maps(one: NDArray[Any], other: NDArray[Any]) -> float | None:
    """Return the rank correlation of the sizes in two maps.

    Parameters
    ----------
    one, other : ndarray
        Attributions, alike in shape. Where both are exactly 0, nothing is compared.

    Returns
    -------
    float or None
        From -1 to 1: 1 for equal maps; None where a map is constant.
    """
    sizes = np.abs(np.stack([one.ravel(), other.ravel()]).astype(np.float64))
    sizes = sizes[:, (sizes > 0).any(axis=0)]
    if sizes.shape[1] < 2 or (np.ptp(sizes, axis=1) == 0).any():
        return None
    return float(np.corrcoef(rankdata(sizes, axis=1))[0, 1])
