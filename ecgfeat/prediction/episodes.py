"""Rhythm episodes of one record from the posteriors of its units: beats, or segments of a window head.

Shape suffixes: U units of either kind, E episodes, K classes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfeat.store.schemas import COMMON_FS_HZ, RHYTHMS

NOISE, NO_SIGNAL, NO_RPEAK, PAUSE, NOT_CLASSIFIED = UNNAMED = (
    "noise",
    "no signal",
    "no R-peak",
    "pause",
    "not classified",
)
"""Why time has no rhythm."""

PAUSE_S = 3.0
"""An RR interval of so long is a pause, whatever the rhythm around it."""


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
    reason : tuple of str, length E
        Why there is no rhythm; empty where there is one.
    """

    edges: NDArray[np.int64]
    label: NDArray[np.int64]
    posterior: NDArray[np.float32]
    reason: tuple[str, ...]

    @property
    def names(self) -> NDArray[Any]:
        """Rhythm of each episode, (E,); empty where there is none."""
        return np.array([*RHYTHMS, ""], dtype=object)[self.label]

    @property
    def certainty(self) -> NDArray[np.float32]:
        """Probability of the rhythm of each episode, (E,), float32; NaN where there is none."""
        own_E = np.take_along_axis(self.posterior, np.maximum(self.label, 0)[:, None], axis=1)[:, 0]
        return np.where(self.label >= 0, own_E, np.float32(np.nan))


@dataclass(frozen=True)
class NamedStretch:
    """What is predicted of a usable stretch of a record.

    Attributes
    ----------
    label : ndarray of int64, (L,)
        Class of each beat as an index into N S V.
    probability : ndarray of float32, (L, 3)
        Of N, S and V, beat by beat.
    episodes : PredictedEpisodes
        Its rhythms; they cover the stretch.
    feature : mapping of str to ndarray of float32, (L,)
        Features of its beats that evidence is read from; empty where none are measured.
    """

    label: NDArray[np.int64]
    probability: NDArray[np.float32]
    episodes: PredictedEpisodes
    feature: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)


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
    reason = tuple(NO_RPEAK if label < 0 else "" for label in label_E)
    return PredictedEpisodes(np.append(edges[first_E], edges[-1]), label_E, mean_EK.astype(np.float32), reason)


def mark_pauses(episodes: PredictedEpisodes, sample: NDArray[np.int64]) -> PredictedEpisodes:
    """Take pauses of 3 s or more out of the episodes of a stretch: from just after an R-peak to the next.

    Parameters
    ----------
    episodes : PredictedEpisodes
        Of one stretch.
    sample : ndarray of int64, (L,)
        Its R-peaks.

    Returns
    -------
    PredictedEpisodes
        The same where there is no pause.
    """
    before = np.flatnonzero(np.diff(sample) >= PAUSE_S * COMMON_FS_HZ)
    if not before.size:
        return episodes
    start_P, stop_P = sample[before] + 1, sample[before + 1]
    edges = np.unique(np.concatenate([episodes.edges, start_P, stop_P]))
    of = np.searchsorted(episodes.edges, edges[:-1], side="right") - 1
    place = np.searchsorted(np.stack([start_P, stop_P], axis=1).ravel(), edges[:-1], side="right")
    is_pause = place % 2 == 1
    # An edge within a pause divides nothing.
    kept = np.append(True, ~(is_pause[1:] & is_pause[:-1] & (place[1:] == place[:-1])))
    is_pause, of = is_pause[kept], of[kept]
    return PredictedEpisodes(
        np.append(edges[:-1][kept], edges[-1]),
        np.where(is_pause, -1, episodes.label[of]),
        np.where(is_pause[:, None], np.float32(np.nan), episodes.posterior[of]),
        tuple(PAUSE if pause else episodes.reason[e] for pause, e in zip(is_pause, of, strict=True)),
    )


def place_episodes(
    parts: Sequence[tuple[int, PredictedEpisodes]], num_samples: int, reason_between: Callable[[int, int], str]
) -> PredictedEpisodes:
    """Place the episodes of stretches in their record, with episodes without a rhythm between them.

    Parameters
    ----------
    parts : sequence of (int, PredictedEpisodes)
        First sample of each stretch, ascending, and its episodes.
    num_samples : int
        Length of the record at the common rate.
    reason_between : callable
        ``reason_between(start, stop)`` returns why there is no rhythm between two samples.

    Returns
    -------
    PredictedEpisodes
        They cover the record.
    """
    start, label, posterior, reason = [], [], [], []
    end = 0
    for first, episodes in (*parts, (num_samples, None)):
        if first > end:
            start.append(np.array([end]))
            label.append(np.array([-1]))
            posterior.append(np.full((1, len(RHYTHMS)), np.nan, dtype=np.float32))
            reason.append(reason_between(end, first))
        if episodes is not None:
            start.append(first + episodes.edges[:-1])
            label.append(episodes.label)
            posterior.append(episodes.posterior)
            reason.extend(episodes.reason)
            end = first + int(episodes.edges[-1])
    edges = np.append(np.concatenate(start), num_samples).astype(np.int64)
    return PredictedEpisodes(edges, np.concatenate(label), np.concatenate(posterior), tuple(reason))


def join_at(episodes: PredictedEpisodes, places: Sequence[int]) -> PredictedEpisodes:
    """Join episodes of one rhythm, or without one for one reason, that touch at given places.

    Parameters
    ----------
    episodes : PredictedEpisodes
        Of a record.
    places : sequence of int
        Samples at the common rate; an edge elsewhere stays.

    Returns
    -------
    PredictedEpisodes
        Probabilities are means by length.
    """
    label_E, reason = episodes.label, np.array(episodes.reason, dtype=object)
    kept = np.append(True, ~np.isin(episodes.edges[1:-1], places))
    kept[1:] |= (label_E[1:] != label_E[:-1]) | (reason[1:] != reason[:-1])
    if kept.all():
        return episodes
    first, length_E1 = np.flatnonzero(kept), np.diff(episodes.edges)[:, None]
    mean_EK = np.add.reduceat(episodes.posterior * length_E1, first) / np.add.reduceat(length_E1, first)
    return PredictedEpisodes(
        np.append(episodes.edges[:-1][kept], episodes.edges[-1]),
        label_E[kept],
        mean_EK.astype(np.float32),
        tuple(reason[kept]),
    )


def main_rhythm(
    rhythm: NDArray[Any], length: NDArray[np.floating], certainty: NDArray[np.floating], num_beats: NDArray[np.integer]
) -> tuple[str, float]:
    """Return the rhythm of most of the named time of a record, and how certain it is.

    Parameters
    ----------
    rhythm : ndarray of str, (E,)
        Rhythm of each episode; empty where there is none.
    length : ndarray of float, (E,)
        How long each is, in any unit.
    certainty : ndarray of float, (E,)
        Probability of its rhythm; NaN where there is none.
    num_beats : ndarray of int, (E,)
        R-peaks in it.

    Returns
    -------
    rhythm : str
        Empty where nothing is named.
    certainty : float
        Mean probability of this rhythm over the beats that are so named, in [0, 1]; NaN where nothing is named.
    """
    total = {name: float(length[rhythm == name].sum()) for name in RHYTHMS}
    main = max(RHYTHMS, key=lambda name: total[name])
    if not total[main]:
        return "", float("nan")
    rows = np.flatnonzero(rhythm == main)
    return main, float(np.average(certainty[rows], weights=np.maximum(num_beats[rows], 1)))
