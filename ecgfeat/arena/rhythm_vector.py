"""Describe the rhythm, the size and the shape of a whole record by 36 numbers.

Shape suffixes: B batch, C leads, S samples, L intervals, R numbers of the vector.

References
----------
Task Force of the European Society of Cardiology, "Heart rate variability", Circulation 93, 1996 (SDNN, RMSSD).
M. Brennan et al., "Do existing measures of Poincare plot geometry reflect nonlinear features of heart rate
variability?", IEEE Trans Biomed Eng 48, 2001, doi:10.1109/10.959330 (SD1, SD2).
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import kurtosis, skew
from torch import Tensor

from ecgfeat.errors import DataError
from ecgfeat.signals.rpeaks import detect_rpeaks

NUM_RHYTHM = 36
RHYTHM_SLOTS = {
    "mean_rr_ms": 0, "sdnn_ms": 1, "median_rr_ms": 2, "min_rr_ms": 3, "max_rr_ms": 4,
    "rmssd_ms": 5, "sd1_ms": 6, "sd2_ms": 7,
    "mean_height": 25, "min_height": 26, "max_height": 27, "limb_height": 28, "chest_height": 29,
    "mean": 30, "std": 31, "mean_square": 32, "kurtosis": 33, "skewness": 34, "percentile_95": 35,
}  # fmt: skip
"""Where each number stands. Slots 8 to 24 are spare and always zero."""

MIN_RR_MS, MAX_RR_MS = 300.0, 2000.0
_STANDARD_LEADS = 12
_SECOND_LEAD = 1
_NO_SPREAD = 1e-5
_LIMB, _CHEST = slice(0, 3), slice(6, 12)

_Floats = npt.NDArray[np.float32]


class Standardisation(NamedTuple):
    """Mean and spread of the training records: tensors that ``safetensors`` saves as ``_asdict()``.

    Attributes
    ----------
    mean : Tensor, (R,) float32
        Means.
    scale : Tensor, (R,) float32
        Standard deviations; 1 where the training records differ by less than 1e-5 of their mean, or of 1.
    """

    mean: Tensor
    scale: Tensor


def describe_rhythm(signal_BCS: npt.ArrayLike, fs_hz: float) -> _Floats:
    """Compute the rhythm vector of each record. It is not standardised.

    Parameters
    ----------
    signal_BCS : array_like of float, shape (B, C, S)
        Signals in mV, NaN where invalid; z-scored ones do, but make slots 30 to 32 the same for all. The intervals
        are read from lead II, the second of twelve, and from the first lead of signals with any other number;
        `ecgfeat.signals.rpeaks` takes another where that one is silent.
    fs_hz : float
        Sampling frequency in Hz.

    Returns
    -------
    ndarray of float32, shape (B, 36)
        Finite numbers at the places of `RHYTHM_SLOTS`: intervals in ms; heights, means and the 95th percentile in the
        unit of the signal or of its standard deviation, see Notes.

    Raises
    ------
    DataError
        If the signal is not three-dimensional, has no lead, or `fs_hz` is not positive.

    Notes
    -----
    Departures from the source:

    * RMSSD, SD1 and SD2 are there, as its text promises; its code computes the first five slots only.
    * Heights (largest minus smallest value of a lead) are computed; a wrong argument leaves them zero in the source.
      They are: mean, smallest and largest of all leads, mean of the first three, mean of the seventh to the twelfth
      (zero with fewer than seven leads).
    * Mean, standard deviation and mean square are those of the signal as given. The source standardises by one mean and
      one deviation first, which makes them 0, 1 and 1 for every record. Kurtosis (0 for a Gaussian), skewness and
      percentile are of the signal standardised so.
    * R-peaks are those of the project's own detector, exact to half a sample of 128 Hz: 4 ms.
    * The standard deviation of the intervals (SDNN) has L - 1 in its denominator.
    """
    signal_BCS = np.asarray(signal_BCS, dtype=np.float32)
    if signal_BCS.ndim != 3 or not signal_BCS.shape[1]:
        raise DataError("signal", found=f"an array of shape {signal_BCS.shape}", expected="(records, leads, samples)")
    lead = _SECOND_LEAD if signal_BCS.shape[1] == _STANDARD_LEADS else 0
    vector_BR = np.zeros((len(signal_BCS), NUM_RHYTHM), dtype=np.float32)
    for vector_R, signal_CS in zip(vector_BR, signal_BCS, strict=True):
        peak_L = detect_rpeaks(signal_CS.T, fs_hz, method="ecgfeat", lead=lead)
        vector_R[:8] = describe_intervals(np.diff(peak_L) * (1000 / fs_hz))
        vector_R[25:30] = _describe_heights(signal_CS)
        vector_R[30:] = _describe_values(signal_CS)
    return vector_BR


def describe_intervals(rr_ms_L: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Compute the eight numbers of a series of RR intervals.

    Parameters
    ----------
    rr_ms_L : array_like of float, shape (L,)
        Consecutive intervals in ms. Those outside (300, 2000), and NaN, are left out, and so are the differences to
        them.

    Returns
    -------
    ndarray of float64, shape (8,)
        Mean, SDNN, median, minimum, maximum, RMSSD, SD1, SD2, in ms. All zero with fewer than two intervals; the last
        three zero where no two stand beside each other.

    Notes
    -----
    * SD1 = RMSSD / sqrt(2) and SD2 = sqrt(2 SDNN² - SD1²), equations 9 and 12 of Brennan et al., where the negative
      value that a broken series can give under the root counts as zero.
    """
    rr_ms_L = np.asarray(rr_ms_L, dtype=np.float64)
    is_kept_L = (rr_ms_L > MIN_RR_MS) & (rr_ms_L < MAX_RR_MS)
    kept_ms = rr_ms_L[is_kept_L]
    if kept_ms.size < 2:
        return np.zeros(8)
    change_ms = np.diff(rr_ms_L)[is_kept_L[1:] & is_kept_L[:-1]]
    sdnn_ms = kept_ms.std(ddof=1)
    rmssd_ms = sd1_ms = sd2_ms = 0.0
    if change_ms.size:
        rmssd_ms = np.sqrt(np.mean(change_ms**2))
        sd1_ms = rmssd_ms / np.sqrt(2)
        sd2_ms = np.sqrt(max(0.0, 2 * sdnn_ms**2 - sd1_ms**2))
    basic_ms = [kept_ms.mean(), sdnn_ms, np.median(kept_ms), kept_ms.min(), kept_ms.max()]
    return np.array([*basic_ms, rmssd_ms, sd1_ms, sd2_ms])


