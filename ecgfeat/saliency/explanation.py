"""What moved a number of a model, as one object: for the page, for a picture, and in words.

Shape suffixes: N samples or beats, K columns of a map.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

CAUTION: Final = "Exploratory: shows what moved this number of the model, not why the heart did it."
"""Stands beside every map."""

LEAST_DIFFERENCE: Final = 0.1
"""Of a smaller difference no share is stated: there is nothing to divide."""

SMALL_SHARE: Final = 0.1
"""A map that shows less of the difference says little of the answer."""

_MOST_NAMES = 3  # of a group, in words


class Part(NamedTuple):
    """A part of a difference.

    Attributes
    ----------
    group : str
        Where it comes from, such as ``waveform of this beat``.
    name : str
        Figure that the model reads, such as ``rr_over_mean_11``; empty: the group is one part.
    value : float
        In the unit of the logit.
    is_on_trace : bool
        Whether the map shows it.
    extent_s : tuple of float, optional
        Where it lies, in seconds from the start of the record, if it is of a beat or an interval and not of samples. It
        stands under the trace there.
    """

    group: str
    name: str
    value: float
    is_on_trace: bool
    extent_s: tuple[float, float] | None = None


@dataclass(frozen=True)
class Explanation:
    """Why a model gives a number, against what it gives a baseline.

    Attributes
    ----------
    record : str
        Name.
    model : str
        Such as ``beat classifier``.
    at_s : float
        Time of the beat, or of the first sample of the segment, in seconds from the start of the record.
    answer : str
        Class or rhythm that is explained.
    number : str
        What is explained, such as ``log odds of V``.
    value, baseline_value : float
        The number as the model gives it, and of the baseline.
    baseline : str
        In words.
    parts : tuple of Part
        Their sum and the residual are the difference of the two values.
    residual : float
        What the sum over steps leaves of the difference.
    similarity : float or None
        Rank correlation of the sizes in the map with those of a map of random weights; None: one of them is constant,
        or there is no signal.
    kind : {'beat', 'rhythm', 'segment', 'record'}
        What is explained. Rows of the map are samples; of a rhythm, beats. It has none where no sample is read.
    columns : tuple of str, (K,)
        Leads; or what is read of a beat.
    start_s, stop_s : ndarray of float64, (N,)
        Extent of the rows in seconds from the start of the record; of beats, the interval before the R-peak.
    relevance : ndarray of float64, (N, K)
        In the unit of the logit: positive raises the number, negative lowers it.
    extent_s : tuple of float, optional
        What is explained, in seconds, where a map reaches beyond it.
    notes : tuple of str
        What else a reader must know, one line each.
    compared : str
        What ``similarity`` compares with.
    """

    record: str
    model: str
    at_s: float
    answer: str
    number: str
    value: float
    baseline_value: float
    baseline: str
    parts: tuple[Part, ...]
    residual: float
    similarity: float | None
    kind: Literal["beat", "rhythm", "segment", "record"]
    columns: tuple[str, ...]
    start_s: NDArray[np.float64]
    stop_s: NDArray[np.float64]
    relevance: NDArray[np.float64]
    extent_s: tuple[float, float] | None = None
    notes: tuple[str, ...] = ()
    compared: str = "a map of random weights"

    @property
    def difference(self) -> float:
        """What is explained: the number less that of the baseline."""
        return self.value - self.baseline_value

    @property
    def share(self) -> float | None:
        """Part of the difference that is on the trace; above 1 or below 0 where the rest opposes it."""
        return self._share_of(sum(part.value for part in self.parts if part.is_on_trace))

    def share_between(self, from_s: float, to_s: float) -> float | None:
        """Return the part of the difference that the map shows between two times in seconds; None of a small one."""
        is_inside_N = (self.start_s < to_s) & (self.stop_s > from_s)
        return self._share_of(float(self.relevance[is_inside_N].sum()))

    def _share_of(self, value: float) -> float | None:
        return value / self.difference if abs(self.difference) >= LEAST_DIFFERENCE else None

    def sum_groups(self) -> dict[str, float]:
        """Return the sum of the parts of each group, in order."""
        sums: dict[str, float] = {}
        for part in self.parts:
            sums[part.group] = sums.get(part.group, 0.0) + part.value
        return sums

    def as_lines(self) -> list[str]:
        """Return it in words, line by line."""
        lines = [
            f"{self.record}, {self.at_s:.2f} s: {self.answer}. {self.model[0].upper()}{self.model[1:]}, {self.number} "
            f"{self.value:+.2f}.",
            f"Baseline: {self.baseline}; its number is {self.baseline_value:+.2f}. "
            f"The difference, {self.difference:+.2f}, is made of:",
        ]
        for group, value in self.sum_groups().items():
            lines.append(f"  {_signed(value)}  {group}{self._place(group)}{self._name(group)}")
        if self.residual:
            lines.append(f"  {_signed(self.residual)}  not accounted for by the sum over steps")
        return [*lines, *self.notes, f"{self.state_share()}.", f"{self.state_similarity()}.", CAUTION]

    def state_share(self) -> str:
        """Return in words how much of the difference is on the trace, and under it."""
        if self.share is None:
            return "On the trace: no share is stated, the difference is too small"
        hint = ": look at the parts, not at the map" if abs(self.share) < SMALL_SHARE else ""
        on_trace = (
            f"{round(100 * self.share)} % of the difference{hint}" if self.relevance.size else "no sample is read"
        )
        placed = [part.value for part in self.parts if part.extent_s is not None]
        under = (
            f"; under it, at beats and intervals: {round(100 * sum(placed) / self.difference)} % of the difference"
            if placed
            else ""
        )
        return f"On the trace: {on_trace}{under}"

    def _place(self, group: str) -> str:
        """Return whether a group is on the trace, or under it at beats and intervals."""
        of = [part for part in self.parts if part.group == group]
        if any(part.is_on_trace for part in of):
            return " (on the trace)"
        num_placed = sum(part.extent_s is not None for part in of)
        return "" if not num_placed else " (under the trace)" if num_placed == len(of) else " (partly under the trace)"

    def _name(self, group: str) -> str:
        """Return the largest figures of a group."""
        named = [part for part in self.parts if part.group == group and part.name]
        named.sort(key=lambda part: -abs(part.value))
        words = ", ".join(f"{part.name} {_signed(part.value)}" for part in named[:_MOST_NAMES])
        return f": {words}{', and others' if len(named) > _MOST_NAMES else ''}" if words else ""

    def state_similarity(self) -> str:
        """Return the check with random weights in words."""
        if self.similarity is None:
            return f"Similarity to {self.compared}: none, there is nothing to compare"
        return f"Similarity to {self.compared} {_without_zero(self.similarity)} (lower is better)"

    def as_dict(self) -> dict[str, Any]:
        """Return it in JSON types.

        Returns
        -------
        dict
            The attributes; ``difference``, ``share``, ``groups`` and ``caution``; the map as ``start_s``, ``stop_s``
            and ``relevance`` with one list per column. None where there is no number.
        """
        return {
            **{name: getattr(self, name) for name in ("record", "model", "answer", "number", "baseline", "kind")},
            **{
                name: _finite(getattr(self, name))
                for name in ("at_s", "value", "baseline_value", "difference", "residual", "share", "similarity")
            },
            "groups": {group: _finite(value) for group, value in self.sum_groups().items()},
            "parts": [
                part._asdict() | {"value": _finite(part.value), "extent_s": _round(part.extent_s)}
                for part in self.parts
            ],
            "extent_s": _round(self.extent_s),
            "notes": list(self.notes),
            "compared": self.compared,
            "columns": list(self.columns),
            "start_s": list(_plain(self.start_s)),
            "stop_s": list(_plain(self.stop_s)),
            "relevance": [list(_plain(column_N)) for column_N in self.relevance.T],
            "caution": CAUTION,
        }


def _signed(value: float) -> str:
    """Write a part with two digits; 0 is +0.00."""
    return f"{round(value, 2) + 0.0:+.2f}"


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(f"{value:.6g}")


def _round(extent_s: tuple[float, float] | None) -> list[float | None] | None:
    return None if extent_s is None else [_finite(bound_s) for bound_s in extent_s]


def _plain(value_N: NDArray[np.float64]) -> Iterator[float]:
    """Yield numbers in few digits: a map of a minute is then some 100 KB of JSON."""
    return (float(f"{value:.6g}") for value in value_N.tolist())


def _without_zero(value: float) -> str:
    """Write a correlation as is usual, such as .31."""
    return f"{value:.2f}".replace("0.", ".", 1)
