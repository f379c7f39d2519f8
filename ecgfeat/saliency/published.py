"""Why a published chain names a rhythm: attributions to samples, through the beat embedder and the rhythm head.

The chain is one function of the windows of beats, the RR intervals, and the beat classes that are fed back. Windows
become embeddings and class probabilities, and these become the rhythm.

Shape suffixes: E examples of a batch, N beats that are seen, W of them near, F of them far, C leads, S samples of a
window, D features, K classes.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ecgfeat.beats.windows import cut_beats, normalise
from ecgfeat.errors import DataError, choose
from ecgfeat.prediction.chain import Chain, describe_beats
from ecgfeat.records.reader import EcgSource
from ecgfeat.rhythm.describe import classify_beats
from ecgfeat.rhythm.features import WINDOW_NEIGHBOURS
from ecgfeat.rhythm.heads import TimelineHead
from ecgfeat.rhythm.records import RhythmRecord
from ecgfeat.rhythm.sampling import tile_segments
from ecgfeat.saliency.beats import lay_out
from ecgfeat.saliency.chained import Chained, Unit
from ecgfeat.saliency.explanation import Explanation, Part
from ecgfeat.saliency.gradients import RANDOM_STEPS, Integral, compare_maps, integrate_gradients, redraw_weights
from ecgfeat.saliency.rhythms import REGULAR_S, Chunks
from ecgfeat.saliency.seen import find_stretches
from ecgfeat.store.schemas import BEAT_CLASSES, COMMON_FS_HZ, INVALID_UV, RHYTHMS

ChainBaseline = Literal["usual", "flat"]
BASELINES: Final[Mapping[str, str]] = {
    "usual": "every window is the median window of this record; regular N beats, 75 a minute",
    "flat": "every window is a flat line; regular N beats, 75 a minute",
}
NEAR_BEATS: Final = 24
"""On either side of a beat: windows of these are attributed to their samples, those farther away as a whole."""

NUM_STEPS: Final = (32, 128)
BEAT_HALF_S: Final = 0.15
"""What is of a whole beat is drawn so far to either side of its R-peak."""

_MOST_WINDOWS = 4096  # of which the median is taken


@dataclass(frozen=True)
class SeenChain:
    """A usable stretch of a record as a published chain sees it.

    Attributes
    ----------
    record : str
        Name.
    leads : tuple of str
        Those that the embedder reads.
    duration_s : float
        Length of the record.
    start_s : float
        Where the stretch begins, in seconds from the start of the record.
    stretch : RhythmRecord
        Its beats, with embeddings and predicted classes.
    beat : int
        Row of the beat nearest to the time in question.
    at_s : float
        That time.
    window_uv : ndarray of int16, (L, C, S)
        Windows of all its beats in microvolts; -32768 invalid.
    """

    record: str
    leads: tuple[str, ...]
    duration_s: float
    start_s: float
    stretch: RhythmRecord
    beat: int
    at_s: float
    window_uv: NDArray[np.int16]

    @property
    def time_s(self) -> NDArray[np.float64]:
        """R-peaks of the stretch in seconds from the start of the record, (L,)."""
        return self.start_s + self.stretch.sample / COMMON_FS_HZ


def see_chain(signal: EcgSource, chain: Chain, at_s: float, *, device: str | torch.device = "cpu") -> SeenChain:
    """Prepare a record as `ecgfeat.prediction.record.predict_record` does for a published chain.

    Parameters
    ----------
    signal : EcgSource
        The record at its own rate.
    chain : Chain
        Of `ecgfeat.prediction.chain.load_chain`.
    at_s : float
        A time in the record in seconds. The usable stretch that has the nearest beat is seen.
    device : str or torch.device
        Where to compute.

    Returns
    -------
    SeenChain

    Raises
    ------
    DataError
        If the time lies outside of the record, or no beat is near it in usable signal.
    """
    assert chain.htf is not None, "an unannotated record needs a beat classifier"
    least = {} if isinstance(chain.head, TimelineHead) else {"least_s": -(-chain.head.window_samples // 128)}
    found = find_stretches(signal, at_s, device=device, **least)
    stretch, beat = found.find_beat(at_s)
    signal_uv_SC = found.signal_uv[stretch.start :][: stretch.num_samples]
    described = describe_beats(chain, stretch, signal_uv_SC, device=device)
    (probability_LK,) = classify_beats([described], chain.htf, "predicted")
    return SeenChain(
        signal.record,
        tuple(signal.leads[: chain.num_leads]),
        signal.num_samples / signal.fs_hz,
        (found.start + stretch.start) / COMMON_FS_HZ,
        replace(described, label=probability_LK.argmax(axis=1)),
        beat,
        at_s,
        cut_beats(signal_uv_SC, stretch.sample, num_samples=chain.beat_samples, num_leads=chain.num_leads),
    )


def explain_chain(chain: Chain, seen: SeenChain, *, answer: str = "", baseline: ChainBaseline = "usual") -> Explanation:
    """Explain the rhythm that a published chain names at a time.

    Parameters
    ----------
    chain : Chain
        The models; they are not changed.
    seen : SeenChain
        Of `see_chain` with the same chain. A timeline head names the nearest beat, a window head the segment of ten
        seconds that holds the time.
    answer : str
        Rhythm whose log odds are explained; by default the most probable one.
    baseline : {'usual', 'flat'}
        What the windows are compared with: the median window of the stretch, or a flat line.

    Returns
    -------
    Explanation
        The map has a row per sample at 128 Hz and a column per lead. Where the windows of two beats overlap, it is
        their sum. Intervals and classes that are fed back are parts with a place.

    Raises
    ------
    UsageError
        If there is no such rhythm, or no such baseline.
    DataError
        If a window head has no beat in the segment: it then predicts the shares of its training.

    Notes
    -----
    * The number is the log odds of the posterior of one view, before the path through the beats is smoothed. `ecgfeat
      predict` averages seven views of a timeline head.
    * A sample is that of the window after each lead of it is taken to mean 0 and deviation 1, as the embedder reads it.
    * The class that is fed back to later beats is the most probable one: no gradient passes through that choice. It is
      a part of its own. Class probabilities that a timeline head reads pass their gradient on to the samples.
    * A timeline head sees some 400 beats. Windows farther away than `NEAR_BEATS` enter by their embedding: each is one
      part, at its beat.
    * The randomised check redraws embedder and head.
    """
    assert chain.htf is not None, "an unannotated record needs a beat classifier"
    baseline_words = choose(BASELINES, baseline, "baseline")
    if answer:
        choose(dict.fromkeys(RHYTHMS), answer, "rhythm")
    unit = _find_unit(chain, seen)
    label_L = _preceding_labels(chain, seen.stretch)
    window_NCS, usual_NCS = _read_windows(seen, unit, baseline)
    rr_N = torch.from_numpy(np.nan_to_num(seen.stretch.rr_s[unit.rows], nan=0.0)).float()
    one_hot_NK = torch.from_numpy(np.eye(len(BEAT_CLASSES) + 1)[label_L[unit.rows]][:, :-1]).float()
    usual_one_hot_NK = one_hot_NK.new_tensor([1.0, 0.0, 0.0]) * one_hot_NK.sum(1, keepdim=True)
    trained = Chained(copy.deepcopy(chain.htf).cpu(), copy.deepcopy(chain.head.model).cpu(), chain.head, unit)
    random = Chained(redraw_weights(trained.htf), redraw_weights(trained.net), chain.head, unit)

    def integrate(of: Chained, steps: tuple[int, ...], rhythm: int) -> Integral:
        inputs = (*of.to_inputs(window_NCS), rr_N[None], one_hot_NK[None])
        usual = (*of.to_inputs(usual_NCS), (REGULAR_S * (rr_N > 0))[None], usual_one_hot_NK[None])
        return integrate_gradients(of.log_odds_of(rhythm), inputs, usual, batch=4, num_steps=steps)

    with torch.no_grad():
        posterior_K = trained.find_posterior(*trained.to_inputs(window_NCS), rr_N[None], one_hot_NK[None])[0]
    rhythm = RHYTHMS.index(answer) if answer else int(posterior_K.argmax())
    integral = integrate(trained, NUM_STEPS, rhythm)
    window_WCS, random_WCS = (
        of.attributions[0].double().numpy() for of in (integral, integrate(random, RANDOM_STEPS, rhythm))
    )
    time_s = seen.time_s
    start_s, relevance_TC = lay_out(
        window_WCS[:, : len(seen.leads)], time_s[unit.rows][unit.near], seen.duration_s, chain.beat_samples // 2
    )
    is_beat = isinstance(chain.head, TimelineHead)
    extent_s = None if is_beat else (seen.start_s + unit.extent[0], seen.start_s + unit.extent[1])
    return Explanation(
        seen.record,
        f"HTF and {chain.kind} head",
        float(time_s[seen.beat]) if extent_s is None else extent_s[0],
        RHYTHMS[rhythm],
        f"log odds of {RHYTHMS[rhythm]}",
        integral.value,
        integral.baseline_value,
        baseline_words,
        tuple(_list_parts(unit, integral, time_s[unit.rows], rr_N.numpy())),
        integral.residual,
        compare_maps(window_WCS, random_WCS),
        "beat" if is_beat else "segment",
        seen.leads,
        start_s,
        start_s + 1 / COMMON_FS_HZ,
        relevance_TC,
        extent_s=extent_s,
    )


def _find_unit(chain: Chain, seen: SeenChain) -> Unit:
    """Return what is named at the time, and the beats that are seen for it."""
    head, size = chain.head, len(seen.stretch.sample)
    assert chain.htf is not None
    back = chain.htf.history_beats
    if isinstance(head, TimelineHead):
        chunks = Chunks(head.chunk_beats, size, seen.beat)
        first = max(0, chunks.low - head.neighbour_beats - back)
        stop = min(size, chunks.high + head.neighbour_beats)
        near = np.arange(max(first, seen.beat - NEAR_BEATS), min(stop, seen.beat + NEAR_BEATS + 1))
        return Unit(
            slice(first, stop),
            np.arange(chunks.low, chunks.high) - first,
            near - first,
            np.setdiff1d(np.arange(first, stop), near) - first,
            int(np.searchsorted(near, seen.beat)),
            (0.0, 0.0),
            np.zeros(chunks.high - chunks.low, dtype=np.float32),
            chunks,
        )
    stretch = seen.stretch
    segments, edges = tile_segments(stretch.sample, stretch.num_samples, head.window_samples, head.max_beats)
    at = min(max(0, int((seen.at_s - seen.start_s) * COMMON_FS_HZ)), stretch.num_samples - 1)
    number = int(np.searchsorted(edges, at, side="right")) - 1
    start, stop_sample = int(segments.start[number]), int(segments.stop[number])
    read = segments.beats[number][segments.beats[number] >= 0].astype(np.int64)
    if not len(read):
        raise DataError(
            seen.record,
            found=f"no beat in the segment from {seen.start_s + start / COMMON_FS_HZ:.2f} s",
            expected="a segment with a beat",
            remedy="Its posterior is the shares of the training: there is nothing to explain.",
        )
    around = max(back, WINDOW_NEIGHBOURS)  # a head without an embedder reads these
    first, stop = max(0, int(read[0]) - around), min(size, int(read[-1]) + 1 + around)
    position = 2.0 * (stretch.sample[read] - start) / (stop_sample - start) - 1.0
    return Unit(
        slice(first, stop),
        read - first,
        read - first,
        np.zeros(0, dtype=np.int64),
        -1,
        (start / COMMON_FS_HZ, stop_sample / COMMON_FS_HZ),
        position.astype(np.float32),
        None,
    )


def _preceding_labels(chain: Chain, stretch: RhythmRecord) -> NDArray[np.int64]:
    """Return the classes that are fed back, (L,); -1 where the head was trained without them."""
    inputs = chain.head.inputs
    if inputs.htf is not None and inputs.history == "none":
        return np.full(len(stretch.sample), -1, dtype=np.int64)
    return stretch.label


def _read_windows(seen: SeenChain, unit: Unit, baseline: str) -> tuple[Tensor, Tensor]:
    """Return the windows of the beats that are seen, and those of the baseline, (N, C, S) each."""
    window_uv_NCS = seen.window_uv[unit.rows]
    window_NCS = normalise(window_uv_NCS)
    if baseline == "flat":
        return window_NCS, torch.zeros_like(window_NCS)
    step = -(-len(seen.window_uv) // _MOST_WINDOWS)
    usual_CS = normalise(seen.window_uv[::step]).median(dim=0).values
    # Where there is no signal, the embedder reads zeros.
    return window_NCS, torch.where(torch.from_numpy(window_uv_NCS == INVALID_UV), 0.0, usual_CS)


def _list_parts(unit: Unit, integral: Integral, time_N: NDArray[np.float64], rr_N: NDArray[np.float32]) -> list[Part]:
    """List the parts: windows, then intervals and classes in order of time, each at its place."""
    window_WCS, *far, interval_N, class_NK = (of.double().numpy() for of in integral.attributions)
    total = float(window_WCS.sum())
    if unit.own < 0:
        parts = [Part("waveform of the beats of the segment", "", total, True)]
    else:
        own = float(window_WCS[unit.own].sum())
        parts = [
            Part("waveform of this beat", "", own, True),
            Part("waveform of the beats around", "", total - own, True),
        ]

    def add(group: str, time: NDArray[np.float64], value: NDArray[np.float64], before: Any, after_s: float) -> None:
        """Add a part for each beat that has one."""
        before_s = np.broadcast_to(before, time.shape).tolist()
        parts.extend(
            Part(group, f"at {at_s:.2f} s", of, False, (at_s - reach_s, at_s + after_s))
            for at_s, of, reach_s in zip(time.tolist(), value.tolist(), before_s, strict=True)
            if of
        )

    for of in far:
        add("waveform of beats farther away", time_N[unit.far], of.sum(axis=1), BEAT_HALF_S, BEAT_HALF_S)
    add("RR intervals", time_N, interval_N, rr_N, 0.0)
    add("classes fed back", time_N, class_NK.sum(axis=1), BEAT_HALF_S, BEAT_HALF_S)
    return parts
