"""Stage train_rhythm: beat features of the training records -> the rhythm head."""

import sys
from collections.abc import Sequence
from typing import Any

import torch

from ecgfeat.device import choose_device
from ecgfeat.models import build_model, save_model
from ecgfeat.models.rhythm_window import RhythmWindow
from ecgfeat.rhythm_data import class_shares, describe_beats, gather_rhythm_data
from ecgfeat.rhythm_training import train_rhythm
from ecgfeat.schemas import RHYTHMS
from ecgfeat.store import publish
from ecgfeat.training import best_epoch
from pipeline import paths
from pipeline.load import load_htf, read_rhythm_records
from pipeline.params import read_params
from pipeline.stage import progress_bar, run_stage

BINARY = ("NSR", "AFIB")
MONITOR = "macro_f1"


def main() -> str:
    """Train the rhythm head: NSR against AFIB first, then the six rhythms."""
    params = read_params()
    settings = params.train_rhythm
    device = choose_device(params.runtime.device, params.runtime.threads)
    htf = load_htf() if settings.features == "embeddings" else None
    records = {split: read_rhythm_records(params.corpora, split, params) for split in ("train", "validation")}
    features = {
        split: describe_beats(some, htf=htf, history=settings.history, is_rr_used=settings.rr_features)
        for split, some in records.items()
    }

    def learn(model: RhythmWindow | None, classes: Sequence[str], epochs: int) -> tuple[RhythmWindow, Any, Any]:
        train, validation = (
            gather_rhythm_data(
                records[split], features[split], classes, only_known_beats=params.rpeaks.method == "annotated"
            )
            for split in ("train", "validation")
        )
        if model is None:
            built = build_model(
                "rhythm_window", seed=params.seed, num_features=train.features.shape[1], num_classes=len(classes)
            )
            assert isinstance(built, RhythmWindow)
            model = built
        else:
            model.replace_head(len(classes), generator=torch.Generator().manual_seed(params.seed))
        with progress_bar(desc=f"train_rhythm, {len(classes)} classes", unit="window") as progress:
            log = train_rhythm(
                model,
                train,
                validation,
                num_classes=len(classes),
                epochs=epochs,
                lr=settings.lr,
                weight_decay=settings.weight_decay,
                batch_size=settings.batch,
                label_smoothing=settings.label_smoothing,
                class_weight_power=settings.class_weight_power,
                focal_gamma=settings.focal_gamma,
                window_samples=settings.window_samples,
                max_beats=settings.max_beats,
                seed=params.seed,
                device=device,
                on_batch=lambda epoch, size: progress.update(size),
                on_epoch=lambda row: progress.set_postfix(epoch=int(row["epoch"]), f1=f"{row['macro_f1']:.3f}"),
            )
        return model, log, class_shares(train, len(classes))

    model, pretrain_log = None, []
    if settings.pretrain_epochs:
        model, pretrain_log, _ = learn(None, BINARY, settings.pretrain_epochs)
    model, log, prior = learn(model, RHYTHMS, settings.epochs)
    info = {"seed": params.seed, "corpora": params.corpora, "params": settings.model_dump(), "classes": list(RHYTHMS)}
    info |= {"prior": prior, "pretrain_log": pretrain_log, "log": log}
    with publish(paths.RHYTHM) as folder:
        config = {"num_features": model.project.in_features, "num_classes": len(RHYTHMS)}
        save_model(folder, "rhythm_window", model, config, info=info)
    best = log[best_epoch(log, MONITOR)]
    score = f"validation macro F1 {best[MONITOR]:.3f}"
    return f"{len(records['train'])} records, epoch {int(best['epoch'])} of {len(log)}: {score}"


if __name__ == "__main__":
    sys.exit(run_stage("train_rhythm", main))
