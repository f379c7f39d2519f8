"""The parts of ECG-RAMBA: lead attention, tokenizer, perceiver, fusion and the two-way Mamba block.

Shape suffixes: B batch, C leads, S samples, L tokens, N latents, D width.

References
----------
Jaegle et al., "Perceiver", ICML 2021; Liu et al., "A ConvNet for the 2020s", CVPR 2022; Dao and Gu, "Transformers are
SSMs", ICML 2024.
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool1d, silu

from ecgfeat.models.mamba2 import Mamba2

_LEAD_KERNEL, _LEAD_STRIDE = 50, 25
_LEAD_POOLS = (16, 4)
# (kernel, stride) of the two convolutions of a branch, from fine to coarse.
_BRANCHES = (((3, 2), (3, 2)), ((7, 4), (5, 2)), ((15, 8), (7, 2)))
_PLAIN_KERNEL, _PLAIN_STRIDE = 15, 4


class Attention(nn.MultiheadAttention):
    """Multi-head attention that returns what was read and not the weights."""

    def __init__(self, width: int, num_heads: int, dropout: float = 0.0) -> None:
        super().__init__(width, num_heads, dropout, batch_first=True)

    def forward(self, query_BLD: Tensor, source_BLD: Tensor) -> Tensor:  # type: ignore[override]
        """Let each query read from the source.

        Parameters
        ----------
        query_BLD, source_BLD : Tensor, (B, L, D)
            Tokens; the two may differ in number.

        Returns
        -------
        Tensor, (B, L, D)
            One row per query.
        """
        return super().forward(query_BLD, source_BLD, source_BLD, need_weights=False)[0]


class LeadAttention(nn.Module):
    """Weigh the leads against each other: every lead is multiplied by one number in (0, 1).

    Parameters
    ----------
    num_leads : int
        Leads; each has a learned description.
    lead_width : int
        Width of a lead's description; a multiple of 8 and of `num_heads`.
    num_heads : int
        Heads of the attention across leads.
    """

    def __init__(self, num_leads: int, lead_width: int, num_heads: int) -> None:
        super().__init__()
        self.first = nn.Conv1d(1, lead_width // 8, _LEAD_KERNEL, _LEAD_STRIDE)
        self.second = nn.Conv1d(lead_width // 8, lead_width // _LEAD_POOLS[1], 3, padding=1)
        # As large as a description: there is no shortcut, so leads differ only by where their queries attend.
        self.lead_CD = nn.Parameter(torch.randn(num_leads, lead_width))
        self.attention = Attention(lead_width, num_heads)
        self.weight = nn.Linear(lead_width, 1)
        self.activation = nn.GELU()

    def forward(self, signal_BCS: Tensor) -> Tensor:
        """Return the weighted leads.

        Parameters
        ----------
        signal_BCS : Tensor, (B, C, S)
            Signal of at least 50 samples.

        Returns
        -------
        Tensor, (B, C, S)
            The same leads, each smaller by its own factor.
        """
        x_NDL = self.activation(self.first(signal_BCS.flatten(0, 1)[:, None]))
        x_NDL = self.activation(self.second(adaptive_avg_pool1d(x_NDL, _LEAD_POOLS[0])))
        x_ND = adaptive_avg_pool1d(x_NDL, _LEAD_POOLS[1]).flatten(1)
        x_BCD = x_ND.reshape(*signal_BCS.shape[:2], -1) + self.lead_CD
        return signal_BCS * torch.sigmoid(self.weight(self.attention(x_BCD, x_BCD)))


class Tokenizer(nn.Module):
    """Turn a signal into tokens at three scales at once.

    Parameters
    ----------
    num_leads : int
        Leads.
    width : int
        Width of a token, a multiple of 3.
    num_tokens : int
        Tokens, whatever the length of the signal.
    dropout : float
        Dropout probability, in [0, 1).
    """

    def __init__(self, num_leads: int, width: int, num_tokens: int, dropout: float) -> None:
        super().__init__()
        self.num_tokens = num_tokens
        self.branches = nn.ModuleList(
            nn.Sequential(
                *_convolve(num_leads, width // 3, *first),
                *_convolve(width // 3, width // 3, *second),
            )
            for first, second in _BRANCHES
        )
        self.mix = nn.Conv1d(width, width, 1)
        self.blocks = nn.Sequential(ConvNeXt(width, dropout), ConvNeXt(width, dropout))

    def forward(self, signal_BCS: Tensor) -> Tensor:
        """Return the tokens, (B, L, D), in order of time."""
        scales = [adaptive_avg_pool1d(branch(signal_BCS), self.num_tokens) for branch in self.branches]
        return cast(Tensor, self.blocks(self.mix(torch.cat(scales, 1)).transpose(1, 2)))


class PlainTokenizer(nn.Module):
    """Turn a signal into tokens by one convolution; parameters as of `Tokenizer`."""

    def __init__(self, num_leads: int, width: int, num_tokens: int) -> None:
        super().__init__()
        self.num_tokens = num_tokens
        self.layers = nn.Sequential(*_convolve(num_leads, width, _PLAIN_KERNEL, _PLAIN_STRIDE))

    def forward(self, signal_BCS: Tensor) -> Tensor:
        """Return the tokens, (B, L, D), in order of time."""
        return adaptive_avg_pool1d(self.layers(signal_BCS), self.num_tokens).transpose(1, 2)


def _convolve(channels_in: int, channels_out: int, kernel: int, stride: int) -> tuple[nn.Module, ...]:
    """Convolution, batch normalisation, GELU."""
    convolution = nn.Conv1d(channels_in, channels_out, kernel, stride, padding=kernel // 2)
    return convolution, nn.BatchNorm1d(channels_out), nn.GELU()


class ConvNeXt(nn.Module):
    """Mix tokens with their neighbours, then the channels of each, beside a shortcut.

    Parameters
    ----------
    width : int
        Width of a token.
    dropout : float
        Dropout probability, in [0, 1).

    Notes
    -----
    * Channels are normalised by their unbiased standard deviation plus 1e-5, which is not quite LayerNorm.
    """

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(width, width, 7, padding=3, groups=width)
        self.gain_D = nn.Parameter(torch.ones(width))
        self.shift_D = nn.Parameter(torch.zeros(width))
        self.channels = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width), nn.Dropout(dropout)
        )

    def forward(self, x_BLD: Tensor) -> Tensor:
        """Return tokens of the same shape."""
        near_BLD = self.depthwise(x_BLD.transpose(1, 2)).transpose(1, 2)
        variance_BL1, mean_BL1 = torch.var_mean(near_BLD, -1, keepdim=True)
        # The slope of a root is infinite at zero, where all channels of a token are equal.
        deviation_BL1 = variance_BL1.clamp_min(1e-12).sqrt() + 1e-5
        return x_BLD + self.channels((near_BLD - mean_BL1) / deviation_BL1 * self.gain_D + self.shift_D)


class Perceiver(nn.Module):
    """Let a fixed number of learned latents read a sequence of any length.

    Parameters
    ----------
    width, num_latents, num_heads : int
        Sizes.
    dropout : float
        Dropout probability of the attention weights, in [0, 1).
    norm_source : bool
        Whether what is read is normalised first.
    """

    def __init__(self, width: int, num_latents: int, num_heads: int, dropout: float, *, norm_source: bool) -> None:
        super().__init__()
        self.latent_ND = nn.Parameter(0.02 * torch.randn(num_latents, width))
        self.norm_latent = nn.LayerNorm(width)
        self.norm_source = nn.LayerNorm(width) if norm_source else nn.Identity()
        self.cross = Attention(width, num_heads, dropout)
        self.norm_self = nn.LayerNorm(width)
        self.among = Attention(width, num_heads, dropout)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, source_BLD: Tensor) -> Tensor:
        """Return the latents after reading, (B, N, D)."""
        x_BND = self.latent_ND.expand(len(source_BLD), -1, -1)
        x_BND = x_BND + self.cross(self.norm_latent(x_BND), self.norm_source(source_BLD))
        u_BND = self.norm_self(x_BND)
        x_BND = x_BND + self.among(u_BND, u_BND)
        return cast(Tensor, x_BND + self.feed_forward(x_BND))


class Fusion(nn.Module):
    """Let tokens and latents read each other, and put them in one sequence.

    Parameters
    ----------
    width, num_heads : int
        Sizes.
    dropout : float
        Dropout probability of the attention weights, in [0, 1).

    Notes
    -----
    * `gate` is never used: in the source it weighs the means of both sequences into a vector that its caller drops.
      Its 2 D² + D parameters (295,296 at width 384) are kept, so that the count is the published one; they get no
      gradient and change no result.
    """

    def __init__(self, width: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(4))
        self.to_tokens = Attention(width, num_heads, dropout)
        self.to_latents = Attention(width, num_heads, dropout)
        self.gate = nn.Linear(2 * width, width)

    def forward(self, token_BLD: Tensor, latent_BND: Tensor) -> Tensor:
        """Return both sequences behind each other, (B, L + N, D)."""
        read_BLD = self.to_tokens(self.norms[0](token_BLD), self.norms[1](latent_BND))
        read_BND = self.to_latents(self.norms[2](latent_BND), self.norms[3](token_BLD))
        return torch.cat([token_BLD + read_BLD, latent_BND + read_BND], 1)


class BiMamba(nn.Module):
    """One block of two Mamba-2 mixers, one from either end, and a gated feed-forward layer.

    Parameters
    ----------
    width : int
        Width of a token.
    dropout : float
        Dropout probability of both branches, in [0, 1).
    state, conv, expand, head : int
        Sizes of the mixers, see `Mamba2`.

    Notes
    -----
    * The dropout is an ordinary one, of single numbers; the source calls it drop path.
    """

    def __init__(self, width: int, dropout: float, *, state: int, conv: int, expand: int, head: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.forth = Mamba2(width, state=state, conv=conv, expand=expand, head=head)
        self.back = Mamba2(width, state=state, conv=conv, expand=expand, head=head)
        self.gate = nn.Linear(2 * width, width)
        self.norm_feed = nn.LayerNorm(width)
        self.feed_gate = nn.Linear(width, 4 * width)
        self.feed_in = nn.Linear(width, 4 * width)
        self.feed_out = nn.Linear(4 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x_BLD: Tensor) -> Tensor:
        """Return tokens of the same shape."""
        u_BLD = self.norm(x_BLD)
        forth_BLD, back_BLD = self.forth(u_BLD), self.back(u_BLD.flip(1)).flip(1)
        share_BLD = torch.sigmoid(self.gate(torch.cat([forth_BLD, back_BLD], -1)))
        x_BLD = x_BLD + self.dropout(share_BLD * forth_BLD + (1 - share_BLD) * back_BLD)
        u_BLD = self.norm_feed(x_BLD)
        return x_BLD + self.dropout(self.feed_out(silu(self.feed_gate(u_BLD)) * self.feed_in(u_BLD)))
