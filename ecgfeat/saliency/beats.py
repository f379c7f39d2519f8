"""Why a beat got its class: attributions to the samples of its window and of those around it, and to its figures.

Shape suffixes: E examples of a batch, L beats, C leads, S samples of a beat, W wave features, I others, D columns.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ecgfeat.beats.classifier import CONTEXT_BEATS, BeatClassifier
from ecgfeat.beats.prematurity import COLUMNS
from ecgfeat.beats.scale import BEAT_COLUMNS, LIMIT, WAVE_COLUMNS
from ecgfeat.beats.shapes import read_chunk
from ecgfeat.errors import choose
from ecgfeat.features.beat_parts import AFTER_SAMPLES, BEFORE_SAMPLES, TINY_QRS_MV
from ecgfeat.models.beat_net import BeatNet
from ecgfeat.prediction.models import Models
from ecgfeat.saliency.explanation import Explanation, Part
from ecgfeat.saliency.gradients import RANDOM_STEPS, SEED, Integral, compare_maps, integrate_gradients, redraw_weights
from ecgfeat.saliency.intervals import find_extent
from ecgfeat.saliency.seen import SeenRecord
from ecgfeat.store.schemas import BEAT_CLASSES, COMMON_FS_HZ, RHYTHMS

BeatBaseline = Literal["usual", "flat"]
BASELINES: Final[Mapping[str, str]] = {
    "usual": "all these beats are the usual beat of this record (median beat, median figures)",
    "flat": "a flat line, and the figures of the average training beat",
}
_V = BEAT_CLASSES.index("V")
_AFIB = RHYTHMS.index("AFIB")
_Inputs = tuple[Tensor, ...]


def explain_beat(
    models: Models, seen: SeenRecord, beat: int, *, answer: str = "", baseline: BeatBaseline = "usual"
) -> Explanation:
    """Explain the class of a beat.

    Parameters
    ----------
    models : Models
        The default models; they are not changed.
    seen : SeenRecord
        Of `ecgfeat.saliency.seen.see_record` with the same models.
    beat : int
        Row of the beat, as `SeenRecord.find_beat` returns it.
    answer : {'', 'N', 'S', 'V'}
        Class whose log odds are explained; by default the predicted one.
    baseline : {'usual', 'flat'}
        What the beat and those around it are compared with: all beats are the record's median beat with its median
        figures; or there is no deflection, and all figures are those of the average training beat.

    Returns
    -------
    Explanation
        The map has a row per sample at 128 Hz and a column per lead. Where the windows of two beats overlap, it is
        their sum.

    Raises
    ------
    UsageError
        If there is no such class, or no such baseline.

    Notes
    -----
    * The number is the logit of the printed probability: of all networks together, their curve, and for N and S the
      trees and their curve. The probability of atrial fibrillation, which lowers that of S, is held as it is.
    * A sample is that of the smoothed window, in both forms that the networks read: as it is, and less the median beat.
    * The trees' part is exact: SHAP values of the beat, less those of the baseline, times the mean slope of the number.
    * The randomised check redraws the networks and keeps the trees. It compares this beat's own window alone: that
      beats far away matter less is true of any weights.
    """
    answer = answer or BEAT_CLASSES[seen.label[beat]]
    choose(dict.fromkeys(BEAT_CLASSES), answer, "class")
    baseline_words = choose(BASELINES, baseline, "baseline")
    classifier = models.classifier
    low, high = max(0, beat - CONTEXT_BEATS), min(len(seen.label), beat + CONTEXT_BEATS + 1)
    at = beat - low
    window, is_there, wave, figure, _ = read_chunk(seen.shapes, slice(low, high), classifier.scales)
    early, usual_early, contribution_D = _read_trees(classifier, seen.early[beat], seen.early, baseline)
    inputs = _as_examples(window, wave, figure, early)
    baselines = _as_examples(*_read_baseline(classifier, seen, len(window), baseline), usual_early)
    number_of = _number_of(classifier, is_there, at, answer, float(seen.posterior[beat, _AFIB]))
    nets = [copy.deepcopy(net).cpu().double() for net in classifier.nets]
    integral = integrate_gradients(number_of(nets), inputs, baselines)
    random_nets = [redraw_weights(net, SEED + seed) for seed, net in enumerate(nets)]
    of_random = integrate_gradients(number_of(random_nets), inputs, baselines, num_steps=RANDOM_STEPS)
    window_LCS, random_LCS = (of.attributions[0].sum(dim=2).numpy() for of in (integral, of_random))
    num_leads = len(seen.leads)
    start_s, relevance_TC = lay_out(window_LCS[:, :num_leads], seen.time_s[low:high], seen.duration_s, BEFORE_SAMPLES)
    return Explanation(
        seen.record,
        "beat classifier",
        float(seen.time_s[beat]),
        answer,
        f"log odds of {answer}",
        integral.value,
        integral.baseline_value,
        baseline_words,
        _list_parts(integral, window_LCS, at, contribution_D, _find_extents(seen, beat)),
        integral.residual,
        compare_maps(window_LCS[at], random_LCS[at]),
        "beat",
        seen.leads,
        start_s,
        start_s + 1 / COMMON_FS_HZ,
        relevance_TC,
    )


def _as_examples(*tensors: Tensor) -> _Inputs:
    """Return tensors in float64 with a first dimension of one example."""
    return tuple(tensor.double()[None] for tensor in tensors)


def _read_baseline(
    classifier: BeatClassifier, seen: SeenRecord, num_beats: int, baseline: BeatBaseline
) -> tuple[Tensor, Tensor, Tensor]:
    """Return windows and figures of the baseline, as `read_chunk` returns them of beats."""
    shapes = seen.shapes
    num_leads, num_samples = shapes.median.beat.shape
    window_LC2S = torch.zeros(num_beats, num_leads, 2, num_samples)
    wave_LCW = torch.zeros(num_beats, num_leads, len(WAVE_COLUMNS))
    figure_LI = torch.zeros(num_beats, len(BEAT_COLUMNS))
    if baseline == "usual":
        factor_C1 = (shapes.median.sign / shapes.median.amplitude.clamp(min=TINY_QRS_MV))[:, None]
        window_LC2S[:, :, 0] = (shapes.median.beat * factor_C1).clamp(-LIMIT, LIMIT).nan_to_num(0.0)
        scales = classifier.scales
        wave_LCW[:] = torch.from_numpy(scales.wave.apply(_median_of(shapes.wave)))
        figure_LI[:] = torch.from_numpy(scales.beat.apply(_median_of(shapes.beat)))
    return window_LC2S, wave_LCW, figure_LI


def _median_of(value: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return medians over the first dimension, NaN left out."""
    return torch.from_numpy(value).nanmedian(dim=0).values.numpy()


