"""Stage train_window: beat features of the training records -> the published head, one rhythm per 10 s window."""

import sys
from collections.abc import Iterator
from dataclasses import replace

import torch

from ecgfeat.device import choose_device
from ecgfeat.models import build_model, save_model
from ecgfeat.models.rhythm_window import RhythmWindow
from ecgfeat.rhythm.records import class_shares, gather_rhythm_data
from ecgfeat.rhythm.sampling import BASE_SEEDS, Segments, draw_segments
from ecgfeat.rhythm.tables import BeatTable, EpisodeTable, keep_first_classes
from ecgfeat.rhythm.window_training import RhythmData, train_window
from ecgfeat.scoring.plain import plain_numbers
from ecgfeat.store.publish import publish
from ecgfeat.store.schemas import RHYTHMS
from ecgfeat.training import best_epoch
from pipeline.params import read_params
from pipeline.read import paths
from pipeline.read.rhythms import are_beats_known, load_htf, read_rhythm_records
from pipeline.run.stage import note_written, progress_bar, run_stage

BINARY = RHYTHMS[:2]
_MONITOR = "macro_f1"
VALIDATION_VIEWS = 2


def main() -> str:
    """Train the window head: NSR against AFIB first, then the six rhythms; with no epochs, leave it untrained."""
    params = read_params()
    settings = params.train_window
    device = choose_device(params.runtime.device, params.runtime.threads)
    htf = load_htf() if params.rhythm.features == "embeddings" else None

    def gather(split: str, num_draws: int) -> RhythmData:
        def draws(beats: BeatTable, episodes: EpisodeTable) -> Iterator[Segments]:
            # The draw for two classes is another one: it takes its numbers for the episodes of those alone.
            for num_classes in {len(RHYTHMS), *([len(BINARY)] if settings.pretrain_epochs else [])}:
                task = keep_first_classes(episodes, num_classes)
                for epoch in range(num_draws):
                    yield draw_segments(beats, task, base_seed=BASE_SEEDS[split], epoch=epoch, **shape)

        return gather_rhythm_data(
            read_rhythm_records(params.corpora, split, params),
            htf=htf,
            history=params.rhythm.history,
            is_rr_used=params.rhythm.rr_features,
            only_known_beats=are_beats_known(params),
            draws=draws,
        )

    shape = {"window_samples": settings.window_samples, "max_beats": settings.max_beats}
    train = gather("train", max(settings.epochs, settings.pretrain_epochs))
    validation = gather("validation", VALIDATION_VIEWS)

    def learn(model: RhythmWindow, num_classes: int, epochs: int) -> list[dict[str, float]]:
        """Train on the first classes; the others are left out."""
        with progress_bar(desc=f"train_window, {num_classes} classes", unit="window") as progress:
            return train_window(
                model,
                replace(train, episodes=keep_first_classes(train.episodes, num_classes)),
                replace(validation, episodes=keep_first_classes(validation.episodes, num_classes)),
                num_classes=num_classes,
                epochs=epochs,
                lr=settings.lr,
                weight_decay=settings.weight_decay,
                batch_size=settings.batch,
                label_smoothing=settings.label_smoothing,
                class_weight_power=settings.class_weight_power,
                focal_gamma=settings.focal_gamma,
                validation_views=VALIDATION_VIEWS,
                seed=params.seed,
                device=device,
                on_batch=lambda epoch, size: progress.update(size),
                on_epoch=lambda row: progress.set_postfix(epoch=int(row["epoch"]), f1=f"{row[_MONITOR]:.3f}"),
                **shape,
            )

    model = build_model("rhythm_window", seed=params.seed, num_features=train.num_features, num_classes=len(RHYTHMS))
    assert isinstance(model, RhythmWindow)
    pretrain_log: list[dict[str, float]] = []
    if settings.pretrain_epochs and settings.epochs:
        model.replace_head(len(BINARY), generator=torch.Generator().manual_seed(params.seed))
        pretrain_log = learn(model, len(BINARY), settings.pretrain_epochs)
        model.replace_head(len(RHYTHMS), generator=torch.Generator().manual_seed(params.seed + 1))
    log = learn(model, len(RHYTHMS), settings.epochs) if settings.epochs else []
    prior = class_shares(train.episodes, len(RHYTHMS))
    info = {
        "seed": params.seed,
        "corpora": params.corpora,
        "params": params.rhythm.model_dump() | settings.model_dump(),
        "classes": list(RHYTHMS),
    }
    info |= {"prior": prior, "pretrain_log": plain_numbers(pretrain_log), "log": plain_numbers(log)}
    with publish(paths.WINDOW_MODEL) as folder:
        config = {"num_features": model.project.in_features, "num_classes": len(RHYTHMS)}
        save_model(folder, "rhythm_window", model, config, info=info)
    note_written(paths.WINDOW_MODEL / "model.json")
    if not log:
        return "not trained: train_window.epochs is 0"
    best = log[best_epoch(log, _MONITOR)]
    score = f"validation macro F1 {best[_MONITOR]:.3f}"
    return f"{len(train.beats.num_samples)} records, epoch {int(best['epoch'])} of {len(log)}: {score}"


if __name__ == "__main__":
    sys.exit(run_stage("train_window", main))
