"""Vary what the HTF is trained on: windows as other electrodes would give them, histories as a user has them.

Shapes: B batch, C leads, S samples in a window, D features.
"""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Augmentation:
    """How training windows are varied; each is drawn anew for each window.

    Parameters
    ----------
    swap_leads : float, default 0.0
        Probability that the order of the leads is reversed.
    flip_polarity : float, default 0.0
        Probability, for each lead on its own, of a change of sign.
    drop_lead : float, default 0.0
        Probability that one lead, drawn at random, becomes zero.
    shift_samples : int, default 0
        Windows move by up to this many samples either way, as detected R-peaks do.
    noise : float, default 0.0
        Standard deviation of white noise, in units of the lead's own.
    """

    swap_leads: float = 0.0
    flip_polarity: float = 0.0
    drop_lead: float = 0.0
    shift_samples: int = 0
    noise: float = 0.0

    def __call__(self, window_BCS: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Vary normalised windows.

        Parameters
        ----------
        window_BCS : torch.Tensor
            (B, C, S) float32 on the CPU.
        generator : torch.Generator
            What is drawn from.

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
        if self.flip_polarity:
            window_BCS = torch.where(happens(self.flip_polarity, num, leads, 1), -window_BCS, window_BCS)
        if self.shift_samples:
            reach = self.shift_samples
            shift = torch.randint(-reach, reach + 1, (num, 1, 1), generator=generator)
            source = (torch.arange(samples) + shift).expand(num, leads, samples)
            inside = (source >= 0) & (source < samples)
            window_BCS = window_BCS.gather(2, source.clamp(0, samples - 1)) * inside
        if self.noise:
            window_BCS = window_BCS + self.noise * torch.randn(window_BCS.shape, generator=generator)
        if self.drop_lead:
            lead = torch.randint(leads, (num, 1, 1), generator=generator)
            dropped = happens(self.drop_lead, num, 1, 1) & (torch.arange(leads)[:, None] == lead)
            window_BCS = window_BCS.masked_fill(dropped, 0.0)
        return window_BCS


def spoil_labels(
    label_BD: torch.Tensor,
    num_classes: int,
    *,
    noise: float,
    dropout: float,
    generator: torch.Generator,
) -> torch.Tensor:
    """Make histories as unreliable as those a user has.

    Parameters
    ----------
    label_BD : torch.Tensor
        (B, beats * num_classes) float32 on the CPU: one-hot labels, zeros where unknown.
    num_classes : int
        Width of each one-hot label.
    noise : float
        Probability, for each known label, of being replaced by a class drawn at random.
    dropout : float
        Probability, for each history, of losing all its labels.
    generator : torch.Generator
        What is drawn from.

    Returns
    -------
    torch.Tensor
        The same shape; an unknown label stays unknown.
    """
    one_hot = label_BD.view(len(label_BD), -1, num_classes)
    known = one_hot.sum(dim=-1) > 0
    wrong = known & (torch.rand(known.shape, generator=generator) < noise)
    drawn = torch.eye(num_classes)[torch.randint(num_classes, known.shape, generator=generator)]
    kept = torch.rand(len(label_BD), 1, generator=generator) >= dropout
    return torch.where(wrong[..., None], drawn, one_hot).flatten(1) * kept
