"""Results of each record, worst first."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgfeat.report.results.units import Units
from ecgfeat.scoring.beats import DETECTION_COUNTS, detection_ratios
from ecgfeat.scoring.rhythm import ratio
from ecgfeat.scoring.tables import Table, codes, column_names, grouped, read_rows, values

NAN = float("nan")
AF = "AFIB"


@dataclass
class RecordResult:
    """Scores of one record; NaN if a table does not have the record.

    Attributes
    ----------
    corpus, record, subject : str
        Which record.
    rpeak_sensitivity, rpeak_predictivity, rpeak_f1 : float
        Over the whole record.
    s_f1, v_f1 : float
        F1 of the ectopic beats; NaN without any.
    hours : float
        Scored time.
    accuracy : float
        Fraction of the scored time with the correct rhythm.
    af_share, called_af_share : float
        Fraction of the scored time in atrial fibrillation, reference and prediction; NaN for a head without this class.
    confused : str
        The most frequent error, such as ``AFIB as NSR``.
    confused_hours : float
        Duration of this error.
    """

    corpus: str
    record: str
    subject: str = ""
    rpeak_sensitivity: float = NAN
    rpeak_predictivity: float = NAN
    rpeak_f1: float = NAN
    s_f1: float = NAN
    v_f1: float = NAN
    hours: float = NAN
    accuracy: float = NAN
    af_share: float = NAN
    called_af_share: float = NAN
    confused: str = ""
    confused_hours: float = 0.0

    @property
    def rank(self) -> tuple[float, float, str, str]:
        """Order of records: lowest rhythm accuracy first, then lowest R-peak F1, then by name."""
        accuracy = 2.0 if np.isnan(self.accuracy) else self.accuracy
        f1 = 2.0 if np.isnan(self.rpeak_f1) else self.rpeak_f1
        return accuracy, f1, self.corpus, self.record


def collect_records(
    rpeaks: Table | None,
    beats: Table | Path | None,
    units_of: Mapping[str, Units],
    *,
    detector: str | None,
    history: str | None,
) -> list[RecordResult]:
    """Score each record by itself.

    Parameters
    ----------
    rpeaks, beats : table, optional
        Match counts and beat predictions, the latter also as their file.
    units_of : mapping of str to Units
        Rhythm predictions of the head to show, by corpus.
    detector, history : str, optional
        Rows of the tables to use.

    Returns
    -------
    list of RecordResult
        Worst first.
    """
    results: dict[tuple[str, str], RecordResult] = {}

    def result_of(corpus: str, record: str, subject: str) -> RecordResult:
        return results.setdefault((corpus, record), RecordResult(corpus, record, subject))

    if rpeaks is not None and len(column_names(rpeaks)):
        for (corpus, record, of, subject), rows in grouped(rpeaks, ["corpus", "record", "detector", "subject"]):
            if detector in (None, of):
                count = np.array([values(rpeaks, name)[rows].sum() for name in DETECTION_COUNTS])
                result = result_of(corpus, record, subject)
                result.rpeak_sensitivity, result.rpeak_predictivity, result.rpeak_f1 = detection_ratios(count).tolist()
    if isinstance(beats, Path):
        beats = None if history is None else read_rows(beats, {"history": history})
    if beats is not None and history is not None and len(column_names(beats)):
        for (corpus, record, subject), f1 in _ectopic_f1(beats, history).items():
            result = result_of(corpus, record, subject)
            result.s_f1, result.v_f1 = f1["S"], f1["V"]
    for corpus, units in units_of.items():
        for index, of_record in units.by_record():
            scored = np.flatnonzero(units.is_scored[of_record]) + of_record.start
            if len(scored):
                _add_rhythm(result_of(corpus, units.records[index], units.subjects[index]), units, scored)
    return sorted(results.values(), key=lambda result: result.rank)


def _ectopic_f1(beats: Table, history: str) -> dict[tuple[str, ...], dict[str, float]]:
    """Score the S and V beats of each test record; NaN where it has none."""
    rows = np.flatnonzero((values(beats, "history") == history) & (values(beats, "split") == "test"))
    part = {name: values(beats, name)[rows] for name in ("corpus", "record", "subject", "reference")}
    names, reference = codes(part, "reference")
    predicted_names, predicted = codes({"predicted": values(beats, "predicted")[rows]}, "predicted")
    f1: dict[tuple[str, ...], dict[str, float]] = {}
    for key, of in grouped(part, ["corpus", "record", "subject"]):
        f1[key] = {"S": NAN, "V": NAN}
        for name in f1[key]:
            is_class = reference[of] == (names.index(name) if name in names else -1)
            is_predicted = predicted[of] == (predicted_names.index(name) if name in predicted_names else -1)
            if is_class.any():
                both = float((is_class & is_predicted).sum())
                f1[key][name] = float(ratio(2 * both, float(is_class.sum() + is_predicted.sum())))
    return f1


def _add_rhythm(result: RecordResult, units: Units, scored: NDArray[np.int64]) -> None:
    """Add the scores of the rhythm units of a record."""
    truth, call = units.reference_B[scored], units.predicted_B[scored]
    duration_s = units.stop_s[scored] - units.start_s[scored]
    total_s = float(duration_s.sum())
    wrong = call != truth
    result.hours = total_s / 3600
    result.accuracy = float(1 - ratio(duration_s[wrong].sum(), total_s))
    if AF in units.classes:
        af = units.classes.index(AF)
        result.af_share, result.called_af_share = (
            float(ratio(duration_s[c == af].sum(), total_s)) for c in (truth, call)
        )
    if wrong.any():
        pair = truth * len(units.labels) + call
        wrong_s = np.bincount(pair[wrong], weights=duration_s[wrong])
        reference, predicted = divmod(int(wrong_s.argmax()), len(units.labels))
        result.confused = f"{units.labels[reference]} as {units.labels[predicted]}"
        result.confused_hours = float(wrong_s.max() / 3600)
