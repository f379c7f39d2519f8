"""The summary in words: one label and one text for each number, the same wherever it is printed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ecgfeat.clock import clock, time_of_day
from ecgfeat.prediction.episodes import main_rhythm
from ecgfeat.store.tables import Columns
from ecgfeat.summary.day import DaySummary
from ecgfeat.summary.ectopy import Ectopy
from ecgfeat.summary.intervals import IntervalAt, RateAt

MOST_PAUSES = 3
UNKNOWN = "unknown"
OF_TIME = " of the time with a rhythm"

_LINES = (
    ("usable", "beats"),
    ("rhythms",),
    ("af_burden", "longest_af"),
    ("mean", "lowest", "highest"),
    ("longest_rr", "pauses"),
    ("ectopic", "V", "S"),
    ("sdnn", "rmssd"),
)
"""Names of the figures in each line on a terminal."""
_LINES_WITHOUT_INTERVALS = 3


@dataclass(frozen=True)
class Figure:
    """One number of a summary, ready to print.

    Attributes
    ----------
    name : str
        Key, such as ``af_burden``.
    label : str
        What it is, such as ``AF burden``.
    text : str
        The number with its unit, and when it was.
    times_s : tuple of float
        Times that the text names, in seconds from the start of the record, in its order.
    """

    name: str
    label: str
    text: str
    times_s: tuple[float, ...] = ()


def list_figures(summary: DaySummary) -> list[Figure]:
    """Write the numbers of a summary.

    Parameters
    ----------
    summary : DaySummary
        Of a record.

    Returns
    -------
    list of Figure
        Always the same, in the same order. A number that the record does not give is ``unknown``.
    """
    counts = ", ".join(f"{count:,} {kind}" for kind, count in summary.num_of.items())
    burden, share, variability = summary.af_burden, summary.ectopic_share, summary.variability
    return [
        Figure("usable", "usable", _usable(summary)),
        Figure("beats", "beats", f"{summary.num_beats:,}: {counts}"),
        Figure("mean", "mean heart rate", _per_min(summary.mean_per_min)),
        _rate_figure(summary, "lowest", summary.lowest),
        _rate_figure(summary, "highest", summary.highest),
        Figure("rhythms", "minutes", _minutes(summary)),
        Figure(
            "af_burden",
            "AF burden",
            UNKNOWN if burden is None else f"{100 * burden:.1f} %{OF_TIME}",
        ),
        _longest_af(summary),
        _pauses(summary),
        _interval_figure(summary, "longest_rr", "longest RR interval", summary.longest_rr),
        Figure("ectopic", "ectopic beats", UNKNOWN if share is None else f"{100 * share:.2f} % of all beats"),
        *(_ectopy(summary, kind, summary.ectopy[kind]) for kind in ("V", "S")),
        Figure("sdnn", "SDNN", _ms(variability.sdnn_ms, f" over {variability.num_intervals:,} NN intervals")),
        Figure("rmssd", "RMSSD", _ms(variability.rmssd_ms)),
    ]


def summary_lines(record: str, summary: DaySummary, episodes: Columns) -> str:
    """Write the summary of a record as lines for a terminal.

    Parameters
    ----------
    record : str
        Name, which each line begins with.
    summary : DaySummary
        The numbers.
    episodes : dict of str to array
        Columns of `ecgfeat.outputs.tables.RECORD_EPISODES`.

    Returns
    -------
    str
        The figures of `list_figures`, several in a line. Then the main rhythm, that of most time, if there is one: its
        share of the time with a rhythm, its certainty, and the evidence of its longest episode. See
        `ecgfeat.prediction.episodes.main_rhythm`.
    """
    figure_of = {figure.name: figure for figure in list_figures(summary)}
    groups = _LINES if summary.mean_per_min is not None else _LINES[:_LINES_WITHOUT_INTERVALS]
    lines = [
        "; ".join(f"{figure.label} {figure.text}" for figure in (figure_of[name] for name in group)) for group in groups
    ]
    if summary.named_s:
        lines.append(_main_rhythm(summary, episodes))
    return "\n".join(f"{record}: {line}" for line in lines)


def _main_rhythm(summary: DaySummary, episodes: Columns) -> str:
    """Write the rhythm of most of the named time."""
    length_s = episodes["stop_s"] - episodes["start_s"]
    main, certainty = main_rhythm(episodes["rhythm"], length_s, episodes["certainty"], episodes["num_beats"])
    rows = np.flatnonzero(episodes["rhythm"] == main)
    share = f"{100 * summary.seconds_of[main] / summary.named_s:.0f} % of the time with a rhythm"
    which = "its longest episode: " if len(rows) > 1 else ""
    return f"{main} {share}, certainty {certainty:.2f}; {which}{episodes['evidence'][rows[length_s[rows].argmax()]]}"


def _usable(summary: DaySummary) -> str:
    unit, unit_s = ("h", 3600) if summary.duration_s >= 3600 else ("min", 60)
    return f"{summary.usable_s / unit_s:.1f} of {summary.duration_s / unit_s:.1f} {unit}"


def _minutes(summary: DaySummary) -> str:
    of_name = ", ".join(f"{name} {total_s / 60:.1f}" for name, total_s in summary.seconds_of.items() if total_s)
    return f"{of_name} ({_count(summary.num_episodes, 'episode', 'episodes')})"


def _per_min(rate: float | None) -> str:
    return UNKNOWN if rate is None else f"{rate:.0f} per min"


def at(summary: DaySummary, at_s: float) -> str:
    """Write when something was: from the start of the record, and on the clock of the patient if that is known."""
    of_day = time_of_day(summary.start, at_s)
    return f"at {clock(at_s)}" + f" ({of_day})" * bool(of_day)


def _rate_figure(summary: DaySummary, name: str, rate: RateAt | None) -> Figure:
    label = f"{name} heart rate"
    if rate is None:
        return Figure(name, label, UNKNOWN)
    return Figure(name, label, f"{_per_min(rate.per_min)} {at(summary, rate.start_s)}", (rate.start_s,))


def _interval_figure(summary: DaySummary, name: str, label: str, interval: IntervalAt | None) -> Figure:
    if interval is None:
        return Figure(name, label, UNKNOWN)
    return Figure(name, label, f"{interval.rr_s:.2f} s {at(summary, interval.start_s)}", (interval.start_s,))


def _longest_af(summary: DaySummary) -> Figure:
    label, episode = "longest AF episode", summary.longest_af
    if episode is None:
        return Figure("longest_af", label, "none" if summary.named_s else UNKNOWN)
    text = f"{_length(episode.duration_s)} {at(summary, episode.start_s)}"
    return Figure("longest_af", label, text, (episode.start_s,))


def _length(duration_s: float) -> str:
    """Write a duration in s, min or h."""
    if duration_s >= 3600:
        return f"{duration_s / 3600:.1f} h"
    return f"{duration_s / 60:.1f} min" if duration_s >= 60 else f"{duration_s:.0f} s"


def _pauses(summary: DaySummary) -> Figure:
    label = "pauses over 2 s"
    if summary.longest_rr is None:
        return Figure("pauses", label, UNKNOWN)
    if not summary.pauses:
        return Figure("pauses", label, "0")
    # The longest are named: a day may have hundreds.
    named = sorted(summary.pauses, key=lambda pause: -pause.rr_s)[:MOST_PAUSES]
    times = ", ".join(f"{pause.rr_s:.2f} s {at(summary, pause.start_s)}" for pause in named)
    more = "; the longest: " if len(summary.pauses) > MOST_PAUSES else ": "
    text = f"{len(summary.pauses):,}{more}{times}"
    return Figure("pauses", label, text, tuple(pause.start_s for pause in named))


def _ectopy(summary: DaySummary, kind: str, ectopy: Ectopy) -> Figure:
    """Write couplets, runs and bigeminy of a class."""
    label = f"{kind} beats"
    if not summary.num_beats:
        return Figure(kind, label, UNKNOWN)
    parts = [
        f"{ectopy.num_beats:,}",
        _count(ectopy.num_couplets, "couplet", "couplets"),
        _count(len(ectopy.runs), "run", "runs"),
    ]
    times: Sequence[float] = ()
    run = ectopy.longest_run
    if run is not None:
        parts[-1] += f" (longest {run.num_beats} beats, {_per_min(run.per_min)}, {at(summary, run.start_s)})"
        times = (run.start_s,)
    bigeminy = _count(ectopy.num_bigeminy, "episode of bigeminy", "episodes of bigeminy")
    parts.append(bigeminy + f" ({_length(ectopy.bigeminy_s)})" * bool(ectopy.num_bigeminy))
    return Figure(kind, label, ", ".join(parts), tuple(times))


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def _ms(value_ms: float | None, over: str = "") -> str:
    return UNKNOWN if value_ms is None else f"{value_ms:.0f} ms{over}"
