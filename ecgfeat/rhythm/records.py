"""Bring the records of a split into the form a rhythm head trains on: beats, episodes and features in memory.

Shape suffixes: L beats of a record, N beats of all records, D features, K classes.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ecgfeat.beats.history import History, history_features, predict_labels
from ecgfeat.models.htf import HTF
from ecgfeat.records.annotations import Episodes
from ecgfeat.rhythm.features import annotation_features, embedding_features, one_hot_labels, timeline_features
from ecgfeat.rhythm.sampling import Segments
from ecgfeat.rhythm.tables import BeatTable, EpisodeTable
from ecgfeat.rhythm.window import needed_beats
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
        Reference class of each beat, as an index into N S V; -1 unknown. An oracle: read only where it is asked for.
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
        Add the place of each beat in the window to its features.
    """

    beats: BeatTable
    episodes: EpisodeTable
    features: Tensor
    row_of_beat: NDArray[np.int64] | None = None
    is_placed: bool = False

    @property
    def num_features(self) -> int:
        """Figures per beat that the head is shown."""
        return self.features.shape[1] + self.is_placed


def describe_beats(
    records: Sequence[RhythmRecord],
    *,
    htf: HTF | None,
    history: History,
    is_rr_used: bool = True,
    rows: Sequence[NDArray[np.int64]] | None = None,
) -> list[NDArray[np.float32]]:
    """Make the features the window head reads, for the beats of some records.

    Parameters
    ----------
    records : sequence of RhythmRecord
        With embeddings where ``htf`` is given.
    htf : HTF or None
        The embedder that made them, in evaluation mode: it encodes the history. None: RR intervals and reference
        labels take the place of embeddings.
    history : {'oracle', 'predicted', 'none'}
        Where the labels of the preceding beats come from. Without an embedder they are always the reference's.
    is_rr_used : bool
        Give the head the RR interval as a side feature.
    rows : sequence of ndarray of int64, (n,), optional
        Per record the beats to describe; all by default.

    Returns
    -------
    list of ndarray of float32, (L, D) or (n, D)
        One per record.
    """
    chosen = [np.arange(len(one.sample)) for one in records] if rows is None else rows
    if htf is None:
        return [
            annotation_features(one.rr_s, one.label, is_rr_used=is_rr_used, rows=some)
            for one, some in zip(records, chosen, strict=True)
        ]
    posteriors: Sequence[NDArray[np.float32] | None] = [None] * len(records)
    if history == "predicted":
        posteriors = _beat_posteriors(records, htf, history)
    features = []
    for one, posterior_LK, some in zip(records, posteriors, chosen, strict=True):
        assert one.embedding is not None, f"{one.record}: no embedding"
        history_LD = _encoded_history(htf, one, _fed_back(one, posterior_LK, history), some)
        features.append(embedding_features(one.embedding[some], history_LD, one.rr_s[some], is_rr_used=is_rr_used))
    return features


def describe_timeline(
    records: Sequence[RhythmRecord],
    *,
    htf: HTF | None,
    history: History,
    num_beats: int,
    is_rr_used: bool = True,
) -> list[NDArray[np.float32]]:
    """Make the features the timeline head reads, for all beats of some records.

    Parameters
    ----------
    records, htf, history, is_rr_used
        As `describe_beats` takes them.
    num_beats : int
        Neighbours of a beat described one by one, on either side.

    Returns
    -------
    list of ndarray of float32, (L, D)
        One per record.

    Notes
    -----
    * With an embedder, the labels of a beat and its neighbours are the embedder's own probabilities; ``history`` says
      what it was told of the beats before. Without one they are the reference's.
    """
    if htf is None:
        return [
            timeline_features(one.rr_s, one_hot_labels(one.label), num_beats=num_beats, is_rr_used=is_rr_used)
            for one in records
        ]
    features = []
    for one, posterior_LK in zip(records, _beat_posteriors(records, htf, history), strict=True):
        assert one.embedding is not None, f"{one.record}: no embedding"
        features.append(
            timeline_features(
                one.rr_s,
                posterior_LK,
                num_beats=num_beats,
                is_rr_used=is_rr_used,
                embedding_LD=one.embedding,
                history_LD=_encoded_history(htf, one, _fed_back(one, posterior_LK, history)),
            )
        )
    return features


def _encoded_history(
    htf: HTF, one: RhythmRecord, label: NDArray[np.int64], rows: NDArray[np.int64] | slice = slice(None)
) -> NDArray[np.float32]:
    known = history_features(one.rr_s, label, num_beats=htf.history_beats)[rows]
    with torch.inference_mode():
        encoded: NDArray[np.float32] = htf.encode_history(torch.from_numpy(known)).numpy()
    return encoded


