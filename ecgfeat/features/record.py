"""Describe every beat of a record: the rows of the table ``features``."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ecgfeat.features.beat_parts import AFTER_SAMPLES, BEFORE_SAMPLES
from ecgfeat.features.clusters import cluster_qrs
from ecgfeat.features.intervals import describe_intervals, usual_interval
from ecgfeat.features.waves import describe_waves, find_median_beat, follow_beats, prepare_beats
from ecgfeat.store.feature_columns import FEATURE_NAMES, NUM_LEADS
from ecgfeat.store.tables import Columns

_BATCH_BEATS = 2048


@dataclass(frozen=True)
class Beats:
    """The R-peaks of a record as the ``rpeaks`` table has them.

    Attributes
    ----------
    rr_s : ndarray of float64, (L,)
        Interval to the R-peak before in the same usable stretch; NaN for the first, and outside.
    is_used : ndarray of bool, (L,)
        R-peaks in usable time, and all of a record without signal.
    """

    rr_s: NDArray[np.float64]
    is_used: NDArray[np.bool_]


def describe_beats(
    beats: Beats, window_uv_LCS: NDArray[np.int16] | None, *, median_beats: int, device: str | torch.device = "cpu"
) -> dict[str, NDArray[np.float32]]:
    """Describe the beats of a record.

    Parameters
    ----------
    beats : Beats
        R-peaks.
    window_uv_LCS : ndarray of int16, (L, C, 256), or None
        Their windows, of one lead or two; None without signal. A lead that the record lacks is invalid throughout.
    median_beats : int
        Beats of which the record's median beat is made.
    device : str or torch.device
        Where waves are measured.

    Returns
    -------
    dict of str to ndarray of float32, (L,)
        All of `FEATURE_NAMES`; NaN where there is none, and throughout outside of usable time.
    """
    size = len(beats.rr_s)
    columns = {name: np.full(size, np.nan, dtype=np.float32) for name in FEATURE_NAMES}
    if not size:
        return columns
    usual_s = usual_interval(beats.rr_s)
    for start, stop in find_stretches(beats):
        for name, interval_L in describe_intervals(beats.rr_s[start:stop], usual_s).items():
            columns[name][start:stop] = interval_L
    if window_uv_LCS is not None:
        shape = _describe_shape(beats, window_uv_LCS, columns["rr_after_s"], median_beats, device)
        for name, value in shape.items():
            columns[name][beats.is_used] = value[beats.is_used]
    return columns


def find_stretches(beats: Beats) -> list[tuple[int, int]]:
    """Return first and last row (exclusive) of each run of R-peaks without a gap between them."""
    first = np.flatnonzero(beats.is_used & np.isnan(beats.rr_s))
    ends = np.flatnonzero(beats.is_used & ~np.append(beats.is_used[1:], False)) + 1
    stops = np.minimum(np.append(first[1:], len(beats.rr_s)), ends[np.searchsorted(ends, first, side="right")])
    return [(int(start), int(stop)) for start, stop in zip(first, stops, strict=True)]


def _describe_shape(
    beats: Beats,
    window_uv_LCS: NDArray[np.int16],
    rr_after_s: NDArray[np.float32],
    median_beats: int,
    device: str | torch.device,
) -> dict[str, NDArray[np.float32]]:
    """Describe waves and shapes of the beats, the record's median beat being that of all."""
    size, num_leads = window_uv_LCS.shape[0], min(NUM_LEADS, window_uv_LCS.shape[1])
    batches = [slice(start, start + _BATCH_BEATS) for start in range(0, size, _BATCH_BEATS)]
    beat_CSL = torch.empty((num_leads, BEFORE_SAMPLES + AFTER_SAMPLES, size), device=device)
    for batch in batches:
        beat_CSL[..., batch] = prepare_beats(window_uv_LCS[batch, :num_leads], device).permute(1, 2, 0)
    median = find_median_beat(beat_CSL.permute(2, 0, 1), beats.is_used, median_beats)
    columns: dict[str, NDArray[np.float32]] = {}
    for batch in batches:
        running_CSB = follow_beats(beat_CSL, batch.start, min(batch.stop, size))
        waves = describe_waves(beat_CSL[..., batch], running_CSB, median, rr_after_s[batch])
        for name, value_CB in waves.items():
            for lead in range(num_leads):
                column = columns.setdefault(f"{name}_{lead + 1}", np.empty(size, dtype=np.float32))
                column[batch] = value_CB[lead].cpu().numpy()
    cluster = cluster_qrs(beat_CSL)
    share = np.bincount(cluster[cluster >= 0], minlength=1) / size
    columns["qrs_cluster"] = np.where(cluster >= 0, cluster, np.nan).astype(np.float32)
    columns["qrs_cluster_share"] = np.where(cluster >= 0, share[cluster], np.nan).astype(np.float32)
    return columns


def tabulate_features(rpeaks: Columns, window_uv_LCS: NDArray[np.int16] | None, **options: Any) -> Columns:
    """Make the rows of one record of the table ``features``.

    Parameters
    ----------
    rpeaks : dict of str to array, (L,)
        The record's rows of the ``rpeaks`` table.
    window_uv_LCS : ndarray of int16, (L, C, 256), or None
        Their windows.
    **options
        Of `describe_beats`.

    Returns
    -------
    dict of str to array, (L,)
        Row i is row i of the ``rpeaks`` table.
    """
    beats = Beats(np.asarray(rpeaks["rr_s"], dtype=np.float64), np.isin(rpeaks["quality"], ["usable", ""]))
    return {name: rpeaks[name] for name in ("record", "beat", "quality")} | describe_beats(
        beats, window_uv_LCS, **options
    )
