"""Read the signals of records for the systems that work on them, at each system's own rate."""

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from ecgfeat.array_store import open_array
from ecgfeat.rhythm_data import RhythmRecord, stack_records
from ecgfeat.schemas import COMMON_FS_HZ, DIAGNOSES, LEADS, SIGNALS
from ecgfeat.signals import pad_leads
from ecgfeat.store import read_table
from ecgfeat.systems.rhythm_task import SignalRecords
from ecgfeat.systems.signal_table import SignalTable, prepare_signal
from pipeline import paths
from pipeline.model_sections import SignalModel

RHYTHM_LEADS = 2
"""Leads the rhythm task shows, by position: those of the beat windows."""


def read_signal_records(records: Sequence[RhythmRecord], settings: SignalModel) -> SignalRecords:
    """Add the signals to records of the rhythm task.

    Parameters
    ----------
    records : sequence of RhythmRecord
        As `pipeline.load.read_rhythm_records` gives them, with or without embeddings.
    settings : SignalModel
        Section of the system: rate and band.

    Returns
    -------
    SignalRecords
        In the same order.
    """
    stores = {corpus: open_array(paths.signals(corpus), SIGNALS) for corpus in {one.corpus for one in records}}
    signals = [
        prepare_signal(
            pad_leads(stores[one.corpus].read(one.record)[:, :RHYTHM_LEADS], RHYTHM_LEADS),
            COMMON_FS_HZ,
            to_hz=settings.fs_hz,
            low_hz=settings.low_hz,
            high_hz=settings.high_hz,
        )
        for one in records
    ]
    return SignalRecords(*stack_records(records), SignalTable(signals, settings.fs_hz))


def keep_with_signal(records: Sequence[RhythmRecord], split: str) -> list[RhythmRecord]:
    """Leave out records without a signal, and name them."""
    stores = {corpus: open_array(paths.signals(corpus), SIGNALS).rows for corpus in {one.corpus for one in records}}
    kept = [one for one in records if one.record in stores[one.corpus]]
    if len(kept) < len(records):
        silent = [f"{one.corpus}/{one.record}" for one in records if one.record not in stores[one.corpus]]
        print(f"{split}: {len(silent)} records without a signal are left out: {' '.join(silent)}", file=sys.stderr)
    return kept


def read_diagnostic_records(corpus: str, settings: SignalModel) -> tuple[list[dict[str, Any]], SignalTable]:
    """Read the used records of a diagnostic corpus.

    Parameters
    ----------
    corpus : str
        Slug.
    settings : SignalModel
        Section of the system: rate and band.

    Returns
    -------
    rows : list of dict
        Their rows of the ``diagnoses`` table.
    signals : SignalTable
        Their signals, in the same order.
    """
    table = read_table(paths.diagnoses(corpus), DIAGNOSES)
    store = open_array(paths.leads(corpus), LEADS, aligned_with=paths.diagnoses(corpus))
    used = np.flatnonzero(table["status"] == "used")
    rows = [{name: column[i] for name, column in table.items()} for i in used]
    signals = [
        prepare_signal(
            store.read(row["record"]),
            float(row["fs_hz"]),
            to_hz=settings.fs_hz,
            low_hz=settings.low_hz,
            high_hz=settings.high_hz,
        )
        for row in rows
    ]
    return rows, SignalTable(signals, settings.fs_hz)
