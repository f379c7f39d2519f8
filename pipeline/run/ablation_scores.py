"""Score the models of an ablation on validation: all of them on the same beats and segments."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ecgfeat.arrhythmia.head import load_head, name_beats, rhythm_posteriors
from ecgfeat.arrhythmia.posteriors import METHODS, NO_OFFSET, Stretch, calibrate
from ecgfeat.arrhythmia.segments import Segment
from ecgfeat.arrhythmia.training import score_segments
from ecgfeat.beats.classifier import CONTEXT_BEATS, classify_record, decide_classes, load_classifier
from ecgfeat.beats.classifier_training import HeldOut, assign_folds, choose_least_early, fit_curves
from ecgfeat.beats.history import beat_labels
from ecgfeat.beats.net_training import NetSettings, train_net
from ecgfeat.beats.probabilities import Curve, cut_batches, gate_early, join_classes, pick_classes
from ecgfeat.beats.scale import Scales, measure_scale
from ecgfeat.beats.shapes import BeatShapes, read_chunk
from ecgfeat.device import choose_device
from ecgfeat.features.intervals import usual_interval
from ecgfeat.models.beat_net import BeatNet
from ecgfeat.scoring.beats import beat_class_scores
from ecgfeat.scoring.calibration import expected_calibration_error
from ecgfeat.store.schemas import BEAT_CLASSES, CLASSES, RHYTHMS
from pipeline.params import Params
from pipeline.read import paths
from pipeline.read.annotated import read_described
from pipeline.read.beat_training import (
    TRAINING_SPLITS,
    make_training_record,
    read_noisy_records,
    read_training_beats,
    read_weak_records,
)
from pipeline.read.beats import read_class_probabilities, read_rows_by_record, read_rpeaks
from pipeline.read.rhythm_training import draw_validation, read_signal_sources

PLAIN = "no_offset_"
"""Before the names of scores of posteriors without the offsets of rhythms."""

BEAT_CORPUS, SHORT_CORPUS = "mitdb", "cinc2017"
"""Where held-out beats are scored, and beats of short records that are marked normal."""

FEWEST_BEATS = 10
"""Beats of a class in a record whose F1 of that class counts in the mean over records."""


@dataclass(frozen=True)
class BeatAnswers:
    """What a beat classifier made of records that it had not seen.

    Attributes
    ----------
    record : ndarray of str, (N,)
        Whose beat it is: held-out beats with a reference class N, S or V.
    label : ndarray of int64, (N,)
        Their classes as indices into N S V.
    probability : ndarray of float32, (N, 3)
        Calibrated.
    curves : tuple of Curve
        By which it was calibrated: of V, and of S.
    least_early : float
        From which probability on a beat is called S.
    ectopic_share : float
        Share of beats of short validation records marked normal that are called S or V; NaN without such records.
    """

    record: NDArray[np.str_]
    label: NDArray[np.int64]
    probability: NDArray[np.float32]
    curves: tuple[Curve, Curve]
    least_early: float
    ectopic_share: float


def read_answers(folder: Path, params: Params) -> BeatAnswers:
    """Read the answers of the classifier that was trained in a folder."""
    classifier, _ = load_classifier(folder / paths.BEAT_CLASSIFIER)
    held_out_of = read_rows_by_record(folder / paths.held_out_classes(BEAT_CORPUS), CLASSES)
    parts = []
    for split in TRAINING_SPLITS:
        for row, rpeaks in read_rpeaks(BEAT_CORPUS, split):
            held_out = held_out_of(row["record"])
            label_L = beat_labels(rpeaks["aami"][held_out["beat"]])
            kept = label_L >= 0
            probability_LK = np.stack([held_out[f"p_{name}"] for name in BEAT_CLASSES], axis=1)
            parts.append((np.full(int(kept.sum()), row["record"]), label_L[kept], probability_LK[kept]))
    record, label, probability = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    device = choose_device(params.runtime.device, params.runtime.threads)
    called = [
        decide_classes(classifier, classify_record(classifier, beats.window_uv, beats.feature, device=device))
        for beats in read_described(SHORT_CORPUS, ("validation",))
        if np.isin(beats.rpeaks["rhythm"], ["NSR", "SBR"]).all()
    ]
    curves = (classifier.ventricular_curve, classifier.early_curve)
    ectopic_share = float((np.concatenate(called) > 0).mean()) if called else float("nan")
    return BeatAnswers(record, label, probability, curves, classifier.least_early, ectopic_share)


def average_answers(answers: Sequence[BeatAnswers]) -> BeatAnswers:
    """Return the mean answers of several classifiers for the same beats."""
    assert all((of.label == answers[0].label).all() for of in answers), "the same beats"
    return replace(
        answers[0],
        probability=np.mean([of.probability for of in answers], axis=0).astype(np.float32),
        least_early=float(np.mean([of.least_early for of in answers])),
        ectopic_share=float("nan"),
    )


def score_beats(answers: BeatAnswers, *, calibrated: bool) -> dict[str, float]:
    """Score beats of held-out subjects.

    Parameters
    ----------
    answers : BeatAnswers
        Of a classifier.
    calibrated : bool
        False: its raw answers are scored, and S is called where it is more probable than N.

    Returns
    -------
    dict of str to float
        F1 of N, S and V; ``s_mean``, the mean F1 of S over records with `FEWEST_BEATS`; ``v_mean``, the same of V;
        ``ece``, the expected calibration error; ``ectopic_normal``, the share of beats called S or V in normal short
        records, NaN where the answers are of held-out beats alone.
    """
    probability_NK, least_early = answers.probability, answers.least_early
    if not calibrated:
        probability_NK, least_early = _undo(probability_NK, *answers.curves), 0.5
    predicted = pick_classes(probability_NK, least_early)
    names = np.array(BEAT_CLASSES)

    def score(rows: NDArray[np.bool_]) -> dict[str, float]:
        return beat_class_scores(names[answers.label[rows]], names[predicted[rows]])

    pooled = score(np.ones(len(predicted), dtype=np.bool_))
    means = {}
    for name in ("S", "V"):
        is_class = answers.label == BEAT_CLASSES.index(name)
        records = [of for of in np.unique(answers.record) if (is_class & (answers.record == of)).sum() >= FEWEST_BEATS]
        by_record = [score(answers.record == of)[f"{name.lower()}_f1"] for of in records]
        means[f"{name.lower()}_mean"] = float(np.mean(np.nan_to_num(by_record))) if by_record else float("nan")
    return {
        **{f"{name.lower()}_f1": pooled[f"{name.lower()}_f1"] for name in BEAT_CLASSES},
        **means,
        "ece": expected_calibration_error(answers.label, probability_NK.astype(np.float64)),
        "ectopic_normal": answers.ectopic_share if calibrated else float("nan"),
    }


def answer_by_networks(params: Params, trees: BeatAnswers) -> BeatAnswers:
    """Train networks on folds of the subjects, and let them and not the trees say which beats are S.

    Parameters
    ----------
    params : Params
        How.
    trees : BeatAnswers
        Of the whole classifier: which beats are V stays as it is.

    Returns
    -------
    BeatAnswers
        Calibrated, and with a threshold that is chosen, as those of the trees are.
    """
    rng, section = np.random.default_rng((params.seed, 0)), params.train_beats.model_dump()
    settings = NetSettings(**{field.name: section[field.name] for field in fields(NetSettings)})
    named = [make_training_record(corpus, beats, params, rng) for corpus, beats in read_training_beats(params)]
    noisy = list(read_noisy_records(params, rng))
    weak = list(read_weak_records(params, rng))
    fold_of = assign_folds([*named, *weak], params.train_beats.folds, params.seed)
    device = choose_device(params.runtime.device, params.runtime.threads)
    early: dict[int, NDArray[np.float32]] = {}
    for fold in sorted(set(fold_of.values())):
        training = [record for record in (*named, *noisy, *weak) if fold_of[record.subject] != fold]
        wave, beat = ([getattr(record.shapes, name) for record in training] for name in ("wave", "beat"))
        scales = Scales(measure_scale(wave), measure_scale(beat))
        net = train_net(training, scales, settings, seed=params.seed, device=device).to(device)
        for number, record in enumerate([*named, *weak]):
            if fold_of[record.subject] == fold:
                early[number] = _early_of_net(net, scales, record.shapes, device)
    answers = [HeldOut(np.zeros(len(early[number]), dtype=np.float32), early[number]) for number in range(len(early))]
    _, curve = fit_curves(named, answers[: len(named)])
    calibrated = [curve.apply(answer.early) for answer in answers]
    is_scored = [record.subject.startswith(f"{BEAT_CORPUS}/") for record in named]
    scored = zip(calibrated[: len(named)], named, is_scored, strict=True)
    parts = [of[record.label >= 0] for of, record, kept in scored if kept]
    return replace(
        trees,
        probability=join_classes(trees.probability[:, BEAT_CLASSES.index("V")], np.concatenate(parts)),
        least_early=choose_least_early([*named, *weak], calibrated),
        ectopic_share=float("nan"),
    )


def _early_of_net(net: BeatNet, scales: Scales, shapes: BeatShapes, device: torch.device) -> NDArray[np.float32]:
    """Return what a network says of S if a beat is no V, (L,)."""
    early_L = np.zeros(len(shapes), dtype=np.float32)
    normal, early = (BEAT_CLASSES.index(name) for name in "NS")
    with torch.inference_mode():
        for seen, inside in cut_batches(len(shapes), CONTEXT_BEATS):
            logits_2BLK = net(*(tensor[None].to(device) for tensor in read_chunk(shapes, seen, scales)))
            posterior_LK = logits_2BLK.softmax(dim=-1).mean(dim=0)[0, inside]
            share_L = posterior_LK[:, early] / (posterior_LK[:, normal] + posterior_LK[:, early])
            early_L[seen][inside] = share_L.cpu().numpy()
    return early_L


def _undo(probability_NK: NDArray[np.float32], ventricular: Curve, early: Curve) -> NDArray[np.float32]:
    """Return the probabilities before they were calibrated."""

    def invert(curve: Curve) -> Curve:
        return Curve(1 / curve.slope, -curve.offset / curve.slope)

    normal_N, early_N, ventricular_N = probability_NK.astype(np.float64).T
    share_N = (early_N / np.maximum(normal_N + early_N, 1e-9)).astype(np.float32)
    return join_classes(invert(ventricular).apply(ventricular_N.astype(np.float32)), invert(early).apply(share_N))


@dataclass(frozen=True)
class RhythmValidation:
    """Segments that every rhythm head is scored on.

    Attributes
    ----------
    drawn, hidden : list of Segment
        Parts of the annotations of validation records as they come, corrupted: beat classes drawn like a classifier's,
        and which beats are V not known.
    short : list of Segment
        Of short records with signals.
    """

    drawn: list[Segment]
    hidden: list[Segment]
    short: list[Segment]


def read_rhythm_validation(params: Params) -> RhythmValidation:
    """Draw the validation segments as the params have it, whatever an ablation changes."""
    classifier, _ = load_classifier(paths.BEAT_CLASSIFIER)
    _, answers = read_signal_sources(params)
    drawn, hidden = (draw_validation(params, classifier, of) for of in (answers, None))
    return RhythmValidation(drawn.days, hidden.days, drawn.short)


def score_rhythms(folder: Path, validation: RhythmValidation, params: Params) -> dict[str, dict[str, float]]:
    """Score the rhythm head that was trained in a folder, by the most probable rhythm of each beat.

    Parameters
    ----------
    folder : Path
        Where.
    validation : RhythmValidation
        Of `read_rhythm_validation`.
    params : Params
        Where to compute.

    Returns
    -------
    dict of str to dict
        By method ``macro_f1`` and ``afib_f1`` of the annotations, the same of ``hidden_`` beat classes, and
        ``short_afib_f1`` of short records, where there are any: they have no more than two of the six rhythms. With
        `PLAIN` before it, the same of posteriors as the head was trained to give them.
    """
    head, _ = load_head(folder / paths.RHYTHM_MODEL)
    device = choose_device(params.runtime.device, params.runtime.threads)
    scores: dict[str, dict[str, float]] = {method: {} for method in METHODS}
    for prefix, segments in (("", validation.drawn), ("hidden_", validation.hidden), ("short_", validation.short)):
        if not segments:
            continue
        figures = [segment.figure for segment in segments]
        net, trees = (rhythm_posteriors(head, figures, method, device=device) for method in METHODS[:2])
        both = [(one_LK + other_LK) / 2 for one_LK, other_LK in zip(net, trees, strict=True)]
        for method, posteriors in zip(METHODS, (net, trees, both), strict=True):
            offset = head.smoothing[method].log_offset
            for before, log_offset in (("", offset), (PLAIN, NO_OFFSET)):
                of = score_segments(segments, [calibrate(posterior_LK, 1.0, log_offset) for posterior_LK in posteriors])
                kept = [name for name in of if (prefix, name) != ("short_", "macro_f1")]
                scores[method] |= {f"{before}{prefix}{name}": of[name] for name in kept}
    return scores


def without_offsets(scores: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Return those of the scores of `score_rhythms` that read posteriors without the offsets of rhythms."""
    return {
        method: {name.removeprefix(PLAIN): value for name, value in of.items() if name.startswith(PLAIN)}
        for method, of in scores.items()
        if method in METHODS
    }


