"""Noise as recorders pick it up: pieces of records that hold little else, laid end to end.

Shape suffixes: S samples, C leads, P pieces.
"""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfiltfilt

from ecgfeat.errors import DataError
from ecgfeat.signals.filters import DETECTOR_FS_HZ
from ecgfeat.signals.quality import USABLE, assess_quality
from ecgfeat.signals.resample import fill_invalid, resample

PIECE_S: Final = 10
OVERLAP_S: Final = 0.5
"""Neighbouring pieces fade into each other over so long: a step between them would look like a QRS complex."""

NOISE_HZ: Final = (0.5, 40.0)
LEAST_MV: Final = 0.01
"""A piece that deviates less is a lead that is off, not noise."""


@dataclass(frozen=True)
class NoisePool:
    """Pieces of noise.

    Attributes
    ----------
    piece : ndarray of float32, (P, S)
        Each of `PIECE_S`, of mean 0 and power 1.
    fs_hz : float
        Their rate.
    """

    piece: NDArray[np.float32]
    fs_hz: float


def cut_noise(leads: Iterable[NDArray[np.float32]], fs_hz: float) -> NoisePool:
    """Cut leads that hold little but noise into pieces of 10 s.

    Parameters
    ----------
    leads : iterable of ndarray of float32, (S,)
        Millivolts, NaN where invalid.
    fs_hz : float
        Their rate, above 80 Hz.

    Returns
    -------
    NoisePool
        Without pieces that are invalid in part, flat, or usable for a second.

    Raises
    ------
    DataError
        If no piece is left.

    Notes
    -----
    * A piece with a usable second holds an ECG: of 32 records of cinc2017 that are labelled noisy, 46 % of the pieces.
      Added to another record it would be a second heart, whose beats a detector is right to find.
    * What is left is noise that `ecgfeat.signals.quality` recognises when it is alone.
    """
    sos = butter(2, NOISE_HZ, "bandpass", fs=fs_hz, output="sos")
    size = round(PIECE_S * fs_hz)
    pieces = []
    for lead_S in leads:
        num_pieces = len(lead_S) // size
        valid_PS = np.isfinite(lead_S)[: num_pieces * size].reshape(num_pieces, size)
        if not valid_PS.any():
            continue
        filtered_S = sosfiltfilt(sos, fill_invalid(lead_S).astype(np.float64))
        piece_PS = filtered_S[: num_pieces * size].reshape(num_pieces, size)
        state_T = assess_quality(resample(lead_S[: num_pieces * size, None], fs_hz, DETECTOR_FS_HZ))[:, 0]
        has_ecg_P = (state_T.reshape(num_pieces, PIECE_S) == USABLE).any(axis=1)
        piece_PS = piece_PS[valid_PS.all(axis=1) & ~has_ecg_P]
        piece_PS = piece_PS - piece_PS.mean(axis=1, keepdims=True)
        spread_P1 = piece_PS.std(axis=1, keepdims=True)
        is_noise = spread_P1[:, 0] >= LEAST_MV
        pieces.append((piece_PS[is_noise] / spread_P1[is_noise]).astype(np.float32))
    if not sum(map(len, pieces)):
        raise DataError(
            "noise", found="no piece of 10 s that is valid, not flat and no ECG", expected="records with noise in them"
        )
    return NoisePool(np.concatenate(pieces), fs_hz)


def lay_noise(pool: NoisePool, record: str, num_samples: int, num_leads: int, fs_hz: float) -> NDArray[np.float32]:
    """Draw pieces of a pool and lay them end to end.

    Parameters
    ----------
    pool : NoisePool
        The pieces.
    record : str
        Name of the record that gets the noise; it seeds the draw.
    num_samples, num_leads : int
        Length of the record, and its leads; each has noise of its own.
    fs_hz : float
        Rate of the record.

    Returns
    -------
    ndarray of float32, (S, C)
        Of power 1.
    """
    rng = np.random.default_rng((zlib.crc32(record.encode()), 1))
    size, overlap = pool.piece.shape[1], round(OVERLAP_S * pool.fs_hz)
    ramp = np.sin(np.pi / 2 * (np.arange(overlap) + 0.5) / overlap)
    # The powers of two pieces that fade into each other sum to one.
    window_S = np.concatenate([ramp, np.ones(size - 2 * overlap), ramp[::-1]]).astype(np.float32)
    length = int(np.ceil(num_samples * pool.fs_hz / fs_hz)) + 1
    count = -(-(length + overlap) // (size - overlap))
    laid_SC = np.zeros((count * (size - overlap) + overlap, num_leads), dtype=np.float32)
    for lead in range(num_leads):
        for number, drawn in enumerate(rng.integers(len(pool.piece), size=count)):
            start = number * (size - overlap)
            laid_SC[start : start + size, lead] += pool.piece[drawn] * window_S
    noise_SC = resample(laid_SC[overlap : overlap + length], pool.fs_hz, fs_hz)[:num_samples]
    return noise_SC / noise_SC.std(axis=0)
