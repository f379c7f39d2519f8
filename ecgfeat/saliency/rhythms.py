"""Why the beats around a time got their rhythm: attributions to the intervals and the classes of each of them.

The rhythm head reads no samples: it reads figures of intervals and of class probabilities, beat by beat.

Shape suffixes: E examples of a batch, N beats that are seen, M chunks, L beats of a chunk, D figures, K rhythms.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ecgfeat.arrhythmia.figures import FIGURES, describe_rhythm
from ecgfeat.arrhythmia.head import ArrhythmiaHead
from ecgfeat.arrhythmia.posteriors import to_inputs
from ecgfeat.errors import choose
from ecgfeat.models.rhythm_timeline import RhythmTimeline
from ecgfeat.prediction.models import Models
from ecgfeat.rhythm.chunks import chunk_weights, cover_record, place_chunks
from ecgfeat.rhythm.decoding import LEAST_PROBABILITY
from ecgfeat.rhythm.timeline import MARGIN_BEATS
from ecgfeat.saliency.explanation import Explanation, Part
from ecgfeat.saliency.gradients import RANDOM_STEPS, Integral, compare_maps, integrate_gradients, redraw_weights
from ecgfeat.saliency.intervals import find_extent
from ecgfeat.saliency.seen import SeenRecord
from ecgfeat.store.schemas import RHYTHMS

RhythmBaseline = Literal["regular", "mean"]
REGULAR_S: Final = 0.8
"""Interval of the baseline of regular beats: 75 a minute."""
BASELINES: Final[Mapping[str, str]] = {
    "regular": "regular N beats, 75 a minute",
    "mean": "the mean figures of the training beats",
}
GROUPS: Final = ("intervals", "S beats", "V beats")
"""What the figures are of: columns of the map."""

_GROUP_OF_D = np.array(
    [0 if name.startswith("rr_") else 1 if name.startswith(("p_s", "s_")) else 2 for name in FIGURES]
)


def explain_rhythm(
    models: Models, seen: SeenRecord, beat: int, *, answer: str = "", baseline: RhythmBaseline = "regular"
) -> Explanation:
    """Explain the rhythm at a beat.

    Parameters
    ----------
    models : Models
        The default models; they are not changed.
    seen : SeenRecord
        Of `ecgfeat.saliency.seen.see_record` with the same models.
    beat : int
        Row of the beat. Of an episode, take the beat in its middle.
    answer : str
        Rhythm whose log odds are explained; by default the most probable one at this beat.
    baseline : {'regular', 'mean'}
        What the beats are compared with: regular N beats at 75 a minute; or the mean of the training beats.

    Returns
    -------
    Explanation
        The map has a row per beat that the Transformer sees and a column of each of `GROUPS`. A row holds what is read
        at that beat: its own interval and class, and figures of the beats around it.

    Raises
    ------
    UsageError
        If there is no such rhythm, or no such baseline.

    Notes
    -----
    * The number is the logit of the calibrated posterior of this beat, before the path through the beats is smoothed.
      A printed episode has the mean posterior of its beats.
    * The map is the Transformer's part. The trees read this beat's figures alone, most of which are of many beats:
      their part is exact (SHAP values, less those of the baseline, times the mean slope of the number), and not on
      the map. Figures of one interval or beat have a place; those of many have none.
    * The randomised check redraws the Transformer and keeps the trees. It compares the sums of the rows: that classes
      of N beats matter less than intervals is true of any weights.
    """
    answer = answer or RHYTHMS[int(seen.posterior[beat].argmax())]
    choose(dict.fromkeys(RHYTHMS), answer, "rhythm")
    baseline_words = choose(BASELINES, baseline, "baseline")
    head = models.head
    stretch = int(np.searchsorted(seen.bounds, beat, side="right")) - 1
    start, end = seen.bounds_of(beat)
    figure_ND = seen.figures[stretch]
    chunks = Chunks(head.chunk_beats, len(figure_ND), beat - start)
    rows = slice(chunks.low, chunks.high)
    usual_ND = _describe_regular(len(figure_ND)) if baseline == "regular" else None
    inputs, baselines = _read_inputs(head, figure_ND[rows], usual_ND if usual_ND is None else usual_ND[rows])
    at = beat - start - chunks.low
    own_KD, usual_KD = _read_trees(head, figure_ND[beat - start], None if usual_ND is None else usual_ND[beat - start])
    number_of = _number_of(head, chunks, at, RHYTHMS.index(answer))
    scores, usual_scores = (torch.from_numpy(of_KD.sum(axis=1))[None] for of_KD in (own_KD, usual_KD))
    net = copy.deepcopy(head.net).cpu().double()
    integral = integrate_gradients(number_of(net), (inputs, scores), (baselines, usual_scores))
    of_random = integrate_gradients(
        number_of(redraw_weights(net)), (inputs, scores), (baselines, usual_scores), num_steps=RANDOM_STEPS
    )
    relevance_NG, random_NG = (_sum_by_group(of.attributions[0].numpy()) for of in (integral, of_random))
    extents = [find_extent(figure, seen.time_s[start:end], beat - start) for figure in FIGURES]
    stop_s = seen.time_s[start:][rows]
    rr_s = np.nan_to_num(seen.rr_s[start:][rows], nan=REGULAR_S)
    return Explanation(
        seen.record,
        "rhythm head",
        float(seen.time_s[beat]),
        answer,
        f"log odds of {answer}",
        integral.value,
        integral.baseline_value,
        baseline_words,
        _list_parts(head, integral, relevance_NG, own_KD - usual_KD, extents),
        integral.residual,
        None if head.method == "trees" else compare_maps(relevance_NG.sum(axis=1), random_NG.sum(axis=1)),
        "rhythm",
        GROUPS,
        np.maximum(stop_s - rr_s, 0.0),
        stop_s,
        relevance_NG,
    )


class Chunks:
    """The chunks that a beat of a stretch lies in the middle of, as `ecgfeat.rhythm.timeline` lays them.

    Attributes
    ----------
    low, high : int
        Beats of the stretch that they see, half-open.
    """

    def __init__(self, chunk_beats: int, num_beats: int, beat: int) -> None:
        start_M = cover_record(num_beats, chunk_beats, MARGIN_BEATS)
        weight_L = chunk_weights(chunk_beats, MARGIN_BEATS)
        place_M = beat - start_M
        is_inside_M = (place_M >= 0) & (place_M < chunk_beats)
        is_inside_M[is_inside_M] = weight_L[place_M[is_inside_M]] > 0
        start_M, place_M = start_M[is_inside_M], place_M[is_inside_M]
        row_ML, _ = place_chunks(start_M, 0, num_beats, chunk_beats)
        self.low, self.high = int(row_ML.min()), int(row_ML.max()) + 1
        # Positions enter as differences: places outside of the stretch, which are masked, may as well be left out.
        self._rows = [slice(int(row_L.min()), int(row_L.max()) + 1) for row_L in row_ML - self.low]
        self._at = beat - self.low
        self._weight_M = torch.from_numpy(weight_L[place_M]).double()

    def find_posterior(self, net: nn.Module, input_END: Tensor) -> Tensor:
        """Return the posterior of the beat, (E, K), of what the network reads of the beats from low to high."""
        posteriors = []
        for rows in self._rows:
            chunk_ELD = input_END[:, rows]
            logits_ELK = net(chunk_ELD, torch.ones(chunk_ELD.shape[:2], dtype=torch.bool))
            posteriors.append(logits_ELK[:, self._at - rows.start].softmax(dim=-1))
        return (torch.stack(posteriors, dim=-1) * self._weight_M).sum(dim=-1) / self._weight_M.sum()


def _number_of(
    head: ArrhythmiaHead, chunks: Chunks, at: int, rhythm: int
) -> Callable[[RhythmTimeline], Callable[..., Tensor]]:
    """Return what makes of a Transformer the function from inputs to the log odds of a rhythm."""
    smoothing = head.smoothing[head.method]
    offset_K = torch.tensor(smoothing.log_offset, dtype=torch.float64)
    others = [other for other in range(len(RHYTHMS)) if other != rhythm]

    def number_of(net: RhythmTimeline) -> Callable[..., Tensor]:
        def number(input_END: Tensor, score_EK: Tensor) -> Tensor:
            # A method that is not used has a gradient of zero.
            from_net_EK = 0 * input_END[:, at, :1] if head.method == "trees" else chunks.find_posterior(net, input_END)
            from_trees_EK = 0 * score_EK if head.method == "transformer" else score_EK.softmax(dim=-1)
            posterior_EK = (from_net_EK + from_trees_EK) / (2 if head.method == "both" else 1)
            log_EK = (posterior_EK.clamp(min=LEAST_PROBABILITY).log() + offset_K) / smoothing.temperature
            return log_EK[:, rhythm] - log_EK[:, others].logsumexp(dim=-1)

        return number

    return number_of


def _describe_regular(num_beats: int) -> NDArray[np.float32]:
    """Return the figures of a stretch of regular N beats, (N, D)."""
    rr_s = np.full(num_beats, REGULAR_S)
    rr_s[0] = np.nan
    probability_NK = np.tile(np.array([1, 0, 0], dtype=np.float32), (num_beats, 1))
    return describe_rhythm(rr_s, (REGULAR_S, REGULAR_S), probability_NK)


def _read_inputs(
    head: ArrhythmiaHead, figure_ND: NDArray[np.float32], usual_ND: NDArray[np.float32] | None
) -> tuple[Tensor, Tensor]:
    """Return what the Transformer reads of the beats and of the baseline, (1, N, 2 D) float64 each."""
    input_ND = torch.from_numpy(to_inputs(figure_ND, head.scale)).double()[None]
    if usual_ND is not None:
        return input_ND, torch.from_numpy(to_inputs(usual_ND, head.scale)).double()[None]
    mean_ND = input_ND.clone()
    mean_ND[..., : figure_ND.shape[1]] = 0.0  # which figures are missing stays
    return input_ND, mean_ND


def _read_trees(
    head: ArrhythmiaHead, own_D: NDArray[np.float32], usual_D: NDArray[np.float32] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the scores of a beat and of the baseline, split among figures and the mean score, (K, D + 1) each."""
    own_KD, usual_KD = head.trees.split_scores(np.stack([own_D, own_D if usual_D is None else usual_D]))
    if usual_D is None:
        usual_KD[:, :-1] = 0.0
    return own_KD, usual_KD


