"""Read the signals of records for the systems that work on them, at each system's own rate."""

import sys
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ecgfeat.arena.rhythm_task import SignalRecords
from ecgfeat.arena.signal_table import Band, SignalTable, prepare_signal
from ecgfeat.rhythm.records import RhythmRecord, stack_records
from ecgfeat.signals.resample import pad_leads
from ecgfeat.store.arrays import open_array
from ecgfeat.store.schemas import COMMON_FS_HZ, SIGNALS
from pipeline.params import Params
from pipeline.read import paths
from pipeline.read.rhythms import read_rhythm_records

RHYTHM_LEADS = 2
"""Leads that systems read in the rhythm task, by position: those of the beat windows."""


def read_rhythm_split(split: str, params: Params) -> list[RhythmRecord]:
    """Read the records of a split that have a signal, without embeddings; the others are named on stderr."""
    return keep_with_signal(read_rhythm_records(params.corpora, split, params, with_embeddings=False), split)


def read_signal_records(records: Sequence[RhythmRecord], band: Band) -> SignalRecords:
    """Add the signals to records of the rhythm task.

    Parameters
    ----------
    records : sequence of RhythmRecord
        As `pipeline.read.rhythms.read_rhythm_records` gives them, with or without embeddings.
    band : Band
        Rate and band of the system.

    Returns
    -------
    SignalRecords
        In the same order.
    """
    signals = [prepare_signal(signal_uv_SC, COMMON_FS_HZ, band) for signal_uv_SC in read_rhythm_leads(records)]
    return SignalRecords(*stack_records(records), SignalTable(signals, band.fs_hz))


def read_rhythm_leads(records: Sequence[RhythmRecord]) -> Iterator[NDArray[np.int16]]:
    """Yield the leads of each record that the systems read, (S, 2), microvolts at 128 Hz."""
    stores = {corpus: open_array(paths.signals(corpus), SIGNALS) for corpus in {record.corpus for record in records}}
    for record in records:
        of_stretch = slice(record.start, record.start + record.num_samples)
        yield pad_leads(stores[record.corpus].read(record.record)[of_stretch, :RHYTHM_LEADS], RHYTHM_LEADS)


def keep_with_signal(records: Sequence[RhythmRecord], split: str) -> list[RhythmRecord]:
    """Leave out records without a signal, and name them."""
    corpora = {record.corpus for record in records}
    rows = {corpus: open_array(paths.signals(corpus), SIGNALS).rows for corpus in corpora}
    kept = [record for record in records if record.record in rows[record.corpus]]
    if len(kept) < len(records):
        silent = [f"{record.corpus}/{record.record}" for record in records if record.record not in rows[record.corpus]]
        silent = list(dict.fromkeys(silent))
        print(f"{split}: {len(silent)} records without a signal are left out: {' '.join(silent)}", file=sys.stderr)
    return kept
