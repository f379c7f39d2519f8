"""The summary of a day, or of any record: how long, how fast, how much AF, how many ectopic beats."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfeat.prediction.episodes import NO_SIGNAL, NOISE, UNNAMED
from ecgfeat.store.schemas import RHYTHMS
from ecgfeat.store.tables import Columns
from ecgfeat.summary.ectopy import Ectopy, count_ectopy
from ecgfeat.summary.intervals import (
    IntervalAt,
    RateAt,
    Variability,
    extreme_rates,
    find_pauses,
    longest_interval,
    mean_rate,
    measure_variability,
)

ECTOPIC = ("S", "V")


@dataclass(frozen=True)
class EpisodeAt:
    """An episode and when it was: half-open, in seconds from the start of the record."""

    start_s: float
    stop_s: float

    @property
    def duration_s(self) -> float:
        """Its length."""
        return self.stop_s - self.start_s


@dataclass(frozen=True, repr=False)
class DaySummary:
    """The numbers of a record that a reader looks for first. `ecgfeat.summary.list_figures` writes them in words.

    Attributes
    ----------
    duration_s : float
        Length of the record.
    usable_s : float
        Time that is neither noise nor without signal.
    start : datetime or None
        When the recording began, where its file states it.
    num_beats : int
        R-peaks in usable time.
    num_episodes : int
        Episodes, those without a rhythm included.
    mean_per_min : float or None
        Heart rate: RR intervals by their time. None without an interval.
    lowest, highest : RateAt or None
        Heart rate over eight RR intervals in a row. None where no usable stretch has so many.
    seconds_of : mapping of str to float
        Time of each rhythm and, of time without one, of each reason.
    named_s : float
        Time with a rhythm.
    longest_af : EpisodeAt or None
        Longest episode of AFIB.
    pauses : tuple of IntervalAt
        RR intervals over 2 s.
    longest_rr : IntervalAt or None
        Longest RR interval.
    ectopy : mapping of str to Ectopy
        Ectopic beats of the classes S and V.
    variability : Variability
        SDNN and RMSSD of NN intervals in sinus rhythm.
    """

    duration_s: float
    usable_s: float
    start: datetime | None
    num_beats: int
    num_episodes: int
    mean_per_min: float | None
    lowest: RateAt | None
    highest: RateAt | None
    seconds_of: Mapping[str, float]
    named_s: float
    longest_af: EpisodeAt | None
    pauses: tuple[IntervalAt, ...]
    longest_rr: IntervalAt | None
    ectopy: Mapping[str, Ectopy]
    variability: Variability

    @property
    def af_burden(self) -> float | None:
        """Share of AFIB in the time with a rhythm, in [0, 1]; None where no time has a rhythm."""
        return self.seconds_of.get("AFIB", 0.0) / self.named_s if self.named_s else None

    @property
    def num_of(self) -> dict[str, int]:
        """Beats of each class: N, S, V."""
        num_of = {kind: self.ectopy[kind].num_beats for kind in ECTOPIC}
        return {"N": self.num_beats - sum(num_of.values())} | num_of

    @property
    def ectopic_share(self) -> float | None:
        """Share of S and V in all beats, in [0, 1]; None without a beat."""
        return sum(self.ectopy[kind].num_beats for kind in ECTOPIC) / self.num_beats if self.num_beats else None

    def as_dict(self) -> dict[str, Any]:
        """Return all numbers in JSON types."""
        numbers: dict[str, Any] = dataclasses.asdict(self)
        numbers["start"] = self.start.isoformat() if self.start else None
        numbers["seconds_of"] = dict(self.seconds_of)
        numbers["ectopy"] = {kind: dataclasses.asdict(self.ectopy[kind]) for kind in ECTOPIC}
        return numbers | {
            "af_burden": self.af_burden,
            "num_of": self.num_of,
            "ectopic_share": self.ectopic_share,
        }

    def __repr__(self) -> str:
        # Words stand above numbers, and are needed here alone.
        from ecgfeat.summary.figures import list_figures

        return "\n".join(f"{figure.label}: {figure.text}" for figure in list_figures(self))


def summarise(beats: Columns, episodes: Columns, duration_s: float, start: datetime | None = None) -> DaySummary:
    """Summarise the beats and episodes of a record.

    Parameters
    ----------
    beats, episodes : dict of str to array
        Columns of `ecgfeat.outputs.tables.RECORD_BEATS` and ``RECORD_EPISODES``.
    duration_s : float
        Length of the record.
    start : datetime, optional
        When the recording began.

    Returns
    -------
    DaySummary
    """
    time_s, rr_s, aami = beats["time_s"], beats["rr_s"], beats["aami"]
    length_s = episodes["stop_s"] - episodes["start_s"]
    seconds_of = _seconds_of(episodes, length_s)
    lowest, highest = extreme_rates(time_s, rr_s) or (None, None)
    return DaySummary(
        duration_s=float(duration_s),
        usable_s=max(0.0, float(duration_s) - seconds_of.get(NOISE, 0.0) - seconds_of.get(NO_SIGNAL, 0.0)),
        start=start,
        num_beats=len(aami),
        num_episodes=len(length_s),
        mean_per_min=mean_rate(rr_s),
        lowest=lowest,
        highest=highest,
        seconds_of=seconds_of,
        named_s=sum(seconds_of.get(name, 0.0) for name in RHYTHMS),
        longest_af=_longest(episodes, length_s, "AFIB"),
        pauses=find_pauses(time_s, rr_s),
        longest_rr=longest_interval(time_s, rr_s),
        ectopy={kind: count_ectopy(time_s, rr_s, aami, kind) for kind in ECTOPIC},
        variability=measure_variability(rr_s, aami, beats["rhythm"]),
    )


def _seconds_of(episodes: Columns, length_s: NDArray[np.float64]) -> dict[str, float]:
    """Return the time of each rhythm, and of each reason why there is none, rhythms first."""
    name_of = np.where(episodes["rhythm"] != "", episodes["rhythm"], episodes["reason"])
    return {name: float(length_s[name_of == name].sum()) for name in (*RHYTHMS, *UNNAMED) if (name_of == name).any()}


def _longest(episodes: Columns, length_s: NDArray[np.float64], rhythm: str) -> EpisodeAt | None:
    """Return the longest episode of a rhythm, the first of equal ones."""
    rows = np.flatnonzero(episodes["rhythm"] == rhythm)
    if not len(rows):
        return None
    row = rows[length_s[rows].argmax()]
    return EpisodeAt(float(episodes["start_s"][row]), float(episodes["stop_s"][row]))
