"""Beat classifier and rhythm head together: the models that name an unannotated record by default.

Shape suffixes: L beats of the record or of a stretch, S samples, C leads, K classes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from ecgfeat.arrhythmia.head import ArrhythmiaHead, load_head, name_beats
from ecgfeat.arrhythmia.posteriors import Stretch
from ecgfeat.beats.classifier import BeatClassifier, classify_record, decide_classes, load_classifier
from ecgfeat.beats.probabilities import gate_early
from ecgfeat.beats.windows import cut_beats
from ecgfeat.errors import DataError
from ecgfeat.features.intervals import usual_interval
from ecgfeat.features.record import Beats, describe_beats
from ecgfeat.prediction.episodes import NOT_CLASSIFIED, NamedStretch, PredictedEpisodes, merge_units
from ecgfeat.prediction.signs import EVIDENCE_FEATURES
from ecgfeat.rhythm.records import RhythmRecord
from ecgfeat.store.feature_columns import NUM_LEADS
from ecgfeat.store.schemas import RHYTHMS

LEAST_CERTAINTY: Final = 0.5
"""An episode whose rhythm is less certain is not classified."""

FEWEST_RHYTHM_BEATS: Final = 5
"""In a usable stretch of fewer beats no rhythm is classified. Ten seconds at 30/min have as many."""

_WINDOW_SAMPLES = 256
_AFIB = RHYTHMS.index("AFIB")


@dataclass(frozen=True)
class Models:
    """A beat classifier and a rhythm head that belong together.

    Attributes
    ----------
    classifier : BeatClassifier
        Classifies the beats from windows and features.
    head : ArrhythmiaHead
        Names the rhythm of every beat from intervals and classes.
    checksums : mapping of str to str
        sha256 of the weights, for the metadata of what is predicted.
    """

    classifier: BeatClassifier
    head: ArrhythmiaHead
    checksums: Mapping[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """Name the method that names rhythms."""
        return self.head.method

    @property
    def num_leads(self) -> int:
        """Leads that beat classes are read from, the first by position."""
        return NUM_LEADS

    @property
    def note(self) -> str:
        """Nothing is given in training that is not given here."""
        return ""


def load_models(folder: Path, *, needs_signals: bool = True) -> Models:
    """Read the beat classifier and the rhythm head of a run.

    Parameters
    ----------
    folder : Path
        With ``beats/classifier`` and ``rhythm``.
    needs_signals : bool
        Whether a beat classifier that has learnt from annotations alone is refused.

    Returns
    -------
    Models

    Raises
    ------
    DataError
        If a model is missing, damaged, or not of the other.
    """
    classifier, described = load_classifier(folder / "beats" / "classifier")
    head, head_described = load_head(folder / "rhythm")
    if needs_signals and not classifier.nets:
        raise DataError(
            str(folder / "beats" / "classifier"),
            found="a beat classifier that has seen no signal (its corpora have none)",
            expected="one with networks",
            remedy="Train it on a corpus with signals.",
        )
    checksums = {f"beats/{name}": value for name, value in described["sha256"].items()}
    if head_described["info"].get("classifier") != described["sha256"]:
        raise DataError(
            str(folder / "rhythm"),
            found="a rhythm head that was trained with another beat classifier",
            expected="that of the classifier beside it",
            remedy="Run: dvc repro train_rhythm",
        )
    checksums |= {f"rhythm/{name}": value for name, value in head_described["sha256"].items()}
    return Models(classifier, head, checksums)


def name_stretches(
    models: Models,
    whole: RhythmRecord,
    stretches: Sequence[RhythmRecord],
    signal_uv_SC: NDArray[np.int16],
    *,
    device: torch.device | str = "cpu",
    on_beats: Callable[[int], None] | None = None,
) -> list[NamedStretch]:
    """Classify the beats of the usable stretches of a record, and name their rhythms.

    Parameters
    ----------
    models : Models
        What does it.
    whole : RhythmRecord
        The record with all its R-peaks.
    stretches : sequence of RhythmRecord
        Its usable stretches in order of time; each with a beat.
    signal_uv_SC : ndarray of int16, (S, C)
        The whole record in microvolts at the common rate; -32768 invalid.
    device : torch.device or str
        Where to compute.
    on_beats : callable, optional
        Called with the number of beats classified since the last call.

    Returns
    -------
    list of NamedStretch
    """
    if not stretches:
        return []
    # As in the pipeline, all R-peaks are described, and those in usable time are named.
    is_used_L, rr_s = np.zeros(len(whole.sample), dtype=np.bool_), np.full(len(whole.sample), np.nan)
    for stretch in stretches:
        is_used_L[stretch.rows], rr_s[stretch.rows] = True, stretch.rr_s
    bounds = np.cumsum([len(stretch.sample) for stretch in stretches])[:-1]
    probability_LK, feature = _classify(models.classifier, Beats(rr_s, is_used_L), whole.sample, signal_uv_SC, device)
    if on_beats is not None:
        on_beats(len(probability_LK))
    parts = np.split(probability_LK, bounds)
    named = name_classified(models, stretches, usual_interval(rr_s), parts, device=device)
    rows = np.split(np.arange(len(probability_LK)), bounds)
    return [
        replace(of, feature={name: column[part] for name, column in feature.items()})
        for (of, _), part in zip(named, rows, strict=True)
    ]


def _classify(
    classifier: BeatClassifier,
    beats: Beats,
    sample: NDArray[np.int64],
    signal_uv_SC: NDArray[np.int16],
    device: torch.device | str,
) -> tuple[NDArray[np.float32], dict[str, NDArray[np.float32]]]:
    """Return the probabilities of the used beats, and their features that evidence is read from.

    The windows and the other features of a day are some 400 MB: they end with this function.
    """
    window_uv_LCS = cut_beats(signal_uv_SC, sample, num_samples=_WINDOW_SAMPLES, num_leads=NUM_LEADS)
    used = describe_beats(beats, window_uv_LCS, median_beats=classifier.median_beats, device=device)
    if not beats.is_used.all():
        used = {name: column[beats.is_used] for name, column in used.items()}
        window_uv_LCS = window_uv_LCS[beats.is_used]
    probability_LK = classify_record(classifier, window_uv_LCS, used, device=device)
    return probability_LK, {name: used[name] for name in EVIDENCE_FEATURES}


def name_classified(
    models: Models,
    stretches: Sequence[RhythmRecord],
    usual_s: tuple[float, float],
    parts: Sequence[NDArray[np.float32]],
    *,
    device: torch.device | str = "cpu",
) -> list[tuple[NamedStretch, NDArray[np.float32]]]:
    """Name the rhythms of stretches whose beats are classified.

    Parameters
    ----------
    models : Models
        What does it.
    stretches : sequence of RhythmRecord
        Of one record, in order of time; each with a beat.
    usual_s : tuple of float
        Mean and median interval of the record.
    parts : sequence of ndarray of float32, (L, 3)
        Probabilities of N, S and V, stretch by stretch.
    device : torch.device or str
        Where to compute.

    Returns
    -------
    list of (NamedStretch, ndarray of float32, (L, 6))
        Of each stretch what is predicted, and the rhythm posterior of its beats.

    Notes
    -----
    * In atrial fibrillation an early beat is no S: P(S) is multiplied by 1 - P(AFIB), and what it loses goes to N.
    """
    figures = [Stretch(stretch.rr_s, usual_s, part).describe() for stretch, part in zip(stretches, parts, strict=True)]
    posteriors, paths = name_beats(models.head, figures, models.head.method, device=device)
    is_smoothed = models.head.smoothing[models.head.method].is_used
    named = []
    for stretch, part, posterior_LK, path_L in zip(stretches, parts, posteriors, paths, strict=True):
        label_L = path_L if is_smoothed else posterior_LK.argmax(axis=1)
        edges = np.concatenate([[0], stretch.sample[1:], [stretch.num_samples]])
        episodes = merge_units(label_L, posterior_LK, np.ones(len(label_L)), edges)
        gated_LK = gate_early(part, posterior_LK[:, _AFIB])
        label = decide_classes(models.classifier, gated_LK)
        named.append(
            (
                NamedStretch(label, gated_LK, leave_uncertain(episodes, is_short=len(label_L) < FEWEST_RHYTHM_BEATS)),
                posterior_LK,
            )
        )
    return named


def leave_uncertain(episodes: PredictedEpisodes, *, is_short: bool = False) -> PredictedEpisodes:
    """Take the rhythm from episodes in which it is less certain than `LEAST_CERTAINTY`; neighbours of these are one.

    Their probabilities stay: it is known what the models made of them, and that no rhythm stood out. With
    ``is_short``, where the stretch has fewer than `FEWEST_RHYTHM_BEATS` beats, every episode loses its rhythm.
    """
    label_E = episodes.label
    is_left = (episodes.certainty < LEAST_CERTAINTY) | (is_short & (label_E >= 0))
    kept = np.append(True, ~(is_left[1:] & is_left[:-1]))
    reason = [NOT_CLASSIFIED if left else of for left, of in zip(is_left, episodes.reason, strict=True)]
    first, length_E1 = np.flatnonzero(kept), np.diff(episodes.edges)[:, None]
    joined_EK = np.add.reduceat(episodes.posterior * length_E1, first) / np.add.reduceat(length_E1, first)
    return PredictedEpisodes(
        np.append(episodes.edges[:-1][kept], episodes.edges[-1]),
        np.where(is_left, -1, label_E)[kept],
        np.where(is_left[kept, None], joined_EK, episodes.posterior[kept]).astype(np.float32),
        tuple(of for of, keep in zip(reason, kept, strict=True) if keep),
    )