def score_gate(folder: Path, params: Params) -> dict[str, float]:
    """Score S beats of held-out subjects with and without the gate of a rhythm head that has not seen their signals.

    Returns
    -------
    dict of str to float
        F1 and positive predictivity of S with the gate, and ``plain_`` ones without.
    """
    head, _ = load_head(folder / paths.RHYTHM_MODEL)
    classifier, _ = load_classifier(paths.BEAT_CLASSIFIER)
    device = choose_device(params.runtime.device, params.runtime.threads)
    probabilities_of = read_class_probabilities(BEAT_CORPUS)
    labels, plain, gated = [], [], []
    for split in TRAINING_SPLITS:
        for row, rpeaks in read_rpeaks(BEAT_CORPUS, split):
            probability_LK = probabilities_of(row["record"])
            is_used = np.isfinite(probability_LK).all(axis=1)
            rr_s, probability_LK = rpeaks["rr_s"][is_used], probability_LK[is_used]
            usual_s = usual_interval(rr_s)
            first = np.flatnonzero(np.append(True, np.isnan(rr_s[1:])))
            rows = list(zip(first, np.append(first[1:], len(rr_s)), strict=True))
            figures = [Stretch(rr_s[low:high], usual_s, probability_LK[low:high]).describe() for low, high in rows]
            posteriors, _ = name_beats(head, figures, head.method, device=device)
            afib_L = np.concatenate(posteriors)[:, RHYTHMS.index("AFIB")]
            labels.append(beat_labels(rpeaks["aami"][is_used]))
            plain.append(decide_classes(classifier, probability_LK))
            gated.append(decide_classes(classifier, gate_early(probability_LK, afib_L)))
    label_N, names = np.concatenate(labels), np.array(BEAT_CLASSES)
    kept = label_N >= 0
    scores: dict[str, float] = {}
    for prefix, parts in (("plain_", plain), ("", gated)):
        of = beat_class_scores(names[label_N[kept]], names[np.concatenate(parts)[kept]])
        scores |= {f"{prefix}{name}": of[name] for name in ("s_f1", "s_positive_predictivity", "s_sensitivity")}
    return scores
