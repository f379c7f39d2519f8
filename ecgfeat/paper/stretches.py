"""Read the parts of a record that are drawn, without holding the others.

Shape suffixes: S samples, C leads.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ecgfeat.clock import clock
from ecgfeat.paper.ribbons import rhythm_ribbon
from ecgfeat.prediction.record import Prediction
from ecgfeat.records.reader import EcgSource
from ecgfeat.report.drawings.lettering import shorten
from ecgfeat.report.drawings.strip import Strip


def read_stretches(
    signal: EcgSource, spans: Sequence[tuple[int, int]], leads: Sequence[int]
) -> list[NDArray[np.float32]]:
    """Read some stretches of some leads.

    Parameters
    ----------
    signal : EcgSource
        The record; each lead is read once, block by block.
    spans : sequence of (int, int)
        First sample of each stretch, and the one after its last, within the record. They may overlap.
    leads : sequence of int
        Positions of the leads.

    Returns
    -------
    list of ndarray of float32, shape (S, C)
        Millivolts of each stretch; NaN where invalid.
    """
    parts = [np.full((stop - start, len(leads)), np.nan, dtype=np.float32) for start, stop in spans]
    last = max((stop for _, stop in spans), default=0)
    for column, lead in enumerate(leads):
        at = 0
        for block_S in signal.lead_blocks(lead) if spans else ():
            for (start, stop), part_SC in zip(spans, parts, strict=True):
                first, end = max(start, at), min(stop, at + len(block_S))
                if first < end:
                    part_SC[first - start : end - start, column] = block_S[first - at : end - at]
            at += len(block_S)
            if at >= last:
                break
    return parts


def read_strips(
    signal: EcgSource, prediction: Prediction, spans_s: Sequence[tuple[float, float]], leads: Sequence[int]
) -> list[Strip]:
    """Read some parts of a record with the beats and rhythms that are predicted.

    Parameters
    ----------
    signal : EcgSource
        The record.
    prediction : Prediction
        Its beats and rhythms.
    spans_s : sequence of (float, float)
        Start and stop of each part, in seconds from the start of the record; they are cut to it.
    leads : sequence of int
        Positions of the leads.

    Returns
    -------
    list of Strip
        Of at least one sample each, with the record and the time as title.
    """
    fs_hz, num_samples = signal.fs_hz, signal.num_samples
    spans = []
    for start_s, stop_s in spans_s:
        start = min(round(start_s * fs_hz), num_samples - 1)
        spans.append((start, max(start + 1, min(round(stop_s * fs_hz), num_samples))))
    beats, ribbon = prediction.beats, rhythm_ribbon(prediction.episodes)
    strips = []
    for (start, stop), part_SC in zip(spans, read_stretches(signal, spans, leads), strict=True):
        inside = np.flatnonzero((beats["sample"] >= start) & (beats["sample"] < stop))
        strips.append(
            Strip(
                title=f"{signal.record}, {clock(start / fs_hz)} to {clock(stop / fs_hz)}",
                signal_mv_SC=part_SC,
                fs_hz=fs_hz,
                leads=[shorten(signal.leads[lead], 50, 8, is_bold=True) for lead in leads],
                start_s=start / fs_hz,
                rpeak_s=beats["sample"][inside] / fs_hz,
                reference_label=[str(name) for name in beats["aami"][inside]],
                ribbons=[ribbon],
            )
        )
    return strips
