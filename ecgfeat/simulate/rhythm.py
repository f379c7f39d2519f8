"""Draw rhythm episodes and beats: a semi-Markov chain of rhythms with beat-by-beat timing inside.

All figures come from the training records of LTAFDB (`ecgfeat.simulate.figures`). Positions are in seconds; waveforms
are drawn elsewhere.

References
----------
Cohen, Berger, Dushane, IEEE Trans Biomed Eng 30:1-13, 1983 (irregular ventricular response in AF); Task Force of ESC
and NASPE, Circulation 93:1043-1065, 1996 (respiratory sinus arrhythmia).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter

from ecgfeat.simulate.figures import SIMULATED_RHYTHMS, draw
from ecgfeat.simulate.traits import ATRIA, RUNS, SLOW_RR_S, Floats, Traits

Bools = npt.NDArray[np.bool_]
Strings = npt.NDArray[np.str_]

# Episodes up to this length in beats are not compressed, so that the pattern rhythms stay unchanged.
KNEE_BEATS = 30.0
SHORTEST_RR_S = 0.24
# (period of the beat pattern, shortest episode in beats, early beat). Episodes begin and end with the early beat.
PATTERNS = {"AB": (2, 5, "A"), "B": (2, 5, "V"), "T": (3, 7, "V")}


@dataclass(frozen=True)
class BeatTrain:
    """Beats of one record in time order.

    Attributes
    ----------
    time_s : ndarray of float64, shape (L,)
        Time of each R-peak.
    label : ndarray of '<U1', shape (L,)
        N, A or V.
    rhythm : ndarray of str, shape (L,)
        Rhythm the beat belongs to.
    is_first : ndarray of bool, shape (L,)
        The beat opens an episode.
    fibrillating : ndarray of bool, shape (L,)
        The atria fibrillate: no P wave.
    """

    time_s: Floats
    label: Strings
    rhythm: Strings
    is_first: Bools
    fibrillating: Bools


def draw_beat_train(
    traits: Traits,
    figures: Mapping[str, Any],
    rng: np.random.Generator,
    *,
    duration_s: float,
    dwell_compression: float,
) -> BeatTrain:
    """Draw the beats of one record.

    Parameters
    ----------
    traits : Traits
        The subject.
    figures : mapping
        Result of `load_figures`.
    rng : numpy.random.Generator
        Source of chance.
    duration_s : float
        Length of the record in seconds.
    dwell_compression : float
        1 leaves the length of episodes as estimated; c > 1 takes the c-th root of the part above 30 beats, so that a
        short record has as many changes of rhythm as a day.

    Returns
    -------
    BeatTrain
        Beats within ``[0, duration_s)``.

    Notes
    -----
    * Early beats within NSR, SBR and AFIB are independent draws; three alternating or consecutive early beats are
      thinned, because they would be an episode of their own.
    """
    rhythm, length = _draw_episodes(traits, figures, rng, duration_s, dwell_compression)
    episode = np.repeat(np.arange(len(length)), length)
    offset = np.arange(len(episode)) - np.repeat(np.cumsum(length) - length, length)
    name = np.array(SIMULATED_RHYTHMS)[rhythm]
    fibrillating = find_fibrillation(name)
    label = _draw_labels(traits, rng, name[episode], offset, fibrillating[episode])
    rr_s = _draw_intervals(traits, figures, rng, name, episode, offset, label, fibrillating)
    time_s = np.cumsum(rr_s) - rr_s[0] + rng.uniform(0.3, 0.9)
    assert time_s[-1] >= duration_s, "too few beats were drawn"
    inside = time_s < duration_s - 0.05
    return BeatTrain(
        time_s=time_s[inside],
        label=label[inside],
        rhythm=name[episode][inside],
        is_first=(offset == 0)[inside],
        fibrillating=fibrillating[episode][inside],
    )


def find_fibrillation(rhythm: npt.ArrayLike) -> Bools:
    """Find the episodes in which the atria fibrillate.

    Parameters
    ----------
    rhythm : array_like of str, shape (n,)
        Rhythms of consecutive episodes.

    Returns
    -------
    ndarray of bool, shape (n,)
        True in AFIB, and in SBR, B, T, VT, IVR and other rhythms between two episodes with fibrillation (slow or
        ectopic ventricular response in AFIB). In the LTAFDB annotations such SBR episodes are as irregular as AFIB;
        SBR episodes between NSR are not.
    """
    names = np.asarray(rhythm, dtype=np.str_)
    state = np.array([ATRIA.get(str(name), -1) for name in names], dtype=np.int64)
    decided = np.flatnonzero(state >= 0)
    if len(decided) == 0:
        return np.zeros(len(names), dtype=np.bool_)
    place = np.arange(len(names))
    left = np.searchsorted(decided, place, side="right") - 1
    right = np.searchsorted(decided, place, side="left")
    before = state[decided[np.maximum(left, 0)]]
    after = state[decided[np.minimum(right, len(decided) - 1)]]
    # At the start or end of the record the only neighbour decides.
    fibrillates: Bools = (before > 0) & (after > 0)
    return fibrillates


def breathing_phase(time_s: npt.ArrayLike, breathing_hz: float, phase: float) -> Floats:
    """Return the phase of respiration, which wanders slowly around its mean rate.

    Parameters
    ----------
    time_s : array_like of float
        Time in seconds.
    breathing_hz, phase : float
        Mean rate and phase at time zero (radians).

    Returns
    -------
    ndarray of float64
        Phase in radians.
    """
    t = np.asarray(time_s, dtype=np.float64)
    wander = 1.1 * np.sin(2 * np.pi * 0.013 * t + phase) + 0.7 * np.sin(2 * np.pi * 0.031 * t + 2 * phase)
    angle: Floats = 2 * np.pi * breathing_hz * t + phase + wander
    return angle


def _draw_episodes(
    traits: Traits, figures: Mapping[str, Any], rng: np.random.Generator, duration_s: float, compression: float
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    residual = [figures["rhythms"][name]["dwell_log_residual"] for name in SIMULATED_RHYTHMS]
    cumulative = np.cumsum(traits.transition, axis=1)
    # A lower bound of the mean interval, so that the beats always fill the record.
    floor_s = {"NSR": 0.7 * traits.sinus_rr_s, "AFIB": 0.7 * traits.fibrillation_rr_s}
    floor_s |= {"AB": 0.5 * traits.sinus_rr_s, "B": 0.3, "T": 0.3, "SBR": 0.7 * traits.sinus_rr_s}
    state = int(rng.choice(2, p=_start(traits)))
    rhythms, lengths, filled_s = [], [], 0.0
    log_knee = np.log(KNEE_BEATS)
    while filled_s < duration_s + 60:
        name = SIMULATED_RHYTHMS[state]
        u_dwell, u_next = rng.random(2)
        log_beats = traits.dwell_log_mean[state] + float(draw(residual[state], u_dwell))
        log_beats = min(log_beats, log_knee + max(log_beats - log_knee, 0) / compression)
        beats = _whole_pattern(name, round(min(np.exp(log_beats), 4 * duration_s)))
        rhythms.append(state)
        lengths.append(beats)
        filled_s += beats * floor_s.get(name, SHORTEST_RR_S)
        state = min(int(np.searchsorted(cumulative[state], u_next, side="right")), len(SIMULATED_RHYTHMS) - 1)
    return np.array(rhythms, dtype=np.int64), np.array(lengths, dtype=np.int64)


def _start(traits: Traits) -> tuple[float, float]:
    share = {"sinus": 0.0, "paroxysmal": 0.3, "permanent": 1.0}[traits.archetype]
    return 1 - share, share


def _whole_pattern(name: str, beats: int) -> int:
    if name in PATTERNS:
        period, shortest, _ = PATTERNS[name]
        return max((beats - 1 + period // 2) // period * period + 1, shortest)
    if name in RUNS:
        return max(beats, RUNS[name][1])
    return max(beats, 3)


def _draw_labels(
    traits: Traits, rng: np.random.Generator, rhythm: Strings, offset: npt.NDArray[np.int64], fibrillating: Bools
) -> Strings:
    u = rng.random(len(rhythm))
    # The first and last beat of an episode stay normal: an early beat there would belong to the neighbour's pattern.
    is_free = np.isin(rhythm, ["NSR", "AFIB", "SBR"]) & (offset > 0) & np.append(offset[1:] > 0, False)
    rate_v = np.where(fibrillating, traits.fibrillation_rate_v, traits.rate_v)
    rate_a = np.where(fibrillating, 0.0, traits.rate_a)
    # Slow rhythms have a third of the early beats, as in the figures.
    slow = np.where(rhythm == "SBR", 0.3, 1.0)
    is_v = is_free & (u < rate_v * slow)
    is_a = is_free & ~is_v & (u < (rate_v + rate_a) * slow)
    label = np.full(len(rhythm), "N", dtype="<U1")
    early = is_v | is_a
    for lags in ((2, 4), (1, 2)):
        spared = early.copy()
        for lag in lags:
            spared &= np.concatenate([np.zeros(lag, np.bool_), early[:-lag]])
        early &= ~spared
    label[is_v & early] = "V"
    label[is_a & early] = "A"
    for name, (period, _, symbol) in PATTERNS.items():
        label[(rhythm == name) & (offset % period == 0)] = symbol
    for name, (symbol, _) in RUNS.items():
        label[rhythm == name] = symbol
    return label


def _draw_intervals(
    traits: Traits,
    figures: Mapping[str, Any],
    rng: np.random.Generator,
    name: Strings,
    episode: npt.NDArray[np.int64],
    offset: npt.NDArray[np.int64],
    label: Strings,
    fibrillating: Bools,
) -> Floats:
    """Return the interval before each beat in seconds."""
    spread = {rhythm: float(draw(figures["rhythms"][rhythm]["spread"], rng.random())) for rhythm in ("NSR", "AFIB")}
    sinus_s = _sinus_intervals(traits, rng, name, episode, spread["NSR"])
    fibrillation_s = _fibrillation_intervals(traits, rng, name, episode, spread["AFIB"])
    in_af = fibrillating[episode]
    base_s = np.where(in_af, fibrillation_s, sinus_s)
    # Coupling is relative to the sinus clock; in fibrillation to the subject's mean.
    clock_s = np.where(in_af, 0.5 * (traits.fibrillation_rr_s + fibrillation_s), sinus_s)
    previous = np.append("N", label[:-1])
    jitter = np.exp(rng.normal(0, 0.035, len(label)))
    rr_s = base_s
    pause = np.where(in_af, base_s * 1.1, sinus_s * traits.post_v)
    rr_s = np.where((label == "N") & (previous == "V"), pause * jitter**0.5, rr_s)
    rr_s = np.where((label == "N") & (previous == "A") & ~in_af, sinus_s * traits.post_a * jitter**0.5, rr_s)
    rr_s = np.where(label == "A", clock_s * traits.pre_a * jitter, rr_s)
    rr_s = np.where(label == "V", np.maximum(clock_s * traits.pre_v, 0.4) * jitter, rr_s)
    # Couplets are faster than their first coupling interval.
    rr_s = np.where((label == "V") & (previous == "V"), rr_s * 0.85, rr_s)
    wobble = rng.normal(0, 1, len(label))
    for rhythm in RUNS:
        spread_of = draw(figures["coupling"][rhythm]["run_spread"], rng.uniform(0.1, 0.85, len(name)))
        of_episode = traits.run_rr_s[rhythm] * np.exp(rng.normal(0, 0.07, len(name)))
        inside = (name[episode] == rhythm) & (offset > 0)
        rr_s = np.where(inside, of_episode[episode] * np.exp(wobble * spread_of[episode]), rr_s)
    return np.maximum(rr_s, SHORTEST_RR_S)


def _sinus_intervals(
    traits: Traits, rng: np.random.Generator, name: Strings, episode: npt.NDArray[np.int64], spread: float
) -> Floats:
    n = len(episode)
    target = np.minimum(traits.sinus_rr_s * np.exp(rng.normal(0, 0.6 * spread, len(name))), 1.14)
    slow = np.maximum(traits.slow_rr_s * np.exp(rng.normal(0, 0.04, len(name))), SLOW_RR_S + 0.03)
    target = np.log(np.where(name == "SBR", slow, target))[episode]
    # The clock approaches the episode's rate within a few beats and drifts around it over a minute.
    smooth = lfilter([0.5], [1, -0.5], target, zi=[0.5 * target[0]])[0]
    pole = np.exp(-1 / 50)
    drift = lfilter([np.sqrt(1 - pole**2)], [1, -pole], rng.standard_normal(n)) * 0.5 * spread
    clock_s = np.exp(smooth + drift)
    is_slow = (name == "SBR")[episode]
    clock_s = np.where(is_slow, np.maximum(clock_s, SLOW_RR_S + 0.01), np.minimum(clock_s, SLOW_RR_S - 0.04))
    phase = breathing_phase(np.cumsum(clock_s), traits.breathing_hz, traits.breathing_phase)
    # Half of the successive differences comes from breathing: mean |d| of a sine sampled every clock_s seconds.
    step = np.maximum(2 * np.abs(np.sin(np.pi * traits.breathing_hz * clock_s)), 0.3) * 2 / np.pi
    arrhythmia = 0.6 * traits.sinus_difference / step * np.sin(phase)
    noise = 0.6 * traits.sinus_difference / 1.128 * rng.standard_normal(n)
    return np.asarray(clock_s * (1 + arrhythmia + noise), dtype=np.float64)


def _fibrillation_intervals(
    traits: Traits, rng: np.random.Generator, name: Strings, episode: npt.NDArray[np.int64], spread: float
) -> Floats:
    n = len(episode)
    mean_s = traits.fibrillation_rr_s * np.exp(rng.normal(0, 0.7 * spread, len(name)))
    mean_s = np.where(name == "SBR", np.maximum(mean_s, traits.slow_rr_s), mean_s)[episode]
    # The mean absolute difference of two independent draws is 1.128 standard deviations.
    variation = traits.fibrillation_difference / 1.128 * np.where(name == "SBR", 0.6, 1.0)[episode]
    # The node is refractory for a part of the mean; the rest is gamma distributed, hence the skew.
    refractory = 0.4
    shape = ((1 - refractory) / variation) ** 2
    return np.maximum(mean_s * (refractory + (1 - refractory) * rng.gamma(shape, size=n) / shape), 0.29)
