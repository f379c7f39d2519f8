"""Classify beats and name rhythms from ONNX files: the default models with numpy and onnxruntime alone.

``ecgfeat export`` writes the files (`ecgfeat.deploy.models`). Neither torch nor lightgbm is imported; scipy is where
the beat features of the RR intervals are not given. For the same inputs, probabilities are those of
`ecgfeat.prediction.models` to 1e-4.

Notes
-----
* Trees decide by thresholds: where a probability of S or V lies within 1e-6 of one, the rhythm posterior of a beat may
  differ by more once the beats too were classified here.

Shape suffixes: L beats of a record or stretch, C leads, M chunks, D figures, K classes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgfeat.arrhythmia.figures import FIGURES
from ecgfeat.arrhythmia.posteriors import (
    Method,
    Smoothing,
    Stretch,
    calibrate,
    read_method,
    smoothing_from_json,
    to_inputs,
)
from ecgfeat.beats.probabilities import Curve, cut_batches, gate_early, join_classes, pick_classes
from ecgfeat.beats.scale import BEAT_COLUMNS, WAVE_COLUMNS, Scale, Scales, read_scale
from ecgfeat.deploy.light_shapes import draw_windows, find_reference
from ecgfeat.deploy.session import open_onnx, run_onnx
from ecgfeat.errors import DataError, UsageError
from ecgfeat.features.intervals import usual_interval
from ecgfeat.rhythm.chunks import chunk_weights, cover_record, place_chunks
from ecgfeat.rhythm.decoding import smooth_path
from ecgfeat.store.described import read_checked, read_described
from ecgfeat.store.feature_names import NUM_LEADS
from ecgfeat.store.names import BEAT_CLASSES, EXPORTED_FILE, EXPORTED_SCHEMA, EXPORTED_VERSION, RHYTHMS

FILES: Final = ("beats.onnx", "prematurity.onnx", "rhythm.onnx", "rhythm_trees.onnx")
"""Networks and trees of the beat classifier, Transformer and trees of the rhythm head."""

LISTS: Final = {
    "beat_classes": BEAT_CLASSES,
    "rhythms": RHYTHMS,
    "wave_columns": WAVE_COLUMNS,
    "beat_columns": BEAT_COLUMNS,
    "figures": FIGURES,
}
"""Names that the description has as they are here."""

_REMEDY = "Export or copy the models again."
_MADE_BY = "ecgfeat export MODELS OUT"
_CHUNKS = 8  # at once: attention takes 4 MB for each chunk of 512 beats
_WINDOW_SAMPLES = 256
_AFIB = RHYTHMS.index("AFIB")


@dataclass(frozen=True)
class LightModels:
    """Beat classifier and rhythm head as ONNX models, with what surrounds them.

    Attributes
    ----------
    sessions : mapping of str to onnxruntime.InferenceSession
        By the names of `FILES`.
    scales : Scales
        Of what the networks read.
    prematurity_columns : tuple of str
        Beat features that the trees of the classifier read.
    ventricular_curve, early_curve : Curve
        Calibration of networks and trees.
    least_early : float
        A beat that is no V is called S from this probability of S on.
    median_beats, context_beats : int
        Beats of which the record's median beat is made, and that a network sees on either side.
    method : {'transformer', 'trees', 'both'}
        How rhythms are named.
    scale : Scale
        Of the figures that the Transformer reads.
    chunk_beats, margin_beats : int
        Length of its chunks, and beats at either end of one that only serve as context.
    smoothing : Smoothing
        Of its posteriors.
    """

    sessions: Mapping[str, Any]
    scales: Scales
    prematurity_columns: tuple[str, ...]
    ventricular_curve: Curve
    early_curve: Curve
    least_early: float
    median_beats: int
    context_beats: int
    method: Method
    scale: Scale
    chunk_beats: int
    margin_beats: int
    smoothing: Smoothing


@dataclass(frozen=True)
class NamedRhythms:
    """The rhythms of the beats of a stretch.

    Attributes
    ----------
    posterior : ndarray of float32, (L, 6)
        Probabilities of the rhythms, calibrated.
    label : ndarray of int64, (L,)
        The rhythm of each beat, as an index into `RHYTHMS`: the most probable path, or where that was no better on the
        validation records, the most probable rhythm.
    """

    posterior: NDArray[np.float32]
    label: NDArray[np.int64]


def open_models(folder: Path, *, num_threads: int = 1) -> LightModels:
    """Open the models that ``ecgfeat export`` has written to a folder.

    Parameters
    ----------
    folder : Path
        With ``models.json`` and the files that it names.
    num_threads : int
        Cores to compute on.

    Returns
    -------
    LightModels

    Raises
    ------
    DataError
        If a file is missing, damaged, or of another version.
    UsageError
        If onnxruntime is missing.
    """
    schema = EXPORTED_SCHEMA, EXPORTED_VERSION
    with read_described(folder, EXPORTED_FILE, *schema, LISTS, made_by=_MADE_BY, remedy=_REMEDY) as described:
        sessions = {}
        for name in FILES:
            content = read_checked(folder / name, described["sha256"][name], _REMEDY)
            try:
                sessions[name] = open_onnx(content, num_threads)
            except UsageError:  # onnxruntime is missing
                raise
            except Exception as error:  # the errors of onnxruntime have no class in common
                expected = "a version of onnxruntime that can"
                raise DataError(
                    str(folder / name), found="onnxruntime cannot open it", expected=expected, remedy="Upgrade it."
                ) from error
        beats, rhythm = described["beats"], described["rhythm"]
        return LightModels(
            sessions,
            Scales(*(read_scale(beats["scales"][name]) for name in ("wave", "beat"))),
            tuple(beats["prematurity_columns"]),
            Curve(**beats["ventricular_curve"]),
            Curve(**beats["early_curve"]),
            float(beats["least_early"]),
            int(beats["median_beats"]),
            int(beats["context_beats"]),
            read_method(rhythm["method"]),
            read_scale(rhythm["scale"]),
            int(rhythm["chunk_beats"]),
            int(rhythm["margin_beats"]),
            smoothing_from_json(rhythm["smoothing"]),
        )


def classify_beats(
    models: LightModels, window_uv_LCS: NDArray[np.int16], feature: Mapping[str, NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Classify the beats of a record.

    Parameters
    ----------
    models : LightModels
        Opened models.
    window_uv_LCS : ndarray of int16, (L, C, 256)
        Windows of its beats in usable time, microvolts at 128 Hz with the R-peak at sample 128; -32768 is invalid.
    feature : mapping of str to ndarray of float32, (L,)
        Their beat features, as the table ``features`` has them; NaN is missing.

    Returns
    -------
    ndarray of float32, (L, 3)
        Probabilities of N, S and V.

    Raises
    ------
    DataError
        If the windows have another shape or type.
    """
    window_uv_LCS = np.asarray(window_uv_LCS)
    shape = window_uv_LCS.shape
    if window_uv_LCS.dtype != np.int16 or len(shape) != 3 or not shape[1] or shape[2] != _WINDOW_SAMPLES:
        found = f"{window_uv_LCS.dtype} of shape {shape}"
        raise DataError("beat windows", found=found, expected=f"int16 of shape (beats, leads, {_WINDOW_SAMPLES})")
    if not len(window_uv_LCS):
        return np.zeros((0, len(BEAT_CLASSES)), dtype=np.float32)
    ventricular_L = models.ventricular_curve.apply(_find_ventricular(models, window_uv_LCS[:, :NUM_LEADS], feature))
    column_LD = _stack(feature, models.prematurity_columns)
    early_L = models.early_curve.apply(run_onnx(models.sessions["prematurity.onnx"], [column_LD])[:, 0])
    return join_classes(ventricular_L, early_L)


