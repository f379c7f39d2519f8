"""Choose the parts of a record that are drawn: of each rhythm the surest and the least sure, and the extremes."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ecgfeat.clock import clock
from ecgfeat.store.schemas import RHYTHMS
from ecgfeat.store.tables import Columns
from ecgfeat.summary import DaySummary
from ecgfeat.summary.intervals import RATE_INTERVALS

EXAMPLE_S = 10.0
LONGEST_WHOLE_S = 60.0
"""A record of so long, or shorter, is drawn whole."""

_BEFORE_ONSET_S = 3.0


@dataclass(frozen=True)
class Example:
    """A part of a record to draw.

    Attributes
    ----------
    start_s, stop_s : float
        In seconds from the start of the record.
    reason : str
        Why it is drawn, such as ``Least certain AFIB episode, certainty .52``.
    """

    start_s: float
    stop_s: float
    reason: str


def choose_examples(summary: DaySummary, episodes: Columns) -> tuple[Example, ...]:
    """Choose what is drawn of a record.

    Parameters
    ----------
    summary : DaySummary
        The numbers of the record.
    episodes : dict of str to array
        Columns of `ecgfeat.outputs.tables.RECORD_EPISODES`.

    Returns
    -------
    tuple of Example
        A record of at most 60 s: all of it, ten seconds at a time. Of a longer one ten seconds each: of every rhythm
        the most and the least certain episode; the onset of the longest AFIB episode; the first run of V beats; the
        longest pause; the highest and the lowest heart rate. Of equals the first. Two of nearly the same time are one,
        with both reasons.
    """
    duration_s = summary.duration_s
    if duration_s <= LONGEST_WHOLE_S:
        starts = np.arange(0, max(duration_s - 1e-6, 1e-6), EXAMPLE_S)
        return tuple(
            Example(float(start_s), float(min(start_s + EXAMPLE_S, duration_s)), "Whole record" if not start_s else "")
            for start_s in starts
        )
    chosen: list[Example] = []
    for middle_s, reason in (*_rhythm_examples(episodes), *_beat_examples(summary)):
        start_s = float(np.clip(np.floor(middle_s - EXAMPLE_S / 2), 0, np.floor(duration_s - EXAMPLE_S)))
        near = next((at for at, other in enumerate(chosen) if abs(other.start_s - start_s) <= EXAMPLE_S / 5), None)
        if near is None:
            chosen.append(Example(start_s, start_s + EXAMPLE_S, reason))
        else:
            other = chosen[near]
            chosen[near] = Example(other.start_s, other.stop_s, f"{other.reason}; {reason[0].lower()}{reason[1:]}")
    return tuple(chosen)


def _rhythm_examples(episodes: Columns) -> Iterator[tuple[float, str]]:
    """Yield the middle and the reason of the examples of each rhythm."""
    for rhythm in RHYTHMS:
        rows = np.flatnonzero((episodes["rhythm"] == rhythm) & np.isfinite(episodes["certainty"]))
        if not len(rows):
            continue
        middle_s = (episodes["start_s"] + episodes["stop_s"])[rows] / 2
        certainty = episodes["certainty"][rows]
        most, least = int(certainty.argmax()), int(certainty.argmin())
        which = "Most certain" if len(rows) > 1 else "The only"
        yield float(middle_s[most]), f"{which} {rhythm} episode, certainty {_hundredths(certainty[most])}"
        if least != most:
            yield float(middle_s[least]), f"Least certain {rhythm} episode, certainty {_hundredths(certainty[least])}"


def _beat_examples(summary: DaySummary) -> Iterator[tuple[float, str]]:
    """Yield the middle and the reason of the examples that single numbers of the summary give."""
    if summary.longest_af is not None:
        # Its onset: what changes tells more than what goes on.
        middle_s = summary.longest_af.start_s - _BEFORE_ONSET_S + EXAMPLE_S / 2
        length = clock(summary.longest_af.duration_s)
        yield middle_s, f"Onset of the longest AFIB episode, which lasts {length}"
    for run in summary.ectopy["V"].runs[:1]:
        length_s = 60 * (run.num_beats - 1) / run.per_min
        yield run.start_s + length_s / 2, f"First run of V beats, {run.num_beats} beats, {run.per_min:.0f} per min"
    if summary.pauses:
        pause = max(summary.pauses, key=lambda interval: interval.rr_s)
        yield pause.start_s + pause.rr_s / 2, f"Longest pause, {pause.rr_s:.2f} s"
    for rate, which in ((summary.highest, "Highest"), (summary.lowest, "Lowest")):
        if rate is not None:
            middle_s = rate.start_s + 60 * RATE_INTERVALS / rate.per_min / 2
            yield middle_s, f"{which} heart rate, {rate.per_min:.0f} per min over {RATE_INTERVALS} RR intervals"


def _hundredths(probability: float) -> str:
    """Write a probability as ``.52`` or ``1.00``."""
    return f"{probability:.2f}".removeprefix("0") or "0"
