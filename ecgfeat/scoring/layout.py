"""Names of the places in a vector of scores, so that one bootstrap may serve them all."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfeat.scoring.intervals import MIN_SUBJECTS, name_bounds

ScoreArray = NDArray[np.float64]


class ScoreLayout:
    """Names of the places in a vector of scores: some overall, then some of each class."""

    def __init__(self, overall: Sequence[str], by_class: Sequence[str], classes: Sequence[str]) -> None:
        self.overall, self.by_class, self.classes = overall, by_class, classes

    def name(self, value: ScoreArray) -> dict[str, Any]:
        """Name the scores; a class without the score has no entry."""
        scores: dict[str, Any] = {name: float(one) for name, one in zip(self.overall, value, strict=False)}
        parts = value[len(self.overall) :].reshape(len(self.by_class), len(self.classes))
        for name, of in zip(self.by_class, parts.tolist(), strict=True):
            scores[name] = {one: v for one, v in zip(self.classes, of, strict=True) if v == v}
        return scores

    def name_bounds(self, low: ScoreArray, high: ScoreArray, subjects: Mapping[str, int]) -> dict[str, Any]:
        """Name the intervals; a class of too few subjects has none."""
        num = len(self.overall)
        bounds: dict[str, Any] = dict(name_bounds(self.overall, low[:num], high[:num]))
        parts = [side[num:].reshape(len(self.by_class), len(self.classes)) for side in (low, high)]
        for name, *sides in zip(self.by_class, *parts, strict=True):
            of = name_bounds(self.classes, *sides)
            bounds[name] = {one: bound for one, bound in of.items() if subjects[one] >= MIN_SUBJECTS}
        return bounds
