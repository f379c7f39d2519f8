"""Draw the shapes of one subject's beats: Gaussians per wave and lead.

Legend of shapes: C leads, W waves.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ecgfeat.simulate.traits import Floats

NUM_AMBULATORY_LEADS = 2
FIB_HARMONICS = 3


@dataclass(frozen=True)
class Waves:
    """Gaussians of one kind of beat.

    Attributes
    ----------
    centre_s : ndarray of float64, shape (W,)
        Centre relative to the R-peak at an RR interval of 1 s.
    width_s : ndarray of float64, shape (W,)
        Standard deviation.
    amplitude_mv : ndarray of float64, shape (C, W)
        Amplitude per lead.
    is_atrial, is_repolarisation : ndarray of bool, shape (W,)
        P waves; T waves. All others belong to the QRS complex.
    """

    centre_s: Floats
    width_s: Floats
    amplitude_mv: Floats
    is_atrial: npt.NDArray[np.bool_]
    is_repolarisation: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Morphology:
    """Shapes of one subject's beats.

    Attributes
    ----------
    normal, atrial : Waves
        Sinus beats and early atrial beats.
    ventricular : tuple of Waves
        One per ectopic focus.
    focus_share : float
        Share of ventricular beats that come from the first focus.
    aberrant_share : float
        Share of early atrial beats that are conducted with delay.
    fibrillation_hz : float
        Rate of the f-waves, 4 to 9 Hz.
    fibrillation_mv : ndarray of float64, shape (C,)
        Their amplitude.
    fibrillation_phase : ndarray of float64, shape (C, 3)
        Phases of their harmonics.
    breathing_gain : ndarray of float64, shape (C,)
        Relative change of the amplitude with respiration.
    gain : ndarray of float64, shape (C,)
        Factor of each lead: negative if electrodes were swapped, small for low gain.
    """

    normal: Waves
    atrial: Waves
    ventricular: tuple[Waves, ...]
    focus_share: float
    aberrant_share: float
    fibrillation_hz: float
    fibrillation_mv: Floats
    fibrillation_phase: Floats
    breathing_gain: Floats
    gain: Floats


def _waves(
    p: list[tuple[float, float, float, float]],
    qrs: list[tuple[float, float, float, float]],
    t: list[tuple[float, float, float, float]],
) -> Waves:
    rows = np.array(p + qrs + t, dtype=np.float64).reshape(-1, 4)
    kind = np.array([0] * len(p) + [1] * len(qrs) + [2] * len(t))
    return Waves(rows[:, 0], rows[:, 1], rows[:, 2:].T.copy(), kind == 0, kind == 2)


def draw_morphology(rng: np.random.Generator, *, gain_u: float | None = None) -> Morphology:
    """Draw the beat shapes of one subject for two leads (like MLII and V1).

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of chance.
    gain_u : float, optional
        Position in [0, 1) on the scale of gains: below 0.04 low gain, below 0.08 inverted leads, else normal. The
        caller spreads it evenly over the subjects; random by default.

    Returns
    -------
    Morphology
        The subject's shapes. Rare subjects (about 4 % each) have low gain or inverted leads.
    """
    u = rng.uniform
    p_mv, pr_s, p_width = u(0.05, 0.2), u(0.125, 0.2), u(0.017, 0.026)
    p_v1 = u(0.03, 0.1)
    p = [
        (-pr_s - 0.3 * p_width, p_width, 0.8 * p_mv, p_v1),
        (-pr_s + 1.5 * p_width, p_width, 0.5 * p_mv, p_v1 * u(-0.9, 0.4)),
    ]
    r_mv, s_mv = rng.lognormal(0.0, 0.32), u(0.0, 0.35)
    r_v1, s_v1 = u(0.08, 0.4), -u(0.5, 1.5)
    width = u(0.009, 0.0135)
    qrs = [
        (-0.025 - width, u(0.007, 0.011), -u(0.0, 0.15) * r_mv, 0.0),
        (0.0, width, r_mv, 0.15 * s_v1),
        (-0.006, 0.9 * width, 0.0, r_v1),
        (0.024 + 0.6 * width, u(0.009, 0.014), -s_mv * r_mv, s_v1),
    ]
    t_mv = u(0.08, 0.42) * (-1 if rng.random() < 0.08 else 1)
    t_v1, t_s, t_width = u(-0.2, 0.35), u(0.27, 0.33), u(0.04, 0.058)
    t = [
        (t_s, t_width, t_mv, t_v1),
        (t_s - 1.6 * t_width, 1.3 * t_width, 0.45 * t_mv, 0.4 * t_v1),
    ]
    return Morphology(
        normal=_waves(p, qrs, t),
        atrial=_draw_atrial(rng, p_mv, p_v1, pr_s, p_width, qrs, t),
        ventricular=tuple(_draw_ventricular(rng, r_mv) for _ in range(2)),
        focus_share=u(0.7, 1.0),
        aberrant_share=float(rng.choice([0.0, 0.0, 0.0, u(0.1, 0.5)])),
        fibrillation_hz=u(4.5, 8.2),
        fibrillation_mv=np.clip(rng.lognormal(np.log([0.035, 0.055]), 0.45), 0.01, 0.16),
        fibrillation_phase=u(0, 2 * np.pi, (NUM_AMBULATORY_LEADS, FIB_HARMONICS)),
        breathing_gain=u(0.02, 0.12, NUM_AMBULATORY_LEADS) * rng.choice([-1, 1], NUM_AMBULATORY_LEADS),
        gain=_draw_gain(rng, rng.random() if gain_u is None else gain_u),
    )


def _draw_gain(rng: np.random.Generator, kind: float) -> Floats:
    gain = rng.uniform(0.85, 1.15, NUM_AMBULATORY_LEADS)
    if kind < 0.04:
        gain *= rng.uniform(0.15, 0.3)
    elif kind < 0.06:
        gain = -gain
    elif kind < 0.08:
        gain[0] = -gain[0]
    return gain


def _draw_atrial(
    rng: np.random.Generator,
    p_mv: float,
    p_v1: float,
    pr_s: float,
    p_width: float,
    qrs: list[tuple[float, float, float, float]],
    t: list[tuple[float, float, float, float]],
) -> Waves:
    """Draw an early atrial beat: a P wave of other polarity, size and distance, or none if it is junctional."""
    if rng.random() < 0.12:
        return _waves([], qrs, t)
    scale = rng.choice([-0.9, 0.5, 1.5]) * rng.uniform(0.8, 1.2)
    other = rng.choice([-1.2, 0.4, 1.6]) * rng.uniform(0.8, 1.2)
    distance, width = pr_s * rng.uniform(0.65, 1.2), p_width * rng.uniform(0.7, 1.1)
    return _waves([(-distance, width, scale * p_mv, other * p_v1)], qrs, t)


def _draw_ventricular(rng: np.random.Generator, r_mv: float) -> Waves:
    """Draw a wide complex without P wave and with a T wave opposite to its main deflection."""
    u = rng.uniform
    width = u(0.024, 0.042)
    main = rng.choice([-1, 1], p=[0.35, 0.65]) * r_mv * u(0.8, 1.7)
    main_v1 = rng.choice([-1, 1]) * u(0.5, 1.6)
    rows = [
        (0.0, width, main, main_v1),
        (1.9 * width, 0.9 * width, -main * u(0.1, 0.6), -main_v1 * u(0.0, 0.5)),
        (-1.6 * width, 0.6 * width, -main * u(0.0, 0.2), main_v1 * u(-0.2, 0.3)),
    ]
    t_s, t_width = u(0.3, 0.36), u(0.05, 0.07)
    t = [(t_s, t_width, -main * u(0.22, 0.45), -main_v1 * u(0.2, 0.45))]
    return _waves([], rows, t)
