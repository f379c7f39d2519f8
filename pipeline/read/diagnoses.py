"""Read the records of diagnostic corpora: their labels, and their leads at the rate of a system."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfeat.arena.signal_table import Band, SignalTable, prepare_signal
from ecgfeat.corpora.diagnostic import get_diagnostic_corpus
from ecgfeat.store.arrays import open_array
from ecgfeat.store.schemas import DIAGNOSES, LEADS
from ecgfeat.store.tables import read_table
from pipeline.read import paths


def read_diagnostic_records(corpus: str, band: Band, leads: Sequence[str]) -> tuple[list[dict[str, Any]], SignalTable]:
    """Read the used records of a diagnostic corpus.

    Parameters
    ----------
    corpus : str
        Slug.
    band : Band
        Rate and band of the system.
    leads : sequence of str
        Leads to read, by name, in this order.

    Returns
    -------
    rows : list of dict
        Their rows of the ``diagnoses`` table.
    signals : SignalTable
        Their signals, in the same order.
    """
    rows = read_used_diagnoses(corpus)
    signals = [
        prepare_signal(signal_uv_SC, float(row["fs_hz"]), band)
        for row, signal_uv_SC in zip(rows, read_stored_leads(corpus, rows, leads), strict=True)
    ]
    return rows, SignalTable(signals, band.fs_hz)


def read_used_diagnoses(corpus: str) -> list[dict[str, Any]]:
    """Return the rows of the ``diagnoses`` table whose records are used."""
    table = read_table(paths.diagnoses(corpus), DIAGNOSES)
    return [{name: column[i] for name, column in table.items()} for i in np.flatnonzero(table["status"] == "used")]


def read_stored_leads(corpus: str, rows: Sequence[dict[str, Any]], leads: Sequence[str]) -> Iterator[NDArray[np.int16]]:
    """Yield leads of records of a diagnostic corpus, (S, C), microvolts at the record's own rate."""
    store = open_array(paths.leads(corpus), LEADS, aligned_with=paths.diagnoses(corpus))
    places = [get_diagnostic_corpus(corpus).lead_names.index(name) for name in leads]
    for row in rows:
        yield store.read(row["record"])[:, places]
