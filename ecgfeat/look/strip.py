"""Read and draw a part of a WFDB record: leads, R-peaks, beat classes, rhythms."""

import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgfeat.acquire.manifest import MANIFEST
from ecgfeat.clock import clock, seconds_text
from ecgfeat.errors import UsageError, choose
from ecgfeat.files import read
from ecgfeat.files.formats import record_name, wfdb_record
from ecgfeat.outputs.endings import EXTENSION
from ecgfeat.outputs.from_annotations import as_prediction
from ecgfeat.outputs.saved import cannot_draw, find_saved, read_saved, read_saved_annotations
from ecgfeat.paper.twelve_leads import LAYOUTS, PAGE_S, draw_layout
from ecgfeat.prediction.record import Prediction
from ecgfeat.records.reader import Signal, read_annotations
from ecgfeat.report.drawings.ecg_paper import Ribbon
from ecgfeat.report.drawings.strip import Strip, draw_strip
from ecgfeat.report.drawings.style import to_png, to_svg
from ecgfeat.scoring.beats import MATCH_WINDOW_S, match_beats
from ecgfeat.signals.baseline import remove_baseline
from ecgfeat.signals.quality import USABLE
from ecgfeat.signals.resample import resample
from ecgfeat.signals.rpeaks import RPeaks, find_rpeaks
from ecgfeat.signals.usable import STATES
from ecgfeat.store.publish import publish
from ecgfeat.store.schemas import COMMON_FS_HZ
from ecgfeat.store.tables import Columns

DEFAULT_STRIP_S, MAX_STRIP_S = 10.0, 300.0
"""Duration of a strip without an end, and the longest strip that fits on a screen."""

MAX_RIBBONS = 3
"""A record of more leads has no ribbons of quality: they would be taller than its signals."""

LARGEST_OFFSET_MV = 2.0


def end_of_part(record: str, duration_s: float, fs_hz: float, from_s: float, to_s: float | None) -> float:
    """Return where the part of a record ends that is to be drawn.

    Parameters
    ----------
    record : str
        Its name.
    duration_s, fs_hz : float
        Its length and its rate.
    from_s : float
        Start of the part, in seconds from the start of the record.
    to_s : float or None
        Its end; None: 10 s after the start, or the end of the record.

    Returns
    -------
    float

    Raises
    ------
    UsageError
        If the part is empty, longer than 300 s or not within the record.
    """
    stop_s = min(from_s + DEFAULT_STRIP_S, duration_s) if to_s is None else to_s
    if not (0 <= from_s < stop_s <= duration_s):
        found = f"{from_s:g} to {stop_s:g} s"
        expected = f"a time within 0 to {duration_s:g} s"
        raise UsageError(record, found=found, expected=expected, remedy="Change --from-s.")
    if stop_s - from_s > MAX_STRIP_S:
        expected = f"at most {MAX_STRIP_S:g} s"
        raise UsageError(record, found=f"{stop_s - from_s:g} s", expected=expected, remedy="Draw a shorter part.")
    if round(from_s * fs_hz) >= round(stop_s * fs_hz):
        found, expected = f"{stop_s - from_s:g} s", "at least one sample"
        raise UsageError(record, found=found, expected=expected, remedy="Change --to-s.")
    return stop_s


