"""Choose the beats among the candidates of a record, all at once.

The rules in their order: thresholds that follow signal and noise; runs of equals, evenly spaced; a refractory time; a
veto for T waves; and two searches for small beats: those that repeat between others, and the largest in a long gap.

The constants of the thresholds were tuned on the 22 mitdb records of DS1, unchanged and with noise of 5-60 Hz added at
6 and 0 dB. Those of the other rules were chosen on drawn beats of known place (alternans, bigeminy, fast and wide runs,
tall T waves), with mitdb and qtdb in view.

Shape suffixes: K candidates or beats, I intervals between beats.

References
----------
J. Pan, W. J. Tompkins, "A real-time QRS detection algorithm", IEEE Trans Biomed Eng 32, 1985 (search-back, T waves).
P. de Chazal et al., "Automatic classification of heartbeats", IEEE Trans Biomed Eng 51, 2004 (the list DS1).
"""

from statistics import median

import numpy as np
from numpy.typing import NDArray

from ecgfeat.signals.candidates import Candidates, distance_to_nearest, is_first_of_equals, keep_largest
from ecgfeat.signals.filters import DETECTOR_FS_HZ
from ecgfeat.signals.gaps import find_runs

_Floats = NDArray[np.float32]
_Reals = NDArray[np.float64]
_Samples = NDArray[np.int64]
_Flags = NDArray[np.bool_]

STAND_OUT = 1.75  # times the noise level: the largest waves of a pause are no beats
_HIGH = (0.5, 0.5)  # of the level of beats, and of the noise level
_LOW = (0.2, 1.0)

RUN_LEAST = 0.3
_RUN_LENGTH = 6
_RUN_SPACING, _RUN_HEIGHT, _RUN_FREQUENCY = 0.12, 0.3, 0.2  # logarithms of ratios

_CLOSE_SAMPLES = 34
_CLOSE_SHARE = 0.85
_CLOSE_FREQUENCY = 1.2

_T_HZ = 8.6
_T_FREQUENCY = 0.72  # of the frequency of the QRS complex before it
_T_HEIGHT = 1.1
_T_LATEST_S = 0.36  # after an RR interval of one second; elsewhere in proportion to its square root
_T_LONGEST_RR_S = 1.4
_T_FIRST_GUESS_S = 0.42
_T_LATEST_SAMPLES = DETECTOR_FS_HZ * max(_T_FIRST_GUESS_S, _T_LATEST_S * _T_LONGEST_RR_S**0.5)

REPEAT_LEAST = 0.15
_REPEAT_STAND_OUT = 2.2
_REPEAT_APART_SAMPLES = 32
_REPEAT_APART = 0.25
_REPEAT_HEIGHT = 0.2
_REPEAT_SLOW_HEIGHT = 0.3
_REPEAT_FREQUENCY = 0.9
_REPEAT_T_LATEST_S = 0.33
_REPEAT_INTERVALS = 4
_REPEAT_SHARE = 0.7
_REPEAT_LIKE = 2
_LIKE_RR, _LIKE_HEIGHT, _LIKE_SAMPLES = 0.2, 0.4, 8

_RUN_PASSES = 4
_NEXT_SAMPLES = (28, 77)
_NEXT_HEIGHT, _NEXT_FREQUENCY = 0.3, 0.2  # logarithms of ratios

_ROOM_SAMPLES = min(_REPEAT_APART_SAMPLES, _NEXT_SAMPLES[0])

_GAP_RATIO = 1.2
_GAP_HEIGHT = 0.1  # of the beats on both sides: in a long pause the thresholds fall to the noise
_GAP_PASSES = 2
_AFTER_BEAT_SAMPLES = 36
_AFTER_SLOW_SAMPLES = 45
_BEFORE_BEAT_SAMPLES = 32
_BEFORE_BEAT_SHARE = 0.5  # of the usual RR interval


