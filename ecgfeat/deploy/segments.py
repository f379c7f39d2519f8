"""Inference over an endless signal: overlapping segments, and for every stretch the mean of those that cover it.

A system on disk, with the rate and band it was trained at: `ecgfeat.deploy.stream`.

Shape suffixes: B batch (of one segment), C leads, S samples, K classes.
"""

import itertools
from collections import deque
from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

STD_FLOOR = 1e-6
"""Added to a deviation before it divides, so that a flat lead becomes zero."""


def scale_leads(signal_BCS: Tensor) -> Tensor:
    """Scale every lead of every signal to mean 0 and deviation 1 over its valid samples.

    Parameters
    ----------
    signal_BCS : Tensor, (B, C, S) float32
        Signals in any unit; NaN where a sample is invalid.

    Returns
    -------
    Tensor, (B, C, S) float32
        Scaled signals; zero where a sample is invalid. 1e-6 is added to a deviation before it divides.
    """
    valid_BCS = ~torch.isnan(signal_BCS)
    num_valid_BC1 = valid_BCS.sum(2, keepdim=True).clamp(min=1)
    cleared_BCS = signal_BCS.nan_to_num(nan=0.0)
    mean_BC1 = cleared_BCS.sum(2, keepdim=True) / num_valid_BC1
    centred_BCS = (cleared_BCS - mean_BC1) * valid_BCS
    std_BC1 = (centred_BCS.square().sum(2, keepdim=True) / num_valid_BC1).sqrt()
    return centred_BCS / (std_BC1 + STD_FLOOR)


class Step(NamedTuple):
    """The posterior of one stretch of the signal.

    Attributes
    ----------
    start_sample, stop_sample : int
        The stretch, counted from the first sample fed; half-open.
    posterior : ndarray, (K,) float32
        Mean posterior of the segments that cover it.
    """

    start_sample: int
    stop_sample: int
    posterior: NDArray[np.float32]


