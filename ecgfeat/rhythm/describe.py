"""Describe the beats of records for a rhythm head: the same step in training, evaluation and prediction.

Shape suffixes: L beats of a record, N beats of all records, D features, K classes.
"""

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ecgfeat.beats.history import History, history_features, predict_labels
from ecgfeat.models.htf import HISTORY_FEATURES, HTF, NUM_EMBEDDING
from ecgfeat.rhythm.features import (
    FeatureLayout,
    annotation_features,
    embedding_features,
    one_hot_labels,
    timeline_features,
    timeline_layout,
    window_layout,
)
from ecgfeat.rhythm.records import RhythmData, RhythmRecord, stack_records
from ecgfeat.rhythm.sampling import Segments, needed_beats
from ecgfeat.rhythm.tables import BeatTable, EpisodeTable
from ecgfeat.store.schemas import BEAT_CLASSES


@dataclass(frozen=True)
class BeatInputs:
    """What a rhythm head reads of each beat.

    Attributes
    ----------
    htf : HTF or None
        The embedder that made the embeddings, in evaluation mode: it encodes the history. None: RR intervals and
        the labels of the record take the place of embeddings.
    history : {'oracle', 'predicted', 'none'}
        Where the labels of the preceding beats come from. Without an embedder they are those of the record.
    is_rr_used : bool
        False: all RR intervals are zero, the ablation of the RR features.
    """

    htf: HTF | None
    history: History
    is_rr_used: bool

    @property
    def num_embedded(self) -> int:
        """Width of embedding and encoded history together; 0 without an embedder."""
        return 0 if self.htf is None else NUM_EMBEDDING + HISTORY_FEATURES

    def timeline_layout(self, neighbour_beats: int) -> FeatureLayout:
        """Return the columns that a timeline head reads."""
        return timeline_layout(neighbour_beats, len(BEAT_CLASSES), num_embedded=self.num_embedded)

    def window_layout(self) -> FeatureLayout:
        """Return the columns that a window head reads."""
        return window_layout(len(BEAT_CLASSES), num_embedded=self.num_embedded)


def classify_beats(records: Sequence[RhythmRecord], htf: HTF, history: History) -> list[NDArray[np.float32]]:
    """Classify the beats of all records, side by side.

    Parameters
    ----------
    records : sequence of RhythmRecord
        With embeddings.
    htf : HTF
        The embedder that made them, in evaluation mode.
    history : {'oracle', 'predicted', 'none'}
        Where the labels of the preceding beats come from.

    Returns
    -------
    list of ndarray of float32, (L, K)
        Posterior of N, S and V, one array per record.
    """
    if not records:
        return []
    start = np.cumsum([0, *(len(record.sample) for record in records)])
    embedding_ND = np.concatenate([record.embedding for record in records if record.embedding is not None])
    rr_s = np.concatenate([record.rr_s for record in records])
    oracle = np.concatenate([record.label for record in records]) if history == "oracle" else None
    posterior_NK = predict_labels(htf, embedding_ND, rr_s, start, history=history, oracle_label=oracle)
    return np.split(posterior_NK, start[1:-1])


def describe_timeline(
    records: Sequence[RhythmRecord], inputs: BeatInputs, *, neighbour_beats: int
) -> list[NDArray[np.float32]]:
    """Make the features that the timeline head reads, for all beats of some records.

    Parameters
    ----------
    records : sequence of RhythmRecord
        With embeddings where ``inputs`` has an embedder.
    inputs : BeatInputs
        What the head reads.
    neighbour_beats : int
        Neighbours of a beat described one by one, on either side.

    Returns
    -------
    list of ndarray of float32, (L, D)
        One per record.

    Notes
    -----
    * With an embedder, the labels of a beat and its neighbours are the embedder's own probabilities, predicted with
      the given ``history``. Without one they are those of the record.
    """
    describe = functools.partial(timeline_features, num_beats=neighbour_beats, is_rr_used=inputs.is_rr_used)
    if inputs.htf is None:
        return [describe(record.rr_s, one_hot_labels(record.label)) for record in records]
    features = []
    posteriors = classify_beats(records, inputs.htf, inputs.history)
    for record, posterior_LK in zip(records, posteriors, strict=True):
        assert record.embedding is not None, f"{record.record}: no embedding"
        history_LD = _encode_history(inputs.htf, record, _preceding_labels(record, posterior_LK, inputs.history))
        features.append(describe(record.rr_s, posterior_LK, embedding_LD=record.embedding, history_LD=history_LD))
    return features


