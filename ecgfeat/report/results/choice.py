"""What the page shows first, and in which order: by name, never by score."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ecgfeat.report.results.inputs import ReportInputs
from ecgfeat.scoring.tables import codes
from ecgfeat.store.schemas import RHYTHMS

HEAD_ORDER = ("timeline", "transformer", "trees", "both", "window", "rr_logistic", "rr_rules", "majority")
"""Order of the heads in every table: the main one, the published one, the baselines."""
PROTOCOL_ORDER = ("timeline", "episode", "grid")
"""Order of the protocols: the main one first."""
HISTORY_ORDER = ("predicted", "none", "oracle")
VIEW_TITLES = {"single": "single view", "tta7": "TTA-7", "viterbi": "smoothed"}
"""Names of the views of a rhythm table; ``viterbi`` smooths the posteriors of ``tta7``."""
UNITS = {"timeline": "beats", "grid": "segments", "episode": "episodes"}
"""Scored units of each protocol."""


def ranked(names: Iterable[str], order: Sequence[str]) -> list[str]:
    """Sort names as in `order`, unknown ones behind by name."""
    return sorted(names, key=lambda name: (order.index(name) if name in order else len(order), name))


def scored_classes(of: Mapping[str, Any]) -> list[str]:
    """Return the classes of some scores, in the order of the task."""
    return ranked(of["support"], RHYTHMS)


def scored_protocols(inputs: ReportInputs) -> list[str]:
    """Return the protocols that were scored, in order."""
    heads = [of for tree in inputs.metrics["rhythm"].values() for of in tree.values()]
    return ranked({protocol for of in heads for protocol in of}, PROTOCOL_ORDER)


def main_view(views: Mapping[str, Any]) -> str:
    """Return the main view of a head: the mean of the seven views if there is one, else the single view."""
    return "tta7" if "tta7" in views else ranked(views, tuple(VIEW_TITLES))[0]


@dataclass(frozen=True)
class Choice:
    """Which rows the headline, the pictures and the table of records show.

    Attributes
    ----------
    head, protocol : str or None
        Rhythm head and protocol; None without rhythm scores.
    view : str
        Of a timeline, the view chosen on the validation records; otherwise ``tta7`` if the run has it, else ``single``.
    history : str or None
        Source of the preceding beats' labels; None without beats.
    detector : str or None
        R-peak detector; None without R-peaks.
    """

    head: str | None
    protocol: str | None
    view: str
    history: str | None
    detector: str | None


def choose_chain(inputs: ReportInputs, choice: Choice) -> Choice:
    """Choose what the first screen and the records show: what a user is given, where the run has it.

    Parameters
    ----------
    inputs : ReportInputs
        Results of a run.
    choice : Choice
        What `choose_content` chose; the choice of a run without outside evaluation.

    Returns
    -------
    Choice
        The head of the outside evaluation, beat by beat, as it is named to a user: if it was scored beside the
        baselines too, on the test records of this run.
    """
    heads = {
        head for of in inputs.outside.get("rhythm", {}).values() for head, views in of.items() if "single" in views
    }
    for head in ranked(heads, HEAD_ORDER):
        views = {view for of in inputs.metrics["rhythm"].values() for view in of.get(head, {}).get("timeline", {})}
        if views:
            view = "viterbi" if "viterbi" in views else main_view(dict.fromkeys(views))
            return replace(choice, head=head, protocol="timeline", view=view)
    return choice


def choose_content(inputs: ReportInputs) -> Choice:
    """Choose what is shown first: head and protocol ``timeline`` if the run has them, predicted history.

    Parameters
    ----------
    inputs : ReportInputs
        Results of a run; head, protocol and detector that it names come before all defaults.

    Returns
    -------
    Choice
    """
    tree = inputs.metrics["rhythm"]
    heads = ranked({head for of in tree.values() for head in of if inputs.head in (None, head)}, HEAD_ORDER)
    head = heads[0] if heads else None
    of_head = [of[head] for of in tree.values() if head in of]
    protocols = ranked({p for of in of_head for p in of if inputs.protocol in (None, p)}, PROTOCOL_ORDER)
    protocol = protocols[0] if protocols else None
    views = {view for of in of_head if protocol in of for view in of[protocol]}
    chosen = inputs.metrics.get("chosen_view") if protocol == "timeline" and head == "timeline" else None
    averaged = "tta7" if "tta7" in views else "single"
    view = str(chosen) if chosen in views else averaged
    histories = ranked({history for of in inputs.metrics["beats"].values() for history in of}, HISTORY_ORDER)
    detector = inputs.detector
    if detector is None and inputs.rpeaks is not None:
        names, _ = codes(inputs.rpeaks, "detector")
        detector = names[0] if names else None
    return Choice(
        head if protocol else None,
        protocol,
        view,
        histories[0] if histories else None,
        detector,
    )
