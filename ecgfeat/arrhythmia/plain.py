"""The baseline beside the rhythm head: trees that read RR intervals alone, grown on the same rows.

Shape suffixes: L beats of a stretch, D figures.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgfeat.arrhythmia.figures import FIGURES
from ecgfeat.store.described import read_checked, read_described, write_described
from ecgfeat.store.schemas import RHYTHMS
from ecgfeat.trees import Trees

INTERVAL_FIGURES: Final = tuple(name for name in FIGURES if name.startswith("rr_"))
"""Figures that need no beat classes; they come first."""

_DESCRIPTION, _TREES = "rr_trees.json", "rr_trees.txt"
_SCHEMA, _VERSION = "ecgfeat.rr_trees", 1
_READ = {"figures": INTERVAL_FIGURES, "rhythms": RHYTHMS}


def interval_figures(figure_LD: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return those of the figures that need no beat classes, (L, D)."""
    return figure_LD[:, : len(INTERVAL_FIGURES)]


def save_rr_trees(folder: Path, trees: Trees, info: Mapping[str, Any]) -> None:
    """Write the trees to a folder, which is replaced as a whole."""
    described = {**_READ, "info": dict(info)}
    write_described(folder, _DESCRIPTION, _SCHEMA, _VERSION, {_TREES: trees.text.encode()}, described)


def load_rr_trees(folder: Path) -> Trees:
    """Read trees written by `save_rr_trees`.

    Parameters
    ----------
    folder : Path
        The folder.

    Returns
    -------
    Trees
        Six rhythms from `INTERVAL_FIGURES`.

    Raises
    ------
    DataError
        If a file is missing, damaged, or of another version.
    """
    with read_described(folder, _DESCRIPTION, _SCHEMA, _VERSION, _READ, made_by="dvc repro train_rhythm") as described:
        return Trees(read_checked(folder / _TREES, described["sha256"][_TREES]).decode())
