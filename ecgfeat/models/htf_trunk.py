"""Convolutions of the HTF on a CPU: Winograd's transforms, and a trunk in training by them.

Shapes: B batch, C leads or channels, S samples, O output channels, K taps of a filter, T tiles, I points of a tile.

In training the samples are the first axis in memory, the channels the last. Then a convolution of seven taps is ten
products of matrices where 28 would be needed, and so are both its gradients; batch norm, pool and dropout read rows as
they lie. What is computed is what the blocks of the trunk compute, to rounding.

References
----------
Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016, doi:10.1109/CVPR.2016.435.
"""

from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.autograd.function import Function

from ecgfeat.dropout import Dropout, dropout_factors

KERNEL_SAMPLES = 7
REACH = KERNEL_SAMPLES // 2
TILE_OUTPUTS = 4
TILE_INPUTS = TILE_OUTPUTS + KERNEL_SAMPLES - 1
# Nine points and infinity. Small symmetric fractions keep the rounding error small: in evaluation that of a plain
# convolution, in training, through five layers, some ten times as much: 3e-5 to 7e-5 where float64 is the reference.
POINTS = (0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5, 0.75, -0.75)
CACHED = 1 << 18
"""Numbers that stay in the cache of a processor: 1 MB."""


def winograd_matrices() -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the transforms of outputs, filter and inputs of a tile.

    Returns
    -------
    output : ndarray
        (4, 10) float64.
    filter_ : ndarray
        (10, 7) float64.
    input_ : ndarray
        (10, 10) float64. For a tile d of 10 samples and a filter g of 7,
        ``output @ ((filter_ @ g) * (input_ @ d))`` is their correlation, 4 values.

    Notes
    -----
    * Two polynomials are multiplied by multiplying their values at ten points; transposed, that multiplication
      is a correlation. Powers of two move between filter and input so that both stay near one.
    """

    def values_at_points(num: int) -> NDArray[np.float64]:
        finite = np.array(POINTS)[:, None] ** np.arange(num)
        return np.vstack((finite, np.eye(num)[-1]))

    input_ = np.linalg.inv(values_at_points(TILE_INPUTS)).T
    scale = 2.0 ** -np.round(np.log2(np.abs(input_).max(axis=1, keepdims=True)))
    filter_ = values_at_points(KERNEL_SAMPLES) / scale
    return values_at_points(TILE_OUTPUTS).T.copy(), filter_, input_ * scale


def padded_samples(samples: int) -> int:
    """Return the length of a padded map: whole tiles, and what the first and the last of them reach beyond."""
    return -(-samples // TILE_OUTPUTS) * TILE_OUTPUTS + 2 * REACH


def train_trunk(trunk: nn.Sequential, x_BCS: Tensor) -> Tensor:
    """Compute a trunk in training mode on the CPU.

    Parameters
    ----------
    trunk : nn.Sequential
        Of `ecgfeat.models.htf.convolution_trunk`.
    x_BCS : Tensor
        Its input, of which no gradient is wanted.

    Returns
    -------
    Tensor
        (B, O, samples that are left) float32, as the trunk returns it.
    """
    matrices = [torch.from_numpy(matrix.astype(np.float32)) for matrix in winograd_matrices()]
    padded_SBC = x_BCS
    samples = x_BCS.shape[2]
    assert samples >> len(trunk), "no sample is left after the last pool"
    for number, block in enumerate(trunk):
        convolution, norm, _, _, dropout = cast(nn.Sequential, block)
        assert isinstance(convolution, nn.Conv1d)
        assert isinstance(dropout, Dropout)
        if number == 0:
            value_SBC = _convolve_few(x_BCS, convolution.weight)
        else:
            value_SBC = _Convolution.apply(padded_SBC, convolution.weight, samples, *matrices)  # type: ignore[no-untyped-call]
        value_SBC = norm(value_SBC.flatten(0, 1)).view(value_SBC.shape)
        samples //= 2
        factor_SBC = dropout_factors(value_SBC[:samples], dropout.share, axis=1) if dropout.share else None
        padded_SBC = _HalvedRelu.apply(value_SBC, factor_SBC)  # type: ignore[no-untyped-call]
    return padded_SBC[REACH : REACH + samples].permute(1, 2, 0)


def _convolve_few(x_BCS: Tensor, weight_OCK: Tensor) -> Tensor:
    """Convolve few channels, where the transforms would cost more than they save: (S, B, O)."""
    num, _, samples = x_BCS.shape
    frame_SBN = nn.functional.pad(x_BCS, (REACH, REACH)).unfold(2, KERNEL_SAMPLES, 1).permute(2, 0, 1, 3)
    return nn.functional.linear(frame_SBN.reshape(samples * num, -1), weight_OCK.flatten(1)).view(samples, num, -1)


class _Convolution(Function):
    """Convolution of a padded map (S, B, C) to (S, B, O), in three times ten products a tile."""

    @staticmethod
    def forward(
        ctx: Any, padded_SBC: Tensor, weight_OCK: Tensor, samples: int, output: Tensor, filter_: Tensor, input_: Tensor
    ) -> Tensor:
        _, num, channels = padded_SBC.shape
        tiles, num_out = -(-samples // TILE_OUTPUTS), len(weight_OCK)
        value_SN = padded_SBC.flatten(1)
        weight_KCO = weight_OCK.permute(2, 1, 0).contiguous()
        filtered_ICO = torch.mm(filter_, weight_KCO.flatten(1)).view(-1, channels, num_out)
        inputs_ITN = value_SN.new_empty(TILE_INPUTS, tiles, num * channels)
        rows_INC = inputs_ITN.view(TILE_INPUTS, -1, channels)
        outputs_SN = value_SN.new_empty(tiles * TILE_OUTPUTS, num * num_out)
        for group in _groups(tiles, num * (channels + num_out)):
            for tile in group:
                torch.mm(input_, value_SN[tile * TILE_OUTPUTS :][:TILE_INPUTS], out=inputs_ITN[:, tile])
            rows = slice(group.start * num, group.stop * num)
            product_ITN = torch.bmm(rows_INC[:, rows], filtered_ICO).view(TILE_INPUTS, len(group), -1)
            for place, tile in enumerate(group):
                torch.mm(output, product_ITN[:, place], out=outputs_SN[tile * TILE_OUTPUTS :][:TILE_OUTPUTS])
        ctx.save_for_backward(inputs_ITN, filtered_ICO, output, filter_, input_)
        ctx.length = len(padded_SBC)
        return outputs_SN[:samples].view(samples, num, num_out)

    @staticmethod
    def backward(ctx: Any, gradient_SBO: Tensor) -> tuple[Tensor | None, ...]:
        inputs_ITN, filtered_ICO, output, filter_, input_ = ctx.saved_tensors
        samples, num, num_out = gradient_SBO.shape
        tiles, channels = inputs_ITN.shape[1], filtered_ICO.shape[1]
        rows_INC = inputs_ITN.view(TILE_INPUTS, -1, channels)
        gradient_SN = gradient_SBO.contiguous().flatten(1)
        if samples < tiles * TILE_OUTPUTS:
            gradient_SN = nn.functional.pad(gradient_SN, (0, 0, 0, tiles * TILE_OUTPUTS - samples))
        padded_SN = gradient_SN.new_zeros(ctx.length, num * channels)
        of_filtered_ICO = torch.zeros_like(filtered_ICO)
        to_products, to_inputs = output.T.contiguous(), input_.T.contiguous()
        for group in _groups(tiles, num * (channels + num_out)):
            product_ITN = gradient_SN.new_empty(TILE_INPUTS, len(group), num * num_out)
            for place, tile in enumerate(group):
                torch.mm(to_products, gradient_SN[tile * TILE_OUTPUTS :][:TILE_OUTPUTS], out=product_ITN[:, place])
            product_INO = product_ITN.view(TILE_INPUTS, -1, num_out)
            rows = slice(group.start * num, group.stop * num)
            of_filtered_ICO.baddbmm_(rows_INC[:, rows].transpose(1, 2), product_INO)
            of_inputs_ITN = torch.bmm(product_INO, filtered_ICO.transpose(1, 2)).view(TILE_INPUTS, len(group), -1)
            for place, tile in enumerate(group):
                padded_SN[tile * TILE_OUTPUTS :][:TILE_INPUTS].addmm_(to_inputs, of_inputs_ITN[:, place])
        weight_KCO = torch.mm(filter_.T, of_filtered_ICO.flatten(1)).view(-1, channels, num_out)
        return padded_SN.view(-1, num, channels), weight_KCO.permute(2, 1, 0), None, None, None, None


def _groups(tiles: int, numbers: int) -> list[range]:
    """Divide tiles, of which each point has so many numbers, so that what is made of a group stays in the cache."""
    at_once = max(1, CACHED // (TILE_INPUTS * numbers))
    return [range(first, min(first + at_once, tiles)) for first in range(0, tiles, at_once)]


class _HalvedRelu(Function):
    """ReLU, the halving max pool and dropout of a map (S, B, C): a padded map of half as many samples."""

    @staticmethod
    def forward(ctx: Any, x_SBC: Tensor, factor_SBC: Tensor | None) -> Tensor:
        half = len(x_SBC) // 2
        padded_SBC = x_SBC.new_empty(padded_samples(half), *x_SBC.shape[1:])
        padded_SBC[:REACH], padded_SBC[REACH + half :] = 0.0, 0.0
        first, second = x_SBC[: 2 * half : 2], x_SBC[1 : 2 * half : 2]
        y_SBC = torch.maximum(first, second, out=padded_SBC[REACH : REACH + half]).clamp_min_(0.0)
        # Numbers, not truth values: torch is slow where both meet.
        slope_SBC = torch.gt(y_SBC, 0.0, out=torch.empty_like(y_SBC))
        if factor_SBC is not None:
            slope_SBC.mul_(factor_SBC)
            y_SBC.mul_(factor_SBC)
        of_first = torch.ge(first, second, out=torch.empty_like(y_SBC)).mul_(slope_SBC)
        ctx.save_for_backward(of_first, slope_SBC.sub_(of_first))
        ctx.shape = x_SBC.shape
        return padded_SBC

    @staticmethod
    def backward(ctx: Any, gradient_SBC: Tensor) -> tuple[Tensor, None]:
        of_first, of_second = ctx.saved_tensors
        half = len(of_first)
        x_gradient = gradient_SBC.new_empty(ctx.shape)
        x_gradient[2 * half :] = 0.0
        inner_SBC = gradient_SBC[REACH : REACH + half]
        torch.mul(inner_SBC, of_first, out=x_gradient[: 2 * half : 2])
        torch.mul(inner_SBC, of_second, out=x_gradient[1 : 2 * half : 2])
        return x_gradient, None
