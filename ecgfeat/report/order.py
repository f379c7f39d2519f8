"""Order of heads, protocols, classes and views in all tables and pictures: by name, never by score."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ecgfeat.report.inputs import ReportInputs
from ecgfeat.report.sheet import VIEW_TITLES
from ecgfeat.store.schemas import RHYTHMS

HEAD_ORDER = ("timeline", "window", "rr_logistic", "rr_rules", "majority")
"""Order of the heads in every table: the main one, the published one, the baselines."""
PROTOCOL_ORDER = ("timeline", "episode", "grid")
"""Order of the protocols: the main one first."""


def ranked(names: Iterable[str], order: Sequence[str]) -> list[str]:
    """Sort names as in `order`, unknown ones behind by name."""
    return sorted(names, key=lambda name: (order.index(name) if name in order else len(order), name))


def scored_classes(of: Mapping[str, Any]) -> list[str]:
    """Return the classes that a tree of scores tells of, in the order of the task."""
    return ranked(of["support"], RHYTHMS)


def protocols(inputs: ReportInputs) -> list[str]:
    """Return the protocols that were scored, in order."""
    heads = [of for tree in inputs.metrics["rhythm"].values() for of in tree.values()]
    return ranked({protocol for of in heads for protocol in of}, PROTOCOL_ORDER)


def main_view(views: Mapping[str, Any]) -> str:
    """Return the view that speaks for a head: the mean of the seven where there is one, else the single view."""
    return "tta7" if "tta7" in views else ranked(views, tuple(VIEW_TITLES))[0]
