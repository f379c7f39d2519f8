"""Scores of the beat classes, beat by beat and run by run, over whole records and after the first five minutes.

References
----------
ANSI/AAMI EC57:2012, clause 4.3: the first five minutes of a record are not scored, nor are beats during ventricular
flutter or fibrillation.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfeat.scoring.beats import (
    DETECTION_SCORES,
    EXCUSED,
    FLUTTER,
    LEARNING_S,
    MATCH_WINDOW_S,
    beat_class_scores,
    detection_ratios,
)
from ecgfeat.scoring.intervals import bootstrap_subjects, name_bounds, sum_by_subject
from ecgfeat.scoring.runs import run_scores
from ecgfeat.scoring.tables import Table, codes, grouped, values
from ecgfeat.store.schemas import BEAT_CLASSES

SCORED_SPLIT = "test"


def summarise_beats(table: Table, *, fs_hz: float, num_resamples: int, seed: int) -> dict[str, dict[str, Any]]:
    """Score the beat classes of the test records, by corpus and by source of the labels of the preceding beats.

    Parameters
    ----------
    table : pyarrow.Table or mapping
        One row per beat and history: ``corpus, subject, record, split, history, sample, reference, rhythm,
        predicted``. A beat without a predicted class counts as missed.
    fs_hz : float
        Sampling rate of ``sample``.
    num_resamples, seed : int
        Of the bootstrap over subjects; 0 resamples: no intervals.

    Returns
    -------
    dict
        By corpus and history: ``<c>_sensitivity, <c>_positive_predictivity, <c>_f1, <c>_false_positive_rate,
        <c>_support, <c>_subjects`` for c in n, s, v, where every wrong class is an error; ``bxb``, the same four ratios
        with the exceptions of EC57, and their ``interval``; ``runs``, as `run_scores` returns it; ``interval`` of
        sensitivity, positive predictivity and F1; ``num_beats``, ``num_subjects``. These are the scores of whole
        records. ``after_5min`` has the same scores without the first
        five minutes and without ventricular flutter (absent if no beat is left).

    Notes
    -----
    * For a matched beat, the position of its R-peak decides whether it lies in the first five minutes. EC57 uses the
      reference beat, which is at most 150 ms away.
    * `count_detections` and these tables leave out the same beats of ventricular flutter: a matched or missed beat by
      the rhythm at its reference beat, an extra detection by the rhythm at its own position.
    """
    summary: dict[str, dict[str, Any]] = {}
    reference_names, reference = codes(table, "reference")
    rhythm_names, rhythm = codes(table, "rhythm")
    is_flutter = np.array([name == FLUTTER for name in rhythm_names], dtype=bool)
    _, subject = codes(table, "subject")
    _, record = codes(table, "record")
    sample = values(table, "sample").astype(np.int64)
    predicted_names, predicted = codes(table, "predicted")
    reference_aami, predicted_aami = (np.array(names, dtype=np.str_) for names in (reference_names, predicted_names))
    for (corpus, split, history), group in grouped(table, ["corpus", "split", "history"]):
        rows = group[np.lexsort((sample[group], record[group]))]
        truth, call = reference_aami[reference[rows]], predicted_aami[predicted[rows]]
        if split != SCORED_SPLIT or not (truth != "").any():
            continue  # without reference classes every predicted class would count as an error
        columns = (truth, call, subject[rows], record[rows], sample[rows])
        counted = (sample[rows] >= LEARNING_S * fs_hz) & ~is_flutter[rhythm[rows]]
        draws: dict[str, Any] = {"fs_hz": fs_hz, "num_resamples": num_resamples, "seed": seed}
        scores = _score(*columns, np.ones(len(rows), dtype=bool), **draws)
        if (truth[counted] != "").any():
            scores["after_5min"] = _score(*columns, counted, **draws)
        summary.setdefault(corpus, {})[history] = scores
    return summary


def _score(
    truth: NDArray[np.str_],
    call: NDArray[np.str_],
    subject: NDArray[np.int64],
    record: NDArray[np.int64],
    sample: NDArray[np.int64],
    counted: NDArray[np.bool_],
    *,
    fs_hz: float,
    num_resamples: int,
    seed: int,
) -> dict[str, Any]:
    """Score the counted rows of one corpus and history. Rows are sorted by record and sample."""
    # A run must not continue over rows that are not counted: a new stretch begins at each of them.
    stretch = np.cumsum((np.diff(record, prepend=record[:1]) != 0) | ~counted)
    truth, call, subject = truth[counted], call[counted], subject[counted]
    scores: dict[str, Any] = dict(beat_class_scores(truth, call))
    bxb = beat_class_scores(truth, call, counting="bxb")
    scores["bxb"] = {name: value for name, value in bxb.items() if not name.endswith("_support")}
    scores["num_beats"], scores["num_subjects"] = len(truth), len(np.unique(subject))
    scores["runs"] = run_scores(
        truth, call, stretch[counted], sample[counted], window_samples=int(MATCH_WINDOW_S * fs_hz + 1e-9)
    )
    for name in BEAT_CLASSES:
        scores[f"{name.lower()}_subjects"] = len(np.unique(subject[truth == name]))
    if num_resamples:
        draws: dict[str, Any] = {"num_resamples": num_resamples, "seed": seed}
        scores["interval"] = _intervals(truth, call, subject, "plain", **draws)
        scores["bxb"]["interval"] = _intervals(truth, call, subject, "bxb", **draws)
    return scores


def _intervals(
    truth: NDArray[np.str_], call: NDArray[np.str_], subject: NDArray[np.int64], counting: str, **draws: int
) -> dict[str, dict[str, float]]:
    """Bootstrap the scores of each class over subjects."""
    count = np.zeros((len(truth), len(BEAT_CLASSES), 3))
    for index, name in enumerate(BEAT_CLASSES):
        is_class, is_called = truth == name, call == name
        count[:, index, 0] = is_class & is_called
        count[:, index, 1] = is_class & ~is_called
        count[:, index, 2] = ~is_class & is_called & ~np.isin(truth, EXCUSED[counting].get(name, ()))
    of_subject = sum_by_subject(subject, count, int(subject.max()) + 1)
    low, high = bootstrap_subjects(of_subject, detection_ratios, **draws)
    names = [f"{name.lower()}_{score}" for name in BEAT_CLASSES for score in DETECTION_SCORES]
    return name_bounds(names, low.ravel(), high.ravel())
