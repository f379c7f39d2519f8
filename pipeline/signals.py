"""Stage signals: raw records -> one int16 array in microvolts at the common rate, and the baseline wander taken out."""

import sys

import numpy as np
from tqdm import tqdm

from ecgfeat.acquire.manifest import read_acquired, read_manifest
from ecgfeat.device import choose_device
from ecgfeat.signals.baseline import remove_baseline, tabulate_baseline
from ecgfeat.signals.resample import num_resampled, pad_leads, resample, to_microvolts
from ecgfeat.store.arrays import create_array
from ecgfeat.store.publish import hash_file
from ecgfeat.store.schemas import RECORDS, SIGNALS, WANDER
from ecgfeat.store.tables import read_table, stack_columns, write_table
from pipeline.params import read_params
from pipeline.read import paths
from pipeline.run.stage import progress_bar, run_stage


def main(slug: str) -> str:
    """Resample every record that has a signal."""
    params = read_params()
    device = choose_device(params.runtime.device, params.runtime.threads)
    table = read_table(paths.records(slug), RECORDS)
    readable = (table["status"] != "failed") & (table["signals"] != "none")
    rows = [{name: column[i] for name, column in table.items()} for i in np.flatnonzero(readable)]
    num_leads = max((len(row["leads"]) for row in rows), default=2)
    num_rows = {
        row["record"]: num_resampled(int(row["num_samples"]), row["fs_hz"], params.signals.fs_hz) for row in rows
    }
    manifest = read_manifest(paths.raw(slug)) if rows else {}
    wander = []
    with create_array(
        paths.signals(slug),
        SIGNALS,
        num_rows=num_rows,
        row_shape=(num_leads,),
        params=params.signals.model_dump(),
        source=hash_file(paths.records(slug)),
    ) as writer:
        for row in progress_bar(rows, desc=f"signals {slug}", unit="record"):
            signal = read_acquired(paths.raw(slug), manifest, row["record"])
            if signal.calibration_note:
                tqdm.write(f"{slug}/{row['record']}: {signal.calibration_note}")
            resampled_mv_SC = resample(signal.signal_mv_SC, signal.fs_hz, params.signals.fs_hz, device)
            left_mv_SC, baseline = remove_baseline(resampled_mv_SC, params.signals.fs_hz)
            writer.append(pad_leads(to_microvolts(left_mv_SC), num_leads))
            wander.append(tabulate_baseline(row["record"], baseline))
    columns = stack_columns(wander, list(WANDER.columns))
    write_table(paths.wander(slug), columns, WANDER, params.signals.model_dump())
    hours = sum(num_rows.values()) / params.signals.fs_hz / 3600
    return f"{slug}: {len(rows)} records, {hours:.1f} h at {params.signals.fs_hz} Hz"


if __name__ == "__main__":
    sys.exit(run_stage("signals", main))
