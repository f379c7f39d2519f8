"""An endless signal through a trained system, prepared as in its training.

The samples come at the rate of their source. They are brought to the rate and band of the system block by block
(`ecgfeat.deploy.blocks`), then segments are z-scored and named (`ecgfeat.deploy.segments`).

Shape suffixes: S samples, C leads, K classes.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ecgfeat.arena.checkpoint import load_system
from ecgfeat.arena.system import System
from ecgfeat.beats.windows import normalise
from ecgfeat.deploy.blocks import SignalBlocks
from ecgfeat.deploy.preparation import Preparation, read_preparation
from ecgfeat.deploy.segments import Step, Stream
from ecgfeat.errors import UsageError
from ecgfeat.records.reader import Signal


class Named(NamedTuple):
    """The posterior of one stretch of the signal.

    Attributes
    ----------
    start_s, stop_s : float
        The stretch, in seconds from the first sample fed; half-open.
    posterior_K : ndarray, (K,) float32
        Posterior of each class: the mean of the segments that cover the stretch.
    """

    start_s: float
    stop_s: float
    posterior_K: NDArray[np.float32]  # noqa: N815 (shape suffix)


class SystemStream:
    """Name a signal that is fed in chunks of any size and never needs to end.

    Parameters
    ----------
    system : System
        In evaluation mode, on any device.
    preparation : Preparation
        How its signal is prepared.
    fs_hz : float
        Rate of the source.
    hop_s : float, optional
        Distance of segments and length of a stretch; divides a segment. None: segments do not overlap.

    Raises
    ------
    UsageError
        If the segment is not a whole number of hops.
    DataError
        If samples of the two rates do not fall together within a minute.

    Notes
    -----
    * Blocks and segments lie where they lie however the signal is chopped into chunks, and each is computed alone, so
      that chopping does not change a single bit.
    * The prepared samples are those of the whole record to within a microvolt, see `SignalBlocks`.
    * A system of many scales reads scale one alone.
    * Memory is a block and two margins of the source and two segments, however long the signal.
    """

    def __init__(self, system: System, preparation: Preparation, fs_hz: float, hop_s: float | None = None) -> None:
        segment_samples = preparation.num_samples
        hop_samples = segment_samples if hop_s is None else hop_s * preparation.fs_hz
        hop_samples = round(hop_samples) if math.isfinite(hop_samples) else 0
        if not 1 <= hop_samples <= segment_samples or segment_samples % hop_samples:
            segment = f"the segment of {segment_samples / preparation.fs_hz:g} s, {segment_samples} samples"
            raise UsageError(
                "hop",
                found=f"{hop_s:g} s",
                expected=f"a whole part of {segment}",
                remedy="Take half or a quarter of it.",
            )
        self.preparation = preparation
        self.blocks = SignalBlocks(preparation, fs_hz)
        self.segments = Stream(
            system,
            fs_hz=preparation.fs_hz,
            segment_samples=segment_samples,
            hop_samples=hop_samples,
            prepare=_normalise,
            task=preparation.task,
        )
        self.delay_s = self.segments.delay_s + self.blocks.delay_s
        """Longest time from the first sample of a stretch until it is named: a segment, a margin and a block."""

    def feed(self, chunk_mv_SC: NDArray[np.floating]) -> list[Named]:
        """Take the next samples and name every stretch that no later sample can change.

        Parameters
        ----------
        chunk_mv_SC : ndarray of float, (S, C)
            Any number of samples of the leads of the system, in millivolts at the rate of the source; NaN where one is
            invalid.

        Returns
        -------
        list of Named
            Stretches in order; often none.

        Raises
        ------
        DataError
            If the chunk has another shape, or values that cannot be millivolts.
        ValueError
            If it comes after `flush`.
        """
        return self._name(self.blocks.feed(chunk_mv_SC))

    def flush(self) -> list[Named]:
        """End the signal and name what is left of it.

        Returns
        -------
        list of Named
            The remaining stretches; the last ends with the signal, in a segment that does too.

        Raises
        ------
        ValueError
            If the stream was flushed before.
        """
        named = self._name(self.blocks.flush())
        return named + [self._to_seconds(step) for step in self.segments.flush()]

    def _name(self, blocks: list[NDArray[np.int16]]) -> list[Named]:
        return [self._to_seconds(step) for block_CS in blocks for step in self.segments.feed(block_CS)]

    def _to_seconds(self, step: Step) -> Named:
        fs_hz = self.preparation.fs_hz
        return Named(step.start_sample / fs_hz, step.stop_sample / fs_hz, step.posterior)


def open_stream(
    folder: Path, fs_hz: float, *, hop_s: float | None = None, device: torch.device | str = "cpu"
) -> SystemStream:
    """Open a system on disk as a stream.

    Parameters
    ----------
    folder : Path
        Of a trained system, such as ``models/systems/resnet1d`` or ``models/diagnostic/simulate12/resnet1d/fold0``.
    fs_hz, hop_s
        As `SystemStream` takes them.
    device : torch.device or str
        Where to compute.

    Returns
    -------
    SystemStream

    Raises
    ------
    DataError
        If the folder holds no trained system, or the rates do not fit.
    UsageError
        If the segment is not a whole number of hops.
    """
    system, described = load_system(folder, device)
    return SystemStream(system, read_preparation(described), fs_hz, hop_s)


def name_record(stream: SystemStream, signal: Signal) -> Iterator[Named]:
    """Feed a record second by second, as if it were live.

    Parameters
    ----------
    stream : SystemStream
        Opened for the rate of the record.
    signal : Signal
        The record.

    Yields
    ------
    Named
        Its stretches, each as soon as it is named.

    Raises
    ------
    DataError
        If the system reads leads by name and the record has none of them.
    """
    picked_SC = stream.preparation.pick_leads(signal)
    second_samples = max(1, round(signal.fs_hz))
    for start in range(0, len(picked_SC), second_samples):
        yield from stream.feed(picked_SC[start : start + second_samples])
    yield from stream.flush()


def _normalise(window_uv_BCS: Tensor) -> Tensor:
    """Z-score a segment as in training; whole microvolts are exact in float32."""
    return normalise(window_uv_BCS.to(torch.int16))
