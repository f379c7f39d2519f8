"""What ``ecgfeat plot --day`` does: find a prediction or annotations of a record, and draw all of it on one picture."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ecgfeat.corpora.ambulatory import RHYTHM_LABELS
from ecgfeat.errors import UsageError, printable
from ecgfeat.files import open_ecg
from ecgfeat.files.formats import record_name, wfdb_record
from ecgfeat.outputs.saved import find_saved, read_saved
from ecgfeat.paper.day import draw_day
from ecgfeat.prediction.record import Prediction
from ecgfeat.records.annotations import aami_class, find_episodes, is_beat
from ecgfeat.records.reader import Annotations, EcgSource, read_annotations
from ecgfeat.report.ecg_paper import Ribbon
from ecgfeat.report.style import to_png, to_svg
from ecgfeat.signals.gaps import LONGEST_PAUSE_S
from ecgfeat.signals.usable import tabulate_quality
from ecgfeat.store.publish import publish

_MIN_EPISODE_SAMPLES = 16


def plot_day(
    path: Path,
    *,
    annotation: str | None = None,
    predictions: Path | None = None,
    fs_hz: float | None = None,
    leads: Sequence[str | int] | None = None,
    unit: str | None = None,
    out: Path | None = None,
) -> str:
    """Draw a whole record on one picture and write it.

    Parameters
    ----------
    path : Path
        A recording of any format; a WFDB record without extension.
    annotation : str, optional
        Extension of an annotation file, which must exist; by default ``atr`` if there is such a file.
    predictions : Path, optional
        Folder in which ``ecgfeat predict`` wrote its tables; the folder of the record and this one are looked into too.
    fs_hz, leads, unit
        As `ecgfeat.files.read` takes them.
    out : Path, optional
        File to write, ``.svg`` or ``.png``; by default an SVG named after the record, in this folder.

    Returns
    -------
    str
        What was drawn, in one line. With a prediction its beats and rhythms are drawn, and the rhythms of the
        annotations under them. Without one, those of the annotations.

    Raises
    ------
    UsageError
        If there is neither a prediction nor an annotation file, or the file name has another ending.
    DataError
        If a file is missing or damaged.
    """
    if out is not None and out.suffix not in (".svg", ".png"):
        raise UsageError("--out", found=out.name, expected="a name that ends in .svg or .png")
    signal = open_ecg(path, fs_hz=fs_hz, leads=leads, unit=unit)
    marks = _read_marks(path, signal, annotation)
    saved = find_saved(path, [predictions] if predictions is not None else [])
    prediction = read_saved(saved) if saved is not None else None
    if prediction is not None and saved is not None and saved.tables is not None:
        title, reference = "predicted", None if marks is None else _rhythms_of(marks, signal)
        drawn = f"beats and rhythms: predicted, {saved.tables[0]}"
        drawn += f"; reference: {marks.record}.{marks.extension}" if marks is not None else ""
    elif marks is not None:
        prediction, reference, title = _as_prediction(marks, signal), None, marks.extension
        drawn = f"beats and rhythms: {marks.record}.{marks.extension}"
    else:
        raise UsageError(
            signal.record,
            found="no tables of a prediction of it and no annotations",
            expected="what ecgfeat predict writes, beside it, in this folder or in that of --predictions",
            remedy=f"Run: ecgfeat predict {path}",
        )
    figure = draw_day(signal, prediction, reference=reference, title=title)
    target = out or Path(f"{record_name(path)}-day.svg")
    with publish(target) as part:
        part.write_bytes(to_png(figure) if target.suffix == ".png" else to_svg(figure))
    return printable(f"{target}: {signal.record}, {len(prediction.beats['time_s']):,} beats. {drawn}")


def _read_marks(path: Path, signal: EcgSource, annotation: str | None) -> Annotations | None:
    """Read the annotations of a record: those that are wanted, or ``atr`` where there is such a file."""
    record = wfdb_record(path)
    extension = annotation or "atr"
    folder, name = (path.parent, signal.record) if record is None else (record.parent, record.name)
    # Beside a file of another format, an annotation file of its name may be that of another recording.
    if annotation is None and (record is None or not (folder / f"{name}.{extension}").is_file()):
        return None
    return read_annotations(
        folder, name, extension, signal.num_samples, fs_hz=signal.fs_hz, drop_before_start=True, allow_empty=True
    )


def _rhythms_of(marks: Annotations, signal: EcgSource) -> Ribbon | None:
    """Return the annotated rhythms; None where there are none."""
    episodes = find_episodes(
        marks.sample,
        marks.aux,
        signal.num_samples,
        RHYTHM_LABELS,
        before_first="unlabelled",
        min_samples=_MIN_EPISODE_SAMPLES,
        symbol=marks.symbol,
    )
    if not len(episodes):
        return None
    start_s, stop_s = episodes.start_sample / signal.fs_hz, episodes.stop_sample / signal.fs_hz
    return Ribbon("reference", start_s, stop_s, [str(name) for name in episodes.rhythm])


def _as_prediction(marks: Annotations, signal: EcgSource) -> Prediction:
    """Return annotated beats and rhythms in the columns that are drawn; an interval over 30 s is a gap."""
    at_beat = is_beat(marks.symbol)
    sample = marks.sample[at_beat]
    rr_s = np.diff(sample, prepend=np.nan) / signal.fs_hz if len(sample) else np.zeros(0)
    rr_s[rr_s > LONGEST_PAUSE_S] = np.nan
    beats = {
        "sample": sample,
        "time_s": sample / signal.fs_hz,
        "rr_s": rr_s,
        "aami": aami_class(marks.symbol[at_beat], "dechazal").astype(object),
    }
    rhythms = _rhythms_of(marks, signal)
    duration_s = signal.num_samples / signal.fs_hz
    none = np.zeros(0)
    episodes = {
        "start_s": none if rhythms is None else rhythms.start_s,
        "stop_s": none if rhythms is None else rhythms.stop_s,
        "rhythm": np.array([] if rhythms is None else rhythms.rhythm, dtype=object),
    }
    episodes["reason"] = np.full(len(episodes["rhythm"]), "", dtype=object)
    no_quality = tabulate_quality(signal.record, np.zeros((0, 0), np.int8))
    return Prediction(beats, episodes, no_quality, duration_s, (), {})
