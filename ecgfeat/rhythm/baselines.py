"""Name rhythms without a network, from the RR intervals of one record: the baselines of every model.

``majority`` predicts the shares of the rhythms; ``rr_rules`` reads rate and irregularity; ``rr_logistic`` is a
multinomial logistic regression on a few figures of the neighbourhood of a beat. Once fitted, all are plain numbers.

Shape suffixes: L beats of a record, N beats of all records, D features, K classes.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import median_filter, percentile_filter

from ecgfeat.errors import DataError
from ecgfeat.records.annotations import rhythm_at
from ecgfeat.rhythm.features import MAX_RR_S
from ecgfeat.rhythm.records import RhythmRecord
from ecgfeat.scoring.rhythm import class_codes, confusion_matrix, overall_scores
from ecgfeat.store.schemas import RHYTHMS

SLOW_PER_MIN = 60.0
"""Sinus rhythm below this rate is bradycardia: the textbooks' limit."""

IRREGULAR = tuple(percent / 100 for percent in range(2, 21))
"""Irregularities tried on the training beats: median change from beat to beat over the median interval."""

NAMEABLE = ("NSR", "AFIB", "SBR")
"""The rhythms that the rules can predict."""

LEAST_SURE = 0.5
"""Lower bound of ``sureness``, so that the prediction of the rules stays the most probable rhythm."""

SHARE_POWER = 0.5
"""A rhythm weighs this power of its share of the training beats: between as it is (1) and all alike (0)."""

MIN_RR_S = 0.15
"""Shorter intervals are false detections, not rhythm, and count as this long."""

USUAL_RR_S = 0.8
"""Taken where a record has no interval at all."""

RULES_BEATS = 31
"""Beats whose rate and irregularity the rules read."""

WINDOWS_BEATS = (11, 61)
NEIGHBOURHOOD_FEATURES = (
    "log_median_rr", "log_spread", "log_rmssd", "log_median_change", "pnn50", "turning_rate", "repeat_1", "repeat_2",
)  # fmt: skip
BEAT_FEATURES = ("log_ratio_before", "log_ratio_own", "log_ratio_next")
FEATURES = tuple(f"{name}_{n}" for n in WINDOWS_BEATS for name in NEIGHBOURHOOD_FEATURES) + BEAT_FEATURES
FLOOR = 0.01
"""Added to ratios before their logarithm: intervals are read to 1/128 s, one per cent of a second."""


def apply_rules(
    rate_per_min: NDArray[np.float64], irregularity: NDArray[np.float64], irregular: float
) -> NDArray[np.int64]:
    """Choose a rhythm: irregular is AFIB, else slow is SBR, else NSR.

    Parameters
    ----------
    rate_per_min, irregularity : ndarray, (L,)
        As `rule_figures` returns them.
    irregular : float
        Irregularity from which on it is AFIB. It comes first: sinus bradycardia is regular, slow fibrillation not.

    Returns
    -------
    ndarray, (L,) int64
        Index into `RHYTHMS`.
    """
    nsr, afib, sbr = (RHYTHMS.index(name) for name in NAMEABLE)
    return np.where(irregularity >= irregular, afib, np.where(rate_per_min < SLOW_PER_MIN, sbr, nsr))


def fit_baselines(records: Sequence[RhythmRecord], *, max_beats: int) -> dict[str, Any]:
    """Fit the three heads.

    Parameters
    ----------
    records : sequence of RhythmRecord
        Training records: their R-peaks and reference episodes are read, never embeddings or beat labels.
    max_beats : int
        Most training beats of the regression, a sixth of them of each rhythm.

    Returns
    -------
    dict
        Plain numbers: ``classes`` and, by head, what `predict_baseline` reads.

    Raises
    ------
    DataError
        If no training beat is in one of the six rhythms.

    Notes
    -----
    * ``rr_rules``: the rate is the textbooks'; the irregularity is that of `IRREGULAR` with the best macro F1 over
      the training beats of the three rhythms that the rules can predict, the middle one of equals; ``sureness`` is the
      accuracy on those of all six.
    * ``rr_logistic`` is trained on beats evenly spaced over all beats of a rhythm. Five powers of the shares were
      tried, and beats spaced so or drawn from each episode alike: these are near the best on the validation records
      of LTAFDB.
    """
    labels = [class_codes(rhythm_at(record.sample, record.episodes), RHYTHMS) for record in records]
    label_N = np.concatenate([*labels, np.zeros(0, dtype=np.int64)])
    is_labelled = label_N >= 0
    if not is_labelled.any():
        raise DataError("training records", found="no beat in a rhythm of the task", expected=" ".join(RHYTHMS))
    share = np.bincount(label_N[is_labelled], minlength=len(RHYTHMS)) / is_labelled.sum()
    return {
        "classes": list(RHYTHMS),
        "majority": {"share": share.tolist()},
        "rr_rules": _fit_rules(records, label_N),
        "rr_logistic": _fit_logistic(records, label_N, share, max_beats),
    }


