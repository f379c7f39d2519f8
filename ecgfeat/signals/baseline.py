"""Take electrode offset and slow drift out of a signal, and put them back.

Electrodes leave up to some 300 mV of offset, which int16 microvolts cannot hold.

Shape suffixes: S samples, C leads, K knots.
"""

import itertools
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgfeat.store.tables import Columns

KNOT_S: Final = 5.0
"""Time between knots: the baseline is the median of the lead over so long."""


@dataclass(frozen=True)
class Baseline:
    """Baseline of the leads of a record: straight lines between knots, held before the first and after the last.

    Attributes
    ----------
    time_s : ndarray of float64, (K,)
        Times of the knots.
    knot_uv : ndarray of int32, (K, C)
        Values there, in microvolts.
    """

    time_s: NDArray[np.float64]
    knot_uv: NDArray[np.int32]

    def at(self, num_samples: int, fs_hz: float) -> NDArray[np.float32]:
        """Return the baseline of each sample in mV, (S, C)."""
        time_s = np.arange(num_samples) / fs_hz
        baseline_uv = [np.interp(time_s, self.time_s, knot_uv) for knot_uv in self.knot_uv.T]
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
        What is left. The sum with ``baseline.at(S, fs_hz)`` is the signal to within float32.
    baseline : Baseline
        Whole microvolts; 0 in a lead without valid samples.

    Notes
    -----
    * A knot is the median of the valid samples of five seconds, in their middle. Five seconds without any take their
      value from the knots around.
    """
    num_samples, num_leads = signal_mv_SC.shape
    edges = np.arange(0, num_samples, max(1, round(KNOT_S * fs_hz)))
    # The rest of the record is joined to the last five seconds, unless it is all there is.
    edges = np.append(edges[:-1] if len(edges) > 1 else edges, num_samples)
    time_s = (edges[:-1] + edges[1:] - 1) / 2 / fs_hz
    knot_uv = np.zeros((len(time_s), num_leads))
    for lead in range(num_leads):
        valid_S = np.isfinite(signal_mv_SC[:, lead])
        level_mv = np.array(
            [
                np.median(signal_mv_SC[start:stop, lead][valid_S[start:stop]]) if valid_S[start:stop].any() else np.nan
                for start, stop in itertools.pairwise(edges)
            ]
        )
        known = np.isfinite(level_mv)
        if known.any():
            knot_uv[:, lead] = np.rint(1000 * np.interp(time_s, time_s[known], level_mv[known]))
    baseline = Baseline(time_s, knot_uv.astype(np.int32))
    return signal_mv_SC - baseline.at(num_samples, fs_hz), baseline


def tabulate_baseline(record: str, baseline: Baseline) -> Columns:
    """Make the rows of one record of the table ``wander``, lead by lead."""
    num_knots, num_leads = baseline.knot_uv.shape
    return {
        "record": np.full(num_knots * num_leads, record, dtype=object),
        "lead": np.repeat(np.arange(num_leads, dtype=np.int32), num_knots),
        "time_s": np.tile(baseline.time_s, num_leads),
        "baseline_uv": baseline.knot_uv.T.ravel(),
    }
