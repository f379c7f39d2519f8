"""Stage train_timeline: beat features of the training records -> the head that names the rhythm of every beat."""

import functools
import sys

from ecgfeat.device import choose_device
from ecgfeat.models import build_model, save_model
from ecgfeat.models.rhythm_timeline import RhythmTimeline
from ecgfeat.rhythm.chunks import find_beat_runs
from ecgfeat.rhythm.decoding import choose_decoder, count_durations, decoder_to_json
from ecgfeat.rhythm.records import RhythmData, class_shares, gather_timeline_data
from ecgfeat.rhythm.timeline import beat_posteriors
from ecgfeat.rhythm.timeline_training import drop_inputs, train_timeline
from ecgfeat.scoring.plain import plain_numbers
from ecgfeat.store.publish import publish
from ecgfeat.store.schemas import BEAT_CLASSES, RHYTHMS
from ecgfeat.training import best_epoch
from pipeline.params import read_params
from pipeline.read import paths
from pipeline.read.rhythms import load_htf, read_rhythm_records
from pipeline.run.stage import note_written, progress_bar, run_stage

_MONITOR = "macro_f1"


def main() -> str:
    """Train the timeline head, and choose on the validation records how its posteriors are smoothed."""
    params = read_params()
    settings = params.train_timeline.model_dump()
    device = choose_device(params.runtime.device, params.runtime.threads)
    htf = load_htf() if params.rhythm.features == "embeddings" else None

    def gather(split: str) -> RhythmData:
        return gather_timeline_data(
            read_rhythm_records(params.corpora, split, params),
            htf=htf,
            history=params.rhythm.history,
            num_beats=params.train_timeline.neighbour_beats,
            is_rr_used=params.rhythm.rr_features,
        )

    train, validation = gather("train"), gather("validation")
    span = 2 * settings.pop("neighbour_beats") + 1
    num_labels = span * len(BEAT_CLASSES)
    config = {"num_features": train.num_features, "num_classes": len(RHYTHMS), "width": settings.pop("width")}
    config |= {"num_blocks": settings.pop("blocks"), "dropout": settings.pop("dropout")}
    model = build_model("rhythm_timeline", seed=params.seed, **config)
    assert isinstance(model, RhythmTimeline)
    spoil = functools.partial(
        drop_inputs,
        num_embedded=train.num_features - 2 * span - num_labels,
        num_labels=num_labels,
        embedding_dropout=settings.pop("embedding_dropout"),
        label_dropout=settings.pop("label_dropout"),
    )
    with progress_bar(desc="train_timeline", unit="chunk") as progress:
        log = train_timeline(
            model,
            train,
            validation,
            batch_size=settings.pop("batch"),
            spoil=spoil,
            seed=params.seed,
            device=device,
            on_batch=lambda epoch, size: progress.update(size),
            on_epoch=lambda row: progress.set_postfix(epoch=int(row["epoch"]), f1=f"{row[_MONITOR]:.3f}"),
            **settings,
        )
    chunk_beats = params.train_timeline.chunk_beats
    posterior_NK = beat_posteriors(
        model, validation.beats.offset, validation.features, chunk_beats=chunk_beats, device=device
    )[0]
    durations = count_durations(find_beat_runs(train.beats, train.episodes), train.beats.offset, len(RHYTHMS))
    judged = find_beat_runs(validation.beats, validation.episodes)
    decoder, tried = choose_decoder(posterior_NK, validation.beats.offset, judged, durations)
    info = {"seed": params.seed, "corpora": params.corpora, "classes": list(RHYTHMS), "log": plain_numbers(log)}
    info |= {"params": params.rhythm.model_dump() | params.train_timeline.model_dump()}
    info |= {"prior": class_shares(train.episodes, len(RHYTHMS))}
    info |= {"decoder": decoder_to_json(decoder), "decoders": plain_numbers(tried)}
    with publish(paths.TIMELINE_MODEL) as folder:
        save_model(folder, "rhythm_timeline", model, config, info=info)
    note_written(paths.TIMELINE_MODEL / "model.json")
    best = log[best_epoch(log, _MONITOR)]
    score = f"validation macro F1 {best['beat_macro_f1']:.3f} of beats, {best['episode_macro_f1']:.3f} of episodes"
    return f"{len(train.beats.num_samples)} records, epoch {int(best['epoch'])} of {len(log)}: {score}"


if __name__ == "__main__":
    sys.exit(run_stage("train_timeline", main))
