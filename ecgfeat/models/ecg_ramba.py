"""ECG-RAMBA: tokens of the signal, random-kernel features and a rhythm vector, joined and read by Mamba-2 blocks.

Shape suffixes: B batch, C leads, S samples, F kernel features, R rhythm numbers, L tokens, N latents, D width,
K classes.

References
----------
Jaegle et al., "Perceiver", ICML 2021; Dao and Gu, "Transformers are SSMs", ICML 2024; Dempster et al., "ROCKET", Data
Min Knowl Disc 34, 2020.
"""

from typing import Literal, cast, get_args

import torch
from torch import Tensor, nn

from ecgfeat.models.ramba_parts import BiMamba, Fusion, LeadAttention, Perceiver, PlainTokenizer, Tokenizer

ScanOrder = Literal["latents", "tokens"]


class ECGRamba(nn.Module):
    """Diagnose a record from its signal, its kernel features and its rhythm vector.

    Parameters
    ----------
    num_leads, num_classes : int
        Leads of the signal, and diagnoses; each has a logit of its own.
    num_features : int
        Kernel features after projection, see `ecgfeat.arena.kernels`.
    num_rhythm : int
        Numbers of the rhythm vector, see `ecgfeat.arena.rhythm_vector`.
    width : int
        Width of a token, a multiple of 3 and of `num_heads`.
    num_tokens, num_latents : int
        Tokens made of the signal; latents of either perceiver.
    depth : int
        Mamba blocks.
    num_heads : int
        Heads of perceivers and fusion.
    lead_width, lead_heads : int
        Width of a lead's description, a multiple of 8, and heads of the attention across leads.
    state, conv, expand, head : int
        Sizes of the mixers, see `Mamba2`; `head` divides ``expand * width``.
    dropout : float
        Dropout probability in tokenizer, rhythm projection, fusion and final perceiver, in [0, 1).
    mamba_dropout, head_dropout : float
        The same of the Mamba blocks and before the last layer.
    spatial, multiscale, rocket, hrv, fusion, context : bool
        False takes a part away: the weighting of leads; the tokenizer's scales (one convolution instead); the kernel
        features; the rhythm vector; the cross-attention (tokens and latents are only put together); or fusion, final
        perceiver and Mamba blocks. Without kernel features there is nothing to fuse. Inputs that a part taken away
        would read may be None.
    scan : {'latents', 'tokens'}
        What the Mamba blocks read: the latents of the final perceiver, as published, or the tokens before it.

    Raises
    ------
    ValueError
        If a width does not fit its heads or scales, or `scan` is unknown.

    Notes
    -----
    * The count is 72,833,596 at the defaults, for either `scan`. 295,296 of these, the gate of `Fusion`, are used by
      nothing: the published code has them, and drops what they compute.
    * The published stack scans 64 latents, whose order means nothing, and not the signal its text speaks of.
      ``scan='tokens'`` does what the text says: the blocks run over the 625 tokens in order of time, after fusion;
      then the final perceiver reads them together with the latents and the rhythm token.
    * The kernel features become one token, and attention to one token has no choice: that cross-attention adds the
      same vector to every latent. It is kept as published.
    * The rhythm vector, of numbers far apart in size, is projected in float32 under autocast too.
    * The source feeds RR intervals in ms as they are; here the caller standardises them.
    """

    def __init__(
        self,
        num_leads: int = 12,
        num_classes: int = 27,
        num_features: int = 3072,
        num_rhythm: int = 36,
        *,
        width: int = 384,
        num_tokens: int = 625,
        num_latents: int = 64,
        depth: int = 16,
        num_heads: int = 8,
        lead_width: int = 256,
        lead_heads: int = 4,
        state: int = 64,
        conv: int = 4,
        expand: int = 2,
        head: int = 64,
        dropout: float = 0.1,
        mamba_dropout: float = 0.3,
        head_dropout: float = 0.2,
        spatial: bool = True,
        multiscale: bool = True,
        rocket: bool = True,
        hrv: bool = True,
        fusion: bool = True,
        context: bool = True,
        scan: ScanOrder = "latents",
    ) -> None:
        super().__init__()
        if width % num_heads or width % 3:
            raise ValueError(f"width {width} must be a multiple of 3 scales and of {num_heads} heads")
        if lead_width % 8 or lead_width % lead_heads:
            raise ValueError(f"lead_width {lead_width} must be a multiple of 8 and of {lead_heads} heads")
        if scan not in get_args(ScanOrder):
            raise ValueError(f"scan {scan!r} must be one of {', '.join(get_args(ScanOrder))}")
        self.scan = scan
        self.num_tokens = num_tokens
        self.spatial = LeadAttention(num_leads, lead_width, lead_heads) if spatial else None
        self.tokenizer = (
            Tokenizer(num_leads, width, num_tokens, dropout)
            if multiscale
            else PlainTokenizer(num_leads, width, num_tokens)
        )
        self.kernel_token = nn.Linear(num_features, width) if rocket else None
        self.kernel_latents = Perceiver(width, num_latents, num_heads, 0.0, norm_source=True) if rocket else None
        self.rhythm_token = nn.Sequential(nn.Linear(num_rhythm, width), nn.GELU(), nn.Dropout(dropout)) if hrv else None
        self.fusion = Fusion(width, num_heads, dropout) if fusion and rocket and context else None
        self.project = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU())
        self.latents = Perceiver(width, num_latents, num_heads, dropout, norm_source=False) if context else None
        self.blocks = nn.Sequential(
            *(
                BiMamba(width, mamba_dropout, state=state, conv=conv, expand=expand, head=head)
                for _ in range(depth if context else 0)
            )
        )
        self.norm = nn.LayerNorm(width)
        self.head = nn.Sequential(nn.Dropout(head_dropout), nn.Linear(width, num_classes))

    def forward(self, signal_BCS: Tensor, kernel_BF: Tensor | None = None, rhythm_BR: Tensor | None = None) -> Tensor:
        """Return the logits of each record or slice.

        Parameters
        ----------
        signal_BCS : Tensor, (B, C, S) float32
            Z-scored signal of at least 50 samples; 2500 or 5000 as published.
        kernel_BF : Tensor, (B, F) float32, optional
            Projected kernel features of the record; needed unless built with ``rocket=False``.
        rhythm_BR : Tensor, (B, R) float32, optional
            Standardised rhythm vector of the record; needed unless built with ``hrv=False``.

        Returns
        -------
        Tensor, (B, K) float32
            Logits, for a sigmoid each.

        Raises
        ------
        ValueError
            If an input that the network was built to read is missing.
        """
        x_BLD = self._join(signal_BCS, kernel_BF, rhythm_BR)
        if self.latents is not None and self.scan == "tokens":
            scanned_BLD = self.blocks(x_BLD[:, : self.num_tokens])
            x_BLD = self.latents(torch.cat([scanned_BLD, x_BLD[:, self.num_tokens :]], 1))
        elif self.latents is not None:
            x_BLD = self.blocks(self.latents(x_BLD))
        return cast(Tensor, self.head(self.norm(x_BLD).mean(1)))

    def _join(self, signal_BCS: Tensor, kernel_BF: Tensor | None, rhythm_BR: Tensor | None) -> Tensor:
        """Return one sequence: the tokens in order of time, the latents of the kernel features, the rhythm token."""
        if self.spatial is not None:
            signal_BCS = self.spatial(signal_BCS)
        x_BLD = self.tokenizer(signal_BCS)
        if self.kernel_token is not None and self.kernel_latents is not None:
            if kernel_BF is None:
                raise ValueError("kernel features are missing; this network was built with rocket=True")
            latent_BND = self.kernel_latents(self.kernel_token(kernel_BF)[:, None])
            x_BLD = self.fusion(x_BLD, latent_BND) if self.fusion is not None else torch.cat([x_BLD, latent_BND], 1)
        if self.rhythm_token is not None:
            if rhythm_BR is None:
                raise ValueError("the rhythm vector is missing; this network was built with hrv=True")
            with torch.autocast(rhythm_BR.device.type, enabled=False):
                rhythm_B1D = self.rhythm_token(rhythm_BR.float())[:, None]
            x_BLD = torch.cat([x_BLD, rhythm_B1D.to(x_BLD.dtype)], 1)
        return cast(Tensor, self.project(x_BLD))
