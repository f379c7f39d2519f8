"""Stage quality: signals -> which seconds of which leads are usable, noisy or absent."""

import sys

import numpy as np

from ecgfeat.device import choose_device
from ecgfeat.signals.quality import USABLE, assess_quality
from ecgfeat.signals.resample import to_millivolts
from ecgfeat.signals.usable import find_usable, tabulate_quality
from ecgfeat.store.arrays import open_array
from ecgfeat.store.schemas import COMMON_FS_HZ, QUALITY, SIGNALS
from ecgfeat.store.tables import stack_columns, write_table
from pipeline.params import read_params
from pipeline.read import paths
from pipeline.run.stage import progress_bar, run_stage


def main(slug: str) -> str:
    """Assess the leads of every record that has a signal."""
    params = read_params()
    device = choose_device(params.runtime.device, params.runtime.threads)
    signals = open_array(paths.signals(slug), SIGNALS, aligned_with=paths.records(slug))
    least_s = params.quality.min_stretch_s
    parts, usable, total, by_lead_s = [], 0, 0, np.zeros(signals.array.shape[1], dtype=np.int64)
    for record in progress_bar(signals.rows, desc=f"quality {slug}", unit="record"):
        signal_mv_SC = to_millivolts(signals.read(record))
        state_TC = assess_quality(signal_mv_SC, device)
        parts.append(tabulate_quality(record, state_TC))
        usable += sum(stop - start for start, stop in find_usable(state_TC, len(signal_mv_SC), least_s))
        total += len(signal_mv_SC)
        by_lead_s += (state_TC == USABLE).sum(axis=0)
    write_table(paths.quality(slug), stack_columns(parts, list(QUALITY.columns)), QUALITY, params.quality.model_dump())
    hours = f"usable {usable / COMMON_FS_HZ / 3600:.1f} of {total / COMMON_FS_HZ / 3600:.1f} h"
    by_lead = ", ".join(f"{length_s / 3600:.1f}" for length_s in by_lead_s)
    return f"{slug}: {len(signals.rows)} records, {hours}; by lead {by_lead} h"


if __name__ == "__main__":
    sys.exit(run_stage("quality", main))
