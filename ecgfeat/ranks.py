"""Train one model in several processes, started by ``torchrun``, with the loss curve of one.

Each process (*rank*) draws the whole batch by the same seeds and computes its share of the rows. What the rows of a
batch share is exchanged: the sums of the loss, the statistics of batch norm, the gradients. Dropout is drawn for the
whole batch too, and each rank takes its rows of it. So the number of ranks changes last bits alone.

Shape suffixes: B rows of this rank, C channels.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

import torch
from torch import Tensor, distributed, nn
from torch.autograd.function import Function
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from ecgfeat.dropout import draw_factors, dropout_factors
from ecgfeat.errors import UsageError

LONGEST_WAIT = timedelta(hours=6)
"""The other ranks wait for so long while the first one validates."""


@dataclass(frozen=True)
class Ranks:
    """The processes that train one model together.

    Attributes
    ----------
    number, count : int
        Which one this is, from 0 on, and how many there are.
    """

    number: int
    count: int

    def rows(self, num_rows: int) -> slice:
        """Return the rows of a batch that this rank computes; where there are fewer rows than ranks, each takes all."""
        if num_rows < self.count:
            return slice(num_rows)
        return slice(num_rows * self.number // self.count, num_rows * (self.number + 1) // self.count)

    def wrap(self, model: nn.Module) -> nn.Module:
        """Return the model such that the backward pass averages its gradients over the ranks.

        Parameters
        ----------
        model : nn.Module
            On its device. The weights of rank 0 are copied to the others.

        Returns
        -------
        nn.Module
            Called in its place.
        """
        return nn.parallel.DistributedDataParallel(model)

    def add(self, tensor: Tensor) -> Tensor:
        """Return the sum of a tensor over the ranks, without gradient."""
        total = tensor.detach().clone()
        distributed.all_reduce(total)
        return total

    def share(self, figures: Mapping[str, float] | None) -> dict[str, float]:
        """Return the figures of rank 0, the only one that has them."""
        device = torch.device("cuda" if distributed.get_backend() == "nccl" else "cpu")
        text = json.dumps(figures).encode() if self.number == 0 else b""
        size = torch.tensor([len(text)], device=device)
        distributed.broadcast(size, src=0)
        letters = torch.zeros(int(size), dtype=torch.uint8, device=device)
        if self.number == 0:
            letters.copy_(torch.frombuffer(bytearray(text), dtype=torch.uint8))
        distributed.broadcast(letters, src=0)
        return cast(dict[str, float], json.loads(bytes(letters.tolist())))


@contextmanager
def join_ranks(device: torch.device) -> Iterator[Ranks | None]:
    """Join the other processes of ``torchrun``: over NCCL with one GPU each, over gloo on the CPU.

    Parameters
    ----------
    device : torch.device
        Where to train; on ``cuda`` each rank takes the GPU of its number on this machine.

    Yields
    ------
    Ranks or None
        None for a process on its own.

    Raises
    ------
    UsageError
        If there are fewer GPUs than ranks on this machine.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield None
        return
    backend = "gloo"
    if device.type == "cuda":
        backend, local = "nccl", int(os.environ["LOCAL_RANK"])
        if local >= torch.cuda.device_count():
            raise UsageError(
                "torchrun --nproc-per-node",
                found=f"more processes than the {torch.cuda.device_count()} GPUs of this machine",
                expected="one process per GPU",
                remedy="Start fewer, or set runtime.device to cpu.",
            )
        torch.cuda.set_device(local)
    distributed.init_process_group(backend, timeout=LONGEST_WAIT)
    try:
        yield Ranks(int(os.environ["RANK"]), count)
    finally:
        distributed.destroy_process_group()


