"""Stage windows: signals and R-peaks -> one window of two seconds per beat."""

import sys
from collections.abc import Sequence

from ecgfeat.beats.windows import cut_beats
from ecgfeat.engine.parts import Part
from ecgfeat.store.arrays import create_array, open_array
from ecgfeat.store.keys import columns_key
from ecgfeat.store.publish import hash_file
from ecgfeat.store.schemas import RPEAKS, SIGNALS, WINDOWS
from ecgfeat.store.tables import read_table, split_by_record
from pipeline.params import read_params
from pipeline.read import paths
from pipeline.run.records import Parts, choose_record_device, made_by, run_records
from pipeline.run.stage import run_stage

NUM_LEADS = 2
"""Leads of a beat window: the first two by position; the lead a record lacks is invalid throughout."""


class Windows:
    """Cut the beats of every record that has a signal."""

    def __init__(self, slug: str) -> None:
        params = read_params()
        self.slug, self.settings = slug, params.windows
        self.made_by = made_by("windows", choose_record_device("cpu"), self.settings)
        self.signals = open_array(paths.signals(slug), SIGNALS, aligned_with=paths.records(slug))
        self.rpeaks = split_by_record(read_table(paths.rpeaks(slug), RPEAKS, ["record", "sample"]))

    @property
    def records(self) -> Sequence[str]:
        """Those with R-peaks and a signal."""
        return [record for record in self.rpeaks if record in self.signals.rows]

    def inputs(self, record: str) -> Sequence[str]:
        """Return what the windows of a record depend on."""
        return self.made_by, self.signals.digests[record], columns_key(self.rpeaks[record])

    def work(self, record: str) -> Part:
        """Cut the beats of a record."""
        sample, num_samples = self.rpeaks[record]["sample"], self.settings.num_samples
        window_uv_LCS = cut_beats(self.signals.read(record), sample, num_samples=num_samples, num_leads=NUM_LEADS)
        return Part({"window_uv": window_uv_LCS})

    def assemble(self, parts: Parts) -> str:
        """Write the array."""
        num_rows = {record: len(self.rpeaks[record]["sample"]) for record in self.records}
        with create_array(
            paths.windows(self.slug),
            WINDOWS,
            num_rows=num_rows,
            row_shape=(NUM_LEADS, self.settings.num_samples),
            params=self.settings.model_dump(),
            source=hash_file(paths.rpeaks(self.slug)),
        ) as writer:
            for _, part in parts:
                writer.append(part.arrays["window_uv"])
        return f"{self.slug}: {sum(num_rows.values())} beats of {self.settings.num_samples} samples"


def main(slug: str, *flags: str) -> str:
    """Cut the beats of a corpus."""
    return run_records("windows", Windows(slug), slug, *flags)


if __name__ == "__main__":
    sys.exit(run_stage("windows", main))
