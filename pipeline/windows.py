"""Stage windows: signals and R-peaks -> one window of two seconds per beat."""

import sys

from ecgfeat.beats.windows import cut_beats
from ecgfeat.store.arrays import create_array, open_array
from ecgfeat.store.publish import hash_file
from ecgfeat.store.schemas import RPEAKS, SIGNALS, WINDOWS
from ecgfeat.store.tables import read_table, split_by_record
from pipeline.params import read_params
from pipeline.read import paths
from pipeline.run.stage import progress_bar, run_stage

NUM_LEADS = 2
"""Leads of a beat window: the first two by position; the lead a record lacks is invalid throughout."""


def main(slug: str) -> str:
    """Cut the beats of every record that has a signal."""
    params = read_params()
    num_samples = params.windows.num_samples
    signals = open_array(paths.signals(slug), SIGNALS, aligned_with=paths.records(slug))
    rpeaks = split_by_record(read_table(paths.rpeaks(slug), RPEAKS, ["record", "sample"]))
    num_rows = {record: len(rows["sample"]) for record, rows in rpeaks.items() if record in signals.rows}
    with create_array(
        paths.windows(slug),
        WINDOWS,
        num_rows=num_rows,
        row_shape=(NUM_LEADS, num_samples),
        params=params.windows.model_dump(),
        source=hash_file(paths.rpeaks(slug)),
    ) as writer:
        for record in progress_bar(num_rows, desc=f"windows {slug}", unit="record"):
            sample = rpeaks[record]["sample"]
            writer.append(cut_beats(signals.read(record), sample, num_samples=num_samples, num_leads=NUM_LEADS))
    return f"{slug}: {sum(num_rows.values())} beats of {num_samples} samples"


if __name__ == "__main__":
    sys.exit(run_stage("windows", main))
