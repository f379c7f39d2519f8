"""How early a beat comes: trees over RR intervals that tell S from N, learnt from thousands of hours of annotations.

Of a beat that is no V, what tells S from N across subjects is its prematurity against means of intervals, and whether
the rhythm around it is regular: in atrial fibrillation an early beat is no S. Medians would hide a record in which
every second beat is an S, and the shape of its waves is learnt by heart. So the trees read intervals alone, and
databases without signals teach them.

Shape suffixes: L beats of a record, N rows, D columns.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfeat.beats.corruption import Corruption, corrupt_rpeaks
from ecgfeat.errors import DataError
from ecgfeat.features.intervals import describe_intervals, usual_interval
from ecgfeat.store.feature_columns import FEATURE_NAMES
from ecgfeat.store.schemas import COMMON_FS_HZ
from ecgfeat.trees import Trees, TreeSettings, balance_rows, fit_trees

COLUMNS = tuple(name for name in FEATURE_NAMES if name.startswith("rr_") and "median" not in name)
"""Beat features that the trees read."""

_NORMAL, _SUPRAVENTRICULAR = 0, 1


@dataclass(frozen=True)
class PrematurityRows:
    """Rows of one record to learn from.

    Attributes
    ----------
    value : ndarray of float32, (N, D)
        Columns `COLUMNS`.
    is_s : ndarray of int64, (N,)
        1 of an S beat, 0 of an N beat.
    weight : float
        How much the record counts.
    """

    value: NDArray[np.float32]
    is_s: NDArray[np.int64]
    weight: float = 1.0


def draw_rows(
    value_LD: NDArray[np.float32], label_L: NDArray[np.int64], most_beats: int, rng: np.random.Generator
) -> PrematurityRows:
    """Draw the N and S beats of a record that the trees learn from.

    Parameters
    ----------
    value_LD : ndarray of float32, (L, D)
        Columns `COLUMNS` of all its beats.
    label_L : ndarray of int64, (L,)
        Classes as indices into N S V; -1 any other.
    most_beats : int
        S beats at most; of N beats three times as many.
    rng : numpy.random.Generator
        Draws.

    Returns
    -------
    PrematurityRows
    """
    parts = [
        rng.permutation(np.flatnonzero(label_L == label))[:most]
        for label, most in ((_NORMAL, 3 * most_beats), (_SUPRAVENTRICULAR, most_beats))
    ]
    rows = np.concatenate(parts)
    return PrematurityRows(value_LD[rows], label_L[rows])


def draw_annotated_rows(
    sample_L: NDArray[np.int64],
    label_L: NDArray[np.int64],
    corruption: Corruption,
    most_beats: int,
    rng: np.random.Generator,
) -> PrematurityRows:
    """Draw beats of a record of which the annotations alone are known, after corrupting it as a detector does.

    Parameters
    ----------
    sample_L : ndarray of int64, (L,)
        Annotated beats at the common rate, ascending.
    label_L, most_beats, rng
        As `draw_rows` takes them.
    corruption : Corruption
        How much.

    Returns
    -------
    PrematurityRows
    """
    sample_M, source_M, _ = corrupt_rpeaks(sample_L, label_L, corruption, rng)
    label_M = np.where(source_M >= 0, label_L[source_M], -1)
    rr_s = np.diff(sample_M / COMMON_FS_HZ, prepend=np.nan)
    column = describe_intervals(rr_s, usual_interval(rr_s))
    return draw_rows(stack_columns_of(column), label_M, most_beats, rng)


def stack_columns_of(column: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
    """Return the columns that the trees read, (L, D), of beat features by name."""
    return np.ascontiguousarray(np.array([column[name] for name in COLUMNS], dtype=np.float32).T)


def fit_prematurity(records: Sequence[PrematurityRows], settings: TreeSettings, seed: int) -> Trees:
    """Fit the trees.

    Parameters
    ----------
    records : sequence of PrematurityRows
        Record by record; none of them decides more than by the root of its number of beats.
    settings : TreeSettings
        How.
    seed : int
        Of the draws.

    Returns
    -------
    Trees
        Probability that a beat which is no V is an S, were half of all beats S.

    Raises
    ------
    DataError
        If there is no N beat or no S beat.
    """
    target_N = np.concatenate([record.is_s for record in records])
    if len(np.unique(target_N)) < 2:
        raise DataError("train_beats", found="beats of one class", expected="N and S beats", remedy="Change the split.")
    group_N = np.concatenate([np.full(len(record.is_s), number) for number, record in enumerate(records)])
    weight_N = balance_rows(target_N, group_N, 2) * np.array([record.weight for record in records])[group_N]
    value_ND = np.concatenate([record.value for record in records])
    return fit_trees(value_ND, target_N, weight_N, COLUMNS, settings, num_classes=2, seed=seed)
