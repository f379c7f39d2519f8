"""Embed many beat windows fast: the trunks of a trained HTF, rearranged for evaluation without changing results.

Shapes: N beats, B batch, C leads or channels, S samples, T tiles, D features.

Batch norm is folded into the convolutions, bias, ReLU and max pool become one pass, and the inner convolutions
are Winograd's: four outputs of a 7-tap filter from 10 products instead of 28.

References
----------
Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016, doi:10.1109/CVPR.2016.435.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ecgfeat.beats.windows import cut_beats, normalise
from ecgfeat.models.htf import HTF, KERNEL_SAMPLES, NUM_EMBEDDING, log_spectrum

TILE_OUTPUTS = 4
TILE_INPUTS = TILE_OUTPUTS + KERNEL_SAMPLES - 1
# Nine points and infinity. Small symmetric fractions keep the rounding error at that of a plain convolution.
POINTS = (0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5, 0.75, -0.75)


def embed_beats(
    model: HTF,
    signal_uv_SC: NDArray[np.int16],
    sample: NDArray[np.int64],
    *,
    num_samples: int,
    device: str | torch.device = "cpu",
    on_batch: Callable[[int], None] | None = None,
) -> NDArray[np.float32]:
    """Cut the beats of a record out of its signal and embed them.

    Parameters
    ----------
    model : HTF
        The embedder, in evaluation mode.
    signal_uv_SC : ndarray of int16, (S, C)
        Microvolts at the common rate, -32768 invalid. The leads of the embedder are the first by position; a missing
        lead is invalid.
    sample : ndarray of int64, (N,)
        R-peaks in [0, S).
    num_samples : int
        Length of a beat window.
    device, on_batch
        As `embed_windows` takes them.

    Returns
    -------
    ndarray
        (N, 512) float32, as `embed_windows` returns it.
    """
    window_uv_BCS = cut_beats(signal_uv_SC, sample, num_samples=num_samples, num_leads=_num_leads(model))
    return embed_windows(model, window_uv_BCS, device, on_batch=on_batch)


def embed_windows(
    model: HTF,
    window_uv_BCS: Any,
    device: str | torch.device = "cpu",
    batch: int = 64,
    on_batch: Callable[[int], None] | None = None,
) -> NDArray[np.float32]:
    """Embed stored windows.

    Parameters
    ----------
    model : HTF
        The embedder, in evaluation mode.
    window_uv_BCS : array or Zarr array
        (N, leads, 256) int16 microvolts, -32768 invalid; read batch by batch.
    device : str or torch.device, default 'cpu'
        Where to compute.
    batch : int, default 64
        Windows per step. The last batch is filled up, so that a row has the same bytes however many rows there
        are; another batch size may change the last bits.
    on_batch : callable, optional
        Called with the number of windows done since the last call.

    Returns
    -------
    ndarray
        (N, 512) float32: time 256, then frequency 256.

    Raises
    ------
    ValueError
        If the model is in training mode or the windows have another shape.
    """
    embed = FastEmbedder(model, device)
    num, num_leads = len(window_uv_BCS), embed.num_leads
    if len(window_uv_BCS.shape) != 3 or window_uv_BCS.shape[1] != num_leads:
        raise ValueError(f"windows of shape {window_uv_BCS.shape}; expected (beats, {num_leads}, samples)")
    embedding_ND = np.empty((num, NUM_EMBEDDING), dtype=np.float32)
    filled_BCS = np.zeros((batch, *window_uv_BCS.shape[1:]), dtype=np.int16)
    for first in range(0, num, batch):
        size = min(batch, num - first)
        filled_BCS[:size] = window_uv_BCS[first : first + size]
        filled_BCS[size:] = 0
        embedding_BD = embed(normalise(filled_BCS, device))
        embedding_ND[first : first + size] = embedding_BD[:size].cpu().numpy()
        if on_batch is not None:
            on_batch(size)
    return embedding_ND


class FastEmbedder:
    """The two trunks of an HTF, frozen and rearranged.

    Parameters
    ----------
    model : HTF
        The embedder, in evaluation mode. Later changes of its weights are not seen.
    device : str or torch.device, default 'cpu'
        Where to compute.

    Raises
    ------
    ValueError
        If the model is in training mode.
    """

    def __init__(self, model: HTF, device: str | torch.device = "cpu") -> None:
        if model.training:
            raise ValueError("model in training mode; expected model.eval()")
        self.time = _build_trunk(model.time, device)
        self.frequency = _build_trunk(model.frequency, device)
        self.num_leads = _num_leads(model)

    @torch.inference_mode()
    def __call__(self, window_BCS: torch.Tensor) -> torch.Tensor:
        """Embed normalised windows (B, C, 256) float32 to (B, 512), as `HTF.embed` does to within 1e-5."""
        outputs = []
        for trunk, value in ((self.time, window_BCS), (self.frequency, log_spectrum(window_BCS))):
            value_BSC = value.transpose(1, 2)
            for layer in trunk:
                value_BSC = layer(value_BSC)
            outputs.append(value_BSC.mean(dim=1))
        return torch.cat(outputs, dim=-1)


def fold_batch_norm(block: nn.Sequential) -> tuple[torch.Tensor, torch.Tensor]:
    """Merge the batch norm of a block into its convolution.

    Parameters
    ----------
    block : nn.Sequential
        A block of `ecgfeat.models.htf.convolution_block`.

    Returns
    -------
    weight : torch.Tensor
        (out, in, 7) float64.
    bias : torch.Tensor
        (out,) float64.
    """
    convolution: Any = block[0]
    norm: Any = block[1]
    scale = norm.weight.detach().double() / torch.sqrt(norm.running_var.double() + norm.eps)
    weight = convolution.weight.detach().double() * scale[:, None, None]
    return weight, norm.bias.detach().double() - norm.running_mean.double() * scale


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


class DirectLayer:
    """Convolution, bias, ReLU and halving max pool, as one product over unrolled windows.

    For few input channels, where Winograd's transforms would cost more than they save.
    """

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor, device: str | torch.device) -> None:
        self.weight = weight.permute(2, 1, 0).flatten(0, 1).to(device, torch.float32).contiguous()
        self.bias = bias.to(device, torch.float32)

    def __call__(self, value_BSC: torch.Tensor) -> torch.Tensor:
        """Map (B, S, in) to (B, S // 2, out)."""
        num, samples, channels = value_BSC.shape
        reach = KERNEL_SAMPLES // 2
        padded = value_BSC.new_zeros(num, samples + 2 * reach, channels)
        padded[:, reach : reach + samples] = value_BSC
        unrolled = padded.unfold(1, KERNEL_SAMPLES, 1).transpose(2, 3).reshape(num * samples, -1)
        output = (unrolled @ self.weight).view(num, samples, -1)[:, : samples // 2 * 2]
        return torch.maximum(output[:, 0::2], output[:, 1::2]).add_(self.bias).relu_()


class WinogradLayer:
    """Convolution, bias, ReLU and halving max pool, with Winograd's products."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor, device: str | torch.device) -> None:
        output, filter_, input_ = (torch.from_numpy(matrix) for matrix in winograd_matrices())
        filtered = torch.einsum("ik,ock->ico", filter_.to(weight.device), weight)
        self.weight = filtered.to(device, torch.float32).contiguous()
        self.bias = bias.to(device, torch.float32)
        self.input = input_.to(device, torch.float32)
        self.output = output.to(device, torch.float32)

    def __call__(self, value_BSC: torch.Tensor) -> torch.Tensor:
        """Map (B, S, in) to (B, S // 2, out)."""
        num, samples, channels = value_BSC.shape
        tiles = -(-samples // TILE_OUTPUTS)
        reach = KERNEL_SAMPLES // 2
        padded = value_BSC.new_zeros(num, tiles * TILE_OUTPUTS + 2 * reach, channels)
        padded[:, reach : reach + samples] = value_BSC
        # The place in the tile comes first, so that each transform is one product and so is each place.
        tile = padded.unfold(1, TILE_INPUTS, TILE_OUTPUTS).permute(3, 0, 1, 2).reshape(TILE_INPUTS, -1)
        transformed = (self.input @ tile).view(TILE_INPUTS, num * tiles, channels)
        product = torch.bmm(transformed, self.weight).view(TILE_INPUTS, -1)
        output = (self.output @ product).view(TILE_OUTPUTS // 2, 2, num, tiles, -1)
        pooled = torch.maximum(output[:, 0], output[:, 1]).add_(self.bias).relu_()
        return pooled.permute(1, 2, 0, 3).reshape(num, tiles * (TILE_OUTPUTS // 2), -1)[:, : samples // 2]


def _num_leads(model: HTF) -> int:
    return int(model.time[0][0].in_channels)  # type: ignore[index]


def _build_trunk(trunk: nn.Sequential, device: str | torch.device) -> list[Callable[[torch.Tensor], torch.Tensor]]:
    first, *others = (fold_batch_norm(block) for block in trunk)  # type: ignore[arg-type]
    return [DirectLayer(*first, device), *(WinogradLayer(*folded, device) for folded in others)]
