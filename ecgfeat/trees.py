"""Boosted trees, by LightGBM: fitted on columns with names, kept as text.

Shape suffixes: N rows, D columns, K classes.

References
----------
Ke et al., "LightGBM: A Highly Efficient Gradient Boosting Decision Tree", NeurIPS 2017.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

_ITERATIONS = 10


@dataclass(frozen=True)
class TreeSettings:
    """How trees are grown.

    Attributes
    ----------
    iterations : int
        Trees per class.
    leaves : int
        Of a tree.
    min_rows : int
        Fewest rows of a leaf.
    lr : float
        Share of a tree's answer that is added.
    """

    iterations: int
    leaves: int
    min_rows: int
    lr: float


class Trees:
    """Fitted trees.

    Parameters
    ----------
    text : str
        LightGBM's own text format, which holds numbers alone and runs no code. A damaged one ends the process: a
        file is read by `ecgfeat.store.described.read_checked`, which compares its checksum first.
    """

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def _booster(self) -> Any:
        import lightgbm  # takes most of a second, with what it imports in turn

        return lightgbm.Booster(model_str=self.text)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns it reads, in order."""
        return tuple(self._booster.feature_name())

    def predict(self, value_ND: NDArray[np.float32], iterations: int | None = None) -> NDArray[np.float32]:
        """Return the probabilities of rows.

        Parameters
        ----------
        value_ND : ndarray of float32, (N, D)
            The columns in order; NaN is missing.
        iterations : int, optional
            First trees of each class that are used; all by default.

        Returns
        -------
        ndarray of float32, (N,) or (N, K)
            Of the second of two classes, or of each class.
        """
        assert value_ND.shape[1] == len(self.columns), "one value per column"
        num_classes = self._booster.num_model_per_iteration()
        if not len(value_ND):
            return np.zeros((0, num_classes)[: 1 + (num_classes > 1)], dtype=np.float32)
        num_threads = torch.get_num_threads()
        if num_classes == 1:
            answer = self._booster.predict(value_ND, num_iteration=iterations, num_threads=num_threads)
            return np.asarray(answer, dtype=np.float32)
        total, score_NK = iterations or self._booster.current_iteration(), np.zeros((len(value_ND), num_classes))
        # LightGBM takes each row through all trees, which the cache of a core does not hold: it is given few at a time.
        for first in range(0, total, _ITERATIONS):
            part = {"start_iteration": first, "num_iteration": min(_ITERATIONS, total - first)}
            score_NK += self._booster.predict(value_ND, raw_score=True, num_threads=num_threads, **part)
        share_NK = np.exp(score_NK - score_NK.max(axis=1, keepdims=True))
        return (share_NK / share_NK.sum(axis=1, keepdims=True)).astype(np.float32)

    def split_scores(self, value_ND: NDArray[np.float32]) -> NDArray[np.float64]:
        """Split the score of each class, before it becomes a probability, among the columns.

        Parameters
        ----------
        value_ND : ndarray of float32, (N, D)
            The columns in order; NaN is missing.

        Returns
        -------
        ndarray of float64, (N, K, D + 1)
            SHAP values, and the mean score of the training rows last; their sum is the score. Of two classes K is 1:
            the log odds of the second.

        Notes
        -----
        * Lundberg et al., "From local explanations to global understanding with explainable AI for trees", Nature
          Machine Intelligence 2, 2020. They are exact.
        """
        assert value_ND.shape[1] == len(self.columns), "one value per column"
        contribution = self._booster.predict(value_ND, pred_contrib=True, num_threads=torch.get_num_threads())
        return np.asarray(contribution, dtype=np.float64).reshape(len(value_ND), -1, len(self.columns) + 1)


def fit_trees(
    value_ND: NDArray[np.float32],
    target_N: NDArray[np.int64],
    weight_N: NDArray[np.float64],
    columns: Sequence[str],
    settings: TreeSettings,
    *,
    num_classes: int,
    seed: int,
) -> Trees:
    """Grow trees.

    Parameters
    ----------
    value_ND : ndarray of float32, (N, D)
        Rows to learn from; NaN is missing.
    target_N : ndarray of int64, (N,)
        Their classes.
    weight_N : ndarray of float64, (N,)
        How much each counts.
    columns : sequence of str, (D,)
        Names of the columns.
    settings : TreeSettings
        How.
    num_classes : int
        K.
    seed : int
        Of the draws of rows and columns.

    Returns
    -------
    Trees
        The same for any number of threads.

    Notes
    -----
    * As many threads as torch has: ``runtime.threads`` is given to torch by `ecgfeat.device.choose_device`.
    """
    import lightgbm

    params = {
        "objective": "binary" if num_classes == 2 else "multiclass",
        "learning_rate": settings.lr,
        "num_leaves": settings.leaves,
        "min_data_in_leaf": settings.min_rows,
        "feature_fraction": 0.6,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "lambda_l2": 1.0,
        "seed": seed,
        "deterministic": True,
        "force_col_wise": True,
        "num_threads": torch.get_num_threads(),
        "verbose": -1,
    }
    if num_classes > 2:
        params["num_class"] = num_classes
    rows = lightgbm.Dataset(value_ND, target_N, weight=weight_N, feature_name=list(columns), params={"verbose": -1})
    booster = lightgbm.train(params, rows, settings.iterations)
    return Trees(_trees_alone(booster.model_to_string()))


def balance_rows(target_N: NDArray[np.int64], group_N: NDArray[np.int64], num_classes: int) -> NDArray[np.float64]:
    """Weigh rows so that neither a group nor a class with many of them decides everything.

    Parameters
    ----------
    target_N : ndarray of int64, (N,)
        Classes.
    group_N : ndarray of int64, (N,)
        The record that each row comes from, as a number from 0.
    num_classes : int
        K.

    Returns
    -------
    ndarray of float64, (N,)
        Mean 1. A row of a group with n rows of its class counts ``n ** -0.5``, and a class with a sum s ``s ** -0.5``.
    """
    weight_N = np.zeros(len(target_N))
    for target in range(num_classes):
        rows = np.flatnonzero(target_N == target)
        if len(rows):
            count = np.bincount(group_N[rows])
            weight_N[rows] = count[group_N[rows]] ** -0.5
            weight_N[rows] *= weight_N[rows].sum() ** -0.5
    return weight_N / weight_N.mean()


def _trees_alone(text: str) -> str:
    """Leave out what follows the trees: settings of the machine, such as its number of threads."""
    end = "end of trees\n"
    return text[: text.index(end) + len(end)]
