"""Validation of the timeline head: which epoch, and how its posteriors are smoothed.

Shape suffixes: N beats, M chunks, B chunks of a batch, L beats in a chunk, D features, K classes, E episodes.
"""

from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

from ecgfeat.models.rhythm_timeline import RhythmTimeline
from ecgfeat.rhythm.chunks import BeatRuns, find_beat_runs, mean_of_runs
from ecgfeat.rhythm.decoding import Decoder, choose_decoder, count_durations
from ecgfeat.rhythm.records import RhythmData
from ecgfeat.rhythm.timeline import beat_posteriors, gather_chunks
from ecgfeat.scoring.rhythm import class_f1, confusion_matrix
from ecgfeat.store.schemas import RHYTHMS

CHUNKS_AT_ONCE = 16
"""Chunks that are validated in one step: more leave the cache of the processor, which costs a tenth."""


def name_once(
    model: RhythmTimeline, data: RhythmData, chunk_beats: int, *, device: torch.device | str = "cpu"
) -> NDArray[np.float32]:
    """Return the posterior of each beat by chunks side by side: a quarter of the work of `beat_posteriors`.

    Parameters
    ----------
    model : RhythmTimeline
        In evaluation mode, on ``device``.
    data : RhythmData
        Records with the features of all their beats.
    chunk_beats : int
        Length of a chunk; each record is divided from its first beat on.
    device : torch.device or str
        Where to compute.

    Returns
    -------
    ndarray, (N, K) float32
        Rows add up to 1. Beats at the ends of a chunk lack context, which serves to compare epochs, not to predict.
    """
    bounds = data.beats.offset
    start_R = [np.arange(low, high, chunk_beats, dtype=np.int64) for low, high in pairwise(bounds.tolist())]
    start_M, record_M = np.concatenate(start_R), np.repeat(np.arange(len(start_R)), [len(of) for of in start_R])
    posterior_NK = torch.zeros(int(bounds[-1]), model.num_classes)
    with torch.inference_mode():
        for first in range(0, len(start_M), CHUNKS_AT_ONCE):
            part = slice(first, first + CHUNKS_AT_ONCE)
            low_B, high_B = bounds[record_M[part]], bounds[record_M[part] + 1]
            (feature_BLD, valid_BL), row_BL = gather_chunks(data.features, start_M[part], low_B, high_B, chunk_beats)
            posterior_BLK = model(feature_BLD.to(device), valid_BL.to(device)).softmax(-1).cpu()
            posterior_NK[row_BL[valid_BL]] = posterior_BLK[valid_BL]
    return posterior_NK.numpy()


def choose_smoothing(
    model: RhythmTimeline,
    train: RhythmData,
    validation: RhythmData,
    *,
    chunk_beats: int,
    device: torch.device | str = "cpu",
) -> tuple[Decoder, list[dict[str, float]]]:
    """Choose on the validation records how the posteriors of a trained head are smoothed.

    Parameters
    ----------
    model : RhythmTimeline
        Trained, on ``device``.
    train, validation : RhythmData
        What it was trained and validated on: the durations of rhythms are those of the training episodes.
    chunk_beats : int
        Length of a chunk.
    device : torch.device or str
        Where to compute.

    Returns
    -------
    decoder : Decoder
        The best.
    tried : list of dict
        Scores of every candidate, as `ecgfeat.rhythm.decoding.choose_decoder` returns them.
    """
    posterior_NK = beat_posteriors(
        model, validation.beats.offset, validation.features, chunk_beats=chunk_beats, num_views=1, device=device
    )[0]
    durations = count_durations(find_beat_runs(train.beats, train.episodes), train.beats.offset, len(RHYTHMS))
    validation_runs = find_beat_runs(validation.beats, validation.episodes)
    return choose_decoder(posterior_NK, validation.beats.offset, validation_runs, durations)


def score_validation_beats(posterior_NK: NDArray[np.float32], runs: BeatRuns, num_classes: int) -> dict[str, float]:
    """Score beats one by one, and episodes by the mean posterior of their beats.

    Parameters
    ----------
    posterior_NK : ndarray, (N, K) float32
        Posterior of each beat.
    runs : BeatRuns
        Reference.
    num_classes : int
        K.

    Returns
    -------
    dict
        ``beat_macro_f1``, ``episode_macro_f1`` and ``macro_f1``, their mean.
    """
    beat_f1 = class_f1(confusion_matrix(runs.beat_label, posterior_NK.argmax(1), num_classes))
    predicted_E = mean_of_runs(posterior_NK, runs.first, runs.stop).argmax(1)
    episode_f1 = class_f1(confusion_matrix(runs.label, predicted_E, num_classes))
    beat_macro_f1, episode_macro_f1 = float(np.nanmean(beat_f1)), float(np.nanmean(episode_f1))
    return {
        "macro_f1": (beat_macro_f1 + episode_macro_f1) / 2,
        "beat_macro_f1": beat_macro_f1,
        "episode_macro_f1": episode_macro_f1,
    }
