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
"""Fewest and most beats of each kind of run; runs of more than 6 beats count as 6."""

ECTOPIC = {"v": ("V", "F"), "s": ("S",)}
"""AAMI classes that make up a ventricular and a supraventricular run: a fusion beat goes on with a ventricular run."""

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

    A run is a row of consecutive ectopic beats on one side, ended by a beat of any other class. It counts as found if
    the other side has, among its beats from `window_samples` before the first beat of the run to `window_samples` after
    the last, a run that reaches the same kind of length: 2 or more consecutive ectopic beats for a couplet, 3 or more
    for a short run (3 to 5 beats), 6 or more for a long run (6 or more beats).

    Parameters
    ----------
    reference_aami, predicted_aami : ndarray of str, shape (L,)
        AAMI classes N, S, V, F or Q, beat by beat; an empty string as prediction is a missed beat, as reference an
        extra detection.
    stretch : ndarray of int64, shape (L,)
        Stretch each row belongs to, ascending from 0 or more. No run crosses from one stretch to another: each record
        is a stretch of its own, and more than one where rows were left out.
    sample : ndarray of int64, shape (L,)
        Position of each row in its record, ascending within a stretch.
    window_samples : int
        Tolerance at both ends of a run: 150 ms in EC57.

    Returns
    -------
    dict
        By ``v`` and ``s``, then ``couplets``, ``short_runs`` and ``long_runs``: ``sensitivity`` (share of the reference
        runs of that kind that are found), ``positive_predictivity`` (share of the predicted runs of that kind that are
        found in the reference), ``num_reference_runs``, ``num_predicted_runs``.

    Notes
    -----
    * A beat that both sides have stands where its row stands, at the R-peak, on both sides.
    * ``rxr`` counts ventricular flutter as a long ventricular run, and atrial fibrillation with all its beats as a
      long supraventricular one. Neither is done here: those are scored as rhythms.
    * ``rxr`` reads each side once from start to end, so that two runs within 150 ms of each other cannot both be found
      by the same beats. Here every run is looked at by itself.
    """
    scores: dict[str, dict[str, dict[str, Any]]] = {}
    # One time axis for all stretches, so far apart that no window reaches from one to another.
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
        for side, mine, theirs in (("reference", reference, predicted), ("predicted", predicted, reference)):
            length = np.minimum(mine[1][:, 1] - mine[1][:, 0], _LONGEST)
            longest = _longest_within(*mine, *theirs, window_samples)
            for kind, (fewest, most) in RUN_LENGTHS.items():
                of_kind = (length >= fewest) & (length <= most)
                found = float(ratio((longest[of_kind] >= fewest).sum(), of_kind.sum()))
                scores[name][kind]["sensitivity" if side == "reference" else "positive_predictivity"] = found
                scores[name][kind][f"num_{side}_runs"] = int(of_kind.sum())
    return scores


def _longest_within(
    my_at: NDArray[np.int64],
    my_run: NDArray[np.int64],
    their_at: NDArray[np.int64],
    their_run: NDArray[np.int64],
    window_samples: int,
) -> NDArray[np.int64]:
    """Return for each of my runs the most consecutive beats of one of their runs inside its window."""
    first, last = my_at[my_run[:, 0]], my_at[my_run[:, 1] - 1]
    start = np.searchsorted(their_at, first - window_samples, side="left")
    stop = np.searchsorted(their_at, last + window_samples, side="right")
    # Their runs ascend and do not touch: those that overlap a window are neighbours.
    low = np.searchsorted(their_run[:, 1], start, side="right")
    high = np.maximum(np.searchsorted(their_run[:, 0], stop, side="left"), low)
    num = high - low
    mine = np.repeat(np.arange(len(my_run)), num)
    theirs = np.arange(num.sum()) - np.repeat(np.cumsum(num) - num, num) + low[mine]
    length = np.minimum(their_run[theirs, 1], stop[mine]) - np.maximum(their_run[theirs, 0], start[mine])
    longest = np.zeros(len(my_run), dtype=np.int64)
    np.maximum.at(longest, mine, length)
    return longest
