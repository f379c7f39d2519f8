"""Results of each record, worst first, with the most confident error of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfeat.report.strip import Ribbon
from ecgfeat.scoring.beats import BEAT_CLASSES
from ecgfeat.scoring.rhythm import ratio
from ecgfeat.scoring.summary import Table, codes, column_names, grouped, probabilities, rhythm_classes, values

NAN = float("nan")


@dataclass
class RecordResult:
    """Scores of one record; NaN where a table does not hold it.

    Attributes
    ----------
    corpus, record, subject : str
        Which record.
    rpeak_sensitivity, rpeak_predictivity, rpeak_f1 : float
        Over the whole record.
    num_beats : int
        Scored beats.
    v_f1, s_f1 : float
        F1 of the ectopic beats; NaN without any.
    hours : float
        Scored time.
    accuracy : float
        Fraction of the scored time with the right rhythm.
    confused : str
        The commonest mistake, such as ``AFIB called NSR``.
    confused_hours : float
        Time lost to it.
    error_start_s, error_stop_s, error_probability : float
        The unit with the highest probability for a wrong rhythm.
    error : str
        What it was and what it was called.
    """

    corpus: str
    record: str
    subject: str = ""
    rpeak_sensitivity: float = NAN
    rpeak_predictivity: float = NAN
    rpeak_f1: float = NAN
    num_beats: int = 0
    v_f1: float = NAN
    s_f1: float = NAN
    hours: float = NAN
    accuracy: float = NAN
    confused: str = ""
    confused_hours: float = 0.0
    error_start_s: float = NAN
    error_stop_s: float = NAN
    error_probability: float = NAN
    error: str = ""

    @property
    def rank(self) -> tuple[float, float, str, str]:
        """Order of records: lowest rhythm accuracy first, then lowest R-peak F1, then by name."""
        accuracy = 2.0 if np.isnan(self.accuracy) else self.accuracy
        f1 = 2.0 if np.isnan(self.rpeak_f1) else self.rpeak_f1
        return accuracy, f1, self.corpus, self.record


def collect_records(
    *,
    rpeaks: Table | None,
    beats: Table | None,
    rhythm: Table | None,
    detector: str | None,
    history: str | None,
    head: str | None,
    protocol: str | None,
    view: str,
    fs_hz: float,
) -> list[RecordResult]:
    """Score each record by itself.

    Parameters
    ----------
    rpeaks, beats, rhythm : table, optional
        Prediction tables.
    detector, history, head, protocol, view : str, optional
        Which rows of them to use.
    fs_hz : float
        Rate of the samples in the rhythm table.

    Returns
    -------
    list of RecordResult
        Worst first.
    """
    results: dict[tuple[str, str], RecordResult] = {}
    if rpeaks is not None:
        for (corpus, name, of), rows in grouped(rpeaks, ["corpus", "record", "detector"]):
            if detector in (None, of):
                hit, missed, false = (
                    float(values(rpeaks, f"{count}s")[rows].sum())
                    for count in ("true_positive", "false_negative", "false_positive")
                )
                result = _result(results, rpeaks, corpus, name, rows)
                result.rpeak_sensitivity = float(ratio(hit, hit + missed))
                result.rpeak_predictivity = float(ratio(hit, hit + false))
                result.rpeak_f1 = float(ratio(2 * hit, 2 * hit + missed + false))
    if beats is not None and len(column_names(beats)):
        reference_names, reference = codes(beats, "reference")
        called = np.nan_to_num(probabilities(beats, BEAT_CLASSES), nan=-1.0).argmax(axis=1)
        for (corpus, split, of, name), rows in grouped(beats, ["corpus", "split", "history", "record"]):
            if split == "test" and of == history:
                result = _result(results, beats, corpus, name, rows)
                result.num_beats = len(rows)
                truth = np.array(reference_names, dtype=object)[reference[rows]]
                call = np.array(BEAT_CLASSES, dtype=object)[called[rows]]
                result.s_f1, result.v_f1 = (_f1(truth == c, call == c) for c in ("S", "V"))
    if rhythm is not None:
        _add_rhythm(results, rhythm, head, protocol, view, fs_hz)
    return sorted(results.values(), key=lambda result: result.rank)


def _result(
    results: dict[tuple[str, str], RecordResult], table: Table, corpus: str, name: str, rows: NDArray[np.int64]
) -> RecordResult:
    """Return the record's entry, made on first use."""
    entry = results.setdefault((corpus, name), RecordResult(corpus, name))
    if not entry.subject:
        entry.subject = str(table["subject"][int(rows[0])])
    return entry