def choose_beats(candidates: Candidates, level_K: _Floats, noise_K: _Floats) -> Candidates:
    """Choose the candidates that are beats, by their height above the levels and by their neighbours.

    Parameters
    ----------
    candidates : Candidates
        All that stand out of their surroundings, in order.
    level_K, noise_K : ndarray of float32, (K,)
        Height of beats and of the noise between them, around each.

    Returns
    -------
    Candidates
        The beats.
    """
    is_high = _is_above(candidates, level_K, noise_K, _HIGH) | _is_in_run(candidates, level_K)
    beats = _veto_t_waves(_drop_close(_keep_largest(candidates[is_high])))
    # What is added has room between the beats: the rules below look at few candidates.
    has_room = np.flatnonzero(distance_to_nearest(candidates.sample, beats.sample) >= _ROOM_SAMPLES)
    others, level, noise = candidates[has_room], level_K[has_room], noise_K[has_room]
    may_repeat = others.height > np.maximum(REPEAT_LEAST * level, _REPEAT_STAND_OUT * noise)
    beats = _add_repeating(beats, others[may_repeat])
    low = others[_is_above(others, level, noise, _LOW)]
    for find, num_passes in ((_find_in_gaps, _GAP_PASSES), (_find_next_of_runs, _RUN_PASSES)):
        for _ in range(num_passes):
            found = find(beats, low)
            if not found.sample.size:
                break
            beats = beats.join(found)
    return beats


def _is_above(candidates: Candidates, level_K: _Floats, noise_K: _Floats, share: tuple[float, float]) -> _Flags:
    """Return which candidates are above the shares of both levels, and stand out of the noise."""
    threshold_K = np.maximum(share[0] * level_K + share[1] * noise_K, STAND_OUT * noise_K)
    return np.asarray(candidates.height > threshold_K)


def _is_in_run(candidates: Candidates, level_K: _Floats) -> _Flags:
    """Return which candidates are of a run of equals, evenly spaced.

    A fast rhythm of broad beats leaves no rest between them by which to tell noise; but noise does not repeat.
    """
    is_in_run = np.zeros(level_K.size, dtype=bool)
    large = np.flatnonzero(candidates.height > RUN_LEAST * level_K)
    if large.size < _RUN_LENGTH:
        return is_in_run
    spacing = np.log(np.diff(candidates.sample[large]))
    height, frequency = np.log(candidates.height[large]), np.log(candidates.frequency[large])
    is_like_next = (np.abs(np.diff(height)) < _RUN_HEIGHT) & (np.abs(np.diff(frequency)) < _RUN_FREQUENCY)
    is_even = (np.abs(np.diff(spacing)) < _RUN_SPACING) & is_like_next[1:] & is_like_next[:-1]
    run = find_runs(is_even)
    run = run[run[:, 1] - run[:, 0] + 2 >= _RUN_LENGTH]
    # Each run reaches two candidates beyond its last comparison, and so into the next run.
    depth = np.zeros(large.size + 1, dtype=np.int64)
    np.add.at(depth, run[:, 0], 1)
    np.add.at(depth, run[:, 1] + 2, -1)
    is_in_run[large] = depth.cumsum()[:-1] > 0
    return is_in_run


def _keep_largest(candidates: Candidates) -> Candidates:
    return candidates[keep_largest(candidates.sample, candidates.height)]


def _drop_close(beats: Candidates) -> Candidates:
    """Drop of two closer than 0.27 s the smaller, unless they are alike: a P wave, or the end of a broad complex."""
    for _ in range(2):
        is_close = np.diff(beats.sample) < _CLOSE_SAMPLES
        ratio = beats.height[:-1] / beats.height[1:]
        is_sharper = beats.frequency[1:] >= _CLOSE_FREQUENCY * beats.frequency[:-1]
        dropped = np.zeros(beats.sample.size, dtype=bool)
        dropped[:-1] |= is_close & (ratio < _CLOSE_SHARE)
        dropped[1:] |= is_close & (ratio > 1 / _CLOSE_SHARE) & ~is_sharper
        beats = beats.drop(dropped)
    return beats


def _latest_t_wave(rr: _Samples, latest_s: float = _T_LATEST_S) -> _Reals:
    """Return how long after a beat its T wave may peak, in samples: as the square root of the RR interval."""
    return np.asarray(latest_s * DETECTOR_FS_HZ * np.sqrt(np.minimum(rr / DETECTOR_FS_HZ, _T_LONGEST_RR_S)))


def _find_t_waves(beats: Candidates) -> tuple[_Samples, _Samples]:
    """Find candidates that follow another within the time of a late T wave, are slower waves, and not higher.

    Returns their rows, and how long after the other they are.
    """
    after = np.diff(beats.sample)
    is_slow = beats.frequency[1:] < np.minimum(_T_HZ, _T_FREQUENCY * beats.frequency[:-1])
    is_t_wave = (after < _T_LATEST_SAMPLES) & is_slow & (beats.height[1:] < _T_HEIGHT * beats.height[:-1])
    place = np.flatnonzero(is_t_wave)
    return place + 1, after[place]


