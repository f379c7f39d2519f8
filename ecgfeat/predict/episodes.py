"""Rhythm episodes of one record from the posteriors of its units: beats of a timeline head, segments of a window head.

Shape suffixes: U units of either kind, E episodes, K classes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgfeat.predict.chain import NamedUnits
from ecgfeat.rhythm.decoding import smooth_path
from ecgfeat.rhythm.heads import RhythmHead, TimelineHead


@dataclass(frozen=True)
class PredictedEpisodes:
    """Episodes that cover a record without a gap.

    Attributes
    ----------
    edges : ndarray of int64, (E + 1,)
        Episode e is ``[edges[e], edges[e + 1])`` in samples at the common rate.
    label : ndarray of int64, (E,)
        Index of the rhythm; -1 where there is none.
    posterior : ndarray of float32, (E, K)
        Mean probabilities; NaN where there is no rhythm.
    """

    edges: NDArray[np.int64]
    label: NDArray[np.int64]
    posterior: NDArray[np.float32]


def join_episodes(head: RhythmHead, units: NamedUnits) -> PredictedEpisodes:
    """Join the units of a record into episodes.

    Parameters
    ----------
    head : TimelineHead or WindowHead
        The head that named them.
    units : NamedUnits
        Of `ecgfeat.predict.chain.name_rhythms`.

    Returns
    -------
    PredictedEpisodes

    Notes
    -----
    * Of a timeline head: an episode begins with its first R-peak, the first one with the record; it ends where the
      next one begins, the last one with the record. So every sample has a rhythm, that of the last R-peak before it,
      even across a long gap. The rhythm of a beat is that of the smoothed path, if smoothing was better on the
      validation records. Probabilities are means over the beats of the episode, so its most probable class may differ
      from its rhythm.
    * Of a window head: touching segments of the grid with the same most probable rhythm are one episode; its
      probabilities are their mean. The last segment reaches back where the record does not end on the grid, and names
      only the rest. A segment without R-peaks has no rhythm; nothing is guessed from its neighbours.
    """
    posterior_UK = units.posterior.mean(axis=0, dtype=np.float64).astype(np.float32)
    label_U = np.where(units.has_beats, posterior_UK.argmax(axis=1), -1)
    if not isinstance(head, TimelineHead):
        return merge_units(label_U, posterior_UK, np.diff(units.edges).astype(np.float64), units.edges)
    if head.is_smoothed:
        label_U = smooth_path([posterior_UK], head.decoder)[0]
    return merge_units(label_U, posterior_UK, np.ones(len(label_U)), units.edges)


def merge_units(
    label_U: NDArray[np.int64],
    posterior_UK: NDArray[np.float32],
    weight_U: NDArray[np.float64],
    edges: NDArray[np.int64],
) -> PredictedEpisodes:
    """Merge neighbouring units of one rhythm into episodes.

    Parameters
    ----------
    label_U : ndarray of int64, (U,)
        Rhythm of each; -1 none.
    posterior_UK : ndarray of float32, (U, K)
        Its probabilities.
    weight_U : ndarray of float64, (U,)
        How much it counts in the mean of an episode; positive.
    edges : ndarray of int64, (U + 1,)
        Unit u covers ``[edges[u], edges[u + 1])``.

    Returns
    -------
    PredictedEpisodes
    """
    first_E = np.flatnonzero(np.append(True, label_U[1:] != label_U[:-1]))
    weight_U1 = weight_U[:, None]
    mean_EK = np.add.reduceat(posterior_UK * weight_U1, first_E) / np.add.reduceat(weight_U1, first_E)
    label_E = label_U[first_E]
    mean_EK[label_E < 0] = np.nan
    return PredictedEpisodes(np.append(edges[first_E], edges[-1]), label_E, mean_EK.astype(np.float32))
