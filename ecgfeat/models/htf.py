"""History-Time-Frequency beat embedder: one beat window and five preceding beats to N, S or V.

Shapes: B batch, C leads, S samples in a window, D features, K classes.

The window passes through two convolutional trunks, one over time and one over the logarithm of its magnitude
spectrum; the preceding beats pass through a small perceptron. The 512 window features know nothing of the
history, which is why they alone are stored: history features are computed where they are used.
"""

import torch
from torch import nn

from ecgfeat.dropout import Dropout
from ecgfeat.models.htf_trunk import KERNEL_SAMPLES, train_trunk

NUM_EMBEDDING = 512
"""Width of the history-free embedding: time 256, then frequency 256."""

HISTORY_FEATURES = 64
"""Width of the encoded history."""

TIME_WIDTHS = (32, 64, 128, 256, 256)
FREQUENCY_WIDTHS = (32, 64, 128, 256)
HEAD_WIDTH = 128


def convolution_block(num_in: int, num_out: int, dropout: float) -> nn.Sequential:
    """Build one block of a trunk: convolution, batch norm, ReLU, halving max pool, dropout.

    Parameters
    ----------
    num_in, num_out : int
        Channels before and after.
    dropout : float
        Probability in [0, 1).

    Returns
    -------
    nn.Sequential
        From (B, num_in, S) to (B, num_out, S // 2).
    """
    return nn.Sequential(
        nn.Conv1d(num_in, num_out, KERNEL_SAMPLES, padding=KERNEL_SAMPLES // 2, bias=False),
        nn.BatchNorm1d(num_out),
        nn.ReLU(),
        nn.MaxPool1d(2),
        Dropout(dropout),
    )


def convolution_trunk(num_leads: int, widths: tuple[int, ...], dropout: float) -> nn.Sequential:
    """Chain one block per width; the caller averages over what is left of the last axis."""
    inputs = (num_leads, *widths[:-1])
    return nn.Sequential(*(convolution_block(i, o, dropout) for i, o in zip(inputs, widths, strict=True)))


def log_spectrum(window_BCS: torch.Tensor) -> torch.Tensor:
    """Return the logarithm of one plus the magnitude of each window's spectrum.

    Parameters
    ----------
    window_BCS : torch.Tensor
        Normalised windows, float32.

    Returns
    -------
    torch.Tensor
        (B, C, S // 2 + 1) float32, zero or more.
    """
    return torch.log1p(torch.fft.rfft(window_BCS, dim=-1).abs())


class HTF(nn.Module):
    """Embed and classify beats from a window of 2 s and the beats before it.

    Parameters
    ----------
    num_leads : int, default 2
        Leads of a window.
    num_classes : int, default 3
        Beat classes, also the width of each one-hot label of the history.
    history_beats : int, default 5
        Preceding beats in the history; each brings an RR interval and a label.
    dropout : float, default 0.1
        Probability in [0, 1).

    Notes
    -----
    * The spectrum is computed inside the model, so that a stored window is all it needs.
    * With the defaults there are 1,143,939 parameters: time trunk 761,728, frequency trunk 302,464,
      history 5,504, head 74,243.
    """

    def __init__(self, num_leads: int = 2, num_classes: int = 3, history_beats: int = 5, dropout: float = 0.1) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.history_beats = history_beats
        self.time = convolution_trunk(num_leads, TIME_WIDTHS, dropout)
        self.frequency = convolution_trunk(num_leads, FREQUENCY_WIDTHS, dropout)
        self.history = nn.Sequential(
            nn.Linear(history_beats * (1 + num_classes), HISTORY_FEATURES),
            nn.ReLU(),
            Dropout(dropout),
            nn.Linear(HISTORY_FEATURES, HISTORY_FEATURES),
            nn.ReLU(),
        )
        self.head = nn.Sequential(
            nn.Linear(NUM_EMBEDDING + HISTORY_FEATURES, HEAD_WIDTH),
            nn.ReLU(),
            Dropout(dropout),
            nn.Linear(HEAD_WIDTH, num_classes),
        )

    def embed(self, window_BCS: torch.Tensor) -> torch.Tensor:
        """Embed windows without any history.

        Parameters
        ----------
        window_BCS : torch.Tensor
            (B, leads, 256) float32, z-scored per lead.

        Returns
        -------
        torch.Tensor
            (B, 512) float32: 256 of time, 256 of frequency, each zero or more in evaluation mode.
        """
        is_fast = self.training and window_BCS.device.type == "cpu" and window_BCS.dtype == torch.float32
        run = train_trunk if is_fast else nn.Sequential.forward
        time_BD = run(self.time, window_BCS).mean(dim=-1)
        frequency_BD = run(self.frequency, log_spectrum(window_BCS)).mean(dim=-1)
        return torch.cat((time_BD, frequency_BD), dim=-1)

    def encode_history(self, history_BD: torch.Tensor) -> torch.Tensor:
        """Encode history features (B, 20), see `ecgfeat.beats.history.history_features`, to (B, 64)."""
        encoded_BD: torch.Tensor = self.history(history_BD)
        return encoded_BD

    def classify(self, feature_BD: torch.Tensor) -> torch.Tensor:
        """Map the 576 features, window 512 then history 64, to logits (B, K)."""
        logits_BK: torch.Tensor = self.head(feature_BD)
        return logits_BK

    def forward(self, window_BCS: torch.Tensor, history_BD: torch.Tensor) -> torch.Tensor:
        """Classify beats.

        Parameters
        ----------
        window_BCS : torch.Tensor
            (B, leads, 256) float32, z-scored per lead.
        history_BD : torch.Tensor
            (B, 20) float32: five RR intervals in seconds, most recent first, then five one-hot labels.

        Returns
        -------
        torch.Tensor
            (B, K) float32 logits in the order of `BEAT_CLASSES`.
        """
        return self.classify(torch.cat((self.embed(window_BCS), self.encode_history(history_BD)), dim=-1))