def _describe_heights(signal_CS: _Floats) -> list[float]:
    """Return mean, minimum and maximum height of the leads, and the mean heights of limb and chest leads."""
    valid_CS = np.isfinite(signal_CS)
    top_C = np.max(signal_CS, axis=1, where=valid_CS, initial=-np.inf)
    bottom_C = np.min(signal_CS, axis=1, where=valid_CS, initial=np.inf)
    height_C = np.where(valid_CS.any(axis=1), top_C, 0.0) - np.where(valid_CS.any(axis=1), bottom_C, 0.0)
    chest_C = height_C[_CHEST]
    chest = float(chest_C.mean()) if chest_C.size else 0.0
    return [height_C.mean(), height_C.min(), height_C.max(), height_C[_LIMB].mean(), chest]


def _describe_values(signal_CS: _Floats) -> list[float]:
    """Return the statistics of all valid samples of a record together; zeros where it has none or is constant."""
    value_S = signal_CS[np.isfinite(signal_CS)].astype(np.float64)
    if not value_S.size:
        return [0.0] * 6
    mean, std = value_S.mean(), value_S.std()
    mean_square = float(np.mean(value_S**2))
    # Below this a deviation is the rounding of the mean, and its shape means nothing.
    if std <= 1e-6 * max(1.0, abs(mean)):
        return [mean, 0.0, mean_square, 0.0, 0.0, 0.0]
    standard_S = (value_S - mean) / std
    return [mean, std, mean_square, kurtosis(standard_S), skew(standard_S), np.percentile(standard_S, 95)]


def fit_standardisation(vector_NR: npt.ArrayLike) -> Standardisation:
    """Measure mean and spread of the training records of a fold, and of those only.

    Parameters
    ----------
    vector_NR : array_like of float, shape (N, R)
        Rhythm vectors of at least one record.

    Returns
    -------
    Standardisation

    Raises
    ------
    DataError
        If there is no record.
    """
    vector_NR = np.asarray(vector_NR, dtype=np.float64)
    if vector_NR.ndim != 2 or not len(vector_NR):
        raise DataError(
            "rhythm vectors", found=f"shape {vector_NR.shape}", expected="(records, numbers), one record or more"
        )
    mean_R, scale_R = vector_NR.mean(axis=0), vector_NR.std(axis=0)
    # Z-scored records have means of zero and deviations of one up to rounding, which must not be blown up to a feature.
    scale_R[scale_R <= _NO_SPREAD * np.maximum(1.0, np.abs(mean_R))] = 1.0
    return Standardisation(torch.from_numpy(mean_R).float(), torch.from_numpy(scale_R).float())


def standardise(vector_NR: npt.ArrayLike, standardisation: Standardisation) -> Tensor:
    """Subtract the mean and divide by the spread of the training records.

    Parameters
    ----------
    vector_NR : array_like of float, shape (N, R)
        Rhythm vectors of any records.
    standardisation : Standardisation
        From `fit_standardisation`.

    Returns
    -------
    Tensor, (N, R) float32
        Standardised vectors, zero in spare slots.
    """
    vector = torch.from_numpy(np.asarray(vector_NR, dtype=np.float32))
    return (vector - standardisation.mean) / standardisation.scale
