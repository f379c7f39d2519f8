"""Rows of the outside evaluation: what is predicted of a record as a whole, beside the plainest baselines.

Shape suffixes: L beats of the record, D figures, K classes.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfeat.arrhythmia.plain import interval_figures
from ecgfeat.arrhythmia.posteriors import Stretch
from ecgfeat.corpora.corpus import DiagnosticCorpus
from ecgfeat.features.intervals import IRREGULAR_SHARE
from ecgfeat.prediction.episodes import NamedStretch, main_rhythm, mark_pauses
from ecgfeat.prediction.evidence import state_evidence, word_evidence
from ecgfeat.prediction.signs import read_signs
from ecgfeat.records.annotations import Episodes
from ecgfeat.rhythm.baselines import SLOW_PER_MIN
from ecgfeat.rhythm.records import RhythmRecord
from ecgfeat.store.schemas import BEAT_CLASSES, COMMON_FS_HZ, RHYTHMS
from ecgfeat.store.tables import Columns
from ecgfeat.trees import Trees

_AFIB = RHYTHMS.index("AFIB")
NAN = float("nan")


def state_record(stated: Sequence[str], corpus: DiagnosticCorpus, rate_bpm: float) -> dict[str, Any]:
    """Say what the diagnoses of a record tell of its rhythm.

    Parameters
    ----------
    stated : sequence of str
        Its classes and codes.
    corpus : DiagnosticCorpus
        What they mean.
    rate_bpm : float
        Its heart rate; NaN where that is not known.

    Returns
    -------
    dict
        ``stated, reference, reference_af, is_normal`` of the ``record_scores`` table.

    Notes
    -----
    * Sinus rhythm below 60/min is SBR: a class of normal records says nothing of their rate.
    """
    rhythms = corpus.rhythms_of(stated)
    rhythm = next(iter(rhythms)) if len(rhythms) == 1 else ""
    # A record of which no rhythm is stated has no atrial fibrillation. Flutter is neither, and several leave it open.
    share = NAN if len(rhythms) > 1 or rhythm == "AFL" else float(rhythm == "AFIB")
    is_normal = rhythm in ("NSR", "SBR") and not corpus.has_ectopic(stated)
    if rhythm == "NSR" and rate_bpm < SLOW_PER_MIN:
        rhythm = "SBR"
    return {"stated": list(stated), "reference": rhythm, "reference_af": share, "is_normal": is_normal}


def state_episodes(episodes: Episodes) -> dict[str, Any]:
    """Say what the reference episodes of a record tell of it as a whole, as `state_record` does of diagnoses."""
    length = (episodes.stop_sample - episodes.start_sample).astype(np.float64)
    total = {str(name): float(length[episodes.rhythm == name].sum()) for name in np.unique(episodes.rhythm) if name}
    labelled = sum(total.values())
    reference = max(total, key=lambda name: total[name]) if labelled else ""
    share = total.get("AFIB", 0.0) / labelled if labelled else NAN
    return {"stated": [], "reference": reference, "reference_af": share, "is_normal": False}


def summarise_named(
    stretches: Sequence[RhythmRecord],
    named: Sequence[tuple[NamedStretch, NDArray[np.float32]]],
    usual_s: tuple[float, float],
    rr_trees: Trees,
) -> dict[str, Any]:
    """Sum up what is predicted of a record.

    Parameters
    ----------
    stretches : sequence of RhythmRecord
        Its usable stretches with R-peaks.
    named : sequence of (NamedStretch, ndarray of float32, (L, 6))
        Of `ecgfeat.prediction.models.name_classified`.
    usual_s : tuple of float
        Mean and median RR interval.
    rr_trees : Trees
        Of `ecgfeat.arrhythmia.plain`.

    Returns
    -------
    dict
        The columns ``num_beats`` to ``rr_irregular`` of the ``record_scores`` table.
    """
    row: dict[str, Any] = {"num_beats": 0, "num_s": 0, "num_v": 0, "rate_bpm": NAN, "rhythm": "", "certainty": NAN}
    row |= {"af_s": 0.0, "p_afib": NAN, "p_afib_rr_trees": NAN, "rr_irregular": NAN}
    if not stretches:
        return row
    label_L = np.concatenate([of.label for of, _ in named])
    posterior_LK = np.concatenate([posterior for _, posterior in named])
    unknown = np.full(len(BEAT_CLASSES), np.nan, dtype=np.float32)
    figures = [Stretch(of.rr_s, usual_s, np.tile(unknown, (len(of.sample), 1))).describe() for of in stretches]
    plain_LK = rr_trees.predict(np.concatenate([interval_figures(figure_LD) for figure_LD in figures]))
    af_samples = sum(int(np.diff(of.episodes.edges)[of.episodes.label == _AFIB].sum()) for of, _ in named)
    rhythm, certainty = _main_rhythm(stretches, [of for of, _ in named])
    return row | {
        "num_beats": len(label_L),
        **{f"num_{name.lower()}": int((label_L == BEAT_CLASSES.index(name)).sum()) for name in "SV"},
        "rate_bpm": 60 / usual_s[1],
        "rhythm": rhythm,
        "certainty": certainty,
        "af_s": af_samples / COMMON_FS_HZ,
        "p_afib": float(posterior_LK[:, _AFIB].mean()),
        "p_afib_rr_trees": float(plain_LK[:, _AFIB].mean()),
        "rr_irregular": irregular_share([of.rr_s for of in stretches]),
    }


def _main_rhythm(stretches: Sequence[RhythmRecord], named: Sequence[NamedStretch]) -> tuple[str, float]:
    """Return what ``ecgfeat predict`` calls the main rhythm of a record, and its certainty."""
    parts = [mark_pauses(of.episodes, stretch.sample) for stretch, of in zip(stretches, named, strict=True)]
    beats = [
        np.diff(np.searchsorted(stretch.sample, part.edges)) for stretch, part in zip(stretches, parts, strict=True)
    ]
    return main_rhythm(
        np.concatenate([part.names for part in parts]),
        np.concatenate([np.diff(part.edges) for part in parts]).astype(np.float64),
        np.concatenate([part.certainty for part in parts]),
        np.concatenate(beats),
    )


def score_episodes(stretch: RhythmRecord, named: NamedStretch) -> Columns:
    """Lay out the episodes that a user is given of a stretch, beside the reference.

    Parameters
    ----------
    stretch : RhythmRecord
        A usable stretch with R-peaks, and its reference episodes.
    named : NamedStretch
        What is predicted of it; with the features that evidence is read from, or without evidence of waves.

    Returns
    -------
    dict of str to array
        Columns of the ``episode_scores`` table, without where they are from.
    """
    episodes = mark_pauses(named.episodes, stretch.sample)
    start, stop = episodes.edges[:-1], episodes.edges[1:]
    # Seconds of each reference rhythm in each episode.
    reference = stretch.episodes
    first = np.maximum(start[:, None], reference.start_sample)
    overlap_s = np.maximum(np.minimum(stop[:, None], reference.stop_sample) - first, 0) / COMMON_FS_HZ
    labels = sorted(set(reference.rhythm.tolist()) - {""})
    seconds = np.stack([overlap_s[:, reference.rhythm == name].sum(axis=1) for name in labels] or [0.0 * start], axis=1)
    most = np.array([*labels, ""], dtype=object)[np.where(seconds.any(axis=1), seconds.argmax(axis=1), -1)]
    known = [k for k, name in enumerate(labels) if name in RHYTHMS]
    agree_EK = [overlap_s[:, reference.rhythm == name].sum(axis=1) for name in RHYTHMS]
    agree_s = np.stack([*agree_EK, 0.0 * start], axis=1)[np.arange(len(start)), episodes.label]
    letters = "".join(BEAT_CLASSES[code] for code in named.label)
    bounds = np.searchsorted(stretch.sample, episodes.edges).tolist()
    signs = read_signs(stretch.rr_s, named.label, named.feature)
    evidence = state_evidence(episodes, stretch.sample, [signs])
    kinds = [[of.kind for side in sides for of in side if of.kind] for sides in evidence]
    return {
        "start_sample": stretch.start + start,
        "stop_sample": stretch.start + stop,
        "rhythm": episodes.names,
        "certainty": episodes.certainty.astype(np.float64),
        "reference": most,
        "known_s": seconds[:, known].sum(axis=1),
        "agree_s": agree_s,
        "classes": np.array([letters[low:high] for low, high in pairwise(bounds)], dtype=object),
        "statements": np.array([*kinds, None], dtype=object)[:-1],
        "evidence": np.array([word_evidence(*sides) for sides in evidence], dtype=object),
    }


def beat_rhythms(stretch: RhythmRecord, named: NamedStretch) -> NDArray[np.int64]:
    """Return the predicted rhythm of each beat of a stretch, (L,); -1 not classified."""
    at = np.searchsorted(named.episodes.edges, stretch.sample, side="right") - 1
    return named.episodes.label[np.minimum(at, len(named.episodes.label) - 1)]


def irregular_share(rr_s: Sequence[NDArray[np.float64]]) -> float:
    """Return the share of RR intervals that change by more than a tenth of the mean interval; NaN without any."""
    mean_s = np.nanmean(np.concatenate(rr_s)) if any(np.isfinite(part).any() for part in rr_s) else NAN
    change_s = np.abs(np.concatenate([np.diff(part) for part in rr_s]))
    change_s = change_s[np.isfinite(change_s)]
    return float((change_s > IRREGULAR_SHARE * mean_s).mean()) if change_s.size else NAN
