"""Score a network of 27 diagnoses on corpora that it was not trained on and that ask for other classes.

Shape suffixes: F folds, N slices, records or windows, K classes of the network, G classes asked for, R records.

References
----------
P. Wagner et al., "PTB-XL", Scientific Data 7:154, 2020. X. Wang et al., "Paroxysmal Atrial Fibrillation Events
Detection from Dynamic ECG Recordings: The 4th China Physiological Signal Challenge 2021", PhysioNet,
doi:10.13026/ksya-qw89.
"""

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from ecgfeat.arena.pooling import pool_records
from ecgfeat.errors import DataError, UsageError
from ecgfeat.records.annotations import Episodes

SUPERCLASSES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "NORM": ("SNR", "SB", "STach", "SA"),
        "MI": ("QAb",),
        "STTC": ("TInv", "TAb", "LQT"),
        "CD": ("LBBB", "RBBB", "CRBBB", "IRBBB", "IAVB", "LAnFB", "NSIVCB"),
    }
)
"""Diagnostic superclasses of PTB-XL and the diagnoses that speak for them. None speaks for HYP, hypertrophy."""

FIBRILLATION: Mapping[str, tuple[str, ...]] = MappingProxyType({"AF": ("AF", "AFL", "A")})
"""Fibrillation is fibrillation or flutter: Ningbo codes both as flutter, and a network trained on it says so. The
Challenge of 2017 calls it A."""

ALIKE: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        one: (one, other)
        for pair in (("PAC", "SVPB"), ("PVC", "VPB"), ("RBBB", "CRBBB"))
        for one, other in (pair, pair[::-1])
    }
)
"""Two codes for one finding, of which annotators wrote one; the Challenges of 2020 and 2021 score them as one."""

_SPEAK_FOR = {
    **SUPERCLASSES,
    **FIBRILLATION,
    **ALIKE,
    "A": FIBRILLATION["AF"],
    "N": ("N", "SNR"),
    "SNR": ("SNR", "N"),
}
_ASKED_ONCE = {"AFL": ("AF",), "SVPB": ("PAC",), "VPB": ("PVC",), "CRBBB": ("RBBB",)}

AF_RHYTHMS, NORMAL_RHYTHMS = ("AFIB", "AFL"), ("N", "NSR")
WINDOW_S = 10.0

_Floats = npt.NDArray[np.float64]


def score_groups(
    probability_NK: npt.ArrayLike, classes: Sequence[str], groups: Mapping[str, tuple[str, ...]] = SUPERCLASSES
) -> _Floats:
    """Score each class asked for by the largest probability of the diagnoses that speak for it.

    Parameters
    ----------
    probability_NK : array_like of float, shape (N, K)
        Probabilities of the network's diagnoses.
    classes : sequence of str
        Names of the K diagnoses.
    groups : mapping of str to tuple of str
        Class asked for to diagnoses that speak for it: `SUPERCLASSES` or `FIBRILLATION`.

    Returns
    -------
    ndarray of float64, shape (N, G)
        Scores in the order of `groups`. They are no calibrated probabilities.

    Raises
    ------
    DataError
        If the probabilities are not one column per class.
    UsageError
        If the network knows none of the diagnoses of a group: such a class has no score, and 0 would be one.

    Notes
    -----
    * Diagnoses of a group that the network does not know are passed over.
    """
    probability_NK = np.asarray(probability_NK, dtype=np.float64)
    if probability_NK.ndim != 2 or probability_NK.shape[1] != len(classes):
        raise DataError(
            "probabilities", found=f"shape {probability_NK.shape}", expected=f"(records, {len(classes)} classes)"
        )
    columns = {name: [classes.index(each) for each in group if each in classes] for name, group in groups.items()}
    for name, group in groups.items():
        if not columns[name]:
            raise UsageError(
                f"class {name}", found="no diagnosis that speaks for it", expected=f"one of {', '.join(group)}"
            )
    return np.stack([probability_NK[:, column].max(axis=1) for column in columns.values()], axis=1)


