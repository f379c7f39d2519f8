"""Find and describe the beats of a signal at hand, as the stages rpeaks, windows and features do of stored ones."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ecgfeat.beats.windows import cut_beats
from ecgfeat.features.record import tabulate_features
from ecgfeat.signals.quality import ABSENT
from ecgfeat.signals.resample import to_microvolts
from ecgfeat.signals.rpeak_table import tabulate_rpeaks
from ecgfeat.signals.rpeaks import find_rpeaks
from ecgfeat.signals.usable import find_usable
from ecgfeat.store.feature_columns import NUM_LEADS
from ecgfeat.store.schemas import COMMON_FS_HZ
from ecgfeat.store.tables import Columns
from pipeline.params import Params


@dataclass(frozen=True)
class SignalBeats:
    """The beats that are found in a signal.

    Attributes
    ----------
    rpeaks, feature : dict of str to array, (L,)
        Rows of the ``rpeaks`` and ``features`` tables.
    window_uv : ndarray of int16, (L, C, 256)
        Their windows.
    state : ndarray of int8, (T, C)
        Quality of each lead, second by second.
    """

    rpeaks: Columns
    feature: Columns
    window_uv: NDArray[np.int16]
    state: NDArray[np.int8]


def find_and_describe_beats(
    signal_mv_SC: NDArray[np.float32],
    record: str,
    subject: str,
    reference: Columns,
    episodes: Columns,
    fs_hz: float,
    params: Params,
    device: torch.device,
) -> SignalBeats:
    """Find the R-peaks of a signal in all its leads, and describe each beat.

    Parameters
    ----------
    signal_mv_SC : ndarray of float32, (S, C)
        Millivolts at the common rate, NaN where invalid.
    record, subject : str
        Whose it is.
    reference, episodes : dict of str to array
        The record's rows of the ``beats`` and ``episodes`` tables, at ``fs_hz``.
    fs_hz : float
        Rate that these count in.
    params : Params
        ``quality``, ``windows`` and ``features``.
    device : torch.device
        Where to compute.

    Returns
    -------
    SignalBeats
    """
    found = find_rpeaks(signal_mv_SC, COMMON_FS_HZ, method="ecgfeat", lead="all", device=device)
    spans = [] if found.state is None else find_usable(found.state, len(signal_mv_SC), params.quality.min_stretch_s)
    num_seconds = -(-len(signal_mv_SC) // int(COMMON_FS_HZ))
    state_TC = np.full((num_seconds, 1), ABSENT, dtype=np.int8) if found.state is None else found.state
    about = (record, subject, found.sample, reference, episodes, fs_hz)
    rpeaks = tabulate_rpeaks(*about, state_TC=state_TC, spans=spans)
    window_uv_LCS = cut_beats(
        to_microvolts(signal_mv_SC), found.sample, num_samples=params.windows.num_samples, num_leads=NUM_LEADS
    )
    feature = tabulate_features(rpeaks, window_uv_LCS, median_beats=params.features.median_beats, device=device)
    return SignalBeats(rpeaks, feature, window_uv_LCS, state_TC)
