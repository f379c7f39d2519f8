"""The R-peak table: detected R-peaks with the labels of the matched reference beats.

``symbol``, ``aami``, ``rhythm`` and ``matched`` come from the reference, for training and scoring only; a prediction
without oracles reads ``sample`` and ``rr_s``.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ecgfeat.records.annotations import Episodes, rhythm_at
from ecgfeat.scoring.beats import MATCH_WINDOW_S, match_beats
from ecgfeat.signals.usable import Span, name_quality
from ecgfeat.store.schemas import COMMON_FS_HZ
from ecgfeat.store.tables import Columns


def to_common_rate(sample: NDArray[np.int64], fs_hz: float) -> NDArray[np.int64]:
    """Convert positions at ``fs_hz`` to the nearest positions at the common rate, 128 Hz.

    Parameters
    ----------
    sample : array of int64, shape (n,)
        Positions at ``fs_hz``.
    fs_hz : float
        Their rate.

    Returns
    -------
    array of int64, shape (n,)
        In the same order; halves round to even.
    """
    return np.rint(np.asarray(sample) * (COMMON_FS_HZ / fs_hz)).astype(np.int64)


def episodes_at_common_rate(episodes: Columns, fs_hz: float) -> Episodes:
    """Convert the reference episodes of a record to the common rate.

    Parameters
    ----------
    episodes : dict of str to array
        The record's rows of the ``episodes`` table, at ``fs_hz``.
    fs_hz : float
        Rate of the raw record.

    Returns
    -------
    Episodes
        At 128 Hz.
    """
    return Episodes(
        to_common_rate(episodes["start_sample"], fs_hz),
        to_common_rate(episodes["stop_sample"], fs_hz),
        episodes["rhythm"].astype(str),
    )


def tabulate_rpeaks(
    record: str,
    subject: str,
    rpeaks: NDArray[np.int64],
    reference: Columns,
    episodes: Columns,
    fs_hz: float,
    *,
    state_TC: NDArray[np.int8] | None = None,
    spans: Sequence[Span] = (),
) -> Columns:
    """Make the rows of one record.

    Parameters
    ----------
    record, subject : str
        Names for the first two columns.
    rpeaks : array of int64, shape (L,)
        Strictly ascending positions at the common rate.
    reference : dict of str to array
        The record's rows of the ``beats`` table, at ``fs_hz``.
    episodes : dict of str to array
        The record's rows of the ``episodes`` table, at ``fs_hz``.
    fs_hz : float
        Rate of the raw record.
    state_TC : array of int8, (T, C), optional
        Quality of the leads that were read; without it the record has no signal, and all of it is used.
    spans : sequence of (int, int)
        Its usable stretches.

    Returns
    -------
    dict of str to array, shape (L,)
        The columns of the ``rpeaks`` table.
    """
    assert np.all(np.diff(rpeaks) > 0), f"{record}: R-peaks not ascending"
    size = len(rpeaks)
    reference_index, rpeak_index = match_beats(
        to_common_rate(reference["sample"], fs_hz), rpeaks, int(MATCH_WINDOW_S * COMMON_FS_HZ)
    )
    labels = {}
    for name in ("symbol", "aami"):
        labels[name] = np.full(size, "", dtype=object)
        labels[name][rpeak_index] = reference[name][reference_index]
    matched = np.zeros(size, dtype=bool)
    matched[rpeak_index] = True
    return {
        "record": np.full(size, record, dtype=object),
        "subject": np.full(size, subject, dtype=object),
        "beat": np.arange(size, dtype=np.int32),
        "sample": rpeaks,
        "time_s": rpeaks / COMMON_FS_HZ,
        "rr_s": rr_intervals(rpeaks, None if state_TC is None else spans),
        **labels,
        "rhythm": rhythm_at(rpeaks, episodes_at_common_rate(episodes, fs_hz)).astype(object),
        "matched": matched,
        "quality": np.full(size, "", dtype=object) if state_TC is None else name_quality(rpeaks, state_TC, spans),
    }


def rr_intervals(rpeaks: NDArray[np.int64], spans: Sequence[Span] | None) -> NDArray[np.float64]:
    """Return the interval of each R-peak to the one before it in the same stretch.

    Parameters
    ----------
    rpeaks : array of int64, shape (L,)
        R-peaks at the common rate, ascending.
    spans : sequence of (int, int) or None
        Usable stretches; None: the whole record is one.

    Returns
    -------
    array of float64, shape (L,)
        Seconds; NaN for the first R-peak of a stretch, and outside.
    """
    rr_s = np.diff(rpeaks / COMMON_FS_HZ, prepend=np.nan)
    if spans is not None:
        edges = np.array(spans, dtype=np.int64).reshape(-1)
        place = np.searchsorted(edges, rpeaks, side="right")
        rr_s[(place % 2 == 0) | (np.diff(place, prepend=-1) != 0)] = np.nan
    return rr_s
