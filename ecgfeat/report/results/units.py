"""The scored units of one head, protocol and view, sorted and encoded once for all tables and pictures.

Shape suffixes: B units (beats, segments or episodes), K classes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfeat.scoring.episodes import MAX_GAP_S
from ecgfeat.scoring.tables import Table, codes, probabilities, read_rows, rhythm_classes, values


@dataclass(frozen=True)
class Units:
    """Units of one corpus, sorted by record and time.

    Attributes
    ----------
    classes : tuple of str, length K
        The rhythms that the head can predict.
    labels : tuple of str
        `classes`, then every other rhythm that occurs in the reference (``""``: unlabelled).
    records, subjects : tuple of str
        Name and subject of each record.
    record_B : ndarray of int64, shape (B,)
        Index into `records`, ascending.
    start_s, stop_s : ndarray of float64, shape (B,)
        Half-open extent in seconds from the start of the record.
    reference_B, predicted_B : ndarray of int64, shape (B,)
        Index into `labels`. A unit with a reference outside `classes` is not scored.
    probability_BK : ndarray of float64, shape (B, K)
        Posterior probability of each class.
    is_counted : ndarray of bool, shape (B,)
        False for a unit of a timeline without an R-peak: it has a duration, but is no beat.
    """

    classes: tuple[str, ...]
    labels: tuple[str, ...]
    records: tuple[str, ...]
    subjects: tuple[str, ...]
    record_B: NDArray[np.int64]  # noqa: N815
    start_s: NDArray[np.float64]
    stop_s: NDArray[np.float64]
    reference_B: NDArray[np.int64]  # noqa: N815
    predicted_B: NDArray[np.int64]  # noqa: N815
    probability_BK: NDArray[np.float64]  # noqa: N815
    is_counted: NDArray[np.bool_]

    @property
    def is_scored(self) -> NDArray[np.bool_]:
        """Whether the reference of each unit is one of the classes."""
        return self.reference_B < len(self.classes)

    @property
    def confidence_B(self) -> NDArray[np.float64]:  # noqa: N802
        """The probability of the predicted rhythm."""
        predicted_B = np.minimum(self.predicted_B, len(self.classes) - 1)
        confidence_B: NDArray[np.float64] = self.probability_BK[np.arange(len(predicted_B)), predicted_B]
        return confidence_B

    def by_record(self) -> Iterator[tuple[int, slice]]:
        """Yield the index of each record and its rows."""
        edges = np.searchsorted(self.record_B, np.arange(len(self.records) + 1))
        for index in range(len(self.records)):
            yield index, slice(int(edges[index]), int(edges[index + 1]))


def select_units(
    table: Table | Path | None, head: str | None, protocol: str | None, view: str, fs_hz: float
) -> dict[str, Units]:
    """Return the units of one head, protocol and view of a table of rhythm predictions.

    Parameters
    ----------
    table : pyarrow.Table, mapping or Path, optional
        Rows of schema ``rhythm_predictions``, or their file, of which no others are read.
    head, protocol, view : str
        Rows to select; none if head or protocol is None.
    fs_hz : float
        Sampling rate of the sample columns.

    Returns
    -------
    dict of str to Units
        By corpus, sorted; corpora without a scored unit are absent.
    """
    if table is None or head is None or protocol is None:
        return {}
    if isinstance(table, Path):
        table = read_rows(table, {"head": head, "protocol": protocol, "view": view})
    rows: NDArray[np.int64] | None = None
    for name, value in (("head", head), ("protocol", protocol), ("view", view)):
        column = values(table, name) if rows is None else values(table, name)[rows]
        selected = np.flatnonzero(column == value)
        rows = selected if rows is None else rows[selected]
    assert rows is not None
    names = ("corpus", "subject", "record", "start_sample", "stop_sample", "num_beats", "reference", "predicted")
    part: dict[str, Any] = {name: values(table, name)[rows] for name in names}
    classes = rhythm_classes(table)
    probability = probabilities({f"p_{name}": values(table, f"p_{name}")[rows] for name in classes}, classes)
    corpora, corpus = codes(part, "corpus")
    units_of = {}
    for index, slug in enumerate(corpora):
        inside = np.flatnonzero(corpus == index)
        own = {name: column[inside] for name, column in part.items()}
        units = _encode(own, probability[inside], classes, fs_hz, is_timeline=protocol == "timeline")
        if units.is_scored.any():
            units_of[slug] = units
    return units_of


def _encode(
    part: Mapping[str, Any], probability: NDArray[np.float64], classes: list[str], fs_hz: float, *, is_timeline: bool
) -> Units:
    """Sort the rows of one corpus, and turn text into codes."""
    # For a head of fewer classes (NSR and AFIB only) the other columns are empty.
    filled = [k for k in range(len(classes)) if not np.isnan(probability[:, k]).all()]
    own = [classes[k] for k in filled]
    sides = {name: codes(part, name) for name in ("reference", "predicted")}
    others = sorted({name for names, _ in sides.values() for name in names} - set(own))
    labels = (*own, *others)
    coded = {
        name: np.array([labels.index(text) for text in names], dtype=np.int64)[code]
        for name, (names, code) in sides.items()
    }
    records, record = codes(part, "record")
    order = np.lexsort((part["start_sample"], record))
    first = np.searchsorted(record[order], np.arange(len(records)))
    return Units(
        classes=tuple(own),
        labels=labels,
        records=tuple(records),
        subjects=tuple(str(part["subject"][order[row]]) for row in first.tolist()),
        record_B=record[order],
        start_s=part["start_sample"][order] / fs_hz,
        stop_s=part["stop_sample"][order] / fs_hz,
        reference_B=coded["reference"][order],
        predicted_B=coded["predicted"][order],
        probability_BK=probability[order][:, filled],
        is_counted=(part["num_beats"][order] > 0) | (not is_timeline),
    )


def find_stretches(
    code: NDArray[np.int64], start_s: NDArray[np.float64], stop_s: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Divide the units of a record into stretches of equal code.

    Parameters
    ----------
    code : ndarray of int64, shape (B,)
        Code of each unit.
    start_s, stop_s : ndarray of float64, shape (B,)
        Extent of the units of one record, sorted. A stretch ends at a gap of more than 2 s.

    Returns
    -------
    ndarray of int64, shape (stretches, 2)
        Index of the first unit of each stretch, and of the unit after its last.
    """
    if not len(code):
        return np.zeros((0, 2), dtype=np.int64)
    breaks = np.flatnonzero((np.diff(code) != 0) | (start_s[1:] - stop_s[:-1] > MAX_GAP_S)) + 1
    return np.stack([np.append(0, breaks), np.append(breaks, len(code))], axis=1)
