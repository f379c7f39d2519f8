"""Stage evaluate: test records -> predicted rhythms and beats, and R-peak counts. Every number derives from these."""

import sys
from collections.abc import Sequence

import numpy as np

from ecgfeat.device import choose_device
from ecgfeat.history import HISTORIES, predict_labels
from ecgfeat.inference import grid_posteriors, view_columns, view_posteriors
from ecgfeat.models import load_model
from ecgfeat.predictions import count_rpeaks, tabulate_beats
from ecgfeat.rhythm_data import RhythmRecord, gather_rhythm_data
from ecgfeat.sampling import BASE_SEEDS
from ecgfeat.schemas import BEAT_PREDICTIONS, BEAT_TABLE, EPISODES, RHYTHM_PREDICTIONS, RHYTHMS, RPEAK_SCORES, RPEAKS
from ecgfeat.store import Columns, publish, read_table, split_by_record, stack_columns, write_table
from pipeline import paths
from pipeline.load import are_beats_known, load_htf, read_records, read_rhythm_records, read_rpeaks
from pipeline.params import Params, read_params
from pipeline.stage import progress_bar, run_stage


def main() -> str:
    """Predict the test records."""
    params = read_params()
    records = read_rhythm_records(params.corpora, "test", params)
    tables = {
        "rhythm": (predict_rhythms(records, params), RHYTHM_PREDICTIONS),
        "beats": (predict_beats(records, params), BEAT_PREDICTIONS),
        "rpeaks": (score_rpeaks(params), RPEAK_SCORES),
    }
    made_by = {"train_rhythm": params.train_rhythm.model_dump(), "evaluate": params.evaluate.model_dump()}
    with publish(paths.PREDICTIONS) as folder:
        for name, (columns, schema) in tables.items():
            write_table(folder / f"{name}.parquet", columns, schema, made_by)
    rows = ", ".join(f"{len(columns['record'])} {name}" for name, (columns, _) in tables.items())
    return f"{len(records)} test records; rows: {rows}"


def predict_rhythms(records: Sequence[RhythmRecord], params: Params) -> Columns:
    """Name the rhythm of every episode and of every grid window."""
    settings = params.train_rhythm
    device = choose_device(params.runtime.device, params.runtime.threads)
    data = gather_rhythm_data(
        records,
        htf=load_htf() if settings.features == "embeddings" else None,
        history=settings.history,
        is_rr_used=settings.rr_features,
        only_known_beats=are_beats_known(params),
    )
    model, description = load_model(paths.RHYTHM)
    model = model.to(device)
    parts = []
    with progress_bar(desc="evaluate rhythms", unit="window") as progress:
        asked = {
            "num_views": params.evaluate.views,
            "window_samples": settings.window_samples,
            "max_beats": settings.max_beats,
            "is_placed": data.is_placed,
            "device": device,
            "on_batch": progress.update,
        }
        known = (model, data.beats, data.episodes, data.features, description["info"]["prior"])
        if "episode" in params.evaluate.protocols:
            views = view_posteriors(*known, base_seed=BASE_SEEDS["test"], **asked)
            of = views.views[0].episode
            extent = (data.episodes.start[of], data.episodes.stop[of])
            parts.append(view_columns(views, "episode", *extent, RHYTHMS, max_beats=settings.max_beats))
        if "grid" in params.evaluate.protocols:
            views = grid_posteriors(*known, **asked)
            extent = (views.views[0].start, views.views[0].stop)
            parts.append(view_columns(views, "grid", *extent, RHYTHMS, max_beats=settings.max_beats))
    columns = stack_columns(parts, list(parts[0]))
    index = columns.pop("record_index")
    for name in ("corpus", "subject", "record"):
        columns[name] = np.array([getattr(one, name) for one in records], dtype=object)[index]
    return columns | {"head": np.full(len(index), "window", dtype=object)}


def predict_beats(records: Sequence[RhythmRecord], params: Params) -> Columns:
    """Classify the beats of every test record under each kind of history."""
    parts: list[Columns] = []
    if params.train_rhythm.features == "embeddings":
        htf = load_htf()
        for corpus in params.corpora:
            some = [one for one in records if one.corpus == corpus and one.embedding is not None]
            if not some:
                continue
            embedding = np.concatenate([one.embedding for one in some if one.embedding is not None])
            rr_s = np.concatenate([one.rr_s for one in some])
            start = np.cumsum([0, *(len(one.sample) for one in some)])
            label = np.concatenate([one.label for one in some])
            reference = split_by_record(read_table(paths.beats(corpus), BEAT_TABLE))
            rpeaks = {str(row["record"]): (row, table) for row, table in read_rpeaks(corpus, "test")}
            for history in HISTORIES:
                oracle = label if history == "oracle" else None
                probability = predict_labels(htf, embedding, rr_s, start, history=history, oracle_label=oracle)
                for one, posterior in zip(some, np.split(probability, start[1:-1]), strict=True):
                    row, table = rpeaks[one.record]
                    names = {"corpus": corpus, "subject": one.subject, "record": one.record}
                    parts.append(
                        tabulate_beats(
                            table,
                            posterior,
                            reference[one.record],
                            row["fs_hz"],
                            split="test",
                            history=history,
                            **names,
                        )
                    )
    return stack_columns(parts, list(BEAT_PREDICTIONS.columns))


def score_rpeaks(params: Params) -> Columns:
    """Count the detector's hits and errors on every readable record, whatever its split."""
    rows = []
    for corpus in params.corpora:
        rpeaks = split_by_record(read_table(paths.rpeaks(corpus), RPEAKS))
        beats = read_table(paths.beats(corpus), BEAT_TABLE)
        episodes = read_table(paths.episodes(corpus), EPISODES)
        beats_of, episodes_of = split_by_record(beats), split_by_record(episodes)
        for record, row in read_records(corpus).items():
            if record in rpeaks and record in beats_of:
                no_episodes = {name: column[:0] for name, column in episodes.items()}
                counts = count_rpeaks(
                    rpeaks[record]["sample"], beats_of[record], episodes_of.get(record, no_episodes), row["fs_hz"]
                )
                names = {"corpus": corpus, "subject": row["subject"], "record": record}
                rows.append(names | {"detector": params.rpeaks.method} | counts)
    return {name: np.array([row[name] for row in rows]) for name in RPEAK_SCORES.columns}


if __name__ == "__main__":
    sys.exit(run_stage("evaluate", main))
