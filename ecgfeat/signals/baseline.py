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

FAST_KNOT_S: Final = 1.0
"""The same in a piece that drifts by more than half of what int16 microvolts hold within `KNOT_S`."""

_LARGEST_MV = LIMIT_UV / 1000
_GAP_S = 0.2
_SAMPLES_AT_ONCE = 1 << 20  # of float64; a day is eleven million
_CACHED_SAMPLES = 1 << 16
_STEP_MV, _STEP_S, _AROUND_STEP_S, _SIDE_OF_STEP_S = 10.0, 0.02, 0.125, 0.4

_Reals = NDArray[np.float64]


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
        baseline_mv_SC = np.empty((num_samples, len(self.leads)), np.float32)
        for start in range(0, num_samples, _SAMPLES_AT_ONCE):
            stop = min(start + _SAMPLES_AT_ONCE, num_samples)
            time_s = np.arange(start, stop) / fs_hz
            for lead, knots in enumerate(self.leads):
                baseline_mv_SC[start:stop, lead] = np.interp(time_s, knots.time_s, knots.value_uv) / 1000
        return baseline_mv_SC


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
        What is left; NaN also where the lead is off or at a rail (`ecgfeat.signals.gaps`), in the 0.125 s around a
        step, and where int16 microvolts do not reach. Elsewhere the sum with ``baseline.at(S, fs_hz)`` is the signal
        to within float32.
    baseline : Baseline
        Whole microvolts; 0 in a lead without valid samples.

    Notes
    -----
    * A knot is the median of the valid samples of five seconds, in their middle; of one second where the lead drifts
      too fast for that.
    * A gap of 0.2 s or more, and a step of 10 mV within 20 ms, to a level that lasts, divide the lead:
      nothing is drawn from the level before to the level after.
    """
    num_samples = len(signal_mv_SC)
    left_SC = np.empty(signal_mv_SC.shape, dtype=np.float32)
    leads = []
    for lead, lead_S in enumerate(signal_mv_SC.T):
        left_S = clear_invalid(lead_S, fs_hz)
        _clear_steps(left_S, fs_hz)
        knots = _find_knots(left_S, fs_hz)
        leads.append(knots)
        left_S -= Baseline((knots,)).at(num_samples, fs_hz)[:, 0]
        left_S[np.abs(left_S) > _LARGEST_MV] = np.nan
        left_SC[:, lead] = left_S
    return left_SC, Baseline(tuple(leads))


def _clear_steps(lead_S: NDArray[np.float32], fs_hz: float) -> None:
    """Make the samples around electrode steps invalid."""
    apart, around, side = (max(1, round(value_s * fs_hz)) for value_s in (_STEP_S, _AROUND_STEP_S, _SIDE_OF_STEP_S))
    is_step_S = np.empty(max(0, lead_S.size - apart), dtype=np.bool_)
    change_S = np.empty(min(_CACHED_SAMPLES, is_step_S.size), dtype=np.float32)
    for start in range(0, is_step_S.size, _CACHED_SAMPLES):
        part_S = change_S[: is_step_S.size - start]
        np.subtract(lead_S[start + apart :][: part_S.size], lead_S[start:][: part_S.size], out=part_S)
        np.greater(np.abs(part_S, out=part_S), _STEP_MV, out=is_step_S[start:][: part_S.size])
    run = find_runs(is_step_S)
    source_S = lead_S.copy() if len(run) else lead_S
    for start, stop in run:
        stop += apart
        # A step holds its new level; a large QRS complex and the spike of a pacemaker come back.
        before_S, after_S = source_S[max(0, start - side) : start + 1], source_S[stop - 1 : stop + side]
        levels = [np.median(part_S[np.isfinite(part_S)]) for part_S in (before_S, after_S)]
        if abs(levels[1] - levels[0]) > _STEP_MV / 2:
            lead_S[max(0, start - around) : stop + around] = np.nan


def _find_knots(lead_S: NDArray[np.float32], fs_hz: float) -> Knots:
    """Return the knots of one lead, piece by piece."""
    pieces = [_draw_lines(lead_S[start:stop], start, fs_hz) for start, stop in _find_pieces(lead_S, fs_hz)]
    if not pieces:
        return Knots(np.zeros(1), np.zeros(1, dtype=np.int32))
    position, level_mv = (np.concatenate(parts) for parts in zip(*pieces, strict=True))
    limit_uv = np.iinfo(np.int32).max
    return Knots(position / fs_hz, np.clip(np.rint(1000 * level_mv), -limit_uv, limit_uv).astype(np.int32))


def _draw_lines(piece_S: NDArray[np.float32], first: int, fs_hz: float) -> tuple[_Reals, _Reals]:
    """Return positions and levels (mV) of the knots of a piece that begins at a sample."""
    for knot_s in (KNOT_S, FAST_KNOT_S):
        edges = np.arange(0, piece_S.size, max(1, round(knot_s * fs_hz)))
        # The rest of the piece is joined to the last five seconds, unless it is all there is.
        edges = np.append(edges[:-1] if len(edges) > 1 else edges, piece_S.size)
        middle, level_mv = (edges[:-1] + edges[1:] - 1) / 2, _medians(piece_S, edges)
        last = piece_S.size - 1
        inside = (middle > 0) & (middle < last)
        ends = ([0.0], [float(last)]) if last else ([0.0], [])
        position = np.concatenate([ends[0], middle[inside], ends[1]])
        level_mv = np.concatenate([level_mv[:1], level_mv[inside], level_mv[-1:] if last else []])
        if _largest_left(piece_S, position, level_mv) < _LARGEST_MV / 2:
            break
    return position + first, level_mv


def _largest_left(piece_S: NDArray[np.float32], position: _Reals, level_mv: _Reals) -> float:
    """Return the largest distance of a piece from its baseline, or that from the levels if even this is small."""
    bound = float(max(np.fmax.reduce(piece_S) - level_mv.min(), level_mv.max() - np.fmin.reduce(piece_S)))
    if bound < _LARGEST_MV / 2:
        return bound
    largest = []
    for start in range(0, piece_S.size, _SAMPLES_AT_ONCE):
        part_S = piece_S[start : start + _SAMPLES_AT_ONCE]
        left_S = part_S - np.interp(np.arange(start, start + part_S.size), position, level_mv)
        if np.isfinite(left_S).any():
            largest.append(np.nanmax(np.abs(left_S)))
    return float(np.max(largest))


def _medians(lead_S: NDArray[np.float32], edges: NDArray[np.int64]) -> _Reals:
    """Return the median of the valid samples between edges; where there are none, that of the whole piece."""
    median_K = np.empty(len(edges) - 1)
    length = int(edges[1] - edges[0])
    # All parts but the last are of one length: those without a gap in one call.
    same_KS = lead_S[: length * (len(edges) - 2)].reshape(-1, length)
    is_whole_K = np.append(np.isfinite(same_KS).all(axis=1), False)
    # Sorting is quicker than np.median, which selects.
    ordered_KS = np.sort(same_KS[is_whole_K[:-1]], axis=1)
    median_K[is_whole_K] = (ordered_KS[:, (length - 1) // 2] + ordered_KS[:, length // 2]) / 2
    for part in np.flatnonzero(~is_whole_K):
        part_S = lead_S[edges[part] : edges[part + 1]]
        valid_S = part_S[np.isfinite(part_S)]
        median_K[part] = np.median(valid_S if valid_S.size else lead_S[np.isfinite(lead_S)])
    return median_K


def _find_pieces(lead_S: NDArray[np.float32], fs_hz: float) -> list[tuple[int, int]]:
    """Return the stretches of a lead that have a baseline of their own: those between gaps and steps."""
    is_gap_S = np.isnan(lead_S)
    for start, stop in find_runs(is_gap_S):
        # A few lost samples divide nothing; at the ends there is nothing to divide.
        if stop - start < _GAP_S * fs_hz and start > 0 and stop < lead_S.size:
            is_gap_S[start:stop] = False
    return [(int(start), int(stop)) for start, stop in find_runs(~is_gap_S)]


def tabulate_baseline(record: str, baseline: Baseline) -> Columns:
    """Make the rows of one record of the table ``wander``, lead by lead."""
    num_knots = [len(knots.time_s) for knots in baseline.leads]
    return {
        "record": np.full(sum(num_knots), record, dtype=object),
        "lead": np.repeat(np.arange(len(num_knots), dtype=np.int32), num_knots),
        "time_s": np.concatenate([knots.time_s for knots in baseline.leads]),
        "baseline_uv": np.concatenate([knots.value_uv for knots in baseline.leads]),
    }


def read_baseline(rows: Columns, num_leads: int) -> Baseline:
    """Return the baseline of a record from its rows of the table ``wander``.

    Parameters
    ----------
    rows : dict of str to array
        As `ecgfeat.store.tables.split_by_record` gives them.
    num_leads : int
        Leads of the corpus: those that the record lacks have a baseline of 0.

    Returns
    -------
    Baseline
        Add ``baseline.at(S, fs_hz)`` to the millivolts of the store for those of the record.
    """
    of_lead = [rows["lead"] == lead for lead in range(num_leads)]
    missing = Knots(np.zeros(1), np.zeros(1, dtype=np.int32))
    return Baseline(
        tuple(Knots(rows["time_s"][of], rows["baseline_uv"][of]) if of.any() else missing for of in of_lead)
    )
