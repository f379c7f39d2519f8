"""Turn beat times into a two-lead signal: beats, f-waves, noise and lost contacts, in pieces of bounded memory."""

import numpy as np
import numpy.typing as npt

from ecgfeat.simulate.heart_vector import MAX_UV
from ecgfeat.simulate.morphology import NUM_AMBULATORY_LEADS, Morphology
from ecgfeat.simulate.noise import (
    KNOTS_PER_S,
    NoiseRenderer,
    NoiseTraits,
    between_knots,
    drop_contacts,
    knot_samples,
    shaped_noise,
)
from ecgfeat.simulate.rhythm import breathing_phase
from ecgfeat.simulate.waveform import BeatRenderer, add_fibrillation, draw_shapes
from ecgfeat.store.schemas import INVALID_UV

AMBULATORY_LEADS = ("MLII", "V1")
# Approximate length of a piece: its arrays fit into the cache, and a day needs no more memory than an hour.
PIECE_SAMPLES = 1 << 16


def synthesise(
    peak_sample: npt.NDArray[np.int64],
    label: npt.NDArray[np.str_],
    fibrillating: npt.NDArray[np.bool_],
    has_p: npt.NDArray[np.bool_],
    num_samples: int,
    *,
    fs_hz: float,
    morphology: Morphology,
    noise: NoiseTraits,
    breathing_hz: float,
    breathing_start: float,
    rng: np.random.Generator,
) -> npt.NDArray[np.int16]:
    """Synthesise the two leads of a record around given R-peaks.

    Parameters
    ----------
    peak_sample : ndarray of int64, shape (L,)
        R-peaks in ascending order.
    label : ndarray of '<U1', shape (L,)
        N, A or V.
    fibrillating : ndarray of bool, shape (L,)
        The atria fibrillate around the beat.
    has_p : ndarray of bool, shape (L,)
        A P wave may precede the beat; whether it does depends on the beat's shape as well.
    num_samples : int
        Length of the record.
    fs_hz : float
        Sampling frequency.
    morphology : Morphology
        Beat shapes of the subject.
    noise : NoiseTraits
        Noise of the subject.
    breathing_hz, breathing_start : float
        Respiration: rate and phase at sample 0.
    rng : numpy.random.Generator
        Source of chance.

    Returns
    -------
    ndarray of int16, shape (S, 2)
        Microvolts; -32768 where contact was lost.
    """
    peaks = peak_sample + rng.uniform(-0.45, 0.45, len(peak_sample))
    shape, aberrant = draw_shapes(label, morphology, rng)
    phase = breathing_phase(peak_sample / fs_hz, breathing_hz, breathing_start)
    beats = BeatRenderer(peaks, shape, aberrant, has_p, phase, morphology, rng, fs_hz)
    disturbance = NoiseRenderer(noise, rng, num_samples, fs_hz, breathing_hz, breathing_start)
    step = knot_samples(fs_hz)
    angle_knots, strength_knots = fibrillation_knots(peak_sample, fibrillating, num_samples, step, morphology, rng)
    signal_uv_SC = np.empty((num_samples, NUM_AMBULATORY_LEADS), dtype=np.int16)
    piece_samples = PIECE_SAMPLES // step * step
    for start in range(0, num_samples, piece_samples):
        stop = min(start + piece_samples, num_samples)
        piece_CS = np.zeros((NUM_AMBULATORY_LEADS, stop - start), dtype=np.float32)
        beats.add(piece_CS, start)
        strength = between_knots(strength_knots, step, start, stop - start)
        if strength.any():
            # The phase of a day exceeds the precision of float32: full turns are subtracted per piece.
            first = start // step
            turns = np.floor(angle_knots[first] / (2 * np.pi)) * 2 * np.pi
            local = (angle_knots[first : first + -(-(stop - start) // step) + 1] - turns).astype(np.float32)
            add_fibrillation(piece_CS, between_knots(local, step, 0, stop - start), strength, morphology)
        disturbance.add(piece_CS, start)
        np.rint(piece_CS * np.float32(1000), out=piece_CS)
        signal_uv_SC[start:stop] = np.clip(piece_CS, -MAX_UV, MAX_UV).T
    drop_contacts(signal_uv_SC, noise, rng, fs_hz)
    assert INVALID_UV < -MAX_UV
    return signal_uv_SC


def fibrillation_knots(
    peak_sample: npt.NDArray[np.int64],
    fibrillating: npt.NDArray[np.bool_],
    num_samples: int,
    step: int,
    morphology: Morphology,
    rng: np.random.Generator,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float32]]:
    """Draw rate and size of the f-waves at knots, for `between_knots`.

    Parameters
    ----------
    peak_sample : ndarray of int64, shape (L,)
        R-peaks in ascending order.
    fibrillating : ndarray of bool, shape (L,)
        The atria fibrillate around the beat.
    num_samples, step : int
        Length of the record, and samples between knots.
    morphology : Morphology
        The subject.
    rng : numpy.random.Generator
        Source of chance.

    Returns
    -------
    angle : ndarray of float64, shape (knots,)
        Phase in radians.
    strength : ndarray of float32, shape (knots,)
        0 where the atria beat, around 1 where they fibrillate.
    """
    num_knots = num_samples // step + 2
    # Rate and size change within seconds, the rate stays between 4 and 9 Hz.
    slow = shaped_noise(rng, num_knots, KNOTS_PER_S, 0.02, 0.4)
    size = shaped_noise(rng, num_knots, KNOTS_PER_S, 0.02, 0.5)
    rate_hz = np.clip(morphology.fibrillation_hz + 0.35 * slow, 4.0, 9.0)
    angle = np.cumsum(2 * np.pi * rate_hz.astype(np.float64) / KNOTS_PER_S)
    strength = np.clip(1 + 0.3 * size, 0.3, 2.0)
    if len(peak_sample):
        # Fibrillation begins and ends between two beats, 3/8 s before the beat that differs.
        at = np.searchsorted(peak_sample - 3 * step, np.arange(num_knots) * step, side="right") - 1
        strength *= fibrillating[np.clip(at, 0, len(peak_sample) - 1)]
    else:
        strength[:] = 0
    return angle, strength.astype(np.float32)
