"""The panels of a day: shares of rhythms, pauses, heart rate, ectopic beats, RR intervals, and their axis of time.

Shape suffixes: T columns, K kinds.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import LinearSegmentedColormap
from numpy.typing import NDArray

from ecgfeat.clock import clock
from ecgfeat.paper.trends import Rates, round_step, seconds_of_kinds
from ecgfeat.report.drawings.ecg_paper import BEAT_COLOURS, Ribbon
from ecgfeat.report.drawings.style import ACCENT, INK, MUTED, QUALITY_COLOURS, ink_on, rhythm_colour
from ecgfeat.signals.gaps import find_runs
from ecgfeat.store.schemas import RHYTHMS
from ecgfeat.store.tables import Columns
from ecgfeat.summary.intervals import PAUSE_OVER_S

COLUMN_MM = 0.25
"""Width of a column of a ribbon: what a printer resolves."""

LEAST_SHARE = 0.2
"""A rhythm of a shorter share of a column is drawn with this share: it would be invisible."""

MOST_DOTS = 10_000
"""A record of more beats has the density of its RR intervals in place of a dot for each."""

LONGEST_RR_S = 2.0
"""A longer RR interval is drawn at the edge."""

MOST_TICKS = 13
"""On the axis of time."""

_DAY_S = 86_400
_LEAST_RR_S, _RR_STEP_S, _DENSITY_COLUMNS = 0.2, 0.025, 500
_DENSITY = LinearSegmentedColormap.from_list("density", ["#dbe7ee", ACCENT, INK])
_MOST_BARS = 96


def kinds_of(ribbon: Ribbon) -> tuple[str, ...]:
    """Return the rhythms that a ribbon may hold, in the order in which a column stacks them from below."""
    others = sorted(set(ribbon.rhythm) - set(RHYTHMS) - {""})
    return (*RHYTHMS, *others, "")


def draw_shares(axis: Axes, ribbon: Ribbon, kinds: Sequence[str], wide_mm: float) -> None:
    """Draw how much of each column of time each kind has.

    Parameters
    ----------
    axis : Axes
        Its x is in seconds.
    ribbon : Ribbon
        Episodes in time order, without overlap.
    kinds : sequence of str
        Those to draw, from below.
    wide_mm : float
        Width of the axes.
    """
    axis.set(ylim=(0, 1), yticks=[])
    axis.axis("off")
    duration_s = axis.get_xlim()[1]
    edges_s = np.linspace(0, duration_s, max(1, round(wide_mm / COLUMN_MM)) + 1)
    seconds_TK = seconds_of_kinds(edges_s, ribbon.start_s, ribbon.stop_s, ribbon.rhythm, kinds)
    share_TK = seconds_TK / np.diff(edges_s)[:, None]
    total_T1 = share_TK.sum(axis=1, keepdims=True)
    is_there = share_TK > 1e-9
    share_TK = np.where(is_there, np.maximum(share_TK, LEAST_SHARE), 0)
    share_TK *= np.minimum(total_T1, 1) / np.maximum(share_TK.sum(axis=1, keepdims=True), 1e-9)
    foot_TK = np.cumsum(share_TK, axis=1) - share_TK
    for k, kind in enumerate(kinds):
        # Neighbouring columns of one height are one rectangle.
        key = np.stack([foot_TK[:, k], share_TK[:, k]], axis=1).round(6)
        changes = np.flatnonzero(np.append(True, (key[1:] != key[:-1]).any(axis=1)))
        stops = np.append(changes[1:], len(key))
        boxes = [
            [(edges_s[a], low), (edges_s[b], low), (edges_s[b], low + high), (edges_s[a], low + high)]
            for a, b, (low, high) in zip(changes, stops, key[changes], strict=True)
            if high > 0
        ]
        colour = rhythm_colour(kind)
        axis.add_collection(PolyCollection(boxes, facecolors=colour, edgecolors=colour, linewidths=0.15))
    for start_s, stop_s, kind in zip(ribbon.start_s, ribbon.stop_s, ribbon.rhythm, strict=True):
        length_mm = wide_mm * (stop_s - start_s) / duration_s
        if kind in RHYTHMS and length_mm > 4 + 2.0 * len(kind):
            middle_s = (start_s + stop_s) / 2
            ink = ink_on(rhythm_colour(kind))
            axis.text(middle_s, 0.46, kind, fontsize=7, color=ink, fontweight="bold", ha="center", va="center")


def draw_pauses(axis: Axes, beats: Columns) -> None:
    """Draw a stroke for each pause; those that a printer cannot tell apart are one."""
    axis.set(ylim=(0, 1), yticks=[])
    axis.axis("off")
    at_s = beats["time_s"][beats["rr_s"] > PAUSE_OVER_S]
    column_s = axis.get_xlim()[1] / 1000
    axis.vlines(np.unique((at_s / column_s).round()) * column_s, 0, 0.9, color=BEAT_COLOURS["V"], linewidth=0.9)


def draw_rates(axis: Axes, rates: Rates) -> None:
    """Draw the mean heart rate of each stretch, in a band from its lowest to its highest."""
    values = np.concatenate([rates.least, rates.most, rates.mean])
    values = values[np.isfinite(values)]
    low, high = (float(values.min()), float(values.max())) if len(values) else (60.0, 100.0)
    low, high = max(0.0, 10 * np.floor(min(low, 50) / 10)), min(300.0, 10 * np.ceil(max(high, 110) / 10))
    step = 20 if high - low <= 120 else 50
    axis.set(ylim=(low, high), yticks=np.arange(step * np.ceil(low / step), high + 1, step))
    for at in axis.get_yticks():
        axis.axhline(at, color="#eef1f4", linewidth=0.6, zorder=0)
    axis.stairs(rates.most, rates.edges_s, baseline=rates.least, fill=True, color="#bcd7e3", linewidth=0)
    axis.stairs(rates.mean, rates.edges_s, baseline=None, color=ACCENT, linewidth=0.9)
    if not len(values):
        axis.text(0.5, 0.5, "no heart rate", fontsize=7, color=MUTED, ha="center", transform=axis.transAxes)


def ectopic_step(duration_s: float) -> int:
    """Return the length of the stretches in which ectopic beats are counted, in whole seconds."""
    return min(round_step(duration_s / _MOST_BARS), max(1, int(np.ceil(duration_s))))


def draw_ectopics(axis: Axes, beats: Columns, duration_s: float, step_s: int) -> None:
    """Draw the number of V beats, upwards, and of S beats, downwards, in each stretch."""
    edges_s = np.append(np.arange(0, duration_s, step_s), duration_s)
    counts = {kind: np.histogram(beats["time_s"][beats["aami"] == kind], edges_s)[0] for kind in ("V", "S")}
    most = max(1, *(int(count.max()) for count in counts.values()))
    for sign, (kind, count) in zip((1, -1), counts.items(), strict=True):
        axis.bar(edges_s[:-1], sign * count, np.diff(edges_s), align="edge", color=BEAT_COLOURS[kind], linewidth=0)
        total = f"{int(count.sum()):,} {kind}"
        axis.text(0.004, 0.5 + sign * 0.40, total, fontsize=6.5, color=BEAT_COLOURS[kind], fontweight="bold",
                  va="center", transform=axis.transAxes,
                  bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5, "alpha": 0.8})  # fmt: skip
    axis.axhline(0, color=MUTED, linewidth=0.6)
    axis.set(ylim=(-1.3 * most, 1.3 * most), yticks=[-most, 0, most])
    axis.set_yticklabels([f"{most:,}", "0", f"{most:,}"])


def draw_density(axis: Axes, beats: Columns, duration_s: float) -> None:
    """Draw RR intervals over time: a dot for each, or their density where there are many; long ones at the edge."""
    low, high = _LEAST_RR_S, LONGEST_RR_S
    axis.set(ylim=(low, high), yticks=[0.5, 1.0, 1.5, 2.0])
    is_interval = np.isfinite(beats["rr_s"])
    time_s, rr_s = beats["time_s"][is_interval], np.clip(beats["rr_s"][is_interval], low, high - 1e-6)
    if len(rr_s) <= MOST_DOTS:
        classes = beats["aami"][is_interval]
        size = 2.2 if len(rr_s) <= 600 else 1.2 if len(rr_s) <= 4000 else 0.9
        for kind, of in (("N", ~np.isin(classes, ("S", "V"))), ("S", classes == "S"), ("V", classes == "V")):
            axis.plot(time_s[of], rr_s[of], ".", color=BEAT_COLOURS[kind], markersize=size, clip_on=False)
        return
    rr_edges = np.arange(low, high + _RR_STEP_S / 2, _RR_STEP_S)
    count_RT, _, _ = np.histogram2d(rr_s, time_s, bins=(rr_edges, np.linspace(0, duration_s, _DENSITY_COLUMNS + 1)))
    axis.imshow(
        _to_picture(count_RT), extent=(0, duration_s, low, high), origin="lower", aspect="auto", interpolation="none"
    )


def _to_picture(count_RT: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return counts as colours, darker for more; cells without an interval are transparent."""
    most = max(1.0, float(np.percentile(count_RT[count_RT > 0], 99.5)))
    picture = (255 * np.asarray(_DENSITY(np.minimum(np.sqrt(count_RT / most), 1)))).round().astype(np.uint8)
    picture[count_RT == 0] = (255, 255, 255, 0)
    return picture


