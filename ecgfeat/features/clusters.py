"""Group the QRS complexes of a record by shape.

Shape suffixes: B beats, D samples of all leads.
"""

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from ecgfeat.features.beat_parts import BEFORE_SAMPLES
from ecgfeat.features.waves import WAVES

MOST_CLUSTERS: Final = 8
_LIKE = 0.9
_SEEDS = 64


def cluster_qrs(beat_CSB: torch.Tensor) -> NDArray[np.int64]:
    """Group the QRS complexes of a record, and number the groups.

    Parameters
    ----------
    beat_CSB : tensor of float32, (C, S, B)
        Of `ecgfeat.features.waves.prepare_beats`, beats last.

    Returns
    -------
    ndarray of int64, (B,)
        0 is the shape of most beats, and so on; -1 where a beat has no signal. The last number holds all other shapes.

    Notes
    -----
    * The beat of a sample of 64 that is most often alike to the others (correlation of 0.9 over all leads) is the seed
      of the first cluster; its median takes all that are alike to it. What is left is clustered in the same way.
    """
    cluster_B = np.full(beat_CSB.shape[-1], -1)
    unit_BD = _to_unit(beat_CSB[:, BEFORE_SAMPLES + WAVES["qrs"][0] : BEFORE_SAMPLES + WAVES["qrs"][1]])
    left = torch.from_numpy(np.flatnonzero(unit_BD.abs().sum(dim=-1).cpu().numpy() > 0))
    for number in range(MOST_CLUSTERS - 1):
        if not len(left):
            break
        left_BD = unit_BD[left]
        seeds_BD = left_BD[:: -(-len(left) // _SEEDS)]
        seed = ((seeds_BD @ seeds_BD.T) > _LIKE).sum(dim=1).argmax()
        alike_BD = seeds_BD[(seeds_BD @ seeds_BD[seed]) > _LIKE]
        centre_D = alike_BD.median(dim=0).values
        # The seed belongs to its own cluster, however few are like it.
        is_alike_B = (left_BD @ (centre_D / centre_D.norm())) > _LIKE
        is_alike_B |= (left_BD @ seeds_BD[seed]) > 0.999
        cluster_B[left[is_alike_B].cpu().numpy()] = number
        left = left[~is_alike_B]
    cluster_B[left.cpu().numpy()] = MOST_CLUSTERS - 1
    return _by_size(cluster_B)


def _to_unit(qrs_CWB: torch.Tensor) -> torch.Tensor:
    """Lay the leads side by side, (B, D), without level and of size 1 together; 0 in a lead without signal."""
    flat_DB = (qrs_CWB - qrs_CWB.mean(dim=1, keepdim=True)).nan_to_num_(0.0).flatten(0, 1)
    return (flat_DB / flat_DB.square().sum(dim=0).sqrt_().clamp_(min=1e-6)).T.contiguous()


def _by_size(cluster_B: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give the numbers by size, the largest first; the rest stays last."""
    count = np.bincount(cluster_B[cluster_B >= 0], minlength=MOST_CLUSTERS)[: MOST_CLUSTERS - 1]
    new = np.append(np.argsort(np.argsort(-count, kind="stable"), kind="stable"), [MOST_CLUSTERS - 1, -1])
    return np.asarray(new[cluster_B])
