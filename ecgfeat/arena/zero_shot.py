"""Score a network of 27 diagnoses on corpora that it was not trained on and that have other classes.

Shape suffixes: F folds, N slices, records or segments, K classes of the network, G classes of the corpus, R records.

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
"""Fibrillation is fibrillation or flutter: Ningbo codes both as flutter, and so does a network trained on it. The
Challenge of 2017 calls it A."""

ALIKE: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        name: (name, twin)
        for pair in (("PAC", "SVPB"), ("PVC", "VPB"), ("RBBB", "CRBBB"))
        for name, twin in (pair, pair[::-1])
    }
)
"""Two codes for the same finding, of which annotators wrote either; the Challenges of 2020 and 2021 join them."""

_SPEAK_FOR = {
    **SUPERCLASSES,
    **FIBRILLATION,
    **ALIKE,
    "A": FIBRILLATION["AF"],
    "N": ("N", "SNR"),
    "SNR": ("SNR", "N"),
}
_COUNTED_WITH = {"AFL": ("AF",), "SVPB": ("PAC",), "VPB": ("PVC",), "CRBBB": ("RBBB",)}

AF_RHYTHMS, NORMAL_RHYTHMS = ("AFIB", "AFL"), ("N", "NSR")
SEGMENT_S = 10.0

_Floats = npt.NDArray[np.float64]


def score_groups(
    probability_NK: npt.ArrayLike, classes: Sequence[str], groups: Mapping[str, tuple[str, ...]] = SUPERCLASSES
) -> _Floats:
    """Score each class of a corpus by the largest probability of the diagnoses that speak for it.

    Parameters
    ----------
    probability_NK : array_like of float, shape (N, K)
        Probabilities of the network's diagnoses.
    classes : sequence of str
        Names of the K diagnoses.
    groups : mapping of str to tuple of str
        Class of the corpus to the diagnoses that speak for it: `SUPERCLASSES` or `FIBRILLATION`.

    Returns
    -------
    ndarray of float64, shape (N, G)
        Scores in the order of `groups`. They are no calibrated probabilities.

    Raises
    ------
    DataError
        If the probabilities are not one column per class.
    UsageError
        If the network has none of the diagnoses of a group: such a class has no score, and 0 would be one.

    Notes
    -----
    * Diagnoses of a group that the network does not have are skipped.
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


def find_groups(classes: Sequence[str], diagnoses: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Find which diagnoses of a network speak for the classes of a corpus.

    Parameters
    ----------
    classes : sequence of str
        Classes of the corpus.
    diagnoses : sequence of str
        Diagnoses of the network.

    Returns
    -------
    dict of str to tuple of str
        The diagnoses of each class that has any, as `score_groups` takes them: those of `SUPERCLASSES` or
        `ALIKE`, or the one of the same name. N and A of the Challenge of 2017 are SNR and AF.

    Notes
    -----
    * Of a corpus with AF, AF means fibrillation or flutter, and AFL has no group of its own; so the classes of `ALIKE`.
    """
    speaking = {
        name: tuple(diagnosis for diagnosis in _SPEAK_FOR.get(name, (name,)) if diagnosis in diagnoses)
        for name in classes
        if not set(_COUNTED_WITH.get(name, ())) & set(classes)
    }
    return {name: group for name, group in speaking.items() if group}


def refer_to_groups(
    labels: Sequence[Collection[str]], unknown: Sequence[Collection[str]], names: Sequence[str]
) -> _Floats:
    """Return which of the classes the records have.

    Parameters
    ----------
    labels, unknown : sequence of collection of str, (N,)
        Classes that the labels of a record state, and classes that they leave open.
    names : sequence of str
        The G classes, as `find_groups` gives them.

    Returns
    -------
    ndarray of float64, shape (N, G)
        1 where a record has a class, 0 where it has not, NaN where the labels leave it open. AF is fibrillation
        or flutter; a class of `ALIKE` is either of the two.
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
    segment_s: float = SEGMENT_S,
    af: Collection[str] = AF_RHYTHMS,
    normal: Collection[str] = NORMAL_RHYTHMS,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Cut a record into consecutive segments and keep those that are clearly in fibrillation or clearly not.

    Parameters
    ----------
    episodes : Episodes
        Rhythm episodes of the record.
    num_samples : int
        Its samples.
    fs_hz : float
        Its sampling frequency in Hz, which is that of the episodes.
    segment_s : float
        Length of a segment in seconds.
    af, normal : collection of str
        Names of the rhythms that count as fibrillation, and as normal.

    Returns
    -------
    start_sample_N : ndarray of int64, shape (N,)
        Starts of the segments that are kept.
    is_af_N : ndarray of bool, shape (N,)
        Whether they are in fibrillation.

    Raises
    ------
    UsageError
        If a segment is shorter than a sample.

    Notes
    -----
    * More than half in fibrillation is positive, without fibrillation and more than half in normal rhythm is negative.
      Left out are segments that are partly in fibrillation (transitions, so that every positive segment is wholly in
      it), segments of which half or less is in fibrillation or normal rhythm, and the rest behind the last whole
      segment.
    * This is not the score of the Challenge, which is about the ends of episodes.
    """
    segment_samples = round(segment_s * fs_hz)
    if segment_samples < 1:
        raise UsageError("segment_s", found=f"{segment_s:g} at {fs_hz:g} Hz", expected="at least one sample")
    num_segments = num_samples // segment_samples
    share = {}
    for name, rhythms in (("af", af), ("normal", normal)):
        is_in_S = np.zeros(num_samples, dtype=np.bool_)
        for start, stop, rhythm in zip(episodes.start_sample, episodes.stop_sample, episodes.rhythm, strict=True):
            if rhythm in rhythms:
                is_in_S[max(0, start) : max(0, stop)] = True
        whole_S = is_in_S[: num_segments * segment_samples]
        share[name] = whole_S.reshape(num_segments, segment_samples).mean(axis=1)
    is_af_N = share["af"] == 1
    is_kept_N = is_af_N | ((share["af"] == 0) & (share["normal"] > 0.5))
    start_sample_N = np.arange(num_segments, dtype=np.int64) * segment_samples
    return start_sample_N[is_kept_N], is_af_N[is_kept_N]


def pool_folds(
    probability_FNK: npt.ArrayLike, record_N: npt.ArrayLike, exponent: float
) -> tuple[npt.NDArray[np.int64], _Floats]:
    """Pool the probabilities of the networks of all folds: the mean over folds, then the power mean over slices.

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
