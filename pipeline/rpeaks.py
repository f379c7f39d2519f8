"""Stage rpeaks: signals (or annotations) -> the R-peak table, matched to the reference beats."""

import sys
from collections.abc import Iterator, Sequence

import numpy as np

from ecgfeat.engine.parts import Part
from ecgfeat.signals.resample import to_millivolts
from ecgfeat.signals.rpeak_table import tabulate_rpeaks, to_common_rate
from ecgfeat.signals.rpeaks import detect_rpeaks
from ecgfeat.store.arrays import open_array
from ecgfeat.store.keys import columns_key
from ecgfeat.store.schemas import BEAT_TABLE, EPISODES, RECORDS, RPEAKS, SIGNALS
from ecgfeat.store.tables import Columns, read_table, write_parts
from pipeline.params import read_params
from pipeline.read import paths
from pipeline.read.beats import read_rows_by_record
from pipeline.read.quality import choose_detector_lead, read_usable
from pipeline.run.records import Parts, choose_record_device, columns_of, made_by, run_records
from pipeline.run.stage import run_stage


class Rpeaks:
    """Find the R-peaks of every record."""

    def __init__(self, slug: str) -> None:
        self.slug, self.params = slug, read_params()
        self.settings = self.params.rpeaks
        self.device = choose_record_device(self.params.runtime.device)
        self.made_by = made_by("rpeaks", self.device, self.settings, self.params.signals)
        self.signals = open_array(paths.signals(slug), SIGNALS, aligned_with=paths.records(slug))
        table = read_table(paths.records(slug), RECORDS)
        self.rows = {
            str(table["record"][i]): {name: column[i] for name, column in table.items()}
            for i in np.flatnonzero(table["status"] != "failed")
        }
        self.beats_of = read_rows_by_record(paths.beats(slug), BEAT_TABLE)
        self.episodes_of = read_rows_by_record(paths.episodes(slug), EPISODES)
        self.usable_of = read_usable(slug, self.params)

    @property
    def records(self) -> Sequence[str]:
        """Those that can be read."""
        return list(self.rows)

    def inputs(self, record: str) -> Sequence[str | bytes]:
        """Return what the R-peaks of a record depend on."""
        row, usable = self.rows[record], self.usable_of(self.rows[record])
        about = f"{row['subject']} {row['fs_hz']} {row['num_samples']} {' '.join(row['leads'])}"
        tables = (columns_key(of(record)) for of in (self.beats_of, self.episodes_of))
        state = b"" if usable.state is None else usable.state.tobytes()
        return self.made_by, about, self.signals.digests.get(record, "no signal"), *tables, state, str(usable.spans)

    def work(self, record: str) -> Part:
        """Find the R-peaks of a record; a record without any is one without rows."""
        row, lines = self.rows[record], []
        fs_hz, reference, usable = float(row["fs_hz"]), self.beats_of(record), self.usable_of(row)
        if self.settings.method == "annotated":
            rpeaks = np.unique(to_common_rate(reference["sample"], fs_hz))
        elif record in self.signals.rows:
            lead = choose_detector_lead(row, self.params)
            if lead == "all" and self.settings.lead != "all":
                lines.append(f"no lead {self.settings.lead} among {', '.join(row['leads'])}: all are read")
            signal_mv_SC, rate_hz = to_millivolts(self.signals.read(record)), float(self.params.signals.fs_hz)
            rpeaks = detect_rpeaks(signal_mv_SC, rate_hz, method=self.settings.method, lead=lead, device=self.device)
        else:
            return Part({}, ("no signal, so no R-peak can be detected. rpeaks.method: annotated uses its .atr",))
        about = (record, str(row["subject"]), rpeaks, reference, self.episodes_of(record), fs_hz)
        return Part(tabulate_rpeaks(*about, state_TC=usable.state, spans=usable.spans), tuple(lines))

    def assemble(self, parts: Parts) -> str:
        """Write the table."""
        num_used = num_matched = 0

        def rows() -> Iterator[Columns]:
            nonlocal num_used, num_matched
            for _, part in parts:
                if part.arrays:
                    num_used += int(np.isin(part.arrays["quality"], ["usable", ""]).sum())
                    num_matched += int(part.arrays["matched"].sum())
                    yield columns_of(part, list(RPEAKS.columns))

        num_rpeaks = write_parts(paths.rpeaks(self.slug), rows(), RPEAKS, self.settings.model_dump())
        where = f"{num_used} in usable time, {num_matched} at a reference beat"
        return f"{self.slug}: {num_rpeaks} R-peaks ({self.settings.method}), {where}"


def main(slug: str, *flags: str) -> str:
    """Find the R-peaks of a corpus."""
    return run_records("rpeaks", Rpeaks(slug), slug, *flags)


if __name__ == "__main__":
    sys.exit(run_stage("rpeaks", main))