class WholeBatch(TorchFunctionMode):
    """Compute a part of a batch as if it were the whole: within it, dropout and batch norm are those of all rows.

    Parameters
    ----------
    ranks : Ranks
        Who computes it.
    num_rows : int
        Rows of the batch; the tensors have `Ranks.rows` of them, as their first axis.
    """

    def __init__(self, ranks: Ranks, num_rows: int) -> None:
        super().__init__()
        self.rows = ranks.rows(num_rows)
        self.num_rows = num_rows
        self.num_copies = ranks.count if num_rows < ranks.count else 1

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Replace the functions that know of other rows."""
        if func is dropout_factors:
            return self._dropout_factors(*args, **(kwargs or {}))
        if func is functional.dropout:
            return self._dropout(*args, **(kwargs or {}))
        if func is functional.batch_norm:
            return self._batch_norm(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))

    def _dropout_factors(self, x: Tensor, share: float, axis: int = 0) -> Tensor:
        """Draw for all rows, as one process draws, and return this rank's part."""
        shape = torch.Size([*x.shape[:axis], self.num_rows, *x.shape[axis + 1 :]])
        return draw_factors(x, shape, share)[(slice(None),) * axis + (self.rows,)]

    def _dropout(self, x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
        """Draw for all rows, as torch draws, and apply this rank's part."""
        assert not inplace, "dropout in place is not divided among ranks"
        if not training or p == 0.0:
            return x
        kept = x.new_empty(self.num_rows, *x.shape[1:]).bernoulli_(1.0 - p).div_(1.0 - p)
        return x * kept[self.rows]

    def _batch_norm(
        self,
        x: Tensor,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        training: bool = False,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> Tensor:
        """Normalise by mean and variance over the rows of all ranks: torch's own SyncBatchNorm needs GPUs."""
        if not training:
            return functional.batch_norm(x, running_mean, running_var, weight, bias, training, momentum, eps)
        num_channels = x.shape[1]
        # A row of the batch is a row of x, or as many as it has samples.
        count = x.numel() // num_channels * self.num_rows // len(range(self.num_rows)[self.rows])
        weight_C = x.new_ones(num_channels) if weight is None else weight
        bias_C = x.new_zeros(num_channels) if bias is None else bias
        y, mean_C, variance_C = _BatchNorm.apply(  # type: ignore[no-untyped-call]
            x, weight_C, bias_C, float(count * self.num_copies), eps
        )
        if running_mean is not None and running_var is not None:
            with torch.no_grad():
                running_mean.lerp_(mean_C, momentum)
                running_var.lerp_(variance_C * (count / (count - 1)), momentum)
        return cast(Tensor, y)


class _BatchNorm(Function):
    """Batch norm over the rows of all ranks, by the formulas that torch's own SyncBatchNorm has on GPUs alone."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight_C: Tensor, bias_C: Tensor, count: float, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        mean_C = _total(x) / count
        centred = x - _spread(mean_C.to(x.dtype), x)
        variance_C = _total(centred.square()) / count
        scale_C = (variance_C + eps).rsqrt().to(x.dtype)
        hat = centred * _spread(scale_C, x)
        ctx.save_for_backward(hat, scale_C, weight_C)
        ctx.count = count
        y = torch.addcmul(_spread(bias_C, x), hat, _spread(weight_C, x))
        return y, mean_C.to(x.dtype), variance_C.to(x.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        hat, scale_C, weight_C = ctx.saved_tensors
        axes = _axes(hat)
        bias_C, slope_C = gradient.sum(axes, dtype=torch.float64), (gradient * hat).sum(axes, dtype=torch.float64)
        total_2C = torch.stack([bias_C, slope_C])
        distributed.all_reduce(total_2C)
        mean_2C = (total_2C / ctx.count).to(hat.dtype)
        centred = gradient - _spread(mean_2C[0], hat) - hat * _spread(mean_2C[1], hat)
        x_gradient = centred * _spread(scale_C * weight_C, hat)
        return x_gradient, slope_C.to(hat.dtype), bias_C.to(hat.dtype), None, None


def _axes(x: Tensor) -> list[int]:
    return [axis for axis in range(x.ndim) if axis != 1]


def _spread(of_C: Tensor, x: Tensor) -> Tensor:
    """Give a value per channel the shape that broadcasts over ``x``."""
    return of_C.view(1, -1, *([1] * (x.ndim - 2)))


def _total(x: Tensor) -> Tensor:
    """Add up each channel over all ranks."""
    total_C = x.sum(_axes(x), dtype=torch.float64)
    distributed.all_reduce(total_C)
    return total_C
