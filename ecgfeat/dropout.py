"""Dropout whose draws cost next to nothing: torch's generator takes longer for them than a small layer computes."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import handle_torch_function, has_torch_function_unary

_LEVELS = 1 << 16


def dropout_factors(x: Tensor, share: float, axis: int = 0) -> Tensor:
    """Draw what dropout multiplies values by.

    Parameters
    ----------
    x : Tensor
        The values; shape, type and device count.
    share : float
        Probability that a value is dropped, in [0, 1); on the CPU to within 1 / 65,536.
    axis : int
        Which axis has the rows of the batch: processes that train together draw for all rows.

    Returns
    -------
    Tensor
        Of the shape of ``x``: 0 or ``1 / (1 - share)``.

    Notes
    -----
    * One number of torch's generator seeds the draws, so that `torch.manual_seed` fixes them.
    """
    if has_torch_function_unary(x):
        factors: Tensor = handle_torch_function(dropout_factors, (x,), x, share, axis)
        return factors
    return draw_factors(x, x.shape, share)


def draw_factors(x: Tensor, shape: torch.Size, share: float) -> Tensor:
    """Draw as `dropout_factors` does, for another shape."""
    if x.device.type != "cpu":
        return x.new_empty(shape).bernoulli_(1.0 - share).div_(1.0 - share)
    seed = int(torch.randint(1 << 62, ()))
    size = shape.numel()
    chance = np.random.SFC64(seed).random_raw(-(-size // 4)).view(np.int16)[:size]
    least = round(share * _LEVELS) - _LEVELS // 2
    # Numbers, not truth values: torch is slow where both meet. A shorter type than float32 would round the draws.
    factors = torch.from_numpy(chance).to(torch.float32).ge_(least).mul_(1.0 / (1.0 - share)).view(shape)
    return factors.to(x.dtype)


def dropout(x: Tensor, share: float, training: bool) -> Tensor:
    """Drop values in training, as `torch.nn.functional.dropout` does.

    Parameters
    ----------
    x : Tensor, (B, ...)
        Values.
    share : float
        Probability that one is dropped, in [0, 1).
    training : bool
        Otherwise nothing is dropped.

    Returns
    -------
    Tensor
        Of the same shape.
    """
    return x * dropout_factors(x, share) if training and share else x


class Dropout(nn.Module):
    """`dropout` as a layer.

    Parameters
    ----------
    share : float
        Probability that a value is dropped, in [0, 1).
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        assert 0.0 <= share < 1.0, "a probability below 1"
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        """Drop values in training."""
        return dropout(x, self.share, self.training)
