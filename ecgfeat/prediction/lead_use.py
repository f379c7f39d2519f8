"""Which leads of a record were read, and for how long each is usable.

Shape suffixes: T seconds, C leads.
"""

import numpy as np
from numpy.typing import NDArray

from ecgfeat.prediction.chain import Chain
from ecgfeat.prediction.models import Models
from ecgfeat.records.reader import EcgSource
from ecgfeat.signals.quality import ABSENT, USABLE
from ecgfeat.signals.rpeaks import RPeaks


def lead_states(rpeaks: RPeaks, num_seconds: int, num_leads: int) -> NDArray[np.int8]:
    """Return the quality of every lead of a record.

    Parameters
    ----------
    rpeaks : RPeaks
        Its R-peaks, with the quality of the leads that were read.
    num_seconds : int
        Length of the record, T.
    num_leads : int
        All its leads, C.

    Returns
    -------
    ndarray of int8, (T, C)
        States of `ecgfeat.signals.quality`; a lead that was not read, for it has no signal, is absent.
    """
    state_TC = np.full((num_seconds, num_leads), ABSENT, dtype=np.int8)
    if rpeaks.state is not None:
        state_TC[:, list(rpeaks.leads)] = rpeaks.state
    return state_TC


def follow_note(signal: EcgSource, state_TC: NDArray[np.int8]) -> str:
    """Return how long each lead is usable, where one of several is not usable throughout."""
    usable_s = (state_TC == USABLE).sum(axis=0)
    if len(usable_s) < 2 or usable_s.min() == len(state_TC):
        return ""
    lengths = ", ".join(f"{name} {length / 60:.1f}" for name, length in zip(signal.leads, usable_s, strict=True))
    return f"minutes usable by lead: {lengths} of {len(state_TC) / 60:.1f}; the beats follow the leads that are usable"


def lead_note(signal: EcgSource, chain: Chain | Models) -> str:
    """Return which leads are read, where the record has more or fewer than the models take."""
    names, count, num_leads = signal.leads, len(signal.leads), chain.num_leads
    if count < num_leads and isinstance(chain, Chain):
        return f"{count} lead ({', '.join(names)}) of the {num_leads} the embedder takes: the rest is given as invalid"
    if count > num_leads:
        return (
            f"{count} leads: beat classes come from the first {num_leads} by position ({', '.join(names[:num_leads])})"
        )
    return ""
