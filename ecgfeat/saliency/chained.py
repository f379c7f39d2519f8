"""A published chain as one differentiable function: windows, intervals and fed-back classes of beats in, a rhythm out.

`ecgfeat.rhythm.describe` makes the same features with NumPy, beat after beat; here gradients flow through them.

Shape suffixes: E examples of a batch, N beats that are seen, W of them near, F of them far, R of them read by the head,
C leads, S samples of a window, D features, K classes, P places of a neighbourhood.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ecgfeat.models.htf import HTF, NUM_EMBEDDING
from ecgfeat.rhythm.features import MAX_RR_S, WINDOW_NEIGHBOURS
from ecgfeat.rhythm.heads import RhythmHead, TimelineHead
from ecgfeat.saliency.rhythms import Chunks

_LEAST = 1e-30


@dataclass(frozen=True)
class Unit:
    """What is named, a beat or a segment, and which beats of the stretch are seen for it.

    Attributes
    ----------
    rows : slice
        Beats of the stretch that are seen. All others count from the first of these.
    read : ndarray of int64, (R,)
        Those whose features the head reads, in order.
    near, far : ndarray of int64, (W,) and (F,)
        Those whose windows are attributed to their samples, and those whose windows are attributed as a whole.
    own : int
        The named beat among the near ones; -1 of a segment.
    extent : tuple of float
        The named segment in seconds from the start of the stretch; of a beat it is empty.
    position : ndarray of float32, (R,)
        Where in its segment a beat lies, from -1 to 1; zeros of a beat.
    chunks : Chunks or None
        Those of a timeline head.
    """

    rows: slice
    read: NDArray[np.int64]
    near: NDArray[np.int64]
    far: NDArray[np.int64]
    own: int
    extent: tuple[float, float]
    position: NDArray[np.float32]
    chunks: Chunks | None


class Chained:
    """Embedder and rhythm head one behind the other.

    Parameters
    ----------
    htf : HTF
        Embedder, in evaluation mode.
    net : nn.Module
        Network of the head, in evaluation mode.
    head : TimelineHead or WindowHead
        What the network reads.
    unit : Unit
        What is named.
    """

    def __init__(self, htf: HTF, net: nn.Module, head: RhythmHead, unit: Unit) -> None:
        self.htf, self.net = htf, net
        self._head, self._unit = head, unit
        self._is_embedded = head.inputs.htf is not None

    def to_inputs(self, window_NCS: Tensor) -> tuple[Tensor, ...]:
        """Return near windows (1, W, C, S) and, where there are far ones, their embeddings (1, F, 512)."""
        near_1WCS = window_NCS[self._unit.near][None]
        if not len(self._unit.far):
            return (near_1WCS,)
        with torch.no_grad():
            return near_1WCS, self.htf.embed(window_NCS[self._unit.far])[None]

    def find_posterior(self, window_EWCS: Tensor, *others: Tensor) -> Tensor:
        """Name the unit.

        Parameters
        ----------
        window_EWCS : Tensor, (E, W, C, S) float32
            Near windows, each lead of mean 0 and deviation 1.
        *others : Tensor
            Embeddings of far windows (E, F, 512) where there are any; intervals (E, N) in seconds, 0 unknown; classes
            that are fed back (E, N, 3), zeros unknown.

        Returns
        -------
        Tensor, (E, K)
            Posterior of the rhythms.
        """
        *far_EFD, rr_EN, class_ENK = others
        if self._is_embedded:
            feature_ERD = self._describe_embedded(window_EWCS, *far_EFD, rr_EN=rr_EN, class_ENK=class_ENK)
        else:
            # No window is read: its gradient is zero.
            unread_E = torch.stack([of.flatten(1).sum(dim=1) for of in (window_EWCS, *far_EFD)]).sum(dim=0)
            feature_ERD = self._describe_plain(rr_EN, class_ENK) + 0 * unread_E[:, None, None]
        if self._unit.chunks is not None:
            return self._unit.chunks.find_posterior(self.net, feature_ERD)
        is_beat_ER = torch.ones(feature_ERD.shape[:2], dtype=torch.bool)
        posterior_EK: Tensor = self.net(feature_ERD, is_beat_ER).softmax(dim=-1)
        return posterior_EK

    def log_odds_of(self, rhythm: int) -> Callable[..., Tensor]:
        """Return the function from inputs to the log odds of a rhythm, (E,)."""

        def log_odds(*inputs: Tensor) -> Tensor:
            posterior_EK = self.find_posterior(*inputs)
            # Not 1 - p, whose digits are lost where p is nearly 1.
            others_E = torch.cat([posterior_EK[:, :rhythm], posterior_EK[:, rhythm + 1 :]], dim=-1).sum(dim=-1)
            return posterior_EK[:, rhythm].clamp(min=_LEAST).log() - others_E.clamp(min=_LEAST).log()

        return log_odds

    def _describe_embedded(self, window_EWCS: Tensor, *far_EFD: Tensor, rr_EN: Tensor, class_ENK: Tensor) -> Tensor:
        """Return features of the beats that are read, (E, R, D)."""
        unit, read = self._unit, self._unit.read
        examples, num_beats = rr_EN.shape
        embedding_END = window_EWCS.new_zeros(examples, num_beats, NUM_EMBEDDING)
        near_EWD = self.htf.embed(window_EWCS.flatten(0, 1)).view(examples, -1, NUM_EMBEDDING)
        embedding_END = embedding_END.index_copy(1, torch.from_numpy(unit.near), near_EWD)
        for far in far_EFD:
            embedding_END = embedding_END.index_copy(1, torch.from_numpy(unit.far), far)
        history_END = self.htf.encode_history(self._gather_history(rr_EN, class_ENK))
        if not isinstance(self._head, TimelineHead):
            rr_ER1 = clip_rr(rr_EN)[:, read, None] * float(self._head.inputs.is_rr_used)
            return torch.cat([embedding_END[:, read], history_END[:, read], rr_ER1], dim=-1)
        posterior_ENK = self.htf.classify(torch.cat([embedding_END, history_END], dim=-1)).softmax(dim=-1)
        around_ERD = self._describe_neighbours(rr_EN, posterior_ENK, self._head.neighbour_beats)
        return torch.cat([embedding_END[:, read], history_END[:, read], around_ERD], dim=-1)

    def _describe_plain(self, rr_EN: Tensor, class_ENK: Tensor) -> Tensor:
        """Return features of a head that reads intervals and classes alone, (E, R, D)."""
        if isinstance(self._head, TimelineHead):
            return self._describe_neighbours(rr_EN, class_ENK, self._head.neighbour_beats)
        position_ER1 = torch.from_numpy(self._unit.position).expand(len(rr_EN), -1)[..., None]
        return torch.cat([self._describe_neighbours(rr_EN, class_ENK, WINDOW_NEIGHBOURS), position_ER1], dim=-1)

    def _gather_history(self, rr_EN: Tensor, class_ENK: Tensor) -> Tensor:
        """Do what `ecgfeat.beats.history.history_features` does, (E, N, D)."""
        place_NP = torch.arange(rr_EN.shape[1])[:, None] - torch.arange(self.htf.history_beats)
        is_there_NP = place_NP > 0
        rr_ENP = rr_EN[:, place_NP.clamp(min=0)] * is_there_NP
        class_ENPK = class_ENK[:, (place_NP - 1).clamp(min=0)] * is_there_NP[..., None]
        return torch.cat([rr_ENP, class_ENPK.flatten(2)], dim=-1)

    def _describe_neighbours(self, rr_EN: Tensor, class_ENK: Tensor, num_beats: int) -> Tensor:
        """Do what `ecgfeat.rhythm.features.neighbour_features` does of the beats that are read, (E, R, D)."""
        size = rr_EN.shape[1]
        place_RP = torch.from_numpy(self._unit.read)[:, None] + torch.arange(-num_beats, num_beats + 1)
        is_there_RP = (place_RP >= 0) & (place_RP < size)
        place_RP = place_RP.clamp(0, size - 1)
        rr_ERP = clip_rr(rr_EN)[:, place_RP] * is_there_RP * float(self._head.inputs.is_rr_used)
        has_rr_ERP = rr_ERP > 0
        ordered_ERP = rr_ERP.masked_fill(~has_rr_ERP, torch.inf).sort(dim=-1).values
        count_ER1 = has_rr_ERP.sum(dim=-1, keepdim=True).clamp(min=1)
        middle = [ordered_ERP.gather(-1, place) for place in ((count_ER1 - 1) // 2, count_ER1 // 2)]
        median_ER1 = ((middle[0] + middle[1]) / 2).masked_fill(~has_rr_ERP.any(dim=-1, keepdim=True), 1.0)
        ratio_ERP = (rr_ERP.masked_fill(~has_rr_ERP, 1.0) / median_ER1).log().masked_fill(~has_rr_ERP, 0.0)
        class_ERD = (class_ENK[:, place_RP] * is_there_RP[..., None]).flatten(2)
        return torch.cat([rr_ERP, ratio_ERP, class_ERD], dim=-1)


def clip_rr(rr_EN: Tensor) -> Tensor:
    """Clip intervals as `ecgfeat.rhythm.features.clipped_rr` does: a longer one is a gap."""
    return rr_EN.clamp(max=MAX_RR_S)
