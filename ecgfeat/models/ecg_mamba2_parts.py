"""Parts of ECG-Mamba2: the stem of a lead group, the two-way mixer, attention and feed-forward.

Shape suffixes: B batch, C leads, S samples, L steps, D width, H heads.
"""

from typing import cast

from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from ecgfeat.models.mamba2 import Mamba2

FEED_FORWARD_RATIO = 4
# Kernel and stride of the convolutions of a stem, and the padding of the first.
STEM_KERNELS, STEM_STRIDES, STEM_PADDING = (14, 14, 10, 10), (3, 3, 1, 1), 2


def min_samples() -> int:
    """Return the fewest samples that reach the end of a stem."""
    samples = 1
    for kernel, stride in zip(reversed(STEM_KERNELS), reversed(STEM_STRIDES), strict=True):
        samples = (samples - 1) * stride + kernel
    return samples - 2 * STEM_PADDING


class Stem(nn.Sequential):
    """Four convolutions, each with batch normalisation and ReLU; 8192 samples become 887 steps.

    Parameters
    ----------
    num_leads, first, second, width : int
        Channels in, after the first convolution, after the second, and after the third and fourth.
    """

    def __init__(self, num_leads: int, first: int, second: int, width: int) -> None:
        channels = (num_leads, first, second, width, width)
        layers: list[nn.Module] = []
        for place, (kernel, stride) in enumerate(zip(STEM_KERNELS, STEM_STRIDES, strict=True)):
            padding = 0 if place else STEM_PADDING
            layers += [
                nn.Conv1d(channels[place], channels[place + 1], kernel, stride, padding, bias=False),
                nn.BatchNorm1d(channels[place + 1]),
                nn.ReLU(),
            ]
        super().__init__(*layers)


class BothWays(nn.Module):
    """One pre-norm layer: two Mamba-2 mixers, one forward and one backward in time, then a feed-forward network.

    Parameters
    ----------
    width : int
        Width of a step.
    state, conv, expand, head, chunk : int, keyword only
        Sizes of both mixers.
    """

    def __init__(self, width: int, *, state: int, conv: int, expand: int, head: int, chunk: int) -> None:
        super().__init__()
        self.mix_norm = nn.LayerNorm(width)
        self.ahead, self.back = (
            Mamba2(width, state=state, conv=conv, expand=expand, head=head, chunk=chunk) for _ in range(2)
        )
        self.feed_forward = feed_forward(width, 0.0)

    def forward(self, x_BLD: Tensor) -> Tensor:
        """Let every step see those before it and those after it.

        Parameters
        ----------
        x_BLD : Tensor, (B, L, D)
            Steps.

        Returns
        -------
        Tensor, (B, L, D)
            The steps after the layer.
        """
        normed_BLD = self.mix_norm(x_BLD)
        x_BLD = x_BLD + self.ahead(normed_BLD) + self.back(normed_BLD.flip(1)).flip(1)
        return cast(Tensor, x_BLD + self.feed_forward(x_BLD))


class AttentionLayer(nn.Module):
    """One pre-norm Transformer encoder layer.

    Parameters
    ----------
    width, num_heads : int
        Width of a step, and the heads it is divided among.
    dropout : float
        Dropout probability of attention weights and of both branches.
    """

    def __init__(self, width: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.attention_norm = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.attend = Attend(dropout)
        self.attention_out = nn.Sequential(nn.Linear(width, width), nn.Dropout(dropout))
        self.feed_forward = feed_forward(width, dropout)

    def forward(self, x_BLD: Tensor) -> Tensor:
        """Let every step see every other.

        Parameters
        ----------
        x_BLD : Tensor, (B, L, D)
            Steps.

        Returns
        -------
        Tensor, (B, L, D)
            The steps after the layer.
        """
        num_signals, num_steps, width = x_BLD.shape
        query, key, value = (
            self.query_key_value(self.attention_norm(x_BLD))
            .view(num_signals, num_steps, 3, self.num_heads, width // self.num_heads)
            .permute(2, 0, 3, 1, 4)
            .unbind(0)
        )
        x_BLD = x_BLD + self.attention_out(self.attend(query, key, value).transpose(1, 2).flatten(2))
        return cast(Tensor, x_BLD + self.feed_forward(x_BLD))


class Attend(nn.Module):
    """Weigh values by how well their keys match the queries. It has no weights of its own.

    Parameters
    ----------
    dropout : float
        Dropout probability of the attention weights in training.
    """

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout

    def forward(self, query_BHLD: Tensor, key_BHLD: Tensor, value_BHLD: Tensor) -> Tensor:
        """Return the weighted values of each head.

        Parameters
        ----------
        query_BHLD, key_BHLD, value_BHLD : Tensor, (B, H, L, D)
            Queries, keys and values of each head.

        Returns
        -------
        Tensor, (B, H, L, D)
            One row per query.
        """
        dropout = self.dropout if self.training else 0.0
        return scaled_dot_product_attention(query_BHLD, key_BHLD, value_BHLD, dropout_p=dropout)


def feed_forward(width: int, dropout: float) -> nn.Sequential:
    """Return the feed-forward branch of a pre-norm layer.

    Parameters
    ----------
    width : int
        Width of a step.
    dropout : float
        Dropout probability of the hidden layer and of the result.

    Returns
    -------
    nn.Sequential
        Its normalisation included.
    """
    return nn.Sequential(
        nn.LayerNorm(width),
        nn.Linear(width, FEED_FORWARD_RATIO * width),
        nn.GELU(),
        nn.Dropout(dropout),
        nn.Linear(FEED_FORWARD_RATIO * width, width),
        nn.Dropout(dropout),
    )
