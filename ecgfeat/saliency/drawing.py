"""An explanation on ECG paper: a colour behind the trace, or ribbons of beats under it.

Shape suffixes: S samples of the strip, C leads of the strip, N rows and K columns of the map, Q squares of paper.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgfeat.clock import clock
from ecgfeat.features.beat_parts import AFTER_SAMPLES, BEFORE_SAMPLES
from ecgfeat.report.drawings.ecg_paper import Ribbon
from ecgfeat.report.drawings.strip import Strip
from ecgfeat.report.drawings.tint import tint_colour
from ecgfeat.saliency.explanation import CAUTION, Explanation
from ecgfeat.store.schemas import COMMON_FS_HZ

STRIP_S: Final = 10.0
"""Around an explained beat."""

SQUARE_S: Final = 0.04
"""A small square of the paper, over which the relevance of samples is summed."""

MARK: Final = "#66727f"
LEAST_SHOWN: Final = 0.005
"""Of a beat, in the unit of the logit; less is written as 0."""

TITLES: Final = {
    "RR intervals": "intervals",
    "classes fed back": "classes",
    "waveform of beats farther away": "far beats",
    "wave figures of this beat": "waves",
    "interval figures of this beat": "intervals",
    "interval figures, by the trees": "trees: RR",
    "intervals, by the trees": "trees: RR",
    "S beats, by the trees": "trees: S",
    "V beats, by the trees": "trees: V",
    "figures of one or two intervals": "intervals",
    "maxima of random kernels beside the network": "kernels",
}
"""Of groups of parts with a place, short enough to stand before a ribbon."""

_TOUCH_S = 1e-6


def make_strip(
    explanation: Explanation,
    signal_mv_SC: NDArray[np.float32],
    fs_hz: float,
    leads: Sequence[str],
    beat_s: NDArray[np.float64] | None = None,
    labels: Sequence[str] = (),
) -> Strip:
    """Lay an explanation over the record.

    Parameters
    ----------
    explanation : Explanation
        Of a beat, a rhythm or a segment.
    signal_mv_SC : ndarray of float32, (S, C)
        The record in mV, NaN where invalid. Its first leads are those of the explanation.
    fs_hz : float
        Its rate.
    leads : sequence of str, (C,)
        Names of its leads.
    beat_s : ndarray of float64, (L,), optional
        R-peaks in seconds from the start of the record.
    labels : sequence of str, length L or 0
        Their predicted classes.

    Returns
    -------
    Strip
        Ten seconds around a beat, or the segment. The strongest colour is the largest relevance in it: of a small
        square of paper, or of a beat.
    """
    duration_s = len(signal_mv_SC) / fs_hz
    from_s, to_s = _find_extent(explanation, duration_s)
    first, last = round(from_s * fs_hz), round(to_s * fs_hz)
    part_mv_SC = signal_mv_SC[first:last]
    tint_SC, ribbons, most = None, [_mark(explanation, duration_s), *_draw_parts(explanation, from_s, to_s)], 0.0
    if explanation.kind == "rhythm":
        of_beats, most = _draw_beats(explanation, from_s, to_s)
        ribbons += of_beats
    elif explanation.relevance.size:
        square_S, sum_QK = _sum_by_square(
            explanation, (first + 0.5 + np.arange(len(part_mv_SC), dtype=np.float64)) / fs_hz
        )
        most = float(np.abs(sum_QK[square_S]).max(initial=0.0))
        tint_SC = np.zeros(part_mv_SC.shape)
        if most >= LEAST_SHOWN:  # of less there is nothing to see
            tint_SC[:, : sum_QK.shape[1]] = sum_QK[square_S] / most
    beat_s = np.zeros(0) if beat_s is None else beat_s
    is_shown_L = (beat_s >= from_s) & (beat_s < to_s)
    return Strip(
        title=f"{explanation.record}, {clock(from_s)} to {clock(to_s)}: {explanation.number} "
        f"{explanation.value:+.2f} at {explanation.at_s:.2f} s",
        signal_mv_SC=part_mv_SC,
        fs_hz=fs_hz,
        leads=leads,
        start_s=first / fs_hz,
        rpeak_s=beat_s[is_shown_L],
        reference_label=[labels[row] for row in np.flatnonzero(is_shown_L).tolist()] if labels else (),
        ribbons=ribbons,
        tint_SC=tint_SC,
        note=_write_note(explanation, from_s, to_s, most),
    )


def _mark(explanation: Explanation, duration_s: float) -> Ribbon:
    """Return a ribbon that shows what is explained."""
    from_s, to_s = explanation.at_s - BEFORE_SAMPLES / COMMON_FS_HZ, explanation.at_s + AFTER_SAMPLES / COMMON_FS_HZ
    if explanation.kind == "record":
        from_s, to_s = 0.0, duration_s
    elif explanation.extent_s is not None:
        from_s, to_s = explanation.extent_s
    elif explanation.kind == "segment":
        from_s, to_s = float(explanation.start_s[0]), float(explanation.stop_s[-1])
    elif explanation.kind == "rhythm":
        row = int(np.abs(explanation.stop_s - explanation.at_s).argmin())
        from_s, to_s = float(explanation.start_s[row]), float(explanation.stop_s[row])
    return Ribbon("explained", np.array([from_s]), np.array([to_s]), [explanation.answer], [MARK])


def _draw_beats(explanation: Explanation, from_s: float, to_s: float) -> tuple[list[Ribbon], float]:
    """Return a ribbon for each column that is not 0 throughout, and the largest relevance of a beat."""
    is_inside_N = (explanation.start_s < to_s) & (explanation.stop_s > from_s)
    inside_NK = explanation.relevance[is_inside_N]
    most = float(np.abs(inside_NK).max(initial=0.0))
    ribbons = [
        Ribbon(
            title,
            explanation.start_s[is_inside_N],
            explanation.stop_s[is_inside_N],
            [f"{value:+.2f}" if abs(value) >= LEAST_SHOWN else "0" for value in of_N.tolist()],
            [tint_colour(value / (most or 1.0)) for value in of_N.tolist()],
        )
        for title, of_N in zip(explanation.columns, inside_NK.T, strict=True)
        if np.abs(of_N).max(initial=0.0) >= LEAST_SHOWN
    ]
    return ribbons, most


def _sum_parts(explanation: Explanation, from_s: float, to_s: float) -> dict[str, dict[tuple[float, float], float]]:
    """Return the parts that lie at beats and intervals between two times, summed by group and place."""
    sums: dict[str, dict[tuple[float, float], float]] = {}
    for part in explanation.parts:
        if part.extent_s is not None and part.extent_s[0] < to_s and part.extent_s[1] > from_s:
            of_group = sums.setdefault(part.group, {})
            of_group[part.extent_s] = of_group.get(part.extent_s, 0.0) + part.value
    return sums


def _largest_part(explanation: Explanation, from_s: float, to_s: float) -> float:
    """Return the largest size of what lies at a beat or an interval between two times."""
    sums = _sum_parts(explanation, from_s, to_s)
    return max((abs(value) for of_group in sums.values() for value in of_group.values()), default=0.0)


def _draw_parts(explanation: Explanation, from_s: float, to_s: float) -> list[Ribbon]:
    """Return ribbons of the parts that lie at beats and intervals; those that overlap are in ribbons of their own."""
    most = _largest_part(explanation, from_s, to_s)
    ribbons = []
    for group, of_group in _sum_parts(explanation, from_s, to_s).items():
        lanes: list[list[tuple[tuple[float, float], float]]] = []
        for extent_s, value in sorted(of_group.items()):
            if abs(value) >= LEAST_SHOWN:
                lane = next((lane for lane in lanes if lane[-1][0][1] <= extent_s[0] + _TOUCH_S), None)
                if lane is None:
                    lanes.append(lane := [])
                lane.append((extent_s, value))
        for lane in lanes:
            start_s, stop_s = np.array([extent_s for extent_s, _ in lane]).T
            texts = [f"{value:+.2f}" for _, value in lane]
            colours = [tint_colour(value / most) for _, value in lane]
            ribbons.append(Ribbon(TITLES[group], start_s, stop_s, texts, colours))
    return ribbons


def _sum_by_square(
    explanation: Explanation, time_S: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Sum relevance over the small squares of the paper.

    Single samples are not read by eye, and a sum keeps the share.
    """
    middle_N = (explanation.start_s + explanation.stop_s) / 2
    square_N, square_S = (np.floor(time / SQUARE_S + 1e-6).astype(np.int64) for time in (middle_N, time_S))
    low, high = min(square_N.min(), square_S.min()), max(square_N.max(), square_S.max())
    sum_QK = np.zeros((int(high - low) + 1, explanation.relevance.shape[1]))
    np.add.at(sum_QK, square_N - low, explanation.relevance)
    return square_S - low, sum_QK


