"""Results of each record, worst first."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgfeat.report.units import Units
from ecgfeat.scoring.rhythm import ratio
from ecgfeat.scoring.tables import Table, codes, column_names, grouped, probabilities, values
from ecgfeat.store.schemas import BEAT_CLASSES

NAN = float("nan")
AF = "AFIB"


@dataclass
class RecordResult:
    """Scores of one record; NaN where a table does not hold it.

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
        Fraction of the scored time with the right rhythm.
    af_share, called_af_share : float
        Fraction of the scored time in atrial fibrillation by the reference and by the prediction; NaN for a head that
        does not know it.
    confused : str
        The commonest mistake, such as ``AFIB called NSR``.
    confused_hours : float
        Time lost to it.
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
    beats: Table | None,
    units_of: Mapping[str, Units],
    *,
    detector: str | None,
    history: str | None,
) -> list[RecordResult]:
    """Score each record by itself.

    Parameters
    ----------
    rpeaks, beats : table, optional
        Match counts and beat predictions.
    units_of : mapping of str to Units
        Rhythm predictions of the head to show, by corpus.
    detector, history : str, optional
        Which rows of the tables to use.

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
                hit, missed, false = (
                    float(values(rpeaks, f"{count}s")[rows].sum())
                    for count in ("true_positive", "false_negative", "false_positive")
                )
                result = result_of(corpus, record, subject)
                result.rpeak_sensitivity = float(ratio(hit, hit + missed))
                result.rpeak_predictivity = float(ratio(hit, hit + false))
                result.rpeak_f1 = float(ratio(2 * hit, 2 * hit + missed + false))
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
    chance = {f"p_{name}": values(beats, f"p_{name}")[rows] for name in BEAT_CLASSES}
    called = np.nan_to_num(probabilities(chance, BEAT_CLASSES), nan=-1.0).argmax(axis=1)
    names, reference = codes(part, "reference")
    found: dict[tuple[str, ...], dict[str, float]] = {}
    for key, of in grouped(part, ["corpus", "record", "subject"]):
        found[key] = {"S": NAN, "V": NAN}
        for name in found[key]:
            is_class = reference[of] == (names.index(name) if name in names else -1)
            is_called = called[of] == BEAT_CLASSES.index(name)
            if is_class.any():
                both = float((is_class & is_called).sum())
                found[key][name] = float(ratio(2 * both, float(is_class.sum() + is_called.sum())))
    return found


def _add_rhythm(result: RecordResult, units: Units, scored: NDArray[np.int64]) -> None:
    """Fill in what the scored units of a record say."""
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
        lost_s = np.bincount(pair[wrong], weights=duration_s[wrong])
        was, became = divmod(int(lost_s.argmax()), len(units.labels))
        result.confused = f"{units.labels[was]} called {units.labels[became]}"
        result.confused_hours = float(lost_s.max() / 3600)