def _veto_t_waves(beats: Candidates) -> Candidates:
    """Drop T waves. The RR interval, which says how late they may be, is first taken without all that may be one."""
    row, after = _find_t_waves(beats)
    if not row.size:
        return beats
    others = beats.without(row[after < _T_FIRST_GUESS_S * DETECTOR_FS_HZ])
    if others.sample.size < 3:
        return others
    place = np.searchsorted(others.sample, beats.sample[row - 1], side="right") - 1
    beats = beats.without(row[after < _latest_t_wave(others.usual_rr_at(place))])
    row, after = _find_t_waves(beats)
    return beats.without(row[after < _latest_t_wave(beats.usual_rr_at(row - 1))])


def _largest_in_each(interval: _Samples, candidates: Candidates) -> _Samples:
    """Return the rows of the highest candidate of each interval that has one."""
    order = np.lexsort((candidates.sample, -candidates.height, interval))
    return order[is_first_of_equals(interval[order])]


def _add_repeating(beats: Candidates, small: Candidates) -> Candidates:
    """Add small beats that repeat: every other beat of alternans and bigeminy, every third or fourth of the like.

    In most of the like intervals around there is a candidate at the same distance from a beat, of like height. It is no
    T wave: those are slow, and low or early.
    """
    if beats.sample.size < 6:
        return beats
    beyond = _beyond_the_ends(beats)
    rr_I = np.diff(beyond.sample)
    interval = np.searchsorted(beyond.sample, small.sample, side="right") - 1
    inside = (interval >= 0) & (interval < rr_I.size)
    interval, small = interval[inside], small[inside]
    after, before = small.sample - beyond.sample[interval], beyond.sample[interval + 1] - small.sample
    share = small.height / np.minimum(beyond.height[interval], beyond.height[interval + 1])
    neighbour_hz = np.maximum(beyond.frequency[interval], beyond.frequency[interval + 1])
    is_slow = small.frequency < np.minimum(_T_HZ, _REPEAT_FREQUENCY * neighbour_hz)
    is_early = after < _latest_t_wave(rr_I[interval], _REPEAT_T_LATEST_S)
    is_apart = (after >= _REPEAT_APART_SAMPLES) & (
        before >= np.maximum(_REPEAT_APART_SAMPLES, _REPEAT_APART * rr_I[interval])
    )
    fits = is_apart & (share >= _REPEAT_HEIGHT) & ~(is_slow & ((share < _REPEAT_SLOW_HEIGHT) | is_early))
    if not fits.any():
        return beats
    interval, small, share = interval[fits], small[fits], share[fits]
    chosen = _largest_in_each(interval, small)
    row_I = np.full(rr_I.size, -1)
    row_I[interval[chosen]] = chosen
    repeats_I = _repeats(beyond, row_I, small.sample, np.log(share))
    return beats.join(small[row_I[repeats_I]])


def _beyond_the_ends(beats: Candidates) -> Candidates:
    """Add a beat before the first and one after the last, so that these lie between two as well."""
    step = np.diff(beats.sample)
    first, last = beats.sample[0] - int(median(step[:4])), beats.sample[-1] + int(median(step[-4:]))
    return Candidates(
        np.concatenate([[first], beats.sample, [last]]),
        np.concatenate([beats.height[1:2], beats.height, beats.height[-2:-1]]),
        np.concatenate([beats.frequency[1:2], beats.frequency, beats.frequency[-2:-1]]),
    )


