"""Stage signals: raw records -> one int16 array in microvolts at the common rate, and the baseline wander taken out."""

import sys
from collections.abc import Sequence

import numpy as np

from ecgfeat.acquire.manifest import read_acquired, read_manifest, record_files
from ecgfeat.engine.parts import Part
from ecgfeat.signals.baseline import remove_baseline, tabulate_baseline
from ecgfeat.signals.resample import num_resampled, pad_leads, resample, to_microvolts
from ecgfeat.store.arrays import create_array
from ecgfeat.store.publish import hash_file
from ecgfeat.store.schemas import RECORDS, SIGNALS, WANDER
from ecgfeat.store.tables import open_writer, read_table
from pipeline.params import read_params
from pipeline.read import paths
from pipeline.run.records import Parts, choose_record_device, columns_of, made_by, run_records
from pipeline.run.stage import run_stage


class Signals:
    """Resample every record that has a signal."""

    def __init__(self, slug: str) -> None:
        params = read_params()
        self.slug, self.settings = slug, params.signals
        self.device = choose_record_device(params.runtime.device)
        table = read_table(paths.records(slug), RECORDS)
        readable = np.flatnonzero((table["status"] != "failed") & (table["signals"] != "none"))
        self.num_leads = max((len(table["leads"][i]) for i in readable), default=2)
        self.num_rows = {
            str(table["record"][i]): num_resampled(int(table["num_samples"][i]), table["fs_hz"][i], self.settings.fs_hz)
            for i in readable
        }
        self.manifest = read_manifest(paths.raw(slug)) if len(readable) else {}
        self.made_by = made_by("signals", self.device, self.settings)

    @property
    def records(self) -> Sequence[str]:
        """Those with a signal."""
        return list(self.num_rows)

    def inputs(self, record: str) -> Sequence[str]:
        """Return what the signal of a record depends on: its files as they were acquired."""
        files = self.manifest["files"]
        names = [name for name in record_files(record, ()) if name in files]
        return self.made_by, str(self.num_leads), *(f"{name} {files[name]}" for name in names)

    def work(self, record: str) -> Part:
        """Resample a record."""
        signal = read_acquired(paths.raw(self.slug), self.manifest, record)
        resampled_mv_SC = resample(signal.signal_mv_SC, signal.fs_hz, self.settings.fs_hz, self.device)
        left_mv_SC, baseline = remove_baseline(resampled_mv_SC, self.settings.fs_hz)
        signal_uv_SC = pad_leads(to_microvolts(left_mv_SC), self.num_leads)
        notes = (signal.calibration_note,) if signal.calibration_note else ()
        return Part({"signal_uv": signal_uv_SC, **tabulate_baseline(record, baseline)}, notes)

    def assemble(self, parts: Parts) -> str:
        """Write the array and the table of wander."""
        made_with = self.settings.model_dump()
        with (
            open_writer(paths.wander(self.slug), WANDER, made_with) as append,
            create_array(
                paths.signals(self.slug),
                SIGNALS,
                num_rows=self.num_rows,
                row_shape=(self.num_leads,),
                params=made_with,
                source=hash_file(paths.records(self.slug)),
            ) as writer,
        ):
            for _, part in parts:
                writer.append(part.arrays["signal_uv"])
                append(columns_of(part, list(WANDER.columns)))
        hours = sum(self.num_rows.values()) / self.settings.fs_hz / 3600
        return f"{self.slug}: {len(self.num_rows)} records, {hours:.1f} h at {self.settings.fs_hz} Hz"


def main(slug: str, *flags: str) -> str:
    """Resample the records of a corpus."""
    return run_records("signals", Signals(slug), slug, *flags)


if __name__ == "__main__":
    sys.exit(run_stage("signals", main))
