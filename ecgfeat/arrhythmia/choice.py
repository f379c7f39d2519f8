"""Choose on validation records between Transformer, trees and both, and how the posteriors of each are used.

Shape suffixes: L beats in a segment, N beats of all segments, G records of a group, D figures, K classes.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from ecgfeat.arrhythmia.head import ArrhythmiaHead, rhythm_posteriors
from ecgfeat.arrhythmia.posteriors import METHODS, NO_OFFSET, Method, Smoothing, calibrate
from ecgfeat.arrhythmia.segments import Segment
from ecgfeat.arrhythmia.training import FIGURE, score_segments
from ecgfeat.rhythm.chunks import BeatRuns
from ecgfeat.rhythm.decoding import LEAST_PROBABILITY, choose_decoder, count_durations, is_decoder_better, smooth_path
from ecgfeat.scoring.rhythm import overall_scores, subject_confusion
from ecgfeat.store.schemas import RHYTHMS

OFFSETS: Final = (0.0, -0.5, 0.5, -1.0, 1.0, -1.5, -2.0)
"""Offsets of a rhythm that are tried, the smallest first."""

_LEAST_GAIN = 2e-3
_ROUNDS = 3

Labelled = tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]
"""Posteriors (N, K), rhythms (N,) and numbers of the records (N,) of the labelled beats of a group."""


def choose_method(
    head: ArrhythmiaHead,
    rhythms: Sequence[NDArray[np.int64]],
    groups: Sequence[Sequence[Segment]],
    *,
    device: str | torch.device = "cpu",
) -> tuple[Method, dict[Method, Smoothing], dict[str, dict[str, float]]]:
    """Choose on validation segments between Transformer, trees and both; calibrate and smooth each.

    Parameters
    ----------
    head : ArrhythmiaHead
        Trained; its choice is not read.
    rhythms : sequence of ndarray of int64, (L,)
        Rhythm of every beat of the training records: how long rhythms last is counted on these.
    groups : sequence of sequence of Segment
        Segments of other subjects, as rhythms come in records of one kind: of a day, of half a minute. All kinds count
        alike for offsets and temperature.
    device : str or torch.device
        Where to compute.

    Returns
    -------
    method : {'transformer', 'trees', 'both'}
        The one with the largest macro F1.
    smoothing : dict of str to Smoothing
        By method.
    scores : dict of str to dict
        By method: figures of `score_segments` over all groups.
    """
    durations = count_durations(*_find_runs(rhythms), len(RHYTHMS))
    segments = [segment for group in groups for segment in group]
    runs, offset = _find_runs([segment.rhythm for segment in segments])
    group_of = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    smoothing: dict[Method, Smoothing] = {}
    scores: dict[str, dict[str, float]] = {}
    for method in METHODS:
        raw = rhythm_posteriors(head, [segment.figure for segment in segments], method, device=device)
        labelled = []
        for group in range(len(groups)):
            chosen = np.flatnonzero(group_of == group)
            labelled.append(_join_labelled([raw[at] for at in chosen], [segments[at] for at in chosen]))
        labelled = [of for of in labelled if len(of[1])]
        log_offset = choose_log_offset(labelled)
        temperature = fit_temperature(labelled, log_offset)
        posteriors = [calibrate(posterior_LK, temperature, log_offset) for posterior_LK in raw]
        decoder, tried = choose_decoder(np.concatenate(posteriors), offset, runs, durations)
        smoothing[method] = Smoothing(temperature, log_offset, decoder, is_decoder_better(tried))
        if smoothing[method].is_used:
            # What is scored is the path that is predicted.
            posteriors = [np.eye(len(RHYTHMS), dtype=np.float32)[path_L] for path_L in smooth_path(posteriors, decoder)]
        scores[method] = score_segments(segments, posteriors)
    return max(METHODS, key=lambda method: scores[method][FIGURE]), smoothing, scores


def _join_labelled(posteriors: Sequence[NDArray[np.float32]], segments: Sequence[Segment]) -> Labelled:
    """Join the beats of segments that have one of the rhythms."""
    posterior_NK = np.concatenate([np.zeros((0, len(RHYTHMS)), dtype=np.float32), *posteriors])
    rhythm_N = np.concatenate([np.zeros(0, dtype=np.int64), *(segment.rhythm for segment in segments)])
    record_N = np.repeat([segment.record for segment in segments], [len(segment.rhythm) for segment in segments])
    is_labelled_N = rhythm_N >= 0
    return posterior_NK[is_labelled_N], rhythm_N[is_labelled_N], record_N[is_labelled_N]


def choose_log_offset(groups: Sequence[Labelled]) -> tuple[float, ...]:
    """Choose what is added to the logarithm of each rhythm's posterior, for a larger macro F1 of beats.

    Parameters
    ----------
    groups : sequence of Labelled
        Labelled beats as they come in records of one kind. The mean over the groups of the macro F1 over the rhythms
        that a group has is what counts. Groups share no subject.

    Returns
    -------
    tuple of float, (K,)
        Of `OFFSETS`; 0 of NSR. A step is taken if it gains more than 0.002 with all records, and something without each
        single one of them. So of one record alone nothing is chosen.

    Notes
    -----
    * One rhythm after the other, three times: not all combinations are tried. Posteriors are not smoothed.
    * A head learns from segments in which every rhythm of a record occurs about equally often. In a day most beats are
      NSR or AFIB, and as many false alarms of a rare rhythm as it has beats cost it half its positive predictivity.
      Priors alone are no remedy: the shares of training would leave nothing of the rarest.
    * A rare rhythm is often that of a few records. Without the only record that has it, a larger offset of it gains
      nothing, so that one record cannot raise it; two can. It can be lowered for the sake of the others.
    """
    labelled = [
        (np.log(np.maximum(posterior_NK, LEAST_PROBABILITY)), rhythm_N, *np.unique(record_N, return_inverse=True))
        for posterior_NK, rhythm_N, record_N in groups
        if len(rhythm_N)
    ]
    if not labelled:
        return NO_OFFSET

    def score(offset_K: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the score of all records, then those without one of them."""
        counts = [
            subject_confusion(rhythm_N, (log_NK + offset_K).argmax(axis=1), own_N, len(RHYTHMS), len(records))
            for log_NK, rhythm_N, records, own_N in labelled
        ]
        return _score_without_each(counts)

    offset_K = np.zeros(len(RHYTHMS), dtype=np.float32)
    best = score(offset_K)
    for _ in range(_ROUNDS):
        before = offset_K.copy()
        for rhythm in range(1, len(RHYTHMS)):
            for value in OFFSETS:
                tried_K = offset_K.copy()
                tried_K[rhythm] = value
                reached = score(tried_K)
                if reached[0] > best[0] + _LEAST_GAIN and (reached > best).all():
                    best, offset_K = reached, tried_K
        if np.array_equal(offset_K, before):
            break
    return tuple(map(float, offset_K))