def _read_trees(
    classifier: BeatClassifier, own_D: NDArray[np.float32], all_LD: NDArray[np.float32], baseline: BeatBaseline
) -> tuple[Tensor, Tensor, NDArray[np.float64]]:
    """Return the trees' calibrated log odds of S of a beat and of the baseline, (1,) each, and their parts, (D,)."""
    score_BD = classifier.prematurity.split_scores(np.stack([own_D, _median_of(all_LD)]))[:, 0]
    if baseline == "flat":
        score_BD[1, :-1] = 0.0  # the mean of the training rows, which comes last, is left
    curve = classifier.early_curve
    log_odds = torch.from_numpy(curve.slope * score_BD.sum(axis=1) + curve.offset)
    return log_odds[:1], log_odds[1:], curve.slope * (score_BD[0] - score_BD[1])[:-1]


def _number_of(
    classifier: BeatClassifier, is_there_LC: Tensor, at: int, answer: str, afib: float
) -> Callable[[Sequence[BeatNet]], Callable[..., Tensor]]:
    """Return what makes of networks the function from inputs to the log odds of a class."""
    curve = classifier.ventricular_curve

    def number_of(nets: Sequence[BeatNet]) -> Callable[..., Tensor]:
        def number(window_ELC2S: Tensor, wave_ELCW: Tensor, figure_ELI: Tensor, early_E1: Tensor) -> Tensor:
            examples, beats = window_ELC2S.shape[:2]
            is_there_ELC = is_there_LC.expand(examples, -1, -1)
            is_beat_EL = torch.ones(examples, beats, dtype=torch.bool)
            posteriors = [
                net(window_ELC2S, is_there_ELC, wave_ELCW, figure_ELI, is_beat_EL).softmax(-1).mean(0)[:, at, _V]
                for net in nets
            ]
            ventricular_E = curve.slope * torch.stack(posteriors).mean(0).logit() + curve.offset
            if answer == "V":
                return ventricular_E + 0 * early_E1[:, 0]  # the trees have no say, and a gradient of zero
            ventricular_E, early_E = ventricular_E.sigmoid(), early_E1[:, 0].sigmoid() * (1 - afib)
            chance_E = (1 - ventricular_E) * (early_E if answer == "S" else 1 - early_E)
            return chance_E.logit()

        return number

    return number_of


