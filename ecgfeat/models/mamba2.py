"""The Mamba-2 mixer in plain torch: a selective state space over a sequence, linear in its length.

Shape suffixes: B batch, L steps, D width, H heads, P features of a head, N state, G chunks, Q steps of a chunk.

References
----------
Dao and Gu, "Transformers are SSMs", ICML 2024, arXiv:2405.21060: section 6 for the chunked form.
"""

import math
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, softplus

SHORTEST_STEP, LONGEST_STEP, STEP_FLOOR = 0.001, 0.1, 1e-4
LARGEST_DECAY = 16.0


class Mamba2(nn.Module):
    """Mix the steps of a sequence; each sees itself and those before it.

    Parameters
    ----------
    width : int
        Width of a step, in and out.
    state : int, keyword only
        Numbers each feature of a head remembers.
    conv : int, keyword only
        Steps the causal convolution sees.
    expand : int, keyword only
        Inner width over `width`.
    head : int, keyword only
        Features of a head; it divides the inner width.
    chunk : int, keyword only
        Steps computed at once as a matrix. It changes cost, not results: time and memory grow with length x chunk.
    kernel : bool, keyword only
        Whether the kernel of ``mamba_ssm`` may do the scan where it is installed and the sequence is on a GPU.

    Raises
    ------
    ValueError
        If `head` does not divide the inner width, or `chunk` is below 1.

    Notes
    -----
    * The count at the defaults is 943,780. The names of the parameters are those of ``mamba_ssm``, whose weights fit.
    * One group: all heads share the two maps in and out of the state.
    * Everything that is not linear is a module of its own, without parameters where it needs none, so that
      `ecgfeat.arena.relevance` can put its rules in their place.
    """

    def __init__(
        self,
        width: int = 384,
        *,
        state: int = 64,
        conv: int = 4,
        expand: int = 2,
        head: int = 64,
        chunk: int = 64,
        kernel: bool = True,
    ) -> None:
        super().__init__()
        inner = expand * width
        if inner % head or chunk < 1:
            raise ValueError(f"inner width {inner}, heads of {head}, chunks of {chunk}: heads must divide the width")
        self.inner, self.state, self.head = inner, state, head
        num_heads = inner // head
        mixed = inner + 2 * state
        self.in_proj = nn.Linear(width, inner + mixed + num_heads, bias=False)
        self.conv1d = nn.Conv1d(mixed, mixed, conv, groups=mixed, padding=conv - 1)
        self.activation = nn.SiLU()
        self.dt_bias = nn.Parameter(torch.empty(num_heads))
        self.A_log = nn.Parameter(torch.empty(num_heads))
        self.D = nn.Parameter(torch.ones(num_heads))
        self.scan = Scan(chunk, kernel=kernel)
        self.norm = GatedRMSNorm(inner)
        self.out_proj = nn.Linear(inner, width, bias=False)
        with torch.no_grad():
            self.A_log.uniform_(1.0, LARGEST_DECAY).log_()
            step_H = torch.empty_like(self.dt_bias).uniform_(math.log(SHORTEST_STEP), math.log(LONGEST_STEP)).exp_()
            step_H.clamp_(min=STEP_FLOOR)
            # The inverse of softplus, so that a silent input gives exactly these steps.
            self.dt_bias.copy_(step_H + torch.log(-torch.expm1(-step_H)))

    def forward(self, x_BLD: Tensor) -> Tensor:
        """Mix a batch of sequences.

        Parameters
        ----------
        x_BLD : Tensor, (B, L, D)
            Sequences of at least one step.

        Returns
        -------
        Tensor, (B, L, D)
            The mixed sequences.
        """
        length = x_BLD.shape[1]
        gate_BLD, mixed_BLD, dt_BLH = self.in_proj(x_BLD).split(
            [self.inner, self.inner + 2 * self.state, len(self.D)], -1
        )
        mixed_BLD = self.activation(self.conv1d(mixed_BLD.transpose(1, 2))[..., :length].transpose(1, 2))
        value_BLD, B_BLN, C_BLN = mixed_BLD.split([self.inner, self.state, self.state], -1)
        value_BLHP = value_BLD.reshape(*value_BLD.shape[:-1], -1, self.head)
        # Steps and decays feed exponentials of long sums: half precision is not enough for them.
        precise = torch.promote_types(dt_BLH.dtype, torch.float32)
        dt_BLH = softplus(dt_BLH.to(precise) + self.dt_bias)
        y_BLHP = self.scan(value_BLHP, dt_BLH, -self.A_log.to(precise).exp(), B_BLN, C_BLN)
        y_BLHP = y_BLHP + self.D[:, None] * value_BLHP
        return cast(Tensor, self.out_proj(self.norm(y_BLHP.flatten(-2), gate_BLD)))


