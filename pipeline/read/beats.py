"""Read the records of a corpus, their R-peaks and their beat windows."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfeat.beats.windows import BeatRecord
from ecgfeat.store.columns import TableSchema
from ecgfeat.store.record_rows import RecordRows
from ecgfeat.store.schemas import BEAT_CLASSES, CLASSES, RECORDS, RPEAKS
from ecgfeat.store.tables import Columns, read_table
from pipeline.read import paths
from pipeline.read.windows import open_windows


def read_records(corpus: str) -> dict[str, dict[str, Any]]:
    """Return the rows of the ``records`` table by record name.

    Parameters
    ----------
    corpus : str
        Slug.

    Returns
    -------
    dict of str to dict
    """
    table = read_table(paths.records(corpus), RECORDS)
    return {str(name): {key: column[i] for key, column in table.items()} for i, name in enumerate(table["record"])}


def read_rows_by_record(path: Path, schema: TableSchema) -> Callable[[str], Columns]:
    """Open a table, and return the function that reads the rows of a record; none for a record that is not in it.

    Parameters
    ----------
    path : Path
        The table.
    schema : TableSchema
        Its schema.

    Returns
    -------
    callable
        Takes the name of a record.
    """
    rows_of = RecordRows(path, schema)
    no_rows = rows_of.no_rows
    return lambda record: rows_of.get(record, no_rows)


def read_class_probabilities(corpus: str) -> Callable[[str], NDArray[np.float32]]:
    """Read the table of beat classes, and return the function that gives the probabilities of a record's R-peaks.

    Parameters
    ----------
    corpus : str
        Slug.

    Returns
    -------
    callable
        Takes the name of a record; returns ndarray of float32, (L, 3): of N, S and V, NaN outside of usable time.
    """
    classes_of = read_rows_by_record(paths.classes(corpus), CLASSES)

    def probabilities_of(record: str) -> NDArray[np.float32]:
        classes = classes_of(record)
        return np.stack([classes[f"p_{name}"] for name in BEAT_CLASSES], axis=1)

    return probabilities_of


def read_rpeaks(corpus: str, split: str) -> Iterator[tuple[dict[str, Any], Columns]]:
    """Yield each used record of a split with its R-peaks.

    Parameters
    ----------
    corpus : str
        Slug.
    split : str
        train, validation or test.

    Yields
    ------
    tuple of dict and dict of str to array
        The record's row of the ``records`` table and its rows of the ``rpeaks`` table.
    """
    rpeaks_of = read_rows_by_record(paths.rpeaks(corpus), RPEAKS)
    for record, row in read_records(corpus).items():
        rpeaks = rpeaks_of(record)
        # A record with a signal but without R-peaks has no rows; it is scored all the same.
        is_read = len(rpeaks["sample"]) > 0 or row["signals"] != "none"
        if row["split"] == split and row["status"] == "used" and is_read:
            yield row, rpeaks


def read_beat_records(corpora: Sequence[str], split: str) -> list[BeatRecord]:
    """Return the beats of a split in usable time with their windows, which stay on disk until they are read.

    Parameters
    ----------
    corpora : sequence of str
        Slugs.
    split : str
        train, validation or test.

    Returns
    -------
    list of BeatRecord
        One per usable stretch with R-peaks. Records without a signal are left out.
    """
    records = []
    for corpus in corpora:
        store = open_windows(corpus)
        for row, rpeaks in read_rpeaks(corpus, split):
            if row["record"] in store.rows:
                first = store.rows[row["record"]][0]
                rr_s, aami = rpeaks["rr_s"].astype(np.float32), rpeaks["aami"].astype(str)
                for low, high in find_used_rows(rpeaks):
                    records.append(BeatRecord(store.array, first + low, first + high, rr_s[low:high], aami[low:high]))
    return records


def find_used_rows(rpeaks: Columns) -> list[tuple[int, int]]:
    """Return the first row of each usable stretch in a record's rows of the ``rpeaks`` table, and the one after it."""
    is_used = np.isin(rpeaks["quality"], ["usable", ""])
    # The first beat of a stretch has no interval.
    edges = np.flatnonzero(np.append(True, np.isnan(rpeaks["rr_s"][1:]) | (is_used[1:] != is_used[:-1])))
    stops = np.append(edges[1:], len(is_used))
    return [(int(low), int(high)) for low, high in zip(edges, stops, strict=True) if low < high and is_used[low]]
