"""Records of the rhythm task in memory: R-peaks, reference episodes and, per beat, what a head reads.

Shape suffixes: L beats of a record, N beats of all records, D features, K classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ecgfeat.records.annotations import Episodes
from ecgfeat.rhythm.tables import BeatTable, EpisodeTable
from ecgfeat.scoring.rhythm import class_codes
from ecgfeat.store.schemas import RHYTHMS


@dataclass(frozen=True)
class RhythmRecord:
    """One record at the common rate, 128 Hz.

    Attributes
    ----------
    corpus, subject, record : str
        Whose it is.
    num_samples : int
        Length.
    sample : ndarray of int64, (L,)
        R-peaks, ascending.
    rr_s : ndarray, (L,)
        Interval to the R-peak before in seconds; NaN at the first.
    label : ndarray of int64, (L,)
        Reference class of each beat, as an index into N S V; -1 unknown. An oracle: few callers may read it.
    episodes : Episodes
        Reference rhythms.
    embedding : ndarray of float32, (L, 512), or None
        Features of each beat, where there is a signal.
    """

    corpus: str
    subject: str
    record: str
    num_samples: int
    sample: NDArray[np.int64]
    rr_s: NDArray[np.float64]
    label: NDArray[np.int64]
    episodes: Episodes
    embedding: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class RhythmData:
    """Records to train or validate on, with the features of their beats in memory.

    Attributes
    ----------
    beats, episodes : BeatTable, EpisodeTable
        The records, in the order of their list.
    features : Tensor, (N, D) float32
        One row per beat, or one per needed beat.
    row_of_beat : ndarray, (N,) int64, optional
        Row of ``features`` for each beat, where not all beats have one.
    is_placed : bool
        Add the position of each beat in its segment to its features.
    """

    beats: BeatTable
    episodes: EpisodeTable
    features: Tensor
    row_of_beat: NDArray[np.int64] | None = None
    is_placed: bool = False

    @property
    def num_features(self) -> int:
        """Features per beat that the head reads."""
        return self.features.shape[1] + self.is_placed


def stack_records(
    records: Sequence[RhythmRecord], kept: Sequence[NDArray[np.int64]] | None = None
) -> tuple[BeatTable, EpisodeTable]:
    """Lay records one after the other.

    Parameters
    ----------
    records : sequence of RhythmRecord
        Their order decides which random numbers each record gets in a draw.
    kept : sequence of ndarray of int64, optional
        Per record the beats that are kept; all by default.

    Returns
    -------
    tuple of BeatTable and EpisodeTable
        Labels are indices into the six rhythms, -1 for all others.
    """
    samples = [record.sample if kept is None else record.sample[kept[i]] for i, record in enumerate(records)]
    beats = BeatTable(
        np.concatenate(samples),
        np.cumsum([0, *(len(sample) for sample in samples)]),
        np.array([record.num_samples for record in records], dtype=np.int64),
    )
    episodes = EpisodeTable(
        np.concatenate([np.full(len(record.episodes), i, dtype=np.int64) for i, record in enumerate(records)]),
        np.concatenate([record.episodes.start_sample for record in records]),
        np.concatenate([record.episodes.stop_sample for record in records]),
        np.concatenate([class_codes(record.episodes.rhythm, RHYTHMS) for record in records]),
    )
    return beats, episodes


def class_shares(episodes: EpisodeTable, num_classes: int) -> list[float]:
    """Return each rhythm's share of the episodes: the prediction for time without any beat.

    Parameters
    ----------
    episodes : EpisodeTable
        Those of the training records.
    num_classes : int
        Rhythms of the task.

    Returns
    -------
    list of float
        Adds up to 1.
    """
    label = episodes.label[episodes.label >= 0]
    return [float(share) for share in np.bincount(label, minlength=num_classes) / max(1, len(label))]
