"""Stage short_records: leads of records with diagnoses -> their R-peaks, beat windows and beat features.

The tables are those of the rhythm corpora. Half of the records trains and validates, the other half tests; all test
where the corpus is outside.
"""

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, Final

import numpy as np

from ecgfeat.corpora.diagnostic import get_diagnostic_corpus
from ecgfeat.corpora.halves import split_short_records
from ecgfeat.engine.parts import Part
from ecgfeat.signals.resample import resample, to_millivolts
from ecgfeat.signals.usable import tabulate_quality
from ecgfeat.store.arrays import create_array, open_array
from ecgfeat.store.feature_columns import FEATURES, NUM_LEADS
from ecgfeat.store.keys import content_key
from ecgfeat.store.mapped import open_spool
from ecgfeat.store.publish import hash_file
from ecgfeat.store.schemas import BEAT_TABLE, COMMON_FS_HZ, EPISODES, LEADS, QUALITY, RECORDS, RPEAKS, WINDOWS
from ecgfeat.store.tables import Columns, open_writer, write_table
from pipeline.params import read_params
from pipeline.read import paths
from pipeline.read.diagnoses import read_used_diagnoses
from pipeline.read.signal_beats import find_and_describe_beats
from pipeline.run.records import Parts, choose_record_device, made_by, run_records
from pipeline.run.stage import run_stage

SLOW_RR_S = 1.0
"""Sinus rhythm below 60/min is SBR."""

TABLES: Final = {"rpeaks": RPEAKS, "features": FEATURES, "quality": QUALITY, "episodes": EPISODES}
"""Written record by record."""


class ShortRecords:
    """Find and describe the beats of every record that is used."""

    def __init__(self, slug: str) -> None:
        self.slug, self.params = slug, read_params()
        self.device = choose_record_device(self.params.runtime.device)
        self.made_by = made_by(
            "short_records", self.device, self.params.quality, self.params.windows, self.params.features
        )
        self.store = open_array(paths.leads(slug), LEADS, aligned_with=paths.diagnoses(slug))
        self.corpus = get_diagnostic_corpus(slug)
        self.rows = {str(row["record"]): row for row in read_used_diagnoses(slug)}
        label = {record: str(row["labels"][0]) for record, row in self.rows.items() if len(row["labels"]) == 1}
        is_outside = slug in self.params.outside.corpora
        self.split = dict.fromkeys(self.rows, "test") if is_outside else split_short_records(label, self.corpus.classes)

    @property
    def records(self) -> Sequence[str]:
        """Those that are used."""
        return list(self.rows)

    def inputs(self, record: str) -> Sequence[str]:
        """Return what the beats of a record depend on."""
        row = self.rows[record]
        stated = [str(row[name]) for name in ("subject", "fs_hz", "num_samples", "labels", "codes")]
        split = self.split.get(record, "none")
        return self.made_by, self.slug, self.store.digests[record], content_key(*stated, split)

    def work(self, record: str) -> Part:
        """Find and describe the beats of a record."""
        row = self.rows[record]
        signal_mv_SC = resample(
            to_millivolts(self.store.read(record)), float(row["fs_hz"]), COMMON_FS_HZ, device=self.device
        )
        stated = [*row["labels"], *row["codes"]]
        rhythms = self.corpus.rhythms_of(stated)
        rhythm = next(iter(rhythms)) if len(rhythms) == 1 and not self.corpus.has_ectopic(stated) else ""
        whole = {
            "start_sample": np.zeros(1),
            "stop_sample": np.full(1, len(signal_mv_SC)),
            "rhythm": np.array([rhythm]),
        }
        no_beats = {name: np.empty(0) for name in BEAT_TABLE.columns}
        about = (record, str(row["subject"]), no_beats, whole, COMMON_FS_HZ)
        beats = find_and_describe_beats(signal_mv_SC, *about, self.params, self.device)
        rr_s = np.diff(beats.rpeaks["sample"]) / COMMON_FS_HZ
        if rhythm == "NSR" and len(rr_s) and np.median(rr_s) > SLOW_RR_S:
            rhythm = "SBR"  # a class of normal records says nothing of their rate
            beats.rpeaks["rhythm"][:] = rhythm
        tables = {"rpeaks": beats.rpeaks, "features": beats.feature, "quality": tabulate_quality(record, beats.state)}
        if rhythm:
            one = {"record": record, "subject": str(row["subject"]), "start_sample": 0}
            one |= {"stop_sample": row["num_samples"], "rhythm": rhythm, "split": self.split.get(record, "none")}
            tables["episodes"] = {name: np.array([one[name]]) for name in EPISODES.columns}
        named = {f"{table}.{name}": column for table, of in tables.items() for name, column in of.items()}
        return Part(named | {"window_uv": beats.window_uv})

    def assemble(self, parts: Parts) -> str:
        """Write the tables and the windows."""
        params = self.params
        # Windows of short records are few, and always kept.
        made_with: dict[str, Any] = {
            name: getattr(params, name).model_dump(exclude={"keep"}) for name in ("quality", "windows", "features")
        }
        num_rows, num_used = {}, 0
        # Windows follow when all R-peaks are written: their store names the table by its hash.
        with open_spool(paths.SCRATCH) as spool:
            with ExitStack() as stack:
                append = {
                    name: stack.enter_context(
                        open_writer(
                            getattr(paths, name)(self.slug),
                            schema,
                            params.quality.model_dump() if name == "quality" else made_with,
                        )
                    )
                    for name, schema in TABLES.items()
                }
                for record, part in parts:
                    for name, schema in TABLES.items():
                        if f"{name}.record" in part.arrays:
                            append[name](_columns(part, name, list(schema.columns)))
                    window_uv_LCS = part.arrays["window_uv"]
                    num_rows[record] = len(window_uv_LCS)
                    num_used += int((part.arrays["rpeaks.quality"] == "usable").sum())
                    spool.append(window_uv_LCS)
            listed = {name: [row[name] for row in self.rows.values()] for name in RECORDS.columns if name != "split"}
            listed["split"] = [self.split.get(record, "none") for record in self.rows]
            write_table(paths.records(self.slug), listed, RECORDS, made_with)
            with create_array(
                paths.windows(self.slug),
                WINDOWS,
                num_rows=num_rows,
                row_shape=(NUM_LEADS, params.windows.num_samples),
                params=made_with,
                source=hash_file(paths.rpeaks(self.slug)),
            ) as writer:
                for window_uv_LCS in spool:
                    writer.append(window_uv_LCS)
        num_beats = sum(num_rows.values())
        return f"{self.slug}: {len(num_rows)} records, {num_beats} R-peaks, {num_used} in usable time"


def _columns(part: Part, table: str, names: Sequence[str]) -> Columns:
    """Return the columns of a table in a part."""
    return {name: part.arrays[f"{table}.{name}"] for name in names}


def main(slug: str, *flags: str) -> str:
    """Find and describe the beats of a corpus of short records."""
    return run_records("short_records", ShortRecords(slug), slug, *flags)


if __name__ == "__main__":
    sys.exit(run_stage("short_records", main))
