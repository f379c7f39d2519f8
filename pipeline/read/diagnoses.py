"""Read the records of diagnostic corpora: what is known of each, and its leads, at each system's own rate."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfeat.arena.signal_table import SignalTable
from ecgfeat.corpora.diagnostic import get_diagnostic_corpus
from ecgfeat.store.arrays import open_array
from ecgfeat.store.schemas import DIAGNOSES, LEADS
from ecgfeat.store.tables import read_table
from pipeline.params.systems import SignalModel
from pipeline.read import paths
from pipeline.read.signals import prepare


def read_diagnostic_records(
    corpus: str, settings: SignalModel, leads: Sequence[str]
) -> tuple[list[dict[str, Any]], SignalTable]:
    """Read the used records of a diagnostic corpus.

    Parameters
    ----------
    corpus : str
        Slug.
    settings : SignalModel
        Section of the system: rate and band.
    leads : sequence of str
        Those to read, by name, in this order.

    Returns
    -------
    rows : list of dict
        Their rows of the ``diagnoses`` table.
    signals : SignalTable
        Their signals, in the same order.
    """
    rows = read_used_diagnoses(corpus)
    signals = [
        prepare(signal_uv_SC, float(row["fs_hz"]), settings)
        for row, signal_uv_SC in zip(rows, read_stored_leads(corpus, rows, leads), strict=True)
    ]
    return rows, SignalTable(signals, settings.fs_hz)


def read_used_diagnoses(corpus: str) -> list[dict[str, Any]]:
    """Return the rows of the ``diagnoses`` table whose records are used."""
    table = read_table(paths.diagnoses(corpus), DIAGNOSES)
    return [{name: column[i] for name, column in table.items()} for i in np.flatnonzero(table["status"] == "used")]


def read_stored_leads(corpus: str, rows: Sequence[dict[str, Any]], leads: Sequence[str]) -> Iterator[NDArray[np.int16]]:
    """Yield some leads of some records of a diagnostic corpus, (S, C), microvolts at the record's own rate."""
    store = open_array(paths.leads(corpus), LEADS, aligned_with=paths.diagnoses(corpus))
    places = [get_diagnostic_corpus(corpus).lead_names.index(name) for name in leads]
    for row in rows:
        yield store.read(row["record"])[:, places]
