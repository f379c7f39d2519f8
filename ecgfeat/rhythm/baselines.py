"""Name rhythms without a network, from the RR intervals of one record: the baselines of every model.

``majority`` predicts the shares of the rhythms; ``rr_rules`` reads rate and irregularity; ``rr_logistic`` is a
multinomial logistic regression on a few figures of the neighbourhood of a beat. Once fitted, all are plain numbers.

Shape suffixes: L beats of a record, N beats of all records, D features, K classes.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecgfeat.errors import DataError
from ecgfeat.records.annotations import rhythm_at
from ecgfeat.rhythm.records import RhythmRecord
from ecgfeat.rhythm.rr_features import FEATURES, rr_features, rule_figures
from ecgfeat.scoring.rhythm import class_codes, confusion_matrix, overall_scores
from ecgfeat.store.described import read_described, write_described
from ecgfeat.store.schemas import RHYTHMS

_DESCRIPTION, _SCHEMA, _VERSION = "baselines.json", "ecgfeat.baselines", 1

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


def save_baselines(folder: Path, fitted: Mapping[str, Any], info: Mapping[str, Any]) -> None:
    """Write fitted baselines to a folder, which is replaced as a whole.

    Parameters
    ----------
    folder : Path
        Where to.
    fitted : mapping
        As `fit_baselines` returns it.
    info : mapping
        How they were fitted, and their scores.
    """
    write_described(folder, _DESCRIPTION, _SCHEMA, _VERSION, {}, {**fitted, "info": dict(info)})


def read_baselines(folder: Path) -> dict[str, Any]:
    """Read fitted baselines.

    Parameters
    ----------
    folder : Path
        As `save_baselines` wrote it.

    Returns
    -------
    dict
        For `predict_baseline`.

    Raises
    ------
    DataError
        If there are none, or they are damaged or of other classes or features.
    """
    again = "dvc repro train_baselines"
    with read_described(
        folder, _DESCRIPTION, _SCHEMA, _VERSION, {"classes": RHYTHMS}, made_by=again, remedy=f"Run: {again}"
    ) as fitted:
        if tuple(fitted["rr_logistic"]["features"]) != FEATURES or not BASELINES.keys() <= fitted.keys():
            expected = "those of this version"
            raise DataError(str(folder), found="other heads or features", expected=expected, remedy=f"Run: {again}")
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
