"""Figures of the beats of a whole record: their waves, their median beat, what stays the same from beat to beat.

Shape suffixes: L beats, S samples of a beat (144, R-peak at 64), W samples of a part of it.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ecgfeat.beats.windows import cut_beats
from ecgfeat.features.beat_parts import BEFORE_SAMPLES, TINY_MV, WIDE_QRS
from ecgfeat.features.clusters import MOST_CLUSTERS, cluster_qrs
from ecgfeat.features.waves import describe_waves, find_median_beat, follow_beats, prepare_beats
from ecgfeat.signals.resample import to_microvolts
from ecgfeat.store.record_feature_columns import BEAT_FIGURES, STEADY_PARTS
from ecgfeat.store.schemas import COMMON_FS_HZ

FEWEST_BEATS = 3
"""Of a record whose beats are described."""

PARTS = {"p": (-34, -10), "pr": (-46, -10), "qrs": (-12, 13), "t": (18, 60)}
"""First sample of each part after the R-peak, and the one after its last."""

_PR_SEGMENT, _P_PART, _QRS_PART, _T_PART = (-15, -8), (-34, -8), (-14, 15), (18, 62)
_Q_PART, _S_PART, _ST_PART, _ENERGY_PART = (-10, 0), (0, 14), (10, 16), (-20, 24)
_WINDOW_SAMPLES, _FEWEST_STEADY, _MEDIAN_BEATS = 256, 4, 512
_STEEP_SHARE, _TURN_SIZE, _TINY = 0.1, 0.1, 1e-9

_Reals = NDArray[np.float64]


@dataclass(frozen=True)
class RecordBeats:
    """The beats of a record.

    Attributes
    ----------
    beat_mv : ndarray of float64, (L, S)
        Smoothed, as `ecgfeat.features.waves.prepare_beats` gives them; NaN where a beat is not valid.
    median_mv : ndarray of float64, (S,)
        Their median.
    size_mv : float
        Usual peak-to-peak amplitude of the QRS complex.
    sign : float
        1, or -1 where the largest deflection of the median QRS complex is downwards.
    figures : dict of str to ndarray of float64, (L,)
        Waves of each beat, `BEAT_FIGURES`.
    cluster : ndarray of int64, (L,)
        Shape of the QRS complex of each, of `ecgfeat.features.clusters.cluster_qrs`.
    """

    beat_mv: _Reals
    median_mv: _Reals
    size_mv: float
    sign: float
    figures: dict[str, _Reals]
    cluster: NDArray[np.int64]


def read_beats(
    signal_mv_S: NDArray[np.float32], sample_L: NDArray[np.int64], device: str | torch.device = "cpu"
) -> RecordBeats:
    """Cut and measure the beats of a record.

    Parameters
    ----------
    signal_mv_S : ndarray of float32, (S,)
        A lead at 128 Hz, NaN where invalid.
    sample_L : ndarray of int64, (L,)
        Its R-peaks, at least one.
    device : str or torch.device
        Where waves are measured.

    Returns
    -------
    RecordBeats
    """
    options = {"num_samples": _WINDOW_SAMPLES, "num_leads": 1}
    window_uv_L1S = cut_beats(to_microvolts(signal_mv_S[:, None]), sample_L, **options)
    beat_L1S = prepare_beats(window_uv_L1S, device)
    median = find_median_beat(beat_L1S, np.ones(len(sample_L), dtype=np.bool_), _MEDIAN_BEATS)
    rr_after_s = np.append(np.diff(sample_L) / COMMON_FS_HZ, np.nan).astype(np.float32)
    beat_1SL = beat_L1S.permute(1, 2, 0).contiguous()
    waves = describe_waves(beat_1SL, follow_beats(beat_1SL, 0, len(sample_L)), median, rr_after_s)
    return RecordBeats(
        beat_L1S[:, 0].double().cpu().numpy(),
        median.beat[0].double().cpu().numpy(),
        max(TINY_MV, float(median.amplitude[0])),
        float(median.sign[0]),
        {name: waves[name][0].double().cpu().numpy() for name in BEAT_FIGURES},
        cluster_qrs(beat_1SL),
    )


def describe_shapes(beats: RecordBeats, is_early_L: NDArray[np.bool_]) -> dict[str, float]:
    """Describe the beats of a record.

    Parameters
    ----------
    beats : RecordBeats
        The beats.
    is_early_L : ndarray of bool, (L,)
        Beats that come early.

    Returns
    -------
    dict of str to float
        Columns of `ecgfeat.store.record_feature_columns`.
    """
    figures: dict[str, float] = {}
    for name, value_L in beats.figures.items():
        known = value_L[np.isfinite(value_L)]
        if known.size:
            low, middle, high = np.percentile(known, (25, 50, 75))
            figures |= {f"beat_{name}_median": middle, f"beat_{name}_spread": high - low}
    figures |= _describe_clusters(beats, is_early_L)
    if np.isfinite(beats.median_mv).all():
        figures |= _describe_median(beats.sign * beats.median_mv / beats.size_mv)
    is_same_L = (beats.cluster == 0) & np.isfinite(beats.beat_mv).all(axis=1)
    if is_same_L.sum() >= _FEWEST_STEADY:
        for part in STEADY_PARTS:
            figures |= _describe_steadiness(part, _cut(beats.beat_mv[is_same_L] / beats.size_mv, PARTS[part]))
    return figures


def _describe_clusters(beats: RecordBeats, is_early_L: NDArray[np.bool_]) -> dict[str, float]:
    """Describe how many shapes of the QRS complex there are, and whether early beats have another one."""
    cluster = beats.cluster
    is_unusual = cluster > 0
    of_known = np.bincount(cluster[cluster >= 0], minlength=MOST_CLUSTERS) / max(1, (cluster >= 0).sum())
    figures = {
        "cluster_first_share": of_known[0],
        "cluster_second_share": of_known[1],
        "cluster_rest_share": of_known[MOST_CLUSTERS - 1],
        "cluster_count": (of_known > 0).sum(),
        "early_unusual_share": (is_early_L & is_unusual).mean(),
        "early_usual_share": (is_early_L & ~is_unusual).mean(),
        "timely_unusual_share": (~is_early_L & is_unusual).mean(),
    }
    width_s = beats.figures["qrs_width_s"]
    for name, rows in (("early_width_s", is_early_L), ("unusual_width_s", is_unusual)):
        known = width_s[rows & np.isfinite(width_s)]
        if known.size:
            figures[name] = known.mean()
    return figures


def _describe_median(median_S: _Reals) -> dict[str, float]:
    """Measure the waves of the median beat, of size 1 and pointing upwards."""
    level_S = median_S - np.median(_cut(median_S, _PR_SEGMENT))
    p, qrs, t, energy = (_cut(level_S, part) for part in (_P_PART, _QRS_PART, _T_PART, _ENERGY_PART))
    slope = np.abs(np.diff(_cut(level_S, WIDE_QRS)))
    total = np.cumsum((energy - energy.mean()) ** 2)
    first, last = np.searchsorted(total, (0.05 * total[-1], 0.95 * total[-1]))
    is_turn = np.diff(np.sign(np.diff(qrs))) != 0
    return {
        "median_p_top": p.max(),
        "median_p_bottom": p.min(),
        "median_p_range": np.ptp(p),
        "median_p_mean": p.mean(),
        "median_p_time_s": (p.argmax() + _P_PART[0]) / COMMON_FS_HZ,
        "median_q": _cut(level_S, _Q_PART).min(),
        "median_r": qrs.max(),
        "median_s": _cut(level_S, _S_PART).min(),
        "median_st": _cut(level_S, _ST_PART).mean(),
        "median_t_top": t.max(),
        "median_t_bottom": t.min(),
        "median_t_mean": t.mean(),
        "median_t_time_s": (np.abs(t - np.median(t)).argmax() + _T_PART[0]) / COMMON_FS_HZ,
        "median_slope": slope.max(),
        "median_steep_s": (slope > _STEEP_SHARE * slope.max()).sum() / COMMON_FS_HZ,
        "median_energy_s": (last - first) / COMMON_FS_HZ,
        "median_turns": (is_turn & (np.abs(qrs[1:-1]) > _TURN_SIZE)).sum(),
    }


def _describe_steadiness(part: str, part_LW: _Reals) -> dict[str, float]:
    """Tell what of a part of the beat is the same in all beats from what differs."""
    part_LW = part_LW - part_LW.mean(axis=1, keepdims=True)
    mean_W, size = part_LW.mean(axis=0), len(part_LW)
    rest_LW = part_LW - mean_W
    # The mean of beats that have nothing in common is not zero: what differs is taken off.
    same = np.mean(mean_W**2) - np.sum(rest_LW**2) / (part_LW.shape[1] * size * (size - 1))
    norm_L = np.linalg.norm(part_LW, axis=1) * np.linalg.norm(mean_W) + _TINY
    likeness_L = part_LW @ mean_W / norm_L
    return {
        f"steady_{part}_share": same / (np.mean(part_LW**2) + _TINY),
        f"steady_{part}_size": np.log(np.sqrt(max(same, 0.0)) + 1e-3),
        f"varying_{part}_size": np.log(np.sqrt(np.mean(rest_LW**2)) + 1e-4),
        f"steady_{part}_likeness": np.median(likeness_L),
        f"steady_{part}_least": np.percentile(likeness_L, 10),
    }


def _cut(beat_S: _Reals, bounds: tuple[int, int]) -> _Reals:
    """Return a part of beats by its bounds in samples after the R-peak."""
    return beat_S[..., BEFORE_SAMPLES + bounds[0] : BEFORE_SAMPLES + bounds[1]]
