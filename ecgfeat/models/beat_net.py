"""Classify the beats of a chunk: each by its leads and features, then by those around it, both ways in time.

Shape suffixes: B batch, L beats in a chunk, C leads, S samples, N beats and leads, D features, K classes, R rows:
samples of windows laid end to end.
"""

from typing import Any

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
        map_NDS = self.convolve(window_BLC2S.flatten(0, 2))
        pooled_ND = torch.cat([map_NDS.mean(dim=-1), map_NDS.amax(dim=-1)], dim=1)
        beat_BLD = self.describe(pooled_ND, is_there_BLC, wave_BLCD, beat_BLD)
        is_beat_B1L = is_beat_BL[:, None].to(beat_BLD.dtype)
        among_BDL = beat_BLD.transpose(1, 2) * is_beat_B1L
        for layer in self.around:
            among_BDL = among_BDL + layer(among_BDL) * is_beat_B1L
        return torch.stack([self.alone(beat_BLD), self.together(among_BDL.transpose(1, 2))])

    def describe(self, pooled_ND: Tensor, is_there_BLC: Tensor, wave_BLCD: Tensor, beat_BLD: Tensor) -> Tensor:
        """Describe beats by all that is known of each alone.

        Parameters
        ----------
        pooled_ND : Tensor, (B L C, 2 D) float32
            Mean and maximum of the last map of each window.
        is_there_BLC, wave_BLCD, beat_BLD
            As `forward` takes them.

        Returns
        -------
        Tensor, (B, L, width) float32
        """
        window_ND = torch.relu(self.window(pooled_ND))
        lead_BLCD = torch.cat([window_ND.view(*is_there_BLC.shape, -1), torch.relu(self.wave(wave_BLCD))], dim=-1)
        seen_BLC1 = is_there_BLC.to(lead_BLCD.dtype)[..., None]
        lead_BLCD = lead_BLCD * seen_BLC1
        mean_BLD = lead_BLCD.sum(dim=2) / seen_BLC1.sum(dim=2).clamp(min=1)
        leads_BLD = torch.cat([mean_BLD, lead_BLCD.amax(dim=2)], dim=-1)
        described_BLD: Tensor = self.mix(torch.cat([leads_BLD, torch.relu(self.beat(beat_BLD))], dim=-1))
        return described_BLD


