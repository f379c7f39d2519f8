"""Copy windows around many places of a signal at once."""

from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

_Scalar = TypeVar("_Scalar", bound=np.generic)


def cut_windows(signal_S: NDArray[_Scalar], start_L: NDArray[np.int64], num_samples: int) -> NDArray[_Scalar]:
    """Copy the windows that begin at the given samples.

    Parameters
    ----------
    signal_S : ndarray, (S,)
        One lead.
    start_L : ndarray of int64, (L,)
        First sample of each window; the whole window lies inside the signal.
    num_samples : int
        Length of the windows.

    Returns
    -------
    ndarray, (L, num_samples)
        Of the type of the signal.

    Notes
    -----
    * torch copies the rows of an overlapped view about three times as fast as numpy does. It takes no read-only arrays,
      which tables give: such are copied first.
    """
    window_NW = _to_torch(signal_S).unfold(0, num_samples, 1)
    return np.asarray(window_NW.index_select(0, _to_torch(start_L)).numpy())


def _to_torch(values: NDArray[_Scalar]) -> torch.Tensor:
    """Return an array as a tensor: a copy only if it is read-only or not in one piece."""
    return torch.from_numpy(values if values.flags.carray else np.require(values, requirements=["C", "W"]))


def first_true(is_true_WL: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the row of the first True of each column, (L,).

    Parameters
    ----------
    is_true_WL : ndarray of bool, (W, L)
        Windows side by side, each of at most 127 samples and with a True. Whole rows are compared at once: numpy
        reduces many short rows some ten times more slowly than few long ones.

    Returns
    -------
    ndarray of int64, (L,)
    """
    num_left_W1 = np.arange(len(is_true_WL), 0, -1, dtype=np.int8)[:, None]
    most_left_L = (is_true_WL.view(np.int8) * num_left_W1).max(axis=0)
    return len(is_true_WL) - most_left_L.astype(np.int64)