def shade_unusable(axis: Axes, quality: Ribbon, duration_s: float, wide_mm: float) -> None:
    """Shade the columns of which more than half is noise or without signal."""
    edges_s = np.linspace(0, duration_s, max(1, round(wide_mm / COLUMN_MM)) + 1)
    seconds_TK = seconds_of_kinds(edges_s, quality.start_s, quality.stop_s, quality.rhythm, ("noisy", "absent"))
    share_TK = seconds_TK / np.diff(edges_s)[:, None]
    for k, state in enumerate(("noisy", "absent")):
        for start, stop in find_runs((share_TK.sum(axis=1) > 0.5) & (share_TK.argmax(axis=1) == k)):
            colour = QUALITY_COLOURS[state]
            axis.axvspan(edges_s[start], edges_s[stop], facecolor=colour, alpha=0.25, linewidth=0, zorder=0.5)


def duration_text(step_s: int) -> str:
    """Write a round duration, such as ``15 min``."""
    for unit_s, unit in ((3600, "h"), (60, "min")):
        if step_s % unit_s == 0:
            return f"{step_s // unit_s} {unit}"
    return f"{step_s} s" if step_s < 60 else clock(step_s)


def choose_ticks(duration_s: float, start: datetime | None) -> list[tuple[float, str]]:
    """Choose where ticks stand.

    Parameters
    ----------
    duration_s : float
        Length of the record.
    start : datetime or None
        When it began.

    Returns
    -------
    list of (float, str)
        Seconds from the start of the record, at whole hours of the day or such, and the text under each. At midnight it
        has a second line, the number of the day, the first being 1.
    """
    step_s = round_step(duration_s / MOST_TICKS)
    into_day_s = 0.0
    if start is not None:
        into_day_s = 3600 * start.hour + 60 * start.minute + start.second + start.microsecond / 1e6
    first_s = -into_day_s % step_s
    num_ticks = int((duration_s - first_s) // step_s) + 1 if duration_s >= first_s else 0
    return [(at_s, _tick_text(at_s, start, step_s)) for at_s in (first_s + step_s * tick for tick in range(num_ticks))]


def _tick_text(at_s: float, start: datetime | None, step_s: int) -> str:
    """Return what a tick says."""
    if start is None:
        return clock(at_s)
    # Ticks are whole seconds of the day; half a second takes out what rounding left.
    at = start + timedelta(seconds=at_s + 1e-3)
    day = f"day {(at.date() - start.date()).days + 1}"
    if step_s >= _DAY_S:
        return day
    text = f"{at:%H:%M:%S}" if step_s < 60 else f"{at:%H:%M}"
    return f"{text}\n{day}" if (at.hour, at.minute, at.second) == (0, 0, 0) else text


def time_axis_label(start: datetime | None) -> str:
    """Return what the ticks count."""
    return "time of day" if start else "time from start"
