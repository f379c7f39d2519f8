"""The files of the page, and the colours of the reports as a style sheet."""

from importlib import resources

from ecgfeat.report.drawings.ecg_paper import BEAT_COLOURS, BOLD_LINE, FINE_LINE, PAPER
from ecgfeat.report.drawings.style import OTHER_COLOURS, QUALITY_COLOURS, RHYTHM_COLOURS, ink_on
from ecgfeat.report.drawings.tint import LOWERS, RAISES


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
