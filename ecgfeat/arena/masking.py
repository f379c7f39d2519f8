"""Pretraining of an encoder on signal without labels: hide patches, rebuild them from what surrounds them.

Shape suffixes: B batch, C leads, S samples, P patches, D channels.

References
----------
He et al., "Masked Autoencoders Are Scalable Vision Learners", CVPR 2022, arXiv:2111.06377.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import cast

import torch
from torch import Tensor, nn

from ecgfeat.training import Batch, fit

MASKED_SHARE = 0.5
"""Share of the patches that are hidden."""


def draw_masks(num: int, num_patches: int, generator: torch.Generator, *, share: float = MASKED_SHARE) -> Tensor:
    """Choose which patches of each segment are hidden.

    Parameters
    ----------
    num, num_patches : int
        B and P.
    generator : torch.Generator
        On the CPU.
    share : float
        Share of the patches, in (0, 1); at least one is hidden.

    Returns
    -------
    Tensor, (B, P) bool
        True where hidden; as many in every segment.
    """
    rank_BP = torch.rand(num, num_patches, generator=generator).argsort(1).argsort(1)
    return rank_BP < max(1, round(share * num_patches))


class MaskedAutoencoder(nn.Module):
    """An encoder that reads a signal with holes, and one linear layer that draws a patch from each of its steps.

    Parameters
    ----------
    encoder : nn.Module
        ``encoder(signal_BCS)`` gives ``(B, channels, steps)``.
    channels : int
        D.
    patch : int
        Samples of a patch: the stride of the encoder, one step per patch.
    num_leads : int
        C.

    Notes
    -----
    * A patch is hidden in all leads: they are so alike that a visible lead would give away the hidden ones.
    * Hidden samples are 0, the mean of a z-scored segment. A convolution cannot leave them out as the attention of the
      source leaves out its hidden patches.
    """

    def __init__(self, encoder: nn.Module, *, channels: int, patch: int, num_leads: int) -> None:
        super().__init__()
        self.encoder, self.patch, self.num_leads = encoder, patch, num_leads
        self.decoder = nn.Conv1d(channels, num_leads * patch, 1)

    def forward(self, signal_BCS: Tensor, is_hidden_BP: Tensor) -> Tensor:
        """Rebuild segments.

        Parameters
        ----------
        signal_BCS : Tensor, (B, C, S) float32
            Z-scored segments of whole patches.
        is_hidden_BP : Tensor, (B, P) bool
            True where the signal is hidden from the encoder.

        Returns
        -------
        Tensor, (B, C, S) float32
            The whole signal, hidden or not.
        """
        batch, leads, samples = signal_BCS.shape
        assert samples == is_hidden_BP.shape[1] * self.patch, "segments of whole patches"
        is_hidden_B1S = is_hidden_BP.repeat_interleave(self.patch, dim=1)[:, None]
        step_BDP = self.encoder(signal_BCS.masked_fill(is_hidden_B1S, 0.0))
        patch_BCSP = self.decoder(step_BDP).reshape(batch, leads, self.patch, is_hidden_BP.shape[1])
        return cast(Tensor, patch_BCSP.transpose(2, 3).reshape(batch, leads, samples))

    def loss(self, signal_BCS: Tensor, is_hidden_BP: Tensor) -> Tensor:
        """Return the mean squared error of the hidden samples alone, ().

        Parameters
        ----------
        signal_BCS, is_hidden_BP
            As `forward` takes them.

        Returns
        -------
        Tensor, () float32
            In variances of a segment: about 1 for a flat line.
        """
        is_hidden_B1S = is_hidden_BP.repeat_interleave(self.patch, dim=1)[:, None]
        error_BCS = (self(signal_BCS, is_hidden_BP) - signal_BCS) ** 2
        return error_BCS[is_hidden_B1S.expand_as(error_BCS)].mean()


def pretrain(
    model: MaskedAutoencoder,
    batches: Callable[[int], Iterable[Tensor]],
    *,
    epochs: int,
    lr: float,
    weight_decay: float,
    seed: int,
    device: torch.device | str = "cpu",
    on_batch: Callable[[int, int], None] | None = None,
) -> list[dict[str, float]]:
    """Train encoder and decoder in place; the weights of the last epoch are kept.

    Parameters
    ----------
    model : MaskedAutoencoder
        The encoder is the one that is trained on afterwards.
    batches : callable
        ``batches(epoch)`` yields segments ``signal_BCS``; what goes beyond whole patches is cut off.
    epochs, lr, weight_decay, seed, device, on_batch
        As `ecgfeat.training.fit` takes them. The seed draws the masks too.

    Returns
    -------
    list of dict
        One row per epoch: ``epoch, lr, train_loss``.
    """

    def masked(epoch: int) -> Iterator[Batch]:
        generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
        for signal_BCS in batches(epoch):
            num_patches = signal_BCS.shape[2] // model.patch
            is_hidden_BP = draw_masks(len(signal_BCS), num_patches, generator)
            yield (signal_BCS[:, :, : num_patches * model.patch], is_hidden_BP), is_hidden_BP

    return fit(
        model,
        batches=masked,
        loss=lambda rebuilt, _: rebuilt.mean(),
        objective=lambda net, inputs, _: cast(MaskedAutoencoder, net).loss(*inputs),
        validate=lambda _: {},
        monitor="epoch",
        epochs=epochs,
        lr=lr,
        weight_decay=weight_decay,
        seed=seed,
        device=device,
        on_batch=on_batch,
    )
