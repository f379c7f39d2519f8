"""Classify the beats of a chunk: each by its leads and features, then by those around it, both ways in time.

Shape suffixes: B batch, L beats in a chunk, C leads, S samples, N beats and leads, D features, K classes.
"""

import torch
from torch import Tensor, nn

KERNELS = ((16, 9), (32, 7), (48, 5))
"""Channels and width of the convolutions over a window, each of stride 2."""

DILATIONS = (1, 2, 4, 8)
"""Of the convolutions over the beats of a chunk: 30 beats on either side are seen."""


class BeatNet(nn.Module):
    """Two classifiers in one: of a beat alone, and of a beat among those around it.

    Parameters
    ----------
    num_wave_features, num_beat_features : int
        Features of a lead, and of all leads together.
    num_classes : int
        Beat classes.
    width : int
        Of a beat's description.
    dropout : float
        Of that description in training, in [0, 1).

    Notes
    -----
    * All leads pass the same layers; mean and maximum over those that have a signal go on. So the order of leads does
      not matter, and one lead is enough.
    """

    def __init__(
        self,
        num_wave_features: int = 24,
        num_beat_features: int = 58,
        num_classes: int = 3,
        width: int = 64,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 2
        for channels, kernel in KERNELS:
            layers += [
                nn.Conv1d(before, channels, kernel, stride=2, padding=kernel // 2, bias=False),
                nn.BatchNorm1d(channels),
                nn.ReLU(),
            ]
            before = channels
        self.convolve = nn.Sequential(*layers)
        self.window = nn.Linear(2 * before, 48)
        self.wave = nn.Linear(num_wave_features, 32)
        self.beat = nn.Linear(num_beat_features, 32)
        self.mix = nn.Sequential(
            nn.Linear(2 * (48 + 32) + 32, width), nn.ReLU(), nn.Dropout(dropout), nn.Linear(width, width), nn.ReLU()
        )
        self.alone = nn.Linear(width, num_classes)
        self.around = nn.ModuleList(
            nn.Sequential(nn.Conv1d(width, width, 5, padding=2 * dilation, dilation=dilation), nn.ReLU())
            for dilation in DILATIONS
        )
        self.together = nn.Linear(width, num_classes)

    def forward(
        self, window_BLC2S: Tensor, is_there_BLC: Tensor, wave_BLCD: Tensor, beat_BLD: Tensor, is_beat_BL: Tensor
    ) -> Tensor:
        """Return the logits of both classifiers.

        Parameters
        ----------
        window_BLC2S : Tensor, (B, L, C, 2, S) float32
            Windows, and windows less the median beat.
        is_there_BLC : Tensor, (B, L, C) bool
            Whether a lead has a signal there.
        wave_BLCD, beat_BLD : Tensor, float32
            Standardised features, 0 where missing.
        is_beat_BL : Tensor, (B, L) bool
            False where a chunk reaches beyond its record.

        Returns
        -------
        Tensor, (2, B, L, K) float32
            Of the beat alone, and among those around it.
        """
        batch, beats, leads = is_there_BLC.shape
        map_NDS = self.convolve(window_BLC2S.flatten(0, 2))
        window_ND = torch.relu(self.window(torch.cat([map_NDS.mean(dim=-1), map_NDS.amax(dim=-1)], dim=1)))
        lead_BLCD = torch.cat([window_ND.view(batch, beats, leads, -1), torch.relu(self.wave(wave_BLCD))], dim=-1)
        seen_BLC1 = is_there_BLC.to(lead_BLCD.dtype)[..., None]
        lead_BLCD = lead_BLCD * seen_BLC1
        mean_BLD = lead_BLCD.sum(dim=2) / seen_BLC1.sum(dim=2).clamp(min=1)
        leads_BLD = torch.cat([mean_BLD, lead_BLCD.amax(dim=2)], dim=-1)
        beat_BLD = self.mix(torch.cat([leads_BLD, torch.relu(self.beat(beat_BLD))], dim=-1))
        is_beat_B1L = is_beat_BL[:, None].to(beat_BLD.dtype)
        among_BDL = beat_BLD.transpose(1, 2) * is_beat_B1L
        for layer in self.around:
            among_BDL = among_BDL + layer(among_BDL) * is_beat_B1L
        return torch.stack([self.alone(beat_BLD), self.together(among_BDL.transpose(1, 2))])
