"""A recording and its prediction as a PDF: first the day, then strips on ECG paper, vector, true to scale on A4."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure

from ecgfeat.errors import DataError, UsageError, printable
from ecgfeat.outputs.endings import source_mark
from ecgfeat.paper.day import describe_duration
from ecgfeat.paper.examples import choose_examples
from ecgfeat.paper.first_page import FirstPage
from ecgfeat.paper.page import Drawing, Frame, draw_page
from ecgfeat.paper.strip_pages import plan_strip_pages
from ecgfeat.prediction.record import Prediction
from ecgfeat.records.leads import find_leads
from ecgfeat.records.reader import EcgSource
from ecgfeat.report.drawings.ecg_paper import Ribbon
from ecgfeat.report.drawings.fonts import has_postscript_outlines
from ecgfeat.report.drawings.style import STYLE
from ecgfeat.store.publish import publish
from ecgfeat.summary import summarise
from ecgfeat.version import __version__

_PDF_STYLE = {**STYLE, "pdf.compression": 6}
"""Fonts are embedded, as TrueType where they are: text can be selected and searched."""

_DIGEST_LETTERS = 12


def write_pdf(
    path: Path,
    signal: EcgSource,
    prediction: Prediction,
    *,
    reference: Ribbon | None = None,
    leads: Sequence[str | int] | None = None,
) -> Path:
    """Write a PDF of a recording and its prediction.

    Parameters
    ----------
    path : Path
        File to write; what was there is replaced when the new one is complete.
    signal : EcgSource
        The record. Each lead is read once, and only the samples of the strips are kept.
    prediction : Prediction
        Its beats and rhythms.
    reference : Ribbon, optional
        Rhythms to stand under the predicted ones on the first page.
    leads : sequence of str or int, optional
        Leads of the strips, by name or position from 0, from top to bottom. By default all up to 24; twelve leads in
        their usual layout.

    Returns
    -------
    Path
        The file. 25 mm/s and 10 mm/mV if printed at 100 % on A4. Equal content gives equal bytes.

    Raises
    ------
    UsageError
        If the name of the file has another ending than ``.pdf``, or there is no such lead.
    DataError
        If the prediction is of a record of another length, a file of the record is damaged, or the disk is full.
    """
    path = Path(path)
    if path.suffix.lower() != ".pdf":
        raise UsageError(str(path), found="another ending", expected="a name that ends in .pdf")
    with publish(path) as part:
        # Without dates and versions of libraries.
        source = prediction.made_by.get("source")
        metadata = {"Title": printable(signal.record), "Creator": None, "Producer": None, "CreationDate": None}
        metadata |= {"Keywords": source_mark(source)} if source else {}
        texts = [signal.record, *signal.leads, *prediction.notes]
        style = {**_PDF_STYLE, "pdf.fonttype": 3 if has_postscript_outlines("".join(texts)) else 42}
        with matplotlib.rc_context(style), PdfPages(part, metadata=metadata) as pdf:
            for figure in draw_pages(signal, prediction, reference=reference, leads=leads):
                pdf.savefig(figure)
    return path


def draw_pages(
    signal: EcgSource,
    prediction: Prediction,
    *,
    reference: Ribbon | None = None,
    leads: Sequence[str | int] | None = None,
) -> Iterator[Figure]:
    """Draw the pages of a PDF, one after the other.

    Parameters
    ----------
    signal, prediction, reference, leads
        As of `write_pdf`.

    Yields
    ------
    Figure
        Of the size of A4 in landscape.

    Raises
    ------
    UsageError, DataError
        As of `write_pdf`.
    """
    duration_s = signal.num_samples / signal.fs_hz
    if abs(duration_s - prediction.duration_s) > 1:
        raise DataError(
            signal.record,
            found=f"a prediction of {prediction.duration_s:g} s",
            expected=f"one of this record, which has {duration_s:g} s",
        )
    chosen = None if leads is None else find_leads(signal.record, signal.leads, leads)
    summary = summarise(prediction.beats, prediction.episodes, prediction.duration_s, signal.start)
    examples = choose_examples(summary, prediction.episodes)
    first = FirstPage(signal, prediction, summary, reference)
    bodies: list[Drawing] = [first, *plan_strip_pages(signal, prediction, examples, chosen)]
    frame = _frame(signal, prediction)
    for number, body in enumerate(bodies, start=1):
        yield draw_page(frame, body, number, len(bodies))


def _frame(signal: EcgSource, prediction: Prediction) -> Frame:
    """Return what stands on every page."""
    num_leads = len(signal.leads)
    leads = f"{num_leads} lead{'s' * (num_leads != 1)}: {', '.join(signal.leads)}"
    facts = f"{describe_duration(prediction.duration_s, signal.start)} · {leads}"
    made_by = f"filter: none · models {digest_of(prediction.made_by)} · ecgfeat {__version__}"
    return Frame(signal.record, facts, made_by)


def digest_of(made_by: Mapping[str, Any]) -> str:
    """Return a short digest of the weights that made a prediction; ``unknown`` where it does not state them."""
    weights = made_by.get("weights")
    if not weights:
        return "unknown"
    return hashlib.sha256(json.dumps(weights, sort_keys=True).encode()).hexdigest()[:_DIGEST_LETTERS]
