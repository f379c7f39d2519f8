"""Stage windows: signals and R-peaks -> one window of two seconds per beat."""

import sys
from collections.abc import Sequence

from ecgfeat.engine.parts import Part
from ecgfeat.store.arrays import create_array, open_array
from ecgfeat.store.publish import hash_file
from ecgfeat.store.record_rows import RecordRows
from ecgfeat.store.schemas import RPEAKS, SIGNALS, WINDOWS
from pipeline.params import read_params
from pipeline.read import paths
from pipeline.read.windows import NUM_LEADS, CutWindows
from pipeline.run.records import Parts, choose_record_device, made_by, run_records
from pipeline.run.stage import run_stage


class Windows:
    """Cut the beats of every record that has a signal."""

    def __init__(self, slug: str) -> None:
        params = read_params()
        self.slug, self.settings = slug, params.windows
        self.made_by = made_by("windows", choose_record_device("cpu"), self.settings)
        signals = open_array(paths.signals(slug), SIGNALS, aligned_with=paths.records(slug))
        rpeaks = RecordRows(paths.rpeaks(slug), RPEAKS, ["sample"])
        self.windows = CutWindows(signals, rpeaks, num_samples=self.settings.num_samples)
        # Without stored windows the store is empty, and the stages after this one cut what they need.
        self.records: Sequence[str] = list(self.windows.rows) if self.settings.keep else []

    def inputs(self, record: str) -> Sequence[str]:
        """Return what the windows of a record depend on."""
        return self.made_by, self.windows.digests[record]

    def work(self, record: str) -> Part:
        """Cut the beats of a record."""
        return Part({"window_uv": self.windows.read(record)})

    def assemble(self, parts: Parts) -> str:
        """Write the array."""
        num_rows = {record: self.windows.rows[record][1] - self.windows.rows[record][0] for record in self.records}
        # A store of windows says nothing of whether they are kept: so it always was.
        made_with = self.settings.model_dump(exclude={"keep"}) | ({} if self.settings.keep else {"keep": False})
        with create_array(
            paths.windows(self.slug),
            WINDOWS,
            num_rows=num_rows,
            row_shape=(NUM_LEADS, self.settings.num_samples),
            params=made_with,
            source=hash_file(paths.rpeaks(self.slug)),
        ) as writer:
            for _, part in parts:
                writer.append(part.arrays["window_uv"])
        if not self.settings.keep:
            return f"{self.slug}: none kept, the stages that read them cut them"
        return f"{self.slug}: {sum(num_rows.values())} beats of {self.settings.num_samples} samples"


def main(slug: str, *flags: str) -> str:
    """Cut the beats of a corpus."""
    return run_records("windows", Windows(slug), slug, *flags)


if __name__ == "__main__":
    sys.exit(run_stage("windows", main))
