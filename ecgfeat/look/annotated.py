"""Beats and rhythms of an annotation file, as a strip and the page show them."""

from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ecgfeat.corpora.ambulatory import RHYTHM_LABELS
from ecgfeat.records.annotations import Episodes, aami_class, find_episodes, is_beat
from ecgfeat.records.reader import read_annotations

MIN_EPISODE_SAMPLES: Final = 16


class Annotated(NamedTuple):
    """Beats and rhythms of a record.

    Attributes
    ----------
    sample : ndarray of int64, shape (L,)
        R-peaks at the rate of the record, ascending.
    label : ndarray of str, shape (L,)
        N, S, V, F or Q.
    episodes : Episodes
        Rhythms; time before the first of them has none.
    """

    sample: NDArray[np.int64]
    label: NDArray[np.str_]
    episodes: Episodes


def read_annotated(file: Path, num_samples: int, fs_hz: float, *, allow_empty: bool = False) -> Annotated:
    """Read the beats and rhythms of an annotation file.

    Parameters
    ----------
    file : Path
        A WFDB annotation file, such as ``208.atr``.
    num_samples : int
        Length of its record.
    fs_hz : float
        Rate of its record.
    allow_empty : bool
        Whether a file without an annotation is none that is damaged.

    Returns
    -------
    Annotated

    Raises
    ------
    DataError
        If the file is damaged.
    """
    name, extension = file.name.removesuffix(file.suffix), file.suffix[1:]
    marks = read_annotations(
        file.parent, name, extension, num_samples, fs_hz=fs_hz, allow_empty=allow_empty, drop_before_start=True
    )
    beats = is_beat(marks.symbol)
    episodes = find_episodes(
        marks.sample,
        marks.aux,
        num_samples,
        RHYTHM_LABELS,
        before_first="unlabelled",
        min_samples=MIN_EPISODE_SAMPLES,
        symbol=marks.symbol,
    )
    return Annotated(marks.sample[beats], aami_class(marks.symbol[beats], "dechazal"), episodes)
