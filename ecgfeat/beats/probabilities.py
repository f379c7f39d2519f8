"""From the answers of networks and trees to the probabilities and classes of beats. It needs no torch.

Shape suffixes: L beats of a record, K classes.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgfeat.store.names import BEAT_CLASSES

_BATCH_BEATS = 1024
_NORMAL, _SUPRAVENTRICULAR = (BEAT_CLASSES.index(name) for name in ("N", "S"))
_LEAST = 1e-6


@dataclass(frozen=True)
class Curve:
    """A logistic curve that calibrates a probability, fitted on beats of subjects that were held out.

    Attributes
    ----------
    slope, offset : float
        The logit is multiplied by the one, and the other is added. 1 and 0 leave it as it is.
    """

    slope: float
    offset: float

    def apply(self, probability_L: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return calibrated probabilities, (L,)."""
        logit_L = self.slope * to_logit(probability_L) + self.offset
        return np.asarray(1 / (1 + np.exp(-logit_L)), dtype=np.float32)


def to_logit(probability_L: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the logits of probabilities, (L,), of size 14 at most."""
    inside_L = np.clip(probability_L.astype(np.float64), _LEAST, 1 - _LEAST)
    return np.asarray(np.log(inside_L / (1 - inside_L)))


def join_classes(ventricular_L: NDArray[np.float32], early_L: NDArray[np.float32]) -> NDArray[np.float32]:
    """Join the probability of V and that of S among all others into those of N, S and V, (L, 3)."""
    other_L = 1 - ventricular_L
    return np.stack([other_L * (1 - early_L), other_L * early_L, ventricular_L], axis=1).astype(np.float32)


def pick_classes(probability_LK: NDArray[np.float32], least_early: float) -> NDArray[np.int64]:
    """Decide on the class of beats from their probabilities.

    Parameters
    ----------
    probability_LK : ndarray of float32, (L, 3)
        Of N, S and V.
    least_early : float
        A beat that is no V is called S from this probability of S on.

    Returns
    -------
    ndarray of int64, (L,)
        Indices into N S V: V where it is the most probable class, else S or N.
    """
    normal_L, early_L, ventricular_L = probability_LK.T
    is_early_L = early_L >= least_early * (normal_L + early_L)
    return np.where(ventricular_L > np.maximum(normal_L, early_L), 2, is_early_L.astype(np.int64))


def gate_early(probability_LK: NDArray[np.float32], afib_L: NDArray[np.float32]) -> NDArray[np.float32]:
    """Move the probability of S to N as far as a beat lies in atrial fibrillation, (L, 3)."""
    gated_LK = probability_LK.copy()
    moved_L = probability_LK[:, _SUPRAVENTRICULAR] * afib_L
    gated_LK[:, _SUPRAVENTRICULAR] -= moved_L
    gated_LK[:, _NORMAL] += moved_L
    return gated_LK


def cut_batches(num_beats: int, context_beats: int) -> Iterator[tuple[slice, slice]]:
    """Cut the beats of a record into batches that see their neighbours.

    Parameters
    ----------
    num_beats : int
        L.
    context_beats : int
        Beats on either side of a batch that a network looks at.

    Yields
    ------
    seen, inside : slice
        Rows of the record that the network is given, and those among them whose answer counts.
    """
    for start in range(0, num_beats, _BATCH_BEATS):
        stop = min(num_beats, start + _BATCH_BEATS)
        low, high = max(0, start - context_beats), min(num_beats, start + _BATCH_BEATS + context_beats)
        yield slice(low, high), slice(start - low, stop - low)
