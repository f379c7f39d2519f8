"""Test-time augmentation of a signal network: several windows of a longer signal, their posteriors averaged.

Shape suffixes: V views, B signals, C leads, S samples of a signal, W samples of a window, K classes.
"""

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

NUM_VIEWS = 7
STD_FLOOR = 1e-6
"""Added to a deviation before it divides, so that a flat lead becomes zero."""


def predict_tta(
    model: nn.Module,
    signal: Tensor | NDArray[np.floating],
    *,
    window_samples: int = 1280,
    num_views: int = NUM_VIEWS,
    seed: int | None = None,
    task: Literal["single", "multi"] = "single",
) -> NDArray[np.float32]:
    """Name a signal from several windows of it.

    Does not filter or resample: the signal is at the model's own rate.

    Parameters
    ----------
    model : nn.Module
        ``model(signal_BCS)`` gives ``logits_BK``; in evaluation mode, on any device.
    signal : Tensor or ndarray, (C, S) or (B, C, S)
        One signal, or several of one length, in any unit; NaN where a sample is invalid.
    window_samples : int
        Length the model was trained on, in samples. A shorter signal is padded on the right, see `cut_views`.
    num_views, seed : int
        As `view_starts` takes them.
    task : {'single', 'multi'}
        One class per signal, posteriors by softmax; or any number of classes, each by a sigmoid.

    Returns
    -------
    ndarray, (K,) or (B, K) float32
        Mean posterior over the windows; of a single-class model it adds up to 1.

    Raises
    ------
    ValueError
        If the signal has another number of axes or no sample.

    Notes
    -----
    * The original's seven views of a rhythm episode are seven draws of its training sampler, which must know where the
      episode lies. Here the windows are spread over a signal of which nothing is known.
    * All windows go through the model at once. Signals do not influence each other.
    """
    assert not model.training, "model.eval() first"
    tensor = torch.as_tensor(signal)
    if tensor.dim() not in (2, 3) or tensor.shape[-1] == 0:
        raise ValueError(
            f"signal of shape {tuple(tensor.shape)}; expected (leads, samples) or (signals, leads, samples)"
        )
    signal_BCS = tensor if tensor.dim() == 3 else tensor[None]
    starts = view_starts(signal_BCS.shape[2], window_samples, num_views, seed)
    view_VBCW = cut_views(signal_BCS, window_samples, starts)
    device = next(model.parameters()).device
    with torch.no_grad():
        logits = model(view_VBCW.flatten(0, 1).to(device)).cpu().double()
        posterior = logits.softmax(1) if task == "single" else logits.sigmoid()
    mean_BK = posterior.view(len(starts), len(signal_BCS), -1).mean(0).float().numpy()
    return mean_BK if tensor.dim() == 3 else mean_BK[0]


def view_starts(
    num_samples: int, window_samples: int, num_views: int = NUM_VIEWS, seed: int | None = None
) -> tuple[int, ...]:
    """Choose where the windows of a signal start.

    Parameters
    ----------
    num_samples, window_samples : int
        Length of the signal and of a window.
    num_views : int
        Windows, at least 1.
    seed : int, optional
        Draw each start uniformly, the same for every signal of this length. None: evenly spaced, the first window at
        the start and the last at the end of the signal; a single one in its middle.

    Returns
    -------
    tuple of int
        First sample of each window. Only ``(0,)`` where no second window would differ.
    """
    assert num_views >= 1, "at least one view"
    latest = num_samples - window_samples
    if latest <= 0:
        return (0,)
    if seed is not None:
        return tuple(int(start) for start in np.random.default_rng(seed).integers(0, latest + 1, num_views))
    if num_views == 1:
        return (latest // 2,)
    return tuple(view * latest // (num_views - 1) for view in range(num_views))


def cut_views(signal_BCS: Tensor, window_samples: int, starts: tuple[int, ...]) -> Tensor:
    """Cut windows out of signals and scale every lead of every window to mean 0 and deviation 1.

    Parameters
    ----------
    signal_BCS : Tensor, (B, C, S)
        Signals in any unit; NaN where a sample is invalid.
    window_samples : int
        Length of a window.
    starts : tuple of int, (V,)
        First sample of each window.

    Returns
    -------
    Tensor, (V, B, C, W) float32
        The windows. Zero, which is the mean of a lead, where a sample is invalid and where a signal ends before the
        window does: a signal that is too short is padded on the right, after it was scaled.
    """
    view_VBCW = signal_BCS.new_zeros((len(starts), *signal_BCS.shape[:2], window_samples), dtype=torch.float32)
    for view, start in enumerate(starts):
        piece_BCW = signal_BCS[:, :, start : start + window_samples].float()
        view_VBCW[view, :, :, : piece_BCW.shape[2]] = scale_leads(piece_BCW)
    return view_VBCW


def scale_leads(signal_BCS: Tensor) -> Tensor:
    """Scale every lead of every signal to mean 0 and deviation 1 over its valid samples.

    Parameters
    ----------
    signal_BCS : Tensor, (B, C, S) float32
        Signals in any unit; NaN where a sample is invalid.

    Returns
    -------
    Tensor, (B, C, S) float32
        Scaled signals; zero where a sample is invalid. 1e-6 is added to a deviation before it divides.
    """
    valid_BCS = ~torch.isnan(signal_BCS)
    num_valid_BC1 = valid_BCS.sum(2, keepdim=True).clamp(min=1)
    cleared_BCS = signal_BCS.nan_to_num(nan=0.0)
    mean_BC1 = cleared_BCS.sum(2, keepdim=True) / num_valid_BC1
    centred_BCS = (cleared_BCS - mean_BC1) * valid_BCS
    std_BC1 = (centred_BCS.square().sum(2, keepdim=True) / num_valid_BC1).sqrt()
    return centred_BCS / (std_BC1 + STD_FLOOR)
