"""Usable time of a record: stretches in which some lead is usable, and the table of quality they come from.

Beats, intervals and rhythms are those of one stretch: what lies on either side of a gap is no RR interval.

Shape suffixes: C leads, T seconds, L beats.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgfeat.signals.gaps import find_runs
from ecgfeat.signals.quality import ABSENT, NOISY, USABLE
from ecgfeat.store.schemas import COMMON_FS_HZ
from ecgfeat.store.tables import Columns

STATES: Final = {USABLE: "usable", NOISY: "noisy", ABSENT: "absent"}
"""Names in the table of quality, by state."""

MIN_STRETCH_S: Final = 10
"""Shorter stretches of a record outside the pipeline are not used: quality itself looks at ten seconds."""

_SHORT_NOISE_S = 2
_RATE = int(COMMON_FS_HZ)

Span = tuple[int, int]
"""First sample of a stretch at the common rate, and the one after its last."""


def find_usable(state_TC: NDArray[np.int8], num_samples: int, least_s: int) -> list[Span]:
    """Find the stretches of a record in which some lead is usable.

    Parameters
    ----------
    state_TC : ndarray of int8, (T, C)
        Of `ecgfeat.signals.quality.assess_quality`.
    num_samples : int
        Length of the record at 128 Hz; T is that in seconds, rounded up.
    least_s : int
        Shorter stretches are left out, unless they are half of the record or more.

    Returns
    -------
    list of (int, int)
        In order, apart.

    Notes
    -----
    * Noise of up to two seconds does not end a stretch: the ten seconds around a usable second contain it too. Absent
      signal does, however short: what lies on either side of it is not one interval.
    """
    is_usable_T = (state_TC == USABLE).any(axis=1)
    is_absent_T = (state_TC == ABSENT).all(axis=1)
    for start, stop in find_runs(~is_usable_T):
        is_inside = start > 0 and stop < len(is_usable_T)
        if is_inside and stop - start <= _SHORT_NOISE_S and not is_absent_T[start:stop].any():
            is_usable_T[start:stop] = True
    least = min(least_s, -(-len(is_usable_T) // 2))
    return [
        (int(start) * _RATE, min(int(stop) * _RATE, num_samples))
        for start, stop in find_runs(is_usable_T)
        if stop - start >= least
    ]


def mark_inside(sample: NDArray[np.int64], spans: Sequence[Span]) -> NDArray[np.bool_]:
    """Return which samples lie in one of the stretches, (L,)."""
    edges = np.array(spans, dtype=np.int64).reshape(-1)
    return np.searchsorted(edges, sample, side="right") % 2 == 1


def name_quality(sample: NDArray[np.int64], state_TC: NDArray[np.int8], spans: Sequence[Span]) -> NDArray[np.object_]:
    """Name the quality at each beat.

    Parameters
    ----------
    sample : ndarray of int64, (L,)
        Beats at 128 Hz.
    state_TC : ndarray of int8, (T, C)
        Of the leads that were read.
    spans : sequence of (int, int)
        Usable stretches of the record.

    Returns
    -------
    ndarray of str, (L,)
        ``usable`` in a usable stretch; else ``absent`` where all leads are, ``noisy`` elsewhere.
    """
    is_absent_T = (state_TC == ABSENT).all(axis=1)
    second_L = np.minimum(sample // _RATE, len(state_TC) - 1)
    outside_L = np.where(is_absent_T[second_L], STATES[ABSENT], STATES[NOISY])
    return np.where(mark_inside(sample, spans), STATES[USABLE], outside_L).astype(object)


def tabulate_quality(record: str, state_TC: NDArray[np.int8]) -> Columns:
    """Make the rows of one record of the table ``quality``: runs of one state, lead by lead.

    Parameters
    ----------
    record : str
        Name.
    state_TC : ndarray of int8, (T, C)
        Of `ecgfeat.signals.quality.assess_quality`.

    Returns
    -------
    dict of str to array
        Columns of the table.
    """
    lead, start_s, stop_s = [], [], []
    state: list[str] = []
    for column, state_T in enumerate(state_TC.T):
        first = np.flatnonzero(np.append(True, state_T[1:] != state_T[:-1])) if len(state_T) else np.zeros(0, np.int64)
        lead.append(np.full(len(first), column, dtype=np.int32))
        start_s.append(first)
        stop_s.append(np.append(first[1:], len(state_T))[: len(first)])
        state.extend(STATES[int(value)] for value in state_T[first])
    starts, stops = (np.concatenate([np.zeros(0, np.int64), *parts]).astype(np.int32) for parts in (start_s, stop_s))
    return {
        "record": np.full(len(state), record, dtype=object),
        "lead": np.concatenate([np.zeros(0, np.int32), *lead]),
        "start_s": starts,
        "stop_s": stops,
        "state": np.array(state, dtype=object),
    }


def read_states(rows: Columns) -> NDArray[np.int8]:
    """Return the states of a record, (T, C), from its rows of the table ``quality``."""
    code = {name: state for state, name in STATES.items()}
    state_TC = np.full((rows["stop_s"].max(initial=0), rows["lead"].max(initial=-1) + 1), ABSENT, dtype=np.int8)
    for lead, start, stop, state in zip(*(rows[key] for key in ("lead", "start_s", "stop_s", "state")), strict=True):
        state_TC[start:stop, lead] = code[str(state)]
    return state_TC
