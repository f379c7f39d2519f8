"""Stage train_timeline: beat features of the training records -> the head that names the rhythm of every beat."""

import sys

from ecgfeat.device import choose_device
from ecgfeat.models import build_model, save_model
from ecgfeat.models.rhythm_timeline import RhythmTimeline
from ecgfeat.ranks import join_ranks
from ecgfeat.rhythm.decoding import decoder_to_json
from ecgfeat.rhythm.describe import gather_timeline_data
from ecgfeat.rhythm.records import class_shares
from ecgfeat.rhythm.timeline_training import TIMELINE_FIGURE, TimelineSettings, train_timeline
from ecgfeat.rhythm.timeline_validation import choose_smoothing
from ecgfeat.scoring.plain import plain_numbers
from ecgfeat.store.publish import publish
from ecgfeat.store.schemas import RHYTHMS
from ecgfeat.training import best_epoch
from pipeline.params import read_params
from pipeline.read import paths
from pipeline.read.rhythms import head_inputs, read_rhythm_records
from pipeline.run.stage import RANK, note_written, progress_bar, run_stage


def main() -> str:
    """Train the timeline head, and choose on the validation records how its posteriors are smoothed."""
    params = read_params()
    settings = TimelineSettings(**params.train_timeline.model_dump())
    device = choose_device(params.runtime.device, params.runtime.threads)
    inputs = head_inputs(params)
    train, validation = (
        gather_timeline_data(
            read_rhythm_records(params.corpora, split, params), inputs, neighbour_beats=settings.neighbour_beats
        )
        for split in ("train", "validation")
    )
    layout = inputs.timeline_layout(settings.neighbour_beats)
    config = {"num_features": layout.num_features, "num_classes": len(RHYTHMS), "width": settings.width}
    config |= {"num_blocks": settings.blocks, "dropout": settings.dropout}
    model = build_model("rhythm_timeline", seed=params.seed, **config)
    assert isinstance(model, RhythmTimeline)
    with join_ranks(device) as ranks, progress_bar(desc="train_timeline", unit="chunk") as progress:
        log = train_timeline(
            model,
            train,
            validation,
            layout,
            settings,
            seed=params.seed,
            device=device,
            ranks=ranks,
            on_batch=lambda epoch, size: progress.update(size),
            on_epoch=lambda row: progress.set_postfix(epoch=int(row["epoch"]), f1=f"{row[TIMELINE_FIGURE]:.3f}"),
        )
    if RANK:
        return "the first rank writes"
    decoder, tried = choose_smoothing(model, train, validation, chunk_beats=settings.chunk_beats, device=device)
    info = {"seed": params.seed, "corpora": params.corpora, "classes": list(RHYTHMS), "log": plain_numbers(log)}
    info |= {"params": params.rhythm.model_dump() | params.train_timeline.model_dump()}
    info |= {"prior": class_shares(train.episodes, len(RHYTHMS))}
    info |= {"decoder": decoder_to_json(decoder), "decoders": plain_numbers(tried)}
    with publish(paths.TIMELINE_MODEL) as folder:
        save_model(folder, "rhythm_timeline", model, config, info=info)
    note_written(paths.TIMELINE_MODEL / "model.json")
    best = log[best_epoch(log, TIMELINE_FIGURE)]
    score = f"validation macro F1 {best['beat_macro_f1']:.3f} of beats, {best['episode_macro_f1']:.3f} of episodes"
    return f"{len(train.beats.num_samples)} records, epoch {int(best['epoch'])} of {len(log)}: {score}"


if __name__ == "__main__":
    sys.exit(run_stage("train_timeline", main, in_ranks=True))
