"""Records of the rhythm task in memory: R-peaks, reference episodes and, per beat, what a head reads.

Shape suffixes: L beats of a record, N beats of all records, D features, K classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

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
    start, first_beat : int
        Where this begins in the record of that name, if it is a stretch of it: sample, and number of the first R-peak.
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
    start: int = 0
    first_beat: int = 0

    @property
    def rows(self) -> slice:
        """Rows of these R-peaks among those of the record of that name."""
        return slice(self.first_beat, self.first_beat + len(self.sample))

    def contains(self, sample: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which samples of the record of that name lie in this stretch."""
        return (sample >= self.start) & (sample < self.start + self.num_samples)


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


def cut_stretches(record: RhythmRecord, spans: Sequence[tuple[int, int]]) -> list[RhythmRecord]:
    """Divide a record into its usable stretches, each a record of its own.

    Parameters
    ----------
    record : RhythmRecord
        A whole record.
    spans : sequence of (int, int)
        First sample of each stretch at the common rate, and the one after its last.

    Returns
    -------
    list of RhythmRecord
        Those with R-peaks. Positions count from the start of the stretch; the first R-peak has no interval.
    """
    stretches = []
    for start, stop in spans:
        low, high = np.searchsorted(record.sample, [start, stop]).tolist()
        if low == high:
            continue
        episodes = record.episodes
        first, last = np.maximum(episodes.start_sample, start), np.minimum(episodes.stop_sample, stop)
        inside = first < last
        rr_s = record.rr_s[low:high].copy()
        rr_s[0] = np.nan
        stretches.append(
            replace(
                record,
                num_samples=stop - start,
                sample=record.sample[low:high] - start,
                rr_s=rr_s,
                label=record.label[low:high],
                episodes=Episodes(first[inside] - start, last[inside] - start, episodes.rhythm[inside]),
                embedding=None if record.embedding is None else record.embedding[low:high],
                start=record.start + start,
                first_beat=record.first_beat + low,
            )
        )
    return stretches


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
