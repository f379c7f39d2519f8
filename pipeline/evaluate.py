"""Stage evaluate: test records -> predicted rhythms and beats, and R-peak counts. Every number derives from these."""

import sys
from collections.abc import Sequence

import numpy as np

from ecgfeat.beats.history import HISTORIES, predict_labels
from ecgfeat.models import load_model
from ecgfeat.predict.beat_rows import count_rpeaks, tabulate_beats
from ecgfeat.predict.files import write_prediction_annotations
from ecgfeat.rhythm.decoding import chosen_view
from ecgfeat.rhythm.records import RhythmRecord, stack_records
from ecgfeat.rhythm.rows import head_rows
from ecgfeat.store.publish import publish
from ecgfeat.store.schemas import BEAT_PREDICTIONS, BEAT_TABLE, EPISODES, RHYTHM_PREDICTIONS, RPEAK_SCORES, RPEAKS
from ecgfeat.store.tables import Columns, read_table, split_by_record, stack_columns, write_table
from pipeline.params import Params, find_oracles, read_params
from pipeline.read import paths
from pipeline.read.beats import read_records, read_rpeaks
from pipeline.read.heads import run_heads
from pipeline.read.rhythms import load_htf, read_rhythm_records
from pipeline.run.stage import progress_bar, run_stage


def main() -> str:
    """Predict the test records."""
    params = read_params()
    records = read_rhythm_records(params.corpora, "test", params)
    tables = {
        "rhythm": (_predict_rhythms(records, params), RHYTHM_PREDICTIONS),
        "beats": (predict_beats(records, params), BEAT_PREDICTIONS),
        "rpeaks": (score_rpeaks(params), RPEAK_SCORES),
    }
    made_by = {name: getattr(params, name).model_dump() for name in ("rpeaks", "rhythm", "evaluate")}
    headers = {(slug, name): row for slug in params.corpora for name, row in read_records(slug).items()}
    view = chosen_view(load_model(paths.TIMELINE_MODEL)[1]["info"]["decoders"], params.evaluate.views)
    told = [name for name, on in find_oracles(params).items() if on and name != "episodes"]
    note = f"ecgfeat, oracles: {', '.join(told) or 'none'}"
    shown = (tables["rhythm"][0], tables["beats"][0])
    with publish(paths.PREDICTIONS) as folder:
        for name, (columns, schema) in tables.items():
            write_table(folder / f"{name}.parquet", columns, schema, made_by)
        write_prediction_annotations(folder / "annotations", records, headers, *shown, view=view, note=note)
    rows = ", ".join(f"{len(columns['record'])} {name}" for name, (columns, _) in tables.items())
    return f"{len(records)} test records; rows: {rows}"


def _predict_rhythms(records: Sequence[RhythmRecord], params: Params) -> Columns:
    """Let every head name the rhythms of the test records under every protocol."""
    beats, episodes = stack_records(records)
    rhythm_E = np.concatenate([one.episodes.rhythm for one in records])
    parts: list[Columns] = []
    with progress_bar(desc="evaluate rhythms", unit="beat") as progress:
        for head in run_heads(records, params, progress.update):
            for protocol in params.evaluate.protocols:
                rows = head_rows(
                    head, protocol, beats, episodes, rhythm_E, window_samples=params.train_window.window_samples
                )
                parts.append(rows | {"head": np.full(len(rows["record_index"]), head.name)})
    columns = stack_columns(parts, list(parts[0]))
    index = columns.pop("record_index")
    for name in ("corpus", "subject", "record"):
        columns[name] = np.array([getattr(one, name) for one in records])[index]
    return columns


def predict_beats(records: Sequence[RhythmRecord], params: Params) -> Columns:
    """Classify the beats of every test record under each kind of history."""
    parts: list[Columns] = []
    if params.rhythm.features == "embeddings":
        htf = load_htf()
        for corpus in params.corpora:
            some = [one for one in records if one.corpus == corpus and one.embedding is not None]
            if not some:
                continue
            embedding = np.concatenate([one.embedding for one in some if one.embedding is not None])
            rr_s = np.concatenate([one.rr_s for one in some])
            start = np.cumsum([0, *(len(one.sample) for one in some)])
            label = np.concatenate([one.label for one in some])
            beats = read_table(paths.beats(corpus), BEAT_TABLE)
            reference, no_beats = split_by_record(beats), {name: column[:0] for name, column in beats.items()}
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
                            reference.get(one.record, no_beats),
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
        table = read_table(paths.rpeaks(corpus), RPEAKS)
        rpeaks, none = split_by_record(table), {name: column[:0] for name, column in table.items()}
        beats = read_table(paths.beats(corpus), BEAT_TABLE)
        episodes = read_table(paths.episodes(corpus), EPISODES)
        beats_of, episodes_of = split_by_record(beats), split_by_record(episodes)
        for record, row in read_records(corpus).items():
            is_read = record in rpeaks or (row["status"] == "used" and row["signals"] != "none")
            if is_read and record in beats_of:
                no_episodes = {name: column[:0] for name, column in episodes.items()}
                counts = count_rpeaks(
                    rpeaks.get(record, none)["sample"],
                    beats_of[record],
                    episodes_of.get(record, no_episodes),
                    row["fs_hz"],
                )
                names = {"corpus": corpus, "subject": row["subject"], "record": record}
                rows.append(names | {"detector": params.rpeaks.method} | counts)
    return {name: np.array([row[name] for row in rows]) for name in RPEAK_SCORES.columns}


if __name__ == "__main__":
    sys.exit(run_stage("evaluate", main))