def _find_extent(explanation: Explanation, duration_s: float) -> tuple[float, float]:
    """Return the time that is drawn: the segment, or ten seconds around the beat within the record."""
    if explanation.kind == "segment":
        from_s, to_s = explanation.extent_s or (float(explanation.start_s[0]), float(explanation.stop_s[-1]))
        return from_s, min(to_s, duration_s)
    from_s = max(0.0, min(explanation.at_s - STRIP_S / 2, duration_s - STRIP_S))
    return from_s, min(from_s + STRIP_S, duration_s)


def _write_note(explanation: Explanation, from_s: float, to_s: float, most: float) -> str:
    """Return what a reader of the colours must know."""
    lines = ["red raises, blue lowers · no sample is read", f"{explanation.state_similarity()}", CAUTION]
    if explanation.relevance.size:
        share = explanation.share_between(from_s, to_s)
        shown = (
            "difference too small for a share" if share is None else f"shows {round(100 * share)} % of the difference"
        )
        unit = "a beat" if explanation.kind == "rhythm" else f"in {SQUARE_S:g} s"
        lines[0] = f"red raises, blue lowers, at most {most:.2g} {unit} · {shown}"
    largest = _largest_part(explanation, from_s, to_s)
    if largest >= LEAST_SHOWN:
        lines[0] += f" · in ribbons at most {largest:.2g}"
    return "\n".join(lines)
