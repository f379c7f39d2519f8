"""The most probable path of rhythms through a record, given each beat's posterior and how long rhythms last.

A beat's posterior does not depend on the label of its neighbour; the path does. Each rhythm is a chain of
phases that a path walks through one by one, which makes the time it stays negative binomial instead of geometric: a
hidden semi-Markov model written as a hidden Markov model.

Shape suffixes: L beats of a record, R records side by side, N beats of all records, K classes, J states (class by
phase).

References
----------
Rabiner, "A tutorial on hidden Markov models and selected applications in speech recognition", Proc IEEE 77(2), 1989.
Johnson, "Capacity and complexity of HMM duration modeling techniques", IEEE Signal Process Lett 12(5), 2005.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfeat.rhythm.chunks import BeatRuns
from ecgfeat.scoring.rhythm import class_f1, confusion_matrix

IMPOSSIBLE = -1e30
LEAST_PROBABILITY = 1e-6

CANDIDATES = tuple((num_phases, weight, 0.0) for num_phases in (1, 3) for weight in (0.25, 0.5, 1.0))
"""``num_phases, weight, prior_power`` of the decoders that are tried on the validation records."""


@dataclass(frozen=True)
class Durations:
    """How rhythms follow each other and how long they last, counted on training episodes.

    Attributes
    ----------
    mean_beats : tuple of float, (K,)
        Mean number of beats of an episode.
    follows : tuple of tuple of float, (K, K)
        Probability of the next rhythm, given this one; the diagonal is 0.
    share : tuple of float, (K,)
        Share of all labelled beats.
    """

    mean_beats: tuple[float, ...]
    follows: tuple[tuple[float, ...], ...]
    share: tuple[float, ...]


@dataclass(frozen=True)
class Decoder:
    """Figures and weights of `smooth_path`.

    Attributes
    ----------
    durations : Durations
        Of the training episodes.
    num_phases : int
        Phases of a rhythm: 1 is a hidden Markov model.
    weight : float
        How much a change of rhythm costs, relative to the counted probabilities; 0 is the most probable class of each
        beat.
    prior_power : float
        Posteriors are divided by the class shares to this power: 1 would make likelihoods of them, had the head been
        trained on the classes as they come.
    """

    durations: Durations
    num_phases: int
    weight: float
    prior_power: float


def decoder_to_json(decoder: Decoder) -> dict[str, Any]:
    """Return a decoder as plain lists and numbers, for ``model.json``."""
    plain: dict[str, Any] = json.loads(json.dumps(asdict(decoder)))
    return plain


def decoder_from_json(plain: Mapping[str, Any]) -> Decoder:
    """Return the decoder that `decoder_to_json` wrote down."""
    counted = plain["durations"]
    durations = Durations(
        tuple(counted["mean_beats"]), tuple(tuple(row) for row in counted["follows"]), tuple(counted["share"])
    )
    return Decoder(durations, int(plain["num_phases"]), float(plain["weight"]), float(plain["prior_power"]))


def choose_decoder(
    posterior_NK: NDArray[np.float32],
    offset: NDArray[np.int64],
    runs: BeatRuns,
    durations: Durations,
    *,
    candidates: Sequence[tuple[int, float, float]] = CANDIDATES,
) -> tuple[Decoder, list[dict[str, float]]]:
    """Choose among some decoders by the macro F1 of the beats of the validation records.

    Parameters
    ----------
    posterior_NK : ndarray, (N, K) float32
        Posteriors of the validation records.
    offset : ndarray, (R + 1,) int64
        First beat of each record.
    runs : BeatRuns
        Their reference.
    durations : Durations
        Figures of the training episodes.
    candidates : sequence of (int, float, float)
        ``num_phases, weight, prior_power`` to try.

    Returns
    -------
    decoder : Decoder
        The best; the first of equals.
    tried : list of dict
        ``num_phases, weight, prior_power, beat_macro_f1`` of each candidate, after that of no decoder (weight 0).
    """
    num_classes = posterior_NK.shape[1]

    def score(label_N: NDArray[np.int64]) -> float:
        return float(np.nanmean(class_f1(confusion_matrix(runs.beat_label, label_N, num_classes))))

    parts = np.split(posterior_NK, offset[1:-1])
    tried = [{"num_phases": 1.0, "weight": 0.0, "prior_power": 0.0, "beat_macro_f1": score(posterior_NK.argmax(1))}]
    best: tuple[float, Decoder] | None = None
    for num_phases, weight, prior_power in candidates:
        decoder = Decoder(durations, num_phases, weight, prior_power)
        f1 = score(np.concatenate(smooth_path(parts, decoder)))
        tried.append({"num_phases": num_phases, "weight": weight, "prior_power": prior_power, "beat_macro_f1": f1})
        if best is None or f1 > best[0]:
            best = (f1, decoder)
    assert best is not None, "no candidate"
    return best[1], tried


def is_decoder_better(tried: Sequence[Mapping[str, float]]) -> bool:
    """Tell whether the best decoder had a higher macro F1 of beats on the validation records than none.

    Parameters
    ----------
    tried : sequence of mapping
        What `choose_decoder` tried; the first is no decoder.

    Returns
    -------
    bool
    """
    return max(row["beat_macro_f1"] for row in tried[1:]) > tried[0]["beat_macro_f1"]


def chosen_view(tried: Sequence[Mapping[str, float]], num_views: int) -> str:
    """Name the view of the timeline that validation chose.

    Parameters
    ----------
    tried : sequence of mapping
        What `choose_decoder` tried.
    num_views : int
        Views the posteriors are averaged over.

    Returns
    -------
    {'viterbi', 'tta7', 'single'}
        The smoothed path, unless smoothing lost.
    """
    if is_decoder_better(tried):
        return "viterbi"
    return f"tta{num_views}" if num_views > 1 else "single"


def count_durations(runs: BeatRuns, offset: NDArray[np.int64], num_classes: int) -> Durations:
    """Count how long rhythms last and what follows them.

    Parameters
    ----------
    runs : BeatRuns
        Training episodes, record after record, in order of time.
    offset : ndarray, (R + 1,) int64
        First beat of each record.
    num_classes : int
        K.

    Returns
    -------
    Durations
        With one episode of one beat and one change of each kind added, so that nothing is impossible.
    """
    length = runs.stop - runs.first
    count_K = np.bincount(runs.label, minlength=num_classes) + 1.0
    total_K = np.bincount(runs.label, weights=length, minlength=num_classes) + 1.0
    follows_KK = np.ones((num_classes, num_classes))
    record = np.searchsorted(offset, runs.first, side="right")
    # A rhythm outside the task may lie between two episodes; then neither follows the other.
    touches = (record[1:] == record[:-1]) & (runs.first[1:] == runs.stop[:-1])
    np.add.at(follows_KK, (runs.label[:-1][touches], runs.label[1:][touches]), 1.0)
    np.fill_diagonal(follows_KK, 0.0)
    return Durations(
        tuple((total_K / count_K).tolist()),
        tuple(tuple(row) for row in (follows_KK / follows_KK.sum(1, keepdims=True)).tolist()),
        tuple((total_K / total_K.sum()).tolist()),
    )


def transition_matrix(durations: Durations, num_phases: int) -> NDArray[np.float64]:
    """Return the logarithm of the probability of each state after each other.

    Parameters
    ----------
    durations : Durations
        Figures of the training episodes.
    num_phases : int
        Phases of each rhythm; state ``k * num_phases + p`` is phase p of class k.

    Returns
    -------
    ndarray, (J, J) float64
        Row: state of a beat, column: state of the next.
    """
    num_classes = len(durations.mean_beats)
    log_JJ = np.full((num_classes * num_phases,) * 2, IMPOSSIBLE)
    for k, (mean, follows) in enumerate(zip(durations.mean_beats, durations.follows, strict=True)):
        leave = min(0.5, num_phases / max(mean, num_phases))
        for phase in range(num_phases):
            state = k * num_phases + phase
            log_JJ[state, state] = np.log1p(-leave)
            if phase + 1 < num_phases:
                log_JJ[state, state + 1] = np.log(leave)
            else:
                for other, share in enumerate(follows):
                    if other != k and share > 0:
                        log_JJ[state, other * num_phases] = np.log(leave * share)
    return log_JJ


def smooth_path(posteriors: Sequence[NDArray[np.float32]], decoder: Decoder) -> list[NDArray[np.int64]]:
    """Find the most probable path through each record (Viterbi), all records side by side.

    Parameters
    ----------
    posteriors : sequence of ndarray, (L, K) float32
        Posterior of each beat, one array per record.
    decoder : Decoder
        Figures and weights.

    Returns
    -------
    list of ndarray, (L,) int64
        Class of each beat.
    """
    num_phases, num_classes = decoder.num_phases, len(decoder.durations.share)
    if not posteriors:
        return []
    log_JJ = decoder.weight * transition_matrix(decoder.durations, num_phases)
    log_JJ[log_JJ < IMPOSSIBLE * 1e-3] = IMPOSSIBLE
    log_share_K = decoder.prior_power * np.log(np.asarray(decoder.durations.share))
    lengths = np.array([len(posterior_LK) for posterior_LK in posteriors])
    # The longest record first: those that still have a beat are the first rows.
    order = np.argsort(-lengths, kind="stable")
    num_left_L = np.searchsorted(-lengths[order], -np.arange(lengths.max()), side="left")
    # Beat by beat, the records that still have one: a grid of all beats of all records would be mostly empty.
    first_L = np.append(0, num_left_L.cumsum())
    num_states = num_classes * num_phases
    came_NJ = np.zeros((first_L[-1], num_states), dtype=np.int8)
    evidence_NK = np.empty((first_L[-1], num_classes), dtype=np.float32)
    for row, record in enumerate(order):
        evidence_LK = np.log(np.maximum(posteriors[record], LEAST_PROBABILITY)) - log_share_K
        evidence_NK[first_L[: len(evidence_LK)] + row] = evidence_LK
    score_RJ = np.zeros((len(posteriors), num_states))
    to_from_JJ, cell_RJ = np.ascontiguousarray(log_JJ.T), num_states * np.arange(score_RJ.size).reshape(score_RJ.shape)
    for first, left in zip(first_L[:-1].tolist(), num_left_L.tolist(), strict=True):
        if first:
            candidate_RJJ = score_RJ[:left, None] + to_from_JJ
            came_RJ = candidate_RJJ.argmax(axis=2)
            came_NJ[first : first + left] = came_RJ
            score_RJ[:left] = candidate_RJJ.ravel().take(cell_RJ[:left] + came_RJ)
        score_RJ[:left] += evidence_NK[first : first + left].repeat(num_phases, axis=1)
    last_R = score_RJ.argmax(axis=1)
    paths = [np.zeros(0, dtype=np.int64)] * len(posteriors)
    for row, record in enumerate(order.tolist()):
        came_LJ, state = came_NJ[first_L[: lengths[record]] + row].tolist(), int(last_R[row])
        states = []
        for came_J in reversed(came_LJ):
            states.append(state)
            state = came_J[state]
        paths[record] = np.array(states[::-1], dtype=np.int64) // num_phases
    return paths
