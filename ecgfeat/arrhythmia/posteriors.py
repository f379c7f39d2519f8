"""What a rhythm head reads of a stretch, and what becomes of its posteriors. It needs no torch.

Shape suffixes: L beats of a stretch, D figures, K classes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from ecgfeat.arrhythmia.figures import describe_rhythm
from ecgfeat.beats.scale import Scale
from ecgfeat.rhythm.decoding import LEAST_PROBABILITY, Decoder, decoder_from_json, decoder_to_json
from ecgfeat.store.names import RHYTHMS

Method = Literal["transformer", "trees", "both"]
METHODS: Final[tuple[Method, ...]] = ("transformer", "trees", "both")
"""Both: the mean of the posteriors of the two."""


NO_OFFSET: Final = (0.0,) * len(RHYTHMS)
"""Leaves the rhythms as they are."""


@dataclass(frozen=True)
class Smoothing:
    """How the posteriors of a method are calibrated and smoothed.

    Attributes
    ----------
    temperature : float
        Logarithms of posteriors are divided by it.
    log_offset : tuple of float, (K,)
        Added to the logarithms of posteriors before: a head that was shown all rhythms alike often names some too
        readily in records as they come, and others not readily enough.
    decoder : Decoder
        The most probable path, by how long rhythms last.
    is_used : bool
        Whether it was better on the validation records than the most probable class of each beat.
    """

    temperature: float
    log_offset: tuple[float, ...]
    decoder: Decoder
    is_used: bool


@dataclass(frozen=True)
class Stretch:
    """Beats without a gap between them.

    Attributes
    ----------
    rr_s : ndarray of float64, (L,)
        Seconds from the R-peak before; NaN for the first.
    usual_s : tuple of float
        Mean and median interval of the whole record.
    probability : ndarray of float32, (L, 3)
        Of N, S and V; NaN where it is not known.
    intervals : mapping of str to ndarray of float, (L,), optional
        Their beat features of the group ``intervals``, where they have been computed.
    """

    rr_s: NDArray[np.float64]
    usual_s: tuple[float, float]
    probability: NDArray[np.float32]
    intervals: Mapping[str, NDArray[Any]] | None = None

    def describe(self) -> NDArray[np.float32]:
        """Return the figures of the beats, (L, D)."""
        return describe_rhythm(self.rr_s, self.usual_s, self.probability, self.intervals)


def calibrate(
    posterior_LK: NDArray[np.float32], temperature: float, log_offset: Sequence[float] = NO_OFFSET
) -> NDArray[np.float32]:
    """Add offsets to the logarithms of posteriors, and divide the sums by a temperature, (L, K)."""
    log_LK = (
        np.log(np.maximum(posterior_LK, LEAST_PROBABILITY)) + np.asarray(log_offset, dtype=np.float32)
    ) / np.float32(temperature)
    power_LK = np.exp(log_LK - log_LK.max(axis=1, keepdims=True))
    return np.asarray(power_LK / power_LK.sum(axis=1, keepdims=True), dtype=np.float32)


def to_inputs(figure_LD: NDArray[np.float32], scale: Scale) -> NDArray[np.float32]:
    """Return what the Transformer reads: standardised figures, and which are missing, (L, 2 D) float32."""
    return np.concatenate([scale.apply(figure_LD), np.isnan(figure_LD).astype(np.float32)], axis=1)


def smoothing_to_json(smoothing: Smoothing) -> dict[str, Any]:
    """Return a smoothing as plain lists and numbers."""
    return {
        "temperature": smoothing.temperature,
        "log_offset": list(smoothing.log_offset),
        "decoder": decoder_to_json(smoothing.decoder),
        "is_used": smoothing.is_used,
    }


def smoothing_from_json(plain: Mapping[str, Any]) -> Smoothing:
    """Return the smoothing that `smoothing_to_json` wrote down."""
    return Smoothing(
        float(plain["temperature"]),
        tuple(map(float, plain["log_offset"])),
        decoder_from_json(plain["decoder"]),
        bool(plain["is_used"]),
    )


def read_method(name: Any) -> Method:
    """Return the method of a name; ValueError if there is none."""
    return METHODS[METHODS.index(name)]
