"""Stage features: R-peaks and beat windows -> the table of beat features, row by row with the R-peaks."""

import sys
from collections.abc import Sequence

from ecgfeat.engine.parts import Part
from ecgfeat.features.record import tabulate_features
from ecgfeat.store.feature_columns import FEATURE_NAMES, FEATURES
from ecgfeat.store.keys import columns_key
from ecgfeat.store.record_rows import RecordRows
from ecgfeat.store.schemas import RPEAKS
from ecgfeat.store.tables import write_parts
from pipeline.params import read_params
from pipeline.read import paths
from pipeline.read.windows import open_windows
from pipeline.run.records import Parts, choose_record_device, columns_of, made_by, run_records
from pipeline.run.stage import run_stage


class Features:
    """Describe the beats of every record."""

    def __init__(self, slug: str) -> None:
        params = read_params()
        self.slug, self.settings = slug, params.features
        self.device = choose_record_device(params.runtime.device)
        self.made_by = made_by("features", self.device, self.settings)
        self.windows = open_windows(slug)
        self.rpeaks = RecordRows(paths.rpeaks(slug), RPEAKS, ["record", "beat", "rr_s", "quality"])

    @property
    def records(self) -> Sequence[str]:
        """Those with R-peaks."""
        return list(self.rpeaks)

    def inputs(self, record: str) -> Sequence[str]:
        """Return what the features of a record depend on."""
        return self.made_by, columns_key(self.rpeaks[record]), self.windows.digests.get(record, "no windows")

    def work(self, record: str) -> Part:
        """Describe the beats of a record."""
        window_uv_LCS = self.windows.read(record) if record in self.windows.rows else None
        rows, median_beats = self.rpeaks[record], self.settings.median_beats
        return Part(tabulate_features(rows, window_uv_LCS, median_beats=median_beats, device=self.device))

    def assemble(self, parts: Parts) -> str:
        """Write the table."""
        rows = (columns_of(part, list(FEATURES.columns)) for _, part in parts)
        num_beats = write_parts(paths.features(self.slug), rows, FEATURES, self.settings.model_dump())
        return f"{self.slug}: {num_beats} beats, {len(FEATURE_NAMES)} features"


def main(slug: str, *flags: str) -> str:
    """Describe the beats of a corpus."""
    return run_records("features", Features(slug), slug, *flags)


if __name__ == "__main__":
    sys.exit(run_stage("features", main))
