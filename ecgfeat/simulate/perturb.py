"""Perturb recordings to measure how scores depend on electrodes: swap, drop or invert leads, add noise.

All functions take int16 microvolts (S, C), -32768 invalid, and return a changed copy.

Shape suffixes: S samples, C leads.

References
----------
Moody, Muldrow, Mark, Computers in Cardiology 11:381-384, 1984 (noise stress test), and its program ``nst`` of the WFDB
software: the power of an ECG with QRS complexes of amplitude A is A ** 2 / 8.
"""

import zlib

import numpy as np
from numpy.typing import NDArray

from ecgfeat.errors import UsageError
from ecgfeat.simulate.noise import shaped_noise
from ecgfeat.store.schemas import INVALID_UV, LIMIT_UV

_Signal = NDArray[np.int16]

STRETCH_S = 2.0
"""Contains a QRS complex at any rate above 30/min."""

WANDER_HZ = (0.05, 0.5)
MUSCLE_HZ = (15.0, 55.0)


def swap_leads(signal_uv_SC: _Signal) -> _Signal:
    """Exchange the first two leads; a record with one lead keeps it.

    Parameters
    ----------
    signal_uv_SC : ndarray of int16, shape (S, C)
        Microvolts.

    Returns
    -------
    ndarray of int16, shape (S, C)
        Other leads keep their place.
    """
    order = np.arange(signal_uv_SC.shape[1])
    order[:2] = order[:2][::-1]
    return signal_uv_SC[:, order]


def drop_lead(signal_uv_SC: _Signal, lead: int) -> _Signal:
    """Make one lead invalid throughout, as after a lost electrode.

    Parameters
    ----------
    signal_uv_SC : ndarray of int16, shape (S, C)
        Microvolts.
    lead : int
        In [0, C).

    Returns
    -------
    ndarray of int16, shape (S, C)
        With one invalid lead.

    Raises
    ------
    UsageError
        If there is no such lead.
    """
    num_leads = signal_uv_SC.shape[1]
    if not 0 <= lead < num_leads:
        raise UsageError("lead", found=str(lead), expected=f"0 to {num_leads - 1}")
    dropped_SC = signal_uv_SC.copy()
    dropped_SC[:, lead] = INVALID_UV
    return dropped_SC


def invert_polarity(signal_uv_SC: _Signal) -> _Signal:
    """Turn every lead upside down, as exchanged electrodes do.

    Parameters
    ----------
    signal_uv_SC : ndarray of int16, shape (S, C)
        Microvolts.

    Returns
    -------
    ndarray of int16, shape (S, C)
        Invalid samples stay invalid.
    """
    return np.where(signal_uv_SC == INVALID_UV, INVALID_UV, -signal_uv_SC).astype(np.int16)


def add_noise(signal_uv_SC: _Signal, record: str, *, snr_db: float, fs_hz: float) -> _Signal:
    """Add baseline wander and muscle noise, half of the power each, to every lead.

    Parameters
    ----------
    signal_uv_SC : ndarray of int16, shape (S, C)
        Microvolts.
    record : str
        Name; it seeds the noise, so that all ``snr_db`` add the same noise, scaled.
    snr_db : float
        Power of the lead's ECG over that of its noise.
    fs_hz : float
        Sampling frequency.

    Returns
    -------
    ndarray of int16, shape (S, C)
        Saturated at 32,767 uV; invalid samples stay invalid, and a flat lead stays flat.

    Notes
    -----
    * As in ``nst``, the power of the ECG follows from the amplitude of its QRS complexes. Here that amplitude is the
      median, over stretches of 2 s, of the range from the smallest to the largest sample, which needs no R-peaks;
      baseline wander of the lead makes it a little larger.
    """
    rng = np.random.default_rng(zlib.crc32(record.encode()))
    high_hz = min(MUSCLE_HZ[1], 0.45 * fs_hz)
    noise_SC = np.zeros(signal_uv_SC.shape)
    for lead in range(signal_uv_SC.shape[1]):
        wander_S = shaped_noise(rng, len(signal_uv_SC), fs_hz, *WANDER_HZ)
        muscle_S = shaped_noise(rng, len(signal_uv_SC), fs_hz, MUSCLE_HZ[0], high_hz)
        noise_SC[:, lead] = np.sqrt(0.5) * (wander_S + muscle_S)
    return mix_noise(signal_uv_SC, noise_SC, snr_db=snr_db, fs_hz=fs_hz)


def mix_noise(signal_uv_SC: _Signal, noise_SC: NDArray[np.floating], *, snr_db: float, fs_hz: float) -> _Signal:
    """Add given noise to every lead, scaled to the ECG of the lead.

    Parameters
    ----------
    signal_uv_SC : ndarray of int16, shape (S, C)
        Microvolts.
    noise_SC : ndarray of float, shape (S, C)
        Noise of power 1.
    snr_db : float
        Power of the lead's ECG over that of its noise.
    fs_hz : float
        Sampling frequency.

    Returns
    -------
    ndarray of int16, shape (S, C)
        Saturated at 32,767 uV; invalid samples stay invalid, and a flat lead stays flat.
    """
    noisy_SC = signal_uv_SC.copy()
    for lead in range(signal_uv_SC.shape[1]):
        noise_uv = np.sqrt(signal_power(signal_uv_SC[:, lead], fs_hz) / 10 ** (snr_db / 10))
        is_valid = signal_uv_SC[:, lead] != INVALID_UV
        perturbed_S = signal_uv_SC[:, lead] + noise_uv * noise_SC[:, lead]
        noisy_SC[is_valid, lead] = np.clip(np.rint(perturbed_S[is_valid]), -LIMIT_UV, LIMIT_UV)
    return noisy_SC


def signal_power(signal_uv_S: NDArray[np.int16], fs_hz: float) -> float:
    """Estimate the power of the ECG in one lead.

    Parameters
    ----------
    signal_uv_S : ndarray of int16, shape (S,)
        Microvolts, -32768 invalid.
    fs_hz : float
        Sampling frequency.

    Returns
    -------
    float
        Square microvolts; 0 where no stretch of 2 s is valid throughout.
    """
    size = round(STRETCH_S * fs_hz)
    stretch = signal_uv_S[: len(signal_uv_S) // size * size].reshape(-1, size).astype(np.int64)
    stretch = stretch[(stretch != INVALID_UV).all(axis=1)]
    if not len(stretch):
        return 0.0
    return float(np.median(np.ptp(stretch, axis=1)) ** 2 / 8)
