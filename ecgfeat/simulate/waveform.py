"""Add beats to a signal, as sums of Gaussians per wave and lead, and the f-waves of fibrillating atria.

Legend of shapes: L beats, S samples, C leads.

References
----------
McSharry, Clifford, Tarassenko, Smith, IEEE Trans Biomed Eng 50:289-294, 2003 (Gaussian waves); Stridh, Sörnmo, IEEE
Trans Biomed Eng 48:105-111, 2001 (saw-tooth f-waves of varying rate); Fridericia, Acta Med Scand 53:469-486, 1920 (QT).
"""

import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter

from ecgfeat.simulate.morphology import FIB_HARMONICS, Morphology, Waves
from ecgfeat.simulate.traits import Floats

_Signal = npt.NDArray[np.float32]

# A Gaussian is cut where it has fallen below 0.2 % of its peak.
CUT_SIGMAS = 3.55
# Shapes of beats.
NORMAL, ATRIAL, VENTRICULAR = 0, 1, 2
# Ventricular beats within this many beats of each other have the same focus.
RUN_BEATS = 3


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

    # Largest distance of a wave from its R-peak.
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
        # QT follows the rate with a delay of a few beats.
        settled = lfilter([0.25], [1, -0.75], rr_s, zi=[0.75 * rr_s[0]])[0] if num else rr_s
        self.qt = np.minimum(settled, 1.8) ** 0.4
        self.pr = np.clip(settled, 0.4, 1.4) ** 0.15
        sway = np.sin(breathing)[:, None] * morphology.breathing_gain
        self.gain_LC = morphology.gain * (1 + sway) * (1 + 0.025 * rng.standard_normal((num, 1)))
        self.p_gain_L = 1 + 0.1 * rng.standard_normal(num)
        self.t_gain_L = 1 + 0.05 * rng.standard_normal(num)
        self.p_shift_L = 0.003 * rng.standard_normal(num)

    def add(self, signal_CS: _Signal, start: int) -> None:
        """Add all beats that overlap a piece of the record.

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
        padded_CS = np.zeros((len(signal_CS), signal_CS.shape[1] + 2 * margin), dtype=np.float32)
        shapes = [self.morphology.normal, self.morphology.atrial, *self.morphology.ventricular]
        for number, waves in enumerate(shapes):
            beats = low + np.flatnonzero(self.shape[low:high] == number)
            for wave in range(len(waves.width_s)):
                self._add_wave(padded_CS, beats, waves, wave, start - margin)
        signal_CS += padded_CS[:, margin:-margin]

    def _add_wave(self, padded_CS: _Signal, beats: npt.NDArray[np.int64], waves: Waves, wave: int, origin: int) -> None:
        centre_s, width_s = waves.centre_s[wave], waves.width_s[wave]
        stretch, gain_L, widest = np.ones(len(beats)), np.ones(len(beats)), 1.0
        if waves.is_atrial[wave]:
            beats = beats[self.has_p[beats]]
            shift_s = centre_s * self.pr[beats] + self.p_shift_L[beats]
            stretch, gain_L = np.ones(len(beats)), self.p_gain_L[beats]
        elif waves.is_repolarisation[wave]:
            # The T wave of an aberrant beat is flatter.
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
        # One half-width for the whole record: the cut of a wave must not depend on the piece.
        half = int(np.ceil(CUT_SIGMAS * width_s * widest * self.fs_hz))
        nearest = np.round(centre).astype(np.int64)
        steps = np.arange(-half, half + 1)
        scaled = (steps.astype(np.float32) - (centre - nearest).astype(np.float32)[:, None]) * (
            np.float32(np.sqrt(0.5)) / sigma.astype(np.float32)
        )[:, None]
        np.multiply(scaled, scaled, out=scaled)
        np.exp(np.negative(scaled, out=scaled), out=scaled)
        index = (nearest[:, None] + steps).ravel()
        for lead in range(len(padded_CS)):
            amplitude = waves.amplitude_mv[lead, wave]
            if amplitude:
                gain = (amplitude * gain_L * self.gain_LC[beats, lead]).astype(np.float32)
                np.add.at(padded_CS[lead], index, (scaled * gain[:, None]).ravel())


def add_fibrillation(
    signal_CS: _Signal, phase: npt.NDArray[np.float32], strength: npt.NDArray[np.float32], morphology: Morphology
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
    for lead in range(len(signal_CS)):
        wave = np.zeros(len(at), dtype=np.float32)
        for harmonic in range(1, FIB_HARMONICS + 1):
            lag = np.float32(morphology.fibrillation_phase[lead, 0] + (harmonic - 1) * 0.5 * np.pi)
            if harmonic == 1:
                wave += np.sin(angle + lag)
            else:
                # The saw-tooth has the same direction in both leads; its details differ.
                detail = np.float32(0.4 * morphology.fibrillation_phase[lead, harmonic - 1])
                wave += np.float32(0.5 / harmonic) * np.sin(harmonic * (angle + lag) + detail)
        scale = np.float32(morphology.fibrillation_mv[lead] * abs(morphology.gain[lead]))
        signal_CS[lead, at] += scale * size * wave
