"""What a reader looks for next, such as onsets of atrial fibrillation, runs, pauses and doubt; and the heart rate."""

from itertools import pairwise
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ecgfeat.paper.trends import heart_rates
from ecgfeat.summary.day import ECTOPIC
from ecgfeat.summary.ectopy import count_ectopy
from ecgfeat.summary.intervals import find_pauses
from ecgfeat.view.marks import Marks

MATCH_S: Final = 0.15
"""Two R-peaks that lie nearer are the same beat, as in ANSI/AAMI EC57."""

MOST_POINTS: Final = 1440
"""Of the heart rate: a minute each for a day."""

_MOST_UNCERTAIN = 50
_MOST_DOUBTS = 50
_MIN_DISAGREEMENT_S = 2.0


def find_events(marks: Marks, reference: Marks | None) -> dict[str, NDArray[np.float64]]:
    """Find the times that a reader may want to go to.

    Parameters
    ----------
    marks : Marks
        Of the prediction, or of a reference alone.
    reference : Marks or None
        What the prediction is compared with.

    Returns
    -------
    dict of str to ndarray of float64
        Times in seconds, ascending in all but ``uncertain``: ``af_onset`` (start of an AFIB episode), ``pvc`` (V
        beats), ``run`` (first of three or more S or V beats in a row), ``pause`` (start of an RR interval over 2 s),
        ``uncertain`` (starts of the 50 least certain episodes, the least certain first), ``disagreement`` (beats with
        another class than the reference, beats that only one of both has, unless the reference has rhythms alone, and
        starts of stretches of 2 s with another rhythm).
    """
    runs = [run for kind in ECTOPIC for run in count_ectopy(marks.time_s, marks.rr_s, marks.label, kind).runs]
    return {
        "af_onset": np.array(
            [start for start, name in zip(marks.start_s, marks.rhythm, strict=True) if name == "AFIB"]
        ),
        "pvc": marks.time_s[marks.label == "V"],
        "run": np.array(sorted(run.start_s for run in runs)),
        "pause": np.array([pause.start_s for pause in find_pauses(marks.time_s, marks.rr_s)]),
        "uncertain": marks.start_s[np.array([at for at, _ in least_certain(marks)], np.int64)],
        "disagreement": np.zeros(0) if reference is None else _disagreements(marks, reference),
    }


def rate_trend(marks: Marks, duration_s: float) -> dict[str, NDArray[np.float32]]:
    """Summarise the heart rate in stretches of equal length.

    Parameters
    ----------
    marks : Marks
        Beats of the record.
    duration_s : float
        Length of the record.

    Returns
    -------
    dict of str to ndarray of float32
        Of each stretch: ``middle_s``; ``rate_bpm``, ``lowest_bpm`` and ``highest_bpm``, as
        `ecgfeat.paper.trends.heart_rates` defines them, NaN where there are none; numbers of S and V beats, ``num_s``
        and ``num_v``.
    """
    rates = heart_rates(marks.time_s, marks.rr_s, duration_s, max_stretches=MOST_POINTS)
    num_points = len(rates.mean)
    place = np.clip(np.searchsorted(rates.edges_s, marks.time_s, side="right") - 1, 0, num_points - 1)
    columns = {
        "middle_s": (rates.edges_s[:-1] + rates.edges_s[1:]) / 2,
        "rate_bpm": rates.mean,
        "lowest_bpm": rates.least,
        "highest_bpm": rates.most,
        "num_s": np.bincount(place[marks.label == "S"], minlength=num_points),
        "num_v": np.bincount(place[marks.label == "V"], minlength=num_points),
    }
    return {name: column.astype(np.float32) for name, column in columns.items()}


class Doubt(NamedTuple):
    """A part of a record that should be looked at.

    Attributes
    ----------
    kind : {'disagreement', 'uncertain'}
        Another rhythm than the reference, or an uncertain one.
    start_s, stop_s : float
        Half-open extent.
    certainty : float or None
        Of the rhythm, where it is uncertain.
    """

    kind: Literal["disagreement", "uncertain"]
    start_s: float
    stop_s: float
    certainty: float | None = None

    @property
    def rank(self) -> tuple[bool, float]:
        """Its place among those of all records: the longest disagreement is first, then the least certain rhythm."""
        return (True, self.certainty) if self.certainty is not None else (False, self.start_s - self.stop_s)


