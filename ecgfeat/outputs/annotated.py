"""Beats and rhythms of an annotation file, without what predicts."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ecgfeat.corpora.corpus import Corpus
from ecgfeat.corpora.own import LOCAL
from ecgfeat.records.annotations import Episodes, aami_class, find_episodes, is_beat
from ecgfeat.records.reader import Annotations, read_annotations

_MIN_EPISODE_SAMPLES = 16


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


def read_annotated(file: Path, num_samples: int, fs_hz: float) -> Annotated:
    """Read the beats and rhythms of an annotation file.

    Parameters
    ----------
    file : Path
        A WFDB annotation file, such as ``208.atr``.
    num_samples : int
        Length of its record.
    fs_hz : float
        Rate of its record.

    Returns
    -------
    Annotated

    Raises
    ------
    DataError
        If the file is damaged.
    """
    name, extension = file.name.removesuffix(file.suffix), file.suffix[1:]
    marks = read_annotations(file.parent, name, extension, num_samples, fs_hz=fs_hz, drop_before_start=True)
    beats = is_beat(marks.symbol)
    return Annotated(marks.sample[beats], aami_class(marks.symbol[beats], "dechazal"), find_rhythms(marks, num_samples))


def find_rhythms(marks: Annotations, num_samples: int, corpus: Corpus = LOCAL) -> Episodes:
    """Return the annotated rhythms, as the facts of a corpus name them; time before the first one mostly has none."""
    return find_episodes(
        marks.sample,
        marks.aux,
        num_samples,
        corpus.rhythm_labels,
        before_first=corpus.before_first or "unlabelled",
        min_samples=_MIN_EPISODE_SAMPLES,
        symbol=corpus.rhythm_symbols(marks.symbol.tolist()),
    )
