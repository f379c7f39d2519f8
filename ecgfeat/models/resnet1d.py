"""Rhythm of a raw segment: a residual network of one-dimensional convolutions.

Shape suffixes: B batch, C leads, S samples, D channels, R figures of a rhythm, K classes.

References
----------
He et al., "Deep Residual Learning for Image Recognition", CVPR 2016.
"""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn


class ResNet1D(nn.Module):
    """Name the rhythm of a segment from its samples, a segment of any length of at least 3 samples.

    Parameters
    ----------
    num_leads, num_classes : int
        Number of leads and of rhythms.
    width : int
        Channels of the stem and the first stage; each later stage has twice as many as the one before it.
    stage_blocks : sequence of int
        Residual blocks of each stage. Every stage but the first halves the length.
    kernel, stem_kernel : int
        Odd lengths of the kernels of the blocks and of the stem.
    hidden : int
        Width of the layer before the logits.
    dropout : float
        Dropout probability in the blocks and before the logits, in [0, 1).
    num_side : int
        R, figures that are put beside the pooled channels; 0: none, as published.

    Notes
    -----
    * The published count, 8,794,246 with the defaults, fixes what the text leaves open: no convolution has a bias, and
      the shortcuts have a batch normalisation. Shortcuts without it give 8,792,454, a bias in the stem 8,794,310, a
      bias in the shortcuts 8,795,142.
    * 1280 samples are 40 steps long after the last stage.
    """

    def __init__(
        self,
        num_leads: int = 2,
        num_classes: int = 6,
        width: int = 64,
        stage_blocks: Sequence[int] = (2, 2, 2, 2),
        kernel: int = 7,
        stem_kernel: int = 15,
        hidden: int = 128,
        dropout: float = 0.2,
        num_side: int = 0,
    ) -> None:
        super().__init__()
        assert kernel % 2 == stem_kernel % 2 == 1, "odd kernels keep the samples in place"
        self.stem = nn.Sequential(
            nn.Conv1d(num_leads, width, stem_kernel, stride=2, padding=stem_kernel // 2, bias=False),
            nn.BatchNorm1d(width),
            nn.ReLU(),
            nn.MaxPool1d(2),
        )
        stages: list[nn.Module] = []
        channels = width
        for stage, num_blocks in enumerate(stage_blocks):
            for block in range(num_blocks):
                stride = 2 if stage and block == 0 else 1
                stages.append(ResidualBlock(channels, width << stage, kernel, stride, dropout))
                channels = width << stage
        self.stages = nn.Sequential(*stages)
        self.channels, self.stage_blocks = channels, tuple(stage_blocks)
        self.head = nn.Sequential(
            nn.AdaptiveAvgPool1d(1),
            nn.Flatten(),
            nn.Linear(channels + num_side, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, num_classes),
        )

    def forward(self, signal_BCS: Tensor, side_BR: Tensor | None = None) -> Tensor:
        """Return the logits of each segment.

        Parameters
        ----------
        signal_BCS : Tensor, (B, C, S) float32
            Windows, every lead scaled to mean 0 and deviation 1.
        side_BR : Tensor, (B, R) float32, optional
            What else is known of them, where ``num_side`` is not 0.

        Returns
        -------
        Tensor, (B, K) float32
            Logits.
        """
        x_BDS = self.stages(self.stem(signal_BCS))
        if side_BR is not None:
            # Constant along the steps, they come through the pooling as they are.
            x_BDS = torch.cat([x_BDS, side_BR[:, :, None].expand(-1, -1, x_BDS.shape[2])], dim=1)
        return cast(Tensor, self.head(x_BDS))

    def trunk(self) -> tuple[nn.Module, int, int]:
        """Return what stands before the pooling, with the same weights: encoder, its channels, and its stride."""
        halvings = 2 + len(self.stage_blocks) - 1  # stem, its pooling, and every stage but the first
        return nn.Sequential(self.stem, self.stages), self.channels, 2**halvings


class ResidualBlock(nn.Module):
    """Two convolutions added to what came in.

    Parameters
    ----------
    channels_in, channels_out : int
        Channels before and after.
    kernel : int
        Odd length of both kernels.
    stride : int
        Step of the first convolution.
    dropout : float
        Probability, between the convolutions.
    """

    def __init__(self, channels_in: int, channels_out: int, kernel: int, stride: int, dropout: float) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            nn.Conv1d(channels_in, channels_out, kernel, stride=stride, padding=kernel // 2, bias=False),
            nn.BatchNorm1d(channels_out),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Conv1d(channels_out, channels_out, kernel, padding=kernel // 2, bias=False),
            nn.BatchNorm1d(channels_out),
        )
        # A step or a new width leaves nothing to add to, so the input is projected.
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels_out:
            self.shortcut = nn.Sequential(
                nn.Conv1d(channels_in, channels_out, 1, stride=stride, bias=False), nn.BatchNorm1d(channels_out)
            )
        self.relu = nn.ReLU()

    def forward(self, x_BDS: Tensor) -> Tensor:
        """Apply the block.

        Parameters
        ----------
        x_BDS : Tensor, (B, D, S) float32
            Input of ``channels_in`` channels.

        Returns
        -------
        Tensor, (B, D, S) float32
            Output of ``channels_out`` channels, ``ceil(S / stride)`` long.
        """
        return cast(Tensor, self.relu(self.residual(x_BDS) + self.shortcut(x_BDS)))
