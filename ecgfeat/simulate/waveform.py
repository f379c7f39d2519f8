"""Draw the electrical shape of beats: sums of Gaussians per wave and lead, and the f-waves of fibrillating atria.

Legend of shapes: L beats, S samples, C leads, W waves.

References
----------
McSharry, Clifford, Tarassenko, Smith, IEEE Trans Biomed Eng 50:289-294, 2003 (Gaussian waves); Stridh, Sörnmo, IEEE
Trans Biomed Eng 48:105-111, 2001 (saw-tooth f-waves of varying rate); Fridericia, Acta Med Scand 53:469-486, 1920 (QT).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter

Floats = npt.NDArray[np.float64]
Signal = npt.NDArray[np.float32]

NUM_LEADS = 2
# A Gaussian is cut where it has fallen below 0.2 % of its peak.
CUT_SIGMAS = 3.55
# Shapes of beats that the renderer knows.
NORMAL, ATRIAL, VENTRICULAR = 0, 1, 2
FIB_HARMONICS = 3
# Ventricular beats that follow each other within so many beats share their focus.
RUN_BEATS = 3


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
        What the amplifier makes of it: negative where electrodes were swapped, small for low gain.
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
        Place in [0, 1) on the scale of gains, whose lower end is rare: below 0.04 low gain, below 0.08 inverted
        leads. Spread evenly over the subjects by the caller; by chance if left out.

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
        fibrillation_phase=u(0, 2 * np.pi, (NUM_LEADS, FIB_HARMONICS)),
        breathing_gain=u(0.02, 0.12, NUM_LEADS) * rng.choice([-1, 1], NUM_LEADS),
        gain=_draw_gain(rng, rng.random() if gain_u is None else gain_u),
    )


def _draw_gain(rng: np.random.Generator, kind: float) -> Floats:
    gain = rng.uniform(0.85, 1.15, NUM_LEADS)
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
    """Draw another atrial focus: P of another polarity or size at another distance; junctional beats have none."""
    if rng.random() < 0.12:
        return _waves([], qrs, t)
    scale = rng.choice([-0.9, 0.5, 1.5]) * rng.uniform(0.8, 1.2)
    other = rng.choice([-1.2, 0.4, 1.6]) * rng.uniform(0.8, 1.2)
    distance, width = pr_s * rng.uniform(0.65, 1.2), p_width * rng.uniform(0.7, 1.1)
    return _waves([(-distance, width, scale * p_mv, other * p_v1)], qrs, t)


def _draw_ventricular(rng: np.random.Generator, r_mv: float) -> Waves:
    """Draw a wide complex without P wave and with a T wave against its main deflection."""
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


def draw_shapes(
    label: npt.NDArray[np.str_], morphology: Morphology, rng: np.random.Generator
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Choose the shape of every beat.

    Parameters
    ----------
    label : ndarray of '<U1', shape (L,)
        N, A or V.
    morphology : Morphology
        The subject.
    rng : numpy.random.Generator
        Source of chance.

    Returns
    -------
    shape : ndarray of int64, shape (L,)
        0 normal, 1 atrial, 2 + focus ventricular.
    aberrant : ndarray of bool, shape (L,)
        Conducted with delay: wide QRS behind a P wave.
    """
    shape = np.where(label == "A", ATRIAL, NORMAL)
    place = np.flatnonzero(label == "V")
    # Beats of one run, bigeminy or trigeminy come from one focus.
    run = np.cumsum(np.diff(place, prepend=-RUN_BEATS - 1) > RUN_BEATS) - 1
    focus = rng.random(len(place))[run] >= morphology.focus_share
    shape[place] = VENTRICULAR + focus
    aberrant = (label == "A") & (rng.random(len(label)) < morphology.aberrant_share)
    return shape.astype(np.int64), aberrant


