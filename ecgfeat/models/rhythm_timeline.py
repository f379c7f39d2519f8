"""Rhythm of every beat: a Transformer over long chunks of beats that knows only how far apart two beats are.

Shape suffixes: B batch, L beats in a chunk, S query and key, H heads, D features, K classes.

References
----------
Vaswani et al., "Attention Is All You Need", NeurIPS 2017; the pre-norm order of Xiong et al., ICML 2020.
Su et al., "RoFormer: Enhanced Transformer with Rotary Position Embedding", Neurocomputing 568, 2024.
"""

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import Function
from torch.nn.functional import scaled_dot_product_attention

from ecgfeat.dropout import Dropout, dropout

LONGEST_TURN_BEATS = 100.0
"""No rotation takes longer than this for one radian: chunks are a few hundred beats long."""


class RhythmTimeline(nn.Module):
    """Name the rhythm of each beat of a chunk from one feature vector per beat.

    Parameters
    ----------
    num_features : int
        Features per beat.
    num_classes : int
        Number of rhythms.
    width : int
        Width of a beat's token; its feed-forward layer is four times as wide.
    num_blocks, num_heads : int
        Size of the Transformer; heads have an even width.
    dropout : float
        Dropout probability, in [0, 1).

    Notes
    -----
    * Positions enter only as differences: moving a chunk along a record changes nothing but what it can see.
    * A chunk of any length may be given. Which beats of it are far enough from its ends to be believed is for the
      caller to say: see `ecgfeat.rhythm.timeline`.
    """

    def __init__(
        self,
        num_features: int = 35,
        num_classes: int = 6,
        width: int = 64,
        num_blocks: int = 3,
        num_heads: int = 4,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.head_width = width // num_heads
        assert num_heads * self.head_width == width, "heads must divide the width"
        assert self.head_width % 2 == 0, "features are turned in pairs"
        self.num_classes = num_classes
        self.dropout = dropout
        self.project = nn.Linear(num_features, width)
        self.blocks = nn.ModuleList(TimelineBlock(width, num_heads, dropout) for _ in range(num_blocks))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, num_classes)

    def forward(self, feature_BLD: Tensor, valid_BL: Tensor) -> Tensor:
        """Return the logits of each beat.

        Parameters
        ----------
        feature_BLD : Tensor, (B, L, D) float32
            One row per beat, in order of time.
        valid_BL : Tensor, (B, L) bool
            False where a chunk reaches beyond its record. Every chunk has at least one valid beat.

        Returns
        -------
        Tensor, (B, L, K) float32
            Logits; those of invalid places mean nothing.
        """
        turn_LD = rotations(feature_BLD.shape[1], self.head_width, feature_BLD.device)
        # Without a mask the attention takes a faster path; only the chunks at the ends of a record need one.
        seen_BHLL = None if bool(valid_BL.all()) else valid_BL[:, None, None, :]
        return self.attend(feature_BLD, turn_LD, seen_BHLL)

    def attend(self, feature_BLD: Tensor, turn_LD: Tensor, seen_BHLL: Tensor | None) -> Tensor:
        """Return the logits of each beat by rotations and mask, which `forward` makes.

        Parameters
        ----------
        feature_BLD : Tensor, (B, L, D) float32
            One row per beat, in order of time.
        turn_LD, seen_BHLL
            As `TimelineBlock.forward` takes them.

        Returns
        -------
        Tensor, (B, L, K) float32
            Logits.
        """
        x_BLD = dropout(self.project(feature_BLD), self.dropout, self.training)
        for block in self.blocks:
            x_BLD = block(x_BLD, turn_LD, seen_BHLL)
        return cast(Tensor, self.head(self.norm(x_BLD)))

    def name_middle(self, token_BLD: Tensor, middle: slice) -> Tensor:
        """Return the logits of the beats in the middle of chunks, in evaluation mode.

        Parameters
        ----------
        token_BLD : Tensor, (B, L, D) float32
            Of ``project``, which is the same in every chunk that a beat lies in. All places are beats.
        middle : slice
            Which places are wanted: the last block computes no others.

        Returns
        -------
        Tensor, (B, length of the slice, K) float32
            As `forward` returns them, but for rounding.
        """
        turn_LD = rotations(token_BLD.shape[1], self.head_width, token_BLD.device)
        for place, block in enumerate(self.blocks, start=1):
            token_BLD = block(token_BLD, turn_LD, None, middle if place == len(self.blocks) else slice(None))
        return cast(Tensor, self.head(self.norm(token_BLD)))