def find_groups(asked: Sequence[str], known: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Find which diagnoses of a network speak for the classes that a corpus asks for.

    Parameters
    ----------
    asked : sequence of str
        Classes of the corpus.
    known : sequence of str
        Diagnoses of the network.

    Returns
    -------
    dict of str to tuple of str
        The diagnoses of each class asked for that has any, as `score_groups` takes them: those of `SUPERCLASSES` or
        `ALIKE`, or the one of the same name. N and A of the Challenge of 2017 are SNR and AF.

    Notes
    -----
    * Where AF is asked for it means fibrillation or flutter, and AFL is not asked for once more; so the classes of
      `ALIKE`.
    """
    speaking = {
        name: tuple(one for one in _SPEAK_FOR.get(name, (name,)) if one in known)
        for name in asked
        if not set(_ASKED_ONCE.get(name, ())) & set(asked)
    }
    return {name: group for name, group in speaking.items() if group}


def refer_to_groups(
    labels: Sequence[Collection[str]], unknown: Sequence[Collection[str]], names: Sequence[str]
) -> _Floats:
    """Say which of the classes asked for the records have.

    Parameters
    ----------
    labels, unknown : sequence of collection of str, (N,)
        Classes that each record states, and classes about which it says nothing.
    names : sequence of str
        The G classes asked for, as `find_groups` gives them.

    Returns
    -------
    ndarray of float64, shape (N, G)
        1 where a record has a class, 0 where it has not, NaN where nothing is known. AF is fibrillation or flutter; a
        class of `ALIKE` is either of the two.
    """
    reference_NG = np.zeros((len(labels), len(names)))
    for column, name in enumerate(names):
        means = {name, *FIBRILLATION.get(name, ()), *ALIKE.get(name, ())}
        for row, (present, unsaid) in enumerate(zip(labels, unknown, strict=True)):
            if means & set(present):
                reference_NG[row, column] = 1
            elif means & set(unsaid):
                reference_NG[row, column] = np.nan
    return reference_NG


def label_af_segments(
    episodes: Episodes,
    num_samples: int,
    fs_hz: float,
    *,
    window_s: float = WINDOW_S,
    af: Collection[str] = AF_RHYTHMS,
    normal: Collection[str] = NORMAL_RHYTHMS,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Cut a record into consecutive windows and keep those that are clearly in fibrillation or clearly not.

    Parameters
    ----------
    episodes : Episodes
        Rhythm episodes of the record.
    num_samples : int
        Its samples.
    fs_hz : float
        Its sampling frequency in Hz, which is that of the episodes.
    window_s : float
        Length of a window in seconds.
    af, normal : collection of str
        Names of the rhythms that count as fibrillation, and as normal.

    Returns
    -------
    start_sample_N : ndarray of int64, shape (N,)
        Starts of the windows that are kept.
    is_af_N : ndarray of bool, shape (N,)
        Whether they are in fibrillation.

    Raises
    ------
    UsageError
        If a window is shorter than a sample.

    Notes
    -----
    * More than half in fibrillation is positive, without fibrillation and more than half in normal rhythm is negative.
      Left out are windows that are partly in fibrillation (transitions, so that every positive window is wholly in
      it), windows of which exactly half or less is in a rhythm asked about, and the rest behind the last whole window.
    * This is not the score of the Challenge, which is about the ends of episodes.
    """
    window_samples = round(window_s * fs_hz)
    if window_samples < 1:
        raise UsageError("window_s", found=f"{window_s:g} at {fs_hz:g} Hz", expected="at least one sample")
    num_windows = num_samples // window_samples
    share = {}
    for name, rhythms in (("af", af), ("normal", normal)):
        is_in_S = np.zeros(num_samples, dtype=np.bool_)
        for start, stop, rhythm in zip(episodes.start_sample, episodes.stop_sample, episodes.rhythm, strict=True):
            if rhythm in rhythms:
                is_in_S[max(0, start) : max(0, stop)] = True
        whole_S = is_in_S[: num_windows * window_samples]
        share[name] = whole_S.reshape(num_windows, window_samples).mean(axis=1)
    is_af_N = share["af"] == 1
    is_kept_N = is_af_N | ((share["af"] == 0) & (share["normal"] > 0.5))
    start_sample_N = np.arange(num_windows, dtype=np.int64) * window_samples
    return start_sample_N[is_kept_N], is_af_N[is_kept_N]


def pool_folds(
    probability_FNK: npt.ArrayLike, record_N: npt.ArrayLike, exponent: float
) -> tuple[npt.NDArray[np.int64], _Floats]:
    """Pool what the networks of all folds say of the slices: the mean over folds, then the power mean over slices.

    Parameters
    ----------
    probability_FNK : array_like of float, shape (F, N, K)
        Probabilities by each fold's network, which reads features projected on that fold's own components.
    record_N : array_like of int, shape (N,)
        The record each slice is of.
    exponent : float
        See `ecgfeat.arena.pooling.power_mean`.

    Returns
    -------
    record_R : ndarray of int64, shape (R,)
        The records, ascending.
    probability_RK : ndarray of float64, shape (R, K)
        Their probabilities.

    Raises
    ------
    DataError
        If there is no fold, or as `ecgfeat.arena.pooling.pool_records`.
    """
    probability_FNK = np.asarray(probability_FNK, dtype=np.float64)
    if probability_FNK.ndim != 3 or not len(probability_FNK):
        raise DataError("probabilities", found=f"shape {probability_FNK.shape}", expected="(folds, slices, classes)")
    return pool_records(probability_FNK.mean(axis=0), record_N, exponent)
