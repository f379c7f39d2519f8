"""Records of another corpus, predicted by the models of a cross-validation.

Shape suffixes: F folds, N slices, R records, C leads, L leads of a model, S samples, K classes.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from ecgfeat.arena.pooling import slice_starts
from ecgfeat.arena.recipe import Task
from ecgfeat.arena.record_task import slice_logits, to_probability
from ecgfeat.arena.signal_table import SignalTable
from ecgfeat.arena.system import System
from ecgfeat.arena.zero_shot import pool_folds
from ecgfeat.errors import DataError


def arrange_leads(
    signal_CS: NDArray[np.int16], names: Sequence[str], model_leads: Sequence[str], where: str
) -> NDArray[np.int16]:
    """Put the leads of a record where a model expects them, by name.

    Parameters
    ----------
    signal_CS : ndarray of int16, (C, S)
        Microvolts.
    names : sequence of str, (C,)
        Standard names of its leads.
    model_leads : sequence of str, (L,)
        Standard names of the leads the model was trained on, in order.
    where : str
        Record or corpus, for messages.

    Returns
    -------
    ndarray of int16, (L, S)
        The leads of the model; a lead that the record lacks is zero.

    Raises
    ------
    DataError
        If the record has none of them.
    """
    common = [name for name in model_leads if name in names]
    if not common:
        raise DataError(
            where, found=f"leads {', '.join(names)}", expected=f"one of {', '.join(model_leads)}, which the model reads"
        )
    arranged_LS = np.zeros((len(model_leads), signal_CS.shape[1]), dtype=np.int16)
    for name in common:
        arranged_LS[model_leads.index(name)] = signal_CS[names.index(name)]
    return arranged_LS


def predict_by_folds(
    systems: Sequence[System],
    signals: SignalTable,
    task: Task,
    *,
    power: float,
    device: torch.device | str = "cpu",
    on_slices: Callable[[int], None] = lambda num: None,
) -> NDArray[np.float64]:
    """Predict records that no model has seen by the models of all folds.

    Parameters
    ----------
    systems : sequence of System
        One per fold, of the same classes and segment.
    signals : SignalTable
        Records at their rate, with their leads.
    task : {'single', 'multi'}
        What they were trained for: probabilities by softmax, or a sigmoid each.
    power : float
        Of the mean over the slices of a record, see `ecgfeat.arena.pooling.power_mean`.
    device : torch.device or str
        Where to compute.
    on_slices : callable
        Called with the number of slices that a model has read since the last call.

    Returns
    -------
    ndarray of float64, (R, K)
        Probabilities: of each slice the mean over folds, of these the power mean over the slices of a record.

    Notes
    -----
    * Slices have the length of the model's segment, overlap by half, and are six at most: as in the source three of a
      record of 10 s where the segment is 5 s; a segment of 10 s leaves one.
    * Each model brings its own principal components, which is the repair of the published protocol, where one set of
      them, fitted to all records, was put before models that had been trained on others.
    * Kernel features and rhythm vector are those of the slice; in the source those of the whole record.
    """
    num_samples = systems[0].num_samples
    starts = [slice_starts(signal.shape[1], num_samples, max(1, num_samples // 2)) for signal in signals.signal]
    record_N = np.repeat(np.arange(len(starts)), [len(each) for each in starts])
    start_N = np.concatenate([np.array(each, dtype=np.int64) for each in starts])
    parts = []
    for system in systems:
        logits_NK = slice_logits(
            system.to(device).eval(), signals, record_N, start_N, device=device, on_slices=on_slices
        )
        parts.append(to_probability(logits_NK.double(), task))
    return pool_folds(np.stack(parts), record_N, power)[1]
