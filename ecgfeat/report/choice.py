"""What the headline shows: settled by name, never by score."""

from dataclasses import dataclass

from ecgfeat.report.inputs import ReportInputs
from ecgfeat.report.order import HEAD_ORDER, PROTOCOL_ORDER, ranked
from ecgfeat.report.sheet import HISTORY_ORDER
from ecgfeat.scoring.tables import codes


@dataclass(frozen=True)
class Choice:
    """Which rows the headline, the pictures and the table of records show.

    Attributes
    ----------
    head, protocol : str or None
        Rhythm head and protocol; None without rhythm scores.
    view : str
        That which validation chose for a timeline; otherwise ``tta7`` where the run has it, else ``single``.
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


def choose_content(inputs: ReportInputs) -> Choice:
    """Settle what is shown first: head and protocol ``timeline`` where there are, predicted history.

    Parameters
    ----------
    inputs : ReportInputs
        Results of a run; what it names itself comes before all defaults.

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
