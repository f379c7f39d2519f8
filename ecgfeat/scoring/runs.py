"""Compare runs of ectopic beats: couplets, short runs and long runs, as the run-by-run comparison of EC57 does.

References
----------
ANSI/AAMI EC57:2012, clause 4 (run sensitivity and run positive predictivity). G. B. Moody, "rxr", WFDB Applications
Guide, whose definition this is.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfeat.scoring.episodes import find_value_runs
from ecgfeat.scoring.rhythm import ratio

RUN_LENGTHS = {"couplets": (2, 2), "short_runs": (3, 5), "long_runs": (6, 6)}
"""Minimum and maximum number of beats of each kind of run; a run of more than 6 beats counts as one of 6."""

ECTOPIC = {"v": ("V", "F"), "s": ("S",)}
"""AAMI classes of a ventricular and of a supraventricular run: a fusion beat is part of a ventricular run."""

_LONGEST = 6


def run_scores(
    reference_aami: NDArray[np.str_],
    predicted_aami: NDArray[np.str_],
    stretch: NDArray[np.int64],
    sample: NDArray[np.int64],
    *,
    window_samples: int,
) -> dict[str, dict[str, dict[str, Any]]]:
    """Score the runs of ventricular and of supraventricular ectopic beats.

    A run consists of consecutive ectopic beats of one side (reference or predicted). A beat of any other class ends it.
    The run is detected if the other side has enough consecutive ectopic beats between `window_samples` before its first
    beat and `window_samples` after its last beat: 2 for a couplet, 3 for a short run (3 to 5 beats), 6 for a long run
    (6 beats or more).

    Parameters
    ----------
    reference_aami, predicted_aami : ndarray of str, shape (L,)
        AAMI classes N, S, V, F or Q, beat by beat. An empty predicted class is a missed beat. An empty reference class
        is an extra detection.
    stretch : ndarray of int64, shape (L,)
        Number of the stretch of each row, not below 0, ascending. A stretch is a record, or a part of a record between
        rows that are not counted. No run continues from one stretch to the next.
    sample : ndarray of int64, shape (L,)
        Position of each row in its record, ascending within a stretch.
    window_samples : int
        Tolerance at both ends of a run: 150 ms in EC57.

    Returns
    -------
    dict
        By ``v`` and ``s``, then ``couplets``, ``short_runs`` and ``long_runs``: ``sensitivity`` (share of the reference
        runs of that kind that are detected), ``positive_predictivity`` (share of the predicted runs of that kind that
        are in the reference), ``num_reference_runs``, ``num_predicted_runs``.

    Notes
    -----
    * A matched beat has one position for both sides: that of the R-peak.
    * ``rxr`` counts ventricular flutter as a long ventricular run, and atrial fibrillation with all its beats as a
      long supraventricular run. This is not done here: both are scored as rhythms.
    * ``rxr`` reads each side once from start to end. The same beats cannot detect two runs within 150 ms of each other.
      Here every run is compared independently.
    """
    scores: dict[str, dict[str, dict[str, Any]]] = {}
    # One time axis for all stretches, with distances so large that no window reaches into the next stretch.
    apart = int(sample.max(initial=0)) - int(sample.min(initial=0)) + 2 * window_samples + 1
    at = stretch * apart + sample
    sides = []
    for aami in (reference_aami, predicted_aami):
        rows = np.flatnonzero(aami != "")
        breaks = np.diff(stretch[rows], prepend=-1) != 0
        sides.append((at[rows], aami[rows], breaks))
    for name, classes in ECTOPIC.items():
        reference, predicted = ((time, find_value_runs(np.isin(aami, classes), breaks)) for time, aami, breaks in sides)
        scores[name] = {kind: {} for kind in RUN_LENGTHS}
        for side, own, other in (("reference", reference, predicted), ("predicted", predicted, reference)):
            length = np.minimum(own[1][:, 1] - own[1][:, 0], _LONGEST)
            longest = _longest_within(*own, *other, window_samples)
            for kind, (fewest, most) in RUN_LENGTHS.items():
                of_kind = (length >= fewest) & (length <= most)
                share = float(ratio((longest[of_kind] >= fewest).sum(), of_kind.sum()))
                scores[name][kind]["sensitivity" if side == "reference" else "positive_predictivity"] = share
                scores[name][kind][f"num_{side}_runs"] = int(of_kind.sum())
    return scores


def _longest_within(
    own_at: NDArray[np.int64],
    own_run: NDArray[np.int64],
    other_at: NDArray[np.int64],
    other_run: NDArray[np.int64],
    window_samples: int,
) -> NDArray[np.int64]:
    """Return for each run of one side the most consecutive beats of a run of the other side inside its window."""
    first, last = own_at[own_run[:, 0]], own_at[own_run[:, 1] - 1]
    start = np.searchsorted(other_at, first - window_samples, side="left")
    stop = np.searchsorted(other_at, last + window_samples, side="right")
    # The runs of the other side ascend and do not touch: those that overlap a window are neighbours.
    low = np.searchsorted(other_run[:, 1], start, side="right")
    high = np.maximum(np.searchsorted(other_run[:, 0], stop, side="left"), low)
    num = high - low
    own = np.repeat(np.arange(len(own_run)), num)
    other = np.arange(num.sum()) - np.repeat(np.cumsum(num) - num, num) + low[own]
    length = np.minimum(other_run[other, 1], stop[own]) - np.maximum(other_run[other, 0], start[own])
    longest = np.zeros(len(own_run), dtype=np.int64)
    np.maximum.at(longest, own, length)
    return longest
