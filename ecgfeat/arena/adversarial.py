"""Signals made harder while a model is trained: shifts along the sign of the gradient, and bands of frequency removed.

Shape suffixes: B batch, C leads, S samples, F frequencies, N bands.

References
----------
Goodfellow et al., "Explaining and Harnessing Adversarial Examples", ICLR 2015, arXiv:1412.6572.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


def fgsm(
    model: nn.Module,
    signal_BCS: Tensor,
    target: Any,
    loss: Callable[[Tensor, Any], Tensor],
    eps: float,
) -> Tensor:
    """Shift every sample by `eps` in the direction that makes the loss grow.

    It leaves the model as it was: its mode, its running means and the gradients of its weights.

    Parameters
    ----------
    model : nn.Module
        Takes signals, gives what `loss` takes.
    signal_BCS : Tensor, (B, C, S)
        Signals, z-scored.
    target : Any
        What the model should predict, as `loss` takes it.
    loss : callable
        Of the model's output and `target`, a scalar.
    eps : float
        Size of the shift, in the unit of the signal.

    Returns
    -------
    Tensor, (B, C, S)
        The shifted signals, without a gradient. Samples the loss does not depend on are as they were.

    Notes
    -----
    * Batch normalisation and dropout are in evaluation mode for the gradient: the shift of a record depends neither on
      its batch nor on chance.
    * The size is not published.
    """
    with evaluating(model), torch.enable_grad():
        moved_BCS = signal_BCS.detach().requires_grad_()
        # Only the way back to the signal is followed, so the weights gather no gradient.
        (gradient_BCS,) = torch.autograd.grad(loss(model(moved_BCS), target), moved_BCS)
    return (moved_BCS + eps * gradient_BCS.sign()).detach()


def adversarial_loss(
    model: nn.Module,
    signal_BCS: Tensor,
    target: Any,
    loss: Callable[[Tensor, Any], Tensor],
    eps: float,
    share: float = 0.5,
) -> Tensor:
    """Return the loss of the signals as they are mixed with that of the signals shifted by `fgsm`.

    Parameters
    ----------
    model, signal_BCS, target, loss, eps
        As in `fgsm`.
    share : float
        Weight of the shifted signals, in [0, 1]; that of the others is ``1 - share``. Zero costs no shift.

    Returns
    -------
    Tensor, scalar
        To go backward from.
    """
    total = (1 - share) * loss(model(signal_BCS), target)
    if share:
        total = total + share * loss(model(fgsm(model, signal_BCS, target, loss, eps)), target)
    return total


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put a model in evaluation mode and every module back into its own mode afterwards.

    Parameters
    ----------
    model : nn.Module
        Any model. Recurrent layers stay as they are: on a GPU they give gradients in training mode only.

    Yields
    ------
    None
    """
    modes = {module: module.training for module in model.modules()}
    try:
        for module in modes:
            module.training = module.training and isinstance(module, nn.RNNBase)
        yield
    finally:
        for module, training in modes.items():
            module.training = training


def mask_band(
    signal_BCS: Tensor,
    fs_hz: float,
    generator: torch.Generator,
    *,
    probability: float,
    max_bands: int = 2,
    max_width: float = 0.1,
    top_hz: float = 50.0,
) -> Tensor:
    """Remove one or more bands of frequency from some of the signals, the same in all leads.

    Parameters
    ----------
    signal_BCS : Tensor, (B, C, S)
        Signals.
    fs_hz : float
        Sampling rate.
    generator : torch.Generator
        Draws which signals, how many bands, and where they lie.
    probability : float, keyword only
        Share of the signals that lose something, in [0, 1].
    max_bands : int, keyword only
        Bands removed, from one to this many with equal chances; they may overlap.
    max_width : float, keyword only
        Widest band as a share of `top_hz`; widths are uniform from zero.
    top_hz : float, keyword only
        Bands lie below this, or below half the sampling rate where that is lower.

    Returns
    -------
    Tensor, (B, C, S)
        The signals; those that lose nothing are as they were, and the mean of each lead stays.

    Notes
    -----
    * The widths are not published. These defaults remove up to two bands of at most 5 Hz below 50 Hz.
    * A band narrower than the distance of two frequencies, ``fs_hz / S``, may remove nothing.
    """
    num_signals, _, num_samples = signal_BCS.shape
    top_hz = min(top_hz, fs_hz / 2)

    def draw(*shape: int) -> Tensor:
        # Drawn where the generator is, so that a seed means the same bands on every device.
        return torch.rand(*shape, generator=generator, device=generator.device).to(signal_BCS.device)

    is_masked_B11 = (draw(num_signals) < probability)[:, None, None]
    num_bands_B = 1 + (draw(num_signals) * max_bands).long()
    width_BN = draw(num_signals, max_bands) * max_width * top_hz
    low_BN = draw(num_signals, max_bands) * (top_hz - width_BN)
    frequency_F = torch.fft.rfftfreq(num_samples, 1 / fs_hz, device=signal_BCS.device)
    # Bands begin at or above zero and are open there, so none holds the mean.
    is_in_BNF = (frequency_F > low_BN[..., None]) & (frequency_F < (low_BN + width_BN)[..., None])
    is_used_BN = torch.arange(max_bands, device=signal_BCS.device) < num_bands_B[:, None]
    is_removed_BF = (is_in_BNF & is_used_BN[..., None]).any(1)
    spectrum_BCF = torch.fft.rfft(signal_BCS).masked_fill(is_removed_BF[:, None], 0)
    return torch.where(is_masked_B11, torch.fft.irfft(spectrum_BCF, num_samples), signal_BCS)