def _f1(is_class: NDArray[np.bool_], is_called: NDArray[np.bool_]) -> float:
    """Return the F1 of a class, NaN if the record has none of it."""
    if not is_class.any():
        return NAN
    return float(ratio(2.0 * (is_class & is_called).sum(), float(is_class.sum() + is_called.sum())))


def _add_rhythm(
    results: dict[tuple[str, str], RecordResult],
    table: Table,
    head: str | None,
    protocol: str | None,
    view: str,
    fs_hz: float,
) -> None:
    """Fill in what the rhythm table says of each record."""
    classes = rhythm_classes(table)
    reference_names, reference = codes(table, "reference")
    code_of = np.array([classes.index(n) if n in classes else -1 for n in reference_names], dtype=np.int64)
    chance = np.nan_to_num(probabilities(table, classes), nan=0.0)
    start_s, stop_s = (values(table, name) / fs_hz for name in ("start_sample", "stop_sample"))
    for (of_head, of_protocol, of_view, corpus, name), rows in grouped(
        table, ["head", "protocol", "view", "corpus", "record"]
    ):
        if (of_head, of_protocol, of_view) != (head, protocol, view):
            continue
        truth = code_of[reference[rows]]
        rows, truth = rows[truth >= 0], truth[truth >= 0]
        if not len(rows):
            continue
        result = _result(results, table, corpus, name, rows)
        call, duration_s = chance[rows].argmax(axis=1), stop_s[rows] - start_s[rows]
        wrong = call != truth
        result.hours = float(duration_s.sum() / 3600)
        result.accuracy = float(1 - ratio(duration_s[wrong].sum(), duration_s.sum()))
        if wrong.any():
            pair = truth * len(classes) + call
            lost_s = np.bincount(pair[wrong], weights=duration_s[wrong], minlength=len(classes) ** 2)
            was, became = divmod(int(lost_s.argmax()), len(classes))
            result.confused, result.confused_hours = f"{classes[was]} called {classes[became]}", lost_s.max() / 3600
            surest = int(np.where(wrong, chance[rows, call], -1).argmax())
            result.error = f"{classes[truth[surest]]} called {classes[call[surest]]}"
            result.error_probability = float(chance[rows[surest], call[surest]])
            result.error_start_s, result.error_stop_s = float(start_s[rows[surest]]), float(stop_s[rows[surest]])


def rhythm_ribbons(
    table: Table, head: str, protocol: str, view: str, fs_hz: float
) -> dict[tuple[str, str], list[Ribbon]]:
    """Return the reference and the prediction of each record as ribbons of merged units.

    Parameters
    ----------
    table : pyarrow.Table or mapping
        Rhythm predictions.
    head, protocol, view : str
        Which rows.
    fs_hz : float
        Rate of the samples.

    Returns
    -------
    dict
        By corpus and record: the ribbon of the reference, then that of the prediction.
    """
    reference_names, reference = codes(table, "reference")
    classes = rhythm_classes(table)
    chance = np.nan_to_num(probabilities(table, classes), nan=-1.0)
    start, stop = values(table, "start_sample"), values(table, "stop_sample")
    found: dict[tuple[str, str], list[Ribbon]] = {}
    for (of_head, of_protocol, of_view, corpus, record), rows in grouped(
        table, ["head", "protocol", "view", "corpus", "record"]
    ):
        if (of_head, of_protocol, of_view) == (head, protocol, view):
            at = rows[np.argsort(start[rows], kind="stable")]
            start_s, stop_s = start[at] / fs_hz, stop[at] / fs_hz
            found[corpus, record] = [
                _merged("reference", start_s, stop_s, reference[at], reference_names),
                _merged("predicted", start_s, stop_s, chance[at].argmax(axis=1), classes),
            ]
    return found


def _merged(title: str, start_s: Any, stop_s: Any, code: NDArray[np.int64], names: Sequence[str]) -> Ribbon:
    """Merge neighbouring units of one rhythm; a gap of more than 2 s stays a gap."""
    breaks = np.flatnonzero((np.diff(code) != 0) | (start_s[1:] - stop_s[:-1] > 2.0)) + 1
    first = np.concatenate([[0], breaks])
    last = np.concatenate([breaks, [len(code)]]) - 1
    return Ribbon(title, start_s[first], stop_s[last], [names[k] for k in code[first]])