def describe_segments(
    records: Sequence[RhythmRecord], inputs: BeatInputs, *, rows: Sequence[NDArray[np.int64]] | None = None
) -> list[NDArray[np.float32]]:
    """Make the features that the window head reads, for the beats of some records.

    Parameters
    ----------
    records, inputs
        As `describe_timeline` takes them.
    rows : sequence of ndarray of int64, (n,), optional
        Per record the beats to describe; all by default.

    Returns
    -------
    list of ndarray of float32, (L, D) or (n, D)
        One per record.
    """
    if rows is None:
        rows = [np.arange(len(record.sample)) for record in records]
    if inputs.htf is None:
        return [
            annotation_features(record.rr_s, record.label, is_rr_used=inputs.is_rr_used, rows=rows_L)
            for record, rows_L in zip(records, rows, strict=True)
        ]
    posteriors: Sequence[NDArray[np.float32] | None] = [None] * len(records)
    if inputs.history == "predicted":
        posteriors = classify_beats(records, inputs.htf, inputs.history)
    features = []
    for record, posterior_LK, rows_L in zip(records, posteriors, rows, strict=True):
        assert record.embedding is not None, f"{record.record}: no embedding"
        label = _preceding_labels(record, posterior_LK, inputs.history)
        history_LD = _encode_history(inputs.htf, record, label, rows_L)
        features.append(
            embedding_features(record.embedding[rows_L], history_LD, record.rr_s[rows_L], is_rr_used=inputs.is_rr_used)
        )
    return features


def _encode_history(
    htf: HTF, record: RhythmRecord, label: NDArray[np.int64], rows: NDArray[np.int64] | slice = slice(None)
) -> NDArray[np.float32]:
    feature_LD = history_features(record.rr_s, label, num_beats=htf.history_beats)[rows]
    with torch.inference_mode():
        encoded: NDArray[np.float32] = htf.encode_history(torch.from_numpy(feature_LD)).numpy()
    return encoded


def _preceding_labels(
    record: RhythmRecord, posterior_LK: NDArray[np.float32] | None, history: History
) -> NDArray[np.int64]:
    """Return the labels of which each beat is given those before it."""
    if history == "oracle":
        return record.label
    if history == "none" or posterior_LK is None:
        return np.full(len(record.sample), -1, dtype=np.int64)
    return posterior_LK.argmax(axis=1)


def gather_timeline_data(records: Sequence[RhythmRecord], inputs: BeatInputs, *, neighbour_beats: int) -> RhythmData:
    """Stack records for the timeline head, with the features of all their beats.

    Parameters
    ----------
    records, inputs, neighbour_beats
        As `describe_timeline` takes them.

    Returns
    -------
    RhythmData
        Beats of any class are kept: to leave one out would make one interval of two.
    """
    beats, episodes = stack_records(records)
    features = describe_timeline(records, inputs, neighbour_beats=neighbour_beats)
    return RhythmData(beats, episodes, torch.from_numpy(np.concatenate(features)))


def gather_window_data(
    records: Sequence[RhythmRecord],
    inputs: BeatInputs,
    *,
    only_classified_beats: bool,
    draws: Callable[[BeatTable, EpisodeTable], Iterable[Segments]] | None = None,
) -> RhythmData:
    """Stack records for the window head, with the features of their beats.

    Parameters
    ----------
    records, inputs
        As `describe_segments` takes them. Without an embedder the head also reads where in its segment a beat lies.
    only_classified_beats : bool
        Keep only beats labelled N, S or V, as the published protocol does. This needs annotated R-peaks.
    draws : callable, optional
        Yields all segments that will be drawn from the tables: only the beats in them are described.

    Returns
    -------
    RhythmData
        Labels are indices into the six rhythms, -1 for all others.
    """
    kept = [
        np.flatnonzero(record.label >= 0) if only_classified_beats else np.arange(len(record.label), dtype=np.int64)
        for record in records
    ]
    beats, episodes = stack_records(records, kept)
    row_of_beat = None
    if draws is not None:
        needed, row_of_beat = needed_beats(draws(beats, episodes), len(beats.sample))
        parts = np.split(needed, np.searchsorted(needed, beats.offset[1:-1]))
        kept = [rows[part - first] for rows, part, first in zip(kept, parts, beats.offset[:-1], strict=True)]
    features = describe_segments(records, inputs, rows=kept)
    is_placed = bool(inputs.window_layout().num_positions)
    return RhythmData(beats, episodes, torch.from_numpy(np.concatenate(features)), row_of_beat, is_placed=is_placed)
