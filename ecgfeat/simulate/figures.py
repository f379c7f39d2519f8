"""Read the figures of rhythms and beats that drive the simulator, estimated once by `ecgfeat.simulate.estimate`."""

import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ecgfeat.errors import DataError

FIGURES_PATH = Path(__file__).with_name("ltafdb_figures.json")
LEVELS = (0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0)
SIMULATED_RHYTHMS = ("NSR", "AFIB", "SBR", "AB", "SVTA", "B", "VT", "T", "IVR")
ARCHETYPES = ("sinus", "paroxysmal", "permanent")


def load_figures(path: Path = FIGURES_PATH) -> dict[str, Any]:
    """Read the figures that drive the simulator.

    Parameters
    ----------
    path : Path
        JSON file written by `ecgfeat.simulate.estimate`.

    Returns
    -------
    dict
        ``levels``, ``archetypes``, ``rhythms`` and ``coupling`` as described at
        `ecgfeat.simulate.estimate.estimate_figures`. Do not change it: it is read once per process.

    Raises
    ------
    DataError
        If the file is absent or was not written by `ecgfeat.simulate.estimate`.
    """
    return _load(Path(path))


@functools.lru_cache(maxsize=4)
def _load(path: Path) -> dict[str, Any]:
    try:
        figures: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        missing = {"levels", "archetypes", "rhythms", "coupling"} - set(figures)
    except (OSError, ValueError) as error:
        found = f"no readable figures ({type(error).__name__})"
        raise DataError(str(path), found=found, expected="a JSON file written by ecgfeat.simulate.estimate") from error
    if missing:
        raise DataError(
            str(path), found=f"no {', '.join(sorted(missing))}", expected="a file of ecgfeat.simulate.estimate"
        )
    return figures


def draw(quantiles: Sequence[float], u: npt.ArrayLike, levels: Sequence[float] = LEVELS) -> npt.NDArray[np.float64]:
    """Turn uniform numbers into values of a distribution given by its quantiles.

    Parameters
    ----------
    quantiles : sequence of float
        Values at `levels`.
    u : array_like of float
        Uniform numbers in [0, 1].
    levels : sequence of float
        Probability of each quantile, increasing.

    Returns
    -------
    ndarray of float64
        Values, linear between the quantiles; shape of `u`.
    """
    return np.interp(np.asarray(u, dtype=np.float64), levels, quantiles)
