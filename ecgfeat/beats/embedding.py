"""Embed many beat windows fast: the trunks of a trained HTF, rearranged for evaluation without changing results.

Shapes: N beats, B batch, C leads or channels, S samples, T tiles, D features.

Batch norm is folded into the convolutions, a bias becomes a floor, and the inner convolutions are Winograd's: four
outputs of a 7-tap filter from 10 products instead of 28.

References
----------
Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016, doi:10.1109/CVPR.2016.435.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ecgfeat.beats.windows import cut_beats, normalise
from ecgfeat.models.htf import HTF, NUM_EMBEDDING, log_spectrum
from ecgfeat.models.htf_trunk import (
    CACHED,
    KERNEL_SAMPLES,
    REACH,
    TILE_INPUTS,
    TILE_OUTPUTS,
    padded_samples,
    winograd_matrices,
)

FRAME_OUTPUTS = 8
HALF = TILE_OUTPUTS // 2


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
    batch: int = 128,
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
    batch : int, default 128
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
        self._memory = Memory(device)

    @torch.inference_mode()
    def __call__(self, window_BCS: torch.Tensor) -> torch.Tensor:
        """Embed normalised windows (B, C, 256) float32 to (B, 512), as `HTF.embed` does to within 1e-5."""
        outputs = []
        for (first, others), value_BCS in ((self.time, window_BCS), (self.frequency, log_spectrum(window_BCS))):
            samples, padded_SBC = value_BCS.shape[-1] // 2, first(value_BCS, self._memory)
            for layer in others:
                samples, padded_SBC = samples // 2, layer(padded_SBC, samples, self._memory)
            outputs.append(padded_SBC[REACH : REACH + samples].mean(dim=0) - others[-1].floor)
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


class Memory:
    """Memory for what a layer computes, used again by every layer: fresh memory would take longer than the products."""

    def __init__(self, device: str | torch.device) -> None:
        self._device = device
        self._held: dict[str, torch.Tensor] = {}

    def take(self, use: str, *shape: int) -> torch.Tensor:
        """Return a tensor of float32 that is valid until the next of the same use; its values mean nothing."""
        size = math.prod(shape)
        if use not in self._held or self._held[use].numel() < size:
            self._held[use] = torch.empty(size, device=self._device)
        return self._held[use][:size].view(shape)


class DirectLayer:
    """Convolution, bias, ReLU and halving max pool, as products over frames of windows.

    For few input channels, where Winograd's transforms would cost more than they save. A frame holds what
    `FRAME_OUTPUTS` outputs depend on, and the matrix of the filter is a band.
    """

    def __init__(self, weight: torch.Tensor, floor: torch.Tensor, device: str | torch.device) -> None:
        num_out, num_in, _ = weight.shape
        band = weight.new_zeros(num_in, FRAME_OUTPUTS + 2 * REACH, FRAME_OUTPUTS, num_out)
        for output in range(FRAME_OUTPUTS):
            band[:, output : output + KERNEL_SAMPLES, output] = weight.permute(1, 2, 0)
        self.band = band.flatten(0, 1).flatten(1).to(device, torch.float32)
        self.floor = floor.to(device, torch.float32)

    def __call__(self, value_BCS: torch.Tensor, memory: Memory) -> torch.Tensor:
        """Map (B, in, S) to (S // 2, B, out), padded."""
        num, _, samples = value_BCS.shape
        frames, length = -(-samples // FRAME_OUTPUTS), FRAME_OUTPUTS + 2 * REACH
        padded_BCS = nn.functional.pad(value_BCS, (REACH, REACH + frames * FRAME_OUTPUTS - samples))
        frame_FBI = padded_BCS.unfold(2, length, FRAME_OUTPUTS).permute(2, 0, 1, 3).reshape(frames, num, -1)
        output_BN = memory.take("output", num, FRAME_OUTPUTS * len(self.floor))
        output_SBC = output_BN.view(num, FRAME_OUTPUTS, -1).transpose(0, 1)
        room = max(padded_samples(samples // 2), REACH + frames * FRAME_OUTPUTS // 2)
        pooled_SBC = memory.take("map 0", room, num, len(self.floor))
        half_SBC = torch.split(pooled_SBC[REACH:], FRAME_OUTPUTS // 2)
        for frame_BI, half in zip(frame_FBI, half_SBC, strict=False):
            torch.mm(frame_BI, self.band, out=output_BN)
            torch.maximum(output_SBC[0::2], output_SBC[1::2], out=half)
        return _finish(pooled_SBC, self.floor, samples // 2)


class WinogradLayer:
    """Convolution, bias, ReLU and halving max pool, with Winograd's products.

    Samples are the first dimension in memory. Those of a tile are then the rows of a matrix of all windows and
    channels, and both transforms are products that read and write in place: nothing is copied.
    """

    def __init__(self, weight: torch.Tensor, floor: torch.Tensor, device: str | torch.device, depth: int) -> None:
        output, filter_, input_ = (torch.from_numpy(matrix) for matrix in winograd_matrices())
        filtered = torch.einsum("ik,ock->ico", filter_.to(weight.device), weight)
        self.weight = filtered.to(device, torch.float32).contiguous()
        self.floor = floor.to(device, torch.float32)
        self.input = input_.to(device, torch.float32)
        self.output = output.to(device, torch.float32)
        # A layer reads one map and writes the other.
        self.use = f"map {depth % 2}"

    def __call__(self, padded_SBC: torch.Tensor, samples: int, memory: Memory) -> torch.Tensor:
        """Map (S, B, in), padded, to (S // 2, B, out), padded."""
        _, num, channels = padded_SBC.shape
        tiles, num_out = -(-samples // TILE_OUTPUTS), len(self.floor)
        value_SN = padded_SBC.flatten(1)
        pooled_SBC = memory.take(self.use, padded_samples(samples // 2), num, num_out)
        pooled_SN, output_ON = pooled_SBC.flatten(1)[REACH:], memory.take("output", TILE_OUTPUTS, num * num_out)
        # So many tiles at a time that what is made of them stays in the cache.
        at_once = max(1, CACHED // (TILE_INPUTS * num * (channels + num_out)))
        for first in range(0, tiles, at_once):
            group = range(first, min(first + at_once, tiles))
            transformed_ITN = memory.take("transformed", TILE_INPUTS, len(group), num * channels)
            for place, tile in enumerate(group):
                inputs_IN = value_SN[tile * TILE_OUTPUTS :][:TILE_INPUTS]
                torch.mm(self.input, inputs_IN, out=transformed_ITN[:, place])
            product_ITN = memory.take("product", TILE_INPUTS, len(group), num * num_out)
            rows = TILE_INPUTS, len(group) * num, -1
            torch.bmm(transformed_ITN.view(rows), self.weight, out=product_ITN.view(rows))
            for place, tile in enumerate(group):
                torch.mm(self.output, product_ITN[:, place], out=output_ON)
                torch.maximum(output_ON[0::2], output_ON[1::2], out=pooled_SN[tile * HALF : (tile + 1) * HALF])
        return _finish(pooled_SBC, self.floor, samples // 2)


def _finish(padded_SBC: torch.Tensor, floor_C: torch.Tensor, samples: int) -> torch.Tensor:
    """Lift what is below the floor to it, and write the floor around the map; all in place."""
    inner_SBC = padded_SBC[REACH : REACH + samples]
    torch.maximum(inner_SBC, floor_C, out=inner_SBC)
    padded_SBC[:REACH], padded_SBC[REACH + samples :] = floor_C, floor_C
    return padded_SBC


def _num_leads(model: HTF) -> int:
    return int(model.time[0][0].in_channels)  # type: ignore[index]


def _build_trunk(trunk: nn.Sequential, device: str | torch.device) -> tuple[DirectLayer, list[WinogradLayer]]:
    """Rearrange the blocks of a trunk.

    A bias is not added: ``max(x + b, 0)`` is ``max(x, -b) + b``, and what is added to all of a map is added to what the
    next convolution makes of it.
    """
    lift: Any = 0.0
    layers = []
    for block in trunk:
        weight, bias = fold_batch_norm(block)  # type: ignore[arg-type]
        lift = bias + (weight.sum(dim=2) * lift).sum(dim=1)
        layers.append((weight, -lift))
    first, *others = layers
    return (
        DirectLayer(*first, device),
        [WinogradLayer(*layer, device, depth) for depth, layer in enumerate(others, start=1)],
    )
