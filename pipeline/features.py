"""Stage features: R-peaks and beat windows -> the table of beat features, row by row with the R-peaks."""

import sys
from collections.abc import Iterator

from ecgfeat.device import choose_device
from ecgfeat.features.record import tabulate_features
from ecgfeat.store.arrays import open_array
from ecgfeat.store.feature_columns import FEATURE_NAMES, FEATURES
from ecgfeat.store.schemas import RPEAKS, WINDOWS
from ecgfeat.store.tables import Columns, read_table, split_by_record, write_parts
from pipeline.params import read_params
from pipeline.read import paths
from pipeline.run.stage import progress_bar, run_stage


def main(slug: str) -> str:
    """Describe the beats of every record."""
    params = read_params()
    device = choose_device(params.runtime.device, params.runtime.threads)
    windows = open_array(paths.windows(slug), WINDOWS, aligned_with=paths.rpeaks(slug))
    rpeaks = split_by_record(read_table(paths.rpeaks(slug), RPEAKS, ["record", "beat", "rr_s", "quality"]))

    def describe() -> Iterator[Columns]:
        for record, rows in progress_bar(rpeaks.items(), desc=f"features {slug}", unit="record"):
            window_uv_LCS = windows.read(record) if record in windows.rows else None
            yield tabulate_features(rows, window_uv_LCS, median_beats=params.features.median_beats, device=device)

    num_beats = write_parts(paths.features(slug), describe(), FEATURES, params.features.model_dump())
    return f"{slug}: {num_beats} beats, {len(FEATURE_NAMES)} features"


if __name__ == "__main__":
    sys.exit(run_stage("features", main))