def _fed_back(one: RhythmRecord, posterior_LK: NDArray[np.float32] | None, history: History) -> NDArray[np.int64]:
    """Return the labels a beat is told of the beats before it."""
    if history == "oracle":
        return one.label
    if history == "none" or posterior_LK is None:
        return np.full(len(one.sample), -1, dtype=np.int64)
    return posterior_LK.argmax(axis=1)


def _beat_posteriors(records: Sequence[RhythmRecord], htf: HTF, history: History) -> list[NDArray[np.float32]]:
    """Classify the beats of all records side by side."""
    if not records:
        return []
    start = np.cumsum([0, *(len(one.sample) for one in records)])
    embedding_LD = np.concatenate([one.embedding for one in records if one.embedding is not None])
    rr_s = np.concatenate([one.rr_s for one in records])
    oracle = np.concatenate([one.label for one in records]) if history == "oracle" else None
    posterior_LK = predict_labels(htf, embedding_LD, rr_s, start, history=history, oracle_label=oracle)
    return np.split(posterior_LK, start[1:-1])


def stack_records(
    records: Sequence[RhythmRecord], kept: Sequence[NDArray[np.int64]] | None = None
) -> tuple[BeatTable, EpisodeTable]:
    """Lay records one after the other.

    Parameters
    ----------
    records : sequence of RhythmRecord
        In the order that decides which numbers the seed's draw gives them.
    kept : sequence of ndarray of int64, optional
        Per record the beats that are kept; all by default.

    Returns
    -------
    tuple of BeatTable and EpisodeTable
        Labels are indices into the six rhythms, -1 for all others.
    """
    samples = [one.sample if kept is None else one.sample[kept[i]] for i, one in enumerate(records)]
    beats = BeatTable(
        np.concatenate(samples),
        np.cumsum([0, *(len(sample) for sample in samples)]),
        np.array([one.num_samples for one in records], dtype=np.int64),
    )
    episodes = EpisodeTable(
        np.concatenate([np.full(len(one.episodes), i, dtype=np.int64) for i, one in enumerate(records)]),
        np.concatenate([one.episodes.start_sample for one in records]),
        np.concatenate([one.episodes.stop_sample for one in records]),
        np.concatenate([class_codes(one.episodes.rhythm, RHYTHMS) for one in records]),
    )
    return beats, episodes


def gather_timeline_data(
    records: Sequence[RhythmRecord], *, htf: HTF | None, history: History, num_beats: int, is_rr_used: bool = True
) -> RhythmData:
    """Stack records for the timeline head, with the features of all their beats.

    Parameters
    ----------
    records, htf, history, num_beats, is_rr_used
        As `describe_timeline` takes them.

    Returns
    -------
    RhythmData
        Beats of any class are kept: to leave one out would make one interval of two.
    """
    beats, episodes = stack_records(records)
    features = describe_timeline(records, htf=htf, history=history, num_beats=num_beats, is_rr_used=is_rr_used)
    return RhythmData(beats, episodes, torch.from_numpy(np.concatenate(features)))


def gather_rhythm_data(
    records: Sequence[RhythmRecord],
    *,
    htf: HTF | None,
    history: History,
    is_rr_used: bool = True,
    only_known_beats: bool,
    draws: Callable[[BeatTable, EpisodeTable], Iterable[Segments]] | None = None,
) -> RhythmData:
    """Stack records for the window head, with the features of their beats.

    Parameters
    ----------
    records : sequence of RhythmRecord
        In the order that decides which numbers the seed's draw gives them.
    htf, history, is_rr_used
        As `describe_beats` takes them. Without an embedder the head is also told where in its window a beat stands.
    only_known_beats : bool
        Show the head N, S and V beats alone, as the seed protocol does; only annotated R-peaks can be told apart so.
    draws : callable, optional
        Yields all windows that will be drawn from the tables: only the beats in them are described.

    Returns
    -------
    RhythmData
        Labels are indices into the six rhythms, -1 for all others.
    """
    kept = [
        np.flatnonzero(one.label >= 0) if only_known_beats else np.arange(len(one.label), dtype=np.int64)
        for one in records
    ]
    beats, episodes = stack_records(records, kept)
    row_of_beat = None
    if draws is not None:
        needed, row_of_beat = needed_beats(draws(beats, episodes), len(beats.sample))
        parts = np.split(needed, np.searchsorted(needed, beats.offset[1:-1]))
        kept = [rows[part - first] for rows, part, first in zip(kept, parts, beats.offset[:-1], strict=True)]
    features = describe_beats(records, htf=htf, history=history, is_rr_used=is_rr_used, rows=kept)
    return RhythmData(beats, episodes, torch.from_numpy(np.concatenate(features)), row_of_beat, is_placed=htf is None)


def class_shares(episodes: EpisodeTable, num_classes: int) -> list[float]:
    """Return each rhythm's share of the episodes: what to predict where no beat is seen.

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
