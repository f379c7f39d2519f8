"""Train the Transformer and the trees on segments.

Shape suffixes: B segments of a batch, L beats in a segment, N beats of all segments, D figures, K classes.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ecgfeat.arrhythmia.figures import FIGURES, NUM_FIGURES, are_hidden
from ecgfeat.arrhythmia.posteriors import to_inputs
from ecgfeat.arrhythmia.segments import Segment
from ecgfeat.beats.scale import Scale, hide_columns, measure_scale
from ecgfeat.errors import DataError
from ecgfeat.models import build_model
from ecgfeat.models.rhythm_timeline import RhythmTimeline
from ecgfeat.rhythm.timeline import beat_posteriors
from ecgfeat.rhythm.timeline_training import IGNORED, TimelineLoss
from ecgfeat.scoring.rhythm import class_f1, confusion_matrix
from ecgfeat.store.schemas import RHYTHMS
from ecgfeat.training import Batch, class_weights, fit
from ecgfeat.trees import Trees, TreeSettings, balance_rows, fit_trees

FIGURE = "macro_f1"
"""Figure of the validation segments whose largest value marks the best epoch and the better method."""


@dataclass(frozen=True)
class TransformerSettings:
    """How the Transformer is built and trained.

    Attributes
    ----------
    width, blocks, dropout
        Of `ecgfeat.models.rhythm_timeline.RhythmTimeline`.
    chunk_beats : int
        Beats that are seen at once.
    epochs : int
        Passes, each over segments that are drawn anew.
    batch_beats : int
        Beats of a step.
    lr, weight_decay
        Of `ecgfeat.training.fit`.
    label_smoothing, class_weight_power : float
        Of the loss.
    figure_dropout : float
        Share of the figures that are hidden from a segment.
    hidden_figures : sequence of str
        Beginnings of the names of figures whose values are not learnt from; whether one is missing still is.
    """

    width: int
    blocks: int
    dropout: float
    chunk_beats: int
    epochs: int
    batch_beats: int
    lr: float
    weight_decay: float
    label_smoothing: float
    class_weight_power: float
    figure_dropout: float
    hidden_figures: Sequence[str] = ()


def train_transformer(
    draw: Callable[[int], Sequence[Segment]],
    validation: Sequence[Segment],
    settings: TransformerSettings,
    *,
    seed: int,
    device: str | torch.device = "cpu",
    on_batch: Callable[[int, int], None] | None = None,
) -> tuple[RhythmTimeline, Scale, list[dict[str, float]]]:
    """Train the Transformer.

    Parameters
    ----------
    draw : callable
        ``draw(epoch)`` gives the segments of an epoch.
    validation : sequence of Segment
        Of other subjects: the epoch that is best for them is kept.
    settings : TransformerSettings
        How.
    seed : int
        Of weights and order.
    device : str or torch.device
        Where to train.
    on_batch : callable, optional
        As `ecgfeat.training.fit` takes it.

    Returns
    -------
    net : RhythmTimeline
        On ``device``, in evaluation mode.
    scale : Scale
        Of the figures.
    log : list of dict
        One row per epoch.

    Raises
    ------
    DataError
        If there is nothing to learn from, or nothing to validate on.
    """
    first = draw(0)
    for where, segments in (("training", first), ("validation", validation)):
        if not any((segment.rhythm != IGNORED).any() for segment in segments):
            raise DataError(f"train_rhythm, {where}", found="no beat with a rhythm", expected="at least one")
    scale = hide_columns(measure_scale([segment.figure for segment in first]), are_hidden(settings.hidden_figures))
    net = build_model("rhythm_timeline", seed=seed, **network_config(settings))
    assert isinstance(net, RhythmTimeline)
    label_N = np.concatenate([segment.rhythm for segment in first])
    count_K = np.bincount(label_N[label_N != IGNORED], minlength=len(RHYTHMS))

    def batches(epoch: int) -> Iterator[Batch]:
        segments = first if epoch == 0 else draw(epoch)
        rng = np.random.default_rng((seed, epoch))
        generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
        for group in _group_by_length(segments, settings.batch_beats, rng):
            yield _stack(group, scale, settings.figure_dropout, generator)

    def validate(trained: nn.Module) -> dict[str, float]:
        assert isinstance(trained, RhythmTimeline)
        inputs_ND = torch.from_numpy(np.concatenate([to_inputs(segment.figure, scale) for segment in validation]))
        offset = np.cumsum([0, *(len(segment.rhythm) for segment in validation)])
        posterior_NK = beat_posteriors(
            trained, offset, inputs_ND, chunk_beats=settings.chunk_beats, num_views=1, device=device
        )[0]
        return score_segments(validation, np.split(posterior_NK, offset[1:-1]))

    log = fit(
        net,
        batches=batches,
        loss=TimelineLoss(
            class_weights(count_K, power=settings.class_weight_power),
            label_smoothing=settings.label_smoothing,
            length_power=0.0,
        ),
        validate=validate,
        monitor=FIGURE,
        epochs=settings.epochs,
        lr=settings.lr,
        weight_decay=settings.weight_decay,
        seed=seed,
        device=device,
        on_batch=on_batch,
    )
    return net, scale, log


def network_config(settings: TransformerSettings) -> dict[str, float]:
    """Return the keywords that the Transformer is built with."""
    return {
        "num_features": 2 * NUM_FIGURES,
        "num_classes": len(RHYTHMS),
        "width": settings.width,
        "num_blocks": settings.blocks,
        "dropout": settings.dropout,
    }


def _group_by_length(
    segments: Sequence[Segment], batch_beats: int, rng: np.random.Generator
) -> Iterator[list[Segment]]:
    """Yield segments of like length in random order, as many together as have so many beats."""
    order = rng.permutation(len(segments))
    order = order[np.argsort([len(segments[at].rhythm) for at in order], kind="stable")]
    groups: list[list[Segment]] = [[]]
    for at in order:
        length = len(segments[at].rhythm)
        if groups[-1] and (len(groups[-1]) + 1) * length > batch_beats:
            groups.append([])
        groups[-1].append(segments[at])
    for number in rng.permutation(len(groups)):
        yield groups[number]


def _stack(group: Sequence[Segment], scale: Scale, figure_dropout: float, generator: torch.Generator) -> Batch:
    """Stack segments, with zeros and ignored labels behind the shorter ones."""
    longest = max(len(segment.rhythm) for segment in group)
    inputs_BLD = torch.zeros(len(group), longest, 2 * NUM_FIGURES)
    label_BL = torch.full((len(group), longest), IGNORED)
    valid_BL = torch.zeros(len(group), longest, dtype=torch.bool)
    for number, segment in enumerate(group):
        size = len(segment.rhythm)
        inputs_BLD[number, :size] = torch.from_numpy(to_inputs(segment.figure, scale))
        label_BL[number, :size] = torch.from_numpy(segment.rhythm)
        valid_BL[number, :size] = True
    # A hidden figure is as a missing one is: zero, and said to be missing.
    is_hidden_B1D = torch.rand(len(group), 1, NUM_FIGURES, generator=generator) < figure_dropout
    inputs_BLD[..., :NUM_FIGURES].masked_fill_(is_hidden_B1D, 0.0)
    inputs_BLD[..., NUM_FIGURES:].masked_fill_(is_hidden_B1D & valid_BL[..., None], 1.0)
    return (inputs_BLD, valid_BL), label_BL


def train_trees(
    segments: Sequence[Segment],
    settings: TreeSettings,
    *,
    rows_per_rhythm: int,
    seed: int,
    figures: Sequence[str] = FIGURES,
    hidden_figures: Sequence[str] = (),
) -> Trees:
    """Grow trees on rows of segments.

    Parameters
    ----------
    segments : sequence of Segment
        To learn from.
    settings : TreeSettings
        How.
    rows_per_rhythm : int
        Beats of a segment and rhythm that are taken.
    seed : int
        Of the draws.
    figures : sequence of str
        The figures that are read: the first so many.
    hidden_figures : sequence of str
        Beginnings of the names of figures whose values are not learnt from; whether one is missing still is.

    Returns
    -------
    Trees
        Six classes from the figures; a record with n rows of a rhythm counts by the root of n.
    """
    rng = np.random.default_rng(seed)
    values, rhythms, records = [], [], []
    for segment in segments:
        for rhythm in range(len(RHYTHMS)):
            rows = rng.permutation(np.flatnonzero(segment.rhythm == rhythm))[:rows_per_rhythm]
            values.append(segment.figure[rows, : len(figures)])
            rhythms.append(segment.rhythm[rows])
            records.append(np.full(len(rows), segment.record))
    rhythm_N, record_N = np.concatenate(rhythms), np.concatenate(records)
    weight_N = balance_rows(rhythm_N, record_N, len(RHYTHMS))
    value_ND = np.where(are_hidden(hidden_figures)[: len(figures)], np.float32(np.nan), np.concatenate(values))
    return fit_trees(value_ND, rhythm_N, weight_N, figures, settings, num_classes=len(RHYTHMS), seed=seed)


def score_segments(segments: Sequence[Segment], posteriors: Sequence[NDArray[np.float32]]) -> dict[str, float]:
    """Score beats: ``macro_f1`` of the six rhythms, and ``afib_f1``.

    Parameters
    ----------
    segments : sequence of Segment
        With their rhythms.
    posteriors : sequence of ndarray of float32, (L, K)
        Of their beats.

    Returns
    -------
    dict of str to float
    """
    reference_N = np.concatenate([segment.rhythm for segment in segments])
    predicted_N = np.concatenate([posterior_LK.argmax(axis=1) for posterior_LK in posteriors])
    f1_K = class_f1(confusion_matrix(reference_N, predicted_N, len(RHYTHMS)))
    return {FIGURE: float(np.nanmean(f1_K)), "afib_f1": float(np.nan_to_num(f1_K[RHYTHMS.index("AFIB")]))}
