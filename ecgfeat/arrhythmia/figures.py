"""What tells rhythms apart at a beat: its intervals, those around it, and which beats around it are ectopic.

Shape suffixes: L beats of a stretch, D figures.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgfeat.errors import UsageError
from ecgfeat.features.intervals import Neighbourhood, describe_intervals, mean_interval, shift, sum_up
from ecgfeat.store.feature_names import FEATURE_NAMES
from ecgfeat.store.names import BEAT_CLASSES

INTERVALS = tuple(name for name in FEATURE_NAMES if name.startswith("rr_"))
"""Beat features that are among the figures."""

NEIGHBOURS: Final = 4
"""Beats on either side that are described one by one."""

MEANS_BEATS: Final = (7, 15, 31, 61)
"""Beats over which classes are averaged."""

PATTERNS_BEATS: Final = (7, 15, 31)
"""Beats over which patterns are counted."""

_Reals = NDArray[np.float64]


def _figure_names() -> Iterator[str]:
    yield from INTERVALS
    for lag in range(-NEIGHBOURS, NEIGHBOURS + 2):
        if lag:
            yield f"rr_over_mean_11_at_{lag:+d}"
    for ectopic in ("s", "v"):
        yield from (f"p_{ectopic}_at_{lag:+d}" for lag in range(-NEIGHBOURS, NEIGHBOURS + 1))
        yield from (f"p_{ectopic}_mean_{num_beats}" for num_beats in MEANS_BEATS)
        for pattern in ("bigeminy", "run", "trigeminy"):
            yield from (f"{ectopic}_{pattern}_{num_beats}" for num_beats in PATTERNS_BEATS)


FIGURES = tuple(_figure_names())
"""Names of the figures, in order."""

NUM_FIGURES: Final = len(FIGURES)


def are_hidden(beginnings: Sequence[str]) -> NDArray[np.bool_]:
    """Tell which figures have a name that begins like one of these, (D,).

    Parameters
    ----------
    beginnings : sequence of str
        ``rr_rmssd`` hides those of all neighbourhoods, ``p_v`` all that is said of single V beats.

    Raises
    ------
    UsageError
        If no figure begins like one of them.
    """
    for beginning in beginnings:
        if not any(name.startswith(beginning) for name in FIGURES):
            raise UsageError("hidden_figures", found=repr(beginning), expected="the beginning of a figure's name")
    return np.array([name.startswith(tuple(beginnings)) for name in FIGURES])


def describe_rhythm(
    rr_s: _Reals,
    usual_s: tuple[float, float],
    probability_LK: NDArray[np.float32],
    intervals: Mapping[str, NDArray[Any]] | None = None,
) -> NDArray[np.float32]:
    """Describe each beat of a stretch by what tells rhythms apart.

    Parameters
    ----------
    rr_s : ndarray of float64, (L,)
        Seconds from the R-peak before; NaN for the first.
    usual_s : tuple of float
        Mean and median interval of the whole record, by `ecgfeat.features.intervals.usual_interval`.
    probability_LK : ndarray of float32, (L, 3)
        Of N, S and V; NaN where it is not known.
    intervals : mapping of str to ndarray of float, (L,), optional
        The columns `INTERVALS` of the beats, where they have been computed; by default from ``rr_s`` and ``usual_s``.

    Returns
    -------
    ndarray of float32, (L, D)
        The columns `FIGURES`; NaN where there is none.

    Notes
    -----
    * A pattern is the mean probability, over some beats, that this beat begins it: ectopic, normal, ectopic
      (bigeminy); three ectopic (run); ectopic, two normal, ectopic (trigeminy).
    """
    if intervals is None:
        intervals = describe_intervals(rr_s, usual_s)
    columns = [intervals[name] for name in INTERVALS]
    ratio = np.log(np.clip(rr_s, 0.15, 3.0) / mean_interval(rr_s, 11))
    columns += [shift(ratio, lag) for lag in range(-NEIGHBOURS, NEIGHBOURS + 2) if lag]
    normal, *ectopics = probability_LK.astype(np.float64).T[: len(BEAT_CLASSES)]
    for ectopic in ectopics:
        one, two, three = (shift(ectopic, lag) for lag in (1, 2, 3))
        bigeminy, run = ectopic * shift(normal, 1) * two, ectopic * one * two
        trigeminy = ectopic * shift(normal, 1) * shift(normal, 2) * three
        columns += [shift(ectopic, lag) for lag in range(-NEIGHBOURS, NEIGHBOURS + 1)]
        columns += _means(ectopic[None], MEANS_BEATS)
        pattern_means = [_means(pattern[None], PATTERNS_BEATS) for pattern in (bigeminy, run, trigeminy)]
        columns += [mean for means in pattern_means for mean in means]
    return np.ascontiguousarray(np.array(columns, dtype=np.float32).T)


def _means(value_1L: _Reals, sizes: tuple[int, ...]) -> list[_Reals]:
    """Return the mean over the beats around each beat for each size; NaN where no value is known."""
    sums = sum_up(value_1L)
    return [Neighbourhood(value_1L.shape[1], size).mean(sums)[0] for size in sizes]
