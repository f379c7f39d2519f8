"""Calibration of the certainty that a user is given: of a record's main rhythm, and of each episode.

Shape suffixes: N units, records or episodes.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfeat.scoring.calibration import NUM_BINS, bin_index
from ecgfeat.scoring.rhythm import ratio
from ecgfeat.scoring.tables import Table, values
from ecgfeat.store.schemas import COMMON_FS_HZ, RHYTHMS


def compare_with_right(
    certainty_N: NDArray[np.float64], is_right_N: NDArray[np.bool_], weight_N: NDArray[np.float64]
) -> dict[str, Any]:
    """Compare certainty with the share that is right, in bins of equal width.

    Parameters
    ----------
    certainty_N : ndarray of float64, (N,)
        In [0, 1].
    is_right_N : ndarray of bool, (N,)
        Whether each unit is right.
    weight_N : ndarray of float64, (N,)
        How much each unit counts; not negative.

    Returns
    -------
    dict
        ``accuracy, mean_certainty``; ``ece``, the expected calibration error: the mean difference of both over
        the bins, by weight; ``bins``, those that are not empty: ``low, high`` (a bin is ``(low, high]``), ``num``
        units, ``share`` of the weight, ``mean_certainty, accuracy``.
    """
    of_bin = bin_index(certainty_N, NUM_BINS)
    weights = (weight_N, weight_N * certainty_N, weight_N * is_right_N)
    weight, certainty, right = (np.bincount(of_bin, weights=of, minlength=NUM_BINS) for of in weights)
    num = np.bincount(of_bin, minlength=NUM_BINS)
    total = weight.sum()
    return {
        "accuracy": float(ratio(right.sum(), total)),
        "mean_certainty": float(ratio(certainty.sum(), total)),
        "ece": float(ratio(np.abs(right - certainty).sum(), total)),
        "bins": [
            {
                "low": k / NUM_BINS,
                "high": (k + 1) / NUM_BINS,
                "num": int(num[k]),
                "share": float(weight[k] / total),
                "mean_certainty": float(certainty[k] / weight[k]),
                "accuracy": float(right[k] / weight[k]),
            }
            for k in np.flatnonzero(weight).tolist()
        ],
    }


def record_certainty(records: Table) -> dict[str, Any]:
    """Calibrate the certainty of the main rhythm of records.

    Parameters
    ----------
    records : pyarrow.Table or mapping
        Rows of ``record_scores`` of one corpus.

    Returns
    -------
    dict
        ``num_records``, and what `compare_with_right` returns; empty without a record that can be scored.

    Notes
    -----
    * Records whose reference is one of the six rhythms, and in AFIB throughout or not at all, are scored.
    """
    reference, rhythm = values(records, "reference"), values(records, "rhythm")
    certainty, share = values(records, "certainty"), values(records, "reference_af")
    is_whole = np.isin(reference, RHYTHMS) & ((share == 0) | (share == 1)) & np.isfinite(certainty) & (rhythm != "")
    if not is_whole.any():
        return {}
    is_right, once = (reference == rhythm)[is_whole], np.ones(int(is_whole.sum()))
    return {"num_records": len(once)} | compare_with_right(certainty[is_whole], is_right, once)


def episode_certainty(episodes: Table) -> dict[str, Any]:
    """Calibrate the certainty of episodes, each by its duration.

    Parameters
    ----------
    episodes : pyarrow.Table or mapping
        Rows of ``episode_scores`` of one corpus.

    Returns
    -------
    dict
        ``num_episodes, known_h, left_out_h``, and what `compare_with_right` returns; empty without an episode to score.

    Notes
    -----
    * An episode is right where the reference is the same rhythm for more than half of its known time: time whose
      reference is one of the six rhythms. It counts by its known time.
    * Time in atrial flutter or another rhythm outside of the six, and time without a label, is not known. It is left
      out; an episode of nothing else is not scored. So is time without a predicted rhythm, which has no certainty.
    """
    known_s, agree_s = values(episodes, "known_s"), values(episodes, "agree_s")
    is_named = values(episodes, "rhythm") != ""
    is_scored = is_named & (known_s > 0)
    if not is_scored.any():
        return {}
    length_s = (values(episodes, "stop_sample") - values(episodes, "start_sample")) / COMMON_FS_HZ
    weight, is_right = known_s[is_scored], (2 * agree_s > known_s)[is_scored]
    return {
        "num_episodes": int(is_scored.sum()),
        "known_h": float(weight.sum() / 3600),
        "left_out_h": float((length_s - known_s)[is_named].sum() / 3600),
    } | compare_with_right(values(episodes, "certainty")[is_scored], is_right, weight)
