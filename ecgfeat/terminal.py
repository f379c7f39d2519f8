"""What every command writes to the terminal: JSON, a progress bar, and an error as one red line."""

import json
import os
import sys
from collections.abc import Sequence
from typing import Any

import typer

from ecgfeat.errors import EXTRA_OF, DataError, UsageError, missing_package, printable

# typer has its own copy of click and does not export the base class of its errors. Every error class leads to it.
ClickError: type[Exception] = typer.BadParameter.__mro__[2]


def run_app(app: typer.Typer, arguments: Sequence[str]) -> int:
    """Run a command line, and print a fault as one line.

    Parameters
    ----------
    app : Typer
        The commands.
    arguments : sequence of str
        Without the name of the program.

    Returns
    -------
    int
        Exit code.
    """
    try:
        return int(app(list(arguments), prog_name="ecgfeat", standalone_mode=False) or 0)
    except BrokenPipeError:
        # The reader of a pipe stopped early; the interpreter must not try to flush the rest.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (DataError, UsageError, ClickError, OSError) as error:
        if os.environ.get("ECGFEAT_DEBUG"):
            raise
        return print_error(error, _command_of(app, arguments))
    except ModuleNotFoundError as error:
        module = error.name or ""
        if module not in EXTRA_OF or os.environ.get("ECGFEAT_DEBUG"):
            raise
        return print_error(missing_package(module))
    except (KeyboardInterrupt, typer.Abort):
        return 130


def _command_of(app: typer.Typer, arguments: Sequence[str]) -> str:
    """Return which command a user called, such as ``ecgfeat plot``; not every error of the command line knows it."""
    names = {command.name or getattr(command.callback, "__name__", "") for command in app.registered_commands}
    first = next((argument for argument in arguments if not argument.startswith("-")), "")
    return f"ecgfeat {first}" if first in names else "ecgfeat"


def print_error(error: Exception, command: str = "ecgfeat") -> int:
    """Print an error as one red line.

    Parameters
    ----------
    error : Exception
        A DataError, a UsageError, an OSError, or an error of the command line.
    command : str
        What was called: an error of the command line names it.

    Returns
    -------
    int
        Exit code: 2 for wrong use, else 1.
    """
    if isinstance(error, OSError):
        message = f"{error.filename or 'ecgfeat'}: {error.strerror or error}."
    elif isinstance(error, ClickError):
        text = str(error.format_message())  # type: ignore[attr-defined]
        message = f"{command}: {text}{'' if text.endswith(('.', '?')) else '.'} Try: {command} --help"
    else:
        message = str(error)
    red = ("\033[31m", "\033[0m") if sys.stderr.isatty() else ("", "")
    print(f"{red[0]}{printable(' '.join(message.split()))}{red[1]}", file=sys.stderr)
    return 2 if isinstance(error, UsageError | ClickError) else 1


def print_json(value: Any) -> None:
    """Print a value of JSON types; NaN is a defect."""
    typer.echo(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False))


def progress_bar(**options: Any) -> Any:
    """Return a progress bar of tqdm, with its options, that appears after a second."""
    from tqdm import tqdm  # slow to import

    # Only on a terminal: a file or a pipe gets the result and nothing else.
    return tqdm(delay=1, disable=None, dynamic_ncols=True, leave=False, file=sys.stderr, **options)
