"""Corrupt annotated R-peaks as a detector does: beats are missed, false ones added, and none is placed exactly.

Models that learn from annotations alone would otherwise meet their first error in use.

Shape suffixes: L annotated beats, M beats after the corruption.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgfeat.store.schemas import COMMON_FS_HZ

_CLOSEST_SAMPLES = round(0.16 * COMMON_FS_HZ)
_VENTRICULAR = 2


@dataclass(frozen=True)
class Corruption:
    """How much is corrupted; each draw takes a level between nothing and these.

    Attributes
    ----------
    missed, added : float
        Largest share of beats that are missed, of V beats three times as many, and of false beats that are added.
    jitter_samples : float
        Largest standard deviation of the place of a beat, in samples at 128 Hz.
    rate : float
        Standard deviation of the logarithm of a factor that stretches all intervals.
    """

    missed: float
    added: float
    jitter_samples: float
    rate: float


def corrupt_rpeaks(
    sample_L: NDArray[np.int64], label_L: NDArray[np.int64], corruption: Corruption, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64], float]:
    """Corrupt the R-peaks of a record or of a part of it.

    Parameters
    ----------
    sample_L : ndarray of int64, (L,)
        Annotated R-peaks at the common rate, ascending.
    label_L : ndarray of int64, (L,)
        Their classes as indices into N S V; -1 any other.
    corruption : Corruption
        How much at most.
    rng : numpy.random.Generator
        Draws the level and the beats.

    Returns
    -------
    sample_M : ndarray of int64, (M,)
        Corrupted R-peaks, ascending, 0.16 s or more apart.
    source_M : ndarray of int64, (M,)
        The annotated beat that each was; -1 of a false one.
    factor : float
        By which all intervals were stretched.
    """
    missed, added, jitter = rng.uniform(0, 1, 3) * (corruption.missed, corruption.added, corruption.jitter_samples)
    kept = np.flatnonzero(rng.random(len(sample_L)) >= np.where(label_L == _VENTRICULAR, 3 * missed, missed))
    place = sample_L[kept] + rng.normal(0, jitter, len(kept))
    num_added = rng.binomial(max(0, len(sample_L) - 1), added)
    after = rng.integers(0, max(1, len(sample_L) - 1), num_added)
    share = rng.uniform(0.25, 0.75, num_added)
    false_place = sample_L[after] * (1 - share) + sample_L[np.minimum(after + 1, len(sample_L) - 1)] * share
    place = np.concatenate([place, false_place])
    source = np.concatenate([kept, np.full(num_added, -1)])
    order = np.argsort(place, kind="stable")
    factor = float(np.exp(rng.normal(0, corruption.rate)))
    sample_M = np.rint(place[order] * factor).astype(np.int64)
    while True:
        is_close = np.append(False, np.diff(sample_M) < _CLOSEST_SAMPLES)
        # Of a run of beats that are too close the second goes: what follows it may then be far enough from the first.
        goes = is_close & ~np.append(False, is_close[:-1])
        if not goes.any():
            return sample_M, source[order], factor
        sample_M, order = sample_M[~goes], order[~goes]
