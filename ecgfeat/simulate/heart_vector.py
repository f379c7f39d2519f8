"""Draw one subject's heart as a moving dipole, and its projection on the twelve standard leads.

A beat is a vector that moves in three dimensions, a sum of Gaussians per wave; each lead is a projection of it. So the
leads of a record are consistent with each other, as on a body.

Legend of shapes: C components of the vector (left, down, back), W waves, E electrodes, S samples.

References
----------
Dower GE, Machado HB, Osborne JA, Clin Cardiol 3:87-95, 1980 (leads from the vector); Sameni R, Clifford GD, Jutten C,
Shamsollahi MB, EURASIP J Adv Signal Process 2007:043407 (Gaussians in three dimensions); Surawicz B et al, Circulation
119:e235-e240, 2009 (bundle branch blocks).
"""

import numpy as np
import numpy.typing as npt

from ecgfeat.simulate.morphology import FIB_HARMONICS, Morphology, Waves
from ecgfeat.simulate.traits import Floats

STANDARD_LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
ELECTRODES = ("RA", "LA", "LL", "V1", "V2", "V3", "V4", "V5", "V6")
MAX_UV = 32_000

# Leads I, II and V1 to V6 from a vector with components left, down and back (Dower 1980).
DOWER = np.array(
    [
        [0.632, -0.235, 0.059],
        [0.235, 1.066, -0.132],
        [-0.515, 0.157, -0.917],
        [0.044, 0.164, -1.387],
        [0.882, 0.098, -1.277],
        [1.213, 0.127, -0.601],
        [1.125, 0.127, -0.086],
        [0.831, 0.076, 0.230],
    ]
)

# T wave in mV per block: opposite to the QRS complex where that is conducted late.
T_VECTORS = {"LBBB": (-0.28, -0.02, -0.35), "RBBB": (0.28, 0.18, 0.16), "": (0.25, 0.18, -0.1)}

# _Rows of waves: centre from the R-peak in s, width in s, and the vector in mV.
_Rows = list[tuple[float, float, npt.ArrayLike]]


def draw_heart(rng: np.random.Generator, *, block: str, has_long_pr: bool) -> Morphology:
    """Draw the beats of one subject as vectors.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of chance.
    block : str
        ``LBBB``, ``RBBB`` or empty: the blocked bundle branch.
    has_long_pr : bool
        First-degree AV block: the P wave is 0.23 to 0.33 s before the R-peak instead of 0.135 to 0.165 s.

    Returns
    -------
    Morphology
        Waves whose "leads" are the three components of the vector.

    Notes
    -----
    * Axis, size and each wave vary between subjects. Of subjects without a block, 1 in 7 has the large voltages of
      hypertrophy, 1 in 5 a late rightward vector too short for RBBB, 1 in 8 a wide QRS complex without the shape
      of either block. Of all subjects, 1 in 12 has an inverted T wave.
    """
    u = rng.uniform
    turn = _draw_rotation(rng)
    size = rng.lognormal(0.0, 0.28) * (1.6 if not block and rng.random() < 1 / 7 else 1.0)
    pr_s = u(0.23, 0.33) if has_long_pr else u(0.135, 0.165)
    p = _draw_p(rng, pr_s)
    qrs = {"LBBB": _draw_left_block, "RBBB": _draw_right_block, "": _draw_normal}[block](rng)
    t_mv = u(0.5, 1.3) * (-1 if rng.random() < 1 / 12 else 1)
    t_vector = t_mv * np.array(T_VECTORS[block])
    t_s, t_width = u(0.27, 0.33) + (0.04 if block else 0.0), u(0.04, 0.058)
    t: _Rows = [(t_s, t_width, t_vector), (t_s - 1.6 * t_width, 1.3 * t_width, 0.45 * t_vector)]
    other: _Rows = [(-pr_s * u(0.7, 1.1), u(0.014, 0.024), 0.12 * _draw_direction(rng))]
    return Morphology(
        normal=_waves(rng, p, qrs, t, turn, size),
        atrial=_waves(rng, other, qrs, t, turn, size),
        ventricular=tuple(_draw_ectopic(rng, size) for _ in range(2)),
        focus_share=u(0.7, 1.0),
        aberrant_share=float(rng.choice([0.0, 0.0, 0.0, 0.3])),
        fibrillation_hz=u(4.5, 8.2),
        fibrillation_mv=np.clip(rng.lognormal(np.log([0.025, 0.035, 0.05]), 0.45), 0.008, 0.15),
        fibrillation_phase=u(0, 2 * np.pi, (3, FIB_HARMONICS)),
        breathing_gain=u(0.02, 0.1, 3) * rng.choice([-1, 1], 3),
        gain=np.ones(3),
    )


