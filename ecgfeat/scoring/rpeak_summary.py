"""Scores of the R-peak detectors, pooled from the counts of the records."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfeat.scoring.beats import DETECTION_COUNTS, DETECTION_SCORES, detection_ratios, detection_scores
from ecgfeat.scoring.intervals import bootstrap_subjects, name_bounds, sum_by_subject
from ecgfeat.scoring.tables import Table, codes, column_names, grouped, values


def summarise_rpeaks(
    table: Table, *, detector: str | None = None, num_resamples: int, seed: int
) -> dict[str, dict[str, Any]]:
    """Pool the counts of the records into the scores of each detector.

    Parameters
    ----------
    table : pyarrow.Table or mapping
        One row per record and detector: ``corpus, subject, record, detector, true_positives, false_negatives,
        false_positives``, the same three with ``_after_5min``, ``offset_ms``, ``duration_s`` and ``usable_s``.
    detector : str, optional
        The detector whose R-peaks the pipeline uses; not needed if the table has only one.
    num_resamples, seed : int
        Of the bootstrap over subjects; 0 resamples: no intervals.

    Returns
    -------
    dict
        By corpus: ``sensitivity, positive_predictivity, f1`` (gross, whole records), the same ending in ``_after_5min``
        (without the learning period of EC57; absent if no record is that long) and in ``_record_mean``, the
        counts, ``offset_ms`` (median over records), ``duration_h`` and ``usable_h`` (length of the records, and of it
        what has beats and rhythms), ``interval``, and ``detectors`` with the same for every detector.

    Raises
    ------
    ValueError
        If a corpus has several detectors and `detector` is None, or if a corpus has no rows of `detector`.
    """
    summary: dict[str, dict[str, Any]] = {}
    by_detector: dict[str, dict[str, Any]] = {}
    for (corpus, name), rows in grouped(table, ["corpus", "detector"]):
        by_detector.setdefault(corpus, {})[name] = _detection(table, rows, num_resamples, seed)
    for corpus, scores in by_detector.items():
        chosen = detector if detector is not None else next(iter(scores))
        if chosen not in scores or (detector is None and len(scores) > 1):
            raise ValueError(f"rpeaks of {corpus}: detectors {sorted(scores)}; expected the name of the one in use")
        summary[corpus] = {**scores[chosen], "detectors": scores}
    return summary


def _detection(table: Table, rows: NDArray[np.int64], num_resamples: int, seed: int) -> dict[str, Any]:
    """Score one detector on one corpus."""
    subject_names, subject = codes(table, "subject")
    scores: dict[str, Any] = {"num_records": len(rows), "num_subjects": len(np.unique(subject[rows]))}
    for suffix in ("", "_after_5min"):
        if f"{DETECTION_COUNTS[0]}{suffix}" not in column_names(table):
            continue
        count = np.stack([values(table, f"{name}{suffix}")[rows] for name in DETECTION_COUNTS], axis=1)
        if not count.sum():
            continue
        scores |= detection_scores(count.astype(np.int64), suffix)
        if num_resamples:
            of_subject = sum_by_subject(subject[rows], count, len(subject_names))
            low, high = bootstrap_subjects(of_subject, detection_ratios, num_resamples=num_resamples, seed=seed)
            interval = scores.setdefault("interval", {})
            interval |= name_bounds([f"{name}{suffix}" for name in DETECTION_SCORES], low, high)
    if "offset_ms" in column_names(table):
        offset_ms = values(table, "offset_ms")[rows].astype(np.float64)
        offset_ms = offset_ms[np.isfinite(offset_ms)]
        scores["offset_ms"] = float(np.median(offset_ms)) if len(offset_ms) else math.nan
    for name in ("duration", "usable"):
        if f"{name}_s" in column_names(table):
            scores[f"{name}_h"] = float(values(table, f"{name}_s")[rows].sum() / 3600)
    return scores
