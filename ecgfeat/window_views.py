"""Other views of a beat window for test-time augmentation: other leads, another gain, another idea of its centre.

The views the timeline head is averaged over by default are other grids of chunks; these are the ablation.

Shape suffixes: B beats, C leads, S samples.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ecgfeat.signals import INVALID_UV

ViewKind = Literal["offsets", "leads", "gain", "jitter"]

GAINS = (1.0, 0.5, 0.67, 0.8, 1.25, 1.5, 2.0)
"""Factors of views 0, 1, ..."""

JITTER_SAMPLES = (0, 1, -1, 2, -2, 3, -3)
"""Shifts of views 0, 1, ...: three samples at 128 Hz are 23 ms, as far as detected R-peaks stray."""


def view_windows(window_uv_BCS: NDArray[np.int16], kind: ViewKind, view: int) -> NDArray[np.int16]:
    """Show beat windows as another recording might have.

    Parameters
    ----------
    window_uv_BCS : ndarray, (B, C, S) int16
        Windows in microvolts; -32768 is invalid.
    kind : {'leads', 'gain', 'jitter', 'offsets'}
        Leads in reverse order in every other view, another gain, windows moved in time, or no change.
    view : int
        Number of the view; 0 changes nothing.

    Returns
    -------
    ndarray, (B, C, S) int16
        The view. What moves into a window from outside is invalid.

    Notes
    -----
    * The embedder scales every lead of a window to unit deviation, so a gain changes no more than the rounding to
      whole microvolts and the clipping of what no longer fits: the ablation shows that it is worth nothing.
    """
    if kind == "leads":
        return window_uv_BCS[:, ::-1].copy() if view % 2 else window_uv_BCS
    if kind == "gain":
        scaled = np.rint(window_uv_BCS * np.float32(GAINS[view])).clip(INVALID_UV + 1, -(INVALID_UV + 1))
        return np.where(window_uv_BCS == INVALID_UV, INVALID_UV, scaled).astype(np.int16)
    if kind == "jitter":
        moved = np.roll(window_uv_BCS, JITTER_SAMPLES[view], axis=2)
        if JITTER_SAMPLES[view] > 0:
            moved[:, :, : JITTER_SAMPLES[view]] = INVALID_UV
        elif JITTER_SAMPLES[view] < 0:
            moved[:, :, JITTER_SAMPLES[view] :] = INVALID_UV
        return moved
    return window_uv_BCS