def _fit_rules(records: Sequence[RhythmRecord], label_N: NDArray[np.int64]) -> dict[str, float]:
    figures = [rule_figures(record.rr_s) for record in records]
    rate_N, irregularity_N = (np.concatenate(parts) for parts in zip(*figures, strict=True))
    is_nameable = np.isin(label_N, [RHYTHMS.index(name) for name in NAMEABLE])

    def macro_f1(irregular: float) -> float:
        predicted_N = apply_rules(rate_N, irregularity_N, irregular)
        confusion_KK = confusion_matrix(label_N[is_nameable], predicted_N[is_nameable], len(RHYTHMS))
        return float(overall_scores(confusion_KK)[0])

    scores = np.nan_to_num([macro_f1(irregular) for irregular in IRREGULAR])
    best = np.flatnonzero(scores == scores.max())
    irregular = IRREGULAR[best[len(best) // 2]]
    accuracy = (apply_rules(rate_N, irregularity_N, irregular) == label_N)[label_N >= 0].mean()
    return {"irregular": irregular, "sureness": max(float(accuracy), LEAST_SURE)}


def _fit_logistic(
    records: Sequence[RhythmRecord], label_N: NDArray[np.int64], share_K: NDArray[np.float64], max_beats: int
) -> dict[str, Any]:
    chosen = sample_beats(label_N, max_beats // len(RHYTHMS))
    start = np.cumsum([0, *(len(record.sample) for record in records)])
    rows = np.split(chosen, np.searchsorted(chosen, start[1:-1]))
    feature_ND = np.concatenate(
        [
            rr_features(record.rr_s)[rows_L - first]
            for record, rows_L, first in zip(records, rows, start[:-1], strict=True)
        ]
    )
    label = label_N[chosen]
    mean_D, scale_D = feature_ND.mean(axis=0, dtype=np.float64), feature_ND.std(axis=0, dtype=np.float64)
    scale_D[scale_D < 1e-6] = 1.0
    codes, count = np.unique(label, return_counts=True)
    weight_KD, bias_K = np.zeros((len(codes), len(FEATURES))), np.zeros(len(codes))
    if len(codes) > 1:
        # Imported here: only fitting needs them.
        from sklearn.linear_model import LogisticRegression
        from threadpoolctl import threadpool_limits

        weight = (share_K[codes] ** SHARE_POWER / count)[np.searchsorted(codes, label)]
        # One thread: another order of the sums would change the last digits of what is saved.
        with threadpool_limits(1):
            model = LogisticRegression(max_iter=1000)
            model.fit((feature_ND - mean_D) / scale_D, label, sample_weight=weight / weight.mean())
        weight_KD, bias_K = model.coef_, model.intercept_
        if len(codes) == 2:  # one row, the logit of the second class
            weight_KD, bias_K = np.concatenate([-weight_KD, weight_KD]) / 2, np.append(-bias_K, bias_K) / 2
    return {
        "features": list(FEATURES),
        "classes": [RHYTHMS[code] for code in codes],
        "num_beats": len(label),
        "mean": mean_D.tolist(),
        "scale": scale_D.tolist(),
        "weight": weight_KD.tolist(),
        "bias": bias_K.tolist(),
    }


def sample_beats(label_N: NDArray[np.int64], beats_per_class: int) -> NDArray[np.int64]:
    """Choose training beats: all of a rare rhythm, evenly spaced ones of a common rhythm.

    Parameters
    ----------
    label_N : ndarray of int64, (N,)
        Rhythm of each beat, record after record; -1 for none of the task.
    beats_per_class : int
        Most beats of one rhythm.

    Returns
    -------
    ndarray of int64
        Rows of the chosen beats, ascending.
    """
    chosen = [np.zeros(0, dtype=np.int64)]
    for code in range(len(RHYTHMS)):
        row = np.flatnonzero(label_N == code)
        count = min(len(row), beats_per_class)
        chosen.append(row[np.arange(count) * len(row) // max(count, 1)])
    return np.sort(np.concatenate(chosen))


def read_baselines(path: Path) -> dict[str, Any]:
    """Read fitted baselines from a JSON file.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    dict
        For `predict_baseline`.

    Raises
    ------
    DataError
        If there is no such file, or it is of other classes or features.
    """
    again = "Run: dvc repro train_baselines"
    try:
        fitted: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise DataError(str(path), found="no readable JSON", expected="fitted baselines", remedy=again) from error
    kept = (fitted.get("classes"), fitted.get("rr_logistic", {}).get("features"))
    if kept != (list(RHYTHMS), list(FEATURES)) or not BASELINES.keys() <= fitted.keys():
        raise DataError(
            str(path), found="other heads, classes or features", expected="those of this version", remedy=again
        )
    return fitted


def predict_baseline(fitted: dict[str, Any], head: str, rr_s: ArrayLike) -> NDArray[np.float32]:
    """Give each beat of one record a posterior over the six rhythms.

    Parameters
    ----------
    fitted : dict
        As `fit_baselines` or `read_baselines` returns it.
    head : {'majority', 'rr_rules', 'rr_logistic'}
        Which.
    rr_s : array_like, (L,)
        Interval to the beat before in seconds; NaN at the first beat. Nothing else of the record is read.

    Returns
    -------
    ndarray, (L, 6) float32
        Rows add up to 1. Of ``rr_rules``: ``sureness`` for its prediction, the rest shared evenly. Of ``rr_logistic``:
        0 for a rhythm without a training beat.

    Raises
    ------
    ValueError
        If there is no such head.
    """
    if head not in BASELINES:
        raise ValueError(f"head {head!r}; expected one of {', '.join(BASELINES)}")
    return BASELINES[head](fitted[head], rr_s)


def score_baselines(fitted: dict[str, Any], records: Sequence[RhythmRecord]) -> dict[str, float]:
    """Score every head beat by beat.

    Parameters
    ----------
    fitted : dict
        As `fit_baselines` returns it.
    records : sequence of RhythmRecord
        Records with reference episodes, such as the validation records.

    Returns
    -------
    dict of str to float
        Macro F1 by head.
    """
    label_N = np.concatenate([class_codes(rhythm_at(record.sample, record.episodes), RHYTHMS) for record in records])
    scores = {}
    for head in BASELINES:
        predicted_N = np.concatenate([predict_baseline(fitted, head, record.rr_s).argmax(axis=1) for record in records])
        scores[head] = overall_scores(confusion_matrix(label_N, predicted_N, len(RHYTHMS)))[0]
    return scores


def _predict_majority(fitted: dict[str, Any], rr_s: ArrayLike) -> NDArray[np.float32]:
    return np.tile(np.asarray(fitted["share"], dtype=np.float32), (len(np.asarray(rr_s)), 1))


def _predict_rules(fitted: dict[str, Any], rr_s: ArrayLike) -> NDArray[np.float32]:
    predicted = apply_rules(*rule_figures(rr_s), fitted["irregular"])
    rest = (1.0 - fitted["sureness"]) / (len(RHYTHMS) - 1)
    posterior_LK = np.full((len(predicted), len(RHYTHMS)), rest, dtype=np.float32)
    posterior_LK[np.arange(len(predicted)), predicted] = fitted["sureness"]
    return posterior_LK


def _predict_logistic(fitted: dict[str, Any], rr_s: ArrayLike) -> NDArray[np.float32]:
    scaled_LD = (rr_features(rr_s) - np.asarray(fitted["mean"])) / np.asarray(fitted["scale"])
    logits_LK = scaled_LD @ np.asarray(fitted["weight"]).T + np.asarray(fitted["bias"])
    odds_LK = np.exp(logits_LK - logits_LK.max(axis=1, keepdims=True))
    posterior_LK = np.zeros((len(scaled_LD), len(RHYTHMS)), dtype=np.float32)
    posterior_LK[:, [RHYTHMS.index(name) for name in fitted["classes"]]] = odds_LK / odds_LK.sum(axis=1, keepdims=True)
    return posterior_LK


BASELINES: dict[str, Callable[[dict[str, Any], ArrayLike], NDArray[np.float32]]] = {
    "majority": _predict_majority,
    "rr_rules": _predict_rules,
    "rr_logistic": _predict_logistic,
}
"""The heads by name."""


def fill_rr(rr_s: ArrayLike) -> NDArray[np.float64]:
    """Fill and clip the intervals of a record.

    Parameters
    ----------
    rr_s : array_like, (L,)
        Interval to the beat before in seconds; NaN where there is none, as at the first beat.

    Returns
    -------
    ndarray, (L,) float64
        In [0.15, 3] s. An unknown interval is that of its neighbours; a record without any is at 75/min.
    """
    rr = np.asarray(rr_s, dtype=np.float64)
    at = np.flatnonzero(np.isfinite(rr))
    filled = np.interp(np.arange(len(rr)), at, rr[at]) if len(at) else np.full(len(rr), USUAL_RR_S)
    return np.clip(filled, MIN_RR_S, MAX_RR_S)


class _Neighbourhood:
    """Figures over the ``num_beats`` beats around each beat; near the ends of a record over its nearest such beats."""

    def __init__(self, num_beats: int, size: int) -> None:
        self.width = min(num_beats, (size - 1) // 2 * 2 + 1)
        half = self.width // 2
        self.centre = np.clip(np.arange(size), half, size - 1 - half)

    def mean(self, value_L: NDArray[np.float64]) -> NDArray[np.float64]:
        total = np.concatenate([[0.0], np.cumsum(value_L)])
        start = self.centre - self.width // 2
        return (total[start + self.width] - total[start]) / self.width

    def median(self, value_L: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(median_filter(value_L, self.width)[self.centre], dtype=np.float64)

    def spread(self, value_L: NDArray[np.float64]) -> NDArray[np.float64]:
        high, low = (percentile_filter(value_L, percent, self.width) for percent in (75, 25))
        return np.asarray((high - low)[self.centre], dtype=np.float64)


def rr_features(rr_s: ArrayLike) -> NDArray[np.float32]:
    """Describe each beat of one record by the intervals around it.

    Parameters
    ----------
    rr_s : array_like, (L,)
        Interval to the beat before in seconds; NaN at the first beat.

    Returns
    -------
    ndarray, (L, 19) float32
        The columns `FEATURES`. Over 11 and over 61 beats: logarithms of the median interval (s) and, each over the
        median or mean interval, of the quartile range, of the root mean square and of the median of the changes from
        beat to beat; share of changes above 50 ms; share of turning points; correlation of the intervals with those
        one and two beats later (-1 and 1 in bigeminy). Of the beat: logarithm of the interval before, of its own and
        of the next over the median of 11.
    """
    rr = fill_rr(rr_s)
    size = len(rr)
    if not size:
        return np.zeros((0, len(FEATURES)), dtype=np.float32)
    change = np.diff(rr, prepend=rr[:1])
    step = np.abs(change)
    turns = np.zeros(size)
    turns[1:-1] = change[1:-1] * change[2:] < 0
    columns, medians = [], []
    for num_beats in WINDOWS_BEATS:
        around = _Neighbourhood(num_beats, size)
        median, mean = around.median(rr), around.mean(rr)
        medians.append(median)
        variance = around.mean(rr**2) - mean**2 + FLOOR**2
        following = [shifted(rr, lag) for lag in (1, 2)]
        columns += [
            np.log(median),
            np.log(around.spread(rr) / median + FLOOR),
            np.log(np.sqrt(np.maximum(around.mean(change**2), 0)) / mean + FLOOR),
            np.log(around.median(step) / median + FLOOR),
            around.mean((step > 0.05).astype(np.float64)),
            around.mean(turns),
            *((around.mean(rr * later) - mean * around.mean(later)) / variance for later in following),
        ]
    columns += [np.log(shifted(rr, lag) / medians[0]) for lag in (-1, 0, 1)]
    return np.stack(columns, axis=1).astype(np.float32)


def shifted(value_L: NDArray[np.float64], lag: int) -> NDArray[np.float64]:
    """Return the value ``lag`` beats later; the nearest there is at the ends."""
    return value_L[np.clip(np.arange(len(value_L)) + lag, 0, len(value_L) - 1)]


def rule_figures(rr_s: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the figures that the rules read.

    Parameters
    ----------
    rr_s : array_like, (L,)
        Interval to the beat before in seconds; NaN at the first beat.

    Returns
    -------
    rate_per_min : ndarray, (L,) float64
        60 s over the median interval of 31 beats.
    irregularity : ndarray, (L,) float64
        Median change of the interval from beat to beat over the median interval, in the same beats. Medians, so that a
        few ectopic beats do not make a sinus rhythm irregular.
    """
    rr = fill_rr(rr_s)
    if not len(rr):
        return rr, rr
    around = _Neighbourhood(RULES_BEATS, len(rr))
    median = around.median(rr)
    return 60.0 / median, around.median(np.abs(np.diff(rr, prepend=rr[:1]))) / median
