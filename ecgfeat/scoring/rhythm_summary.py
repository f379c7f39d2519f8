"""Scores of the rhythms, for each corpus, head, protocol and view.

Views ``single``, ``tta7`` and ``viterbi`` are scored: another view of a unit is not another sample.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfeat.scoring.episodes import burden_error, episode_scores
from ecgfeat.scoring.tables import Table, codes, grouped, probabilities, rhythm_classes, values
from ecgfeat.scoring.units import rhythm_scores, time_scores

SCORED_VIEWS = ("single", "tta7", "viterbi")
SMOOTHED_VIEWS = ("viterbi",)
"""Views that chose another rhythm than the most probable one; their probabilities are those of another view."""
TILED_PROTOCOLS = ("timeline", "grid")
"""Protocols whose units follow each other over the whole record, so that AF episodes and burden are defined."""
AF, FLUTTER = "AFIB", "AFL"


def summarise_rhythm(table: Table, *, fs_hz: float, num_resamples: int = 1000, seed: int) -> dict[str, dict[str, Any]]:
    """Score the rhythms of each corpus, head, protocol and view.

    Parameters
    ----------
    table : pyarrow.Table or mapping
        One row per scored unit and view: ``corpus, subject, record, protocol, head, view, start_sample, stop_sample,
        num_beats, reference, predicted, p_<class>...``.
    fs_hz : float
        Rate the samples are counted in.
    num_resamples, seed : int
        Of the bootstrap over subjects; 0 resamples give no intervals.

    Returns
    -------
    dict
        By corpus, head, protocol and view: the scores of `rhythm_scores`, without calibration where the path was
        smoothed. Of protocol ``timeline`` these count every R-peak once (the rows with ``num_beats`` 1); ``per_second``
        has the scores of `time_scores`, and ``episodes`` by class those of `episode_scores`, both over all rows.
        Protocols that cover the whole record have ``af``, the
        episodes of atrial fibrillation and ``burden_error``.

    Raises
    ------
    ValueError
        If a scored unit was called something that its head has no probability of.

    Notes
    -----
    * A unit whose reference is none of the classes is not scored by itself. In the comparison of episodes it is time in
      another rhythm, which ends an episode. Atrial flutter is such a rhythm, and is moreover left out of the positive
      predictivity of atrial fibrillation, as ``epicmp`` does; the grid does not tell it from other rhythms.
    """
    summary: dict[str, dict[str, Any]] = {}
    all_classes = rhythm_classes(table)
    reference_names, reference = codes(table, "reference")
    predicted_names, predicted = codes(table, "predicted")
    _, subject = codes(table, "subject")
    _, record = codes(table, "record")
    start, stop, num_beats = (values(table, name) for name in ("start_sample", "stop_sample", "num_beats"))
    for (corpus, head, protocol, view), group in grouped(table, ["corpus", "head", "protocol", "view"]):
        if view not in SCORED_VIEWS:
            continue
        rows = group[np.lexsort((start[group], record[group]))]
        chance = probabilities(table, all_classes, rows)
        # A head of fewer classes (NSR and AFIB only) leaves the other columns empty.
        known = np.flatnonzero(~np.isnan(chance).all(axis=0))
        classes = [all_classes[k] for k in known]
        code = _class_of(reference_names, classes)[reference[rows]]
        call = _class_of(predicted_names, classes)[predicted[rows]]
        if (code < 0).all():
            continue  # a corpus without rhythm annotations: predictions, and nothing to hold against them
        duration_s = (stop[rows] - start[rows]) / fs_hz
        draws: dict[str, Any] = {"num_resamples": num_resamples, "seed": seed}
        # Beats are counted where they are; the rows between them are time in which the reference changed.
        counted = num_beats[rows] > 0 if protocol == "timeline" else np.ones(len(rows), dtype=np.bool_)
        scores = rhythm_scores(
            code[counted],
            call[counted],
            subject[rows][counted],
            classes,
            probability_BK=None if view in SMOOTHED_VIEWS else chance[counted][:, known],
            duration_s=None if protocol == "timeline" else duration_s,
            **draws,
        )
        if protocol in TILED_PROTOCOLS:
            extent = (record[rows], start[rows] / fs_hz, stop[rows] / fs_hz)
            is_flutter = np.array([name == FLUTTER for name in reference_names])[reference[rows]]
            episodes = {
                name: episode_scores(code == k, call == k, *extent, is_excluded=is_flutter if name == AF else None)
                for k, name in enumerate(classes)
                if name == AF or protocol == "timeline"
            }
            if AF in episodes:
                k = classes.index(AF)
                scores["af"] = {
                    **episodes[AF],
                    "burden_error": burden_error(code == k, call == k, extent[0], duration_s),
                }
            if protocol == "timeline":
                scores["episodes"] = episodes
                scores["per_second"] = time_scores(code, call, subject[rows], classes, duration_s=duration_s, **draws)
                scores["hours"] = scores["per_second"]["hours"]
        summary.setdefault(corpus, {}).setdefault(head, {}).setdefault(protocol, {})[view] = scores
    return summary


def _class_of(names: list[str], classes: list[str]) -> NDArray[np.int64]:
    """Return the class each name stands for; -1 for none of them."""
    return np.array([classes.index(name) if name in classes else -1 for name in names], dtype=np.int64)
