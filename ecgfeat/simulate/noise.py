"""Draw the noise of an ambulatory ECG: baseline wander, mains, muscle, electrode motion and lost contact.

Slow processes are drawn at knots of 1/8 s and joined by lines. Fast noise is copied from random places of a bank of
shaped noise, which is cheaper than a filter.

References
----------
Moody, Muldrow, Mark, Computers in Cardiology 11:381-384, 1984 (noise stress test: wander, muscle, electrode motion).
"""

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.fft import irfft, next_fast_len, rfft, rfftfreq

from ecgfeat.simulate.morphology import NUM_AMBULATORY_LEADS
from ecgfeat.simulate.rhythm import breathing_phase
from ecgfeat.simulate.traits import Floats
from ecgfeat.store.schemas import INVALID_UV

_Signal = npt.NDArray[np.float32]

KNOTS_PER_S = 8
# About 17 minutes at 128 Hz: too long for a repeat within one strip.
BANK_SAMPLES = 1 << 17
BANK_SEED = 20


@dataclass(frozen=True)
class NoiseTraits:
    """Noise of one subject's recording; sizes in millivolts, arrays per lead.

    Attributes
    ----------
    wander_mv, muscle_mv, motion_mv, sensor_mv : ndarray of float64, shape (C,)
        Standard deviation of baseline wander, of muscle and motion noise within bursts, of sensor noise.
    breathing_mv : ndarray of float64, shape (C,)
        Amplitude of the baseline with respiration.
    mains_hz : float
        50 or 60; frequencies above half the sampling rate alias, as in a recorder.
    mains_mv : ndarray of float64, shape (C,)
        Amplitude of the mains.
    bursts_per_hour, dropouts_per_hour : float
        Mean number of noise bursts and of lost contacts.
    """

    wander_mv: Floats
    breathing_mv: Floats
    muscle_mv: Floats
    motion_mv: Floats
    sensor_mv: Floats
    mains_hz: float
    mains_mv: Floats
    bursts_per_hour: float
    dropouts_per_hour: float


def draw_noise_traits(rng: np.random.Generator, *, num_leads: int = NUM_AMBULATORY_LEADS) -> NoiseTraits:
    """Draw the noise traits of one subject.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of chance.
    num_leads : int, default 2
        Number of leads or electrodes.

    Returns
    -------
    NoiseTraits
        The subject's.
    """
    # Electrodes of one subject are better or worse in all respects.
    quality = rng.lognormal(0, 0.5)

    def size(median_mv: float, spread: float) -> Floats:
        return quality * rng.lognormal(np.log(median_mv), spread, num_leads)

    return NoiseTraits(
        wander_mv=size(0.09, 0.4),
        breathing_mv=size(0.02, 0.5),
        muscle_mv=size(0.05, 0.4),
        motion_mv=size(0.18, 0.4),
        sensor_mv=np.minimum(size(0.011, 0.35), 0.04),
        mains_hz=float(rng.choice([50.0, 60.0])),
        mains_mv=np.minimum(size(0.003, 0.9), 0.03),
        bursts_per_hour=float(rng.lognormal(np.log(25), 0.7)),
        dropouts_per_hour=float(rng.lognormal(np.log(0.5), 0.8)),
    )


def shaped_noise(rng: np.random.Generator, num: int, rate_hz: float, low_hz: float, high_hz: float) -> _Signal:
    """Draw Gaussian noise of unit variance within a band.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of chance.
    num : int
        Number of samples.
    rate_hz : float
        Their rate.
    low_hz, high_hz : float
        Band, with soft edges.

    Returns
    -------
    ndarray of float32, shape (num,)
        The noise.
    """
    # The transform is much faster for lengths without large prime factors.
    length = next_fast_len(num, real=True)
    spectrum = rfft(rng.standard_normal(length, dtype=np.float32))
    f_hz = rfftfreq(length, 1 / rate_hz).astype(np.float32)
    response = (f_hz / low_hz) ** 2 / (1 + (f_hz / low_hz) ** 2) / (1 + (f_hz / high_hz) ** 4)
    noise = irfft(spectrum * response, length)[:num]
    scaled: _Signal = (noise / max(float(noise.std()), 1e-12)).astype(np.float32)
    return scaled


@functools.lru_cache(maxsize=4)
def _bank(fs_hz: float) -> tuple[_Signal, _Signal]:
    rng = np.random.default_rng(BANK_SEED)
    muscle = shaped_noise(rng, BANK_SAMPLES, fs_hz, 15.0, min(60.0, 0.45 * fs_hz))
    motion = shaped_noise(rng, BANK_SAMPLES, fs_hz, 0.7, 6.0)
    return muscle, motion


