"""Find the QRS complexes of a lead, or of several leads joined.

The slope is cut into blocks of 62 ms. A block that is higher than its neighbours is a candidate, placed at the largest
band-passed sample nearby and described by its height and its frequency. `ecgfeat.signals.qrs_rules` decides which
candidates are beats, by levels of signal and noise that are followed here.

Shape suffixes: S samples, C leads, P places in a block, N blocks, K candidates, L beats, W samples around a candidate.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgfeat.signals.candidates import Candidates, keep_largest
from ecgfeat.signals.filters import BAND_TAPS, DETECTOR_FS_HZ
from ecgfeat.signals.levels import BLOCK_SAMPLES, FLOOR_MV, Levels
from ecgfeat.signals.qrs_rules import REPEAT_LEAST, RUN_LEAST, STAND_OUT, choose_beats
from ecgfeat.signals.windows import cut_windows, first_true

_Floats = NDArray[np.float32]
_Samples = NDArray[np.int64]
_Flags = NDArray[np.bool_]

_REFINE_SAMPLES = 10
_FREQUENCY_SAMPLES = 8


@dataclass(frozen=True)
class QrsSignal:
    """A signal at 128 Hz in which QRS complexes stand out: one lead, or several joined.

    Attributes
    ----------
    slope : ndarray of float32, (P, N)
        Smoothed absolute slope; 0 where invalid and beyond the end.
    levels : Levels
        Of the slope.
    band : ndarray of float32, (C, S)
        Band-passed leads.
    weight : ndarray of float32, (C, S), or None
        Of the leads; None for a single one.
    valid : ndarray of bool, (S,)
        False where no lead is valid.
    """

    slope: _Floats
    levels: Levels
    band: _Floats
    weight: _Floats | None
    valid: _Flags


def find_qrs(signal: QrsSignal) -> _Samples:
    """Find the QRS complexes of a record.

    Parameters
    ----------
    signal : QrsSignal
        Made by `ecgfeat.signals.leads`.

    Returns
    -------
    ndarray of int64, (L,)
        Samples of the largest deflection of each, ascending.
    """
    none = np.empty(0, dtype=np.int64)
    if signal.valid.size < BAND_TAPS:
        return none
    height_N = signal.levels.height
    if not signal.levels.is_alive.any():
        return none
    # A candidate is higher than the blocks on both sides, and high enough for one of the rules.
    falls_N = np.concatenate([[False], height_N[:-1] > height_N[1:], [True]])
    top = np.flatnonzero(falls_N[1:] & ~falls_N[:-1])
    height, level, noise = height_N[top], signal.levels.beat[top], signal.levels.noise[top]
    is_high = (height > RUN_LEAST * level) | ((height > REPEAT_LEAST * level) & (height > STAND_OUT * noise))
    top = top[is_high & (height > FLOOR_MV)]
    steepest = top * BLOCK_SAMPLES + first_true(signal.slope.take(top, axis=1) == height_N[top])
    sample = _to_largest(steepest, signal)
    order = np.argsort(sample, kind="stable")
    sample, top = sample[order], top[order]
    # Two slopes of one broad complex have one largest deflection: the higher slope stays.
    kept = keep_largest(sample, height_N[top], apart=1)
    sample, top = sample[kept], top[kept]
    candidates = Candidates(sample, height_N[top], _frequency(signal, sample))
    return choose_beats(candidates, signal.levels.beat[top], signal.levels.noise[top]).sample


def _to_largest(sample: _Samples, signal: QrsSignal) -> _Samples:
    """Move each candidate to the largest valid deflection nearby."""
    width = 2 * _REFINE_SAMPLES + 1
    start = np.minimum(np.maximum(sample - _REFINE_SAMPLES, 0), signal.valid.size - width)
    size_KW = np.abs(cut_windows(signal.band[0], start, width))
    if signal.weight is not None:
        size_KW *= cut_windows(signal.weight[0], start, width)
        for band_S, weight_S in zip(signal.band[1:], signal.weight[1:], strict=True):
            size_KW += np.abs(cut_windows(band_S, start, width)) * cut_windows(weight_S, start, width)
    size_WK = np.ascontiguousarray(size_KW.T)
    if not signal.valid.all():
        size_WK[~cut_windows(signal.valid, start, width).T] = -1
    return start + first_true(size_WK == size_WK.max(axis=0))


def _frequency(signal: QrsSignal, sample: _Samples) -> _Floats:
    """Return the frequency of a sine that is as steep for its size as each deflection, in Hz."""
    width = 2 * _FREQUENCY_SAMPLES + 1
    start = np.minimum(np.maximum(sample - _FREQUENCY_SAMPLES, 0), signal.valid.size - width)
    power_K, steepness_K = np.zeros((2, sample.size), dtype=np.float32)
    for lead, band_S in enumerate(signal.band):
        wave = cut_windows(band_S, start, width)
        # Differences of one long row are faster than those of many short ones; the last of each row is no step.
        step = np.empty_like(wave)
        np.subtract(wave.reshape(-1)[1:], wave.reshape(-1)[:-1], out=step.reshape(-1)[:-1])
        step = step[:, :-1]
        weight_K = 1 if signal.weight is None else signal.weight[lead, sample]
        power_K += weight_K * np.einsum("ks,ks->k", wave, wave)
        steepness_K += weight_K * np.einsum("ks,ks->k", step, step)
    return np.sqrt(steepness_K / np.maximum(power_K, 1e-12)) * np.float32(DETECTOR_FS_HZ / (2 * np.pi))