class FrozenBeatNet:
    """A trained `BeatNet`, rearranged to classify many beats fast.

    Parameters
    ----------
    net : BeatNet
        In evaluation mode, on the device where it is to compute. Later changes of its weights are not seen.

    Raises
    ------
    ValueError
        If the network is in training mode.

    Notes
    -----
    * Batch norm is folded into the convolutions. A convolution is a few matrix products over the windows as they lie
      in memory, channels last: nothing is unrolled. On one thread this takes half the time of the layers; results
      differ by rounding, some 1e-6.
    * A bias is not added: ``max(x + b, 0)`` is ``max(x, -b) + b``, and what is added to every place of a map is added
      to what the next layer makes of it.
    """

    def __init__(self, net: BeatNet) -> None:
        if net.training:
            raise ValueError("network in training mode; expected net.eval()")
        self.net = net
        self.layers: list[tuple[Tensor, Tensor]] = []
        modules: list[Any] = list(net.convolve)
        lift_C = modules[0].weight.new_zeros(2).double()
        for convolution, norm in zip(modules[::3], modules[1::3], strict=True):
            weight_ICD, bias_D = _fold_batch_norm(convolution, norm)
            lift_C = bias_D + torch.einsum("icd,c->d", weight_ICD, lift_C)
            self.layers.append((weight_ICD.flatten(0, 1).float(), -lift_C.float()))
        around: list[Any] = [layer[0] for layer in net.around]  # type: ignore[index]
        self.around = [(layer.weight.detach().permute(2, 1, 0).contiguous(), layer.bias.detach()) for layer in around]

    def pool_windows(self, row_R2: Tensor, num_samples: int) -> Tensor:
        """Return mean and maximum of the last map of windows, (N, 2 D) float32, by `BeatNet.describe`.

        Parameters
        ----------
        row_R2 : Tensor of float32
            Of `lay_windows`.
        num_samples : int
            S, of the windows.
        """
        width, size = num_samples + _GAP_ROWS, num_samples
        for place, (weight_ID, floor_D) in enumerate(self.layers):
            width, size = width // 2, size // 2
            # What the next layer reads beyond its first and its last window.
            beyond = KERNELS[place + 1][1] - 2 if place + 1 < len(KERNELS) else 0
            row_R2 = _convolve(row_R2, weight_ID, floor_D, width, size, beyond)
        map_NSD = row_R2.view(-1, width, row_R2.shape[1])[:, :size]
        return torch.cat([map_NSD.mean(dim=1) - floor_D, map_NSD.amax(dim=1) - floor_D], dim=1)

    def classify(self, beat_LD: Tensor) -> Tensor:
        """Return the logits of both classifiers, (2, L, K), for the described beats of a chunk."""
        among_LD = beat_LD
        for (tap_5ID, bias_D), dilation in zip(self.around, DILATIONS, strict=True):
            reach = dilation * (len(tap_5ID) // 2)
            padded_LD = nn.functional.pad(among_LD, (0, 0, reach, reach))
            sum_LD = bias_D.expand_as(among_LD)
            for place, tap_ID in enumerate(tap_5ID):
                sum_LD = torch.addmm(sum_LD, padded_LD[place * dilation :][: len(among_LD)], tap_ID)
            among_LD = among_LD + sum_LD.relu_()
        return torch.stack([self.net.alone(beat_LD), self.net.together(among_LD)])


_GAP_ROWS = 2 ** len(KERNELS)
"""Rows of zeros after each window: each layer halves them, and reads no further than what is left of them."""


def lay_windows(window_NCS: Tensor) -> Tensor:
    """Lay windows end to end, channels last, for `FrozenBeatNet.pool_windows`.

    Parameters
    ----------
    window_NCS : Tensor, (N, 2, S) float32
        S is a multiple of 8.

    Returns
    -------
    Tensor, (N (S + 8) + 7, 2) float32
        With zeros between the windows, before the first and after the last.
    """
    num_windows, channels, samples = window_NCS.shape
    width, beyond = samples + _GAP_ROWS, KERNELS[0][1] - 2
    row_RC, inner_NSC = _make_rows(num_windows, width, beyond, window_NCS.new_zeros(channels))
    inner_NSC[:, :samples] = window_NCS.transpose(1, 2)
    inner_NSC[:, samples:] = 0
    return row_RC


def _make_rows(num_windows: int, width: int, beyond: int, outside_C: Tensor) -> tuple[Tensor, Tensor]:
    """Return rows with a value in those beyond both ends, and a view of the others, window by window."""
    channels = len(outside_C)
    row_RC = outside_C.new_empty(num_windows * width + beyond, channels)
    before = (beyond + 1) // 2
    inner_RC = row_RC[before : before + num_windows * width]
    row_RC[:before], row_RC[before + len(inner_RC) :] = outside_C, outside_C
    return row_RC, inner_RC.view(num_windows, width, channels)


def _convolve(row_RC: Tensor, weight_ID: Tensor, floor_D: Tensor, width: int, size: int, beyond: int) -> Tensor:
    """Convolve rows with a stride of two, and lift what is below a floor; between windows the floor is all there is."""
    values, step = len(weight_ID), 2 * row_RC.shape[1]
    frame_RI = row_RC.flatten().unfold(0, values, step)
    all_RD, map_NSD = _make_rows(len(frame_RI) // width, width, beyond, floor_D)
    out_RD = map_NSD.flatten(0, 1)
    # Frames overlap, and a matrix product takes rows that do not: those of every few outputs.
    apart = -(-values // step)
    for first in range(apart):
        torch.mm(frame_RI[first::apart], weight_ID, out=out_RD[first::apart])
    torch.maximum(out_RD, floor_D, out=out_RD)
    map_NSD[:, size:] = floor_D
    return all_RD


def _fold_batch_norm(convolution: Any, norm: Any) -> tuple[Tensor, Tensor]:
    """Merge batch norm into a convolution: weights (taps, channels, D) and bias (D,), both float64."""
    scale = norm.weight.detach().double() / torch.sqrt(norm.running_var.double() + norm.eps)
    weight_DCI = convolution.weight.detach().double() * scale[:, None, None]
    return weight_DCI.permute(2, 1, 0).contiguous(), norm.bias.detach().double() - norm.running_mean.double() * scale