def _score_without_each(counts: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the mean macro F1 of groups: of all their records, then without each in turn, (1 + records,).

    Counts are the confusion matrices of the records of each group, (G, K, K).
    """
    whole = [overall_scores(count_GKK.sum(axis=0))[0] for count_GKK in counts]
    scores = [np.array([np.mean(whole)])]
    for group, count_GKK in enumerate(counts):
        others = whole[:group] + whole[group + 1 :]
        without_G = overall_scores(count_GKK.sum(axis=0) - count_GKK)[:, 0]
        # A group of one record is none without it: then the others are all there is, NaN if there are none.
        alone = float(np.mean(others)) if others else np.nan
        both_G = (sum(others) + without_G) / len(counts)
        scores.append(np.where(np.isnan(without_G), alone, both_G))
    return np.concatenate(scores)


def fit_temperature(groups: Sequence[Labelled], log_offset: Sequence[float] = NO_OFFSET) -> float:
    """Return the temperature at which labelled beats are least surprising.

    Parameters
    ----------
    groups : sequence of Labelled
        Labelled beats; all groups count alike.
    log_offset : sequence of float, (K,)
        Of `choose_log_offset`.

    Returns
    -------
    float
        Between 0.5 and 4.
    """

    def surprise(temperature: float) -> float:
        of_groups = []
        for posterior_NK, rhythm_N, _ in groups:
            own_N = calibrate(posterior_NK, temperature, log_offset)[np.arange(len(rhythm_N)), rhythm_N]
            of_groups.append(float(-np.log(np.maximum(own_N, 1e-9)).mean()))
        return float(np.mean(of_groups))

    return float(minimize_scalar(surprise, bounds=(0.5, 4.0), method="bounded").x)


def _find_runs(rhythms: Sequence[NDArray[np.int64]]) -> tuple[BeatRuns, NDArray[np.int64]]:
    """Return the runs of one rhythm within parts that are laid one after the other, and where each part begins."""
    offset = np.cumsum([0, *(len(rhythm_L) for rhythm_L in rhythms)])
    label_N = np.concatenate(rhythms)
    is_first = np.append(True, label_N[1:] != label_N[:-1])
    is_first[offset[:-1]] = True
    first = np.flatnonzero(is_first)
    stop = np.append(first[1:], len(label_N))
    kept = label_N[first] >= 0
    return BeatRuns(label_N, first[kept], stop[kept], label_N[first[kept]]), offset
