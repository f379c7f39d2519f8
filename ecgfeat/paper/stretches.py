"""Read the parts of a record that are drawn, without holding the others.

Shape suffixes: S samples, C leads.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ecgfeat.records.reader import EcgSource


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
