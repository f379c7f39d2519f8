"""Cross-validation on diagnostic corpora: each record is named by a model that has not seen its subject.

Shape suffixes: N records, K classes.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from ecgfeat.arena.recipe import Recipe, Task
from ecgfeat.arena.record_task import LabelledRecords, make_targets, record_posteriors, train_on_records
from ecgfeat.arena.signal_table import SignalTable
from ecgfeat.arena.system import System, build_system
from ecgfeat.corpora.corpus import DiagnosticCorpus
from ecgfeat.store.schemas import RECORD_PREDICTIONS
from ecgfeat.store.tables import Columns, stack_columns


@dataclass(frozen=True)
class TrainedFold:
    """What training on all other folds has made.

    Attributes
    ----------
    system : System
        Trained.
    log : list of dict
        One row per epoch.
    took_s : float
        Seconds of training.
    """

    system: System
    log: list[dict[str, float]]
    took_s: float


class FoldStore(Protocol):
    """Folds that an interrupted run has trained."""

    def load(self, number: int) -> TrainedFold | None:
        """Return a fold if it was trained in just this way."""
        ...

    def save(self, number: int, fold: TrainedFold) -> None:
        """Keep a fold that was trained."""
        ...


@dataclass(frozen=True)
class CrossValidation:
    """How a system is cross-validated on a corpus.

    Attributes
    ----------
    name : str
        The system.
    settings : dict
        Its section of params, with the epochs of this task.
    shape : dict of str to int
        ``num_leads``, ``num_classes`` and ``num_samples``, as `build_system` takes them.
    corpus : DiagnosticCorpus
        Classes and task.
    seed : int
        Of the run; each fold adds its number.
    device : torch.device
        Where to compute.
    """

    name: str
    settings: dict[str, Any]
    shape: dict[str, int]
    corpus: DiagnosticCorpus
    seed: int
    device: torch.device

    @property
    def recipe(self) -> Recipe:
        """How each fold is trained."""
        return Recipe.of(self.settings)

    @property
    def task(self) -> Task:
        """One class per record, or any number of labels."""
        return self.corpus.task

    @classmethod
    def of(
        cls,
        name: str,
        settings: Mapping[str, Any],
        signals: SignalTable,
        corpus: DiagnosticCorpus,
        *,
        seed: int,
        device: torch.device,
    ) -> "CrossValidation":
        """Take the epochs of this task, and the shape of a segment, from a section of params."""
        shape = {
            "num_leads": signals.num_leads,
            "num_classes": len(corpus.classes),
            "num_samples": round(settings["seconds"] * settings["fs_hz"]),
        }
        settings = {**settings, "epochs": settings["record_epochs"]}
        return cls(name, settings, shape, corpus, seed, device)


def label_records(rows: Sequence[Mapping[str, Any]], signals: SignalTable, corpus: DiagnosticCorpus) -> LabelledRecords:
    """Join rows of the ``diagnoses`` table and signals, both in the same order, to what a system is trained on."""
    target = make_targets(
        [row["labels"] for row in rows], [row["unknown"] for row in rows], corpus.classes, corpus.task
    )
    return LabelledRecords(signals, target, np.array([row["fold"] for row in rows], dtype=np.int64))


def train_folds(
    plan: CrossValidation,
    records: LabelledRecords,
    store: FoldStore,
    on_batch: Callable[[int, int], None] | None = None,
) -> dict[int, TrainedFold]:
    """Train a system once per fold, on the records of all other folds.

    Parameters
    ----------
    plan : CrossValidation
        What to train, and how.
    records : LabelledRecords
        All records of the corpus.
    store : FoldStore
        Folds that it holds are not trained again; the others are saved there as soon as they are trained.
    on_batch : callable, optional
        As `ecgfeat.training.fit` takes it.

    Returns
    -------
    dict of int to TrainedFold
        By the number of the fold that was left out.

    Raises
    ------
    OutOfReachError
        If the system stands on a frozen encoder that is not here.
    """
    folds = {}
    for number in np.unique(records.fold).tolist():
        fold = store.load(number)
        if fold is None:
            seed = plan.seed + number
            system = build_system(plan.name, plan.settings, seed=seed, device=plan.device, **plan.shape)
            start_s = time.perf_counter()
            log = train_on_records(
                system,
                records,
                np.flatnonzero(records.fold != number),
                plan.recipe,
                plan.task,
                seed=seed,
                device=plan.device,
                on_batch=on_batch,
            )
            fold = TrainedFold(system, log, time.perf_counter() - start_s)
            store.save(number, fold)
        folds[number] = fold
    return folds


def predict_folds(
    plan: CrossValidation,
    records: LabelledRecords,
    folds: Mapping[int, TrainedFold],
    rows: Sequence[Mapping[str, Any]],
    *,
    num_views: int,
) -> Columns:
    """Predict the records of each fold by the model that was trained on the others.

    Parameters
    ----------
    plan, records
        As `train_folds` takes them.
    folds : mapping of int to TrainedFold
        What it returned.
    rows : sequence of mapping
        Rows of the ``diagnoses`` table, in the order of the records.
    num_views : int
        Segments along each record, see `ecgfeat.arena.record_task.record_posteriors`.

    Returns
    -------
    dict of str to array
        Columns of ``record_predictions``: fold by fold view ``single`` and, of two views or more, their mean.
    """
    parts: list[Columns] = []
    for number, fold in folds.items():
        test = np.flatnonzero(records.fold == number)
        tested = [rows[i] for i in test.tolist()]
        single_NK, pooled_NK = record_posteriors(
            fold.system,
            records,
            test,
            plan.task,
            num_views=num_views,
            power=plan.settings["pooling_power"],
            device=plan.device,
        )
        views = {"single": single_NK} | ({f"tta{num_views}": pooled_NK} if num_views > 1 else {})
        for view, probability_NK in views.items():
            parts.append(tabulate_posteriors(plan.corpus.slug, plan.name, view, number, tested, probability_NK))
    return stack_columns(parts, list(RECORD_PREDICTIONS.columns))


def tabulate_posteriors(
    slug: str, name: str, view: str, fold: int, rows: Sequence[Mapping[str, Any]], probability_NK: NDArray[np.floating]
) -> Columns:
    """Lay out what a model predicts of records.

    Parameters
    ----------
    slug, name, view : str
        Corpus, model and view.
    fold : int
        Fold of the records: the model was trained on the others.
    rows : sequence of mapping
        Their rows of the ``diagnoses`` table.
    probability_NK : ndarray of float, (N, K)
        Probability of each class.

    Returns
    -------
    dict of str to array, (N,)
        Columns of ``record_predictions``.
    """
    return {
        "corpus": np.full(len(rows), slug),
        "model": np.full(len(rows), name),
        "view": np.full(len(rows), view),
        "fold": np.full(len(rows), fold),
        "subject": np.array([row["subject"] for row in rows]),
        "record": np.array([row["record"] for row in rows]),
        "references": _column_of_lists([row["labels"] for row in rows]),
        "unknown": _column_of_lists([row["unknown"] for row in rows]),
        "probability": _column_of_lists(probability_NK.tolist()),
    }


def _column_of_lists(rows: Sequence[Sequence[Any]]) -> NDArray[Any]:
    column: NDArray[Any] = np.empty(len(rows), dtype=object)
    for at, row in enumerate(rows):
        column[at] = list(row)
    return column
