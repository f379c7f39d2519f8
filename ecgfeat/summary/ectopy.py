"""Ectopic beats of one class: single ones, couplets, runs, bigeminy.

Shape suffix: L beats.
"""

import itertools
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

RUN_BEATS: Final = 3
"""So many ectopic beats in a row are a run; two are a couplet."""

BIGEMINY_BEATS: Final = 3
"""So many ectopic beats with one N beat between each two are an episode of bigeminy."""


@dataclass(frozen=True)
class Run:
    """Ectopic beats in a row.

    Attributes
    ----------
    num_beats : int
        How many.
    start_s : float
        Time of the first, in seconds from the start of the record.
    per_min : float
        Heart rate from the first to the last, in beats per minute.
    """

    num_beats: int
    start_s: float
    per_min: float


@dataclass(frozen=True)
class Ectopy:
    """Ectopic beats of one class.

    Attributes
    ----------
    num_beats : int
        All of them.
    num_couplets : int
        Exactly two in a row.
    runs : tuple of Run
        Three or more in a row, in order of time.
    num_bigeminy : int
        Episodes of bigeminy: three or more ectopic beats with one N beat between each two.
    bigeminy_s : float
        Their time, from the first to the last ectopic beat of each.
    """

    num_beats: int
    num_couplets: int
    runs: tuple[Run, ...]
    num_bigeminy: int
    bigeminy_s: float

    @property
    def longest_run(self) -> Run | None:
        """The run of most beats, the first of equal ones."""
        return max(self.runs, key=lambda run: run.num_beats, default=None)


def count_ectopy(time_s: NDArray[np.float64], rr_s: NDArray[np.float64], aami: NDArray[Any], kind: str) -> Ectopy:
    """Count the ectopic beats of a class, and the patterns that they make. No pattern crosses a gap.

    Parameters
    ----------
    time_s : ndarray of float64, (L,)
        R-peaks in seconds from the start of the record, ascending.
    rr_s : ndarray of float64, (L,)
        Interval that ends at each; NaN for the first beat after a gap.
    aami : ndarray of str, (L,)
        Class of each beat.
    kind : str
        The class: ``S`` or ``V``.

    Returns
    -------
    Ectopy
    """
    is_kind_L = aami == kind
    # Beats of two stretches are never neighbours.
    stretch_L = np.cumsum(~np.isfinite(rr_s))
    beats = np.flatnonzero(is_kind_L)
    follows = (np.diff(beats) == 1) & (np.diff(stretch_L[beats]) == 0)
    rows = [beats[first:stop] for first, stop in _chains(follows)]
    runs = tuple(
        Run(
            len(row),
            float(time_s[row[0]]),
            60 * (len(row) - 1) / float(rr_s[row[1:]].sum()),
        )
        for row in rows
        if len(row) >= RUN_BEATS
    )
    alternates = (np.diff(beats) == 2) & (aami[beats[:-1] + 1] == "N") & (np.diff(stretch_L[beats]) == 0)
    bigeminies = [beats[first:stop] for first, stop in _chains(alternates) if stop - first >= BIGEMINY_BEATS]
    return Ectopy(
        len(beats),
        sum(len(row) == RUN_BEATS - 1 for row in rows),
        runs,
        len(bigeminies),
        float(sum(time_s[row[-1]] - time_s[row[0]] for row in bigeminies)),
    )


def _chains(is_linked: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return the half-open extents of items that are linked to the next; an item without a link is one alone."""
    edges = np.flatnonzero(~is_linked) + 1
    bounds = [0, *edges.tolist(), len(is_linked) + 1]
    return list(itertools.pairwise(bounds))
