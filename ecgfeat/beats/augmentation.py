"""Vary the training input of the HTF: windows as of other electrodes, histories as a user has them.

Shapes: B batch, C leads, S samples in a window, D features.
"""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Augmentation:
    """How training windows are varied; each is drawn anew for each window.

    Parameters
    ----------
    swap_leads : float
        Probability that the order of the leads is reversed.
    shift_samples : int
        Windows move by up to this many samples either way, as detected R-peaks do.
    noise : float
        Standard deviation of white noise, in units of the lead's own.
    """

    swap_leads: float
    shift_samples: int
    noise: float

    def __call__(self, window_BCS: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Vary normalised windows.

        Parameters
        ----------
        window_BCS : torch.Tensor
            (B, C, S) float32 on the CPU.
        generator : torch.Generator
            Draws.

        Returns
        -------
        torch.Tensor
            The same shape.
        """
        num, leads, samples = window_BCS.shape

        def happens(probability: float, *shape: int) -> torch.Tensor:
            return torch.rand(*shape, generator=generator) < probability

        if self.swap_leads:
            window_BCS = torch.where(happens(self.swap_leads, num, 1, 1), window_BCS.flip(1), window_BCS)
        if self.shift_samples:
            reach = self.shift_samples
            shift = torch.randint(-reach, reach + 1, (num, 1, 1), generator=generator)
            source = (torch.arange(samples) + shift).expand(num, leads, samples)
            inside = (source >= 0) & (source < samples)
            window_BCS = window_BCS.gather(2, source.clamp(0, samples - 1)) * inside
        if self.noise:
            window_BCS = window_BCS + self.noise * torch.randn(window_BCS.shape, generator=generator)
        return window_BCS


def corrupt_labels(label_BD: torch.Tensor, *, noise: float, dropout: float, generator: torch.Generator) -> torch.Tensor:
    """Make histories as unreliable as those of a user.

    Parameters
    ----------
    label_BD : torch.Tensor
        (B, D) float32 on the CPU: the one-hot labels of each history.
    noise : float
        Probability, for each history, of getting the labels of another history of the batch. Predicted labels are
        wrong in runs (one false S makes the next beat look like S), and a batch of ectopic beats has many runs.
    dropout : float
        Probability, for each history, of losing all its labels.
    generator : torch.Generator
        Draws.

    Returns
    -------
    torch.Tensor
        The same shape.
    """
    num = len(label_BD)
    other = torch.randperm(num, generator=generator)
    exchanged = torch.rand(num, 1, generator=generator) < noise
    kept = torch.rand(num, 1, generator=generator) >= dropout
    return torch.where(exchanged, label_BD[other], label_BD) * kept
