"""The page that ``dvc plots show`` fills: with the drawing library in it, so that it opens without a network."""

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
    scripts = "{scripts}"
    if find_spec("vl_convert"):
        import vl_convert

        scripts = f"<script>{vl_convert.javascript_bundle(vl_version=VEGA_LITE)}</script>"
    page = PAGE.replace("SCRIPTS", scripts)
    if not TEMPLATE.is_file() or TEMPLATE.read_text(encoding="utf-8") != page:
        with publish(TEMPLATE) as part:
            part.write_text(page, encoding="utf-8")
