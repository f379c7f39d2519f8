"""An endless signal through the beat classifier and the rhythm head, which look some minutes back.

The models read a record: its usual beat, its usual interval, the beats around each beat. A live signal has no end, so
at each step the last five minutes are the record, and the stretch that ended some seconds before is named.

Shape suffixes: S samples, C leads, K classes.
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from ecgfeat.errors import UsageError
from ecgfeat.prediction.models import Models
from ecgfeat.prediction.record import Prediction, predict_record
from ecgfeat.records.reader import Signal
from ecgfeat.store.schemas import BEAT_CLASSES, RHYTHMS

MEMORY_S: Final = 300.0
"""How much of the signal the models read at a step."""

HOP_S: Final = 10.0
"""Length of a stretch, unless another is chosen."""

AFTER_S: Final = 10.0
"""The models see so much of what follows a stretch before it is named; the end of a signal has nothing after it."""


class LiveStretch(NamedTuple):
    """What is predicted of a stretch of a live signal.

    Attributes
    ----------
    start_s, stop_s : float
        The stretch, in seconds from the first sample fed; half-open.
    rhythm : str
        That of most of it; empty where there is none.
    reason : str
        Why there is none; empty where there is one.
    posterior_K : ndarray, (K,) float32
        Mean posterior of the six rhythms over the part that has one; NaN without usable signal.
    num_beats : tuple of int
        Beats called N, S and V.
    """

    start_s: float
    stop_s: float
    rhythm: str
    reason: str
    posterior_K: NDArray[np.float32]  # noqa: N815 (shape suffix)
    num_beats: tuple[int, ...]


class LiveModels:
    """Name a signal that is fed in chunks of any size and never needs to end.

    Parameters
    ----------
    models : Models
        Of `ecgfeat.prediction.models`.
    leads : sequence of str, length C
        Names of the leads.
    fs_hz : float
        Rate of the source.
    hop_s : float, optional
        Length of a stretch; `HOP_S` by default.
    device : torch.device or str
        Where to compute.

    Raises
    ------
    UsageError
        If a stretch is shorter than a second or longer than a minute.

    Notes
    -----
    * Stretches lie where they lie however the signal is chopped into chunks, so chopping changes nothing.
    * A line is final: no later sample changes it. ``ecgfeat predict`` of the whole record may say otherwise, because it
      knows what comes later.
    * Memory is that of five minutes.
    """

    def __init__(
        self,
        models: Models,
        leads: Sequence[str],
        fs_hz: float,
        hop_s: float | None = None,
        *,
        device: torch.device | str = "cpu",
    ) -> None:
        hop = HOP_S if hop_s is None else hop_s
        if not 1.0 <= hop <= 60.0:
            raise UsageError("hop", found=f"{hop:g} s", expected="1 to 60 s")
        self.models, self.leads, self.fs_hz, self.device = models, tuple(leads), fs_hz, device
        self.delay_s = hop + AFTER_S
        """Longest time from the first sample of a stretch until it is named."""
        self._hop = max(1, round(hop * fs_hz))
        self._after, self._memory = round(AFTER_S * fs_hz), round(MEMORY_S * fs_hz)
        self._kept = np.zeros((0, len(self.leads)), dtype=np.float32)
        self._num_fed = self._num_named = 0

    def feed(self, chunk_mv_SC: NDArray[np.floating]) -> Iterator[LiveStretch]:
        """Take the next samples and yield every stretch that can be named.

        Parameters
        ----------
        chunk_mv_SC : ndarray of float, (S, C)
            Any number of samples in millivolts; NaN where one is invalid.

        Yields
        ------
        LiveStretch
            In order; often none.
        """
        rest_SC = np.asarray(chunk_mv_SC, dtype=np.float32)
        while len(rest_SC):
            due = self._num_named + self._hop + self._after
            taken, rest_SC = np.split(rest_SC, [min(due - self._num_fed, len(rest_SC))])
            self._kept = np.concatenate([self._kept, taken])[-self._memory :]
            self._num_fed += len(taken)
            if self._num_fed == due:
                yield self._name(self._num_named + self._hop)

    def flush(self) -> Iterator[LiveStretch]:
        """End the signal and yield the stretches that are left of it."""
        while self._num_named < self._num_fed:
            yield self._name(min(self._num_named + self._hop, self._num_fed))

    def _name(self, stop: int) -> LiveStretch:
        """Name the samples up to one that has been fed."""
        first = self._num_fed - len(self._kept)
        start, self._num_named = self._num_named, stop
        signal = Signal("live", self.fs_hz, self.leads, self._kept)
        prediction = predict_record(signal, self.models, device=self.device)
        return sum_up(prediction, start / self.fs_hz, stop / self.fs_hz, first / self.fs_hz)


def sum_up(prediction: Prediction, start_s: float, stop_s: float, first_s: float) -> LiveStretch:
    """Sum up what is predicted between two times.

    Parameters
    ----------
    prediction : Prediction
        Of the samples in memory.
    start_s, stop_s : float
        The stretch, in seconds from the first sample fed.
    first_s : float
        Time of the first sample in memory.

    Returns
    -------
    LiveStretch
    """
    beats, episodes = prediction.beats, prediction.episodes
    low, high = start_s - first_s, stop_s - first_s
    length_s = np.minimum(episodes["stop_s"], high) - np.maximum(episodes["start_s"], low)
    inside = np.flatnonzero(length_s > 0)
    names = [(str(episodes["rhythm"][row]), str(episodes["reason"][row])) for row in inside]
    total_s = {name: float(length_s[inside][[other == name for other in names]].sum()) for name in names}
    rhythm, reason = max(total_s, key=lambda name: total_s[name])
    posterior_EK = np.stack([episodes[f"p_{name}"][inside] for name in RHYTHMS], axis=1).astype(np.float64)
    is_known = np.isfinite(posterior_EK).all(axis=1)
    posterior_K = np.full(len(RHYTHMS), np.nan)
    if is_known.any():
        posterior_K = np.average(posterior_EK[is_known], axis=0, weights=length_s[inside][is_known])
    aami = beats["aami"][(beats["time_s"] >= low) & (beats["time_s"] < high)]
    counts = tuple(int((aami == name).sum()) for name in BEAT_CLASSES)
    return LiveStretch(start_s, stop_s, rhythm, reason, posterior_K.astype(np.float32), counts)


def name_live(live: LiveModels, signal: Signal) -> Iterator[LiveStretch]:
    """Feed a record second by second, as if it were live.

    Parameters
    ----------
    live : LiveModels
        For the rate and the leads of the record.
    signal : Signal
        The record.

    Yields
    ------
    LiveStretch
        Each as soon as it is named.
    """
    second_samples = max(1, round(signal.fs_hz))
    for start in range(0, len(signal.signal_mv_SC), second_samples):
        yield from live.feed(signal.signal_mv_SC[start : start + second_samples])
    yield from live.flush()