def name_rhythms(
    models: LightModels,
    rr_s: Sequence[NDArray[np.float64]],
    probability: Sequence[NDArray[np.float32]],
    feature: Sequence[Mapping[str, NDArray[np.float32]]] | None = None,
) -> list[NamedRhythms]:
    """Name the rhythm of every beat of a record.

    Parameters
    ----------
    models : LightModels
        Opened models.
    rr_s : sequence of ndarray of float64, (L,)
        Seconds from the R-peak before, stretch by stretch of the record; NaN for the first of each, which is one
        without a gap. Those of the whole record: their mean and median count too.
    probability : sequence of ndarray of float32, (L, 3)
        Of `classify_beats`, stretch by stretch.
    feature : sequence of mapping of str to ndarray of float32, (L,), optional
        Beat features of the beats, stretch by stretch, of which those of the RR intervals are read. Without them they
        are computed, which needs scipy.

    Returns
    -------
    list of NamedRhythms
        One per stretch.

    Notes
    -----
    * Every beat has a rhythm here. ``ecgfeat predict`` names none where it is less certain than 0.5, and none in a
      stretch of fewer than five beats.
    """
    if not rr_s:
        return []
    usual_s = usual_interval(np.concatenate(rr_s))
    intervals = [None] * len(rr_s) if feature is None else feature
    figures = [
        Stretch(rr_L, usual_s, part_LK, interval).describe()
        for rr_L, part_LK, interval in zip(rr_s, probability, intervals, strict=True)
    ]
    posteriors = []
    if models.method != "transformer":
        posteriors.append(run_onnx(models.sessions["rhythm_trees.onnx"], [np.concatenate(figures)]))
    if models.method != "trees":
        posteriors.append(np.concatenate([_average_chunks(models, figure_LD) for figure_LD in figures]))
    ends = np.cumsum([len(figure_LD) for figure_LD in figures])[:-1]
    raw = np.split(np.mean(posteriors, axis=0), ends)
    smoothing = models.smoothing
    calibrated = [calibrate(posterior_LK, smoothing.temperature, smoothing.log_offset) for posterior_LK in raw]
    paths = smooth_path(calibrated, smoothing.decoder)
    if not smoothing.is_used:
        paths = [posterior_LK.argmax(axis=1) for posterior_LK in calibrated]
    return [NamedRhythms(*named) for named in zip(calibrated, paths, strict=True)]


