"""Scores of the rhythms, for each corpus, head, protocol and view.

Views ``single``, ``tta7`` and ``viterbi`` are scored. The seven views of ``tta7`` count as one unit, not as seven.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfeat.scoring.episodes import burden_error, episode_scores
from ecgfeat.scoring.tables import Table, codes, grouped, probabilities, rhythm_classes, values
from ecgfeat.scoring.units import rhythm_scores, time_scores

SCORED_VIEWS = ("single", "tta7", "viterbi")
SMOOTHED_VIEWS = ("viterbi",)
"""Views whose predicted rhythm need not be the most probable one. Their probabilities are those of another view."""
TILED_PROTOCOLS = ("timeline", "grid")
"""Protocols whose units cover the whole record, so that AF episodes and AF burden are defined."""
AF, FLUTTER, UNNAMED = "AFIB", "AFL", "not classified"


def summarise_rhythm(table: Table, *, fs_hz: float, num_resamples: int, seed: int) -> dict[str, dict[str, Any]]:
    """Score the rhythms of each corpus, head, protocol and view.

    Parameters
    ----------
    table : pyarrow.Table or mapping
        One row per scored unit and view: ``corpus, subject, record, protocol, head, view, start_sample, stop_sample,
        num_beats, reference, predicted, p_<class>...``.
    fs_hz : float
        Sampling rate of the sample columns.
    num_resamples, seed : int
        Of the bootstrap over subjects; 0 resamples: no intervals.

    Returns
    -------
    dict
        By corpus, head, protocol and view: the scores of `rhythm_scores`, without calibration for a smoothed view.
        In protocol ``timeline`` they count every R-peak once (the rows with ``num_beats`` 1); ``per_second`` has the
        scores of `time_scores`, and ``episodes`` has those of `episode_scores` by class, both over all rows.
        Protocols that cover the whole record have ``af``: the episodes of atrial fibrillation and ``burden_error``.

    Raises
    ------
    ValueError
        If the predicted rhythm of a scored unit is none of the classes of the head.

    Notes
    -----
    * A unit whose reference is none of the classes is not scored itself. In the comparison of episodes it is time in
      another rhythm, which ends an episode. Atrial flutter is such a rhythm. As in ``epicmp``, it is also not counted
      in the positive predictivity of atrial fibrillation. The protocol ``grid`` does not mark atrial flutter.
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
        probability = probabilities(table, all_classes, rows)
        # For a head of fewer classes (NSR and AFIB only) the other columns are empty.
        filled = np.flatnonzero(~np.isnan(probability).all(axis=0))
        classes = [all_classes[k] for k in filled]
        code = _class_of(reference_names, classes)[reference[rows]]
        call = _class_of(predicted_names, classes)[predicted[rows]]
        if (code < 0).all():
            continue  # a corpus without rhythm annotations has no reference to score against
        is_unnamed = np.array([name == "" for name in predicted_names])[predicted[rows]]
        if is_unnamed.any():
            # What is not classified is wrong for every class, and counts against none.
            call[is_unnamed], classes = len(classes), [*classes, UNNAMED]
        duration_s = (stop[rows] - start[rows]) / fs_hz
        draws: dict[str, Any] = {"num_resamples": num_resamples, "seed": seed}
        # Rows of a timeline without a beat are time in which the reference rhythm changed between two beats.
        counted = num_beats[rows] > 0 if protocol == "timeline" else np.ones(len(rows), dtype=np.bool_)
        scores = rhythm_scores(
            code[counted],
            call[counted],
            subject[rows][counted],
            classes,
            probability_BK=None if view in SMOOTHED_VIEWS else probability[counted][:, filled],
            duration_s=None if protocol == "timeline" else duration_s,
            **draws,
        )
        if protocol in TILED_PROTOCOLS:
            extent = (record[rows], start[rows] / fs_hz, stop[rows] / fs_hz)
            is_flutter = np.array([name == FLUTTER for name in reference_names])[reference[rows]]
            episodes = {
                name: episode_scores(code == k, call == k, *extent, is_excluded=is_flutter if name == AF else None)
                for k, name in enumerate(classes)
                if name == AF or (protocol == "timeline" and name != UNNAMED)
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
    """Return the class index of each name; -1 for other names."""
    return np.array([classes.index(name) if name in classes else -1 for name in names], dtype=np.int64)
