"""The rhythm task for systems that read signal: the same records, windows and protocols as the heads on beats.

Shape suffixes: M windows, V views, N beats, K classes.
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
        R-peaks and rhythms at 128 Hz. The R-peaks only say where scores per beat are taken: no system is shown them.
    signals : SignalTable
        In the same order.
    """

    beats: BeatTable
    episodes: EpisodeTable
    signals: SignalTable

    def cut(self, windows: Segments, num_samples: int, device: torch.device | str = "cpu") -> torch.Tensor:
        """Return the signal of that length about the middle of windows, (M, C, S) float32, z-scored."""
        rate = self.signals.fs_hz / COMMON_FS_HZ
        beyond_M = num_samples - np.rint((windows.stop - windows.start) * rate).astype(np.int64)
        start_M = np.rint(windows.start * rate).astype(np.int64) - beyond_M // 2
        return self.signals.windows(windows.record, start_M, num_samples, device)


def train_on_rhythms(
    system: System,
    train: SignalRecords,
    validation: SignalRecords,
    recipe: Recipe,
    *,
    num_classes: int,
    window_samples: int,
    draws: int = 1,
    validation_views: int = 2,
    seed: int = 0,
    device: torch.device | str = "cpu",
    on_batch: Callable[[int, int], None] | None = None,
    on_epoch: Callable[[dict[str, float]], None] | None = None,
) -> list[dict[str, float]]:
    """Train a system in place on windows drawn around episodes; keep the epoch with the best macro F1 on validation.

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
        Length of a window at 128 Hz.
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
        If there is no window to train or to validate on.

    Notes
    -----
    * The windows are those of the window head: ``draw_segments`` with base seed 42, 43 in validation.
    * A system of many scales draws windows of each length around every episode, and the length batch by batch.
    """
    shape: dict[str, Any] = {"window_samples": window_samples, "max_beats": 1}

    def windows_of(epoch: int, scale: float = 1.0) -> Segments:
        length = shape | {"window_samples": round(window_samples * scale)}
        return draw_segments(train.beats, train.episodes, base_seed=BASE_SEEDS["train"], epoch=epoch, **length)

    judged = drawn_views(
        validation.beats,
        validation.episodes,
        base_seed=BASE_SEEDS["validation"],
        num_views=validation_views,
        **shape,
    )
    first = windows_of(0)
    for name, windows in (("train", first), ("validate", judged[0])):
        if not len(windows):
            raise DataError(
                "train_system", found=f"no window to {name} on", expected="episodes in the records of that split"
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
            windows = [windows_of(epoch * draws + draw, scale) for scale in system.scales]
            steps = max(1, round(max(map(len, windows)) / recipe.batch))
            # Longer windows fit fewer records: each length goes through its own windows in its own order.
            rows = [np.array_split(rng.permutation(len(one)), steps) for one in windows]
            for step in range(steps):
                at = int(rng.integers(len(system.scales))) if len(system.scales) > 1 else 0
                some = windows[at].select(rows[at][step])
                if len(some):
                    signal_BCS = train.cut(some, round(system.num_samples * system.scales[at]), device)
                    yield (signal_BCS,), torch.from_numpy(some.label)

    def validate(model: torch.nn.Module) -> dict[str, float]:
        scores = []
        for windows in judged:
            called_M = segment_posteriors(model, validation, windows, device=device).argmax(1)
            scores.append(float(np.nanmean(class_f1(confusion_matrix(windows.label, called_M, num_classes)))))
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
    windows: Segments,
    *,
    batch: int = SEGMENT_BATCH,
    device: torch.device | str = "cpu",
    on_windows: Callable[[int], object] | None = None,
) -> NDArray[np.float32]:
    """Ask a system for the rhythm of each window.

    Parameters
    ----------
    model : System
        In evaluation mode, on ``device``.
    records : SignalRecords
        What the windows were drawn from.
    windows : Segments
        Positions at 128 Hz.
    batch : int
        Segments per step. Another size may change the last bits.
    device : torch.device or str
        Where to compute.
    on_windows : callable, optional
        Called with the number of windows done since the last call.

    Returns
    -------
    ndarray, (M, K) float32
        Softmax of the logits; of a system of many scales the mean over lengths about the same middle.
    """
    assert isinstance(model, System)
    posteriors = []
    with torch.no_grad():
        for first in range(0, len(windows), batch):
            some = windows.select(np.arange(first, min(first + batch, len(windows))))
            lengths = [round(model.num_samples * scale) for scale in model.scales]
            answers = [model(records.cut(some, length, device)).softmax(1) for length in lengths]
            posteriors.append((sum(answers[1:], answers[0]) / len(answers)).cpu().numpy())
            if on_windows is not None:
                on_windows(len(some))
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
    batch: int = SEGMENT_BATCH,
    device: torch.device | str = "cpu",
    on_windows: Callable[[int], object] | None = None,
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
        Said of the beats of a record shorter than a window.
    classes : sequence of str, (K,)
        Names.
    protocols : sequence of str
        Which of timeline, grid and episode are asked for.
    window_samples : int
        Length of a window at 128 Hz.
    num_views : int
        Views, as `grid_views` and `drawn_views` have them.
    batch, device, on_windows
        As `segment_posteriors` takes them.

    Returns
    -------
    HeadOutput
        A beat has the answer of its grid window, like that of the window head.
    """

    def ask(views: tuple[Segments, ...]) -> Views:
        posteriors = [
            segment_posteriors(system, records, one, batch=batch, device=device, on_windows=on_windows) for one in views
        ]
        return Views(views, np.stack(posteriors))

    shape: dict[str, Any] = {"num_views": num_views, "window_samples": window_samples, "max_beats": 1}
    grid = ask(grid_views(records.beats, records.episodes, num_classes=len(classes), **shape))
    at = (grid.views[0].start, grid.views[0].stop)
    precomputed_rows = {"grid": view_columns(grid, "grid", *at, classes, max_beats=None)}
    if "episode" in protocols:
        drawn = ask(drawn_views(records.beats, records.episodes, base_seed=BASE_SEEDS["test"], **shape))
        of = drawn.views[0].episode
        extent = (records.episodes.start[of], records.episodes.stop[of])
        precomputed_rows["episode"] = view_columns(drawn, "episode", *extent, classes, max_beats=None)
    return HeadOutput(
        name, posteriors_at_beats(grid, records.beats, prior_K), prior_K, precomputed_rows=precomputed_rows
    )