def find_doubts(marks: Marks, reference: Marks | None) -> list[Doubt]:
    """Find the parts of a record that should be looked at.

    Parameters
    ----------
    marks : Marks
        Of the prediction.
    reference : Marks or None
        What it is compared with.

    Returns
    -------
    list of Doubt
        At most 50, by rank: where a reference has rhythms, what disagrees with it, else what is least certain.
    """
    if reference is not None and reference.rhythm:
        doubts = [Doubt("disagreement", start, stop) for start, stop in _rhythm_disagreements(marks, reference)]
    else:
        doubts = [
            Doubt("uncertain", float(marks.start_s[at]), float(marks.stop_s[at]), certainty)
            for at, certainty in least_certain(marks)
        ]
    return sorted(doubts, key=lambda doubt: doubt.rank)[:_MOST_DOUBTS]


def least_certain(marks: Marks) -> list[tuple[int, float]]:
    """Return the positions of the episodes with a rhythm, and its certainty, the least certain first; at most 50."""
    if marks.certainty is None:
        return []
    known = np.flatnonzero(np.isfinite(marks.certainty) & (np.array(marks.rhythm) != ""))
    order = known[np.argsort(marks.certainty[known], kind="stable")][:_MOST_UNCERTAIN]
    return list(zip(order.tolist(), marks.certainty[order].tolist(), strict=True))


def _disagreements(marks: Marks, reference: Marks) -> NDArray[np.float64]:
    """Return where beats or rhythms differ, in time that the prediction could read."""
    starts = np.array([start for start, _ in _rhythm_disagreements(marks, reference)], np.float64)
    return np.unique(np.concatenate([_beat_differences(marks, reference), starts]))


def _beat_differences(marks: Marks, reference: Marks) -> NDArray[np.float64]:
    """Return where beats differ; nowhere where the reference has rhythms alone."""
    if not len(reference.time_s):
        return np.zeros(0)
    other, is_matched = _match(marks.time_s, reference.time_s)
    differs = ~is_matched
    if len(reference.label):
        label = reference.label[other]
        # F and Q are no classes of the prediction.
        differs |= np.isin(label, ("N", "S", "V")) & (label != marks.label)
    is_missed = ~_match(reference.time_s, marks.time_s)[1]
    for start_s, stop_s, reason in zip(marks.start_s, marks.stop_s, marks.reason, strict=True):
        if reason:  # the prediction says that it could not read this time
            is_missed &= (reference.time_s < start_s) | (reference.time_s >= stop_s)
    return np.concatenate([marks.time_s[differs], reference.time_s[is_missed]])


def _match(at_s: NDArray[np.float64], among_s: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the nearest of ascending times, and whether it is near enough to be the same beat."""
    nearest = _nearest(among_s, at_s)
    if not len(among_s):
        return nearest, np.zeros(len(at_s), np.bool_)
    return nearest, np.abs(among_s[nearest] - at_s) <= MATCH_S


def _nearest(among_s: NDArray[np.float64], at_s: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the position of the nearest of ascending times; 0 where there is none."""
    if not len(among_s):
        return np.zeros(len(at_s), np.int64)
    right = np.clip(np.searchsorted(among_s, at_s), 0, len(among_s) - 1)
    left = np.maximum(right - 1, 0)
    return np.where(np.abs(among_s[left] - at_s) <= np.abs(among_s[right] - at_s), left, right)


def _rhythm_disagreements(marks: Marks, reference: Marks) -> list[tuple[float, float]]:
    """Return the extents of at least 2 s in which both have a rhythm, and not the same."""
    edges = np.unique(np.concatenate([marks.start_s, marks.stop_s, reference.start_s, reference.stop_s])).tolist()
    extents: list[tuple[float, float]] = []
    for start, stop in pairwise(edges):
        names = [_rhythm_at(of, (start + stop) / 2) for of in (marks, reference)]
        if all(names) and names[0] != names[1]:
            is_next = bool(extents) and extents[-1][1] == start
            extents[-1 if is_next else len(extents) :] = [(extents[-1][0] if is_next else start, stop)]
    return [(start, stop) for start, stop in extents if stop - start >= _MIN_DISAGREEMENT_S]


def _rhythm_at(marks: Marks, at_s: float) -> str:
    episode = int(np.searchsorted(marks.start_s, at_s, side="right")) - 1
    return marks.rhythm[episode] if episode >= 0 and at_s < marks.stop_s[episode] else ""
