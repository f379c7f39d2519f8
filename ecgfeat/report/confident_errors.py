"""The errors a head was surest of: whole stretches that are wrong, not the single beat on the border of an episode."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ecgfeat.report.strip import Ribbon
from ecgfeat.report.units import Units, find_stretches

MIN_UNITS, MIN_S, MAX_PER_RECORD = 5, 5.0, 2
"""A stretch counts from so many units or so many seconds on; so many of one record are shown."""


@dataclass(frozen=True)
class ConfidentError:
    """A stretch of a record with one wrong rhythm.

    Attributes
    ----------
    corpus, record : str
        Where.
    start_s, stop_s : float
        Extent in seconds from the start of the record.
    num_units : int
        Units in it.
    reference, predicted : str
        What it is, and what it was called.
    probability : float
        Mean over the units of the probability of the wrong rhythm.
    """

    corpus: str
    record: str
    start_s: float
    stop_s: float
    num_units: int
    reference: str
    predicted: str
    probability: float


def find_confident_errors(units_of: Mapping[str, Units], num_errors: int = 10) -> list[ConfidentError]:
    """Rank the wrong stretches of all test records by the mean probability of the wrong rhythm.

    Parameters
    ----------
    units_of : mapping of str to Units
        Units by corpus.
    num_errors : int, default 10
        How many to return at most.

    Returns
    -------
    list of ConfidentError
        The surest first, at most two of a record.

    Notes
    -----
    * Stretches of fewer than 5 units that also last less than 5 s are left out: they are mostly borders of episodes,
      which annotators place a beat or two apart.
    """
    errors: list[ConfidentError] = []
    for corpus, units in units_of.items():
        wrong = units.is_scored & (units.reference_B != units.predicted_B)
        pair = np.where(wrong, units.reference_B * len(units.labels) + units.predicted_B, -1)
        summed = np.concatenate([[0.0], np.cumsum(units.confidence_B)])
        for index, rows in units.by_record():
            found = find_stretches(pair[rows], units.start_s[rows], units.stop_s[rows]) + rows.start
            found = found[pair[found[:, 0]] >= 0] if len(found) else found
            length = found[:, 1] - found[:, 0]
            start_s, stop_s = units.start_s[found[:, 0]], units.stop_s[found[:, 1] - 1]
            mean = (summed[found[:, 1]] - summed[found[:, 0]]) / np.maximum(length, 1)
            is_long = (length >= MIN_UNITS) | (stop_s - start_s >= MIN_S)
            # Rounded, so that the order does not hang on how a sum came about; then the longer one first.
            order = np.lexsort((start_s, -(stop_s - start_s), -mean.round(6)))
            for at in order[is_long[order]][:MAX_PER_RECORD].tolist():
                errors.append(
                    ConfidentError(
                        corpus=corpus,
                        record=units.records[index],
                        start_s=float(start_s[at]),
                        stop_s=float(stop_s[at]),
                        num_units=int(length[at]),
                        reference=units.labels[units.reference_B[found[at, 0]]],
                        predicted=units.labels[units.predicted_B[found[at, 0]]],
                        probability=float(mean[at]),
                    )
                )
    errors.sort(key=lambda e: (-round(e.probability, 6), e.start_s - e.stop_s, e.corpus, e.record, e.start_s))
    return errors[:num_errors]


def ribbons_between(units: Units, record: str, start_s: float, stop_s: float) -> list[Ribbon]:
    """Return the reference and the prediction of a stretch of a record as ribbons.

    Parameters
    ----------
    units : Units
        Units of the record's corpus.
    record : str
        The record.
    start_s, stop_s : float
        The stretch.

    Returns
    -------
    list of Ribbon
        First the reference, then the prediction; none if no unit of the record touches the stretch.
    """
    if record not in units.records:
        return []
    rows = dict(units.by_record())[units.records.index(record)]
    inside = np.flatnonzero((units.stop_s[rows] > start_s) & (units.start_s[rows] < stop_s)) + rows.start
    if not len(inside):
        return []
    ribbons = []
    for title, code in (("reference", units.reference_B), ("predicted", units.predicted_B)):
        first_s, last_s = units.start_s[inside], units.stop_s[inside]
        first, stop = find_stretches(code[inside], first_s, last_s).T
        names = [units.labels[k] for k in code[inside[first]]]
        ribbons.append(Ribbon(title, first_s[first], last_s[stop - 1], names))
    return ribbons
