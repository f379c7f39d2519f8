"""Why trees name a whole record as they do: exact parts of the logit, figure by figure.

Trees have no gradients. Their SHAP values are exact: with the mean of the training records they add up to the score.

Shape suffixes: D figures, K classes.

References
----------
Lundberg et al., "From local explanations to global understanding with explainable AI for trees", Nature Machine
Intelligence 2, 2020.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgfeat.diagnosis.record import describe_record
from ecgfeat.diagnosis.trees import RecordTrees
from ecgfeat.errors import DataError, UsageError
from ecgfeat.records.reader import Signal
from ecgfeat.saliency.explanation import Explanation, Part
from ecgfeat.saliency.gradients import SEED, compare_maps
from ecgfeat.store.record_feature_columns import BEAT_FIGURES, RECORD_FEATURE_NAMES, RECORD_FEATURES_BY_NAME
from ecgfeat.trees import Trees

COMPARED: Final = "the parts by trees whose leaves have changed places"
TRAINING_MEAN: Final = "the mean score of the training rows"
GROUPS: Final = ("heart rate and intervals", "shapes of beats", "signal and noise")
"""What the figures of a record are of."""

NO_PLACE: Final = "Every figure is of the whole record: none of them has a place in it."

_SHAPES_FROM = RECORD_FEATURE_NAMES.index(f"beat_{BEAT_FIGURES[0]}_median")
_NOISE_FROM = RECORD_FEATURE_NAMES.index("invalid_share")
_MOST_WORDS = 5  # figures that are put into words


def split_score(
    forest: Sequence[Trees], value_D: NDArray[np.float32], output: int
) -> tuple[NDArray[np.float64], float]:
    """Split the score of a class, the mean over forests, among the figures.

    Parameters
    ----------
    forest : sequence of Trees
        Grown with one seed each, on the same columns.
    value_D : ndarray of float32, (D,)
        The figures in order; NaN is missing.
    output : int
        The class. Of two classes there is one score, the log odds of the second; that of the first is its negative.

    Returns
    -------
    contribution_D : ndarray of float64, (D,)
        SHAP values.
    mean : float
        Score of the training rows. With the SHAP values it adds up to the score.
    """
    split_KD = np.mean([trees.split_scores(value_D[None])[0] for trees in forest], axis=0)
    split_D = split_KD[output] if len(split_KD) > 1 else split_KD[0] * (1 if output else -1)
    return split_D[:-1], float(split_D[-1])


def shuffle_leaves(trees: Trees, seed: int = SEED) -> Trees:
    """Return trees that have the same splits, and the leaves of each tree in another order.

    Parameters
    ----------
    trees : Trees
        Any; they are not changed.
    seed : int
        Of the order.

    Returns
    -------
    Trees
        They read the same figures at the same thresholds. What a figure counts for has gone.
    """
    rng = np.random.default_rng(seed)

    def shuffle(match: re.Match[str]) -> str:
        return "leaf_value=" + " ".join(rng.permutation(match[1].split(" ")))

    return Trees(re.sub(r"^leaf_value=(.*)$", shuffle, trees.text, flags=re.MULTILINE))


def explain_record(
    trees: RecordTrees, described: dict[str, Any], signal: Signal, at_s: float = 0.0, *, answer: str = ""
) -> Explanation:
    """Explain how trees name a whole record.

    Parameters
    ----------
    trees : RecordTrees
        Of `ecgfeat.diagnosis.trees.load_record_trees`; they are not changed.
    described : dict
        What it returns beside them.
    signal : Signal
        The record; its first lead is read.
    at_s : float
        Around which a picture shows the record. It changes nothing else.
    answer : str
        Class whose logit is explained; by default the most probable one.

    Returns
    -------
    Explanation
        The map has no rows.

    Raises
    ------
    UsageError
        If there is no such class.
    DataError
        If the time lies outside of the record, or the figures are of another version.

    Notes
    -----
    * The number is the score of the class before softmax or sigmoid, the mean over the forests. The printed probability
      is the mean of their probabilities, which is not quite that of the mean score.
    * The check puts the leaves of each tree in another order and keeps the splits. It compares the sizes of the parts.
    """
    classes, duration_s = described["classes"], signal.num_samples / signal.fs_hz
    if answer and answer not in classes:
        raise UsageError("record trees", found=f"no class {answer!r}", expected=f"one of {', '.join(classes)}")
    if not 0 <= at_s < duration_s:
        expected = f"a time within 0 to {duration_s:g} s"
        raise DataError(signal.record, found=f"{at_s:g} s", expected=expected, remedy="Change --at-s.")
    if not set(trees.columns) <= set(RECORD_FEATURE_NAMES):
        raise DataError("record trees", found="other figures", expected="those of this version", remedy="Train again.")
    figures = describe_record(signal.signal_mv_SC[:, 0], signal.fs_hz)
    value_D = np.array([figures[name] for name in trees.columns], dtype=np.float32)
    label = classes.index(answer) if answer else int(trees.predict(value_D[None])[0].argmax())
    # With any number of labels each class has a forest of its own, of two classes.
    forest, output = (trees.forests[0], label) if described["task"] == "single" else (trees.forests[label], 1)
    contribution_D, mean = split_score(forest, value_D, output)
    shuffled_D, _ = split_score([shuffle_leaves(of, SEED + seed) for seed, of in enumerate(forest)], value_D, output)
    parts = [
        Part(_group_of(name), name, value, False)
        for name, value in zip(trees.columns, contribution_D.tolist(), strict=True)
    ]
    parts.sort(key=lambda part: GROUPS.index(part.group))
    largest = [trees.columns[at] for at in np.argsort(-np.abs(contribution_D))[:_MOST_WORDS]]
    info = described["info"]
    return Explanation(
        signal.record,
        f"record trees of {info.get('corpus', 'a corpus')}, fold {info.get('fold', '')}",
        at_s,
        classes[label],
        f"logit of {classes[label]}",
        mean + float(contribution_D.sum()),
        mean,
        TRAINING_MEAN,
        tuple(parts),
        0.0,
        compare_maps(contribution_D, shuffled_D),
        "record",
        (),
        np.zeros(0),
        np.zeros(0),
        np.zeros((0, 0)),
        notes=(*(f"{name}: {describe_figure(name, figures[name])}." for name in largest), NO_PLACE),
        compared=COMPARED,
    )


def describe_figure(name: str, value: float) -> str:
    """Put a figure of a record into words: what it is, and what it is here."""
    unit, words = RECORD_FEATURES_BY_NAME[name]
    if words.startswith("the same") or words.endswith("the next"):  # as the column before, which it follows
        words = f"{RECORD_FEATURES_BY_NAME[RECORD_FEATURE_NAMES[RECORD_FEATURE_NAMES.index(name) - 1]][1]}; {words}"
    here = "missing here" if np.isnan(value) else f"{value:.3g}{'' if unit in ('', '1') else f' {unit}'} here"
    return f"{words}; {here}"


def _group_of(name: str) -> str:
    at = RECORD_FEATURE_NAMES.index(name)
    return GROUPS[(at >= _SHAPES_FROM) + (at >= _NOISE_FROM)]
