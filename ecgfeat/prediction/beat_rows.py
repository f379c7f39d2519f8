"""Rows of the prediction tables: R-peak counts and beat classes, laid out for scoring."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfeat.scoring.beats import (
    DETECTION_COUNTS,
    FLUTTER,
    LEARNING_S,
    MATCH_WINDOW_S,
    count_detections,
    match_beats,
)
from ecgfeat.signals.rpeak_table import to_common_rate
from ecgfeat.store.schemas import BEAT_CLASSES, COMMON_FS_HZ
from ecgfeat.store.tables import Columns


def count_rpeaks(rpeaks: NDArray[np.int64], reference: Columns, episodes: Columns, fs_hz: float) -> dict[str, Any]:
    """Count hits, misses and false detections of one record, with and without its first five minutes.

    Parameters
    ----------
    rpeaks : array of int64, shape (L,)
        R-peaks at the common rate.
    reference, episodes : dict of str to array
        The record's rows of the ``beats`` and ``episodes`` tables, at ``fs_hz``. Ventricular flutter is not scored.
    fs_hz : float
        Rate of the raw record.

    Returns
    -------
    dict
        The counts and ``offset_ms`` of the ``rpeak_scores`` table.
    """
    is_flutter = episodes["rhythm"] == FLUTTER
    spans = np.stack(
        [to_common_rate(episodes[name][is_flutter], fs_hz) for name in ("start_sample", "stop_sample")], axis=1
    )
    counts: dict[str, Any] = {}
    for suffix, skip_s in (("", 0.0), ("_after_5min", LEARNING_S)):
        detections = count_detections(
            to_common_rate(reference["sample"], fs_hz),
            rpeaks,
            COMMON_FS_HZ,
            window_s=MATCH_WINDOW_S,
            skip_s=skip_s,
            ignored_spans=spans,
        )
        for name in DETECTION_COUNTS:
            counts[f"{name}{suffix}"] = detections[name]
        counts["offset_ms" if not suffix else "offset_after_5min_ms"] = detections["offset_s"] * 1000
    del counts["offset_after_5min_ms"]
    return counts


def tabulate_beats(
    rpeaks: Columns,
    probability_LK: NDArray[np.float32],
    reference: Columns,
    fs_hz: float,
    *,
    label_L: NDArray[np.int64] | None = None,
    **constants: str,
) -> Columns:
    """Lay out the classified R-peaks of one record, and the reference beats that were missed.

    Parameters
    ----------
    rpeaks : dict of str to array, shape (L,)
        The record's rows of the ``rpeaks`` table.
    probability_LK : array of float32, shape (L, 3)
        Posterior of N, S, V.
    reference : dict of str to array
        The record's rows of the ``beats`` table, at ``fs_hz``.
    fs_hz : float
        Rate of the raw record.
    label_L : ndarray of int64, (L,), optional
        Classes that were chosen, as indices into N S V; by default the most probable.
    **constants : str
        Columns with one value: corpus, subject, record, split, history.

    Returns
    -------
    dict of str to array
        Rows of the ``beat_predictions`` table, in order of time. A missed beat has NaN probabilities, a detection
        without a beat an empty reference.

    Notes
    -----
    * ``rhythm`` is that of the reference beat where there is one: EC57 leaves a beat out by the position of the
      reference beat, and an extra detection by its own position.
    """
    position = to_common_rate(reference["sample"], fs_hz)
    reference_row, rpeak_row = match_beats(position, rpeaks["sample"], int(MATCH_WINDOW_S * COMMON_FS_HZ))
    missed = np.setdiff1d(np.arange(len(position)), reference_row)
    sample = np.concatenate([rpeaks["sample"], position[missed]])
    aami = np.concatenate([rpeaks["aami"], reference["aami"][missed]])
    rhythm = np.concatenate([rpeaks["rhythm"], reference["rhythm"][missed]]).astype(object)
    rhythm[rpeak_row] = reference["rhythm"][reference_row]
    no_probability = np.full((len(missed), probability_LK.shape[1]), np.nan, dtype=np.float32)
    probability = np.concatenate([probability_LK, no_probability])
    chosen_L = probability_LK.argmax(axis=1) if label_L is None else label_L
    predicted = np.concatenate([np.array(BEAT_CLASSES, dtype=object)[chosen_L], np.full(len(missed), "", dtype=object)])
    order = np.argsort(sample, kind="stable")
    return {
        **{name: np.full(len(order), value, dtype=object) for name, value in constants.items()},
        "sample": sample[order],
        "reference": aami[order],
        "rhythm": rhythm[order],
        "predicted": predicted[order],
        **{f"p_{name}": probability[order, column] for column, name in enumerate(BEAT_CLASSES)},
    }
