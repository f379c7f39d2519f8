"""Why a published system names a segment as it does: attributions to the samples of its signal.

ECG-Mamba2 has a relevance of its own (`ecgfeat.arena.relevance`); all others get integrated gradients.

Shape suffixes: B segments, C leads, S samples, K classes.
"""

import copy
from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import conv1d

from ecgfeat.arena import relevance
from ecgfeat.arena.kernels import transform
from ecgfeat.arena.rhythm_vector import RHYTHM_SLOTS
from ecgfeat.arena.side_inputs import KernelAndRhythm
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
RHYTHM: Final = "rhythm vector beside the network"
MAXIMA: Final = "maxima of random kernels beside the network"
SHARES: Final = "shares of time that random kernels are above their threshold"
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
      and figures of rhythm, has a baseline of 0, the mean of its training segments. It has parts of its own: figures of
      rhythm by name; a maximum of a kernel in the second where it lies; shares of time by the distance of the taps.
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
        parts += _list_beside(system, segment_1CS, start_s, beside)
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


def _list_beside(system: System, segment_1CS: Tensor, start_s: float, beside: Sequence[Tensor]) -> list[Part]:
    """List the parts of what the system computes beside its network; their sum is that of the attributions."""
    side, given = system.side_inputs, list(beside)
    parts: list[Part] = []
    if isinstance(side, KernelAndRhythm) and side.rocket:
        parts += _list_kernels(side, segment_1CS, start_s, system.fs_hz, given.pop(0).double())
    if given:
        rhythm_R = given.pop().double().tolist()
        parts += [Part(RHYTHM, name, rhythm_R[slot], False) for name, slot in RHYTHM_SLOTS.items()]
    return parts


def _list_kernels(
    side: KernelAndRhythm, segment_1CS: Tensor, start_s: float, fs_hz: float, attribution_P: Tensor
) -> list[Part]:
    """Lead attributions of principal components back to the kernel features, which they are sums of.

    The sum over features is that of the components: both are the same mean slopes times the same differences.
    """
    kernels = side.kernels
    above_F = (transform(segment_1CS, kernels)[0] - side.mean).double()
    component_PF = side.components.double()
    value_P = component_PF @ above_F
    slope_P = torch.where(value_P == 0, 0.0, attribution_P / torch.where(value_P == 0, 1.0, value_P))
    part_F = above_F * (slope_P @ component_PF)
    num_seconds = -(-segment_1CS.shape[-1] // round(fs_hz))
    by_second, shares, first = torch.zeros(num_seconds, dtype=torch.float64), [], 0
    for weight_KCT, dilation in zip(kernels.weights, kernels.dilations, strict=True):
        middle = first + len(weight_KCT)
        reach = (weight_KCT.shape[-1] - 1) // 2 * dilation
        with torch.no_grad():
            response_KS = conv1d(segment_1CS, weight_KCT, padding=reach, dilation=dilation)[0]
        by_second.index_add_(0, (response_KS.argmax(dim=1) / fs_hz).long(), part_F[first:middle])
        first = middle + len(weight_KCT)
        name = f"taps {dilation / fs_hz:.3g} s apart"
        shares.append(Part(SHARES, name, float(part_F[middle:first].sum()), False))
    seconds = [start_s + second for second in range(num_seconds)]
    maxima = [
        Part(MAXIMA, f"from {from_s:g} s", value, False, (from_s, from_s + 1))
        for from_s, value in zip(seconds, by_second.tolist(), strict=True)
    ]
    return [*maxima, *shares]


def _with_random_weights(system: System) -> System:
    """Return a system whose network has learnt nothing; what stands beside the network is kept."""
    other = copy.copy(system)
    other._modules = {**system._modules, "network": redraw_weights(system.network)}
    return other
