"""What some networks read besides the signal, made from the same segments and fitted to training segments alone.

Shape suffixes: B batch, C leads, S samples, F kernel features, P components, R figures of a rhythm, E embedding.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ecgfeat.arena.chronos import embed, load_encoder, tiny_encoder
from ecgfeat.arena.kernels import KERNEL_SEED, Pca, draw_kernels, fit_pca, project, transform
from ecgfeat.arena.rhythm_vector import NUM_RHYTHM, Standardisation, describe_rhythm, fit_standardisation, standardise

RANDOM_CHECKPOINT = "random"
"""Asks for a tiny Chronos-2 with random weights: it exercises the code and knows nothing of time series."""


class RhythmSide(nn.Module):
    """A rhythm vector beside the signal: the side channel that RhythmResNet1D was tried with.

    Parameters
    ----------
    fs_hz : float
        Rate of the segments.
    """

    # Fitted, saved with the weights, not trained.
    mean: Tensor
    scale: Tensor

    def __init__(self, fs_hz: float) -> None:
        super().__init__()
        self.fs_hz = fs_hz
        self.register_buffer("mean", torch.zeros(NUM_RHYTHM))
        self.register_buffer("scale", torch.ones(NUM_RHYTHM))

    def fit(self, parts: Iterable[Tensor]) -> None:
        """Find mean and deviation of the rhythm vector of training segments.

        Parameters
        ----------
        parts : iterable of Tensor, (B, C, S) float32
            Z-scored training segments, a few at a time.
        """
        self.fit_vectors(np.concatenate([describe_rhythm(part.cpu(), self.fs_hz) for part in parts]))

    def fit_vectors(self, rhythm_BR: NDArray[np.float32]) -> None:
        """Find mean and deviation of rhythm vectors, (B, 36) float32, as `describe_rhythm` gives them."""
        fitted = fit_standardisation(rhythm_BR)
        self.mean.copy_(fitted.mean)
        self.scale.copy_(fitted.scale)

    def forward(self, signal_BCS: Tensor) -> tuple[Tensor]:
        """Describe segments.

        Parameters
        ----------
        signal_BCS : Tensor, (B, C, S) float32
            Z-scored segments.

        Returns
        -------
        tuple of one Tensor, (B, 36) float32
            Rhythm vector in standard deviations of the training segments.
        """
        scale = Standardisation(self.mean.cpu(), self.scale.cpu())
        return (standardise(describe_rhythm(signal_BCS.cpu(), self.fs_hz), scale).to(signal_BCS.device),)


class KernelAndRhythm(nn.Module):
    """The two side inputs of ECG-RAMBA: random-kernel features on their principal components, and a rhythm vector.

    Parameters
    ----------
    num_leads, num_samples : int
        C and S.
    num_kernels : int
        Random kernels of each dilation; 1000 as published.
    num_components : int
        P, principal components that are kept; 3072 as published.
    fs_hz : float
        Rate of the segments.
    rocket, hrv : bool
        Which of the two are made: an ablation does not pay for what it does without.
    seed : int
        Of the kernels and of the randomised decomposition.
    """

    # These three are buffers: fitted, saved with the weights, not trained.
    mean: Tensor
    components: Tensor
    variance: Tensor

    def __init__(
        self,
        *,
        num_leads: int,
        num_samples: int,
        num_kernels: int,
        num_components: int,
        fs_hz: float,
        rocket: bool,
        hrv: bool,
        seed: int = KERNEL_SEED,
    ) -> None:
        super().__init__()
        self.kernels = draw_kernels(num_leads, num_samples, kernels_per_dilation=num_kernels, seed=seed)
        self.num_components, self.seed, self.rocket = num_components, seed, rocket
        self.register_buffer("mean", torch.zeros(self.kernels.num_features))
        self.register_buffer("components", torch.zeros(num_components, self.kernels.num_features))
        self.register_buffer("variance", torch.zeros(num_components))
        self.rhythm = RhythmSide(fs_hz) if hrv else None

    def fit(self, parts: Iterable[Tensor]) -> None:
        """Find the principal components, and mean and deviation of the rhythm vector, of training segments.

        Parameters
        ----------
        parts : iterable of Tensor, (B, C, S) float32
            Z-scored training segments, a few at a time, on the device that computes.
        """
        features, rhythms = [], []
        for part in parts:
            if self.rocket:
                features.append(transform(part, self.kernels))
            if self.rhythm is not None:
                rhythms.append(describe_rhythm(part.cpu(), self.rhythm.fs_hz))
        if self.rocket:
            pca = fit_pca(torch.cat(features), self.num_components, self.seed)
            self.mean.copy_(pca.mean)
            self.components.copy_(pca.components)
            self.variance.copy_(pca.variance)
        if self.rhythm is not None:
            self.rhythm.fit_vectors(np.concatenate(rhythms))

    def forward(self, signal_BCS: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """Describe segments.

        Parameters
        ----------
        signal_BCS : Tensor, (B, C, S) float32
            Z-scored segments.

        Returns
        -------
        kernel_BP : Tensor, (B, P) float32, or None
            Random-kernel features on the principal components.
        rhythm_BR : Tensor, (B, 36) float32, or None
            Rhythm vector in standard deviations of the training segments.
        """
        kernel_BP = rhythm_BR = None
        if self.rocket:
            pca = Pca(self.mean, self.components, self.variance)
            kernel_BP = project(transform(signal_BCS, self.kernels), pca)
        if self.rhythm is not None:
            (rhythm_BR,) = self.rhythm(signal_BCS)
        return kernel_BP, rhythm_BR


class FrozenEmbedding(nn.Module):
    """The only input of Chronos-2 with an MLP: what a frozen forecasting model makes of a segment.

    Parameters
    ----------
    checkpoint : str
        Name on the hub, a folder, or ``random``.
    device : torch.device or str
        Where it runs.

    Raises
    ------
    UsageError
        If the checkpoint is neither in the user's cache nor to be had.

    Notes
    -----
    * The encoder is no part of the state: it is not ours to copy, and it does not change.
    """

    def __init__(self, checkpoint: str, device: torch.device | str = "cpu") -> None:
        super().__init__()
        # In a list, so that torch neither registers its weights nor copies them.
        self._encoder: list[Any] = [
            tiny_encoder(0) if checkpoint == RANDOM_CHECKPOINT else load_encoder(checkpoint, device)
        ]

    @property
    def num_features(self) -> int:
        """E, length of an embedding."""
        return int(self._encoder[0].model.config.d_model)

    def fit(self, parts: Iterable[Tensor]) -> None:
        """Learn nothing: the encoder is frozen.

        Parameters
        ----------
        parts : iterable of Tensor
            Not read.
        """

    def forward(self, signal_BCS: Tensor) -> tuple[Tensor]:
        """Embed segments.

        Parameters
        ----------
        signal_BCS : Tensor, (B, C, S) float32
            Z-scored segments.

        Returns
        -------
        tuple of one Tensor, (B, E) float32
            Embeddings.
        """
        return (embed(self._encoder[0], signal_BCS).to(signal_BCS.device),)


SideInputs = KernelAndRhythm | RhythmSide | FrozenEmbedding


class SideMaker(Protocol):
    """Makes the side inputs of a system from its settings; None where the settings go without."""

    def __call__(
        self, settings: Mapping[str, Any], *, num_leads: int, num_samples: int, device: torch.device | str
    ) -> tuple[SideInputs | None, dict[str, int]]:
        """Make them.

        Parameters
        ----------
        settings : mapping
            Section of params of the system.
        num_leads, num_samples : int
            C and S of its segments.
        device : torch.device or str
            Where a frozen encoder runs.

        Returns
        -------
        side : nn.Module or None
            ``side(signal_BCS)`` gives what the network takes behind the signal.
        widths : dict of str to int
            Keywords of the network that say how wide these inputs are.
        """
        ...


def make_kernels_and_rhythm(
    settings: Mapping[str, Any], *, num_leads: int, num_samples: int, device: torch.device | str
) -> tuple[SideInputs, dict[str, int]]:
    """Make those of ECG-RAMBA, see `SideMaker`."""
    side = KernelAndRhythm(
        num_leads=num_leads,
        num_samples=num_samples,
        num_kernels=settings["num_kernels"],
        num_components=settings["num_components"],
        fs_hz=float(settings["fs_hz"]),
        rocket=settings["rocket"],
        hrv=settings["hrv"],
    )
    return side, {"num_features": settings["num_components"]}


def make_optional_rhythm(
    settings: Mapping[str, Any], *, num_leads: int, num_samples: int, device: torch.device | str
) -> tuple[SideInputs | None, dict[str, int]]:
    """Make a rhythm vector where ``hrv`` is set, see `SideMaker`."""
    return (RhythmSide(float(settings["fs_hz"])), {"num_side": NUM_RHYTHM}) if settings["hrv"] else (None, {})


def make_embedding(
    settings: Mapping[str, Any], *, num_leads: int, num_samples: int, device: torch.device | str
) -> tuple[SideInputs, dict[str, int]]:
    """Make the embedding of the frozen encoder ``checkpoint``, see `SideMaker`."""
    side = FrozenEmbedding(settings["checkpoint"], device=device)
    return side, {"embedding": side.num_features}
