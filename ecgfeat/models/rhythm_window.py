"""Rhythm of a segment: a small Transformer over the beats in it.

Shape suffixes: B batch, L beats in a segment, N valid beats of the whole batch, D features, H heads, K classes.

References
----------
Vaswani et al., "Attention Is All You Need", NeurIPS 2017; the pre-norm order of Xiong et al., ICML 2020.
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention


class RhythmWindow(nn.Module):
    """Name the rhythm of a segment from one feature vector per beat.

    Parameters
    ----------
    num_features : int
        Features per beat; 577 are 512 of the beat, 64 of its history and the RR interval.
    num_classes : int
        Number of rhythms.
    width : int
        Width of a beat's token; its feed-forward layer is four times as wide.
    num_blocks, num_heads : int
        Size of the Transformer.
    max_beats : int
        Rows of the table of learned positions: the most beats a segment may hold.
    dropout : float
        Dropout probability, in [0, 1).

    Notes
    -----
    * Layers that treat each beat alone run on the valid beats only, without padding; only the attention is padded.
      So padding costs little, and what it contains cannot change a result.
    * The count for 577 features and 6 classes is 892,806.
    """

    def __init__(
        self,
        num_features: int = 577,
        num_classes: int = 6,
        width: int = 128,
        num_blocks: int = 4,
        num_heads: int = 4,
        max_beats: int = 64,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.project = nn.Linear(num_features, width)
        self.position_LD = nn.Parameter(torch.empty(max_beats, width))
        nn.init.trunc_normal_(self.position_LD, std=0.02)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(WindowBlock(width, num_heads, dropout) for _ in range(num_blocks))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Sequential(
            nn.Linear(width, width), nn.GELU(), nn.Dropout(dropout), nn.Linear(width, num_classes)
        )

    def forward(self, feature_BLD: Tensor, valid_BL: Tensor) -> Tensor:
        """Return the logits of each segment.

        Parameters
        ----------
        feature_BLD : Tensor, (B, L, D) float32
            One row per beat, in order of time.
        valid_BL : Tensor, (B, L) bool
            False where a row is padding. Every segment has at least one valid beat.

        Returns
        -------
        Tensor, (B, K) float32
            Logits.

        Raises
        ------
        ValueError
            If segments hold more beats than the table of positions has rows.
        """
        if feature_BLD.shape[1] > len(self.position_LD):
            raise ValueError(
                f"segments of {feature_BLD.shape[1]} beats; this model has positions for {len(self.position_LD)}"
            )
        num_beats_B1 = valid_BL.sum(1, keepdim=True)
        # The place of a beat among the valid ones of its segment, so that padding may stand anywhere.
        place_N = (valid_BL.cumsum(1) - 1)[valid_BL]
        x_ND = self.dropout(self.project(feature_BLD[valid_BL]) + self.position_LD[place_N])
        for block in self.blocks:
            x_ND = block(x_ND, valid_BL)
        x_ND = self.norm(x_ND)
        sum_BD = to_windows(x_ND, valid_BL).sum(1)
        return cast(Tensor, self.head(sum_BD / num_beats_B1))

    def replace_head(self, num_classes: int, *, generator: torch.Generator) -> None:
        """Put a new last layer in place of the present one; everything else keeps its weights.

        Parameters
        ----------
        num_classes : int
            Rhythms of the new layer.
        generator : torch.Generator
            Draws the new weights as `torch.nn.Linear` does, uniform within 1 / sqrt(width).
        """
        old = cast(nn.Linear, self.head[-1])
        new = nn.Linear(old.in_features, num_classes, device="meta").to_empty(device=old.weight.device)
        bound = old.in_features**-0.5
        with torch.no_grad():
            for parameter in (new.weight, new.bias):
                drawn = torch.empty(parameter.shape).uniform_(-bound, bound, generator=generator)
                parameter.copy_(drawn)
        self.head[-1] = new


class WindowBlock(nn.Module):
    """One pre-norm Transformer block over the valid beats of a batch of segments.

    Parameters
    ----------
    width, num_heads : int
        Width of a token, and the heads it is divided among.
    dropout : float
        Dropout probability of attention weights and of the feed-forward branch.
    """

    def __init__(self, width: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        assert width % num_heads == 0, "heads must divide the width"
        self.num_heads = num_heads
        self.dropout = dropout
        self.attention_norm = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.attention_out = nn.Linear(width, width)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, 4 * width),
            nn.GELU(),
            nn.Linear(4 * width, width),
            nn.Dropout(dropout),
        )

    def forward(self, x_ND: Tensor, valid_BL: Tensor) -> Tensor:
        """Let the beats of each segment see each other.

        Parameters
        ----------
        x_ND : Tensor, (N, D) float32
            Tokens of the valid beats, segment after segment.
        valid_BL : Tensor, (B, L) bool
            Which places of the segments they stand in; N of them are true.

        Returns
        -------
        Tensor, (N, D) float32
            The tokens after the block.
        """
        (num_windows, num_beats), (num_valid, width) = valid_BL.shape, x_ND.shape
        qkv_BLD = to_windows(self.query_key_value(self.attention_norm(x_ND)), valid_BL)
        query, key, value = (
            qkv_BLD.view(num_windows, num_beats, 3, self.num_heads, width // self.num_heads)
            .permute(2, 0, 3, 1, 4)
            .unbind(0)
        )
        seen_BHLD = scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=valid_BL[:, None, None, :],
            dropout_p=self.dropout if self.training else 0.0,
        )
        seen_ND = seen_BHLD.transpose(1, 2)[valid_BL].view(num_valid, width)
        x_ND = x_ND + self.attention_out(seen_ND)
        return cast(Tensor, x_ND + self.feed_forward(x_ND))


def to_windows(x_ND: Tensor, valid_BL: Tensor) -> Tensor:
    """Spread the rows of valid beats over their segments; padding is zero.

    Parameters
    ----------
    x_ND : Tensor, (N, D)
        One row per valid beat, segment after segment.
    valid_BL : Tensor, (B, L) bool
        The places they belong to.

    Returns
    -------
    Tensor, (B, L, D)
        The same rows, padded.
    """
    x_BLD = x_ND.new_zeros(*valid_BL.shape, x_ND.shape[1])
    x_BLD[valid_BL] = x_ND
    return x_BLD