def _list_parts(
    integral: Integral,
    window_LCS: NDArray[np.float64],
    at: int,
    contribution_D: NDArray[np.float64],
    extents: Mapping[str, tuple[float, float] | None],
) -> tuple[Part, ...]:
    """List the parts of the difference, those of this beat by the name of the figure."""
    _, wave_LCW, figure_LI, early_1 = (of.numpy() for of in integral.attributions)
    own, own_wave_W = float(window_LCS[at].sum()), wave_LCW[at].sum(axis=0)
    others = float(wave_LCW.sum() + figure_LI.sum() - own_wave_W.sum() - figure_LI[at].sum())
    total = float(contribution_D.sum())

    def place(group: str, names: Sequence[str], values: NDArray[np.float64]) -> list[Part]:
        return [Part(group, name, of, False, extents[name]) for name, of in zip(names, values.tolist(), strict=True)]

    # All of the trees' log odds change together: each column has the share of its SHAP value.
    by_column_D = contribution_D * (float(early_1[0]) / total if total else 0.0)
    return (
        Part("waveform of this beat", "", own, True),
        Part("waveform of the beats around", "", float(window_LCS.sum()) - own, True),
        *place("wave figures of this beat", WAVE_COLUMNS, own_wave_W),
        *place("interval figures of this beat", BEAT_COLUMNS, figure_LI[at]),
        Part("figures of the beats around", "", others, False),
        *place("interval figures, by the trees", COLUMNS, by_column_D),
    )


def _find_extents(seen: SeenRecord, beat: int) -> dict[str, tuple[float, float] | None]:
    """Return where the figures of a beat lie: waves at the beat, intervals at theirs; None for those of many."""
    first, stop = seen.bounds_of(beat)
    at_s = float(seen.time_s[beat])
    of_waves = (at_s - BEFORE_SAMPLES / COMMON_FS_HZ, at_s + AFTER_SAMPLES / COMMON_FS_HZ)
    figures = dict.fromkeys((*BEAT_COLUMNS, *COLUMNS))
    return {name: find_extent(name, seen.time_s[first:stop], beat - first) for name in figures} | dict.fromkeys(
        WAVE_COLUMNS, of_waves
    )


def lay_out(
    window_LCS: NDArray[np.float64], time_s: NDArray[np.float64], duration_s: float, before_samples: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Add the windows of beats up over the time of the record.

    Parameters
    ----------
    window_LCS : ndarray of float64, (L, C, S)
        Relevance of the samples of windows at the common rate.
    time_s : ndarray of float64, (L,)
        R-peaks in seconds from the start of the record.
    duration_s : float
        Length of the record.
    before_samples : int
        Samples of a window before the R-peak.

    Returns
    -------
    start_s : ndarray of float64, (T,)
        Times of samples.
    relevance_TC : ndarray of float64, (T, C)
        Sums over all windows that hold a sample.
    """
    rpeak_L = np.rint(time_s * COMMON_FS_HZ).astype(np.int64)
    last = max(int(rpeak_L.max()), int(duration_s * COMMON_FS_HZ) - 1)
    span_S = np.arange(window_LCS.shape[2]) - before_samples
    place_LS = np.clip(rpeak_L[:, None] + span_S, 0, last)
    first = int(place_LS.min())
    relevance_TC = np.zeros((int(place_LS.max()) - first + 1, window_LCS.shape[1]))
    np.add.at(relevance_TC, place_LS - first, window_LCS.transpose(0, 2, 1))
    return (first + np.arange(len(relevance_TC))) / COMMON_FS_HZ, relevance_TC
