"""The errors a user can meet, one line each: where, what was found, what was expected, what to do."""

import difflib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final, TypeVar

_Entry = TypeVar("_Entry")

EXTRA_OF: Final[Mapping[str, str]] = {
    "anndata": "explore",
    "boto3": "s3",
    "botocore": "s3",
    "captum": "saliency",
    "chronos": "chronos",
    "ecgdatakit": "formats",
    "edfio": "formats",
    "fontTools": "plot",
    "jinja2": "pipeline",
    "matplotlib": "plot",
    "neurokit2": "pipeline",
    "obstore": "s3",
    "onnx": "export",
    "pandas": "explore",
    "polars": "explore",
    "onnxruntime": "onnx",
    "onnxscript": "export",
    "ray": "ray",
    "requests": "pipeline",
    "sklearn": "pipeline",
    "starlette": "view",
    "threadpoolctl": "pipeline",
    "urllib3": "pipeline",
    "uvicorn": "view",
    "wfdb": "pipeline",
    "xarray": "explore",
    "zarr": "pipeline",
}
"""Extra of pyproject.toml that installs a module; `ecgfeat predict` imports none of these."""


class _LineError(ValueError):
    """An error whose message is one line.

    Parameters
    ----------
    where, found, expected, remedy : str
        As `fault` takes them. Without ``found``, ``where`` is the whole line.
    """

    def __init__(self, where: str, *, found: str | None = None, expected: str = "", remedy: str = "") -> None:
        super().__init__(printable(where) if found is None else fault(where, found, expected, remedy))


class DataError(_LineError):
    """A fault in a record, an annotation file or an artifact (exit code 1)."""


class UsageError(_LineError):
    """A fault in params.yaml, a command line or a corpus name (exit code 2)."""


def fault(where: str, found: str, expected: str, remedy: str = "") -> str:
    """Write the line of an error message.

    Parameters
    ----------
    where : str
        Record, path or param at fault, such as ``mitdb/100``.
    found : str
        What is there.
    expected : str
        What should be there.
    remedy : str, optional
        What the user can do about it.

    Returns
    -------
    str
        ``where: found; expected ... remedy``, without a line break.
    """
    line = f"{where}: {found}; expected {expected}."
    return printable(" ".join(f"{line} {remedy}".split()))


def printable(text: str) -> str:
    r"""Return a text that a terminal shows as it is.

    Parameters
    ----------
    text : str
        Such as a name from a file, which may hold the codes by which a terminal clears its screen.

    Returns
    -------
    str
        Control characters, and halves of characters that are none, are written as ``\x1b``.
    """
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in text
    )


def missing_package(module: str) -> UsageError:
    """Return the error for a module that is imported and not installed.

    Parameters
    ----------
    module : str
        One of `EXTRA_OF`.

    Returns
    -------
    UsageError
        It names the extra to install.
    """
    extra = EXTRA_OF[module]
    expected = f"the packages of the extra {extra}"
    return UsageError(module, found="not installed", expected=expected, remedy=f"Run: pip install 'ecgfeat[{extra}]'")


@contextmanager
def need_extras() -> Iterator[None]:
    """Turn the import of a package of an extra that is not installed into the error that names the extra."""
    try:
        yield
    except ModuleNotFoundError as error:
        name = (error.name or "").split(".")[0]
        if name not in EXTRA_OF:
            raise
        raise missing_package(name) from error


def choose(registry: Mapping[str, _Entry], name: str, kind: str) -> _Entry:
    """Return an entry by its name.

    Parameters
    ----------
    registry : mapping of str to entry
        All entries by name.
    name : str
        Name of the entry to return.
    kind : str
        What the entries are, such as ``corpus``.

    Returns
    -------
    entry

    Raises
    ------
    UsageError
        If there is no such entry; the message lists all names and the nearest one.
    """
    if name in registry:
        return registry[name]
    near = difflib.get_close_matches(name.lower(), registry, n=1)
    hint = f"Did you mean {near[0]}?" if near else ""
    raise UsageError(kind, found=f"unknown {kind} {name!r}", expected=f"one of {', '.join(registry)}", remedy=hint)
