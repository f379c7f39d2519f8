"""Train the beat classifier, and classify subjects that were held out to calibrate it.

Shape suffixes: L beats of a record, D columns, N beats of all records.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from ecgfeat.beats.classifier import BeatClassifier, find_ventricular
from ecgfeat.beats.net_training import IGNORED, NetSettings, train_net
from ecgfeat.beats.prematurity import PrematurityRows, fit_prematurity
from ecgfeat.beats.probabilities import Curve, to_logit
from ecgfeat.beats.scale import UNSCALED, Scales, measure_scale
from ecgfeat.beats.shapes import BeatShapes
from ecgfeat.errors import DataError
from ecgfeat.models.beat_net import BeatNet
from ecgfeat.store.schemas import BEAT_CLASSES
from ecgfeat.trees import TreeSettings


@dataclass(frozen=True)
class TrainingRecord:
    """A record whose beats are learnt from.

    Attributes
    ----------
    subject : str
        Who, unlike any subject of another corpus.
    shapes : BeatShapes
        What the networks see.
    label : ndarray of int64, (L,)
        Classes as indices into N S V; `IGNORED` others.
    prematurity : PrematurityRows or None
        What the trees see of it; None: they learn nothing from it.
    early : ndarray of float32, (L, D)
        Columns that the trees read, of all its beats.
    weight : float
        How often chunks are drawn from it, 1 as its number of beats would have it.
    is_weak : bool
        Whether its labels follow from a diagnosis of the whole record.
    trains_only : bool
        Whether it is a copy that is never classified itself. While its subject is held out it does not train.
    """

    subject: str
    shapes: BeatShapes
    label: NDArray[np.int64]
    prematurity: PrematurityRows | None
    early: NDArray[np.float32]
    weight: float = 1.0
    is_weak: bool = False
    trains_only: bool = False


@dataclass(frozen=True)
class HeldOut:
    """Answers for the beats of a record whose subject was held out; not calibrated.

    Attributes
    ----------
    ventricular, early : ndarray of float32, (L,)
        Of the networks and of the trees.
    """

    ventricular: NDArray[np.float32]
    early: NDArray[np.float32]


def train_classifier(
    records: Sequence[TrainingRecord],
    annotated: Sequence[PrematurityRows],
    net_settings: NetSettings,
    tree_settings: TreeSettings,
    *,
    median_beats: int,
    seed: int,
    device: str | torch.device = "cpu",
    on_step: Callable[[int], None] | None = None,
) -> BeatClassifier:
    """Train networks and trees, not yet calibrated: curves that change nothing, S where it is likelier than N.

    Parameters
    ----------
    records : sequence of TrainingRecord
        Records with signals.
    annotated : sequence of PrematurityRows
        Beats of records of which the annotations alone are known.
    net_settings, tree_settings
        How.
    median_beats : int
        Beats of which a record's median beat is made.
    seed : int
        Of all draws; network i is drawn from ``seed + i``.
    device : str or torch.device
        Where to train.
    on_step : callable, optional
        Called with the number of steps done since the last call.

    Returns
    -------
    BeatClassifier

    Raises
    ------
    DataError
        If there is no V beat, no S beat or no N beat.

    Notes
    -----
    * Without records with signals there are trees alone, and which beats are V stays unknown.
    """
    scales = Scales(UNSCALED, UNSCALED)
    nets: tuple[BeatNet, ...] = ()
    if records:
        scales = Scales(
            measure_scale([record.shapes.wave for record in records]),
            measure_scale([record.shapes.beat for record in records]),
        )
        nets = tuple(
            train_net(records, scales, net_settings, seed=seed + number, device=device, on_step=on_step)
            for number in range(net_settings.seeds)
        )
    rows = [*(record.prematurity for record in records if record.prematurity is not None), *annotated]
    trees = fit_prematurity(rows, tree_settings, seed)
    as_is = Curve(1.0, 0.0)
    return BeatClassifier(nets, scales, trees, as_is, as_is, 0.5, median_beats)


def fit_curve(answer_N: NDArray[np.float32], is_true_N: NDArray[np.bool_], weight_N: NDArray[np.float64]) -> Curve:
    """Fit the curve that makes probabilities of answers.

    Parameters
    ----------
    answer_N : ndarray of float32, (N,)
        In [0, 1], for subjects that were held out.
    is_true_N : ndarray of bool, (N,)
        What was right.
    weight_N : ndarray of float64, (N,)
        How much each counts.

    Returns
    -------
    Curve
        As it is, where all answers should be the same.
    """
    if len(np.unique(is_true_N)) < 2:
        return Curve(1.0, 0.0)
    model = LogisticRegression(C=1e3)
    model.fit(to_logit(answer_N)[:, None], is_true_N, sample_weight=weight_N / weight_N.mean())
    return Curve(float(model.coef_[0, 0]), float(model.intercept_[0]))


def cross_validate(
    records: Sequence[TrainingRecord],
    annotated: Sequence[PrematurityRows],
    net_settings: NetSettings,
    tree_settings: TreeSettings,
    *,
    folds: int,
    median_beats: int,
    seed: int,
    device: str | torch.device = "cpu",
    on_step: Callable[[int], None] | None = None,
) -> list[HeldOut]:
    """Let each record be classified by networks and trees that have seen nothing of its subject.

    Parameters
    ----------
    records, annotated, net_settings, tree_settings, median_beats, seed, device, on_step
        As `train_classifier` takes them; one network per fold is trained.
    folds : int
        Parts that the subjects are divided into.

    Returns
    -------
    list of HeldOut
        One per record that does not train only.

    Raises
    ------
    DataError
        If there is one subject, or a class that the others of a fold have no beat of.
    """
    fold_of = assign_folds(records, folds, seed)
    answers: dict[int, HeldOut] = {}
    for fold in sorted(set(fold_of.values())):
        classifier = train_classifier(
            [record for record in records if fold_of.get(record.subject) != fold],
            annotated,
            replace(net_settings, seeds=1),
            tree_settings,
            median_beats=median_beats,
            seed=seed,
            device=device,
            on_step=on_step,
        )
        for number, record in enumerate(records):
            if not record.trains_only and fold_of[record.subject] == fold:
                ventricular_L = find_ventricular(classifier, record.shapes, device=device)
                answers[number] = HeldOut(ventricular_L, classifier.prematurity.predict(record.early))
    return [answers[number] for number, record in enumerate(records) if not record.trains_only]


def assign_folds(records: Sequence[TrainingRecord], folds: int, seed: int) -> dict[str, int]:
    """Divide subjects into folds.

    Parameters
    ----------
    records : sequence of TrainingRecord
        The records; subjects of weak ones are divided by themselves, so that they move no other.
    folds : int
        Parts at most.
    seed : int
        Of the draw.

    Returns
    -------
    dict of str to int
        Fold of each subject.

    Raises
    ------
    DataError
        If there is one subject.
    """
    named = [record for record in records if not record.trains_only]
    groups = [sorted({record.subject for record in named if record.is_weak == is_weak}) for is_weak in (False, True)]
    first = groups[0] or groups[1]
    if len(first) == 1:
        raise DataError(
            "train_beats", found=f"beats of {first[0]} alone", expected="two subjects or more", remedy="Add records."
        )
    rng, parts = np.random.default_rng(seed), min(folds, max(1, len(first)))
    return {group[at]: number % parts for group in groups for number, at in enumerate(rng.permutation(len(group)))}


def fit_curves(records: Sequence[TrainingRecord], answers: Sequence[HeldOut]) -> tuple[Curve, Curve]:
    """Fit the curves of networks and of trees; a record with n beats counts by the root of n.

    Parameters
    ----------
    records : sequence of TrainingRecord
        With their labels.
    answers : sequence of HeldOut
        Of `cross_validate`.

    Returns
    -------
    ventricular, early : Curve
        The second is fitted on beats that are no V.
    """
    if not records:
        return Curve(1.0, 0.0), Curve(1.0, 0.0)
    label_N = np.concatenate([record.label for record in records])
    weight_N = np.concatenate([np.full(len(record.label), max(1, len(record.label)) ** -0.5) for record in records])
    ventricular_N = np.concatenate([answer.ventricular for answer in answers])
    early_N = np.concatenate([answer.early for answer in answers])
    is_v_N, is_s_N = (label_N == BEAT_CLASSES.index(name) for name in ("V", "S"))
    known_N = label_N != IGNORED
    rest_N = known_N & ~is_v_N
    return (
        fit_curve(ventricular_N[known_N], is_v_N[known_N], weight_N[known_N]),
        fit_curve(early_N[rest_N], is_s_N[rest_N], weight_N[rest_N]),
    )


def choose_least_early(records: Sequence[TrainingRecord], early: Sequence[NDArray[np.float32]]) -> float:
    """Choose from which probability on a beat that is no V is called S.

    Parameters
    ----------
    records : sequence of TrainingRecord
        With their labels.
    early : sequence of ndarray of float32, (L,)
        Calibrated answers of the trees for subjects that were held out.

    Returns
    -------
    float
        In [0.1, 0.5]: that of the largest F1 of S, the mean of two. In the one all S beats count alike; in the other
        those of a record together count by the root of their number, so that no record decides. 0.5 without S beats.
    """
    is_s = [record.label == BEAT_CLASSES.index("S") for record in records]
    is_n = [record.label == BEAT_CLASSES.index("N") for record in records]
    if not any(of.any() for of in is_s):
        return 0.5

    def score(threshold: float) -> float:
        called = [answer >= threshold for answer in early]
        true_R = np.array([float((of & call).sum()) for of, call in zip(is_s, called, strict=True)])
        all_R = np.array([float(of.sum()) for of in is_s])
        false = float(sum((of & call).sum() for of, call in zip(is_n, called, strict=True)))
        scores = []
        for weight_R in (np.ones(len(all_R)), np.maximum(all_R, 1) ** -0.5):
            scale = all_R.sum() / (weight_R * all_R).sum()
            hits, total = scale * (weight_R * true_R).sum(), all_R.sum()
            scores.append(2 * hits / (hits + false + total))
        return float(np.mean(scores))

    return float(max(np.arange(0.1, 0.51, 0.05).round(2), key=score))
