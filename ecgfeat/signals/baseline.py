"""Take electrode offset and slow drift out of a signal, and put them back.

Electrodes leave up to some 300 mV of offset, which int16 microvolts cannot hold.

Shape suffixes: S samples, C leads, K knots.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgfeat.signals.gaps import clear_invalid, find_runs
from ecgfeat.store.schemas import LIMIT_UV
from ecgfeat.store.tables import Columns

KNOT_S: Final = 5.0
"""Time between knots: the baseline is the median of the lead over so long."""

_LARGEST_MV = LIMIT_UV / 1000
_GAP_S = 0.2
_STEP_MV, _STEP_S, _AROUND_STEP_S = 10.0, 0.02, 0.125
_FLAT_MV = 0.1


@dataclass(frozen=True)
class Knots:
    """Baseline of one lead: straight lines between knots, held before the first and after the last.

    Attributes
    ----------
    time_s : ndarray of float64, (K,)
        Times of the knots, ascending.
    value_uv : ndarray of int32, (K,)
        Values there, in microvolts.
    """

    time_s: NDArray[np.float64]
    value_uv: NDArray[np.int32]


@dataclass(frozen=True)
class Baseline:
    """Baseline of a record: the knots of each lead."""

    leads: tuple[Knots, ...]

    def at(self, num_samples: int, fs_hz: float) -> NDArray[np.float32]:
        """Return the baseline of each sample in mV, (S, C)."""
        time_s = np.arange(num_samples) / fs_hz
        baseline_uv = [np.interp(time_s, knots.time_s, knots.value_uv) for knots in self.leads]
        return (np.stack(baseline_uv, axis=1) / 1000).astype(np.float32)


def remove_baseline(signal_mv_SC: NDArray[np.float32], fs_hz: float) -> tuple[NDArray[np.float32], Baseline]:
    """Subtract the baseline of each lead.

    Parameters
    ----------
    signal_mv_SC : ndarray of float32, (S, C)
        Leads in mV at any offset, NaN where invalid; at least one sample and one lead.
    fs_hz : float
        Their rate.

    Returns
    -------
    signal_mv_SC : ndarray of float32, (S, C)
        What is left; NaN also in the 0.125 s around a step, and where int16 microvolts do not reach. Elsewhere the sum
        with ``baseline.at(S, fs_hz)`` is the signal to within float32.
    baseline : Baseline
        Whole microvolts; 0 in a lead without valid samples.

    Notes
    -----
    * A knot is the median of the valid samples of five seconds, in their middle.
    * A flat stretch, a gap of 0.2 s or more, and a step of 10 mV within 20 ms divide the lead: nothing is drawn from
      the level before to the level after.
    """
    num_samples = len(signal_mv_SC)
    left_SC = np.array(signal_mv_SC, dtype=np.float32)
    leads = []
    for left_S in left_SC.T:
        is_flat_S = _clear_steps(left_S, fs_hz)
        knots = _find_knots(left_S, is_flat_S, fs_hz)
        leads.append(knots)
        left_S -= Baseline((knots,)).at(num_samples, fs_hz)[:, 0]
        # Of a flat stretch its own level is left out: what differs from it is the step into it.
        left_S[(is_flat_S & (np.abs(left_S) > _FLAT_MV)) | (np.abs(left_S) > _LARGEST_MV)] = np.nan
    return left_SC, Baseline(tuple(leads))


def _clear_steps(lead_S: NDArray[np.float32], fs_hz: float) -> NDArray[np.bool_]:
    """Make the samples around steps invalid, and return which samples are of a flat stretch or the steps into it."""
    lead_S[np.isinf(lead_S)] = np.nan
    is_flat_S = np.isnan(clear_invalid(lead_S, fs_hz)) & ~np.isnan(lead_S)
    apart = max(1, round(_STEP_S * fs_hz))
    step = np.flatnonzero(np.abs(lead_S[apart:] - lead_S[:-apart]) > _STEP_MV)
    around = round(_AROUND_STEP_S * fs_hz)
    if step.size:
        is_near_S = np.zeros(lead_S.size + 1, dtype=np.int64)
        np.add.at(is_near_S, np.maximum(step - around, 0), 1)
        np.add.at(is_near_S, np.minimum(step + apart + around, lead_S.size), -1)
        lead_S[(np.cumsum(is_near_S[:-1]) > 0) & ~is_flat_S] = np.nan
    return is_flat_S


def _find_knots(lead_S: NDArray[np.float32], is_flat_S: NDArray[np.bool_], fs_hz: float) -> Knots:
    """Return the knots of one lead, piece by piece."""
    time_s: list[float] = []
    level_mv: list[float] = []
    for start, stop in _find_pieces(lead_S, is_flat_S, fs_hz):
        valid_S = lead_S[start:stop]
        if is_flat_S[start]:
            edges = np.array([start, stop])
        else:
            edges = np.arange(start, stop, max(1, round(KNOT_S * fs_hz)))
            # The rest of the piece is joined to the last five seconds, unless it is all there is.
            edges = np.append(edges[:-1] if len(edges) > 1 else edges, stop)
        middle = (edges[:-1] + edges[1:] - 1) / 2
        values = _medians(valid_S, edges - start)
        inside = (middle > start) & (middle < stop - 1)
        times = [start, *middle[inside], *([stop - 1] if stop - 1 > start else [])]
        time_s += [at / fs_hz for at in times]
        held = [values[0], *np.array(values)[inside], *([values[-1]] if stop - 1 > start else [])]
        level_mv += [float(value) for value in held]
    if not time_s:
        return Knots(np.zeros(1), np.zeros(1, dtype=np.int32))
    return Knots(np.array(time_s), np.rint(1000 * np.array(level_mv)).astype(np.int32))


def _medians(lead_S: NDArray[np.float32], edges: NDArray[np.int64]) -> list[float]:
    """Return the median of the valid samples between edges; where there are none, that of the whole piece."""
    parts = [part_S[np.isfinite(part_S)] for part_S in np.split(lead_S, edges[1:-1])]
    whole = float(np.nanmedian(lead_S))
    return [float(np.median(part_S)) if part_S.size else whole for part_S in parts]


def _find_pieces(lead_S: NDArray[np.float32], is_flat_S: NDArray[np.bool_], fs_hz: float) -> list[tuple[int, int]]:
    """Return the stretches of a lead that have a baseline of their own: flat ones, and those between gaps and steps."""
    is_gap_S = np.isnan(lead_S)
    for start, stop in find_runs(is_gap_S & ~is_flat_S):
        # A few lost samples divide nothing; at the ends there is nothing to divide.
        if stop - start < _GAP_S * fs_hz and start > 0 and stop < lead_S.size:
            is_gap_S[start:stop] = False
    pieces = [*find_runs(~is_gap_S & ~is_flat_S), *find_runs(is_flat_S)]
    return sorted((int(start), int(stop)) for start, stop in pieces if not np.isnan(lead_S[start:stop]).all())


def tabulate_baseline(record: str, baseline: Baseline) -> Columns:
    """Make the rows of one record of the table ``wander``, lead by lead."""
    num_knots = [len(knots.time_s) for knots in baseline.leads]
    return {
        "record": np.full(sum(num_knots), record, dtype=object),
        "lead": np.repeat(np.arange(len(num_knots), dtype=np.int32), num_knots),
        "time_s": np.concatenate([knots.time_s for knots in baseline.leads]),
        "baseline_uv": np.concatenate([knots.value_uv for knots in baseline.leads]),
    }


def read_baseline(rows: Columns) -> Baseline:
    """Return the baseline of a record from its rows of the table ``wander``.

    Parameters
    ----------
    rows : dict of str to array
        As `ecgfeat.store.tables.split_by_record` gives them.

    Returns
    -------
    Baseline
        Add ``baseline.at(S, fs_hz)`` to the millivolts of the store for those of the record.
    """
    of_lead = [rows["lead"] == lead for lead in range(int(rows["lead"].max(initial=-1)) + 1)]
    return Baseline(tuple(Knots(rows["time_s"][of], rows["baseline_uv"][of]) for of in of_lead))