class Stream:
    """Name the rhythm of a signal that is fed in chunks of any size and never needs to end.

    Parameters
    ----------
    model : nn.Module or callable
        ``model(signal_BCS)`` gives ``logits_BK``; a network is in evaluation mode, on any device.
    fs_hz : float
        Rate of the signal, which is the model's own: nothing is resampled.
    segment_samples : int
        Length of a segment, the length the model was trained on.
    hop_samples : int
        Distance of segments and length of the stretches; divides ``segment_samples``.
    prepare : callable
        Scales one segment, (1, C, S) float32 to the same shape. S is shorter only if the whole signal is.
    task : {'single', 'multi'}
        One class at a time, posteriors by softmax; or any number of classes, each by a sigmoid.

    Raises
    ------
    ValueError
        If ``hop_samples`` does not divide ``segment_samples``.

    Notes
    -----
    * Segments overlap instead of handing a state on: the networks pool over a segment or read it backwards too, so no
      state of the past could stand for what they do.
    * Every stretch is named once, in order, `delay_s` after it began. Those of the first and last segment are
      covered by fewer segments than the others.
    * Every segment is computed alone, so that how the signal was chopped into chunks does not change a single bit.
    * Memory is two segments of samples, however long the signal.
    """

    def __init__(
        self,
        model: Callable[[Tensor], Tensor],
        *,
        fs_hz: float,
        segment_samples: int,
        hop_samples: int,
        prepare: Callable[[Tensor], Tensor] = scale_leads,
        task: Literal["single", "multi"] = "single",
    ) -> None:
        if not 1 <= hop_samples <= segment_samples or segment_samples % hop_samples:
            raise ValueError(f"hop_samples {hop_samples}; expected a divisor of segment_samples {segment_samples}")
        assert not (isinstance(model, nn.Module) and model.training), "model.eval() first"
        self.model = model
        self.prepare = prepare
        self.task = task
        self.segment_samples = segment_samples
        self.hop_samples = hop_samples
        self.delay_s = segment_samples / fs_hz
        """Time from the first sample of a stretch until it is named, in seconds."""
        self.num_samples = 0
        """Samples fed so far."""
        self._device = next(model.parameters()).device if isinstance(model, nn.Module) else torch.device("cpu")
        self._buffer_CS: NDArray[np.float32] | None = None
        self._filled = 0
        # Sum of posteriors and number of segments of each stretch that a later segment may still cover.
        self._pending: deque[tuple[NDArray[np.float64], int]] = deque()
        self._first_pending = 0
        self._is_closed = False

    def feed(self, chunk_CS: NDArray[np.generic]) -> list[Step]:
        """Take the next samples and name every stretch that no later segment covers.

        Parameters
        ----------
        chunk_CS : ndarray, (C, S)
            The samples, in any unit, any number of them; NaN where one is invalid.

        Returns
        -------
        list of Step
            Stretches of ``hop_samples`` each, in order; often none.

        Raises
        ------
        ValueError
            If the chunk has other leads than those before, or comes after `flush`.
        """
        fed_CS: NDArray[np.float32] = np.asarray(chunk_CS, dtype=np.float32)
        if self._is_closed:
            raise ValueError("the stream was flushed; open another one")
        if self._buffer_CS is None and fed_CS.ndim == 2:
            self._buffer_CS = np.zeros((len(fed_CS), 2 * self.segment_samples), dtype=np.float32)
        if self._buffer_CS is None or fed_CS.ndim != 2 or len(fed_CS) != len(self._buffer_CS):
            leads = "leads" if self._buffer_CS is None else f"{len(self._buffer_CS)} leads"
            raise ValueError(f"chunk of shape {fed_CS.shape}; expected ({leads}, samples)")
        steps: list[Step] = []
        done = 0
        while done < fed_CS.shape[1]:
            # Up to the end of the next segment, which then is what the buffer holds last.
            due = self._next_stop() - self.num_samples
            piece_CS = fed_CS[:, done : done + due]
            self._append(piece_CS)
            done += piece_CS.shape[1]
            if piece_CS.shape[1] == due:
                posterior_K = self._name_latest()
                self._cover(posterior_K, self.num_samples)
                steps.append(self._pop())
        return steps

    def flush(self) -> list[Step]:
        """End the signal and name what is left of it.

        Returns
        -------
        list of Step
            The remaining stretches in order, the last one ending with the signal.

        Raises
        ------
        ValueError
            If the stream was flushed before.

        Notes
        -----
        * What no whole segment reached is covered by one that ends with the signal. Only a signal shorter than a
          segment is padded: on the right, with zeros, after it was prepared.
        """
        if self._is_closed:
            raise ValueError("the stream was flushed before")
        self._is_closed = True
        if self.num_samples > (self._first_pending + len(self._pending)) * self.hop_samples:
            self._cover(self._name_latest(), self.num_samples)
        return [self._pop() for _ in range(len(self._pending))]

    def _next_stop(self) -> int:
        """Return where the next segment ends."""
        return self._first_pending * self.hop_samples + self.segment_samples

    def _append(self, piece_CS: NDArray[np.float32]) -> None:
        """Put samples, at most a segment of them, behind those in the buffer."""
        assert self._buffer_CS is not None
        count = piece_CS.shape[1]
        if self._filled + count > self._buffer_CS.shape[1]:
            kept_CS = self._buffer_CS[:, self._filled - self.segment_samples : self._filled].copy()
            self._buffer_CS[:, : self.segment_samples] = kept_CS
            self._filled = self.segment_samples
        self._buffer_CS[:, self._filled : self._filled + count] = piece_CS
        self._filled += count
        self.num_samples += count

    def _name_latest(self) -> NDArray[np.float64]:
        """Return the posterior of the last segment of the buffer, (K,)."""
        assert self._buffer_CS is not None
        latest_CS = self._buffer_CS[:, max(0, self._filled - self.segment_samples) : self._filled]
        segment_BCS = torch.zeros(1, len(latest_CS), self.segment_samples)
        with torch.no_grad():
            segment_BCS[:, :, : latest_CS.shape[1]] = self.prepare(torch.from_numpy(latest_CS.copy())[None])
            logits_K = self.model(segment_BCS.to(self._device))[0].cpu().double()
            posterior_K = logits_K.softmax(0) if self.task == "single" else logits_K.sigmoid()
        posterior: NDArray[np.float64] = posterior_K.numpy()
        return posterior

    def _cover(self, posterior_K: NDArray[np.float64], stop_sample: int) -> None:
        """Add a posterior to every stretch that is pending or begins before a sample."""
        self._pending = deque((total_K + posterior_K, count + 1) for total_K, count in self._pending)
        beyond = -(-stop_sample // self.hop_samples)
        missing = beyond - self._first_pending - len(self._pending)
        self._pending.extend(itertools.repeat((posterior_K, 1), missing))

    def _pop(self) -> Step:
        """Name the first stretch that is pending."""
        total_K, count = self._pending.popleft()
        start = self._first_pending * self.hop_samples
        self._first_pending += 1
        stop = min(start + self.hop_samples, self.num_samples)
        return Step(start, stop, (total_K / count).astype(np.float32))
