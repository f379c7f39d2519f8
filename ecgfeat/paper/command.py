"""What ``ecgfeat plot --day`` and ``--pdf`` do: find a prediction or annotations of a record, and draw all of it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ecgfeat.errors import UsageError, printable
from ecgfeat.files import open_ecg
from ecgfeat.files.folders import source_digest
from ecgfeat.files.formats import record_name, wfdb_record
from ecgfeat.outputs.annotated import find_rhythms
from ecgfeat.outputs.from_annotations import as_prediction
from ecgfeat.outputs.saved import cannot_draw, find_saved, read_saved, read_saved_annotations
from ecgfeat.outputs.write import refuse_to_replace_page
from ecgfeat.paper.day import draw_day
from ecgfeat.paper.pdf import write_pdf
from ecgfeat.prediction.record import Prediction
from ecgfeat.records.reader import Annotations, EcgSource, read_annotations
from ecgfeat.report.drawings.ecg_paper import Ribbon
from ecgfeat.report.drawings.style import to_png, to_svg
from ecgfeat.signals.gaps import LONGEST_PAUSE_S
from ecgfeat.store.publish import publish

ANNOTATIONS_NOTE = (
    f"From annotations: up to {LONGEST_PAUSE_S:g} s, a gap without beats looks like a pause; quality is not stated."
)
"""What a reader must know of a picture that was drawn without tables."""

TABLES_NOTE = (
    "From saved tables: the quality of the leads and the notes of the prediction are not in them. The PDF of ecgfeat "
    "predict has both."
)
"""The same of one that was drawn with tables."""


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
        Folder in which ``ecgfeat predict`` wrote its files, there or below; by default the folder of the record and
        this one.
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
        If there is neither a prediction nor an annotation file, there is no prediction in `predictions`, or the file
        name has another ending.
    DataError
        If a file is missing or damaged.
    """
    if out is not None and out.suffix not in (".svg", ".png"):
        raise UsageError("--out", found=out.name, expected="a name that ends in .svg or .png")
    signal = open_ecg(path, fs_hz=fs_hz, leads=leads, unit=unit)
    marks = _read_marks(path, signal, annotation)
    prediction, drawn, note = _read_predicted(path, signal, predictions)
    reference, title = None, "predicted"
    if prediction is not None and marks is not None:
        reference = _rhythms_of(marks, signal)
        drawn += f"; reference: {marks.record}.{marks.extension}"
    elif marks is not None:
        prediction, title = as_prediction(marks, signal.num_samples, signal.fs_hz), marks.extension
        drawn, note = f"beats and rhythms: {marks.record}.{marks.extension}", ANNOTATIONS_NOTE
    if prediction is None:
        raise _no_prediction(path, signal, "no tables of a prediction of it and no annotations")
    figure = draw_day(signal, prediction, reference=reference, title=title, note=note)
    target = out or Path(f"{record_name(path)}-day.svg")
    with publish(target) as part:
        part.write_bytes(to_png(figure) if target.suffix == ".png" else to_svg(figure))
    return printable(f"{target}: {signal.record}, {len(prediction.beats['time_s']):,} beats. {drawn}")


def plot_pdf(
    path: Path,
    *,
    annotation: str | None = None,
    predictions: Path | None = None,
    fs_hz: float | None = None,
    leads: Sequence[str | int] | None = None,
    unit: str | None = None,
    out: Path | None = None,
) -> str:
    """Draw the PDF of a record that was predicted before, and write it.

    Parameters
    ----------
    path, annotation, predictions, fs_hz, unit
        As of `plot_day`.
    leads : sequence of str or int, optional
        As of `ecgfeat.paper.pdf.write_pdf`.
    out : Path, optional
        File to write; by default ``<record>-leads.pdf`` in this folder.

    Returns
    -------
    str
        What was drawn, in one line.

    Raises
    ------
    UsageError
        If there is no prediction, no such lead, the file name has another ending, or there is a file of this name that
        is not known to be of the same recording.
    DataError
        If a file is missing or damaged.
    """
    signal = open_ecg(path, fs_hz=fs_hz, unit=unit)
    marks = _read_marks(path, signal, annotation)
    prediction, drawn, note = _read_predicted(path, signal, predictions)
    if prediction is None:
        raise _no_prediction(path, signal, "no prediction of it")
    source = source_digest(path)
    made_by = prediction.made_by | {"source": source}
    notes = (*signal.notes, *filter(None, [signal.calibration_note, note]))
    prediction = replace(prediction, made_by=made_by, notes=notes)
    # Not the name of the PDF of predict, which has more.
    target = out or Path(f"{record_name(path)}-leads.pdf")
    refuse_to_replace_page(target, source)
    reference = None if marks is None else _rhythms_of(marks, signal)
    write_pdf(target, signal, prediction, reference=reference, leads=leads)
    return printable(f"{target}: {signal.record}, {len(prediction.beats['time_s']):,} beats. {drawn}")


def _no_prediction(path: Path, signal: EcgSource, found: str) -> UsageError:
    return UsageError(
        signal.record,
        found=found,
        expected="what ecgfeat predict writes, beside it, in this folder or in that of --predictions",
        remedy=f"Run: ecgfeat predict {path}",
    )


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


def _read_predicted(path: Path, signal: EcgSource, folder: Path | None) -> tuple[Prediction | None, str, str]:
    """Read what ``ecgfeat predict`` wrote of a record: tables, else annotations; and what to say of it, and a note."""
    saved = find_saved(path, folder)
    if saved is None:
        return None, "", ""
    prediction, file, note = read_saved(saved), saved.tables and saved.tables[0], TABLES_NOTE
    if prediction is None:
        prediction, file = read_saved_annotations(saved, signal.num_samples, signal.fs_hz), saved.annotations
        note = ANNOTATIONS_NOTE
    if prediction is None and folder is not None:
        raise cannot_draw(saved)
    return prediction, f"beats and rhythms: predicted, {file}", note


def _rhythms_of(marks: Annotations, signal: EcgSource) -> Ribbon | None:
    """Return the annotated rhythms; None where there are none."""
    episodes = find_rhythms(marks, signal.num_samples)
    if not len(episodes):
        return None
    start_s, stop_s = episodes.start_sample / signal.fs_hz, episodes.stop_sample / signal.fs_hz
    return Ribbon("reference", start_s, stop_s, [str(name) for name in episodes.rhythm])