def draw_electrodes(rng: np.random.Generator) -> Floats:
    """Draw the coefficients from the heart's vector to the electrodes of one subject.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of chance.

    Returns
    -------
    ndarray of float64, shape (E, C)
        Potential per unit of the vector, in the order of `ELECTRODES`. The three limbs sum to zero.

    Notes
    -----
    * Dower's coefficients are those of a mean torso; here each varies by 8 % and by 0.04, as bodies and placement do.
    """
    projection = DOWER * (1 + 0.08 * rng.standard_normal(DOWER.shape)) + 0.04 * rng.standard_normal(DOWER.shape)
    lead_1, lead_2 = projection[:2]
    limbs = np.stack([-(lead_1 + lead_2), 2 * lead_1 - lead_2, 2 * lead_2 - lead_1]) / 3
    return np.concatenate([limbs, projection[2:]])


def lead_signals(potential_mv_ES: npt.NDArray[np.floating]) -> npt.NDArray[np.int16]:
    """Form the twelve standard leads from the potentials of nine electrodes.

    Parameters
    ----------
    potential_mv_ES : ndarray of float, shape (9, S)
        Potentials in millivolts, in the order of `ELECTRODES`.

    Returns
    -------
    ndarray of int16, shape (S, 12)
        Microvolts in the order of `STANDARD_LEADS`, within 32 mV either way.

    Notes
    -----
    * I and II are rounded to 2 microvolts, so that III = II - I, aVR = -(I + II) / 2, aVL = I - II / 2 and
      aVF = II - I / 2 hold exactly in whole microvolts.
    """
    potential = np.asarray(potential_mv_ES, dtype=np.float64)
    right, left, foot = potential[:3]
    # Half of the range each, because III is their difference.
    lead_1, lead_2 = (
        2 * np.clip(np.rint(500 * lead), -MAX_UV // 4, MAX_UV // 4).astype(np.int64)
        for lead in (left - right, foot - right)
    )
    chest = np.rint(1000 * (potential[3:] - (right + left + foot) / 3))
    limbs = [
        lead_1,
        lead_2,
        lead_2 - lead_1,
        -(lead_1 + lead_2) // 2,
        lead_1 - lead_2 // 2,
        lead_2 - lead_1 // 2,
    ]
    return np.stack([*limbs, *np.clip(chest, -MAX_UV, MAX_UV)], axis=1).astype(np.int16)


def _draw_rotation(rng: np.random.Generator) -> Floats:
    """Draw the rotation of a subject's heart: mostly in the frontal plane, less in the two others."""
    turn = np.eye(3)
    for (first, second), degrees in zip(((0, 1), (0, 2), (1, 2)), (20.0, 15.0, 10.0), strict=True):
        angle = np.deg2rad(np.clip(rng.normal(0, degrees), -2 * degrees, 2 * degrees))
        plane = np.eye(3)
        plane[first, first] = plane[second, second] = np.cos(angle)
        plane[first, second], plane[second, first] = -np.sin(angle), np.sin(angle)
        turn = plane @ turn
    return turn


def _draw_direction(rng: np.random.Generator) -> Floats:
    vector = rng.standard_normal(3)
    return np.asarray(vector / np.linalg.norm(vector))


def _draw_p(rng: np.random.Generator, pr_s: float) -> _Rows:
    """Draw the P wave: the right atrium, to the front, then the left atrium, to the back."""
    size, width = rng.uniform(0.4, 1.4), rng.uniform(0.017, 0.026)
    return [
        (-pr_s - 0.3 * width, width, size * np.array([0.05, 0.10, -0.05])),
        (-pr_s + 1.5 * width, width, size * np.array([0.06, 0.05, 0.05])),
    ]


def _draw_normal(rng: np.random.Generator) -> _Rows:
    """Draw septum, free walls and base; sometimes with a late vector or slow, but never a block."""
    width = rng.uniform(0.009, 0.0135)
    late = rng.uniform(0.3, 1.0) if rng.random() < 1 / 5 else 0.0
    slow = rng.uniform(1.4, 1.8) if rng.random() < 1 / 8 else 1.0
    return [
        (-slow * (0.012 + width), 0.8 * slow * width, (-0.10, 0.0, -0.28)),
        (0.0, slow * width, (0.95, 0.75, 0.25)),
        (slow * (0.006 + width), slow * width, (0.30, 0.05, 0.75)),
        (slow * (0.022 + 1.2 * width), 0.9 * slow * width, (-0.15 - 0.5 * late, -0.10, 0.15 - 0.7 * late)),
    ]


def _draw_left_block(rng: np.random.Generator) -> _Rows:
    """Draw slow activation from right to left: no septal q, a notched plateau, at least 120 ms."""
    width = rng.uniform(0.0175, 0.026)
    septum = rng.uniform(0.0, 0.12)
    return [
        (-1.6 * width, 0.6 * width, (-0.3 * septum, 0.0, -septum)),
        (-0.4 * width, width, (0.75, 0.35, 0.75)),
        (1.6 * width, width, (0.70, 0.05, 0.60)),
        (3.0 * width, 0.8 * width, (0.20, -0.10, 0.25)),
    ]


def _draw_right_block(rng: np.random.Generator) -> _Rows:
    """Draw a normal beginning and a late, slow vector to the right and front."""
    width, late = rng.uniform(0.010, 0.0135), rng.uniform(0.018, 0.026)
    size = rng.uniform(0.4, 1.2)
    return [
        (-0.012 - width, 0.8 * width, (-0.10, 0.0, -0.28)),
        (0.0, width, (0.95, 0.70, 0.20)),
        (0.006 + width, width, (0.25, 0.05, 0.45)),
        (0.030 + 1.6 * late, late, (-0.60 * size, -0.05, -0.65 * size)),
    ]


def _draw_ectopic(rng: np.random.Generator, size: float) -> Waves:
    """Draw a wide complex from anywhere in the ventricles, without P wave and with an opposite T wave."""
    u = rng.uniform
    width, main = u(0.026, 0.042), size * u(1.0, 2.0) * _draw_direction(rng)
    qrs: _Rows = [(0.0, width, main), (1.9 * width, 0.9 * width, -0.4 * main + 0.5 * size * _draw_direction(rng))]
    t: _Rows = [(u(0.3, 0.36), u(0.05, 0.07), -main * u(0.22, 0.45))]
    return _waves(rng, [], qrs, t, np.eye(3), 1.0)


def _waves(rng: np.random.Generator, p: _Rows, qrs: _Rows, t: _Rows, turn: Floats, size: float) -> Waves:
    """Turn and scale the vectors of a beat, each a little differently."""
    rows = [*p, *qrs, *t]
    vector_WC = np.array([row[2] for row in rows], dtype=np.float64).reshape(-1, 3)
    # Voltages of the atria do not depend on those of the ventricles.
    scale = np.array([1.0] * len(p) + [size] * len(qrs) + [size**0.5] * len(t))
    spread = 1 + 0.15 * rng.standard_normal(len(rows))
    kind = np.array([0] * len(p) + [1] * len(qrs) + [2] * len(t))
    amplitude_CW = turn @ (vector_WC * (scale * spread)[:, None]).T
    centre_s, width_s = (np.array([float(row[at]) for row in rows]) for at in (0, 1))  # type: ignore[arg-type]
    return Waves(centre_s, width_s, amplitude_CW, kind == 0, kind == 2)
