"""Batches of windows for the window head: the features of their beats, padded.

Shape suffixes: N beats of all records, M windows, B windows of a batch, L beats in a window, D features.
"""

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ecgfeat.sampling import Windows


def window_batches(
    windows: Windows,
    feature_ND: Tensor,
    *,
    batch_size: int,
    rng: np.random.Generator | None = None,
    row_of_beat_N: NDArray[np.int64] | None = None,
    sample_N: NDArray[np.int64] | None = None,
) -> Iterator[tuple[tuple[Tensor, Tensor], Tensor]]:
    """Gather the features of windows, batch by batch, padded to the longest window of each batch.

    Parameters
    ----------
    windows : Windows
        What to gather; every window needs at least one beat.
    feature_ND : Tensor, (N, D) float32
        One row per beat of the table the windows were drawn from.
    batch_size : int
        Windows per batch; the last batch may be smaller.
    rng : numpy.random.Generator, optional
        Shuffles the windows; without it they keep their order.
    row_of_beat_N : ndarray, (N,) int64, optional
        Row of ``feature_ND`` for each beat, where it holds only the beats that are needed.
    sample_N : ndarray, (N,) int64, optional
        Positions of the beats. If given, a last column says where in its window a beat stands, from -1 to 1. An
        episode that is cut by the end of a window fills at least half of it, so place tells something of the label.

    Yields
    ------
    inputs : (Tensor (B, L, D) float32, Tensor (B, L) bool)
        Features, zero in the padding, and which rows are beats.
    label_B : Tensor, (B,) int64
        Classes.
    """
    order_M = np.arange(len(windows)) if rng is None else rng.permutation(len(windows))
    for begin in range(0, len(order_M), batch_size):
        rows = order_M[begin : begin + batch_size]
        beat_BL = windows.beats[rows]
        beat_BL = beat_BL[:, : int((beat_BL >= 0).sum(1).max())]
        valid_BL = beat_BL >= 0
        beat_BL = np.maximum(beat_BL, 0)
        place_BL = None
        if sample_N is not None:
            length_B1 = (windows.stop - windows.start)[rows, None]
            place_BL = 2.0 * (sample_N[beat_BL] - windows.start[rows, None]) / length_B1 - 1.0
        if row_of_beat_N is not None:
            beat_BL = row_of_beat_N[beat_BL]
            # Row -1 would be another beat's features: the windows must be of the draws these were gathered for.
            assert (beat_BL[valid_BL] >= 0).all(), "a window shows a beat whose features were not gathered"
        valid = torch.from_numpy(valid_BL)
        feature_BLD = feature_ND[torch.from_numpy(beat_BL)]
        if place_BL is not None:
            place_BL1 = torch.from_numpy(place_BL.astype(np.float32))[..., None]
            feature_BLD = torch.cat([feature_BLD, place_BL1], dim=2)
        feature_BLD = feature_BLD.masked_fill_(~valid[..., None], 0.0)
        yield (feature_BLD, valid), torch.from_numpy(windows.label[rows])


def needed_beats(windows: Iterable[Windows], num_beats: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find the beats that some windows show, so that only their features need to be in memory.

    Parameters
    ----------
    windows : iterable of Windows
        All draws that will be made of one table.
    num_beats : int
        N, the beats of the table.

    Returns
    -------
    beat : ndarray, (n,) int64
        The beats, ascending: the rows to gather features of.
    row_of_beat_N : ndarray, (N,) int64
        Their rows in what was gathered; -1 for the beats that are not needed.
    """
    needed_N = np.zeros(num_beats, dtype=np.bool_)
    for draw in windows:
        needed_N[draw.beats[draw.beats >= 0]] = True
    beat = np.flatnonzero(needed_N)
    row_of_beat_N = np.full(num_beats, -1, dtype=np.int64)
    row_of_beat_N[beat] = np.arange(len(beat))
    return beat, row_of_beat_N
