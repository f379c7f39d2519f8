"""Score what the trees on record figures, and the baselines beside them, predict of a corpus."""

from typing import Any

import numpy as np

from ecgfeat.arena.scores import record_scores_of
from ecgfeat.corpora.corpus import DiagnosticCorpus
from ecgfeat.corpora.halves import draw_halves
from ecgfeat.diagnosis.folds import RECORD_TREES, TITLES
from ecgfeat.store.tables import Columns


def summarise_diagnoses(
    predictions: Columns, corpus: DiagnosticCorpus, *, num_resamples: int, seed: int
) -> dict[str, Any]:
    """Score the predictions of a cross-validation.

    Parameters
    ----------
    predictions : dict of str to array
        Columns of ``record_predictions``, of the models `ecgfeat.diagnosis.folds.TITLES`.
    corpus : DiagnosticCorpus
        Classes, those of the official score, and the task.
    num_resamples, seed : int
        Of the bootstrap over subjects.

    Returns
    -------
    dict
        ``corpus, task, classes, scored, titles``; ``models``: by name, what
        `ecgfeat.scoring.diagnosis.diagnosis_scores` gives; with one class per record ``held_half``: the same of the
        classifier on the second half of the records, on which no figure was chosen.
    """
    options: dict[str, Any] = {"bootstrap": num_resamples, "seed": seed}
    models = {
        name: record_scores_of(_take(predictions, predictions["model"] == name), corpus, **options)["single"]
        for name in TITLES
    }
    summary: dict[str, Any] = {
        "corpus": corpus.slug,
        "task": corpus.task,
        "classes": list(corpus.classes),
        "scored": list(corpus.scored),
        "titles": dict(TITLES),
        "models": models,
    }
    if corpus.task == "single":
        rows = _take(predictions, predictions["model"] == RECORD_TREES)
        label = {str(record): str(of[0]) for record, of in zip(rows["record"], rows["references"], strict=True)}
        held = _take(rows, np.isin(rows["record"].astype(str), draw_halves(label, corpus.classes)[1]))
        summary["held_half"] = record_scores_of(held, corpus, **options)["single"]
    return summary


def _take(table: Columns, rows: Any) -> Columns:
    return {name: column[rows] for name, column in table.items()}
