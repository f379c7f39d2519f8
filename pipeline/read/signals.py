"""Read the signals of records for the systems that work on them, at each system's own rate."""

import sys
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ecgfeat.arena.rhythm_task import SignalRecords
from ecgfeat.arena.signal_table import SignalTable, prepare_signal
from ecgfeat.rhythm.records import RhythmRecord, stack_records
from ecgfeat.signals.resample import pad_leads
from ecgfeat.store.arrays import open_array
from ecgfeat.store.schemas import COMMON_FS_HZ, SIGNALS
from pipeline.params.systems import SignalModel
from pipeline.read import paths

RHYTHM_LEADS = 2
"""Leads the rhythm task shows, by position: those of the beat windows."""


def read_signal_records(records: Sequence[RhythmRecord], settings: SignalModel) -> SignalRecords:
    """Add the signals to records of the rhythm task.

    Parameters
    ----------
    records : sequence of RhythmRecord
        As `pipeline.read.rhythms.read_rhythm_records` gives them, with or without embeddings.
    settings : SignalModel
        Section of the system: rate and band.

    Returns
    -------
    SignalRecords
        In the same order.
    """
    signals = [prepare(signal_uv_SC, COMMON_FS_HZ, settings) for signal_uv_SC in read_rhythm_leads(records)]
    return SignalRecords(*stack_records(records), SignalTable(signals, settings.fs_hz))


def read_rhythm_leads(records: Sequence[RhythmRecord]) -> Iterator[NDArray[np.int16]]:
    """Yield the leads that the rhythm task shows of each record, (S, 2), microvolts at 128 Hz."""
    stores = {corpus: open_array(paths.signals(corpus), SIGNALS) for corpus in {one.corpus for one in records}}
    for one in records:
        yield pad_leads(stores[one.corpus].read(one.record)[:, :RHYTHM_LEADS], RHYTHM_LEADS)


def prepare(signal_uv_SC: NDArray[np.int16], fs_hz: float, settings: SignalModel) -> NDArray[np.int16]:
    """Bring a record to the rate and band of a system, (C, S'), see `ecgfeat.arena.signal_table.prepare_signal`."""
    return prepare_signal(signal_uv_SC, fs_hz, to_hz=settings.fs_hz, low_hz=settings.low_hz, high_hz=settings.high_hz)


def keep_with_signal(records: Sequence[RhythmRecord], split: str) -> list[RhythmRecord]:
    """Leave out records without a signal, and name them."""
    stores = {corpus: open_array(paths.signals(corpus), SIGNALS).rows for corpus in {one.corpus for one in records}}
    kept = [one for one in records if one.record in stores[one.corpus]]
    if len(kept) < len(records):
        silent = [f"{one.corpus}/{one.record}" for one in records if one.record not in stores[one.corpus]]
        print(f"{split}: {len(silent)} records without a signal are left out: {' '.join(silent)}", file=sys.stderr)
    return kept
