"""Why the models that read RR intervals alone name a beat as they do: exact parts, each at its interval if it has one.

These are the baselines beside the rhythm heads: trees on interval figures, and a logistic regression.

Shape suffixes: L beats of a stretch, D figures, K rhythms.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgfeat.arrhythmia.figures import describe_rhythm
from ecgfeat.arrhythmia.plain import INTERVAL_FIGURES, interval_figures
from ecgfeat.errors import choose
from ecgfeat.features.intervals import usual_interval
from ecgfeat.rhythm.rr_features import FEATURES, rr_features
from ecgfeat.saliency.explanation import Explanation, Part
from ecgfeat.saliency.gradients import SEED, compare_maps
from ecgfeat.saliency.seen import FoundBeats
from ecgfeat.saliency.trees import COMPARED, TRAINING_MEAN, shuffle_leaves, split_score
from ecgfeat.store.schemas import BEAT_CLASSES, RHYTHMS
from ecgfeat.trees import Trees

AT_INTERVALS: Final = "figures of one or two intervals"
OF_MANY: Final = "figures of many intervals"
NO_PLACE: Final = "Figures of many intervals, 11 to 101 of them, have no place: they stand in the list of parts alone."

# Which intervals a figure is of: 0 is the one that ends with this beat, 1 the next.
_PLACES: Final[Mapping[str, tuple[int, int]]] = {
    "rr_before_s": (0, 0),
    "rr_after_s": (1, 1),
    "rr_change": (-1, 0),
    "rr_after_change": (0, 1),
    "rr_pair_over_record_mean": (0, 1),
    "log_ratio_before": (-1, -1),
    "log_ratio_own": (0, 0),
    "log_ratio_next": (1, 1),
}
_OWN = ("rr_over_record", "rr_over_mean", "rr_over_median")  # this interval over a usual one
_NEXT = ("rr_after_over_mean",)


def find_place(figure: str) -> tuple[int, int] | None:
    """Return which intervals, or beats, a figure is of: the first and the last.

    Parameters
    ----------
    figure : str
        Of `ecgfeat.arrhythmia.figures.FIGURES` or `ecgfeat.rhythm.rr_features.FEATURES`.

    Returns
    -------
    tuple of int, or None
        Counted from this beat: 0 is it, or the interval that ends with it. None: of many, it has no place.
    """
    if "_at_" in figure:
        lag = int(figure.rpartition("_at_")[2])
        return lag, lag
    if figure in _PLACES:
        return _PLACES[figure]
    return (0, 0) if figure.startswith(_OWN) else (1, 1) if figure.startswith(_NEXT) else None


def find_extent(figure: str, time_s: NDArray[np.float64], beat: int) -> tuple[float, float] | None:
    """Return where a figure lies in the record.

    Parameters
    ----------
    figure : str
        As `find_place` takes it.
    time_s : ndarray of float64, (L,)
        R-peaks of a stretch in seconds from the start of the record.
    beat : int
        Row of the beat that the figure is of.

    Returns
    -------
    tuple of float, or None
        Seconds; None if it has no place, or if the stretch does not reach so far.
    """
    place = find_place(figure)
    if place is None or beat + place[0] < 1 or beat + place[1] >= len(time_s):
        return None
    return float(time_s[beat + place[0] - 1]), float(time_s[beat + place[1]])


def explain_rr_trees(trees: Trees, found: FoundBeats, at_s: float, *, answer: str = "") -> Explanation:
    """Explain how the trees on RR intervals name the rhythm at a beat.

    Parameters
    ----------
    trees : Trees
        Of `ecgfeat.arrhythmia.plain.load_rr_trees`; they are not changed.
    found : FoundBeats
        Of `ecgfeat.saliency.seen.find_stretches`.
    at_s : float
        Seconds from the start of the record; the nearest beat is explained.
    answer : str
        Rhythm that is explained; by default the most probable one.

    Returns
    -------
    Explanation
        The map has no rows: nothing is read of samples. The parts are SHAP values.

    Raises
    ------
    UsageError
        If there is no such rhythm.
    DataError
        If there is no beat near the time.
    """
    stretch, beat = found.find_beat(at_s)
    rr_s = np.full(len(found.whole.sample), np.nan)
    for of in found.stretches:
        rr_s[of.rows] = of.rr_s
    # The figures of intervals are the same whatever the classes of the beats are.
    probability_LK = np.zeros((len(stretch.sample), len(BEAT_CLASSES)), dtype=np.float32)
    value_D = interval_figures(describe_rhythm(stretch.rr_s, usual_interval(rr_s), probability_LK))[beat]
    rhythm = _choose_rhythm(answer, RHYTHMS, trees.predict(value_D[None])[0])
    contribution_D, mean = split_score([trees], value_D, rhythm)
    shuffled_D, _ = split_score([shuffle_leaves(trees)], value_D, rhythm)
    return _lay_out(
        found,
        found.times_of(stretch),
        beat,
        ("RR trees", RHYTHMS[rhythm], TRAINING_MEAN, COMPARED),
        mean,
        dict(zip(INTERVAL_FIGURES, contribution_D.tolist(), strict=True)),
        compare_maps(contribution_D, shuffled_D),
    )


def explain_logistic(fitted: Mapping[str, Any], found: FoundBeats, at_s: float, *, answer: str = "") -> Explanation:
    """Explain how the logistic regression on RR intervals names the rhythm at a beat.

    Parameters
    ----------
    fitted : mapping
        Of `ecgfeat.rhythm.baselines.read_baselines`.
    found, at_s, answer
        As `explain_rr_trees` takes them.

    Returns
    -------
    Explanation
        The map has no rows. A part is the weight of a figure times its distance from the mean of the training beats.

    Raises
    ------
    UsageError
        If there is no such rhythm among those that were fitted.
    DataError
        If there is no beat near the time.

    Notes
    -----
    * The number is the logit before softmax. The check lets the weights of all figures and rhythms change places.
    """
    stretch, beat = found.find_beat(at_s)
    model = fitted["rr_logistic"]
    scaled_D = (rr_features(stretch.rr_s)[beat] - np.asarray(model["mean"])) / np.asarray(model["scale"])
    weight_KD, bias_K = np.asarray(model["weight"]), np.asarray(model["bias"])
    rhythm = _choose_rhythm(answer, model["classes"], weight_KD @ scaled_D + bias_K)
    shuffled_KD = np.random.default_rng(SEED).permutation(weight_KD.ravel()).reshape(weight_KD.shape)
    contribution_D = weight_KD[rhythm] * scaled_D
    return _lay_out(
        found,
        found.times_of(stretch),
        beat,
        (
            "logistic regression on RR intervals",
            model["classes"][rhythm],
            "the mean of the training beats",
            "the parts by weights that have changed places",
        ),
        float(bias_K[rhythm]),
        dict(zip(FEATURES, contribution_D.tolist(), strict=True)),
        compare_maps(contribution_D, shuffled_KD[rhythm] * scaled_D),
    )


def _choose_rhythm(answer: str, rhythms: Any, score_K: NDArray[Any]) -> int:
    """Return the row of the rhythm that is explained."""
    if not answer:
        return int(score_K.argmax())
    choose(dict.fromkeys(rhythms), answer, "rhythm")
    return int([*rhythms].index(answer))


def _lay_out(
    found: FoundBeats,
    time_s: NDArray[np.float64],
    beat: int,
    words: tuple[str, str, str, str],
    baseline_value: float,
    contribution: Mapping[str, float],
    similarity: float | None,
) -> Explanation:
    """Return the parts with their places: those that have one first."""
    model, rhythm, baseline, compared = words
    extents = {name: find_extent(name, time_s, beat) for name in contribution}
    parts = [
        Part(OF_MANY if find_place(name) is None else AT_INTERVALS, name, value, False, extents[name])
        for name, value in contribution.items()
    ]
    parts.sort(key=lambda part: part.group == OF_MANY)
    return Explanation(
        found.whole.record,
        model,
        float(time_s[beat]),
        rhythm,
        f"logit of {rhythm}",
        baseline_value + sum(contribution.values()),
        baseline_value,
        baseline,
        tuple(parts),
        0.0,
        similarity,
        "beat",
        (),
        np.zeros(0),
        np.zeros(0),
        np.zeros((0, 0)),
        notes=(NO_PLACE,),
        compared=compared,
    )
