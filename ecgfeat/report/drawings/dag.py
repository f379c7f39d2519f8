"""Draw the stages of the pipeline as inline SVG: one stage per line, edges that skip stages as arcs beside them."""

from collections.abc import Sequence
from html import escape

_NODE_HEIGHT, _STEP, _LANE = 30.0, 48.0, 13.0
_LETTER = 9.0
"""Width of a bold letter of a name at most, in the units of the drawing: every name fits into its box."""


def order_stages(edges: Sequence[tuple[str, str]]) -> list[str]:
    """Sort stages so that each follows the stages that it reads from, otherwise in the order of first mention.

    Parameters
    ----------
    edges : sequence of (str, str)
        From a stage to a stage that reads its output.

    Returns
    -------
    list of str
        The stages.

    Raises
    ------
    ValueError
        If the edges form a cycle.
    """
    waiting = list(dict.fromkeys(stage for edge in edges for stage in edge))
    ordered: list[str] = []
    while waiting:
        ready = [s for s in waiting if all(a in ordered for a, b in edges if b == s)]
        if not ready:
            raise ValueError(f"stages {', '.join(waiting)}: they wait for each other; expected no cycle")
        ordered.append(ready[0])
        waiting.remove(ready[0])
    return ordered


def direct_edges(edges: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the edges that do not follow from others: a stage also waits for all stages before those that it reads.

    Parameters
    ----------
    edges : sequence of (str, str)
        From a stage to a stage that reads its output; without a cycle.

    Returns
    -------
    list of (str, str)
        The fewest edges with the same order of stages, each once, in the given order.
    """
    behind: dict[str, set[str]] = {}
    for stage in reversed(order_stages(edges)):
        readers = {b for a, b in edges if a == stage}
        behind[stage] = readers.union(*(behind[reader] for reader in readers))
    return [
        (a, b) for a, b in dict.fromkeys(edges) if not any(b in behind[other] for start, other in edges if start == a)
    ]


def _lanes(spans: Sequence[tuple[int, int]]) -> dict[tuple[int, int], int]:
    """Return a lane for each edge that skips a stage, short edges inside, so that no two overlap."""
    lane: dict[tuple[int, int], int] = {}
    for start, stop in sorted((s for s in spans if s[1] - s[0] > 1), key=lambda s: (s[1] - s[0], s)):
        taken = {at for (a, b), at in lane.items() if a < stop and start < b}
        lane[start, stop] = next(at for at in range(len(spans)) if at not in taken)
    return lane


def draw_dag(edges: Sequence[tuple[str, str]]) -> str:
    """Draw the stages from top to bottom, without the edges that follow from others; the description has all edges.

    Parameters
    ----------
    edges : sequence of (str, str)
        From a stage to a stage that reads its output.

    Returns
    -------
    str
        An ``svg`` element with title and description, or empty text without edges.

    Raises
    ------
    ValueError
        If the edges form a cycle.
    """
    stages = order_stages(edges)
    if not stages:
        return ""
    height = _STEP * (len(stages) - 1) + _NODE_HEIGHT + 8
    drawn = direct_edges(edges)
    lane = _lanes([(stages.index(start), stages.index(stop)) for start, stop in drawn])
    node_x = 20 + _LANE * (1 + max(lane.values(), default=0))
    node_width = 24 + _LETTER * max(map(len, stages))
    width = node_x + node_width + 4
    middle = {stage: 4 + _NODE_HEIGHT / 2 + _STEP * index for index, stage in enumerate(stages)}
    description = "; ".join(f"{a} to {b}" for a, b in dict.fromkeys(edges))
    parts = [
        f'<svg class="dag" viewBox="0 0 {width:g} {height:g}" style="max-width: {width:g}px" role="img" '
        'aria-labelledby="dag-title dag-desc">',
        '<title id="dag-title">Stages of the pipeline</title>',
        f'<desc id="dag-desc">{escape(description)}</desc>',
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 .8 7.2 4 0 7.2z"/></marker></defs>',
    ]
    for start, stop in drawn:
        ends = stages.index(start), stages.index(stop)
        if ends not in lane:
            x = node_x + node_width / 2
            top, bottom = middle[start] + _NODE_HEIGHT / 2, middle[stop] - _NODE_HEIGHT / 2 - 1
            parts.append(f'<path class="edge" d="M{x:g} {top:g}V{bottom:g}" marker-end="url(#arrow)"/>')
        else:
            reach = node_x - 16 - _LANE * lane[ends]
            # Arcs leave a little below the middle and arrive a little above it, to keep the two apart.
            top, bottom = middle[start] + 5, middle[stop] - 5
            bend = min(14.0, (bottom - top) / 2)
            path = (
                f"M{node_x:g} {top:g}H{reach + bend:g}Q{reach:g} {top:g} {reach:g} {top + bend:g}"
                f"V{bottom - bend:g}Q{reach:g} {bottom:g} {reach + bend:g} {bottom:g}H{node_x - 1:g}"
            )
            parts.append(f'<path class="edge skip" d="{path}" marker-end="url(#arrow)"/>')
    for stage in stages:
        top = middle[stage] - _NODE_HEIGHT / 2
        box = f'x="{node_x:g}" y="{top:g}" width="{node_width:g}" height="{_NODE_HEIGHT:g}" rx="7"'
        parts.append(f'<rect class="node" {box}/>')
        centre = node_x + node_width / 2
        parts.append(f'<text class="name" x="{centre:g}" y="{middle[stage] + 4.5:g}">{escape(stage)}</text>')
    return "\n".join([*parts, "</svg>"])