class GatedRMSNorm(nn.Module):
    """Scale features by a gate, then to a root mean square of one.

    Parameters
    ----------
    width : int
        Features.
    eps : float
        Added to the mean square.
    """

    def __init__(self, width: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(width))
        self.activation = nn.SiLU()

    def forward(self, y_BLD: Tensor, gate_BLD: Tensor) -> Tensor:
        """Return ``weight * rms_norm(y * silu(gate))``.

        Parameters
        ----------
        y_BLD, gate_BLD : Tensor, (B, L, D)
            Features and their gate, before its activation.

        Returns
        -------
        Tensor, (B, L, D)
            In the type of `y_BLD`.
        """
        gated_BLD = y_BLD * self.activation(gate_BLD)
        return self.weight * (gated_BLD * self.factor(gated_BLD)).to(y_BLD.dtype)

    def factor(self, x_BLD: Tensor) -> Tensor:
        """Return one over the root mean square of each step.

        Parameters
        ----------
        x_BLD : Tensor, (B, L, D)
            Features.

        Returns
        -------
        Tensor, (B, L, 1)
            Float32 or better.
        """
        precise = x_BLD.to(torch.promote_types(x_BLD.dtype, torch.float32))
        return (precise.square().mean(-1, keepdim=True) + self.eps).rsqrt()


class Scan(nn.Module):
    """The state space itself: ``h_t = exp(dt_t A) h_(t-1) + dt_t x_t B_t^T``, ``y_t = h_t C_t``, from a zero state.

    Parameters
    ----------
    chunk : int
        Steps computed at once as a matrix.
    kernel : bool, keyword only
        Whether the kernel of ``mamba_ssm`` may be used.

    Notes
    -----
    The plain form here is the reference and what CPUs and float64 always use. The kernel multiplies in TensorFloat-32
    and so agrees with it only to about three digits.
    """

    def __init__(self, chunk: int, *, kernel: bool = True) -> None:
        super().__init__()
        self.chunk, self.kernel = chunk, kernel

    def forward(self, x_BLHP: Tensor, dt_BLH: Tensor, A_H: Tensor, B_BLN: Tensor, C_BLN: Tensor) -> Tensor:
        """Run the states over the steps.

        Parameters
        ----------
        x_BLHP : Tensor, (B, L, H, P)
            Inputs.
        dt_BLH : Tensor, (B, L, H)
            Step sizes, positive; in float32 or better.
        A_H : Tensor, (H,)
            Rates of decay, negative.
        B_BLN, C_BLN : Tensor, (B, L, N)
            Maps of the inputs into the state, and of the state to the outputs.

        Returns
        -------
        Tensor, (B, L, H, P)
            Outputs, in the type of `x_BLHP`.
        """
        if self.kernel and x_BLHP.is_cuda and x_BLHP.dtype != torch.float64 and (kernel := find_kernel()) is not None:
            # The kernel wants a group axis in both maps.
            y_BLHP = kernel(x_BLHP, dt_BLH, A_H, B_BLN[:, :, None], C_BLN[:, :, None], self.chunk)
            return cast(Tensor, y_BLHP)
        return scan_chunks(x_BLHP, dt_BLH, A_H, B_BLN, C_BLN, min(self.chunk, x_BLHP.shape[1]))