def _repeats(beats: Candidates, row_I: _Samples, sample: _Samples, log_share: _Floats) -> _Flags:
    """Return in which intervals the small beat is like those of most of the four intervals before and after."""
    of = np.flatnonzero(row_I >= 0)
    repeats_I = np.zeros(row_I.size, dtype=bool)
    if not of.size:
        return repeats_I
    rr_I, has_I = np.diff(beats.sample), row_I >= 0
    after_I, share_I = np.zeros(rr_I.size, dtype=np.int64), np.zeros(rr_I.size, dtype=np.float32)
    after_I[of], share_I[of] = sample[row_I[of]] - beats.sample[of], log_share[row_I[of]]
    before_I, log_rr_I = rr_I - after_I, np.log(rr_I)
    growth_I = np.diff(np.log(np.maximum(beats.height, 1e-9)))
    steps = [step for step in range(-_REPEAT_INTERVALS, _REPEAT_INTERVALS + 1) if step]
    place = of + np.array(steps)[:, None]
    by = np.minimum(np.maximum(place, 0), rr_I.size - 1)
    inside = by == place
    is_same_rr = np.abs(log_rr_I[of] - log_rr_I[by]) < _LIKE_RR
    shift, stretch = np.abs(after_I[of] - after_I[by]), np.abs(before_I[of] - before_I[by])
    is_like = is_same_rr & has_I[by] & (np.minimum(shift, stretch) <= _LIKE_SAMPLES)
    is_like &= np.abs(share_I[of] - share_I[by]) < _LIKE_HEIGHT
    # Where the like beat was found already, it ends an interval of its own.
    is_found = np.abs(rr_I[by] - after_I[of]) <= _LIKE_SAMPLES
    is_found &= np.abs(growth_I[by] - share_I[of]) < _LIKE_HEIGHT
    num_like = (inside & (is_like | is_found)).sum(axis=0)
    num_seen = (inside & (is_same_rr | is_found)).sum(axis=0)
    repeats_I[of] = num_like >= np.maximum(_REPEAT_LIKE, _REPEAT_SHARE * num_seen)
    return repeats_I


def _find_in_gaps(beats: Candidates, low: Candidates) -> Candidates:
    """Return the largest low candidate in each long RR interval, unless it is a T or P wave."""
    if beats.sample.size < 4 or not low.sample.size:
        return low[:0]
    last = beats.sample.size - 1
    gap = np.searchsorted(beats.sample, low.sample, side="right") - 1
    inside = np.flatnonzero(gap >= 0)
    gap, low = gap[inside], low[inside]
    usual = beats.usual_rr_at(np.append(gap, last))
    usual, usual_at_end = usual[:-1], usual[-1]
    # The end of the record may cut a gap short: as if a beat came long after it.
    sample = np.append(beats.sample, beats.sample[-1] + 2 * usual_at_end)
    is_long = np.flatnonzero(sample[gap + 1] - sample[gap] > _GAP_RATIO * usual)
    if not is_long.size:
        return low[:0]
    gap, low, usual = gap[is_long], low[is_long], usual[is_long]
    after, before = low.sample - sample[gap], sample[gap + 1] - low.sample
    is_slow = low.frequency < _T_HZ
    is_t_wave = (after < _latest_t_wave(usual)) & (
        low.frequency < np.minimum(_T_HZ, _T_FREQUENCY * beats.frequency[gap])
    )
    fits = (
        (after >= np.where(is_slow, _AFTER_SLOW_SAMPLES, _AFTER_BEAT_SAMPLES))
        & (before >= np.maximum(_BEFORE_BEAT_SAMPLES, _BEFORE_BEAT_SHARE * usual))
        & (low.height >= _GAP_HEIGHT * np.minimum(beats.height[gap], beats.height.take(gap + 1, mode="clip")))
        & ~is_t_wave
    )
    gap, low = gap[fits], low[fits]
    return low[_largest_in_each(gap, low)]


def _find_next_of_runs(beats: Candidates, low: Candidates) -> Candidates:
    """Return candidates that equal the broad beat next to them: the others of a couplet or of a short run."""
    low = low[low.frequency < _T_HZ * np.exp(_NEXT_FREQUENCY)]
    if not beats.sample.size or not low.sample.size:
        return low[:0]
    place = np.searchsorted(beats.sample, low.sample)
    is_like = np.zeros(low.sample.size, dtype=bool)
    is_free = np.ones(low.sample.size, dtype=bool)
    for side in (place - 1, place):
        inside = (side >= 0) & (side < beats.sample.size)
        of = np.minimum(np.maximum(side, 0), beats.sample.size - 1)
        distance = np.abs(low.sample - beats.sample[of])
        is_free &= ~inside | (distance >= _NEXT_SAMPLES[0])
        is_like |= (
            inside
            & (distance <= _NEXT_SAMPLES[1])
            & (beats.frequency[of] < _T_HZ)
            & (np.abs(np.log(low.height / beats.height[of])) < _NEXT_HEIGHT)
            & (np.abs(np.log(low.frequency / beats.frequency[of])) < _NEXT_FREQUENCY)
        )
    found = low[is_like & is_free]
    return _keep_largest(found)
