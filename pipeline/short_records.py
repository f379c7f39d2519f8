"""Stage short_records: leads of records with diagnoses -> their R-peaks, beat windows and beat features.

The tables are those of the rhythm corpora. Half of the records trains and validates, the other half tests; all test
where the corpus is outside.
"""

import sys

import numpy as np

from ecgfeat.corpora.diagnostic import get_diagnostic_corpus
from ecgfeat.corpora.halves import split_short_records
from ecgfeat.device import choose_device
from ecgfeat.signals.resample import resample, to_millivolts
from ecgfeat.signals.usable import tabulate_quality
from ecgfeat.store.arrays import create_array, open_array
from ecgfeat.store.feature_columns import FEATURES, NUM_LEADS
from ecgfeat.store.publish import hash_file
from ecgfeat.store.schemas import BEAT_TABLE, COMMON_FS_HZ, EPISODES, LEADS, QUALITY, RECORDS, RPEAKS, WINDOWS
from ecgfeat.store.tables import stack_columns, write_table
from pipeline.params import read_params
from pipeline.read import paths
from pipeline.read.diagnoses import read_used_diagnoses
from pipeline.read.signal_beats import find_and_describe_beats
from pipeline.run.stage import progress_bar, run_stage

SLOW_RR_S = 1.0
"""Sinus rhythm below 60/min is SBR."""


def main(slug: str) -> str:
    """Find and describe the beats of every record that is used."""
    params = read_params()
    device = choose_device(params.runtime.device, params.runtime.threads)
    store = open_array(paths.leads(slug), LEADS, aligned_with=paths.diagnoses(slug))
    corpus = get_diagnostic_corpus(slug)
    rows = read_used_diagnoses(slug)
    label = {str(row["record"]): str(row["labels"][0]) for row in rows if len(row["labels"]) == 1}
    split = split_short_records(label, corpus.classes)
    if slug in params.outside.corpora:
        split = {str(row["record"]): "test" for row in rows}
    no_beats = {name: np.empty(0) for name in BEAT_TABLE.columns}
    rpeaks, windows, features, qualities, episodes = [], {}, [], [], []
    for row in progress_bar(rows, desc=f"short_records {slug}", unit="record"):
        record, fs_hz = str(row["record"]), float(row["fs_hz"])
        signal_mv_SC = resample(to_millivolts(store.read(record)), fs_hz, COMMON_FS_HZ, device=device)
        stated = [*row["labels"], *row["codes"]]
        rhythms = corpus.rhythms_of(stated)
        rhythm = next(iter(rhythms)) if len(rhythms) == 1 and not corpus.has_ectopic(stated) else ""
        whole = {
            "start_sample": np.zeros(1),
            "stop_sample": np.full(1, len(signal_mv_SC)),
            "rhythm": np.array([rhythm]),
        }
        about = (record, str(row["subject"]), no_beats, whole, COMMON_FS_HZ)
        beats = find_and_describe_beats(signal_mv_SC, *about, params, device)
        rr_s = np.diff(beats.rpeaks["sample"]) / COMMON_FS_HZ
        if rhythm == "NSR" and len(rr_s) and np.median(rr_s) > SLOW_RR_S:
            rhythm = "SBR"  # a class of normal records says nothing of their rate
            beats.rpeaks["rhythm"][:] = rhythm
        rpeaks.append(beats.rpeaks)
        qualities.append(tabulate_quality(record, beats.state))
        if rhythm:
            one = {"record": record, "subject": str(row["subject"]), "start_sample": 0}
            one |= {"stop_sample": row["num_samples"], "rhythm": rhythm, "split": split.get(record, "none")}
            episodes.append({name: np.array([one[name]]) for name in EPISODES.columns})
        windows[record] = beats.window_uv
        features.append(beats.feature)
    columns = stack_columns(rpeaks, list(RPEAKS.columns))
    listed = {name: [row[name] for row in rows] for name in RECORDS.columns if name != "split"}
    listed["split"] = [split.get(str(row["record"]), "none") for row in rows]
    # Windows of short records are few, and always kept.
    made_by = {name: getattr(params, name).model_dump(exclude={"keep"}) for name in ("quality", "windows", "features")}
    write_table(paths.records(slug), listed, RECORDS, made_by)
    write_table(paths.episodes(slug), stack_columns(episodes, list(EPISODES.columns)), EPISODES, made_by)
    states = stack_columns(qualities, list(QUALITY.columns))
    write_table(paths.quality(slug), states, QUALITY, params.quality.model_dump())
    write_table(paths.rpeaks(slug), columns, RPEAKS, made_by)
    with create_array(
        paths.windows(slug),
        WINDOWS,
        num_rows={record: len(window) for record, window in windows.items()},
        row_shape=(NUM_LEADS, params.windows.num_samples),
        params=made_by,
        source=hash_file(paths.rpeaks(slug)),
    ) as writer:
        for window_uv_LCS in windows.values():
            writer.append(window_uv_LCS)
    write_table(paths.features(slug), stack_columns(features, list(FEATURES.columns)), FEATURES, made_by)
    num_used = int((columns["quality"] == "usable").sum())
    return f"{slug}: {len(windows)} records, {len(columns['sample'])} R-peaks, {num_used} in usable time"


if __name__ == "__main__":
    sys.exit(run_stage("short_records", main))
