"""Read and draw a part of a WFDB record: leads, R-peaks, beat classes, rhythms."""

import json
from pathlib import Path

import numpy as np

from ecgfeat.acquire.manifest import MANIFEST
from ecgfeat.corpora.ambulatory import RHYTHM_LABELS
from ecgfeat.errors import UsageError
from ecgfeat.records.annotations import aami_class, find_episodes, is_beat
from ecgfeat.records.input import read_record
from ecgfeat.records.reader import Signal, read_annotations
from ecgfeat.report.strip import Ribbon, Strip, clock, draw_strip
from ecgfeat.report.style import to_png, to_svg
from ecgfeat.store.publish import publish

DEFAULT_STRIP_S, MAX_STRIP_S = 10.0, 300.0
"""Duration of a strip without an end, and the longest strip that fits on a screen."""


def read_strip(path: Path, from_s: float, to_s: float | None, annotation: str | None = None) -> Strip:
    """Read a part of a record with its beats: annotated beats if there is an annotation file, else detected ones.

    Parameters
    ----------
    path : Path
        Record without extension.
    from_s : float
        Start in seconds from the start of the record.
    to_s : float or None
        End; None: 10 s after the start, or the end of the record.
    annotation : str, optional
        Extension of the annotation file, which must exist; by default ``atr`` if there is such a file.

    Returns
    -------
    Strip
        To be drawn by `ecgfeat.report.strip.draw_strip`.

    Raises
    ------
    UsageError
        If the part is empty, longer than 300 s or not within the record.
    DataError
        If a file is missing or damaged.

    Notes
    -----
    * Without a rhythm annotation the rhythm is unknown (not NSR), and the strip has no ribbon.
    """
    signal = read_record(path)
    fs_hz, num_samples = signal.fs_hz, len(signal.signal_mv_SC)
    duration_s = num_samples / fs_hz
    stop_s = min(from_s + DEFAULT_STRIP_S, duration_s) if to_s is None else to_s
    if not (0 <= from_s < stop_s <= duration_s):
        found = f"{from_s:g} to {stop_s:g} s"
        raise UsageError(
            signal.record, found=found, expected=f"a time within 0 to {duration_s:g} s", remedy="Change --from-s."
        )
    if stop_s - from_s > MAX_STRIP_S:
        found = f"{stop_s - from_s:g} s"
        raise UsageError(
            signal.record, found=found, expected=f"at most {MAX_STRIP_S:g} s", remedy="Draw a shorter part."
        )
    start, stop = round(from_s * fs_hz), round(stop_s * fs_hz)
    if start >= stop:
        raise UsageError(
            signal.record, found=f"{stop_s - from_s:g} s", expected="at least one sample", remedy="Change --to-s."
        )
    folder = (path.with_suffix("") if path.suffix in (".hea", ".dat") else path).parent
    extension = annotation or "atr"
    notes = [_origin(folder), signal.calibration_note]
    ribbons: list[Ribbon] = []
    if annotation is not None or (folder / f"{signal.record}.{extension}").is_file():
        marks = read_annotations(folder, signal.record, extension, num_samples, fs_hz=fs_hz)
        beats = is_beat(marks.symbol)
        sample, label = marks.sample[beats], [str(name) for name in aami_class(marks.symbol[beats], "dechazal")]
        notes.append(f"beats and rhythms: {signal.record}.{extension}")
        episodes = find_episodes(
            marks.sample,
            marks.aux,
            num_samples,
            RHYTHM_LABELS,
            before_first="unlabelled",
            min_samples=16,
            symbol=marks.symbol,
        )
        if len(episodes):
            names = [str(name) for name in episodes.rhythm]
            start_s, end_s = episodes.start_sample / fs_hz, episodes.stop_sample / fs_hz
            ribbons.append(Ribbon(extension, start_s, end_s, names))
    else:
        sample, label = _detect(signal), []
        notes.append(f"R-peaks: detected, no {signal.record}.{extension}")
    inside = (sample >= start) & (sample < stop)
    return Strip(
        title=f"{folder.resolve().name}/{signal.record}, {clock(from_s)} to {clock(stop_s)}",
        signal_mv_SC=signal.signal_mv_SC[start:stop],
        fs_hz=fs_hz,
        leads=signal.leads,
        start_s=start / fs_hz,
        rpeak_s=sample[inside] / fs_hz,
        reference_label=[label[beat] for beat in np.flatnonzero(inside)] if label else (),
        ribbons=ribbons,
        note=" · ".join(note for note in notes if note),
    )


def plot_record(
    path: Path, from_s: float, to_s: float | None, *, annotation: str | None = None, out: Path | None = None
) -> tuple[Path, Strip]:
    """Draw a part of a record on ECG paper and write the picture.

    Parameters
    ----------
    path, from_s, to_s, annotation
        See `read_strip`.
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
    strip = read_strip(path, from_s, to_s, annotation)
    end_s = strip.start_s + len(strip.signal_mv_SC) / strip.fs_hz
    name = path.stem if path.suffix in (".hea", ".dat") else path.name
    target = out or Path(f"{name}-{strip.start_s:.4g}-{end_s:.4g}s.svg")
    figure = draw_strip(strip)
    with publish(target) as part:
        part.write_bytes(to_png(figure) if target.suffix == ".png" else to_svg(figure))
    return target, strip


def _detect(signal: Signal) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    from ecgfeat.signals.rpeaks import detect_rpeaks

    return detect_rpeaks(signal.signal_mv_SC, signal.fs_hz, method="ecgfeat", lead=0)


def _origin(folder: Path) -> str:
    """Return a note for signals that were not measured; empty for measured ones."""
    try:
        signals = json.loads((folder / MANIFEST).read_text("utf-8"))["signals"]
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    return "" if signals == "measured" else f"{signals} waveforms"
