"""Draw the traits of one subject's heart rhythm from the figures of LTAFDB."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ecgfeat.simulate.figures import ARCHETYPES, SIMULATED_RHYTHMS, draw

Floats = npt.NDArray[np.float64]

# The LTAFDB annotators marked three beats below 50/min as SBR.
SLOW_RR_S = 1.2
TASK = ("NSR", "AFIB", "SBR", "AB", "SVTA", "B")
# Rhythms that are runs of one early beat: (its label, shortest run in beats).
RUNS = {"SVTA": ("A", 3), "VT": ("V", 3), "IVR": ("V", 3)}
# Whether the atria fibrillate; for other rhythms the neighbours decide.
ATRIA = {"AFIB": True, "AFL": True, "NSR": False, "AB": False, "SVTA": False, "PREX": False, "P": False}


@dataclass(frozen=True)
class Traits:
    """Traits of one subject's heart rhythm.

    Attributes
    ----------
    archetype : str
        sinus, paroxysmal or permanent (AFIB).
    transition : ndarray of float64, shape (9, 9)
        Probability of the next rhythm (column) after each rhythm (row), in the order of `SIMULATED_RHYTHMS`.
    dwell_log_mean : ndarray of float64, shape (9,)
        Mean logarithm of an episode's length in beats, per rhythm.
    sinus_rr_s, slow_rr_s, fibrillation_rr_s : float
        Mean interval in NSR, in SBR and in AFIB, in seconds.
    sinus_difference, fibrillation_difference : float
        Mean absolute difference of successive intervals over their mean.
    breathing_hz, breathing_phase : float
        Respiration, which drives sinus arrhythmia and the amplitude of the signal.
    rate_a, rate_v, fibrillation_rate_v : float
        Probability of an early beat in NSR and SBR (A, V) and in AFIB (V).
    pre_a, post_a, pre_v, post_v : float
        Interval before and after an early beat over the sinus interval.
    run_rr_s : dict
        Mean interval inside SVTA, VT and IVR, in seconds.
    """

    archetype: str
    transition: Floats
    dwell_log_mean: Floats
    sinus_rr_s: float
    slow_rr_s: float
    fibrillation_rr_s: float
    sinus_difference: float
    fibrillation_difference: float
    breathing_hz: float
    breathing_phase: float
    rate_a: float
    rate_v: float
    fibrillation_rate_v: float
    pre_a: float
    post_a: float
    pre_v: float
    post_v: float
    run_rr_s: dict[str, float]


def draw_traits(figures: Mapping[str, Any], rng: np.random.Generator, *, archetype_u: float, variety: float) -> Traits:
    """Draw the rhythm traits of one subject.

    Parameters
    ----------
    figures : mapping
        Result of `load_figures`.
    rng : numpy.random.Generator
        Source of chance.
    archetype_u : float
        Position in [0, 1) on the scale of archetypes. The caller spreads it evenly over the subjects, so that small
        corpora have all kinds.
    variety : float
        0: subjects as in the source; 1: every subject has every rhythm that is possible for its archetype, and rare
        transitions have more weight.

    Returns
    -------
    Traits
        The subject.
    """
    archetype = _archetype(figures, archetype_u, variety)
    rhythms = figures["rhythms"]

    def pick(quantiles: Sequence[float], low: float = 0.02, high: float = 0.98) -> float:
        return float(draw(quantiles, rng.uniform(low, high)))

    dwell = np.array([pick(rhythms[name]["dwell_log_mean"]) for name in SIMULATED_RHYTHMS])
    # One rank for both: slow hearts are slow in sinus rhythm and in fibrillation.
    rank = rng.uniform(0.03, 0.97)
    other = np.clip(rank + rng.normal(0, 0.25), 0.03, 0.97)
    early = {name: figures["coupling"][name] for name in "AV"}
    pre_v = pick(early["V"]["pre"], 0.08, 0.92)
    # After a ventricular beat that does not reset the sinus node, the pause compensates for the early beat.
    post_v = 2 - pre_v + rng.normal(0, 0.02) if rng.random() < 0.4 else pick(early["V"]["post"], 0.2, 0.9)
    return Traits(
        archetype=archetype,
        transition=_transitions(figures["archetypes"][archetype], figures, rng, variety),
        dwell_log_mean=dwell,
        sinus_rr_s=float(np.clip(draw(rhythms["NSR"]["mean_rr_s"], rank), 0.62, 1.12)),
        slow_rr_s=max(pick(rhythms["SBR"]["mean_rr_s"]), SLOW_RR_S + 0.03),
        fibrillation_rr_s=max(float(draw(rhythms["AFIB"]["mean_rr_s"], other)), 0.45),
        sinus_difference=pick(rhythms["NSR"]["difference"]),
        fibrillation_difference=pick(rhythms["AFIB"]["difference"]),
        breathing_hz=rng.uniform(0.18, 0.32),
        breathing_phase=rng.uniform(0, 2 * np.pi),
        rate_a=min(pick(rhythms["NSR"]["rate_a"]), 0.12),
        rate_v=min(pick(rhythms["NSR"]["rate_v"]), 0.10),
        fibrillation_rate_v=min(pick(rhythms["AFIB"]["rate_v"]), 0.10),
        pre_a=pick(early["A"]["pre"], 0.05, 0.88),
        post_a=pick(early["A"]["post"], 0.05, 0.95),
        pre_v=pre_v,
        post_v=post_v,
        run_rr_s={name: pick(figures["coupling"][name]["run_s"], 0.05, 0.9) for name in RUNS},
    )


def _archetype(figures: Mapping[str, Any], u: float, variety: float) -> str:
    weight = np.array([figures["archetypes"][name]["weight"] for name in ARCHETYPES])
    # Permanent fibrillation is one rhythm for hours: with more variety, fewer subjects have it, but always some.
    weight = weight / weight.sum() * (1 - variety) + np.array([0.25, 0.6, 0.15]) * variety
    return ARCHETYPES[int(np.searchsorted(np.cumsum(weight)[:-1], u, side="right"))]


def _transitions(
    kind: Mapping[str, Any], figures: Mapping[str, Any], rng: np.random.Generator, variety: float
) -> Floats:
    home = "AFIB" if "NSR" not in kind["transitions"] or kind["presence"]["NSR"] < 0.5 else "NSR"
    factor = np.zeros(len(SIMULATED_RHYTHMS))
    for column, name in enumerate(SIMULATED_RHYTHMS):
        presence = kind["presence"][name]
        u, rank = rng.random(2)
        # Variety adds rhythms of the task that the subject's atria allow: no atrial bigeminy in permanent fibrillation.
        # VT, T and IVR stay rare.
        allowed = name in TASK and (home == "NSR" or ATRIA.get(name, True))
        if presence and u < presence + (variety * (1 - presence) if allowed else 0):
            factor[column] = max(float(draw(kind["propensity"][name], 0.1 + 0.8 * rank)), 1e-3)
    factor[SIMULATED_RHYTHMS.index(home)] = max(float(factor[SIMULATED_RHYTHMS.index(home)]), 1.0)
    power = np.array([1 - (0.75 if name in TASK else 0.35) * variety for name in SIMULATED_RHYTHMS])
    factor = np.where(factor > 0, np.maximum(factor, 1e-3) ** power, 0)
    matrix = np.zeros((len(SIMULATED_RHYTHMS), len(SIMULATED_RHYTHMS)))
    for row, name in enumerate(SIMULATED_RHYTHMS):
        for to, share in kind["transitions"].get(name, {}).items():
            place = SIMULATED_RHYTHMS.index(to)
            matrix[row, place] = share ** power[place] * factor[place]
        if matrix[row].sum() == 0:
            matrix[row, SIMULATED_RHYTHMS.index(home)] = 1.0
    return matrix / matrix.sum(axis=1, keepdims=True)
