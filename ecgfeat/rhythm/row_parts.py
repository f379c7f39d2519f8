"""The table of rhythm predictions in parts, each of some records: rows of the beats of many days are too many at once.

Shape suffixes: N beats of all records.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from ecgfeat.rhythm.records import RhythmRecord, stack_records
from ecgfeat.rhythm.rows import HeadOutput, Rows, head_rows, num_timeline_views, timeline_rows
from ecgfeat.store.record_rows import group_records
from ecgfeat.store.schemas import RHYTHM_PREDICTIONS, RHYTHMS
from ecgfeat.store.tables import Columns, stack_columns

PART_ROWS: Final = 100_000
"""Of a part of the table, more or less."""


def tabulate_rhythms(
    heads: Iterable[HeadOutput],
    records: Sequence[RhythmRecord],
    protocols: Sequence[str],
    *,
    window_samples: int,
    classes: Sequence[str] = RHYTHMS,
) -> Columns:
    """Lay out the predictions of several heads under several protocols.

    Parameters
    ----------
    heads : iterable of HeadOutput
        Their predictions, head by head.
    records : sequence of RhythmRecord
        The records they were made for.
    protocols : sequence of str
        Of ``timeline, grid, episode``.
    window_samples : int
        Length of a segment.
    classes : sequence of str, (K,)
        Names of the classes.

    Returns
    -------
    dict of ndarray
        Columns of the table ``rhythm_predictions``; no rows without a head.
    """
    parts = list(iterate_rhythms(heads, records, protocols, window_samples=window_samples, classes=classes))
    if not parts:
        return {name: np.array([], dtype=object) for name in RHYTHM_PREDICTIONS.columns}
    return stack_columns(parts, list(parts[0]))


def iterate_rhythms(
    heads: Iterable[HeadOutput],
    records: Sequence[RhythmRecord],
    protocols: Sequence[str],
    *,
    window_samples: int,
    classes: Sequence[str] = RHYTHMS,
) -> Iterator[Columns]:
    """Yield what `tabulate_rhythms` returns in parts of some records, or of some hundred thousand rows.

    Parameters
    ----------
    heads, records, protocols, window_samples, classes
        As `tabulate_rhythms` takes them.

    Yields
    ------
    dict of ndarray
        Columns of the table ``rhythm_predictions``.
    """
    for head in heads:
        assert records, "predictions without records"
        for protocol in protocols:
            is_whole = protocol != "timeline" or protocol in head.precomputed_rows
            parts = _whole_rows(head, protocol, records, classes, window_samples)
            for rows in parts if is_whole else _timeline_parts(head, records, classes):
                yield _name_rows(rows, records, head.name)


def _whole_rows(
    head: HeadOutput, protocol: str, records: Sequence[RhythmRecord], classes: Sequence[str], window_samples: int
) -> Iterator[Rows]:
    """Yield the rows of a protocol of which units are few, some at a time."""
    rhythm_E = np.concatenate([record.episodes.rhythm for record in records])
    tables = stack_records(records)
    rows = head_rows(head, protocol, *tables, rhythm_E, classes=classes, window_samples=window_samples)
    for begin in range(0, max(1, len(rows["record_index"])), PART_ROWS):
        yield {name: column[begin : begin + PART_ROWS] for name, column in rows.items()}


def _timeline_parts(head: HeadOutput, records: Sequence[RhythmRecord], classes: Sequence[str]) -> Iterator[Rows]:
    """Yield the rows of `timeline_rows`, view by view, and of a view some records at a time."""
    offset = np.cumsum([0, *(len(record.sample) for record in records)])
    groups = group_records(offset, PART_ROWS)
    for number in range(num_timeline_views(head)):
        for first, last in groups:
            beats = slice(int(offset[first]), int(offset[last]))
            part = replace(
                head,
                posterior=head.posterior[:, beats],
                paths={name: path_N[beats] for name, path_N in head.paths.items()},
            )
            tables = stack_records(records[first:last])
            rhythm_E = np.concatenate([record.episodes.rhythm for record in records[first:last]])
            rows = timeline_rows(part, *tables, rhythm_E, classes, views=slice(number, number + 1))
            yield rows | {"record_index": rows["record_index"] + first}


def _name_rows(rows: Rows, records: Sequence[RhythmRecord], head: str) -> Rows:
    """Add whose the rows are, and where they lie in the whole record."""
    index = rows["record_index"]
    names = ("corpus", "subject", "record")
    named = {name: np.array([getattr(record, name) for record in records], dtype=object)[index] for name in names}
    start = np.array([record.start for record in records], dtype=np.int64)[index]
    placed = {name: rows[name] + start for name in ("start_sample", "stop_sample")}
    kept = {name: column for name, column in rows.items() if name != "record_index"}
    return kept | named | {"head": np.full(len(index), head, dtype=object)} | placed
