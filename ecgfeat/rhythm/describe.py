"""Describe the beats of records for a rhythm head: the same step in training, evaluation and prediction.

Shape suffixes: L beats of a record, N beats of all records, D features, K classes.
"""

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

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
from ecgfeat.store.mapped import allocate
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
    folder : Path, optional
        Where the features of many beats are mapped to a file; by default they are in memory.
    """

    htf: HTF | None
    history: History
    is_rr_used: bool
    folder: Path | None = None

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
    embedding_ND = _Stacked([record.embedding for record in records if record.embedding is not None])
    rr_s = np.concatenate([record.rr_s for record in records])
    oracle = np.concatenate([record.label for record in records]) if history == "oracle" else None
    posterior_NK = predict_labels(htf, embedding_ND, rr_s, start, history=history, oracle_label=oracle)
    return np.split(posterior_NK, start[1:-1])


class _Stacked:
    """Arrays one after the other, which are joined only where they are read."""

    def __init__(self, parts: Sequence[NDArray[np.float32]]) -> None:
        self._parts, self._start = parts, np.cumsum([0, *map(len, parts)])
        self.shape = (int(self._start[-1]), *parts[0].shape[1:])

    def __getitem__(self, rows: slice) -> NDArray[np.float32]:
        first = int(np.searchsorted(self._start, rows.start, side="right")) - 1
        read = []
        for number in range(max(first, 0), len(self._parts)):
            start, stop = self._start[number : number + 2].tolist()
            if start >= rows.stop:
                break
            read.append(self._parts[number][max(rows.start - start, 0) : min(rows.stop, stop) - start])
        return np.concatenate(read) if read else np.zeros((0, *self.shape[1:]), dtype=np.float32)


def describe_timeline(
    records: Sequence[RhythmRecord], inputs: BeatInputs, *, neighbour_beats: int
) -> Iterator[NDArray[np.float32]]:
    """Make the features that the timeline head reads, for all beats of some records, one record at a time.

    Parameters
    ----------
    records : sequence of RhythmRecord
        With embeddings where ``inputs`` has an embedder.
    inputs : BeatInputs
        What the head reads.
    neighbour_beats : int
        Neighbours of a beat described one by one, on either side.

    Yields
    ------
    ndarray of float32, (L, D)
        One per record.

    Notes
    -----
    * With an embedder, the labels of a beat and its neighbours are the embedder's own probabilities, predicted with
      the given ``history``. Without one they are those of the record.
    """
    describe = functools.partial(timeline_features, num_beats=neighbour_beats, is_rr_used=inputs.is_rr_used)
    if inputs.htf is None:
        for record in records:
            yield describe(record.rr_s, one_hot_labels(record.label))
        return
    posteriors = classify_beats(records, inputs.htf, inputs.history)
    for record, posterior_LK in zip(records, posteriors, strict=True):
        assert record.embedding is not None, f"{record.record}: no embedding"
        history_LD = _encode_history(inputs.htf, record, _preceding_labels(record, posterior_LK, inputs.history))
        yield describe(record.rr_s, posterior_LK, embedding_LD=record.embedding, history_LD=history_LD)


def describe_segments(
    records: Sequence[RhythmRecord], inputs: BeatInputs, *, rows: Sequence[NDArray[np.int64]] | None = None
) -> Iterator[NDArray[np.float32]]:
    """Make the features that the window head reads, for the beats of some records, one record at a time.

    Parameters
    ----------
    records, inputs
        As `describe_timeline` takes them.
    rows : sequence of ndarray of int64, (n,), optional
        Per record the beats to describe; all by default.

    Yields
    ------
    ndarray of float32, (L, D) or (n, D)
        One per record.
    """
    if rows is None:
        rows = [np.arange(len(record.sample)) for record in records]
    if inputs.htf is None:
        for record, rows_L in zip(records, rows, strict=True):
            yield annotation_features(record.rr_s, record.label, is_rr_used=inputs.is_rr_used, rows=rows_L)
        return
    posteriors: Sequence[NDArray[np.float32] | None] = [None] * len(records)
    if inputs.history == "predicted":
        posteriors = classify_beats(records, inputs.htf, inputs.history)
    for record, posterior_LK, rows_L in zip(records, posteriors, rows, strict=True):
        assert record.embedding is not None, f"{record.record}: no embedding"
        label = _preceding_labels(record, posterior_LK, inputs.history)
        history_LD = _encode_history(inputs.htf, record, label, rows_L)
        embedding_LD = record.embedding[rows_L]
        yield embedding_features(embedding_LD, history_LD, record.rr_s[rows_L], is_rr_used=inputs.is_rr_used)


def _stack_features(parts: Iterable[NDArray[np.float32]], num_rows: int, folder: Path | None) -> torch.Tensor:
    """Lay the features of records one after the other, as they come."""
    feature_ND: NDArray[np.float32] | None = None
    first = 0
    for feature_LD in parts:
        if feature_ND is None:
            feature_ND = allocate((num_rows, feature_LD.shape[1]), folder)
        feature_ND[first : first + len(feature_LD)] = feature_LD
        first += len(feature_LD)
    assert first == num_rows, "a row for each beat"
    assert feature_ND is not None, "features without records"
    return torch.from_numpy(feature_ND)


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
    return RhythmData(beats, episodes, _stack_features(features, len(beats.sample), inputs.folder))


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
    feature_ND = _stack_features(features, sum(map(len, kept)), inputs.folder)
    return RhythmData(beats, episodes, feature_ND, row_of_beat, is_placed=is_placed)
