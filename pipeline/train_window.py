"""Stage train_window: beat features of the training records -> the published head, one rhythm per 10 s segment."""

import sys

from ecgfeat.device import choose_device
from ecgfeat.models import build_model, save_model
from ecgfeat.models.rhythm_window import RhythmWindow
from ecgfeat.rhythm.records import class_shares
from ecgfeat.rhythm.window_training import WINDOW_FIGURE, WindowSettings, gather_drawn_data, train_in_two_steps
from ecgfeat.scoring.plain import plain_numbers
from ecgfeat.store.publish import publish
from ecgfeat.store.schemas import RHYTHMS
from ecgfeat.training import best_epoch
from pipeline.params import read_params
from pipeline.read import paths
from pipeline.read.rhythms import are_beats_known, head_inputs, read_rhythm_records
from pipeline.run.stage import note_written, progress_bar, run_stage


def main() -> str:
    """Train the window head: NSR against AFIB first, then the six rhythms; with no epochs, leave it untrained."""
    params = read_params()
    settings = WindowSettings(**params.train_window.model_dump())
    device = choose_device(params.runtime.device, params.runtime.threads)
    inputs = head_inputs(params)
    train, validation = (
        gather_drawn_data(
            read_rhythm_records(params.corpora, split, params),
            split,
            inputs,
            settings,
            only_classified_beats=are_beats_known(params),
        )
        for split in ("train", "validation")
    )
    config = {"num_features": inputs.window_layout().num_features, "num_classes": len(RHYTHMS)}
    model = build_model("rhythm_window", seed=params.seed, **config)
    assert isinstance(model, RhythmWindow)
    with progress_bar(desc="train_window", unit="window") as progress:
        pretrain_log, log = train_in_two_steps(
            model,
            train,
            validation,
            settings,
            seed=params.seed,
            device=device,
            on_batch=lambda epoch, size: progress.update(size),
            on_epoch=lambda row: progress.set_postfix(epoch=int(row["epoch"]), f1=f"{row[WINDOW_FIGURE]:.3f}"),
        )
    info = {
        "seed": params.seed,
        "corpora": params.corpora,
        "params": params.rhythm.model_dump() | params.train_window.model_dump(),
        "classes": list(RHYTHMS),
        "prior": class_shares(train.episodes, len(RHYTHMS)),
        "pretrain_log": plain_numbers(pretrain_log),
        "log": plain_numbers(log),
    }
    with publish(paths.WINDOW_MODEL) as folder:
        save_model(folder, "rhythm_window", model, config, info=info)
    note_written(paths.WINDOW_MODEL / "model.json")
    if not log:
        return "not trained: train_window.epochs is 0"
    best = log[best_epoch(log, WINDOW_FIGURE)]
    score = f"validation macro F1 {best[WINDOW_FIGURE]:.3f}"
    return f"{len(train.beats.num_samples)} records, epoch {int(best['epoch'])} of {len(log)}: {score}"


if __name__ == "__main__":
    sys.exit(run_stage("train_window", main))