def decide_classes(
    models: LightModels, probability_LK: NDArray[np.float32], posterior_LK: NDArray[np.float32]
) -> NDArray[np.int64]:
    """Decide on the class of beats; in atrial fibrillation an early beat is no S.

    Parameters
    ----------
    models : LightModels
        Opened models.
    probability_LK : ndarray of float32, (L, 3)
        Of `classify_beats`.
    posterior_LK : ndarray of float32, (L, 6)
        Rhythms of the same beats, of `name_rhythms`.

    Returns
    -------
    ndarray of int64, (L,)
        Indices into N S V.
    """
    return pick_classes(gate_early(probability_LK, posterior_LK[:, _AFIB]), models.least_early)


def _find_ventricular(
    models: LightModels, window_uv_LCS: NDArray[np.int16], feature: Mapping[str, NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Return the networks' answer whether a beat is a V, (L,), not calibrated."""
    reference = find_reference(window_uv_LCS, models.median_beats)
    leads = range(1, window_uv_LCS.shape[1] + 1)
    wave_LCD = np.stack([_stack(feature, [f"{name}_{lead}" for name in WAVE_COLUMNS]) for lead in leads], axis=1)
    wave_LCD, beat_LD = models.scales.wave.apply(wave_LCD), models.scales.beat.apply(_stack(feature, BEAT_COLUMNS))
    parts = []
    for seen, inside in cut_batches(len(window_uv_LCS), models.context_beats):
        inputs = [*draw_windows(window_uv_LCS[seen], reference), wave_LCD[seen], beat_LD[seen]]
        parts.append(run_onnx(models.sessions["beats.onnx"], inputs)[inside])
    return np.concatenate(parts)


def _average_chunks(models: LightModels, figure_LD: NDArray[np.float32]) -> NDArray[np.float32]:
    """Average the posteriors of all chunks over a stretch, (L, 6)."""
    size = len(figure_LD)
    input_LD = to_inputs(figure_LD, models.scale)
    weight_L1 = chunk_weights(models.chunk_beats, models.margin_beats)[:, None]
    start_M = cover_record(size, models.chunk_beats, models.margin_beats)
    # The last row takes the posteriors of places outside the stretch.
    sum_LK = np.zeros((size + 1, len(RHYTHMS)), dtype=np.float32)
    for first in range(0, len(start_M) if size else 0, _CHUNKS):
        row_ML, is_inside_ML = place_chunks(start_M[first : first + _CHUNKS], 0, size, models.chunk_beats)
        input_MLD = np.where(is_inside_ML[..., None], input_LD[row_ML], np.float32(0))
        posterior_MLK = run_onnx(models.sessions["rhythm.onnx"], [input_MLD, is_inside_ML])
        np.add.at(sum_LK, np.where(is_inside_ML, row_ML, size), posterior_MLK * weight_L1)
    return np.asarray(sum_LK[:size] / sum_LK[:size].sum(axis=1, keepdims=True))


def _stack(feature: Mapping[str, NDArray[np.float32]], names: Sequence[str]) -> NDArray[np.float32]:
    """Return columns by name, (L, D)."""
    return np.stack([np.asarray(feature[name], dtype=np.float32) for name in names], axis=1)
