"""The page that ``dvc plots show`` fills: with the drawing library in it, so that it opens without a network."""

from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from ecgfeat.store.publish import publish

TEMPLATE = Path(".dvc/plots.html")
"""Named in .dvc/config; Git ignores it, because most of it is the code of Vega."""

VEGA_LITE = "5.20"
"""The version whose charts DVC writes."""

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>ecgfeat: plots</title>
{refresh_tag}
<!-- drawing library: LIBRARIES -->
SCRIPTS
</head>
<body>
{plot_divs}
</body>
</html>
"""


def write_plots_template() -> None:
    """Write the template; without vl-convert-python, which the extra ``dev`` brings, its charts need the network.

    DVC's own page loads Vega from a server.
    """
    if not TEMPLATE.parent.is_dir():
        return
    has_library = find_spec("vl_convert") is not None
    libraries = f"Vega-Lite {VEGA_LITE}, vl-convert-python {version('vl-convert-python')}" if has_library else "linked"
    if TEMPLATE.is_file() and f"library: {libraries} -->" in TEMPLATE.read_text(encoding="utf-8"):
        return
    scripts = "{scripts}"
    if has_library:
        import vl_convert  # here: it takes seconds to start

        scripts = f"<script>{vl_convert.javascript_bundle(vl_version=VEGA_LITE)}</script>"
    with publish(TEMPLATE) as part:
        part.write_text(PAGE.replace("LIBRARIES", libraries).replace("SCRIPTS", scripts), encoding="utf-8")
