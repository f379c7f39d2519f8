"""Templates of the pages."""

from importlib import resources

import jinja2


def load_template(name: str) -> jinja2.Template:
    """Load one of the templates beside this module.

    Parameters
    ----------
    name : str
        File name, such as ``page.html``.

    Returns
    -------
    jinja2.Template
        It escapes inserted text; a name without a value is an error.
    """
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_read),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template(name)


def _read(name: str) -> str:
    return resources.files("ecgfeat.report").joinpath(name).read_text("utf-8")