def between_knots(knots: _Signal, step: int, start: int, num: int) -> _Signal:
    """Join knots by lines.

    Parameters
    ----------
    knots : ndarray of float32, shape (n,)
        Values every `step` samples, from sample 0 of the record on.
    step : int
        Samples between knots.
    start, num : int
        Piece to return; `start` is a multiple of `step`.

    Returns
    -------
    ndarray of float32, shape (num,)
        The piece.
    """
    first = start // step
    count = -(-num // step)
    left, right = knots[first : first + count], knots[first + 1 : first + count + 1]
    ramp = np.arange(step, dtype=np.float32) / np.float32(step)
    return (left[:, None] + (right - left)[:, None] * ramp).reshape(-1)[:num]


class NoiseRenderer:
    """Adds noise to a signal, piece by piece.

    Parameters
    ----------
    traits : NoiseTraits
        The subject.
    rng : numpy.random.Generator
        Source of chance; used while pieces are added, in their order.
    num_samples : int
        Length of the record.
    fs_hz : float
        Sampling frequency.
    breathing_hz, breathing_phase_0 : float
        Respiration of the subject.
    """

    def __init__(
        self,
        traits: NoiseTraits,
        rng: np.random.Generator,
        num_samples: int,
        fs_hz: float,
        breathing_hz: float,
        breathing_phase_0: float,
    ) -> None:
        self.traits, self.rng, self.fs_hz = traits, rng, fs_hz
        self.step = knot_samples(fs_hz)
        num_knots = num_samples // self.step + 2
        knots_hz = fs_hz / self.step
        swing = np.sin(breathing_phase(np.arange(num_knots) / knots_hz, breathing_hz, breathing_phase_0))
        self.wander_knots = [
            np.float32(traits.wander_mv[lead]) * shaped_noise(rng, num_knots, knots_hz, 0.02, 0.3)
            + (traits.breathing_mv[lead] * swing).astype(np.float32)
            for lead in range(len(traits.wander_mv))
        ]
        hours = num_samples / fs_hz / 3600
        self.muscle_knots = _bursts(rng, num_knots, knots_hz, traits.bursts_per_hour * hours)
        self.motion_knots = _bursts(rng, num_knots, knots_hz, 0.5 * traits.bursts_per_hour * hours)
        self.mains_phase = rng.uniform(0, 1)
        self.mains_hz = traits.mains_hz + rng.normal(0, 0.03)

    def add(self, signal_CS: _Signal, start: int) -> None:
        """Add the noise of a piece of the record.

        Parameters
        ----------
        signal_CS : ndarray of float32, shape (C, S)
            The piece, changed in place, in millivolts.
        start : int
            Sample of the record at which the piece begins, a multiple of the knot distance.
        """
        num = signal_CS.shape[1]
        muscle, motion = _bank(self.fs_hz)
        envelopes = [between_knots(knots, self.step, start, num) for knots in (self.muscle_knots, self.motion_knots)]
        # The phase is reduced to one cycle before it becomes float32; else its error would grow with time.
        cycles = (np.arange(start, start + num) * (self.mains_hz / self.fs_hz) + self.mains_phase) % 1.0
        mains = np.sin(np.float32(2 * np.pi) * cycles.astype(np.float32))
        traits = self.traits
        for lead in range(len(signal_CS)):
            piece = signal_CS[lead]
            piece += between_knots(self.wander_knots[lead], self.step, start, num)
            piece += np.float32(traits.sensor_mv[lead]) * self.rng.standard_normal(num, dtype=np.float32)
            piece += np.float32(traits.mains_mv[lead]) * mains
            for bank, level, envelope in zip(
                (muscle, motion), (traits.muscle_mv[lead], traits.motion_mv[lead]), envelopes, strict=True
            ):
                at = int(self.rng.integers(len(bank)))
                places = np.flatnonzero(envelope)
                piece[places] += np.float32(level) * envelope[places] * bank[(places + at) % len(bank)]


def knot_samples(fs_hz: float) -> int:
    """Return the distance between knots in samples at a sampling frequency."""
    return max(round(fs_hz / KNOTS_PER_S), 1)


def _bursts(rng: np.random.Generator, num_knots: int, knots_hz: float, mean_bursts: float) -> _Signal:
    envelope = np.zeros(num_knots, dtype=np.float32)
    for _ in range(int(rng.poisson(mean_bursts))):
        length = max(int(rng.lognormal(np.log(5.0), 0.7) * knots_hz), 4)
        start = int(rng.integers(num_knots))
        shape = np.sin(np.pi * (np.arange(length) + 0.5) / length) * rng.uniform(0.3, 1.2)
        piece = envelope[start : start + length]
        np.maximum(piece, shape[: len(piece)].astype(np.float32), out=piece)
    return envelope


def drop_contacts(
    signal_uv_SC: npt.NDArray[np.int16], traits: NoiseTraits, rng: np.random.Generator, fs_hz: float
) -> int:
    """Overwrite random stretches of a record as a lost electrode does: a flat line or invalid samples.

    Parameters
    ----------
    signal_uv_SC : ndarray of int16, shape (S, C)
        The record in microvolts, changed in place; lost samples become -32768.
    traits : NoiseTraits
        The subject.
    rng : numpy.random.Generator
        Source of chance.
    fs_hz : float
        Sampling frequency.

    Returns
    -------
    int
        Number of stretches.
    """
    num_samples = len(signal_uv_SC)
    count = int(rng.poisson(traits.dropouts_per_hour * num_samples / fs_hz / 3600))
    for _ in range(count):
        length = int(fs_hz * np.clip(rng.lognormal(np.log(4), 0.7), 0.5, 30))
        start = int(rng.integers(num_samples))
        lead = int(rng.integers(signal_uv_SC.shape[1]))
        kind = rng.random()
        if kind < 0.4:
            signal_uv_SC[start : start + length] = INVALID_UV
        elif kind < 0.7:
            signal_uv_SC[start : start + length, lead] = INVALID_UV
        else:
            signal_uv_SC[start : start + length, lead] = signal_uv_SC[start, lead]
    return count
