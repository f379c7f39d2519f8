"""Stage train_htf: beat windows of the training records -> the HTF beat embedder."""

import math
import sys
from collections.abc import Mapping

from ecgfeat.beats.training import BEAT_FIGURE, BeatSettings, train_beat_model
from ecgfeat.device import choose_device
from ecgfeat.models import build_model, save_model
from ecgfeat.models.htf import HTF
from ecgfeat.ranks import join_ranks
from ecgfeat.scoring.plain import plain_numbers
from ecgfeat.store.publish import publish
from ecgfeat.training import best_epoch
from pipeline.params import read_params
from pipeline.read import paths
from pipeline.read.beats import read_beat_records
from pipeline.run.stage import RANK, note_written, progress_bar, run_stage


def _about(row: Mapping[str, float]) -> dict[str, str]:
    """Return what a progress bar says of an epoch, which need not be validated."""
    is_scored = not math.isnan(row[BEAT_FIGURE])
    return {"epoch": f"{row['epoch']:.0f}"} | ({"f1": f"{row[BEAT_FIGURE]:.3f}"} if is_scored else {})


def main() -> str:
    """Train the beat embedder on all corpora."""
    params = read_params()
    device = choose_device(params.runtime.device, params.runtime.threads)
    settings = BeatSettings(**params.train_htf.model_dump())
    training = read_beat_records(params.corpora, "train")
    config = {"history_beats": settings.history_beats}
    model = build_model("htf", seed=params.seed, **config)
    assert isinstance(model, HTF)
    log = []
    if training and params.rhythm.features == "embeddings":
        validation = read_beat_records(params.corpora, "validation")
        with join_ranks(device) as ranks, progress_bar(desc="train_htf", unit="beat") as progress:
            log = train_beat_model(
                model,
                training,
                validation,
                settings,
                seed=params.seed,
                device=device,
                ranks=ranks,
                on_batch=lambda epoch, size: progress.update(size),
                on_epoch=lambda row: progress.set_postfix(_about(row)),
            )
    if RANK:
        return "the first rank writes"
    info = {
        "trained": bool(log),
        "corpora": params.corpora,
        "seed": params.seed,
        "params": params.train_htf.model_dump(),
        "log": plain_numbers(log),
    }
    if training:
        info["window_samples"] = int(training[0].windows.shape[2])
    with publish(paths.HTF_MODEL) as folder:
        save_model(folder, "htf", model, config, info=info)
    note_written(paths.HTF_MODEL / "model.json")
    if not log:
        return "not trained: rhythm.features is annotations, or no corpus has signals"
    kept = log[best_epoch(log, settings.monitor)]
    score = f"validation macro F1 {kept[BEAT_FIGURE]:.3f}"
    return f"{len(training)} records, epoch {int(kept['epoch'])} of {len(log)}: {score}"


if __name__ == "__main__":
    sys.exit(run_stage("train_htf", main, in_ranks=True))
