"""Boosted trees that name the diagnosis of a record from its figures: settings chosen inside the training records.

Shape suffixes: N records, D figures, K classes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgfeat.arena.recipe import Task
from ecgfeat.arena.record_task import make_targets
from ecgfeat.corpora.folds import draw_stratified_folds
from ecgfeat.store.described import read_checked, read_described, write_described
from ecgfeat.trees import Trees, TreeSettings, fit_trees

SCHEMA, VERSION = "ecgfeat.record_trees", 1
DESCRIPTION: Final = "trees.json"

_LEAST_CHANCE = 1e-6

_Floats = NDArray[np.float32]


@dataclass(frozen=True)
class RecordTreeSettings:
    """How the trees of a cross-validation are grown.

    Attributes
    ----------
    seeds : int
        Forests whose probabilities are averaged.
    inner_folds : int
        Folds of the training records in which leaves and iterations are chosen.
    leaves, iterations : sequence of int
        What is tried: leaves of a tree, and trees per class.
    min_rows : int
        Fewest records of a leaf.
    lr : float
        Share of a tree's answer that is added.
    """

    seeds: int
    inner_folds: int
    leaves: Sequence[int]
    iterations: Sequence[int]
    min_rows: int
    lr: float

    def candidates(self) -> list[TreeSettings]:
        """Return what is tried, the smallest first."""
        return [
            TreeSettings(iterations, leaves, self.min_rows, self.lr)
            for leaves in sorted(self.leaves)
            for iterations in sorted(self.iterations)
        ]


@dataclass(frozen=True)
class FigureTable:
    """Records with their figures and labels.

    Attributes
    ----------
    value : ndarray of float32, (N, D)
        Figures; NaN is missing.
    columns : tuple of str, (D,)
        Their names.
    target : ndarray, (N,) int64 or (N, K) float32
        As `ecgfeat.arena.record_task.make_targets` gives it.
    subjects : sequence of str, (N,)
        Subject of each record.
    labels : sequence of sequence of str, (N,)
        Classes that hold.
    """

    value: _Floats
    columns: tuple[str, ...]
    target: NDArray[np.int64] | _Floats
    subjects: Sequence[str]
    labels: Sequence[Sequence[str]]

    @classmethod
    def of(
        cls,
        value_ND: _Floats,
        columns: Sequence[str],
        rows: Sequence[Mapping[str, Any]],
        classes: Sequence[str],
        task: Task,
    ) -> "FigureTable":
        """Join figures and rows of the ``diagnoses`` table, both in the same order."""
        labels = [list(row["labels"]) for row in rows]
        target = make_targets(labels, [list(row["unknown"]) for row in rows], classes, task)
        return cls(value_ND, tuple(columns), target, [str(row["subject"]) for row in rows], labels)

    def take(self, rows: NDArray[np.int64]) -> "FigureTable":
        """Return some of the records."""
        subjects = [self.subjects[row] for row in rows.tolist()]
        labels = [self.labels[row] for row in rows.tolist()]
        return FigureTable(self.value[rows], self.columns, self.target[rows], subjects, labels)

    def read(self, columns: Sequence[str]) -> "FigureTable":
        """Return the records with some of their figures."""
        value = self.value[:, [self.columns.index(name) for name in columns]]
        return replace(self, value=value, columns=tuple(columns))


@dataclass(frozen=True)
class RecordTrees:
    """Trees that name records.

    Attributes
    ----------
    columns : tuple of str
        Figures that are read, in order.
    forests : tuple of tuple of Trees
        One per class with any number of labels, one for all with one class per record; of each, one per seed.
    """

    columns: tuple[str, ...]
    forests: tuple[tuple[Trees, ...], ...]

    def predict(self, value_ND: _Floats, iterations: int | None = None) -> NDArray[np.float64]:
        """Return the probability of each class.

        Parameters
        ----------
        value_ND : ndarray of float32, (N, D)
            Figures in the order of ``columns``; NaN is missing.
        iterations : int, optional
            First trees of each class that are used; all by default.

        Returns
        -------
        ndarray of float64, (N, K)
        """
        answers = [
            np.mean([trees.predict(value_ND, iterations) for trees in forest], axis=0) for forest in self.forests
        ]
        answer_NK = answers[0] if answers[0].ndim == 2 else np.stack(answers, axis=1)
        return np.asarray(answer_NK, dtype=np.float64)


def fit_record_trees(table: FigureTable, num_classes: int, settings: TreeSettings, seeds: Sequence[int]) -> RecordTrees:
    """Grow trees on all records of a table.

    Parameters
    ----------
    table : FigureTable
        Records to learn from.
    num_classes : int
        K.
    settings : TreeSettings
        How.
    seeds : sequence of int
        One forest each.

    Returns
    -------
    RecordTrees

    Notes
    -----
    * A record counts once, whatever its class. A class that the labels of a record leave open is not learnt from it.
    """
    forests = []
    for target_N, num_outputs in _outputs(table.target, num_classes):
        known = np.flatnonzero(np.isfinite(target_N))
        grown = [
            fit_trees(
                table.value[known],
                target_N[known].astype(np.int64),
                np.ones(len(known)),
                table.columns,
                settings,
                num_classes=num_outputs,
                seed=seed,
            )
            for seed in seeds
        ]
        forests.append(tuple(grown))
    return RecordTrees(table.columns, tuple(forests))


def _outputs(target: NDArray[Any], num_classes: int) -> Iterator[tuple[NDArray[Any], int]]:
    """Yield what a forest is to tell, and among how many classes."""
    if target.ndim == 1:
        yield target, num_classes
    else:
        yield from ((target_N, 2) for target_N in target.T)


def choose_settings(
    table: FigureTable, num_classes: int, settings: RecordTreeSettings, *, seed: int
) -> tuple[TreeSettings, list[float]]:
    """Choose leaves and iterations by cross-validation inside a table.

    Parameters
    ----------
    table : FigureTable
        Training records; no others are seen.
    num_classes : int
        K.
    settings : RecordTreeSettings
        What is tried.
    seed : int
        Of the trees.

    Returns
    -------
    chosen : TreeSettings
        Those with the smallest mean log loss of the records that are left out; of equals the smaller.
    losses : list of float
        Of all candidates in order.
    """
    candidates = settings.candidates()
    if len(candidates) == 1:
        return candidates[0], []
    strata = [labels or [""] for labels in table.labels]
    fold = draw_stratified_folds(table.subjects, strata, min(settings.inner_folds, len(set(table.subjects))))
    losses = [0.0] * len(candidates)
    for number in np.unique(fold).tolist():
        train, left_out = table.take(np.flatnonzero(fold != number)), table.take(np.flatnonzero(fold == number))
        for leaves in {candidate.leaves: None for candidate in candidates}:
            # The first trees of many are those of a few.
            most = TreeSettings(max(settings.iterations), leaves, settings.min_rows, settings.lr)
            trees = fit_record_trees(train, num_classes, most, [seed])
            for at, candidate in enumerate(candidates):
                if candidate.leaves == leaves:
                    answer_NK = trees.predict(left_out.value, candidate.iterations)
                    losses[at] += log_loss(left_out.target, answer_NK) * len(left_out.value) / len(fold)
    return candidates[int(np.argmin(losses))], losses


def log_loss(target: NDArray[Any], probability_NK: NDArray[np.float64]) -> float:
    """Return the mean of minus the logarithm of the probability of what holds.

    Parameters
    ----------
    target : ndarray, (N,) int64 or (N, K) float32
        As `ecgfeat.arena.record_task.make_targets` gives it.
    probability_NK : ndarray of float64, (N, K)
        Predicted.

    Returns
    -------
    float
        In nat, over records, or over their known labels. At most 13.8 for one of them.
    """
    if target.ndim == 1:
        right = probability_NK[np.arange(len(target)), target]
    else:
        known = np.isfinite(target)
        right = np.where(target[known] == 1, probability_NK[known], 1 - probability_NK[known])
    return float(-np.log(np.maximum(right, _LEAST_CHANCE)).mean()) if right.size else 0.0


def save_record_trees(
    folder: Path, trees: RecordTrees, classes: Sequence[str], task: Task, info: Mapping[str, Any]
) -> None:
    """Write trees to a folder, which is replaced as a whole: text of LightGBM, and a description with checksums."""
    files = {
        f"forest{number}_seed{seed}.txt": of.text.encode()
        for number, forest in enumerate(trees.forests)
        for seed, of in enumerate(forest)
    }
    described = {"columns": list(trees.columns), "classes": list(classes), "task": task, "info": dict(info)}
    write_described(folder, DESCRIPTION, SCHEMA, VERSION, files, described)


def load_record_trees(folder: Path) -> tuple[RecordTrees, dict[str, Any]]:
    """Read trees written by `save_record_trees`.

    Parameters
    ----------
    folder : Path
        The folder of a fold.

    Returns
    -------
    trees : RecordTrees
        The trees.
    described : dict
        What the description holds: ``classes``, ``task``, ``info`` and others.

    Raises
    ------
    DataError
        If a file is missing, damaged, or of another version.
    """
    with read_described(folder, DESCRIPTION, SCHEMA, VERSION, {}, made_by="dvc repro record_trees") as described:
        forests: dict[int, dict[int, Trees]] = {}
        for name, sha256 in described["sha256"].items():
            forest, seed = map(int, name.removeprefix("forest").removesuffix(".txt").split("_seed"))
            forests.setdefault(forest, {})[seed] = Trees(read_checked(folder / name, sha256).decode())
        trees = RecordTrees(
            tuple(described["columns"]),
            tuple(tuple(of[seed] for seed in sorted(of)) for _, of in sorted(forests.items())),
        )
        if any(of.columns != trees.columns for forest in trees.forests for of in forest):
            raise ValueError("trees of other columns")
        return trees, described