def read_strip(
    path: Path,
    from_s: float,
    to_s: float | None,
    annotation: str | None = None,
    *,
    leads: Sequence[str | int] | None = None,
    fs_hz: float | None = None,
    unit: str | None = None,
    predictions: Path | None = None,
) -> Strip:
    """Read a part of a record with its beats: annotated ones, else predicted ones, else detected ones.

    With `predictions`, annotated and predicted ones are compared.

    Parameters
    ----------
    path : Path
        A recording of any format; a WFDB record without extension.
    from_s : float
        Start in seconds from the start of the record.
    to_s : float or None
        End; None: 10 s after the start, or the end of the record.
    annotation : str, optional
        Extension of the annotation file, which must exist; by default ``atr`` if there is such a file.
    leads, fs_hz, unit
        As `ecgfeat.files.read` takes them.
    predictions : Path, optional
        Folder in which ``ecgfeat predict`` wrote its files, there or below; by default the folder of the record and
        this one.

    Returns
    -------
    Strip
        To be drawn by `ecgfeat.report.drawings.strip.draw_strip`.

    Raises
    ------
    UsageError
        If the part is empty, longer than 300 s or not within the record, or there is no prediction in `predictions`.
    DataError
        If a file is missing or damaged.

    Notes
    -----
    * Without a rhythm annotation the rhythm is unknown (not NSR), and the strip has no ribbon of it.
    * Annotations that ``ecgfeat predict`` wrote are taken if their tables state that they are of this recording.
    * Where R-peaks are detected, each of up to three leads that is not usable throughout has a ribbon of its quality.
    * An electrode offset that would leave the paper is taken out, and named.
    """
    signal = read(path, fs_hz=fs_hz, leads=leads, unit=unit)
    fs_hz, num_samples = signal.fs_hz, len(signal.signal_mv_SC)
    duration_s = num_samples / fs_hz
    stop_s = end_of_part(signal.record, duration_s, fs_hz, from_s, to_s)
    start, stop = round(from_s * fs_hz), round(stop_s * fs_hz)
    folder, extension = path.parent, annotation or "atr"
    notes = [_origin(folder), signal.calibration_note, *signal.notes]
    ribbons: list[Ribbon] = []
    # Beside a file of another format, an annotation file of its name may be that of another recording.
    is_wfdb = wfdb_record(path) is not None
    beside = folder / f"{signal.record}.{extension}"
    is_beside = beside.is_file() and (is_wfdb or annotation is not None)
    is_own = annotation == EXTENSION or (annotation is None and not is_beside)
    predicted = _read_predicted(path, signal, predictions) if is_own or predictions is not None else None
    reference = None
    if (is_beside or annotation is not None) and not (predicted is not None and annotation == EXTENSION):
        marks = read_annotations(folder, signal.record, extension, num_samples, fs_hz=fs_hz, drop_before_start=True)
        reference = as_prediction(marks, num_samples, fs_hz)
    reference_label: list[str] = []
    predicted_label: list[str] = []
    if reference is not None and predicted is not None:
        sample, reference_label, predicted_label = _compare(reference.beats, predicted[0].beats, fs_hz)
        notes.append(f"reference: {beside.name}, predicted: {predicted[1]}")
        ribbons += [*_rhythms(reference, "reference"), *_rhythms(predicted[0], "predicted")]
    elif reference is not None or predicted is not None:
        prediction, origin = predicted or (reference, beside.name)
        assert prediction is not None
        sample, reference_label = prediction.beats["sample"], prediction.beats["aami"].tolist()
        notes.append(f"beats and rhythms: {origin if predicted is None else f'predicted, {origin}'}")
        ribbons += _rhythms(prediction, extension if predicted is None else "predicted")
    else:
        # The beats of `ecgfeat predict`, which looks for them without the baseline.
        at_common_SC = resample(signal.signal_mv_SC, fs_hz, COMMON_FS_HZ)
        rpeaks = find_rpeaks(
            remove_baseline(at_common_SC, COMMON_FS_HZ)[0],
            COMMON_FS_HZ,
            method="ecgfeat",
            lead="all",
        )
        sample = np.rint(rpeaks.sample * fs_hz / COMMON_FS_HZ).astype(np.int64)
        absent = f", no {signal.record}.{extension}" * is_wfdb
        notes.append(f"R-peaks: detected{absent}" + f": {rpeaks.reason}" * bool(rpeaks.reason))
        ribbons += _quality_ribbons(signal, rpeaks, from_s, stop_s)
    part_mv_SC, offsets = _take_out_offsets(signal.signal_mv_SC[start:stop], signal.leads)
    notes.append(offsets)
    inside = np.flatnonzero((sample >= start) & (sample < stop))
    return Strip(
        title=f"{folder.resolve().name}/{signal.record}, {clock(from_s)} to {clock(stop_s)}",
        signal_mv_SC=part_mv_SC,
        fs_hz=fs_hz,
        leads=signal.leads,
        start_s=start / fs_hz,
        rpeak_s=sample[inside] / fs_hz,
        reference_label=[reference_label[beat] for beat in inside] if reference_label else (),
        predicted_label=[predicted_label[beat] for beat in inside] if predicted_label else (),
        ribbons=ribbons,
        note=" · ".join(note for note in notes if note),
    )


def plot_record(
    path: Path,
    from_s: float,
    to_s: float | None,
    *,
    annotation: str | None = None,
    leads: Sequence[str | int] | None = None,
    fs_hz: float | None = None,
    unit: str | None = None,
    predictions: Path | None = None,
    layout: str | None = None,
    out: Path | None = None,
) -> tuple[Path, Strip]:
    """Draw a part of a record on ECG paper and write the picture.

    Parameters
    ----------
    path, from_s, to_s, annotation, leads, fs_hz, unit, predictions
        See `read_strip`.
    layout : str, optional
        One of `ecgfeat.paper.twelve_leads.LAYOUTS`; by default each lead has its lane.
    out : Path, optional
        File to write, ``.svg`` or ``.png``; by default an SVG named after the record and the times, in this folder.

    Returns
    -------
    target : Path
        The picture.
    strip : Strip
        Its content.

    Raises
    ------
    UsageError
        If the file name has another ending, or as `read_strip` raises it.
    DataError
        If a file is missing or damaged.
    """
    if out is not None and out.suffix not in (".svg", ".png"):
        raise UsageError("--out", found=out.name, expected="a name that ends in .svg or .png")
    if layout is not None:
        choose(LAYOUTS, layout, "layout")
        if to_s is not None and to_s - from_s > PAGE_S:
            raise UsageError("--layout", found=f"{to_s - from_s:g} s", expected=f"at most {PAGE_S:g} s")
    strip = read_strip(path, from_s, to_s, annotation, leads=leads, fs_hz=fs_hz, unit=unit, predictions=predictions)
    end_s = strip.start_s + len(strip.signal_mv_SC) / strip.fs_hz
    name = f"{record_name(path)}-{seconds_text(strip.start_s)}-{seconds_text(end_s)}s"
    target = out or Path(f"{name}.svg" if layout is None else f"{name}-{layout}.svg")
    figure = draw_strip(strip) if layout is None else draw_layout(strip, layout)
    with publish(target) as part:
        part.write_bytes(to_png(figure) if target.suffix == ".png" else to_svg(figure))
    return target, strip