class TimelineBlock(nn.Module):
    """One pre-norm Transformer block with rotary positions.

    Parameters
    ----------
    width, num_heads : int
        Width of a token, and the heads it is divided among.
    dropout : float
        Dropout probability of both branches.
    """

    def __init__(self, width: int, num_heads: int, dropout: float) -> None:
        super().__init__()
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
            Dropout(dropout),
        )

    def forward(self, x_BLD: Tensor, turn_LD: Tensor, seen_BHLL: Tensor | None, wanted: slice = slice(None)) -> Tensor:
        """Let the beats of each chunk see each other.

        Parameters
        ----------
        x_BLD : Tensor, (B, L, D) float32
            Tokens.
        turn_LD : Tensor, (L, D / H / 2) complex64, or (L, D / H / 2, 2) float32
            Of `rotations`, or their real and imaginary parts.
        seen_BHLL : Tensor, broadcastable to (B, H, L, L) bool, or None
            Which beats may be looked at; None: all.
        wanted : slice
            Places whose tokens are computed; all are looked at.

        Returns
        -------
        Tensor, (B, L, D) float32
            The tokens after the block; only those wanted.
        """
        num_chunks, num_beats, width = x_BLD.shape
        # Query, key and value of each head: the second index.
        qkv_BLSHD = self.query_key_value(self.attention_norm(x_BLD)).view(
            num_chunks, num_beats, 3, self.num_heads, width // self.num_heads
        )
        if self.training:
            query, key, value = _Turned.apply(qkv_BLSHD, turn_LD)  # type: ignore[no-untyped-call]
        else:
            query, key = rotate(qkv_BLSHD[:, :, :2], turn_LD).permute(2, 0, 3, 1, 4).unbind(0)
            value = qkv_BLSHD[:, :, 2].transpose(1, 2)
        if wanted != slice(None):
            x_BLD, query = x_BLD[:, wanted], query[:, :, wanted]
        gathered_BHLD = scaled_dot_product_attention(query, key, value, attn_mask=seen_BHLL)
        gathered_BLD = gathered_BHLD.transpose(1, 2).reshape(x_BLD.shape)
        x_BLD = x_BLD + dropout(self.attention_out(gathered_BLD), self.dropout, self.training)
        return cast(Tensor, x_BLD + self.feed_forward(x_BLD))


class _Turned(Function):
    """Query and key turned, and value, (B, H, L, D) each: their gradients go into one array without additions."""

    @staticmethod
    def forward(ctx: Any, qkv_BLSHD: Tensor, turn_LD: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        ctx.save_for_backward(turn_LD)
        query, key = rotate(qkv_BLSHD[:, :, :2], turn_LD).permute(2, 0, 3, 1, 4).unbind(0)
        return query, key, qkv_BLSHD[:, :, 2].transpose(1, 2)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (turn_LD,) = ctx.saved_tensors
        qkv_BLSHD = torch.stack([gradient.transpose(1, 2) for gradient in gradients], dim=2)
        turned = qkv_BLSHD[:, :, :2]
        torch.view_as_complex(turned.view(*turned.shape[:-1], -1, 2)).mul_(turn_LD.conj()[:, None, None, :])
        return qkv_BLSHD, None


def rotations(num_beats: int, head_width: int, device: torch.device) -> Tensor:
    """Return by how much each pair of features is turned at each place.

    Parameters
    ----------
    num_beats : int
        L.
    head_width : int
        Even width of a head.
    device : torch.device
        Where to make them.

    Returns
    -------
    Tensor, (L, head_width / 2) complex64
        Numbers of modulus 1.
    """
    pair = torch.arange(head_width // 2, device=device, dtype=torch.float32)
    turn_per_beat_D = LONGEST_TURN_BEATS ** (-2.0 * pair / head_width)
    angle_LD = torch.arange(num_beats, device=device, dtype=torch.float32)[:, None] * turn_per_beat_D
    return torch.polar(torch.ones_like(angle_LD), angle_LD)


def rotate(x_BLSHD: Tensor, turn_LD: Tensor) -> Tensor:
    """Turn queries and keys by their place, so that their product knows only the distance of two places.

    Parameters
    ----------
    x_BLSHD : Tensor, (B, L, S, H, D)
        Queries and keys (S = 2); features 2 d and 2 d + 1 make a pair, a complex number.
    turn_LD : Tensor, (L, D / 2) complex, or (L, D / 2, 2)
        Of `rotations`, or their real and imaginary parts: ONNX has no complex numbers.

    Returns
    -------
    Tensor, (B, L, S, H, D)
        The turned ones.
    """
    pair = x_BLSHD.view(*x_BLSHD.shape[:-1], -1, 2)
    if turn_LD.is_complex():
        return torch.view_as_real(torch.view_as_complex(pair) * turn_LD[:, None, None, :]).flatten(-2)
    first, second = pair.unbind(-1)
    cosine, sine = turn_LD[:, None, None].unbind(-1)
    return torch.stack([first * cosine - second * sine, first * sine + second * cosine], dim=-1).flatten(-2)
