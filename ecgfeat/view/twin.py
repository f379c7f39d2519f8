"""The files of the page, and the page as one file with its data inside, which opens without a server or a network."""

import base64
import gzip
import json
import re
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from ecgfeat.errors import DataError, UsageError
from ecgfeat.outputs.endings import source_mark
from ecgfeat.records.reader import EcgSource
from ecgfeat.report.drawings.ecg_paper import BEAT_COLOURS, BOLD_LINE, FINE_LINE, PAPER
from ecgfeat.report.drawings.style import OTHER_COLOURS, QUALITY_COLOURS, RHYTHM_COLOURS, ink_on
from ecgfeat.report.drawings.tint import LOWERS, RAISES
from ecgfeat.store.publish import publish
from ecgfeat.view.answers import describe_record, pack_marks, pack_part
from ecgfeat.view.events import find_events
from ecgfeat.view.marks import Marks, marks_of_prediction
from ecgfeat.view.pyramid import Pyramid
from ecgfeat.view.security import PrivateFolder

# What imports torch is imported where a record is predicted: the server does without it.
if TYPE_CHECKING:
    from ecgfeat.prediction.record import Prediction

MOST_SAMPLES: Final = 4_000_000
"""A record with no more, all leads together, is in the file as it is; 30 min of two leads at 1000 Hz have as many."""

_MOST_COLUMNS = 300_000  # of a longer record, lead by lead
_STRIPS_OF_A_KIND, _STRIP_S = 12, 20.0
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' data:; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'"
)


def page_files() -> dict[str, bytes]:
    """Return the files of the page by name: no name from an address is made into a path."""
    folder = resources.files("ecgfeat.view") / "page"
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    vendor = folder / "vendor"
    return files | {f"vendor/{path.name}": path.read_bytes() for path in vendor.iterdir() if path.is_file()}


def colours_as_css() -> str:
    """Return the colours of the reports as a style sheet.

    Returns
    -------
    str
        Custom properties, such as ``--rhythm-AFIB`` and ``--on-rhythm-AFIB`` for text on it, of the document.
    """
    lines = [f"  --paper: {PAPER};", f"  --grid-fine: {FINE_LINE};", f"  --grid-bold: {BOLD_LINE};"]
    lines += [f"  --raises: {RAISES};", f"  --lowers: {LOWERS};"]
    for kind, colours in (
        ("rhythm", {name or "none": colour for name, colour in (RHYTHM_COLOURS | OTHER_COLOURS).items()}),
        ("quality", QUALITY_COLOURS),
        ("beat", BEAT_COLOURS),
    ):
        for name, colour in colours.items():
            lines += [f"  --{kind}-{name}: {colour};", f"  --on-{kind}-{name}: {ink_on(colour)};"]
    return ":root {\n" + "\n".join(lines) + "\n}\n"


def write_html(path: Path, signal: EcgSource, prediction: "Prediction", *, reference: Marks | None = None) -> Path:
    """Write the page of a recording and its prediction as one file.

    Parameters
    ----------
    path : Path
        File to write; what was there is replaced when the new one is complete.
    signal : EcgSource
        The record. Each lead is read once.
    prediction : Prediction
        Its beats and rhythms.
    reference : Marks, optional
        Annotation to stand beside the prediction.

    Returns
    -------
    Path
        The file. Equal content gives equal bytes.

    Raises
    ------
    UsageError
        If the name has another ending than ``.html``.
    DataError
        If the prediction is of a record of another length, or a file of the record is damaged.

    Notes
    -----
    Of a long record the file has the lowest and highest sample of short stretches, and all samples around the events
    that the page can find: up to twelve of each kind.
    """
    path = Path(path)
    if path.suffix.lower() not in (".html", ".htm"):
        raise UsageError(str(path), found="another ending", expected="a name that ends in .html")
    duration_s = signal.num_samples / signal.fs_hz
    if abs(prediction.duration_s - duration_s) > 1:
        found = f"a prediction of {prediction.duration_s:.0f} s"
        raise DataError(signal.record, found=found, expected=f"one of this record, {duration_s:.0f} s")
    marks = marks_of_prediction(prediction, signal.start)
    packed = {"prediction": pack_marks(marks, reference, duration_s)}
    if reference is not None:
        packed["reference"] = pack_marks(reference, None, duration_s)
    data = {
        "info": describe_record(signal.record, signal) | {"prediction": "ready"},
        "marks": {name: _as_text(message) for name, message in packed.items()},
        "parts": [_as_text(message) for message in _pack_parts(signal, marks, reference)],
    }
    source = prediction.made_by.get("source")
    with publish(path) as part:
        part.write_text(_lay_out(data, source_mark(source) if source else ""), "utf-8")
    return path


def _pack_parts(signal: EcgSource, marks: Marks, reference: Marks | None) -> list[bytes]:
    """Return the parts of the signal that are in the file."""
    leads, num_samples, fs_hz = list(range(len(signal.leads))), signal.num_samples, signal.fs_hz
    with PrivateFolder() as folder:
        pyramid = Pyramid(folder.path, len(leads), num_samples)
        pyramid.fill(signal)
        if num_samples * len(leads) <= MOST_SAMPLES:
            return [pack_part(pyramid.read(0, num_samples, num_samples, leads), leads, fs_hz)]
        parts = [pack_part(pyramid.read(0, num_samples, _MOST_COLUMNS // len(leads), leads), leads, fs_hz)]
        starts: set[int] = {0}
        for times in find_events(marks, reference).values():
            chosen = (
                times[np.unique(np.linspace(0, len(times) - 1, _STRIPS_OF_A_KIND).astype(int))] if len(times) else []
            )
            starts |= {max(0, int((at_s - _STRIP_S / 2) * fs_hz)) for at_s in chosen}
        width = int(_STRIP_S * fs_hz)
        return parts + [
            pack_part(pyramid.read(start, start + width, width, leads), leads, fs_hz) for start in sorted(starts)
        ]


def _as_text(message: bytes) -> str:
    return base64.b64encode(gzip.compress(message, 9, mtime=0)).decode()


def _lay_out(data: object, mark: str) -> str:
    """Put page, style, code and data into one text."""
    files = {
        name: content.decode() for name, content in page_files().items() if name.endswith((".html", ".css", ".js"))
    }
    modules = {name: text for name, text in files.items() if name.endswith(".js") and "/" not in name}
    modules["api.js"] = modules.pop("offline.js")
    # A module in a data address has no folder: what it imports is found by name.
    imports = {
        f"page/{name}": "data:text/javascript;base64,"
        + base64.b64encode(re.sub(r'from "\./(\w+\.js)"', r'from "page/\1"', text).encode()).decode()
        for name, text in sorted(modules.items())
    }
    style = "\n".join([files["vendor/uPlot.min.css"], colours_as_css(), files["style.css"]])
    page = re.sub(r"<link [^>]*>\n|<script [^>]*></script>\n", "", files["index.html"])
    head = [
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        f'<meta name="source" content="{mark}">',
        f"<style>\n{style}\n</style>",
        f'<script type="application/json" id="data">{_as_json(data)}</script>',
        f"<script>{files['vendor/uPlot.iife.min.js']}</script>",
        f'<script type="importmap">{_as_json({"imports": imports})}</script>',
        '<script type="module">import "page/main.js";</script>',
    ]
    return page.replace("</head>", "\n".join(head) + "\n</head>")


def _as_json(data: object) -> str:
    """Return JSON that no text in it can end the element of."""
    return json.dumps(data, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")