def _read_predicted(path: Path, signal: Signal, folder: Path | None) -> tuple[Prediction, Path] | None:
    """Read what ``ecgfeat predict`` wrote of a recording, and return it with its file; None where there is none."""
    saved = find_saved(path, folder)
    if saved is None:
        return None
    if saved.annotations is not None:
        prediction, file = read_saved_annotations(saved, len(signal.signal_mv_SC), signal.fs_hz), saved.annotations
    elif saved.tables is not None:
        prediction, file = read_saved(saved), saved.tables[0]
    else:
        prediction, file = None, saved.folder
    if prediction is None and folder is not None:
        raise cannot_draw(saved)
    return None if prediction is None else (prediction, file)


def _compare(reference: Columns, predicted: Columns, fs_hz: float) -> tuple[NDArray[np.int64], list[str], list[str]]:
    """Pair annotated and predicted beats: position, reference label and predicted label, empty where there is none."""
    rows, partners = match_beats(reference["sample"], predicted["sample"], round(MATCH_WINDOW_S * fs_hz))
    alone = np.setdiff1d(np.arange(len(predicted["sample"])), partners)
    sample = np.concatenate([reference["sample"], predicted["sample"][alone]])
    wanted = np.concatenate([reference["aami"], np.full(len(alone), "", dtype=object)])
    found = np.concatenate([np.full(len(reference["sample"]), "", dtype=object), predicted["aami"][alone]])
    found[rows] = predicted["aami"][partners]
    order = np.argsort(sample, kind="stable")
    return sample[order], wanted[order].tolist(), found[order].tolist()


def _rhythms(prediction: Prediction, title: str) -> list[Ribbon]:
    """Return the ribbon of the rhythms that are named; none where there are none."""
    episodes = prediction.episodes
    named = np.flatnonzero(episodes["rhythm"] != "")
    names = [str(name) for name in episodes["rhythm"][named]]
    return [Ribbon(title, episodes["start_s"][named], episodes["stop_s"][named], names)] if names else []


def _quality_ribbons(signal: Signal, rpeaks: RPeaks, from_s: float, stop_s: float) -> list[Ribbon]:
    """Return the quality of the leads that are not usable throughout a part of a record."""
    ribbons: list[Ribbon] = []
    if rpeaks.state is None or len(signal.leads) > MAX_RIBBONS:
        return ribbons
    for state_T, lead in zip(rpeaks.state.T, rpeaks.leads, strict=True):
        first = np.flatnonzero(np.append(True, state_T[1:] != state_T[:-1]))
        if (state_T[int(from_s) : math.ceil(stop_s)] != USABLE).any():
            names = [STATES[int(state)] for state in state_T[first]]
            stops = np.append(first[1:], len(state_T)).astype(np.float64)
            ribbons.append(Ribbon(signal.leads[lead], first.astype(np.float64), stops, names))
    return ribbons


def _take_out_offsets(signal_mv_SC: NDArray[np.float32], leads: Sequence[str]) -> tuple[NDArray[np.float32], str]:
    """Subtract the median of each lead that lies off the paper, and return what was subtracted."""
    taken_mv = np.zeros(signal_mv_SC.shape[1], dtype=np.float32)
    for lead, lead_S in enumerate(signal_mv_SC.T):
        valid_S = lead_S[np.isfinite(lead_S)]
        level_mv = float(np.median(valid_S)) if valid_S.size else 0.0
        taken_mv[lead] = level_mv if abs(level_mv) > LARGEST_OFFSET_MV else 0
    named = [f"{name} {level:.1f} mV" for name, level in zip(leads, taken_mv, strict=True) if level]
    return signal_mv_SC - taken_mv, f"offset taken out: {', '.join(named)}" if named else ""


def _origin(folder: Path) -> str:
    """Return a note for signals that were not measured; empty for measured ones."""
    try:
        signals = json.loads((folder / MANIFEST).read_text("utf-8"))["signals"]
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    return "" if signals == "measured" else f"{signals} waveforms"
