"""Columns that the beat classifier reads, and how they are standardised. It needs no torch.

Shape suffixes: N rows, D columns.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgfeat.store.feature_names import FEATURE_NAMES

WAVE_COLUMNS = tuple(
    name.removesuffix("_1") for name in FEATURE_NAMES if f"{name[:-1]}2" in FEATURE_NAMES and name.endswith("_1")
)
"""Beat features of a lead, without its number."""

BEAT_COLUMNS = (*(name for name in FEATURE_NAMES if name.startswith("rr_")), "qrs_cluster_share")
"""Beat features of all leads together."""

_ENDLESS: Final = 1e12
LIMIT: Final = 4.0
"""Largest size of a standardised value, and of a window in units of the usual QRS complex: more is no ECG."""


@dataclass(frozen=True)
class Scale:
    """Centre and spread of columns, by which they are standardised.

    Attributes
    ----------
    centre, spread : tuple of float, (D,)
        Of the training beats.
    """

    centre: tuple[float, ...]
    spread: tuple[float, ...]

    def apply(self, value_D: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return standardised values within `LIMIT`; 0 where missing."""
        value = (value_D - np.array(self.centre, dtype=np.float32)) / np.array(self.spread, dtype=np.float32)
        return np.nan_to_num(value.clip(-LIMIT, LIMIT)).astype(np.float32)


def read_scale(plain: Mapping[str, Sequence[float]]) -> Scale:
    """Return the scale that ``dataclasses.asdict`` and JSON have made lists of."""
    return Scale(tuple(plain["centre"]), tuple(plain["spread"]))


def hide_columns(scale: Scale, is_hidden_D: NDArray[np.bool_]) -> Scale:
    """Return a scale that makes the same number of all values of some columns.

    Parameters
    ----------
    scale : Scale
        Of D columns.
    is_hidden_D : ndarray of bool, (D,)
        Which.

    Returns
    -------
    Scale
    """
    spread = zip(scale.spread, is_hidden_D.tolist(), strict=True)
    return Scale(scale.centre, tuple(_ENDLESS if is_hidden else of for of, is_hidden in spread))


UNSCALED = Scale((), ())
"""Of no column at all."""


def measure_scale(values: Sequence[NDArray[np.float32]]) -> Scale:
    """Measure centre and spread of the columns of all records, NaN left out.

    Parameters
    ----------
    values : sequence of ndarray of float32, (..., D)
        Record by record; every column has a value somewhere.

    Returns
    -------
    Scale
    """
    count = np.maximum(_sum_rows(np.isfinite(value).astype(np.float64) for value in values), 1)
    centre = _sum_rows(np.nan_to_num(value.astype(np.float64), posinf=0, neginf=0) for value in values) / count
    squares = _sum_rows(np.nan_to_num((value.astype(np.float64) - centre) ** 2, posinf=0) for value in values)
    return Scale(tuple(centre.tolist()), tuple(np.maximum(np.sqrt(squares / count), 1e-3).tolist()))


def _sum_rows(values: Iterable[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Sum over rows, record by record, in the order in which numpy sums those of all records."""
    total_D: NDArray[np.float64] | None = None
    for value in values:
        value_ND = value.reshape(-1, value.shape[-1])
        total_D = (value_ND if total_D is None else np.concatenate([total_D[None], value_ND])).sum(axis=0)
    assert total_D is not None, "no record"
    return total_D


@dataclass(frozen=True)
class Scales:
    """Scales of both kinds of columns.

    Attributes
    ----------
    wave, beat : Scale
        Of `WAVE_COLUMNS` and of `BEAT_COLUMNS`.
    """

    wave: Scale
    beat: Scale
