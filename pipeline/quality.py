"""Stage quality: signals -> which seconds of which leads are usable, noisy or absent."""

import sys
from collections.abc import Iterator, Sequence

import numpy as np

from ecgfeat.engine.parts import Part
from ecgfeat.signals.quality import USABLE, assess_quality
from ecgfeat.signals.resample import to_millivolts
from ecgfeat.signals.usable import find_usable, tabulate_quality
from ecgfeat.store.arrays import open_array
from ecgfeat.store.schemas import COMMON_FS_HZ, QUALITY, SIGNALS
from ecgfeat.store.tables import Columns, write_parts
from pipeline.params import read_params
from pipeline.read import paths
from pipeline.run.records import Parts, choose_record_device, columns_of, made_by, run_records
from pipeline.run.stage import run_stage


class Quality:
    """Assess the leads of every record that has a signal."""

    def __init__(self, slug: str) -> None:
        params = read_params()
        self.slug, self.settings = slug, params.quality
        self.device = choose_record_device(params.runtime.device)
        self.made_by = made_by("quality", self.device, params.quality)
        self.signals = open_array(paths.signals(slug), SIGNALS, aligned_with=paths.records(slug))

    @property
    def records(self) -> Sequence[str]:
        """Those with a signal."""
        return list(self.signals.rows)

    def inputs(self, record: str) -> Sequence[str]:
        """Return what the quality of a record depends on."""
        return self.made_by, self.signals.digests[record]

    def work(self, record: str) -> Part:
        """Assess a record."""
        signal_mv_SC = to_millivolts(self.signals.read(record))
        state_TC = assess_quality(signal_mv_SC, self.device)
        usable = find_usable(state_TC, len(signal_mv_SC), self.settings.min_stretch_s)
        sums = {
            "usable": np.int64(sum(stop - start for start, stop in usable)),
            "by_lead": (state_TC == USABLE).sum(axis=0),
        }
        return Part(tabulate_quality(record, state_TC) | {name: np.asarray(value) for name, value in sums.items()})

    def assemble(self, parts: Parts) -> str:
        """Write the table."""
        usable, by_lead_s = 0, np.zeros(self.signals.array.shape[1], dtype=np.int64)

        def rows() -> Iterator[Columns]:
            nonlocal usable, by_lead_s
            for _, part in parts:
                usable += int(part.arrays["usable"])
                by_lead_s = by_lead_s + part.arrays["by_lead"]
                yield columns_of(part, list(QUALITY.columns))

        write_parts(paths.quality(self.slug), rows(), QUALITY, self.settings.model_dump())
        hours = (
            f"usable {usable / COMMON_FS_HZ / 3600:.1f} of {self.signals.array.shape[0] / COMMON_FS_HZ / 3600:.1f} h"
        )
        by_lead = ", ".join(f"{length_s / 3600:.1f}" for length_s in by_lead_s)
        return f"{self.slug}: {len(self.records)} records, {hours}; by lead {by_lead} h"


def main(slug: str, *flags: str) -> str:
    """Assess the records of a corpus."""
    return run_records("quality", Quality(slug), slug, *flags)


if __name__ == "__main__":
    sys.exit(run_stage("quality", main))