class BeatRenderer:
    """Adds the Gaussians of beats to a signal, piece by piece.

    Parameters
    ----------
    peak_samples : ndarray of float64, shape (L,)
        R-peaks, with fractions of a sample, ascending.
    shape, aberrant : ndarray, shape (L,)
        Result of `draw_shapes`.
    has_p : ndarray of bool, shape (L,)
        The atria beat: false in AFIB.
    breathing : ndarray of float64, shape (L,)
        Phase of respiration at each beat in radians.
    morphology : Morphology
        The subject.
    rng : numpy.random.Generator
        Source of the small differences between beats.
    fs_hz : float
        Sampling frequency.
    """

    # No wave reaches further from its R-peak than this.
    REACH_S = 1.2

    def __init__(
        self,
        peak_samples: Floats,
        shape: npt.NDArray[np.int64],
        aberrant: npt.NDArray[np.bool_],
        has_p: npt.NDArray[np.bool_],
        breathing: Floats,
        morphology: Morphology,
        rng: np.random.Generator,
        fs_hz: float,
    ) -> None:
        num = len(peak_samples)
        self.fs_hz = fs_hz
        self.peak_samples = peak_samples
        self.morphology = morphology
        self.shape, self.aberrant, self.has_p = shape, aberrant, has_p
        rr_s = np.clip(np.diff(peak_samples, prepend=peak_samples[:1] - 0.8 * fs_hz) / fs_hz, 0.25, 2.5)
        # QT follows the rate with the delay of a few beats.
        settled = lfilter([0.25], [1, -0.75], rr_s, zi=[0.75 * rr_s[0]])[0] if num else rr_s
        self.qt = np.minimum(settled, 1.8) ** 0.4
        self.pr = np.clip(settled, 0.4, 1.4) ** 0.15
        sway = np.sin(breathing)[:, None] * morphology.breathing_gain
        self.gain_LC = morphology.gain * (1 + sway) * (1 + 0.025 * rng.standard_normal((num, 1)))
        self.p_gain_L = 1 + 0.1 * rng.standard_normal(num)
        self.t_gain_L = 1 + 0.05 * rng.standard_normal(num)
        self.p_shift_L = 0.003 * rng.standard_normal(num)

    def add(self, signal_CS: Signal, start: int) -> None:
        """Add all beats that reach into a piece of the record.

        Parameters
        ----------
        signal_CS : ndarray of float32, shape (C, S)
            The piece, changed in place, in millivolts.
        start : int
            Sample of the record at which the piece begins.
        """
        reach = round(self.REACH_S * self.fs_hz)
        stop = start + signal_CS.shape[1]
        low, high = np.searchsorted(self.peak_samples, [start - reach, stop + reach])
        margin = 2 * reach
        padded_CS = np.zeros((NUM_LEADS, signal_CS.shape[1] + 2 * margin), dtype=np.float32)
        shapes = [self.morphology.normal, self.morphology.atrial, *self.morphology.ventricular]
        for number, waves in enumerate(shapes):
            beats = low + np.flatnonzero(self.shape[low:high] == number)
            for wave in range(len(waves.width_s)):
                self._add_wave(padded_CS, beats, waves, wave, start - margin)
        signal_CS += padded_CS[:, margin:-margin]

    def _add_wave(self, padded_CS: Signal, beats: npt.NDArray[np.int64], waves: Waves, wave: int, origin: int) -> None:
        centre_s, width_s = waves.centre_s[wave], waves.width_s[wave]
        stretch, gain_L, widest = np.ones(len(beats)), np.ones(len(beats)), 1.0
        if waves.is_atrial[wave]:
            beats = beats[self.has_p[beats]]
            shift_s = centre_s * self.pr[beats] + self.p_shift_L[beats]
            stretch, gain_L = np.ones(len(beats)), self.p_gain_L[beats]
        elif waves.is_repolarisation[wave]:
            # A T wave against an aberrant QRS complex is flatter.
            shift_s = centre_s * self.qt[beats]
            stretch, widest = self.qt[beats] ** 0.7, float(self.qt.max(initial=1.0) ** 0.7)
            gain_L = self.t_gain_L[beats] * np.where(self.aberrant[beats], 0.3, 1.0)
        else:
            wide = self.aberrant[beats]
            shift_s = centre_s * np.where(wide, 1.6, 1.0)
            stretch, widest = np.where(wide, 1.7, 1.0), 1.7 if self.aberrant.any() else 1.0
        if len(beats) == 0 or not np.any(waves.amplitude_mv[:, wave]):
            return
        centre = self.peak_samples[beats] + shift_s * self.fs_hz - origin
        sigma = width_s * stretch * self.fs_hz
        # One reach for the whole record: where a wave is cut must not depend on the piece.
        half = int(np.ceil(CUT_SIGMAS * width_s * widest * self.fs_hz))
        nearest = np.round(centre).astype(np.int64)
        steps = np.arange(-half, half + 1)
        scaled = (steps.astype(np.float32) - (centre - nearest).astype(np.float32)[:, None]) * (
            np.float32(np.sqrt(0.5)) / sigma.astype(np.float32)
        )[:, None]
        np.multiply(scaled, scaled, out=scaled)
        np.exp(np.negative(scaled, out=scaled), out=scaled)
        index = (nearest[:, None] + steps).ravel()
        for lead in range(NUM_LEADS):
            amplitude = waves.amplitude_mv[lead, wave]
            if amplitude:
                gain = (amplitude * gain_L * self.gain_LC[beats, lead]).astype(np.float32)
                np.add.at(padded_CS[lead], index, (scaled * gain[:, None]).ravel())


def add_fibrillation(
    signal_CS: Signal, phase: npt.NDArray[np.float32], strength: npt.NDArray[np.float32], morphology: Morphology
) -> None:
    """Add f-waves to a piece of signal.

    Parameters
    ----------
    signal_CS : ndarray of float32, shape (C, S)
        The piece in millivolts, changed in place.
    phase : ndarray of float32, shape (S,)
        Phase of the f-waves in radians.
    strength : ndarray of float32, shape (S,)
        0 where the atria beat, around 1 where they fibrillate.
    morphology : Morphology
        Amplitude and phases of the harmonics per lead.
    """
    at = np.flatnonzero(strength)
    if len(at) == 0:
        return
    angle, size = phase[at], strength[at]
    for lead in range(NUM_LEADS):
        wave = np.zeros(len(at), dtype=np.float32)
        for harmonic in range(1, FIB_HARMONICS + 1):
            lag = np.float32(morphology.fibrillation_phase[lead, 0] + (harmonic - 1) * 0.5 * np.pi)
            if harmonic == 1:
                wave += np.sin(angle + lag)
            else:
                # The saw-tooth leans the same way in both leads, its detail differs.
                detail = np.float32(0.4 * morphology.fibrillation_phase[lead, harmonic - 1])
                wave += np.float32(0.5 / harmonic) * np.sin(harmonic * (angle + lag) + detail)
        scale = np.float32(morphology.fibrillation_mv[lead] * abs(morphology.gain[lead]))
        signal_CS[lead, at] += scale * size * wave
