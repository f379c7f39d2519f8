"""Cross-validate the trees on record figures, and beside them the dullest baselines.

Shape suffixes: N records, D figures, K classes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgfeat.arena.folds import tabulate_posteriors
from ecgfeat.corpora.corpus import DiagnosticCorpus
from ecgfeat.diagnosis.trees import FigureTable, RecordTrees, RecordTreeSettings, choose_settings, fit_record_trees
from ecgfeat.store.schemas import RECORD_PREDICTIONS
from ecgfeat.store.tables import Columns, stack_columns

RECORD_TREES: Final = "record_trees"
PLAIN_TREES: Final = "rate_and_irregularity"
MAJORITY: Final = "majority"

PLAIN_COLUMNS: Final = ("rate_per_min", "rr_irregular_10")
"""What the plain trees read: heart rate, and the one figure of RR irregularity."""

TITLES: Final = {
    RECORD_TREES: "boosted trees on all figures of a record",
    PLAIN_TREES: "boosted trees on heart rate and one figure of RR irregularity",
    MAJORITY: "shares of the classes in the training records",
}
"""What is cross-validated, the classifier first."""


RECORDS_ONLY: Final = "names whole records, and no rhythm along them"
"""Why trees on record figures have no score on rhythm corpora."""


def describe_models(rhythm_corpora: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Describe the trees as rows of the arena, which has a row for the majority already.

    Parameters
    ----------
    rhythm_corpora : sequence of str
        Corpora on which they have no score.

    Returns
    -------
    dict of str to dict
        Title, command and the reasons why scores are absent.
    """
    return {
        name: {
            "title": TITLES[name],
            "command": "dvc repro record_trees",
            "left_out": dict.fromkeys(rhythm_corpora, RECORDS_ONLY),
        }
        for name in (RECORD_TREES, PLAIN_TREES)
    }


@dataclass(frozen=True)
class TrainedTrees:
    """What a fold has made.

    Attributes
    ----------
    trees : RecordTrees
        Grown on all other folds.
    info : dict
        Settings that were chosen, and the log loss of each candidate in the inner folds.
    """

    trees: RecordTrees
    info: dict[str, Any]


def cross_validate(
    rows: Sequence[Mapping[str, Any]],
    value_ND: NDArray[np.float32],
    columns: Sequence[str],
    corpus: DiagnosticCorpus,
    settings: RecordTreeSettings,
    *,
    seed: int,
    on_fold: Callable[[], object] | None = None,
) -> tuple[Columns, dict[int, TrainedTrees]]:
    """Predict each record by trees that have not seen its fold.

    Parameters
    ----------
    rows : sequence of mapping, (N,)
        Rows of the ``diagnoses`` table.
    value_ND : ndarray of float32, (N, D)
        Their figures.
    columns : sequence of str, (D,)
        Names of the figures.
    corpus : DiagnosticCorpus
        Classes and task.
    settings : RecordTreeSettings
        How trees are grown; leaves and iterations are chosen anew inside the training records of each fold.
    seed : int
        Of the run; each fold adds its number.
    on_fold : callable, optional
        Called after each fold.

    Returns
    -------
    predictions : dict of str to array
        Columns of ``record_predictions``, fold by fold: the models `TITLES`, view ``single``.
    folds : dict of int to TrainedTrees
        By the number of the fold that was left out.
    """
    num_classes = len(corpus.classes)
    table = FigureTable.of(value_ND, columns, rows, corpus.classes, corpus.task)
    plain = table.read(PLAIN_COLUMNS)
    fold_N = np.array([row["fold"] for row in rows], dtype=np.int64)
    parts: list[Columns] = []
    folds: dict[int, TrainedTrees] = {}
    for number in np.unique(fold_N).tolist():
        train, test = np.flatnonzero(fold_N != number), np.flatnonzero(fold_N == number)
        seeds = [seed + 1000 * number + of for of in range(settings.seeds)]
        grown = {}
        for name, of in ((RECORD_TREES, table), (PLAIN_TREES, plain)):
            chosen, losses = choose_settings(of.take(train), num_classes, settings, seed=seeds[0])
            trees = fit_record_trees(of.take(train), num_classes, chosen, seeds)
            grown[name] = TrainedTrees(trees, {"chosen": asdict(chosen), "inner_log_loss": losses})
        folds[number] = grown[RECORD_TREES]
        tested = [rows[at] for at in test.tolist()]
        answers = {
            RECORD_TREES: grown[RECORD_TREES].trees.predict(table.value[test]),
            PLAIN_TREES: grown[PLAIN_TREES].trees.predict(plain.value[test]),
            MAJORITY: np.tile(class_shares(table.target[train], num_classes), (len(test), 1)),
        }
        for name, answer_NK in answers.items():
            parts.append(tabulate_posteriors(corpus.slug, name, "single", number, tested, answer_NK))
        if on_fold is not None:
            on_fold()
    return stack_columns(parts, list(RECORD_PREDICTIONS.columns)), folds


def class_shares(target: NDArray[Any], num_classes: int) -> NDArray[np.float64]:
    """Return the share of each class among the records whose label of it is known, (K,); 0 where it is never known."""
    if target.ndim == 1:
        return np.bincount(target, minlength=num_classes) / max(1, len(target))
    known_NK = np.isfinite(target)
    return np.asarray(np.where(known_NK, target, 0).sum(axis=0) / np.maximum(1, known_NK.sum(axis=0)), dtype=np.float64)


def stack_features(table: Columns, columns: Sequence[str]) -> NDArray[np.float32]:
    """Return the figures of all records as one array, (N, D), from columns of ``record_features``."""
    return np.stack([np.asarray(table[name], dtype=np.float32) for name in columns], axis=1)
