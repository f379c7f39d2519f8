"""Stage quality: signals -> which seconds of which leads are usable, noisy or absent."""

import sys

from ecgfeat.device import choose_device
from ecgfeat.signals.quality import assess_quality
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
    parts, usable, total = [], 0, 0
    for record in progress_bar(signals.rows, desc=f"quality {slug}", unit="record"):
        signal_mv_SC = to_millivolts(signals.read(record))
        state_TC = assess_quality(signal_mv_SC, device)
        parts.append(tabulate_quality(record, state_TC))
        usable += sum(stop - start for start, stop in find_usable(state_TC, len(signal_mv_SC), least_s))
        total += len(signal_mv_SC)
    write_table(paths.quality(slug), stack_columns(parts, list(QUALITY.columns)), QUALITY, params.quality.model_dump())
    hours = f"usable {usable / COMMON_FS_HZ / 3600:.1f} of {total / COMMON_FS_HZ / 3600:.1f} h"
    return f"{slug}: {len(signals.rows)} records, {hours}"


if __name__ == "__main__":
    sys.exit(run_stage("quality", main))
