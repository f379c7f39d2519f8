"""Figures of the signal of a whole record: quality, spectrum, and what is left of it without its beats.

Shape suffixes: S samples, L R-peaks, T seconds.

References
----------
A. Bollmann et al., "Analysis of surface electrocardiograms in atrial fibrillation: techniques, research, and clinical
applications", Europace 8, 2006 (spectrum of what is left without QRS complex and T wave).
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.signal import welch
from scipy.stats import kurtosis, skew

from ecgfeat.features.beat_parts import BEFORE_SAMPLES
from ecgfeat.signals.figures import FIGURES
from ecgfeat.store.record_feature_columns import RESIDUE_HZ, SPECTRUM_HZ
from ecgfeat.store.schemas import COMMON_FS_HZ

_PART_SAMPLES = 256
_SEGMENT_SAMPLES = 512
_TINY = 1e-12
_LEAST_SHARE = 1e-6
_TAIL = 0.25  # the ends of the median beat are faded out by a window to this power
_FADE_FROM = 16  # samples of the median beat that belong to the beat before
_ATRIAL_HZ, _RESIDUE_ALL_HZ = (3.5, 12.0), (0.7, 30.0)
_REST_AFTER_S, _REST_BEFORE_S, _SHORTEST_REST = 0.45, 0.08, 12

_Reals = NDArray[np.float64]


def describe_signal(signal_S: _Reals, figure_TF: _Reals) -> dict[str, float]:
    """Describe quality and spectrum of a lead.

    Parameters
    ----------
    signal_S : ndarray of float64, (S,)
        The lead at 128 Hz, bridged where invalid; two seconds or more are best.
    figure_TF : ndarray of float64, (T, 3)
        Of `ecgfeat.signals.figures.figures_of`.

    Returns
    -------
    dict of str to float
        Columns of `ecgfeat.store.record_feature_columns`; NaN where the lead is flat.
    """
    figures: dict[str, float] = {}
    for name, figure_T in zip(FIGURES, figure_TF.T, strict=True):
        values = {"mean": figure_T.mean(), "least": figure_T.min(), "median": np.median(figure_T)}
        figures |= {f"quality_{name}_{kind}": float(value) for kind, value in values.items()}
    if np.ptp(signal_S) <= 0:
        return figures
    hz, power = welch(signal_S, COMMON_FS_HZ, nperseg=min(len(signal_S), _SEGMENT_SAMPLES))
    share = power / (power[_between(hz, SPECTRUM_HZ[0], SPECTRUM_HZ[-1])].sum() + _TINY)
    figures |= _band_shares("power", hz, share, SPECTRUM_HZ)
    inside = share[_between(hz, SPECTRUM_HZ[0], SPECTRUM_HZ[-1])]
    figures["power_entropy"] = -(inside * np.log(inside + _TINY)).sum()
    figures |= {"value_kurtosis": kurtosis(signal_S), "value_skewness": np.abs(skew(signal_S))}
    parts = np.array_split(signal_S, max(1, len(signal_S) // _PART_SAMPLES))
    spread = np.array([part.std() for part in parts])
    height = np.array([np.abs(part).max() for part in parts])
    for name, value, of in (
        ("loudest_part", spread.max(), spread),
        ("quietest_part", spread.min(), spread),
        ("highest_part", height.max(), height),
    ):
        # A share of the usual size, so that the gain of the lead does not matter.
        floor = _LEAST_SHARE * of.max()
        figures[name] = np.log((value + floor) / (np.median(of) + floor))
    return figures


def describe_residue(
    signal_S: _Reals, sample_L: NDArray[np.int64], median_mv: _Reals, size_mv: float
) -> dict[str, float]:
    """Describe what is left of a lead without its median beat, and between its beats.

    Parameters
    ----------
    signal_S : ndarray of float64, (S,)
        The lead at 128 Hz in mV, bridged where invalid.
    sample_L : ndarray of int64, (L,)
        Its R-peaks.
    median_mv : ndarray of float64, (144,)
        Its median beat, R-peak at 64.
    size_mv : float
        Usual amplitude of its QRS complexes.

    Returns
    -------
    dict of str to float
        Columns of `ecgfeat.store.record_feature_columns`.
    """
    faded = np.nan_to_num(median_mv) * np.hanning(len(median_mv)) ** _TAIL
    left_S = signal_S.copy()
    for at in sample_L:
        start, stop = max(0, at - BEFORE_SAMPLES + _FADE_FROM), min(len(left_S), at - BEFORE_SAMPLES + len(faded))
        left_S[start:stop] -= faded[start - at + BEFORE_SAMPLES : stop - at + BEFORE_SAMPLES]
    hz, power = welch(left_S, COMMON_FS_HZ, nperseg=min(len(left_S), _SEGMENT_SAMPLES))
    total = power[_between(hz, *_RESIDUE_ALL_HZ)].sum()
    figures = {"residue_size": float(np.log(np.sqrt(total) / size_mv + _LEAST_SHARE))}
    if total > 0:
        figures |= _band_shares("residue", hz, power / total, RESIDUE_HZ)
        at_HZ = np.flatnonzero(_between(hz, *_ATRIAL_HZ))
        top = at_HZ[power[at_HZ].argmax()] if at_HZ.size else 0
        figures |= {"residue_peak_hz": hz[top], "residue_peak_share": power[top] / (power[at_HZ].sum() + _TINY)}
    return figures | _describe_rest(signal_S, sample_L, size_mv)


def _describe_rest(signal_S: _Reals, sample_L: NDArray[np.int64], size_mv: float) -> dict[str, float]:
    """Describe the lead between the end of the T wave and the next beat."""
    after, before = round(_REST_AFTER_S * COMMON_FS_HZ), round(_REST_BEFORE_S * COMMON_FS_HZ)
    rests = [signal_S[first + after : last - before] for first, last in pairwise(sample_L.tolist())]
    rests = [rest for rest in rests if len(rest) >= _SHORTEST_REST]
    if not rests:
        return {}
    turns = [(np.diff(np.sign(np.diff(rest))) != 0).sum() / len(rest) * COMMON_FS_HZ for rest in rests]
    size = np.median([rest.std() for rest in rests])
    return {"rest_size": float(np.log(size / size_mv + 1e-4)), "rest_turns_hz": float(np.median(turns))}


def _band_shares(name: str, hz: _Reals, share: _Reals, edges: tuple[float, ...]) -> dict[str, float]:
    """Return the logarithm of the share of power between each pair of edges."""
    return {
        f"{name}_{low:g}_{high:g}_hz": float(np.log(share[_between(hz, low, high)].sum() + _LEAST_SHARE))
        for low, high in pairwise(edges)
    }


def _between(hz: _Reals, low: float, high: float) -> NDArray[np.bool_]:
    return (hz >= low) & (hz < high)
