"""ECG-Mamba2: convolutions over all leads and over groups of leads, then Mamba-2 both ways, then attention.

Shape suffixes: B batch, C leads, S samples, L steps, D width, H heads, K classes.

References
----------
* Jiang et al., "ECG-Mamba", IEEE JTEHM 2025, 10.1109/JTEHM.2025.3613609: the network this one enhances.
* Dao and Gu, "Transformers are SSMs", ICML 2024, arXiv:2405.21060.
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool1d

from ecgfeat.models.ecg_mamba2_parts import AttentionLayer, BothWays, Stem, min_samples


class ECGMamba2(nn.Module):
    """Name what a record shows from its leads.

    Parameters
    ----------
    num_leads : int
        Leads of a signal.
    num_classes : int
        Number of classes.
    stem_1, stem_2 : int
        Channels after the first and the second convolution of a stem; the other two have `width`.
    width : int
        Width of a step; its feed-forward layers are four times as wide.
    num_steps : int
        Steps that every signal is pooled to, whatever its length.
    num_layers : int
        Layers of Mamba-2 in both directions.
    state, conv, expand, head, chunk : int
        Sizes of the mixers, as in `ecgfeat.models.mamba2.Mamba2`.
    num_heads : int
        Heads of the attention; they divide the width.
    leads_per_group : int
        Leads in a group. They are cut in order, so that twelve leads make I II III, aVR aVL aVF, V1 to V3, V4 to V6.
    dropout : float
        Dropout probability of the attention layer, in [0, 1).
    use_multi_branch : bool
        Whether each group of leads has a stem of its own beside the stem of all leads.
    use_attention : bool
        Whether an attention layer follows the Mamba-2 layers.

    Raises
    ------
    ValueError
        If a count that divides does not divide.

    Notes
    -----
    * With fewer than twelve leads, the last group holds what is left, groups without a lead are left out, and so is a
      group that holds every lead, since the main stem sees the same: fewer than four leads have no groups of three.
    * The count for 12 leads and 5 classes is 29,287,077. Published are 29.3 million, the shapes before and after the
      convolutions, (12, 8192) and (729, 384), four groups, four layers and one attention layer with four heads. All
      other sizes are derived: the stem is that of the Challenge 2020 encoder which ECG-Mamba is compared with.
    * 729 are the 27 x 27 patches of the image model that the original began as; no stack of convolutions makes them of
      8192 samples, so the steps are pooled. Any signal of at least `min_samples` will do.
    * The original takes (B, S, C); here leads come before samples, as everywhere in this package.
    """

    def __init__(
        self,
        num_leads: int = 12,
        num_classes: int = 5,
        stem_1: int = 128,
        stem_2: int = 256,
        width: int = 384,
        num_steps: int = 729,
        num_layers: int = 4,
        state: int = 64,
        conv: int = 4,
        expand: int = 2,
        head: int = 64,
        chunk: int = 64,
        num_heads: int = 4,
        leads_per_group: int = 3,
        dropout: float = 0.1,
        use_multi_branch: bool = True,
        use_attention: bool = True,
    ) -> None:
        super().__init__()
        if width % num_heads:
            raise ValueError(f"width {width}, {num_heads} heads: heads must divide the width")
        self.num_leads, self.num_steps = num_leads, num_steps
        self.stem = Stem(num_leads, stem_1, stem_2, width)
        starts = range(0, num_leads, leads_per_group) if use_multi_branch and num_leads > leads_per_group else ()
        self.groups = [slice(start, min(start + leads_per_group, num_leads)) for start in starts]
        self.group_stems = nn.ModuleList(Stem(group.stop - group.start, stem_1, stem_2, width) for group in self.groups)
        if self.groups:
            self.fusion = nn.Sequential(nn.Linear(len(self.groups) * width, width), nn.LayerNorm(width))
        self.layers = nn.ModuleList(
            BothWays(width, state=state, conv=conv, expand=expand, head=head, chunk=chunk) for _ in range(num_layers)
        )
        self.attention = AttentionLayer(width, num_heads, dropout) if use_attention else nn.Identity()
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, num_classes)

    def forward(self, signal_BCS: Tensor) -> Tensor:
        """Return the logits of each signal.

        Parameters
        ----------
        signal_BCS : Tensor, (B, C, S) float32
            Signals, z-scored by lead, of at least `min_samples`.

        Returns
        -------
        Tensor, (B, K) float32
            Logits.

        Raises
        ------
        ValueError
            If signals have other leads than the model or too few samples.
        """
        if signal_BCS.shape[1] != self.num_leads or signal_BCS.shape[2] < min_samples():
            raise ValueError(
                f"signals of {signal_BCS.shape[1]} leads and {signal_BCS.shape[2]} samples; "
                f"this model takes {self.num_leads} leads and at least {min_samples()} samples"
            )
        x_BLD = self.to_steps(self.stem, signal_BCS)
        if self.groups:
            branches = [
                self.to_steps(stem, signal_BCS[:, group])
                for stem, group in zip(self.group_stems, self.groups, strict=True)
            ]
            x_BLD = x_BLD + self.fusion(torch.cat(branches, -1))
        for layer in self.layers:
            x_BLD = layer(x_BLD)
        return cast(Tensor, self.head(self.norm(self.attention(x_BLD)).mean(1)))

    def to_steps(self, stem: nn.Module, signal_BCS: Tensor) -> Tensor:
        """Return what a stem makes of some leads, pooled to the steps of the model.

        Parameters
        ----------
        stem : nn.Module
            A stem for these leads.
        signal_BCS : Tensor, (B, C, S)
            The leads.

        Returns
        -------
        Tensor, (B, L, D)
            One row per step.
        """
        return adaptive_avg_pool1d(stem(signal_BCS), self.num_steps).transpose(1, 2)
