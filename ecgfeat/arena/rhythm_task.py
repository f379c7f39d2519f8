"""The rhythm task for systems that read signal: the same records, segments and protocols as the heads on beats.

Shape suffixes: M segments, V views, N beats, K classes.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ecgfeat.arena.pretraining import pretrain_trunk
from ecgfeat.arena.recipe import Recipe, make_objective
from ecgfeat.arena.signal_table import SignalTable
from ecgfeat.arena.system import System
from ecgfeat.errors import DataError
from ecgfeat.rhythm.rows import HeadOutput, posteriors_at_beats
from ecgfeat.rhythm.sampling import BASE_SEEDS, Segments, draw_segments
from ecgfeat.rhythm.tables import BeatTable, EpisodeTable
from ecgfeat.rhythm.views import Views, drawn_views, grid_views, view_columns
from ecgfeat.scoring.rhythm import class_f1, confusion_matrix
from ecgfeat.store.schemas import COMMON_FS_HZ
from ecgfeat.training import Batch, class_weights, fit

SEGMENT_BATCH = 64


@dataclass(frozen=True)
class SignalRecords:
    """Records of a split with their signals at the rate of a system.

    Attributes
    ----------
    beats, episodes : BeatTable, EpisodeTable
        R-peaks and rhythms at 128 Hz. The R-peaks only say where scores per beat are taken: no system reads them.
    signals : SignalTable
        In the same order.
    """

    beats: BeatTable
    episodes: EpisodeTable
    signals: SignalTable

    def cut(self, segments: Segments, num_samples: int, device: torch.device | str = "cpu") -> torch.Tensor:
        """Return the signal of that length about the middle of segments, (M, C, S) float32, z-scored."""
        rate = self.signals.fs_hz / COMMON_FS_HZ
        beyond_M = num_samples - np.rint((segments.stop - segments.start) * rate).astype(np.int64)
        start_M = np.rint(segments.start * rate).astype(np.int64) - beyond_M // 2
        return self.signals.segments(segments.record, start_M, num_samples, device)


def train_on_rhythms(
    system: System,
    train: SignalRecords,
    validation: SignalRecords,
    recipe: Recipe,
    *,
    num_classes: int,
    window_samples: int,
    draws: int,
    validation_views: int,
    seed: int,
    device: torch.device | str = "cpu",
    on_batch: Callable[[int, int], None] | None = None,
    on_epoch: Callable[[dict[str, float]], None] | None = None,
) -> list[dict[str, float]]:
    """Train a system in place on segments drawn around episodes; keep the epoch with the best macro F1 on validation.

    Parameters
    ----------
    system : System
        With ``num_classes`` outputs.
    train, validation : SignalRecords
        Records of different subjects.
    recipe : Recipe
        How to train.
    num_classes : int
        K.
    window_samples : int
        Length of a segment at 128 Hz.
    draws : int
        Segments drawn around each episode in an epoch.
    validation_views : int
        Draws of the validation records; the mean of their single-view macro F1 decides.
    seed, device, on_batch, on_epoch
        As `ecgfeat.training.fit` takes them.

    Returns
    -------
    list of dict
        One row per epoch: ``epoch, lr, train_loss, macro_f1``.

    Raises
    ------
    DataError
        If there is no segment to train or to validate on.

    Notes
    -----
    * The segments are those of the window head: ``draw_segments`` with base seed 42, 43 in validation.
    * A system of many scales draws segments of each length around every episode, and the length batch by batch.
    """
    shape: dict[str, Any] = {"window_samples": window_samples, "max_beats": 1}

    def segments_of(epoch: int, scale: float = 1.0) -> Segments:
        length = shape | {"window_samples": round(window_samples * scale)}
        return draw_segments(train.beats, train.episodes, base_seed=BASE_SEEDS["train"], epoch=epoch, **length)

    validated = drawn_views(
        validation.beats,
        validation.episodes,
        base_seed=BASE_SEEDS["validation"],
        num_views=validation_views,
        **shape,
    )
    first = segments_of(0)
    for purpose, segments in (("train", first), ("validate", validated[0])):
        if not len(segments):
            raise DataError(
                "train_system", found=f"no segment to {purpose} on", expected="episodes in the records of that split"
            )
    parts = (first.select(rows) for rows in np.array_split(np.arange(len(first)), -(-len(first) // SEGMENT_BATCH)))
    system.fit_side(train.cut(part, system.num_samples, device) for part in parts)
    if recipe.pretrain_epochs:
        pretrain_trunk(system, train.signals, recipe, num=draws * len(first), seed=seed, device=device)
    weight_K = class_weights(np.bincount(first.label, minlength=num_classes), power=recipe.class_weight_power)
    objective = make_objective(recipe, "single", weight_K=weight_K, fs_hz=system.fs_hz, seed=seed)

    def batches(epoch: int) -> Iterator[Batch]:
        objective.begin(epoch)
        rng = np.random.default_rng([seed, epoch])
        for draw in range(draws):
            by_scale = [segments_of(epoch * draws + draw, scale) for scale in system.scales]
            steps = max(1, round(max(map(len, by_scale)) / recipe.batch))
            # Longer segments fit fewer records: each length goes through its own segments in its own order.
            rows = [np.array_split(rng.permutation(len(segments)), steps) for segments in by_scale]
            for step in range(steps):
                at = int(rng.integers(len(system.scales))) if len(system.scales) > 1 else 0
                segments = by_scale[at].select(rows[at][step])
                if len(segments):
                    signal_BCS = train.cut(segments, round(system.num_samples * system.scales[at]), device)
                    yield (signal_BCS,), torch.from_numpy(segments.label)

    def validate(model: torch.nn.Module) -> dict[str, float]:
        scores = []
        for segments in validated:
            posterior_MK = segment_posteriors(model, validation, segments, batch=SEGMENT_BATCH, device=device)
            confusion_KK = confusion_matrix(segments.label, posterior_MK.argmax(1), num_classes)
            scores.append(float(np.nanmean(class_f1(confusion_KK))))
        return {"macro_f1": float(np.mean(scores))}

    return fit(
        system,
        batches=batches,
        loss=objective.loss,
        objective=objective,
        validate=validate,
        monitor="macro_f1",
        epochs=recipe.epochs,
        lr=recipe.lr,
        weight_decay=recipe.weight_decay,
        average=recipe.average,
        seed=seed,
        device=device,
        on_batch=on_batch,
        on_epoch=on_epoch,
    )


def segment_posteriors(
    model: torch.nn.Module,
    records: SignalRecords,
    segments: Segments,
    *,
    batch: int,
    device: torch.device | str = "cpu",
    on_segments: Callable[[int], object] | None = None,
) -> NDArray[np.float32]:
    """Predict the rhythm of each segment.

    Parameters
    ----------
    model : System
        In evaluation mode, on ``device``.
    records : SignalRecords
        What the segments were drawn from.
    segments : Segments
        Positions at 128 Hz.
    batch : int
        Segments per step. Another size may change the last bits.
    device : torch.device or str
        Where to compute.
    on_segments : callable, optional
        Called with the number of segments done since the last call.

    Returns
    -------
    ndarray, (M, K) float32
        Softmax of the logits; of a system of many scales the mean over lengths about the same middle.
    """
    assert isinstance(model, System)
    posteriors = []
    with torch.no_grad():
        for first in range(0, len(segments), batch):
            part = segments.select(np.arange(first, min(first + batch, len(segments))))
            lengths = [round(model.num_samples * scale) for scale in model.scales]
            by_length = [model(records.cut(part, length, device)).softmax(1) for length in lengths]
            posteriors.append((sum(by_length[1:], by_length[0]) / len(by_length)).cpu().numpy())
            if on_segments is not None:
                on_segments(len(part))
    return np.concatenate(posteriors)


def predict_rhythms(
    name: str,
    system: System,
    records: SignalRecords,
    *,
    prior_K: Sequence[float],
    classes: Sequence[str],
    protocols: Sequence[str],
    window_samples: int,
    num_views: int,
    batch: int,
    device: torch.device | str = "cpu",
    on_segments: Callable[[int], object] | None = None,
) -> HeadOutput:
    """Let a system name a grid over whole records, known episodes and, through the grid, every beat.

    Parameters
    ----------
    name : str
        What it is called in the table of predictions.
    system : System
        In evaluation mode, on ``device``.
    records : SignalRecords
        Test records.
    prior_K : sequence of float, (K,)
        Predicted for the beats of a record shorter than a segment.
    classes : sequence of str, (K,)
        Names.
    protocols : sequence of str
        Which of timeline, grid and episode are predicted.
    window_samples : int
        Length of a segment at 128 Hz.
    num_views : int
        Views, as `grid_views` and `drawn_views` have them.
    batch, device, on_segments
        As `segment_posteriors` takes them.

    Returns
    -------
    HeadOutput
        A beat has the posterior of its grid segment, as with the window head.
    """

    def predict(views: tuple[Segments, ...]) -> Views:
        posteriors = [
            segment_posteriors(system, records, view, batch=batch, device=device, on_segments=on_segments)
            for view in views
        ]
        return Views(views, np.stack(posteriors))

    shape: dict[str, Any] = {"num_views": num_views, "window_samples": window_samples, "max_beats": 1}
    grid = predict(grid_views(records.beats, records.episodes, num_classes=len(classes), **shape))
    at = (grid.views[0].start, grid.views[0].stop)
    precomputed_rows = {"grid": view_columns(grid, "grid", *at, classes, max_beats=None)}
    if "episode" in protocols:
        drawn = predict(drawn_views(records.beats, records.episodes, base_seed=BASE_SEEDS["test"], **shape))
        of = drawn.views[0].episode
        extent = (records.episodes.start[of], records.episodes.stop[of])
        precomputed_rows["episode"] = view_columns(drawn, "episode", *extent, classes, max_beats=None)
    return HeadOutput(
        name, posteriors_at_beats(grid, records.beats, prior_K), prior_K, precomputed_rows=precomputed_rows
    )
