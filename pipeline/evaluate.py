"""Stage evaluate: test records -> predicted rhythms and beats, and R-peak counts. Every number derives from these."""

import functools
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfeat.beats.history import HISTORIES
from ecgfeat.models import load_model
from ecgfeat.outputs.annotations import select_beats, select_rhythms, write_prediction_annotations
from ecgfeat.prediction.beat_rows import count_rpeaks, tabulate_beats
from ecgfeat.rhythm.decoding import chosen_view
from ecgfeat.rhythm.describe import classify_beats
from ecgfeat.rhythm.records import RhythmRecord
from ecgfeat.rhythm.row_parts import iterate_rhythms
from ecgfeat.signals.rpeak_table import to_common_rate
from ecgfeat.store.publish import publish
from ecgfeat.store.schemas import (
    BEAT_PREDICTIONS,
    BEAT_TABLE,
    COMMON_FS_HZ,
    EPISODES,
    RHYTHM_PREDICTIONS,
    RPEAK_SCORES,
    RPEAKS,
)
from ecgfeat.store.seal import FILES, list_files, write_report
from ecgfeat.store.tables import Columns, write_parts
from pipeline.params import Params, read_params
from pipeline.params.oracles import find_oracles
from pipeline.read import paths
from pipeline.read.beats import read_records, read_rows_by_record
from pipeline.read.heads import run_heads
from pipeline.read.quality import read_usable
from pipeline.read.rhythms import load_htf, read_rhythm_records
from pipeline.run.stage import progress_bar, run_stage

Kept = defaultdict[tuple[str, str], list[NDArray[Any]]]
"""By corpus and record: what is named of its R-peaks, part by part."""


def main() -> str:
    """Predict the test records."""
    params = read_params()
    records = read_rhythm_records(params.corpora, "test", params)
    made_by = {name: getattr(params, name).model_dump() for name in ("rpeaks", "rhythm", "evaluate")}
    headers = {(slug, name): row for slug in params.corpora for name, row in read_records(slug).items()}
    view = chosen_view(load_model(paths.TIMELINE_MODEL)[1]["info"]["decoders"], params.evaluate.timeline_views)
    oracles = [name for name, is_used in find_oracles(params).items() if is_used and name != "episodes"]
    note = f"ecgfeat, oracles: {', '.join(oracles) or 'none'}"
    with publish(paths.PREDICTIONS) as folder, progress_bar(desc="evaluate rhythms", unit="beat") as progress:
        heads = run_heads(records, params, progress.update)
        window_samples = params.train_window.window_samples
        rhythms = iterate_rhythms(heads, records, params.evaluate.protocols, window_samples=window_samples)
        beats = predict_beats(records, params)
        rhythm_of: Kept = defaultdict(list)
        beat_of: Kept = defaultdict(list)
        parts = {
            "rhythm": _keep(rhythms, functools.partial(select_rhythms, view=view), rhythm_of),
            "beats": _keep(beats, select_beats, beat_of),
            "rpeaks": [score_rpeaks(params)],
        }
        schemas = {"rhythm": RHYTHM_PREDICTIONS, "beats": BEAT_PREDICTIONS, "rpeaks": RPEAK_SCORES}
        num_rows = {
            name: write_parts(folder / f"{name}.parquet", parts[name], schema, made_by)
            for name, schema in schemas.items()
        }
        named = ({key: np.concatenate(of) for key, of in kept.items()} for kept in (rhythm_of, beat_of))
        write_prediction_annotations(folder / "annotations", records, headers, *named, note=note)
        files = (path for path in (folder / "annotations").rglob("*") if path.is_file())
        write_report(folder / "annotations.json", "annotations", {FILES: list_files(folder, files)})
    rows = ", ".join(f"{number} {name}" for name, number in num_rows.items())
    return f"{len(records)} test records; rows: {rows}"


def _keep(
    parts: Iterable[Columns], select: Callable[[Columns], dict[tuple[str, str], NDArray[Any]]], kept: Kept
) -> Iterator[Columns]:
    """Yield parts of a table, and keep what is selected of each record."""
    for part in parts:
        for key, names in select(part).items():
            kept[key].append(names)
        yield part


def predict_beats(records: Sequence[RhythmRecord], params: Params) -> Iterator[Columns]:
    """Classify the beats of every test record under each kind of history; yield them record by record."""
    htf = load_htf()
    for corpus in params.corpora if params.rhythm.features == "embeddings" else []:
        embedded = [record for record in records if record.corpus == corpus and record.embedding is not None]
        reference_of = read_rows_by_record(paths.beats(corpus), BEAT_TABLE)
        rpeaks_of = read_rows_by_record(paths.rpeaks(corpus), RPEAKS)
        rows = read_records(corpus)
        for history in HISTORIES:
            for record, posterior_LK in zip(embedded, classify_beats(embedded, htf, history), strict=True):
                about = {"corpus": corpus, "subject": record.subject, "record": record.record, "split": "test"}
                fs_hz = float(rows[record.record]["fs_hz"])
                rpeaks = {name: column[record.rows] for name, column in rpeaks_of(record.record).items()}
                reference = reference_of(record.record)
                inside = np.flatnonzero(record.contains(to_common_rate(reference["sample"], fs_hz)))
                reference = {name: column[inside] for name, column in reference.items()}
                yield tabulate_beats(rpeaks, posterior_LK, reference, fs_hz, history=history, **about)


def score_rpeaks(params: Params) -> Columns:
    """Count the detector's hits and errors on every readable record of any split."""
    counts = []
    for corpus in params.corpora:
        rpeaks_of = read_rows_by_record(paths.rpeaks(corpus), RPEAKS)
        reference_of = read_rows_by_record(paths.beats(corpus), BEAT_TABLE)
        episodes_of = read_rows_by_record(paths.episodes(corpus), EPISODES)
        usable_of = read_usable(corpus, params)
        for record, row in read_records(corpus).items():
            rpeaks, reference = rpeaks_of(record)["sample"], reference_of(record)
            is_read = len(rpeaks) > 0 or (row["status"] == "used" and row["signals"] != "none")
            if is_read and len(reference["sample"]):
                about = {"corpus": corpus, "subject": row["subject"], "record": record}
                about["detector"] = params.rpeaks.method
                about["duration_s"] = row["num_samples"] / row["fs_hz"]
                about["usable_s"] = sum(stop - start for start, stop in usable_of(row).spans) / COMMON_FS_HZ
                counts.append(about | count_rpeaks(rpeaks, reference, episodes_of(record), row["fs_hz"]))
    return {name: np.array([row[name] for row in counts]) for name in RPEAK_SCORES.columns}


if __name__ == "__main__":
    sys.exit(run_stage("evaluate", main))
