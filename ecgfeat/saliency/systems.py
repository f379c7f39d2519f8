"""Why a published system names a segment as it does: attributions to the samples of its signal.

ECG-Mamba2 has a relevance of its own (`ecgfeat.arena.relevance`); all others get integrated gradients.

Shape suffixes: B segments, C leads, S samples, K classes.
"""

import copy
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ecgfeat.arena import relevance
from ecgfeat.arena.signal_table import SignalTable
from ecgfeat.arena.system import System
from ecgfeat.deploy.preparation import Preparation
from ecgfeat.errors import DataError, UsageError
from ecgfeat.models.ecg_mamba2 import ECGMamba2
from ecgfeat.records.reader import Signal
from ecgfeat.saliency.explanation import Explanation, Part
from ecgfeat.saliency.gradients import NUM_STEPS, RANDOM_STEPS, compare_maps, integrate_gradients, redraw_weights

FLAT: Final = "a flat line"
ON_TRACE: Final = "signal of the segment"
BESIDE: Final = "figures that the system computes from the signal beside its network"
BIASES: Final = "biases of the network"


def explain_segment(
    system: System, preparation: Preparation, signal: Signal, at_s: float, *, answer: str = ""
) -> Explanation:
    """Explain how a system names the segment that holds a time.

    Parameters
    ----------
    system : System
        A trained system, on the CPU, of `ecgfeat.arena.checkpoint.load_system`; it is not changed.
    preparation : Preparation
        Of `ecgfeat.deploy.preparation.read_preparation`.
    signal : Signal
        The record.
    at_s : float
        Seconds from the start of the record. Segments lie one after another; the last one ends with the record.
    answer : str
        Class whose logit is explained; by default the most probable one.

    Returns
    -------
    Explanation
        The map has a row per sample of the system's rate and a column per lead.

    Raises
    ------
    UsageError
        If the system has no such class, or reads no signal.
    DataError
        If the record is shorter than a segment, has none of its leads, or ends before the time.

    Notes
    -----
    * The number is the logit, the value of the class before softmax or sigmoid.
    * By integrated gradients the baseline is a flat line. What the system computes beside its network, kernel features
      and figures of rhythm, has a baseline of 0, the mean of its training segments; its part is not on the trace.
    * By the own relevance of ECG-Mamba2 there is no baseline: the relevances and what the biases take are the logit.
    * The system takes each lead of each segment to mean 0 and standard deviation 1 first: a gain changes nothing.
    """
    if not system.reads_signal:
        found = f"{preparation.system}, whose network reads an embedding alone"
        raise UsageError(
            "explain", found=found, expected="a system whose network reads the signal", remedy="Take another system."
        )
    if answer and answer not in preparation.classes:
        expected = f"one of {', '.join(preparation.classes)}"
        raise UsageError(preparation.system, found=f"no class {answer!r}", expected=expected)
    segment_1CS, start_s = _cut_segment(preparation, signal, at_s)
    side = system.side(segment_1CS)
    with torch.no_grad():
        logits_K = system(segment_1CS, *side)[0]
    label = preparation.classes.index(answer) if answer else int(logits_K.argmax())
    if isinstance(system.network, ECGMamba2):
        relevance_CS, random_CS = (
            relevance.explain(of, segment_1CS, label)[0] for of in (system.network, redraw_weights(system.network))
        )
        value, baseline_value, baseline, residual = float(logits_K[label]), 0.0, "none, all of the logit", 0.0
        on_trace = float(relevance_CS.double().sum())
        parts = [Part(ON_TRACE, "", on_trace, True), Part(BIASES, "", value - on_trace, False)]
    else:
        inputs, baselines = _pair(segment_1CS, side)
        integral, of_random = (
            integrate_gradients(_LogitOf(of, side, label), inputs, baselines, num_steps=num_steps, batch=4)
            for of, num_steps in ((system, NUM_STEPS), (_with_random_weights(system), RANDOM_STEPS))
        )
        (relevance_CS, *beside), random_CS = integral.attributions, of_random.attributions[0]
        _, value, baseline_value, residual = integral
        baseline = FLAT
        parts = [Part(ON_TRACE, "", float(relevance_CS.double().sum()), True)]
        parts += [Part(BESIDE, "", sum(float(of.double().sum()) for of in beside), False)] if beside else []
    names = preparation.lead_names or (*signal.leads, *["missing"] * preparation.num_leads)[: preparation.num_leads]
    begin_S = start_s + np.arange(preparation.num_samples) / preparation.fs_hz
    return Explanation(
        signal.record,
        f"system {preparation.system}",
        start_s,
        preparation.classes[label],
        f"logit of {preparation.classes[label]}",
        value,
        baseline_value,
        baseline,
        tuple(parts),
        residual,
        compare_maps(relevance_CS.numpy(), random_CS.numpy()),
        "segment",
        tuple(names),
        begin_S,
        begin_S + 1 / preparation.fs_hz,
        relevance_CS.numpy().T.astype(np.float64),
    )


def _cut_segment(preparation: Preparation, signal: Signal, at_s: float) -> tuple[Tensor, float]:
    """Return the segment that holds a time, (1, C, S), and where it begins in seconds."""
    prepared_CS: NDArray[np.int16] = preparation.prepare(preparation.pick_leads(signal), signal.fs_hz)
    num_samples, fs_hz = preparation.num_samples, preparation.fs_hz
    duration_s = prepared_CS.shape[1] / fs_hz
    if prepared_CS.shape[1] < num_samples:
        expected = f"at least {num_samples / fs_hz:g} s of signal"
        raise DataError(signal.record, found=f"{duration_s:.1f} s", expected=expected)
    if not 0 <= at_s < duration_s:
        expected = f"a time within 0 to {duration_s:g} s"
        raise DataError(signal.record, found=f"{at_s:g} s", expected=expected, remedy="Change --at-s.")
    start = min(int(at_s * fs_hz) // num_samples * num_samples, prepared_CS.shape[1] - num_samples)
    table = SignalTable([prepared_CS], fs_hz)
    return table.segments(np.zeros(1, dtype=np.int64), np.array([start]), num_samples), start / fs_hz


class _LogitOf:
    """The logit of a class as a function of the signal and of those side inputs that there are."""

    def __init__(self, system: System, side: tuple[Tensor | None, ...], label: int) -> None:
        self._system, self._side, self._label = system, side, label

    def __call__(self, signal_BCS: Tensor, *beside: Tensor) -> Tensor:
        given = iter(beside)
        side = [None if of is None else next(given) for of in self._side]
        logits_BK: Tensor = self._system.network(signal_BCS, *side)
        return logits_BK[:, self._label]


def _pair(segment_1CS: Tensor, side: tuple[Tensor | None, ...]) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Return inputs and baselines."""
    inputs = (segment_1CS, *(of for of in side if of is not None))
    return inputs, tuple(torch.zeros_like(of) for of in inputs)


def _with_random_weights(system: System) -> System:
    """Return a system whose network has learnt nothing; what stands beside the network is kept."""
    other = copy.copy(system)
    other._modules = {**system._modules, "network": redraw_weights(system.network)}
    return other
