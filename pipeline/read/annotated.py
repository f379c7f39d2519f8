"""Read beats with their reference classes and rhythms: of records with signals, and of annotations alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfeat.beats.history import beat_labels
from ecgfeat.signals.rpeak_table import to_common_rate
from ecgfeat.store.feature_columns import FEATURES
from ecgfeat.store.schemas import BEAT_TABLE
from ecgfeat.store.tables import Columns
from pipeline.params import Params
from pipeline.read import paths
from pipeline.read.beats import read_records, read_rows_by_record, read_rpeaks
from pipeline.read.windows import open_windows


@dataclass(frozen=True)
class AnnotatedBeats:
    """The annotated beats of a record whose signal is not read.

    Attributes
    ----------
    corpus, record : str
        Whose they are.
    sample : ndarray of int64, (L,)
        At the common rate, ascending.
    label : ndarray of int64, (L,)
        Classes as indices into N S V; -1 any other.
    rhythm : ndarray of str, (L,)
        Reference rhythm; empty where unlabelled.
    """

    corpus: str
    record: str
    sample: NDArray[np.int64]
    label: NDArray[np.int64]
    rhythm: NDArray[np.str_]


def annotation_corpora(params: Params) -> list[str]:
    """Return the corpora whose annotations are corrupted: those of the section, or the corpora themselves."""
    return params.annotations.corpora or params.corpora


def read_annotated(corpora: Sequence[str], split: str) -> Iterator[AnnotatedBeats]:
    """Yield the annotated beats of the used records of a split.

    Parameters
    ----------
    corpora : sequence of str
        Slugs.
    split : str
        train, validation or test.

    Yields
    ------
    AnnotatedBeats
    """
    for corpus in corpora:
        beats_of = read_rows_by_record(paths.beats(corpus), BEAT_TABLE)
        for record, row in read_records(corpus).items():
            if row["split"] != split or row["status"] != "used":
                continue
            beats = beats_of(record)
            sample, first = np.unique(to_common_rate(beats["sample"], float(row["fs_hz"])), return_index=True)
            yield AnnotatedBeats(
                corpus, record, sample, beat_labels(beats["aami"][first]), beats["rhythm"][first].astype(str)
            )


@dataclass(frozen=True)
class DescribedBeats:
    """The detected beats of a record in usable time.

    Attributes
    ----------
    row : dict
        The record's row of the ``records`` table.
    rpeaks, feature : dict of str to array
        Rows of the ``rpeaks`` and ``features`` tables, of these beats alone.
    window_uv : ndarray of int16, (L, C, 256)
        Their windows.
    is_used : ndarray of bool
        Which rows of the record's R-peak table they are.
    """

    row: dict[str, Any]
    rpeaks: Columns
    feature: Columns
    window_uv: NDArray[np.int16]
    is_used: NDArray[np.bool_]


def read_described(corpus: str, splits: Sequence[str]) -> Iterator[DescribedBeats]:
    """Yield the used records of some splits that have a signal, with their beats in usable time.

    Parameters
    ----------
    corpus : str
        Slug.
    splits : sequence of str
        Of train, validation, test.

    Yields
    ------
    DescribedBeats
        With at least one beat.
    """
    store = open_windows(corpus)
    features_of = read_rows_by_record(paths.features(corpus), FEATURES)
    for split in splits:
        for row, rpeaks in read_rpeaks(corpus, split):
            is_used = np.asarray(rpeaks["quality"] == "usable")
            if row["record"] in store.rows and is_used.any():
                feature = features_of(row["record"])
                yield DescribedBeats(
                    row,
                    {name: column[is_used] for name, column in rpeaks.items()},
                    {name: column[is_used] for name, column in feature.items()},
                    store.read(row["record"])[is_used],
                    is_used,
                )
