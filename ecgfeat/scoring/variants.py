"""Score variants of a run by their difference to the unchanged run.

Shape suffixes: G subjects, K classes.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfeat.scoring.beats import DETECTION_SCORES, detection_ratios
from ecgfeat.scoring.intervals import bootstrap_subjects
from ecgfeat.scoring.rhythm import class_f1, overall_scores
from ecgfeat.store.schemas import BEAT_CLASSES, RHYTHMS

AS_IT_IS = "as_it_is"
Counts = dict[str, NDArray[np.float64]]
"""By part, per subject: confusions of ``rhythm_per_beat`` and ``rhythm_per_second`` (G, 6, 6), the latter in hours, and
of ``beats`` (G, 3, 3); hits, misses and false detections of ``rpeaks`` (G, 3)."""


def headline(part: str, count: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the main score of a part: F1 of R-peaks, macro F1 of classes.

    Parameters
    ----------
    part : str
        Key of `Counts`.
    count : ndarray of float64, (..., 3) or (..., K, K)
        Summed counts.

    Returns
    -------
    ndarray of float64, (...)
        In [0, 1]; NaN without units.
    """
    if part == "rpeaks":
        return np.asarray(detection_ratios(count)[..., DETECTION_SCORES.index("f1")])
    return np.asarray(overall_scores(count)[..., 0])


def compare_variants(counts: dict[str, Counts], *, num_resamples: int, seed: int) -> dict[str, dict[str, Any]]:
    """Score every variant, and its difference to the unchanged run.

    Parameters
    ----------
    counts : dict of str to dict
        By variant: its `Counts`.
    num_resamples, seed : int
        Of the bootstrap over subjects. Both sides of a difference use the same resamples.

    Returns
    -------
    dict of str to dict
        By variant: ``rpeaks`` (sensitivity, positive_predictivity, f1, support), ``beats`` (macro_f1, f1, support),
        ``rhythm_per_beat`` (the same) and ``rhythm_per_second`` (macro_f1, f1, hours); and ``difference``: by part
        the change of F1 or macro F1, ``low`` and ``high`` (NaN below 5 subjects). A part without units is absent.
    """
    base = counts[AS_IT_IS]
    summary: dict[str, dict[str, Any]] = {}
    for name, of_part in counts.items():
        parts = [part for part, count in of_part.items() if count.sum() and base[part].sum()]
        summary[name] = {part: _scores(part, of_part[part].sum(axis=0)) for part in parts}
        if name == AS_IT_IS:
            continue
        difference = summary[name]["difference"] = {}
        for part in parts:
            pair = np.stack([base[part], of_part[part]], axis=1)

            def change(total: NDArray[np.float64], part: str = part) -> NDArray[np.float64]:
                return headline(part, total[:, 1]) - headline(part, total[:, 0])

            low, high = bootstrap_subjects(pair, change, num_resamples=num_resamples, seed=seed)
            value = change(pair.sum(axis=0)[None])[0]
            difference[part] = {"value": float(value), "low": float(low), "high": float(high)}
    return summary


def _scores(part: str, total: NDArray[np.float64]) -> dict[str, Any]:
    if part == "rpeaks":
        scores = dict(zip(DETECTION_SCORES, detection_ratios(total).tolist(), strict=True))
        return scores | {"support": int(total[0] + total[1])}
    classes = BEAT_CLASSES if part == "beats" else RHYTHMS
    support = total.sum(axis=1)
    of_class = [(name, f1, size) for name, f1, size in zip(classes, class_f1(total), support, strict=True) if size]
    unit, kind = ("hours", float) if part == "rhythm_per_second" else ("support", int)
    return {
        "macro_f1": float(overall_scores(total)[0]),
        "f1": {name: float(f1) for name, f1, _ in of_class},
        unit: {name: kind(size) for name, _, size in of_class},
    }