def _sum_by_group(attribution_ND: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum the attributions of the figures, and of whether they are missing, over the groups, (N, G)."""
    both_ND = attribution_ND[:, : len(FIGURES)] + attribution_ND[:, len(FIGURES) :]
    return np.stack([both_ND[:, group == _GROUP_OF_D].sum(axis=1) for group in range(len(GROUPS))], axis=1)


def _list_parts(
    head: ArrhythmiaHead,
    integral: Integral,
    relevance_NG: NDArray[np.float64],
    change_KD: NDArray[np.float64],
    extents: Sequence[tuple[float, float] | None],
) -> tuple[Part, ...]:
    """List the parts of the difference: those of the Transformer on the trace, those of the trees by figure."""
    parts = []
    if head.method != "trees":
        parts += [
            Part(f"{group}, by the Transformer", "", float(value), True)
            for group, value in zip(GROUPS, relevance_NG.sum(axis=0), strict=True)
        ]
    if head.method != "transformer":
        part_K, total_K = integral.attributions[1].numpy(), change_KD.sum(axis=1)
        slope_K = np.divide(part_K, total_K, out=np.zeros_like(part_K), where=total_K != 0)
        by_figure_D = slope_K @ change_KD[:, :-1]
        parts += [
            Part(f"{group}, by the trees", FIGURES[figure], float(by_figure_D[figure]), False, extents[figure])
            for number, group in enumerate(GROUPS)
            for figure in np.flatnonzero(number == _GROUP_OF_D).tolist()
        ]
    return tuple(parts)
