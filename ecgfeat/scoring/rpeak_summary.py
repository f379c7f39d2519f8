"""Scores of the R-peak detectors, pooled from the counts of the records."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfeat.scoring.beats import DETECTION_SCORES, detection_ratios
from ecgfeat.scoring.intervals import bootstrap_subjects, name_bounds, sum_by_subject
from ecgfeat.scoring.tables import Table, codes, column_names, grouped, values

_COUNTS = ("true_positives", "false_negatives", "false_positives")


def summarise_rpeaks(
    table: Table, *, detector: str | None = None, num_resamples: int = 1000, seed: int
) -> dict[str, dict[str, Any]]:
    """Pool the match counts of the records into the scores of each detector.

    Parameters
    ----------
    table : pyarrow.Table or mapping
        One row per record and detector: ``corpus, subject, record, detector, true_positives, false_negatives,
        false_positives``, the same three with ``_after_5min``, and ``offset_ms``.
    detector : str, optional
        The detector whose R-peaks the pipeline uses; may be left out if the table has only one.
    num_resamples, seed : int
        Of the bootstrap over subjects; 0 resamples give no intervals.

    Returns
    -------
    dict
        By corpus: ``sensitivity, positive_predictivity, f1`` (gross, whole records), the same ending in ``_after_5min``
        (the learning period of EC57 left out; absent if no record is that long) and in ``_record_mean``, the
        counts, ``offset_ms`` (median over records), ``interval``, and ``detectors`` with the same for every detector.

    Raises
    ------
    ValueError
        If `detector` is left out and a corpus has several, or if a corpus has no rows of it.
    """
    summary: dict[str, dict[str, Any]] = {}
    by_detector: dict[str, dict[str, Any]] = {}
    for (corpus, name), rows in grouped(table, ["corpus", "detector"]):
        by_detector.setdefault(corpus, {})[name] = _detection(table, rows, num_resamples, seed)
    for corpus, scores in by_detector.items():
        chosen = detector if detector is not None else next(iter(scores))
        if chosen not in scores or (detector is None and len(scores) > 1):
            raise ValueError(f"rpeaks of {corpus}: detectors {sorted(scores)}; expected to be told which one is used")
        summary[corpus] = {**scores[chosen], "detectors": scores}
    return summary


def _detection(table: Table, rows: NDArray[np.int64], num_resamples: int, seed: int) -> dict[str, Any]:
    """Score one detector on one corpus."""
    subject_names, subject = codes(table, "subject")
    scores: dict[str, Any] = {"num_records": len(rows), "num_subjects": len(np.unique(subject[rows]))}
    for suffix in ("", "_after_5min"):
        if f"{_COUNTS[0]}{suffix}" not in column_names(table):
            continue
        count = np.stack([values(table, f"{name}{suffix}")[rows] for name in _COUNTS], axis=1).astype(np.float64)
        if not count.sum():
            continue
        pooled = detection_ratios(count.sum(axis=0))
        each = detection_ratios(count)
        total = count.sum(axis=0).astype(np.int64).tolist()
        scores |= {f"{name}{suffix}": n for name, n in zip(_COUNTS, total, strict=True)}
        for index, name in enumerate(DETECTION_SCORES):
            defined = each[:, index][~np.isnan(each[:, index])]
            scores[f"{name}{suffix}"] = float(pooled[index])
            scores[f"{name}{suffix}_record_mean"] = float(defined.mean()) if len(defined) else math.nan
        if num_resamples:
            of_subject = sum_by_subject(subject[rows], count, len(subject_names))
            low, high = bootstrap_subjects(of_subject, detection_ratios, num_resamples=num_resamples, seed=seed)
            interval = scores.setdefault("interval", {})
            interval |= name_bounds([f"{name}{suffix}" for name in DETECTION_SCORES], low, high)
    if "offset_ms" in column_names(table):
        offset_ms = values(table, "offset_ms")[rows].astype(np.float64)
        offset_ms = offset_ms[np.isfinite(offset_ms)]
        scores["offset_ms"] = float(np.median(offset_ms)) if len(offset_ms) else math.nan
    return scores
