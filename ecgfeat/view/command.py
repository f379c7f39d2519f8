"""What ``ecgfeat view`` does: find the records, bind an address of this machine, print it, serve until interrupted."""

import contextlib
import secrets
import signal
import socket
import webbrowser
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from ecgfeat.errors import DataError, UsageError
from ecgfeat.files import open_ecg
from ecgfeat.files.folders import find_inputs
from ecgfeat.pretrained import DEFAULT, find_models
from ecgfeat.view.security import HAS_LOCKS
from ecgfeat.view.sources import find_records_of_run, is_run, read_rule

LOOPBACK = "127.0.0.1"
_ENDINGS = (signal.SIGINT, signal.SIGTERM)


def view_records(
    paths: Sequence[Path],
    *,
    fs_hz: float | None = None,
    leads: Sequence[str] | None = None,
    unit: str | None = None,
    models: str | None = None,
    predicts: bool = True,
    out: Path = Path(),
    subject: str = "",
    device: Literal["auto", "cpu", "cuda"] = "auto",
    port: int = 0,
    opens_browser: bool = True,
    is_exposed: bool = False,
    say: Callable[[str], None] = print,
) -> None:
    """Show recordings in a web page of this machine, until it is interrupted.

    Parameters
    ----------
    paths : sequence of Path
        Recordings of any format, or folders of them; or the folder of one finished run: the records that it used.
    fs_hz, leads, unit
        As `ecgfeat.files.read` takes them.
    models : str, optional
        Name of shipped models, or a folder with the models of a run. By default those of the run, else
        the shipped ones.
    predicts : bool
        Whether beats and rhythms are predicted.
    out : Path
        Folder to which reviews are written, once something is corrected.
    subject : str
        How the path of a recording says whose it is, as `ecgfeat.view.sources.read_rule` takes it; empty: it does not.
    device : {'auto', 'cpu', 'cuda'}
        Where to predict.
    port : int
        Port of the address; 0: any that is free.
    opens_browser : bool
        Whether the page is opened.
    is_exposed : bool
        Whether other machines can reach it; its traffic is not encrypted.
    say : callable
        Called with every line for the user.

    Raises
    ------
    UsageError
        If there is no recording, an option cannot be used, packages of the extra are missing, or the system is Windows.
    DataError
        If the only recording cannot be read.
    """
    if not HAS_LOCKS:
        remedy = "Use the Linux of Windows (WSL), or write the page as a file: ecgfeat predict RECORD --format html"
        raise UsageError("view", found="a system that cannot lock folders", expected="Linux or macOS", remedy=remedy)
    import uvicorn

    from ecgfeat.view.security import private_page, remove_left_folders
    from ecgfeat.view.server import make_app
    from ecgfeat.view.shelf import Shelf

    remove_left_folders()
    run = paths[0] if len(paths) == 1 and is_run(paths[0]) else None
    inputs, note = find_inputs(paths) if run is None else (find_records_of_run(run), "")
    subject_of = read_rule(subject) if subject else lambda path: ""
    if subject:  # a table of subjects is no recording
        inputs = [given for given in inputs if given[0].path.absolute() != Path(subject).absolute()]
    if not inputs:
        raise UsageError(str(paths[0]), found="no recording in it", expected="at least one")
    options = {"fs_hz": fs_hz, "leads": leads, "unit": unit}
    if len(inputs) == 1:
        open_ecg(inputs[0][0].path, **options)  # type: ignore[arg-type]
    folder, made_by = find_models(models or DEFAULT) if predicts else None, ""
    if run is not None and predicts and models is None:
        folder, made_by = choose_models_of_run(run)
        say(made_by)
    if note:
        say(note)
    bound = _bind("0.0.0.0" if is_exposed else LOOPBACK, port)
    port = bound.getsockname()[1]
    token = secrets.token_urlsafe(32)
    hosts = [LOOPBACK, "localhost", *(_own_names() if is_exposed else [])]
    shelf = Shelf(inputs, options, folder, out, device, note=made_by, subject_of=subject_of)
    app = make_app(shelf, token, hosts=hosts, cookie=f"ecgfeat-{port}", is_stopping=lambda: server.should_exit)
    address = f"http://{hosts[-1] if is_exposed else LOOPBACK}:{port}/?token={token}"
    say(f"{len(inputs)} recording{'s' * (len(inputs) > 1)}: {address}")
    who = "Every machine of the network that has this address" if is_exposed else "Only this machine"
    say(f"{who} can open it.")
    say("Keep the address to yourself. Press Ctrl-C to end.")
    config = uvicorn.Config(
        app, access_log=False, log_level="warning", server_header=False, ws="none", lifespan="off", proxy_headers=False
    )
    server = uvicorn.Server(config)
    # After uvicorn has closed all connections it raises the signal that ended it once more.
    for ending in _ENDINGS:
        signal.signal(ending, signal.default_int_handler)
    # uvicorn catches the others itself. An interrupt in the middle of its loop could leave the loop waiting.
    signal.signal(signal.SIGHUP, lambda number, frame: setattr(server, "should_exit", True))
    try:
        with contextlib.suppress(KeyboardInterrupt), contextlib.ExitStack() as stack:
            if opens_browser:
                webbrowser.open(stack.enter_context(private_page(address)).as_uri())
            server.run(sockets=[bound])
    finally:
        shelf.close()
        bound.close()


def choose_models_of_run(folder: Path) -> tuple[Path, str]:
    """Return the models of a run if they can be read, else the shipped ones, and a sentence that says which.

    Parameters
    ----------
    folder : Path
        Of the run.

    Returns
    -------
    models : Path
        Folder with ``beats/classifier`` and ``rhythm``.
    note : str
        For the page.
    """
    from ecgfeat.prediction.models import load_models

    try:
        load_models(folder / "models")
    except DataError as error:
        return find_models(DEFAULT), f"Predicted by the shipped models: those of the run cannot be used ({error})."
    return folder / "models", "Predicted by the models of the run, which have learnt from its training records."


def _bind(host: str, port: int) -> socket.socket:
    """Return a socket that listens on a port."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
        bound.listen()  # a browser that is quicker than the server waits
    except (OSError, OverflowError) as error:
        bound.close()
        found = getattr(error, "strerror", None) or str(error)
        raise UsageError("--port", found=f"{port} ({found})", expected="a free port", remedy="Leave it out.") from error
    return bound


def _own_names() -> list[str]:
    """Return the name and, last, the address by which other machines may call this one."""
    names = [socket.gethostname()]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
        probe.connect(("192.0.2.1", 9))  # an address for documentation; nothing is sent
        names.append(probe.getsockname()[0])
    return names
