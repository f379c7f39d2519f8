"""Diagnosis of a 12-lead or single-lead record: convolutions, a gate and two bidirectional LSTMs.

Shape suffixes: B batch, C leads, S samples, T steps, D channels, K classes.

References
----------
arXiv 2511.08650, CISP-BMEI 2025.
Hochreiter and Schmidhuber, "Long Short-Term Memory", Neural Computation 9(8), 1997, 10.1162/neco.1997.9.8.1735.
"""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn


class CNNAttnBiLSTM(nn.Module):
    """Name the diagnosis of a record from its samples; 15,000 of them (60 s at 250 Hz) as published, any number works.

    Parameters
    ----------
    num_leads, num_classes : int
        Number of leads and of classes.
    use_attention, use_bilstm : bool
        Keep the gate and the LSTMs. Without the LSTMs the network pools right after its last maximum.
    widths : sequence of int
        Channels of the convolution blocks; each block makes the signal four times as short.
    block_dropouts : sequence of float
        Dropout probability after each block.
    kernel : int
        Odd length of every kernel.
    gate_dropout : float
        Dropout probability after the gate.
    lstm_widths : sequence of int
        Width of each LSTM, per direction.
    lstm_dropout : float
        Dropout probability after the LSTMs.
    hidden : int
        Width of the dense layer.
    dropout, hidden_dropout : float
        Dropout probability before and after the dense layer.
    l2 : float
        Factor of `l2_penalty`.

    Raises
    ------
    ValueError
        If there is not one dropout probability per block.

    Notes
    -----
    * Values that are trained: 944,969 for 12 leads, 500,937 without gate and LSTMs, 517,449 with the gate alone,
      928,457 with the LSTMs alone; for one lead 939,689, with the gate alone 512,169, without both 495,657. The
      paper states 0.52 M for one lead, or for the convolutions alone: only 12 leads with the gate and no LSTM do.
    * 15,000 samples are 3750, 938, 235 steps long after the blocks and 118 after the last maximum: what is left over
      makes a step of its own.
    * torch's LSTM adds two biases where one is enough. The second is zero and not trained.
    * As in the original: He-normal weights in the first two convolutions; elsewhere the defaults of its framework,
      Glorot-uniform weights, orthogonal recurrent weights, zero biases and one for the gates that keep the memory.
    * Kernels are centred. The original's "same" padding of an even length puts one sample less in front.
    * The batch normalisation has torch's momentum 0.1, not 0.01: folds here are some hundred steps long.
    """

    def __init__(
        self,
        num_leads: int = 12,
        num_classes: int = 9,
        use_attention: bool = True,
        use_bilstm: bool = True,
        widths: Sequence[int] = (32, 64, 128),
        block_dropouts: Sequence[float] = (0.2, 0.3, 0.3),
        kernel: int = 15,
        gate_dropout: float = 0.4,
        lstm_widths: Sequence[int] = (128, 64),
        lstm_dropout: float = 0.3,
        hidden: int = 128,
        dropout: float = 0.5,
        hidden_dropout: float = 0.4,
        l2: float = 0.001,
    ) -> None:
        super().__init__()
        if len(widths) != len(block_dropouts):
            raise ValueError(f"{len(block_dropouts)} block_dropouts for {len(widths)} widths; expected one per block")
        self.l2 = l2
        channels = num_leads
        blocks: list[nn.Module] = []
        for width, block_dropout in zip(widths, block_dropouts, strict=True):
            blocks.append(_block(channels, width, kernel, block_dropout))
            channels = width
        self.blocks = nn.Sequential(*blocks)
        self.gate = nn.Sequential(nn.Conv1d(channels, channels, 1), nn.Sigmoid()) if use_attention else None
        self.shorten = nn.Sequential(nn.MaxPool1d(2, ceil_mode=True), nn.Dropout(gate_dropout))
        self.lstms = nn.ModuleList()
        for width in lstm_widths if use_bilstm else ():
            self.lstms.append(nn.LSTM(channels, width, batch_first=True, bidirectional=True))
            channels = 2 * width
        self.lstm_dropout = nn.Dropout(lstm_dropout)
        self.head = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(channels, hidden),
            nn.ReLU(),
            nn.Dropout(hidden_dropout),
            nn.Linear(hidden, num_classes),
        )
        self._draw_weights()

    def forward(self, signal_BCS: Tensor) -> Tensor:
        """Return the logits of each record.

        Parameters
        ----------
        signal_BCS : Tensor, (B, C, S) float32
            Records, every lead scaled to mean 0 and deviation 1.

        Returns
        -------
        Tensor, (B, K) float32
            Logits.

        Notes
        -----
        * The original is fed millivolts: its z-score is never called. Records of several corpora need it.
        """
        x_BDT = self.blocks(signal_BCS)
        if self.gate is not None:
            x_BDT = x_BDT * self.gate(x_BDT)
        x_BTD = self.shorten(x_BDT).transpose(1, 2)
        for lstm in self.lstms:
            x_BTD, _ = lstm(x_BTD)
        if len(self.lstms):
            x_BTD = self.lstm_dropout(x_BTD)
        return cast(Tensor, self.head(x_BTD.mean(1)))

    def l2_penalty(self) -> Tensor:
        """Return what a trainer may add to the loss: ``l2`` times the squared weights that the original penalises.

        Returns
        -------
        Tensor, () float32
            Over the convolutions of the blocks and the dense layer, without biases.
        """
        squares = [
            module.weight.square().sum()
            for module in (*self.blocks.modules(), self.head[1])
            if isinstance(module, nn.Conv1d | nn.Linear)
        ]
        return self.l2 * torch.stack(squares).sum()

    def _draw_weights(self) -> None:
        """Draw the weights as the original's framework does."""
        he_normal = [module for module in self.blocks.modules() if isinstance(module, nn.Conv1d)][:2]
        for module in self.modules():
            if isinstance(module, nn.Conv1d | nn.Linear):
                if module in he_normal:
                    nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                else:
                    nn.init.xavier_uniform_(module.weight)
                assert module.bias is not None
                nn.init.zeros_(module.bias)
            elif isinstance(module, nn.LSTM):
                _draw_lstm(module)


def _block(channels_in: int, channels_out: int, kernel: int, dropout: float) -> nn.Sequential:
    """Two convolutions and a maximum, which make a signal four times as short."""
    assert kernel % 2, "odd kernels keep the samples in place"
    return nn.Sequential(
        nn.Conv1d(channels_in, channels_out, kernel, stride=2, padding=kernel // 2),
        nn.BatchNorm1d(channels_out),
        nn.ReLU(),
        nn.Conv1d(channels_out, channels_out, kernel, padding=kernel // 2),
        nn.BatchNorm1d(channels_out),
        nn.ReLU(),
        nn.MaxPool1d(2, ceil_mode=True),
        nn.Dropout(dropout),
    )


def _draw_lstm(lstm: nn.LSTM) -> None:
    """Draw the weights of an LSTM, gate by gate, and retire one of its two biases."""
    width = lstm.hidden_size
    for name, parameter in lstm.named_parameters():
        if name.startswith("weight_ih"):
            # The four gates are one matrix of the original, so that its fan-out is that of all four.
            nn.init.xavier_uniform_(parameter)
        elif name.startswith("weight_hh"):
            # Orthonormal columns of the (4 width, width) matrix.
            nn.init.orthogonal_(parameter)
        else:
            nn.init.zeros_(parameter)
            if name.startswith("bias_hh"):
                parameter.requires_grad_(False)
            else:
                with torch.no_grad():
                    parameter[width : 2 * width] = 1.0  # torch's order: input, forget, cell, output
