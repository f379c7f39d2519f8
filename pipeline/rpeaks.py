"""Stage rpeaks: signals (or annotations) -> the R-peak table, matched to the reference beats."""

import sys

import numpy as np
from tqdm import tqdm

from ecgfeat.device import choose_device
from ecgfeat.signals.resample import to_millivolts
from ecgfeat.signals.rpeak_table import tabulate_rpeaks, to_common_rate
from ecgfeat.signals.rpeaks import detect_rpeaks
from ecgfeat.store.arrays import open_array
from ecgfeat.store.schemas import BEAT_TABLE, EPISODES, RECORDS, RPEAKS, SIGNALS
from ecgfeat.store.tables import read_table, stack_columns, write_table
from pipeline.params import read_params
from pipeline.read import paths
from pipeline.read.beats import read_rows_by_record
from pipeline.read.quality import choose_detector_lead, read_usable
from pipeline.run.stage import progress_bar, run_stage


def main(slug: str) -> str:
    """Find the R-peaks of every record."""
    params = read_params()
    settings = params.rpeaks
    device = choose_device(params.runtime.device, params.runtime.threads)
    signals = open_array(paths.signals(slug), SIGNALS, aligned_with=paths.records(slug))
    records = read_table(paths.records(slug), RECORDS)
    beats_of = read_rows_by_record(paths.beats(slug), BEAT_TABLE)
    episodes_of = read_rows_by_record(paths.episodes(slug), EPISODES)
    usable_of = read_usable(slug, params)
    parts = []
    for i in progress_bar(np.flatnonzero(records["status"] != "failed"), desc=f"rpeaks {slug}", unit="record"):
        row = {name: column[i] for name, column in records.items()}
        record, fs_hz = str(row["record"]), float(row["fs_hz"])
        reference, usable = beats_of(record), usable_of(row)
        if settings.method == "annotated":
            rpeaks = np.unique(to_common_rate(reference["sample"], fs_hz))
        elif record in signals.rows:
            signal_mv_SC = to_millivolts(signals.read(record))
            lead = choose_detector_lead(row, params)
            if lead == "all" and settings.lead != "all":
                tqdm.write(f"{slug}/{record}: no lead {settings.lead} among {', '.join(row['leads'])}: all are read")
            rpeaks = detect_rpeaks(
                signal_mv_SC, float(params.signals.fs_hz), method=settings.method, lead=lead, device=device
            )
        else:
            tqdm.write(
                f"{slug}/{record}: no signal, so no R-peak can be detected. rpeaks.method: annotated uses its .atr"
            )
            continue
        about = (record, str(row["subject"]), rpeaks, reference, episodes_of(record), fs_hz)
        parts.append(tabulate_rpeaks(*about, state_TC=usable.state, spans=usable.spans))
    columns = stack_columns(parts, list(RPEAKS.columns))
    write_table(paths.rpeaks(slug), columns, RPEAKS, settings.model_dump())
    num_rpeaks, num_matched = len(columns["sample"]), int(columns["matched"].sum())
    num_used = int(np.isin(columns["quality"], ["usable", ""]).sum())
    where = f"{num_used} in usable time, {num_matched} at a reference beat"
    return f"{slug}: {num_rpeaks} R-peaks ({settings.method}), {where}"


if __name__ == "__main__":
    sys.exit(run_stage("rpeaks", main))