def scan_chunks(x_BLHP: Tensor, dt_BLH: Tensor, A_H: Tensor, B_BLN: Tensor, C_BLN: Tensor, chunk: int) -> Tensor:
    """Run the states chunk by chunk: a matrix within each, one state carried from each to the next.

    Parameters
    ----------
    x_BLHP, dt_BLH, A_H, B_BLN, C_BLN : Tensor
        As in `Scan.forward`.
    chunk : int
        Steps in a chunk.

    Returns
    -------
    Tensor, (B, L, H, P)
        Outputs.
    """
    length = x_BLHP.shape[1]
    num_chunks = -(-length // chunk)

    def cut(x: Tensor) -> Tensor:
        # Steps of size zero at the end leave the state as it is and put nothing into it.
        filled = pad(x, (0, 0) * (x.ndim - 2) + (0, num_chunks * chunk - length))
        return filled.view(len(x), num_chunks, chunk, *x.shape[2:])

    x_BGHQP = cut(x_BLHP * dt_BLH[..., None]).transpose(2, 3)
    B_BGQN, C_BGQN = cut(B_BLN.to(x_BGHQP.dtype)), cut(C_BLN.to(x_BGHQP.dtype))
    log_decay_BGHQ = cut(dt_BLH * A_H).transpose(2, 3).cumsum(-1)

    # Within a chunk: how much of step j is left at step i, which later steps have nothing of.
    later = torch.ones(chunk, chunk, dtype=torch.bool, device=x_BLHP.device).triu(1)
    log_left_BGHQQ = (log_decay_BGHQ[..., :, None] - log_decay_BGHQ[..., None, :]).masked_fill(later, -math.inf)
    overlap_BGQQ = C_BGQN @ B_BGQN.transpose(-1, -2)
    y_BGHQP = (overlap_BGQQ[:, :, None] * log_left_BGHQQ.exp()) @ x_BGHQP
    if num_chunks > 1:
        # Between chunks: what each adds to the state at its end, then the state each begins with.
        left_BGHQ = (log_decay_BGHQ[..., -1:] - log_decay_BGHQ).exp()
        added_BGHPN = (x_BGHQP * left_BGHQ[..., None]).transpose(-1, -2) @ B_BGQN[:, :, None]
        kept_BGH11 = log_decay_BGHQ[..., -1].exp()[..., None, None]
        state_BHPN = torch.zeros_like(added_BGHPN[:, 0])
        states = [state_BHPN]
        for added_BHPN, kept_BH11 in zip(added_BGHPN.unbind(1)[:-1], kept_BGH11.unbind(1)[:-1], strict=True):
            state_BHPN = kept_BH11 * state_BHPN + added_BHPN
            states.append(state_BHPN)
        carried_BGHQP = C_BGQN[:, :, None] @ torch.stack(states, 1).transpose(-1, -2)
        y_BGHQP = y_BGHQP + log_decay_BGHQ.exp()[..., None] * carried_BGHQP
    return y_BGHQP.transpose(2, 3).flatten(1, 2)[:, :length].to(x_BLHP.dtype)


@cache
def find_kernel() -> Callable[..., Any] | None:
    """Return the chunked scan of ``mamba_ssm``, or None where it is not installed or does not load.

    Returns
    -------
    callable or None
        Takes (x, dt, A, B, C, chunk size) with a group axis in B and C.
    """
    try:
        kernel: Callable[..., Any] = import_module("mamba_ssm.ops.triton.ssd_combined").mamba_chunk_scan_combined
    except (ImportError, AttributeError, OSError, RuntimeError):
        return None
    return kernel
